"""Testbenches of what pixels pass between layers: windows, pooling, gathering."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.layers.gather import Gather
from oxnor.hw.layers.pool import PoolMaker
from oxnor.hw.layers.window import WindowMaker
from oxnor.hw.params import pipeline
from oxnor.models.networks.layers.window import Pool, Window

from .unit import UnitTestbench

#: Cycles from pixel to pixel where they come late: more than most outputs take.
LATE = 13


def output_cycles(
    unit: Sequence[int], pixels: int, outputs: int, offers: Sequence[int] | NDArray[np.int64] = ()
) -> NDArray[np.int64]:
    """Return the cycles of a unit's outputs, from that of its first input; see `pipeline`.

    A pixel comes in its cycle of `offers` or as soon as it is taken then, else at full rate; outputs leave at once.
    """
    sizes = np.zeros((2, 20), np.int64)
    sizes[0, :5] = [pipeline._IMAGES, 1, 1, pixels, pixels]
    sizes[1, : len(unit)] = unit
    state = np.zeros_like(sizes)
    valid, ready = np.zeros(2, bool), np.zeros(2, bool)
    first: int | None = None
    come = 0
    when: list[int] = []
    t = 0
    while len(when) < outputs:
        pipeline._offer(sizes, state, valid)
        if first is not None and come < len(offers) and t < first + offers[come]:
            valid[0] = False
            if unit[0] == pipeline._POOLS and not pipeline._is_beyond(sizes[1], state[1]):
                valid[1] = False  # it offers what comes
        pipeline._accept(sizes, state, valid, ready)
        if valid[0] and ready[0]:
            first, come = t if first is None else first, come + 1
        if valid[1]:
            when.append(t)
        pipeline._advance(sizes, state, valid, ready, False)
        t += 1
    assert first is not None
    return np.array(when) - first


def stream_bench(
    unit: Unit, inputs: NDArray, expected: NDArray, timing: Sequence[int], pixels: int, rest: int = 0
) -> UnitTestbench:
    """Return the testbench of a unit between pixels (n, bits) and what it must give, `rest` cycles after an image."""
    # Every other image comes pixel by pixel, the others at once after what was before has left.
    image, pixel = np.divmod(np.arange(len(inputs)), pixels)
    offers = (LATE * pixels + rest) * image + np.where(image % 2, 1, LATE) * pixel
    cycles = [output_cycles(timing, pixels, len(expected), late) for late in ((), offers)]
    arrays = {"inputs": inputs, "expected": expected, "offers": offers, "cycles": np.array(cycles)}
    return UnitTestbench("layers.tb_pixels", 5, unit, arrays=arrays)


def window_bench(window: Window, planes: int = 1, seed: int = 0, images: int = 2) -> UnitTestbench:
    """Return the testbench of a window maker."""
    width = window.channels * planes
    pixels = np.random.default_rng(seed).random((images, window.height * window.width, width)) < 0.5
    padded = np.concatenate([pixels, np.full((images, 1, width), window.pad > 0)], axis=1)
    seen = padded[:, window.sources].reshape(images * window.pixels, window.sources.shape[1], window.groups, -1)
    expected = seen.transpose(0, 2, 1, 3).reshape(images * window.pixels, -1)
    if window.pad == 0:
        there = np.broadcast_to(window.sources >= 0, (images, *window.sources.shape))
        expected = np.concatenate([expected, there.reshape(len(expected), -1)], axis=1)
    timing = pipeline.window_unit(window)
    unit = WindowMaker(window, planes)
    # The last two rows of windows may wait for the last pixel: no pixel of the next image comes before they have left.
    rest = 2 * window.out_width * window.kernel_y * window.kernel_x
    return stream_bench(unit, pixels.reshape(-1, width), expected, timing, window.height * window.width, rest)


def pool_bench(
    height: int, width: int, channels: int, levels: int, pool: Pool, has_lowest: bool, seed: int = 0, images: int = 2
) -> UnitTestbench:
    """Return the testbench of a pooling unit."""
    g = np.random.default_rng(seed)
    lowest = (g.random((images, 1, 1, channels)) < 0.5) & has_lowest
    # Such that all results of a window are as likely: so many even values have a largest one that is largest of all.
    drawn = g.random((images, height, width, channels)) ** (pool.height * pool.width)
    values = (drawn * (levels + 1)).astype(int)
    values = np.where(lowest, levels - values, values)
    fires = (values[..., None] > np.arange(levels)) ^ lowest[..., None]
    if has_lowest:
        fires = np.concatenate([fires, np.broadcast_to(lowest[..., None], (*values.shape, 1))], axis=-1)
    ends = [(0, 0), (pool.top, pool.bottom), (pool.left, pool.right), (0, 0)]
    signs = np.where(lowest, -1, 1)
    padded = np.pad(values * signs, ends, constant_values=-levels - 1)  # never the largest
    views = np.lib.stride_tricks.sliding_window_view(padded, (pool.height, pool.width), (1, 2))
    pooled = views[:, :: pool.step_y, :: pool.step_x].max((-2, -1)) * signs
    planes = pooled[..., None] >> np.arange(levels.bit_length()) & 1
    unit = PoolMaker(height, width, channels, levels, pool, has_lowest)
    inputs = fires.reshape(images * height * width, -1)
    expected = planes.astype(bool).reshape(-1, channels * levels.bit_length())
    return stream_bench(unit, inputs, expected, pipeline.pool_unit((height, width), pool), height * width)


def gather_bench(pixels: int, width: int, images: int = 2) -> UnitTestbench:
    """Return the testbench of what gathers the pixels of an image."""
    inputs = np.random.default_rng(0).random((images * pixels, width)) < 0.5
    unit = Gather(pixels, width)
    return stream_bench(unit, inputs, inputs.reshape(images, -1), [pipeline._GATHERS, pixels], pixels)
