"""Memories of a board: how much block RAM each takes, and which are look-up tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oxnor.hw.interface.link_protocol import PAYLOAD_MAX, WORD
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.macro_kinds import PACKED, TERNARY_TYPES
from oxnor.hw.params.options import LayerOptions
from oxnor.hw.params.pixels import pixels_of_word, rows_kept
from oxnor.hw.params.targets import TARGETS
from oxnor.hw.params.widths import bits_for
from oxnor.models.base.errors import InputError
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.conv import ConvLayer
from oxnor.models.networks.layers.hidden import HiddenLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.windowed import Windowed

from .boards.board import Chip
from .boards.families import by_family

Fold = tuple[int, int]
Layer = HiddenLayer | ScoreLayer

#: Rows and columns of a block RAM: the fewer columns, the more rows.
SHAPES = by_family(
    ((256, 16), (512, 8), (1024, 4), (2048, 2)),
    ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
)
#: Deepest macros of engines with convolutions, in block RAMs: what lies below another needs a multiplexer.
DEPTHS = by_family(8, 4)
#: Most rows of a macro that is made of look-up tables, in engines with convolutions.
ROWS_IN_LOGIC = by_family(32, 16)
#: Words up to which Yosys makes a memory of pixels of logic.
WORDS_IN_LOGIC = by_family(1, 32)
#: Images that the link's buffer holds of those that are larger than its usual size.
IMAGES_BUFFERED = 4


@dataclass(frozen=True)
class PixelMemory:
    """A memory of pixels on their way between layers.

    Parameters
    ----------
    name : str
        What it is, and of which layer.
    words, width : int
        Its size.
    block_rams : int
        How many it takes; 0 if it lies in logic.
    """

    name: str
    words: int
    width: int
    block_rams: int


def block_rams(chip: Chip, words: int, width: int) -> int:
    """Return the fewest block RAMs that hold so many words."""
    return min(-(-words // rows) * -(-width // cols) for rows, cols in SHAPES[chip.family])


def pixel_of(layer: Layer, before: Layer | None) -> int:
    """Return the bits of a pixel that a dense layer can read one by one; 0 if it takes vectors, or windows."""
    if not isinstance(before, ConvLayer) or isinstance(layer, Windowed) or layer.planes * layer.weight_bits > 1:
        return 0
    height, width, channels = before.shape_out
    return channels if height * width > 1 else 0


def is_packed(layer: Layer, parts: Mapping[str, bool]) -> bool:
    """Return whether a layer's weights are kept five to a byte in an engine of these parts."""
    return parts.get("packed", False) and layer.weight_code.fits_pairs


def row_synapses(layer: Layer, chip: Chip, parts: Mapping[str, bool]) -> int:
    """Return the synapses of a layer that a row of a block RAM holds."""
    cols = TARGETS[chip.target].cols
    assert cols is not None
    return 2 * TERNARY_TYPES[PACKED].pairs_in(cols) if is_packed(layer, parts) else cols


def row_bits(layer: Layer, cols: int, parts: Mapping[str, bool]) -> int:
    """Return the bits in which so many synapses of a layer are kept."""
    return TERNARY_TYPES[PACKED].word_bits(cols // 2) if is_packed(layer, parts) else cols


def macro_size(
    layer: Layer, before: Layer | None, chip: Chip, fold: Fold, parts: Mapping[str, bool]
) -> tuple[int, int]:
    """Return rows of a layer's macros, and the synapses of a row: what follows from its folding."""
    target = TARGETS[chip.target]
    across, groups = fold
    cols = row_synapses(layer, chip, parts)
    if across == 1:
        cols = pixel_of(layer, before) or min(cols, layer.n_in)
    cols -= cols % layer.weight_bits
    word_lines = -(-layer.n_in // (across * cols)) * -(-layer.n_out // groups)
    if word_lines <= ROWS_IN_LOGIC[chip.family] and not parts.get("programming"):
        return word_lines, cols
    rows = target.rows
    while rows < word_lines and rows < DEPTHS[chip.family] * target.rows:
        rows *= 2
    return rows, cols


def layer_options(
    network: Network, chip: Chip, folding: Sequence[Fold | None], parts: Mapping[str, bool]
) -> tuple[LayerOptions, ...]:
    """Return the options of each layer with its folding."""
    options = []
    for layer, before, fold in zip(network.layers, (None, *network.layers), folding, strict=False):
        rows, cols = macro_size(layer, before, chip, fold, parts) if fold else (0, 0)
        pairs = cols // 2 if is_packed(layer, parts) else cols
        options.append(LayerOptions(macro_size=(rows, pairs) if fold else None, folding=fold))
    return tuple(options)


def pixel_memories(config: EngineConfig, chip: Chip) -> tuple[PixelMemory, ...]:
    """Return the image buffer and the line buffers of an engine with convolutions; none of another engine."""
    if not config.has_windows:
        return ()
    first = config.layers[0]
    lanes = pixels_of_word(first.pixel_bits, config.stream_width)
    sizes = {"images": (2 * -(-first.pixels_in // lanes), lanes * first.pixel_bits)}
    for k, layer in enumerate(config.layers):
        if w := layer.window:
            sizes[f"window {k}"] = rows_kept(w) * w.width, w.channels * layer.planes
            if (pool := layer.pool) and (columns := pool.over(*w.out_size)[1]) > 1:
                rows = 1 if pool.is_tiled else pool.height - 1
                if rows:
                    sizes[f"pool {k}"] = columns, rows * layer.n_out * layer.levels
        elif layer.in_memory:
            sizes[f"vectors {k}"] = 2 * layer.slices, layer.inputs
    in_logic = WORDS_IN_LOGIC[chip.family]
    return tuple(
        PixelMemory(name, words, width, 0 if words <= in_logic else block_rams(chip, words, width))
        for name, (words, width) in sizes.items()
    )


def layers_in_logic(config: EngineConfig, chip: Chip) -> list[int]:
    """Return the layers of an engine with convolutions whose macros are look-up tables."""
    if not config.has_windows or config.programming:
        return []
    return [k for k, layer in enumerate(config.layers) if layer.rows <= ROWS_IN_LOGIC[chip.family]]


def macro_rams(config: EngineConfig, chip: Chip) -> int:
    """Return the block RAMs of all macros."""
    if not config.has_windows:
        return sum(layer.macros for layer in config.layers)
    in_logic = layers_in_logic(config, chip)
    return sum(
        layer.macros * block_rams(chip, layer.rows, layer.word_bits)
        for k, layer in enumerate(config.layers)
        if k not in in_logic
    )


def buffer_words(config: EngineConfig, chip: Chip) -> int:
    """Return the size of the link's buffer: the chip's, or that of some images where they are large.

    Raises
    ------
    InputError
        If an image is longer than a request can be.
    """
    if 2 * config.beats > PAYLOAD_MAX:
        raise InputError(
            f"an image must be at most {PAYLOAD_MAX:,} bytes on a board, the longest request of its link, not"
            f" {2 * config.beats:,}"
        )
    if config.beats <= chip.buffer_words:
        return chip.buffer_words
    words = 1 << (IMAGES_BUFFERED * config.beats - 1).bit_length()
    return min(words, PAYLOAD_MAX // 2)


def link_rams(config: EngineConfig, chip: Chip) -> int:
    """Return the block RAMs of the link's buffer; none where there are larger memories for it."""
    return 0 if chip.spram else block_rams(chip, buffer_words(config, chip), WORD)


def memory_style(config: EngineConfig, chip: Chip) -> str:
    """Return where thresholds go: "block" RAM, or "distributed" in logic if the macros leave none or it is too slow."""
    # Block RAM of the others takes more than half a cycle (ECP5), which leaves too little for the comparison.
    if chip.family != "ice40":
        return "distributed"
    target = TARGETS[chip.target]
    assert target.cols is not None
    needed = sum(_threshold_rams(y, target.rows, target.cols) for y in config.layers[:-1])
    used = macro_rams(config, chip) + sum(memory.block_rams for memory in pixel_memories(config, chip))
    return "block" if used + needed <= chip.block_rams else "distributed"


def _threshold_rams(layer: LayerConfig, rows: int, cols: int) -> int:
    """Return the block RAMs of a hidden layer's thresholds: a word a pass."""
    return -(-layer.groups * layer.levels * bits_for(layer.most + 1) // cols) * -(-layer.passes // rows)
