"""A row for each image of a simulation, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from oxnor.models.base.files import write_text

from .inputs import Inputs


def write_csv(path: str | Path, result: Any, inputs: Inputs) -> None:
    """Write the results of each image, whole or not at all.

    Parameters
    ----------
    path : path
    result : SimulationResult or SpikingResult
        Its ``columns()`` are written behind the image's number and, where there is one, its label.
    inputs : Inputs
        What was simulated. Names of its classes come last, as ``label_name`` and ``class_name``.
    """
    columns, labels, names = result.columns(), inputs.labels, np.array(inputs.classes)
    count = len(columns["class"])
    columns = {"image": range(count)} | ({} if labels is None else {"label": labels[:count]}) | columns
    if inputs.classes:
        columns |= {f"{k}_name": names[columns[k]] for k in ("label", "class") if k in columns}
    write_columns(path, columns)


def write_columns(path: str | Path, columns: Mapping[str, Any]) -> None:
    """Write columns of equal length, by name, as CSV, whole or not at all."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(c.tolist() if isinstance(c, np.ndarray) else c for c in columns.values()), strict=True))
    write_text(path, buffer.getvalue())
