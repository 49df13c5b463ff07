"""The engine of a design on its board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from oxnor.models.base.errors import InputError
from oxnor.sections import Board

if TYPE_CHECKING:
    from oxnor.design import Design
    from oxnor.fpga.boards.board import Board as FpgaBoard
    from oxnor.fpga.report import BuildReport
    from oxnor.hw.params.engine import EngineConfig


def board_of(design: Design) -> Board:
    """Return the board that a design names, or raise InputError."""
    if not isinstance(design.board, Board):
        raise InputError("must be given: the design names no board", parameter="board")
    return design.board


def board_config(design: Design, **features: bool) -> tuple[FpgaBoard, EngineConfig, tuple[str, ...]]:
    """Return a design's board, the engine for it, and in words why it is this one.

    Parameters
    ----------
    design : Design
    **features
        Options of the engine, as a board says that it has them. Default: the design's.
    """
    from oxnor.fpga.boards.table import board as spec_of
    from oxnor.fpga.engines import engine_for
    from oxnor.fpga.search import find_engine
    from oxnor.hw.params.options import OPTIONAL_PARTS

    board, network = board_of(design), design.binarized
    spec = spec_of(board.name)
    engine = design.engine
    features = features or {name: getattr(engine, name) for name in OPTIONAL_PARTS}
    folds = [layer.folding for layer in engine.for_layers(len(network.layers))]
    if not any(folds):
        choice = find_engine(network, spec.chip, board.interval, **features)
        return spec, choice.config, choice.steps
    if board.interval is not None:
        raise InputError("must not be given with folding: each of them decides the folding", parameter="interval")
    return spec, engine_for(network, spec.chip, folds, **features), ("the folding is the given one",)


def build(design: Design, directory: Path, progress: Callable[[str, int, int], None] | None) -> BuildReport:
    """Build the bitstream; see :meth:`oxnor.Design.build`."""
    from oxnor.fpga.bitstream import build as make

    board = board_of(design)
    spec, config, _ = board_config(design)
    options = replace(board.options(), verilog=design.verilog)
    return make(design.binarized, spec, config, directory, options, progress=progress)
