"""The hardware of each kind of layer, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.blocks.unit import Unit, bits_for
from oxnor.hw.params.engine import EngineConfig, LayerConfig
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.scores import ScoreLayer

from .dense import Dense
from .options import Extras
from .scores import Scores


@dataclass(frozen=True)
class LayerUnit:
    """What the engine needs to know of a kind of layer.

    Parameters
    ----------
    unit : callable
        (engine, index of the layer) to its gateware.
    output_stages : int
        Cycles from the partial count of the last read to the output transfer.
    coefficients : callable
        (layer, config) to the coefficients of each neuron: a list of (values of int64, shape (n_out,), width in
        bits), the first in the low bits.
    """

    unit: Callable[[EngineConfig, int], Unit]
    output_stages: int
    coefficients: Callable[..., list[tuple[NDArray[np.int64], int]]]


def _dense_coefficients(layer: DenseLayer, config: LayerConfig) -> list[tuple[NDArray[np.int64], int]]:
    return [(layer.thresholds, bits_for(config.n_in + 1))]


def _score_coefficients(layer: ScoreLayer, config: LayerConfig) -> list[tuple[NDArray[np.int64], int]]:
    if not config.is_affine:
        return []
    return [(layer.scales, config.scale_width), (layer.offsets, config.offset_width)]


#: By the ``kind`` of a layer.
UNITS = {
    "dense": LayerUnit(
        lambda e, k: Dense(e.layers[k], k, Extras.of(e), e.takes_groups(k), e.gives_groups(k)), 1, _dense_coefficients
    ),
    "scores": LayerUnit(
        lambda e, k: Scores(e.layers[k], k, e.with_scores, Extras.of(e), e.takes_groups(k)), 2, _score_coefficients
    ),
}
