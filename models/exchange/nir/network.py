"""Conversion of a chain of NIR nodes to a spiking network."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from oxnor.models.base.errors import InputError
from oxnor.models.datasets.events import read_events
from oxnor.models.networks.encoders import Encoder, streams_of
from oxnor.models.networks.spiking import VIEWS, Decision, SpikingNetwork, read_settings

from .disagreement import SourceLayer, disagreement, drawn
from .folder import Folder
from .leaky import TICK
from .options import SpikingOptions
from .reader import NirGraph

#: Most synapses of a network that is compared with its source.
_COMPARED_MAX = 1 << 21


def network_of(graph: NirGraph, name: str, options: SpikingOptions) -> tuple[SpikingNetwork, dict[str, Any]]:
    """Return the spiking network of a graph, and the report of how it was made."""
    network, report, _ = _folded(graph, name, options)
    return network, report


def compared(graph: NirGraph, name: str, options: SpikingOptions) -> tuple[SpikingNetwork, dict[str, Any]]:
    """Return what :func:`network_of` does, with what the network does otherwise than its source on events."""
    network, report, source = _folded(graph, name, options)
    if source is None:
        if options.events is not None:
            raise InputError(
                "`events` must not be given where there is no source to compare with: the file is oxnor's, or `neuron`"
                " changes more than reset and compare"
            )
        return network, report
    window, who = network.decision.window, f"network {name!r}"
    if options.events is not None:
        table = read_events(options.events)
        table.check_fit(network.n_in, window, network.n_out, who)
        report["disagreement"] += disagreement(network, source, streams_of(table), f"events of {table.path.name}")
    if network.n_weights <= _COMPARED_MAX:
        report["disagreement"] += (rows := disagreement(network, source, *drawn(source, window)))
        if not any(row["spikes_source"] or row["spikes"] for row in rows):
            said = "" if options.tick is not None else "; the file does not say its tick: give `tick`"
            report["notes"].append(f"neither network spiked: this comparison shows nothing{said}")
    elif options.events is None:
        report["notes"].append("too large to be compared with its source unasked: `events` names a file to do it on")
    return network, report


def _folded(
    graph: NirGraph, name: str, options: SpikingOptions
) -> tuple[SpikingNetwork, dict[str, Any], list[SourceLayer] | None]:
    whole = graph.metadata or {}
    # NIR has no decision: without oxnor's metadata the whole window counts.
    decision, encoder = Decision(delta_s=0), Encoder()
    if graph.metadata is not None:
        if not isinstance(whole.get("view"), str):
            raise InputError(f"metadata.view must be a text, not {whole.get('view')!r}")
        decision = read_settings(Decision, whole.get("decision"), "metadata.decision")
        encoder = read_settings(Encoder, whole.get("encoder"), "metadata.encoder")
    decision = replace(decision, **options.decision)
    folder = Folder(options, decision.window)
    folder.fold(graph.nodes)
    if not folder.folds or folder.via:
        raise InputError(f"{graph.nodes[-1].label}: the network must end with the spikes of IF or LIF neurons")
    layers = folder.layers(whole.get("clock") is True)
    if layers[0].clock:
        # Biases come with the events of a clock, which no encoder gives.
        encoder = replace(encoder, kind="external")
    encoder = replace(encoder, **options.encoder)
    n_in = layers[0].n_in
    sizes = {view: ((28 - 2 * cut) // square) ** 2 for view, (cut, square) in VIEWS.items()}
    view = whole.get("view", next((v for v, size in sizes.items() if size == n_in), "whole"))
    notes = _notes(folder, graph, encoder, decision)
    info = {"origin": "imported from NIR", "imported": {"notes": notes}}
    network = SpikingNetwork(name, layers, decision, encoder, view, info)
    records = [fold.record for fold in folder.folds]
    sources = [fold.source for fold in folder.folds if fold.source is not None]
    report = {
        "kind": "spiking", "shape": list(network.shape), "label": network.label, "weights": network.n_weights,
        "digest": network.digest,
        "layers": records, "decision": asdict(decision), "encoder": asdict(encoder), "view": view,
        "thresholds": {
            "checked": network.n_weights, "differ": 0, "rounding": sum(record["rounded"] for record in records),
        },
        "outputs": [], "accuracy": None, "disagreement": [], "notes": notes,
    }  # fmt: skip
    return network, report, sources if len(sources) == len(records) else None


def _notes(folder: Folder, graph: NirGraph, encoder: Encoder, decision: Decision) -> list[str]:
    """Return what is to be said of an import, in sentences."""
    records, options = [fold.record for fold in folder.folds], folder.options
    notes = [
        f"{y['operators'][-1]} '{y['node']}' follows NIR: it fires above its threshold, is reset to a value and has no"
        " negative spikes (`neuron` changes that)"
        for y in records
        if y["from"] == "NIR" and not {"reset", "compare", "bipolar"} & set(options.neuron)
    ]
    for y in records:
        if leak := y.get("leak"):
            several = f", the median of {leak['taus']}" if leak["taus"] > 1 else ""
            notes.append(
                f"LIF '{y['node']}' loses {leak['leak']:.6g} of its potential a tick, the source {leak['source']:.6g}"
                f"{several} (ticks of {options.tick or TICK:g} s: `tick`; `leak_bits` for a leak that is nearer)"
            )
        if unrolled := {"Conv2d", "SumPool2d", "AvgPool2d"} & set(y["operators"]):
            notes.append(
                f"{' and '.join(sorted(unrolled))} before '{y['node']}': unrolled, so that every weight has cells at"
                f" each place where it is used, {y['n_in']:,} x {y['n_out']:,} synapses in all"
            )
    if any(fold.clock for fold in folder.folds):
        notes.append("biases are the weights of a clock, of which an event comes in every tick, from outside")
    if records[-1]["n_out"] == 1:
        notes.append("beside the one output stands another that never fires")
    if graph.metadata is None:
        notes.append(
            f"NIR has no encoder and no decision: {encoder.kind}, and {decision.window} ticks"
            f" {'without' if not decision.delta_s else 'with'} early decision (`encoder` and `decision` change that)"
        )
    if rounded := sum(y["rounded"] for y in records):
        error = max(y["error"] for y in records)
        notes.append(f"{rounded:,} weights are rounded, by up to {error:.2g} of a step: this is another network")
    return notes
