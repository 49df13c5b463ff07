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

from . import windowed
from .base import Reads
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
from .windowed import Windowed

#: From how many planes sums of integers are faster than popcounts of planes.
_PLANES_SUMMED = 4
#: The fields of the pool in a network file.
_POOL = {f"pool_{f.name}": (0, SIZE_MAX, 0) for f in dataclasses.fields(Pool)}
_NO_POOL = (0,) * len(_POOL)


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
class ConvLayer(Windowed, HiddenLayer):
    """A convolution with thresholds, and a pooling of what they give.

    A window is an input vector: an output pixel is what a :class:`DenseLayer` of the same weights and thresholds gives
    for its elements. The elements of a feature map are in the order (y, x, channel).

    Parameters
    ----------
    weights : ndarray of bool, shape (n_out, n_in)
        One row a channel; n_in = kernel_y * kernel_x * channels / groups * weight_bits, in the order (y, x, channel).
    thresholds : ndarray of int64, shape (n_out,) or (n_out, levels)
        As for :class:`DenseLayer`. Where ``window.pad`` is 0 they are thresholds of twice the popcount: a synapse that
        sees a zero counts half in each plane, whatever its weight.
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
            "weights": ArrayField(BITS, lambda s: (s["n_out"], windowed.synapses(s))),
            "thresholds": ArrayField("<i4", per_level),
            "lowest": ArrayField("|u1", per_neuron),
        },
        {"n_out": (1, SIZE_MAX), **windowed.SIZES},
        PLANES | LEVELS | WEIGHT_BITS | windowed.OPTIONAL | _POOL | SHORTCUT,
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
        self.check_window(where)
        lowest = np.zeros(self.n_out, bool) if self.lowest is None else np.asarray(self.lowest)
        if lowest.dtype not in (np.bool_, np.uint8) or lowest.shape != (self.n_out,) or (lowest > 1).any():
            raise InputError(f"{where}: lowest must be {self.n_out} times 0 or 1, one a channel")
        lowest = (lowest != 0) & (self.pool is not None)
        lowest.setflags(write=False)
        object.__setattr__(self, "lowest", lowest)
        self.shape_out  # noqa: B018  # raises where no window of the pool fits

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
    def most(self) -> int:  # noqa: D102
        return self.unit * super().most

    @property
    def shape_out(self) -> tuple[int, int, int]:  # noqa: D102
        size = self.window.out_size
        return *(self.pool.over(*size) if self.pool else size), self.n_out

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
        pool = [sizes[name] for name in _POOL]
        held = Pool(*pool) if any(pool) else None
        values: dict[str, Any] = {**arrays, **{name: sizes[name] for name in cls.read_with}}
        return cls(window=windowed.window_of(sizes), pool=held, **values)

    @property
    def label(self) -> str:  # noqa: D102
        pool = self.pool
        shortcut = f"{self.shortcut / self.weight_code.step:g}" if self.shortcut else ""  # in weights, as it is trained
        text = self.window_label({"r": shortcut})
        if pool is None:
            return text
        size, steps = (pool.height, pool.width), (pool.step_y, pool.step_x)
        more = {"s": "" if steps == size else windowed.short(*steps, 0), "p": windowed.edges(pool)}
        return f"{text}-P{windowed.short(*size, 2)}" + "".join(letter + of for letter, of in more.items() if of)

    def evaluate(self, x: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.uint64]:
        """Return the packed outputs of packed inputs."""
        if reads is not kernels:
            return self._from_pixels(self.reached(self.popcounts(x, backend, reads)))
        if backend == "numpy":
            return self._from_pixels(self.reached(self.window_counts_numpy(x)))
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
        return self.window_counts(x, backend, reads) + self._own_counts(x)

    def _own_counts(self, x: NDArray[np.uint64]) -> NDArray[np.int32] | int:
        """Return what the shortcut counts, shape (n, pixels, n_out)."""
        if not self.shortcut:
            return 0
        values = unpack_planes(x, (self.window.height * self.window.width, self.n_out), self.planes)
        return self.shortcut * values[:, self.window.centres].astype(np.int32)

    def popcounts_torch(self, x: Any, signs: Any) -> Any:
        """As :meth:`popcounts`, in PyTorch: shape (n, pixels, n_out)."""
        counts = self.window_counts_torch(x, signs)
        if not self.shortcut:
            return counts
        centres = import_torch().from_numpy(self.window.centres.copy()).to(x.device)
        return counts + self.shortcut * x.reshape(len(x), -1, self.n_out)[:, centres]

    def outputs_torch(self, counts: Any) -> Any:  # noqa: D102
        torch, size = import_torch(), self.window.out_size
        levels = super().outputs_torch(counts).permute(0, 2, 1).reshape(len(counts), self.n_out, *size)
        if self.pool:
            signs = torch.tensor(np.where(self.lowest, -1.0, 1.0), device=counts.device, dtype=torch.float32)
            signs = signs[:, None, None]
            levels = windowed.largest_torch(levels * signs, self.pool) * signs
        return levels.permute(0, 2, 3, 1).reshape(len(counts), -1)

    def _from_pixels(self, levels: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return the packed outputs of what neurons give in each window, shape (n, pixels, n_out)."""
        levels = levels.reshape(len(levels), *self.window.out_size, self.n_out)
        if self.pool:
            pool, signs = self.pool, np.where(self.lowest, -1, 1)
            ends = [(0, 0), (pool.top, pool.bottom), (pool.left, pool.right), (0, 0)]
            padded = np.pad(levels * signs, ends, constant_values=np.iinfo(np.int64).min)  # never the largest
            pooled = np.lib.stride_tricks.sliding_window_view(padded, (pool.height, pool.width), (1, 2))
            levels = pooled[:, :: pool.step_y, :: pool.step_x].max((-2, -1)) * signs
        return pack_planes(levels.reshape(len(levels), int(np.prod(levels.shape[1:]))), self.planes_out)
