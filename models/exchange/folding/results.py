"""The results of products and of heads on plain arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from .ops import Attrs, Inputs


def run_product(op: str, x: Inputs, a: Attrs) -> NDArray:
    """Return the result of one of :data:`oxnor.models.exchange.folding.ops.PRODUCTS` on plain arrays."""
    if op == "MatMul":
        return np.matmul(x[0], x[1])
    if op == "XnorPopcountMatMul":
        n = x[0].shape[-1]
        return (np.matmul(2 * x[0] - 1, 2 * np.asarray(x[1], x[0].dtype) - 1) + n) / 2
    left = x[0].T if a.get("transA", 0) else x[0]
    right = x[1].T if a.get("transB", 0) else x[1]
    y = np.matmul(left, right)
    if a.get("alpha", 1.0) != 1.0:
        y = y * y.dtype.type(a["alpha"])
    if len(x) > 2 and x[2] is not None:
        bias = np.asarray(x[2])
        y = y + (bias if a.get("beta", 1.0) == 1.0 else bias * y.dtype.type(a["beta"]))
    return y


def run_head(op: str, x: Inputs, a: Attrs) -> list[NDArray]:
    """Return the results of one of :data:`oxnor.models.exchange.folding.ops.HEADS` on plain arrays."""
    v = np.asarray(x[0])
    if op in ("Softmax", "LogSoftmax"):
        axis = int(a.get("axis", -1))
        shifted = v - v.max(axis=axis, keepdims=True)
        total = np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
        return [np.exp(shifted - total) if op == "Softmax" else shifted - total]
    axis = int(a.get("axis", -1 if op == "TopK" else 0))
    if op == "ArgMax":
        y = np.argmax(v, axis=axis)
        return [np.expand_dims(y, axis) if a.get("keepdims", 1) else y]
    k = int(np.ravel(x[1] if len(x) > 1 else a["k"])[0])
    if not 1 <= k <= v.shape[axis]:
        raise InputError(f"TopK: k must be in [1, {v.shape[axis]}], not {k}")
    order = np.argsort(-v, axis=axis, kind="stable")
    order = np.take(order, np.arange(k), axis=axis)
    return [np.take_along_axis(v, order, axis), order]
