"""Memory images: the weights, coefficients and identity of one network, for ``$readmemh``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.layers.table import UNITS
from oxnor.hw.params.engine import DATAFLOWS, EngineConfig, LayerConfig
from oxnor.hw.params.macro_kinds import MACRO_KINDS
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import write_text
from oxnor.models.networks.binarized import Network

#: Order in which the synapses of a layer are stored: macro, then row, then column.
_STORED = ("groups", "across", "passes", "slices", "cols")


def _split(config: LayerConfig) -> tuple[tuple[int, int], list[int], list[int]]:
    """Return (neurons, inputs) with what fills the macros, the sizes that make them up, and their order when stored."""
    parts = DATAFLOWS[config.dataflow]
    neurons, inputs = (math.prod(getattr(config, name) for name in names) for names in parts)
    names = [name for part in parts for name in part]
    order = [names.index(name) for name in _STORED if name in names]
    return (neurons, inputs), [getattr(config, name) for name in names], order


def arrange(values: NDArray, config: LayerConfig, fill: Any) -> NDArray:
    """Return values of synapses, shape (n_out, n_in), by macro: (groups, across, reads, cols), `fill` elsewhere."""
    c = config
    whole, sizes, order = _split(c)
    padded = np.full(whole, fill, values.dtype)
    padded[: c.n_out, : c.n_in] = values
    split = padded.reshape(sizes).transpose(order)
    return np.ascontiguousarray(split).reshape(c.groups, c.across, c.reads, c.cols)


def gather(stored: NDArray, config: LayerConfig) -> NDArray:
    """Undo :func:`arrange`: return the values of the synapses, shape (n_out, n_in)."""
    whole, sizes, order = _split(config)
    split = stored.reshape([sizes[k] for k in order]).transpose(np.argsort(order))
    return split.reshape(whole)[: config.n_out, : config.n_in]


def synapse_at(config: LayerConfig, macro: int, row: int, column: int) -> tuple[int, int] | None:
    """Return the neuron and the input of the synapse that a pair holds, None if it holds none."""
    c = config
    if row >= c.reads:
        return None
    at = dict(zip(_STORED, (*divmod(macro, c.across), *divmod(row, c.slices), column), strict=True))
    neuron, number = (
        int(np.ravel_multi_index([at[name] for name in names], [getattr(c, name) for name in names]))
        for names in DATAFLOWS[c.dataflow]
    )
    return (neuron, number) if neuron < c.n_out and number < c.n_in else None


def macro_bits(weights: NDArray[np.bool_], config: LayerConfig) -> NDArray[np.bool_]:
    """Return what each macro of a layer stores.

    Parameters
    ----------
    weights : ndarray of bool, shape (n_out, n_in)
    config : LayerConfig

    Returns
    -------
    ndarray of bool, shape (groups, across, reads, cols)
        Pairs that hold no synapse are 0.
    """
    return arrange(weights, config, False)


def hex_rows(bits: NDArray[np.bool_], rows: int) -> str:
    """Return (n, width) bits as `rows` lines of hexadecimal, bit 0 rightmost; rows beyond n are 0."""
    n, width = bits.shape
    digits = -(-width // 4)
    packed = np.packbits(bits, axis=1, bitorder="little")[:, ::-1]
    lines = [row.tobytes().hex()[-digits:] for row in packed]
    return "\n".join(lines + ["0" * digits] * (rows - n)) + "\n"


def word_bits(words: NDArray[np.unsignedinteger], width: int) -> NDArray[np.bool_]:
    """Return (n, cols) words as (n, cols * width) bits for :func:`hex_rows`, column 0 in the low bits."""
    raw = np.ascontiguousarray(words, dtype=words.dtype.newbyteorder("<")).view(np.uint8)
    bits = np.unpackbits(raw.reshape(*words.shape, -1), axis=-1, bitorder="little")[..., :width]
    return bits.reshape(len(words), -1).astype(bool)


def _integer_rows(words: Iterable[int], width: int) -> str:
    digits = -(-width // 4)
    return "".join(f"{w:0{digits}x}\n" for w in words)


def _coefficient_words(fields: list[tuple[NDArray[np.int64], int]], config: LayerConfig) -> Iterable[int]:
    """Yield one word a pass: lane 0 in the low bits, and in a lane the first field."""
    for p in range(config.passes):
        word, position = 0, 0
        for n in range(p * config.neurons, (p + 1) * config.neurons):
            for values, width in fields:
                value = int(values[n]) if n < config.n_out else 0
                word |= (value & ((1 << width) - 1)) << position
                position += width
        yield word


def coefficient_rows(network: Network, index: int, config: LayerConfig) -> NDArray[np.bool_]:
    """Return what the coefficient memory of a layer holds, shape (passes, bits of a word); (0, 0) if it has none.

    Raises
    ------
    InputError
        If a coefficient needs more bits than the engine has for it.
    """
    layer = network.layers[index]
    fields = UNITS[layer.kind].coefficients(layer, config)
    if not config.is_affine and getattr(layer, "is_affine", False):
        raise InputError(f"network {network.name!r}: scores must be popcounts in this engine, not scaled ones")
    for values, width in fields:
        low, high = (0, (1 << width) - 1) if config.scale_width == 0 else (-(1 << width - 1), (1 << width - 1) - 1)
        wrong = np.flatnonzero((values < low) | (values > high))
        if wrong.size:
            raise InputError(
                f"network {network.name!r}: coefficients of layer {index} must be in [{low}, {high}] in this engine,"
                f" not {int(values[wrong[0]])} (neuron {int(wrong[0])})"
            )
    if not fields:
        return np.zeros((0, 0), bool)
    width = config.neurons * sum(w for _, w in fields)
    words = _coefficient_words(fields, config)
    return np.array([[w >> b & 1 for b in range(width)] for w in words], bool)


def check_shape(network: Network, config: EngineConfig) -> None:
    """Raise InputError if the engine was made for another structure than the network's."""
    shape = (config.n_in, *(y.n_out for y in config.layers))
    kinds = tuple(y.kind for y in config.layers)
    if network.shape != shape or tuple(y.kind for y in network.layers) != kinds:
        raise InputError(f"network {network.name!r}: shape must be {shape} for this engine, not {network.shape}")


def image_texts(
    network: Network, config: EngineConfig, macro_texts: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the memory images of `network` by file name.

    Parameters
    ----------
    network : Network
    config : EngineConfig
    macro_texts : mapping of str to str, optional
        The images of macros that hold devices (:meth:`oxnor.hw.placement.drawn_devices.EngineDevices.texts`).

    Raises
    ------
    InputError
        If the engine was made for another structure, or its macros hold devices and `macro_texts` is missing.
    """
    check_shape(network, config)
    has_devices = MACRO_KINDS[config.macro_kind].has_devices
    if has_devices != (macro_texts is not None):
        raise InputError(
            f"macros of kind {config.macro_kind} need a device model (--device)"
            if has_devices
            else f"macros of kind {config.macro_kind} hold bits, not devices: --device needs macros of kind twin"
        )
    texts = {"network.mem": f"{network.digest[:8]}\n", **(macro_texts or {})}
    for k, (layer, c) in enumerate(zip(network.layers, config.layers, strict=True)):
        if not has_devices:
            stored = macro_bits(layer.weights, c)
            for v, h in np.ndindex(c.groups, c.across):
                texts[f"layer{k}_v{v}_h{h}.mem"] = hex_rows(stored[v, h], c.rows)
        fields = UNITS[layer.kind].coefficients(layer, c)
        if fields:
            width = c.neurons * sum(w for _, w in fields)
            texts[f"layer{k}_coefficients.mem"] = _integer_rows(_coefficient_words(fields, c), width)
    return texts


def write_images(
    network: Network, config: EngineConfig, directory: str | Path, macro_texts: Mapping[str, str] | None = None
) -> list[Path]:
    """Write the memory images of `network` to ``directory/mem``; the RTL reads them relative to `directory`.

    Parameters as for :func:`image_texts`.
    """
    paths = []
    for name, text in image_texts(network, config, macro_texts).items():
        path = Path(directory) / "mem" / name
        write_text(path, text)
        paths.append(path)
    return paths
