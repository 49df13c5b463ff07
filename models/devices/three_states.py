"""Pairs of three states: +1 and -1 have one device in LRS, 0 has none; how often each reads as another.

The amplifier compares a = ln R(BL) - e / 2 with b = ln R(BLb) + e / 2, where e is its offset and the noise of a read:
the smaller one decides, and where both are above a threshold t it has not decided in its time, which is 0. So +1 is
read where a < b and a < t, -1 where b < a and b < t, 0 where both are above t. a and b are normal together, so that
each probability is an integral over one of them.

Source of the third state: Laborieux et al., arXiv 2007.14234.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from .error_rates import equal_reference
from .model import UNFORMED_OHM, DeviceModel

#: Standard deviations on both sides of a mean that are integrated over.
_REACH = 12.0
#: A mean and a standard deviation of ln R.
Normal = tuple[float, float]


def sense_threshold(device: DeviceModel) -> float:
    """Return the ln(R / ohm) above which both devices of a pair must be to read as 0.

    It is the time in which an amplifier must decide, and stays as the devices age: the reference at which LRS and HRS
    err equally often, of devices as young as the model has them.
    """
    return equal_reference(device.at(device.valid_cycles[0], device.valid_seconds[0]))


@dataclass(frozen=True)
class TernaryRates:
    """How often pairs of three states read as another.

    Parameters
    ----------
    zero : float
        0 reads as +1 or -1.
    lost : float
        +1 or -1 reads as 0.
    sign : float
        +1 reads as -1, or -1 as +1.
    threshold : float
        ln(R / ohm) above which both devices are where a pair reads as 0.
    """

    zero: float
    lost: float
    sign: float
    threshold: float


def ternary_rates(
    device: DeviceModel, cycles: float = 0.0, seconds: float = 0.0, threshold: float | None = None
) -> TernaryRates:
    """Return the error rates of one read of pairs of three states, over amplifiers and their noise.

    Parameters
    ----------
    device : DeviceModel
    cycles, seconds : float
        Its age.
    threshold : float, optional
        ln(R / ohm). Default: :func:`sense_threshold`.
    """
    stats = device.at(cycles, seconds)
    t = sense_threshold(device) if threshold is None else threshold
    moved = math.hypot(device.pair_offset_sigma, device.read_noise_sigma)
    lrs, hrs = (stats.lrs_mu, stats.lrs_sigma), (stats.hrs_mu, stats.hrs_sigma)
    plus, zero = (_outcomes(x, hrs, stats.hrs_sigma, device.forming_yield, moved, t) for x in (lrs, hrs))
    return TernaryRates(zero[0] + zero[2], plus[1], plus[2], t)


def levels(
    ln_r: NDArray[np.float64], offset: NDArray[np.float64], threshold: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return whether pairs read as +1, and whether as 0; the last axis of `ln_r` is (BL, BLb)."""
    margin = ln_r[..., 1] - ln_r[..., 0] + offset
    above = ln_r.sum(axis=-1) - np.abs(margin) > 2 * threshold
    return (margin > 0) & ~above, above


def _outcomes(
    bl: Normal, blb: Normal, sigma: float, forming_yield: float, moved: float, t: float
) -> tuple[float, float, float]:
    """Return the probabilities of +1, 0 and -1 of a pair of devices, each of which may not have formed."""
    unformed, y = (math.log(UNFORMED_OHM), sigma), forming_yield
    cases: Iterable[tuple[float, Normal, Normal]] = (
        (y * y, bl, blb), (y * (1 - y), bl, unformed), (y * (1 - y), unformed, blb), ((1 - y) ** 2, unformed, unformed),
    )  # fmt: skip
    total = np.zeros(3)
    for share, a, b in cases:
        if share:
            total += share * np.array([_first(a, b, moved, t), _both_above(a, b, moved, t), _first(b, a, moved, t)])
    return float(total[0]), float(total[1]), float(total[2])


@cache
def _nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(600)


def _over(a: Normal, b: Normal, moved: float, low: float, high: float, bound: float | None) -> float:
    """Return the probability that a is in [low, high] and b above `bound`, or above a if that is None."""
    variance = a[1] ** 2 + moved**2 / 4
    low, high = max(low, a[0] - _REACH * math.sqrt(variance)), min(high, a[0] + _REACH * math.sqrt(variance))
    if low >= high:
        return 0.0
    nodes, weights = _nodes()
    x = (high - low) / 2 * nodes + (high + low) / 2
    density = np.exp(-((x - a[0]) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
    slope = -(moved**2) / 4 / variance
    rest = math.sqrt(max(b[1] ** 2 + moved**2 / 4 + slope * moved**2 / 4, 1e-30))
    mean = b[0] + slope * (x - a[0])
    above = ndtr((mean - (x if bound is None else bound)) / rest)
    return float((high - low) / 2 * np.sum(weights * density * above))


def _first(a: Normal, b: Normal, moved: float, t: float) -> float:
    """Return the probability that a is below b and below the threshold."""
    return _over(a, b, moved, -math.inf, t, None)


def _both_above(a: Normal, b: Normal, moved: float, t: float) -> float:
    return _over(a, b, moved, t, math.inf, t)
