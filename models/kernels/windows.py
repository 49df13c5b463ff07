"""Convolutions on packed bits: numba kernels.

A feature map is a vector of elements in the order (y, x, channel), each plane of it packed as in
:mod:`oxnor.models.kernels.packed`. A window is gathered into one packed vector, which is what the macros see.
"""

from __future__ import annotations

import numba
import numpy as np

from .packed import _ctpop


@numba.njit(nogil=True, cache=True, boundscheck=False)
def copy_bits(source, begin, target, at, n):
    """Write `n` bits of packed `source` from bit `begin` into packed `target` from bit `at`, whose bits are 0."""
    while n > 0:
        shift_in, shift_out = begin & 63, at & 63
        take = min(n, 64 - shift_in, 64 - shift_out)
        bits = source[begin >> 6] >> np.uint64(shift_in)
        if take < 64:
            bits &= (np.uint64(1) << np.uint64(take)) - np.uint64(1)
        target[at >> 6] |= bits << np.uint64(shift_out)
        begin += take
        at += take
        n -= take


@numba.njit(nogil=True, cache=True, boundscheck=False)
def set_bits(target, at, n):
    """Make `n` bits of packed `target` from bit `at` 1."""
    while n > 0:
        shift = at & 63
        take = min(n, 64 - shift)
        bits = ~np.uint64(0) if take == 64 else (np.uint64(1) << np.uint64(take)) - np.uint64(1)
        target[at >> 6] |= bits << np.uint64(shift)
        at += take
        n -= take


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _gather(x, sources, first, n, channels, pads, out):
    """Gather a window: `n` channels from `first` of each source pixel, `pads` (0, 1) where there is none."""
    out[:] = 0
    at = 0
    k = 0
    while k < sources.shape[0]:
        run = 1
        if sources[k] < 0:
            if pads:
                set_bits(out, at, n)
        else:
            if n == channels:  # pixels side by side are one run of bits
                while k + run < sources.shape[0] and sources[k + run] == sources[k] + run:
                    run += 1
            copy_bits(x, sources[k] * channels + first, out, at, n * run)
        at += n * run
        k += run


@numba.njit(parallel=True, cache=True, boundscheck=False)
def gather(x, sources, channels, groups, pads, out):
    """Gather all windows of packed feature maps.

    Parameters
    ----------
    x : ndarray of uint64, shape (n, planes, words)
    sources : ndarray of int64, shape (pixels, kernel positions)
        See :attr:`oxnor.models.networks.layers.window.Window.sources`.
    channels, groups : int
        Of the input.
    pads : int
        Bit of all positions that have no pixel, 0 or 1.
    out : ndarray of uint64, shape (groups, n, pixels, planes, words of a window)
        The last plane first: the order in which an engine reads them.
    """
    n = channels // groups
    planes = x.shape[1]
    for i in numba.prange(x.shape[0]):
        for g in range(groups):
            for p in range(sources.shape[0]):
                for b in range(planes):
                    _gather(x[i, planes - 1 - b], sources[p], g * n, n, channels, pads, out[g, i, p, b])


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _differ(window, w, weight, differ):
    """Add, for each neuron, `weight` times the bits in which it differs from the window; `w` is (words, neurons)."""
    for k in range(w.shape[0]):
        v = window[k]
        for j in range(w.shape[1]):
            differ[j] += np.int32(_ctpop(v ^ w[k, j])) << weight


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _pass_by(x, pixel, channels, first, shortcut, n_out, differ):
    """Add, for each neuron from `first`, twice what its own channel's element at a pixel lacks to count fully."""
    each = channels // n_out  # synapses that see an element
    for b in range(x.shape[0]):
        twice = np.int32(shortcut) << (b + 1)
        for j in range(differ.shape[0]):
            at = pixel * channels + (first + j) * each
            bit = (x[b, at >> 6] >> np.uint64(at & 63)) & np.uint64(1)
            differ[j] += twice * np.int32(np.uint64(1) - bit)


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _compare(differ, limits, first, fires):
    """Set the bits of the neurons from `first` that reach each level, in `fires` (levels, words)."""
    for level in range(limits.shape[0]):
        bits = np.uint64(0)
        for j in range(differ.shape[0]):
            at = first + j
            bits |= np.uint64(differ[j] <= limits[level, at]) << np.uint64(at & 63)
            if at & 63 == 63:
                fires[level, at >> 6] |= bits
                bits = np.uint64(0)
        if bits:
            fires[level, (first + differ.shape[0] - 1) >> 6] |= bits


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _conv_image(x, w, sources, shape, limits, fires):
    channels, groups, pad, n_out, _, shortcut, centre = shape
    n = channels // groups
    m = n_out // groups
    window = np.empty(w.shape[1], np.uint64)
    differ = np.empty(m, np.int32)
    for p in range(sources.shape[0]):
        pads = 0
        if pad == 0:
            for k in range(sources.shape[1]):
                pads += sources[p, k] < 0
        for g in range(groups):
            differ[:] = 0
            # A zero is the mean of -1 and +1: both are counted.
            for value in range(2 if pads else 1):
                for b in range(x.shape[0]):
                    _gather(x[b], sources[p], g * n, n, channels, value if pad == 0 else pad > 0, window)
                    _differ(window, w[g], b + (0 if pads else 1), differ)
            if shortcut:
                _pass_by(x, sources[p, centre], channels, g * m, shortcut, n_out, differ)
            _compare(differ, limits, g * m, fires[p])


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _levels_image(x, size):
    """Return the integers whose planes are `x`."""
    levels = np.zeros(size, np.int32)
    for b in range(x.shape[0]):
        for i in range(size):
            levels[i] |= np.int32((x[b, i >> 6] >> np.uint64(i & 63)) & np.uint64(1)) << np.int32(b)
    return levels


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _conv_levels_image(x, masks, size, sources, shape, limits, fires):
    """As :func:`_conv_image`, by sums of integers in place of popcounts of planes: faster for many planes.

    `masks` (groups, synapses, neurons) has all bits of an int32 1 where the weight is.
    """
    channels, groups, pad, n_out, _, shortcut, centre = shape
    n = channels // groups
    m = n_out // groups
    top = np.int32((1 << x.shape[0]) - 1)
    levels = _levels_image(x, size)
    sums = np.empty(m, np.int32)
    differ = np.empty(m, np.int32)
    least = np.zeros((groups, m), np.int32)
    for g in range(groups):
        for i in range(masks.shape[1]):
            for j in range(m):
                least[g, j] += top * (1 + masks[g, i, j])
    most = top * np.int32(masks.shape[1])
    for p in range(sources.shape[0]):
        for g in range(groups):
            sums[:] = 0
            total = np.int32(0)
            for k in range(sources.shape[1]):
                for c in range(n):
                    twice = top * np.int32(pad + 1)
                    if sources[p, k] >= 0:
                        twice = 2 * levels[sources[p, k] * channels + g * n + c]
                    total += twice
                    for j in range(m):
                        sums[j] += twice & masks[g, k * n + c, j]
            for j in range(m):
                differ[j] = 2 * (most - least[g, j] - sums[j]) + total
            if shortcut:
                _pass_by(x, sources[p, centre], channels, g * m, shortcut, n_out, differ)
            _compare(differ, limits, g * m, fires[p])


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _conv_values_image(x, values, size, sources, shape, limits, fires):
    """As :func:`_conv_levels_image`, of weights that are integers; `values` is (groups, elements, neurons)."""
    channels, groups, pad, n_out, full, shortcut, centre = shape
    n = channels // groups
    m = n_out // groups
    top = np.int32((1 << x.shape[0]) - 1)
    levels = _levels_image(x, size)
    sums = np.empty(m, np.int32)
    for p in range(sources.shape[0]):
        for g in range(groups):
            sums[:] = np.int32(full) * top
            for k in range(sources.shape[1]):
                for c in range(n):
                    v = np.int32(pad) * top
                    if sources[p, k] >= 0:
                        v = 2 * levels[sources[p, k] * channels + g * n + c] - top
                    for j in range(m):
                        sums[j] -= v * values[g, k * n + c, j]
            if shortcut:
                _pass_by(x, sources[p, centre], channels, g * m, shortcut, n_out, sums)
            _compare(sums, limits, g * m, fires[p])


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _pool_image(fires, width, pool, lowest, out_shape, pooled):
    """Reduce windows of pixels: where a bit of `lowest` is 1 by AND, else by OR; of those that there are."""
    size_y, size_x, step_y, step_x, top, left, _, _ = pool
    height_out, width_out = out_shape
    height = fires.shape[0] // width
    for y in range(height_out):
        first_y, end_y = max(y * step_y - top, 0), min(y * step_y - top + size_y, height)
        for x in range(width_out):
            first_x, end_x = max(x * step_x - left, 0), min(x * step_x - left + size_x, width)
            for level in range(fires.shape[1]):
                for word in range(fires.shape[2]):
                    high = np.uint64(0)
                    low = ~np.uint64(0)
                    for at_y in range(first_y, end_y):
                        for at_x in range(first_x, end_x):
                            v = fires[at_y * width + at_x, level, word]
                            high |= v
                            low &= v
                    pooled[y * width_out + x, level, word] = (high & ~lowest[word]) | (low & lowest[word])


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _planes_image(fires, n_out, out):
    """Write pixels as packed planes: a level is how many of its bits in `fires` are 1."""
    levels = fires.shape[1]
    if levels == 1:
        for p in range(fires.shape[0]):
            copy_bits(fires[p, 0], 0, out[0], p * n_out, n_out)
        return
    for p in range(fires.shape[0]):
        for j in range(n_out):
            level = np.int64(0)
            for k in range(levels):
                level += np.int64((fires[p, k, j >> 6] >> np.uint64(j & 63)) & np.uint64(1))
            at = p * n_out + j
            for b in range(out.shape[0]):
                if (level >> b) & 1:
                    out[b, at >> 6] |= np.uint64(1) << np.uint64(at & 63)


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _layer_image(x, w, masks, size, sources, shape, limits, width, pool, lowest, out_shape, out):
    n_out = shape[3]
    fires = np.zeros((sources.shape[0], limits.shape[0], (n_out + 63) >> 6), np.uint64)
    if shape[4]:
        _conv_values_image(x, masks, size, sources, shape, limits, fires)
    elif masks.shape[1]:
        _conv_levels_image(x, masks, size, sources, shape, limits, fires)
    else:
        _conv_image(x, w, sources, shape, limits, fires)
    if pool[0]:
        pooled = np.empty((out_shape[0] * out_shape[1], fires.shape[1], fires.shape[2]), np.uint64)
        _pool_image(fires, width, pool, lowest, out_shape, pooled)
        fires = pooled
    out[:] = 0
    _planes_image(fires, n_out, out)


@numba.njit(nogil=True, cache=True, boundscheck=False)
def conv_serial(x, w, masks, size, sources, shape, limits, width, pool, lowest, out_shape, out):
    """Convolve, compare and pool packed feature maps, in the caller's thread.

    Parameters
    ----------
    x : ndarray of uint64, shape (n, planes, words)
    w : ndarray of uint64, shape (groups, words of a window, n_out / groups)
        Packed rows of weights, transposed.
    masks : ndarray of int32, shape (groups, synapses, n_out / groups)
        The same weights, -1 for a bit 1 and 0 for a bit 0: taken in place of `w` if there are any synapses. Or the
        integers that they are, shape (groups, elements, n_out / groups), where a weight is several synapses that count
        as digits.
    size : int
        Elements of a feature map.
    sources : ndarray of int64, shape (pixels, kernel positions)
    shape : tuple of int
        (channels, groups, pad, n_out, sum of the largest weights of a neuron if they are integers, else 0, how often
        the element of a neuron's own channel counts beside its weights, kernel position where that lies).
    limits : ndarray of int32, shape (levels, n_out)
        Twice the most disagreements, planes weighted, with which a neuron reaches each level.
    width : int
        Pixels of a row before pooling.
    pool : tuple of int
        (height, width, step_y, step_x, top, left, bottom, right) of its windows; all 0 for none.
    lowest : ndarray of uint64, shape (words of n_out,)
        Channels that are pooled by AND.
    out_shape : tuple of int
        (height, width) of what comes out.
    out : ndarray of uint64, shape (n, output planes, words)
    """
    for i in range(x.shape[0]):
        _layer_image(x[i], w, masks, size, sources, shape, limits, width, pool, lowest, out_shape, out[i])


@numba.njit(parallel=True, cache=True, boundscheck=False)
def conv(x, w, masks, size, sources, shape, limits, width, pool, lowest, out_shape, out):
    """As :func:`conv_serial`, on all cores."""
    for i in numba.prange(x.shape[0]):
        _layer_image(x[i], w, masks, size, sources, shape, limits, width, pool, lowest, out_shape, out[i])
