"""Synapses of three values that a table of probabilities and a generator move: bit-true model of the gateware."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.layers.presentations import SEED, step

from .mtj import octave

#: Whole steps that a wished one is kept up to: more than two change nothing.
WHOLE_BITS = 2


def seeds(lanes: int) -> NDArray[np.uint32]:
    """Return the first state of each lane's generator; none is 0."""
    return np.random.SeedSequence(SEED).generate_state(lanes) | np.uint32(1)


def sizes(steps: NDArray[np.floating], entries: int) -> NDArray[np.int64]:
    """Return steps in units of the distance of two values, without sign, as the gateware takes them.

    Two bits of whole steps, then ``entries - 1`` bits of the part of one, rounded down.
    """
    units = np.floor(np.abs(np.asarray(steps, np.float64)) * (1 << entries - 1))
    return np.minimum(units, (1 << WHOLE_BITS + entries - 1) - 1).astype(np.int64)


class Synapses:
    """Rows of synapses of which one is updated at a time, each lane with its own generator.

    Parameters
    ----------
    values : ndarray of int, shape (rows, lanes)
        -1, 0 and +1.
    thresholds : ndarray of uint16, shape (entries,)
        From :func:`oxnor.models.learning.mtj.thresholds`.

    Attributes
    ----------
    values : ndarray of int8, shape (rows, lanes)

    Raises
    ------
    InputError
        If a value is none of the three.
    """

    def __init__(self, values: NDArray[np.integer], thresholds: NDArray[np.uint16]) -> None:
        if not np.isin(values, (-1, 0, 1)).all():
            raise InputError("must be -1, 0 or +1", parameter="values")
        self.values = np.array(values, np.int8)
        self.thresholds = thresholds
        self._state = seeds(self.values.shape[1])

    @property
    def numbers(self) -> NDArray[np.uint32]:
        """Number of each lane that the next update compares with a threshold."""
        return np.asarray(self._state >> 16)

    def rest(self) -> None:
        """Let an update pass that moves nothing."""
        self._state = step(self._state)

    def update(self, row: int, directions: NDArray[np.integer], sizes: NDArray[np.integer]) -> NDArray[np.int8]:
        """Update a row and return it.

        Parameters
        ----------
        row : int
        directions : ndarray of int, shape (lanes,)
            Signs of the wished steps; a lane of 0 stays.
        sizes : ndarray of int, shape (lanes,)
            From :func:`sizes`.
        """
        entries = len(self.thresholds)
        whole, part = np.divmod(sizes, 1 << entries - 1)
        moves = whole + (self.numbers < self.thresholds[octave(part, entries)])
        self.rest()
        self.values[row] = np.clip(self.values[row] + np.sign(directions) * moves, -1, 1)
        return self.values[row]
