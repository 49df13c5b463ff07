"""The trials of a sweep, and its curves, for other tools."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError, install
from oxnor.models.base.files import write_text
from oxnor.models.base.replace import whole_file
from oxnor.models.trials.curves import Curve, Point

from .store import Results
from .trial import ALL_LAYERS

_COLUMNS = ("layer", "rate", "trial", "errors", "correct", "accuracy", "seconds")
_CHANGES = ("broken", "corrected")


def _rows(results: Results, changes: bool) -> Iterator[tuple[Any, ...]]:
    for t in results.trials():
        row = (t.key.layer, t.key.rate, t.key.trial, t.errors, t.correct, t.accuracy, t.seconds)
        yield row + (t.changes or (None, None)) if changes else row


def export(results: Results, path: str | Path) -> None:
    """Write one row a trial as CSV or Parquet, by the end of the name; layer -1 stands for all layers.

    Raises
    ------
    InputError
        If the name ends in something else, or pyarrow is not installed for Parquet.
    """
    path = Path(path)
    changes = any(t.changes for t in results.trials())
    names = _COLUMNS + _CHANGES if changes else _COLUMNS
    if path.suffix == ".csv":
        write_text(path, csv_text(names, _rows(results, changes)))
    elif path.suffix == ".parquet":
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise InputError(f"{path}: Parquet needs pyarrow: {install('sweep')}") from None
        columns = list(zip(*_rows(results, changes), strict=True)) or [()] * len(names)
        with whole_file(path) as temporary:
            parquet.write_table(pyarrow.table(dict(zip(names, map(list, columns), strict=True))), temporary)
    else:
        raise InputError(f"{path}: the name must end in .csv or .parquet")


def csv_text(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as CSV; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def export_curves(curves: Mapping[str, Mapping[int, Curve]], path: str | Path) -> None:
    """Write the statistics of every point of every curve as CSV, one row a point.

    Parameters
    ----------
    curves : mapping of str to mapping of int to Curve
        By the name of the results file, then by layer.
    path : path
    """
    head = ["file", "network", "layer", "against", *("value" if f.name == "rate" else f.name for f in fields(Point))]
    rows = [
        [file, curve.label, "all" if layer == ALL_LAYERS else layer, curve.axis.head, *asdict(p).values()]
        for file, by_layer in curves.items()
        for layer, curve in by_layer.items()
        for p in curve.points
    ]
    write_text(path, csv_text(head, rows))
