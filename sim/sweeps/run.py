"""Sweeps: accuracy of a network at many error rates, in many draws of errors."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.datasets.options import DataOptions
from oxnor.models.devices.model import ZERO_BEFORE, DeviceModel
from oxnor.models.faults.error_models import ERROR_MODELS
from oxnor.models.faults.fault_map import FaultMap, shapes_of
from oxnor.models.faults.options import ErrorOptions
from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.networks.spiking import SpikingNetwork
from oxnor.models.trials.binarized import confusion
from oxnor.models.trials.sequential import FIRST, Plan, Saving
from oxnor.sim.drawing.raster import Raster
from oxnor.sim.runner.machine import machine
from oxnor.sim.runner.workers import cores
from oxnor.sim.verify.inputs import Inputs, inputs_for, refuse_without_labels

from .errors import supply_of
from .evaluator import Work, errors_of, work_for
from .example import Example
from .params import SweepParams, WorkerOptions
from .result import SweepResult
from .store import LABELLED, Results
from .trial import ALL_LAYERS, Key
from .workers import Compute, dask, one, threads

#: Synaptic events up to which a sample is kept for the page.
_RASTER_MAX = 2_000_000

#: Called with (trials done, trials in all, what the last one gave).
Progress = Callable[[int, int, str], None]


def check(
    network: Any,
    params: SweepParams,
    workers: WorkerOptions = WorkerOptions(),  # noqa: B008 (frozen)
    *,
    on_board: bool = False,
) -> None:
    """Raise InputError if there is no such layer, or the workers cannot compute such trials."""
    reads_alone = params.kind == "read" and params.layers == (ALL_LAYERS,) and not params.also
    if (on_board or workers.classify) and not reads_alone:
        raise InputError("on a board the kind must be read, in all layers at once: `kind` read, and no `layer`")
    kinds = (params.kind, *params.also)
    if isinstance(network, SpikingNetwork) and (not set(kinds) <= set(ERROR_MODELS) or workers.backend != "cpu"):
        kind = next((k for k in kinds if k not in ERROR_MODELS), params.kind)
        raise InputError(
            f"network {network.name!r}: must be binarized for kind {kind} on backend {workers.backend}, not"
            f" spiking: its kinds are {', '.join(ERROR_MODELS)}, on cpu"
        )
    if workers.backend == "torch":
        import_torch("`backend` torch")
    for layer in params.layers:
        if layer != ALL_LAYERS and not 0 <= layer < len(network.layers):
            raise InputError(f"must be in [0, {len(network.layers) - 1}], not {layer}", parameter="layer")


def _device_options(device: DeviceModel | None) -> dict[str, str]:
    """Return what tells one device from another, in a header."""
    if device is None:
        return {}
    numbers = asdict(replace(device, name="-", description="", provenance={}, uncertainty=None))
    numbers = {k: v for k, v in numbers.items() if k not in ("name", "description", "provenance", "uncertainty")}
    numbers = {k: v for k, v in numbers.items() if v or k not in ZERO_BEFORE}
    text = json.dumps(numbers, sort_keys=True)
    return {"device": device.name, "device_digest": hashlib.sha256(text.encode()).hexdigest()[:16]}


def _conditions(params: SweepParams) -> dict[str, Any]:
    """Return what else tells the trials of one sweep from another's, in a header."""
    found: dict[str, Any] = {"also": dict(params.also)} if params.also else {}
    if params.against != "ber":
        found |= {"against": params.against} | {axis: age for axis, age in params.age.items() if age}
    if params.against == "vdd" and params.device:
        text = json.dumps(supply_of(params.device, params.age).to_json())
        found["amplifiers"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found


def _supply(network: Any, params: SweepParams) -> dict[str, Any]:
    """Return what a read costs at each supply, in a header."""
    if params.against != "vdd" or params.device is None:
        return {}
    return {"supply": supply_of(params.device, params.age, network.n_reads).to_json()}


def header(network: Any, inputs: Inputs, params: SweepParams, work: Work, command: str) -> dict[str, Any]:
    """Return the header of a results file: what its trials are of, and with what they were made."""
    if isinstance(work.bits, tuple):
        images = Inputs(work.bits, work.labels, "").digest
    else:
        shown = np.packbits(work.bits, axis=1) if work.bits.dtype == bool else work.bits
        images = hashlib.sha256(shown.tobytes() + work.labels.tobytes()).hexdigest()
    example, raster = Example.of(work, inputs.images), _raster(network, inputs)
    return {
        "network": network.name,
        "network_digest": network.digest,
        "images": len(work.bits),
        "images_digest": images,
        "inputs": inputs.source,
        "labels": "agreement with the network without errors" if inputs.labels is None else LABELLED,
        "classes": network.n_out,
        "shape": list(network.shape),
        "weights": sum(a * b for a, b in shapes_of(network)),
        "seed": params.seed,
        "kind": params.kind,
        "options": dict(params.options) | _device_options(params.device) | _conditions(params),
        "command": command,
        "made": machine(),
        **_supply(network, params),
        **({"class_names": list(inputs.classes)} if inputs.classes else {}),
        **({"example": example.to_json()} if example else {}),
        **({"raster": raster} if raster else {}),
    }


def _raster(network: Any, inputs: Inputs) -> dict[str, Any] | None:
    """Return the first sample of a spiking network for its page; None of others, and where it would take long."""
    if not isinstance(network, SpikingNetwork):
        return None
    first = spiking_golden.inputs(network, inputs.images[:1])
    if spiking_golden.respond(network, first).synaptic_events(network)[0] > _RASTER_MAX:
        return None
    label = "" if inputs.labels is None else str(inputs.labels[0])
    return Raster.of(network, first[0], label).to_json()


def sweep(
    network: Any,
    inputs: Inputs | DataOptions,
    params: SweepParams,
    path: str | Path,
    *,
    workers: WorkerOptions = WorkerOptions(),  # noqa: B008 (frozen)
    command: str = "",
    progress: Progress | None = None,
) -> SweepResult:
    """Compute the trials that the file does not hold yet, and write each as it comes.

    The results depend on neither workers nor order: every trial is keyed by (seed, layer, trial, kind).

    Parameters
    ----------
    network : Network or SpikingNetwork
    inputs : Inputs or DataOptions
    params : SweepParams
    path : path
        Results file; made if it does not exist, extended if it is of the same network, images, seed and errors.
    workers : WorkerOptions
    command : str
        Command line that does the same, for the header.
    progress : callable, optional
        Called after each trial.
    """
    check(network, params, workers)
    if isinstance(inputs, DataOptions):
        options, inputs = inputs, inputs_for(network, inputs)
        refuse_without_labels(network, inputs, options)
    work = work_for(network, inputs, params, workers.backend)
    computed, start, saving = 0, time.perf_counter(), None
    with Results(path, header(network, inputs, params, work, command)) as results, _place(work, workers) as compute:
        for wanted in _rounds(params, results):
            there = results.done()
            todo = [key for key in wanted if key not in there]
            done = len(wanted) - len(todo)
            if progress:
                progress(done, len(wanted), f"{done} of them from {results.path}" if done else "")
            for trial in compute(todo):
                results.add(trial)
                done, computed = done + 1, computed + 1
                if progress:
                    found = f"{trial.key.rate:.1e}: {results.measure} {100 * trial.accuracy:.2f} %"
                    progress(done, len(wanted), found)
        if params.stop is not None:
            saving = Saving(params.stop, _plans(params, results), params.trials)
    return SweepResult(Path(path), computed, seconds=time.perf_counter() - start, saving=saving)


def _plans(params: SweepParams, results: Results) -> dict[tuple[int, float], Plan]:
    """Return how many draws each point gets, from those that are there: at least its first ones."""
    assert params.stop is not None
    found: dict[tuple[int, float], dict[int, float]] = {}
    for trial in results.trials():
        layer, rate = trial.key.layer, trial.key.rate
        if layer in params.layers and rate in params.rates:
            found.setdefault((layer, rate), {})[trial.key.trial] = trial.accuracy
    plans = {}
    for place, numbered in found.items():
        there = next(n for n in range(len(numbered) + 1) if n not in numbered)
        accuracy = np.array([numbered[k] for k in range(there)])
        plans[place] = params.stop.plan(accuracy, results.header["images"], params.trials, params.trials_max)
    return plans


def _place(work: Work, workers: WorkerOptions) -> AbstractContextManager[Compute]:
    """Return what computes trials."""
    if workers.classify:
        return one(work, workers.classify)
    if workers.scheduler:
        return dask(work, workers.scheduler)
    # A pass with read errors, with torch, or of spikes takes all cores by itself.
    alone = work.params.has_reads or work.backend == "torch" or isinstance(work.network, SpikingNetwork)
    return threads(work, workers.jobs or (1 if alone else cores()))


def _rounds(params: SweepParams, results: Results) -> Iterator[list[Key]]:
    """Yield lists of trials: what was asked for, then more where a mean is not known well enough."""
    if params.stop is not None:
        wanted = replace(params, trials=FIRST).keys()
        while True:
            yield wanted
            plans = _plans(params, results)
            there = set(wanted)
            more = [Key(*place, t) for place, plan in plans.items() for t in range(plan.draws)]
            more = sorted((key for key in more if key not in there), key=lambda key: key.trial)
            if not more:
                return
            wanted = wanted + more
    wanted = params.keys()
    yield wanted
    while params.precision:
        more = []
        for layer, curve in results.curves().items():
            for p in curve.points:
                if layer not in params.layers or p.rate not in params.rates or p.trials >= params.trials_max:
                    continue
                wide = p.mean_high is None or p.mean_high - p.mean_low > 2 * params.precision  # type: ignore[operator]
                if wide:
                    # Half as many again: few rounds, and hardly more trials than it takes.
                    last = min(params.trials_max, p.trials + max(2, p.trials // 2))
                    more += [Key(layer, p.rate, t) for t in range(p.trials, last)]
        if not more:
            return
        wanted = wanted + sorted(more, key=lambda key: key.trial)
        yield wanted


@dataclass(frozen=True)
class Check:
    """One trial through the RTL.

    Parameters
    ----------
    key : Key
    mismatches : int
        Images whose class or score differs from the golden model's, or whose class is not the one in the file.
    accuracy : float
        Of the RTL.
    """

    key: Key
    mismatches: int
    accuracy: float


def verify(
    network: Any,
    inputs: Inputs,
    params: SweepParams,
    path: str | Path,
    count: int,
    progress: Progress | None = None,
) -> list[Check]:
    """Run some trials of a file through the RTL in Verilator, chosen by the seed, with the same errors.

    Each must agree with the golden model on every class and score, and with the file's row on its confusion matrix.

    Parameters
    ----------
    count : int
        How many, at least 1; all if there are fewer.
    """
    from oxnor.sim.verify.simulate import simulate

    if count < 1:
        raise InputError(f"must be at least 1, not {count}", parameter="verify")
    work = work_for(network, inputs, params)
    checks = []
    with Results(path, header(network, inputs, params, work, "")) as results:
        stored = {trial.key: trial for trial in results.trials() if trial.key.rate}
        g = rng.stream("verify", seed=params.seed, layer=0, trial=0)
        keys = sorted(stored)
        chosen = [keys[k] for k in np.sort(g.permutation(len(keys))[:count])]
        for k, key in enumerate(chosen):
            errors = errors_of(work, key)
            static = isinstance(errors, FaultMap)
            options = ErrorOptions(faults=errors) if static else ErrorOptions(read_errors=errors)  # type: ignore[arg-type]
            run = simulate(network, work.bits, labels=work.labels, errors=options)
            same = np.array_equal(confusion(work.labels, run.classes, network.n_out), stored[key].confusion)
            wrong = run.mismatches + (not run.mismatches and not run.ok) + (not same)
            results.add_check(key, wrong, run.simulator)
            assert run.accuracy is not None
            checks.append(Check(key, wrong, run.accuracy))
            if progress:
                progress(k + 1, len(chosen), f"{key.rate:.1e}: {wrong} differ")
    return checks
