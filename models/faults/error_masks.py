"""Error masks of reads: which sense amplifiers err at which read, as a pure function of place and time.

A mask is a pure function of (seed, rate, layer, image, neuron, input): neither folding nor macro size is in it,
so that the golden model, an emitted engine and a board get the same integers. Everything is AND, XOR and wiring on
words of 64 bits, one for each 64 inputs (a *block*):

1. The bits of seed, image and layer select constants that are XORed onto a state of four words; twelve steps of
   ``x[i + 4] = x[i] ^ rotl(x[i + 1], 7) ^ (rotl(x[i + 2], 31) & rotl(x[i + 3], 50))`` mix it into the key of the image.
2. The bits of neuron and block do the same to the key: the state of that block.
3. Bit plane b of 16 is the XOR of three words of the state, two of them rotated (:data:`TAPS`). For any four of a
   block's 64 inputs all 64 bits are linearly independent functions of the state.
4. The 16 bits of an input are a number, and the input is wrong if that number is among the `rate` of 65,536: LSB first,
   ``mask = majority(mask, plane[b], bit b of rate)``.

See Also
--------
oxnor.hw.macros.fault_injector : the same in gateware.
"""

from __future__ import annotations

import itertools

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from oxnor.models.kernels.packed import _ctpop

#: Inputs of a block.
BLOCK = 64
PLANES = 16
STEPS = 12
ROTATIONS = (7, 31, 50)
#: Plane b is w[i] ^ rotl(w[k], r) ^ rotl(w[m], s) of the mixed state w: (i, k, m, r, s).
TAPS = (
    (0, 1, 2, 30, 16), (0, 1, 3, 47, 60), (0, 2, 3, 8, 1), (1, 2, 3, 60, 33),
    (0, 1, 2, 29, 24), (0, 1, 3, 60, 50), (0, 2, 3, 19, 29), (1, 2, 3, 19, 49),
    (0, 1, 2, 1, 8), (0, 1, 3, 20, 5), (0, 2, 3, 38, 3), (1, 2, 3, 34, 60),
    (0, 1, 2, 49, 54), (0, 1, 3, 50, 56), (0, 2, 3, 17, 46), (1, 2, 3, 12, 4),
)  # fmt: skip
#: The coordinates with their widths in bits, in the order in which they take constants.
FIELDS = {"seed": 32, "image": 32, "layer": 16, "neuron": 16, "block": 10}

_ONES = (1 << 64) - 1
#: Neurons to a vector of the widest instructions, and words that the numpy reference takes at once.
_LANES = 8
_CHUNK_WORDS = 1 << 18


def _splitmix(i: int) -> int:
    """Return output `i` of SplitMix64 started at 0; for constants."""
    z = i * 0x9E3779B97F4A7C15 & _ONES
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _ONES
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _ONES
    return z ^ z >> 31


def _constants() -> dict[str, list[list[int]]]:
    # Four constants for the start, then four for each bit of each field.
    numbers = itertools.count(4)
    return {
        name: [[_splitmix(next(numbers)) for _ in range(4)] for _ in range(bits)]
        for name, bits in ({"start": 1} | FIELDS).items()
    }


#: By field, for each bit of it, what a 1 there XORs onto the four words; "start" is the state before any.
CONSTANTS = _constants()


def spread(field: str, values: ArrayLike) -> NDArray[np.uint64]:
    """Return what `values` of a coordinate XOR onto the four words, shape (4, *values.shape)."""
    numbers = np.asarray(values, np.uint64)
    out = np.zeros((4, *numbers.shape), np.uint64)
    for b, words in enumerate(CONSTANTS[field]):
        is_set = (numbers >> np.uint64(b) & np.uint64(1)).astype(bool)
        for w in range(4):
            out[w] ^= np.where(is_set, np.uint64(words[w]), np.uint64(0))
    return out


def _rotl(x: NDArray[np.uint64], k: int) -> NDArray[np.uint64]:
    return x << np.uint64(k) | x >> np.uint64(64 - k)


def mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the state, shape (4, ...), after :data:`STEPS` steps."""
    a, b, c, d = state
    r, s, t = ROTATIONS
    for _ in range(STEPS):
        a, b, c, d = b, c, d, a ^ _rotl(b, r) ^ (_rotl(c, s) & _rotl(d, t))
    return np.stack([a, b, c, d])


def image_keys(seed: int, layer: int, images: ArrayLike) -> NDArray[np.uint64]:
    """Return the keys of images by number (modulo 2**32), shape (4, n)."""
    fixed = np.array(CONSTANTS["start"][0], np.uint64) ^ spread("seed", seed) ^ spread("layer", layer)
    return mix(fixed[:, None] ^ spread("image", images))


def masks(keys: NDArray[np.uint64], rate: int, neurons: ArrayLike, n_in: int) -> NDArray[np.uint64]:
    """Return the error masks of reads as packed bits; plain numpy.

    Parameters
    ----------
    keys : ndarray of uint64, shape (4, n)
        See :func:`image_keys`.
    rate : int
        In [0, 65535]; a read is wrong with probability rate / 65536.
    neurons : ndarray of int, shape (m,)
        Numbers of the neurons.
    n_in : int
        Inputs of a neuron.

    Returns
    -------
    ndarray of uint64, shape (n, m, ceil(n_in / 64))
        Bit i % 64 of word i // 64 is 1 if the sense amplifier of input i is wrong; unused high bits are 0.
    """
    blocks = -(-n_in // BLOCK)
    at_neuron, at_block = spread("neuron", neurons), spread("block", np.arange(blocks))
    state = keys[:, :, None, None] ^ at_neuron[:, None, :, None] ^ at_block[:, None, None, :]
    w = mix(state)
    mask = np.zeros(state.shape[1:], np.uint64)
    for b, (i, k, m, r, s) in enumerate(TAPS):
        plane = w[i] ^ _rotl(w[k], r) ^ _rotl(w[m], s)
        mask = mask | plane if rate >> b & 1 else mask & plane
    return mask & valid_words(n_in)


def valid_words(n_in: int) -> NDArray[np.uint64]:
    """Return words with a 1 for each of `n_in` inputs, shape (ceil(n_in / 64),)."""
    valid = np.full(-(-n_in // BLOCK), _ONES, np.uint64)
    if n_in % BLOCK:
        valid[-1] = (1 << n_in % BLOCK) - 1
    return valid


@numba.njit(inline="always")
def _rot(x, k):
    return x << np.uint64(k) | x >> np.uint64(64 - k)


@numba.njit(inline="always")
def _majority(a, b, c):
    return (a & b) | (c & (a | b))


# Steps and taps are written out: so the loop over neurons, which is innermost, becomes vector code.
@numba.njit(parallel=True, cache=True, boundscheck=False)
def _disagreements(x, w, keys, at_neuron, at_block, rates, valid, out):
    for i in numba.prange(x.shape[0]):
        differ = np.zeros(w.shape[1], np.uint64)
        for k in range(x.shape[1]):
            xk, vk = x[i, k], valid[k]
            a0, b0 = keys[0, i] ^ at_block[0, k], keys[1, i] ^ at_block[1, k]
            c0, d0 = keys[2, i] ^ at_block[2, k], keys[3, i] ^ at_block[3, k]
            for n in range(w.shape[1]):
                a, b = a0 ^ at_neuron[0, n], b0 ^ at_neuron[1, n]
                c, d = c0 ^ at_neuron[2, n], d0 ^ at_neuron[3, n]
                a ^= _rot(b, 7) ^ (_rot(c, 31) & _rot(d, 50))
                b ^= _rot(c, 7) ^ (_rot(d, 31) & _rot(a, 50))
                c ^= _rot(d, 7) ^ (_rot(a, 31) & _rot(b, 50))
                d ^= _rot(a, 7) ^ (_rot(b, 31) & _rot(c, 50))
                a ^= _rot(b, 7) ^ (_rot(c, 31) & _rot(d, 50))
                b ^= _rot(c, 7) ^ (_rot(d, 31) & _rot(a, 50))
                c ^= _rot(d, 7) ^ (_rot(a, 31) & _rot(b, 50))
                d ^= _rot(a, 7) ^ (_rot(b, 31) & _rot(c, 50))
                a ^= _rot(b, 7) ^ (_rot(c, 31) & _rot(d, 50))
                b ^= _rot(c, 7) ^ (_rot(d, 31) & _rot(a, 50))
                c ^= _rot(d, 7) ^ (_rot(a, 31) & _rot(b, 50))
                d ^= _rot(a, 7) ^ (_rot(b, 31) & _rot(c, 50))
                mask = np.uint64(0)
                mask = _majority(mask, a ^ _rot(b, 30) ^ _rot(c, 16), rates[0])
                mask = _majority(mask, a ^ _rot(b, 47) ^ _rot(d, 60), rates[1])
                mask = _majority(mask, a ^ _rot(c, 8) ^ _rot(d, 1), rates[2])
                mask = _majority(mask, b ^ _rot(c, 60) ^ _rot(d, 33), rates[3])
                mask = _majority(mask, a ^ _rot(b, 29) ^ _rot(c, 24), rates[4])
                mask = _majority(mask, a ^ _rot(b, 60) ^ _rot(d, 50), rates[5])
                mask = _majority(mask, a ^ _rot(c, 19) ^ _rot(d, 29), rates[6])
                mask = _majority(mask, b ^ _rot(c, 19) ^ _rot(d, 49), rates[7])
                mask = _majority(mask, a ^ _rot(b, 1) ^ _rot(c, 8), rates[8])
                mask = _majority(mask, a ^ _rot(b, 20) ^ _rot(d, 5), rates[9])
                mask = _majority(mask, a ^ _rot(c, 38) ^ _rot(d, 3), rates[10])
                mask = _majority(mask, b ^ _rot(c, 34) ^ _rot(d, 60), rates[11])
                mask = _majority(mask, a ^ _rot(b, 49) ^ _rot(c, 54), rates[12])
                mask = _majority(mask, a ^ _rot(b, 50) ^ _rot(d, 56), rates[13])
                mask = _majority(mask, a ^ _rot(c, 17) ^ _rot(d, 46), rates[14])
                mask = _majority(mask, b ^ _rot(c, 12) ^ _rot(d, 4), rates[15])
                differ[n] += _ctpop((xk ^ w[k, n] ^ mask) & vk)
        for n in range(out.shape[1]):
            out[i, n] = np.int32(differ[n])


def disagreements(
    x: NDArray[np.uint64], w: NDArray[np.uint64], keys: NDArray[np.uint64], rate: int, n_in: int, backend: str,
    columns: NDArray[np.uint64],
) -> NDArray[np.int32]:  # fmt: skip
    """Return how many read bits of each neuron disagree with its inputs, errors included.

    Parameters
    ----------
    x : ndarray of uint64, shape (n, words)
        Packed inputs; words = ceil(n_in / 64).
    w : ndarray of uint64, shape (n_out, words)
        Packed weights.
    keys : ndarray of uint64, shape (4, n)
        See :func:`image_keys`.
    rate : int
        In [0, 65535].
    n_in : int
        Number of inputs.
    backend : str
        "numba" or "numpy"; the two are equal on every bit.
    columns : ndarray of uint64, shape (words,)
        Which inputs count; none beyond `n_in`.

    Returns
    -------
    ndarray of int32, shape (n, n_out), range [0, n_in]
    """
    out = np.empty((len(x), len(w)), np.int32)
    if backend == "numpy":
        chunk = max(1, _CHUNK_WORDS // w.size)
        for start in range(0, len(x), chunk):
            rows = slice(start, start + chunk)
            wrong = masks(keys[:, rows], rate, np.arange(len(w)), n_in)
            differ = (x[rows, None, :] ^ w[None] ^ wrong) & columns
            out[rows] = np.bitwise_count(differ).sum(axis=2, dtype=np.int32)
        return out
    # Whole vectors of neurons: the last ones are not there, and are not copied to the result.
    padded = -(-len(w) // _LANES) * _LANES
    neurons = np.zeros((x.shape[1], padded), np.uint64)
    neurons[:, : len(w)] = w.T
    rates = np.where(rate >> np.arange(PLANES) & 1, np.uint64(_ONES), np.uint64(0))
    at_neuron, at_block = spread("neuron", np.arange(padded)), spread("block", np.arange(x.shape[1]))
    _disagreements(x, neurons, keys, at_neuron, at_block, rates, columns, out)
    return out
