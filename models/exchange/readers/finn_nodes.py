"""FINN's hardware nodes as the operators that they stand for, where that is a plain network of thresholds.

After FINN's conversion to hardware a model holds nodes such as MVAU (a matrix product, then thresholds) and
Thresholding, in domains ``finn.custom_op.fpgadataflow`` and below, or ``finn`` in old releases. They compute what
``execute_node`` of each does in the repository Xilinx/finn. All others keep the name under which they are refused.
Nodes that join or repeat a stream become operators too, so that a network with branches is refused for its branches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.graph import Node
from oxnor.models.exchange.folding.ops import text
from oxnor.models.exchange.folding.refusals import refused

_QONNX = "qonnx.custom_op.general"
_LAYOUTS = {1: "NC", 2: "NWC", 3: "NHWC"}
#: Nodes of hardware that change no value.
_PLUMBING = frozenset({
    "StreamingFIFO", "StreamingDataWidthConverter", "TLastMarker", "IODMA", "DuplicateStreams",
})  # fmt: skip
_ADVICE = "give the model from before FINN's conversion to hardware, or the export of Brevitas"


def is_hardware(node: Node) -> bool:
    """Return whether a node is one of FINN's hardware nodes."""
    return node.domain.startswith("finn.custom_op.fpgadataflow") or (
        node.domain == "finn" and text(node.attrs.get("backend", "")) == "fpgadataflow"
    )


def expanded(node: Node, constants: dict[str, NDArray]) -> list[Node]:
    """Return the operators that a hardware node stands for; constants that they need are added to `constants`."""
    base = node.op
    for end in ("_Batch", "_hls", "_rtl"):
        base = base.removesuffix(end)
    try:
        if base in _PLUMBING:
            return [Node(node.name, "Identity", node.inputs[:1], (name,)) for name in node.outputs]
        if base in _NODES:
            return _NODES[base](node, constants)
        why = f"this hardware node of FINN is no part of a plain network of thresholds: {_ADVICE}"
        if base == "StreamingDataflowPartition":
            file = PurePath(text(node.attrs.get("model", ""))).name
            why = f"it holds its network in a file of its own{file and f', {file!r}'}: give that"
    except InputError as e:
        why = str(e)
    return [refused(node, why)]


def _constant(constants: dict[str, NDArray], node: Node, what: str, value: float) -> str:
    name = f"{node.name or node.outputs[0]}/{what}"
    constants[name] = np.array(value, np.float32)
    return name


def _inputs(node: Node, count: int) -> tuple[str, ...]:
    if len(node.inputs) < count or not all(node.inputs[:count]):
        raise InputError(f"it must have {count} inputs, not {len(node.inputs)}")
    return node.inputs


def _thresholds(node: Node, x: str, name: str, attrs: Mapping[str, Any]) -> Node:
    """Return thresholds, whose count becomes the value: -1 and +1 for type BIPOLAR."""
    vectors = node.attrs.get("numInputVectors", [1])
    layout = _LAYOUTS.get(len(vectors)) if isinstance(vectors, list) else None
    if layout is None:
        raise InputError(f"its numInputVectors must have 1 to 3 numbers, not {vectors}")
    return Node(node.name, "MultiThreshold", (x, name), node.outputs[:1], dict(attrs) | {"data_layout": layout}, _QONNX)


def _threshold_node(node: Node, constants: dict[str, NDArray]) -> list[Node]:
    x, thresholds, *_ = _inputs(node, 2)
    start = float(node.attrs.get("ActVal", 0))
    bipolar = text(node.attrs.get("outputDataType", "")) == "BIPOLAR"
    attrs = {"out_scale": 2.0, "out_bias": 2 * start - 1} if bipolar else {"out_scale": 1.0, "out_bias": start}
    return [_thresholds(node, x, thresholds, attrs)]


def _product_node(node: Node, constants: dict[str, NDArray]) -> list[Node]:
    activates = not node.attrs.get("noActivation", 0)
    x, weights, *rest = _inputs(node, 2 + activates)
    out = f"{node.outputs[0]}/sums" if activates else node.outputs[0]
    types = [text(node.attrs.get(name, "")) for name in ("inputDataType", "weightDataType")]
    nodes: list[Node] = []
    if node.attrs.get("binaryXnorMode", 0):
        nodes.append(Node(node.name, "XnorPopcountMatMul", (x, weights), (out,), {}, _QONNX))
    elif types == ["BIPOLAR", "BIPOLAR"]:  # the hardware counts agreeing bits: (z + n) / 2
        n = node.attrs.get("MW")
        if not isinstance(n, int):
            raise InputError("its MW, the number of inputs, must be given")
        half, middle = _constant(constants, node, "half", 0.5), _constant(constants, node, "middle", n / 2)
        nodes += [
            Node(node.name, "MatMul", (x, weights), (f"{out}/z",)),
            Node(f"{node.name}.half", "Mul", (f"{out}/z", half), (f"{out}/half",)),
            Node(f"{node.name}.count", "Add", (f"{out}/half", middle), (out,)),
        ]
    else:
        nodes.append(Node(node.name, "MatMul", (x, weights), (out,)))
    if activates:
        bipolar = text(node.attrs.get("outputDataType", "")) == "BIPOLAR"
        bias = -1.0 if bipolar else float(node.attrs.get("ActVal", 0))
        attrs = {"out_scale": 2.0 if bipolar else 1.0, "out_bias": bias}
        nodes.append(_thresholds(node, out, rest[0], attrs))
    return nodes


def _label_node(node: Node, constants: dict[str, NDArray]) -> list[Node]:
    k = node.attrs.get("K", 1)
    name = f"{node.name or node.outputs[0]}/k"
    constants[name] = np.array([k], np.int64)
    return [Node(node.name, "TopK", (*_inputs(node, 1)[:1], name), (f"{node.outputs[0]}/values", node.outputs[0]))]


def _reshape_node(node: Node, constants: dict[str, NDArray]) -> list[Node]:
    shape = node.attrs.get("out_shape")
    if not isinstance(shape, list) or not shape:
        raise InputError("its out_shape must be given")
    name = f"{node.name or node.outputs[0]}/shape"
    constants[name] = np.array(shape, np.int64)
    return [Node(node.name, "Reshape", (*_inputs(node, 1)[:1], name), node.outputs[:1])]


def _channel_node(node: Node, constants: dict[str, NDArray]) -> list[Node]:
    """Return the sum or the product with one number a channel, which is the last dimension."""
    op = text(node.attrs.get("Func", "")).capitalize()
    if op not in ("Add", "Mul"):
        raise InputError(f"its Func must be add or mul, not {text(node.attrs.get('Func', 'cmp_le'))}")
    x, values, *_ = _inputs(node, 2)
    name = f"{node.name or node.outputs[0]}/values"
    if values in constants:
        constants[name] = constants[values].reshape(-1)
    return [Node(node.name, op, (x, name if values in constants else values), node.outputs[:1])]


def _sum_node(node: Node, constants: dict[str, NDArray]) -> list[Node]:
    return [Node(node.name, "Add", _inputs(node, 2)[:2], node.outputs[:1])]


def _two(node: Node, key: str, default: Any = None) -> list[int]:
    """Return an attribute of height and width, of which old releases have one number."""
    value = node.attrs.get(key, default)
    values = [value, value] if isinstance(value, int) else value
    if not isinstance(values, list) or len(values) != 2 or not all(isinstance(v, int) for v in values):
        raise InputError(f"its {key} must be 2 integers, not {value!r:.80}")
    return values


def _windows_node(node: Node, constants: dict[str, NDArray]) -> list[Node]:
    if node.attrs.get("depthwise", 0):
        raise InputError(f"depthwise must be 0: {_ADVICE}")
    attrs = {"kernel_size": _two(node, "ConvKernelDim"), "stride": _two(node, "Stride", 1),
             "dilations": _two(node, "Dilation", 1), "pad_amount": [0] * 4}  # fmt: skip
    return [Node(node.name, "Im2Col", _inputs(node, 1)[:1], node.outputs[:1], attrs, _QONNX)]


def _padding_node(node: Node, constants: dict[str, NDArray]) -> list[Node]:
    edges = node.attrs.get("Padding")
    if not isinstance(edges, list) or len(edges) != 4 or not all(isinstance(v, int) for v in edges):
        raise InputError(f"its Padding must be 4 integers, not {edges!r:.80}")
    name = f"{node.name or node.outputs[0]}/pads"
    constants[name] = np.array([0, edges[0], edges[1], 0, 0, edges[2], edges[3], 0], np.int64)
    return [Node(node.name, "Pad", (*_inputs(node, 1)[:1], name), node.outputs[:1])]


def _pool_node(node: Node, constants: dict[str, NDArray]) -> list[Node]:
    size = _two(node, "PoolDim")
    attrs = {"kernel_shape": size, "strides": size, "ceil_mode": node.attrs.get("CeilMode", 0)}
    return [Node(node.name, "MaxPoolNHWC", _inputs(node, 1)[:1], node.outputs[:1], attrs, _QONNX)]


#: What makes operators of each node; their names in old releases too.
_NODES: Mapping[str, Callable[[Node, dict[str, NDArray]], list[Node]]] = {
    "MVAU": _product_node, "MatrixVectorActivation": _product_node, "StreamingFCLayer": _product_node,
    "Thresholding": _threshold_node, "LabelSelect": _label_node, "Reshape": _reshape_node,
    "ChannelwiseOp": _channel_node, "AddStreams": _sum_node, "ConvolutionInputGenerator": _windows_node,
    "ConvolutionInputGenerator1D": _windows_node, "FMPadding": _padding_node, "StreamingMaxPool": _pool_node,
}  # fmt: skip
