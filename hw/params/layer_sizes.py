"""What is chosen of a layer where nobody says it: the size of its macros, and its folding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oxnor.models.networks.layers.hidden import HiddenLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.windowed import Windowed

from .macro_kinds import check_macro_size, macro_type
from .options import LayerOptions
from .targets import Target

if TYPE_CHECKING:
    from .layer import LayerConfig


def macro_size(layer: HiddenLayer | ScoreLayer, target: Target, options: LayerOptions) -> tuple[int, int]:
    """Return rows of a layer's macros, and the synapses of a row: its pairs, or twice as many where each holds two."""
    on_columns = layer.n_out if options.dataflow == "serial" else layer.n_in
    rows, cols = options.macro_size or (target.rows, target.cols or on_columns)
    if options.macro_size:
        check_macro_size(rows, cols)
    if pair_states(layer, options) == 3 and (options.macro_size or target.cols):
        macro = macro_type(options.macro_kind, 3)
        # The target's columns are as many bits where that is what counts.
        cols = 2 * (macro.pairs_in(cols) if macro.packs and not options.macro_size else cols)
    if not options.macro_size and cols >= layer.weight_bits:  # whole weights
        cols -= cols % layer.weight_bits
    return rows, cols


def pair_states(layer: HiddenLayer | ScoreLayer, options: LayerOptions) -> int:
    """Return the states of a layer's pairs: three only where two synapses of a weight can share one."""
    return options.pair_states if layer.weight_code.fits_pairs else 2


def can_group(groups: int, n_out: int, channel_groups: int) -> bool:
    """Whether a read of `groups` neurons has those of one group of channels, or all those of several."""
    if channel_groups == 1:
        return True
    each = n_out // channel_groups
    if each % groups == 0:
        return True
    return groups % each == 0 and channel_groups % (groups // each) == 0


def default_folding(
    layer: HiddenLayer | ScoreLayer,
    size: tuple[int, int],
    reads_max: int,
    is_serial: bool = False,
    before: LayerConfig | None = None,
) -> tuple[int, int]:
    """Return H and V of a layer on macros of `size`: as few macros as the read limit allows."""
    rows, cols = size
    reads_max = min(reads_max, rows)
    if is_serial:
        # The groups of the layer before, as they come; else as many inputs at once as the read limit asks for.
        groups = before.groups if before and not before.is_serial else -(-layer.n_in // reads_max)
        return -(-layer.n_out // cols), groups
    # First the neurons in sequence, then slices of each.
    groups = -(-layer.n_out // reads_max)
    if isinstance(layer, Windowed) and layer.window.groups > 1:
        groups = next(v for v in range(groups, layer.n_out + 1) if can_group(v, layer.n_out, layer.window.groups))
    passes = -(-layer.n_out // groups)
    slices = min(reads_max // passes, -(-layer.n_in // cols))
    return -(-layer.n_in // (slices * cols)), groups
