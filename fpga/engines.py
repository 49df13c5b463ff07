"""Engines for a chip: how one is made from its folding, and what it is thought to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oxnor.hw.interface.link_protocol import WORD
from oxnor.hw.macros.fault_injector import block_count
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import EngineOptions, LayerOptions
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.windowed import Windowed

from .boards.board import Chip
from .boards.families import by_family
from .memories import layer_options

#: Logic of a design, in cells as the placer counts them: 4-input look-up tables and, on iCE40, cells of which only the
#: flip-flop or the carry is in use, about a third more than Yosys' LUT4. Per synapse bit that is read in a cycle (XNOR,
#: popcount, input register), per bit of a layer's input register and of the frame assembler, per macro (its count and
#: its place in the sum), and for the rest (host link, registers). Fitted to routed builds of both families, within 5 %.
LUTS_PER_BIT = by_family(3.25, 2.75)
LUTS_PER_REGISTER = by_family(1.0, 0.5)
LUTS_PER_MACRO = by_family(14, 12)
LUTS_BASE = by_family(1930, 1200)
#: What a byte of five ternary weights adds where they are packed. From the synthesis of macros.
LUTS_PER_PACKED = by_family(16, 12)
#: What options of an engine add: the fault injector for each block of 64 columns of a lane and each layer's key, the
#: programming controller for itself and each macro. From the synthesis of small networks.
LUTS_PER_BLOCK, LUTS_PER_KEY = 2750, 3300
LUTS_CONTROLLER = by_family(1500, 1450)
LUTS_PER_PROGRAMMED = by_family(75, 90)
#: Control of a window, of a pooling.
LUTS_PER_WINDOW, LUTS_PER_POOL = 160, 60
#: Share of a chip's logic that placement can use.
USABLE = by_family(0.98, 0.85)


@dataclass(frozen=True)
class Folding:
    """A folding, and what it is thought to take.

    Parameters
    ----------
    folds : tuple of (H, V)
        One a layer.
    interval : int
        Clock cycles from image to image.
    macros : int
        Macros, that is block RAMs.
    luts : int
        Estimate.
    """

    folds: tuple[tuple[int, int], ...]
    interval: int
    macros: int
    luts: int


@dataclass(frozen=True, repr=False)
class SearchResult:
    """The engine for a chip, and why it is this one.

    Parameters
    ----------
    config : EngineConfig
        The fastest engine that fits.
    folding : Folding
    steps : tuple of str
        One sentence a step, for people.
    """

    config: EngineConfig
    folding: Folding
    steps: tuple[str, ...]

    def __repr__(self) -> str:
        return f"SearchResult({self.config!r}, {len(self.steps)} steps)"


def has_windows(network: Network) -> bool:
    """Return whether a network has convolutions."""
    return any(isinstance(layer, Windowed) for layer in network.layers)


def engine_for(
    network: Network,
    chip: Chip,
    folding: Sequence[tuple[int, int] | None],
    **parts: bool,
) -> EngineConfig:
    """Return an engine of a chip as the host link drives it.

    Parameters
    ----------
    network : Network
    chip : Chip
    folding : sequence of (H, V)
        One a layer.
    **parts
        Those of :data:`oxnor.hw.params.options.OPTIONAL_PARTS` that it has.
    """
    layers = tuple(LayerOptions(folding=fold) for fold in folding)
    if has_windows(network):
        layers = layer_options(network, chip, folding, parts)
    options = EngineOptions(chip.target, stream_width=WORD, with_scores=False, layers=layers, **parts)
    return EngineConfig.for_network(network, options)


def macro_luts(config: EngineConfig, chip: Chip) -> float:
    """Return the look-up tables that macros take with their popcounts."""
    f = chip.family
    luts = sum(y.macros * (LUTS_PER_BIT[f] * y.cols + LUTS_PER_MACRO[f]) for y in config.layers)
    return luts + sum(y.macros * LUTS_PER_PACKED[f] * y.word_bits / 8 for y in config.layers if y.macro.packs)


def fixed_luts(config: EngineConfig, chip: Chip) -> float:
    """Return the look-up tables that all but the macros take."""
    f = chip.family
    luts = LUTS_BASE[f] + LUTS_PER_REGISTER[f] * (0 if config.has_windows else config.beats * WORD)
    for k, y in enumerate(config.layers):
        if not y.in_memory:
            # Several reads to a vector, as weights of several synapses mostly take, are a multiplexer to a bit.
            per_bit = min(1.0, LUTS_PER_REGISTER[f] * y.weight_bits)
            luts += per_bit * y.slices * (y.inputs // y.weight_bits) * y.planes * y.channel_groups
        if config.gathers(k) and not y.in_memory:
            luts += LUTS_PER_REGISTER[f] * y.elements
        if y.window:
            luts += LUTS_PER_WINDOW + LUTS_PER_REGISTER[f] * y.elements * y.channel_groups * y.planes
        if y.pool:
            luts += LUTS_PER_POOL + 3 * y.n_out * y.levels
        luts += config.fault_injector * (LUTS_PER_KEY + LUTS_PER_BLOCK * y.groups * block_count(y))
        luts += config.programming * LUTS_PER_PROGRAMMED[f] * y.macros
    return luts + config.programming * LUTS_CONTROLLER[f]
