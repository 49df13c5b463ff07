"""A last convolution whose outputs are summed over all pixels: one popcount a class, of all windows together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from . import rounding
from .graph import Node
from .layers import too_large
from .maps import averaged, from_map, of_all_pixels
from .table import Table


def summed_up(node: Node, t: Table, is_mean: bool) -> Table:
    """Return the table of a mean, or the sum, of the last product over all pixels: by the sum of their popcounts.

    Raises
    ------
    InputError
        If it is none over a whole feature map, or the convolution pools, or pads with zeros.
    """
    t, pixels = of_all_pixels(node, t)
    stage = t.stage
    assert stage.window is not None
    if pixels == 1:
        return averaged(node, t)
    each = t.columns(t.value if t.wide is None else t.wide).astype(np.float64)
    slope = (each[-1] - each[0]) / (stage.rows - 1)
    far, most = np.abs(each - each[0] - slope * np.arange(stage.rows)[:, None]).max(), np.abs(each).max()
    if not far <= (1e-9 if t.wide is not None else 2.0**-20) * most:  # also where it is no number
        return averaged(node, t)  # of bits, which a product may still take
    if stage.pool or stage.window.pad == 0:
        what = "pool" if stage.pool else "pad with zeros"
        raise InputError(f"a convolution whose outputs are summed over all pixels at the end must not {what}")
    rows = pixels * (stage.rows - 1) + 1
    if found := too_large(rows, stage.size):
        raise InputError(found[0])
    stage.rows, stage.summed = rows, True
    stage.ops.append(node.op)
    wide = pixels * each[0] + slope * np.arange(rows)[:, None]
    wide = wide / pixels if is_mean else wide
    value = wide.astype(t.value.dtype if t.value.dtype.kind == "f" else np.float32)
    slack = rounding.pixel_sums(each, pixels, is_mean, np.abs(t.columns(t.high) - t.columns(t.low)).max())
    low, high = (value - slack, value + slack) if slack else (value, value)
    classes = np.arange(stage.size)[None]
    y = Table(value, low, high, wide, classes, 0, stage)

    def as_map(array: NDArray) -> NDArray:
        return from_map(node, array[:, None, None], t.index.ndim)

    return y.mapped(as_map, index=as_map(classes))
