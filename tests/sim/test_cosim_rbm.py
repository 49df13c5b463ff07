"""An RBM that learns in RTL beside its macro: states, counts, pulses and rows are those of the numpy model."""

import pytest

from oxnor.sim.harness.learning import learner, machine, machine_in_cycles
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.runner import SimulationError

pytestmark = pytest.mark.cosim
needs_icarus = pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)


@needs_icarus
def test_a_small_machine(tmp_path):
    machine(5, 3, 12, seed=0xB5297A4D).run(tmp_path, simulator="icarus", root=tmp_path)


@needs_icarus
@pytest.mark.parametrize(
    "sizes",
    [
        (3, 2, 800),
        *(pytest.param(s, marks=pytest.mark.slow) for s in ((3, 2, 9000), (1, 1, 1000), (2, 5, 3000, 7, 4), (8, 19, 2500))),
    ],
    ids=str,
)
def test_a_learner_beside_its_model(sizes, tmp_path):
    """Weights of all values; where there are more hidden units than visible ones, too."""
    learner(*sizes).run(tmp_path, simulator="icarus", root=tmp_path)


@needs_icarus
def test_a_machine_beside_its_model(tmp_path):
    """All that it says in every cycle, beside a host that programs and holds it at any time."""
    machine_in_cycles(5, 3, 3000, 3, 3).run(tmp_path, simulator="icarus", root=tmp_path)


@pytest.mark.slow
def test_a_million_updates(tmp_path):
    """19 x 8 units as on the published chip: 152 weights and 27 biases for 6,600 patterns, 1.2 million updates."""
    machine(19, 8, 550, every=50, halves=True).run(tmp_path, simulator="verilator")


BREAKS = {
    "subtracts_less": ("5'hc : 5'h14", "5'hb : 5'h15"),
    "asks_late": (">= 6'shc", "> 6'shc"),
    "never_programs": ("<= 6'sh34", "<= 6'sh20"),
    "negative_phase_of_the_positive": ("negative[1] & second[0]", "negative[1] & first[0]"),
    "negative_phase_from_the_pattern": ("again ? negative : ", "1'b0 ? negative : "),
    "draws_at_equality": ("[7:0] < probability", "[7:0] <= probability"),
    "erases_to_program": ("[5] ? 2'h1 : 2'h2", "[5] ? 2'h2 : 2'h1"),
    "writes_the_reference": ("bus__side = 1'b0", "bus__side = 1'b1"),
    "pulses_into_the_controller": ("i__valid & ~busy", "i__valid"),
}


@pytest.mark.slow
@needs_icarus
@pytest.mark.parametrize(("old", "new"), BREAKS.values(), ids=BREAKS)
def test_what_is_broken_is_found(old, new, tmp_path):
    with pytest.raises(SimulationError):
        machine(5, 3, 24).broken(old, new).run(tmp_path, simulator="icarus", root=tmp_path)
