"""Bit error rates counted over all pairs of measured resistances, with no law of their distribution."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats as tests

from .draws import interval
from .lab.files import Readings
from .uncertainty import CONFIDENCE


@dataclass(frozen=True)
class Counted:
    """An error rate counted over readings.

    Parameters
    ----------
    errors : int
        Pairs that read wrong, or single devices on the wrong side of a reference.
    ties : int
        Pairs of equal resistances: half of them are wrong.
    count : int
        All pairs, or all single devices.
    low, high : float
        99 % interval.
    """

    errors: int
    ties: int
    count: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Share that is wrong."""
        return (self.errors + self.ties / 2) / self.count

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a JSON object."""
        return asdict(self) | {"rate": self.rate}


def counted_pairs(readings: Readings) -> Counted:
    """Return the 2T2R error rate over every pair of a reading of LRS and one of HRS: wrong where LRS is above HRS.

    Pairs share devices, so they count for fewer. Interval of Korn and Graubard (Survey Methodology 24, 1998): that of
    Clopper and Pearson for as many independent pairs as give the variance that the devices say, each with all its
    readings. Without an error, for as many as there are pairs with no device in common.
    """
    lrs, hrs = readings.ln_r[~readings.hrs], readings.ln_r[readings.hrs]
    of_lrs, of_hrs = readings.device[~readings.hrs], readings.device[readings.hrs]
    low, high = np.sort(lrs), np.sort(hrs)
    below = np.searchsorted(high, lrs, "left")  # HRS below each LRS
    equal = np.searchsorted(high, lrs, "right") - below
    errors, ties, count = int(below.sum()), int(equal.sum()), len(lrs) * len(hrs)
    above = len(low) - np.searchsorted(low, hrs, "right")  # LRS above each HRS
    equal_hrs = np.searchsorted(low, hrs, "right") - np.searchsorted(low, hrs, "left")
    size = len(readings.names)
    of_device = np.bincount(of_lrs, below + equal / 2, size) + np.bincount(of_hrs, above + equal_hrs / 2, size)
    share = np.bincount(of_lrs, minlength=size) / len(lrs) + np.bincount(of_hrs, minlength=size) / len(hrs)
    rate = (errors + ties / 2) / count
    apart = min(len(np.unique(of_lrs)), len(np.unique(of_hrs)))
    ends = _interval(rate, (of_device / count - rate * share)[share > 0], apart)
    return Counted(errors, ties, count, *ends)


def counted_singles(readings: Readings, reference: float) -> Counted:
    """Return the 1T1R error rate at a reference, ln(R / ohm), for as many LRS as HRS; interval as for pairs."""
    wrong = (readings.ln_r > reference) != readings.hrs
    size, parts, influence = len(readings.names), [], np.zeros(len(readings.names))
    for hrs in (False, True):
        mine = readings.hrs == hrs
        of_device = np.bincount(readings.device[mine], wrong[mine], size)
        n, rate = int(mine.sum()), float(wrong[mine].mean())
        parts.append(rate)
        influence += (of_device - rate * np.bincount(readings.device[mine], minlength=size)) / (2 * n)
    there = np.bincount(readings.device, minlength=size) > 0
    apart = int(there.sum())
    return Counted(int(wrong.sum()), 0, len(wrong), *_interval(sum(parts) / 2, influence[there], apart))


def _interval(rate: float, influence: NDArray[np.float64], apart: int) -> tuple[float, float]:
    """Return the interval of a rate from how much it changes with the weight of each device."""
    k = len(influence)
    variance = float(np.sum(influence**2)) * k / (k - 1) if k > 1 else 0.0
    if not 0 < rate < 1 or not variance:
        return interval(rate * apart, apart, CONFIDENCE)
    reach = 0.5 + CONFIDENCE / 2
    effective = rate * (1 - rate) / variance
    # The variance is known as well as the few devices at the edge say: by as many of them as there are in effect.
    freedom = max(1.0, min(k - 1, float(np.sum(influence**2) ** 2 / np.sum(influence**4))))
    effective *= (tests.t.ppf(reach, max(effective, 1)) / tests.t.ppf(reach, freedom)) ** 2
    # All pairs never say less than those with no device in common.
    effective = max(effective, apart)
    return interval(rate * effective, effective, CONFIDENCE)
