"""NIR files, of Norse, Sinabs, snnTorch and others, become spiking networks; the package ``nir`` is not needed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.graph import NODES_MAX, Unsupported, check_elements, finite
from oxnor.models.networks.encoders import Encoder
from oxnor.models.networks.spiking import VIEWS, Decision, Neuron, SpikingLayer, SpikingNetwork, read_settings

from .neuron import ROUNDING, Fitted, fit, to_nir

#: Name and version of what oxnor adds to a file's metadata.
METADATA, METADATA_VERSION = "oxnor", 1
#: Most cells of a layer: 8 of each of 4,096 x 4,096 weights.
CELLS_MAX = 1 << 27
#: Arrays that a node of each kind must have.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Input": ("shape",), "Output": ("shape",), "Flatten": (), "Scale": ("scale",), "Linear": ("weight",),
    "Affine": ("weight", "bias"), "IF": ("r", "v_threshold"), "LIF": ("r", "tau", "v_leak", "v_threshold"),
}  # fmt: skip
#: Why nodes of other kinds are refused.
REFUSED: Mapping[str, str] = {
    "CubaLIF": "synapses with a current of their own are not supported: train with IF",
    "CubaLI": "synapses with a current of their own are not supported: train with IF",
    "LI": "a neuron that does not fire is not supported: end with IF, the output with most spikes wins",
    "I": "a neuron that does not fire is not supported: end with IF, the output with most spikes wins",
    "Conv1d": "convolutions are not supported: Linear is",
    "Conv2d": "convolutions are not supported: Linear is",
    "SumPool2d": "pooling is not supported",
    "AvgPool2d": "pooling is not supported",
    "Delay": "delays are not supported",
    "Threshold": "a threshold without a membrane is not supported: use IF",
    "NIRGraph": "graphs inside the graph are not supported: write one flat graph",
}
_LIF = (
    "it decays by exp(-t / tau), which leaves every grid of integers; oxnor's leak is V / 2**leak a tick, rounded"
    " towards 0, and only LIF nodes that it has exported itself are taken: use IF"
)


@dataclass(frozen=True)
class NirNode:
    """One node: its name and kind, its arrays, and what oxnor wrote of it in the metadata, or None."""

    name: str
    kind: str
    arrays: Mapping[str, NDArray]
    metadata: Mapping[str, Any] | None

    @property
    def label(self) -> str:
        """Kind and name for people."""
        return f"{self.kind} '{self.name}'"


@dataclass(frozen=True)
class NirGraph:
    """A NIR file: its nodes from the input to the output, and what oxnor wrote of the whole, or None."""

    nodes: tuple[NirNode, ...]
    metadata: Mapping[str, Any] | None


@dataclass(frozen=True)
class SpikingOptions:
    """What an import of a spiking network is told by its user.

    Parameters
    ----------
    neuron, decision, encoder : mapping
        Fields that are wanted otherwise than the file says.
    rounding : bool
        Take the nearest weights if they lie on no grid.
    """

    neuron: Mapping[str, Any] = field(default_factory=dict)
    decision: Mapping[str, Any] = field(default_factory=dict)
    encoder: Mapping[str, Any] = field(default_factory=dict)
    rounding: bool = False

    def __bool__(self) -> bool:
        return bool(self.neuron or self.decision or self.encoder or self.rounding)


def settings_of(kind: type, text: str | None, option: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return ``field=value,field=value`` as a mapping; `option` names it in errors."""
    known = {f.name: f.default for f in fields(kind) if f.name not in without}
    found: dict[str, Any] = {}
    for part in (text or "").split(",") if text else ():
        name, _, value = part.strip().partition("=")
        if name not in known:
            raise InputError(f"{option}: must be FIELD=VALUE,... with fields {', '.join(known)}, not {part.strip()!r}")
        found[name] = value  # a wrong one is refused where it is used
        if isinstance(known[name], bool):
            found[name] = {"true": True, "false": False}.get(value, value)
        elif isinstance(known[name], int):
            if not re.fullmatch(r"-?[0-9]{1,18}", value):
                raise InputError(f"{option}: {name} must be a whole number, not {value!r}")
            found[name] = int(value)
    return found


def parse(arrays: Mapping[str, NDArray], texts: Mapping[str, Any]) -> NirGraph:
    """Return the graph in a NIR file, of which these are all arrays and texts by their paths; nothing is trusted."""
    if texts.get("node/type") != "NIRGraph":
        raise InputError(f"node/type must be 'NIRGraph', not {str(texts.get('node/type'))[:60]!r}")
    kinds: dict[str, str] = {}
    for path, text in texts.items():
        parts = path.split("/")
        if parts[:2] == ["node", "nodes"] and len(parts) == 4 and parts[3] == "type":
            kinds[parts[2]] = str(text)[:60]
    if not 1 <= len(kinds) <= NODES_MAX:
        raise InputError(f"must have 1 to {NODES_MAX:,} nodes, not {len(kinds):,}")
    nodes = {}
    for name, kind in kinds.items():
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
        found = json.loads(texts[path])
    except (ValueError, TypeError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("version") != METADATA_VERSION:
        raise InputError(f"{path} must be JSON of version {METADATA_VERSION}: it is damaged or from another release")
    return found


def _chain(nodes: Mapping[str, NirNode], edges: list[list[str]]) -> tuple[NirNode, ...]:
    """Return the nodes from the input to the output; whatever is no chain is refused, all at once."""
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
        if node.kind not in FIELDS:
            problems.append(f"{node.label}: {REFUSED.get(node.kind, 'the node is not supported')}")
        elif node.kind == "LIF" and node.metadata is None:
            problems.append(f"{node.label}: {_LIF}")
    starts = [n for n in nodes.values() if n.kind == "Input"]
    if len(starts) != 1:
        raise InputError(f"must have one Input node, not {len(starts)}")
    found, here = [starts[0]], starts[0].name
    while not problems and here in after and len(found) < len(nodes):
        here = after[here]
        found.append(nodes[here])
    for node in nodes.values() if not problems else ():
        if all(node is not f for f in found):
            problems.append(f"{node.label}: it is not between the input and the output")
    if problems:
        raise Unsupported(problems)
    return tuple(found)


def _numbers(node: NirNode, name: str, ndim: int | None = None) -> NDArray[np.float64]:
    array = node.arrays.get(name)
    if array is None or array.dtype.kind not in "fiu" or (ndim is not None and array.ndim != ndim):
        shape = "" if ndim is None else f" of {ndim} dimension{'s' * (ndim != 1)}"
        raise InputError(f"{node.label}: must have numbers{shape} in {name!r}")
    check_elements(array.shape, node.label)
    return finite(array.astype(np.float64), f"{node.label} {name}")


@dataclass
class _Folder:
    """Folds nodes into layers, one after the other."""

    options: SpikingOptions
    window: int
    size: int = 0
    events: int = 0
    matrix: NDArray[np.float64] | None = None
    factors: Any = 1.0
    via: list[NirNode] = field(default_factory=list)
    layers: list[SpikingLayer] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)

    def add(self, node: NirNode) -> None:
        """Take a node; raises InputError with its name if that cannot be."""
        if node.kind == "Input":
            sizes = _numbers(node, "shape").reshape(-1)
            if (sizes != np.rint(sizes)).any() or (sizes < 1).any() or np.prod(sizes) > 1 << 20:
                raise InputError(f"{node.label}: shape must be whole numbers from 1, of at most 1,048,576 values")
            self.size = int(np.prod(sizes))
            self.events = self.size * self.window
        elif node.kind in ("Linear", "Affine"):
            self._linear(node)
        elif node.kind == "Scale":
            scale = _numbers(node, "scale").reshape(-1)
            if len(scale) not in (1, self.size):
                raise InputError(f"{node.label}: scale must have {self.size} values, not {len(scale)}")
            if self.matrix is None:
                self.factors = self.factors * scale
            else:
                self.matrix = scale[:, None] * self.matrix
        elif node.kind in ("IF", "LIF"):
            self._neurons(node)
            return
        if node.kind in ("Linear", "Affine", "Scale"):
            self.via.append(node)

    def _linear(self, node: NirNode) -> None:
        weight = _numbers(node, "weight", 2)
        if weight.shape[1] != self.size or not len(weight):
            raise InputError(f"{node.label}: weight must have shape (n, {self.size}), not {weight.shape}")
        if weight.size > CELLS_MAX // Neuron().cells:
            raise InputError(f"{node.label}: must have at most {CELLS_MAX // Neuron().cells:,} weights")
        if node.kind == "Affine" and _numbers(node, "bias").any():
            raise InputError(
                f"{node.label}: bias must be 0: oxnor works on events, and a bias is a current between them:"
                " train without"
            )
        self.matrix = weight * self.factors if self.matrix is None else weight @ self.matrix
        self.size = len(weight)

    def _neurons(self, node: NirNode) -> None:
        if self.matrix is None:
            raise InputError(f"{node.label}: must have a Linear or Affine node before it")
        given = [n for n in ("r", "v_threshold", "v_reset", "tau", "v_leak") if n in node.arrays]
        numbers = {n: _numbers(node, n).reshape(-1) for n in given}
        for name in FIELDS[node.kind]:
            if name not in numbers or len(numbers[name]) != self.size:
                raise InputError(f"{node.label}: {name} must have {self.size} values")
        reset = numbers.get("v_reset", np.zeros(self.size))
        if len(reset) != self.size:
            raise InputError(f"{node.label}: v_reset must have {self.size} values")
        try:
            if node.metadata is None:
                weights = numbers["r"][:, None] * self.matrix
                made = fit(weights, numbers["v_threshold"], reset, self.options.neuron, self.events,
                           rounding=self.options.rounding)  # fmt: skip
            else:
                made = self._ours(node.metadata, numbers, self.matrix)
            cells = self.matrix.size * made.neuron.cells
            if cells > CELLS_MAX:
                raise InputError(f"its layer must have at most {CELLS_MAX:,} cells, not {cells:,}")
            layer = SpikingLayer.from_weights(made.weights, made.neuron)
        except InputError as e:
            raise InputError(f"{node.label}: {e}") from None
        self.layers.append(layer)
        self.told.append({
            "node": node.name, "operators": [n.kind for n in (*self.via, node)],
            "n_in": layer.n_in, "n_out": layer.n_out,
            "neuron": asdict(made.neuron), "from": "NIR" if node.metadata is None else "metadata",
            "step": made.step, "error": made.error, "checked": made.weights.size, "rounded": made.rounded,
        })  # fmt: skip
        self.matrix, self.factors, self.via = None, 1.0, []
        self.events *= self.size

    def _ours(self, metadata: Mapping[str, Any], numbers: Mapping[str, NDArray], matrix: NDArray) -> Fitted:
        """Return a layer that oxnor exported: its neuron is in the metadata, its weights are integers."""
        neuron = read_settings(Neuron, metadata.get("neuron"), "metadata.neuron")
        for name, value in to_nir(neuron)[1].items():
            if np.abs(numbers.get(name, np.zeros(1)) - value).max() > ROUNDING * max(1, abs(value)):
                raise InputError(f"{name} must be {value:g}, as its metadata says: remove the metadata if not")
        error = float(np.abs(matrix - np.rint(matrix)).max(initial=0))
        if error > ROUNDING and not self.options.rounding:
            raise InputError(
                f"weights must be integers, as its metadata says: the largest error is {error:.2g}"
                " (--round takes the nearest)"
            )
        neuron = replace(neuron, **self.options.neuron)
        rounded = int((np.abs(matrix - np.rint(matrix)) > ROUNDING).sum())
        return Fitted(np.rint(matrix).astype(np.int64), neuron, 1 / neuron.theta, error, rounded)


def network_of(graph: NirGraph, name: str, options: SpikingOptions) -> tuple[SpikingNetwork, dict[str, Any]]:
    """Return the spiking network of a graph, and the report of how it came about."""
    whole = graph.metadata or {}
    # NIR says nothing of a decision: then the whole window counts.
    decision, encoder = Decision(delta_s=0), Encoder()
    if graph.metadata is not None:
        if not isinstance(whole.get("view"), str):
            raise InputError(f"metadata.view must be a text, not {whole.get('view')!r}")
        decision = read_settings(Decision, whole.get("decision"), "metadata.decision")
        encoder = read_settings(Encoder, whole.get("encoder"), "metadata.encoder")
    decision, encoder = replace(decision, **options.decision), replace(encoder, **options.encoder)
    folder = _Folder(options, decision.window)
    for node in graph.nodes:
        folder.add(node)
    if not folder.layers or folder.via:
        raise InputError(f"{graph.nodes[-1].label}: the network must end with the spikes of IF neurons")
    n_in = folder.layers[0].n_in
    sizes = {view: ((28 - 2 * cut) // square) ** 2 for view, (cut, square) in VIEWS.items()}
    view = whole.get("view", next((v for v, size in sizes.items() if size == n_in), "whole"))
    notes = [
        f"IF '{y['node']}' does as NIR says: it fires above its threshold, is reset to a value, has no negative spikes"
        " (--neuron to change that)"
        for y in folder.told
        if y["from"] == "NIR" and not {"reset", "compare", "bipolar"} & set(options.neuron)
    ]
    if graph.metadata is None:
        notes.append(
            f"NIR says nothing of encoder and decision: {encoder.kind}, and {decision.window} ticks"
            f" {'without' if not decision.delta_s else 'with'} early decision; --encoder, --decision"
        )
    rounded = sum(y["rounded"] for y in folder.told)
    if rounded:
        error = max(y["error"] for y in folder.told)
        notes.append(f"{rounded:,} weights are rounded, by {error:.2g} of a step at most: it is another network")
    info = {"origin": "imported from NIR", "imported": {"notes": notes}}
    network = SpikingNetwork(name, tuple(folder.layers), decision, encoder, view, info)
    return network, {
        "kind": "spiking", "shape": list(network.shape), "weights": network.n_weights, "digest": network.digest,
        "layers": folder.told, "decision": asdict(decision), "encoder": asdict(encoder), "view": view,
        "thresholds": {"checked": network.n_weights, "differ": 0, "rounding": rounded}, "outputs": [], "accuracy": None,
        "notes": notes,
    }  # fmt: skip
