"""Memory images: the weights, coefficients and identity of one network, for ``$readmemh``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.macro_kinds import SETTINGS_FILE
from oxnor.hw.params.verilog import VerilogOptions
from oxnor.models.base.bits import hex_lines
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import write_text
from oxnor.models.base.trits import pack_trits
from oxnor.models.devices.cell_macro import CellSettings
from oxnor.models.networks.binarized import Network

from .arrange import check_shape, coefficient_rows, macro_bits


def image_texts(
    network: Network, config: EngineConfig, macro_texts: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the memory images of `network` by file name.

    Parameters
    ----------
    network : Network
    config : EngineConfig
    macro_texts : mapping of str to str, optional
        The images of macros that hold devices (:meth:`oxnor.hw.placement.drawn_devices.EngineDevices.texts`); macros of
        other layers hold the weights of `network`.

    Raises
    ------
    InputError
        If the engine was made for another structure, or its macros hold devices and `macro_texts` is missing.
    """
    check_shape(network, config)
    if config.device_layers and macro_texts is None:
        kind = config.macro_kinds[config.device_layers[0]]
        raise InputError(f"macros of kind {kind} need a device model: give `device`")
    if macro_texts is not None and not config.device_layers:
        kind = config.macro_kinds[0]
        raise InputError(f"macros of kind {kind} hold bits, not devices: `device` needs macros of kind devices")
    texts = {"network.mem": f"{network.digest[:8]}\n", **(macro_texts or {})}
    if not config.has_fixed_times:
        texts[SETTINGS_FILE] = CellSettings().text()
    for k, (layer, c) in enumerate(zip(network.layers, config.layers, strict=True)):
        if not c.macro.has_devices:
            stored = macro_bits(layer.weights, c)
            if c.macro.packs:
                stored = pack_trits(stored)
            for v, h in np.ndindex(c.groups, c.across):
                texts[f"layer{k}_v{v}_h{h}.mem"] = hex_lines(stored[v, h], c.rows)
        coefficients = coefficient_rows(network, k, c)
        if coefficients.size:
            texts[f"layer{k}_coefficients.mem"] = hex_lines(coefficients, c.passes)
    return texts


def write_images(
    network: Network,
    config: EngineConfig,
    directory: str | Path,
    macro_texts: Mapping[str, str] | None = None,
    options: VerilogOptions | None = None,
) -> list[Path]:
    """Write the memory images of `network` to ``directory/mem``; the RTL reads them relative to `directory`.

    Parameters as for :func:`image_texts`, and the names of `options`.
    """
    options = options or VerilogOptions()
    paths = []
    for name, text in image_texts(network, config, macro_texts).items():
        path = Path(directory) / "mem" / options.file_name(name)
        write_text(path, text)
        paths.append(path)
    return paths
