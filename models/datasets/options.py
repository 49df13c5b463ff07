"""Which data a network is run on: one record for every function that takes data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from oxnor.models.base.errors import InputError

from .names import KNOWN_NAMES


@dataclass(frozen=True)
class DataOptions:
    """The first images of a test set, or drawn ones.

    Parameters
    ----------
    images : int, optional
        How many, at least 1. Default: `at_most`, or all if the set has fewer.
    source : str or path, optional
        One of :data:`oxnor.models.datasets.names.KNOWN_NAMES`, or a file or folder as
        :func:`oxnor.models.datasets.files.read_dataset` takes it. Default: the set that the network was trained on, if
        it is a known one, or MNIST's test images for a network of 784 pixels.
    labels : path, optional
        File with the labels, if `source` has none.
    directory : path, optional
        Folder in which known sets are looked for first.
    events : path, optional
        File of events, as :func:`oxnor.models.datasets.events.read_events` takes it, for a spiking network that takes
        events: its samples are the images.
    random_inputs : bool
        Draw inputs instead. They have no labels: a sweep then measures agreement, not accuracy.
    seed : int
        Key of drawn inputs.
    at_most : int
        See `images`.

    Raises
    ------
    InputError
        If drawn inputs, a source and events are not asked for alone, or labels without a source.
    """

    images: int | None = None
    source: str | Path | None = None
    labels: Path | None = None
    directory: Path | None = None
    random_inputs: bool = False
    seed: int = 0
    at_most: int = 1000
    events: Path | None = None

    def __post_init__(self) -> None:
        if isinstance(self.source, str) and self.source not in KNOWN_NAMES:
            object.__setattr__(self, "source", Path(self.source))
        if self.random_inputs and self.source is not None:
            raise InputError("must not be given together with a data set", parameter="random_inputs")
        if self.events is not None and (self.source is not None or self.random_inputs):
            raise InputError("must not be given together with other inputs", parameter="events")
        if self.labels is not None and self.source is None:
            raise InputError("must come with the data set that they are of", parameter="labels")
        if self.images is not None and self.images < 1:
            raise InputError(f"must be at least 1, not {self.images}", parameter="images")

    @property
    def wanted(self) -> str:
        """The images in words."""
        count = "the first" if self.images is None else f"{self.images:,}"
        if self.events is not None:
            return f"{count} samples of {self.events}"
        return f"{count} images" + (f" of {self.source}" if self.source is not None else "")
