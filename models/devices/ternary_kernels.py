"""Compiled kernels of device macros whose pairs hold three states."""

from __future__ import annotations

import numba
import numpy as np

from .device_macro_kernels import _drawn, _step


@numba.njit(cache=True, inline="always")
def _level(margin, total, threshold):
    """Return what an amplifier finds, 0 to 2 for -1, 0 and +1.

    The smaller of the two resistances, each with half of what moves the decision, is (total - abs(margin)) / 2.
    """
    if total - abs(margin) > 2 * threshold:
        return 1
    return 2 if margin > 0 else 0


@numba.njit(cache=True)
def decide(rows, x, pairs, threshold, amplifiers, noise, out):
    """Fill `out` (n, 2 * cols) with what both synapses of each pair answer, and step the generators."""
    margins, totals = pairs
    reads, gives, sigma, normal, turning = amplifiers
    for c in range(noise.size):
        s = np.int64(noise[c])
        for n in range(rows.size):
            s = _step(s)
            turn = turning[c] if x[n, c] else -turning[c]
            level = _level(margins[rows[n], c] + turn + _drawn(s, sigma, normal), totals[rows[n], c], threshold)
            if reads[c] >= 0:
                level = 2 * reads[c]
            for k in range(2):
                out[n, 2 * c + k] = gives[c] == 1 if gives[c] >= 0 else (level > k) == x[n, c]
        noise[c] = s


@numba.njit(parallel=True, cache=True)
def count(pairs, threshold, amplifiers, noise, x, used, planes, counts):
    """Add up the agreeing synapses, two a pair, of each image and pass: see ``device_macro.count_reads``."""
    margins, totals = pairs
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
                        row, at = pass_ * slices + slice_, x[i, h, slice_, c]
                        turn = turning[m, c] if at else -turning[m, c]
                        level = _level(
                            margins[m, row, c] + turn + _drawn(s, sigma, normal), totals[m, row, c], threshold
                        )
                        if reads[m, c] >= 0:
                            level = 2 * reads[m, c]
                        if gives[m, c] >= 0:
                            level = 2 * gives[m, c]
                            at = True
                        counts[m, i, pass_] += level if at else 2 - level
            noise[m, c] = s
