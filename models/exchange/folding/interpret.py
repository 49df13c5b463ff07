"""Reads a source graph as a binarized network: every tensor is a table over the popcounts of the layer before it.

Between two matrix products a neuron's value depends on its popcount alone. So the source's own arithmetic is run on
all n_in + 1 popcounts of all neurons at once, as if they were images, and the threshold is where the result changes.
That is the fold and its proof in one; no rule for batch norm, scales, signs or equality is needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from . import ops, rounding
from .graph import CELLS_MAX, ELEMENTS_MAX, Graph, Node, Unsupported
from .products import column_sums, magnitudes, popcount_table, scaling
from .table import Bits, Levels, Stage, Table, check_thresholds, rounding_mask, to_bits

#: Operator domains: ONNX itself, and those under which one-bit quantisers are found.
DOMAINS = frozenset({"", "ai.onnx", "finn", "onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general"})
#: The domain under which a reader names what it cannot translate, with attribute ``why``.
REFUSED = "oxnor.refused"
#: A tensor that cannot be known because a node before it cannot be imported.
UNKNOWN = object()
#: Operators under which no two outputs change places: not needed at the end.
_MONOTONE = frozenset({"Sigmoid", "Tanh", "Softsign", "HardSigmoid", "Exp"})
_SAME = frozenset({"Identity", "Dropout", "Cast", "CastLike", "StopGradient"})
_QUANTISERS = frozenset({"Quant", "IntQuant", "MultiThreshold", "QuantizeLinear", "BipolarQuant"})
_QONNX = frozenset({"BipolarQuant", "Quant", "IntQuant", "MultiThreshold", "XnorPopcountMatMul"})

_WHY = {
    "Conv": "convolutions are not supported: dense layers (MatMul, Gemm) are",
    "ConvTranspose": "convolutions are not supported: dense layers (MatMul, Gemm) are",
    "MaxPool": "pooling is not supported: dense layers (MatMul, Gemm) are",
    "AveragePool": "pooling is not supported: dense layers (MatMul, Gemm) are",
    "GlobalAveragePool": "pooling is not supported: dense layers (MatMul, Gemm) are",
    "LSTM": "recurrent layers are not supported", "GRU": "recurrent layers are not supported",
    "RNN": "recurrent layers are not supported",
    "If": "control flow is not supported: export the network in evaluation mode",
    "Loop": "control flow is not supported: export the network in evaluation mode",
    "Scan": "control flow is not supported: export the network in evaluation mode",
    "Trunc": "quantisers of more than 1 bit are not supported: train with 1-bit activations",
    "FloatQuant": "quantisers of more than 1 bit are not supported: train with 1-bit activations",
    "QuantAvgPool2d": "pooling is not supported: dense layers (MatMul, Gemm) are",
    "LayerNormalization": "it mixes neurons, so no threshold can stand for it: use batch normalisation",
    "InstanceNormalization": "it mixes neurons, so no threshold can stand for it: use batch normalisation",
    "GroupNormalization": "it mixes neurons, so no threshold can stand for it: use batch normalisation",
}  # fmt: skip


class InputLevels(InputError):
    """The input coding that was tried gives bits that never change."""


class Interpreter:
    """Walks through a graph once.

    Parameters
    ----------
    graph : Graph
    levels : ndarray, shape (256,) or (2,)
        Values that an element of the input can have.
    guess : bool
        Raise :class:`InputLevels` where the levels give a constant first layer, so that others can be tried.
    """

    def __init__(self, graph: Graph, levels: NDArray, guess: bool = False):
        self.graph, self.guess = graph, guess
        self.values: dict[str, Any] = dict(graph.constants)
        self.quantised: dict[str, str] = {}
        self.problems: list[str] = []
        self.stages: list[Stage] = []
        self.bits: list[Bits] = []
        self.elements: list[NDArray[np.int64]] = []
        self.records: list[dict[str, Any]] = []
        self.masks: list[NDArray[np.bool_] | None] = []
        self.sizes: set[str] = set()
        self.values[graph.input] = self._input(levels)

    def _input(self, levels: NDArray) -> Table:
        shape = self.graph.input_shape[1:]
        if len(self.graph.input_shape) < 2 or any(n is None or n < 1 for n in shape):
            raise InputError(
                f"input {self.graph.input!r} must have a batch and fixed sizes, not {self.graph.input_shape}"
            )
        sizes = [int(n) for n in shape if n is not None]
        n = int(np.prod(sizes, dtype=object))
        if n > 1 << 16:
            raise InputError(f"input {self.graph.input!r} must have at most {1 << 16} elements, not {n}")
        value = np.broadcast_to(levels.reshape([-1] + [1] * len(sizes)), (len(levels), *sizes))
        stage = Stage(f"input '{self.graph.input}'", len(levels), n)
        self.stages.append(stage)
        index = np.arange(n).reshape(1, *sizes)
        return Table(value, value, value, None, index, 0, stage, self.graph.input)

    # Walking

    def run(self) -> Table:
        """Return the table of the network's output.

        Raises
        ------
        Unsupported
            Naming every node that cannot be imported.
        """
        last = {name: k for k, node in enumerate(self.graph.nodes) for name in node.inputs}
        for k, node in enumerate(self.graph.nodes):
            try:
                with np.errstate(all="ignore"):
                    results = self._node(node)
            except InputLevels:
                raise
            except InputError as e:
                self.problems.append(f"{node.label}: {e}")
                results = [UNKNOWN] * len(node.outputs)
            except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, ZeroDivisionError,
                    AttributeError) as e:  # fmt: skip
                # What numpy says of shapes that do not fit.
                self.problems.append(f"{node.label}: its inputs or attributes do not fit ({str(e)[:120]})")
                results = [UNKNOWN] * len(node.outputs)
            for name, value in zip(node.outputs, results, strict=False):
                if isinstance(value, Table) and not value.head:
                    value.name = name
                self.values[name] = value
            for name in node.inputs:  # tables are large
                done = name and last[name] == k and name not in self.graph.outputs
                if done and isinstance(self.values[name], Table):
                    self.values[name] = None
        if self.problems:
            raise Unsupported(self.problems)
        out = self.values[self.graph.outputs[0]]
        if not isinstance(out, Table):
            raise InputError(f"output {self.graph.outputs[0]!r} must depend on the input, and does not")
        if out.stage.weights is None:
            raise InputError("the network must have a matrix product (MatMul or Gemm) of its input, and has none")
        return out

    def _node(self, node: Node) -> list[Any]:
        if node.op == "Constant":
            return [ops.constant_value(node.attrs)]
        x = [self.values[name] if name else None for name in node.inputs]
        if node.domain == REFUSED:
            raise InputError(ops.text(node.attrs.get("why", "is not supported")))
        if node.domain not in DOMAINS:
            raise InputError(f"operator domain must be one of {', '.join(sorted(DOMAINS - {''}))}, not {node.domain!r}")
        if node.domain not in ("", "ai.onnx") and node.op not in _QONNX:
            raise InputError(_WHY.get(node.op, f"the operator is not known in domain {node.domain!r}"))
        known = (node.op in ops.ELEMENTWISE or node.op in ops.SHAPES or node.op in ops.PRODUCTS
                 or node.op in ops.HEADS or node.op in ops.CONSTANT_ONLY)  # fmt: skip
        if not known:
            raise InputError(_WHY.get(node.op, "the operator is not supported"))
        bits = self._bits_of(node, x)
        if any(v is UNKNOWN for v in x):
            if bits > 1 and node.op in ("Quant", "IntQuant", "MultiThreshold"):
                raise InputError(f"{bits:g} bits: {_ONE_BIT}")
            if node.op in ops.PRODUCTS:
                self._check_other_operand(node, x)
            return [UNKNOWN] * len(node.outputs)
        if node.op == "Shape" or any(name in self.sizes for name in node.inputs):
            self._follow_sizes(node, x)
        if not any(isinstance(v, Table) for v in x):
            return self._constant(node, x, bits)
        if node.op in ops.PRODUCTS:
            return [self._product(node, x)]
        return self._on_table(node, x, bits)

    def _follow_sizes(self, node: Node, x: list[Any]) -> None:
        """Keep the number of images, which shapes are made of, out of all arithmetic."""
        tables = [v for v in x if isinstance(v, Table)]
        if node.op == "Shape" or not tables:
            self.sizes.update(node.outputs)
        elif node.op not in ops.SHAPES:
            rows = tables[0].stage.rows
            for name, v in zip(node.inputs, x, strict=True):
                if name in self.sizes and isinstance(v, np.ndarray) and (v == rows).any():
                    raise InputError("it computes with the number of images")

    def _on_table(self, node: Node, x: list[Any], bits: float) -> list[Any]:
        t = next(v for v in x if isinstance(v, Table))
        if t.head:
            if node.op in _SAME or node.op in ops.SHAPES or node.op in ("ArgMax", "TopK"):
                return [t] * len(node.outputs)
            raise InputError(f"nothing may follow {t.head}, which ends the network")
        if node.op in ops.HEADS:
            return self._head(node, t)
        if node.op in ops.SHAPES:
            return [self._shape(node, x, t)]
        if node.op in ops.CONSTANT_ONLY:
            raise InputError("it picks or joins activations: only chains of dense layers are supported")
        y = self._elementwise(node, x)
        if bits > 1:
            y.quantiser = f"{node.label}, {bits:g} bits"
        elif node.op in _QUANTISERS:
            y.quantiser = ""
        return [y, *[UNKNOWN] * (len(node.outputs) - 1)]

    @staticmethod
    def _bits_of(node: Node, x: list[Any]) -> float:
        """Return the bit width of a quantiser; 0 if the node is none."""
        if node.op in ("Quant", "IntQuant") and len(x) > 3 and isinstance(x[3], np.ndarray) and x[3].size:
            width = float(np.ravel(x[3])[0])
            if not 1 <= width <= 64:
                raise InputError(f"bit width must be in [1, 64], not {width:g}")
            return width
        if node.op == "MultiThreshold" and len(x) > 1 and isinstance(x[1], np.ndarray) and x[1].ndim == 2:
            return float(int(x[1].shape[1]).bit_length())
        return 8.0 if node.op == "QuantizeLinear" else 0.0

    def _constant(self, node: Node, x: list[Any], bits: float) -> list[Any]:
        if node.op in ops.PRODUCTS:
            results: list[Any] = [ops.run_product(node.op, x, node.attrs)]
        elif node.op in ops.HEADS:
            results = ops.run_head(node.op, x, node.attrs)
        elif node.op in ops.SHAPES:
            results = [ops.run_shape(node.op, x, node.attrs, None)]
        elif node.op in ops.CONSTANT_ONLY:
            results = [ops.CONSTANT_ONLY[node.op](x, node.attrs)]
        else:
            shape = np.broadcast_shapes(*(np.shape(v) for v in x if v is not None and node.op in _BINARY))
            if int(np.prod(shape, dtype=object)) > ELEMENTS_MAX:
                raise InputError(f"a tensor must have at most {ELEMENTS_MAX:,} elements")
            results = [ops.ELEMENTWISE[node.op](x, node.attrs)]
        origin = next((self.quantised[n] for n in node.inputs if n in self.quantised), "")
        if bits > 1:
            origin = f"{node.label}, {bits:g} bits"
        elif node.op in _QUANTISERS:
            origin = ""
        for name in node.outputs:
            if origin:
                self.quantised[name] = origin
        return [np.asarray(v) for v in results]

    # Shapes

    def _shape(self, node: Node, x: list[Any], t: Table) -> Any:
        op, a, nd = node.op, node.attrs, t.value.ndim
        if op == "Shape":
            return ops.run_shape(op, [t.value], a, None)
        if len(x) > 1 and isinstance(x[1], Table):
            raise InputError("its shape must not depend on the images")
        axis = t.axis
        if op == "Transpose":
            perm = [int(k) % nd for k in a.get("perm", range(nd)[::-1])]
            if sorted(perm) != list(range(nd)):
                raise InputError(f"perm must order {nd} dimensions, not {perm}")
            axis = perm.index(axis)
        elif op == "Squeeze":
            axes = ops.axes_of(x, a)
            gone = [k for k in range(nd) if t.value.shape[k] == 1] if axes is None else [k % nd for k in axes]
            if t.axis in gone:
                raise InputError("it must not remove the dimension of the images")
            axis -= sum(k < t.axis for k in gone)
        elif op == "Unsqueeze":
            axes = ops.axes_of(x, a) or []
            total = nd + len(axes)
            new = {k % total for k in axes}
            axis = [k for k in range(total) if k not in new][t.axis]
        elif t.axis != 0:
            raise InputError("the images must be the first dimension")

        def change(array: NDArray) -> NDArray:
            y = ops.run_shape(op, [array, *x[1:]], a, self._fixed_batch())
            if y.ndim <= axis or y.shape[axis] != array.shape[t.axis] or y.size != array.size:
                raise InputError("it must keep the images apart")
            return y

        return self._mapped(t, change, self._index_like(t, op, x, a, axis), axis)

    def _index_like(self, t: Table, op: str, x: list[Any], a: Any, axis: int) -> NDArray[np.int64]:
        """Return the index after a change of shape, which is done to a stack of as many indices as there are rows."""
        rows = t.value.shape[t.axis]
        stacked = np.broadcast_to(t.index, t.value.shape)
        y = ops.run_shape(op, [stacked, *x[1:]], a, self._fixed_batch())
        if y.ndim <= axis or y.shape[axis] != rows:
            raise InputError("it must keep the images apart")
        return np.take(y, [0], axis=axis).copy()

    def _fixed_batch(self) -> int | None:
        return self.graph.input_shape[0]

    @staticmethod
    def _mapped(t: Table, change: Any, index: NDArray[np.int64], axis: int) -> Table:
        value = change(t.value)
        low, high = (value, value) if t.exact else (change(t.low), change(t.high))
        wide = None if t.wide is None else change(t.wide)
        before = None if t.before is None else t.before
        return Table(value, low, high, wide, index, axis, t.stage, "", t.quantiser, t.head, before)

    # Elements

    def _elementwise(self, node: Node, x: list[Any]) -> Table:
        tables = [v for v in x if isinstance(v, Table)]
        t = max(tables, key=lambda v: v.value.ndim)
        for other in tables:
            if other.stage is not t.stage:
                raise InputError(
                    f"it joins {other.stage.label} and {t.stage.label}: only chains of layers are supported"
                )
            if other.value.shape != t.value.shape or other.axis != t.axis or not np.array_equal(other.index, t.index):
                raise InputError("it joins activations in another order")
        f = ops.ELEMENTWISE[node.op]
        if node.attrs.get("training_mode", 0) or (
            node.op == "Dropout" and len(x) > 2 and x[2] is not None and np.any(x[2])
        ):
            raise InputError("it is in training mode: export the network in evaluation mode (model.eval())")
        if node.op in ("BatchNormalization", "MultiThreshold") and t.axis != 0:
            raise InputError("the images must be the first dimension")

        def apply(which: str) -> NDArray:
            return np.asarray(f([getattr(v, which) if isinstance(v, Table) else v for v in x], node.attrs))

        value = apply("value")
        axis = t.axis + value.ndim - t.value.ndim
        if value.size != t.value.size or value.shape[axis] != t.value.shape[t.axis]:
            raise InputError("a constant must not have more elements than the activations")
        low, high = value, value
        if not all(v.exact for v in tables):
            low, high = apply("low"), apply("high")
            low, high = np.minimum(np.minimum(low, high), value), np.maximum(np.maximum(low, high), value)
        rounds = rounding.rounds(node, f, x, value) if node.op in ops.ROUNDED and value.dtype.kind == "f" else None
        if rounds is not None and low is not high:
            rounds |= low != high
        if rounds is not None and rounds.any():
            slack = np.where(rounds, rounding.slack(node, x, value), 0)
            low, high = (low - slack).astype(value.dtype), (high + slack).astype(value.dtype)
        if low is not high and np.array_equal(low, high):
            low = high = value
        wide = None
        if all(v.wide is not None for v in tables):
            narrowing = node.op in ("Cast", "CastLike") and value.dtype.kind == "f"
            wide = t.wide if narrowing else apply("wide")
        if node.op not in _SAME:
            t.stage.ops.append(node.op)
        before = (t.before or t) if node.op in _MONOTONE else t.before if node.op in _SAME else None
        return Table(value, low, high, wide, t.index.reshape(self._row_shape(value, axis)), axis, t.stage, "",
                     t.quantiser, "", before)  # fmt: skip

    @staticmethod
    def _row_shape(value: NDArray, axis: int) -> tuple[int, ...]:
        return tuple(1 if k == axis else n for k, n in enumerate(value.shape))

    def _head(self, node: Node, t: Table) -> list[Any]:
        axis = int(node.attrs.get("axis", 0 if node.op == "ArgMax" else -1)) % t.value.ndim
        if node.op in ("Softmax", "LogSoftmax") and self.graph.opset < 13 and "axis" not in node.attrs:
            axis = t.value.ndim - 1
        if axis == t.axis or t.value.shape[axis] != t.stage.size:
            raise InputError("it must be taken over the classes of the last layer")
        if node.op == "ArgMax" and node.attrs.get("select_last_index", 0):
            raise InputError("select_last_index must be 0: the lowest index wins a tie")
        if node.op == "TopK" and not node.attrs.get("largest", 1):
            raise InputError("largest must be 1")
        t = t.before or t
        y = Table(t.value, t.low, t.high, t.wide, t.index, t.axis, t.stage, t.name, t.quantiser, node.op)
        return [y] * len(node.outputs)

    # Products

    def _product(self, node: Node, x: list[Any]) -> Table:
        left, right, swapped = x[0], x[1], False
        if isinstance(left, Table) and isinstance(right, Table):
            raise InputError("it multiplies activations by activations")
        a = node.attrs
        if node.op == "Gemm":
            left = self._turned(left) if a.get("transA", 0) else left
            right = self._turned(right) if a.get("transB", 0) else right
        if isinstance(right, Table):
            if right.value.ndim != 2 or left.ndim != 2:
                raise InputError("weights on the left must be a matrix")
            left, right, swapped = self._turned(right), left.T, True
        if not isinstance(left, Table):
            raise InputError("one operand must depend on the images")
        weights = np.asarray(right)
        while weights.ndim > 2 and weights.shape[0] == 1:
            weights = weights[0]
        shape = left.value.shape
        if weights.ndim != 2 or left.axis != 0 or int(np.prod(shape[1:])) != shape[-1] or shape[-1] != len(weights):
            raise InputError(f"activations of shape {shape[1:]} by weights of shape {weights.shape} are no dense layer")
        if weights.dtype.kind not in "fiub":
            raise InputError(f"weights must be numbers, not {weights.dtype}")
        names = node.inputs[0] if swapped else node.inputs[1]
        y = self._dense(node, left, weights, self.quantised.get(names, ""))
        y.index = y.index.reshape([1] * (left.value.ndim - 1) + [-1])
        y = self._mapped(y, lambda v: v.reshape(*v.shape[:1], *shape[1:-1], v.shape[-1]), y.index, 0)
        if swapped:
            y = self._turned(y)
        if node.op != "Gemm":
            return y
        if a.get("alpha", 1.0) != 1.0:
            y = self._elementwise(_part(node, "Mul"), [y, np.float32(a["alpha"])])
        if len(x) > 2 and x[2] is not None:
            bias = np.asarray(x[2])
            if a.get("beta", 1.0) != 1.0:
                bias = bias * np.float32(a["beta"])
            y = self._elementwise(_part(node, "Add"), [y, bias])
        return y

    @staticmethod
    def _turned(v: Any) -> Any:
        if not isinstance(v, Table):
            return np.asarray(v).T
        if v.value.ndim != 2:
            raise InputError("a transposed operand must be a matrix")
        return Interpreter._mapped(v, np.transpose, v.index.T, 1 - v.axis)

    def _check_other_operand(self, node: Node, x: list[Any]) -> None:
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
        if stage.taken_by:
            raise InputError(f"{stage.label} is taken by {stage.taken_by} too: only chains of layers are supported")
        stage.taken_by = node.label
        magnitude = None
        trouble: list[str] = []
        try:
            xnor = node.op == "XnorPopcountMatMul"  # its weights are 0 and 1
            magnitude = np.ones(weights.shape[1]) if xnor else magnitudes(weights, origin)
        except InputError as e:
            trouble.append(str(e))
        try:
            bits = self._bits(t)
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

    def _bits(self, t: Table) -> Bits:
        is_input = t.stage.weights is None
        try:
            bits = to_bits(t)
        except Levels as e:
            if is_input:
                raise InputError(_grey(t.stage.rows, t.quantiser, e)) from None
            if t.quantiser:
                raise InputError(f"takes {e.levels} levels of {t.quantiser}: {_ONE_BIT}") from None
            if e.levels > 8:
                raise InputError(
                    f"takes sums of {t.stage.label} that no sign has made bits: put a sign (BipolarQuant) between them"
                ) from None
            raise InputError(
                f"takes activations of {e.levels} levels from {t.stage.label}: {_ONE_BIT}{_zero_hint(t)}"
            ) from None
        if is_input and t.stage.rows > 2:
            if bits.constant:
                if self.guess:
                    raise InputLevels("the input never changes")
                raise InputError("the input must become bits of both values, and some never change: see `coding`")
            if len(np.unique(bits.switch)) > 1:
                raise InputError("the input must become bits at one grey level, not one a pixel")
        elif is_input and bits.constant:
            raise InputError("the input must give bits of both values, and some never change: see `coding`")
        return bits


_ONE_BIT = "only 1-bit activations are supported: train with 1 bit"
_BINARY = frozenset({
    "Add", "Sub", "Mul", "Div", "Sum", "Pow", "Where", "Min", "Max", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
    "Equal", "And", "Or", "Xor", "BipolarQuant",
})  # fmt: skip


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
