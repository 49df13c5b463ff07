"""The programming controller in the emitted engine, its self-test of macros that are broken, and proof of the bench."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network

from oxnor.hw.params.engine import EngineConfig
from oxnor.models.faults.march import MacroFaults, PairFault, SelfTestReport
from oxnor.sim.harness import engine as engine_bench
from oxnor.sim.harness.controller import of_bits, of_cells, of_long_rows, of_three_states
from oxnor.sim.harness.engine import TESTS, EngineTestbench
from oxnor.sim.harness.networks import with_conv_scores
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.runner import SimulationError
from oxnor.sim.verify.self_test import self_test

pytestmark = pytest.mark.cosim
PROGRAMMING_TESTS = 7
LIMIT = 2_000_000
FOLDED = {"macro_size": (8, 16), "folding": [(2, 4), (1, 2)], "stream_width": 8}
#: The same with fewer rows: programming one takes thousands of cycles.
SMALL = (20, 7, 3)
SMALL_FOLDED = {"macro_size": (4, 16), "folding": [(2, 4), (1, 2)], "stream_width": 8}
DEVICES = Path(__file__).parent / "rram_macro_devices.sv"


def config_of(network, structure=FOLDED, **extras):
    return EngineConfig.for_network(network, **structure, programming=True, **extras)


def run(network, config, directory, *, expected_tests=PROGRAMMING_TESTS, names="", simulator="verilator"):
    testbench = EngineTestbench(
        "engine.tb_programming", expected_tests, rf"\.{names}\w*$", simulator=simulator, cycle_limit=LIMIT
    )
    return testbench.run(network, config, directory)


def edited(monkeypatch, name, change):
    """Let the bench change the text of one emitted file before it is built."""
    emit = engine_bench.emit_engine

    def emit_edited(config, directory):
        emitted = emit(config, directory)
        paths = [p for p in emitted.sources if name in p.name]
        assert len(paths) == 1
        paths[0].write_text(change(paths[0].read_text()))
        return emitted

    monkeypatch.setattr(engine_bench, "emit_engine", emit_edited)


@pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)
@pytest.mark.parametrize(
    "bench",
    [of_bits(2000), of_long_rows(), *(pytest.param(b(), marks=pytest.mark.slow) for b in (of_bits, of_three_states, of_cells))],
    ids=["some bits", "long rows", "bits", "three states", "cells"],
)
def test_controller_alone(bench, tmp_path):
    bench.run(tmp_path, simulator="icarus", root=tmp_path)


def test_folded_engine(random_network, tmp_path):
    network = random_network(SMALL, affine=True)
    config = config_of(network, SMALL_FOLDED)
    build, done = run(network, config, tmp_path / "programming")
    assert done.tests == PROGRAMMING_TESTS
    # It is still the engine that it was.
    again, done = EngineTestbench(simulator="verilator").run(network, config, tmp_path / "engine")
    assert (again.directory, done.tests) == (build.directory, TESTS)


@pytest.mark.slow
def test_windows_of_the_last_layer(tmp_path):
    network = with_conv_scores(random_conv_network((4, 4, 5), (Conv(3, (2, 2)),), dense=()), 4, (2, 2), top=1)
    run(network, config_of(network, {"folding": [None, (1, 3)]}), tmp_path)


@pytest.mark.slow
def test_macros_that_take_many_cycles(random_network, tmp_path):
    network = random_network(SMALL, affine=True)
    run(network, config_of(network, SMALL_FOLDED, sense_latency=7), tmp_path)


@pytest.mark.slow
def test_macros_that_answer_when_they_are_ready(monkeypatch, random_network, tmp_path):
    edited(monkeypatch, "rram_cells.sv", lambda text: text.replace("PROGRAM = 200", "PROGRAM = 4"))
    network = random_network((36, 4, 3), affine=True)
    config = config_of(network, {"macro_size": (4, 36), "stream_width": 8}, macro_kind="cells")
    run(network, config, tmp_path, names="(loads|failing|interleaved|busy)", expected_tests=4)


@pytest.mark.slow
@pytest.mark.skipif(toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}")
def test_on_icarus(random_network, tmp_path):
    network = random_network(SMALL, affine=True)
    _, done = run(network, config_of(network, SMALL_FOLDED), tmp_path, simulator="icarus")
    assert done.tests == PROGRAMMING_TESTS


@pytest.mark.slow
def test_alternating_dataflows(random_network, tmp_path):
    """Also rows of inputs, and the thresholds of all neurons in one word."""
    network = random_network((20, 13, 40, 5), affine=True)
    structure = {"macro_size": (16, 40), "dataflow": "alternate", "stream_width": 8}
    run(network, config_of(network, structure), tmp_path, names="(loads|failing|interleaved|busy)", expected_tests=4)


@pytest.mark.slow
def test_wide_macros_and_the_injector_too(random_network, tmp_path):
    """The virtual board has both every day, in narrow macros; ``oxnor selftest`` is tested on wide ones."""
    network = random_network((255, 6, 3))
    structure = {"macro_size": (16, 255), "stream_width": 72}
    config = config_of(network, structure, fault_injector=True)
    run(network, config, tmp_path, names="(failing|busy)", expected_tests=2)
    # Every register of this engine, which has most of them, is read.
    for name, tests, names in (("blocks.tb_status", 2, ""), ("engine.tb_engine", 1, r"\.wrong_accesses$")):
        bench = EngineTestbench(name, tests, names, simulator="verilator", cycle_limit=LIMIT)
        bench.run(network, config, tmp_path / name)


def nibbles(rows):
    """Return lines of hexadecimal, column 0 rightmost, of 4 bits a column."""
    return "\n".join("".join(f"{int(n):x}" for n in row[::-1]) for row in rows) + "\n"


def inject(config, directory, faults):
    """Write the fault files of all macros; `faults` holds (rows + 1, cols) arrays by (layer, v, h)."""
    (directory / "mem").mkdir(parents=True, exist_ok=True)
    for k, c in enumerate(config.layers):
        for v in range(c.groups):
            for h in range(c.across):
                found = faults.get((k, v, h), np.zeros((c.rows + 1, c.cols), int))
                (directory / "mem" / f"layer{k}_v{v}_h{h}.mem.faults").write_text(nibbles(found))


#: In a fault file: a device of a pair that is stuck, and what is broken of a column (rows + 1).
BL_HRS, BL_LRS, BLB_HRS, BLB_LRS = 1, 3, 4, 12
AMPLIFIER_0, AMPLIFIER_1, COLUMN_0, COLUMN_1 = 1, 3, 4, 12


@pytest.mark.slow
def test_power_cut_with_devices(monkeypatch, random_network, tmp_path):
    """With both devices modelled and programming of three cycles: a pair cut in the middle cannot be decided."""
    network = random_network((37, 13, 5), affine=True)
    config = config_of(network)
    edited(monkeypatch, "rram_macro.sv", lambda _: DEVICES.read_text())
    inject(config, tmp_path, {})
    run(network, config, tmp_path, names="(power|interleaved)", expected_tests=2)


def draw_faults(config, seed):
    """Return random faults of an engine: the arrays for :func:`inject`, and what the self-test has to say of them."""
    g = np.random.default_rng(seed)
    kinds = {
        "1 only": (BL_LRS, BLB_HRS, BL_LRS | BLB_HRS), "0 only": (BL_HRS, BLB_LRS, BL_HRS | BLB_LRS),
        "neither": (BL_LRS | BLB_LRS, BL_HRS | BLB_HRS),
    }  # fmt: skip
    arrays, expected = {}, []
    for k, c in enumerate(config.layers):
        for v in range(c.groups):
            for h in range(c.across):
                lines = g.permutation(c.cols)[: g.integers(0, 6)].tolist()
                split = g.integers(0, len(lines) + 1)
                columns, amplifiers = sorted(lines[:split]), sorted(lines[split:])
                rows = sorted(g.permutation(c.rows)[: g.integers(0, 3)].tolist())
                array = np.zeros((c.rows + 1, c.cols), int)
                pairs = []
                # Fewer than make a line of them: 4 of 10 pairs in a row, and never a whole column.
                for row in range(1, c.rows):
                    for column in sorted(g.permutation(c.cols)[:4].tolist()):
                        if row not in rows and column not in lines and g.random() < 0.3:
                            pairs.append(PairFault(row, column, str(g.choice(list(kinds)))))
                            array[row, column] = g.choice(kinds[pairs[-1].holds])
                for row in rows:
                    array[row] = g.choice([n for found in kinds.values() for n in found], c.cols)
                for column in lines:
                    dead = (COLUMN_0, COLUMN_1) if column in columns else (AMPLIFIER_0, AMPLIFIER_1)
                    array[c.rows, column] = g.choice(dead)
                arrays[k, v, h] = array
                found = MacroFaults(k, v, h, tuple(rows), tuple(columns), tuple(amplifiers), tuple(pairs))
                expected += [found] if found.count else []
    return arrays, tuple(expected)


def test_self_test_finds_what_is_broken_and_nothing_else(random_network, tmp_path):
    network = random_network((20, 7, 3))
    config = config_of(network, {"macro_size": (8, 16), "folding": [(2, 1), (1, 1)], "stream_width": 8})
    for seed in (0, 1):
        arrays, expected = draw_faults(config, seed)
        inject(config, tmp_path / str(seed), arrays if seed else {})
        report = self_test(network, config, macro_file=DEVICES, memory=tmp_path / str(seed) / "mem")
        assert (report.macros, report.pairs) == (3, 3 * 8 * 16)
        assert report.faulty == (expected if seed else ())
        assert report.ok == (not seed)
        assert report == SelfTestReport.from_json(json.loads(json.dumps(report.to_json())))
    assert all(report.counts().values()), "a kind of fault is not among the last ones"


@pytest.mark.slow  # every day by the command
def test_self_test_of_the_plain_macro(random_network, tmp_path):
    assert self_test(random_network((37, 13, 5)), config_of(random_network((37, 13, 5)))).ok


#: What the bench must find: (test that fails, file, pattern in its Verilog, what it becomes).
BREAKS = {
    "sets the other device": ("loads", "oxnor_programming_sequence.sv", r"assign bus__side = ([^;]*);", r"assign bus__side = ~(\1);"),
    "verifies with one input only": ("loads", "tile_8x16_16_5", r"\.x\([^)]*\)", ".x(x)"),
    "images go on into the layers": ("traffic", "oxnor_engine.sv", r"programming_hold \? 1'b0 : assembler_tready", "assembler_tready"),
    "commands are never refused": ("refused", "oxnor_engine.sv", r"\.idle\([^)]*\)", ".idle(1'b1)"),
    "failures are not counted": ("failing", "oxnor_programming_sequence.sv", r"push = [^;]*;", "push = 1'h0;"),
    "coefficients are not written": ("loads", "coefficient_ram", r"if \(write && word == 16'\(n\)\)", "if (0)"),
}  # fmt: skip


@pytest.mark.slow  # a build each
@pytest.mark.parametrize("case", BREAKS.values(), ids=BREAKS)
def test_bench_finds_broken_rtl(case, monkeypatch, random_network, tmp_path):
    test, name, pattern, replacement = case

    def change(text):
        changed, changes = re.subn(pattern, replacement, text)
        assert changes >= 1, f"{pattern} is not in {name}"
        return changed

    edited(monkeypatch, name, change)
    network = random_network((37, 13, 5), affine=True)
    with pytest.raises(SimulationError, match="1 of 1 tests failed"):
        run(network, config_of(network), tmp_path, names=test, expected_tests=1)


