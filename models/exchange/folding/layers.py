"""Layers of a source network: a matrix product, or a convolution, of levels and binary weights."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import type_name

from . import rounding
from .elements import elementwise
from .graph import CELLS_MAX, Node
from .levels import LEVELS_MAX, Levels, NoLevels, check_thresholds, of_neurons, rounding_mask, to_levels
from .maps import (
    CHANNELS_LAST,
    PAD_VALUE,
    by_group,
    channel_axis,
    conv_window,
    map_index,
    map_table,
    of_channels,
    pad_value,
    pads_itself,
    pads_of,
    summed,
)
from .ops import optional
from .products import (
    Factors,
    Floats,
    column_sums,
    integers,
    operands,
    part,
    past_shortcut,
    popcount_table,
    scaled,
    sums,
    type_of_sums,
)
from .refusals import FallingShortcut
from .results import kernels_of
from .shapes import mapped, transposed
from .table import SUMS, FloatSums, Stage, Table

FEW_BITS = "activations of 1 to 8 bits in even steps are supported: train with such a quantiser"
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
    outputs : list of Levels
        What each stage gives, in the order of its neurons; of the input, of its elements as the first layer takes them.
    input_order : ndarray of int64 or None
        Which element of the source's input each element of the first layer's is.
    records : list of dict
        From :func:`check_thresholds`; empty for the input.
    masks : list of ndarray or None
        Where rounding decides a level, by popcount and neuron.
    last : Node or None
        The last product.
    last_layer_bits : int
        Round its weights to so many bits if they are no integers; 0: refuse them.
    plain : set of str
        Convolutions whose weights are taken as they are, without a shortcut.
    """

    guess: bool
    constant_inputs: bool
    quantised: dict[str, str]
    stages: list[Stage]
    outputs: list[Levels] = field(default_factory=list)
    input_order: NDArray[np.int64] | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    masks: list[NDArray[np.bool_] | None] = field(default_factory=list)
    last: Node | None = None
    last_layer_bits: int = 0
    plain: AbstractSet[str] = frozenset()

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
        if node.op == "Conv":
            return self._convolution(node, x, wrong)
        left, weights, swapped = operands(node, x)
        if left.is_mean:
            left, weights = summed(left, weights)
        if left.unfolded or (left.index.ndim == 4 and left.stage.map_size != (1, 1)):
            return self._lowered(node, left, weights, wrong)
        found, origin = [*wrong], self.quantised.get(node.inputs[0 if swapped else 1], "")
        shape = left.shape
        fits = weights.ndim == 2 and left.axis == 0 and int(np.prod(shape[1:])) == shape[-1] == len(weights)
        if not fits:
            found.append(
                f"activations of shape {shape[1:]} by weights of shape {weights.shape} are no dense layer"
            )
        factors, levels = self._factors(node, left, weights, origin, found)
        if factors is None or levels is None:
            raise InputError("; ".join(found))
        y = self._dense(node, left, weights, factors, levels)
        y.index = y.index.reshape([1] * (len(shape) - 1) + [-1])
        y = mapped(y, lambda v: v.reshape(*v.shape[:1], *shape[1:-1], v.shape[-1]), y.index, 0)
        if swapped:
            y = transposed(y)
        return y if node.op != "Gemm" else scaled(node, x, y)

    def taken(self, stage: Stage, node: Node) -> list[str]:
        """Note that `node` takes the outputs of a stage; return the reason against it if another does already."""
        if stage.consumer and stage.consumer != node.label:
            return [f"{stage.label} is taken by {stage.consumer} too: {ONLY_CHAINS}"]
        stage.consumer = node.label
        return []

    def factors_of(self, node: Node, weights: NDArray, origin: str) -> Factors | Floats:
        """Return weights of shape (n, m) as integers, or that they are to be rounded; `origin` made them.

        Raises
        ------
        InputError
            If they are no integers, and not to be rounded either.
        """
        try:
            return integers(weights, origin)
        except InputError as e:
            if node is not self.last or not weights.any():
                raise
            if node.op not in ("MatMul", "Gemm"):
                if self.last_layer_bits:
                    raise InputError(f"{e}; `last_layer_bits` rounds dense layers only") from None
                raise
            if self.last_layer_bits:
                return Floats()
            raise InputError(f"{e}, or let `last_layer_bits` round them, as this is the last layer") from None

    def _factors(
        self, node: Node, t: Table, weights: NDArray, origin: str, found: list[str]
    ) -> tuple[Factors | Floats | None, Levels | None]:
        """Return the weights as integers, and the levels that they multiply.

        What is wrong is added to `found`; if anything is, one of both is None.
        """
        factors: Factors | Floats | None = None
        levels = None
        if weights.dtype.kind not in "fiub":
            found.append(f"weights must be numbers, not {type_name(weights.dtype)}")
        elif node.op == "XnorPopcountMatMul":  # its weights are 0 and 1
            factors = integers(2 * (weights > 0) - 1, origin)
        elif weights.ndim == 2 and (weights.dtype.kind != "f" or np.isfinite(weights).all()):
            try:
                factors = self.factors_of(node, weights, origin)
            except InputError as e:
                found.append(str(e))
        try:
            levels = self.levels_of(t)
        except InputLevels:
            raise
        except InputError as e:
            found.append(str(e))
        if t.head:
            found.append(f"nothing may follow {t.head}, which ends the network")
        found += self.taken(t.stage, node)
        return (None, None) if found else (factors, levels)

    def _dense(self, node: Node, t: Table, weights: NDArray, factors: Factors | Floats, levels: Levels) -> Table:
        stage, elements, found = t.stage, t.elements, list[str]()
        if t.padding:
            found.append("padding must be followed by a convolution")
        assert np.array_equal(np.sort(elements), np.arange(stage.elements))
        n, m = weights.shape
        rows = SUMS if isinstance(factors, Floats) else n * factors.code.top * levels.top + 1
        found += _trouble(node, levels, weights, rows)
        if found:
            raise InputError("; ".join(found))
        step, middle = self._append(t, levels, elements)
        middle = middle[t.column_of]
        if isinstance(factors, Floats):
            return self._float_sums(node, weights, levels, (elements, step[t.column_of], middle))
        synapses = factors.synapses((step < 0)[t.column_of][:, None])
        if node.op == "XnorPopcountMatMul":
            start, alpha, inexact = np.full(m, n / 2), np.full(m, 0.5), np.zeros(m)
        else:
            start, alpha, inexact = sums(weights, factors, levels, middle, n)
        arranged = np.empty((m, n, factors.code.bits), bool)
        arranged[:, elements] = synapses.swapaxes(0, 1)
        words = factors.scaling(alpha)
        new = Stage(node.label, rows, m, arranged.reshape(m, -1), factors.code, words, planes=levels.planes)
        new.ops.append(node.op)
        self.stages.append(new)
        return popcount_table(new, start, alpha, inexact, type_of_sums(t, weights))

    def _float_sums(
        self, node: Node, weights: NDArray, levels: Levels, inputs: tuple[NDArray, NDArray, NDArray]
    ) -> Table:
        """Return the table of a last layer of float weights: sums, not popcounts, as there are no integers yet.

        `inputs` are the elements that it takes, and the step and the middle value of each.
        """
        elements, step, middle = inputs
        n, m = weights.shape
        steps = np.empty((m, n))
        steps[:, elements] = weights.T * step
        floats = FloatSums(steps, column_sums(weights, middle), levels.top)
        new = Stage(node.label, SUMS, m, steps > 0, planes=levels.planes, floats=floats)
        new.ops.append(node.op)
        self.stages.append(new)
        wide = floats.values()
        value = wide.astype(weights.dtype if weights.dtype == np.float64 else np.float32)
        size = np.abs(middle) + np.abs(step) * levels.top / 2
        far = rounding.float_sums(weights, size) + n * levels.uneven * np.abs(weights).max()
        return Table(value, value - far, value + far, wide, np.arange(m)[None], 0, new)

    def _append(self, t: Table, levels: Levels, elements: NDArray[np.int64]) -> tuple[NDArray, NDArray]:
        """Note the outputs of a stage; return the signed step and the middle value of each column."""
        stage, shared = t.stage, t.is_shared or t.by_channel
        neurons, columns = of_neurons(stage, levels, elements, shared)
        self.outputs.append(neurons)
        if stage.shortcut and neurons.falling.any():
            raise FallingShortcut(stage.label)
        if stage.weights is None:
            self.records.append({})
            self.masks.append(None)
        else:
            check_thresholds(stage, t, levels)
            stays = ((neurons.reach == 0) | (neurons.reach == stage.rows)).all(axis=0)
            self.records.append({"inverted": int(neurons.falling.sum()), "constant": int(stays.sum())})
            self.masks.append(rounding_mask(t, levels)[:, columns] if levels.sensitive else None)
        middle = levels.lowest + levels.step * levels.top / 2
        if stage.weights is None:  # bit 1 of an input is the upper levels, whatever their value
            return np.where(levels.falling, -levels.step, levels.step), middle
        return levels.step, middle

    def levels_of(self, t: Table) -> Levels:
        """Return what a product takes as levels, or raise InputError if it is none."""
        is_input = t.stage.weights is None
        t.check_pool()
        try:
            levels = to_levels(t)
        except NoLevels as e:
            if is_input:
                raise InputError(_uneven_input(t, e)) from None
            if t.quantiser:
                raise InputError(f"takes {e.levels} levels of {t.quantiser}: {FEW_BITS}") from None
            if e.levels > 8:
                raise InputError(
                    f"takes sums of {t.stage.label} that no sign has made bits: put a sign (BipolarQuant) between them"
                ) from None
            raise InputError(f"takes activations of {e.levels} levels from {t.stage.label}: {FEW_BITS}") from None
        never = is_input and levels.constant == len(levels.falling)
        if self.guess and is_input and (never or (levels.constant and not self.constant_inputs)):
            raise InputLevels("the input never changes")
        if never:
            raise InputError("the input must become bits of both values, and never changes: see `coding`")
        if is_input and levels.codes is not None and (levels.codes != levels.codes[:, :1]).any():
            raise InputError(
                "takes inputs that are not all quantised alike: give the network inputs of one scale and offset, so"
                " that one table of 256 entries stands for all"
            )
        return levels

    def _lowered(self, node: Node, t: Table, weights: NDArray, wrong: list[str]) -> Table:
        """Return the table of a convolution that is written as a product of windows, their channels last."""
        if t.unfolded:
            part, window = t.unfolded
            kernel, channels = (window.kernel_y, window.kernel_x), window.channels
        else:
            part, kernel, channels = Node(node.name, "Conv", (), (), {}, CHANNELS_LAST), (1, 1), t.shape[-1]
        if node.op == "Gemm" or weights.ndim != 2 or len(weights) != kernel[0] * kernel[1] * channels:
            raise InputError(
                f"windows of {kernel[0]}x{kernel[1]}x{channels} by weights of shape {weights.shape} are no convolution"
            )
        part = Node(node.name, node.op, node.inputs, node.outputs, part.attrs, CHANNELS_LAST)
        kernels = weights.T.reshape(-1, *kernel, channels)
        return self._windows(part, t, kernels, wrong)

    def _convolution(self, node: Node, x: list[Any], wrong: list[str]) -> Table:
        """Return the table of a convolution, a new layer; arguments as :meth:`product`."""
        t = x[0]
        if not isinstance(t, Table) or isinstance(x[1], Table):
            raise InputError("its weights must not depend on the images")
        if t.unfolded:
            raise InputError("it must not follow Im2Col")
        y = self._windows(node, t, kernels_of(np.asarray(x[1])), wrong)
        if (bias := optional(x, 2)) is not None:
            bias = np.asarray(bias).reshape(-1)
            shape = [1] * y.index.ndim
            shape[channel_axis(node, y.index.ndim)] = -1
            y = elementwise(part(node, "Add"), [y, bias.reshape(shape)])
        return y

    def _windows(self, node: Node, t: Table, kernels: NDArray, wrong: list[str]) -> Table:
        """Return the table of the product of all windows of `t` and kernels (outputs, height, width, channels)."""
        n_out, *kernel, depth = kernels.shape
        groups = node.attrs.get("group", 1)
        if t.is_mean:
            raise InputError("means over pixels must be flattened in front of a product")
        index = map_index(node, t)
        found = [*wrong]
        if not isinstance(groups, int) or index.shape[-1] != depth * groups or n_out % groups:
            found.append(
                f"its group must divide {n_out} output channels, and {index.shape[-1]} input channels into {depth}"
                f" each, not be {groups}"
            )
        weights = kernels.reshape(n_out, -1).T
        origin = self.quantised.get(node.inputs[1], "")
        factors, levels = self._factors(node, t, weights, origin, found)
        if factors is None or levels is None:
            raise InputError("; ".join(found))
        assert isinstance(factors, Factors)  # only a dense layer is rounded
        window = t.unfolded[1] if t.unfolded else conv_window(node, kernel, groups, index.shape, pads_of(node, t))
        elements = index.reshape(-1)
        whole = np.array_equal(np.sort(elements) if t.stage.weights is None else elements, np.arange(t.stage.elements))
        if not whole:
            raise InputError(f"it must take the feature map of {t.stage.label} as it is, in its order")
        step, middle = self._append(t, levels, t.elements)
        # Of an input that falls with the grey level, level 0 has the higher value.
        zero = np.where(step < 0, levels.lowest + levels.step * levels.top, levels.lowest)
        zero, step, middle = (of_channels(t, index, v) for v in (zero, step, middle))
        own = float(node.attrs.get(PAD_VALUE, 0.0))
        if t.padding and t.padding[1] != own and pads_itself(node, window, pads_of(node, t)):
            raise InputError(f"it pads with {own:g} what is padded with {t.padding[1]:g}: pad with one value")
        pad = -1
        if window.is_padded:
            try:
                pad = pad_value(t.padding[1] if t.padding else own, zero, step, levels, t.stage.rows)
            except InputError as e:
                if not (self.guess and t.stage.weights is None):
                    raise
                raise InputError(f"{e}; or see `coding`, as nothing says what the inputs' levels are") from None
        window = replace(window, pad=pad)
        if node is not self.last and node.label not in self.plain and (step > 0).all():
            factors = past_shortcut(window, weights, factors)
        unit = 2 if pad == 0 else 1
        rows = unit * (window.n_in * factors.code.top + factors.shortcut) * levels.top + 1
        if found := _trouble(node, levels, weights, rows):
            raise InputError("; ".join(found))
        if t.stage.weights is None:
            self._arrange_input(t, elements)
        is_negated = by_group(step < 0, kernels, groups).reshape(n_out, -1).T
        middles = by_group(middle, kernels, groups).reshape(n_out, -1).T
        if node.op == "XnorPopcountMatMul":
            start, alpha, inexact = np.full(n_out, window.n_in / 2), np.full(n_out, 0.5), np.zeros(n_out)
        else:
            start, alpha, inexact = sums(weights, factors, levels, middles, window.n_in, pads_middle=pad == 0)
        synapses = factors.synapses(is_negated).swapaxes(0, 1).reshape(n_out, -1)
        words = factors.scaling(alpha)
        more: dict[str, Any] = {"planes": levels.planes, "window": window, "shortcut": factors.shortcut}
        new = Stage(node.label, rows, n_out, synapses, factors.code, words, **more)
        new.ops.append(node.op)
        self.stages.append(new)
        return map_table(node, popcount_table(new, start, alpha, inexact, type_of_sums(t, weights)), t.index.ndim)

    def is_end(self, t: Table) -> bool:
        """Whether a table is of the last product's outputs."""
        return self.last is not None and t.stage is self.stages[-1] and t.stage.label == self.last.label

    def _arrange_input(self, t: Table, elements: NDArray[np.int64]) -> None:
        """Put the input in the order (y, x, channel) in which a convolution takes it."""
        self.input_order = elements
        self.outputs[0] = self.outputs[0].at(elements)


def too_large(rows: int, neurons: int) -> list[str]:
    """Return the reason against a table of so many popcounts, if there is one."""
    pairs = rows * neurons
    if pairs <= CELLS_MAX:
        return []
    return [f"a layer must have at most {CELLS_MAX:,} pairs of neuron and popcount, not {pairs:,}"]


def _trouble(node: Node, levels: Levels, weights: NDArray, rows: int) -> list[str]:
    """Return what is wrong with the factors of a product."""
    found = too_large(rows, weights.shape[1])
    if (levels.step != levels.step[0]).any() or levels.step[0] == 0:
        found.append("its activations must have one step between their two values, not one a channel")
    pair = {float(v) for v in (*np.unique(levels.lowest), *np.unique(levels.lowest + levels.step))}
    if node.op == "XnorPopcountMatMul" and (pair != {0.0, 1.0} or levels.top > 1 or not np.isin(weights, (0, 1)).all()):
        found.append("its operands must be 0 and 1")
    return found


def _uneven_input(t: Table, e: NoLevels) -> str:
    """Return why the levels of the input are none, or not one table for all elements."""
    value = t.columns(t.value)[:, :1]
    one = t.changed(value=value, low=value, high=value, axis=0)
    try:
        to_levels(one)
    except NoLevels:
        pass
    else:
        return (
            "takes inputs of which each channel has its own scale, and these cannot be folded into one integer:"
            " give the network inputs of one scale for all channels"
        )
    what = f"{t.quantiser}, " if t.quantiser else ""
    return (
        f"takes levels of the input in uneven steps, or more than {LEVELS_MAX} ({what}{e.levels} levels of"
        f" {t.stage.rows}), and the engine takes bits, or integers of 1 to 8 bits: quantise the input in even steps"
    )
