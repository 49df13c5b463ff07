"""XNOR-popcount on packed bits: numba kernels and their plain numpy references, equal on every bit.

Inputs are uint64 words, element i in bit i % 64 of word i // 64, with unused high bits 0 in both operands. XOR of
two such rows counts the *disagreeing* bits, and the padding never disagrees: popcount = n_in - disagreements.
"""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_words, unpack_words

BACKENDS = ("numba", "numpy")
_CHUNK = 256


@intrinsic
def _ctpop(typingctx: Any, x: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64)])
        function = builder.module.declare_intrinsic("llvm.ctpop", [ir.IntType(64)], kind)
        return builder.call(function, args)

    return types.uint64(types.uint64), codegen


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _count_image(x, w, n_in, out):
    for j in range(w.shape[0]):
        differ = np.uint64(0)
        for k in range(x.shape[0]):
            differ += _ctpop(x[k] ^ w[j, k])
        out[j] = n_in - np.int64(differ)


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _fire_image(x, w, limit, out):
    m = w.shape[0]
    for word in range(out.shape[0]):
        bits = np.uint64(0)
        for b in range(min(64, m - 64 * word)):
            j = 64 * word + b
            differ = np.uint64(0)
            for k in range(x.shape[0]):
                differ += _ctpop(x[k] ^ w[j, k])
            # p >= T is the same as n_in - T >= number of disagreeing bits
            if np.int64(differ) <= limit[j]:
                bits |= np.uint64(1) << np.uint64(b)
        out[word] = bits


@numba.njit(parallel=True, cache=True, boundscheck=False)
def _popcounts_numba(x, w, n_in, out):
    for i in numba.prange(x.shape[0]):
        _count_image(x[i], w, n_in, out[i])


@numba.njit(parallel=True, cache=True, boundscheck=False)
def _fire_numba(x, w, limit, out):
    for i in numba.prange(x.shape[0]):
        _fire_image(x[i], w, limit, out[i])


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _levels_image(x, w, thresholds, most, out):
    for j in range(w.shape[0]):
        count = np.int64(most)
        for p in range(x.shape[0]):
            differ = np.uint64(0)
            for k in range(x.shape[1]):
                differ += _ctpop(x[p, k] ^ w[j, k])
            count -= np.int64(differ) << p
        level = 0
        for t in range(thresholds.shape[1]):
            level += count >= thresholds[j, t]
        for b in range(out.shape[0]):
            out[b, j // 64] |= np.uint64((level >> b) & 1) << np.uint64(j % 64)


@numba.njit(nogil=True, cache=True, boundscheck=False)
def levels_serial(x, w, thresholds, most, out):
    """As :func:`levels`, into `out` of zeros, in the caller's thread."""
    for i in range(x.shape[0]):
        _levels_image(x[i], w, thresholds, most, out[i])


@numba.njit(parallel=True, cache=True, boundscheck=False)
def levels(x, w, thresholds, most, out):
    """Count how many thresholds, shape (n_out, levels), the popcounts of planes (n, planes, words) reach.

    Plane k counts 2**k; `most` is the largest popcount. The levels are packed into `out` of zeros, shape
    (n, planes of the output, ceil(n_out / 64)).
    """
    for i in numba.prange(x.shape[0]):
        _levels_image(x[i], w, thresholds, most, out[i])


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _sliced_image(x, slices, factors, most, out):
    for j in range(slices.shape[1]):
        count = np.int64(most)
        for s in range(slices.shape[0]):
            differ = np.uint64(0)
            for k in range(x.shape[0]):
                differ += _ctpop(x[k] ^ slices[s, j, k])
            count -= np.int64(differ) * factors[s]
        out[j] = count


@numba.njit(nogil=True, cache=True, boundscheck=False)
def sliced_serial(x, slices, factors, most, out):
    """As :func:`sliced`, in the caller's thread."""
    for i in range(x.shape[0]):
        _sliced_image(x[i], slices, factors, most, out[i])


@numba.njit(parallel=True, cache=True, boundscheck=False)
def sliced(x, slices, factors, most, out):
    """Count the agreeing bits of inputs (n, words) with weights whose synapses count as digits.

    Synapse s of each weight counts `factors[s]`; `slices`, shape (synapses of a weight, n_out, words), has the weights
    from :func:`by_digit`, and `most` is the largest count. The counts go into `out`, shape (n, n_out).
    """
    for i in numba.prange(x.shape[0]):
        _sliced_image(x[i], slices, factors, most, out[i])


@numba.njit(nogil=True, cache=True, boundscheck=False)
def fire_some(x, w, limit, neurons, out):
    """Write only the bits of `neurons` into packed `out`, in the caller's thread; `limit` is n_in - thresholds."""
    words = x.shape[1]
    for i in range(x.shape[0]):
        for j in neurons:
            differ = np.uint64(0)
            for k in range(words):
                differ += _ctpop(x[i, k] ^ w[j, k])
            bit = np.uint64(1) << np.uint64(j & 63)
            if np.int64(differ) <= limit[j]:
                out[i, j >> 6] |= bit
            else:
                out[i, j >> 6] &= ~bit


@numba.njit(nogil=True, cache=True, boundscheck=False)
def fire_serial(x, w, limit, out):
    """As :func:`fire`, in the caller's thread; `limit` is n_in - thresholds."""
    for i in range(x.shape[0]):
        _fire_image(x[i], w, limit, out[i])


@numba.njit(nogil=True, cache=True, boundscheck=False)
def popcounts_serial(x, w, n_in, out):
    """As :func:`popcounts`, in the caller's thread."""
    for i in range(x.shape[0]):
        _count_image(x[i], w, n_in, out[i])


@numba.njit(nogil=True, cache=True, boundscheck=False)
def toggle(w, n_in, flips, stuck_0, stuck_1):
    """Change the named synapses (flat indices, neuron * n_in + input) of packed weights in place."""
    for f in flips:
        w[f // n_in, (f % n_in) >> 6] ^= np.uint64(1) << np.uint64((f % n_in) & 63)
    for f in stuck_0:
        w[f // n_in, (f % n_in) >> 6] &= ~(np.uint64(1) << np.uint64((f % n_in) & 63))
    for f in stuck_1:
        w[f // n_in, (f % n_in) >> 6] |= np.uint64(1) << np.uint64((f % n_in) & 63)


def by_digit(w: NDArray[np.uint64], n_in: int, bits: int) -> NDArray[np.uint64]:
    """Return packed rows of synapses, `bits` side by side to a weight, as rows of the first of each, and so on.

    Parameters
    ----------
    w : ndarray of uint64, shape (n_out, words)
    n_in : int
        Synapses of a row.
    bits : int

    Returns
    -------
    ndarray of uint64, shape (bits, n_out, ceil(n_in / bits / 64))
    """
    rows = unpack_words(w, n_in).reshape(len(w), -1, bits)
    return pack_words(np.moveaxis(rows, 2, 0))


@functools.cache
def digit_masks(n_in: int, bits: int) -> tuple[NDArray[np.uint64], ...]:
    """Return packed rows of which one bit in `bits` is 1: from bit 0 on, from bit 1 on, and so on."""
    return tuple(pack_words(np.arange(n_in) % bits == k) for k in range(bits))


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _repeat(x, times, table, out):
    for i in range(x.shape[0]):
        for k in range(x.shape[1]):
            for b in range(8):
                bits = table[(x[i, k] >> np.uint64(8 * b)) & np.uint64(255)]
                if bits:
                    at = (64 * k + 8 * b) * times
                    shift = np.uint64(at % 64)
                    out[i, at // 64] |= bits << shift
                    if at % 64 + 8 * times > 64:
                        out[i, at // 64 + 1] |= bits >> (np.uint64(64) - shift)


@functools.cache
def _repeated_bytes(times: int) -> NDArray[np.uint64]:
    """Return each byte with every bit `times` times, in the low bits."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    return pack_words(np.repeat(bits, times, axis=1) != 0)[:, 0]


def repeat(x: NDArray[np.uint64], n: int, times: int) -> NDArray[np.uint64]:
    """Return packed rows of `n` bits with each bit `times` times in a row, in the caller's thread.

    Parameters
    ----------
    x : ndarray of uint64, shape (..., words)
    n : int
        Bits of a row.
    times : int
        Range [1, 9].

    Returns
    -------
    ndarray of uint64, shape (..., ceil(n * times / 64))
    """
    if times == 1:
        return x
    if times == 9:  # more than a word for a byte
        return repeat(repeat(x, n, 3), 3 * n, 3)
    rows = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    # A word more: what a row's last byte could reach.
    out = np.zeros((len(rows), times * x.shape[-1] + 1), np.uint64)
    _repeat(rows, times, _repeated_bytes(times), out)
    words = -(-n * times // 64)
    return np.ascontiguousarray(out[:, :words]).reshape(*x.shape[:-1], words)


def _popcounts_numpy(x: NDArray[np.uint64], w: NDArray[np.uint64], n_in: int) -> NDArray[np.int32]:
    out = np.empty((len(x), len(w)), np.int32)
    for start in range(0, len(x), _CHUNK):
        rows = slice(start, start + _CHUNK)
        differ = np.bitwise_count(x[rows, None, :] ^ w[None, :, :]).sum(axis=2, dtype=np.int32)  # (rows, n_out)
        out[rows] = n_in - differ
    return out


def popcounts(
    x: NDArray[np.uint64], w: NDArray[np.uint64], n_in: int, backend: str = "numba", factors: tuple[int, ...] = (1,)
) -> NDArray[np.int32]:
    """Return the number of agreeing bits of each input with each weight row.

    Parameters
    ----------
    x : ndarray of uint64, shape (n, words)
    w : ndarray of uint64, shape (n_out, words)
    n_in : int
        Number of bits in a row; words = ceil(n_in / 64).
    backend : str
        One of :data:`BACKENDS`.
    factors : tuple of int
        How much the bits of a row count, over and over.

    Returns
    -------
    ndarray of int32, shape (n, n_out), range [0, n_in], or up to the sum of what the bits count
    """
    if len(factors) > 1:
        masks = zip(factors, digit_masks(n_in, len(factors)), strict=True)
        counts = [f * popcounts(x & mask, w & mask, n_in // len(factors), backend) for f, mask in masks]
        return np.sum(counts, axis=0, dtype=np.int32)
    if backend == "numpy":
        return _popcounts_numpy(x, w, n_in)
    out = np.empty((len(x), len(w)), np.int32)
    _popcounts_numba(x, w, n_in, out)
    return out


def fire(
    x: NDArray[np.uint64],
    w: NDArray[np.uint64],
    thresholds: NDArray[np.int64],
    n_in: int,
    backend: str = "numba",
) -> NDArray[np.uint64]:
    """Return packed bits popcount >= threshold, shape (n, ceil(n_out / 64)); arguments as :func:`popcounts`."""
    if backend == "numpy":
        return pack_words(_popcounts_numpy(x, w, n_in) >= thresholds)
    out = np.empty((len(x), -(-len(w) // 64)), np.uint64)
    _fire_numba(x, w, n_in - thresholds, out)
    return out
