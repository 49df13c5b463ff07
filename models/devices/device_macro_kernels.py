"""Compiled kernels of the device macro."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

#: Steps to one unit of ln R.
STEPS = 1 << 10
#: ln R of a device that is not formed; the drawn ones are below.
TOP = (1 << 15) - 1
#: Flag of a device whose ln R never changes, beside its ln R.
STUCK = 1 << 15
#: Steps to one unit of a standard deviation, and of a normal number.
SIGMA_STEPS, NORMAL_STEPS = 1 << 13, 1 << 12
#: Wear buckets of each state: the bit length of the number of SET/RESET cycles.
BUCKETS = 42
#: Largest part of an offset that turns with the input, in steps of ln R.
TURNING_MAX = (1 << 11) - 1
#: Cycles before the first operation are below this.
AGE_LIMIT = 1 << 40
#: Bits of the endurance counters, in operations since the macro was loaded.
COUNT_BITS = 24

FORM, SET, RESET = range(3)
#: Flags of a column, from bit 16 of its word: what it reads or gives, and that it is dead.
COLUMN_READS, COLUMN_DEAD, AMPLIFIER_GIVES, AMPLIFIER_DEAD = 1, 2, 4, 8
_HALF = SIGMA_STEPS * NORMAL_STEPS // STEPS // 2


class Amplifiers(NamedTuple):
    """The sense amplifiers of macros.

    Parameters
    ----------
    reads : ndarray of int8
        Bit that a dead column reads, for each column; -1 for good ones.
    gives : ndarray of int8
        Output of a dead amplifier; -1 for good ones.
    sigma : int
        Standard deviation of the noise of a read, in steps of 1 / :data:`SIGMA_STEPS`.
    normal : ndarray of uint16, shape (1024,)
        Magnitudes of the normal distribution.
    turning : ndarray of int64
        What is added to the decision for x = 1 and subtracted for x = 0, for each column.
    """

    reads: NDArray[np.int8]
    gives: NDArray[np.int8]
    sigma: int
    normal: NDArray[np.uint16]
    turning: NDArray[np.int64]


@numba.njit(cache=True, inline="always")
def _step(s):
    s ^= (s << 13) & 0xFFFFFFFF
    s ^= s >> 17
    s ^= (s << 5) & 0xFFFFFFFF
    return s


@numba.njit(cache=True, inline="always")
def _drawn(u, sigma, normal):
    """Return sigma times the normal number of 32 random bits, in steps of ln R."""
    octave = 15
    for i in range(30, 15, -1):
        if u >> i & 1:
            octave = 30 - i
            break
    magnitude = (sigma * np.int64(normal[octave << 6 | u & 63]) + _HALF) >> 15
    return -magnitude if u >> 31 & 1 else magnitude


@numba.njit(cache=True)
def draw_many(u, sigma, normal, out):
    """Fill `out` with sigma times the normal number of each 32 random bits, in steps of ln R."""
    for k in range(u.size):
        out[k] = _drawn(np.int64(u[k]), sigma, normal)


@numba.njit(cache=True)
def program(steps, generator, pairs, operations, means, sigmas, limits, normal):
    """Apply programming operations in order; return the state of the generator."""
    form_fails, age, count_max = limits
    for n in range(len(steps)):
        op, side, row, col = steps[n]
        u = _step(generator)
        generator = _step(u)
        done = operations[side, row, col]
        operations[side, row, col] = min(done + 1, count_max)
        before = pairs[side, row, col]
        fails = op != FORM or generator < form_fails
        if before & STUCK or (before == TOP and fails):
            continue
        cycles, bucket = age + (done >> 1), 0
        while cycles:
            cycles >>= 1
            bucket += 1
        state = 1 if op == RESET else 0
        value = means[state, bucket] + _drawn(u, sigmas[state, bucket], normal)
        pairs[side, row, col] = min(max(value, 0), TOP - 1)
    return generator


@numba.njit(cache=True)
def decide(rows, x, margins, amplifiers, noise, out):
    """Fill `out` (n, cols) with q of each read, and step the generators."""
    reads, gives, sigma, normal, turning = amplifiers
    for c in range(noise.size):
        s = np.int64(noise[c])
        for n in range(rows.size):
            s = _step(s)
            turn = turning[c] if x[n, c] else -turning[c]
            w = margins[rows[n], c] + turn + _drawn(s, sigma, normal) > 0
            if reads[c] >= 0:
                w = reads[c] == 1
            out[n, c] = gives[c] == 1 if gives[c] >= 0 else w == x[n, c]
        noise[c] = s


@numba.njit(parallel=True, cache=True)
def count(margins, amplifiers, noise, x, used, factors, planes, counts):
    """Add up what the agreeing bits count, of each image and pass: see ``device_macro.count_reads``."""
    reads, gives, sigma, normal, turning = amplifiers
    macros, rows, cols = margins.shape
    slices = x.shape[2]
    for m in numba.prange(macros):
        h = m % x.shape[1]
        for c in range(cols):
            s = np.int64(noise[m, c])
            for first, pass_, plane in np.ndindex(x.shape[0] // planes, rows // slices, planes):
                i = first * planes + plane
                for slice_ in range(slices):
                    s = _step(s)
                    if c < used[h, slice_]:
                        turn = turning[m, c] if x[i, h, slice_, c] else -turning[m, c]
                        w = margins[m, pass_ * slices + slice_, c] + turn + _drawn(s, sigma, normal) > 0
                        if reads[m, c] >= 0:
                            w = reads[m, c] == 1
                        q = gives[m, c] == 1 if gives[m, c] >= 0 else w == x[i, h, slice_, c]
                        counts[m, i, pass_] += factors[c % factors.size] if q else 0
            noise[m, c] = s
