"""Ranges of converters: MAX, GRANULAR and CALIBRATED."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from .adc import UniformAdc, check_bits

RANGES = ("max", "granular", "calibrated")
#: Share of the profiled values, in per cent, below the lowest and above the highest code.
PERCENTILE = 0.01
_BINS = 1 << 12


def granular_bits(cell_bits: int, rows: int) -> int:
    """Return the bits with which nothing is lost for inputs of one bit: b + ceil(log2 R)."""
    return cell_bits + math.ceil(math.log2(rows))


def granular(bits: int, step: float, low: float) -> UniformAdc:
    """Return a converter whose step is the smallest difference of two sums, from `low` on; sums above are clipped."""
    levels = 1 << check_bits(bits)
    return UniformAdc(bits, low, low + step * (levels - 1))


def with_zero(low: float, high: float, levels: int) -> tuple[float, float]:
    """Return a range of the same width, moved by at most half a step so that 0 is a level; one without 0 as it is."""
    if not low < 0 < high:
        return low, high
    step = (high - low) / (levels - 1)
    moved = -step * round(-low / step)
    return moved, moved + step * (levels - 1)


def calibrated(values: NDArray[np.floating], bits: int, percentile: float | None = None) -> UniformAdc:
    """Return a converter whose range suits profiled values: those of training images, never of the test set.

    Parameters
    ----------
    values : ndarray of float
        What the converter would see.
    bits : int
    percentile : float, optional
        Per cent of the values below the lowest code, and above the highest. Default: the ends that minimise the mean
        square of rounding and clipping errors, searched over symmetric shares.

    Raises
    ------
    InputError
        If all values are equal.
    """
    values = np.asarray(values).ravel()
    levels = 1 << check_bits(bits)
    if not len(values) or not np.ptp(values) > 0:
        raise InputError("must hold values that differ, to calibrate a converter with", parameter="values")
    tails = [percentile] if percentile is not None else [0.0, *np.geomspace(1e-3, 10, 13)]
    counts, edges = np.histogram(values, _BINS)
    centres = (edges[1:] + edges[:-1]) / 2
    best: tuple[float, UniformAdc] | None = None
    for tail in tails:
        low, high = np.percentile(values, [tail, 100 - tail])
        if not low < high:
            continue
        low, high = with_zero(float(low), float(high), levels)
        adc = UniformAdc(bits, low, high)
        # Within a step an error is uniform; beyond the ends it is what is cut off.
        cut = np.clip(centres, low, high) - centres
        error = float(counts @ cut**2 / len(values)) + adc.step**2 / 12
        if best is None or error < best[0]:
            best = error, adc
    assert best is not None
    return best[1]


def shifted(values: NDArray[np.floating], bits: int, limit: float, percentile: float = 99.999) -> UniformAdc:
    """Return a calibrated converter for slices: +-limit 2**-C, so that shift and add stays a shift."""
    need = float(np.percentile(np.abs(values), percentile))
    c = math.floor(math.log2(limit / need)) if need else 0
    return UniformAdc.sign_magnitude(bits, limit * 2.0 ** -max(c, 0))
