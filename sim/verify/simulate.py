"""A network through its own RTL: images in, everything that comes out compared with the golden model."""

from __future__ import annotations

import time
from typing import Any

from numpy.typing import NDArray

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import EngineOptions
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root
from oxnor.models.devices.options import DeviceOptions
from oxnor.models.faults.options import ErrorOptions
from oxnor.sim.runner.workers import cores

from .case import Case, Request, Streamed
from .engines import build_engine, run_directory
from .flows import flow_of
from .options import RunOptions
from .shards import Progress, here, shares, there

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
    progress: Progress | None = None,
) -> Any:
    """Stream images through the emitted engine in a simulator and compare every result with the golden model.

    Classes, scores and the number of cycles of a binarized network; of a spiking one, every output spike, its tick,
    every decision and the cycle in which it came. The memory files are written after the build: a run with other
    weights or errors does not build again. The images are shared out among simulators, as far as what they give does
    not depend on those before.

    Parameters
    ----------
    network : Network or SpikingNetwork
    images : ndarray of uint8 or bool, shape (n, n_in), or sequence of Events
        At least one. Event streams for a spiking network whose encoder is ``external``.
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
    return case.compare(streamed(case, run, progress), labels)


def streamed(case: Case, run: RunOptions, progress: Progress | None = None) -> Streamed:
    """Return what comes out where the images of a case go through its RTL, before anything is compared.

    Raises
    ------
    oxnor.sim.runner.runner.SimulationError
        If the build fails, an assertion in the RTL fails, or the engine hangs.
    """
    started = time.monotonic()
    if run.scheduler:
        built, shards = there(case, run, run.scheduler, progress)
        result = Streamed(built, shards, time.monotonic() - started)
    else:
        parts = shares(case, run, cores())
        root = build_root(run.build_dir)
        engine_build = build_engine(case, run, root)
        with run_directory(root, case.network.name, keep=run.waves is not None) as directory:
            started = time.monotonic()
            shards = here(case, run, engine_build, directory, parts, progress)
            waves = str(directory / f"dump.{run.waves}") if run.waves else None
            result = Streamed(engine_build.summary, shards, time.monotonic() - started, waves)
    if progress:
        progress(case.images, case.images)
    return result
