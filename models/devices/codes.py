"""Single-error-correcting, double-error-detecting codes: their decoder, and its exact residual error rate.

Every column of the parity-check matrix is a different vector with an odd number of ones (Hsiao's construction; for
(8,4) that is the extended Hamming code). So a single error gives an odd syndrome that is a column, and a double error
an even one.

The decoder: syndrome 0, accept the word; a column of the matrix, flip that bit; anything else, an error is detected and
the word is left as it is. Three errors give an odd syndrome: where that is a column, the decoder flips a fourth bit.

A residual error is a data bit that is wrong after decoding. Detected double errors count: the word is read as it is, as
a memory without a retry reads it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _data_columns(k: int, r: int) -> list[int]:
    """Return k columns of r bits with 3, 5, ... ones; fewest ones first, the rows filled as evenly as they can be."""
    columns: list[int] = []
    filled = np.zeros(r, np.int64)
    for weight in range(3, r + 1, 2):
        left = [frozenset(rows) for rows in itertools.combinations(range(r), weight)]
        while left and len(columns) < k:
            best = min(left, key=lambda rows: (sum(int(filled[i]) for i in rows), sorted(rows)))
            left.remove(best)
            filled[list(best)] += 1
            columns.append(sum(1 << i for i in best))
    return columns


@dataclass(frozen=True)
class Secded:
    """A SECDED code of `n` bits that hold `k` data bits; the data bits come first.

    Parameters
    ----------
    n, k : int
        For example 39 and 32.
    """

    n: int
    k: int

    @property
    def name(self) -> str:
        """Name of the code, for example ``SECDED(39,32)``."""
        return f"SECDED({self.n},{self.k})"

    @property
    def redundancy(self) -> float:
        """Stored bits for each data bit."""
        return self.n / self.k

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """Columns of the parity-check matrix as integers of n - k bits; bit i is row i."""
        r = self.n - self.k
        return (*_data_columns(self.k, r), *(1 << i for i in range(r)))

    @cached_property
    def residual_counts(self) -> tuple[int, ...]:
        """Wrong data bits after decoding, summed over all error patterns of each weight 0 to n; exact integers.

        With A(w, s) the number of patterns of weight w and syndrome s over all columns but column j, decoding removes
        an error of data bit j from A(w - 1, 0) patterns of weight w, and puts one there in A(w, column j).
        """
        n, k = self.n, self.k
        states = np.arange(1 << (n - k))
        count = np.zeros((n + 1, len(states)), object)
        count[0, 0] = 1
        for column in self.columns:  # patterns with, and without, an error there
            count[1:] = count[1:] + count[:-1][:, states ^ column]
        residual = [k * comb(n - 1, w - 1) if w else 0 for w in range(n + 1)]
        for column in self.columns[:k]:
            zero, at = 0, 0  # A(w - 1, 0) and A(w - 1, column)
            for w in range(n + 1):
                residual[w] -= zero
                zero, at = count[w, 0] - at, count[w, column] - zero
                residual[w] += at
        return tuple(int(x) for x in residual)

    def residual(self, p: ArrayLike) -> NDArray[np.float64]:
        """Return the exact share of data bits that are wrong after decoding, for independent bit errors at rate `p`."""
        rate = np.asarray(p, np.float64)[..., None]
        w = np.arange(self.n + 1)
        return (rate**w * (1 - rate) ** (self.n - w)) @ np.array([float(x) for x in self.residual_counts]) / self.k

    def estimate(self, p: ArrayLike) -> NDArray[np.float64]:
        """Return (n - 1) p^2, the residual for small `p`: double errors, left in place."""
        return (self.n - 1) * np.asarray(p, np.float64) ** 2

    def pessimistic(self, p: ArrayLike) -> NDArray[np.float64]:
        """Return the residual if every odd pattern of three errors or more gained one more error from the decoder."""
        rate = np.asarray(p, np.float64)[..., None]
        w = np.arange(self.n + 1)
        wrong = np.where(w == 1, 0, w + ((w % 2 == 1) & (w >= 3)))
        chance = np.array([float(comb(self.n, int(k))) for k in w])
        return (rate**w * (1 - rate) ** (self.n - w)) @ (chance * wrong) / self.n

    def encode(self, data: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the words, shape (count, n), that hold `data`, bool of shape (count, k)."""
        return np.concatenate([data, self._parity(data, self.columns[: self.k])], axis=1)

    def _parity(self, bits: NDArray[np.bool_], columns: tuple[int, ...]) -> NDArray[np.bool_]:
        rows = (np.array(columns)[:, None] >> np.arange(self.n - self.k)) & 1
        sums = bits.astype(np.float32) @ rows.astype(np.float32)  # of at most n ones: exact
        return (sums.astype(np.int64) & 1).astype(bool)

    def decode(self, words: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return corrected words.

        Parameters
        ----------
        words : ndarray of bool, shape (count, n)
            As read.

        Returns
        -------
        ndarray of bool, shape (count, n)
        """
        r = self.n - self.k
        position = np.full(1 << r, -1)
        position[list(self.columns)] = np.arange(self.n)
        flip = position[self._parity(words, self.columns) @ (1 << np.arange(r))]
        fixed = words.copy()
        hit = np.flatnonzero(flip >= 0)
        fixed[hit, flip[hit]] ^= True
        return fixed


#: The codes that the command line compares: that of the redundancy of 2T2R, and the two usual ones of memories.
CODES = (Secded(8, 4), Secded(39, 32), Secded(72, 64))
