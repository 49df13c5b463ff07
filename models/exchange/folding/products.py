"""Matrix products of a source: binary weights with one magnitude a neuron, and the sums for every popcount."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from .table import Stage, Table

#: Tables up to this size are also held in float64: those of output layers.
_WIDE_MAX = 1 << 22


def magnitudes(weights: NDArray, origin: str) -> NDArray:
    """Return the magnitude of each column, shape (m,), if it has one."""
    if weights.size == 0:
        raise InputError("weights must not be empty")
    from_where = f" of {origin}" if origin else ""
    if weights.dtype.kind == "f" and not np.isfinite(weights).all():
        raise InputError("weights must be finite")
    size = np.abs(weights.astype(np.int64) if weights.dtype.kind in "iub" else weights)
    same = (size == size[0]).all() and (size[0] > 0).all()
    if same:
        return size[0]
    zeros = int(np.count_nonzero(weights == 0))
    levels = np.unique(weights[:, : 1 + (1 << 20) // len(weights)])
    if zeros == weights.size:
        raise InputError("weights must be binary, and all are 0")
    if (zeros and len(np.unique(size[:, 0])) == 2) or (zeros and len(levels) == 3):
        raise InputError(f"weights{from_where} must be binary: {zeros:,} of {weights.size:,} are 0 (ternary or pruned)")
    if origin:
        raise InputError(
            f"weights{from_where} must be binary, and have {len(levels):,} values: train with 1-bit weights"
        )
    raise InputError(
        f"weights must be binary (one magnitude a neuron), and have {len(levels):,} values:"
        " export them through their quantiser (BipolarQuant), or train with 1-bit weights"
    )


def column_sums(weights: NDArray, middle: NDArray) -> NDArray:
    """Return the constant part of each column's sum in float64, shape (m,)."""
    total = np.zeros(weights.shape[1])
    for k in range(0, len(weights), 256):
        total += middle[k : k + 256] @ weights[k : k + 256].astype(np.float64)
    return total


def scaling(alpha: NDArray) -> str:
    """Return a description of the magnitudes of the weights; empty if they are all 1."""
    if (alpha == alpha[0]).all():
        return "" if alpha[0] == 1 else f"scale {alpha[0]:g}"
    return f"scales {alpha.min():g} to {alpha.max():g}"


def popcount_table(stage: Stage, start: NDArray, alpha: NDArray, inexact: NDArray, dtype: Any) -> Table:
    """Return start + alpha * (2p - largest) for p = 0 .. largest, rounded once; half as much where zeros are padded."""
    largest, m = stage.rows - 1, stage.size
    dtype = dtype if dtype == np.float64 else np.float32
    value = np.empty((largest + 1, m), dtype)
    wide = np.empty((largest + 1, m)) if (largest + 1) * m <= _WIDE_MAX else None
    unit = 2 if stage.window is not None and stage.window.pad == 0 else 1
    for k in range(0, largest + 1, 512):
        z = (2.0 * np.arange(k, min(k + 512, largest + 1))[:, None] - largest) / unit
        part = start + alpha * z
        value[k : k + 512] = part
        if wide is not None:
            wide[k : k + 512] = part
    low = high = value
    if inexact.any():
        slack = inexact.astype(dtype)
        low, high = value - slack, value + slack
    return Table(value, low, high, wide, np.arange(m)[None], 0, stage)
