"""The exact integer path of ISAAC: weight slices, bit-serial inputs, an n-bit converter and flipped columns.

Shafiee et al., ISCA 2016: arrays of 128 x 128 cells of 2 bits, 16-bit weights in 8 slices, 16-bit inputs one bit a
cycle, and an 8-bit converter in place of one of 9, because a column whose cells add to more than half is stored
inverted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from .adc import check_bits


@dataclass(frozen=True)
class Isaac:
    """Sizes of the arrays.

    Parameters
    ----------
    rows : int
        Cells of a column.
    weight_bits, cell_bits, input_bits : int
        Of a signed weight, of a cell, and of an input, which is not negative.
    adc_bits : int
    flips : bool
        Whether columns may be stored inverted.
    """

    rows: int = 128
    weight_bits: int = 16
    cell_bits: int = 2
    input_bits: int = 16
    adc_bits: int = 8
    flips: bool = True

    def __post_init__(self) -> None:
        check_bits(self.adc_bits)
        if self.rows < 1 or self.weight_bits % self.cell_bits:
            raise InputError("weight_bits must be a multiple of cell_bits, and rows at least 1")

    @property
    def slices(self) -> int:
        """Cells of a weight."""
        return self.weight_bits // self.cell_bits

    @property
    def conversions_per_mac(self) -> float:
        """Conversions for each product of an input and a weight."""
        return self.slices * self.input_bits / self.rows

    def cells(self, weights: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return what the cells hold of weights (n_out, n_in): and which columns of each group are flipped.

        A weight is stored with 2**(weight_bits - 1) added to it.

        Returns
        -------
        cells : ndarray of int64, shape (slices, n_in, n_out)
            Each in [0, 2**cell_bits), inverted in columns that are flipped.
        flipped : ndarray of bool, shape (groups, slices, n_out)
        """
        half = 1 << (self.weight_bits - 1)
        w = np.asarray(weights, np.int64).T
        if w.size and not (-half <= w.min() and w.max() < half):
            raise InputError(f"must be in [{-half}, {half - 1}]", parameter="weights")
        top = (1 << self.cell_bits) - 1
        shifts = self.cell_bits * np.arange(self.slices)
        cells = ((w + half) >> shifts[:, None, None]) & top
        groups = [slice(k, k + self.rows) for k in range(0, len(w), self.rows)]
        flipped = np.zeros((len(groups), self.slices, w.shape[1]), bool)
        if self.flips:
            for k, group in enumerate(groups):
                part = cells[:, group]
                flipped[k] = 2 * part.sum(axis=1) > top * part.shape[1]
                cells[:, group] = np.where(flipped[k][:, None], top - part, part)
        return cells, flipped

    def multiply(self, weights: NDArray[np.integer], x: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return `x @ weights.T` as the arrays compute it.

        Parameters
        ----------
        weights : ndarray of int, shape (n_out, n_in)
        x : ndarray of int, shape (n, n_in)
            Each in [0, 2**input_bits).

        Returns
        -------
        ndarray of int64, shape (n, n_out)
            Exact unless a conversion clips.
        """
        x = np.asarray(x, np.int64)
        if x.size and not (x.min() >= 0 and x.max() >> self.input_bits == 0):
            raise InputError(f"must be in [0, {(1 << self.input_bits) - 1}]", parameter="x")
        cells, flipped = self.cells(weights)
        top, most = (1 << self.cell_bits) - 1, (1 << self.adc_bits) - 1
        total = np.zeros((len(x), cells.shape[2]), np.int64)
        for bit in range(self.input_bits):
            plane = (x >> bit & 1).astype(np.float32)
            for k in range(flipped.shape[0]):
                rows = slice(k * self.rows, (k + 1) * self.rows)
                ones = plane[:, rows].sum(axis=1, keepdims=True)
                for s in range(self.slices):
                    code = np.minimum(plane[:, rows] @ cells[s, rows].astype(np.float32), most)
                    code = np.where(flipped[k, s], top * ones - code, code)
                    total += code.astype(np.int64) << (bit + self.cell_bits * s)
        return total - (x.sum(axis=1, keepdims=True) << (self.weight_bits - 1))
