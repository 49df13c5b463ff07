"""The last layer: integers in the order of the source's float outputs, for every popcount of every class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

_BITS_MAX = 30


@dataclass(frozen=True)
class Scores:
    """Integer scores: scale * p + offset, p counted from the other end where inverted.

    Parameters
    ----------
    scales, offsets : ndarray of int64, shape (n_out,)
    inverted : ndarray of bool, shape (n_out,)
    sensitive : int
        Neighbouring pairs of values of two classes whose order only the rounding of the source decides.
    """

    scales: NDArray[np.int64]
    offsets: NDArray[np.int64]
    inverted: NDArray[np.bool_]
    sensitive: int


def fit_scores(value: NDArray, low: NDArray, high: NDArray, wide: NDArray, keep: bool) -> Scores:
    """Return the smallest integers that order the outputs of all classes, at all popcounts, as the source does.

    Parameters
    ----------
    value, low, high : ndarray, shape (n_in + 1, n_out)
        Outputs by popcount, and their bounds for any order of rounding.
    wide : ndarray of float64, shape (n_in + 1, n_out)
    keep : bool
        Take slopes and offsets as they are, which must be integers.

    Raises
    ------
    InputError
        If the outputs are not affine in the popcount, or need scales of more than 31 bits.
    """
    if not np.isfinite(wide).all():
        raise InputError("the outputs must be finite")
    n, classes = len(wide) - 1, wide.shape[1]
    none = np.zeros(classes, bool)
    slope, start = (wide[-1] - wide[0]) / n, wide[0]
    line = start + slope * np.arange(n + 1)[:, None]
    affine = np.abs(wide - line).max() <= 1e-9 * max(np.abs(wide).max(), 1e-300)
    if keep and affine and np.all(np.rint(slope) == slope) and np.all(np.rint(start) == start):
        return Scores(slope.astype(np.int64), start.astype(np.int64), none, 0)
    steps = np.diff(wide[:, 0])
    if (wide == wide[:, :1]).all() and ((steps > 0).all() or (steps < 0).all()):
        ones = np.ones(classes, np.int64)
        return Scores(ones, 0 * ones, none | bool(steps[0] < 0), 0)
    if not affine:
        raise InputError(
            "the outputs of the last layer must be affine in its popcounts, with one scale and offset a class"
        )
    inverted = slope < 0
    start = np.where(inverted, wide[-1], start)
    slope = np.abs(slope)
    largest = slope.max()
    if largest == 0:
        raise InputError("the outputs of the last layer must depend on its inputs")
    p = np.arange(n + 1)[:, None]
    p = np.where(inverted, n - p, p)
    for bits in (*range(9), *range(10, _BITS_MAX + 1, 2)):
        factor = 2.0**bits / largest
        if np.abs(start * factor).max() >= 2.0**51:
            break
        scales = np.rint(slope * factor).astype(np.int64)
        offsets = np.rint(start * factor).astype(np.int64)
        offsets -= offsets.min()
        integers = scales * p + offsets
        if _same_order(value, low, high, integers):
            return Scores(scales, offsets, inverted, _undecided(value, integers))
    raise InputError("the outputs of the last layer must need scales of at most 31 bits")


def _same_order(value: NDArray, low: NDArray, high: NDArray, integers: NDArray) -> bool:
    """Return whether cells of certain order have integers of that order, and exactly equal cells equal ones."""
    v, a, b, i = (x.ravel() for x in (value, low, high, integers))
    by_high = np.argsort(b, kind="stable")
    below = np.maximum.accumulate(i[by_high])
    certain = np.searchsorted(b[by_high], a, side="left")  # so many cells are below for certain
    has = certain > 0
    if (below[certain[has] - 1] >= i[has]).any():
        return False
    exact = np.flatnonzero((a == v) & (b == v))
    order = exact[np.argsort(v[exact], kind="stable")]
    ties = v[order][1:] == v[order][:-1]
    return bool((i[order][1:][ties] == i[order][:-1][ties]).all())


def _undecided(value: NDArray, integers: NDArray) -> int:
    v, i = value.ravel(), integers.ravel()
    order = np.lexsort((i, v))
    v, i = v[order], i[order]
    return int(np.count_nonzero((v[1:] > v[:-1]) != (i[1:] > i[:-1])))


def decision_threshold(wide: NDArray, bits: NDArray[np.bool_] | None) -> tuple[int, bool]:
    """Return from which popcount on a single output says yes, and whether it is counted from the other end.

    `wide` has shape (n_in + 1,); `bits` says yes or no where the source itself does, else yes is wide > 0.
    """
    yes = wide > 0 if bits is None else bits
    n = len(yes) - 1
    if yes[0] and not yes[-1]:
        return int(n + 1 - np.count_nonzero(yes)), True
    return int(n + 1 - np.count_nonzero(yes)), False
