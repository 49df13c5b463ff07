"""Layers of a source network: a matrix product of bits and binary weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import type_name

from . import rounding
from .elements import elementwise
from .graph import CELLS_MAX, Node
from .products import column_sums, magnitudes, popcount_table, scaling
from .shapes import mapped, transposed
from .table import Bits, Levels, Stage, Table, check_thresholds, rounding_mask, to_bits

ONE_BIT = "only 1-bit activations are supported: train with 1 bit"


class InputLevels(InputError):
    """The input coding that was tried gives bits that never change."""


@dataclass
class Layers:
    """The layers so far; entry k of each list belongs to stage k, of which the first is the input.

    Parameters
    ----------
    guess : bool
        Raise :class:`InputLevels` where the input's levels give a constant first layer, so that others can be tried.
    constant_inputs : bool
        Whether a guess may leave some inputs constant.
    quantised : dict
        Constants that a quantiser of more than one bit made, with its name.
    stages : list of Stage
    bits : list of Bits
        Outputs of each stage, in the order in which the next product reads them.
    elements : list of ndarray
        Which pixel or neuron each of them is.
    records : list of dict
        From :func:`check_thresholds`; empty for the input.
    masks : list of ndarray or None
        Where rounding decides a bit.
    """

    guess: bool
    constant_inputs: bool
    quantised: dict[str, str]
    stages: list[Stage]
    bits: list[Bits] = field(default_factory=list)
    elements: list[NDArray[np.int64]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    masks: list[NDArray[np.bool_] | None] = field(default_factory=list)

    def product(self, node: Node, x: list[Any]) -> Table:
        """Return the table of a matrix product, a new layer."""
        left, right, swapped = x[0], x[1], False
        if isinstance(left, Table) and isinstance(right, Table):
            raise InputError("it multiplies activations by activations")
        a = node.attrs
        if node.op == "Gemm":
            left = transposed(left) if a.get("transA", 0) else left
            right = transposed(right) if a.get("transB", 0) else right
        if isinstance(right, Table):
            if right.value.ndim != 2 or left.ndim != 2:
                raise InputError("weights on the left must be a matrix")
            left, right, swapped = transposed(right), left.T, True
        if not isinstance(left, Table):
            raise InputError("one operand must depend on the images")
        weights = np.asarray(right)
        while weights.ndim > 2 and weights.shape[0] == 1:
            weights = weights[0]
        shape = left.value.shape
        if weights.ndim != 2 or left.axis != 0 or int(np.prod(shape[1:])) != shape[-1] or shape[-1] != len(weights):
            raise InputError(f"activations of shape {shape[1:]} by weights of shape {weights.shape} are no dense layer")
        if weights.dtype.kind not in "fiub":
            raise InputError(f"weights must be numbers, not {type_name(weights.dtype)}")
        names = node.inputs[0] if swapped else node.inputs[1]
        y = self._dense(node, left, weights, self.quantised.get(names, ""))
        y.index = y.index.reshape([1] * (left.value.ndim - 1) + [-1])
        y = mapped(y, lambda v: v.reshape(*v.shape[:1], *shape[1:-1], v.shape[-1]), y.index, 0)
        if swapped:
            y = transposed(y)
        if node.op != "Gemm":
            return y
        if a.get("alpha", 1.0) != 1.0:
            y = elementwise(_part(node, "Mul"), [y, np.float32(a["alpha"])])
        if len(x) > 2 and x[2] is not None:
            bias = np.asarray(x[2])
            if a.get("beta", 1.0) != 1.0:
                bias = bias * np.float32(a["beta"])
            y = elementwise(_part(node, "Add"), [y, bias])
        return y

    def check_weights(self, node: Node, x: list[Any]) -> None:
        """Say what is wrong with the weights of a layer whose inputs are not known."""
        for name, v in zip(node.inputs[:2], x[:2], strict=False):
            if isinstance(v, np.ndarray) and v.ndim == 2 and node.op != "XnorPopcountMatMul":
                w = v.T if name == node.inputs[1] and node.attrs.get("transB", 0) else v
                if name != node.inputs[1]:
                    w = v.T
                magnitudes(w, self.quantised.get(name, ""))

    def _dense(self, node: Node, t: Table, weights: NDArray, origin: str) -> Table:
        if t.head:
            raise InputError(f"nothing may follow {t.head}, which ends the network")
        stage = t.stage
        if stage.consumer:
            raise InputError(f"{stage.label} is taken by {stage.consumer} too: only chains of layers are supported")
        stage.consumer = node.label
        magnitude = None
        trouble: list[str] = []
        try:
            xnor = node.op == "XnorPopcountMatMul"  # its weights are 0 and 1
            magnitude = np.ones(weights.shape[1]) if xnor else magnitudes(weights, origin)
        except InputError as e:
            trouble.append(str(e))
        try:
            bits = self.bits_of(t)
        except InputLevels:
            raise
        except InputError as e:
            trouble.append(str(e))
        if trouble:
            raise InputError("; ".join(trouble))
        assert magnitude is not None
        elements = t.elements
        if len(np.unique(elements)) != stage.size or len(elements) != stage.size:
            raise InputError(f"it must take all {stage.size} elements of {stage.label}, each once")
        delta, middle = (bits.one - bits.zero) / 2, (bits.one + bits.zero) / 2
        if stage.weights is None:  # bit 1 of an input is the upper levels, whatever their value
            delta = np.where(bits.falling, -delta, delta)
        n, m = weights.shape
        if (n + 1) * m > CELLS_MAX:
            raise InputError(
                f"a layer must have at most {CELLS_MAX:,} pairs of neuron and popcount, not {(n + 1) * m:,}"
            )
        if (np.abs(delta) != abs(delta[0])).any() or delta[0] == 0:
            raise InputError("its activations must have one step between their two values, not one a channel")
        positive = (weights > 0) ^ (delta < 0)[:, None]
        if node.op == "XnorPopcountMatMul":
            pair = {float(v) for v in (*np.unique(bits.zero), *np.unique(bits.one))}
            if pair != {0.0, 1.0} or not np.isin(weights, (0, 1)).all():
                raise InputError("its operands must be 0 and 1")
            start, alpha, inexact = np.full(m, n / 2), np.full(m, 0.5), np.zeros(m)
        else:
            alpha = magnitude.astype(np.float64) * abs(delta[0])
            start = np.zeros(m) if not middle.any() else column_sums(weights, middle)
            inexact = rounding.inexact_sums(alpha, middle, delta, n)
        arranged = np.empty((m, n), bool)
        arranged[:, elements] = positive.T
        new = Stage(node.label, n + 1, m, arranged, scaling(alpha))
        new.ops.append(node.op)
        self.bits.append(bits)
        self.elements.append(elements)
        checked = None if stage.weights is None else check_thresholds(stage, t, bits)
        self.records.append(checked or {})
        self.masks.append(rounding_mask(t, bits) if checked and bits.sensitive else None)
        self.stages.append(new)
        return popcount_table(new, start, alpha, inexact, weights.dtype)

    def bits_of(self, t: Table) -> Bits:
        """Return what a product takes as bits, or raise InputError if it is no bits."""
        is_input = t.stage.weights is None
        try:
            bits = to_bits(t)
        except Levels as e:
            if is_input:
                raise InputError(_grey(t.stage.rows, t.quantiser, e)) from None
            if t.quantiser:
                raise InputError(f"takes {e.levels} levels of {t.quantiser}: {ONE_BIT}") from None
            if e.levels > 8:
                raise InputError(
                    f"takes sums of {t.stage.label} that no sign has made bits: put a sign (BipolarQuant) between them"
                ) from None
            raise InputError(
                f"takes activations of {e.levels} levels from {t.stage.label}: {ONE_BIT}{_zero_hint(t)}"
            ) from None
        never = is_input and bits.constant == len(bits.switch)
        if self.guess and is_input and (never or (bits.constant and not self.constant_inputs)):
            raise InputLevels("the input never changes")
        if never:
            raise InputError("the input must become bits of both values, and never changes: see `coding`")
        return bits


def _part(node: Node, op: str) -> Node:
    return Node(node.name, op, node.inputs, node.outputs, {}, "")


def _zero_hint(t: Table) -> str:
    """Say so if it is the sign of 0 that gives a third level."""
    return " (a sign that gives 0 for 0: use one that gives +1)" if "Sign" in t.stage.ops else ""


def _grey(rows: int, quantiser: str, e: Levels) -> str:
    what = f"{quantiser}, " if quantiser else ""
    levels = f"{what}{e.levels} levels of {rows}"
    return (
        f"takes grey levels of the input ({levels}), and the engine takes bits: binarise"
        " the input in the network (2x - 1, then BipolarQuant or a sign), or use `coding` bipolar or `coding` binary if"
        " its images are bits already"
    )
