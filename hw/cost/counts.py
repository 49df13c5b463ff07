"""Counts of an engine for one image, from its schedule."""

from __future__ import annotations

from dataclasses import dataclass

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.layer import LayerConfig


@dataclass(frozen=True)
class LayerCounts:
    """What one layer does for an image.

    Parameters
    ----------
    macros : int
    rows, cols : int
        Of a macro: word lines, and synapses on each.
    pairs : int
        Pairs on each, fewer than synapses where they hold three states.
    reads : int
        Rows that each macro senses.
    xnors : int
        Synapses that are read: those of the network, once for each vector and bit plane or presentation.
    bits : int
        Weights that the layer stores.
    """

    macros: int
    rows: int
    cols: int
    pairs: int
    reads: int
    xnors: int
    bits: int

    @property
    def row_reads(self) -> int:
        """Rows that all macros sense."""
        return self.macros * self.reads


def count(config: EngineConfig) -> tuple[LayerCounts, ...]:
    """Return what each layer does for an image.

    A macro senses in all reads of its layer: also where its lane has no neuron any more, in the last pass.
    """
    return tuple(_of_layer(layer) for layer in config.layers)


def _of_layer(layer: LayerConfig) -> LayerCounts:
    synapses = layer.n_in * layer.n_out
    return LayerCounts(
        layer.macros, layer.rows, layer.cols, layer.pairs, layer.reads * layer.vectors,
        synapses * layer.vectors * layer.turns, synapses,
    )  # fmt: skip
