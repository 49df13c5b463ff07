"""Operators that change the shape of a tensor, applied to a table's values and to its index alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from . import ops
from .graph import Node
from .table import Table


def mapped(t: Table, change: Callable[[NDArray], NDArray], index: NDArray[np.int64], axis: int) -> Table:
    """Return a table whose arrays are changed by `change`, which moves the rows to `axis`."""
    return t.mapped(change, index=index, axis=axis)


def transposed(v: Any) -> Any:
    """Return the transpose of a table or a constant."""
    if not isinstance(v, Table):
        return np.asarray(v).T
    if v.index.ndim != 2:
        raise InputError("a transposed operand must be a matrix")
    v = v.expanded()
    return mapped(v, np.transpose, v.index.T, 1 - v.axis)


def reshaped(node: Node, x: list[Any], t: Table, batch: int | None) -> Any:
    """Return the result of a node that changes the shape of table `t`, its first input.

    Parameters
    ----------
    node : Node
    x : list
        Its inputs.
    t : Table
    batch : int or None
        The batch size, if the source fixes it.

    Raises
    ------
    InputError
        If the images would not stay apart.
    """
    op, a = node.op, node.attrs
    if op == "Shape":
        return ops.run_shape(op, [np.broadcast_to(t.index, t.shape)], a, None)
    if len(x) > 1 and isinstance(x[1], Table):
        raise InputError("its shape must not depend on the images")
    if t.unfolded:
        raise InputError("Im2Col must be followed by a matrix product")
    if t.padding and op != "Transpose":
        raise InputError("padding must be followed by a convolution")
    if op == "Squeeze" and batch == 1 and ops.axes_of(x, a) is None and sum(n > 1 for n in t.index.shape) > 1:
        raise InputError("it must name its axes: without, it removes the dimension of the one image, too")
    axis = _axis_after(op, x, a, t)

    def change(array: NDArray) -> NDArray:
        y = ops.run_shape(op, [array, *x[1:]], a, batch)
        if y.shape[axis] != array.shape[t.axis] or y.size != array.size:
            raise InputError("it must keep the images apart")
        return y

    # An index has one row; it is changed as a stack of as many as the table has rows.
    stacked = change(np.broadcast_to(t.index, t.shape))
    index = np.take(stacked, [0], axis=axis).copy()
    if op == "Transpose" and not t.by_channel:
        y = mapped(t, lambda v: np.transpose(v, a.get("perm")), index, axis)
        if t.padding:
            y.padding = ([t.padding[0][k] for k in _order(a, t.index.ndim)], t.padding[1])
        return y
    if axis:  # values by channel have their rows first
        t = t.expanded()
    if not t.is_shared and not t.by_channel:
        return mapped(t, change, index, axis)
    return _arranged(t.mapped(t.columns, index=index, axis=axis, by_channel=True))


def _arranged(t: Table) -> Table:
    """Return a table by channel with values shaped as its index again, if that is a feature map of the layer."""
    height, width = t.stage.map_size
    size = height, width, t.stage.size
    whole = np.arange(height * width * t.stage.size).reshape(size)
    if t.index.ndim != 4:
        return t
    if np.array_equal(t.index, whole[None]):
        return t.mapped(lambda v: v.reshape(-1, 1, 1, t.stage.size), by_channel=False)
    if np.array_equal(t.index, whole[None].transpose(0, 3, 1, 2)):
        return t.mapped(lambda v: v.reshape(-1, t.stage.size, 1, 1), by_channel=False)
    return t


def _order(a: Any, nd: int) -> list[int]:
    """Return the dimensions of a Transpose node's output, by those of its input."""
    return [int(k) % nd for k in a.get("perm", range(nd)[::-1])]


def _axis_after(op: str, x: list[Any], a: Any, t: Table) -> int:
    """Return the axis of the rows after the operator."""
    nd, axis = t.index.ndim, t.axis
    if op == "Transpose":
        perm = _order(a, nd)
        if sorted(perm) != list(range(nd)):
            raise InputError(f"perm must order {nd} dimensions, not {perm}")
        return perm.index(axis)
    if op == "Squeeze":
        axes = ops.axes_of(x, a)
        removed = [k for k in range(nd) if t.shape[k] == 1] if axes is None else [k % nd for k in axes]
        if t.axis in removed:
            raise InputError("it must not remove the dimension of the images")
        return axis - sum(k < t.axis for k in removed)
    if op == "Unsqueeze":
        axes = ops.axes_of(x, a) or []
        total = nd + len(axes)
        added = {k % total for k in axes}
        return [k for k in range(total) if k not in added][axis]
    if axis != 0:
        raise InputError("the images must be the first dimension")
    return axis
