"""Images for a network: those of a data set, or drawn ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.datasets.known import KNOWN_SETS, load_dataset
from oxnor.models.datasets.options import DataOptions
from oxnor.models.golden.registry import type_of

#: Images in the MNIST test set.
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
    labels : ndarray of int64, shape (n,), or None
        The right class of each.
    source : str
        In words.
    classes : tuple of str
        Names of the classes, where they say more than numbers; otherwise empty.
    """

    images: NDArray
    labels: NDArray[np.int64] | None
    source: str
    classes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        labels = "no labels" if self.labels is None else "labels"
        return f"Inputs({len(self.images):,} images of {self.images.shape[1]} values, {labels}: {self.source})"


def own_set(network: Any) -> str | None:
    """Return the known data set that a network takes by itself: its file names it, or it takes digits; or None.

    Raises
    ------
    InputError
        If it was made for a set of somebody's own: nothing else is right for it.
    """
    if network.data_set in KNOWN_SETS:
        return network.data_set
    if network.data_set:
        raise InputError(
            f"must be given for network {network.name!r}, which was made for the data set {network.data_set!r}: name"
            " its file or folder; or use `random_inputs`",
            parameter="data",
        )
    return "mnist" if type_of(network).pixels(network) == DIGIT_SIZE else None


def inputs_for(network: Any, options: DataOptions = DataOptions()) -> Inputs:
    """Return the images for `network`.

    Parameters
    ----------
    network : Network or SpikingNetwork
    options : DataOptions

    Returns
    -------
    Inputs
        The first test images of the set that `options` name, or of :func:`own_set`; where there is none, or drawn
        inputs are asked for, random bits, or grey inputs for a spiking network, which have no labels.

    Raises
    ------
    InputError
        If the number of images is out of range, or the set does not fit the network.
    """
    kind = type_of(network)
    source: str | Path | None = options.source
    if source is None and not options.random_inputs:
        source = own_set(network)
    if source is None:
        count = options.images or min(options.at_most, IMAGES_MAX)
        if count > IMAGES_MAX:
            raise InputError(f"must be in [1, {IMAGES_MAX}], not {count}", parameter="images")
        g = np.random.Generator(np.random.Philox(key=[options.seed, _KEY]))
        # Bits are drawn as the first layer takes them, whatever code they would be.
        size = network.n_in if kind.levels == 2 else kind.pixels(network)
        drawn = g.integers(0, kind.levels, size=(count, size), dtype=np.uint8)
        what, images = ("bits", drawn.astype(bool)) if kind.levels == 2 else ("grey values", drawn)
        return Inputs(images, None, f"random {what}, seed {options.seed} (no labels)", class_names(network))
    data = load_dataset(source, labels=options.labels, data_dir=options.directory, signs=kind.signs(network))
    data.check_fit(kind.pixels(network), network.n_out, f"network {network.name!r}")
    data = data.in_classes(network.classes, network.name).first(options.images or min(options.at_most, len(data)))
    return Inputs(data.flat, data.labels, data.source, class_names(network, data.classes))


def class_names(network: Any, others: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the names of a network's classes, or `others` if they are as many; none if they are but numbers."""
    names = network.classes or others
    return names if len(names) == network.n_out and names != tuple(map(str, range(len(names)))) else ()


def refuse_without_labels(network: Any, inputs: Inputs, options: DataOptions) -> None:
    """Raise InputError if there are no labels and drawn inputs were not asked for: nothing could be called accuracy."""
    if inputs.labels is not None or options.random_inputs:
        return
    if options.source is not None:
        raise InputError(f"must be given: {inputs.source} has no labels, so there is no accuracy", parameter="labels")
    raise InputError(
        f"must be given for network {network.name!r}, which takes {type_of(network).pixels(network)} inputs:"
        f" {', '.join(KNOWN_SETS)}, a file or a folder; or use `random_inputs` to measure agreement with the network"
        " without errors",
        parameter="data",
    )
