"""Bit vectors: element i is bit i, least significant first; words are little-endian."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pack_words(bits: NDArray) -> NDArray[np.uint64]:
    """Pack the last axis of a bool array into 64-bit words; unused high bits are 0.

    Parameters
    ----------
    bits : ndarray of bool, shape (..., n)

    Returns
    -------
    ndarray of uint64, shape (..., ceil(n / 64))
    """
    packed = np.packbits(np.asarray(bits, dtype=bool), axis=-1, bitorder="little")
    words = -(-bits.shape[-1] // 64)
    if packed.shape[-1] != words * 8:
        pad = [(0, 0)] * (packed.ndim - 1) + [(0, words * 8 - packed.shape[-1])]
        packed = np.pad(packed, pad)
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64, copy=False)


def unpack_words(words: NDArray[np.uint64], n: int) -> NDArray[np.bool_]:
    """Undo :func:`pack_words` for `n` elements."""
    as_bytes = np.ascontiguousarray(words.astype("<u8", copy=False)).view(np.uint8)
    return np.unpackbits(as_bytes, axis=-1, count=n, bitorder="little").astype(bool)
