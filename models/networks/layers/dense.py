"""Hidden layer: thresholds on popcounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_words
from oxnor.models.kernels import packed as kernels

from .base import Layer, Reads, check_integers, check_weights
from .fields import BITS, ArrayField, LayerFields, per_neuron, per_synapse


@dataclass(frozen=True, eq=False, repr=False)
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
    fields: ClassVar[LayerFields] = LayerFields({
        "weights": ArrayField(BITS, per_synapse),
        "thresholds": ArrayField("<i4", per_neuron),
    })  # fmt: skip
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
