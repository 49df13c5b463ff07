"""Repeated trials of one network on one set of images, each with other errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.base.bits import pack_words
from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FIELDS, FaultMap
from oxnor.models.golden.registry import type_of
from oxnor.models.kernels import packed as kernels
from oxnor.models.networks.binarized import Network

_EMPTY = np.zeros(0, np.int64)


def confusion(labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Return how many images of each class (row) were taken for each class (column), shape (n_classes, n_classes)."""
    return np.bincount(labels * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def labels_for(network: Network, images: NDArray, labels: NDArray | None) -> NDArray[np.int64]:
    """Return `labels`, or the classes that `network` gives without errors where there are none.

    Raises
    ------
    InputError
        If there are not as many labels as images, or one is not a class of the network.
    """
    if labels is None:
        return type_of(network).predict(network, images)
    labels = np.asarray(labels).astype(np.int64)
    if len(labels) != len(images):
        raise InputError(f"labels must be as many as the images, {len(images)}, not {len(labels)}")
    if labels.size and not 0 <= labels.min() <= labels.max() < network.n_out:
        raise InputError(f"labels must be in [0, {network.n_out - 1}], not {labels.min()} to {labels.max()}")
    return labels


class Trials:
    """The golden model with other static errors at each call, without doing twice what stays the same.

    The images are packed once, errors are put into packed weights, and the neurons of the first layer that have no
    wrong synapse keep what they gave without errors. A call works in its caller's thread and lets others run, so
    that threads are workers.

    Parameters
    ----------
    network : Network
    images : ndarray of uint8 or bool, shape (n, n_in)
        See :func:`oxnor.models.golden.binarized.binarize`.
    labels : ndarray of int, shape (n,), optional
        Right classes; default: the classes given without errors.
    """

    def __init__(self, network: Network, images: NDArray, labels: NDArray | None = None):
        self.network = network
        self.labels = labels_for(network, images, labels)
        self._x: NDArray[np.uint64] = golden.pack_inputs(network, images)
        self._weights: list[NDArray[np.uint64]] = [pack_words(layer.weights) for layer in network.layers]
        self._first = network.layers[0].evaluate_packed(self._x, self._weights[0])

    def scores(self, faults: FaultMap) -> NDArray[np.int64]:
        """Return the scores with `faults`, int64, shape (n, n_out): those of the golden model on every bit."""
        x: Any = self._x
        for k, (layer, w) in enumerate(zip(self.network.layers, self.weights(faults), strict=True)):
            if k == 0:
                wrong = np.flatnonzero(np.any(w != self._weights[0], axis=1))
                x = layer.evaluate_again(x, w, wrong, self._first)
            else:
                x = layer.evaluate_packed(x, w)
        return x

    def weights(self, faults: FaultMap) -> list[NDArray[np.uint64]]:
        """Return the packed weights of each layer with `faults`, which must be static."""
        faults.check(self.network)
        if faults.read:
            raise InputError("faults: errors of single reads are not those of weights")
        packed = []
        for k, (layer, w) in enumerate(zip(self.network.layers, self._weights, strict=True)):
            named = [getattr(faults, name).get(k, _EMPTY) for name in FIELDS]
            if any(v.size for v in named):
                w = w.copy()
                kernels.toggle(w, layer.n_in, *named)
            packed.append(w)
        return packed

    def predict(self, faults: FaultMap) -> NDArray[np.int64]:
        """Return the class of each image with `faults`, shape (n,)."""
        return golden.argmax(self.scores(faults))

    def confusion(self, faults: FaultMap) -> NDArray[np.int64]:
        """Return the confusion matrix with `faults`; see :func:`confusion`."""
        return confusion(self.labels, self.predict(faults), self.network.n_out)
