"""Feature maps: windows of convolutions and poolings as nodes have them, and tables through pooling and padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.layers.window import Pool, Window

from .graph import Node
from .levels import Levels
from .ops import optional
from .table import Stage, Table

#: The domain of operators whose tensors have their channels last.
CHANNELS_LAST = "qonnx.custom_op.channels_last"
#: The attribute with which a convolution of a reader's own pads, in place of 0.
PAD_VALUE = "oxnor.pad_value"
#: Largest number in an attribute that is a size.
_SIZE_MAX = 1 << 16
Pads = tuple[int, int, int, int]


def has_channels_last(node: Node) -> bool:
    """Return whether the channels of a node's feature maps are their last dimension."""
    return node.domain == CHANNELS_LAST or node.op in ("MaxPoolNHWC", "Im2Col")


def channel_axis(node: Node, ndim: int) -> int:
    """Return the dimension of the channels of a batch norm's input."""
    return ndim - 1 if has_channels_last(node) else 1


def to_map(node: Node, array: NDArray) -> NDArray:
    """Return a tensor of a node as (images, height, width, channels): one row where it has no height."""
    if array.ndim == 3:
        array = array[:, None] if has_channels_last(node) else array[:, :, None]
    if array.ndim != 4:
        raise InputError(f"its input must be feature maps, with 3 or 4 dimensions, not {array.ndim}")
    return array if has_channels_last(node) else array.transpose(0, 2, 3, 1)


def from_map(node: Node, array: NDArray, ndim: int) -> NDArray:
    """Undo :func:`to_map` for a tensor of `ndim` dimensions."""
    y = array if has_channels_last(node) else array.transpose(0, 3, 1, 2)
    return y if ndim == 4 else y.squeeze(1 if has_channels_last(node) else 2)


def pair(node: Node, key: str, default: int | None, *, flat: bool = False) -> tuple[int, int]:
    """Return an attribute of two sizes, height and width; of a `flat` map, which has no height, of one."""
    values = node.attrs.get(key, default)
    if values is None:
        raise InputError(f"its {key} must be given")
    values = [values] * 2 if isinstance(values, int) else values
    if flat and isinstance(values, list) and len(values) == 1:
        values = [1, values[0]]
    if (not isinstance(values, list) or len(values) != 2
            or not all(isinstance(v, int) and 1 <= v <= _SIZE_MAX for v in values)):  # fmt: skip
        raise InputError(f"its {key} must be 2 integers of 1 or more, not {values!r:.80}")
    return values[0], values[1]


def _pads(node: Node, key: str = "pads", *, flat: bool = False) -> Pads:
    values = node.attrs.get(key, [0, 0, 0, 0])
    if flat and isinstance(values, list) and len(values) == 2:
        values = [0, values[0], 0, values[1]]
    fits = isinstance(values, list) and all(isinstance(v, int) and 0 <= v <= _SIZE_MAX for v in values)
    if not fits or len(values) != 4:
        raise InputError(f"its {key} must be 4 integers of 0 or more, not {values!r:.80}")
    return values[0], values[1], values[2], values[3]


def _auto_pads(node: Node, size: Sequence[int], reach: Sequence[int], steps: Sequence[int]) -> Pads:
    """Return the padding that `auto_pad` asks for, or else that of `pads`."""
    mode = node.attrs.get("auto_pad", b"NOTSET")
    mode = mode.decode("ascii", "replace") if isinstance(mode, bytes) else str(mode)
    if mode in ("NOTSET", ""):
        return _pads(node, flat=size[0] == 1)
    if mode == "VALID":
        return 0, 0, 0, 0
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise InputError(f"its auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not {mode!r:.40}")
    ends = []
    for n, r, s in zip(size, reach, steps, strict=True):
        total = max((-(-n // s) - 1) * s + r - n, 0)
        before = total // 2 if mode == "SAME_UPPER" else total - total // 2
        ends.append((before, total - before))
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]


def conv_window(
    node: Node, kernel: Sequence[int], groups: int, shape: Sequence[int], pads: Pads | None = None
) -> Window:
    """Return the windows of a convolution over a map of (height, width, channels), padded by `pads` besides its own.

    `kernel` are height and width of the weights.
    """
    flat = shape[0] == kernel[0] == 1
    if "kernel_shape" in node.attrs and pair(node, "kernel_shape", None, flat=flat) != tuple(kernel):
        given = node.attrs["kernel_shape"]
        raise InputError(f"its kernel_shape must be that of its weights, {list(kernel)}, not {given}")
    steps, spreads = (pair(node, key, 1, flat=flat) for key in ("strides", "dilations"))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, spreads, strict=True)]
    more = pads or (0, 0, 0, 0)
    size = shape[0] + more[0] + more[2], shape[1] + more[1] + more[3]
    own = _auto_pads(node, size, reach, steps)
    top, left, bottom, right = (a + b for a, b in zip(own, more, strict=True))
    height, width, channels = shape
    (kernel_y, kernel_x), (step_y, step_x), (spread_y, spread_x) = kernel, steps, spreads
    return Window(
        height, width, channels, kernel_y, kernel_x, step_y, step_x, spread_y, spread_x, top, left, bottom, right,
        groups=groups,
    )  # fmt: skip


def pool_of(node: Node, size: tuple[int, int], pads: Pads = (0, 0, 0, 0)) -> Pool:
    """Return the windows of a pooling over a map of (height, width), padded by `pads` besides its own.

    Raises
    ------
    InputError
        If they are none, or none fits.
    """
    if node.op.startswith("Global"):
        return Pool(*size, *size)
    flat = size[0] == 1
    kernel = pair(node, "kernel_shape", None, flat=flat)
    steps = pair(node, "strides", 1, flat=flat)
    if pair(node, "dilations", 1, flat=flat) != (1, 1):
        raise InputError(f"its dilations must be 1, not {node.attrs['dilations']}")
    own = _auto_pads(node, (size[0] + pads[0] + pads[2], size[1] + pads[1] + pads[3]), kernel, steps)
    top, left, *ends = (a + b for a, b in zip(own, pads, strict=True))
    if node.attrs.get("ceil_mode", 0):
        for axis, before in enumerate((top, left)):
            room = size[axis] + before + ends[axis] - kernel[axis]
            start = -(-room // steps[axis]) * steps[axis]
            if start < size[axis] + before:  # else the last window would see nothing, and there is none
                ends[axis] += max(0, start - room)
    pool = Pool(*kernel, *steps, top, left, *ends)
    pool.over(*size)
    return pool


def map_index(node: Node, t: Table) -> NDArray[np.int64]:
    """Return which element of its stage each pixel and channel of a table is, shape (height, width, channels)."""
    if t.axis != 0:
        raise InputError("the images must be the first dimension")
    return to_map(node, t.index)[0]


def _check_whole(t: Table, index: NDArray[np.int64]) -> None:
    """Raise InputError unless a map is all that its layer gives, in its order."""
    size = t.stage.map_size
    if index.shape != (*size, t.stage.size) or not np.array_equal(index, np.arange(index.size).reshape(index.shape)):
        raise InputError(f"it must take the feature map of {t.stage.label} as it is, in its order")


def map_table(node: Node, t: Table, ndim: int) -> Table:
    """Return a table of (rows, channels) as what a node gives: a feature map of its stage."""
    height, width = t.stage.map_size
    index = np.arange(height * width * t.stage.size).reshape(1, height, width, -1)
    return t.mapped(
        lambda v: from_map(node, t.columns(v).reshape(-1, 1, 1, t.stage.size), ndim),
        index=from_map(node, index, ndim), axis=0, by_channel=False,
    )  # fmt: skip


def pooled(node: Node, t: Table) -> Table:
    """Return the table of a largest-of pooling: of popcounts it takes the largest, or the smallest where values fall.

    Raises
    ------
    InputError
        If the values neither rise nor fall with the popcount, or the windows fit no pooling of the engine.
    """
    stage = t.stage
    if stage.weights is None or stage.window is None:
        raise InputError("a pooling must follow a convolution: in front of the first it is not supported")
    if t.unfolded:
        raise InputError("a pooling of windows is not supported")
    t.check_pool()
    index = map_index(node, t)
    _check_whole(t, index)
    t = channel_values(t)
    value = t.columns(t.value)
    steps = np.diff(value, axis=0) if value.dtype != bool else np.diff(value.astype(np.int8), axis=0)
    falls: NDArray[np.bool_] = np.asarray((steps < 0).any(axis=0))
    if (falls & (steps > 0).any(axis=0)).any():
        raise InputError("what it pools must rise or fall with the popcount of a channel, and does both")
    if t.padding and t.padding[1] > t.columns(t.low).min():
        raise InputError(f"it pools what is padded with {t.padding[1]:g}, which must be no larger than any value there")
    pool = pool_of(node, stage.map_size, pads_of(node, t))
    if stage.pool is not None:
        assert stage.takes_least is not None
        if (stage.takes_least != falls)[steps.any(axis=0)].any():
            raise InputError("a second pooling must take the same of the first: the largest or the smallest")
        falls, pool = stage.takes_least, _joined(stage, pool)
    stage.pool, stage.takes_least = pool, falls
    stage.ops.append(node.op)
    return map_table(node, t, t.index.ndim).changed(quantiser=t.quantiser, padding=(), pool=pool)


def _joined(stage: Stage, second: Pool) -> Pool:
    """Return the pooling that those of a stage and a second one are together."""
    first, window = stage.pool, stage.window
    assert first is not None
    assert window is not None
    (tall, wide), sizes = second.beyond(*stage.map_size), window.out_size
    rows, columns = (n - 1 for n in stage.map_size)
    # Where the second reaches over an edge, what the first leaves out there must not come in.
    skips_y = first.step_y > first.height or (tall and rows * first.step_y - first.top + first.height < sizes[0])
    skips_x = first.step_x > first.width or (wide and columns * first.step_x - first.left + first.width < sizes[1])
    if (second.height > 1 and skips_y) or (second.width > 1 and skips_x):
        raise InputError("a pooling that leaves pixels out must not be followed by another")
    return Pool(
        (second.height - 1) * first.step_y + first.height, (second.width - 1) * first.step_x + first.width,
        second.step_y * first.step_y, second.step_x * first.step_x,
        second.top * first.step_y + first.top, second.left * first.step_x + first.left,
        second.bottom * first.step_y + first.bottom, second.right * first.step_x + first.right,
    )  # fmt: skip


def averaged(node: Node, t: Table) -> Table:
    """Return the table of a mean over all pixels, which the product that follows takes: it counts all of them.

    Raises
    ------
    InputError
        If it is no mean over a whole feature map.
    """
    t, pixels = of_all_pixels(node, t)
    shape = (1, 1, 1, t.stage.size)

    def change(array: NDArray) -> NDArray:
        columns = t.columns(array).reshape(-1, *shape[1:])
        return from_map(node, columns / columns.dtype.type(pixels), t.index.ndim)

    index = from_map(node, np.arange(t.stage.size).reshape(shape), t.index.ndim)
    return t.mapped(change, index=index, axis=0, by_channel=False, is_mean=pixels > 1)


def of_all_pixels(node: Node, t: Table) -> tuple[Table, int]:
    """Return the table of a feature map with one column a channel, and its pixels, of all of which a mean is."""
    stage = t.stage
    if stage.weights is None or stage.window is None or t.padding or t.unfolded or t.is_mean:
        raise InputError("a mean over pixels must follow a convolution")
    t.check_pool()
    height, width = stage.map_size
    index = map_index(node, t)
    if index.size == stage.elements:  # also where height and width are one dimension
        index = index.reshape(height, width, -1)
    _check_whole(t, index)
    pool = pool_of(node, stage.map_size)
    if (pool.height, pool.width) != (height, width) or pool.is_padded:
        raise InputError("a mean must be over all pixels of a feature map: use MaxPool between convolutions")
    return channel_values(t), height * width


def summed(t: Table, weights: NDArray) -> tuple[Table, NDArray]:
    """Return a table of means as the feature map that they are of, and weights with rows for all its elements."""
    stage = t.stage
    pixels = stage.elements // stage.size
    if t.axis != 0 or not np.array_equal(t.elements, np.arange(stage.size)) or weights.shape[:1] != (stage.size,):
        raise InputError("the means of all channels must come in their order")
    index = np.arange(stage.elements)[None]
    return t.mapped(t.columns, index=index, axis=0, by_channel=True, is_mean=False), np.tile(weights, (pixels, 1))


def channel_values(t: Table) -> Table:
    """Return a table of a feature map with one column a channel, as (rows, channels), or raise InputError."""
    stage = t.stage
    if t.is_shared or t.by_channel:
        return t
    order = np.argsort(t.elements)

    def change(array: NDArray) -> NDArray:
        columns = t.columns(array)[:, order].reshape(len(t.columns(array)), -1, stage.size)
        if (columns != columns[:, :1]).any():
            raise InputError("all pixels of a channel must have the same values at a popcount, and have others")
        return columns[:, 0]

    return t.mapped(change, by_channel=True, axis=0)


def padded(node: Node, x: Sequence[Any], t: Table) -> Table:
    """Return the table of a Pad node, which keeps what it adds for the convolution that follows."""
    mode = node.attrs.get("mode", b"constant")
    mode = mode.decode("ascii", "replace") if isinstance(mode, bytes) else str(mode)
    if mode != "constant":
        raise InputError(f"its mode must be constant, not {mode!r:.40}")
    ndim = t.index.ndim
    values = optional(x, 1, node.attrs.get("pads", node.attrs.get("paddings")))
    axes = optional(x, 3, range(ndim))
    if values is None or isinstance(values, Table) or isinstance(axes, Table):
        raise InputError("its pads must be constants")
    axes = [int(a) % ndim for a in np.ravel(axes)]
    flat = [int(v) for v in np.ravel(values)]
    if len(flat) != 2 * len(axes) or not all(0 <= v <= _SIZE_MAX for v in flat):
        raise InputError(f"its pads must be {2 * len(axes)} integers of 0 or more, not {flat[:9]}")
    ends = [(0, 0)] * ndim
    for a, begin, end in zip(axes, flat, flat[len(axes) :], strict=False):
        ends[a] = begin, end
    value = optional(x, 2, node.attrs.get("value", 0.0))
    if not any(map(any, ends)):
        return t
    if ndim not in (3, 4) or t.axis != 0 or any(ends[0]):
        raise InputError("it must pad the height and width of feature maps")
    value = float(np.ravel(value)[0])
    if t.padding and t.padding[1] != value:
        raise InputError(f"it pads with {value:g} what is padded with {t.padding[1]:g}: pad with one value")
    before = t.padding[0] if t.padding else [(0, 0)] * ndim
    return t.changed(padding=([(a + c, b + d) for (a, b), (c, d) in zip(before, ends, strict=True)], value),
                     quantiser=t.quantiser)  # fmt: skip


def pads_of(node: Node, t: Table) -> Pads:
    """Return what Pad nodes have added at the top, left, bottom and right of a convolution's input."""
    if not t.padding:
        return 0, 0, 0, 0
    ends = list(t.padding[0])
    channels = ends.pop(-1 if has_channels_last(node) else 1)
    spatial = ends[1:] if len(ends) == 3 else [(0, 0), *ends[1:]]
    if any(channels):
        raise InputError("padding must add no channels")
    return spatial[0][0], spatial[1][0], spatial[0][1], spatial[1][1]


def pads_itself(node: Node, window: Window, pads: Pads) -> bool:
    """Return whether a convolution pads besides what Pad nodes have added."""
    return (window.top, window.left, window.bottom, window.right) != pads


def unfolded(node: Node, t: Table) -> Table:
    """Return the table of an Im2Col node, whose windows the next product takes."""
    if t.unfolded:
        raise InputError("it must not follow another Im2Col")
    names = {"kernel_shape": "kernel_size", "strides": "stride", "pads": "pad_amount", "dilations": "dilations"}
    attrs = {name: node.attrs[old] for name, old in names.items() if old in node.attrs}
    if node.attrs.get("depthwise", 0):
        raise InputError("depthwise must be 0: groups of channels are not supported here")
    index = map_index(node, t)
    pads = _pads(Node(node.name, node.op, (), (), attrs))
    value = float(node.attrs.get("pad_value", 0))
    if any(pads) and value:
        t = t.changed(padding=([(0, 0), (pads[0], pads[2]), (pads[1], pads[3]), (0, 0)], value))
        attrs["pads"] = [0, 0, 0, 0]
    kernel = pair(Node(node.name, node.op, (), (), attrs), "kernel_shape", None)
    part = Node(node.name, "Conv", node.inputs, node.outputs, attrs, CHANNELS_LAST)
    window = conv_window(part, kernel, 1, index.shape, pads_of(part, t))
    return t.changed(unfolded=(part, window), quantiser=t.quantiser)


def of_channels(t: Table, index: NDArray[np.int64], values: NDArray) -> NDArray:
    """Return what values of columns are in each channel of a map; all pixels of one must have the same."""
    if t.is_shared or t.by_channel or len(values) == index.shape[-1]:
        return values
    of_elements = np.empty(index.size, values.dtype)
    of_elements[t.elements] = values
    maps = of_elements[index].reshape(-1, index.shape[-1])
    if (maps != maps[0]).any():
        raise InputError("its activations must have the same two values at all pixels of a channel")
    return maps[0]


def by_group(values: NDArray, kernels: NDArray, groups: int) -> NDArray:
    """Return values of input channels shaped as kernels (outputs, height, width, channels) see them."""
    rows = np.repeat(values.reshape(groups, -1), len(kernels) // groups, axis=0)
    return np.broadcast_to(rows[:, None, None], kernels.shape)


def pad_value(value: float, zero: NDArray, step: NDArray, levels: Levels, rows: int = 0) -> int:
    """Return what stands at padded positions: -1 or +1, the lowest or highest level, or 0, their middle.

    `zero` and `step` are the values of level 0 and the steps up from there, below 0 where values fall; `rows` are those
    of the table that the levels are of.
    """
    ends = {pad: zero + (pad + 1) / 2 * step * levels.top for pad in (-1, 1, 0)}
    for pad, level in ends.items():
        if (np.abs(level - value) <= levels.uneven + 1e-9 * np.abs(step)).all():
            return pad
    low, high = (float(f([ends[-1], ends[1]])) for f in (np.min, np.max))
    unused = np.count_nonzero((levels.reach == rows).all(axis=1)) if rows and levels.planes > 1 else 0
    used = levels.top + 1 - unused
    occur = f" (those of {levels.planes} bit planes, of which {used} occur: let a sign give +1 for 0)"
    raise InputError(
        f"it pads with {value:.9g}, which must be the lowest or highest of its inputs' levels, {low:.9g} and {high:.9g}"
        f"{occur if unused else ''}, or their middle: train it without padding, or pad with one of them (F.pad(x, ...,"
        f" value={low:.9g}) of PyTorch in front of it, pad_values={low:.9g} of Larq)"
    )
