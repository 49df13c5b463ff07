"""Boards: folding, top level, host link end to end on the virtual board, reports."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from oxnor.cli.app import app
from oxnor.fpga import tools
from oxnor.fpga.boards import NAMES, board
from oxnor.fpga.build import build, memory_style, synthesis_script, write_design
from oxnor.fpga.emulate import VirtualBoard
from oxnor.fpga.fuzz import fuzz
from oxnor.fpga.host import Host, LinkError
from oxnor.fpga.netlist import check
from oxnor.fpga.report import advice, bound_cycles
from oxnor.fpga.search import folding_for, search
from oxnor.fpga.session import run_images
from oxnor.fpga.top import divisor, pin_file
from oxnor.hw.config import EngineConfig
from oxnor.hw.link_protocol import Command, Status, request
from oxnor.hw.schedule import schedule
from oxnor.models import zoo
from oxnor.models.errors import InputError
from oxnor.models.network import Network
from oxnor.sim.inputs import inputs_for

DOCS = Path(__file__).parent.parent / "docs" / "boards"


def layers_of(n_in, *sizes, seed=1):
    g = np.random.default_rng(seed)
    shape = [n_in, *sizes]
    weights = [g.random((b, a)) < 0.5 for a, b in zip(shape, sizes, strict=False)]
    thresholds = [g.integers(a // 2 - 2, a // 2 + 3, b) for a, b in zip(shape, sizes, strict=False)]
    return Network.from_arrays(weights, [*thresholds[:-1], None], name="small")


@pytest.fixture(scope="module")
def small():
    return layers_of(70, 20, 10)


@pytest.fixture(scope="module")
def virtual(small, tmp_path_factory):
    """A small network on a virtual iCEBreaker."""
    spec = board("icebreaker")
    config = search(small, spec.chip, 20).config
    with VirtualBoard(small, spec, config, tmp_path_factory.mktemp("board")) as running:
        yield running


@pytest.fixture
def host(virtual):
    with Host(virtual.port) as h:
        yield h


# Folding


@pytest.mark.parametrize(
    ("network", "name", "interval", "cycles", "macros"),
    [
        ("mnist-tfc", "icebreaker", None, 192, 22),
        ("mnist-tfc", "ulx3s-85f", 64, 64, 27),
        ("mnist-tfc", "colorlight-i5", None, 49, 39),
        ("mnist-mlp", "ulx3s-85f", None, 256, 206),
    ],
)
def test_search_finds_the_folding_of_the_reports(network, name, interval, cycles, macros):
    chip = board(name).chip
    found = search(zoo.resolve(network), chip, interval)
    assert (found.folding.interval, found.folding.macros) == (cycles, macros)
    assert found.folding.macros <= chip.block_rams
    assert found.steps[-1].endswith("times as many")


def test_nothing_faster_fits():
    network, chip = zoo.resolve("mnist-tfc"), board("icebreaker").chip
    best = search(network, chip)
    for reads in range(1, best.folding.interval):
        faster = folding_for(network, chip, reads)
        assert faster is None or faster.interval >= best.folding.interval or (
            faster.macros > chip.block_rams or faster.luts > 0.98 * chip.luts
        )


def test_what_does_not_fit_says_by_how_much():
    with pytest.raises(InputError) as e:
        search(zoo.resolve("mnist-mlp"), board("colorlight-i5").chip)
    assert str(e.value).startswith(
        "network 'mnist-mlp' does not fit on ECP5 LFE5U-25F: at 512 cycles an image it needs 103 block RAMs of 56 and about"
    )
    assert str(e.value).endswith("; take a larger board")


def test_bound_is_all_block_rams_in_every_cycle():
    chip = board("ulx3s-85f").chip
    config = search(zoo.resolve("mnist-mlp"), chip).config
    assert bound_cycles(config, chip) == pytest.approx((784 * 1024 + 1024 * 1024 + 10240) / (208 * 36))


def test_advice_says_how_much_is_too_much():
    placed = {"logic_cells": {"used": 5307, "of": 5280}, "block_ram": {"used": 25, "of": 30}}
    assert advice({"fits": False}, placed) == (
        "does not fit: 27 logic cells too many (5,307 of 5,280); fold it more (a larger --interval, or --fold with fewer"
        " macros), or take a larger board"
    )
    slow = {"fits": True, "meets_freq": False, "fmax_mhz": 20.5, "freq_mhz": 30}
    assert advice(slow, {}) == "too slow: 20.5 MHz of 30; ask for a lower --freq, or try another --seed"
    assert advice({"fits": True, "meets_freq": True}, {}) is None


# Boards


@pytest.mark.parametrize("name", NAMES)
def test_design_of_each_board(name, small, tmp_path):
    spec = board(name)
    design = write_design(small, spec, search(small, spec.chip).config, tmp_path)
    assert design.freq_mhz == spec.freq_mhz
    pins = (tmp_path / pin_file(spec)[0]).read_text()
    for port, (site, _) in spec.pins.items():
        assert port in pins
        assert site in pins
    assert (tmp_path / "rtl" / "oxnor_top.v").is_file()
    assert "oxnor_pll" in (tmp_path / "rtl" / "oxnor_pll.v").read_text()


def test_baud_that_the_clock_cannot_make():
    assert divisor(30, 1_000_000) == 30
    for freq, baud in ((30, 9_000_000), (12, 3_500_000)):
        with pytest.raises(InputError, match=f"--baud must be a rate that {freq} MHz can make within 2 %, not {baud}"):
            divisor(freq, baud)


def test_unknown_board():
    with pytest.raises(InputError, match="--board must be one of icebreaker, ulx3s-85f, colorlight-i5, not 'arty'"):
        board("arty")


def test_foreign_folder_is_not_replaced(small, tmp_path):
    (tmp_path / "mine").write_text("x")
    spec = board("icebreaker")
    with pytest.raises(InputError, match="was not written by oxnor fpga build"):
        build(small, spec, search(small, spec.chip).config, tmp_path)


# The virtual board


@pytest.mark.cosim
def test_board_is_the_golden_model(small, virtual):
    result = run_images(small, virtual.design.config, inputs_for(small, 60), virtual.port, 1_000_000, board="icebreaker")
    assert result["mismatches"] == 0
    assert result["cycles"] == result["predicted_cycles"]
    assert (result["frames"], result["dropped"], result["retries"]) == (60, 0, 0)


@pytest.mark.cosim
def test_another_network_is_seen(small, virtual):
    """The check itself: a golden model with other weights must differ, and a board of another network is refused."""
    other = layers_of(70, 20, 10, seed=2)
    with pytest.raises(LinkError, match=r"register NETWORK must be .*: another bitstream is on this board"):
        run_images(other, virtual.design.config, inputs_for(other, 10), virtual.port, 1_000_000)
    with pytest.raises(LinkError, match="must be a ulx3s-85f, but says that it is a icebreaker"):
        run_images(small, virtual.design.config, inputs_for(small, 1), virtual.port, 1_000_000, board="ulx3s-85f")


@pytest.mark.cosim
def test_registers_over_the_link(host):
    host.identity()
    host.write([("CONTROL", 1)])
    assert host.read("FRAMES", "DROPPED", "N_IN", "N_OUT") == [0, 0, 70, 10]
    with pytest.raises(LinkError, match="the board answers WRITE with BUS_ERROR"):
        host.write([("N_IN", 1)])
    assert host.read("N_IN") == [70]


@pytest.mark.cosim
def test_link_comes_back_in_step(host):
    """A request cut short leaves the next one intact, and the host repeats what was lost."""
    host.identity()
    host.send(request(Command.RUN, 1, bytes(10))[:-5])
    assert host.identity().name == "icebreaker"
    host.send(b"\x01\x02\x03")
    assert host.read("N_OUT") == [10]
    assert host.retries <= 2


@pytest.mark.cosim
def test_damaged_frames_are_counted_and_change_nothing(small, virtual, host):
    result = fuzz(host, small, virtual.design.config, 2000, seed=3)
    assert result["frames"] >= 2000
    assert set(result["answers"]) == {s.name for s in (
        Status.BAD_CRC, Status.BAD_PAYLOAD, Status.TOO_LONG, Status.TOO_SHORT, Status.UNKNOWN_COMMAND)}  # fmt: skip
    assert result["good_images"] == 12


@pytest.mark.cosim
def test_no_port():
    with pytest.raises(InputError, match=r"--port /dev/nowhere: cannot be opened \(No such file or directory\)"):
        Host("/dev/nowhere")


@pytest.mark.cosim
def test_commands_emulate_and_run(small, tmp_path):
    small.save(tmp_path / "small.npz")
    command = [sys.executable, "-m", "oxnor.cli", "fpga"]
    with subprocess.Popen([*command, "emulate", "small.npz", "--json"], cwd=tmp_path, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as running:  # fmt: skip
        try:
            lines = []
            while not lines or lines[-1] != "}\n":
                lines.append(running.stdout.readline())
            port = json.loads("".join(lines))["port"]
            arguments = ["run", "small.npz", "--port", port, "--images", "20", "--json"]
            done = subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        finally:
            running.terminate()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mismatches"] == 0


# The command line


@pytest.mark.parametrize("command", ["build", "emulate", "run", "check", "fuzz"])
def test_help_has_an_example(command):
    result = CliRunner().invoke(app, ["fpga", command, "--help"])
    assert result.exit_code == 0
    assert f"Example: oxnor fpga {command}" in " ".join(result.stdout.split())


SENTENCES = {
    "board": (["build", "mnist-tfc", "--board", "arty", "-o", "x"],
              "--board must be one of icebreaker, ulx3s-85f, colorlight-i5, not 'arty'"),
    "freq": (["build", "mnist-tfc", "--board", "icebreaker", "-o", "x", "--freq", "0"], "--freq must be in [1, 400] MHz, not 0"),
    "seed": (["build", "mnist-tfc", "--board", "icebreaker", "-o", "x", "--seed=-1"], "--seed must be in [0, 2**31), not -1"),
    "interval": (["build", "mnist-tfc", "--board", "icebreaker", "-o", "x", "--interval", "0"],
                 "--interval must be 1 or more, not 0"),
    "both": (["build", "mnist-tfc", "--board", "icebreaker", "-o", "x", "--interval", "9", "--fold", "1,1"],
             "--interval and --fold must not be given together: each of them decides the folding"),
    "bits": (["emulate", "mnist-tfc", "--bit-cycles", "3"], "--bit-cycles must be in [4, 65535], not 3"),
    "images": (["run", "mnist-tfc", "--port", "/dev/nowhere", "--images", "0"], "images must be in [1, 10000], not 0"),
    "port": (["run", "mnist-tfc", "--port", "/dev/nowhere"], "--port /dev/nowhere: cannot be opened (No such file or directory)"),
    "frames": (["fuzz", "mnist-tfc", "--frames", "0"], "--frames must be 1 or more, not 0"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_bad_input_is_one_sentence(arguments, sentence):
    result = CliRunner().invoke(app, ["fpga", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert [s for s in result.stderr.splitlines() if s.startswith("oxnor: ")] == [f"oxnor: {sentence}"]


# Netlists and bitstreams


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.parametrize("name", ["icebreaker", "ulx3s-85f"])
def test_netlist_of_vendor_cells_is_the_golden_model(name, small):
    spec = board(name)
    config = search(small, spec.chip, 20).config
    result = check(small, spec, config, inputs_for(small, 20))
    assert result["mismatches"] == 0
    assert result["cells"]["block_ram"] > 0
    assert result["cycles"] == result["predicted_cycles"]


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.parametrize(("name", "interval"), [("icebreaker", None), ("ulx3s-85f", 64)])
def test_netlist_of_the_shipped_network(name, interval):
    network, spec = zoo.resolve("mnist-tfc"), board(name)
    result = check(network, spec, search(network, spec.chip, interval).config, inputs_for(network, 500))
    assert (result["images"], result["mismatches"]) == (500, 0)


def test_bitstream_of_a_small_network(small, tmp_path):
    """Build, report, cache."""
    spec = board("icebreaker")
    config = search(small, spec.chip, 20).config
    steps = []
    first = build(small, spec, config, tmp_path / "a", freq_mhz=12, progress=lambda *a: steps.append(a[0]))
    again = build(small, spec, config, tmp_path / "b", freq_mhz=12)
    assert first == again
    assert first["fits"]
    assert first["advice"] is None
    assert first["fmax_mhz"] > 12
    assert steps == ["Verilog", "synthesis", "place and route", "bitstream", "bitstream"]
    assert (tmp_path / "b" / "oxnor.bin").stat().st_size > 100_000
    assert json.loads((tmp_path / "b" / "oxnor-board.json").read_text())["structure"] == config.digest
    assert (tmp_path / "b" / "nextpnr.log").is_file()


def test_failed_tool_names_its_log(tmp_path):
    (tmp_path / "bad.ys").write_text("no_such_command\n")
    with pytest.raises(tools.ToolError, match=r"failed; see .*bad.log, which ends"):
        tools.run(tools.find("yosys"), ["bad.ys"], tmp_path, "bad.log")


def test_models_of_plls_are_shipped():
    assert "SB_PLL40_PAD" in files("oxnor.fpga").joinpath("rtl", "pll_models.v").read_text()


def test_thresholds_go_where_there_is_room():
    for name, style in {"icebreaker": "block", "ulx3s-85f": "distributed"}.items():
        chip = board(name).chip
        assert memory_style(search(zoo.resolve("mnist-tfc"), chip).config, chip) == style
    assert '"block"' in synthesis_script(board("icebreaker"), ["a.v"], "block")
    assert '"logic"' in synthesis_script(board("ulx3s-85f"), ["a.v"], "distributed")


# The reports in docs


REPORTS = {p.stem: json.loads(p.read_text()) for p in sorted(DOCS.glob("*.json"))}


def reported_config(found):
    return EngineConfig.for_network(
        zoo.resolve(found["network"]), target=board(found["board"]).chip.target, folding=found["folding"],
        stream_width=16, with_scores=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
def test_report_is_of_this_network_and_structure(name):
    found = REPORTS[name]
    config = reported_config(found)
    assert found["fits"]
    assert found["structure"] == config.digest
    assert found["network_digest"] == zoo.resolve(found["network"]).digest
    assert found["cycles_per_image"] == schedule(config).initiation_interval
    row = (f"{found['logic_cells_placed']:,}", f"{found['ff']:,}", f"{found['block_ram']} of {found['block_ram_available']}",
           f"{found['spram']}", f"{found['fmax_mhz']:g} MHz", f"{found['cycles_per_image']}",
           f"{found['images_per_s_at_fmax']:,}", f"{found['bound_cycles']}")  # fmt: skip
    assert " | ".join(row) in (DOCS.parent / "boards.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", REPORTS)
def test_report_is_what_a_build_says_now(name, tmp_path):
    found = REPORTS[name]
    fresh = build(
        zoo.resolve(found["network"]), board(found["board"]), reported_config(found), tmp_path / "board",
        freq_mhz=found["freq_mhz"], seed=found["seed"],
    )  # fmt: skip
    for exact in ("fits", "block_ram", "spram", "cycles_per_image", "bound_cycles"):
        assert fresh[exact] == found[exact], exact
    for near, share in {"lut4": 0.02, "ff": 0.02, "fmax_mhz": 0.15}.items():
        assert fresh[near] == pytest.approx(found[near], rel=share), near
