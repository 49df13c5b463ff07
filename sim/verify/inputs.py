"""Images for a network: real ones where they fit, drawn ones elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.datasets.options import DataOptions
from oxnor.models.golden.registry import type_of

#: Images in the MNIST test set, and most that one run takes.
IMAGES_MAX = 10_000
#: Inputs of a network that is given digits: 28 x 28 pixels.
DIGIT_SIZE = 28 * 28
# Apart from the kinds of ``oxnor.models.base.rng``, whose keys are small numbers.
_KEY = int.from_bytes(b"images", "little")


@dataclass(frozen=True, eq=False, repr=False)
class Inputs:
    """Images, their labels where there are any, and where they come from.

    Parameters
    ----------
    images : ndarray, shape (n, n_in)
        uint8 (grey) or bool (bits).
    labels : ndarray of uint8, shape (n,), or None
        The right class of each.
    source : str
        In words.
    """

    images: NDArray
    labels: NDArray[np.uint8] | None
    source: str

    def __repr__(self) -> str:
        return f"Inputs({len(self.images):,} images of {self.images.shape[1]} inputs: {self.source})"


def inputs_for(network: Any, options: DataOptions = DataOptions()) -> Inputs:
    """Return the images for `network`.

    Parameters
    ----------
    network : Network or SpikingNetwork
    options : DataOptions

    Returns
    -------
    Inputs
        MNIST test images if the network takes images of 784 pixels, else random bits, or grey inputs for a spiking
        network, which have no labels.

    Raises
    ------
    InputError
        If the number of images is out of range, there are fewer, or the folder holds images of another size.
    """
    count, data = options.images, options.directory
    if not 1 <= count <= IMAGES_MAX:
        raise InputError(f"must be in [1, {IMAGES_MAX}], not {count}", parameter="images")
    kind = type_of(network)
    if data is None and kind.pixels(network) != DIGIT_SIZE:
        g = np.random.Generator(np.random.Philox(key=[options.seed, _KEY]))
        drawn = g.integers(0, kind.levels, size=(count, network.n_in), dtype=np.uint8)
        why = f"no labels: the network has {network.n_in} inputs, digits have {DIGIT_SIZE}"
        what, images = ("bits", drawn.astype(bool)) if kind.levels == 2 else ("grey values", drawn)
        return Inputs(images, None, f"random {what}, seed {options.seed} ({why})")
    from oxnor.models.datasets.mnist import load_mnist

    if data is not None and not data.is_dir():
        raise InputError(f"{data}: must be a folder with the MNIST test files, and is not there")
    images, labels = load_mnist("test") if data is None else load_mnist("test", data)
    images = images.reshape(len(images), -1)
    if images.shape[1] != kind.pixels(network):
        raise InputError(
            f"{data}: images must have {kind.pixels(network)} pixels for network {network.name!r},"
            f" not {images.shape[1]}"
        )
    if count > len(images):
        raise InputError(f"must be in [1, {len(images)}], as there are no more, not {count}", parameter="images")
    return Inputs(images[:count], labels[:count], "MNIST test images")
