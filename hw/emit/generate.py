"""The folder that a user gets: Verilog, memory images, sidecar, and what an integrator needs beside them."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.hw.placement.drawn_devices import DeviceDraw, EngineDevices
from oxnor.hw.placement.memory_files import write_images
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import write_text
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.spiking import SpikingNetwork

from .integration import write_package
from .spiking import emit_spiking_engine, write_spiking_images
from .verilog import Description, Emitted, emit_engine

SIDECAR = "oxnor.json"
FORMAT = "oxnor-engine"


def is_ours(directory: Path) -> bool:
    """Return whether `directory` was written by :func:`generate`."""
    try:
        return json.loads((directory / SIDECAR).read_text(encoding="utf-8")).get("format") == FORMAT
    except (OSError, ValueError, AttributeError):
        return False


def generate(
    network: Network | SpikingNetwork,
    directory: str | Path,
    config: EngineConfig | SpikingConfig | None = None,
    *,
    devices: DeviceDraw | None = None,
    force: bool = False,
) -> Description:
    """Write a network's engine, whole or not at all; the same inputs give the same bytes.

    Parameters
    ----------
    network : Network or SpikingNetwork
    directory : path
        ``rtl/*.sv``, ``mem/*.mem``, ``oxnor_engine.f`` (file list), ``oxnor_engine.core`` (FuseSoC), ``oxnor.json``
        (sidecar), ``README.md`` (ports, registers) and ``examples/`` (benches with golden vectors) go here. A folder
        that this function wrote before is replaced; another one that is not empty only if `force`. For a spiking
        network there are the first two, a file list and the sidecar.
    config : EngineConfig or SpikingConfig, optional
        Default: what its ``for_network`` gives.
    devices : DeviceDraw, optional
        What macros of kind `devices` hold.
    force : bool
        Replace the folder whatever it holds.

    Returns
    -------
    dict
        The sidecar.

    Raises
    ------
    InputError
        If the folder is not ours, or cannot be written.
    """
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory}: must be a folder, not a file")
    if directory.is_dir() and any(directory.iterdir()) and not (force or is_ours(directory)):
        raise InputError(f"{directory}: was not written by oxnor generate; use `force` to replace all that is in it")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    except OSError as e:
        raise InputError(f"{directory}: cannot be written ({e.strerror})") from None
    try:
        temporary.chmod(0o755)
        sidecar = _WRITERS[type(network)](network, config, devices, temporary)
        if directory.exists():
            shutil.rmtree(directory)
        temporary.rename(directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return sidecar


def _sidecar(network: Network | SpikingNetwork, emitted: Emitted, images: list[Path], more: Description) -> Description:
    return {
        "format": FORMAT,
        "version": 1,
        "network": {"name": network.name, "shape": list(network.shape), "digest": network.digest},
        **more,
        **emitted.sidecar,
        "images": {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in images},
    }


def _finish(emitted: Emitted, sidecar: Description, directory: Path) -> Description:
    write_text(directory / f"{emitted.top}.f", "".join(f"rtl/{p.name}\n" for p in emitted.sources))
    write_text(directory / SIDECAR, json.dumps(sidecar, indent=2) + "\n")
    return sidecar


def _write(
    network: Network, config: EngineConfig | None, devices: DeviceDraw | None, directory: Path
) -> Description:
    config = config or EngineConfig.for_network(network)
    macro_texts = EngineDevices.draw(network, config, devices).texts() if devices else None
    images = write_images(network, config, directory, macro_texts)
    emitted = emit_engine(config, directory / "rtl")
    sidecar = _sidecar(network, emitted, images, {"input_threshold": network.input_rule})
    write_package(network, config, sidecar, [p.name for p in images], directory)
    return _finish(emitted, sidecar, directory)


def _write_spiking(
    network: SpikingNetwork, config: SpikingConfig | None, devices: DeviceDraw | None, directory: Path
) -> Description:
    if devices:
        raise InputError(f"must not be given for a spiking network: {network.name!r} is one", parameter="device")
    config = config or SpikingConfig.for_network(network)
    images = write_spiking_images(network, config, directory)
    emitted = emit_spiking_engine(config, directory / "rtl")
    more = {"view": network.view, "seed": network.encoder.seed}
    return _finish(emitted, _sidecar(network, emitted, images, more), directory)


#: How the engine of a network is written, by its type.
_WRITERS: Mapping[type, Callable[..., Description]] = {Network: _write, SpikingNetwork: _write_spiking}
