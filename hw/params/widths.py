"""Widths of numbers, in bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def bits_for(maximum: int) -> int:
    """Return the number of bits of an unsigned number in [0, maximum], at least 1."""
    return max(1, maximum.bit_length())


def signed_bits_for(values: NDArray[np.integer]) -> int:
    """Return the number of bits, two's complement, that hold every one of `values`."""
    low, high = int(values.min()), int(values.max())
    return max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1


def whole_bytes(bits: int) -> int:
    """Return `bits` rounded up to a multiple of 8."""
    return -(-bits // 8) * 8
