"""Execution of a source graph on images, in the source's own float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import in_type_names

from . import ops
from .graph import Graph, Node
from .results import run_head, run_map, run_product


def _run(node: Node, x: list[Any], batch: int | None) -> list[NDArray]:
    if node.op == "Constant":
        return [ops.constant_value(node.attrs)]
    if node.op in ops.PRODUCTS:
        return [run_product(node, x)]
    if node.op in ops.MAPS:
        return [run_map(node, x)]
    if node.op in ops.HEADS:
        return run_head(node.op, x, node.attrs)
    if node.op in ops.SHAPES:
        return [ops.run_shape(node.op, x, node.attrs, batch)]
    table = ops.CONSTANT_ONLY if node.op in ops.CONSTANT_ONLY else ops.ELEMENTWISE
    return [np.asarray(table[node.op](x, node.attrs))]


def prepared(graph: Graph) -> Graph:
    """Return the graph with every node that needs no image already run."""
    values = dict(graph.constants)
    rest = []
    for node in graph.nodes:
        if all(not name or name in values for name in node.inputs):
            with np.errstate(all="ignore"):
                results = _run(node, [values.get(name) for name in node.inputs], None)
            values |= dict(zip(node.outputs, results, strict=False))
        else:
            rest.append(node)
    return Graph(tuple(rest), values, graph.input, graph.input_shape, graph.outputs, graph.input_kind)


def execute(graph: Graph, x: NDArray) -> NDArray:
    """Return the network's first output for inputs x of shape (n, ...).

    Raises
    ------
    InputError
        If the graph cannot take this many images at once.
    """
    values: dict[str, Any] = {graph.input: x, **graph.constants}
    last = {name: k for k, node in enumerate(graph.nodes) for name in node.inputs}
    for k, node in enumerate(graph.nodes):
        try:
            with np.errstate(all="ignore"):
                results = _run(node, [values.get(name) if name else None for name in node.inputs], graph.input_shape[0])
        except (ValueError, IndexError, TypeError) as e:
            why = in_type_names(str(e))[:120]
            raise InputError(f"{node.label}: cannot be run on {len(x)} images ({why})") from None
        values |= dict(zip(node.outputs, results, strict=False))
        for name in node.inputs:
            if last[name] == k and name not in graph.outputs:
                values.pop(name, None)
    return np.asarray(values[graph.outputs[0]])
