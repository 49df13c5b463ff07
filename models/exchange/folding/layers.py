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
ONLY_CHAINS = "only chains of layers are supported"


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

    def product(self, node: Node, x: list[Any], wrong: list[str]) -> Table:
        """Return the table of a matrix product, a new layer.

        Parameters
        ----------
        node : Node
        x : list
            Its inputs.
        wrong : list of str
            What is wrong with it already.

        Raises
        ------
        InputError
            With all that is wrong.
        """
        left, weights, swapped = _operands(node, x)
        found, origin = [*wrong], self.quantised.get(node.inputs[0 if swapped else 1], "")
        shape = left.value.shape
        fits = weights.ndim == 2 and left.axis == 0 and int(np.prod(shape[1:])) == shape[-1] == len(weights)
        if not fits:
            found.append(
                f"activations of shape {shape[1:]} by weights of shape {weights.shape} are no dense layer"
            )
        magnitude, bits = self._factors(node, left, weights, origin, found)
        if left.head:
            found.append(f"nothing may follow {left.head}, which ends the network")
        found += self.taken(left.stage, node)
        if found or magnitude is None or bits is None:
            raise InputError("; ".join(found))
        y = self._dense(node, left, weights, magnitude, bits)
        y.index = y.index.reshape([1] * (left.value.ndim - 1) + [-1])
        y = mapped(y, lambda v: v.reshape(*v.shape[:1], *shape[1:-1], v.shape[-1]), y.index, 0)
        if swapped:
            y = transposed(y)
        return y if node.op != "Gemm" else _scaled(node, x, y)

    def taken(self, stage: Stage, node: Node) -> list[str]:
        """Note that `node` takes the outputs of a stage; return the reason against it if another does already."""
        if stage.consumer and stage.consumer != node.label:
            return [f"{stage.label} is taken by {stage.consumer} too: {ONLY_CHAINS}"]
        stage.consumer = node.label
        return []

    def _factors(
        self, node: Node, t: Table, weights: NDArray, origin: str, found: list[str]
    ) -> tuple[NDArray | None, Bits | None]:
        """Return the magnitude of each neuron's weights, and the bits that they multiply; what is wrong to `found`."""
        magnitude = bits = None
        if weights.dtype.kind not in "fiub":
            found.append(f"weights must be numbers, not {type_name(weights.dtype)}")
        elif node.op == "XnorPopcountMatMul":  # its weights are 0 and 1
            magnitude = np.ones(weights.shape[-1])
        elif weights.ndim == 2 and (weights.dtype.kind != "f" or np.isfinite(weights).all()):
            try:
                magnitude = magnitudes(weights, origin)
            except InputError as e:
                found.append(str(e))
        try:
            bits = self.bits_of(t)
        except InputLevels:
            raise
        except InputError as e:
            found.append(str(e))
        return magnitude, bits

    def _dense(self, node: Node, t: Table, weights: NDArray, magnitude: NDArray, bits: Bits) -> Table:
        stage, elements, found = t.stage, t.elements, list[str]()
        if len(np.unique(elements)) != stage.size or len(elements) != stage.size:
            found.append(f"it must take all {stage.size} elements of {stage.label}, each once")
        delta, middle = (bits.one - bits.zero) / 2, (bits.one + bits.zero) / 2
        if stage.weights is None:  # bit 1 of an input is the upper levels, whatever their value
            delta = np.where(bits.falling, -delta, delta)
        n, m = weights.shape
        if (n + 1) * m > CELLS_MAX:
            found.append(f"a layer must have at most {CELLS_MAX:,} pairs of neuron and popcount, not {(n + 1) * m:,}")
        if (np.abs(delta) != abs(delta[0])).any() or delta[0] == 0:
            found.append("its activations must have one step between their two values, not one a channel")
        xnor = node.op == "XnorPopcountMatMul"
        pair = {float(v) for v in (*np.unique(bits.zero), *np.unique(bits.one))}
        if xnor and (pair != {0.0, 1.0} or not np.isin(weights, (0, 1)).all()):
            found.append("its operands must be 0 and 1")
        if found:
            raise InputError("; ".join(found))
        positive = (weights > 0) ^ (delta < 0)[:, None]
        if xnor:
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


def _operands(node: Node, x: list[Any]) -> tuple[Table, NDArray, bool]:
    """Return activations and weights of a product, and whether the weights are on the left."""
    left, right = x[0], x[1]
    if isinstance(left, Table) and isinstance(right, Table):
        raise InputError("it multiplies activations by activations")
    a, swapped = node.attrs, False
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
    return left, weights, swapped


def _scaled(node: Node, x: list[Any], y: Table) -> Table:
    """Return the product of a Gemm node with what else it computes."""
    a = node.attrs
    if a.get("alpha", 1.0) != 1.0:
        y = elementwise(_part(node, "Mul"), [y, np.float32(a["alpha"])])
    if len(x) > 2 and x[2] is not None:
        bias = np.asarray(x[2])
        if a.get("beta", 1.0) != 1.0:
            bias = bias * np.float32(a["beta"])
        y = elementwise(_part(node, "Add"), [y, bias])
    return y


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
