"""What the one flow of a simulation asks of every type of network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.emit.verilog import Emitted
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import EngineOptions
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.models.devices.options import DeviceOptions
from oxnor.models.faults.options import ErrorOptions
from oxnor.sim.runner import runner

from .options import RunOptions


@dataclass(frozen=True, eq=False)
class Request:
    """What a user asks of a simulation, beside the network and the images.

    Parameters
    ----------
    errors : ErrorOptions
    device : DeviceOptions or None
    engine : EngineOptions, EngineConfig, SpikingConfig or None
        Options or structure of the engine.
    run : RunOptions
    """

    errors: ErrorOptions
    device: DeviceOptions | None
    engine: EngineOptions | EngineConfig | SpikingConfig | None
    run: RunOptions


@dataclass(frozen=True)
class Built:
    """How an engine was built, and its description: what is left of a build on whatever machine it was.

    Parameters
    ----------
    tool : str
        Simulator and version.
    seconds : float
        Time that building took, when it was, in seconds.
    cached : bool
        Whether it had been built before.
    sidecar : dict
        The description of its Verilog.
    """

    tool: str
    seconds: float
    cached: bool
    sidecar: dict[str, Any]


@dataclass(frozen=True)
class EngineBuild:
    """An engine that is ready to simulate.

    Parameters
    ----------
    build : runner.Build
        The simulation.
    sidecar : dict
        The description of its Verilog.
    """

    build: runner.Build
    sidecar: dict[str, Any]

    @property
    def summary(self) -> Built:
        """What is said of it after the run."""
        return Built(self.build.tool, self.build.seconds, self.build.cached, self.sidecar)


@dataclass(frozen=True)
class Recorded:
    """What came out of one output stream.

    Parameters
    ----------
    words : ndarray of uint8, shape (n, bytes)
        The data of each transfer, lowest byte first.
    cycles : ndarray of int64, shape (n,)
        In which clock cycle each was.
    """

    words: NDArray[np.uint8]
    cycles: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Shard:
    """Some images, one after the other, through one simulator.

    Parameters
    ----------
    images : slice
        Which.
    streams : mapping of str to Recorded
        By output stream: ``m_axis``, and ``m_spike`` of a spiking engine.
    first : int
        Clock cycle of the first input transfer.
    registers : mapping of str to int
        Of the engine, after the last image.
    start_s, stream_s : float
        Seconds from starting the simulator to the first image, and from there to the last result.
    """

    images: slice
    streams: Mapping[str, Recorded]
    first: int
    registers: Mapping[str, int]
    start_s: float
    stream_s: float

    @property
    def times(self) -> NDArray[np.int64]:
        """Clock edges from the first input transfer to each result."""
        return self.streams["m_axis"].cycles - self.first


@dataclass(frozen=True, eq=False)
class Streamed:
    """A run of all images, before anything is compared.

    Parameters
    ----------
    built : Built
    shards : tuple of Shard
        In the order of their images.
    seconds : float
        Wall-clock time of the simulation.
    waves : str or None
        Path of the waveform file.
    """

    built: Built
    shards: tuple[Shard, ...]
    seconds: float
    waves: str | None = None

    def words(self, stream: str) -> NDArray[np.uint8]:
        """Return all that came out of an output stream."""
        return np.concatenate([s.streams[stream].words for s in self.shards])

    def figures(self) -> dict[str, Any]:
        """Return the fields that the results of all types of network share."""
        images = self.shards[-1].images.stop
        return {
            "images": images,
            "build_s": round(self.built.seconds, 3),
            "build_cached": self.built.cached,
            "sim_s": round(self.seconds, 3),
            "start_s": round(max(s.start_s for s in self.shards), 3),
            "stream_s": round(max(s.stream_s for s in self.shards), 3),
            "images_per_s": round(images / self.seconds, 1),
            "jobs": len(self.shards),
            "simulator": self.built.tool,
            "waves": self.waves,
        }


class Case(Protocol):
    """One simulation of one type of network: everything that is known before the build, and the comparison after it."""

    @property
    def network(self) -> Any:
        """The network, without errors."""

    @property
    def request(self) -> Request:
        """What the user asked for beside network and images."""

    @property
    def config(self) -> Any:
        """Structure of the engine."""

    @property
    def defines(self) -> Mapping[str, object]:
        """Verilog defines of the build."""

    @property
    def images(self) -> int:
        """How many images run."""

    @property
    def in_order(self) -> str:
        """Why one simulator must run all images one after the other; empty if images can be shared out."""

    @property
    def seconds_per_cycle(self) -> float:
        """More wall-clock time than a cycle takes in any simulator."""

    def cycles(self, images: slice) -> int:
        """Return about how many cycles some images take, never less."""

    def emit(self, directory: Path) -> Emitted:
        """Write the Verilog of the engine."""

    def write_memory(self, directory: Path) -> None:
        """Write the memory files into a folder of a run."""

    def beats(self, images: slice) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return the beats of some images, uint8, a row a beat, and which of them end a frame."""

    def registers(self, sidecar: dict[str, Any]) -> tuple[list[tuple[int, int]], dict[str, int]]:
        """Return what to write before the first image, (address, value), and what to read after the last, by name."""

    def compare(self, streamed: Streamed, labels: NDArray | None) -> Any:
        """Return the result: what the RTL did beside what it should have done."""
