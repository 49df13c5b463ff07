"""Memory images: the weights, coefficients and identity of one network, for ``$readmemh``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.errors import InputError
from oxnor.models.files import write_text
from oxnor.models.network import Network

from .config import EngineConfig, LayerConfig
from .layers import UNITS


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
    c = config
    padded = np.zeros((c.passes * c.groups, c.slices * c.across * c.cols), bool)
    padded[: c.n_out, : c.n_in] = weights
    # neuron = (pass, lane), input = (slice, macro, column)  ->  (lane, macro, pass, slice, column)
    split = padded.reshape(c.passes, c.groups, c.slices, c.across, c.cols).transpose(1, 3, 0, 2, 4)
    return np.ascontiguousarray(split).reshape(c.groups, c.across, c.reads, c.cols)


def hex_rows(bits: NDArray[np.bool_], rows: int) -> str:
    """Return (n, width) bits as `rows` lines of hexadecimal, bit 0 rightmost; rows beyond n are 0."""
    n, width = bits.shape
    digits = -(-width // 4)
    packed = np.packbits(bits, axis=1, bitorder="little")[:, ::-1]
    lines = [row.tobytes().hex()[-digits:] for row in packed]
    return "\n".join(lines + ["0" * digits] * (rows - n)) + "\n"


def _integer_rows(words: Iterable[int], width: int) -> str:
    digits = -(-width // 4)
    return "".join(f"{w:0{digits}x}\n" for w in words)


def _coefficient_words(fields: list[tuple[NDArray[np.int64], int]], config: LayerConfig) -> Iterable[int]:
    """Yield one word a pass: lane 0 in the low bits, and in a lane the first field."""
    for p in range(config.passes):
        word, position = 0, 0
        for n in range(p * config.groups, (p + 1) * config.groups):
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
    width = config.groups * sum(w for _, w in fields)
    words = _coefficient_words(fields, config)
    return np.array([[w >> b & 1 for b in range(width)] for w in words], bool)


def check_shape(network: Network, config: EngineConfig) -> None:
    """Raise InputError if the engine was made for another structure than the network's."""
    shape = (config.n_in, *(y.n_out for y in config.layers))
    kinds = tuple(y.kind for y in config.layers)
    if network.shape != shape or tuple(y.kind for y in network.layers) != kinds:
        raise InputError(f"network {network.name!r}: shape must be {shape} for this engine, not {network.shape}")


def image_texts(network: Network, config: EngineConfig) -> dict[str, str]:
    """Return the memory images of `network` by file name.

    Raises
    ------
    InputError
        If the engine was made for another structure.
    """
    check_shape(network, config)
    texts = {"network.mem": f"{network.digest[:8]}\n"}
    for k, (layer, c) in enumerate(zip(network.layers, config.layers, strict=True)):
        stored = macro_bits(layer.weights, c)
        for v in range(c.groups):
            for h in range(c.across):
                texts[f"layer{k}_v{v}_h{h}.mem"] = hex_rows(stored[v, h], c.rows)
        fields = UNITS[layer.kind].coefficients(layer, c)
        if fields:
            width = c.groups * sum(w for _, w in fields)
            texts[f"layer{k}_coefficients.mem"] = _integer_rows(_coefficient_words(fields, c), width)
    return texts


def write_images(network: Network, config: EngineConfig, directory: str | Path) -> list[Path]:
    """Write the memory images of `network` to ``directory/mem``; the RTL reads them relative to `directory`."""
    paths = []
    for name, text in image_texts(network, config).items():
        path = Path(directory) / "mem" / name
        write_text(path, text)
        paths.append(path)
    return paths
