"""The digital parts of an RBM on devices, bit for bit: what :mod:`oxnor.hw.learning` computes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.encoders import lfsr_draw

from .synapses import Synapses

#: Bits of an entry of the sigmoid's table and of its address; steps of the address in a current of 1.
TABLE_BITS, TABLE_STEPS = 8, 16
#: Bits of a weight, two's complement, and steps in a weight of 1.
WEIGHT_BITS, WEIGHT_STEPS = 8, 64


def sigmoid_table() -> NDArray[np.int64]:
    """Return P(1) in 256ths of each address, that in the middle of the step; entry 0 is that of address -128."""
    n = 1 << TABLE_BITS
    x = (np.arange(n) - n // 2 + 0.5) / TABLE_STEPS
    return np.minimum(np.rint(n / (1 + np.exp(-x))), n - 1).astype(np.int64)


def table_address(total: int) -> int:
    """Return the entry of a sum of weights: its current in steps, at the ends of the table if it is beyond them."""
    half = 1 << TABLE_BITS - 1
    return max(-half, min(half - 1, total * TABLE_STEPS // WEIGHT_STEPS)) + half


def integer_weights(weights: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return weights in steps, within what :data:`WEIGHT_BITS` hold."""
    half = 1 << WEIGHT_BITS - 1
    return np.clip(np.rint(np.asarray(weights, np.float64) * WEIGHT_STEPS), -half, half - 1).astype(np.int64)


def counter_bits(threshold: int, batch: int) -> int:
    """Return the bits, two's complement, of a counter that is below its threshold before each batch.

    Raises
    ------
    InputError
        If a batch could add more than the threshold, so that one pulse would not bring the count below it.
    """
    if not 1 <= batch <= threshold:
        raise InputError(f"must be in [1, {threshold}], the threshold, not {batch}", parameter="batch")
    return (threshold - 1 + batch).bit_length() + 1


@dataclass(frozen=True)
class Pulse:
    """A request.

    Parameters
    ----------
    row, column : int
        Of the array; the last row is the bias of hidden units, the last column that of visible ones.
    erases : bool
        The count is positive: the weight is to grow.
    """

    row: int
    column: int
    erases: bool


@dataclass(eq=False)
class DigitalRbm:
    """An RBM whose neurons and counters are digital.

    Parameters
    ----------
    weights : ndarray of int64, shape (visible + 1, hidden + 1)
        In steps; the last row and column are biases, and their corner is nothing.
    threshold : int
        T_c.
    state : int
        Of the LFSR, above 0.
    counts : ndarray of int64
        Of the counters, in the shape of the weights.
    """

    weights: NDArray[np.int64]
    threshold: int
    state: int
    counts: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = np.zeros_like(self.weights)
        self._table = sigmoid_table()

    def _fire(self, totals: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return a state of each sum, drawn one after the other."""
        states = []
        for total in totals.tolist():
            states.append(int(self.state & (1 << TABLE_BITS) - 1 < self._table[table_address(total)]))
            self.state = int(lfsr_draw(np.uint32(self.state)))
        return np.array(states, np.int64)

    def sample(self, visible: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Count the contrast of one pattern; return the drawn states: hidden, visible and hidden again."""
        w, one = self.weights, np.ones(1, np.int64)
        v = np.append(visible, one).astype(np.int64)
        hidden = self._fire(v @ w[:, :-1])
        drawn = self._fire(w[:-1] @ np.append(hidden, one))
        again = self._fire(np.append(drawn, one) @ w[:, :-1])
        change = np.outer(v, np.append(hidden, one)) - np.outer(np.append(drawn, one), np.append(again, one))
        self.counts += change
        return hidden, drawn, again

    def requests(self) -> list[Pulse]:
        """Return the pulses that are asked for, row by row, and take them off the counters."""
        over = np.abs(self.counts) >= self.threshold
        found = [Pulse(int(i), int(k), bool(self.counts[i, k] > 0)) for i, k in np.argwhere(over)]
        self.counts -= self.threshold * np.sign(self.counts) * over
        return found


def pulsed(array: Synapses, pulse: Pulse) -> int:
    """Give the device of a request its pulse, and return the weight in steps that it then has."""
    change = np.zeros(array.counts.shape, np.int32)
    change[pulse.row, pulse.column] = array.params.threshold * (1 if pulse.erases else -1)
    array.learn(change)
    return int(integer_weights(array.weights[pulse.row, pulse.column]))


#: Three letters of 4 x 4 pixels: what a machine of the chip's size, 16 pixels and 3 labels by 8 units, learns.
LETTERS = ("X..X.XX..XX.X..X", ".XX.X..XX..X.XX.", "XXXX.X...X...X..")


def letter_patterns() -> NDArray[np.int64]:
    """Return 12 patterns of 19 bits: each letter as it is and with one of three pixels changed, and its label."""
    letters = np.array([[c == "X" for c in letter] for letter in LETTERS], np.int64)
    changed = np.zeros((4, 16), np.int64)
    changed[1, 1] = changed[2, 6] = changed[3, 11] = 1
    pixels = (letters[:, None] ^ changed).reshape(12, 16)
    return np.hstack([pixels, np.repeat(np.eye(3, dtype=np.int64), 4, axis=0)])
