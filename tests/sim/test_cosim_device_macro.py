"""Emitted Verilog of the macro made of devices against its golden model, alone and in whole engines."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest
from helpers.simulators import QUICK

from oxnor.hw.emit.generate import generate
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import EngineOptions, LayerOptions
from oxnor.hw.placement.drawn_devices import DeviceDraw, EngineDevices
from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.devices.device_macro import DeviceMacro, DeviceTables
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.options import DeviceOptions
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.options import ErrorOptions
from oxnor.sim.harness.device_macro import DeviceMacroTestbench, close_call
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.runner import SimulationError
from oxnor.sim.studies import wear
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.simulate import simulate

pytestmark = pytest.mark.cosim
needs_icarus = pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)
NOISY = DeviceModel("noisy", 10_000.0, 40_000.0, 0.5, 0.6, 0.2, 0.3, 0.98, turning_offset_sigma=0.4)
TURNING = DeviceModel("turning", 10_000.0, 40_000.0, 0.5, 0.6, 0.2, turning_offset_sigma=0.4)
QUIET = DeviceModel("quiet", 10_000.0, 40_000.0, 0.5, 0.6, 0.2)


@needs_icarus
@pytest.mark.parametrize(("rows", "cols", "cycles"), [(1, 1, 200), (2, 3, 500), (2, 9, 1600), (32, 32, 200)])
def test_on_icarus(rows, cols, cycles, tmp_path):
    found = DeviceMacroTestbench(close_call(rows, cols), cycles).run(tmp_path, root=tmp_path)
    assert found.bits > cycles * cols // 2
    assert found.operations > cycles // 10


@needs_icarus
def test_three_states_on_icarus(tmp_path):
    """Thresholds among the devices: each of the three answers is often close to the others."""
    found = DeviceMacroTestbench(close_call(2, 9, threshold=9990), 1200).run(tmp_path, root=tmp_path)
    assert found.bits > 10_000


@pytest.mark.slow
def test_three_states_every_bit(tmp_path):
    found = DeviceMacroTestbench(close_call(32, 32, threshold=9990), 40_000).run(tmp_path, simulator="verilator")
    assert found.bits >= 2_000_000


@pytest.mark.parametrize("age", [0, pytest.param((1 << 40) - 3, marks=pytest.mark.slow)])
def test_every_bit_of_a_million(age, tmp_path):
    """32 x 32 pairs, reads and operations at any time."""
    found = DeviceMacroTestbench(close_call(32, 32, age), 40_000).run(tmp_path, simulator="verilator")
    assert found.bits >= 1_000_000
    assert found.operations >= 1000


@pytest.mark.parametrize("programming", [0.0, 1.0])
def test_devices_of_a_model(programming, tmp_path):
    """As an engine gets them: from a device model, whole counters; the macro drawn at once, and formed in place."""
    tables = DeviceTables.from_device(NOISY)
    rows, cols = wear.ROWS, wear.COLS  # the build is that of the pictures of wear
    macro = DeviceMacro.unformed(tables, rows, cols)
    if not programming:
        g = np.random.default_rng(3)
        macro.pairs = tables.programmed(g.random((rows, cols)) < 0.5, g.integers(0, 1 << 32, (2, 2, rows, cols), np.uint32))
        macro.offsets = tables.offsets(g.integers(0, 1 << 32, cols, np.uint32))
    found = DeviceMacroTestbench(macro, 10_000, programming=programming).run(tmp_path, simulator="verilator")
    assert found.reads > 8000
    assert found.operations == 2500 * programming


@pytest.mark.slow
def test_a_million_row_reads(tmp_path):
    """1e6 reads of 32 pairs among at least 1,000 operations."""
    made = DeviceMacroTestbench(close_call(32, 32), 1_010_000, sensing=0.995, programming=0.01)
    found = made.run(tmp_path, simulator="verilator")
    assert found.reads >= 1_000_000
    assert found.bits >= 32_000_000
    assert found.operations >= 1000


#: What the bench must find: text in the Verilog, what it becomes.
BREAKS = {
    "tie_reads_1": ("margin > 0", "margin >= 0"),
    "no_offset": ("$signed(column[32*d+:16])", "16'sd0"),
    "nothing_turns": ("turn = 20'($signed(column[32*d+20+:12]))", "turn = 20'sd0"),
    "turns_the_other_way": ("xr[d] ? margin + turn", "~xr[d] ? margin + turn"),
    "turns_without_sign": ("$signed(column[32*d+20+:12])", "column[32*d+20+:12]"),
    "no_noise": (" + 20'($signed(noise[18*d+:18]))", ""),
    "sides_swapped": ("r[32*d+16+:15]})) - 20'($signed({1'b0, r[32*d+:15]", "r[32*d+:15]})) - 20'($signed({1'b0, r[32*d+16+:15]"),
    "dead_column_lives": ("column[32*d+17] ?", "1'b0 ?"),
    "dead_amplifier_lives": ("column[32*d+19] ?", "1'b0 ?"),
    "dead_amplifier_follows_x": ("? column[32*d+18]", "? column[32*d+18] ^ xr[d]"),
    "xor": ("~(w ^ xr[d])", "w ^ xr[d]"),
    "no_flip": ("agree ^ flip", "agree"),
    "noise_steps_always": ("if (sense) begin", "if (1) begin"),
    "noise_starts_again": ("seeded ? state", "1'b0 ? state"),
    "xorshift": ("(step << 5)", "(step << 6)"),
    "octave": ("4'(30 - i)", "4'(31 - i)"),
    "noise_one_sided": ("s[31] ? -{1'b0, m}", "s[31] ? {1'b0, m}"),
    "rounds_down": ("33'd16384", "33'd0"),
    "stuck_changes": ("~stuck & (", "("),
    "set_forms": ("op == OP_FORM & drawn", "drawn"),
    "forming_never_fails": ("drawn >= form_fails", "1'b1"),
    "reset_sets": ("{op == OP_RESET, bucket_of", "{1'b0, bucket_of"),
    "no_wear": ("+ 41'(operations[COUNT_BITS-1:1])", ""),
    "wear_each_operation": ("operations[COUNT_BITS-1:1])", "operations)"),
    "counter_wraps": ("if (~&operations) ", ""),
    "other_side": ("+ DEVICE_BITS'(at_side);", "+ 1'b0;"),
    "age_ignored": ("bucket_of({1'b0, age}", "bucket_of(41'd0"),
    "other_row": ("mem[WORD_BITS'(at_row)][32*at_col+16*at_side+:15] <=", "mem[0][32*at_col+16*at_side+:15] <="),
    "done_early": ("prog_done <= phase == WRITE", "prog_done <= phase == DRAW"),
    "always_ready": ("prog_ready = phase == IDLE", "prog_ready = 1'b1"),
}


@needs_icarus
@pytest.mark.parametrize("change", BREAKS.values(), ids=BREAKS)
def test_bench_finds_broken_rtl(change, tmp_path):
    with pytest.raises(SimulationError, match=r"1 of 1 tests failed|of [\d,]+ bits differ"):
        DeviceMacroTestbench(close_call(2, 9), 1600).run(tmp_path, change=change, root=tmp_path)


#: The same of the macro whose pairs hold three states.
THREE_BREAKS = {
    "nothing_above": ("& above > 0 ?", "& 1'b0 ?"),
    "threshold_not_doubled": ("{1'b0, threshold, 1'b0}", "{2'b0, threshold}"),
    "tie_is_zero": ("above > 0", "above >= 0"),
    "offset_not_in_branch": ("- (margin < 0 ? -margin : margin)", "- (margin < 0 ? margin : margin)"),
    "dead_column_is_zero": ("~column[32*d+17] & above", "above"),
    "neither_is_both_lrs": ("2'b01 : {2{w}}", "2'b10 : {2{w}}"),
    "no_flip": ("both ^ flip", "both"),
}


@needs_icarus
@pytest.mark.slow
@pytest.mark.parametrize("change", THREE_BREAKS.values(), ids=THREE_BREAKS)
def test_bench_finds_three_broken_states(change, tmp_path):
    with pytest.raises(SimulationError, match=r"of [\d,]+ bits differ"):
        DeviceMacroTestbench(close_call(2, 9, threshold=9990), 1200).run(tmp_path, change=change, root=tmp_path)


SHAPE = (37, 13, 5)
RUN = RunOptions(simulator=QUICK)
STRUCTURES = {
    "one macro a layer": {},
    "slices, across, groups": {"macro_size": (16, 8), "folding": [(2, 4), (1, 2)], "stream_width": 8},
    "class alone": {"target": "ice40"},
    "serial": pytest.param(
        {"macro_size": (16, 8), "folding": [(2, 4), (1, 2)], "dataflow": "serial"}, marks=pytest.mark.slow
    ),
}


def images_for(network, count=60):
    return np.random.default_rng(5).random((count, network.n_in)) < 0.5


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_engine_of_device_macros(structure, random_network):
    # The first structure without scales: two more tests run in its build.
    network = random_network(SHAPE, affine=bool(structure))
    config = EngineConfig.for_network(network, macro_kind="twin", **structure)
    images = images_for(network)
    result = simulate(network, images, device=DeviceOptions(NOISY), errors=ErrorOptions(seed=3, trial=2), engine=config, run=RUN)
    assert result.ok
    found = result.to_json()
    assert (found["device"], found["macro_kind"], found["bit_errors"]) == ("noisy", ("devices", "devices"), result.bit_errors)
    # The noise is there: without it the same devices give other scores; and errors are, too.
    faults = EngineDevices.draw(network, config, DeviceDraw(NOISY, seed=3, trial=2)).faults()
    assert faults.count == result.bit_errors > 20
    assert not np.array_equal(golden.scores(faults.apply(network), images), result.golden_scores)
    other = simulate(network, images, device=DeviceOptions(NOISY), errors=ErrorOptions(seed=3, trial=3), engine=config, run=RUN)
    assert other.ok
    assert not np.array_equal(other.golden_scores, result.golden_scores)


def test_quiet_devices_as_bits_are_the_device_macro(random_network):
    network = random_network(SHAPE)
    images = images_for(network)
    results = [
        simulate(
            network, images, device=DeviceOptions(QUIET), errors=ErrorOptions(seed=4),
            engine=EngineConfig.for_network(network, macro_kind=kind), run=RUN,
        )
        for kind in ("bits", "devices")
    ]
    assert all(r.ok for r in results)
    assert results[0].bit_errors == results[1].bit_errors > 20
    assert np.array_equal(results[0].scores, results[1].scores)


@needs_icarus
@pytest.mark.parametrize("simulator", [QUICK, pytest.param("verilator", marks=pytest.mark.slow)])
def test_devices_in_one_layer_and_bits_in_another(simulator, random_network, tmp_path):
    # Tiles of one size in both layers: their modules must not share a name.
    network = random_network(SHAPE)
    layers = [LayerOptions(kind, (16, 8), fold) for kind, fold in (("devices", (5, 1)), ("bits", (2, 2)))]
    config = EngineConfig.for_network(network, EngineOptions(layers=tuple(layers)))
    images = images_for(network)
    result = simulate(network, images, device=DeviceOptions(QUIET), errors=ErrorOptions(seed=4), engine=config, run=RunOptions(simulator=simulator))
    assert result.ok
    assert result.to_json()["macro_kind"] == ("devices", "bits")
    # Bits are what the devices of that layer read as: the same as devices everywhere.
    drawn = EngineDevices.draw(network, config, DeviceDraw(QUIET, seed=4))
    faults = drawn.faults()
    assert result.bit_errors == faults.count
    assert all(len(faults.flips[k]) for k in range(2))
    assert np.array_equal(result.golden_scores, golden.scores(faults.apply(network), images))
    with pytest.raises(InputError, match="read_noise_sigma must be 0 for macros of kind bits"):
        simulate(network, images, device=DeviceOptions(NOISY), engine=config)
    # What an integrator gets says the same: its testbench passes with the devices in it.
    generate(network, tmp_path / "engine", config, devices=DeviceDraw(QUIET, seed=4))
    command = "iverilog -g2012 -s bench -o bench.vvp -c oxnor_engine.f examples/bench.sv && vvp bench.vvp"
    done = subprocess.run(command, shell=True, cwd=tmp_path / "engine", capture_output=True, text=True, check=True)
    assert "PASS" in done.stdout


def test_corrupt_devices_are_found(random_network):
    network = random_network(SHAPE)
    config = EngineConfig.for_network(network, macro_kind="twin")
    result = simulate(network, images_for(network), device=DeviceOptions(QUIET), engine=config, run=replace(RUN, corrupt_rtl=2))
    assert result.mismatches
    assert not result.ok


def test_refuses(random_network):
    network = random_network(SHAPE)
    devices, blackbox = (EngineConfig.for_network(network, macro_kind=kind) for kind in ("devices", "blackbox"))
    cases = [
        ({"engine": devices}, "macros of kind devices need a device model: give `device`"),
        ({"engine": blackbox}, "macros of kind blackbox are ports alone and cannot be simulated"),
        ({"device": DeviceOptions(NOISY)}, "device: read_noise_sigma must be 0 for macros of kind bits, which read the same every time: use macros of kind devices"),
        ({"device": DeviceOptions(TURNING)}, "device: turning_offset_sigma must be 0 for macros of kind bits, which read the same every time: use macros of kind devices"),
        ({"device": DeviceOptions(QUIET), "errors": ErrorOptions(0.1)}, "wrong weights must come from a device, or from ber or a fault map, not from both"),
        ({"device": DeviceOptions(QUIET), "errors": ErrorOptions(faults=FaultMap.draw(network, ber=0.1))}, "wrong weights must come from a device, or from ber or a fault map, not from both"),
        ({"device": DeviceOptions(QUIET, -1)}, "cycles must be an integer in [0, 1099511627776), not -1"),
        ({"device": DeviceOptions(QUIET), "errors": ErrorOptions(trial=-1)}, "trial must be an integer in [0, 2**63), not -1"),
    ]  # fmt: skip
    for arguments, message in cases:
        with pytest.raises(InputError) as e:
            simulate(network, images_for(network), **arguments)
        assert str(e.value) == message
