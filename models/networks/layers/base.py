"""The base of all layer types: weights of one or several binary synapses, and checks of arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_words
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import type_name
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.kernels import packed as kernels

from .fields import SIZE_MAX, LayerFields, Sizes
from .weight_code import WeightCode

#: Scales are in (-SCALE_MAX, SCALE_MAX), so that score = scale * p + offset stays far inside 64 bits.
SCALE_MAX = 1 << 31
#: Offsets are in (-OFFSET_MAX, OFFSET_MAX).
OFFSET_MAX = 1 << 52
#: Most bit planes of an element.
PLANES_MAX = 8


class Reads(Protocol):
    """How a layer's synapses are read: :mod:`oxnor.models.kernels.packed`, or the same with errors."""

    def popcounts(  # noqa: D102
        self, x: NDArray[np.uint64], w: NDArray[np.uint64], n_in: int, backend: str = "numba"
    ) -> NDArray[np.int32]: ...

    def fire(  # noqa: D102
        self,
        x: NDArray[np.uint64],
        w: NDArray[np.uint64],
        thresholds: NDArray[np.int64],
        n_in: int,
        backend: str = "numba",
    ) -> NDArray[np.uint64]: ...


def check_weights(weights: Any, where: str) -> NDArray[np.bool_]:
    """Return `weights` as a read-only bool array of shape (n_out, n_in), or raise InputError."""
    array = np.asarray(weights)
    if array.dtype != bool:
        raise InputError(f"{where}: weights must be bool (True is +1), not {type_name(array.dtype)}")
    if array.ndim != 2 or not all(1 <= n <= SIZE_MAX for n in array.shape):
        raise InputError(f"{where}: weights must have shape (n_out, n_in), each 1 to {SIZE_MAX}, not {array.shape}")
    array = array.copy()
    array.setflags(write=False)
    return array


def check_integers(values: Any, n: int, low: int, high: int, where: str, field: str) -> NDArray[np.int64]:
    """Return `values` as a read-only int64 array of shape (n,) with each in [low, high], or raise InputError."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise InputError(f"{where}: {field} must be integers, not {type_name(array.dtype)}")
    if array.shape != (n,):
        raise InputError(f"{where}: {field} must have shape ({n},), not {array.shape}")
    wrong = np.flatnonzero((array < low) | (array > high))
    if wrong.size:
        first = int(wrong[0])
        raise InputError(f"{where}: {field} must be in [{low}, {high}], not {int(array[first])} (neuron {first})")
    array = array.astype(np.int64)
    array.setflags(write=False)
    return array


def ternary_synapses(weights: NDArray) -> NDArray[np.bool_]:
    """Return the synapses, shape (n_out, 2 n), of weights of -1, 0 and +1, shape (n_out, n): of a 0 the first is +1."""
    return np.stack([weights >= 0, weights > 0], axis=2).reshape(len(weights), -1)


def check_planes(planes: Any, where: str) -> None:
    """Raise InputError unless `planes` is a number of bit planes."""
    if isinstance(planes, bool) or not isinstance(planes, int) or not 1 <= planes <= PLANES_MAX:
        raise InputError(f"{where}: planes must be an integer in [1, {PLANES_MAX}], not {planes!r}")


@dataclass(frozen=True, eq=False)
class Layer:
    """What every kind of layer has: binary synapses, one row a neuron.

    Parameters
    ----------
    weights : ndarray of bool, shape (n_out, n_in)
        Bit 1 is +1 (BL in LRS, BLb in HRS), bit 0 is -1.
    weight_bits : int
        Synapses of a weight, side by side, which see one input: a weight is the sum of their signs. 2: a ternary
        weight, -1, 0 or +1 in units of two. Range [1, 8], or [1, 9] with `weight_max`; it divides n_in.
    weight_max : int
        The largest weight of synapses that count 1, 2, 4 and so on, as the digits of a number
        (:mod:`oxnor.models.networks.layers.weight_code`); 0: each counts once. Range [0, 256].
    planes : int
        Bit planes of an input element, which is an integer in [0, 2**planes); range [1, 8]. Packed inputs have shape
        (n, words) with one plane, else (n, planes, words).
    """

    kind: ClassVar[str]
    #: What a network file keeps of the layer.
    fields: ClassVar[LayerFields]
    #: Sizes of a file that are parameters of the layer, and what they are where they are missing.
    read_with: ClassVar[dict[str, int]] = {"planes": 1, "weight_bits": 1, "weight_max": 0}
    #: Whether the layer gives integers (the last layer of a network) instead of bits.
    gives_scores: ClassVar[bool]

    weights: NDArray[np.bool_]
    planes: int = field(default=1, kw_only=True)
    weight_bits: int = field(default=1, kw_only=True)
    weight_max: int = field(default=0, kw_only=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.inputs} -> {self.n_out})"

    @property
    def n_in(self) -> int:
        """Number of synapses of a neuron."""
        return int(self.weights.shape[1])

    @property
    def inputs(self) -> int:
        """Number of weights of a neuron."""
        return self.n_in // self.weight_bits

    @property
    def weight_code(self) -> WeightCode:
        """What the synapses of a weight stand for."""
        return WeightCode(self.weight_bits, self.weight_max)

    @property
    def full(self) -> int:
        """What all synapses of a neuron count together, in a read of all its inputs."""
        return self.inputs * self.weight_code.top

    @property
    def weight_values(self) -> NDArray[np.int16]:
        """The weights as sums of signs, shape (n_out, inputs), range [-top, top] of its :attr:`weight_code`."""
        return self.weight_code.decode(self.weights.reshape(self.n_out, self.inputs, self.weight_bits))

    @property
    def factors(self) -> NDArray[np.int16]:
        """What neurons multiply their inputs with, shape (n_out, inputs): the weights, and a shortcut."""
        return self.weight_values

    @property
    def counted(self) -> int:
        """The largest count of a vector of bits: what all synapses count, and a shortcut."""
        return self.full

    @property
    def n_out(self) -> int:
        """Number of neurons."""
        return int(self.weights.shape[0])

    @property
    def shape_in(self) -> tuple[int, ...]:
        """Shape of the elements that it takes for an image: a vector, or (height, width, channels)."""
        return (self.inputs,)

    @property
    def shape_out(self) -> tuple[int, ...]:
        """Shape of the elements that it gives for an image."""
        return (self.n_out,)

    @property
    def planes_out(self) -> int:
        """Bit planes of an output element."""
        return 1

    @property
    def vectors(self) -> int:
        """Vectors of bits with which its synapses are read for an image."""
        return self.planes

    @property
    def turns(self) -> int:
        """How often a vector of its elements is read: once for each bit plane."""
        return self.planes

    @property
    def label(self) -> str:
        """The layer in a short description of its network, as ``64`` or ``C64-P``."""
        return str(self.n_out)

    @property
    def sizes(self) -> dict[str, int]:
        """The integers that the header of a network file has of the layer."""
        return self.fields.without_defaults({name: int(getattr(self, name)) for name in self.fields.names})

    def to_arrays(self) -> dict[str, NDArray]:
        """Return what is stored beside the weights."""
        return {name: array for name, array in self.fields.stored(self).items() if name != "weights"}

    @classmethod
    def from_fields(cls, sizes: Sizes, arrays: Mapping[str, NDArray]) -> Self:
        """Return the layer that a file holds; types with sizes that its arrays do not show override this."""
        more = {name: sizes.get(name, default) for name, default in cls.read_with.items()}
        values: dict[str, Any] = {**arrays, **more}
        return cls(**values)

    def with_weights(self, weights: NDArray[np.bool_]) -> Layer:
        """Return the same layer with other weights of the same shape."""
        return replace(self, weights=weights)

    def evaluate_again(
        self, x: NDArray[np.uint64], w: NDArray[np.uint64], neurons: NDArray[np.int64], before: NDArray
    ) -> NDArray:
        """Return what :meth:`evaluate_packed` does, given the result `before` with weights that differ in `neurons`."""
        return self.evaluate_packed(x, w)

    def evaluate_packed(self, x: NDArray[np.uint64], w: NDArray[np.uint64]) -> Any:
        """Return what ``evaluate`` does with packed weights `w` (n_out, words) in place of its own.

        Works in the caller's thread and lets others run.
        """
        raise NotImplementedError

    def to_synapses(self, x: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return packed inputs with each element once for each synapse of its weight."""
        return kernels.repeat(x, math.prod(self.shape_in), self.weight_bits)

    def popcounts(self, x: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.int32]:
        """Return the number of agreeing bits of packed inputs, shape (n, n_out).

        Those of plane k count 2**k: the range is [0, (2**planes - 1) * full].
        """
        vectors = x if self.planes == 1 else last_plane_first(x)
        return weighted(self.read(vectors, backend, reads), self.planes)

    def popcounts_packed(self, x: NDArray[np.uint64], w: NDArray[np.uint64]) -> NDArray[np.int32]:
        """As :meth:`popcounts`, with packed weights `w` in place of its own, in the caller's thread."""
        vectors = x if self.planes == 1 else last_plane_first(x)
        return weighted(self.read_packed(vectors, w), self.planes)

    def read(self, vectors: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.int32]:
        """Return what vectors of bits, an element each, count with the weights, shape (n, n_out)."""
        w = pack_words(self.weights)
        if not self.weight_max:
            return reads.popcounts(self.to_synapses(vectors), w, self.n_in, backend)
        if reads is kernels and backend == "numba":
            return self._read_digits(kernels.sliced, vectors, w)
        of_digits: Any = reads  # where reads know of no factors, such layers are refused
        return of_digits.popcounts(
            self.to_synapses(vectors), w, self.n_in, backend, self.weight_code.counts
        )

    def read_packed(self, vectors: NDArray[np.uint64], w: NDArray[np.uint64]) -> NDArray[np.int32]:
        """As :meth:`read`, with packed weights `w` in place of its own, in the caller's thread."""
        if self.weight_max:
            return self._read_digits(kernels.sliced_serial, vectors, w)
        counts = np.empty((len(vectors), self.n_out), np.int32)
        kernels.popcounts_serial(self.to_synapses(vectors), w, self.n_in, counts)
        return counts

    def _read_digits(self, kernel: Any, vectors: NDArray[np.uint64], w: NDArray[np.uint64]) -> NDArray[np.int32]:
        slices = kernels.by_digit(w, self.n_in, self.weight_bits)
        counts = np.empty((len(vectors), self.n_out), np.int32)
        kernel(vectors, slices, np.array(self.weight_code.counts), self.full, counts)
        return counts

    def popcounts_torch(self, x: Any, signs: Any) -> Any:
        """As :meth:`popcounts`, in PyTorch: of integers, float32 of shape (n, size), and weights of +1 and -1."""
        top = (1 << self.planes) - 1
        x, signs = self.exact_torch(x.repeat_interleave(self.weight_bits, dim=-1), signs, top)
        return (import_torch().nn.functional.linear(2 * x - top, signs) + top * self.full) / 2

    def exact_torch(self, x: Any, signs: Any, top: int) -> tuple[Any, Any]:
        """Return inputs, and signs times what their synapses count, as numbers whose sums are exact.

        `top` is the most that a synapse counts in all planes together, if it counts 1 in a read.
        """
        torch = import_torch()
        dtype = torch.float64 if self.counted * top >= 1 << 24 else signs.dtype
        if self.weight_max:
            signs = signs * torch.tensor(self.weight_code.counts * self.inputs, dtype=signs.dtype, device=signs.device)
        return x.to(dtype), signs.to(dtype)


def last_plane_first(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return planes, shape (..., planes, words), as vectors (n, words) in the order in which an engine reads them."""
    return np.ascontiguousarray(x[..., ::-1, :]).reshape(-1, x.shape[-1])


def weighted(counts: NDArray[np.int32], planes: int) -> NDArray[np.int32]:
    """Return the sum over planes, shape (n, n_out), of counts (n * planes, n_out): the last plane comes first."""
    if planes == 1:
        return counts
    total = np.zeros((len(counts) // planes, counts.shape[1]), np.int32)
    for k in range(planes):
        total = 2 * total + counts[k::planes]
    return total
