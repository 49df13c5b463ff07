"""The last layer: integers in the order of the source's float outputs, for every popcount of every class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.layers.base import OFFSET_MAX
from oxnor.models.networks.layers.fields import SIZE_MAX
from oxnor.models.networks.layers.weight_code import WeightCode

from .table import FloatSums

_BITS_MAX = 30
_NO_ACTIVATION = ": leave out the activation behind it, as a ReLU, which makes scores equal that are not"

#: Most pairs of popcounts that are counted one by one.
_PAIRS_MAX = 1 << 26
#: Largest scale that is tried where small scales could give the source's ties.
_UNIT_MAX = 1 << 12


@dataclass(frozen=True)
class Scores:
    """Integer scores: scale * p + offset, p counted from the other end where inverted.

    Parameters
    ----------
    scales, offsets : ndarray of int64, shape (n_out,)
    inverted : ndarray of bool, shape (n_out,)
    sensitive : int
        Pairs of popcounts of two classes whose order only the rounding of the source decides.
    example : str
        Description of one of those pairs, or empty.
    """

    scales: NDArray[np.int64]
    offsets: NDArray[np.int64]
    inverted: NDArray[np.bool_]
    sensitive: int
    example: str = ""


@dataclass(frozen=True)
class Outputs:
    """What the source gives for every popcount of every class.

    Parameters
    ----------
    value, low, high : ndarray, shape (n_in + 1, n_out)
        Outputs by popcount, and their bounds for any order of rounding.
    wide : ndarray of float64, shape (n_in + 1, n_out)
    weights : ndarray of bool, shape (n_out, n_in)
        As the source has them: which popcounts of two classes go together depends on how many differ.
    """

    value: NDArray
    low: NDArray
    high: NDArray
    wide: NDArray
    weights: NDArray[np.bool_]


def fit_scores(y: Outputs, keep: bool) -> Scores:
    """Return the smallest integers that order the outputs of all classes, at all popcounts, as the source does.

    Cells of equal float32 value get equal integers if any scales of at most 31 bits do that; if none do, those with
    the fewest pairs that the integers decide otherwise.

    Parameters
    ----------
    y : Outputs
    keep : bool
        Take slopes and offsets as they are, which must be integers.

    Raises
    ------
    InputError
        If the outputs are not affine in the popcount, or need scales of more than 31 bits.
    """
    wide = y.wide
    if wide.dtype == bool:
        raise InputError("the outputs must be numbers, not true or false")
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
    rises, falls = bool((steps > 0).all()), bool((steps < 0).all())
    if (wide == wide[:, :1]).all() and (rises or falls):
        same = np.repeat(np.arange(n + 1)[:: -1 if falls else 1, None], classes, axis=1)
        return Scores(np.ones(classes, np.int64), np.zeros(classes, np.int64), none | falls, *_rounded_pairs(y, same))
    if not affine:
        raise InputError(
            "the outputs of the last layer must be affine in its popcounts, with one scale and offset a class"
            f"{_NO_ACTIVATION}"
        )
    inverted = slope < 0
    start = np.where(inverted, wide[-1], start)
    slope = np.abs(slope)
    if slope.max() == 0:
        raise InputError("the outputs of the last layer must depend on its inputs")
    p = np.arange(n + 1)[:, None]
    p = np.where(inverted, n - p, p)
    best: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None
    for scales, offsets in _candidates(slope, start):
        integers = scales * p + offsets
        if _same_order(y, integers):
            undecided = _undecided(y.value, integers)
            if best is None or undecided < best[0]:
                best = undecided, scales, offsets
            if not undecided:
                break
    if best is None:
        raise InputError("the outputs of the last layer must need scales of at most 31 bits")
    _, scales, offsets = best
    return Scores(scales, offsets, inverted, *_rounded_pairs(y, scales * p + offsets))


def _candidates(slope: NDArray, start: NDArray) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield scales and offsets: ever finer roundings, and before them those that the source's ratios fit.

    Ties of one class with another are kept by integers in the ratio of the source's scales, as 1, 2, 3 for 0.1, 0.2,
    0.3; a power of two for the largest seldom gives them.
    """
    largest, above = slope.max(), start - start.min()
    sizes = np.arange(1, _UNIT_MAX + 1) / largest
    scaled = (v * sizes[:, None] for v in (slope, above))
    far = np.maximum(*(np.abs(v - np.rint(v)).max(axis=1) for v in scaled))
    fits = np.flatnonzero(far <= 1e-6 * (1 + np.maximum(slope, above).max() * sizes))[:4] + 1
    powers = [2**bits for bits in (*range(9), *range(10, _BITS_MAX + 1, 2))]
    for size in (*fits.tolist(), *powers):
        factor = size / largest
        if np.abs(start * factor).max() >= 2.0**51:
            return
        yield np.rint(slope * factor).astype(np.int64), np.rint(above * factor).astype(np.int64)


def _same_order(y: Outputs, integers: NDArray) -> bool:
    """Return whether cells of certain order have integers of that order, and exactly equal cells equal ones."""
    v, a, b, i = (x.ravel() for x in (y.value, y.low, y.high, integers))
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
    """Return how many neighbouring cells the integers order otherwise; 0 only if no two cells at all are."""
    v, i = value.ravel(), integers.ravel()
    order = np.lexsort((i, v))
    v, i = v[order], i[order]
    return int(np.count_nonzero((v[1:] > v[:-1]) != (i[1:] > i[:-1])))


def _rounded_pairs(y: Outputs, integers: NDArray) -> tuple[int, str]:
    """Return how many pairs of popcounts that two classes can have at once hang on rounding, and one in words.

    Only neighbours in size are counted where all pairs would be too many.
    """
    if np.array_equal(y.low, y.high):
        return 0, ""
    classes, n = y.weights.shape
    if len(y.low) != n + 1 or classes * (classes - 1) // 2 * (n / 2 + 1) ** 2 > _PAIRS_MAX:
        order = np.argsort(y.value, axis=None, kind="stable")
        low, high = y.low.ravel()[order], y.high.ravel()[order]
        return int(np.count_nonzero((low[1:] <= high[:-1]) & ((low < high)[1:] | (low < high)[:-1]))), ""
    count, example = 0, ""
    for a in range(classes):
        for b in range(a + 1, classes):
            differ = int(np.count_nonzero(y.weights[a] != y.weights[b]))
            same, other = np.arange(n - differ + 1)[:, None], np.arange(differ + 1)
            pa, pb = (same + other).ravel(), (same + differ - other).ravel()
            low_a, high_a, low_b, high_b = y.low[pa, a], y.high[pa, a], y.low[pb, b], y.high[pb, b]
            both = np.flatnonzero(
                (low_a <= high_b) & (low_b <= high_a) & ((low_a < high_a) | (low_b < high_b))
            )
            count += both.size
            if both.size and not example:
                k = both[0]
                example = (
                    f"class {a} with {y.value[pa[k], a]:.9g} and class {b} with {y.value[pb[k], b]:.9g} have the scores"
                    f" {integers[pa[k], a]} and {integers[pb[k], b]}"
                )
    return count, example


@dataclass(frozen=True, eq=False)
class RoundedScores:
    """Scores of a last layer of float weights, rounded to integers times one unit: y = lowest + unit * (score - half).

    Parameters
    ----------
    synapses : ndarray of bool, shape (m, n * code.bits)
    code : WeightCode
    offsets : ndarray of int64, shape (m,)
    lowest, unit : float
        What a score of `half` is in the source's outputs, and by how much they differ where scores differ by 1.
    half : int
        The popcount where all inputs are in the middle of their levels.
    bound : ndarray of float64, shape (m,)
        By how much an output may differ from the source's, had that been computed exactly: reached by some inputs.
    slack : ndarray of float64, shape (m,)
        By how much more, as the source rounds its sums, and float64 these numbers.
    """

    synapses: NDArray[np.bool_]
    code: WeightCode
    offsets: NDArray[np.int64]
    lowest: float
    unit: float
    half: int
    bound: NDArray[np.float64]
    slack: NDArray[np.float64]

    @property
    def far(self) -> NDArray[np.float64]:
        """By how much an output may differ from the source's as this computes it, shape (m,)."""
        return self.bound + self.slack

    def outputs(self, scores: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return scores, or p of a single output, in the units of the source's outputs."""
        return np.asarray(self.lowest + self.unit * (scores - self.half), np.float64)

    @property
    def limit(self) -> int:
        """From which p on a single output is above 0: up to 1 more than the largest p."""
        return int(np.clip(np.floor(self.half - self.lowest / self.unit) + 1, 0, 2 * self.half + 1))

    def proved(self, y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return of which :meth:`outputs`, shape (images, m), no error within the bounds changes the class."""
        far = self.far
        if y.shape[1] == 1:
            return np.asarray(np.abs(y[:, 0]) > far[0])
        rows, best = np.arange(len(y)), y.argmax(axis=1)
        others = y + far
        others[rows, best] = -np.inf
        return np.asarray(y[rows, best] - far[best] > others.max(axis=1))


def round_scores(y: Outputs, floats: FloatSums, bits: int) -> RoundedScores:
    """Round the weights of a last layer, with what follows it multiplied in, to integers of so many bits.

    One unit for all classes: a score is then a popcount plus an integer, without a multiplication.

    Parameters
    ----------
    y : Outputs
        For :meth:`FloatSums.values` in place of popcounts.
    floats : FloatSums
    bits : int
        Range [2, 8].

    Raises
    ------
    InputError
        If the outputs are not affine in the sums, or do not depend on them, or have too many bits of weights.
    """
    wide, reach = y.wide, floats.reach
    if wide.dtype == bool or not np.isfinite(wide).all():
        raise InputError("the outputs must be finite numbers")
    at_middle = wide[len(wide) // 2]
    factor = np.divide((wide[-1] - wide[0]) / 2, reach, out=np.zeros_like(reach), where=reach > 0)
    line = at_middle + factor * (floats.values() - floats.middle)
    miss, largest = np.abs(wide - line).max(axis=0), np.abs(wide).max(axis=0)
    slack = np.maximum(np.abs(y.high - wide), np.abs(wide - y.low)).max(axis=0)
    if (miss > np.maximum(1e-9 * largest, 1e-6 * slack)).any():  # float64 rounds too, where float32 does so more
        raise InputError(
            "the outputs of the last layer must be affine in its sums, with one scale and offset a class, to be rounded"
            f"{_NO_ACTIVATION}"
        )
    steps = factor[:, None] * floats.steps
    if not steps.any():
        raise InputError("the outputs of the last layer must depend on its inputs")
    code = WeightCode.narrow(bits)
    if (columns := steps.shape[1] * code.bits) > SIZE_MAX:
        raise InputError(f"weights of a class must be at most {SIZE_MAX:,} bits, not {columns:,}: round to fewer bits")
    step = np.abs(steps).max() / (code.top // 2)
    values = np.rint(steps / step).astype(np.int16)
    unit, lowest = step / 2, at_middle.min()
    offsets = np.rint((at_middle - lowest) / unit)
    if offsets.max() >= OFFSET_MAX:
        raise InputError("the biases of the last layer must be smaller beside its weights")
    bound = np.abs(steps - step * values).sum(axis=1) * floats.top / 2 + np.abs(at_middle - lowest - unit * offsets)
    slack = slack + miss + 2.0**-50 * (largest + np.abs(lowest) + unit * offsets)
    return RoundedScores(
        code.encode(2 * values).reshape(len(values), -1), code, offsets.astype(np.int64), float(lowest), float(unit),
        values.shape[1] * code.top * floats.top // 2, bound, slack,
    )  # fmt: skip


def decision_threshold(wide: NDArray, bits: NDArray[np.bool_] | None) -> tuple[int, bool]:
    """Return from which popcount on a single output says yes, and whether it is counted from the other end.

    `wide` has shape (n_in + 1,); `bits` says yes or no where the source itself does, else yes is wide > 0.
    """
    yes = wide > 0 if bits is None else bits
    n = len(yes) - 1
    if yes[0] and not yes[-1]:
        return int(n + 1 - np.count_nonzero(yes)), True
    return int(n + 1 - np.count_nonzero(yes)), False
