"""Walk through a source graph, in which every tensor is a table over the popcounts of the layer before it.

Between two matrix products a neuron's value depends only on its popcount. So the source's own arithmetic is run on
all n_in + 1 popcounts of all neurons at once, as if they were images, and the threshold is where the result changes.
That is the fold and its proof in one; no rule for batch norm, scales, signs or equality is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import in_type_names

from . import ops
from .elements import SAME, elementwise, head, keeps_class
from .ends import summed_up
from .graph import ELEMENTS_MAX, Graph, Node, Unsupported
from .layers import InputLevels, Layers
from .maps import CHANNELS_LAST, averaged, padded, pooled, unfolded
from .refusals import NO_SCORES, REFUSED, WHY, FallingShortcut, not_finite
from .results import run_head, run_map, run_product
from .shapes import reshaped
from .table import Stage, Table
from .unknown import Unknown, is_convolution, joined, product_trouble, result, trouble

#: Operator domains: ONNX itself, and those under which one-bit quantisers are found.
DOMAINS = frozenset({
    "", "ai.onnx", "finn", "onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general", CHANNELS_LAST,
})  # fmt: skip
_QUANTISERS = frozenset({"Quant", "IntQuant", "MultiThreshold", "QuantizeLinear", "BipolarQuant"})
_QONNX = frozenset({
    "BipolarQuant", "Quant", "IntQuant", "MultiThreshold", "XnorPopcountMatMul", "MaxPoolNHWC", "Im2Col",
})  # fmt: skip
_CHANNELS_LAST = frozenset({
    "Conv", "MaxPool", "GlobalMaxPool", "GlobalAveragePool", "AveragePool", "BatchNormalization",
})  # fmt: skip
_MAPS: dict[str, Callable[[Node, list[Any], Table], Table]] = {
    "Pad": padded, "Im2Col": lambda node, x, t: unfolded(node, t),
    "AveragePool": lambda node, x, t: averaged(node, t), "GlobalAveragePool": lambda node, x, t: averaged(node, t),
}  # fmt: skip
#: A head, and what may follow it as it keeps the class.
_LOG = ("Softmax", "Log")
#: What an operator over height and width is.
_REDUCED = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool"}
_BINARY = frozenset({
    "Add", "Sub", "Mul", "Div", "Sum", "Pow", "Where", "Min", "Max", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
    "Equal", "And", "Or", "Xor", "BipolarQuant",
})  # fmt: skip


class Walk:
    """Walks through a graph once.

    Parameters
    ----------
    graph : Graph
    levels : ndarray, shape (256,) or (2,), or None
        Values that an element of the input can have; None if they are not known.
    guess : bool
        Raise :class:`InputLevels` where the levels give a constant input, so that others can be tried.
    constant_inputs : bool
        Do so only where they give no other.
    plain : set of str
        Convolutions whose weights are taken as they are, without a shortcut.
    """

    def __init__(
        self, graph: Graph, levels: NDArray | None, guess: bool = False, constant_inputs: bool = True,
        plain: AbstractSet[str] = frozenset(),
    ):  # fmt: skip
        self.graph = graph
        self.layers = Layers(
            guess, constant_inputs, {}, [], last=_last_product(graph), last_layer_bits=graph.last_layer_bits,
            plain=plain,
        )
        self.values: dict[str, Any] = dict(graph.constants)
        self.values |= {name: Unknown("", Stage(f"input {name!r}", 0, 0)) for name in graph.other_inputs}
        self.problems: list[str] = []
        self.others = [*graph.problems]
        self.sizes: dict[str, int] = {}
        self.values[graph.input] = self._input(levels)

    def _input(self, levels: NDArray | None) -> Table | Unknown:
        name, shape = self.graph.input, self.graph.input_shape[1:]
        sizes = [int(n) for n in shape if n is not None]
        n = int(np.prod(sizes, dtype=object))
        if not shape or any(n is None or n < 1 for n in shape):
            given = ", ".join("any" if n is None else str(n) for n in self.graph.input_shape) or "none"
            self.others.append(f"input {name!r} must have a batch and fixed sizes, not {given}")
        elif n > 1 << 16:
            self.others.append(f"input {name!r} must have at most {1 << 16} elements, not {n}")
        elif levels is not None:
            return self._levels(levels, sizes, n)
        return Unknown("", Stage(f"input '{name}'", 0, 0))

    def _levels(self, levels: NDArray, sizes: list[int], n: int) -> Table:
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
            except (InputLevels, FallingShortcut):
                raise
            except InputError as e:
                results = self._refuse(node, [str(e)])
            except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, ZeroDivisionError,
                    AttributeError) as e:  # fmt: skip
                # numpy's errors for shapes that do not fit.
                why = in_type_names(str(e))[:120]
                self.problems.append(f"{node.label}: its inputs or attributes do not fit ({why})")
                results = []
            for name, value in zip(node.outputs, results, strict=False):
                if isinstance(value, Table) and not value.head:
                    value.name = name
                self.values[name] = value
            for name in node.inputs:  # tables are large
                done = name and last[name] == k and name not in self.graph.outputs
                if done and isinstance(self.values.get(name), Table):
                    self.values[name] = None
        out = self.values.get(self.graph.outputs[0])
        if isinstance(out, Unknown) and out.sign and out.stage is not None and out.stage.size > 1:
            self.others.append(NO_SCORES)
        if self.problems or self.others:
            raise Unsupported(self.problems, self.others)
        if not isinstance(out, Table):
            raise InputError(f"output {self.graph.outputs[0]!r} must depend on the input, and does not")
        if out.stage.weights is None:
            raise InputError("the network must have a matrix product (MatMul or Gemm) of its input, and has none")
        return out

    def _node(self, node: Node) -> list[Any]:
        if why := _refusal(node):
            raise InputError(why)
        if node.op == "Constant":
            return [ops.constant_value(node.attrs)]
        x = self._inputs(node)
        bits, wrong = self._bits_of(node, x), not_finite(node, x)
        if any(isinstance(v, Unknown) for v in x):
            wrong += trouble(node, x, bits, self.layers)
            if wrong:
                self.problems.append(f"{node.label}: {'; '.join(wrong)}")
            return [result(node, x, bits)] * len(node.outputs)
        if node.op == "Shape" or any(name in self.sizes for name in node.inputs):
            self._follow_sizes(node, x)
        if node.op in ops.PRODUCTS and any(isinstance(v, Table) for v in x):
            return [self.layers.product(node, x, wrong)]
        if wrong:
            raise InputError("; ".join(wrong))
        if not any(isinstance(v, Table) for v in x):
            return self._constant(node, x, bits)
        return self._on_table(node, x, bits)

    def _inputs(self, node: Node) -> list[Any]:
        return [self.values.get(name, Unknown()) if name else None for name in node.inputs]

    def _refuse(self, node: Node, found: list[str]) -> list[Any]:
        """Note why a node is refused, with what else is wrong in any case; return what is known of its results."""
        x = self._inputs(node)
        is_product = node.op in ops.PRODUCTS
        if node.domain == REFUSED if is_product else is_convolution(node):
            found = [*found, *not_finite(node, x), *product_trouble(node, x, self.layers)]
        elif not is_product and not any(text.startswith("it joins") for text in found):
            found = [*found, *joined(x)]
        self.problems.append(f"{node.label}: {'; '.join(dict.fromkeys(found))}")
        return [result(node, x)] * len(node.outputs)

    def _follow_sizes(self, node: Node, x: list[Any]) -> None:
        """Keep the number of images, which shapes are made of, out of all arithmetic."""
        tables = [v for v in x if isinstance(v, Table)]
        if node.op == "Shape" or not tables:
            rows = tables[0].stage.rows if tables else max((self.sizes.get(v, 0) for v in node.inputs), default=0)
            self.sizes |= dict.fromkeys(node.outputs, rows)
        elif node.op not in ops.SHAPES:
            rows = tables[0].stage.rows
            for name, v in zip(node.inputs, x, strict=True):
                if name in self.sizes and isinstance(v, np.ndarray) and (abs(v) == rows).any():
                    raise InputError("it computes with the number of images")

    def _on_table(self, node: Node, x: list[Any], bits: float) -> list[Any]:
        t = next(v for v in x if isinstance(v, Table))
        if t.head:
            return self._after_head(node, x, t)
        if node.op in ops.HEADS:
            return head(node, t)
        if node.op in ops.SHAPES:
            return [reshaped(node, x, t, self.graph.input_shape[0])]
        if node.op in ("AveragePool", "GlobalAveragePool") and self.layers.is_end(t):
            return [summed_up(node, t, is_mean=True)]
        if node.op in ops.MAPS:
            y = _MAPS.get(node.op, lambda node, x, t: pooled(node, t))(node, x, t)
            return [y]
        if t.index.ndim in (3, 4) and (node.op in _REDUCED or (node.op == "ReduceSum" and self.layers.is_end(t))):
            return [self._reduced(node, x, t)]
        if node.op in ops.CONSTANT_ONLY:
            raise InputError("it picks or joins activations: only chains of layers are supported")
        y = elementwise(node, x)
        if bits > 1:
            y.quantiser = f"{node.label}, {bits:g} bits"
        elif node.op in _QUANTISERS:
            y.quantiser = ""
        return [y]

    def _after_head(self, node: Node, x: list[Any], t: Table) -> list[Any]:
        """Return the results of what follows a head, if it keeps the class."""
        is_class = t.head in ("ArgMax", "TopK")
        if node.op in SAME and keeps_class(node, x, is_class):
            return [t] * len(node.outputs)
        if node.op in ops.SHAPES:  # of one class an image nothing can change its place
            return [t if is_class else reshaped(node, x, t, self.graph.input_shape[0])]
        if node.op in ("ArgMax", "TopK") and not is_class:
            return head(node, t)
        if (t.head, node.op) == _LOG:
            return [t]
        raise InputError(f"nothing may follow {t.head}, which ends the network")

    def _reduced(self, node: Node, x: list[Any], t: Table) -> Table:
        """Return the table of a mean or largest over height and width, as PyTorch has them, or of a sum at the end."""
        axes = sorted(k % t.index.ndim for k in ops.axes_of(x, node.attrs) or range(t.index.ndim))
        first, last = ([2, 3], [1, 2]) if t.index.ndim == 4 else ([2], [1])
        if axes not in (first, last):
            raise InputError("it must be taken over height and width")
        domain = CHANNELS_LAST if axes == last else ""
        part = Node(node.name, _REDUCED.get(node.op, "GlobalAveragePool"), node.inputs, node.outputs, {}, domain)
        if node.op == "ReduceMax":
            y = pooled(part, t)
        else:
            y = summed_up(part, t, node.op == "ReduceMean") if self.layers.is_end(t) else averaged(part, t)
        if node.attrs.get("keepdims") != 0:
            return y
        return reshaped(Node(node.name, "Flatten", node.inputs, node.outputs, {"axis": 1}), [y], y, None)

    @staticmethod
    def _bits_of(node: Node, x: list[Any]) -> float:
        """Return the bit width of a quantiser; 0 if the node is none."""
        given = ops.optional(x, 3)
        if node.op in ("Quant", "IntQuant") and isinstance(given, np.ndarray) and given.size:
            width = float(given.max())
            if not 1 <= width <= 64:
                raise InputError(f"bit width must be in [1, 64], not {width:g}")
            return width
        if node.op == "MultiThreshold" and len(x) > 1 and isinstance(x[1], np.ndarray) and x[1].ndim == 2:
            return float(int(x[1].shape[1]).bit_length())
        return 8.0 if node.op == "QuantizeLinear" else 0.0

    def _constant(self, node: Node, x: list[Any], bits: float) -> list[Any]:
        if node.op in ops.PRODUCTS:
            results: list[Any] = [run_product(node, x)]
        elif node.op in ops.MAPS:
            results = [run_map(node, x)]
        elif node.op in ops.HEADS:
            results = run_head(node.op, x, node.attrs)
        elif node.op in ops.SHAPES:
            results = [ops.run_shape(node.op, x, node.attrs, None)]
        elif node.op in ("Expand", "ConstantOfShape") and (rows := self.sizes.pop(node.outputs[0], 0)):
            # A parameter, made as large as the activations: it stays one for all images.
            sizes = [n if k or n != rows else 1 for k, n in enumerate(np.ravel(x[-1]))]
            results = [ops.CONSTANT_ONLY[node.op]([*x[:-1], sizes], node.attrs)]
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


def _last_product(graph: Graph) -> Node | None:
    """Return the last product of a graph, or None if it is refused."""
    node = next((v for v in reversed(graph.nodes) if v.op in ops.PRODUCTS or is_convolution(v)), None)
    return node if node is not None and node.domain != REFUSED else None


def _refusal(node: Node) -> str:
    """Return why an operator is refused, wherever it stands; empty if it is supported."""
    if node.domain == REFUSED:
        return ops.text(node.attrs.get("why", "is not supported"))
    if node.domain not in DOMAINS and node.op in WHY and node.domain.startswith(("qonnx.", "finn.")):
        return WHY[node.op]  # in domains for other layouts of tensors
    if node.domain not in DOMAINS:
        return f"operator domain must be one of {', '.join(sorted(DOMAINS - {''}))}, not {node.domain!r}"
    known = _CHANNELS_LAST if node.domain == CHANNELS_LAST else _QONNX
    if node.domain not in ("", "ai.onnx") and node.op not in known:
        return WHY.get(node.op, f"the operator is not known in domain {node.domain!r}")
    supported = (node.op in ops.ELEMENTWISE or node.op in ops.SHAPES or node.op in ops.PRODUCTS or node.op in ops.MAPS
                 or node.op in ops.HEADS or node.op in ops.CONSTANT_ONLY or node.op == "Constant")  # fmt: skip
    return "" if supported else WHY.get(node.op, "the operator is not supported")
