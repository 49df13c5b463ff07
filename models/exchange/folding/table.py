"""Tables of a tensor's values: one row for each popcount, or input level."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

#: Rows that are compared at once.
_CHUNK = 512


@dataclass
class Stage:
    """Where bits are made: the input, or the popcounts of a layer.

    Parameters
    ----------
    label : str
        The node, for messages.
    rows : int
        Number of levels: 256 or 2 for the input, n_in + 1 for a layer.
    size : int
        Elements (pixels, neurons).
    weights : ndarray of bool, shape (size, n_in), or None for the input
        As the source has them.
    scaling : str
        Description of what was divided out of the weights.
    ops : list of str
        Operators folded.
    """

    label: str
    rows: int
    size: int
    weights: NDArray[np.bool_] | None = None
    scaling: str = ""
    ops: list[str] = field(default_factory=list)
    consumer: str = ""


@dataclass
class Table:
    """A tensor as a function of one popcount (or level) an element.

    Parameters
    ----------
    value : ndarray
        One row for each popcount along `axis`, float32 as the source computes.
    low, high : ndarray
        Bounds for any order in which a runtime may round; `value` itself where nothing is rounded.
    wide : ndarray or None
        The same in float64, for small tables.
    index : ndarray of int64
        Which pixel or neuron each element is; shaped as `value` with one row.
    axis : int
        The axis of the rows, where the source has its batch.
    stage : Stage
    name : str
        Of the tensor.
    quantiser : str
        The last quantiser with more than one bit, for messages.
    head : str
        The operator that gave the class, if one has.
    before : Table or None
        The table before operators that keep the order of all values.
    """

    value: NDArray
    low: NDArray
    high: NDArray
    wide: NDArray | None
    index: NDArray[np.int64]
    axis: int
    stage: Stage
    name: str = ""
    quantiser: str = ""
    head: str = ""
    before: Table | None = None

    @property
    def exact(self) -> bool:
        """Whether no step so far was rounded."""
        return self.low is self.value and self.high is self.value

    def columns(self, array: NDArray) -> NDArray:
        """Return one of the arrays as (rows, elements)."""
        return np.moveaxis(array, self.axis, 0).reshape(array.shape[self.axis], -1)

    @property
    def elements(self) -> NDArray[np.int64]:
        """Which pixel or neuron each column of :meth:`columns` is."""
        return np.moveaxis(self.index, self.axis, 0).reshape(-1)


@dataclass(frozen=True)
class Bits:
    """A table with two levels an element.

    Parameters
    ----------
    switch : ndarray of int64, shape (n,)
        First row with the upper level's side: rows >= switch differ from row 0; `rows` if none does.
    zero, one : ndarray of float64, shape (n,)
        Value of the element where its bit is 0 and 1.
    falling : ndarray of bool, shape (n,)
        Whether bit 1 is below the switch.
    sensitive : int
        Cells whose level depends on how a runtime rounds.
    constant : int
        Elements that never switch.
    """

    switch: NDArray[np.int64]
    zero: NDArray[np.float64]
    one: NDArray[np.float64]
    falling: NDArray[np.bool_]
    sensitive: int
    constant: int

    def thresholds(self, rows: int) -> NDArray[np.int64]:
        """Return the popcount from which on the bit is 1, counted from the other end where falling."""
        return np.where(self.falling, rows - self.switch, self.switch)


class Levels(InputError):
    """An element with more than two levels, or that switches more than once."""

    def __init__(self, levels: int, element: int):
        self.levels, self.element = levels, element
        what = f"{levels} levels" if levels > 2 else "a level that comes back"
        super().__init__(f"element {element} has {what}")


def to_bits(table: Table) -> Bits:
    """Return a table as bits.

    Bit 1 is the larger of the two values. An element that never switches gets the pair of its neighbours.

    Raises
    ------
    Levels
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
        raise Levels(max(counts), element)
    sensitive = 0
    if not table.exact:
        sensitive = int(np.count_nonzero(table.columns(table.low) != table.columns(table.high)))
    if value.dtype.kind == "f" and np.isinf(value[[0, -1]]).any():
        raise InputError("a value must be finite")
    start, end = first.astype(np.float64), last.astype(np.float64)
    falling = switches & (end < start)
    zero, one = np.minimum(start, end), np.maximum(start, end)
    constant = ~switches
    if constant.any():
        zero, one, switch = _constants(zero, one, switch, constant, rows)
    return Bits(switch.astype(np.int64), zero, one, falling, sensitive, int(np.count_nonzero(constant)))


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


def check_thresholds(stage: Stage, table: Table, bits: Bits) -> dict[str, Any]:
    """Compare thresholds with the source's table at every popcount of every neuron.

    Returns
    -------
    dict
        ``inverted`` and ``constant``: numbers of neurons.

    Raises
    ------
    InputError
        If a threshold gives another bit than the source at any popcount.
    """
    value, thresholds = table.columns(table.value), bits.thresholds(stage.rows).astype(np.int32)
    one = bits.one.astype(value.dtype)
    differ = 0
    for k in range(0, stage.rows, _CHUNK):
        p = np.arange(k, min(k + _CHUNK, stage.rows), dtype=np.int32)[:, None]
        fires = np.where(bits.falling, stage.rows - 1 - p, p) >= thresholds
        differ += int(np.count_nonzero(fires != (value[k : k + _CHUNK] == one)))
    if differ:
        raise InputError(f"{differ:,} of {value.size:,} popcounts must give the source's bit, and do not")
    return {"inverted": int(np.count_nonzero(bits.falling)), "constant": bits.constant}


def rounding_mask(table: Table, bits: Bits) -> NDArray[np.bool_]:
    """Return the cells that rounding decides, by the popcount of the folded weights."""
    mask = table.columns(table.low) != table.columns(table.high)
    return np.where(bits.falling, mask[::-1], mask)
