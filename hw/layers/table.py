"""The hardware of each kind of layer, in one table."""

from __future__ import annotations

from collections.abc import Callable

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.engine import EngineConfig

from .dense import Dense
from .options import OptionalPorts
from .scores import Scores

#: By the ``kind`` of a layer: (engine, index of the layer) to its gateware.
UNITS: dict[str, Callable[[EngineConfig, int], Unit]] = {
    "dense": lambda e, k: Dense(e.layers[k], k, OptionalPorts.of(e), e.takes_groups(k), e.gives_groups(k)),
    "scores": lambda e, k: Scores(e.layers[k], k, e.with_scores, OptionalPorts.of(e), e.takes_groups(k)),
}
