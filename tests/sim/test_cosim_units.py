"""Emitted Verilog of each small unit against its model, on Icarus and on Verilator."""

import pytest

from oxnor.hw.blocks.popcount import LEAF_WIDTH
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.streams.fifo import Fifo
from oxnor.models.analog.integer import Isaac
from oxnor.models.networks.spiking import Neuron as SpikingNeuron
from oxnor.sim.harness.blocks import argmax, macro, popcount, threshold, tile
from oxnor.sim.harness.modelled import (
    MODELLED,
    error_mask,
    frame_assembler,
    if_neuron,
    image_buffer,
    isaac_column,
    model_bench,
)
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.runner import SimulationError

pytestmark = pytest.mark.cosim
BEHAVIOURAL = {"OXNOR_BEHAVIOURAL": 1}
needs_icarus = pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)


ICARUS = {
    **{f"popcount_{w}_{n}": (popcount, w, d)
       for w in (1, 3, 10, LEAF_WIDTH, LEAF_WIDTH + 1, 784)
       for n, d in {"tree": {}, "countones": BEHAVIOURAL}.items()},
    **{f"macro_{r}x{c}": (macro, r, c) for r, c in [(1, 1), (2, 3), (7, 5), (64, 64), (256, 16)]},
    **{f"threshold_{n}_{s}": (threshold, n, s) for n, s in [(1, 1), (9, 1), (9, 3), (37, 5), (784, 2)]},
    **{f"tile_{'_'.join(map(str, t))}": (tile, *t) for t in [(1, 1, 1, 1), (7, 5, 4, 2), (8, 16, 16, 5), (5, 70, 70, 0)]},
    **{f"argmax_{'_'.join(map(str, t))}": (argmax, *t) for t in [(1, 1, 2, False), (10, 3, 8, False), (2, 1, 8), (10, 1, 16), (10, 3, 8), (5, 5, 2)]},
}  # fmt: skip


@needs_icarus
@pytest.mark.parametrize("case", ICARUS.values(), ids=ICARUS)
def test_on_icarus(case, tmp_path):
    make, *arguments = case
    make(*arguments).run(tmp_path, simulator="icarus", root=tmp_path)


#: Units as wide as in large engines, whose high bits change in these alone, and of two beats: not for mutants.
WIDE = {
    "fifo, wide": lambda: model_bench("Fifo", Fifo(128, 4), 1000, width=128, depth=4),
    "frame-assembler-by-beats, wide": lambda: frame_assembler(150, 64, by_beats=True),
    "frame-assembler-by-beats, two beats": lambda: frame_assembler(75, 64, by_beats=True),
    "image-buffer, two beats": lambda: image_buffer(81, 1, 72),
    "isaac-column, wide": lambda: isaac_column(Isaac(rows=128), 4),
    "spiking-neuron, wide": lambda: if_neuron(SpikingNeuron(theta=900, v_bits=14, weight_max=15, fraction=6, refractory=3, leak=1)),
    "error-mask, wide": lambda: error_mask(LayerConfig("scores", 1280, 40, 640, 80, 1, 1), 300),
}


@needs_icarus
@pytest.mark.parametrize(
    "name",
    [n if n in ("axi-lite", "packed-macro") else pytest.param(n, marks=pytest.mark.slow) for n in MODELLED | WIDE],
)
def test_beside_its_model(name, tmp_path):
    (MODELLED | WIDE)[name]().run(tmp_path, simulator="icarus", root=tmp_path)


@pytest.mark.parametrize(
    "bench",
    [
        tile(8, 16, 16, 5),
        *(
            pytest.param(bench, marks=pytest.mark.slow)
            for bench in (popcount(130, {}), popcount(130, BEHAVIOURAL), macro(7, 5), threshold(37, 5), argmax(10, 3, 8))
        ),
    ],
    ids=["tile", "popcount_tree", "popcount_countones", "macro", "threshold", "argmax"],
)
def test_on_verilator(bench, tmp_path):
    """A macro and its popcount every day; whole engines on Verilator have the others in them."""
    bench.run(tmp_path, simulator="verilator")


#: What a bench must find: (bench, text in the Verilog, what it becomes).
BREAKS = {
    "popcount_wrong_bit": (popcount(10, {}), "i[3]", "i[4]"),
    "popcount_countones_of_another": (popcount(10, BEHAVIOURAL), "$countones(i)", "$countones(i | 1)"),
    "macro_xor": (macro(7, 5), "~(r ^ xr)", "(r ^ xr)"),
    "macro_no_flip": (macro(7, 5), "q = agree ^ flip", "q = agree"),
    "macro_q_not_held": (macro(7, 5), "if (sense) begin", "begin"),
    "macro_wrong_row": (macro(7, 5), "r  <= mem[row]", "r  <= mem[row ^ 1]"),
    "macro_side_ignored": (macro(7, 5), "prog_side ^ (prog_op", "(prog_op"),
    "macro_reset_sets": (macro(7, 5), "(prog_op != OP_RESET)", "1'b1"),
    "threshold_strict": (threshold(9, 1), ">=", ">"),
    "threshold_never_starts_again": (threshold(9, 3), "first ? ", "1'b0 ? "),
    "tile_mask": (tile(8, 16, 16, 5), "16'h1f", "16'h3f"),
    "tile_never_holds": (tile(8, 16, 16, 5), "if (en) count", "count"),
    "tile_senses_while_it_holds": (tile(8, 16, 16, 5), "en & sense", "sense"),
    "tile_senses_always": (tile(8, 16, 16, 5), "en & sense", "en"),
    "argmax_last_wins": (argmax(10, 1, 16, False), "$signed", "$unsigned"),
    "margin_to_the_last": (argmax(10, 1, 16), "second <= run_second", "second <= run_beaten"),
    "margin_to_scores_above_zero_alone": (argmax(10, 3, 8), "8'h80", "8'h00"),
}


@needs_icarus
@pytest.mark.parametrize("case", BREAKS.values(), ids=BREAKS)
def test_bench_finds_broken_rtl(case, tmp_path):
    with pytest.raises(SimulationError, match=r"1 of 1 tests failed|[123] of 3 tests failed"):
        case[0].broken(*case[1:]).run(tmp_path, simulator="icarus", root=tmp_path)
