"""Hidden layer of which each neuron sees all inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_words
from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.kernels import packed as kernels

from .base import Reads
from .fields import BITS, LEVELS, PLANES, PRESENTATIONS, WEIGHT_BITS, ArrayField, LayerFields, per_level, per_synapse
from .hidden import HiddenLayer, pack_planes, unpack_planes
from .presentations import limits, presented

#: Vectors of bits that are in memory at once.
_VECTORS = 1 << 14


@dataclass(frozen=True, eq=False, repr=False)
class DenseLayer(HiddenLayer):
    """A hidden layer: a neuron gives 1 iff its popcount reaches its threshold.

    Parameters
    ----------
    weights : ndarray of bool, shape (n_out, n_in)
        See :class:`Layer`.
    thresholds : ndarray of int64, shape (n_out,) or (n_out, levels)
        Range [0, most + 1], where most is full * (2**planes - 1), or full * presentations; 0 always fires, most + 1
        never does. With 2**n - 1 levels, which must not fall, the output has n planes.
    planes, weight_bits, weight_max : int
        See :class:`Layer`.
    presentations : int
        Above 0, in [1, 256]: instead of its 8 bit planes an element is read so often as a random bit
        (:mod:`oxnor.models.networks.layers.presentations`), and the popcounts are added up.

    Raises
    ------
    InputError
        If a shape, dtype or range is wrong.
    """

    kind: ClassVar[str] = "dense"
    fields: ClassVar[LayerFields] = LayerFields(
        {"weights": ArrayField(BITS, per_synapse), "thresholds": ArrayField("<i4", per_level)},
        optional=PLANES | LEVELS | WEIGHT_BITS | PRESENTATIONS,
    )
    read_with: ClassVar[dict[str, int]] = HiddenLayer.read_with | {"presentations": 0}
    gives_scores: ClassVar[bool] = False

    presentations: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        where, count = f"{self.kind} layer", self.presentations
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= 256:
            raise InputError(f"{where}: presentations must be an integer in [0, 256], not {count!r}")
        if count and self.planes != 8:
            raise InputError(f"{where}: presentations must be of elements of 8 bit planes, not {self.planes}")
        self.check(where)

    @property
    def turns(self) -> int:  # noqa: D102
        return self.presentations or self.planes

    @property
    def vectors(self) -> int:  # noqa: D102
        return self.turns

    @property
    def most(self) -> int:  # noqa: D102
        return self.full * self.presentations if self.presentations else super().most

    @property
    def _is_binary(self) -> bool:
        return self.planes == self.levels == 1 and not self.weight_max

    def evaluate(self, x: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.uint64]:
        """Return the packed outputs of packed inputs."""
        if self._is_binary:
            return reads.fire(self.to_synapses(x), pack_words(self.weights), self.thresholds, self.n_in, backend)
        if reads is kernels and backend == "numba" and not self.presentations and not self.weight_max:
            return self._levels(kernels.levels, x, pack_words(self.weights))
        return pack_planes(self.reached(self.popcounts(x, backend, reads)), self.planes_out)

    def evaluate_packed(self, x: NDArray[np.uint64], w: NDArray[np.uint64]) -> NDArray[np.uint64]:  # noqa: D102
        if self.presentations or self.weight_max:
            return pack_planes(self.reached(self.popcounts_packed(x, w)), self.planes_out)
        if not self._is_binary:
            return self._levels(kernels.levels_serial, x, w)
        out = np.empty((len(x), -(-self.n_out // 64)), np.uint64)
        kernels.fire_serial(self.to_synapses(x), w, self.n_in - self.thresholds, out)
        return out

    def _levels(self, kernel: Any, x: NDArray[np.uint64], w: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the packed levels that a kernel counts."""
        x = self.to_synapses(x)
        planes = x.reshape(len(x), self.planes, x.shape[-1])
        out = np.zeros((len(x), self.planes_out, -(-self.n_out // 64)), np.uint64)
        kernel(planes, w, self.thresholds.reshape(self.n_out, -1), self.most, out)
        return out[:, 0] if self.planes_out == 1 else out

    def _presented(self, x: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the presentations of packed inputs, one after the other."""
        values = unpack_planes(x, (self.inputs,), self.planes)
        return pack_words(presented(values, self.presentations).reshape(-1, self.inputs))

    def popcounts(self, x: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.int32]:  # noqa: D102
        if not self.presentations:
            return super().popcounts(x, backend, reads)
        # Reads that remember others want all at once.
        step = _VECTORS // self.presentations + 1 if reads is kernels else max(1, len(x))
        counts = [
            self.read(self._presented(x[k : k + step]), backend, reads) for k in range(0, max(1, len(x)), step)
        ]
        return np.concatenate(counts).reshape(-1, self.presentations, self.n_out).sum(axis=1, dtype=np.int32)

    def popcounts_packed(self, x: NDArray[np.uint64], w: NDArray[np.uint64]) -> NDArray[np.int32]:  # noqa: D102
        if not self.presentations:
            return super().popcounts_packed(x, w)
        total = np.zeros((len(x), self.n_out), np.int32)
        step = _VECTORS // self.presentations + 1
        for k in range(0, len(x), step):
            counts = self.read_packed(self._presented(x[k : k + step]), w)
            counts.reshape(-1, self.presentations, self.n_out).sum(axis=1, out=total[k : k + step])
        return total

    def popcounts_torch(self, x: Any, signs: Any) -> Any:  # noqa: D102
        if not self.presentations:
            return super().popcounts_torch(x, signs)
        torch, top = import_torch(), self.presentations
        table = torch.tensor(limits(top, self.inputs).astype(np.float32), device=x.device)
        ones = sum((x > row).float() for row in table).repeat_interleave(self.weight_bits, dim=-1)
        ones, signs = self.exact_torch(ones, signs, top)
        return (torch.nn.functional.linear(2 * ones - top, signs) + top * self.full) / 2

    def evaluate_again(  # noqa: D102
        self, x: NDArray[np.uint64], w: NDArray[np.uint64], neurons: NDArray[np.int64], before: NDArray
    ) -> NDArray:
        if not self._is_binary or 2 * len(neurons) > self.n_out:  # picking neurons costs more for each
            return self.evaluate_packed(x, w)
        out = before.copy()
        kernels.fire_some(self.to_synapses(x), w, self.n_in - self.thresholds, neurons, out)
        return out
