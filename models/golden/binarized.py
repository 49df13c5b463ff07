"""The golden model: what the hardware must compute, bit for bit, in exact integers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.kernels.packed import BACKENDS
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.count_converter import CountConverter
from oxnor.models.networks.layers.hidden import pack_planes, unpack_planes
from oxnor.models.networks.layers.scores import ScoreLayer

from .converted import ConvertedReads

#: Vectors that are in memory at once where each is read with errors of its own.
_VECTORS = 1 << 17


def binarize(network: Network, images: NDArray) -> NDArray[np.bool_]:
    """Return images as bits.

    Parameters
    ----------
    network : Network
    images : ndarray of uint8 or bool, shape (n, features) or (n, ...) with so many elements
        As ``network.input_rule`` takes them: see :meth:`oxnor.models.networks.input_rule.InputRule.apply`.

    Returns
    -------
    ndarray of bool, shape (n, n_in)

    Raises
    ------
    InputError
        If the dtype or the size is another.
    """
    return network.input_rule.apply(_rows(network, images), network.n_in)


def _rows(network: Network, images: NDArray) -> NDArray:
    """Return images as rows, or raise InputError."""
    images, rule = np.asarray(images), network.input_rule
    rule.check_dtype(images)
    size, features = int(np.prod(images.shape[1:])), rule.features(network.n_in)
    if images.ndim < 2 or size not in ((features, network.n_in) if images.dtype == bool else (features,)):
        raise InputError(f"images: shape must be (n, {features}) for network {network.name!r}, not {images.shape}")
    return images.reshape(len(images), size)


def elements(network: Network, images: NDArray) -> NDArray[np.uint8]:
    """Return what the first layer takes of images, as :func:`binarize` has them: integers of its bit planes.

    Returns
    -------
    ndarray of uint8, shape (n, n_in / planes)
    """
    planes, rule, rows = network.layers[0].planes, network.input_rule, _rows(network, images)
    if rule.table is not None and rows.dtype == np.uint8:
        return rule.elements(rows)
    bits = rule.apply(rows, network.n_in)
    if planes == 1:
        return bits.view(np.uint8)
    return np.packbits(bits.reshape(len(bits), network.n_in // planes, planes), axis=2, bitorder="little").squeeze(2)


def pack_inputs(network: Network, images: NDArray) -> NDArray[np.uint64]:
    """Return images, as :func:`binarize` has them, packed as the first layer takes them."""
    return pack_planes(elements(network, images), network.layers[0].planes)


def popcount(w: NDArray[np.bool_], x: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of agreeing bits along the last axis, range [0, n]."""
    return np.count_nonzero(np.asarray(w) == np.asarray(x), axis=-1)


def popcount_threshold(p: NDArray[np.int64], threshold: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the output of hidden neurons: 1 iff the popcount reaches the threshold."""
    return np.asarray(p) >= threshold


def argmax(scores: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the largest score along the last axis; the lowest index wins a tie."""
    return np.argmax(scores, axis=-1)


def margins(scores: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the largest score less the second largest, which is equal in a tie, along the last axis of two or more."""
    ordered = np.sort(scores, axis=-1)
    return ordered[..., -1] - ordered[..., -2]


def _packed_outputs(
    network: Network,
    images: NDArray,
    backend: str,
    read_errors: ReadErrors | None,
    first_image: int,
    in_layer: int | None = None,
    converters: Sequence[CountConverter | None] = (),
) -> list[NDArray]:
    if backend not in BACKENDS:
        raise InputError(f"backend must be one of {', '.join(BACKENDS)}, not {backend!r}")
    wrong = read_errors if read_errors is not None and read_errors.rate else None
    windows = max(layer.vectors // layer.turns for layer in network.layers)
    # With errors every window is a vector in memory.
    own = [None if c is None else ConvertedReads(c) for c in converters] or [None] * len(network.layers)
    step = max(1, _VECTORS // windows) if (wrong or any(own)) and windows > 1 else max(1, len(images))
    parts: list[list[NDArray]] = []
    for start in range(0, max(1, len(images)), step):
        x: NDArray = pack_inputs(network, images[start : start + step])
        parts.append([])
        for k, layer in enumerate(network.layers):
            if wrong and in_layer in (None, k):
                x = layer.evaluate(x, backend, wrong.layer(k, (first_image + start) * layer.vectors))
            elif (reads := own[k]) is not None:
                x = layer.evaluate(x, backend, reads)
            else:
                x = layer.evaluate(x, backend)
            parts[-1].append(x)
    return parts[0] if len(parts) == 1 else [np.concatenate(y) for y in zip(*parts, strict=True)]


def layer_outputs(
    network: Network,
    images: NDArray,
    backend: str = "numba",
    read_errors: ReadErrors | None = None,
    first_image: int = 0,
) -> list[NDArray]:
    """Return the outputs of each layer.

    Parameters
    ----------
    network, images
        As for :func:`binarize`.
    backend : str
        "numba" (fast) or "numpy" (plain; the two are equal on every bit).
    read_errors : ReadErrors, optional
        Errors of single reads.
    first_image : int
        Number of the first image since the seed of `read_errors` was written; the errors of an image depend on its
        number, so images in parts give what they give together.

    Returns
    -------
    list of ndarray
        Of a hidden layer: bool, shape (n, n_out), or uint8 where it gives integers; a convolution gives its feature
        maps, (n, height, width, channels). Of the last: int64, shape (n, n_out), the scores.
    """
    outputs = _packed_outputs(network, images, backend, read_errors, first_image)
    return [
        y if isinstance(layer, ScoreLayer) else unpack_planes(y, layer.shape_out, layer.planes_out)
        for layer, y in zip(network.layers, outputs, strict=True)
    ]


def scores(
    network: Network,
    images: NDArray,
    backend: str = "numba",
    read_errors: ReadErrors | None = None,
    first_image: int = 0,
    in_layer: int | None = None,
    converters: Sequence[CountConverter | None] = (),
) -> NDArray[np.int64]:
    """Return the scores, int64, shape (n, n_out).

    Parameters
    ----------
    network, images, backend, read_errors, first_image
        As for :func:`layer_outputs`.
    in_layer : int, optional
        The only layer whose reads have errors. Default: all.
    converters : sequence of CountConverter or None
        What the counts of each layer's macros go through. Default: nothing.
    """
    return _packed_outputs(network, images, backend, read_errors, first_image, in_layer, converters)[-1]


def predict(
    network: Network,
    images: NDArray,
    backend: str = "numba",
    read_errors: ReadErrors | None = None,
    first_image: int = 0,
) -> NDArray[np.int64]:
    """Return the class of each image, shape (n,), range [0, n_out); arguments as :func:`layer_outputs`."""
    return argmax(scores(network, images, backend, read_errors, first_image))
