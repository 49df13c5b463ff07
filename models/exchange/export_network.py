"""Export of a network of any type in the format of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.nir.writer import export_nir
from oxnor.models.networks.binarized import Network

from .qonnx import export_qonnx


def export_network(network: Any, path: Path) -> dict[str, Any]:
    """Write a binarized network as QONNX, a spiking one as NIR; return a description of the file.

    Raises
    ------
    InputError
        If the file's name has the suffix of the other format, or the file cannot be written.
    """
    own, other = (".onnx", ".nir") if isinstance(network, Network) else (".nir", ".onnx")
    if path.suffix == other:
        raise InputError(f"{path}: must end in {own} for network {network.name!r}, of which there is no {other}")
    if isinstance(network, Network) and any(getattr(y, "presentations", 0) for y in network.layers):
        raise InputError(f"network {network.name!r}: must not read random bits to be exported: QONNX has none")
    return export_qonnx(network, path) if isinstance(network, Network) else export_nir(network, path)
