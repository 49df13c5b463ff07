"""The folder that a user gets: Verilog, memory images, sidecar, and what an integrator needs beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.hw.params.verilog import VerilogOptions
from oxnor.hw.placement.drawn_devices import DeviceDraw, EngineDevices
from oxnor.hw.placement.memory_files import write_images
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import write_text
from oxnor.models.base.replace import whole_folder
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.spiking import SpikingNetwork

from . import librelane
from .integration import constraints, core_file, write_package
from .readme import spiking_readme
from .spiking import emit_spiking_engine, write_spiking_images
from .verilog import Description, Emitted, emit_engine

SIDECAR = "oxnor.json"
FORMAT = "oxnor-engine"


@dataclass(frozen=True, eq=False, repr=False)
class Generated:
    """A folder with an engine.

    Parameters
    ----------
    directory : Path
    network : str
        Name of the network.
    config : EngineConfig or SpikingConfig
        Structure of the engine.
    sidecar : dict
        What ``oxnor.json`` holds: ports, registers, structure, timing, hashes.
    """

    directory: Path
    network: str
    config: EngineConfig | SpikingConfig
    sidecar: Description

    def __repr__(self) -> str:
        files = f"{len(self.sidecar['sources'])} Verilog files, {len(self.sidecar['images'])} memory files"
        return f"Generated({self.network!r} in {self.directory}: {self.top}, {files}, {self.macros:,} macros)"

    @property
    def top(self) -> str:
        """Name of the top module."""
        return self.sidecar["top"]

    @property
    def macros(self) -> int:
        """How many RRAM macros there are."""
        return sum(layer.macros for layer in self.config.layers)

    def to_json(self) -> Description:
        """Return the sidecar, and where it is."""
        return {"directory": str(self.directory)} | self.sidecar


def generate(
    network: Network | SpikingNetwork,
    directory: str | Path,
    config: EngineConfig | SpikingConfig | None = None,
    *,
    devices: DeviceDraw | None = None,
    verilog: VerilogOptions | None = None,
    force: bool = False,
) -> Generated:
    """Write a network's engine, whole or not at all; the same inputs give the same bytes.

    Parameters
    ----------
    network : Network or SpikingNetwork
    directory : path
        ``rtl/*.sv``, ``mem/*.mem``, ``oxnor_engine.f`` (file list), ``oxnor_engine.core`` (FuseSoC), ``oxnor.json``
        (sidecar), ``oxnor_engine.sdc`` (constraints), ``README.md`` (ports, registers) and ``examples/`` (benches with
        golden vectors) go here. A folder that this function wrote before is replaced in one step, and files of the
        user's in it are kept. For a spiking network there are no examples.
    config : EngineConfig or SpikingConfig, optional
        Default: what its ``for_network`` gives.
    devices : DeviceDraw, optional
        What macros of kind `devices` hold; macros of kind `bits` in the same engine hold what such devices read as.
    verilog : VerilogOptions, optional
        Names and reset, a Wishbone slave around the engine, files of an open flow.
    force : bool
        Take the place of a folder that holds something else, which is kept as ``NAME.old``.

    Returns
    -------
    Generated

    Raises
    ------
    InputError
        If the folder is not ours, or cannot be written.
    """
    structure, write = _WRITERS[type(network)]
    config = config or structure.for_network(network)
    if not isinstance(config, structure):
        raise InputError(f"must be a {structure.__name__}, as {network.name!r} needs", parameter="config")
    verilog = verilog or VerilogOptions()
    with whole_folder(directory, marker=SIDECAR, force=force) as folder:
        sidecar = write(network, config, devices, verilog, folder)
        if verilog.flow:
            write_text(folder / librelane.FOLDER / "config.json", librelane.configuration(config, sidecar, verilog))
    return Generated(Path(directory), network.name, config, sidecar)


def _sidecar(network: Network | SpikingNetwork, emitted: Emitted, images: list[Path], more: Description) -> Description:
    return {
        "format": FORMAT,
        "version": 1,
        "network": {n: getattr(network, n) for n in ("name", "label", "digest")} | {"shape": list(network.shape)},
        **more,
        **emitted.sidecar,
        "images": {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in images},
    }


def _finish(emitted: Emitted, sidecar: Description, directory: Path) -> Description:
    write_text(directory / f"{emitted.top}.core", core_file(sidecar))
    for described in (sidecar, *filter(None, [sidecar.get("wishbone")])):
        write_text(directory / f"{described['top']}.sdc", constraints(described))
    write_text(directory / f"{emitted.top}.f", "".join(f"rtl/{p.name}\n" for p in emitted.sources))
    write_text(directory / SIDECAR, json.dumps(sidecar, indent=2) + "\n")
    return sidecar


def _write(
    network: Network, config: EngineConfig, devices: DeviceDraw | None, verilog: VerilogOptions, directory: Path
) -> Description:
    drawn = EngineDevices.draw(network, config, devices) if devices else None
    stored, texts = (drawn.stored(), drawn.texts()) if drawn else (network, None)
    images = write_images(stored, config, directory, texts, verilog)
    emitted = emit_engine(config, directory / "rtl", verilog)
    sidecar = _sidecar(network, emitted, images, network.input_rule.described())
    write_package(network, config, sidecar, directory, drawn, librelane.FOLDER if verilog.flow else "")
    return _finish(emitted, sidecar, directory)


def _write_spiking(
    network: SpikingNetwork,
    config: SpikingConfig,
    devices: DeviceDraw | None,
    verilog: VerilogOptions,
    directory: Path,
) -> Description:
    if devices:
        raise InputError(f"must not be given for a spiking network: {network.name!r} is one", parameter="device")
    images = write_spiking_images(network, config, directory, verilog)
    emitted = emit_spiking_engine(config, directory / "rtl", verilog)
    flow = librelane.FOLDER if verilog.flow else ""
    more = {"view": network.view, "seed": network.encoder.seed}
    sidecar = _sidecar(network, emitted, images, more)
    write_text(directory / "README.md", spiking_readme(network, config, sidecar, flow))
    return _finish(emitted, sidecar, directory)


#: The structure of an engine and how it is written, by type of network.
_WRITERS: Mapping[type, tuple[Any, Callable[..., Description]]] = {
    Network: (EngineConfig, _write),
    SpikingNetwork: (SpikingConfig, _write_spiking),
}
