"""Which data a network is run on: one record for every function that takes data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataOptions:
    """The first images of a test set.

    Parameters
    ----------
    images : int
        How many, in [1, 10000].
    directory : Path, optional
        Folder with the MNIST test files. Default: the shipped ones.
    seed : int
        Key of drawn images, for networks that take no digits.
    """

    images: int = 1000
    directory: Path | None = None
    seed: int = 0
