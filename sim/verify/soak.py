"""Hostile traffic on an emitted engine: pauses, frames of wrong lengths, resets and register accesses, without end."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from oxnor.hw.interface.registers import INTERFACE_VERSION, MAGIC, SPIKING_BIT
from oxnor.hw.params.options import EngineOptions
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.models import zoo
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root
from oxnor.models.base.rng import stream
from oxnor.models.faults.options import ErrorOptions
from oxnor.sim.harness.loop import build_loop
from oxnor.sim.runner import runner

from .case import Case, Request
from .engines import emitted, generator_hash, run_directory
from .flows import flow_of
from .inputs import inputs_for
from .options import RunOptions
from .simulate import streamed
from .soak_record import Record as SoakRecord

#: Different images that a soak sends.
IMAGES = 64
#: Frames of one run of the simulator: what a break loses at most.
CHUNK = 20_000
#: Seconds for a frame, of which a working engine never takes so many.
SECONDS_PER_FRAME = 0.5
#: Registers that count, in the order in which the program knows them; STATUS is 0 where nothing is in the engine.
COUNTERS = ("FRAMES", "DROPPED", "RESULTS", "STATUS")


@dataclass
class Counts:
    """What was sent through an engine, and what came back as it must.

    Parameters
    ----------
    frames : int
        Begun, of the right length or another.
    right, too_short, too_long : int
        By length.
    results : int
        All equal to those of the golden model. Those of frames that a reset took away never come.
    resets : int
    settled : int
        How often everything was awaited, and every counter compared.
    reads, writes : int
        Of registers, each with the answer that it must have.
    refused : int
        Writes that must be refused, and were.
    cycles : int
    """

    frames: int = 0
    right: int = 0
    too_short: int = 0
    too_long: int = 0
    results: int = 0
    resets: int = 0
    settled: int = 0
    reads: int = 0
    writes: int = 0
    refused: int = 0
    cycles: int = 0

    def add(self, other: dict[str, int]) -> None:
        """Add the counts of another run."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + other[field.name])


@dataclass(frozen=True)
class Soaked:
    """A soak of one engine.

    Parameters
    ----------
    counts : Counts
    difference : str
        The first thing that went wrong; empty if nothing did.
    seconds : float
    """

    counts: Counts
    difference: str
    seconds: float


#: Engines of a soak for which nothing is chosen: (network, options).
ENGINES: dict[str, tuple[str, EngineOptions | None]] = {
    "mnist-tfc": ("mnist-tfc", None),
    "mnist-tfc, every option": (
        "mnist-tfc", EngineOptions(stream_width=64, fault_injector=True, programming=True, margin=True)
    ),
    "mnist-mlp": ("mnist-mlp", None),
    "mnist-cnn-small": ("mnist-cnn-small", None),
    "mnist-spirit": ("mnist-spirit", None),
}  # fmt: skip


def engines(names: Sequence[str] | None) -> Iterator[tuple[str, Any, EngineOptions | None]]:
    """Yield (name, network, options) of the engines of networks that are named, or of :data:`ENGINES`."""
    for name, (network, options) in ({n: (n, None) for n in names} if names else ENGINES).items():
        yield name, zoo.load(network), options


def identity(network: Any, engine: EngineOptions | None) -> dict[str, str]:
    """Return the digests of what a soak runs: engine, network, and the sources that make and judge it."""
    program = Path(str(files("oxnor.sim.harness") / "soak.cpp")).read_bytes() + Path(__file__).read_bytes()
    structure = flow_of(network).config(network, engine).digest
    sources = hashlib.sha256(generator_hash().encode() + program).hexdigest()
    return {"structure": structure, "network": network.digest, "sources": sources}


class Record(SoakRecord):
    """The rows of soaks of engines.

    Parameters
    ----------
    path : Path, optional
        Read if it is there.
    frames, seed : int
        Of every row that counts as done.
    """

    def __init__(self, path: Path | None, frames: int, seed: int):
        super().__init__(path, "soaks", frames=frames, seed=seed)

    def has(self, name: str, network: Any, engine: EngineOptions | None) -> bool:
        """Whether an engine has had such a soak, as it is now, without a difference."""
        return self.find(name, difference="", **identity(network, engine)) is not None

    def add(self, name: str, network: Any, engine: EngineOptions | None, soaked: Soaked) -> None:
        """Put the soak of an engine in the place of its last one, and write the file."""
        row: dict[str, Any] = {**identity(network, engine), "counts": asdict(soaked.counts)}
        row |= {"difference": soaked.difference, "seconds": round(soaked.seconds, 1)}
        self.put(name, row | {"date": time.strftime("%Y-%m-%d"), "simulator": str(runner.find_tool("verilator"))})


def _registers(case: Case, sidecar: dict[str, Any]) -> str:
    """Return the accesses that a soak may make: a line (kind, address, value) each."""
    config, lines, last = case.config, [], 0
    values = {
        "MAGIC": MAGIC,
        "VERSION": INTERFACE_VERSION | (SPIKING_BIT if isinstance(config, SpikingConfig) else 0),
        "STRUCTURE": int(config.digest[:8], 16),
        "NETWORK": int(case.network.digest[:8], 16),
        "N_IN": config.n_in,
        "N_OUT": config.n_out,
    }
    for register in sidecar["registers"]:
        name, address, last = register["name"], register["offset"], max(last, register["offset"])
        if name in COUNTERS:
            lines.append(f"counter {address} {COUNTERS.index(name)}")
        elif name == "CONTROL":
            lines.append(f"control {address} 0")
        elif name in values and register["access"] == "r":
            lines.append(f"constant {address} {values[name]}")
    return "\n".join([*lines, f"empty {last + 4} 0", "empty 252 0", ""])


def soak(
    network: Any,
    frames: int,
    *,
    seed: int = 0,
    engine: EngineOptions | None = None,
    build_dir: Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Soaked:
    """Send hostile traffic through the emitted engine of a network, and compare all that comes out.

    The right results are those of a plain simulation that is compared with the golden model first. Then frames come
    with pauses on either side, too short or too long ones among them; a third of the sessions end in a reset at any
    moment; registers are read and written all the while, addresses and data in any order and before the last answer.
    Whatever is wrong, late, doubled, lost, changed while it waits or not asked for ends the soak.

    Parameters
    ----------
    network : Network or SpikingNetwork
        Not one that takes event streams.
    frames : int
        At least 1.
    seed : int
        Key of all that is drawn: with the same engine, the same traffic.
    engine : EngineOptions, optional
    build_dir : Path, optional
        Folder for builds.
    progress : callable, optional
        Called with (frames done, frames).

    Raises
    ------
    InputError
        If an argument is wrong or a tool is missing.
    oxnor.sim.runner.runner.SimulationError
        If the build or the plain simulation fails.
    """
    if frames < 1:
        raise InputError(f"must be at least 1, not {frames}", parameter="frames")
    run = RunOptions(build_dir=build_dir, jobs=1)
    inputs = inputs_for(network)
    images = inputs.images[:IMAGES]
    case = flow_of(network).prepare(network, images, Request(ErrorOptions(), None, engine, run))
    if isinstance(case.config, SpikingConfig) and case.config.external:
        raise InputError("must take images, not event streams, whose frames have no right length", parameter="network")
    plain = streamed(case, run)
    result = case.compare(plain, None)
    if not result.ok:
        raise runner.SimulationError(f"the plain simulation differs from the golden model: {result.difference}")
    root = build_root(build_dir)
    verilog = emitted(case.config, root, top="testbench", emit=case.emit)
    sizes = {p["name"]: p["width"] // 8 for p in verilog.sidecar["ports"]}
    arguments = [f"-D{k}={v}" for k, v in case.defines.items()]
    if "m_spike_tdata" in sizes:
        arguments += ["-CFLAGS", "-DSPIKES"]
    program = build_loop(verilog.sources, verilog.top, arguments, root, "soak").program
    beats, lasts = case.beats(slice(0, case.images))
    words = plain.words("m_axis")
    counts, difference, started = Counts(), "", time.monotonic()
    with run_directory(root, f"soak-{network.name}", keep=False) as directory:
        case.write_memory(directory)
        beats.tofile(directory / "images.bin")
        words.tofile(directory / "results.bin")
        (directory / "registers.txt").write_text(_registers(case, verilog.sidecar))
        shape = (beats.shape[1], int(np.argmax(lasts)) + 1, words.shape[1], case.images)
        chunks = -(-frames // CHUNK)
        for k in range(chunks):
            n = min(CHUNK, frames - k * CHUNK)
            key = int(stream("soak", seed=seed, layer=0, trial=k).integers(1 << 63))
            command = [str(program), *map(str, (key, n, *shape))]
            done = subprocess.run(
                command, cwd=directory, capture_output=True, text=True, check=False, timeout=600 + n * SECONDS_PER_FRAME
            )
            if done.returncode:
                difference = (done.stdout + done.stderr).strip() or f"the simulator ended with {done.returncode}"
                difference = f"run {k}, key {key}: {difference}"
                break
            counts.add(json.loads(done.stdout))
            if progress:
                progress(k * CHUNK + n, frames)
    return Soaked(counts, difference, time.monotonic() - started)
