"""The fault injector in the emitted engine against the golden model, and proof that its bench finds what is broken."""


import pytest
from helpers.breaks import break_verilog
from helpers.convolutions import Conv, random_conv_network
from helpers.simulators import QUICK

from oxnor.hw.params.engine import EngineConfig
from oxnor.sim.harness.engine import TESTS, EngineTestbench
from oxnor.sim.harness.networks import with_conv_scores
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.runner import SimulationError

pytestmark = pytest.mark.cosim
needs_icarus = pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)
INJECTOR_TESTS = 4
FOLDED = {"macro_size": (8, 16), "folding": [(2, 4), (1, 2)], "stream_width": 8}
#: Windows of columns that start anywhere in a block, end in the next one, hold several, or are narrower than one.
CASES = {
    "37-13-5 on 8x16, slices of 32": ((37, 13, 5), FOLDED),
    "37-13-5, more macros than a cycle reaches": ((37, 13, 5), {"target": "ecp5", "macro_size": (64, 3), "folding": [(7, 10), (5, 1)], "stream_width": 40}),
    "150-9-4, one slice of 150, class alone": ((150, 9, 4), {"stream_width": 152, "with_scores": False}),
    "150-9-4 on 16x20, slices of 60": ((150, 9, 4), {"macro_size": (27, 20), "folding": [(3, 1), (1, 4)], "stream_width": 56}),
    "260-6-3 on 24x70, slices of 70": ((260, 6, 3), {"macro_size": (24, 70), "folding": [(1, 2), (1, 1)], "stream_width": 264}),
    "260-6-3 on 24x128, slices of 128": ((260, 6, 3), {"macro_size": (24, 128), "folding": [(1, 1), (1, 3)], "stream_width": 136}),
}


def config_of(network, structure):
    return EngineConfig.for_network(network, **structure, fault_injector=True)


@needs_icarus
@pytest.mark.parametrize(
    "case",
    # The wide ones, and those of many macros, take Icarus long: every day a narrow one and one that holds whole blocks.
    [pytest.param(c, marks=[pytest.mark.slow] * ("macro_size" in c[1] and c[1] is not FOLDED)) for c in CASES.values()],
    ids=CASES,
)
def test_on_icarus(case, random_network, tmp_path):
    shape, structure = case
    network = random_network(shape)
    _, run = EngineTestbench("engine.tb_read_errors", INJECTOR_TESTS).run(
        network, config_of(network, structure), tmp_path, root=tmp_path
    )
    assert run.tests == INJECTOR_TESTS


def test_windows_of_the_last_layer(tmp_path):
    """Each window is a read of its own, and its errors are summed."""
    network = with_conv_scores(random_conv_network((4, 4, 2), (Conv(3, (2, 2)),), dense=()), 4, (2, 2), top=1)
    config = config_of(network, {"folding": [None, (1, 3)]})
    _, run = EngineTestbench("engine.tb_read_errors", INJECTOR_TESTS, simulator=QUICK).run(network, config, tmp_path)
    assert run.tests == INJECTOR_TESTS


def test_on_verilator(random_network, tmp_path):
    network = random_network((37, 13, 5))
    config = config_of(network, FOLDED)
    directories = (tmp_path / "errors", tmp_path / "engine")
    build, _ = EngineTestbench("engine.tb_read_errors", INJECTOR_TESTS, simulator="verilator").run(
        network, config, directories[0]
    )
    # It is still the engine that it was.
    again, run = EngineTestbench(simulator="verilator").run(network, config, directories[1])
    assert (again.directory, run.tests) == (build.directory, TESTS)


#: What the bench must find: (test that fails, file, pattern in its Verilog, what it becomes).
BREAKS = {
    "counts frames, not images": ("images_are_counted", "layer1_array", r"image <= ([^;]*);", r"image <= rst ? 0 : image + errors__restart;"),
    "goes on after a new seed": ("images_are_counted", "layer0_array", r"if \(errors__restart\)", "if (1'b0)"),
    "writes are not refused": ("refused_while_an_image_is_inside", "oxnor_engine.sv", r"assign errors__restart = [^;]*;", "assign errors__restart = axi_lite_written[14];"),
    "another layer's errors": ("off_until_asked", "layer1_array", r"\.layer\(16'h1\)", ".layer(16'h0)"),
    "a tap is wrong": ("every_rate_bit", "error_planes", r"r\[9:0\], r\[63:10\]", "r[63:10], r[9:0]"),
    "no errors": ("off_until_asked", "tile_8x16_16_5", r"\.flip\(flip\)", ".flip(16'd0)"),
}  # fmt: skip


@needs_icarus
@pytest.mark.parametrize("case", BREAKS.values(), ids=BREAKS)
def test_bench_finds_broken_rtl(case, monkeypatch, random_network, tmp_path):
    test, name, pattern, replacement = case
    break_verilog(monkeypatch, name, pattern, replacement)
    network = random_network((37, 13, 5))
    with pytest.raises(SimulationError, match="1 of 1 tests failed"):
        EngineTestbench("engine.tb_read_errors", 1, rf"\.{test}$").run(
            network, config_of(network, FOLDED), tmp_path, root=tmp_path
        )
