"""Event files: spikes of a sensor or an encoder, with tick, address and sign, in samples with labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError, near_names
from oxnor.models.base.files import NpzReader

from .files import csv_columns, csv_head

#: Columns of a CSV file, and arrays of an NPZ file; the first two must be there.
COLUMNS = ("tick", "address", "sign", "sample", "label")
#: Most events of a file, and one more than the largest tick and address: a word has so many bits for each.
EVENTS_MAX, TICK_LIMIT, ADDRESS_LIMIT = 1 << 26, 1 << 15, 0xFFFF
_WHOLE = tuple(np.dtype(order + kind).str for kind in ("u1", "u2", "u4", "i1", "i2", "i4", "i8") for order in "<>")


@dataclass(frozen=True, eq=False, repr=False)
class EventTable:
    """The events of a file, sample after sample.

    Parameters
    ----------
    ticks, addresses : ndarray of int64, shape (n,)
        When, and at which input.
    negative : ndarray of bool, shape (n,)
    starts : ndarray of int64, shape (samples + 1,)
        First event of each sample, and the number of events.
    labels : ndarray of int64, shape (samples,), or None
    path : path
    """

    ticks: NDArray[np.int64]
    addresses: NDArray[np.int64]
    negative: NDArray[np.bool_]
    starts: NDArray[np.int64]
    labels: NDArray[np.int64] | None
    path: Path

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __repr__(self) -> str:
        labels = "no labels" if self.labels is None else "labels"
        return f"EventTable({len(self.ticks):,} events in {len(self):,} samples, {labels})"

    def check_fit(self, n_in: int, window: int, classes: int, who: str) -> None:
        """Raise InputError if there is an address, a tick or a label that `who` does not have."""
        _demand(self.path, self.addresses, "address", 0, n_in, f"the {n_in} inputs of {who} count from 0")
        _demand(self.path, self.ticks, "tick", 0, window, f"{who} has a window of {window} ticks")
        if self.labels is not None:
            _demand(self.path, self.labels, "label", 0, classes, f"{who} has {classes} classes", of="sample")


def read_events(path: str | Path) -> EventTable:
    """Read an event file; nothing in it is trusted.

    Parameters
    ----------
    path : path
        ``.csv``: a row an event, with columns ``tick`` and ``address``; ``sign`` is 1 (default) or -1; ``sample``
        counts samples from 0, one after the other; ``label`` is the same in all rows of a sample. ``.npz``: arrays of
        these names, of whole numbers, an element an event; ``label`` has an element a sample, so that samples may be
        empty.

    Raises
    ------
    InputError
        Naming the file, the event and the rule that it breaks.
    """
    path = Path(path)
    readers = {".csv": _csv, ".npz": _npz}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: an event file must end in {' or '.join(readers)}")
    columns = readers[path.suffix.lower()](path)
    ticks, addresses = columns["tick"], columns["address"]
    n = len(ticks)
    for name, values in columns.items():
        if name != "label" and len(values) != n:
            raise InputError(f"{path}: {name} must have {n:,} values, one an event, not {len(values):,}")
    _demand(path, ticks, "tick", 0, TICK_LIMIT, "a word of the engine has 15 bits for it")
    _demand(path, addresses, "address", 0, ADDRESS_LIMIT, "a word of the engine has 16 bits for it")
    sign = columns.get("sign", np.ones(n, np.int64))
    _demand(path, sign, "sign", -1, 2, "1 and -1 are signs")
    if not sign.all():
        raise InputError(f"{path}: event {int(np.argmin(np.abs(sign))) + 1:,}: sign must be 1 or -1, not 0")
    samples, labels = _samples(path, columns, n)
    starts = np.searchsorted(columns.get("sample", np.zeros(n, np.int64)), np.arange(samples + 1))
    falls = np.flatnonzero(np.diff(ticks) < 0) + 1
    falls = falls[~np.isin(falls, starts)]
    if len(falls):
        at = int(falls[0])
        rule = f"tick must not be below {ticks[at - 1]}, that of the event ahead of it, not {ticks[at]}"
        raise InputError(f"{path}: event {at + 1:,}: {rule}")
    return EventTable(ticks, addresses, sign < 0, starts, labels, path)


def _samples(path: Path, columns: dict[str, NDArray[np.int64]], n: int) -> tuple[int, NDArray[np.int64] | None]:
    """Return the number of samples, and their labels."""
    sample, label = columns.get("sample", np.zeros(n, np.int64)), columns.get("label")
    _demand(path, sample, "sample", 0, EVENTS_MAX, "samples count from 0")
    steps = np.diff(sample, prepend=0)
    if (steps < 0).any():
        at = int(np.argmax(steps < 0))
        raise InputError(f"{path}: event {at + 1:,}: sample must not fall, from {sample[at - 1]} to {sample[at]}")
    in_rows = path.suffix.lower() == ".csv"
    count = len(label) if label is not None and not in_rows else int(sample[-1]) + 1 if n else 0
    if not count:
        raise InputError(f"{path}: must hold at least one event")
    if label is None or in_rows:
        if (steps > 1).any():
            at = int(np.argmax(steps > 1))
            missing = int(sample[at]) - 1
            advice = "in .npz, an array label says how many samples there are, and one may be empty"
            raise InputError(f"{path}: event {at + 1:,}: sample {missing} must have an event ({advice})")
    elif n and sample[-1] >= count:
        raise InputError(f"{path}: label must have a value for each of {sample[-1] + 1:,} samples, not {count:,}")
    if label is None:
        return count, None
    _demand(path, label, "label", 0, 1 << 31, "classes count from 0", of="event" if in_rows else "sample")
    if not in_rows:
        return count, label
    first = label[np.searchsorted(sample, np.arange(count))]
    if (first[sample] != label).any():
        at = int(np.argmax(first[sample] != label))
        rule = f"label must be {first[sample[at]]} as in the other rows of sample {sample[at]}, not {label[at]}"
        raise InputError(f"{path}: event {at + 1:,}: {rule}")
    return count, first


def _demand(path: Path, values: NDArray, name: str, low: int, high: int, why: str, of: str = "event") -> None:
    """Raise InputError, with the first that is wrong, if not all values are in [low, high)."""
    wrong = (values < low) | (values >= high)
    if wrong.any():
        at = int(np.argmax(wrong))
        # Events are rows, which people count from 1; samples and labels have numbers in the file.
        number = at + 1 if of == "event" else at
        raise InputError(f"{path}: {of} {number:,}: {name} must be in [{low}, {high - 1}] ({why}), not {values[at]}")


def _named(path: Path, names: list[str]) -> None:
    """Raise InputError if a column is unknown, there twice, or missing."""
    listed = f"an event file has {', '.join(COLUMNS)}"
    for name in names:
        if name not in COLUMNS:
            raise InputError(f"{path}: {name!r} must not be there: {listed}{near_names(name, COLUMNS)}")
        if names.count(name) > 1:
            raise InputError(f"{path}: {name!r} must be there once, not {names.count(name)} times")
    for name in COLUMNS[:2]:
        if name not in names:
            raise InputError(f"{path}: {name!r} must be there: {listed}, of which the first two are needed")


def _csv(path: Path) -> dict[str, NDArray[np.int64]]:
    cells, delimiter, has_header = csv_head(path)
    if not has_header:
        raise InputError(f"{path}: the first line must name the columns: {', '.join(COLUMNS)}")
    names = [cell.lower() for cell in cells]
    _named(path, names)
    values = csv_columns(path, delimiter, 1, list(range(len(names))), np.float64)
    if len(values) > EVENTS_MAX:
        raise InputError(f"{path}: must have at most {EVENTS_MAX:,} events, not {len(values):,}")
    columns = {}
    for name, column in zip(names, values.T, strict=True):
        wrong = ~(np.abs(column) < 1 << 53) | (column != np.rint(column))
        if wrong.any():
            at = int(np.argmax(wrong))
            raise InputError(f"{path}: event {at + 1:,}: {name} must be a whole number, not {column[at]:g}")
        columns[name] = column.astype(np.int64)
    return columns


def _npz(path: Path) -> dict[str, NDArray[np.int64]]:
    with NpzReader(path) as source:
        _named(path, sorted(source.names))
        return {
            name: source.any_array(name, _WHOLE, 1, 8 * EVENTS_MAX).astype(np.int64).reshape(-1)
            for name in COLUMNS if name in source.names
        }  # fmt: skip
