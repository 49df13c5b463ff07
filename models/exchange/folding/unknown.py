"""Tensors that are not known because a node before them is refused: what is wrong after it, whatever they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.layers.base import PLANES_MAX

from . import ops
from .graph import Node
from .layers import FEW_BITS, ONLY_CHAINS, InputLevels, Layers, too_large
from .products import Factors, Floats
from .table import Stage, Table

#: Operators that make bits, unless they have more than one.
_SIGNS = frozenset({
    "BipolarQuant", "Quant", "IntQuant", "MultiThreshold", "Sign", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
    "Equal", "Not", "And", "Or", "Xor", "Where",
})  # fmt: skip
#: Operators that make values of which there are more than two, supported or not.
_ACTIVATIONS = frozenset({
    "Relu", "LeakyRelu", "PRelu", "ThresholdedRelu", "Tanh", "Sigmoid", "Softsign", "Exp", "Softmax",
    "LogSoftmax", "Elu", "Selu", "Celu", "Gelu", "Softplus", "HardSwish", "Mish", "Swish", "LSTM", "GRU", "RNN",
})  # fmt: skip
#: Operators under which bits stay bits, and sums sums.
_KEEPING = frozenset({
    "Add", "Sub", "Mul", "Div", "Neg", "BatchNormalization", "Identity", "Dropout", "Cast", "CastLike", "StopGradient",
    "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze",
})  # fmt: skip
_QUANTISERS = frozenset({"Quant", "IntQuant", "MultiThreshold"})
#: FINN's layers, with thresholds or without.
_LAYERS = frozenset({"MVAU", "VVAU", "MatrixVectorActivation", "VectorVectorActivation", "StreamingFCLayer"})


@dataclass(frozen=True)
class Unknown:
    """A tensor that cannot be known because a node before it is refused.

    Parameters
    ----------
    what : str
        Why no product can take it, whatever its values are; empty if one might.
    stage : Stage or None
        The layer, or input, that its values come from; None for a constant, or if that is not known either.
    sign : bool
        A sign made its values.
    bits : int
        Of the quantiser that made its values; 0 if that is not known.
    """

    what: str = ""
    stage: Stage | None = None
    sign: bool = False
    bits: int = 0


def stage_of(v: Any) -> Stage | None:
    """Return the layer, or input, that a tensor's values come from; None for a constant."""
    return v.stage if isinstance(v, Table | Unknown) else None


def is_convolution(node: Node) -> bool:
    """Return whether a node multiplies windows by weights, under the name that any tool gives it."""
    return "Conv" in node.op and node.op != "ConvolutionInputGenerator"


def result(node: Node, x: list[Any], bits: float = 0) -> Unknown:
    """Return what is known of the result of a node that is refused, or whose inputs are not known."""
    if node.op in ops.PRODUCTS or is_convolution(node):
        weights = x[1] if len(x) > 1 and isinstance(x[1], np.ndarray) and x[1].ndim == 2 else None
        size = 0 if weights is None else weights.shape[0 if node.attrs.get("transB", 0) else 1]
        sums = Stage(node.label, 0, size)
        return Unknown(_sums(sums), sums)
    if node.op == "Shape":
        return Unknown()
    source = next((v for v in x if stage_of(v) is not None), Unknown())
    stage = Stage(node.label, 0, 0) if joined(x) or node.op.split("_")[0] in _LAYERS else stage_of(source)
    if node.op in _SIGNS and not (node.op == "Where" and any(stage_of(v) is not None for v in x[1:])):
        return Unknown("", stage, sign=bits <= 1, bits=max(1, int(bits)))
    if node.op in _ACTIVATIONS and stage is not None:
        return Unknown(f"takes activations of {node.label}, which are more than two values: {FEW_BITS}", stage)
    if node.op not in _KEEPING and "Pool" not in node.op and "Normalization" not in node.op:
        return Unknown("", stage)
    what = next((v.what for v in x if isinstance(v, Unknown) and v.what), "")
    if isinstance(source, Table) and source.stage.weights is not None and _is_sum(source):
        what = _sums(source.stage)
    if isinstance(source, Unknown) and (node.op in _KEEPING or "MaxPool" in node.op):
        return Unknown(what, stage, source.sign, source.bits)
    return Unknown(what, stage)


def _sums(stage: Stage) -> str:
    return f"takes sums of {stage.label} that no sign has made bits: put a sign (BipolarQuant) between them"


def _is_sum(t: Table) -> bool:
    value = t.columns(t.value)
    return len(value) > 2 and bool((np.diff(value, axis=0) != 0).all(axis=0).any())


def trouble(node: Node, x: list[Any], bits: float, layers: Layers) -> list[str]:
    """Return what is wrong with a node in any case, of whose inputs some are not known.

    Parameters
    ----------
    node : Node
        Not refused itself.
    x : list
        Its inputs.
    bits : float
        If it is a quantiser.
    layers : Layers
    """
    if node.op in ops.PRODUCTS:
        return product_trouble(node, x, layers)
    found = joined(x)
    if bits > PLANES_MAX and node.op in _QUANTISERS and stage_of(x[0]) is not None:
        found.append(f"{bits:g} bits: {FEW_BITS}")
    # Means, sums and maxima may be those over the pixels of what is refused.
    picks = node.op in ops.CONSTANT_ONLY and node.op not in ("ReduceMean", "ReduceSum", "ReduceMax")
    if picks and not found and any(stage_of(v) is not None for v in x):
        found.append(f"it picks or joins activations: {ONLY_CHAINS}")
    if node.op == "Cast":
        try:
            ops.ELEMENTWISE[node.op]([np.zeros(1, np.float32)], node.attrs)
        except InputError as e:
            found.append(str(e))
    if node.attrs.get("training_mode", 0):
        found.append("it is in training mode: export the network in evaluation mode (model.eval())")
    return found


def joined(x: list[Any]) -> list[str]:
    """Return the reason against a node that joins the values of several layers, if it does."""
    stages = list({id(s): s for v in x if (s := stage_of(v)) is not None}.values())
    return [f"it joins {stages[0].label} and {stages[1].label}: {ONLY_CHAINS}"] if len(stages) > 1 else []


def product_trouble(node: Node, x: list[Any], layers: Layers) -> list[str]:
    """Return what is wrong with the operands of a product or convolution that is refused, or cannot be known."""
    found: list[str] = []
    operands = x[:2]
    if len(operands) == 2 and all(stage_of(v) is not None for v in operands):
        found.append("it multiplies activations by activations")
    for name, v in zip(node.inputs, operands, strict=False):
        if isinstance(v, Unknown) and v.what:
            found.append(v.what)
        elif isinstance(v, Table):
            try:
                layers.levels_of(v)
            except InputLevels:
                pass
            except InputError as e:
                found.append(str(e))
        elif isinstance(v, np.ndarray) and (w := _weights(node, name, v)) is not None:
            try:
                factors = layers.factors_of(node, w, layers.quantised.get(name, ""))
                found += _too_large(factors, w, operands)
            except InputError as e:
                found.append(str(e))
        if (stage := stage_of(v)) is not None:
            found += layers.taken(stage, node)
    return found


def _too_large(factors: Factors | Floats, weights: NDArray, operands: list[Any]) -> list[str]:
    """Return the reason against a layer of weights (n, m) whose inputs are not known but for their bits."""
    bits = next((v.bits for v in operands if isinstance(v, Unknown)), 0)
    if isinstance(factors, Floats) or not 1 <= bits <= PLANES_MAX:
        return []
    n, m = weights.shape
    return too_large(n * factors.code.top * ((1 << bits) - 1) + 1, m)


def _weights(node: Node, name: str, v: NDArray) -> NDArray | None:
    """Return constant weights with one column a neuron, or None if they are none, or not finite."""
    if v.dtype.kind == "f" and not np.isfinite(v).all():
        return None  # said of the node already
    if is_convolution(node):
        if v.ndim < 3:
            return None
        v = v.swapaxes(0, 1) if node.op == "ConvTranspose" else v
        return v.reshape(len(v), -1).T
    if v.ndim != 2 or node.op == "XnorPopcountMatMul":
        return None
    if name not in node.inputs[1:2]:
        return v.T
    return v.T if node.attrs.get("transB", 0) else v
