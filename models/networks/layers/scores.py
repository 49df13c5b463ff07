"""Output layer: integer scores of popcounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from oxnor.models.kernels import packed as kernels

from .base import OFFSET_MAX, SCALE_MAX, Layer, Reads, check_integers, check_planes, check_weights
from .fields import BITS, PLANES, WEIGHT_BITS, ArrayField, LayerFields, per_neuron, per_synapse
from .weight_code import check_weight_bits


@dataclass(frozen=True, eq=False, repr=False)
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
    planes, weight_bits, weight_max : int
        See :class:`Layer`.

    Raises
    ------
    InputError
        If a shape, dtype or range is wrong.
    """

    kind: ClassVar[str] = "scores"
    fields: ClassVar[LayerFields] = LayerFields(
        {
            "weights": ArrayField(BITS, per_synapse),
            "scales": ArrayField("<i8", per_neuron),
            "offsets": ArrayField("<i8", per_neuron),
        },
        optional=PLANES | WEIGHT_BITS,
    )
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
        check_planes(self.planes, where)
        check_weight_bits(self.weight_bits, self.weight_max, self.n_in, where)
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
        return self.from_popcounts(self.popcounts_packed(x, w))
