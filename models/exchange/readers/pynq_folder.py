"""Folders of parameters of Xilinx's BNN-PYNQ overlays of 1-bit weights: LFC-W1A1, CNV-W1A1 and CNV-W1A2.

The format is that of ``finnthesizer.py`` in the repository Xilinx/BNN-PYNQ: ``L-P-weights.bin`` and ``L-P-thres.bin``
hold the 64-bit words of layer L and processing element P. Neuron k * PE + P has the words k * G to (k + 1) * G - 1,
each of SIMD inputs from bit 0 upwards, and threshold k; it fires iff its popcount is above the threshold. Inputs are
padded by weights of 1 (and inputs of 0), neurons by thresholds of 32767.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.graph import FILE_MAX, Graph

from .arrays_file import graph_of_arrays
from .pynq_cnv import Parameters, graph_of_cnv, is_cnv

#: Most processing elements of a layer, and most layers.
_PE_MAX, _LAYERS_MAX = 1024, 16
_PADDING = 32767
_RULE = "only LFC-W1A1 (dense layers of 1 bit), CNV-W1A1 and CNV-W1A2 are supported"
_ADVICE = f"{_RULE}: export the trained network to ONNX"
#: Thresholds a neuron, and bits a weight, of the networks that BNN-PYNQ makes, the simplest first.
_PRECISIONS = ((1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2))


def is_pynq_folder(path: Path) -> bool:
    """Return whether a folder holds parameters of BNN-PYNQ."""
    return (path / "0-0-weights.bin").is_file()


def files_of(path: Path) -> list[Path]:
    """Return the files of a folder of parameters that count, in order."""
    files = sorted(path.glob("*-*-weights.bin")) + sorted(path.glob("*-*-thres.bin"))
    return files + [p for p in (path / "classes.txt",) if p.is_file()]


def read_pynq(path: Path) -> Graph:
    """Return the graph of a folder of parameters.

    The last layer of such a network gives one bit a class, and BNN-PYNQ's driver takes the highest class whose bit is
    1, or class 0. A last layer of our own does just that: each bit and its complement go into it.

    Raises
    ------
    InputError
        If the folder holds another kind of network, or a file is damaged.
    """
    total = sum(p.stat().st_size for p in files_of(path))
    if total > FILE_MAX:
        raise InputError(f"its files must have at most {FILE_MAX:,} bytes together, not {total:,}")
    weights: list[NDArray[np.bool_]] = []
    thresholds: list[NDArray[np.int64]] = []
    count = 0
    while (path / f"{count}-0-weights.bin").is_file():
        count += 1
    if count > _LAYERS_MAX:
        raise InputError(f"must have at most {_LAYERS_MAX} layers")
    if (each := _check_kind(path, count)) is not None:
        layers: list[Parameters] = []
        for layer in range(count):
            layers.append(_parameters(path, layer, each, len(layers[-1].weights) if layers else 0))
        return graph_of_cnv(layers, _classes(path, np.zeros(len(layers[-1].weights), np.int64)))
    for layer in range(count):
        w, t = _layer(path, layer, len(weights[-1]) if weights else None)
        weights.append(w)
        thresholds.append(t)
    used = np.flatnonzero(~weights[0].all(axis=0))
    n_in = int(used[-1]) + 1 if used.size else weights[0].shape[1]
    weights[0] = weights[0][:, :n_in]
    classes = _classes(path, thresholds[-1])
    arrays: dict[str, NDArray] = {}
    for k, (w, t) in enumerate(zip(weights, thresholds, strict=True)):
        limit = np.clip(t + 1, 0, w.shape[1] + 1)
        if k == len(weights) - 1:
            w, limit = w[:classes], limit[:classes]
            w, limit = np.concatenate([w, ~w]), np.concatenate([limit, w.shape[1] + 1 - limit])
        arrays |= {f"w{k}": w, f"t{k}": limit}
    own = np.eye(classes, dtype=bool)
    arrays[f"w{len(weights)}"] = np.concatenate([np.ones_like(own), ~own], axis=1)
    arrays["scales"] = np.arange(1, classes + 1)
    arrays["offsets"] = -arrays["scales"] * (classes - 1)
    rule = (
        "the last layer gives a bit a class, of which the highest that is 1 is the class, and class 0 if none is, as in"
        " BNN-PYNQ's driver: that is a layer of its own here"
    )
    notes = (f"the first layer has {n_in} inputs: its weights after these are padding", rule)
    return graph_of_arrays(arrays, len(weights) + 1, notes)


def _words(path: Path, layer: int, kind: str, dtype: str) -> NDArray:
    """Return the words of all processing elements of a layer, shape (PE, words)."""
    rows: list[NDArray] = []
    while (name := path / f"{layer}-{len(rows)}-{kind}.bin").is_file():
        data = name.read_bytes()
        if len(data) % 8 or not data or (rows and len(data) != rows[0].nbytes):
            raise InputError(f"{name.name}: must hold 64-bit words, as many as the first of its layer")
        rows.append(np.frombuffer(data, dtype))
        if len(rows) > _PE_MAX:
            raise InputError(f"layer {layer}: must have at most {_PE_MAX} processing elements")
    if not rows:
        raise InputError(f"{layer}-0-{kind}.bin is not there: {_ADVICE}")
    return np.stack(rows)


def _check_kind(path: Path, count: int) -> int | None:
    """Return the thresholds a neuron of a network of CNV's shape; None for one of dense layers.

    Raises
    ------
    InputError
        With what each layer is, if the files fit another network of convolutions or of more bits.
    """
    stored = []
    for k in range(count):
        has_thresholds = (path / f"{k}-0-thres.bin").is_file()
        stored.append((_words(path, k, "weights", "<u8"), _words(path, k, "thres", "<i8") if has_thresholds else None))
    for thresholds, bits in _PRECISIONS:
        sizes: list[tuple[int, int]] = []
        found = _described(stored, thresholds, bits, sizes)
        if found is not None:
            if is_cnv(sizes) and thresholds <= 2 and bits == 1:
                return thresholds
            if any(found):
                lines = [f"\n  - layer {k}: {', '.join(what)}" for k, what in enumerate(found) if what]
                refused = f"{len(lines)} layer{'s' * (len(lines) > 1)}"
                raise InputError(f"{_RULE}: {refused} cannot be imported{''.join(lines)}")
            return None
    return None


def _described(
    layers: list[tuple[NDArray, NDArray | None]], thresholds: int, bits: int, sizes: list[tuple[int, int]]
) -> list[list[str]] | None:
    """Return what each layer is beyond a dense one of 1 bit, or None if the files fit no network of these precisions.

    Parameters
    ----------
    layers : list of (ndarray of uint64, ndarray of int64 or None), each of shape (PE, words)
        Words and thresholds.
    thresholds : int
        Thresholds a neuron, of all layers but the last.
    bits : int
        Bits a weight.
    sizes : list of (int, int)
        Filled with the inputs of each neuron, and the neurons.
    """
    found: list[list[str]] = []
    for k, (words, t) in enumerate(layers):
        last = k == len(layers) - 1
        each = 1 if last else thresholds
        simd = _simd(words)
        if t is None:
            if not last:
                return None
            found.append([f"weights of {bits} bits"] if bits > 1 else [])
            total = words.size * simd // bits
            if sizes and total % sizes[-1][1] == 0:
                sizes.append((sizes[-1][1], total // sizes[-1][1]))
            break
        rows = t.shape[1] // each
        if t.shape[1] % each or words.shape[1] % rows or words.shape[1] // rows * simd % bits:
            return None
        if (np.diff(t.reshape(len(t), rows, each)) < 0).any():
            return None
        n_in = words.shape[1] // rows * simd // bits
        window = n_in // sizes[-1][1] if sizes else 1
        if sizes and (n_in % sizes[-1][1] or math.isqrt(window) ** 2 != window):
            return None
        side = math.isqrt(window)
        real = t[t < _PADDING]
        grey = not sizes and np.count_nonzero(np.abs(real) > n_in) > real.size / 4  # no sum of bits reaches these
        found.append([
            *([f"a convolution of {side} x {side}"] if window > 1 else []),
            *([f"weights of {bits} bits"] if bits > 1 else []),
            *([f"{each} thresholds a neuron, for activations of 2 bits"] if each > 1 else []),
            *(["inputs of more than 1 bit"] if grey else []),
        ])  # fmt: skip
        sizes.append((n_in, len(t) * rows))
    return found


def _parameters(path: Path, layer: int, each: int, before: int) -> Parameters:
    """Return weights and thresholds of a layer of CNV; the last has none, but as many inputs as neurons before it."""
    words, t = _words(path, layer, "weights", "<u8"), None
    if (path / f"{layer}-0-thres.bin").is_file():
        t = _words(path, layer, "thres", "<i8")
        if len(t) != len(words):
            raise InputError(f"layer {layer}: must have as many files of thresholds as of weights, not {len(t)}")
        if (np.abs(t) > 1 << 24).any():
            raise InputError(f"layer {layer}: thresholds must be in [-2**24, 2**24]")
    simd = _simd(words)
    rows = words.shape[1] * simd // before if t is None else t.shape[1] // each
    if not rows or words.shape[1] % rows:
        raise InputError(f"layer {layer}: must have as many words for each neuron")
    weights = _rows(words, rows, simd)
    if t is not None:
        t = t.reshape(len(t), rows, each).swapaxes(0, 1).reshape(-1, each).astype(np.int64)
    return Parameters(weights, t)


def _layer(path: Path, layer: int, before: int | None) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return weights, shape (n_out, n_in), and thresholds of a layer; `before` is the size of the one before."""
    words, t = _words(path, layer, "weights", "<u8"), _words(path, layer, "thres", "<i8")
    elements, rows = t.shape
    if len(words) != elements:
        raise InputError(f"layer {layer}: must have as many files of thresholds as of weights, not {elements}")
    simd, groups = _simd(words), words.shape[1] // rows
    if words.shape[1] % rows or not simd or (before is not None and groups * simd != before):
        raise InputError(f"layer {layer} is no dense layer of 1-bit inputs: {_ADVICE}")
    if (np.abs(t) > 1 << 16).any():
        raise InputError(f"layer {layer}: thresholds must be in [-65536, 65536]")
    return _rows(words, rows, simd), t.T.reshape(-1).astype(np.int64)


def _simd(words: NDArray) -> int:
    """Return the bits that a word has."""
    return int(np.bitwise_or.reduce(words, axis=None)).bit_length()


def _rows(words: NDArray, rows: int, simd: int) -> NDArray[np.bool_]:
    """Return the weights, shape (n_out, n_in), of words by processing element, each of which has so many neurons."""
    elements = len(words)
    bytes_ = words.astype("<u8").view(np.uint8).reshape(elements, rows, -1, 8)
    bits = np.unpackbits(bytes_, axis=-1, bitorder="little")[..., :simd]
    return bits.reshape(elements, rows, -1).swapaxes(0, 1).reshape(elements * rows, -1).astype(bool)


def _classes(path: Path, thresholds: NDArray[np.int64]) -> int:
    """Return the number of classes: lines of ``classes.txt``, or neurons that are no padding."""
    names = path / "classes.txt"
    if names.is_file():
        count = len([line for line in names.read_text("utf-8", "replace").splitlines() if line.strip()])
    else:
        real = np.flatnonzero(thresholds < _PADDING)
        count = int(real[-1]) + 1 if real.size else 0
    if not 1 <= count <= len(thresholds):
        raise InputError(f"classes.txt must name 1 to {len(thresholds)} classes, one a line, not {count}")
    return count
