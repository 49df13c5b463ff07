"""Distributions of ln R beside the normal one, chosen by the likelihood of devices that they were not fitted to.

A tail decides an error rate, and few readings are in it. Three laws are tried for each state: normal, a mixture of two
normals (some devices are different), and generalised extreme values (one long tail, towards the other state).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats as tests
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr, ndtri

from oxnor.models.base import rng

from .lab.files import Readings
from .uncertainty import CONFIDENCE

Array = NDArray[np.float64]
#: Fewest devices of which some are held out, and the parts that they are held out in.
DEVICES_MIN, _FOLDS = 20, 5
#: Points that stand for a state: its ends as they are, the middle in means.
_POINTS, _ENDS = 1500, 300
_RESAMPLES, _STEPS, _AGAIN = 80, 60, 15
_SIGMA_MIN = 1e-3


@dataclass(frozen=True)
class Law:
    """A distribution of ln R with its parameters.

    Parameters
    ----------
    name : str
        A key of :data:`LAWS`.
    numbers : tuple of float
        ``normal``: mu, sigma. ``mixture``: share, mu, sigma of the larger part, mu, sigma of the smaller one.
        ``extreme``: location, scale, shape of the values, with their sign changed for HRS.
    sign : int
        1 for LRS, -1 for HRS: where the other state is.
    """

    name: str
    numbers: tuple[float, ...]
    sign: int

    def log_density(self, x: Array) -> Array:
        """Return the logarithm of the density of ln R."""
        return LAWS[self.name].log_density(self.sign * x, self.numbers)

    def above(self, x: Array) -> Array:
        """Return the probability of more than x for LRS, of less than x for HRS: on the side of the other state."""
        return LAWS[self.name].beyond(self.sign * x, self.numbers)


@dataclass(frozen=True)
class _Kind:
    """A kind of law, of values whose upper tail is towards the other state."""

    log_density: Callable[[Array, tuple[float, ...]], Array]
    beyond: Callable[[Array, tuple[float, ...]], Array]
    fit: Callable[[Array, Array, tuple[float, ...] | None], tuple[float, ...]]


def _normal_density(x: Array, p: tuple[float, ...]) -> Array:
    return -0.5 * ((x - p[0]) / p[1]) ** 2 - math.log(p[1] * math.sqrt(2 * math.pi))


def _normal_fit(x: Array, w: Array, start: tuple[float, ...] | None) -> tuple[float, ...]:
    mu = float(np.average(x, weights=w))
    return mu, max(_SIGMA_MIN, math.sqrt(float(np.average((x - mu) ** 2, weights=w))))


def _mixture_density(x: Array, p: tuple[float, ...]) -> Array:
    share = p[0]
    return np.logaddexp(
        math.log1p(-share) + _normal_density(x, p[1:3]), math.log(share) + _normal_density(x, p[3:5])
    )


def _mixture_fit(x: Array, w: Array, start: tuple[float, ...] | None) -> tuple[float, ...]:
    """Return the most likely mixture by expectation and maximisation, from a wide start and from one in the tail."""
    if start is not None:
        return _expectation(x, w, start, _AGAIN)
    mu, sigma = _normal_fit(x, w, None)
    starts = ((0.2, mu, 0.7 * sigma, mu, 2 * sigma), (0.1, mu, 0.8 * sigma, mu + 2 * sigma, sigma))
    found = [_expectation(x, w, s) for s in starts]
    return max(found, key=lambda p: float(np.sum(w * _mixture_density(x, p))))


def _expectation(x: Array, w: Array, p: tuple[float, ...], steps: int = _STEPS) -> tuple[float, ...]:
    floor = max(_SIGMA_MIN, 0.1 * _normal_fit(x, w, None)[1])  # or one reading becomes a part of its own
    for _ in range(steps):
        of_second = np.exp(math.log(p[0]) + _normal_density(x, p[3:5]) - _mixture_density(x, p))
        parts = []
        for weight in (w * (1 - of_second), w * of_second):
            mu, sigma = _normal_fit(x, weight + 1e-12 * w, None)
            parts += [mu, max(sigma, floor)]
        share = float(np.sum(w * of_second) / np.sum(w))
        p = (min(max(share, 1e-3), 0.999), *parts)
    return p


def _extreme_density(x: Array, p: tuple[float, ...]) -> Array:
    place, scale, shape = p
    z = (x - place) / scale
    if abs(shape) < 1e-6:
        return -z - np.exp(-z) - math.log(scale)
    base = 1 + shape * z
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        logs = np.log(base)
        return np.where(base > 0, -(1 + 1 / shape) * logs - np.exp(-logs / shape) - math.log(scale), -np.inf)


def _extreme_beyond(x: Array, p: tuple[float, ...]) -> Array:
    return tests.genextreme.sf(x, -p[2], p[0], p[1])


def _extreme_fit(x: Array, w: Array, start: tuple[float, ...] | None) -> tuple[float, ...]:
    mu, sigma = _normal_fit(x, w, None)
    total = float(np.sum(w))

    def loss(q: Array) -> float:
        value = _extreme_density(x, (q[0], math.exp(min(q[1], 50)), q[2]))
        return min(1e10, -float(np.sum(w * np.maximum(value, -1e3))) / total) if abs(q[2]) < 0.9 else 1e10

    first = start or (mu - 0.45 * sigma, 0.78 * sigma, -0.1)
    found = minimize(
        loss, [first[0], math.log(first[1]), first[2]], method="Nelder-Mead",
        options={"xatol": 1e-4, "fatol": 1e-7, "maxfev": 400 if start is None else 120},
    )  # fmt: skip
    return float(found.x[0]), math.exp(float(found.x[1])), float(found.x[2])


#: The laws that are tried.
LAWS: dict[str, _Kind] = {
    "normal": _Kind(_normal_density, lambda x, p: ndtr((p[0] - x) / p[1]), _normal_fit),
    "mixture": _Kind(
        _mixture_density,
        lambda x, p: (1 - p[0]) * ndtr((p[1] - x) / p[2]) + p[0] * ndtr((p[3] - x) / p[4]),
        _mixture_fit,
    ),
    "extreme": _Kind(_extreme_density, _extreme_beyond, _extreme_fit),
}


@dataclass(frozen=True)
class Tail:
    """The law of one state that predicts readings best.

    Parameters
    ----------
    law : Law
    held_out : dict of str to float
        By law, ln of the likelihood of a reading of devices that were held out, mean.
    error : float
        Standard error of the best one's lead on the normal law; 0 if that is the best.
    """

    law: Law
    held_out: dict[str, float]
    error: float


@dataclass(frozen=True)
class TailRate:
    """The 2T2R error rate of the chosen laws, with its 99 % interval."""

    lrs: Tail
    hrs: Tail
    rate: float
    low: float
    high: float

    @property
    def normal(self) -> bool:
        """Whether both states are best described by a normal law."""
        return self.lrs.law.name == self.hrs.law.name == "normal"


def tail_rate(readings: Readings) -> TailRate | None:
    """Return the error rate of pairs by the laws that predict best; None for fewer than 20 devices of a state.

    A law is chosen instead of the normal one only if it leads by more than one standard error over devices.
    """
    states = [_State.of(readings, hrs) for hrs in (False, True)]
    if any(state.devices < DEVICES_MIN for state in states):
        return None
    tails = [_choose(state) for state in states]
    rate = _rate(tails[0].law, tails[1].law)
    size = len(readings.names)
    g = rng.stream("resample", seed=0, layer=1, trial=0)
    there = np.unique(readings.device)
    logs = []
    for _ in range(_RESAMPLES):
        counts = np.bincount(there[g.integers(len(there), size=len(there))], minlength=size).astype(float)
        laws = [
            Law(tail.law.name, LAWS[tail.law.name].fit(*state.points(counts), tail.law.numbers), state.sign)
            for state, tail in zip(states, tails, strict=True)
        ]
        logs.append(math.log(max(1e-300, _rate(laws[0], laws[1]))))
    reach = float(tests.t.ppf(0.5 + CONFIDENCE / 2, len(there) - 1)) * float(np.std(logs, ddof=1))
    low, high = rate * math.exp(-reach), min(1.0, rate * math.exp(min(reach, 700)))
    return TailRate(tails[0], tails[1], rate, low, high)


@dataclass(frozen=True, eq=False)
class _State:
    """Readings of a state, rising, their sign so that the other state is above."""

    x: Array
    device: NDArray[np.int64]
    sign: int
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, readings: Readings, hrs: bool) -> _State:
        mine, sign = readings.hrs == hrs, -1 if hrs else 1
        order = np.argsort(sign * readings.ln_r[mine], kind="stable")
        n = len(order)
        # The ends one by one, the middle in groups of about one size.
        middle = np.linspace(_ENDS, n - _ENDS, _POINTS - 2 * _ENDS, endpoint=False) if n > _POINTS else np.zeros(0)
        starts = np.arange(n) if n <= _POINTS else np.concatenate([np.arange(_ENDS), middle, np.arange(n - _ENDS, n)])
        return cls(
            (sign * readings.ln_r[mine])[order], readings.device[mine][order], sign, np.unique(starts.astype(np.int64))
        )

    @property
    def devices(self) -> int:
        return len(np.unique(self.device))

    def points(self, weight: Array) -> tuple[Array, Array]:
        """Return points and their weights, of readings whose devices have the weights given."""
        each = weight[self.device]
        total = np.add.reduceat(each, self.starts)
        x = np.add.reduceat(each * self.x, self.starts)
        there = total > 0
        return x[there] / total[there], total[there]


def _choose(state: _State) -> Tail:
    size = int(state.device.max()) + 1
    there = np.unique(state.device)
    g = rng.stream("folds", seed=0, layer=0, trial=0)
    fold = np.full(size, -1)
    fold[there] = g.permutation(len(there)) % _FOLDS
    scores = {name: np.zeros(size) for name in LAWS}
    counts = np.bincount(state.device, minlength=size)
    for k in range(_FOLDS):
        points = state.points((fold != k).astype(float))
        out = fold[state.device] == k
        for name, kind in LAWS.items():
            density = np.maximum(kind.log_density(state.x[out], kind.fit(*points, None)), -1e3)
            scores[name] += np.bincount(state.device[out], density, size)
    total = float(counts.sum())
    means = {name: float(s.sum()) / total for name, s in scores.items()}
    best = max(means, key=lambda name: means[name])
    lead = (scores[best] - scores["normal"])[there]
    error = float(np.std(lead, ddof=1)) * math.sqrt(len(there)) / total
    if means[best] - means["normal"] <= error:
        best, error = "normal", 0.0
    numbers = LAWS[best].fit(*state.points(np.ones(size)), None)
    return Tail(Law(best, numbers, state.sign), means, error)


def _rate(lrs: Law, hrs: Law) -> float:
    """Return the probability that a reading of LRS is above one of HRS."""
    if lrs.name == hrs.name == "normal":
        (a, s), (b, t) = lrs.numbers, hrs.numbers
        return float(np.exp(log_ndtr((a + b) / math.hypot(s, t))))
    ends = sorted(x for law in (lrs, hrs) for x in _span(law))
    x = np.linspace(ends[0], ends[-1], 20_001)
    with np.errstate(over="ignore"):
        density = np.exp(lrs.log_density(x))
    return float(np.clip(np.trapezoid(density * hrs.above(x), x), 0, 1))


def _span(law: Law) -> tuple[float, float]:
    """Return where nearly all of a law is."""
    p = law.numbers
    if law.name == "extreme":
        tail = 1e-12
        low, high = (float(tests.genextreme.ppf(q, -p[2], p[0], p[1])) for q in (tail, 1 - tail))
    else:
        reach = -float(ndtri(1e-18))
        parts = (p[:2],) if law.name == "normal" else (p[1:3], p[3:5])
        low, high = min(m - reach * s for m, s in parts), max(m + reach * s for m, s in parts)
    return (low, high) if law.sign > 0 else (-high, -low)
