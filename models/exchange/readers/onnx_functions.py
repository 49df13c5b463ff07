"""Inlining of the functions of an ONNX model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.graph import NODES_MAX


def inlined(
    nodes: Sequence[Any], functions: Mapping[tuple[str, str], Any], depth: int = 0, calls: Iterator[int] | None = None
) -> list[Any]:
    """Return the nodes with every call of a function replaced by its nodes.

    Raises
    ------
    InputError
        If functions call each other more than eight levels deep, or too many nodes come out.
    """
    if depth > 8:
        raise InputError("functions must call each other at most 8 levels deep")
    calls = calls or itertools.count()
    result: list[Any] = []
    for node in nodes:
        function = functions.get((node.domain, node.op_type))
        if function is None:
            result.append(node)
        else:
            prefix = f"{node.name or node.op_type}.{next(calls)}"
            result += inlined(_body(node, function, prefix), functions, depth + 1, calls)
        if len(result) > NODES_MAX:
            raise InputError(f"the graph must have at most {NODES_MAX:,} nodes")
    return result


def _body(call: Any, function: Any, prefix: str) -> list[Any]:
    rename = {"": ""}
    rename |= dict(zip(function.input, [*call.input, *[""] * len(function.input)], strict=False))
    rename |= dict(zip(function.output, [*call.output, *[""] * len(function.output)], strict=False))
    of_call = {a.name: a for a in call.attribute}
    defaults = {a.name: a for a in function.attribute_proto}
    body = []
    for node in function.node:
        copy = type(node)()
        copy.CopyFrom(node)
        for names in (copy.input, copy.output):
            for i, name in enumerate(names):
                names[i] = rename.setdefault(name, f"{prefix}/{name}")
        copy.name = f"{call.name or call.op_type}/{node.name or node.op_type}"
        kept = []
        for a in copy.attribute:
            if a.ref_attr_name:
                source = of_call.get(a.ref_attr_name, defaults.get(a.ref_attr_name))
                if source is None:
                    continue
                new = type(a)()
                new.CopyFrom(source)
                new.name = a.name
                kept.append(new)
            else:
                kept.append(a)
        del copy.attribute[:]
        copy.attribute.extend(kept)
        body.append(copy)
    return body
