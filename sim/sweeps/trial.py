"""One trial of a sweep: which it is, and what it gave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Stands for errors in all layers at once.
ALL_LAYERS = -1


@dataclass(frozen=True, order=True)
class Key:
    """Which trial: in a layer (:data:`ALL_LAYERS` for all), at an error rate, the number of the draw."""

    layer: int
    rate: float
    trial: int


@dataclass(frozen=True, eq=False)
class Trial:
    """What one trial gave.

    Parameters
    ----------
    key : Key
    errors : int
        Wrong synapses.
    confusion : ndarray of int64, shape (n_classes, n_classes)
        Images of a class (row) by their predicted class (column).
    seconds : float
        Time that it took, draw included.
    changes : (int, int), optional
        Images that the errors took from right to wrong, and from wrong to right. None in files of earlier releases.
    """

    key: Key
    errors: int
    confusion: NDArray[np.int64]
    seconds: float
    changes: tuple[int, int] | None = None

    @property
    def correct(self) -> int:
        """Images whose predicted class is theirs."""
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """Share of the images whose predicted class is theirs."""
        return self.correct / int(self.confusion.sum())
