"""Which trials a sweep has, and what computes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.base.rng import check_key
from oxnor.models.devices.draws import draw_faults
from oxnor.models.devices.error_rates import separation_for
from oxnor.models.devices.model import DeviceModel
from oxnor.models.faults.error_models import ERROR_MODELS
from oxnor.models.faults.fault_map import FaultMap, shapes_of
from oxnor.models.faults.read_errors import SEED_MAX, ReadErrors
from oxnor.models.networks.binarized import Network

from .store import ALL_LAYERS, Key

RATES_MAX, TRIALS_MAX = 1000, 100_000
BACKENDS = ("cpu", "torch")

#: Gives the class of each image, bool (n, n_in), with errors of single reads: hardware that does it by itself.
Classify = Callable[[NDArray[np.bool_], ReadErrors], NDArray[np.int64]]


@dataclass(frozen=True)
class WorkerOptions:
    """Where trials are computed. The results are the same everywhere.

    Parameters
    ----------
    jobs : int, optional
        Threads, in [1, 4096]. Default: as many as there are cores, or 1 where one trial takes all cores.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers compute instead.
    backend : str
        "cpu", or "torch" for a GPU if there is one.
    classify : callable, optional
        Runs the images with errors of single reads on a board instead. For kind "read" in all layers.
    """

    jobs: int | None = None
    scheduler: str | None = None
    backend: str = "cpu"
    classify: Classify | None = None

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise InputError(f"must be one of {', '.join(BACKENDS)}, not {self.backend!r}", parameter="backend")
        if self.jobs is not None and not 1 <= self.jobs <= 4096:
            raise InputError(f"must be in [1, 4096], not {self.jobs}", parameter="jobs")


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
        A key of :data:`TRIAL_ERRORS`.
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
        if self.kind not in TRIAL_ERRORS:
            raise InputError(f"must be one of {', '.join(TRIAL_ERRORS)}, not {self.kind!r}", parameter="kind")
        if (self.kind == "device") != (self.device is not None):
            raise InputError("kind device and a device must come together")
        if not 1 <= len(self.rates) <= RATES_MAX or not all(0 < r <= 1 for r in self.rates):
            raise InputError(f"error rates must be 1 to {RATES_MAX}, each a share in (0, 1], not {self.rates}")
        for name in ("trials", "trials_max"):
            if not 1 <= getattr(self, name) <= TRIALS_MAX:
                raise InputError(f"must be in [1, {TRIALS_MAX}], not {getattr(self, name)}", parameter=name)
        if not 0 <= self.precision < 1:
            raise InputError(f"must be in [0, 1), not {self.precision}", parameter="precision")
        check_key("seed", self.seed)
        if self.kind == "read":  # the rates that the hardware's generators have
            try:
                exact = sorted({ReadErrors.from_ber(rate).ber for rate in self.rates})
            except InputError as e:
                raise InputError(e.message, parameter="rates") from None
            object.__setattr__(self, "rates", tuple(exact))
        # A draw for next to nothing, so that what is wrong is found before anything is computed or written.
        for rate in self.rates if self.device else (0.5,):
            TRIAL_ERRORS[self.kind](_TINY, Key(0, rate, 0), self)

    def keys(self) -> list[Key]:
        """Return the trials: the one without errors, then each rate's first, each rate's second, and so on."""
        clean = [Key(ALL_LAYERS, 0.0, 0)]
        rates = sorted(set(self.rates))
        return clean + [Key(k, r, t) for t in range(self.trials) for k in self.layers for r in rates]


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
            f"must be LOW:HIGH:COUNT or rates with commas, each a share in (0, 1], not {text!r}", parameter="ber"
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
    drawn = draw_faults(network, moved, seed=params.seed, trial=key.trial, **params.options)
    return drawn if key.layer == ALL_LAYERS else drawn.only(key.layer)


#: How the errors of a trial are drawn, by their kind.
TRIAL_ERRORS: Mapping[str, Callable[[Network, Key, SweepParams], FaultMap | ReadErrors]] = {
    **dict.fromkeys(ERROR_MODELS, _static),
    "read": _read,
    "device": _device,
}
_TINY = Network.from_arrays([np.zeros((1, 1), bool)], [None], name="tiny")
