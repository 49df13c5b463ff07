"""Widths of numbers, in bits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from oxnor.models.base.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Most bits of a beat, and of a vector between layers.
STREAM_MAX, PORTS_MAX = 1 << 15, 60_000


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


def check_stream_width(width: int) -> None:
    """Raise InputError unless a beat of the input stream can have `width` bits.

    Amaranth numbers the bits of all ports of a module together, up to 2**16.
    """
    if width < 8 or width % 8:
        raise InputError(f"must be a positive multiple of 8, not {width}", parameter="stream_width")
    if width > STREAM_MAX:
        raise InputError(f"must be at most {STREAM_MAX}, not {width}", parameter="stream_width")


def check_emitted(sizes: Iterable[int]) -> None:
    """Raise InputError unless layers of these numbers of inputs and neurons, and streams, can be generated."""
    if (largest := max(sizes)) > PORTS_MAX:
        raise InputError(f"layers must have at most {PORTS_MAX} inputs and neurons to be generated, not {largest}")


#: Pairs of three states whose weights a byte holds where they are packed.
PAIRS_TO_BYTE = 5


def packed_bits(pairs: int) -> int:
    """Return the bits of so many packed pairs: whole bytes (:mod:`oxnor.models.base.trits`)."""
    return 8 * -(-pairs // PAIRS_TO_BYTE)
