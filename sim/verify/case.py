"""What the one flow of a simulation asks of every type of network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

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


@dataclass(frozen=True, eq=False)
class Streamed:
    """A run of all images, before anything is compared.

    Parameters
    ----------
    engine : EngineBuild
    directory : Path
        What the testbench wrote.
    images : int
    seconds : float
        Wall-clock time of the simulation.
    waves : str or None
        Path of the waveform file.
    """

    engine: EngineBuild
    directory: Path
    images: int
    seconds: float
    waves: str | None

    def figures(self) -> dict[str, Any]:
        """Return the fields that the results of all types of network share."""
        return {
            "images": self.images,
            "build_s": round(self.engine.build.seconds, 3),
            "build_cached": self.engine.build.cached,
            "sim_s": round(self.seconds, 3),
            "images_per_s": round(self.images / self.seconds, 1),
            "simulator": self.engine.build.tool,
            "waves": self.waves,
        }


class Case(Protocol):
    """One simulation of one type of network: everything that is known before the build, and the comparison after it."""

    @property
    def network(self) -> Any:
        """What the user asked for."""

    @property
    def config(self) -> Any:
        """Structure of the engine."""

    @property
    def testbench(self) -> str:
        """Module with the cocotb test that streams the images."""

    @property
    def defines(self) -> Mapping[str, object]:
        """Verilog defines of the build."""

    @property
    def cycle_limit(self) -> int:
        """Cycles after which the engine counts as hung."""

    @property
    def time_limit_s(self) -> float:
        """The same in seconds of wall-clock time."""

    @property
    def images(self) -> int:
        """How many images run."""

    def emit(self, directory: Path) -> Emitted:
        """Write the Verilog of the engine."""

    def write(self, engine: EngineBuild, directory: Path) -> dict[str, Any]:
        """Write memory files and inputs into the run's folder; return what else the testbench must know."""

    def compare(self, streamed: Streamed, labels: NDArray | None) -> Any:
        """Return the result: what the RTL did beside what it should have done."""
