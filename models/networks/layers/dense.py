"""Hidden layer of which each neuron sees all inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_words
from oxnor.models.kernels import packed as kernels

from .base import Reads
from .fields import BITS, LEVELS, PLANES, WEIGHT_BITS, ArrayField, LayerFields, per_level, per_synapse
from .hidden import HiddenLayer, pack_planes


@dataclass(frozen=True, eq=False, repr=False)
class DenseLayer(HiddenLayer):
    """A hidden layer: a neuron gives 1 iff its popcount reaches its threshold.

    Parameters
    ----------
    weights : ndarray of bool, shape (n_out, n_in)
        See :class:`Layer`.
    thresholds : ndarray of int64, shape (n_out,) or (n_out, levels)
        Range [0, most + 1], where most is n_in * (2**planes - 1); 0 always fires, most + 1 never does. With
        2**n - 1 levels, which must not fall, the output has n planes.
    planes, weight_bits : int
        See :class:`Layer`.

    Raises
    ------
    InputError
        If a shape, dtype or range is wrong.
    """

    kind: ClassVar[str] = "dense"
    fields: ClassVar[LayerFields] = LayerFields(
        {"weights": ArrayField(BITS, per_synapse), "thresholds": ArrayField("<i4", per_level)},
        optional=PLANES | LEVELS | WEIGHT_BITS,
    )
    gives_scores: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.check(f"{self.kind} layer")

    @property
    def _is_binary(self) -> bool:
        return self.planes == self.levels == 1

    def evaluate(self, x: NDArray[np.uint64], backend: str, reads: Reads = kernels) -> NDArray[np.uint64]:
        """Return the packed outputs of packed inputs."""
        if self._is_binary:
            return reads.fire(self.to_synapses(x), pack_words(self.weights), self.thresholds, self.n_in, backend)
        if reads is kernels and backend == "numba":
            return self._levels(kernels.levels, x, pack_words(self.weights))
        return pack_planes(self.reached(self.popcounts(x, backend, reads)), self.planes_out)

    def evaluate_packed(self, x: NDArray[np.uint64], w: NDArray[np.uint64]) -> NDArray[np.uint64]:  # noqa: D102
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

    def evaluate_again(  # noqa: D102
        self, x: NDArray[np.uint64], w: NDArray[np.uint64], neurons: NDArray[np.int64], before: NDArray
    ) -> NDArray:
        if not self._is_binary or 2 * len(neurons) > self.n_out:  # picking neurons costs more for each
            return self.evaluate_packed(x, w)
        out = before.copy()
        kernels.fire_some(self.to_synapses(x), w, self.n_in - self.thresholds, neurons, out)
        return out
