"""Convolution: the neurons of a dense layer, read once for each window of the image, and pooling."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_words, unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.kernels import packed as kernels
from oxnor.models.kernels import windows

from .base import Reads, weighted
from .fields import (
    BITS,
    LEVELS,
    PLANES,
    SHORTCUT,
    SIZE_MAX,
    WEIGHT_BITS,
    ArrayField,
    LayerFields,
    Sizes,
    per_level,
    per_neuron,
)
from .hidden import HiddenLayer, pack_planes, unpack_planes
from .window import Pool, Window

#: From how many planes sums of integers are faster than popcounts of planes.
_PLANES_SUMMED = 4
_EDGE = ("top", "left", "bottom", "right")
#: The fields of the window, and of the pool, in a network file.
_SIZES = dict.fromkeys(("height", "width", "channels", "kernel_y", "kernel_x"), (1, SIZE_MAX))
_WINDOW = {
    **dict.fromkeys(("step_y", "step_x", "spread_y", "spread_x"), (1, SIZE_MAX, 1)),
    **dict.fromkeys(_EDGE, (0, SIZE_MAX, 0)),
    "pad": (-1, 1, -1),
    "groups": (1, SIZE_MAX, 1),
}
_POOL = {f"pool_{f.name}": (0, SIZE_MAX, 0) for f in dataclasses.fields(Pool)}
_NO_POOL = (0, 0, 0, 0)


def _short(y: int, x: int, default: int = 1) -> str:
    """Return a size of rows and columns as short as it can be; the default is left out."""
    return "" if y == x == default else str(y) if y == x else f"{y}x{x}"


def _synapses(sizes: Sizes) -> int:
    return sizes["weight_bits"] * sizes["kernel_y"] * sizes["kernel_x"] * sizes["channels"] // sizes["groups"]


def check_shortcut(window: Window, n_out: int, shortcut: Any, where: str) -> None:
    """Raise InputError unless a convolution of `n_out` channels can have such a shortcut."""
    low, high, _ = SHORTCUT["shortcut"]
    if isinstance(shortcut, bool) or not isinstance(shortcut, int) or not low <= shortcut <= high:
        raise InputError(f"{where}: shortcut must be an integer in [{low}, {high}], not {shortcut!r}")
    if not shortcut:
        return
    if window.channels != n_out:
        raise InputError(f"{where}: shortcut must be around as many channels as come, {window.channels}, not {n_out}")
    if not window.kernel_y % 2 == window.kernel_x % 2 == 1:
        sides = f"{window.kernel_y}x{window.kernel_x}"
        raise InputError(f"{where}: shortcut must be around a kernel of odd sides, not {sides}")
    if window.pad == 0 or (window.centres < 0).any():
        raise InputError(f"{where}: shortcut must be around windows with a pixel at their centre, padded with -1 or 1")


@dataclass(frozen=True, eq=False, repr=False)
class ConvLayer(HiddenLayer):
    """A convolution with thresholds, and a pooling of what they give.

    A window is an input vector: an output pixel is what a :class:`DenseLayer` of the same weights and thresholds gives
    for its elements. The elements of a feature map are in the order (y, x, channel).

    Parameters
    ----------
    weights : ndarray of bool, shape (n_out, n_in)
        One row a channel; n_in = kernel_y * kernel_x * channels / groups * weight_bits, in the order (y, x, channel).
    thresholds : ndarray of int64, shape (n_out,) or (n_out, levels)
        As for :class:`DenseLayer`. Where ``window.pad`` is 0 they are thresholds of twice the popcount: a synapse that
        sees a zero counts half, whatever its weight.
    window : Window
        Where the windows lie.
    planes, weight_bits, weight_max : int
        See :class:`Layer`.
    pool : Pool, optional
        Windows of the pooling.
    lowest : ndarray of bool, shape (n_out,), optional
        Channels of which the pooling takes the smallest value (of bits AND) in place of the largest (OR): what a
        batch norm with a negative factor after the pooling needs. Default: none.
    shortcut : int
        How often the value of a neuron's own channel under the centre of the window counts beside its synapses, as
        so many weights of +1 would: a residual addition, exact. Range [0, 256]; 0: there is none. It needs as many
        channels as come, a kernel of odd sides whose centre is never padding, and padding of -1 or +1.

    Raises
    ------
    InputError
        If a shape, dtype or range is wrong.
    """

    kind: ClassVar[str] = "conv"
    fields: ClassVar[LayerFields] = LayerFields(
        {
            "weights": ArrayField(BITS, lambda s: (s["n_out"], _synapses(s))),
            "thresholds": ArrayField("<i4", per_level),
            "lowest": ArrayField("|u1", per_neuron),
        },
        {"n_out": (1, SIZE_MAX), **_SIZES},
        PLANES | LEVELS | WEIGHT_BITS | _WINDOW | _POOL | SHORTCUT,
        version=2,
    )
    read_with: ClassVar[dict[str, int]] = {**HiddenLayer.read_with, "shortcut": 0}
    gives_scores: ClassVar[bool] = False

    window: Window
    pool: Pool | None = None
    lowest: NDArray[np.bool_] = None  # type: ignore[assignment]  # an array once made
    shortcut: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        where = f"{self.kind} layer"
        self.check(where)
        check_shortcut(self.window, self.n_out, self.shortcut, where)
        if self.n_in != (columns := self._of_synapses.n_in):
            raise InputError(f"{where}: weights must have {columns} columns for its window, not {self.n_in}")
        if self.n_out % self.window.groups:
            groups = self.window.groups
            raise InputError(f"{where}: groups must divide the {self.n_out} output channels, not be {groups}")
        if self.window.pad == 0 and self.planes > 1:
            raise InputError(f"{where}: pad must be -1 or 1 where elements have several planes, not 0")
        lowest = np.zeros(self.n_out, bool) if self.lowest is None else np.asarray(self.lowest)
        if lowest.dtype not in (np.bool_, np.uint8) or lowest.shape != (self.n_out,) or (lowest > 1).any():
            raise InputError(f"{where}: lowest must be {self.n_out} times 0 or 1, one a channel")
        lowest = (lowest != 0) & (self.pool is not None)
        lowest.setflags(write=False)
        object.__setattr__(self, "lowest", lowest)
        self.shape_out  # noqa: B018  # raises where no window of the pool fits

    @cached_property
    def _of_synapses(self) -> Window:
        """The windows over a feature map in which each element is there once for each synapse of its weight."""
        if self.weight_bits == 1:
            return self.window  # which keeps where its windows lie
        return dataclasses.replace(self.window, channels=self.window.channels * self.weight_bits)

    @property
    def factors(self) -> NDArray[np.int16]:  # noqa: D102
        factors, own = self.weight_values, np.arange(self.n_out)
        channels = self.window.channels // self.window.groups
        factors[own, self.window.centre * channels + own % channels] += self.shortcut
        return factors

    @property
    def counted(self) -> int:  # noqa: D102
        return self.full + self.shortcut

    @property
    def unit(self) -> int:
        """What a synapse counts: 2 where zeros are padded, which count 1."""
        return 2 if self.window.pad == 0 else 1

    @property
    def most(self) -> int:  # noqa: D102
        return self.unit * super().most

    @property
    def shape_in(self) -> tuple[int, int, int]:  # noqa: D102
        return self.window.height, self.window.width, self.window.channels

    @property
    def shape_out(self) -> tuple[int, int, int]:  # noqa: D102
        size = self.window.out_size
        return *(self.pool.over(*size) if self.pool else size), self.n_out

    @property
    def vectors(self) -> int:  # noqa: D102
        return self.window.pixels * self.planes

    @property
    def _pool_sizes(self) -> tuple[int, ...]:
        return dataclasses.astuple(self.pool) if self.pool else _NO_POOL

    @property
    def sizes(self) -> dict[str, int]:  # noqa: D102
        sizes = {"n_out": self.n_out, **dataclasses.asdict(self.window), "planes": self.planes}
        sizes |= {"levels": self.levels} | {name: getattr(self, name) for name in self.read_with}
        return self.fields.without_defaults(sizes | dict(zip(_POOL, self._pool_sizes, strict=True)))

    @classmethod
    def from_fields(cls, sizes: Sizes, arrays: Mapping[str, NDArray]) -> Self:  # noqa: D102
        window = Window(**{f.name: sizes[f.name] for f in dataclasses.fields(Window)})
        pool = [sizes[name] for name in _POOL]
        held = Pool(*pool) if any(pool) else None
        values: dict[str, Any] = {**arrays, **{name: sizes[name] for name in cls.read_with}}
        return cls(window=window, pool=held, **values)

    @property
    def label(self) -> str:  # noqa: D102
        w, pool = self.window, self.pool
        edges = (w.top, w.left, w.bottom, w.right)
        parts = {
            "k": _short(w.kernel_y, w.kernel_x, 3),
            "s": _short(w.step_y, w.step_x),
            "d": _short(w.spread_y, w.spread_x),
            "p": _short(*edges[:2], 0) if edges[:2] == edges[2:] else ".".join(map(str, edges)),
            "g": _short(w.groups, w.groups),
            "r": f"{self.shortcut / self.weight_code.step:g}" if self.shortcut else "",  # in weights, as it is trained
        }
        text = f"C{self.n_out}" + "".join(letter + size for letter, size in parts.items() if size)
        if pool is None:
            return text
        steps = "" if pool.is_tiled else f"s{_short(pool.step_y, pool.step_x, 0)}"
        return f"{text}-P{_short(pool.height, pool.width, 2)}{steps}"

    def evaluate(self, x: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.uint64]:
        """Return the packed outputs of packed inputs."""
        if reads is not kernels:
            return self._from_pixels(self.reached(self.popcounts(x, backend, reads)))
        if backend == "numpy":
            return self._from_pixels(self.reached(self._popcounts_numpy(x)))
        return self._run(windows.conv, x, pack_words(self.weights))

    def evaluate_packed(self, x: NDArray[np.uint64], w: NDArray[np.uint64]) -> NDArray[np.uint64]:  # noqa: D102
        return self._run(windows.conv_serial, x, w)

    @cached_property
    def _limits(self) -> NDArray[np.int32]:
        """Twice the most disagreements with which a neuron reaches each level, shape (levels, n_out)."""
        most = 2 * self.most // self.unit
        limits = most - 2 // self.unit * self.thresholds.reshape(self.n_out, -1)
        return np.ascontiguousarray(limits.T.astype(np.int32))

    def _run(self, kernel: Any, x: NDArray[np.uint64], w: NDArray[np.uint64]) -> NDArray[np.uint64]:
        groups, window = self.window.groups, self.window if self.weight_max else self._of_synapses
        rows = w.reshape(groups, -1, w.shape[1])
        transposed = np.ascontiguousarray(rows.transpose(0, 2, 1))
        summed: NDArray = np.zeros((groups, 0, 0), np.int32)
        if self.weight_max:
            bits = unpack_words(rows, self.n_in)
            summed = self.weight_code.decode(bits.reshape(*bits.shape[:2], -1, self.weight_bits))
        elif self.planes >= _PLANES_SUMMED:
            summed = -unpack_words(rows, self.n_in).astype(np.int32)
        masks = np.ascontiguousarray(summed.transpose(0, 2, 1).astype(np.int32))
        height, width, _ = self.shape_out
        out = np.empty((len(x), self.planes_out, -(-height * width * self.n_out // 64)), np.uint64)
        full = self.full if self.weight_max else 0
        shape = window.channels, groups, window.pad, self.n_out, full, self.shortcut, window.centre
        x = x if self.weight_max else self.to_synapses(x)
        x = x.reshape(len(x), self.planes, x.shape[-1])
        kernel(
            x, transposed, masks, window.height * window.width * window.channels, window.sources, shape, self._limits,
            window.out_width, self._pool_sizes, pack_words(self.lowest), (height, width), out,
        )  # fmt: skip
        return out[:, 0] if self.planes_out == 1 else out

    def popcounts(self, x: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.int32]:
        """Return counts, shape (n, pixels, n_out), of windows that are read one by one; twice as many for pad 0."""
        own, window, x = self._own_counts(x), self._of_synapses, self.to_synapses(x)
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
        return counts.reshape(len(x), window.pixels, self.n_out) + own

    def _own_counts(self, x: NDArray[np.uint64]) -> NDArray[np.int32] | int:
        """Return what the shortcut counts, shape (n, pixels, n_out)."""
        if not self.shortcut:
            return 0
        values = unpack_planes(x, (self.window.height * self.window.width, self.n_out), self.planes)
        return self.shortcut * values[:, self.window.centres].astype(np.int32)

    def _popcounts_numpy(self, x: NDArray[np.uint64]) -> NDArray[np.int64]:
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

    def popcounts_torch(self, x: Any, signs: Any) -> Any:
        """As :meth:`popcounts` of each window, in PyTorch: shape (n, pixels, n_out)."""
        torch, window, top = import_torch(), self.window, (1 << self.planes) - 1
        own: Any = 0
        if self.shortcut:
            centres = torch.from_numpy(window.centres.copy()).to(x.device)
            own = self.shortcut * x.reshape(len(x), -1, self.n_out)[:, centres]
        x, signs = self.exact_torch(x.repeat_interleave(self.weight_bits, dim=-1), signs, top)
        image = (2 * x - top).reshape(-1, window.height, window.width, self._of_synapses.channels).permute(0, 3, 1, 2)
        edges = (window.left, window.right, window.top, window.bottom)
        padded = torch.nn.functional.pad(image, edges, value=float(window.pad * top))
        shape = (self.n_out, window.kernel_y, window.kernel_x, -1)
        kernels_ = signs.reshape(shape).permute(0, 3, 1, 2)
        # Copies: of views of one channel, whose strides are ambiguous, oneDNN gave wrong sums (PyTorch 2.13, CPU).
        padded, kernels_ = (v.clone(memory_format=torch.contiguous_format) for v in (padded, kernels_))
        steps, spreads = (window.step_y, window.step_x), (window.spread_y, window.spread_x)
        sums = torch.nn.functional.conv2d(padded, kernels_, stride=steps, dilation=spreads, groups=window.groups)
        counts = ((sums + top * self.full) * self.unit / 2).permute(0, 2, 3, 1)
        return counts.reshape(len(x), window.pixels, self.n_out) + own

    def outputs_torch(self, counts: Any) -> Any:  # noqa: D102
        torch, size = import_torch(), self.window.out_size
        levels = super().outputs_torch(counts).permute(0, 2, 1).reshape(len(counts), self.n_out, *size)
        if self.pool:
            window, steps = (self.pool.height, self.pool.width), (self.pool.step_y, self.pool.step_x)
            signs = torch.tensor(np.where(self.lowest, -1.0, 1.0), device=counts.device, dtype=torch.float32)
            signs = signs[:, None, None]
            levels = torch.nn.functional.max_pool2d(levels * signs, window, steps) * signs
        return levels.permute(0, 2, 3, 1).reshape(len(counts), -1)

    def _from_pixels(self, levels: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return the packed outputs of what neurons give in each window, shape (n, pixels, n_out)."""
        levels = levels.reshape(len(levels), *self.window.out_size, self.n_out)
        if self.pool:
            size = (self.pool.height, self.pool.width)
            pooled = np.lib.stride_tricks.sliding_window_view(levels, size, (1, 2))
            pooled = pooled[:, :: self.pool.step_y, :: self.pool.step_x]
            levels = np.where(self.lowest, pooled.min((-2, -1)), pooled.max((-2, -1)))
        return pack_planes(levels.reshape(len(levels), int(np.prod(levels.shape[1:]))), self.planes_out)
