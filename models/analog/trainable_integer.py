"""A trainable converter in integers: what :mod:`oxnor.hw.analog.trainable_converter` computes, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .trainable import TrainableAdc


@dataclass(eq=False)
class IntegerTrainableAdc:
    """A converter of n bits whose numbers are integers of full scale 2**width.

    Parameters
    ----------
    width : int
        Bits of the input and of every weight.
    weights : ndarray of int64, shape (n, n)
        w_ij of bit i and bit j > i, in [0, 2**width); others are not used.
    biases : ndarray of int64, shape (n,)
        In [0, 2**width).
    """

    width: int
    weights: NDArray[np.int64]
    biases: NDArray[np.int64]

    @classmethod
    def of(cls, adc: TrainableAdc, width: int) -> IntegerTrainableAdc:
        """Return the first of some converters in integers."""
        whole = [np.rint(v[0] * (1 << width)).astype(np.int64) for v in (adc.weights, adc.biases)]
        return cls(width, *(np.clip(v, 0, (1 << width) - 1) for v in whole))

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return len(self.biases)

    def digits(self, v: int) -> NDArray[np.int64]:
        """Return the bits of a value in [0, 2**width), lowest first."""
        d = np.zeros(self.bits, np.int64)
        for i in reversed(range(self.bits)):
            d[i] = v >= self.biases[i] + self.weights[i, i + 1 :] @ d[i + 1 :]
        return d

    def code(self, v: int) -> int:
        """Return the code of a value in [0, 2**width)."""
        return int(self.digits(v) @ (1 << np.arange(self.bits)))

    def learn(self, v: int, right: int, rate: int) -> int:
        """Return the code of a value, and move what made its bits wrong by 2**rate, down to 0 and up to the largest."""
        d = self.digits(v)
        error = ((right >> np.arange(self.bits)) & 1) - d
        top = (1 << self.width) - 1
        for i in np.flatnonzero(error):
            step = int(error[i]) << rate
            self.biases[i] = np.clip(self.biases[i] - step, 0, top)
            self.weights[i, i + 1 :] = np.clip(self.weights[i, i + 1 :] - step * d[i + 1 :], 0, top)
        return int(d @ (1 << np.arange(self.bits)))

    def to_float(self) -> TrainableAdc:
        """Return the converter with numbers as shares of full scale, to measure it."""
        scale, above = 1 / (1 << self.width), np.triu(np.ones((self.bits, self.bits)), 1)
        return TrainableAdc((self.weights * above * scale)[None], (self.biases * scale)[None])
