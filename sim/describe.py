"""A network and its engine in numbers, for people and for JSON."""

from __future__ import annotations

from typing import Any

from oxnor.hw.config import EngineConfig
from oxnor.models.network import Network


def describe(network: Network, config: EngineConfig) -> dict[str, Any]:
    """Return a network's layers and card, and the structure and timing of its engine.

    ``ranges`` of a layer has the least and the largest value of everything it stores beside its weights.
    """
    from oxnor.hw.emit import describe as engine

    layers = [
        {
            "kind": layer.kind,
            "n_in": layer.n_in,
            "n_out": layer.n_out,
            "positive": float(layer.weights.mean()),
            "ranges": {name: [int(a.min()), int(a.max())] for name, a in layer.to_arrays().items()},
        }
        for layer in network.layers
    ]
    return {
        "name": network.name,
        "shape": list(network.shape),
        "weights": network.n_weights,
        "accuracy": network.info.get("accuracy"),
        "digest": network.digest,
        "input_threshold": int(network.input_threshold),
        "layers": layers,
        "engine": engine(config),
        "info": dict(network.info),
    }
