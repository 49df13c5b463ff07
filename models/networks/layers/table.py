"""The table of layer types.

A new type is a frozen dataclass with the methods of :class:`oxnor.models.networks.layers.base.Layer`, whose ``fields``
say what a network file keeps of it; one entry in :data:`LAYER_TYPES`; and one entry in the hardware's own table
(``oxnor.hw.layers.table.UNITS``). Nothing else asks for a type.
"""

from __future__ import annotations

from collections.abc import Mapping

from .conv import ConvLayer
from .conv_scores import ConvScoreLayer
from .dense import DenseLayer
from .hidden import HiddenLayer
from .scores import ScoreLayer

#: Every layer type by its name in a network file.
LAYER_TYPES: Mapping[str, type[HiddenLayer] | type[ScoreLayer]] = {
    c.kind: c for c in (DenseLayer, ConvLayer, ScoreLayer, ConvScoreLayer)
}
