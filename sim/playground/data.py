"""What a page knows of a network: its structure, what its memories hold, its images, its devices."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.macro_kinds import DEFAULT_MACRO
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.hw.placement.arrange import coefficient_rows
from oxnor.models.base.bits import pack_bytes
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.options import DataOptions
from oxnor.models.devices.codes import CODES
from oxnor.models.devices.model import load as load_device
from oxnor.models.golden.registry import takes_events, type_of
from oxnor.models.networks.spiking import VIEWS, SpikingNetwork
from oxnor.models.technology.supply import shipped_curve
from oxnor.sim.verify.inputs import Inputs, inputs_for

#: The device whose distance of the states a page starts with.
DEVICE = "calibrated-1e-4"
#: The device whose spread of the low resistances a page calls usual: it follows from published yields.
USUAL = "sky130-1t1r"
#: Bytes that the images of a page may take, compressed.
IMAGE_BYTES = 330_000


@dataclass(frozen=True)
class PageData:
    """Everything that a page holds beside its text.

    Parameters
    ----------
    described : dict
        JSON-able.
    blobs : dict of str to bytes
        Arrays of bytes and of little-endian 32-bit words, by the names that `described` gives them.
    """

    described: dict[str, Any]
    blobs: dict[str, bytes]


def _words(bits: NDArray[np.bool_]) -> bytes:
    """Return rows of bits as 32-bit words, each row from a word on."""
    packed = pack_bytes(bits, 8)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 4))).tobytes()


def _check_layer(k: int, layer: LayerConfig) -> None:
    """Raise InputError if a page could not fill or show the macros of a layer."""
    if layer.is_serial:
        raise InputError(f"layer {k}: a page shows input-parallel layers, not input-serial ones")
    if layer.presentations:
        raise InputError(f"layer {k}: a page shows no layers of random bits: simulate the network (oxnor simulate)")
    if layer.weight_max:
        raise InputError(f"layer {k}: a page shows no weights of which one synapse counts more than another")
    if layer.shortcut:
        raise InputError(f"layer {k}: a page shows no convolution with a shortcut around it")
    if layer.windows_summed > 1:
        raise InputError(f"layer {k}: a page shows no convolution that gives scores")
    if layer.macro_kind != DEFAULT_MACRO or layer.converter_bits or layer.pair_states != 2:
        raise InputError(
            f"layer {k}: a page shows macros of kind {DEFAULT_MACRO}, without converters, whose pairs have two states:"
            " simulate the network (oxnor simulate)"
        )


def _binarized(network: Any, config: EngineConfig) -> tuple[dict[str, Any], dict[str, bytes]]:
    layers, contents, blobs = [], {}, {}
    for k, (layer, c) in enumerate(zip(network.layers, config.layers, strict=True)):
        _check_layer(k, c)
        blobs[f"weights{k}"] = np.packbits(layer.weights.reshape(-1), bitorder="little").tobytes()
        shape = layer.shape_out if len(getattr(layer, "shape_out", ())) == 3 else (c.n_out,)
        layers.append({
            "kind": layer.kind, "n_in": c.n_in, "n_out": c.n_out, "groups": c.groups, "across": c.across,
            "cols": c.cols, "slices": c.slices, "passes": c.passes, "shape": list(shape),
            "pool": c.pool is not None,
        })  # fmt: skip
        coefficients = coefficient_rows(network, k, c)
        if coefficients.size:
            contents[f"layer{k} array coefficient_rom"] = f"coefficients{k}"
            blobs[f"coefficients{k}"] = _words(coefficients)
    return {"layers": layers, "contents": contents}, blobs


def _spiking(network: SpikingNetwork, config: SpikingConfig) -> tuple[dict[str, Any], dict[str, bytes]]:
    layers, contents, blobs = [], {}, {}
    for k, (layer, c) in enumerate(zip(network.layers, config.layers, strict=True)):
        blobs[f"weights{k}"] = np.packbits(layer.weights.reshape(-1), bitorder="little").tobytes()
        layers.append({
            "kind": "spiking", "inputs": layer.weights.shape[0], "columns": layer.weights.shape[1], "n_in": c.n_in,
            "n_out": c.n_out, "rows": c.rows, "down": c.down, "per_macro": c.per_macro * c.neuron.cells,
            "cells": c.neuron.cells, "theta": c.neuron.theta, "shape": [c.n_out],
        })  # fmt: skip
    if not config.external:
        contents["seeds"] = "seeds"
        blobs["seeds"] = network.encoder.lane_seeds().astype("<u4").tobytes()
    return {"layers": layers, "contents": contents}, blobs


def _device() -> dict[str, Any]:
    device = load_device(DEVICE)
    stats = device.at(0.0, 0.0)
    supply, code = shipped_curve(20.0), CODES[0]
    return {
        "name": DEVICE, "distance": stats.separation, "sigma": stats.lrs_sigma, "vdd": supply.vdd,
        "usual": load_device(USUAL).at(0.0, 0.0).lrs_sigma, "energy": supply.energy_fj, "circuit": supply.circuit,
        "offset": [float(np.hypot(a, b)) for a, b in zip(supply.stays, supply.turns, strict=True)],
        "code": code.name, "code_bits": code.k, "code_counts": code.residual_counts,
        "code_columns": code.columns[: code.k],
    }  # fmt: skip


def _image_shape(network: Any, pixels: int) -> tuple[int, int, int]:
    """Return (height, width, channels) of an image; numbers that are no picture stand in one row."""
    shape = network.layers[0].shape_in
    if len(shape) == 3:
        return shape[0], shape[1], pixels // (shape[0] * shape[1])
    side = math.isqrt(pixels)
    return (side, side, 1) if side * side == pixels else (1, pixels, 1)


def _images(network: Any, inputs: Inputs, pixels: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return as many images as a page has room for, as the network takes them, with labels and golden classes."""
    spiking = isinstance(network, SpikingNetwork)
    values = network.inputs(inputs.images) if spiking else inputs.images.reshape(len(inputs.images), -1)
    as_bits = not spiking and (network.input_rule.kind in ("threshold", "bipolar") or values.dtype == bool)
    if as_bits:
        values = network.input_rule.apply(values, network.n_in)
    stored = np.packbits(values, axis=1, bitorder="little") if as_bits else values
    count, size = len(stored), len(zlib.compress(stored[:500].tobytes(), 9)) / min(len(stored), 500)
    count = max(1, min(count, int(IMAGE_BYTES / size)))
    stored = stored[:count]
    described: dict[str, Any] = {"count": count, "bits": as_bits, "source": inputs.source, "per_image": stored.shape[1]}
    golden = type_of(network).predict(network, inputs.images[:count])
    blobs = {"images": stored.tobytes(), "golden": golden.astype("u1").tobytes()}
    if inputs.labels is not None:
        blobs["labels"] = inputs.labels[:count].astype("u1").tobytes()
    return described, blobs


def _input_rule(network: Any) -> dict[str, Any]:
    """Return how values become the bits of a frame."""
    if isinstance(network, SpikingNetwork):
        cut, square = VIEWS[network.view]
        return {"kind": "grey", "cut": cut, "square": square}
    rule = network.input_rule
    if rule.table is not None:
        return {"kind": "planes", "bits": rule.bits, "table": rule.table.tolist()}
    return {"kind": rule.kind, "bits": rule.bits, "thresholds": rule.thresholds.tolist()}


def page_data(network: Any, config: Any) -> PageData:
    """Return what a page holds of a network, but for its module.

    Raises
    ------
    InputError
        If the network takes events, or has layers that a page cannot show.
    """
    if takes_events(network):
        raise InputError("must take images for a page, not events", parameter="network")
    spiking = isinstance(network, SpikingNetwork)
    structure, blobs = (_spiking if spiking else _binarized)(network, config)
    pixels = type_of(network).pixels(network)
    inputs = inputs_for(network, DataOptions(at_most=10_000))
    images, more = _images(network, inputs, pixels)
    size = network.n_in if images["bits"] else images["per_image"]
    described = {
        "name": network.name, "kind": "spiking" if spiking else "binarized", "label": network.label,
        "weights": network.n_weights, "classes": list(inputs.classes),
        "n_out": config.n_out if spiking else config.layers[-1].n_out, "image": list(_image_shape(network, size)),
        "rule": _input_rule(network), "images": images, "device": _device(), **structure,
    }  # fmt: skip
    return PageData(described, blobs | more)
