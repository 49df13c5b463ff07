"""A network and its engine in numbers, for people and for JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.macro_kinds import DEFAULT_MACRO
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.spiking import SpikingNetwork
from oxnor.models.technology import engines


def describe(network: Network, config: EngineConfig) -> dict[str, Any]:
    """Return a network's layers and card, and the structure and timing of its engine.

    ``n_in`` of a layer are the synapses of a neuron, ``weight_bits`` to a weight if that is more than one. ``ranges``
    has the least and the largest value of everything that it stores beside its weights. ``silicon`` has energy, area
    and clock, if they are shipped for such an engine.
    """
    from oxnor.hw.emit.verilog import describe as engine

    layers = [
        {
            "kind": layer.kind,
            "n_in": layer.n_in,
            "n_out": layer.n_out,
            "positive": float((layer.weight_values > 0).mean()),
            **(
                {"weight_bits": layer.weight_bits, "zero": float((layer.weight_values == 0).mean())}
                if layer.weight_bits > 1
                else {}
            ),
            **{name: n for name in ("presentations", "shortcut") if (n := getattr(layer, name, 0))},
            "ranges": {name: [int(a.min()), int(a.max())] for name, a in layer.to_arrays().items() if name != "lowest"},
        }
        for layer in network.layers
    ]
    silicon = engines.find(network.digest, _with_bits(config).digest)
    return {
        "name": network.name,
        "shape": list(network.shape),
        "label": network.label,
        "weights": network.n_weights,
        "accuracy": network.info.get("accuracy"),
        "digest": network.digest,
        **network.input_rule.described(),
        **network.data_header(),
        "layers": layers,
        "engine": engine(config),
        **({"silicon": silicon} if silicon else {}),
        "info": dict(network.info),
    }


def _with_bits(config: EngineConfig) -> EngineConfig:
    """Return the structure under which energies are shipped: what is behind the ports of its macros does not count."""
    if set(config.macro_kinds) != {"blackbox"}:
        return config
    return replace(config, layers=tuple(replace(layer, macro_kind=DEFAULT_MACRO) for layer in config.layers))


def describe_spiking(network: SpikingNetwork, config: SpikingConfig) -> dict[str, Any]:
    """Return a spiking network's layers and card, and the structure of its engine."""
    from oxnor.hw.emit.spiking import describe_spiking as engine

    layers = [
        {
            "kind": layer.kind,
            "n_in": layer.n_in,
            "n_out": layer.n_out,
            "cells": int(layer.cells.size),
            "on": float(layer.cells.mean()),
            "ranges": {"weights": [int(layer.matrix.min()), int(layer.matrix.max())]},
            "neuron": layer.neuron.settings(),
        }
        for layer in network.layers
    ]
    return {
        "name": network.name,
        "shape": list(network.shape),
        "label": network.label,
        "weights": network.n_weights,
        "cells": network.n_cells,
        "accuracy": network.info.get("accuracy"),
        "digest": network.digest,
        "view": network.view,
        **network.data_header(),
        "layers": layers,
        "engine": engine(config),
        "info": dict(network.info),
    }
