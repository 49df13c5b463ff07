"""The convolutional network of BNN-PYNQ (CNV) as a graph: its parameters do not say where it pools.

Six convolutions of 3 x 3 without padding over 32 x 32 pixels of 3 colours, a pooling of 2 x 2 after the second and the
fourth, and dense layers. A pixel x becomes u - 128 with u = min(x + (x >= 128), 255), which is FINN's rounding of
x / 255 to 8 bits; thresholds of the first layer are in halves of that. A neuron's level is the number of thresholds
that its sum is above; of two thresholds the levels are -1, 0 and +1. With bits, sums are counted as popcounts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.graph import Graph, Node

_QONNX = "qonnx.custom_op.general"
_SIDE, _COLOURS, _KERNEL = 32, 3, 3
_CONVOLUTIONS = 6
#: Convolutions after which it pools.
_POOLED = (1, 3)


@dataclass(frozen=True)
class Parameters:
    """Weights, shape (n_out, n_in), rows in the order (y, x, channel), and thresholds of a layer, (n_out, levels)."""

    weights: NDArray[np.bool_]
    thresholds: NDArray[np.int64] | None


def is_cnv(sizes: list[tuple[int, int]]) -> bool:
    """Return whether layers of these inputs and neurons make the shape of CNV."""
    if len(sizes) <= _CONVOLUTIONS or sizes[0][0] != _KERNEL**2 * _COLOURS:
        return False
    window = [_KERNEL**2] * (_CONVOLUTIONS - 1) + [1] * (len(sizes) - _CONVOLUTIONS)
    return all(n_in == before * k for (n_in, _), (_, before), k in zip(sizes[1:], sizes, window, strict=False))


def graph_of_cnv(layers: list[Parameters], classes: int) -> Graph:
    """Return the graph of a network of this shape; the last layer gives scores."""
    constants: dict[str, NDArray] = {name: np.array(v, np.float32) for name, v in (("half", 128), ("full", 255))}
    nodes = [
        Node("input rounding", "GreaterOrEqual", ("x", "half"), ("x/bright",)),
        Node("input rounding", "Cast", ("x/bright",), ("x/one",), {"to": 1}),
        Node("input rounding", "Add", ("x", "x/one"), ("x/sum",)),
        Node("input rounding", "Min", ("x/sum", "full"), ("x/u",)),
        Node("input rounding", "Sub", ("x/u", "half"), ("a",)),
    ]
    here = "a"
    for k, layer in enumerate(layers):
        n = layer.weights.shape[1]
        last = k == len(layers) - 1
        if k < _CONVOLUTIONS:
            attrs = {"kernel_size": [_KERNEL] * 2, "stride": [1, 1], "pad_amount": [0] * 4}
            nodes.append(Node(f"window {k}", "Im2Col", (here,), (f"windows{k}",), attrs, _QONNX))
            here = f"windows{k}"
        elif k == _CONVOLUTIONS:
            nodes.append(Node("flatten", "Flatten", (here,), ("flat",), {"axis": 1}))
            here = "flat"
        weights = layer.weights[:classes] if last else layer.weights
        constants[f"w{k}"] = np.where(weights, np.float32(1), np.float32(-1)).T
        nodes.append(Node(f"layer {k}", "MatMul", (here, f"w{k}"), (f"z{k}",)))
        here = f"z{k}"
        if last:
            break
        t = layer.thresholds
        if t is None:
            raise InputError(f"layer {k} must have thresholds")
        bits = t.shape[1] == 1
        above = t // 2 + 1 if k == 0 else 2 * (t + 1) - n if bits else t + 1
        constants[f"t{k}"] = above.astype(np.float32)
        layout = "NHWC" if k < _CONVOLUTIONS else "NC"
        values = {"out_scale": 2.0 if bits else 1.0, "out_bias": -1.0, "data_layout": layout}
        nodes.append(Node(f"thresholds {k}", "MultiThreshold", (here, f"t{k}"), (f"b{k}",), values, _QONNX))
        here = f"b{k}"
        if k in _POOLED:
            size = {"kernel_shape": [2, 2], "strides": [2, 2]}
            nodes.append(Node(f"pool {k}", "MaxPoolNHWC", (here,), (f"p{k}",), size, _QONNX))
            here = f"p{k}"
    shape = (None, _SIDE, _SIDE, _COLOURS)
    note = "the files hold no topology: 32 x 32 x 3 pixels, and pooling after layers 1 and 3, as in BNN-PYNQ's CNV"
    return Graph(tuple(nodes), constants, "x", shape, (here,), "byte", notes=(note,))
