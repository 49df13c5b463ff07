"""The whole emitted engine on its real ports, and proof that its bench finds what is broken."""

from dataclasses import dataclass, field

import pytest
from helpers.breaks import break_verilog

from oxnor.hw.params.engine import EngineConfig
from oxnor.sim.harness.engine import TESTS, EngineTestbench
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.runner import SimulationError

pytestmark = pytest.mark.cosim
needs_icarus = pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)


@dataclass(frozen=True)
class Case:
    shape: tuple[int, ...]
    affine: bool = False
    structure: dict = field(default_factory=dict)

    def make(self, random_network, seed=0):
        network = random_network(self.shape, seed, affine=self.affine)
        return network, EngineConfig.for_network(network, **self.structure)


FOLDED = {"macro_size": (8, 16), "folding": [(2, 4), (1, 2)], "stream_width": 8}
CASES = {
    "37-13-5 on 8x16, 8-bit stream": Case((37, 13, 5), structure=FOLDED),
    # With gated clocks counters are in parts.
    "37-13-5 on 8x16, 16-bit stream, class alone, ASIC": Case(
        (37, 13, 5), structure={**FOLDED, "target": "asic", "stream_width": 16, "with_scores": False}
    ),
    "37-13-5, one beat, affine": Case((37, 13, 5), affine=True),
    "single layer, one neuron": Case((9, 1), structure={"stream_width": 8}),
    "single layer at once": Case((20, 3), structure={"folding": [(1, 3)], "stream_width": 24}),
    "alternating, 8-bit stream": Case(
        (20, 37, 13, 5), affine=True, structure={"macro_size": (40, 5), "dataflow": "alternate", "stream_width": 8}
    ),
    # Margins on both sides of 127, the largest that a result without scores holds.
    "37-13-3, class and margin": Case(
        (37, 13, 3), affine=True, structure={**FOLDED, "stream_width": 16, "with_scores": False, "margin": True}
    ),
    "20-37-5, scores and margin, admitted at intervals": Case(
        (20, 37, 5), affine=True, structure={"target": "ecp5", "with_scores": True, "margin": True}
    ),
    "four layers, ice40": Case((40, 12, 7, 11, 4), structure={"target": "ice40"}),
    "two layers, ice40": Case((24, 6, 3), structure={"target": "ice40"}),
}


@needs_icarus
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_on_icarus(case, random_network, tmp_path):
    network, config = case.make(random_network)
    _, run = EngineTestbench().run(network, config, tmp_path, root=tmp_path)
    assert run.tests == TESTS


@pytest.mark.parametrize("name", ["37-13-5 on 8x16, 8-bit stream", "20-37-5, scores and margin, admitted at intervals"])
def test_status_and_counters_are_exact(name, random_network, tmp_path):
    bench = EngineTestbench("blocks.tb_status", 2, simulator="verilator", cycle_limit=1_000_000)
    _, run = bench.run(*CASES[name].make(random_network), tmp_path)
    assert run.tests == 2


def test_on_verilator_with_two_networks(random_network, tmp_path):
    """A network is switched by its memory images alone: the second one runs in the build of the first."""
    case = CASES["37-13-5 on 8x16, 8-bit stream"]
    (one, config), (two, same) = case.make(random_network, 1), case.make(random_network, 2)
    assert config == same
    first, _ = EngineTestbench(simulator="verilator").run(one, config, tmp_path / "one")
    second, _ = EngineTestbench(simulator="verilator", seed=2).run(two, config, tmp_path / "two")
    assert second.directory == first.directory
    assert second.cached


def test_adder_tree_on_verilator(random_network, tmp_path):
    network, config = CASES["37-13-5, one beat, affine"].make(random_network)
    EngineTestbench(simulator="verilator", adder_tree=True).run(network, config, tmp_path)


#: What the bench must find: (test that fails, file, pattern in its Verilog, what it becomes).
BREAKS = {
    "any length is right": ("wrong_lengths", "assembler", r"assign right = .*?;", "assign right = 1'b1;"),
    "long frames are forgotten": ("wrong_lengths_alone", "assembler", r"too_long <= [^;]*;", "too_long <= 1'b0;"),
    "reset keeps the beat": ("reset_in_mid_frame", "assembler", r"beat <= ([^;]*);", r"beat <= rst ? beat : \1;"),
    "reset keeps a vector": (
        "reset_in_mid_computation",
        "layer0_array",
        r"busy <= ([^;]*);",
        r"busy <= rst ? busy : \1;",
    ),
    "reset keeps a result": ("reset_in_mid_computation", "register_slice", r"full <= ([^;]*);", r"full <= rst ? full : \1;"),
    "register slice loses a result": ("stalled_consumer", "register_slice", r"full \? kept", "full ? i__payload"),
    "results not counted": ("back_to_back", "oxnor_engine.sv", r"results <= [^;]*;", "results <= 0;"),
    "counters not cleared": (
        "counters_are_cleared",
        "oxnor_engine.sv",
        r"axi_lite_written\[\d+\] & axi_lite_value_written\[0\]",
        "1'b0",
    ),
    "unmapped reads succeed": ("wrong_accesses", "axi_lite", r"rresp <= [^;]*;", "rresp <= 2'h0;"),
    "refused writes succeed": ("wrong_accesses", "axi_lite", r"bresp <= [^;]*;", "bresp <= 2'h0;"),
    "answers nobody asked for": ("silent_after_reset", "axi_lite", r"bvalid <= [^;]*;", "bvalid <= 1'b1;"),
    "another engine": ("identity", "coefficient_rom", r"q <= mem\[row\];", "q <= mem[row] ^ 1;"),
    "partial counts not integrated": ("back_to_back", "neuron_37_s", r"integrated <= [^;]*;", "integrated <= 0;"),
    "no tlast on results": (
        "back_to_back",
        "oxnor_engine.sv",
        r"assign m_axis_tlast = 1'b1;",
        "assign m_axis_tlast = 0;",
    ),
    "offer changes while it waits": ("pauses_on_both_sides", "register_slice", r"full \? kept", "full ? ~kept"),
    "more results than places": ("stalled_consumer", "admission", r"assign go = [^;]*;", "assign go = rested;"),
    "images too soon": ("back_to_back", "admission", r"assign go = [^;]*;", "assign go = 1'b1;"),
    "margins do not stop at the largest": ("back_to_back", "oxnor_engine.sv", r"margin = \(([^>]*)> 16'h7f\)", r"margin = (\1> 16'hffff)"),
    "a margin equal to the least is unsure": (
        "unsure_below_the_least_margin", "oxnor_engine.sv", r"< min_margin", "<= min_margin"
    ),
    "unsure results are not counted": ("unsure_below_the_least_margin", "oxnor_engine.sv", r"unsure_event <= [^;]*;", ""),
    "queue out of order": ("pauses_on_both_sides", "fifo", r"kept_0 <= [^;]*;", "kept_0 <= kept_0;"),
}


@needs_icarus
@pytest.mark.parametrize("case", BREAKS.values(), ids=BREAKS)
def test_bench_finds_broken_rtl(case, monkeypatch, random_network, tmp_path):
    test, name, pattern, replacement = case
    break_verilog(monkeypatch, name, pattern, replacement)
    at_intervals = name in ("admission", "fifo")
    of_margins = "margin" in pattern or "unsure" in pattern
    plain = "37-13-3, class and margin" if of_margins else "37-13-5 on 8x16, 8-bit stream"
    network, config = CASES["two layers, ice40" if at_intervals else plain].make(random_network)
    with pytest.raises(SimulationError, match="1 of 1 tests failed"):
        EngineTestbench(tests=1, pattern=rf"\.{test}$", cycle_limit=8000).run(network, config, tmp_path, root=tmp_path)
