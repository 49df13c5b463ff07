"""Elementwise operators, and those that end a network with a class."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from . import ops, rounding
from .graph import Node
from .refusals import check_result
from .table import Table

#: Operators that change no value.
SAME = frozenset({"Identity", "Dropout", "Cast", "CastLike", "StopGradient"})
#: Operators with parameters for each channel.
_BY_CHANNEL = frozenset({"BatchNormalization", "MultiThreshold"})
_ALONG_AXIS = _BY_CHANNEL | {"QuantizeLinear", "DequantizeLinear"}
#: Operators under which no two outputs change places: not needed at the end.
_MONOTONE = frozenset({"Sigmoid", "Tanh", "Softsign", "HardSigmoid", "Exp"})


def elementwise(node: Node, x: list[Any]) -> Table:
    """Return the table of an elementwise operator, with bounds for what it rounds."""
    tables = [v for v in x if isinstance(v, Table)]
    t = _common(node, x, tables)
    if node.op not in _ALONG_AXIS:
        x = [v if isinstance(v, Table) else _once(v, t) for v in x]
    if t.by_channel and not all(isinstance(v, Table) or _fits_all(node, v) for v in x):
        x = [v.expanded() if isinstance(v, Table) else v for v in x]
        tables = [v for v in x if isinstance(v, Table)]
        t = tables[0]
    f = ops.ELEMENTWISE[node.op]

    def apply(which: str) -> NDArray:
        return np.asarray(f([getattr(v, which) if isinstance(v, Table) else v for v in x], node.attrs))

    value = apply("value")
    if node.op != "Exp":  # at the end of a network only its order matters
        check_result(node, value)
    axis = t.axis + value.ndim - t.value.ndim
    if value.size != t.value.size or value.shape[axis] != t.value.shape[t.axis]:
        raise InputError(
            "a constant must have at most one value a channel of a feature map"
            if t.is_shared
            else "a constant must not have more elements than the activations"
        )
    back = t.value.ndim - t.axis  # a constant has its dimensions from the last on
    constants = [np.shape(v) for v in x if not isinstance(v, Table)] if node.op not in _ALONG_AXIS else []
    if any(len(shape) >= back and shape[-back] > 1 for shape in constants):
        raise InputError("a constant must be the same for all images")
    low, high = value, value
    if not all(v.exact for v in tables):
        low, high = apply("low"), apply("high")
        low, high = np.minimum(np.minimum(low, high), value), np.maximum(np.maximum(low, high), value)
    rounds = rounding.rounds(node, f, x, value) if node.op in ops.ROUNDED and value.dtype.kind == "f" else None
    if rounds is not None and low is not high:
        rounds |= low != high
    if rounds is not None and rounds.any():
        slack = np.where(rounds, rounding.slack(node, x, value), 0)
        low, high = (low - slack).astype(value.dtype), (high + slack).astype(value.dtype)
    if low is not high and np.array_equal(low, high):
        low = high = value
    wide = None
    if t.wide is not None:
        narrowing = node.op in ("Cast", "CastLike") and value.dtype.kind == "f"
        wide = t.wide.astype(np.float64, copy=False) if narrowing else apply("wide")
    if node.op not in SAME:
        t.stage.ops.append(node.op)
    rises = node.op in _MONOTONE or (node.op == "LeakyRelu" and node.attrs.get("alpha", 0.01) > 0)
    if node.op == "HardSigmoid" and makes_equal(t.value, value, t.axis):
        rises = False  # as a ReLU
    before = (t.before or t) if rises else t.before if node.op in SAME and keeps_class(node, x, False) else None
    if t.is_shared:
        index = t.index.reshape((*[1] * (value.ndim - t.value.ndim), *t.index.shape))
    else:
        index = t.index.reshape(_row_shape(value, axis))
    y = Table(value, low, high, wide, index, axis, t.stage, "", t.quantiser, "", before, t.by_channel)
    y.is_mean, y.pool = t.is_mean, t.pool
    if any(v.padding for v in tables):
        y.padding = _padding_after(f, node, x)
    return y


def makes_equal(before: NDArray, after: NDArray, axis: int) -> bool:
    """Return whether values that differ from one popcount to the next are equal after an operator, or too large."""
    before, after = (np.moveaxis(v, axis, 0) for v in (before, after))
    return bool(((before[1:] != before[:-1]) & (after[1:] == after[:-1])).any() or np.isinf(after).any())


def _once(v: Any, t: Table) -> Any:
    """Return a constant with one value where it repeats one for all pixels of a feature map."""
    for k in range(1, min(np.ndim(v), t.value.ndim) + 1):  # a constant has its dimensions from the last on
        if t.value.ndim - k != t.axis and t.value.shape[-k] == 1 < v.shape[-k] == t.shape[-k]:
            first = np.take(v, [0], axis=-k)
            v = first if (v == first).all() else v
    return v


def _fits_all(node: Node, v: Any) -> bool:
    """Return whether a constant is one value, or one list of thresholds, for all channels, and adds no dimension."""
    return np.ndim(v) <= 2 and (np.size(v) <= 1 or (node.op == "MultiThreshold" and v.ndim == 2 and len(v) == 1))


def _padding_after(f: Any, node: Node, x: list[Any]) -> tuple[Any, float]:
    """Return the padding with what an operator makes of its value."""
    tables = [v for v in x if isinstance(v, Table)]
    if any(v.padding != tables[0].padding for v in tables):
        raise InputError("it joins what is padded with what is not")
    pads = [np.full_like(v.value[:1], v.padding[1]) if isinstance(v, Table) else v for v in x]
    value = np.unique(f(pads, node.attrs))
    if len(value) != 1:
        raise InputError("padding must have one value for all channels: pad after this, with one value")
    return tables[0].padding[0], float(value[0])


def _common(node: Node, x: list[Any], tables: list[Table]) -> Table:
    """Return the table with the shape of the result, or raise InputError if the tables do not belong together."""
    t = max(tables, key=lambda v: v.value.ndim)
    if any(v.is_mean for v in tables) and node.op not in SAME:
        raise InputError("a mean over pixels must be followed by a product")
    if any(v.unfolded for v in tables):
        raise InputError("Im2Col must be followed by a matrix product")
    for other in tables:
        if other.stage is not t.stage:
            raise InputError(
                f"it joins {other.stage.label} and {t.stage.label}: only chains of layers are supported"
            )
        other.check_pool()
        if (other.value.shape != t.value.shape or other.axis != t.axis or other.by_channel != t.by_channel
                or not np.array_equal(other.index, t.index)):  # fmt: skip
            raise InputError("it joins activations in another order")
    if node.attrs.get("training_mode", 0) or (
        node.op == "Dropout" and np.any(ops.optional(x, 2, False))
    ):
        raise InputError("it is in training mode: export the network in evaluation mode (model.eval())")
    if node.op in _BY_CHANNEL and t.axis != 0:
        raise InputError("the images must be the first dimension")
    return t


def _row_shape(value: NDArray, axis: int) -> tuple[int, ...]:
    return tuple(1 if k == axis else n for k, n in enumerate(value.shape))


def head(node: Node, t: Table) -> list[Any]:
    """Return the outputs of an operator that ends the network with a class, which `t` still decides."""
    axis = int(node.attrs.get("axis", 0 if node.op == "ArgMax" else -1)) % t.index.ndim
    if axis == t.axis or t.shape[axis] != t.stage.elements:
        raise InputError("it must be taken over the classes of the last layer")
    if node.op == "ArgMax" and node.attrs.get("select_last_index", 0):
        raise InputError("select_last_index must be 0: the lowest index wins a tie")
    if node.op == "TopK" and node.attrs.get("largest") == 0:
        raise InputError("largest must be 1")
    if t.stage.elements < 2:
        raise InputError("it must be taken over two classes or more: of one output, its sign is the class")
    y = replace(t, head=node.op, before=t.before or t)
    return [y] * len(node.outputs)


def keeps_class(node: Node, x: list[Any], is_class: bool) -> bool:
    """Return whether an operator that changes no value, but for its type, keeps a class, or which value is largest."""
    given = [np.zeros(1, np.float32), *(v.value if isinstance(v, Table) else v for v in x[1:])]
    kind = np.asarray(ops.ELEMENTWISE[node.op](given, node.attrs)).dtype.kind
    return kind != "b" if is_class else kind == "f"
