"""Emitted layers against the golden model on every output bit, in all kinds of folding."""

import pytest

from oxnor.models.base.files import build_root
from oxnor.sim.harness.layers import TESTS, layer_bench
from oxnor.sim.harness.networks import shortcut_network
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.runner import SimulationError

pytestmark = pytest.mark.cosim
needs_icarus = pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)


#: (shape, layer, macro's columns, (H, V), affine): sizes that divide each other and sizes that do not.
CASES = {
    "37-13 whole": ((37, 13, 5), 0, 37, (1, 1), False),
    "37-13 on 16, one macro": ((37, 13, 5), 0, 16, (1, 1), False),
    "37-13 on 16, two across": ((37, 13, 5), 0, 16, (2, 1), False),
    "37-13 on 16, three across": ((37, 13, 5), 0, 16, (3, 1), False),
    "37-13 on 16, two across, four at once": ((37, 13, 5), 0, 16, (2, 4), False),
    "37-13 on 16, all at once": ((37, 13, 5), 0, 16, (3, 13), False),
    "37-13 on 1, five across": ((37, 13, 5), 0, 1, (5, 6), False),
    "32-8 on 8": ((32, 8, 2), 0, 8, (2, 4), False),
    "1-1": ((1, 1, 1), 0, 4, (1, 1), False),
    "scores 13-5": ((37, 13, 5), 1, 16, (1, 1), False),
    "scores 13-5 on 4, two at once": ((37, 13, 5), 1, 4, (2, 2), False),
    "scores 13-5, all at once": ((37, 13, 5), 1, 16, (1, 5), False),
    "scores 13-5 affine": ((37, 13, 5), 1, 4, (3, 2), True),
    "scores 9-1": ((9, 1), 0, 9, (1, 1), False),
    "scores 70-10 affine, single layer": ((70, 10), 0, 32, (2, 3), True),
}


def case_bench(random_network, case):
    shape, index, cols, fold, affine = case
    return layer_bench(random_network(shape, affine=affine), index, cols=cols, fold=fold)


@needs_icarus
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_on_icarus(case, random_network, tmp_path):
    case_bench(random_network, case).run(tmp_path, simulator="icarus", root=tmp_path)


#: With registers between XNOR and popcount: one macro, a sum in one cycle, a sum in two, more macros than a cycle reaches.
PIPELINED = {
    "37-13 whole": ((37, 13, 5), 0, 37, (1, 1)),
    "37-13 on 16, three across, four at once": ((37, 13, 5), 0, 16, (3, 4)),
    "37-13 on 5, slices of seven": ((72, 13, 5), 0, 5, (7, 2)),
    "37-13 on 3, thirteen across": ((37, 13, 5), 0, 3, (13, 1)),
    "scores 13-5 on 1, ten across": ((37, 13, 5), 1, 1, (10, 1)),
    "37-13 on 3, thirteen across, five at once": ((37, 13, 5), 0, 3, (13, 5)),
    "70-17 on 3, slices of twelve, seventeen at once": ((70, 17, 5), 0, 3, (4, 17)),
}


@needs_icarus
def test_split_sums(random_network, tmp_path):
    layer_bench(random_network((37, 13, 5)), 0, cols=3, fold=(13, 1), target="ice40").run(
        tmp_path, simulator="icarus", root=tmp_path
    )


@needs_icarus
@pytest.mark.parametrize("case", PIPELINED.values(), ids=PIPELINED)
def test_pipelined(case, random_network, tmp_path):
    shape, index, cols, fold = case
    bench = layer_bench(random_network(shape), index, cols=cols, fold=fold, target="ecp5")
    bench.run(tmp_path, simulator="icarus", root=tmp_path)


#: A convolution of one window with a shortcut: (planes, shortcut, macro's columns, (H, V), target).
SHORTCUTS = {
    "two planes, two slices, two at once": (2, 5, 9, (2, 2), "sim"),
    "three planes, a pass of one": (3, 1, 36, (1, 3), "sim"),
    "one plane, all at once, pipelined": (1, 256, 8, (3, 4), "ecp5"),
    "eight planes, one at once": (8, 12, 36, (1, 1), "asic"),
}


def shortcut_bench(planes, shortcut, cols, fold, target):
    return layer_bench(shortcut_network(planes, shortcut), 0, cols=cols, fold=fold, target=target)


@needs_icarus
@pytest.mark.parametrize("case", SHORTCUTS.values(), ids=SHORTCUTS)
def test_shortcut(case, tmp_path):
    shortcut_bench(*case).run(tmp_path, simulator="icarus", root=tmp_path)


@needs_icarus
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bits_1 = x[17:16]", "bits_1 = x[21:20]"), ("bits_1 = x[17:16]", "bits_1 = x[53:52]"),
        ("bits_1 = x[19:18]", "bits_1 = x[17:16]"), ("own <= own_2", "own <= own_1"), ("own & (first | double)", "own"),
    ],
    ids=["another pixel", "another plane", "another channel", "a read too early", "in each slice"],
)  # fmt: skip
def test_bench_finds_a_broken_shortcut(old, new, tmp_path):
    bench = shortcut_bench(*SHORTCUTS["two planes, two slices, two at once"]).broken(old, new)
    with pytest.raises(SimulationError, match=r"output vector number \d+ is"):
        bench.run(tmp_path, simulator="icarus", root=tmp_path)


#: (shape, layer, macro's columns, V of all layers, affine, target, dataflows), by where inputs come from and go to.
SERIAL = {
    "vectors, one input a read": ((37, 13, 5), 0, 13, 1, False, "sim", ("serial", "parallel")),
    "vectors, five inputs a read, three across": ((37, 13, 5), 0, 5, 5, False, "sim", ("serial", "serial")),
    "vectors, all inputs in one read": ((9, 7, 2), 0, 4, 9, False, "sim", ("serial", "parallel")),
    "groups of four": ((20, 37, 13, 5), 1, 5, 4, False, "sim", ("parallel", "serial", "parallel")),
    "groups of one": ((20, 9, 13, 5), 1, 16, 1, False, "sim", ("parallel", "serial", "parallel")),
    "groups of four, pipelined": ((20, 37, 13, 5), 1, 5, 4, False, "ecp5", ("parallel", "serial", "serial")),
    "scores of groups": ((20, 37, 5), 1, 3, 4, True, "sim", ("parallel", "serial")),
    "scores of vectors": ((20, 9, 5), 1, 5, 2, False, "ecp5", ("serial", "serial")),
    "parallel that gives groups of slices": ((37, 13, 5), 0, 8, 3, False, "sim", ("parallel", "serial")),
    "1-1": ((1, 1, 1), 0, 4, 1, False, "sim", ("serial", "serial")),
}


def serial_bench(random_network, case):
    shape, index, cols, lanes, affine, target, flows = case
    return layer_bench(
        random_network(shape, affine=affine), index, cols=cols, fold=lanes, target=target, flows=flows
    )


@needs_icarus
@pytest.mark.parametrize("case", SERIAL.values(), ids=SERIAL)
def test_serial(case, random_network, tmp_path):
    serial_bench(random_network, case).run(tmp_path, simulator="icarus", root=tmp_path)


#: What the bench must find in a serial layer that takes groups: text in the Verilog, what it becomes.
BREAKS = {
    "another row": ("r  <= mem[row]", "r  <= mem[0]"),
    "idle cycles count": ("sensed <= sense", "sensed <= 1'b1"),
    "lanes beyond the last input count": ("last_slice_1 ? 13'h0", "1'b0 ? 13'h0"),
    # A sum has no reset: only what is unknown is forgotten.
    "the vector before counts": ("(first ? ", "(^integrated === 1'bx ? "),
    "inputs taken while it stands still": ("assign i__ready = en", "assign i__ready = 1'h1"),
    "thresholds of others": ("assign q = mem[0]", "assign q = mem[0] >> 6"),
}


@needs_icarus
@pytest.mark.parametrize("change", BREAKS.values(), ids=BREAKS)
def test_bench_finds_a_broken_serial_layer(change, random_network, tmp_path):
    case = ((20, 37, 13, 5), 1, 13, 4, False, "sim", ("parallel", "serial", "parallel"))
    bench = serial_bench(random_network, case)
    object.__setattr__(bench, "change", change)
    with pytest.raises(SimulationError, match=r"output vector number \d+ is|payload changed"):
        bench.run(tmp_path, simulator="icarus", root=tmp_path)


@pytest.mark.parametrize(
    "name", ["37-13 on 16, two across, four at once", pytest.param("scores 13-5 affine", marks=pytest.mark.slow)]
)
def test_on_verilator(name, random_network, tmp_path):
    case_bench(random_network, CASES[name]).run(tmp_path, simulator="verilator")


@needs_icarus
def test_bench_finds_a_wrong_weight(random_network, tmp_path):
    """One weight differs between the memory image and the model; some of the images stand at the threshold."""
    bench = case_bench(random_network, CASES["37-13 on 16, two across"])
    name = "layer0_v0_h1.mem"
    lines = bench.texts[name].split("\n")
    lines[6] = f"{int(lines[6], 16) ^ 1:04x}"
    bench.texts[name] = "\n".join(lines)
    with pytest.raises(SimulationError, match=r"output vector number \d+ is"):
        bench.run(tmp_path, simulator="icarus", root=tmp_path)


@needs_icarus
@pytest.mark.parametrize("field", ["latency", "reads"])
def test_bench_finds_wrong_timing(field, random_network, tmp_path):
    bench = case_bench(random_network, CASES["37-13 whole"])
    bench.job[field] += 1
    with pytest.raises(SimulationError, match="outputs in cycles"):
        bench.run(tmp_path, simulator="icarus", root=tmp_path)


def test_count_of_tests_matters(random_network, tmp_path):
    bench = case_bench(random_network, CASES["37-13 whole"])
    object.__setattr__(bench, "tests", TESTS + 1)
    simulator = "icarus" if toolchain.find_icarus() else "verilator"
    with pytest.raises(SimulationError, match=f"{TESTS} tests ran instead of {TESTS + 1}"):
        bench.run(tmp_path, simulator=simulator, root=build_root())
