"""Matrix products of a source: weights of few integers with one unit a neuron, and the sums for every popcount."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.layers.conv import check_shortcut
from oxnor.models.networks.layers.fields import SHORTCUT
from oxnor.models.networks.layers.weight_code import WEIGHT_MAX, WeightCode
from oxnor.models.networks.layers.window import Window

from . import rounding
from .elements import elementwise
from .graph import Node
from .levels import Levels
from .ops import optional
from .shapes import transposed
from .table import Stage, Table

#: Tables up to this size are also held in float64: those of output layers.
_WIDE_MAX = 1 << 22
#: Share of a weight by which float32 may miss an integer times a scale.
_ROUNDED = 2.0**-22
#: The same of weights of one size. With x - y + y, as PyTorch's users pass gradients, signs are rounded.
_SIGNS = 2.0**-16
#: Most values of weights that are listed.
_VALUES_SHOWN = 8
#: Largest shortcut of a layer.
SHORTCUT_MAX = SHORTCUT["shortcut"][1]


@dataclass(frozen=True, eq=False)
class Factors:
    """Weights as integers: a weight is `unit` of its neuron times a sum of signs.

    Parameters
    ----------
    unit : ndarray of float64, shape (m,)
        Of each neuron, above 0.
    values : ndarray of int16, shape (n, m)
        All odd or all even, and at most the largest weight of the code.
    code : WeightCode
        The synapses of a weight.
    miss : ndarray of float64, shape (m,)
        By how much a weight may be another number than its integer times the unit.
    shortcut : int
        How often each neuron's own channel under the centre of the window counts beside the values.
    """

    unit: NDArray[np.float64]
    values: NDArray[np.int16]
    code: WeightCode
    miss: NDArray[np.float64]
    shortcut: int = 0

    def synapses(self, is_negated: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the bits of the weights, shape (n, m, bits)."""
        return self.code.encode(np.where(is_negated, -self.values, self.values))

    def scaling(self, slope: NDArray[np.float64]) -> str:
        """Return the weights in words; empty if they are -1 and +1 times a slope of 1."""
        step, found = self.code.step, np.unique(self.values)
        values = "" if self.code.top == 1 else ", ".join(f"{v // step:+d}" if v else "0" for v in found)
        if len(found) > _VALUES_SHOWN:
            values = f"{found[0] // step:+d} to {found[-1] // step:+d}"
        past = f"shortcut {self.shortcut // step}" if self.shortcut else ""
        return ", ".join(part for part in (values or "-1, +1" * bool(past), past, scaling(slope * step)) if part)


def integers(weights: NDArray, origin: str) -> Factors:
    """Return the weights of a layer, shape (n, m), as integers; `origin` is the quantiser that made them.

    Raises
    ------
    InputError
        If they are not integers of one unit a neuron, or larger ones than 128.
    """
    if weights.size == 0:
        raise InputError("weights must not be empty")
    if weights.dtype.kind == "f" and not np.isfinite(weights).all():
        raise InputError("weights must be finite")
    given = weights.astype(np.float64)
    size = np.abs(given)
    if not size.any():
        raise InputError("weights must not all be 0")
    least = np.where(size > 0, size, np.inf).min(axis=0)
    least[np.isinf(least)] = 1
    unit, largest = np.full(len(least), np.nan), WEIGHT_MAX // 2
    for parts in range(1, largest + 1):
        left = np.flatnonzero(np.isnan(unit))
        whole = np.rint(size[:, left] / (least[left] / parts))
        off = np.abs(size[:, left] - whole * (least[left] / parts))
        # A float32 quantiser rounds what is more than once its scale.
        near = np.where(whole > 1, _ROUNDED, _SIGNS if parts == 1 else 0) * size[:, left]
        fits = ((off <= near) & (whole <= largest)).all(axis=0)
        unit[left[fits]] = least[left[fits]] / parts
    if np.isnan(unit).any():
        raise InputError(_too_many_values(weights, origin))
    values = np.rint(given / unit).astype(np.int16)
    miss = np.abs(given - values * unit).max(axis=0)
    if (values % 2 != 1).any():
        unit, values = unit / 2, 2 * values
    return Factors(unit, values, WeightCode.of(int(np.abs(values).max())), miss)


def past_shortcut(window: Window, weights: NDArray, plain: Factors) -> Factors:
    """Return weights of a convolution, shape (n, m), as smaller ones and a shortcut, if these take fewer synapses.

    An export writes a shortcut into the weights of each neuron's own channel in the centre of its kernel. `plain` is
    returned where there is none.
    """
    n, m = weights.shape
    try:
        check_shortcut(window, m, 1, "")
    except InputError:
        return plain
    channels = window.channels // window.groups
    own = window.centre * channels + np.arange(m) % channels
    others = np.arange(n)[:, None] != own
    if n < 2 or not (weights[own, np.arange(m)] > 0).any():
        return plain
    try:
        found = integers(weights.T[others.T].reshape(m, n - 1).T, "")
    except InputError:
        return plain
    given = weights.astype(np.float64)
    centre = np.rint(given[own, np.arange(m)] / found.unit)
    shortcut, top = int(centre.max()) - found.code.top, found.code.top
    values = np.rint(given / found.unit)
    values[own, np.arange(m)] -= shortcut
    off = np.abs(given - (values + np.where(others, 0, shortcut)) * found.unit)
    fits = 0 < shortcut <= SHORTCUT_MAX and (np.abs(values) <= top).all() and (values % 2 == top % 2).all()
    if not fits or (off > _ROUNDED * np.abs(given)).any() or found.code.bits >= plain.code.bits:
        return plain
    return Factors(found.unit, values.astype(np.int16), found.code, off.max(axis=0), shortcut)


def _too_many_values(weights: NDArray, origin: str) -> str:
    """Return why weights are refused."""
    levels = np.unique(weights)
    few = f"whole numbers, at most {WEIGHT_MAX // 2}, times one unit a neuron"
    if origin:
        return f"weights of {origin} must be {few}, and have {len(levels):,} values: train with weights of 1 to 8 bits"
    return (
        f"weights must be {few}, and have {len(levels):,} values: export them through their quantiser (Quant), or train"
        " with weights of 1 to 8 bits"
    )


@dataclass(frozen=True)
class Floats:
    """Stands for the factors of a last layer whose weights are to be rounded."""


def column_sums(weights: NDArray, middle: NDArray) -> NDArray:
    """Return the constant part of each column's sum in float64, shape (m,)."""
    total = np.zeros(weights.shape[1])
    for k in range(0, len(weights), 256):
        total += middle[k : k + 256] @ weights[k : k + 256].astype(np.float64)
    return total


def scaling(alpha: NDArray) -> str:
    """Return a description of the magnitudes of the weights; empty if they are all 1."""
    low, high = alpha.min(), alpha.max()
    if low == high:
        return "" if low == 1 else f"scale {low:g}"
    return f"scales {low:g} to {high:g}"


def type_of_sums(t: Table, weights: NDArray) -> np.dtype:
    """Return the type of products with constant weights, which integers have with integers alone."""
    if t.value.dtype.kind in "iu" and weights.dtype.kind in "iu":
        return weights.dtype
    return np.dtype(np.float64 if weights.dtype == np.float64 else np.float32)


def popcount_table(stage: Stage, start: NDArray, alpha: NDArray, inexact: NDArray, dtype: Any) -> Table:
    """Return start + alpha * (2p - largest) for p = 0 .. largest, rounded once; half as much where zeros are padded."""
    largest, m = stage.rows - 1, stage.size
    is_float = np.dtype(dtype).kind == "f"  # what follows integers must compute with integers
    value = np.empty((largest + 1, m), dtype)
    wide = np.empty((largest + 1, m)) if (largest + 1) * m <= _WIDE_MAX and is_float else None
    unit = 2 if stage.window is not None and stage.window.pad == 0 else 1
    for k in range(0, largest + 1, 512):
        z = (2.0 * np.arange(k, min(k + 512, largest + 1))[:, None] - largest) / unit
        part = start + alpha * z
        value[k : k + 512] = part if is_float else np.rint(part)
        if wide is not None:
            wide[k : k + 512] = part
    low = high = value
    if inexact.any():
        slack = inexact.astype(dtype)
        low, high = value - slack, value + slack
    return Table(value, low, high, wide, np.arange(m)[None], 0, stage)


def sums(
    weights: NDArray, factors: Factors, levels: Levels, middle: NDArray, n: int, *, pads_middle: bool = False
) -> tuple[NDArray, NDArray, NDArray]:
    """Return what a neuron's sum is in the middle, its slope in the popcount, and how far rounding may take it.

    `middle` has shape (n,), or (n, m) if neurons see other inputs.
    """
    alpha = factors.unit * levels.step[0] / 2
    if not middle.any():
        start = np.zeros(weights.shape[1])
    elif middle.ndim == 1:
        start = column_sums(weights, middle)
    else:
        start = (weights * middle).sum(axis=0)
    most = n * factors.code.top + factors.shortcut
    inexact = rounding.inexact_sums(alpha, middle, levels, most, pads_middle=pads_middle)
    if factors.miss.any():
        highest = levels.lowest + levels.top * levels.step
        inexact = inexact + n * factors.miss * np.maximum(np.abs(levels.lowest), np.abs(highest)).max()
    return start, alpha, inexact


def operands(node: Node, x: list[Any]) -> tuple[Table, NDArray, bool]:
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
    if 2 < weights.ndim <= left.index.ndim and set(weights.shape[:-2]) == {1}:
        weights = weights.reshape(weights.shape[-2:])
    return left, weights, swapped


def scaled(node: Node, x: list[Any], y: Table) -> Table:
    """Return the product of a Gemm node with what else it computes."""
    a = node.attrs
    if a.get("alpha", 1.0) != 1.0:
        y = elementwise(part(node, "Mul"), [y, np.float32(a["alpha"])])
    if (bias := optional(x, 2)) is not None:
        bias = np.asarray(bias)
        if a.get("beta", 1.0) != 1.0:
            bias = bias * np.float32(a["beta"])
        y = elementwise(part(node, "Add"), [y, bias])
    return y


def part(node: Node, op: str) -> Node:
    """Return a node that stands for a part of what another one does."""
    return Node(node.name, op, node.inputs, node.outputs, {}, "")
