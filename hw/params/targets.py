"""Presets: the defaults that suit one kind of hardware."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """Defaults for one kind of hardware.

    Parameters
    ----------
    rows : int
        Word lines of a macro.
    cols : int or None
        Pairs on a word line; None makes macros as wide as the layer.
    reads_max : int
        Folding aims at this many reads a layer and image, or fewer.
    stream_width : int or None
        Bits a beat of the input stream; None takes an image in one beat.
    with_scores : bool
        Whether the result has the scores beside the class.
    macros_max : int
        Macros that a network with convolutions may take; 0 if there is no such limit.
    macros_spare : float
        Without it, how many times the macros that hold its weights; 0 takes as many as make it faster.
    pipelined, split_sums, gates_clocks : bool
        As in :class:`oxnor.hw.params.layer.LayerConfig`.
    admits_at_intervals : bool
        As in :class:`oxnor.hw.params.engine.EngineConfig`.
    """

    rows: int
    cols: int | None
    reads_max: int
    stream_width: int | None
    with_scores: bool
    macros_max: int = 0
    macros_spare: float = 0.0
    pipelined: bool = False
    split_sums: bool = False
    gates_clocks: bool = False
    admits_at_intervals: bool = False


#: Simulation takes wide macros (Verilator's speed is in wide words), iCE40 and ECP5 the shapes of their block RAMs
#: (256 x 16 and 512 x 36), an ASIC 64 x 64 pairs as the larger published arrays have.
TARGETS = {
    "sim": Target(rows=64, cols=None, reads_max=64, stream_width=None, with_scores=True),
    "ice40": Target(
        rows=256, cols=16, reads_max=128, stream_width=8, with_scores=False, macros_max=30, split_sums=True,
        admits_at_intervals=True,
    ),
    "ecp5": Target(
        rows=512, cols=36, reads_max=64, stream_width=32, with_scores=False, macros_max=200, pipelined=True,
        admits_at_intervals=True,
    ),
    "asic": Target(
        rows=64, cols=64, reads_max=64, stream_width=64, with_scores=True, macros_spare=1.3, gates_clocks=True,
    ),
}
DEFAULT_TARGET = next(iter(TARGETS))
