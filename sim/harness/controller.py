"""Testbench of the programming controller, beside layers of any sizes instead of an engine."""

from __future__ import annotations

from dataclasses import replace

from oxnor.hw.engine.controller import Memories, Programming
from oxnor.hw.params.layer import LayerConfig

from .unit import UnitTestbench


def controller(layers: tuple[Memories, ...], cycles: int) -> UnitTestbench:
    """Return the testbench of the controller of some layers, which runs so many cycles of any accesses."""
    configs = [y.config for y in layers]
    answers = any(c.macro.accesses for c in configs)
    job = {
        "layers": [
            {"macros": c.macros, "rows": c.rows, "cols": c.cols, "passes": c.passes, "width": y.coefficient_width,
             "ternary": c.pair_states == 3}
            for y, c in zip(layers, configs, strict=True)
        ],
        "words": max(y.words for y in layers),
        "latency": max(1 + answers, *(c.macro.latency + c.sense_latency - 1 for c in configs)),
        "answers": answers,
        "cycles": cycles,
    }  # fmt: skip
    return UnitTestbench("blocks.tb_controller", 5, Programming(layers), job=job)


#: A layer of short rows, and so many rows and macros that nearly all bits of their numbers are 0 and 1.
SHORT = LayerConfig("scores", 600, 5_900_003, 0xEEB1, 5, 120, 135)


def of_bits(cycles: int = 15_000) -> UnitTestbench:
    """Return the testbench beside pairs of two states: rows of 127, 101 and 37 bits, and short ones of 5."""
    wide = LayerConfig("hidden", 127, 6, 3, 127, 1, 2)
    return controller((Memories(wide, 101), Memories(SHORT, 37)), cycles)


def of_three_states(cycles: int = 15_000) -> UnitTestbench:
    """Return the testbench beside pairs of three states, 62 bits a row, and of two; a sense takes 3 cycles."""
    wide = LayerConfig("hidden", 62, 6, 3, 62, 1, 2, weight_bits=2, pair_states=3, sense_latency=3)
    plain = LayerConfig("hidden", 63, 6, 3, 63, 1, 2, sense_latency=3)
    return controller((Memories(wide, 63), Memories(plain, 5), Memories(replace(SHORT, sense_latency=3), 37)), cycles)


def of_cells(cycles: int = 15_000) -> UnitTestbench:
    """Return the testbench beside macros that are not ready for programming until they have answered."""
    wide = LayerConfig("hidden", 37, 6, 3, 37, 1, 2, macro_kind="cells")
    return controller((Memories(wide, 127), Memories(SHORT, 5)), cycles)


def of_long_rows() -> UnitTestbench:
    """Return the testbench beside rows of nine words, pairs of three states, and macros that are not always ready."""
    wide = LayerConfig("hidden", 270, 6, 3, 270, 1, 2, weight_bits=2, pair_states=3, sense_latency=3)
    layers = (Memories(wide, 133), Memories(replace(SHORT, macro_kind="cells"), 37))
    return replace(controller(layers, 0), module="blocks.tb_long_rows", tests=2)
