"""Export of spiking networks as NIR; metadata holds what NIR cannot express, so that an import gives the same bits."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from oxnor.models.base.errors import InputError, install
from oxnor.models.base.replace import whole_file
from oxnor.models.networks.spiking import SpikingNetwork

from .neuron import losses, to_nir
from .reader import METADATA, METADATA_VERSION


def to_graph(network: SpikingNetwork) -> Any:
    """Return a network as a ``nir.NIRGraph``: Input, then Linear and IF (LIF with a leak) for each layer, Output."""
    try:
        import nir
    except ImportError:
        raise InputError(f"NIR export needs the package nir: {install('import')}") from None

    def told(**fields: Any) -> dict[str, str]:
        return {METADATA: json.dumps({"version": METADATA_VERSION} | fields, sort_keys=True)}

    nodes = {"input": nir.Input(np.array([network.n_in]))}
    for k, layer in enumerate(network.layers):
        kind, numbers = to_nir(layer.neuron)
        arrays = {name: np.full(layer.n_out, value, np.float32) for name, value in numbers.items()}
        weights = layer.matrix.T.astype(np.float32)
        if layer.clock:
            nodes[f"linear{k}"] = nir.Affine(weights[:, :-1], weights[:, -1])
        else:
            nodes[f"linear{k}"] = nir.Linear(weights)
        nodes[f"neurons{k}"] = getattr(nir, kind)(**arrays, metadata=told(neuron=layer.neuron.settings()))
    nodes["output"] = nir.Output(np.array([network.n_out]))
    names = list(nodes)
    clock = {"clock": True} if network.clock else {}
    whole = told(**clock, decision=asdict(network.decision), encoder=asdict(network.encoder), view=network.view)
    return nir.NIRGraph(nodes, list(itertools.pairwise(names)), metadata=whole)


def warnings_of(network: SpikingNetwork) -> list[str]:
    """Return, in sentences, what other tools will not know of the network."""
    warnings = [
        f"layer {k}: NIR cannot express {', '.join(losses(layer.neuron))}: kept as metadata, which only oxnor reads"
        for k, layer in enumerate(network.layers)
    ]
    return [*warnings, "NIR has no encoder and no decision: kept as metadata, which only oxnor reads"]


def export_nir(network: SpikingNetwork, path: str | Path) -> dict[str, Any]:
    """Write a network as NIR, whole or not at all; return the numbers of nodes and bytes, and the warnings."""
    graph = to_graph(network)
    import nir

    with whole_file(path) as temporary:
        nir.write(temporary, graph)
        size = temporary.stat().st_size
    return {"nodes": len(graph.nodes), "bytes": size, "digest": network.digest, "warnings": warnings_of(network)}
