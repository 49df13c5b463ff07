"""The results of products, of what works on feature maps, and of heads on plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.layers.window import Pool, Window

from .graph import Node
from .maps import PAD_VALUE, conv_window, from_map, pair, pool_of, to_map
from .ops import Attrs, Inputs, optional, text

#: Most elements of the windows that are gathered at once.
_GATHERED = 1 << 23


def run_product(node: Node, x: Inputs) -> NDArray:
    """Return the result of one of :data:`oxnor.models.exchange.folding.ops.PRODUCTS` on plain arrays."""
    op, a = node.op, node.attrs
    if op == "Conv":
        return _conv(node, x)
    if op == "MatMul":
        return _matmul(np.asarray(x[0]), np.asarray(x[1]))
    if op == "XnorPopcountMatMul":
        n = x[0].shape[-1]
        return (_matmul(2 * x[0] - 1, 2 * np.asarray(x[1], x[0].dtype) - 1) + n) / 2
    left = x[0].T if a.get("transA", 0) else x[0]
    right = x[1].T if a.get("transB", 0) else x[1]
    y = np.matmul(left, right)
    if a.get("alpha", 1.0) != 1.0:
        y = y * y.dtype.type(a["alpha"])
    if (bias := optional(x, 2)) is not None:
        bias = np.asarray(bias)
        y = y + (bias if a.get("beta", 1.0) == 1.0 else bias * y.dtype.type(a["beta"]))
    return y


def _matmul(left: NDArray, right: NDArray) -> NDArray:
    """Return the product, of feature maps and a matrix as one of matrices, which is many times faster."""
    if left.ndim < 3 or right.ndim != 2:
        return np.matmul(left, right)
    return (left.reshape(-1, left.shape[-1]) @ np.ascontiguousarray(right)).reshape(*left.shape[:-1], -1)


def kernels_of(weights: NDArray) -> NDArray:
    """Return the weights of a convolution as (outputs, height, width, channels)."""
    if weights.ndim == 3:
        weights = weights[:, :, None]
    if weights.ndim != 4 or not weights.size:
        raise InputError(f"weights of a convolution must have 3 or 4 dimensions, each 1 or more, not {weights.shape}")
    return weights.transpose(0, 2, 3, 1)


def gathered(x: NDArray, window: Window, pad: float = 0.0) -> NDArray:
    """Return the windows of maps (n, height, width, channels) as (n, pixels, positions of the kernel, channels)."""
    edges = ((0, 0), (window.top, window.bottom), (window.left, window.right), (0, 0))
    y = np.pad(x, edges, constant_values=pad) if window.is_padded else x
    view = np.lib.stride_tricks.sliding_window_view(y, (window.reach_y, window.reach_x), (1, 2))
    view = view[:, :: window.step_y, :: window.step_x, :, :: window.spread_y, :: window.spread_x]
    return view.transpose(0, 1, 2, 4, 5, 3).reshape(len(x), window.pixels, -1, x.shape[-1])


def _chunks(x: NDArray, window: Window) -> Iterator[NDArray]:
    step = max(1, _GATHERED // (window.pixels * window.n_in * window.groups))
    for k in range(0, len(x), step):
        yield x[k : k + step]


def _conv(node: Node, x: Inputs) -> NDArray:
    images, weights = to_map(node, np.asarray(x[0])), kernels_of(np.asarray(x[1]))
    groups = int(node.attrs.get("group", 1))
    n_out, *kernel, depth = weights.shape
    if images.shape[-1] != depth * groups or n_out % groups:
        raise InputError(f"it must have {depth} input channels a group, not {images.shape[-1]} in {groups}")
    window = conv_window(node, kernel, groups, images.shape[1:])
    w = np.ascontiguousarray(weights.reshape(groups, n_out // groups, -1).transpose(0, 2, 1))
    parts, pad = [], float(node.attrs.get(PAD_VALUE, 0.0))
    for part in _chunks(images, window):
        seen = gathered(part, window, pad).reshape(len(part) * window.pixels, -1, groups, depth)
        sums = [seen[..., g, :].reshape(len(seen), -1) @ w[g] for g in range(groups)]
        parts.append(np.concatenate(sums, axis=-1))
    y = np.concatenate(parts).reshape(len(images), *window.out_size, n_out)
    if (bias := optional(x, 2)) is not None:
        y = y + np.asarray(bias)
    return from_map(node, y, np.ndim(x[0]))


def run_map(node: Node, x: Inputs) -> NDArray:
    """Return the result of one of :data:`oxnor.models.exchange.folding.ops.MAPS` on plain arrays."""
    if node.op == "Pad":
        return _pad(x, node.attrs)
    images = to_map(node, np.asarray(x[0]))
    if node.op == "Im2Col":
        names = {"strides": "stride", "pads": "pad_amount", "dilations": "dilations"}
        conv = Node(node.name, "Conv", (), (), {n: node.attrs[o] for n, o in names.items() if o in node.attrs})
        kernel = pair(node, "kernel_size", None)
        window = conv_window(conv, kernel, 1, images.shape[1:])
        y = gathered(images, window, float(node.attrs.get("pad_value", 0)))
        return y.reshape(len(images), *window.out_size, -1)
    pool = pool_of(node, images.shape[1:3])
    largest = "Max" in node.op
    if pool.is_padded:
        if not largest:
            raise InputError("a mean over windows that reach over an edge is not supported")
        ends = [(0, 0), (pool.top, pool.bottom), (pool.left, pool.right), (0, 0)]
        images = np.pad(images, ends, constant_values=images.min())  # of no window the only largest
        pool = replace(pool, top=0, left=0, bottom=0, right=0)
    parts = list(_parts(images, pool))
    y = parts[0].copy()
    for part in parts[1:]:
        y = np.maximum(y, part) if largest else y + part
    return from_map(node, y if largest else y / y.dtype.type(len(parts)), np.ndim(x[0]))


def _parts(images: NDArray, pool: Pool) -> Iterator[NDArray]:
    """Yield, for each position in the window of a pooling, what all windows see there."""
    height, width = pool.over(*images.shape[1:3])
    for dy in range(pool.height):
        for dx in range(pool.width):
            rows = slice(dy, dy + (height - 1) * pool.step_y + 1, pool.step_y)
            yield images[:, rows, slice(dx, dx + (width - 1) * pool.step_x + 1, pool.step_x)]


def _pad(x: Inputs, a: Attrs) -> NDArray:
    v = np.asarray(x[0])
    if (mode := text(a.get("mode", "constant"))) != "constant":
        raise InputError(f"its mode must be constant, not {mode!r:.40}")
    values = optional(x, 1, a.get("pads", a.get("paddings")))
    axes: Sequence[int] = [int(k) for k in np.ravel(optional(x, 3, range(v.ndim)))]
    flat = [int(n) for n in np.ravel(values)]
    ends = [(0, 0)] * v.ndim
    for k, begin, end in zip(axes, flat, flat[len(axes) :], strict=False):
        ends[k] = begin, end
    value = optional(x, 2, a.get("value", 0.0))
    return np.pad(v, ends, constant_values=np.ravel(value)[0])


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
        return [np.expand_dims(y, axis) if a.get("keepdims") != 0 else y]
    k = int(np.ravel(optional(x, 1, a.get("k")))[0])
    if not 1 <= k <= v.shape[axis]:
        raise InputError(f"TopK: k must be in [1, {v.shape[axis]}], not {k}")
    if a.get("largest") == 0:
        raise InputError("largest must be 1")
    order = np.argsort(-v, axis=axis, kind="stable")
    order = np.take(order, np.arange(k), axis=axis)
    return [np.take_along_axis(v, order, axis), order]
