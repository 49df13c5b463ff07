"""Statistics of trials: means, their uncertainty from draws and test set, and the error rate a network tolerates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.words import counted

from .axes import BER, Axis

#: Accuracy that may be lost at the knee, unless said otherwise: half a point.
LIMIT = 0.005
_LEVEL = 0.95
_RESAMPLES = 1000


@dataclass(frozen=True)
class Point:
    """The trials at one error rate.

    Parameters
    ----------
    rate : float
        Error rate.
    trials : int
        Draws of errors.
    mean : float
        Mean accuracy, in [0, 1].
    sd : float or None
        Standard deviation between trials (n - 1); None for a single one.
    mean_low, mean_high : float or None
        95 % confidence interval of the mean over all draws (Student's t).
    band_low, band_high : float or None
        95 % band between trials: where one more trial would fall, if they are normal.
    test_se : float
        Binomial standard error of the mean for a test set of this size: what other images would have changed.
        It is not part of the other two, which hold for these images.
    wrong : float or None
        Mean share of the weights that are wrong; None if that is not known.
    broken, corrected : float or None
        Mean share of the images that the errors take from right to wrong, and from wrong to right; None if no
        trial says it.
    """

    rate: float
    trials: int
    mean: float
    sd: float | None
    mean_low: float | None
    mean_high: float | None
    band_low: float | None
    band_high: float | None
    test_se: float
    wrong: float | None = None
    broken: float | None = None
    corrected: float | None = None


@dataclass(frozen=True)
class Knee:
    """The largest error rate at which the mean accuracy has lost no more than a limit, or the least ratio HRS / LRS.

    Parameters
    ----------
    rate : float or None
        The rate; None if it lies outside the rates that were tried.
    low, high : float or None
        95 % interval from resampled trials (bootstrap); None where an end lies outside.
    limit : float
        Accuracy that may be lost, in [0, 1].
    smallest, largest : float
        The rates that were tried.
    below : bool
        Where `rate` is None: whether the knee is below the smallest rate, or above the largest.
    unit : str
        Of the rate, if it is no error rate.
    """

    rate: float | None
    low: float | None
    high: float | None
    limit: float
    smallest: float
    largest: float
    below: bool = False
    unit: str = ""

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        if self.rate is None:
            return (f"below {self.smallest:.2g}" if self.below else f"above {self.largest:.2g}") + unit
        low = f"below {self.smallest:.2g}" if self.low is None else f"{self.low:.2g}"
        high = f"above {self.largest:.2g}" if self.high is None else f"{self.high:.2g}"
        return f"{self.rate:.2g}{unit} ({low} to {high})"


def point(rate: float, accuracy: NDArray[np.float64], images: int) -> Point:
    """Return the statistics of the trials at one rate; `accuracy` has shape (trials,), values in [0, 1]."""
    n, mean = len(accuracy), float(np.mean(accuracy))
    se = float(np.sqrt(mean * (1 - mean) / images))
    if n < 2:
        return Point(rate, n, mean, None, None, None, None, None, se)
    from scipy import stats

    sd = float(np.std(accuracy, ddof=1))
    t = float(stats.t.ppf(0.5 + _LEVEL / 2, n - 1))
    half, band = t * sd / np.sqrt(n), t * sd * np.sqrt(1 + 1 / n)
    a, b, c, d = (float(np.clip(mean + x, 0, 1)) for x in (-half, half, -band, band))
    return Point(float(rate), n, mean, sd, a, b, c, d, se)


def _crossing(rates: NDArray[np.float64], means: NDArray[np.float64], floor: float) -> float:
    """Return the rate where the means first fall below `floor`, 0 if at once, inf if never.

    Between two rates the mean is taken as linear in the logarithm of the rate.
    """
    under = np.flatnonzero(means < floor)
    if not under.size:
        return np.inf
    k = int(under[0])
    if k == 0:
        return 0.0
    share = (means[k - 1] - floor) / (means[k - 1] - means[k])
    low, high = np.log(rates[k - 1 : k + 1])
    return float(np.exp(low + share * (high - low)))


@dataclass(frozen=True, eq=False)
class Curve:
    """Accuracy against error rate: the trials of one network and one kind of error.

    Parameters
    ----------
    label : str
        What it is of.
    accuracy : mapping of float to ndarray of float, shape (trials,)
        By error rate, each above 0; values in [0, 1]. At least one rate.
    clean : float
        Accuracy without errors.
    images : int
        Test images.
    measure : str
        "accuracy", or "agreement" with the network without errors where there are no labels: then `clean` is 1 by
        definition, and there is no knee.
    axis : Axis
        What stands for the error rate, if it is not that.
    more : mapping of float to mapping
        Fields of :class:`Point` that the accuracies do not say, by error rate.
    """

    label: str
    accuracy: Mapping[float, NDArray[np.float64]]
    clean: float
    images: int
    measure: str = "accuracy"
    axis: Axis = BER
    more: Mapping[float, Mapping[str, float | None]] = field(default_factory=dict)

    def __repr__(self) -> str:
        rates = list(self.accuracy)
        return (
            f"Curve({self.label!r}, {len(rates)} {self._values} {min(rates):.4g} to {max(rates):.4g},"
            f" {counted(sum(map(len, self.accuracy.values())), 'trial')} of {self.measure},"
            f" clean {100 * self.clean:.2f} %)"
        )

    @property
    def _values(self) -> str:
        return "error rates" if self.axis is BER else f"values of {self.axis.head}"

    @property
    def is_accuracy(self) -> bool:
        """Whether the images had labels."""
        return self.measure == "accuracy"

    def verdict(self, limit: float = LIMIT) -> str:
        """Return in words what the network tolerates."""
        if not self.is_accuracy:
            return f"{self.label}: agreement with the network without errors; without labels there is no accuracy"
        knee, lost = self.knee(limit), f"{100 * limit:g} points lost at"
        if not self.axis.rising and knee.rate is None and not knee.below:
            lost, knee_text = f"more than {lost}", f"every value up to {knee.largest:.2g} {knee.unit}".rstrip()
        else:
            knee_text = str(knee)
        return f"{self.label}: {100 * self.clean:.2f} % without errors, {lost} {knee_text}"

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """The statistics at each rate, rising."""
        found = (point(rate, np.asarray(self.accuracy[rate]), self.images) for rate in sorted(self.accuracy))
        return tuple(replace(p, **cast(dict[str, Any], self.more.get(p.rate, {}))) for p in found)

    @property
    def rates(self) -> NDArray[np.float64]:
        """The rates, rising."""
        return np.array(sorted(self.accuracy))

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean accuracy at each rate."""
        return np.array([p.mean for p in self.points])

    def knee(self, limit: float = LIMIT) -> Knee:
        """Return the largest rate whose mean accuracy is at most `limit` below that without errors.

        Where larger values are better, the smallest one.
        """
        if not self.axis.rising:
            turned = {1 / value: accuracy for value, accuracy in self.accuracy.items()}
            its = replace(self, accuracy=turned, axis=BER, more={}).knee(limit)
            least, below, above = (None if x is None else 1 / x for x in (its.rate, its.high, its.low))
            outside = its.rate is None and not its.below
            return Knee(least, below, above, limit, 1 / its.largest, 1 / its.smallest, outside, self.axis.unit)
        rates, floor = self.rates, self.clean - limit
        ends: dict[str, Any] = {"limit": limit, "smallest": float(rates[0]), "largest": float(rates[-1])}
        ends["unit"] = self.axis.unit
        crossing = _crossing(rates, self.means, floor)
        g = rng.stream("bootstrap", seed=0, layer=0, trial=0)
        draws = np.empty((_RESAMPLES, len(rates)))
        for k, rate in enumerate(rates):
            values = np.asarray(self.accuracy[rate])
            draws[:, k] = values[g.integers(len(values), size=(_RESAMPLES, len(values)))].mean(axis=1)
        crossings = np.sort([_crossing(rates, row, floor) for row in draws])
        tail = (1 - _LEVEL) / 2
        low, high = crossings[int(tail * _RESAMPLES)], crossings[int((1 - tail) * _RESAMPLES) - 1]

        def inside(rate: float) -> float | None:
            return float(rate) if 0 < rate < np.inf else None

        return Knee(inside(crossing), inside(low), inside(high), below=crossing == 0, **ends)

    def to_json(self, limit: float = LIMIT) -> dict[str, Any]:
        """Return the statistics as a JSON-able dict."""
        found: dict[str, Any] = {"label": self.label, "measure": self.measure, "images": self.images}
        if self.is_accuracy:
            knee = self.knee(limit)
            found |= {"clean": self.clean, "knee": vars(knee) | {"text": str(knee)}}
        if self.axis is not BER:
            found["against"] = self.axis.head
        return found | {"points": [vars(p) for p in self.points]}
