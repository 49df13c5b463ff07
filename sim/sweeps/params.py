"""Which trials a sweep has, and what computes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.rng import check_key
from oxnor.models.devices.ageing import LAW_OF
from oxnor.models.devices.model import DeviceModel
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.networks.binarized import Network
from oxnor.models.trials.axes import AXES, BER
from oxnor.models.trials.sequential import Stop

from .errors import TRIAL_ERRORS, check_beside, draw_errors, spread, supply_of
from .trial import ALL_LAYERS, Key

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
    against : str
        What `rates` are, a key of :data:`oxnor.models.trials.axes.AXES`: "ber"; or of a device, as it is,
        "cycles", "seconds", "sigma", "ratio" or "vdd", see :func:`oxnor.sim.sweeps.errors.device_at`.
    age : mapping of str to float
        Cycles and seconds of the device, where `against` does not say them.
    also : mapping of str to float
        Errors of other kinds that are there too, by kind, at a fixed rate: static errors beside those of reads, for
        example. In the trial without errors they are not.
    stop : Stop, optional
        Draw at each rate as many as its mean takes to be known so well, at most `trials_max`; where it takes more,
        `trials`.
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
    against: str = "ber"
    age: Mapping[str, float] = field(default_factory=dict)
    also: Mapping[str, float] = field(default_factory=dict)
    stop: Stop | None = None

    def __post_init__(self) -> None:
        if self.kind not in TRIAL_ERRORS:
            raise InputError(f"must be one of {', '.join(TRIAL_ERRORS)}, not {self.kind!r}", parameter="kind")
        if self.kind == "device" and self.device is None:
            raise InputError("must be given for kind device", parameter="device")
        if self.kind != "device" and self.device is not None:
            raise InputError(f"must be 'device' where a device is given, not {self.kind!r}", parameter="kind")
        self._check_values()
        check_beside(self.kind, self.also)
        if self.stop is not None and self.precision:
            raise InputError("must not be given with `precision`", parameter="half_width")
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
            draw_errors(_TINY, Key(0, rate, 0), self)

    def _check_values(self) -> None:
        axis = AXES.get(self.against)
        if axis is None:
            raise InputError(f"must be one of {', '.join(AXES)}, not {self.against!r}", parameter="against")
        if axis is not BER and self.device is None:
            raise InputError(f"must have a `device` whose {axis.head} it is", parameter="against")
        if self.device is not None:
            check_law(self.device, self.against)
        if self.against in self.age:
            raise InputError(f"must not be given with `against` {self.against}", parameter=self.against)
        if not 1 <= len(self.rates) <= RATES_MAX or not all(0 < r <= axis.high and r < math.inf for r in self.rates):
            rule = "a share in (0, 1]" if axis is BER else "above 0"
            what = "error rates" if axis is BER else f"values of {axis.head}"
            raise InputError(f"{what} must be 1 to {RATES_MAX}, each {rule}, not {self.rates}")

    @property
    def has_reads(self) -> bool:
        """Whether single reads are wrong."""
        return self.kind == "read" or "read" in self.also

    def keys(self) -> list[Key]:
        """Return the trials: the one without errors, then each rate's first, each rate's second, and so on."""
        clean = [Key(ALL_LAYERS, 0.0, 0)]
        rates = sorted(set(self.rates))
        return clean + [Key(k, r, t) for t in range(self.trials) for k in self.layers for r in rates]


def parse_rates(text: str, against: str = "ber") -> tuple[float, ...]:
    """Return error rates, or other values, from ``low:high:count`` (log-spaced) or numbers with commas between them.

    Values are rounded to 6 digits, so that the same text, or another with the same values, names the same trials.
    """
    high = AXES[against].high if against in AXES else math.inf
    parameter = "ber" if against == "ber" else "values"
    try:
        if ":" in text:
            first, last, count = text.split(":")
            n = int(count)
            if float(first) > float(last):
                raise InputError(f"must have LOW below HIGH in LOW:HIGH:COUNT, not {text!r}", parameter=parameter)
            if not 1 <= n <= RATES_MAX:
                raise InputError(f"must have COUNT in [1, {RATES_MAX}], not {text!r}", parameter=parameter)
            if not 0 < float(first) <= float(last) <= high or float(last) == math.inf:
                raise ValueError
            values = np.geomspace(float(first), float(last), n).tolist()
        else:
            values = [float(part) for part in text.split(",")]
            if not all(0 < v <= high and v < math.inf for v in values):
                raise ValueError
    except ValueError as e:
        if isinstance(e, InputError):
            raise
        what, rule = ("rates", "a share in (0, 1]") if against == "ber" else ("values", "above 0")
        raise InputError(
            f"must be LOW:HIGH:COUNT or {what} with commas, each {rule}, not {text!r}", parameter=parameter
        ) from None
    return tuple(float(f"{v:.6g}") for v in values)


def check_law(device: DeviceModel, against: str) -> None:
    """Raise InputError if a device is the same at every age that a sweep is against."""
    law = LAW_OF.get(against)
    if law and not getattr(device, law).changes:
        low, high = getattr(device, f"valid_{against}")
        holds = f"is the same at all {against}" if low < high else f"holds at {low:g} {against} alone"
        fit = f"`oxnor device fit` finds one in readings of several ages, in a column of {against}"
        raise InputError(
            f"{against} must have a device with a law of {law}, and {device.name!r} {holds}: {fit}", parameter="against"
        )


def default_values(device: DeviceModel, against: str, age: Mapping[str, float]) -> tuple[float, ...]:
    """Return the values of a sweep against something else than an error rate, where none are given.

    All ages at which the device holds, two a decade at least; half to three times its sigma; half to once the logarithm
    of its ratio; all supplies that were simulated, in steps of 0.05 to 0.1 V.
    """
    if against == "vdd":
        low, high = supply_of(device, age).vdd[0], supply_of(device, age).vdd[-1]
        return tuple(round(float(v), 3) for v in np.linspace(low, high, max(2, 1 + round((high - low) / 0.1))))
    if against in ("cycles", "seconds"):
        low, high = getattr(device, f"valid_{against}")
        low = min(max(low, 1.0), high)
        check_law(device, against)
        values = np.geomspace(low, high, max(1, min(25, 1 + math.ceil(2 * math.log10(high / low)))))
        values = np.clip([float(f"{v:.6g}") for v in values], low, high)
    else:
        stats = device.at(**age)
        sigma, ratio = spread(stats.lrs_sigma, stats.hrs_sigma), math.exp(stats.separation)
        values = sigma * np.linspace(0.5, 3, 11) if against == "sigma" else ratio ** np.linspace(0.25, 1, 11)
        values = np.array([float(f"{v:.6g}") for v in values])
    return tuple(dict.fromkeys(float(v) for v in values))


_TINY = Network.from_arrays([np.zeros((1, 1), bool)], [None], name="tiny")
