"""The types of network: how each is read, what its inputs are and what it predicts.

Nothing else asks for the type of a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import NpzReader, json_format
from oxnor.models.networks import binarized as binarized_networks
from oxnor.models.networks import spiking as spiking_networks
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.spiking import SpikingNetwork

from . import binarized, spiking


@dataclass(frozen=True)
class NetworkType:
    """The functions of one type of network.

    Parameters
    ----------
    name : str
        For messages.
    network : type
        Class of its networks.
    inputs : callable
        (network, images) to the inputs of its golden model: bits, grey values or event streams.
    predict : callable
        (network, images) to classes.
    pixels : callable
        Network to the number of pixels of one of its images.
    levels : int
        Number of values of an input: 2 for bits, 256 for grey values.
    signs : callable
        Network to whether it takes the signs of signed numbers.
    """

    name: str
    network: Any
    inputs: Callable[[Any, NDArray], NDArray]
    predict: Callable[[Any, NDArray], NDArray[np.int64]]
    pixels: Callable[[Any], int]
    levels: int
    signs: Callable[[Any], bool]


#: By the format named in the header of a network file.
NETWORK_TYPES: Mapping[str, NetworkType] = {
    binarized_networks.FORMAT: NetworkType(
        "binarized",
        Network,
        binarized.binarize,
        binarized.predict,
        lambda n: n.input_rule.features(n.n_in),
        2,
        lambda n: n.input_rule.signs,
    ),
    spiking_networks.FORMAT: NetworkType(
        "spiking",
        SpikingNetwork,
        spiking.inputs,
        lambda n, images: spiking.respond(n, images).winners,
        lambda n: n.pixels,
        256,
        lambda n: False,
    ),
}
_BY_CLASS = {entry.network: entry for entry in NETWORK_TYPES.values()}


def type_of(network: Any) -> NetworkType:
    """Return the type of a network."""
    return _BY_CLASS[type(network)]


def takes_events(network: Any) -> bool:
    """Return whether a network has no encoder: its inputs are event streams, not images."""
    return isinstance(network, SpikingNetwork) and network.encoder.kind == "external"


def load(path: str | Path) -> Any:
    """Read a network file of any type."""
    with NpzReader(path) as source:
        named = json_format(source)
    # A file of an unknown format is refused by the reader of binarized networks, in its words.
    return NETWORK_TYPES.get(named, NETWORK_TYPES[binarized_networks.FORMAT]).network.load(path)


def only(network: Any, required: type, purpose: str) -> Any:
    """Return a network if it is of class `required`; otherwise raise InputError that names the `purpose`."""
    if not isinstance(network, required):
        raise InputError(
            f"network {network.name!r}: must be {_BY_CLASS[required].name} {purpose}, not {type_of(network).name}"
        )
    return network


def accuracy(network: Any, images: NDArray, labels: NDArray) -> float:
    """Return the fraction of images whose class the golden model predicts correctly."""
    return float(np.mean(type_of(network).predict(network, images) == labels))
