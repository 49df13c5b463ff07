"""The graph that every reader returns: the source's arithmetic as ONNX operators and float constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

#: Most elements of a tensor: 8,192 x 4,096.
ELEMENTS_MAX = 1 << 25
#: Most cells of a layer's table, of which a few copies are in memory: 4,096 neurons of 4,096 inputs.
CELLS_MAX = 17_000_000
#: Most bytes of a file that is read.
FILE_MAX = 1 << 28
#: Most nodes of a graph.
NODES_MAX = 20_000
#: Types of tensors' elements that are read, as ONNX numbers them.
DTYPES = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
    10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64,
}  # fmt: skip
#: Read as float32, of which it is the upper half.
BFLOAT16 = 16
_OTHERS = {
    8: "string", 14: "complex64", 15: "complex128", BFLOAT16: "bfloat16", 17: "float8e4m3fn", 18: "float8e4m3fnuz",
    19: "float8e5m2", 20: "float8e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4e2m1",
}  # fmt: skip


def element_type(number: int) -> str:
    """Return the name of a type."""
    return np.dtype(DTYPES[number]).name if number in DTYPES else _OTHERS.get(number, "an unknown type")


@dataclass(frozen=True)
class Node:
    """One operation.

    Parameters
    ----------
    name : str
        As the source calls it.
    op : str
        ONNX or QONNX operator.
    inputs, outputs : tuple of str
        Names of tensors; an empty input is left out.
    attrs : mapping
        Attributes as plain values and arrays.
    domain : str
        Of the operator; empty for ONNX itself.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    domain: str = ""

    @property
    def label(self) -> str:
        """Name and operator, for messages."""
        return f"{self.op} '{self.name}'"


@dataclass(frozen=True)
class Graph:
    """A source network.

    Parameters
    ----------
    nodes : tuple of Node
        Each after those whose outputs it takes; only those that the outputs need.
    constants : mapping of str to ndarray
        Tensors that are given.
    input : str
        The one tensor that is not.
    input_shape : tuple of int or None
        With the batch first; None where the source leaves it open.
    input_kind : str
        ``""``, or the coding of the input's values that the source declares: a key of
        ``oxnor.models.exchange.folding.inputs.CODINGS``.
    outputs : tuple of str
        Results; the first is the network's.
    notes : tuple of str
        What was assumed while reading.
    exact_scores : bool
        Keep the last layer's integers instead of reducing them (oxnor's own export).
    assumed : str
        What was assumed of a source that holds no operators, or no binary weights: its arithmetic is then ours.
    problems : tuple of str
        Why the network is refused, whatever its nodes are, one sentence each.
    other_inputs : tuple of str
        More tensors that are not given, of a network that is refused for it.
    last_layer_bits : int
        Round float weights of the last layer to so many bits; 0: refuse them.
    input_type : type
        Of the input's elements, if they are integers; else float32.
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray]
    input: str
    input_shape: tuple[int | None, ...]
    outputs: tuple[str, ...]
    input_kind: str = ""
    notes: tuple[str, ...] = ()
    exact_scores: bool = False
    assumed: str = ""
    problems: tuple[str, ...] = ()
    other_inputs: tuple[str, ...] = ()
    last_layer_bits: int = 0
    input_type: type = np.float32

    @property
    def has_halves(self) -> bool:
        """Whether any node computes with float16, which this package takes for float32."""
        halves = {name for name, v in self.constants.items() if v.dtype == np.float16}
        return any(
            node.attrs.get("to") == 10 if node.op == "Cast" else not halves.isdisjoint(node.inputs)
            for node in self.nodes
        )


class Unsupported(InputError):
    """A network that is refused, with all reasons.

    Parameters
    ----------
    problems : sequence of str
        One sentence a node.
    others : sequence of str
        What is wrong with the network as a whole, one sentence each.
    """

    def __init__(self, problems: Sequence[str], others: Sequence[str] = ()):
        self.problems = tuple(dict.fromkeys((*others, *problems)))
        n = len(self.problems)
        if n == 1 and others:
            super().__init__(others[0])
            return
        what = "reasons why the network" if others else f"node{'s' * (n != 1)}"
        shown = self.problems if n <= 40 else (*self.problems[:40], f"and {n - 40} more")
        super().__init__(f"{n} {what} cannot be imported" + "".join(f"\n  - {text}" for text in shown))


def needed_nodes(nodes: Sequence[Node], outputs: Sequence[str], known: set[str]) -> tuple[Node, ...]:
    """Return the nodes that `outputs` need, each after those it depends on.

    Raises
    ------
    InputError
        If a tensor has no source, has two, or depends on itself.
    """
    maker: dict[str, int] = {}
    for k, node in enumerate(nodes):
        for name in node.outputs:
            if name and (name in maker or name in known):
                raise InputError(f"tensor {name!r} must have one source, not two")
            maker[name] = k
    order: list[int] = []
    state = [0] * len(nodes)  # 1: waiting for its inputs, 2: done
    stack = [(maker[name], False) for name in reversed(outputs) if name in maker]
    for name in outputs:
        if name not in maker and name not in known:
            raise InputError(f"output {name!r} must be made by a node, and is not")
    while stack:
        k, ready = stack.pop()
        if ready:
            state[k] = 2
            order.append(k)
            continue
        if state[k] == 2:
            continue
        if state[k] == 1:
            raise InputError(f"{nodes[k].label} must not depend on itself")
        state[k] = 1
        stack.append((k, True))
        for name in nodes[k].inputs:
            if not name or name in known:
                continue
            if name not in maker:
                raise InputError(f"{nodes[k].label}: input {name!r} must be given or made by a node, and is not")
            if state[maker[name]] == 1:
                raise InputError(f"{nodes[maker[name]].label} must not depend on itself")
            stack.append((maker[name], False))
    return tuple(nodes[k] for k in order)


def check_elements(shape: Sequence[int], where: str) -> None:
    """Refuse a tensor that is too large, before it is made."""
    n = 1
    for size in shape:
        n *= int(size)
    if n > ELEMENTS_MAX:
        raise InputError(f"{where}: a tensor must have at most {ELEMENTS_MAX:,} elements, not {n:,}")


def finite(array: NDArray, where: str) -> NDArray:
    """Return `array` if every element is a number."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{where}: every value must be finite")
    return array
