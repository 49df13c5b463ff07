"""Reasons for refusing operators."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from .graph import Node

#: The domain under which a reader names what it cannot translate, with attribute ``why``.
REFUSED = "oxnor.refused"
_CONVOLUTION = "this kind of convolution is not supported: Conv is"
_POOLING = "this pooling is not supported: MaxPool after a convolution is"
_RECURRENT = "recurrent layers are not supported"
_CONTROL = "control flow is not supported: export the network in evaluation mode"
_MORE_BITS = "this quantiser is not supported: Quant, MultiThreshold and BipolarQuant are"
_MIXING = "it mixes neurons, so no threshold can stand for it: use batch normalisation"
_MASK = "it takes or sets values by a mask: choose with torch.where, as torch.where(x >= 0, 1.0, -1.0)"
_PICTURE = "it changes a picture's size, which no layer can do: scale the images before they come in"
#: Reasons by operator.
WHY = (
    dict.fromkeys(("ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv"), _CONVOLUTION)
    | dict.fromkeys(("LpPool", "QuantAvgPool2d"), _POOLING)
    | dict.fromkeys(("Resize", "Upsample", "DepthToSpace", "SpaceToDepth"), _PICTURE)
    | dict.fromkeys(("NonZero", "ScatterND", "ScatterElements", "GatherND"), _MASK)
    | dict.fromkeys(("LSTM", "GRU", "RNN"), _RECURRENT)
    | dict.fromkeys(("If", "Loop", "Scan"), _CONTROL)
    | dict.fromkeys(("Trunc", "FloatQuant"), _MORE_BITS)
    | dict.fromkeys(("LayerNormalization", "InstanceNormalization", "GroupNormalization"), _MIXING)
)  # fmt: skip
NO_SCORES = "the output must be scores, not one bit a class: leave the last sign out"
#: Operators to which an infinite constant is a bound that is not there.
_BOUNDS = frozenset({"Clip", "Min", "Max"})
#: What the inputs of an operator are, for messages.
_ROLES = {
    "BatchNormalization": ("", "scale", "bias", "mean", "variance"), "Gemm": ("", "weights", "bias"),
    "Conv": ("", "weights", "bias"), "BipolarQuant": ("", "scale"), "Quant": ("", "scale", "zero point", "bit width"),
    "MultiThreshold": ("", "thresholds"),
}  # fmt: skip


def refused(node: Node, why: str) -> Node:
    """Return what stands in a graph for a node that its reader cannot translate."""
    return Node(node.name, node.op, node.inputs, node.outputs, {"why": why}, REFUSED)


def not_finite(node: Node, x: list[Any]) -> list[str]:
    """Return which parameters of a node are not finite, one sentence each.

    Parameters
    ----------
    node : Node
    x : list
        Its inputs; only arrays are parameters.
    """
    roles = _ROLES.get(node.op, ())
    wrong = []
    for k, (name, v) in enumerate(zip(node.inputs, x, strict=False)):
        if isinstance(v, np.ndarray) and (count := _not_finite(node, v)):
            role = roles[k] if k < len(roles) and roles[k] else f"parameter {name!r}"
            wrong.append(f"its {role} must be finite, and {count:,} of {v.size:,} values are not")
    for name, v in node.attrs.items():
        if isinstance(v, float | list | np.ndarray) and (count := _not_finite(node, np.asarray(v))):
            wrong.append(f"its {name} must be finite, and {count:,} of {np.size(v):,} values are not")
    return wrong


def check_result(node: Node, value: NDArray) -> None:
    """Raise InputError if an operator on activations gives values that are no numbers, or no numbers that fit."""
    if value.dtype.kind == "f" and node.op not in _BOUNDS and (count := int(np.count_nonzero(~np.isfinite(value)))):
        raise InputError(
            f"its result must be finite, and {count:,} of {value.size:,} values are not (0 / 0, the root of a negative"
            " number, or too large)"
        )


def _not_finite(node: Node, v: NDArray) -> int:
    if v.dtype.kind != "f":
        return 0
    return int(np.count_nonzero(np.isnan(v) if node.op in _BOUNDS else ~np.isfinite(v)))


class FallingShortcut(InputError):
    """A neuron that fires where its sum is small has a shortcut, which no threshold can negate: take plain weights."""

    def __init__(self, label: str):
        self.label = label
        super().__init__(f"{label} must not have neurons that fire where their sums are small, beside a shortcut")
