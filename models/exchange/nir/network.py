"""Conversion of a chain of NIR nodes to a spiking network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.graph import check_elements, finite
from oxnor.models.networks.encoders import Encoder
from oxnor.models.networks.spiking import VIEWS, Decision, Neuron, SpikingLayer, SpikingNetwork, read_settings

from .neuron import ROUNDING, Fitted, fit, to_nir
from .reader import NODE_TYPES, NirGraph, NirNode

#: Most cells of a layer: 8 of each of 4,096 x 4,096 weights.
CELLS_MAX = 1 << 27


@dataclass(frozen=True)
class SpikingOptions:
    """Changes to a spiking network while it is imported.

    Parameters
    ----------
    neuron, decision, encoder : mapping
        Fields that replace those of the file.
    rounding : bool
        Take the nearest weights if they lie on no grid.
    """

    neuron: Mapping[str, Any] = field(default_factory=dict)
    decision: Mapping[str, Any] = field(default_factory=dict)
    encoder: Mapping[str, Any] = field(default_factory=dict)
    rounding: bool = False

    def __bool__(self) -> bool:
        return bool(self.neuron or self.decision or self.encoder or self.rounding)


def _numbers(node: NirNode, name: str, ndim: int | None = None) -> NDArray[np.float64]:
    array = node.arrays.get(name)
    if array is None or array.dtype.kind not in "fiu" or (ndim is not None and array.ndim != ndim):
        shape = "" if ndim is None else f" of {ndim} dimension{'s' * (ndim != 1)}"
        raise InputError(f"{node.label}: must have numbers{shape} in {name!r}")
    check_elements(array.shape, node.label)
    return finite(array.astype(np.float64), f"{node.label} {name}")


@dataclass
class _Folder:
    """Folds the nodes, one after the other, into layers."""

    options: SpikingOptions
    window: int
    size: int = 0
    events: int = 0
    matrix: NDArray[np.float64] | None = None
    factors: Any = 1.0
    via: list[NirNode] = field(default_factory=list)
    layers: list[SpikingLayer] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)

    def add(self, node: NirNode) -> None:
        """Fold a node, or raise InputError with its name."""
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
        present = [n for n in ("r", "v_threshold", "v_reset", "tau", "v_leak") if n in node.arrays]
        numbers = {n: _numbers(node, n).reshape(-1) for n in present}
        for name in NODE_TYPES[node.kind]:
            if name not in numbers or len(numbers[name]) != self.size:
                raise InputError(f"{node.label}: {name} must have {self.size} values")
        reset = numbers.get("v_reset", np.zeros(self.size))
        if len(reset) != self.size:
            raise InputError(f"{node.label}: v_reset must have {self.size} values")
        try:
            if node.metadata is None:
                weights = numbers["r"][:, None] * self.matrix
                fitted = fit(weights, numbers["v_threshold"], reset, self.options.neuron, self.events,
                             rounding=self.options.rounding)  # fmt: skip
            else:
                fitted = self._exported(node.metadata, numbers, self.matrix)
            cells = self.matrix.size * fitted.neuron.cells
            if cells > CELLS_MAX:
                raise InputError(f"its layer must have at most {CELLS_MAX:,} cells, not {cells:,}")
            layer = SpikingLayer.from_weights(fitted.weights, fitted.neuron)
        except InputError as e:
            raise InputError(f"{node.label}: {e}") from None
        self.layers.append(layer)
        self.records.append({
            "node": node.name, "operators": [n.kind for n in (*self.via, node)],
            "n_in": layer.n_in, "n_out": layer.n_out,
            "neuron": asdict(fitted.neuron), "from": "NIR" if node.metadata is None else "metadata",
            "step": fitted.step, "error": fitted.error, "checked": fitted.weights.size, "rounded": fitted.rounded,
        })  # fmt: skip
        self.matrix, self.factors, self.via = None, 1.0, []
        self.events *= self.size

    def _exported(self, metadata: Mapping[str, Any], numbers: Mapping[str, NDArray], matrix: NDArray) -> Fitted:
        """Return a layer that oxnor exported: the metadata has its neuron, and its weights are integers."""
        neuron = read_settings(Neuron, metadata.get("neuron"), "metadata.neuron")
        for name, value in to_nir(neuron)[1].items():
            if np.abs(numbers.get(name, np.zeros(1)) - value).max() > ROUNDING * max(1, abs(value)):
                raise InputError(f"{name} must be {value:g}, as its metadata says: remove the metadata if not")
        error = float(np.abs(matrix - np.rint(matrix)).max(initial=0))
        if error > ROUNDING and not self.options.rounding:
            raise InputError(
                f"weights must be integers, as its metadata says: the largest error is {error:.2g}"
                " (`rounding` takes the nearest)"
            )
        neuron = replace(neuron, **self.options.neuron)
        rounded = int((np.abs(matrix - np.rint(matrix)) > ROUNDING).sum())
        return Fitted(np.rint(matrix).astype(np.int64), neuron, 1 / neuron.theta, error, rounded)


def network_of(graph: NirGraph, name: str, options: SpikingOptions) -> tuple[SpikingNetwork, dict[str, Any]]:
    """Return the spiking network of a graph, and the report of how it was made."""
    whole = graph.metadata or {}
    # NIR has no decision: without oxnor's metadata the whole window counts.
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
        f"IF '{y['node']}' follows NIR: it fires above its threshold, is reset to a value and has no negative spikes"
        " (`neuron` changes that)"
        for y in folder.records
        if y["from"] == "NIR" and not {"reset", "compare", "bipolar"} & set(options.neuron)
    ]
    if graph.metadata is None:
        notes.append(
            f"NIR has no encoder and no decision: {encoder.kind}, and {decision.window} ticks"
            f" {'without' if not decision.delta_s else 'with'} early decision (`encoder` and `decision` change that)"
        )
    rounded = sum(y["rounded"] for y in folder.records)
    if rounded:
        error = max(y["error"] for y in folder.records)
        notes.append(f"{rounded:,} weights are rounded, by up to {error:.2g} of a step: this is another network")
    info = {"origin": "imported from NIR", "imported": {"notes": notes}}
    network = SpikingNetwork(name, tuple(folder.layers), decision, encoder, view, info)
    return network, {
        "kind": "spiking", "shape": list(network.shape), "label": network.label, "weights": network.n_weights,
        "digest": network.digest,
        "layers": folder.records, "decision": asdict(decision), "encoder": asdict(encoder), "view": view,
        "thresholds": {"checked": network.n_weights, "differ": 0, "rounding": rounded}, "outputs": [], "accuracy": None,
        "notes": notes,
    }  # fmt: skip
