"""The kinds of network: how each is read, what it takes, and what it says. Nothing else asks a network for its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import NpzReader, json_format
from oxnor.models.networks import binarized as network
from oxnor.models.networks import spiking
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.spiking import SpikingNetwork

from . import binarized as golden
from . import spiking as spiking_golden


@dataclass(frozen=True)
class NetworkKind:
    """What is done with a network of one kind.

    Parameters
    ----------
    name : str
        In words for people.
    load : callable
        Path to network.
    inputs : callable
        (network, images) to what its golden model computes on: bits, or grey inputs.
    predict : callable
        (network, images) to classes.
    pixels : callable
        Network to the number of pixels of an image that it takes.
    levels : int
        Number of values that an input has: 2 for bits, 256 for grey.
    """

    name: str
    load: Callable[[str | Path], Any]
    inputs: Callable[[Any, NDArray], NDArray]
    predict: Callable[[Any, NDArray], NDArray[np.int64]]
    pixels: Callable[[Any], int]
    levels: int


#: By the format named in the header of a network file.
KINDS: Mapping[str, NetworkKind] = {
    network.FORMAT: NetworkKind("binarized", Network.load, golden.binarize, golden.predict, lambda n: n.n_in, 2),
    spiking.FORMAT: NetworkKind(
        "spiking", SpikingNetwork.load, SpikingNetwork.inputs,
        lambda n, images: spiking_golden.run(n, images).winners, lambda n: n.pixels, 256,
    ),
}
_FORMATS: Mapping[type, str] = {Network: network.FORMAT, SpikingNetwork: spiking.FORMAT}


def kind_of(net: Any) -> NetworkKind:
    """Return the kind of a network."""
    return KINDS[_FORMATS[type(net)]]


def load(path: str | Path) -> Any:
    """Read a network file of any kind."""
    with NpzReader(path) as source:
        found = json_format(source)
    # A file of no kind is refused by the first one, in its words.
    return KINDS.get(found, KINDS[network.FORMAT]).load(path)


def only(net: Any, kind: type, what: str) -> Any:
    """Return a network if it is of `kind` (a class), or raise InputError saying `what` it is wanted for."""
    if not isinstance(net, kind):
        wanted = KINDS[_FORMATS[kind]].name
        raise InputError(f"network {net.name!r}: must be {wanted} {what}, not {kind_of(net).name}")
    return net
