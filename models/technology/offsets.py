"""The two parts of an amplifier's offset, from where drawn amplifiers flip.

An amplifier reads a weight of 1 if ln R_BLb - ln R_BL + offset > 0, so its offset is the negative of the ratio at which
it flips. Of the offsets o1 and o0 for x = 1 and x = 0, (o1 + o0) / 2 stays with the bit lines and (o1 - o0) / 2 turns
with the input, which exchanges the sides of the latch.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtri, stdtrit

from oxnor.models.devices.uncertainty import CONFIDENCE

from .results import Offsets


@dataclass(frozen=True)
class Spread:
    """Standard deviation and mean of a normal number, with their intervals.

    Parameters
    ----------
    sigma, low, high : float
        Of the standard deviation, in ln units.
    mean, mean_low, mean_high : float
        Of the mean.
    """

    sigma: float
    low: float
    high: float
    mean: float
    mean_low: float
    mean_high: float

    @classmethod
    def of(cls, values: NDArray[np.float64], confidence: float = CONFIDENCE) -> Spread:
        """Return those of independent normal numbers: chi-squared and t distribution of their number less one."""
        freedom = len(values) - 1
        sigma, mean = float(np.std(values, ddof=1)), float(np.mean(values))
        tails = ((1 + confidence) / 2, (1 - confidence) / 2)
        low, high = (sigma * math.sqrt(freedom / (2 * gammaincinv(freedom / 2, p))) for p in tails)
        half = float(stdtrit(freedom, tails[0])) * sigma / math.sqrt(len(values))
        return cls(sigma, low, high, mean, mean - half, mean + half)


@dataclass(frozen=True)
class OffsetStatistics:
    """What a number of drawn amplifiers says.

    Parameters
    ----------
    draws, known : int
        Amplifiers that were drawn, and those whose flips are known for every input.
    problems : dict of str to int
        Why the others are not, and how often.
    by_input : tuple of Spread
        Offsets for x = 1 and x = 0; of a ``1t1r`` column one.
    stays, turns : Spread or None
        The two parts; None for a ``1t1r`` column.
    correlation : (float, float, float) or None
        Between x = 1 and x = 0, and the ends of its interval (Fisher); None also where an offset does not vary.
    """

    draws: int
    known: int
    problems: dict[str, int]
    by_input: tuple[Spread, ...]
    stays: Spread | None
    turns: Spread | None
    correlation: tuple[float, float, float] | None

    @property
    def sigma(self) -> float | None:
        """Standard deviation of both parts together; None for a ``1t1r`` column."""
        return math.hypot(self.stays.sigma, self.turns.sigma) if self.stays and self.turns else None


def known_offsets(offsets: Offsets) -> NDArray[np.float64]:
    """Return the offsets of those amplifiers that are known for every input, shape (k, inputs)."""
    whole = [row for row in offsets.flips if all(isinstance(f, float) for f in row)]
    return -np.array(whole, np.float64).reshape(len(whole), len(offsets.nominal))


def statistics(offsets: Offsets, confidence: float = CONFIDENCE) -> OffsetStatistics | None:
    """Return the two parts of the offset with their intervals; None if fewer than four amplifiers are known."""
    o = known_offsets(offsets)
    problems = Counter(next(f for f in row if isinstance(f, str)) for row in offsets.flips if not _is_known(row))
    if len(o) < 4:
        return None
    by_input = tuple(Spread.of(column, confidence) for column in o.T)
    if o.shape[1] == 1:
        return OffsetStatistics(len(offsets.flips), len(o), dict(problems), by_input, None, None, None)
    stays, turns = Spread.of(o.sum(axis=1) / 2, confidence), Spread.of((o[:, 0] - o[:, 1]) / 2, confidence)
    correlation = _correlation(o, confidence) if np.all(np.ptp(o, axis=0) > 0) else None
    return OffsetStatistics(len(offsets.flips), len(o), dict(problems), by_input, stays, turns, correlation)


def _correlation(o: NDArray[np.float64], confidence: float) -> tuple[float, float, float]:
    """Return the correlation of two columns that vary, and its interval."""
    r = float(np.atleast_2d(np.corrcoef(o.T))[0, 1])
    if abs(r) >= 1:
        return r, r, r
    z, half = math.atanh(r), float(ndtri((1 + confidence) / 2)) / math.sqrt(len(o) - 3)
    return r, math.tanh(z - half), math.tanh(z + half)


def _is_known(row: tuple[float | str, ...]) -> bool:
    return all(isinstance(f, float) for f in row)
