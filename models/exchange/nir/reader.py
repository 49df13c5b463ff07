"""NIR files as a chain of nodes; the package ``nir`` is not needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.graph import NODES_MAX, Unsupported

#: Name and version of what oxnor adds to a file's metadata.
METADATA, METADATA_VERSION = "oxnor", 1
#: Arrays that a node of each type must have.
NODE_TYPES: Mapping[str, tuple[str, ...]] = {
    "Input": ("shape",), "Output": ("shape",), "Flatten": (), "Scale": ("scale",), "Linear": ("weight",),
    "Affine": ("weight", "bias"), "Conv2d": ("weight", "stride", "padding", "dilation", "groups", "bias"),
    "SumPool2d": ("kernel_size", "stride", "padding"), "AvgPool2d": ("kernel_size", "stride", "padding"),
    "IF": ("r", "v_threshold"), "LIF": ("r", "tau", "v_leak", "v_threshold"),
}  # fmt: skip
#: Why nodes of other types are refused.
REFUSED: Mapping[str, str] = {
    "CubaLIF": "synapses with a current of their own are not supported: train with LIF or IF",
    "CubaLI": "synapses with a current of their own are not supported: train with LIF or IF",
    "LI": "a neuron that does not fire is not supported: end with IF, the output with most spikes wins",
    "I": "a neuron that does not fire is not supported: end with IF, the output with most spikes wins",
    "Conv1d": "convolutions along one side are not supported: Conv2d and Linear are",
    "Delay": "delays are not supported",
    "Threshold": "a threshold without a membrane is not supported: use IF",
    "NIRGraph": "graphs inside the graph are not supported: write one flat graph",
}


@dataclass(frozen=True)
class NirNode:
    """One node: its name and type, its arrays, and oxnor's metadata of it, or None."""

    name: str
    kind: str
    arrays: Mapping[str, NDArray]
    metadata: Mapping[str, Any] | None

    @property
    def label(self) -> str:
        """Type and name, for messages."""
        return f"{self.kind} '{self.name}'"


@dataclass(frozen=True)
class NirGraph:
    """A NIR file: its nodes from the input to the output, and oxnor's metadata of the file, or None."""

    nodes: tuple[NirNode, ...]
    metadata: Mapping[str, Any] | None


def parse(arrays: Mapping[str, NDArray], texts: Mapping[str, Any]) -> NirGraph:
    """Return the graph of a NIR file from its arrays and texts by their paths; nothing is trusted."""
    if texts.get("node/type") != "NIRGraph":
        raise InputError(f"node/type must be 'NIRGraph', not {str(texts.get('node/type'))[:60]!r}")
    types: dict[str, str] = {}
    for path, text in texts.items():
        parts = path.split("/")
        if parts[:2] == ["node", "nodes"] and len(parts) == 4 and parts[3] == "type":
            types[parts[2]] = str(text)[:60]
    if not 1 <= len(types) <= NODES_MAX:
        raise InputError(f"must have 1 to {NODES_MAX:,} nodes, not {len(types):,}")
    nodes = {}
    for name, kind in types.items():
        start = f"node/nodes/{name}/"
        own = {path.removeprefix(start): a for path, a in arrays.items() if path.startswith(start)}
        nodes[name] = NirNode(name, kind, own, _metadata(texts, f"{start}metadata/{METADATA}"))
    edges = texts.get("node/edges", [])
    pairs = isinstance(edges, list) and all(isinstance(e, list) and len(e) == 2 for e in edges)
    if not pairs or not all(isinstance(name, str) for e in edges for name in e):
        raise InputError("edges must be pairs of names of nodes")
    return NirGraph(_chain(nodes, edges), _metadata(texts, f"node/metadata/{METADATA}"))


def _metadata(texts: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    if path not in texts:
        return None
    try:
        metadata = json.loads(texts[path])
    except (ValueError, TypeError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict) or metadata.get("version") != METADATA_VERSION:
        raise InputError(f"{path} must be JSON of version {METADATA_VERSION}: it is damaged or from another release")
    return metadata


def _chain(nodes: Mapping[str, NirNode], edges: list[list[str]]) -> tuple[NirNode, ...]:
    """Return the nodes from the input to the output; everything that is not a chain is refused in one error."""
    problems, after, before = [], dict[str, str](), dict[str, str]()
    for a, b in edges:
        for name in (a, b):
            if name not in nodes:
                raise InputError(f"edges: {name[:60]!r} must be a node")
        if a in after:
            problems.append(f"{nodes[a].label}: its output goes to several nodes, or back: only chains are supported")
        if b in before:
            problems.append(f"{nodes[b].label}: it has several inputs: only chains are supported")
        after[a], before[b] = b, a
    for node in nodes.values():
        if node.kind not in NODE_TYPES:
            problems.append(f"{node.label}: {REFUSED.get(node.kind, 'the node is not supported')}")
    starts = [n for n in nodes.values() if n.kind == "Input"]
    if len(starts) != 1:
        raise InputError(f"must have one Input node, not {len(starts)}")
    chain, here = [starts[0]], starts[0].name
    while not problems and here in after and len(chain) < len(nodes):
        here = after[here]
        chain.append(nodes[here])
    for node in nodes.values() if not problems else ():
        if all(node is not f for f in chain):
            problems.append(f"{node.label}: it is not between the input and the output")
    if problems:
        raise Unsupported(problems)
    return tuple(chain)
