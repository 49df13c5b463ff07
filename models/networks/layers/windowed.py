"""The base of layers that see windows of a feature map: convolutions, and output layers that sum over all windows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_words, unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.kernels import packed as kernels
from oxnor.models.kernels import windows

from .base import Layer, Reads, weighted
from .fields import SIZE_MAX, Sizes
from .window import PADDING, Pool, Window

#: The fields of the window in a network file: those that are always there, and those that may be left out.
SIZES = dict.fromkeys(("height", "width", "channels", "kernel_y", "kernel_x"), (1, SIZE_MAX))
OPTIONAL = {
    **dict.fromkeys(("step_y", "step_x", "spread_y", "spread_x"), (1, SIZE_MAX, 1)),
    **dict.fromkeys(PADDING, (0, SIZE_MAX, 0)),
    "pad": (-1, 1, -1),
    "groups": (1, SIZE_MAX, 1),
}


def short(y: int, x: int, default: int = 1) -> str:
    """Return a size of rows and columns as short as it can be; the default is left out."""
    return "" if y == x == default else str(y) if y == x else f"{y}x{x}"


def edges(window: Window | Pool) -> str:
    """Return the padding as short as it can be: `1`, `2x1` of rows and columns, or top, left, bottom and right."""
    top, left, *ends = (getattr(window, name) for name in PADDING)
    return short(top, left, 0) if [top, left] == ends else ".".join(map(str, (top, left, *ends)))


def _padded_torch(maps: Any, window: Window | Pool, value: float) -> Any:
    edges = window.left, window.right, window.top, window.bottom
    return import_torch().nn.functional.pad(maps, edges, value=value)


def largest_torch(maps: Any, pool: Pool) -> Any:
    """Return the largest value in each window of PyTorch's maps, shape (n, channels, height, width)."""
    if pool.is_padded:  # by more than half a window too, which max_pool2d itself refuses
        maps = _padded_torch(maps, pool, -math.inf)
    size, steps = (pool.height, pool.width), (pool.step_y, pool.step_x)
    return import_torch().nn.functional.max_pool2d(maps, size, steps)


def synapses(sizes: Sizes) -> int:
    """Return the synapses of a neuron, from the sizes in a file."""
    return sizes["weight_bits"] * sizes["kernel_y"] * sizes["kernel_x"] * sizes["channels"] // sizes["groups"]


def window_of(sizes: Sizes) -> Window:
    """Return the window of a file's sizes."""
    return Window(**{f.name: sizes[f.name] for f in dataclasses.fields(Window)})


class Windowed(Layer):
    """A layer whose neurons are read once for each window of a feature map, in the order (y, x, channel)."""

    window: Window

    def check_window(self, where: str) -> None:
        """Raise InputError unless the weights are those of the window."""
        if self.n_in != (columns := self._of_synapses.n_in):
            raise InputError(f"{where}: weights must have {columns} columns for its window, not {self.n_in}")
        if self.n_out % self.window.groups:
            groups = self.window.groups
            raise InputError(f"{where}: groups must divide the {self.n_out} output channels, not be {groups}")

    @cached_property
    def _of_synapses(self) -> Window:
        """The windows over a feature map in which each element is there once for each synapse of its weight."""
        if self.weight_bits == 1:
            return self.window  # which keeps where its windows lie
        return dataclasses.replace(self.window, channels=self.window.channels * self.weight_bits)

    @property
    def unit(self) -> int:
        """What a synapse counts: 2 where zeros are padded, which count 1."""
        return 2 if self.window.pad == 0 else 1

    @property
    def shape_in(self) -> tuple[int, int, int]:  # noqa: D102
        return self.window.height, self.window.width, self.window.channels

    @property
    def vectors(self) -> int:  # noqa: D102
        return self.window.pixels * self.planes

    def window_label(self, more: Mapping[str, str] | None = None) -> str:
        """Return the channels and the window as they are written, such as ``C64k5s2p1``, with `more` letters."""
        w = self.window
        parts = {
            "k": short(w.kernel_y, w.kernel_x, 3),
            "s": short(w.step_y, w.step_x),
            "d": short(w.spread_y, w.spread_x),
            "p": edges(w),
            "g": short(w.groups, w.groups),
        }
        return f"C{self.n_out}" + "".join(letter + size for letter, size in {**parts, **(more or {})}.items() if size)

    def window_counts(self, x: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.int32]:
        """Return counts, shape (n, pixels, n_out), of windows that are read one by one; twice as many for pad 0."""
        window, x = self._of_synapses, self.to_synapses(x)
        w, groups = pack_words(self.weights), window.groups
        more: Any = (self.weight_code.counts,) if self.weight_max else ()
        each = self.n_out // groups

        def read(pads: int) -> NDArray[np.int32]:
            gathered = np.empty((groups, len(x), window.pixels, self.planes, w.shape[1]), np.uint64)
            pixels = x.reshape(len(x), self.planes, x.shape[-1])
            windows.gather(pixels, window.sources, window.channels, groups, pads, gathered)
            counts = []
            for k, vectors in enumerate(gathered.reshape(groups, -1, w.shape[1])):
                own = slice(k * each, (k + 1) * each)
                if reads is kernels:
                    counts.append(reads.popcounts(vectors, w[own], self.n_in, backend, *more))
                else:  # errors are drawn by the number of the neuron
                    counts.append(reads.popcounts(vectors, w, self.n_in, backend, *more)[:, own])
            return weighted(np.concatenate(counts, axis=1), self.planes)

        # A zero is the mean of -1 and +1: what a padded synapse reads, right or wrong, cancels.
        counts = read(0) + read(1) if window.pad == 0 else read(window.pad > 0)
        return counts.reshape(len(x), window.pixels, self.n_out)

    def window_counts_numpy(self, x: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return counts, shape (n, pixels, n_out), by products of numbers: independent of the kernels."""
        window = self.window
        weights = self.factors.astype(np.float64).reshape(window.groups, -1, self.inputs)
        planes = unpack_words(x.reshape(len(x), self.planes, x.shape[-1]), int(np.prod(self.shape_in)))
        counts = np.zeros((len(x), window.pixels, self.n_out))
        for k in range(self.planes):
            shape = (len(x), window.height * window.width, window.groups, window.channels // window.groups)
            pixels = np.where(planes[:, k], 1.0, -1.0).reshape(shape)
            padded = np.concatenate([pixels, np.full_like(pixels[:, :1], window.pad)], axis=1)
            for i in range(len(x)):
                seen = padded[i][window.sources]  # (pixels, kernel positions, groups, channels); -1 is the last
                vectors = np.moveaxis(seen, 2, 0).reshape(window.groups, window.pixels, self.inputs)
                sums = np.moveaxis(vectors @ weights.transpose(0, 2, 1), 0, 1).reshape(window.pixels, self.n_out)
                counts[i] += (self.counted + sums) * 2**k
        return (counts * self.unit / 2).astype(np.int64)

    def window_counts_torch(self, x: Any, signs: Any) -> Any:
        """As :meth:`window_counts`, in PyTorch: shape (n, pixels, n_out)."""
        torch, window, top = import_torch(), self.window, (1 << self.planes) - 1
        # Beside zeros sums may be odd.
        x, signs = self.exact_torch(x.repeat_interleave(self.weight_bits, dim=-1), signs, top * self.unit)
        image = (2 * x - top).reshape(-1, window.height, window.width, self._of_synapses.channels).permute(0, 3, 1, 2)
        padded = _padded_torch(image, window, float(window.pad * top))
        shape = (self.n_out, window.kernel_y, window.kernel_x, -1)
        kernels_ = signs.reshape(shape).permute(0, 3, 1, 2)
        # Copies: of views of one channel, whose strides are ambiguous, oneDNN gave wrong sums (PyTorch 2.13, CPU).
        padded, kernels_ = (v.clone(memory_format=torch.contiguous_format) for v in (padded, kernels_))
        steps, spreads = (window.step_y, window.step_x), (window.spread_y, window.spread_x)
        sums = torch.nn.functional.conv2d(padded, kernels_, stride=steps, dilation=spreads, groups=window.groups)
        counts = ((sums + top * self.full) * self.unit / 2).permute(0, 2, 3, 1)
        return counts.reshape(len(x), window.pixels, self.n_out)
