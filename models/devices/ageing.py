"""Laws of ageing fitted to readings at several ages: wear with cycles, relaxation with time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats as tests

from oxnor.models.base import rng

from .lab.files import Readings
from .states import LogLaw
from .uncertainty import BASE, CONFIDENCE, SLOPES, Uncertainty

#: The law of each axis of age.
LAW_OF = {"cycles": "wear", "seconds": "relaxation"}
#: Fewest ages of a law.
AGES_MIN = 3
#: Ages that are fitted each alone; where there are more, those near to each other are taken together.
_AGES_MAX, _A_DECADE = 24, 4
_SCALES, _RESAMPLES, _STEPS = 21, 300, 10
#: With fewer devices, what is resampled are readings.
_DEVICES_MIN = 5
_SIGMA_MIN = 1e-6

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AgeingLaw:
    """A law of ageing and how well it is known.

    Parameters
    ----------
    axis : str
        "cycles" or "seconds".
    lrs_median, hrs_median, lrs_sigma, hrs_sigma : float
        The device at age 0.
    law : LogLaw
    intervals : mapping of str to (float, float)
        99 % intervals by the names of a preset's numbers.
    uncertainty : Uncertainty
        Of all but the scale, at the scale of the law.
    resampled : str
        "devices" or "readings": what the intervals take as independent.
    """

    axis: str
    lrs_median: float
    hrs_median: float
    lrs_sigma: float
    hrs_sigma: float
    law: LogLaw
    intervals: dict[str, tuple[float, float]]
    uncertainty: Uncertainty
    resampled: str


def ages_of(values: Array) -> Array:
    """Return the age that each reading is counted at: its own, or the geometric mean of those near it."""
    if len(np.unique(values)) <= _AGES_MAX:
        return values
    bins = np.where(values > 0, np.floor(_A_DECADE * np.log10(np.maximum(values, 1e-300))), -np.inf)
    _, group = np.unique(bins, return_inverse=True)
    with np.errstate(divide="ignore"):
        means = np.bincount(group, np.log(values)) / np.bincount(group)
    return np.exp(means)[group]


def fit_law(readings: Readings, axis: str) -> AgeingLaw:
    """Return the law that makes the readings most likely, each state normal in ln R at each age.

    mu and sigma of both states are linear in log10(1 + age / scale), with one scale. Intervals come from drawing the
    devices again, with all their readings: those of one device stay together.
    """
    ages, place = np.unique(ages_of(readings.ages[axis]), return_inverse=True)
    _, units = np.unique(readings.device, return_inverse=True)
    resampled = "devices" if units.max() + 1 >= _DEVICES_MIN else "readings"
    if resampled == "readings":
        units = np.arange(len(units))
    count = int(units.max()) + 1
    g = rng.stream("resample", seed=0, layer=0, trial=0)
    weights = np.concatenate([np.ones((1, count)), g.multinomial(count, np.full(count, 1 / count), _RESAMPLES)])
    positive = ages[ages > 0]
    scales = np.geomspace(positive[0] / 10, positive[-1] / 3, _SCALES)
    decades = np.log10(1 + ages[None, :] / scales[:, None])  # (scales, ages)
    likelihood, parts = np.zeros(()), list[Array]()
    for hrs in (False, True):
        mine = readings.hrs == hrs
        x, where = readings.ln_r[mine], units[mine] * len(ages) + place[mine]
        centre = float(x.mean())
        sums = [
            np.bincount(where, (x - centre) ** k, count * len(ages)).reshape(count, -1).astype(np.float64)
            for k in range(3)
        ]
        n, first, second = (weights @ s for s in sums)  # each (resamples, ages)
        fitted, its = _normal_law(n, first, second, decades)
        fitted[..., 0] += centre
        likelihood, parts = likelihood + its, [*parts, fitted]
    every = np.stack(parts, axis=-2)  # (resamples, scales, state, (mu, slope, sigma, slope))
    best = np.argmax(likelihood, axis=1)
    chosen = every[np.arange(len(best)), best]  # each resample at its own scale
    numbers = chosen.transpose(2, 1, 0).reshape(8, -1)  # mu L H, slope of mu L H, sigma L H, slope of sigma L H
    names = (*BASE[:2], *SLOPES[:2], *BASE[2:], *SLOPES[2:])
    law = LAW_OF[axis]
    full = [name if name in BASE and k not in (2, 3, 6, 7) else f"{law}.{name}" for k, name in enumerate(names)]
    freedom = float(max(1, count - 1))
    reach = float(tests.t.ppf(0.5 + CONFIDENCE / 2, freedom)) * math.sqrt(count / max(1, count - 1))
    intervals = {name: _interval(name, row, reach) for name, row in zip(full, numbers, strict=True)}
    ends = np.quantile(scales[best[1:]], ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    intervals[f"{law}.scale"] = (float(ends[0]), float(ends[1]))
    fixed = every[1:, best[0]].transpose(2, 1, 0).reshape(8, -1)
    value = dict(zip(full, numbers[:, 0].tolist(), strict=True))
    slopes = {name: value[f"{law}.{name}"] for name in SLOPES}
    return AgeingLaw(
        axis, math.exp(value["lrs_median"]), math.exp(value["hrs_median"]), value["lrs_sigma"], value["hrs_sigma"],
        LogLaw(float(scales[best[0]]), **slopes), intervals,
        Uncertainty(tuple(full), np.cov(fixed) * count / max(1, count - 1), freedom), resampled,
    )  # fmt: skip


def _interval(name: str, row: Array, reach: float) -> tuple[float, float]:
    """Return value plus or minus so many standard deviations of its resamples; of sigmas by a factor."""
    value, sd = float(row[0]), float(np.std(row[1:], ddof=1))
    if name.endswith("_median"):
        return math.exp(value - reach * sd), math.exp(value + reach * sd)
    if name in BASE:
        return value * math.exp(-reach * sd / value), value * math.exp(reach * sd / value)
    return value - reach * sd, value + reach * sd


def _normal_law(n: Array, first: Array, second: Array, decades: Array) -> tuple[Array, Array]:
    """Return (mu, slope, sigma, slope) by resample and scale, and their log-likelihood.

    Parameters
    ----------
    n, first, second : ndarray of float, shape (resamples, ages)
        Count, sum and sum of squares of the readings.
    decades : ndarray of float, shape (scales, ages)
    """
    n, first, second = (a[:, None, :] for a in (n, first, second))
    d = decades[None]
    mean = first / np.maximum(n, 1)
    spread = np.sqrt(np.maximum((second - n * mean**2).sum(-1) / n.sum(-1), _SIGMA_MIN**2))
    sigma = np.broadcast_to(spread[..., None], np.broadcast_shapes(n.shape, d.shape)).copy()
    mu = slope = s0 = s1 = np.zeros(())
    for _ in range(_STEPS):
        mu, slope = _line(d, mean, n / sigma**2)
        residual = mu[..., None] + slope[..., None] * d
        variance = (second - 2 * residual * first + n * residual**2) / np.maximum(n, 1)
        # Fisher scoring for sigma, linear in the decades: a regression of what sigma would be from the variance.
        working = sigma + (np.maximum(variance, _SIGMA_MIN**2) - sigma**2) / (2 * sigma)
        s0, s1 = _line(d, working, n / sigma**2)
        sigma = np.maximum(s0[..., None] + s1[..., None] * d, np.maximum(0.2 * sigma, _SIGMA_MIN))
    likelihood = -(n * np.log(sigma) + n * variance / (2 * sigma**2)).sum(-1)
    return np.stack(np.broadcast_arrays(mu, slope, s0, s1), axis=-1), likelihood


def _line(d: Array, y: Array, w: Array) -> tuple[Array, Array]:
    """Return constant and slope of the weighted line through (d, y)."""
    total = w.sum(-1)
    centre, level = (w * d).sum(-1) / total, (w * y).sum(-1) / total
    off = d - centre[..., None]
    square = (w * off**2).sum(-1)
    rise = (w * off * (y - level[..., None])).sum(-1)
    slope = np.where(square > 1e-12 * total, rise / np.maximum(square, 1e-300), 0.0)
    return level - slope * centre, slope
