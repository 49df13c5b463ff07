"""A network through its own RTL: images in, everything that comes out compared with the golden model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import EngineOptions
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root
from oxnor.models.devices.options import DeviceOptions
from oxnor.models.faults.options import ErrorOptions
from oxnor.sim.runner import runner

from .case import Case, EngineBuild, Request, Streamed
from .engines import build_engine, run_directory
from .flows import flow_of
from .options import RunOptions

#: Images that a run with waves takes, the first ones: a cycle of a large engine is about 100 kB of VCD.
WAVE_IMAGES = 4


def simulate(
    network: Any,
    images: Any,
    *,
    labels: NDArray | None = None,
    errors: ErrorOptions = ErrorOptions(),
    device: DeviceOptions | None = None,
    engine: EngineOptions | EngineConfig | SpikingConfig | None = None,
    run: RunOptions = RunOptions(),  # noqa: B008 (frozen; ruff does not follow the relative import)
    progress: Callable[[int, int], object] | None = None,
) -> Any:
    """Stream images through the emitted engine in a simulator and compare every result with the golden model.

    Classes, scores and the number of cycles of a binarized network; of a spiking one, every output spike, its tick,
    every decision and the cycle in which it came. The memory files are written after the build: a run with other
    weights or errors does not build again.

    Parameters
    ----------
    network : Network or SpikingNetwork
    images : ndarray of uint8 or bool, shape (n, n_in), or sequence of Events
        At least one. Event streams for a spiking network whose encoder is ``external``; images get the default
        encoder there.
    labels : ndarray of int, shape (n,), optional
        Right classes.
    errors : ErrorOptions
        The golden model gets the same. For errors of single reads the engine is generated with its fault injector.
    device : DeviceOptions, optional
        Draw the devices of every synapse and the sense amplifiers of every column with the same key. Macros of kind
        `devices` hold them; those of kind `bits` hold what they read, which needs a device without read noise.
    engine : EngineOptions, EngineConfig or SpikingConfig, optional
        Options or structure of the engine. Default: the ``sim`` target's.
    run : RunOptions
    progress : callable, optional
        Called with (images done, images).

    Returns
    -------
    SimulationResult or SpikingResult

    Raises
    ------
    InputError
        If an argument is wrong or a tool is missing.
    oxnor.sim.runner.runner.SimulationError
        If the build fails, an assertion in the RTL fails, or the engine hangs.
    """
    if labels is not None and len(labels) != len(images):
        raise InputError(f"labels must be as many as the images, {len(images)}, not {len(labels)}")
    if not len(images):
        raise InputError("images must be at least one, not none")
    if run.waves:
        images, labels = images[:WAVE_IMAGES], None if labels is None else labels[:WAVE_IMAGES]
    case = flow_of(network).prepare(network, images, Request(errors, device, engine, run))
    root = build_root(run.build_dir)
    built = build_engine(case, run, root)
    with run_directory(root, network.name, keep=run.waves is not None) as directory:
        return case.compare(stream(case, built, directory, run.waves, progress), labels)


def stream(
    case: Case,
    engine: EngineBuild,
    directory: Path,
    waves: str | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Streamed:
    """Run the images of a case through its built engine, in `directory`."""
    job = case.write(engine, directory) | {"cycle_limit": case.cycle_limit}
    (directory / "job.json").write_text(json.dumps(job))
    done = runner.run(
        engine.build,
        case.testbench,
        directory,
        timeout_s=case.time_limit_s,
        poll=runner.progress_file(directory, case.images, progress),
    )
    if progress:
        progress(case.images, case.images)
    return Streamed(engine, directory, case.images, done.seconds, str(directory / f"dump.{waves}") if waves else None)
