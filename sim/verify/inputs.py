"""Inputs for a network: images of a data set, events of a file, or drawn ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.datasets.events import read_events
from oxnor.models.datasets.known import KNOWN_SETS, load_dataset
from oxnor.models.datasets.options import DataOptions
from oxnor.models.golden.registry import takes_events, type_of
from oxnor.models.networks.encoders import DRAWN_RATE, Events, draw_events, streams_of

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
    images : ndarray, shape (n, n_in), or tuple of Events
        uint8 (grey) or bool (bits); event streams for a network that takes events.
    labels : ndarray of int64, shape (n,), or None
        The right class of each.
    source : str
        In words.
    classes : tuple of str
        Names of the classes, where they say more than numbers; otherwise empty.
    """

    images: Any
    labels: NDArray[np.int64] | None
    source: str
    classes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        labels = "no labels" if self.labels is None else "labels"
        what = "samples" if isinstance(self.images, tuple) else f"images of {self.images.shape[1]} values"
        return f"Inputs({len(self.images):,} {what}, {labels}: {self.source})"

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the images and their labels."""
        h = hashlib.sha256()
        for part in self.images if isinstance(self.images, tuple) else (self.images,):
            # The length too: where one sample ends is part of what they are.
            content = np.append(part.words(), np.uint32(len(part.ticks))) if isinstance(part, Events) else part
            h.update(np.ascontiguousarray(content).tobytes())
        if self.labels is not None:
            h.update(np.ascontiguousarray(self.labels).tobytes())
        return h.hexdigest()


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
        inputs are asked for, random bits, or grey inputs for a spiking network, which have no labels. For a network
        that takes events, the samples of their file, or drawn events.

    Raises
    ------
    InputError
        If the number of images is out of range, or the set does not fit the network.
    """
    if takes_events(network):
        return _event_inputs(network, options)
    if options.events is not None:
        raise InputError(f"must not be given for network {network.name!r}, which takes no events", parameter="events")
    kind = type_of(network)
    source: str | Path | None = options.source
    if source is None and not options.random_inputs:
        source = own_set(network)
    if source is None:
        count = _drawn(options)
        g = np.random.Generator(np.random.Philox(key=[options.seed, _KEY]))
        # Bits are drawn as the first layer takes them, whatever code they would be.
        size = network.n_in if kind.levels == 2 else kind.pixels(network)
        drawn = g.integers(0, kind.levels, size=(count, size), dtype=np.uint8)
        what, images = ("bits", drawn.astype(bool)) if kind.levels == 2 else ("grey values", drawn)
        return Inputs(images, None, f"random {what}, seed {options.seed} (no labels)", class_names(network))
    data = load_dataset(source, labels=options.labels, data_dir=options.directory, signs=kind.signs(network))
    pixels, shape = kind.pixels(network), network.layers[0].shape_in
    if len(shape) == 3:  # of elements: a pixel may give several
        shape = (*shape[:2], pixels // (shape[0] * shape[1]))
    data.check_fit(pixels, network.n_out, f"network {network.name!r}", shape if len(shape) == 3 else ())
    data = data.in_classes(network.classes, network.name).first(options.images or min(options.at_most, len(data)))
    return Inputs(data.flat, data.labels, data.source, class_names(network, data.classes))


def _drawn(options: DataOptions) -> int:
    count = options.images or min(options.at_most, IMAGES_MAX)
    if count > IMAGES_MAX:
        raise InputError(f"must be in [1, {IMAGES_MAX}], not {count}", parameter="images")
    return count


def _event_inputs(network: Any, options: DataOptions) -> Inputs:
    """Return the samples of an event file, or drawn events: a network without an encoder takes nothing else."""
    if options.random_inputs:
        streams = draw_events(network.n_in, network.decision.window, _drawn(options), options.seed)
        source = f"random events, up to {DRAWN_RATE:g} a tick at an input, seed {options.seed} (no labels)"
        return Inputs(streams, None, source, class_names(network))
    if options.events is None:
        raise InputError(
            f"must be given for network {network.name!r}, which has no encoder and takes events: a file of them; or use"
            " `random_inputs`",
            parameter="events",
        )
    table = read_events(options.events)
    table.check_fit(network.n_in, network.decision.window, network.n_out, f"network {network.name!r}")
    count = options.images or min(options.at_most, len(table))
    if count > len(table):
        raise InputError(f"must be in [1, {len(table)}], as {table.path} has no more, not {count}", parameter="images")
    labels = None if table.labels is None else table.labels[:count]
    return Inputs(streams_of(table)[:count], labels, f"events of {table.path.name}", class_names(network))


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
