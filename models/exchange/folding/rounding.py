"""Bounds on how far a runtime that rounds in another order can be from the values of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import ops
from .graph import Node
from .levels import Levels
from .table import Table

ULP = 2.0**-24
_CHUNK = 1 << 22


def rounds(node: Node, f: Any, x: list[Any], value: NDArray) -> NDArray[np.bool_]:
    """Return where the operator rounds: sums and products of two float32 fit float64, so equal results are exact."""
    if node.op == "BatchNormalization":  # as one step: another order may round where this one does not
        return np.ones(value.shape, bool)
    mask = np.zeros(value.shape, bool)
    if value.dtype == np.float64:
        return mask
    tables = [v for v in x if isinstance(v, Table)]
    rows, axis = value.shape[0], tables[0].axis
    is_first = axis == 0 and value.ndim == tables[0].value.ndim
    step = max(1, _CHUNK // max(1, value.size // rows)) if is_first else value.size

    def double(v: Any, k: int) -> Any:
        v = v.value[k : k + step] if isinstance(v, Table) else v
        return v.astype(np.float64) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v

    for k in range(0, rows, step):
        mask[k : k + step] = f([double(v, k) for v in x], node.attrs) != value[k : k + step]
    return mask


def slack(node: Node, x: list[Any], value: NDArray) -> NDArray:
    """Return how far another order of rounding can be from `value`."""
    plain = [v.value if isinstance(v, Table) else v for v in x]
    if node.op == "BatchNormalization":
        mean, factor, beta = ops.batch_norm_parts(plain, node.attrs)
        far = np.abs(plain[0])  # in place: tables are large
        far += np.abs(mean)
        far *= np.abs(factor)
        far += np.abs(beta)
        far *= 4 * ULP
        return far
    if node.op in ("Add", "Sub", "Sum"):
        return 2 * ULP * np.maximum(np.abs(plain[0]), np.abs(value))
    return 4 * ULP * np.abs(value)


def float_sums(weights: NDArray, size: NDArray) -> NDArray[np.float64]:
    """Return by how much a float32 sum of weights (n, m) and inputs up to `size` (n,) can miss, shape (m,)."""
    n = len(weights)
    return np.asarray((n / 8 + 8) * ULP * (size @ np.abs(weights.astype(np.float64))))


def pixel_sums(each: NDArray[np.float64], pixels: int, is_mean: bool, apart: float) -> float:
    """Return by how much a float32 sum of values over pixels, or their mean, can miss; `apart` is how far each can."""
    most = pixels * float(np.abs(each).max())
    if not is_mean and apart == 0 and most < 1 << 24 and (each == np.rint(each)).all():
        return 0.0
    far = pixels * apart + (pixels / 8 + 10) * ULP * most
    return far / pixels if is_mean else far


def inexact_sums(
    alpha: NDArray, middle: NDArray, levels: Levels, n: int, *, pads_middle: bool = False
) -> NDArray:
    """Return by how much a float32 sum in any order can miss each column's sum, shape (m,); 0 where it cannot.

    If all levels are multiples of half a step, every term is a multiple of a neuron's alpha, and sums are exact while
    they stay below 2**24 of the odd part of its mantissa. A vectorised sum has eight lanes or more, so no partial sum
    has more than n / 8 + 8 additions behind it.
    """
    half = levels.step[0] / 2
    lowest = levels.lowest / half
    whole = bool((lowest == np.rint(lowest)).all()) and not levels.uneven
    most = float(np.maximum(np.abs(lowest), np.abs(lowest + 2 * levels.top)).max())
    even = whole and not pads_middle and bool((lowest % 2 == 0).all())  # the middle is between two levels
    most = most / 2 if even else most
    mantissa = np.rint(np.frexp(alpha)[0] * 2.0**53).astype(np.int64)
    odd = mantissa // (mantissa & -mantissa)
    exact = whole & (odd * (n * most) < 1 << 24)
    largest = alpha * (levels.top + np.abs(middle).max() / half)
    far = (n / 8 + 8) * ULP * n * largest + n * levels.uneven * alpha / half
    return np.where(exact, 0.0, far)
