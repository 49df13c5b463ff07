"""The golden model: what the hardware must compute, bit for bit, in exact integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_words, unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.kernels.packed import BACKENDS
from oxnor.models.networks.binarized import Network


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
    images, rule = np.asarray(images), network.input_rule
    rule.check_dtype(images)
    size, features = int(np.prod(images.shape[1:])), rule.features(network.n_in)
    if images.ndim < 2 or size not in ((features, network.n_in) if images.dtype == bool else (features,)):
        raise InputError(f"images: shape must be (n, {features}) for network {network.name!r}, not {images.shape}")
    return rule.apply(images.reshape(len(images), size), network.n_in)


def popcount(w: NDArray[np.bool_], x: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of agreeing bits along the last axis, range [0, n]."""
    return np.count_nonzero(np.asarray(w) == np.asarray(x), axis=-1)


def popcount_threshold(p: NDArray[np.int64], threshold: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the output of hidden neurons: 1 iff the popcount reaches the threshold."""
    return np.asarray(p) >= threshold


def argmax(scores: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the largest score along the last axis; the lowest index wins a tie."""
    return np.argmax(scores, axis=-1)


def _packed_outputs(
    network: Network, images: NDArray, backend: str, read_errors: ReadErrors | None, first_image: int
) -> list[NDArray]:
    if backend not in BACKENDS:
        raise InputError(f"backend must be one of {', '.join(BACKENDS)}, not {backend!r}")
    x: NDArray = pack_words(binarize(network, images))
    outputs = []
    for k, layer in enumerate(network.layers):
        if read_errors is None or not read_errors.rate:
            x = layer.evaluate(x, backend)
        else:
            x = layer.evaluate(x, backend, read_errors.layer(k, first_image))
        outputs.append(x)
    return outputs


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
        Bool, shape (n, n_out), for each hidden layer; int64, shape (n, n_out), the scores, for the last.
    """
    outputs = _packed_outputs(network, images, backend, read_errors, first_image)
    return [
        y if layer.gives_scores else unpack_words(y, layer.n_out)
        for layer, y in zip(network.layers, outputs, strict=True)
    ]


def scores(
    network: Network,
    images: NDArray,
    backend: str = "numba",
    read_errors: ReadErrors | None = None,
    first_image: int = 0,
) -> NDArray[np.int64]:
    """Return the scores, int64, shape (n, n_out); arguments as :func:`layer_outputs`."""
    return _packed_outputs(network, images, backend, read_errors, first_image)[-1]


def predict(
    network: Network,
    images: NDArray,
    backend: str = "numba",
    read_errors: ReadErrors | None = None,
    first_image: int = 0,
) -> NDArray[np.int64]:
    """Return the class of each image, shape (n,), range [0, n_out); arguments as :func:`layer_outputs`."""
    return argmax(scores(network, images, backend, read_errors, first_image))
