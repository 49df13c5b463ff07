"""Walk through a source graph, in which every tensor is a table over the popcounts of the layer before it.

Between two matrix products a neuron's value depends only on its popcount. So the source's own arithmetic is run on
all n_in + 1 popcounts of all neurons at once, as if they were images, and the threshold is where the result changes.
That is the fold and its proof in one; no rule for batch norm, scales, signs or equality is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import in_type_names

from . import ops
from .elements import SAME, elementwise, head
from .graph import ELEMENTS_MAX, Graph, Node, Unsupported
from .layers import ONE_BIT, InputLevels, Layers
from .products import magnitudes
from .refusals import REFUSED, WHY, check_finite
from .shapes import reshaped
from .table import Stage, Table

#: Operator domains: ONNX itself, and those under which one-bit quantisers are found.
DOMAINS = frozenset({"", "ai.onnx", "finn", "onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general"})
#: Operators that make bits, and those that make values of which there are more than two.
_SIGNS = frozenset({
    "BipolarQuant", "Quant", "IntQuant", "MultiThreshold", "Sign", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
    "Equal", "Not", "And", "Or", "Xor", "Where",
})  # fmt: skip
_ACTIVATIONS = frozenset({
    "Relu", "LeakyRelu", "PRelu", "ThresholdedRelu", "Tanh", "Sigmoid", "Softsign", "HardSigmoid", "Exp",
})  # fmt: skip
_QUANTISERS = frozenset({"Quant", "IntQuant", "MultiThreshold", "QuantizeLinear", "BipolarQuant"})
_QONNX = frozenset({"BipolarQuant", "Quant", "IntQuant", "MultiThreshold", "XnorPopcountMatMul"})
_BINARY = frozenset({
    "Add", "Sub", "Mul", "Div", "Sum", "Pow", "Where", "Min", "Max", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
    "Equal", "And", "Or", "Xor", "BipolarQuant",
})  # fmt: skip


@dataclass(frozen=True)
class Unknown:
    """A tensor that cannot be known because a node before it cannot be imported.

    Parameters
    ----------
    what : str
        Why no product can take it, whatever its values are; empty if one might.
    """

    what: str = ""


class Walk:
    """Walks through a graph once.

    Parameters
    ----------
    graph : Graph
    levels : ndarray, shape (256,) or (2,)
        Values that an element of the input can have.
    guess : bool
        Raise :class:`InputLevels` where the levels give a constant input, so that others can be tried.
    constant_inputs : bool
        Do so only where they give no other.
    """

    def __init__(self, graph: Graph, levels: NDArray, guess: bool = False, constant_inputs: bool = True):
        self.graph = graph
        self.layers = Layers(guess, constant_inputs, {}, [])
        self.values: dict[str, Any] = dict(graph.constants)
        self.problems: list[str] = []
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
        self.layers.stages.append(stage)
        index = np.arange(n).reshape(1, *sizes)
        return Table(value, value, value, None, index, 0, stage, self.graph.input)

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
                result, more = self._refused(node)
                self.problems.append(f"{node.label}: {'; '.join((str(e), *more))}")
                results = [result] * len(node.outputs)
            except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, ZeroDivisionError,
                    AttributeError) as e:  # fmt: skip
                # numpy's errors for shapes that do not fit.
                why = in_type_names(str(e))[:120]
                self.problems.append(f"{node.label}: its inputs or attributes do not fit ({why})")
                results = [Unknown()] * len(node.outputs)
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
            raise InputError(WHY.get(node.op, f"the operator is not known in domain {node.domain!r}"))
        known = (node.op in ops.ELEMENTWISE or node.op in ops.SHAPES or node.op in ops.PRODUCTS
                 or node.op in ops.HEADS or node.op in ops.CONSTANT_ONLY)  # fmt: skip
        if not known:
            raise InputError(WHY.get(node.op, "the operator is not supported"))
        check_finite(node, x)
        bits = self._bits_of(node, x)
        unknown = next((v for v in x if isinstance(v, Unknown)), None)
        if unknown is not None:
            return [self._after_unknown(node, x, bits, unknown)] * len(node.outputs)
        if node.op == "Shape" or any(name in self.sizes for name in node.inputs):
            self._follow_sizes(node, x)
        if not any(isinstance(v, Table) for v in x):
            return self._constant(node, x, bits)
        if node.op in ops.PRODUCTS:
            return [self.layers.product(node, x)]
        return self._on_table(node, x, bits)

    def _after_unknown(self, node: Node, x: list[Any], bits: float, unknown: Unknown) -> Unknown:
        """Return what a node makes of a tensor that is not known; raise InputError for what is wrong in any case."""
        if bits > 1 and node.op in ("Quant", "IntQuant", "MultiThreshold"):
            raise InputError(f"{bits:g} bits: {ONE_BIT}")
        if node.op in ops.PRODUCTS:
            trouble = [unknown.what] if unknown.what else []
            try:
                self.layers.check_weights(node, x)
            except InputError as e:
                trouble.append(str(e))
            if trouble:
                raise InputError("; ".join(trouble))
            return Unknown(_sums(node))
        if node.op in _SIGNS:
            return Unknown()
        if node.op in _ACTIVATIONS:
            return Unknown(f"takes activations of {node.label}, which are more than two values: {ONE_BIT}")
        return unknown

    def _refused(self, node: Node) -> tuple[Unknown, list[str]]:
        """Return what is known of the result of a refused node, and what else is wrong with it if it is a convolution.

        Pooling and norms leave bits bits, and sums sums; of operators that are not known nothing is known.
        """
        x = [self.values.get(name) for name in node.inputs]
        before = next((v for v in x if isinstance(v, Unknown)), Unknown())
        if node.op in ops.PRODUCTS:
            return Unknown(_sums(node)), []
        if "Conv" not in node.op:
            return before if "Pool" in node.op or "Normalization" in node.op else Unknown(), []
        more = [before.what] if before.what else []
        if isinstance(x[0], Table):
            try:
                self.layers.bits_of(x[0])
            except InputLevels:
                pass
            except InputError as e:
                more.append(str(e))
        if len(x) > 1 and isinstance(x[1], np.ndarray) and x[1].ndim > 2 and node.domain != REFUSED:
            try:
                magnitudes(x[1].reshape(len(x[1]), -1).T, self.layers.quantised.get(node.inputs[1], ""))
            except InputError as e:
                more.append(str(e))
        return Unknown(_sums(node)), more

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
            if node.op in SAME or node.op in ops.SHAPES or node.op in ("ArgMax", "TopK"):
                return [t] * len(node.outputs)
            raise InputError(f"nothing may follow {t.head}, which ends the network")
        if node.op in ops.HEADS:
            return head(node, t, self.graph.opset)
        if node.op in ops.SHAPES:
            return [reshaped(node, x, t, self.graph.input_shape[0])]
        if node.op in ops.CONSTANT_ONLY:
            raise InputError("it picks or joins activations: only chains of dense layers are supported")
        y = elementwise(node, x)
        if bits > 1:
            y.quantiser = f"{node.label}, {bits:g} bits"
        elif node.op in _QUANTISERS:
            y.quantiser = ""
        return [y, *[Unknown()] * (len(node.outputs) - 1)]

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
        origin = next((self.layers.quantised[n] for n in node.inputs if n in self.layers.quantised), "")
        if bits > 1:
            origin = f"{node.label}, {bits:g} bits"
        elif node.op in _QUANTISERS:
            origin = ""
        for name in node.outputs:
            if origin:
                self.layers.quantised[name] = origin
        return [np.asarray(v) for v in results]


def _sums(node: Node) -> str:
    return f"takes sums of {node.label} that no sign has made bits: put a sign (BipolarQuant) between them"
