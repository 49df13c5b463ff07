"""The kinds of layer: what each holds and computes, and how it is stored.

A new kind is a frozen dataclass with the methods of :class:`Layer`, one entry in :data:`LAYER_KINDS`, and one
entry in the hardware's own table (``oxnor.hw.layers.UNITS``). Nothing else asks for a kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from . import kernels
from .bits import pack_words
from .errors import InputError

#: Largest number of inputs or neurons of a layer.
SIZE_MAX = 1 << 16
#: Scales are in (-SCALE_MAX, SCALE_MAX), so that score = scale * p + offset stays far inside 64 bits.
SCALE_MAX = 1 << 31
#: Offsets are in (-OFFSET_MAX, OFFSET_MAX).
OFFSET_MAX = 1 << 52


class ArraySource(Protocol):
    """Where a layer reads its arrays from (see :class:`oxnor.models.files.NpzReader`)."""

    def array(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> NDArray: ...  # noqa: D102


class Reads(Protocol):
    """How a layer's synapses are read: :mod:`oxnor.models.kernels`, or the same with errors."""

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
    #: Whether the layer gives integers (the last layer of a network) instead of bits.
    gives_scores: ClassVar[bool]

    weights: NDArray[np.bool_]

    @property
    def n_in(self) -> int:
        """Number of input bits."""
        return int(self.weights.shape[1])

    @property
    def n_out(self) -> int:
        """Number of neurons."""
        return int(self.weights.shape[0])

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


@dataclass(frozen=True, eq=False)
class DenseLayer(Layer):
    """A hidden layer: a neuron gives 1 iff its popcount reaches its threshold.

    Parameters
    ----------
    weights : ndarray of bool, shape (n_out, n_in)
        See :class:`Layer`.
    thresholds : ndarray of int64, shape (n_out,)
        Range [0, n_in + 1]; 0 always fires, n_in + 1 never does.

    Raises
    ------
    InputError
        If a shape, dtype or range is wrong.
    """

    kind: ClassVar[str] = "dense"
    gives_scores: ClassVar[bool] = False

    thresholds: NDArray[np.int64]

    def __post_init__(self) -> None:
        weights = check_weights(self.weights, f"{self.kind} layer")
        object.__setattr__(self, "weights", weights)
        n_out, n_in = weights.shape
        thresholds = check_integers(self.thresholds, n_out, 0, n_in + 1, f"{self.kind} layer", "thresholds")
        object.__setattr__(self, "thresholds", thresholds)

    def evaluate(self, x: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.uint64]:
        """Return the packed output bits, shape (n, ceil(n_out / 64)), of packed inputs (n, words)."""
        return reads.fire(x, pack_words(self.weights), self.thresholds, self.n_in, backend)

    def evaluate_packed(self, x: NDArray[np.uint64], w: NDArray[np.uint64]) -> NDArray[np.uint64]:  # noqa: D102
        out = np.empty((len(x), -(-self.n_out // 64)), np.uint64)
        kernels.fire_serial(x, w, self.n_in - self.thresholds, out)
        return out

    def evaluate_again(  # noqa: D102
        self, x: NDArray[np.uint64], w: NDArray[np.uint64], neurons: NDArray[np.int64], before: NDArray
    ) -> NDArray:
        if 2 * len(neurons) > self.n_out:  # picking neurons costs more for each
            return self.evaluate_packed(x, w)
        out = before.copy()
        kernels.fire_some(x, w, self.n_in - self.thresholds, neurons, out)
        return out

    def to_arrays(self) -> dict[str, NDArray]:
        """Return what is stored beside the weights."""
        return {"thresholds": self.thresholds.astype("<i4")}

    @classmethod
    def from_arrays(cls, weights: NDArray[np.bool_], source: ArraySource, prefix: str) -> DenseLayer:
        """Undo :meth:`to_arrays`."""
        return cls(weights, source.array(f"{prefix}.thresholds", "<i4", (len(weights),)))


@dataclass(frozen=True, eq=False)
class ScoreLayer(Layer):
    """The output layer: score = scale * popcount + offset, in integers.

    Parameters
    ----------
    weights : ndarray of bool, shape (n_out, n_in)
        See :class:`Layer`.
    scales : ndarray of int64, shape (n_out,), optional
        Range (-2**31, 2**31). Default 1.
    offsets : ndarray of int64, shape (n_out,), optional
        Range (-2**52, 2**52). Default 0.

    Raises
    ------
    InputError
        If a shape, dtype or range is wrong.
    """

    kind: ClassVar[str] = "scores"
    gives_scores: ClassVar[bool] = True

    scales: NDArray[np.int64] = None  # type: ignore[assignment]  # an array once made
    offsets: NDArray[np.int64] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        where = f"{self.kind} layer"
        weights = check_weights(self.weights, where)
        n_out = len(weights)
        scales = np.ones(n_out, np.int64) if self.scales is None else self.scales
        offsets = np.zeros(n_out, np.int64) if self.offsets is None else self.offsets
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "scales", check_integers(scales, n_out, 1 - SCALE_MAX, SCALE_MAX - 1, where, "scales"))
        offsets = check_integers(offsets, n_out, 1 - OFFSET_MAX, OFFSET_MAX - 1, where, "offsets")
        object.__setattr__(self, "offsets", offsets)

    @property
    def is_affine(self) -> bool:
        """Whether a score is more than the popcount itself."""
        return bool(np.any(self.scales != 1) or np.any(self.offsets != 0))

    def evaluate(self, x: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.int64]:
        """Return the scores, shape (n, n_out), of packed inputs (n, words)."""
        return self.from_popcounts(self.popcounts(x, backend, reads))

    def from_popcounts(self, counts: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the scores of popcounts, both of shape (n, n_out)."""
        return self.scales * counts + self.offsets

    def evaluate_packed(self, x: NDArray[np.uint64], w: NDArray[np.uint64]) -> NDArray[np.int64]:  # noqa: D102
        counts = np.empty((len(x), self.n_out), np.int32)
        kernels.popcounts_serial(x, w, self.n_in, counts)
        return self.from_popcounts(counts)

    def to_arrays(self) -> dict[str, NDArray]:
        """Return what is stored beside the weights."""
        return {"scales": self.scales.astype("<i8"), "offsets": self.offsets.astype("<i8")}

    @classmethod
    def from_arrays(cls, weights: NDArray[np.bool_], source: ArraySource, prefix: str) -> ScoreLayer:
        """Undo :meth:`to_arrays`."""
        n_out = len(weights)
        return cls(
            weights,
            source.array(f"{prefix}.scales", "<i8", (n_out,)),
            source.array(f"{prefix}.offsets", "<i8", (n_out,)),
        )


#: Every kind of layer by its name in a network file.
LAYER_KINDS: Mapping[str, type[DenseLayer] | type[ScoreLayer]] = {c.kind: c for c in (DenseLayer, ScoreLayer)}
