"""The split of the training images: some train, the others choose the best epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

#: The first of the images for training: batch norm's statistics are computed on them before the fold.
STATISTICS_IMAGES = 10_000
#: The same for networks with convolutions, which have many pixels of each.
STATISTICS_WINDOWED = 2_000
_SPLIT_KEY = 1


def split(n: int, validation: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices for training and for validation, sorted, out of n training images."""
    if validation >= n:
        raise InputError(f"must be less than the {n} training images, not {validation}", parameter="validation")
    order = np.random.Generator(np.random.Philox(key=_SPLIT_KEY)).permutation(n)
    return np.sort(order[validation:]), np.sort(order[:validation])
