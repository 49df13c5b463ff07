"""Tables of few values as the integers that layers give: bits, or levels of several bit planes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.layers.base import PLANES_MAX

from .table import Stage, Table

#: Rows that are compared at once.
_CHUNK = 512
#: Most levels of an element.
LEVELS_MAX = 1 << PLANES_MAX
#: How far levels may lie from even steps, in steps: rounding, which the bounds of the sums then hold.
_UNEVEN = 1e-3


@dataclass(frozen=True)
class Levels:
    """A table whose elements are integers in steps of one size an element: lowest + step * level.

    Parameters
    ----------
    reach : ndarray of int64, shape (levels, n)
        From which popcount on an element is at least at level k + 1, counted from the other end where falling.
    lowest, step : ndarray of float64, shape (n,)
    falling : ndarray of bool, shape (n,)
        Whether higher levels are at lower popcounts.
    sensitive : int
        Cells whose level depends on how a runtime rounds.
    constant : int
        Elements that never change.
    uneven : float
        Largest distance of a value from its level.
    codes : ndarray of uint8, shape (rows, n), or None
        Levels of an input that are more than two, or that come back.
    """

    reach: NDArray[np.int64]
    lowest: NDArray[np.float64]
    step: NDArray[np.float64]
    falling: NDArray[np.bool_]
    sensitive: int
    constant: int
    uneven: float = 0.0
    codes: NDArray[np.uint8] | None = None

    @property
    def planes(self) -> int:
        """Bit planes of an element."""
        return len(self.reach).bit_length()

    @property
    def top(self) -> int:
        """The highest level that the bit planes have."""
        return (1 << self.planes) - 1

    def thresholds(self) -> NDArray[np.int64]:
        """Return the popcounts of the folded weights from which on levels are reached, (n,) or (n, levels)."""
        return self.reach[0] if len(self.reach) == 1 else self.reach.T

    def at(self, order: NDArray[np.int64]) -> Levels:
        """Return the levels of some elements."""
        return replace(
            self, reach=self.reach[:, order], lowest=self.lowest[order], step=self.step[order],
            falling=self.falling[order], codes=None if self.codes is None else self.codes[:, order],
        )  # fmt: skip


class NoLevels(InputError):
    """An element with values that make no levels, or of which one comes back."""

    def __init__(self, levels: int, element: int):
        self.levels, self.element = levels, element
        what = f"{levels} levels" if levels > 2 else "a level that comes back"
        super().__init__(f"element {element} has {what}")


def to_bits(table: Table) -> Levels:
    """Return a table of two levels an element.

    Bit 1 is the larger of the two values. An element that never switches gets the pair of its neighbours.

    Raises
    ------
    NoLevels
        If an element has more than two levels or switches more than once.
    InputError
        If a value is not a number.
    """
    value = table.columns(table.value)
    rows = len(value)
    if value.dtype.kind == "f" and np.isnan(value).any():
        raise InputError("a value must be a number, and is not (0 / 0, or the root of a negative number)")
    first, last = value[0], value[-1]
    changed = value != first
    switches = changed.any(axis=0)
    switch = np.where(switches, changed.argmax(axis=0), rows)
    wrong = ((value == last) != (np.arange(rows)[:, None] >= switch)) & switches
    if wrong.any():
        element = int(np.flatnonzero(wrong.any(axis=0))[0])
        counts = [len(np.unique(value[:, j])) for j in np.flatnonzero(wrong.any(axis=0))[:64]]
        raise NoLevels(max(counts), element)
    if value.dtype.kind == "f" and np.isinf(value[[0, -1]]).any():
        raise InputError("a value must be finite")
    start, end = first.astype(np.float64), last.astype(np.float64)
    falling = end < start
    zero, one = np.minimum(start, end), np.maximum(start, end)
    constant = ~switches
    if constant.any():
        zero, one, switch = _constants(zero, one, switch, constant, rows)
    reach = np.where(falling, rows - switch, switch)
    sensitive = int(np.count_nonzero(_rounds(table, zero, one - zero)))
    return Levels(reach[None].astype(np.int64), zero, one - zero, falling, sensitive, int(constant.sum()))


def _constants(
    zero: NDArray, one: NDArray, switch: NDArray, constant: NDArray[np.bool_], rows: int
) -> tuple[NDArray, NDArray, NDArray]:
    """Give an element that never switches the pair of values of those that do, so that its weights stay +-."""
    c = zero[constant]
    lively = np.flatnonzero(~constant)
    if lively.size:
        low, high = zero[lively[0]], one[lively[0]]
    else:
        high = np.abs(c).max() or 1.0
        low = -high
    is_low = c == low
    zero[constant] = np.where(is_low, c, c - (high - low))
    one[constant] = np.where(is_low, high, c)
    switch[constant] = np.where(is_low, rows, 0)
    return zero, one, switch


def _rounds(table: Table, lowest: NDArray[np.float64], step: NDArray[np.float64] | float) -> NDArray[np.bool_]:
    """Return the cells whose level depends on how a runtime rounds."""
    if table.exact:
        return np.zeros((len(table.columns(table.value)), 1), bool)
    low, high = (np.rint((table.columns(v) - lowest) / step) for v in (table.low, table.high))
    return low != high


def to_levels(table: Table) -> Levels:
    """Return a table as bits, or as levels of up to eight bit planes.

    Raises
    ------
    NoLevels
        If an element has too many levels, none of even steps, or one that comes back with the popcount.
    InputError
        If a value is not a number.
    """
    try:
        bits = to_bits(table)
    except NoLevels:
        return _many_levels(table)
    if (bits.step == bits.step[0]).all():
        return bits
    try:  # pairs of other steps a channel may be levels of one step
        return _many_levels(table)
    except NoLevels:
        return bits


def _many_levels(table: Table) -> Levels:
    """Return a table as levels in steps of one size, or raise NoLevels."""
    value = table.columns(table.value).astype(np.float64)
    is_input = table.stage.weights is None
    rises = np.diff(value[:, :: max(1, value.shape[1] // 64)], axis=0) != 0
    as_they_are = not is_input and not table.quantiser and len(value) > 3 and bool(rises.all(axis=0).any())
    if not np.isfinite(value).all() or as_they_are:
        raise _not_levels(value)  # sums: no quantiser has made them levels
    for lowest in _origins(value):
        codes = _codes(value - lowest)
        if codes is not None:
            break
    else:
        raise _not_levels(value)
    levels, step, uneven = codes
    steps = np.diff(levels.astype(np.int16), axis=0)
    falling: NDArray[np.bool_] = np.asarray((steps < 0).any(axis=0))
    comes_back = falling & (steps > 0).any(axis=0)
    if not is_input and comes_back.any():
        raise NoLevels(2, int(np.flatnonzero(comes_back)[0]))
    if is_input:
        falling = np.zeros_like(falling)
    planes = int(levels.max()).bit_length()
    reach = np.stack([np.count_nonzero(levels < k, axis=0) for k in range(1, 1 << planes)])
    n = value.shape[1]
    sensitive = int(np.count_nonzero(_rounds(table, lowest, step)))
    return Levels(
        reach.astype(np.int64), np.broadcast_to(lowest, n).copy(), np.full(n, step), falling, sensitive,
        int(np.count_nonzero(np.ptp(levels, axis=0) == 0)), uneven, levels if is_input else None,
    )  # fmt: skip


def _not_levels(value: NDArray[np.float64]) -> NoLevels:
    """Return what to raise of values in no even steps: the most of the first elements."""
    return NoLevels(max(len(np.unique(value[:, j])) for j in range(min(64, value.shape[1]))), 0)


def _origins(value: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield what could be level 0: one value for all elements, or each element's own least."""
    least = value.min(axis=0)
    yield least.min()
    yield least


def _codes(value: NDArray[np.float64]) -> tuple[NDArray[np.uint8], float, float] | None:
    """Return values from 0 up as multiples of a step, the step, and the largest distance; None if they are not."""
    distinct = np.unique(value[:, 0])
    if len(distinct) <= LEVELS_MAX:
        distinct = np.unique(value)
    range_ = distinct[-1]
    distinct = distinct[np.concatenate([[True], np.diff(distinct) > 1e-6 * range_])]
    smallest = np.diff(distinct).min()
    for parts in range(1, 17):
        last = int(np.rint(range_ * parts / smallest))
        if last >= LEVELS_MAX:
            return None
        step = range_ / last
        if np.abs(distinct / step - np.rint(distinct / step)).max() <= _UNEVEN:
            codes = np.rint(value / step)
            return codes.astype(np.uint8), step, float(np.abs(value - codes * step).max())
    return None


def check_thresholds(stage: Stage, table: Table, levels: Levels) -> None:
    """Compare thresholds with the source's table at every popcount of every neuron.

    Raises
    ------
    InputError
        If a threshold gives another level than the source at any popcount.
    """
    value, thresholds = table.columns(table.value), levels.thresholds().reshape(len(levels.step), -1).T
    differ = 0
    for k in range(0, stage.rows, _CHUNK):
        p = np.arange(k, min(k + _CHUNK, stage.rows), dtype=np.int32)[:, None]
        p = np.where(levels.falling, stage.rows - 1 - p, p)
        level = np.zeros(p.shape, np.int32)
        for threshold in thresholds:
            level += p >= threshold
        part = value[k : k + _CHUNK]
        wrong = level != np.rint((part - levels.lowest) / levels.step)
        differ += int(np.count_nonzero(wrong))
    if differ:
        raise InputError(f"{differ:,} of {value.size:,} popcounts must give the source's level, and do not")


def rounding_mask(table: Table, levels: Levels) -> NDArray[np.bool_]:
    """Return the cells that rounding decides, by the popcount of the folded weights."""
    mask = _rounds(table, levels.lowest, levels.step)
    return np.where(levels.falling, mask[::-1], mask)


def of_neurons(
    stage: Stage, levels: Levels, elements: NDArray[np.int64], shared: bool
) -> tuple[Levels, NDArray[np.int64]]:
    """Return the levels of each neuron, and which columns they have, given those of each element of a feature map.

    Raises
    ------
    InputError
        If the pixels of a channel have other thresholds.
    """
    if shared:
        return levels, np.arange(stage.size)
    order = np.argsort(elements)
    pixels = stage.elements // stage.size if stage.weights is not None else 1
    reach, falls = levels.reach[:, order].reshape(len(levels.reach), pixels, -1), levels.falling[order]
    order = order[: stage.size]
    if (reach != reach[:, :1]).any() or (falls.reshape(pixels, -1) != levels.falling[order]).any():
        raise InputError(
            "each channel must have the same thresholds at all pixels, and has others: normalise feature maps by"
            " channel, before they are flattened"
        )
    return levels.at(order), order
