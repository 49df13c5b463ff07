"""Feature maps of an image, and where errors change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.conv import ConvLayer

from .binarized import layer_outputs

#: Channels of a layer that are kept: those that a picture shows.
CHANNELS_MAX = 16


@dataclass(frozen=True, eq=False, repr=False)
class FeatureMaps:
    """The first channels of a convolution's output for one image.

    Parameters
    ----------
    layer : int
        Which layer.
    channels : int
        How many the layer has in all.
    levels : int
        Largest value of a pixel: 1 where they are bits.
    clean : ndarray of uint8, shape (channels shown, height, width)
        Without errors.
    wrong : tuple of ndarray of uint8, as `clean`
        At each error rate.
    shares : tuple of float
        At each error rate, the share of all the layer's pixels that differ.
    """

    layer: int
    channels: int
    levels: int
    clean: NDArray[np.uint8]
    wrong: tuple[NDArray[np.uint8], ...]
    shares: tuple[float, ...]

    def __repr__(self) -> str:
        c, h, w = self.clean.shape
        return f"FeatureMaps(layer {self.layer}, {c} of {self.channels} channels of {h} x {w}, {len(self.wrong)} rates)"


def feature_maps(network: Network, image: NDArray, errors: Sequence[FaultMap | ReadErrors]) -> list[FeatureMaps]:
    """Return the feature maps of one image, without errors and with each of some errors, by convolution.

    Parameters
    ----------
    network : Network
    image : ndarray
        As one of those that :func:`oxnor.models.golden.binarize` takes.
    errors : sequence of FaultMap and ReadErrors

    Returns
    -------
    list of FeatureMaps
        Empty where the network has no convolution.
    """
    clean = layer_outputs(network, image[None])
    wrong = [
        layer_outputs(e.apply(network), image[None])
        if isinstance(e, FaultMap)
        else layer_outputs(network, image[None], read_errors=e)
        for e in errors
    ]
    found = []
    for k, layer in enumerate(network.layers):
        if not isinstance(layer, ConvLayer):
            continue
        maps = [np.moveaxis(y[k][0].astype(np.uint8), -1, 0) for y in (clean, *wrong)]
        shown = [m[:CHANNELS_MAX] for m in maps]
        shares = tuple(float(np.mean(m != maps[0])) for m in maps[1:])
        found.append(FeatureMaps(k, layer.n_out, layer.levels, shown[0], tuple(shown[1:]), shares))
    return found
