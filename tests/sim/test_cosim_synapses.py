"""Emitted Verilog of the ternary synapses against its model, on every update."""

import pytest

from oxnor.sim.harness.learning import synapses
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.runner import SimulationError

pytestmark = pytest.mark.cosim
needs_icarus = pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)


@needs_icarus
def test_updates_on_icarus(tmp_path):
    synapses(3, 4, 1500).run(tmp_path, simulator="icarus", root=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("law", "entries"), [("tanh", 16), ("mtj", 8)])
def test_a_million_updates_on_verilator(law, entries, tmp_path):
    synapses(16, 64, 16_000, law, entries, pause=0.02).run(tmp_path, simulator="verilator", root=tmp_path)


#: What the bench must find: text in the Verilog, and what it becomes.
BREAKS = {
    "a_probability": ("16'h8165", "16'h4165"),
    "order_of_the_table": ("sizes[13] ? 16'hcbd6", "sizes[12] ? 16'hcbd6"),
    "number_and_threshold_equal": ("generator0[31:16] < threshold0", "generator0[31:16] <= threshold0 + 16'd900"),
    "other_half_of_the_number": ("generator1[31:16]", "generator1[15:0]"),
    "generator_shift": ("<< 4'hd", "<< 4'hc"),
    "generator_runs_always": ("if (update) begin", "begin"),
    "whole_steps": ("3'(sizes[16:15])", "3'(sizes[15])"),
    "two_steps_as_one": ("> 3'h1", "> 3'h2"),
    "no_saturation_above": ("{held[0],\n      1'b1}", "{~held[1],\n      1'b1}"),
    "lane_of_another": ("{1'b0, held[3]}", "{1'b0, held[1]}"),
    "up_and_down": ("up[0] == down[0]", "up[0] == down[1]"),
    "row_of_another": ("2'h1: row1 <=", "2'h0: row1 <="),
}


@needs_icarus
@pytest.mark.slow
@pytest.mark.parametrize("change", BREAKS.values(), ids=BREAKS)
def test_bench_finds_broken_synapses(change, tmp_path):
    with pytest.raises(SimulationError, match="1 of 1 tests failed"):
        synapses(3, 4, 1500).broken(*change).run(tmp_path, simulator="icarus", root=tmp_path)
