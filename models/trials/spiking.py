"""Repeated trials of one spiking network on one set of images, each with other wrong cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.networks.spiking import SpikingNetwork

from .binarized import confusion


class SpikingTrials:
    """The golden model of a spiking network with other static errors at each call.

    Parameters
    ----------
    network : SpikingNetwork
    images : ndarray of uint8, or sequence of Events
        As for :func:`oxnor.models.golden.spiking.inputs`.
    labels : ndarray of int, shape (n,)
        Right classes.
    """

    def __init__(self, network: SpikingNetwork, images: Any, labels: NDArray):
        self.network = network
        self.labels = np.asarray(labels).astype(np.int64)
        self._inputs = spiking_golden.inputs(network, images)

    def predict(self, faults: FaultMap) -> NDArray[np.int64]:
        """Return the class of each image with `faults`, shape (n,)."""
        return spiking_golden.respond(faults.apply(self.network), self._inputs).winners

    def confusion(self, faults: FaultMap) -> NDArray[np.int64]:
        """Return the confusion matrix with `faults`; see :func:`oxnor.models.trials.binarized.confusion`."""
        return confusion(self.labels, self.predict(faults), self.network.n_out)
