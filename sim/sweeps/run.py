"""Sweeps: accuracy of a network at many error rates, in many draws of errors."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.base import rng
from oxnor.models.base.bits import pack_words
from oxnor.models.base.errors import InputError
from oxnor.models.devices.draws import draw_faults
from oxnor.models.devices.error_rates import separation_for
from oxnor.models.devices.model import DeviceModel
from oxnor.models.faults.fault_map import KINDS as STATIC_KINDS
from oxnor.models.faults.fault_map import FaultMap, check_key, shapes_of
from oxnor.models.faults.options import ErrorOptions
from oxnor.models.faults.read_errors import SEED_MAX, ReadErrors
from oxnor.models.golden.registry import type_of
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.spiking import SpikingNetwork
from oxnor.models.trials.binarized import Trials, confusion, labels_for
from oxnor.models.trials.spiking import SpikingTrials
from oxnor.sim.verify.inputs import Inputs

from . import workers
from .store import ALL_LAYERS, Key, Results, Trial

RATES_MAX, TRIALS_MAX = 1000, 100_000
BACKENDS = ("cpu", "torch")

#: Told of (trials done, trials in all, what was just found).
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class SweepParams:
    """Which trials.

    Parameters
    ----------
    rates : tuple of float
        Error rates, each in (0, 1].
    trials : int
        Draws of errors at each rate, in [1, 100000]: trial 0, 1, ... of the seed.
    kind : str
        A key of :data:`KINDS`.
    options : mapping
        Of the kind: arguments of its function.
    layers : tuple of int
        Where the errors are, each alone: a layer's index, or :data:`ALL_LAYERS`.
    seed : int
        Keys every draw together with layer, trial and kind.
    precision : float
        Above 0: go on at the rates where the 95 % interval of the mean is wider than plus or minus this, as long as
        they have fewer than `trials_max` trials.
    trials_max : int
        See `precision`.
    device : DeviceModel, optional
        For the kind "device": the errors are those of pairs of this device, whose two states are moved together until
        the closed-form error rate of a pair is the wanted one. Its spreads, its offsets (one a column of a macro, so
        that errors come in columns) and its yield stay.
    """

    rates: tuple[float, ...]
    trials: int = 20
    kind: str = "static"
    options: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[int, ...] = (ALL_LAYERS,)
    seed: int = 0
    precision: float = 0.0
    trials_max: int = 200
    device: DeviceModel | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if (self.kind == "device") != (self.device is not None):
            raise InputError("kind device and a device must come together")
        if not 1 <= len(self.rates) <= RATES_MAX or not all(0 < r <= 1 for r in self.rates):
            raise InputError(f"error rates must be 1 to {RATES_MAX}, each above 0 and at most 1, not {self.rates}")
        for name in ("trials", "trials_max"):
            if not 1 <= getattr(self, name) <= TRIALS_MAX:
                raise InputError(f"{name} must be in [1, {TRIALS_MAX}], not {getattr(self, name)}")
        if not 0 <= self.precision < 1:
            raise InputError(f"precision must be in [0, 1), not {self.precision}")
        check_key("seed", self.seed)
        if self.kind == "read":  # the rates that the hardware's generators have
            exact = sorted({ReadErrors.from_ber(rate).ber for rate in self.rates})
            object.__setattr__(self, "rates", tuple(exact))
        # A draw for next to nothing, so that what is wrong is found before anything is computed or written.
        for rate in self.rates if self.device else (0.5,):
            KINDS[self.kind](_TINY, Key(0, rate, 0), self)

    def keys(self) -> list[Key]:
        """Return the trials: the one without errors, then each rate's first, each rate's second, and so on."""
        found = [Key(ALL_LAYERS, 0.0, 0)]
        rates = sorted(set(self.rates))
        return found + [Key(k, r, t) for t in range(self.trials) for k in self.layers for r in rates]


def parse_rates(text: str) -> tuple[float, ...]:
    """Return error rates from ``low:high:count`` (log-spaced) or from numbers with commas between them.

    Rates are rounded to 6 digits, so that the same text, or another with the same rates, names the same trials.
    """
    try:
        if ":" in text:
            low, high, count = text.split(":")
            n = int(count)
            if not 0 < float(low) <= float(high) <= 1 or not 1 <= n <= RATES_MAX:
                raise ValueError
            values = np.geomspace(float(low), float(high), n).tolist()
        else:
            values = [float(part) for part in text.split(",")]
            if not all(0 < v <= 1 for v in values):
                raise ValueError
    except ValueError:
        raise InputError(
            f"--ber must be LOW:HIGH:COUNT or rates with commas, each above 0 and at most 1, not {text!r}"
        ) from None
    return tuple(float(f"{v:.6g}") for v in values)


def _read(network: Network, key: Key, params: SweepParams) -> ReadErrors:
    g = rng.stream("read", seed=params.seed, layer=0, trial=key.trial)
    return ReadErrors.from_ber(key.rate, int(g.integers(SEED_MAX, endpoint=True)))


def _static(network: Network, key: Key, params: SweepParams) -> FaultMap:
    layer = None if key.layer == ALL_LAYERS else key.layer
    return FaultMap.draw(
        network, ber=key.rate, kind=params.kind, seed=params.seed, trial=key.trial, layer=layer, **params.options
    )


def _device(network: Network, key: Key, params: SweepParams) -> FaultMap:
    device = params.device
    assert device is not None
    if not key.rate:
        return FaultMap(shapes_of(network))
    apart = separation_for(
        key.rate,
        "ber_2t2r_offset",
        lrs_sigma=device.lrs_sigma,
        hrs_sigma=device.hrs_sigma,
        offset_sigma=device.offset_sigma,
        forming_yield=device.forming_yield,
    )
    moved = replace(device, hrs_median=device.lrs_median * apart.ratio)
    found = draw_faults(network, moved, seed=params.seed, trial=key.trial, **params.options)
    return found if key.layer == ALL_LAYERS else found.only(key.layer)


#: How the errors of a trial are drawn, by kind.
KINDS: Mapping[str, Callable[[Network, Key, SweepParams], FaultMap | ReadErrors]] = {
    **dict.fromkeys(STATIC_KINDS, _static),
    "read": _read,
    "device": _device,
}
#: What computes the trials of a network, by its type.
TRIALS: Mapping[type, Callable[..., Any]] = {Network: Trials, SpikingNetwork: SpikingTrials}
_TINY = Network.from_arrays([np.zeros((1, 1), bool)], [None], name="tiny")


def errors_of(work: workers.Work, key: Key) -> FaultMap | ReadErrors:
    """Return the errors of a trial."""
    return KINDS[work.params.kind](work.network, key, work.params)


class Evaluator:
    """Computes any trial of a sweep alone.

    Parameters
    ----------
    work : workers.Work
    """

    def __init__(self, work: workers.Work):
        self.work = work
        if work.backend == "torch":
            from oxnor.models.trials.torch import TorchTrials

            self.trials: Any = TorchTrials(work.network, work.bits, work.labels)
        else:
            self.trials = TRIALS[type(work.network)](work.network, work.bits, work.labels)

    def run(self, key: Key) -> Trial:
        """Return what a trial gives."""
        start = time.perf_counter()
        errors = errors_of(self.work, key)
        if isinstance(errors, FaultMap):
            found, wrong = self.trials.confusion(errors), errors.wrong(self.work.network)
        else:
            found, wrong = self._reads(errors, key.layer), 0
        return Trial(key, wrong, found, time.perf_counter() - start)

    def _reads(self, errors: ReadErrors, only: int) -> NDArray[np.int64]:
        """Return the confusion matrix with errors of single reads, in all layers or in one."""
        w = self.work
        x: Any = pack_words(w.bits)
        for k, layer in enumerate(w.network.layers):
            wrong = errors.rate and only in (ALL_LAYERS, k)
            x = layer.evaluate(x, "numba", errors.layer(k)) if wrong else layer.evaluate(x, "numba")
        return confusion(w.labels, golden.argmax(x), w.network.n_out)


def check(
    network: Network, params: SweepParams, jobs: int | None = None, backend: str = "cpu", on_board: bool = False
) -> None:
    """Raise InputError if there is no such layer, backend or number of threads, or a board cannot do it."""
    if on_board and (params.kind != "read" or params.layers != (ALL_LAYERS,)):
        raise InputError("on a board the kind must be read, in all layers at once: --kind read, and no --layer")
    if backend not in BACKENDS:
        raise InputError(f"backend must be one of {', '.join(BACKENDS)}, not {backend!r}")
    if jobs is not None and not 1 <= jobs <= 4096:
        raise InputError(f"jobs must be in [1, 4096], not {jobs}")
    if isinstance(network, SpikingNetwork) and (params.kind not in STATIC_KINDS or backend != "cpu"):
        raise InputError(
            f"network {network.name!r}: must be binarized for kind {params.kind} on backend {backend}, not spiking:"
            f" its kinds are {', '.join(STATIC_KINDS)}, on cpu"
        )
    for layer in params.layers:
        if layer != ALL_LAYERS and not 0 <= layer < len(network.layers):
            raise InputError(f"layer must be in [0, {len(network.layers) - 1}], not {layer}")


def work_for(network: Network, inputs: Inputs, params: SweepParams, backend: str = "cpu") -> workers.Work:
    """Return what workers need; without labels, right is what the network says without errors."""
    bits = type_of(network).inputs(network, inputs.images)
    labels = labels_for(network, bits, inputs.labels)
    return workers.Work(network, bits, labels, params, backend)


def _device_options(device: DeviceModel | None) -> dict[str, str]:
    """Return what tells one device from another, in a header."""
    if device is None:
        return {}
    numbers = {k: v for k, v in asdict(device).items() if k not in ("name", "description", "provenance")}
    text = json.dumps(numbers, sort_keys=True)
    return {"device": device.name, "device_digest": hashlib.sha256(text.encode()).hexdigest()[:16]}


def header(network: Network, inputs: Inputs, params: SweepParams, work: workers.Work, command: str) -> dict[str, Any]:
    """Return the header of a results file: what its trials are of, and with what they were made."""
    from oxnor.sim.drawing.html import machine

    shown = np.packbits(work.bits, axis=1) if work.bits.dtype == bool else work.bits
    images = hashlib.sha256(shown.tobytes() + work.labels.tobytes()).hexdigest()
    return {
        "network": network.name,
        "network_digest": network.digest,
        "images": len(work.bits),
        "images_digest": images,
        "inputs": inputs.source,
        "labels": "agreement with the network without errors" if inputs.labels is None else "labels",
        "classes": network.n_out,
        "shape": list(network.shape),
        "seed": params.seed,
        "kind": params.kind,
        "options": dict(params.options) | _device_options(params.device),
        "command": command,
        "made": machine(),
    }


def sweep(
    network: Network,
    inputs: Inputs,
    params: SweepParams,
    path: str | Path,
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    backend: str = "cpu",
    classify: workers.Classify | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> int:
    """Compute the trials that the file does not hold yet, and write each as it comes.

    The results depend on neither workers nor order: every trial is keyed by (seed, layer, trial, kind).

    Parameters
    ----------
    network : Network
    inputs : Inputs
    params : SweepParams
    path : path
        Results file; made if it does not exist, extended if it is of the same network, images, seed and errors.
    jobs : int, optional
        Threads. Default: as many as there are cores, or 1 for the torch backend.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers compute instead.
    backend : str
        "cpu", or "torch" for a GPU if there is one: the same integers.
    classify : callable, optional
        Runs the images with errors of single reads instead, on a board: the same integers too. For kind "read" in all
        layers.
    command : str
        Command line that does the same, for the header.
    progress : callable, optional
        Told after each trial.

    Returns
    -------
    int
        Trials computed.
    """
    check(network, params, jobs, backend, classify is not None)
    work = work_for(network, inputs, params, backend)
    computed = 0
    with Results(path, header(network, inputs, params, work, command)) as results:
        if classify:
            place = workers.one(work, classify)
        elif scheduler:
            place = workers.dask(work, scheduler)
        else:
            # A pass with read errors, with torch, or of spikes takes all cores by itself.
            alone = params.kind == "read" or backend == "torch" or isinstance(network, SpikingNetwork)
            place = workers.threads(work, jobs or (1 if alone else workers.cores()))
        with place as compute:
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
                        progress(done, len(wanted), f"{trial.key.rate:.1e}: {100 * trial.accuracy:.2f} %")
    return computed


def _rounds(params: SweepParams, results: Results) -> Iterator[list[Key]]:
    """Yield lists of trials: what was asked for, then more where a mean is not known well enough."""
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
    network: Network,
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
        raise InputError(f"verify must be at least 1, not {count}")
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
