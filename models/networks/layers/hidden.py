"""The base of hidden layers: thresholds on popcounts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_words, unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.kernels import packed as kernels

from .base import PLANES_MAX, Layer, Reads, check_integers, check_planes, check_weights
from .weight_code import check_weight_bits


@dataclass(frozen=True, eq=False, repr=False)
class HiddenLayer(Layer):
    """A layer whose neurons compare their popcounts with thresholds.

    With one threshold a neuron gives a bit: 1 iff its popcount reaches it. With 2**n - 1 thresholds it gives an integer
    of n bit planes: how many of them its popcount reaches.
    """

    thresholds: NDArray[np.int64]

    def evaluate(self, x: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.uint64]:
        """Return the packed outputs of packed inputs."""
        raise NotImplementedError

    @property
    def most(self) -> int:
        """Largest popcount."""
        return self.counted * ((1 << self.planes) - 1)

    @property
    def planes_out(self) -> int:  # noqa: D102
        return self.levels.bit_length()

    @property
    def levels(self) -> int:
        """Thresholds of a neuron."""
        return 1 if self.thresholds.ndim == 1 else self.thresholds.shape[1]

    def check(self, where: str) -> None:
        """Make the arrays read-only and of their types, or raise InputError."""
        object.__setattr__(self, "weights", check_weights(self.weights, where))
        check_planes(self.planes, where)
        check_weight_bits(self.weight_bits, self.weight_max, self.n_in, where)
        object.__setattr__(self, "thresholds", self._thresholds(np.asarray(self.thresholds), where))

    def _thresholds(self, thresholds: NDArray[Any], where: str) -> NDArray[np.int64]:
        if thresholds.ndim == 2 and thresholds.shape[1] == 1:
            thresholds = thresholds[:, 0]
        columns = [thresholds] if thresholds.ndim == 1 else list(thresholds.T)
        if len(columns) not in {(1 << n) - 1 for n in range(1, PLANES_MAX + 1)}:
            raise InputError(f"{where}: thresholds of a neuron must be 2**n - 1, at most 255, not {len(columns)}")
        checked = [check_integers(c, self.n_out, 0, self.most + 1, where, "thresholds") for c in columns]
        if len(checked) == 1:
            return checked[0]
        together = np.stack(checked, axis=1)
        wrong = np.flatnonzero((np.diff(together, axis=1) < 0).any(axis=1))
        if wrong.size:
            raise InputError(f"{where}: thresholds must not fall from level to level (neuron {wrong[0]})")
        together.setflags(write=False)
        return together

    def reached(self, counts: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return how many thresholds popcounts (..., n_out) reach."""
        if self.levels == 1:
            return (counts >= self.thresholds).astype(np.int64)
        reached = np.zeros(counts.shape, np.int64)
        for thresholds in self.thresholds.T:  # one by one: there may be 255
            reached += counts >= thresholds
        return reached

    def outputs_torch(self, counts: Any) -> Any:
        """Return the outputs, float32 of shape (n, size), of popcounts in PyTorch."""
        thresholds = import_torch().tensor(self.thresholds.reshape(self.n_out, -1), device=counts.device)
        return (counts[..., None] >= thresholds).sum(-1).float()


def pack_planes(values: NDArray[np.integer], planes: int) -> NDArray[np.uint64]:
    """Return integers, shape (n, size), as packed inputs of a layer: (n, words) with one plane, else with planes."""
    if planes == 1:
        return pack_words(values != 0)
    levels = values.astype(np.uint8, copy=False)
    return np.stack([pack_words(levels & (1 << k)) for k in range(planes)], axis=1)


def unpack_planes(packed: NDArray[np.uint64], shape: tuple[int, ...], planes: int) -> NDArray:
    """Undo :func:`pack_planes`: bool with one plane, else uint8, shape (n, *shape)."""
    size = math.prod(shape)
    if planes == 1:
        return unpack_words(packed, size).reshape(-1, *shape)
    bits = unpack_words(packed, size).reshape(-1, planes, size)
    return np.packbits(bits, axis=1, bitorder="little").reshape(-1, *shape)
