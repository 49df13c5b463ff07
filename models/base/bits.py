"""Bits packed into bytes, words and lines of hexadecimal: element i is bit i, least significant first."""

from __future__ import annotations

from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

Word = TypeVar("Word", bound=np.unsignedinteger)


def pack_bytes(bits: NDArray, multiple: int = 8) -> NDArray[np.uint8]:
    """Pack the last axis of a bool array into bytes.

    Parameters
    ----------
    bits : ndarray of bool, shape (..., n)
    multiple : int
        Fill with 0 up to a multiple of this many bits, itself a multiple of 8.

    Returns
    -------
    ndarray of uint8, shape (..., bytes)
    """
    packed = np.packbits(np.asarray(bits, dtype=bool), axis=-1, bitorder="little")
    size = -(-bits.shape[-1] // multiple) * multiple // 8
    if packed.shape[-1] != size:
        packed = np.pad(packed, [(0, 0)] * (packed.ndim - 1) + [(0, size - packed.shape[-1])])
    return packed


def unpack_bytes(packed: NDArray[np.uint8], n: int | None = None) -> NDArray[np.bool_]:
    """Undo :func:`pack_bytes` for `n` elements, by default for all bits."""
    return np.unpackbits(packed, axis=-1, count=n, bitorder="little").view(bool)


@overload
def pack_words(bits: NDArray) -> NDArray[np.uint64]: ...


@overload
def pack_words(bits: NDArray, word: type[Word]) -> NDArray[Word]: ...


def pack_words(bits: NDArray, word: type[np.unsignedinteger] = np.uint64) -> NDArray[np.unsignedinteger]:
    """Pack the last axis of a bool array into words; unused high bits are 0.

    Parameters
    ----------
    bits : ndarray of bool, shape (..., n)
    word : type
        Unsigned integer type of numpy.

    Returns
    -------
    ndarray of `word`, shape (..., ceil(n / bits of a word))
    """
    size = np.dtype(word).newbyteorder("<")
    packed = np.ascontiguousarray(pack_bytes(bits, 8 * size.itemsize))
    return packed.view(size).astype(word, copy=False)


def unpack_words(words: NDArray[np.integer], n: int) -> NDArray[np.bool_]:
    """Undo :func:`pack_words` for `n` elements."""
    little = np.ascontiguousarray(words, dtype=words.dtype.newbyteorder("<"))
    return unpack_bytes(little.view(np.uint8), n)


def word_bits(words: NDArray[np.integer], width: int) -> NDArray[np.bool_]:
    """Return the low `width` bits of integers, two's complement, one after the other.

    Parameters
    ----------
    words : ndarray of integers, shape (n,) or (n, cols)
    width : int
        At most the bits of an element.

    Returns
    -------
    ndarray of bool, shape (n, cols * width)
        Column 0 first.
    """
    return unpack_words(words[..., None], width).reshape(len(words), -1)


def integers(bits: NDArray[np.bool_]) -> list[int]:
    """Return each row of bits, shape (n, width), as an integer."""
    return [int.from_bytes(row.tobytes(), "little") for row in pack_bytes(bits)]


def signed_integers(packed: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return little-endian two's complement integers of at most eight bytes, shape (..., bytes), as shape (...)."""
    negative = packed[..., -1:] & 0x80 != 0
    wide = np.where(negative, np.uint8(0xFF), np.uint8(0)).repeat(8, axis=-1)
    wide[..., : packed.shape[-1]] = packed
    return np.ascontiguousarray(wide).view("<i8")[..., 0].astype(np.int64)


def hex_lines(bits: NDArray[np.bool_], lines: int | None = None) -> str:
    """Return bits as lines of hexadecimal for ``$readmemh``, bit 0 rightmost.

    Parameters
    ----------
    bits : ndarray of bool, shape (n, width)
    lines : int, optional
        How many lines, at least n: those beyond n are 0. Default: n.
    """
    digits = -(-bits.shape[1] // 4)
    text = [row.tobytes().hex()[-digits:] for row in pack_bytes(bits)[:, ::-1]]
    text += ["0" * digits] * ((len(text) if lines is None else lines) - len(text))
    return "".join(f"{line}\n" for line in text)
