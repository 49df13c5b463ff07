"""Ternary digits, five to a byte: 3**5 = 243 of 256."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .bits import pack_bytes, unpack_bytes

#: Digits of a byte.
TRITS = 5


def byte_digits() -> NDArray[np.uint8]:
    """Return the digits that each byte stands for, shape (256, 5), the lowest first.

    A block of trits of the texture format ASTC, whose decoder takes few look-up tables: no digit needs more than six
    bits of the byte. Thirteen bytes stand for digits that another one stands for too.

    References
    ----------
    Khronos Data Format Specification 1.3, section 23.12: integer sequence encoding.
    """
    b = np.arange(256)
    high, pair = b >> 2 & 7 == 7, b >> 5 & 3
    c = np.where(high, b >> 5 << 2 | b & 3, b & 31)
    low, middle, bit = c & 3, c >> 2 & 3, c >> 4
    digits = [
        np.where(low == 3, middle, low),
        np.where(low == 3, bit, middle),
        np.where((low == 3) | (middle == 3), 2, bit),
        np.where(high, 2, np.where(pair == 3, b >> 7, pair)),
        np.where(high | (pair == 3), 2, b >> 7),
    ]
    return np.minimum(digits, 2).T.astype(np.uint8)


def pack_trits(states: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return pairs of three states as bytes, five to a byte.

    Parameters
    ----------
    states : ndarray of bool, shape (..., 2 n)
        Two bits a pair as :func:`oxnor.models.faults.march.as_states` has them: how many are 1 is the digit.

    Returns
    -------
    ndarray of bool, shape (..., 8 ceil(n / 5))
        Pairs that are missing from the last byte are 0.
    """
    digits = states.reshape(*states.shape[:-1], -1, 2).sum(axis=-1)
    missing = -digits.shape[-1] % TRITS
    digits = np.pad(digits, [(0, 0)] * (digits.ndim - 1) + [(0, missing)])
    digits = digits.reshape(*digits.shape[:-1], -1, TRITS)
    numbers = 3 ** np.arange(TRITS)
    byte_of = np.zeros(3**TRITS, np.uint8)
    byte_of[(byte_digits() @ numbers)[::-1]] = np.arange(256)[::-1]  # of several the first
    return unpack_bytes(byte_of[digits @ numbers])


def unpack_trits(packed: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """Undo :func:`pack_trits` for `count` pairs, shape (..., 2 count)."""
    digits = byte_digits()[pack_bytes(packed)]
    digits = digits.reshape(*packed.shape[:-1], -1)[..., :count]
    return (digits[..., None] > [0, 1]).reshape(*packed.shape[:-1], 2 * count)
