"""The units whose mutants are tried, and the testbench of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from oxnor.hw.blocks.unit import Unit
from oxnor.models.base.errors import InputError, near_names
from oxnor.models.networks.layers.weight_code import WeightCode
from oxnor.models.networks.layers.window import Pool, Window
from oxnor.sim.harness.analog import converter
from oxnor.sim.harness.blocks import argmax, macro, popcount, threshold, tile
from oxnor.sim.harness.controller import of_bits, of_three_states
from oxnor.sim.harness.counters import event_counters
from oxnor.sim.harness.engine import joined_engine
from oxnor.sim.harness.layers import layer_bench
from oxnor.sim.harness.learning import learner, machine_in_cycles, synapses
from oxnor.sim.harness.modelled import MODELLED
from oxnor.sim.harness.networks import random_network, shortcut_network
from oxnor.sim.harness.pixels import pool_bench, window_bench

from .equivalence import Use
from .source_run import SOURCES, SourceUnit


class Testbench(Protocol):
    """What is needed of a testbench: as :class:`~oxnor.sim.harness.unit.UnitTestbench` has it."""

    @property
    def unit(self) -> Unit | str: ...  # noqa: D102
    @property
    def module(self) -> str: ...  # noqa: D102
    @property
    def tests(self) -> int: ...  # noqa: D102
    @property
    def parameters(self) -> Mapping[str, object]: ...  # noqa: D102
    def lay_out(self, directory: Path) -> tuple[Sequence[Path], str]: ...  # noqa: D102


@dataclass(frozen=True)
class MutatedUnit:
    """A unit whose mutants are tried.

    Parameters
    ----------
    what : str
        What it is, in a few words.
    testbench : callable
        Returns its testbench.
    use : Use
        What its inputs keep to, and what its outputs say when.
    simulator : str
        "icarus" or "verilator".
    only : str
        Regular expression on mutants as Yosys lists them: the others are those of other units. Default: all.
    parts : tuple of str
        Parts whose mutants are among those, as :mod:`~oxnor.sim.verify.mutations.scope` names them.
    """

    what: str
    testbench: Callable[[], Testbench]
    use: Use = field(default_factory=Use)
    simulator: str = "icarus"
    only: str = ""
    parts: tuple[str, ...] = ()


_PADDED = Window(4, 5, 2, 3, 3, top=1, left=1, bottom=1, right=1, pad=1)
_DILATED = Window(6, 5, 1, 2, 2, step_y=2, spread_x=2, top=1, right=1, pad=0)
_SPIKING = Use(
    {"negative": "fire"}, "$signed(weight) <= $signed(4'd4) & $signed(weight) >= -$signed(4'd4)"
)  # fmt: skip
#: A vector takes four steps, or begins again; what comes of it is there from its last on.
_OF_FOUR_STEPS = Use(
    {"index": "done", "margin": "done"},
    "!en | ((first | second | third | fourth) & last == (fourth & !first))",
    {"second": "en ? first : second", "third": "en ? second & !first : third",
     "fourth": "en ? third & !first : fourth", "done": "en ? last : done"},
)  # fmt: skip
#: What the controller's bus says when, and how its registers are accessed.
_SAYS = {
    "bus__x": "bus__sense", "bus__op": "bus__valid", "bus__side": "bus__valid", "bus__data": "bus__write",
}  # fmt: skip
_ONE_ACCESS = "(written & (written - 1)) == 0 & (read & (read - 1)) == 0"
# The provers do not find in time how far its columns go; tests/sim/test_mutations.py proves it by induction.
_NO_FURTHER = f"{_ONE_ACCESS} & bus__column < 128"
_PAIRS_NO_FURTHER = f"{_ONE_ACCESS} & bus__column < (layer == 0 & bus__macro < 2 ? 32 : 64)"
#: How units beside their models are used.
_USES = {
    "admission": Use(assumed="(!entered | go) & (!delivered | inside_ != 0)"),
    "axi-lite": Use({"value_written": "written"}),
    "coefficient-ram": Use(assumed="row < 3"),
    "coefficient-rom": Use(assumed="row < 13"),
    "error-mask": Use(assumed="neuron < 5"),
    "gather-memory": Use(
        assumed="(!take | offered) & !(take & read) & (!read | taken) & pixel < 5", remembered={"taken": "take | taken"}
    ),
    "image-buffer": Use({"first": "o__valid"}),
    "isaac-column": Use(assumed="count <= (flipped ? 3 * ones : 15) & ones <= 5 & shift < 7"),
    # A word that was read is lost as another is written.
    "link-payload": Use(
        {"word": "shown"},
        "i_address < 6 & store_address < 6 & (advance + back + rewind + store + i_write <= 1)"
        " & (!advance | index < 6) & (!back | index > 0) & count <= 6",
        {"shown": "advance | (shown & !store & !i_write)"},
    ),
    # What a reset leaves in it, the first of a vector forgets.
    "neuron-of-planes": Use(
        assumed="partial <= 9 & zeros <= 9 & (first | going)", remembered={"going": "going | (en & first)"}
    ),
    "neuron-with-shortcut": Use(assumed="partial <= 9"),
    "presenter": Use(assumed="slice < 2"),
    "pulse-counter": Use(assumed="!(count & taken) & (!taken | request) & (!(count & request) | 0)"),
    "row-buffer": Use(
        assumed="write_address < 5 & read_address < 5 & !(read & write & read_address == write_address)"
    ),
    "spi-peripheral": Use({"data": "valid"}),
    "spiking-neuron": _SPIKING,
    "spiking-neuron-with-all": _SPIKING,
    "summing-neuron": Use(assumed="partial <= 9"),
    "trainable-converter": Use(assumed="rate < 5 & index < 9"),
    "uart-receiver": Use({"data": "valid"}),
}  # fmt: skip

#: The units by name.
UNITS: dict[str, MutatedUnit] = {
    **{
        name: MutatedUnit(
            f"{name.replace('-', ' ')}, beside its model", make, _USES.get(name, Use()),
            "verilator" if name.startswith("error-") else "icarus",
        )
        for name, make in MODELLED.items()
    },
    "popcount": MutatedUnit("adder tree of 16 bits", lambda: popcount(16, {})),
    "neuron": MutatedUnit("neuron of 9 inputs in 3 slices", lambda: threshold(9, 3)),
    "argmax": MutatedUnit(
        "argmax of 10 scores, 3 a cycle, with margin", lambda: argmax(10, 3, 8),
        _OF_FOUR_STEPS,
    ),
    "rram-macro": MutatedUnit(
        "macro of 7 rows and 5 columns", lambda: macro(7, 5),
        Use(assumed="row < 7 & prog_row < 7 & prog_col < 5 & prog_op < 3"),
    ),
    "tile": MutatedUnit("macro and popcount, 16 and 5 columns used", lambda: tile(8, 16, 16, 5)),
    "window": MutatedUnit("window of 3 x 3, padded", lambda: window_bench(_PADDED, images=6)),
    "window-dilated": MutatedUnit(
        "window with steps and dilation, padded with zeros",
        lambda: window_bench(_DILATED, 2, images=6),
    ),
    "pool": MutatedUnit(
        "pooling of 2 x 2, of largest and smallest", lambda: pool_bench(5, 7, 2, 1, Pool(2, 2, 2, 2), True, images=6)
    ),
    "pool-overlapping": MutatedUnit(
        "pooling of 3 x 3 in steps of 2, of three levels",
        lambda: pool_bench(7, 8, 2, 3, Pool(3, 3, 2, 2), True, images=6),
    ),
    "pool-padded": MutatedUnit(
        "pooling of 3 x 3 in steps of 2, over all edges",
        # Images of which the first shows where its first row's windows end, which a reset says.
        lambda: pool_bench(5, 7, 2, 1, Pool(3, 3, 2, 2, 1, 1, 1, 1), True, seed=1, images=6),
    ),
    "tile-of-digits": MutatedUnit(
        "macro and popcounts of weights of three digits", lambda: tile(8, 15, 15, 9, WeightCode(3, 6))
    ),
    "layer": MutatedUnit(
        "layer of 13 inputs and 6 neurons, two macros across, two neurons at once",
        # So many, as few come just so many cycles after the image before that its stall meets a read of theirs.
        lambda: layer_bench(random_network((13, 6, 3)), 0, cols=4, fold=(2, 2), images=1200),
    ),
    "layer-pipelined": MutatedUnit(
        "the same with registers between XNOR and popcount, four macros across",
        lambda: layer_bench(random_network((13, 6, 3)), 0, cols=4, fold=(4, 2), images=600, target="ecp5"),
    ),
    "layer-with-shortcut": MutatedUnit(
        "convolution of two bit planes and a shortcut, two slices, two neurons at once",
        lambda: layer_bench(shortcut_network(), 0, cols=9, fold=(2, 2), images=300),
    ),
    "layer-serial": MutatedUnit(
        "layer of 5 inputs and 6 neurons, an input a read",
        lambda: layer_bench(
            random_network((8, 5, 6, 3)), 1, cols=6, fold=1, images=100, flows=("parallel", "serial", "parallel")
        ),
    ),
    "scores": MutatedUnit(
        "scores of 3 classes, two at once",
        # A network of which each score is negative for some images, and positive for others.
        lambda: layer_bench(random_network((13, 6, 3), 832, affine=True), 1, cols=2, fold=(2, 2), images=300),
    ),
    "event-counters": MutatedUnit("counters of an engine, which begin anywhere", event_counters),
    # Its layers, registers and counters are tried alone: left is what joins them.
    "engine": MutatedUnit(
        "engine of 12 inputs, 4 neurons and 3 classes, on its ports: what joins its parts",
        lambda: joined_engine(random_network((12, 4, 3)), macro_size=(8, 8), stream_width=8),
        only=r"-cell (\\identity|\$(and|or|not|ne|sub)\$)",
    ),
    "programming": MutatedUnit(
        "programming controller beside rows of 127, 101, 37 and 5 bits", of_bits, Use(_SAYS, _NO_FURTHER)
    ),
    "programming-ternary": MutatedUnit(
        "steps of the controller beside pairs of three states and of two, which sense for three cycles",
        of_three_states,
        Use(_SAYS | {"bus__x": "bus__sense | second | third"}, _PAIRS_NO_FURTHER,
            {"second": "bus__sense", "third": "second"}),
        only=r"-cell \$flatten\\sequence_",
        parts=("engine.sequence.TernarySequence",),
    ),
    "synapses": MutatedUnit(
        "synapses of three values, 3 rows of 4", lambda: synapses(3, 4, 600, cycles=1 << 16), Use(assumed="row < 3")
    ),
    "rbm-learner": MutatedUnit(
        "learner of 3 x 2 units beside its model, without its neuron and counters", lambda: learner(3, 2, 9000),
        Use(assumed="column < 3"), only=r"-cell \$(?!flatten)",
    ),
    "rbm": MutatedUnit(
        "RBM of 5 x 3 units beside its macro: what joins its parts", lambda: machine_in_cycles(5, 3, 16_000),
        Use(dict.fromkeys(("erases", "pulse_row", "pulse_column"), "pulse")),
        only=r"-cell \$(?!flatten\\(programming|macro|learner))", parts=("learning.pulse_writer.PulseWriter",),
    ),
    "count-converter": MutatedUnit(
        "converter of a count, 4 bits", lambda: converter(4, 64, 50, 15),
        Use(assumed="i <= (last ? 15 : 50)"),
    ),
}  # fmt: skip


def known(name: str) -> MutatedUnit | SourceUnit:
    """Return a unit or sources by name, or raise InputError with near names."""
    every = UNITS | SOURCES
    if name not in every:
        rule = f"must be one of {', '.join(every)}, not {name!r}{near_names(name, every)}"
        raise InputError(rule, parameter="units")
    return every[name]
