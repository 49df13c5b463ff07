"""What an engine must know of each kind of layer beside its gateware, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layer import LayerConfig
from .widths import bits_for


@dataclass(frozen=True)
class Coefficient:
    """One of the coefficients that each neuron of a layer has.

    Parameters
    ----------
    width : callable
        (config) to its width in bits; 0 where the layer has none.
    values : callable
        (layer) to the values, int64 of shape (n_out,), or (n_out, count).
    count : callable
        (config) to how many a neuron has, one after the other.
    """

    width: Callable[[LayerConfig], int]
    values: Callable[[Any], NDArray[np.int64]]
    count: Callable[[LayerConfig], int] = lambda config: 1


@dataclass(frozen=True)
class LayerKind:
    """Timing and coefficients of a kind of layer.

    Parameters
    ----------
    output_stages : int
        Cycles from the partial count of the last read to the output transfer.
    coefficients : tuple of Coefficient
        Of each neuron, the first in the low bits.
    """

    output_stages: int
    coefficients: tuple[Coefficient, ...]

    def coefficient_width(self, config: LayerConfig) -> int:
        """Return the bits of all coefficients of a neuron; 0 if it has none."""
        return sum(c.width(config) * c.count(config) for c in self.coefficients)


_THRESHOLDS = Coefficient(
    lambda config: bits_for(config.most + 1), lambda layer: layer.thresholds, lambda config: config.levels
)
_SCORES = LayerKind(
    2,
    (
        Coefficient(lambda config: config.scale_width, lambda layer: layer.scales),
        Coefficient(lambda config: config.offset_width, lambda layer: layer.offsets),
    ),
)
#: By the ``kind`` of a layer, a key of ``oxnor.models.networks.layers.table.LAYER_TYPES``.
LAYER_KINDS = {
    "dense": LayerKind(1, (_THRESHOLDS,)),
    "conv": LayerKind(
        1,
        (_THRESHOLDS, Coefficient(lambda config: int(config.has_lowest), lambda layer: layer.lowest.astype(np.int64))),
    ),
    "scores": _SCORES,
    "conv-scores": _SCORES,
}
