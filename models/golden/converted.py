"""Reads whose counts go through a converter, macro by macro, before they are added."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_words, unpack_words
from oxnor.models.kernels import packed as kernels
from oxnor.models.networks.count_converter import CountConverter


@dataclass(frozen=True)
class ConvertedReads:
    """Reads of one layer in groups of as many synapses as a macro has columns: takes the place of the kernels.

    Parameters
    ----------
    converter : CountConverter
    """

    converter: CountConverter

    def popcounts(
        self, x: NDArray[np.uint64], w: NDArray[np.uint64], n_in: int, backend: str = "numba"
    ) -> NDArray[np.int32]:
        """As :func:`oxnor.models.kernels.packed.popcounts`, of converted counts."""
        step = self.converter.columns
        bits = None if step % 64 == 0 else (unpack_words(x, n_in), unpack_words(w, n_in))
        total = np.zeros((len(x), len(w)), np.int32)
        for start in range(0, n_in, step):
            n = min(step, n_in - start)
            if bits is None:
                words = slice(start // 64, -(-(start + n) // 64))
                xs, ws = (np.ascontiguousarray(v[:, words]) for v in (x, w))
            else:
                xs, ws = (pack_words(v[:, start : start + n]) for v in bits)
            total += self.converter.convert(kernels.popcounts(xs, ws, n, backend), n)
        return total

    def fire(
        self, x: NDArray[np.uint64], w: NDArray[np.uint64], thresholds: NDArray[np.int64], n_in: int,
        backend: str = "numba",
    ) -> NDArray[np.uint64]:  # fmt: skip
        """As :func:`oxnor.models.kernels.packed.fire`, of converted counts."""
        return pack_words(self.popcounts(x, w, n_in, backend) >= thresholds)
