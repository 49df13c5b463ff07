"""The hardware of each kind of layer, in one table."""

from __future__ import annotations

from collections.abc import Callable

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.engine import EngineConfig

from .dense import Dense
from .options import OptionalPorts
from .scores import Scores


def _scores(e: EngineConfig, k: int) -> Unit:
    return Scores(e.layers[k], k, e.stream_into(k), e.with_scores, OptionalPorts.of(e), with_margin=e.margin)


#: By the ``kind`` of a layer: (engine, index of the layer) to its gateware.
UNITS: dict[str, Callable[[EngineConfig, int], Unit]] = {
    "dense": lambda e, k: Dense(e.layers[k], k, (e.stream_into(k), e.stream_from(k)), OptionalPorts.of(e)),
    "conv": lambda e, k: Dense(e.layers[k], k, (e.stream_into(k), e.stream_from(k)), OptionalPorts.of(e)),
    "scores": _scores,
    "conv-scores": _scores,
}
