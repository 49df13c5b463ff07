"""The base of all layer types: binary weights, and checks of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_words
from oxnor.models.base.errors import InputError
from oxnor.models.kernels import packed as kernels

from .fields import SIZE_MAX, LayerFields, Sizes

#: Scales are in (-SCALE_MAX, SCALE_MAX), so that score = scale * p + offset stays far inside 64 bits.
SCALE_MAX = 1 << 31
#: Offsets are in (-OFFSET_MAX, OFFSET_MAX).
OFFSET_MAX = 1 << 52


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
        raise InputError(f"{where}: weights must be bool (True is +1), not {array.dtype}")
    if array.ndim != 2 or not all(1 <= n <= SIZE_MAX for n in array.shape):
        raise InputError(f"{where}: weights must have shape (n_out, n_in), each 1 to {SIZE_MAX}, not {array.shape}")
    array = array.copy()
    array.setflags(write=False)
    return array


def check_integers(values: Any, n: int, low: int, high: int, where: str, field: str) -> NDArray[np.int64]:
    """Return `values` as a read-only int64 array of shape (n,) with each in [low, high], or raise InputError."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise InputError(f"{where}: {field} must be integers, not {array.dtype}")
    if array.shape != (n,):
        raise InputError(f"{where}: {field} must have shape ({n},), not {array.shape}")
    wrong = np.flatnonzero((array < low) | (array > high))
    if wrong.size:
        first = int(wrong[0])
        raise InputError(f"{where}: {field} must be in [{low}, {high}], not {int(array[first])} (neuron {first})")
    array = array.astype(np.int64)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Layer:
    """What every kind of layer has: binary weights, one row a neuron.

    Parameters
    ----------
    weights : ndarray of bool, shape (n_out, n_in)
        Bit 1 is +1 (BL in LRS, BLb in HRS), bit 0 is -1.
    """

    kind: ClassVar[str]
    #: What a network file keeps of the layer.
    fields: ClassVar[LayerFields]
    #: Whether the layer gives integers (the last layer of a network) instead of bits.
    gives_scores: ClassVar[bool]

    weights: NDArray[np.bool_]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n_in} -> {self.n_out})"

    @property
    def n_in(self) -> int:
        """Number of input bits."""
        return int(self.weights.shape[1])

    @property
    def n_out(self) -> int:
        """Number of neurons."""
        return int(self.weights.shape[0])

    @property
    def sizes(self) -> dict[str, int]:
        """The integers that the header of a network file has of the layer."""
        return {name: int(getattr(self, name)) for name in self.fields.sizes}

    def to_arrays(self) -> dict[str, NDArray]:
        """Return what is stored beside the weights."""
        return {name: array for name, array in self.fields.stored(self).items() if name != "weights"}

    @classmethod
    def from_fields(cls, sizes: Sizes, arrays: Mapping[str, NDArray]) -> Self:
        """Return the layer that a file holds; types whose sizes are not the shapes of their arrays override this."""
        return cls(**arrays)

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

    def popcounts(self, x: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.int32]:
        """Return the number of agreeing bits, shape (n, n_out), range [0, n_in], of packed inputs (n, words)."""
        return reads.popcounts(x, pack_words(self.weights), self.n_in, backend)
