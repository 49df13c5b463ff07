"""Verilog, memory images and sidecar of a spiking engine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from oxnor.hw.interface.registers import spiking_as_dicts
from oxnor.hw.params.spiking import SpikingConfig, result_layout
from oxnor.hw.params.verilog import BUSES, VerilogOptions
from oxnor.hw.params.widths import check_emitted
from oxnor.hw.spiking.engine import SpikingEngine
from oxnor.models.base.bits import hex_lines
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import write_text
from oxnor.models.networks.spiking import SpikingNetwork

from .verilog import Description, Emitted, emit_component


def image_texts(network: SpikingNetwork, config: SpikingConfig) -> dict[str, str]:
    """Return the memory images of `network` by file name.

    Raises
    ------
    InputError
        If the engine was made for another structure.
    """
    shape = (config.n_in - config.clock, *(y.n_out for y in config.layers))
    if network.shape != shape or network.clock != config.clock:
        raise InputError(f"network {network.name!r}: shape must be {shape} for this engine, not {network.shape}")
    if [y.neuron for y in network.layers] != [y.neuron for y in config.layers]:
        raise InputError(f"network {network.name!r}: neurons must be those that this engine was made for, not others")
    texts = {"network.mem": f"{network.digest[:8]}\n"}
    if not config.external:
        seeds = network.encoder.lane_seeds()
        texts["encoder_seeds.mem"] = "".join(f"{s:08x}" for s in seeds[::-1].tolist()) + "\n"
    for k, (layer, c) in enumerate(zip(network.layers, config.layers, strict=True)):
        group = c.neuron.cells
        for d in range(c.down):
            rows = layer.cells[d * c.rows : (d + 1) * c.rows]
            for a in range(c.across):
                first = a * c.per_macro * group
                stored = np.zeros((len(rows), c.cols), bool)
                part = rows[:, first : first + c.neurons_of(a) * group]
                stored[:, : part.shape[1]] = part
                texts[f"layer{k}_d{d}_a{a}.mem"] = hex_lines(stored, c.rows)
    return texts


def write_spiking_images(
    network: SpikingNetwork, config: SpikingConfig, directory: str | Path, options: VerilogOptions | None = None
) -> list[Path]:
    """Write the memory images of `network` to ``directory/mem``; the RTL reads them relative to `directory`."""
    options = options or VerilogOptions()
    paths = []
    for name, text in image_texts(network, config).items():
        path = Path(directory) / "mem" / options.file_name(name)
        write_text(path, text)
        paths.append(path)
    return paths


def describe_spiking(config: SpikingConfig) -> Description:
    """Return the engine's structure as a JSON-able dict."""
    names = ["n_in", "n_out", "rows", "cols", "across", "down", "per_macro", "macros"]
    if any(y.sense_latency > 1 for y in config.layers):
        names.append("sense_latency")
    return {
        "structure": config.digest,
        "kind": "spiking",
        "layers": [{n: getattr(y, n) for n in names} | {"neuron": y.neuron.settings()} for y in config.layers],
        "decision": asdict(config.decision),
        "encoder": asdict(config.encoder),
        "stream": {"width": config.stream_width, "beats": config.beats},
        "result": result_layout(config),
        "spikes": {"width": config.spike_width, "outputs": config.n_out},
    }


def emit_spiking_engine(
    config: SpikingConfig, directory: str | Path, options: VerilogOptions | None = None
) -> Emitted:
    """Write the engine's Verilog; its memory images are separate (:func:`write_spiking_images`)."""
    check_emitted((config.stream_width, *(n for y in config.layers for n in (y.n_in, y.n_out))))
    if options and options.bus != BUSES[0]:
        raise InputError(f"must be {BUSES[0]} for a spiking network", parameter="bus")
    emitted = emit_component(SpikingEngine(config), directory, options)
    sidecar = emitted.sidecar | describe_spiking(config) | {"registers": spiking_as_dicts()}
    return Emitted(emitted.top, emitted.sources, sidecar)
