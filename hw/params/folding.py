"""The folding of networks with convolutions: reads times windows of each layer, balanced over the macros of a target.

A layer whose neurons are read in so many windows needs more of them at once than its weights need macros. The search
looks for the shortest interval that the macros of the target allow, and takes as few of them as that interval needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oxnor.models.networks.layers.hidden import HiddenLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.windowed import Windowed

from .layer_sizes import default_folding, macro_size
from .macro_kinds import macro_type
from .options import LayerOptions
from .pixels import gather_cycles
from .targets import Target


@dataclass(frozen=True)
class _Load:
    """What a layer is asked for: its vectors to an image, its planes, and the cycles that a window takes to gather."""

    layer: HiddenLayer | ScoreLayer
    size: tuple[int, int]
    options: LayerOptions

    @property
    def vectors(self) -> int:
        return self.layer.vectors // self.layer.turns

    @property
    def cycles(self) -> int:
        """Cycles that an image takes for each word line."""
        macro = macro_type(self.options.macro_kind, self.options.pair_states)
        return self.layer.vectors * macro.read_cycles(self.size[1], self.options.sense_latency)

    @property
    def shortest(self) -> int:
        """Shortest interval that any number of macros gives."""
        gather = gather_cycles(self.layer.window) if isinstance(self.layer, Windowed) else 1
        return max(self.cycles, self.vectors * gather)

    @property
    def longest(self) -> int:
        """Interval with as few macros as hold the weights."""
        return self.cycles * self.size[0]

    def word_lines(self, interval: int) -> int:
        """Return how many word lines can be read within an interval."""
        return max(1, min(self.size[0], interval // self.cycles))

    def macros(self, interval: int) -> int:
        across, groups = self.options.folding or default_folding(self.layer, self.size, self.word_lines(interval))
        return across * groups


@dataclass(frozen=True)
class Balance:
    """What the search found.

    Parameters
    ----------
    interval : int
        Cycles to an image that no layer exceeds.
    budget : int
        Macros that it may take; 0 if there is no limit.
    reads : tuple of int
        Most word lines that each layer may read for a vector.
    shortest : tuple of int
        Cycles that an image takes in each layer on any number of macros.
    """

    interval: int
    budget: int
    reads: tuple[int, ...]
    shortest: tuple[int, ...]


def balance(
    layers: Sequence[HiddenLayer | ScoreLayer], target: Target, options: Sequence[LayerOptions]
) -> Balance:
    """Return how many word lines each layer may read, so that all keep up with the slowest.

    Parameters
    ----------
    layers : sequence of HiddenLayer and ScoreLayer
    target : Target
        Its ``macros_max`` or, where it has none, ``macros_spare`` says how many macros there are.
    options : sequence of LayerOptions
        Of each layer; a folding stays as it is.
    """
    loads = [_Load(y, macro_size(y, target, o), o) for y, o in zip(layers, options, strict=True)]

    def macros(interval: int) -> int:
        return sum(load.macros(interval) for load in loads)

    shortest, longest = zip(*((x.shortest, x.longest) for x in loads), strict=True)
    low, high = max(shortest), max(longest)
    budget = target.macros_max or int(target.macros_spare * macros(high))
    while budget and low < high:
        middle = (low + high) // 2
        if macros(middle) <= budget:
            high = middle
        else:
            low = middle + 1
    reads = tuple(load.word_lines(low) for load in loads)
    return Balance(low, budget, reads, shortest)
