"""Builds and their reports; netlists of vendor cells."""

import json
from pathlib import Path

import pytest
from helpers.boards import layers_of
from helpers.convolutions import Conv, random_conv_network

from oxnor.fpga.bitstream import build, synthesis_script
from oxnor.fpga.boards.table import board
from oxnor.fpga.engines import engine_for
from oxnor.fpga.memories import memory_style
from oxnor.fpga.netlist import check
from oxnor.fpga.options import BuildOptions
from oxnor.fpga.report import advice
from oxnor.fpga.search import find_engine
from oxnor.fpga.tools import find_tool
from oxnor.hw.params.schedule import schedule
from oxnor.models import zoo
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.options import DataOptions
from oxnor.sim.runner.synthesis import ToolError, run_tool
from oxnor.sim.verify.inputs import inputs_for

DOCS = Path(__file__).parents[2] / "docs" / "boards"


def test_advice_says_how_much_is_too_much():
    placed = {"logic_cells": {"used": 5307, "of": 5280}, "block_ram": {"used": 25, "of": 30}}
    assert advice(False, None, 30, placed) == (
        "does not fit: 27 logic cells too many (5,307 of 5,280); fold it more (a larger `interval`, or a `folding` with fewer"
        " macros), or take a larger board"
    )
    assert advice(True, 20.5, 30, {}) == "too slow: 20.5 MHz of 30; ask for a lower `freq_mhz`, or try another `seed`"
    assert advice(True, 30, 30, {}) is None


def test_foreign_folder_is_not_replaced(small, tmp_path):
    (tmp_path / "mine").write_text("x")
    spec = board("icebreaker")
    with pytest.raises(InputError, match="must be new, empty or written by this command before, and has other files in it"):
        build(small, spec, find_engine(small, spec.chip).config, tmp_path)


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.parametrize("has_windows", [False, True], ids=["dense", "convolutions"])
@pytest.mark.parametrize("name", ["icebreaker", "ulx3s-85f"])
def test_netlist_of_vendor_cells_is_the_golden_model(name, has_windows, small):
    spec = board(name)
    if has_windows:  # look-up tables, block RAM, a vector in a memory
        small = random_conv_network((9, 8, 2), (Conv(4, pool=(2, 2)), Conv(6, (2, 1))), (11,))
    config = find_engine(small, spec.chip, None if has_windows else 20).config
    result = check(small, spec, config, inputs_for(small, DataOptions(20)))
    assert result["mismatches"] == 0
    assert result["cells"]["block_ram"] > 0
    assert result["cycles"] == result["predicted_cycles"]


@pytest.mark.slow
@pytest.mark.cosim
@pytest.mark.parametrize(
    ("network", "name", "interval", "images"),
    [("mnist-tfc", "icebreaker", None, 500), ("mnist-tfc", "ulx3s-85f", 64, 500), ("mnist-cnn-small", "icebreaker", None, 100)],
)
def test_netlist_of_the_shipped_network(network, name, interval, images):
    network, spec = zoo.load_binarized(network), board(name)
    result = check(network, spec, find_engine(network, spec.chip, interval).config, inputs_for(network, DataOptions(images)))
    assert (result["images"], result["mismatches"]) == (images, 0)


@pytest.mark.parametrize("name", ["icebreaker", pytest.param("colorlight-i5", marks=pytest.mark.slow)])
def test_bitstream_of_a_tiny_network(name, tmp_path):
    """Build, report, cache, by the tools of either family."""
    spec, tiny = board(name), layers_of(12, 4, 2)
    config = find_engine(tiny, spec.chip, 20).config
    steps, root = [], tmp_path / "cache"
    first = build(tiny, spec, config, tmp_path / "a", BuildOptions(12), progress=lambda *a: steps.append(a[0]), root=root)
    again = build(tiny, spec, config, tmp_path / "b", BuildOptions(12), root=root)
    report = json.loads((tmp_path / "a" / "report.json").read_text())
    assert json.loads(json.dumps(first.to_json())) == json.loads(json.dumps(again.to_json())) == report
    assert first.fits
    assert first.ok
    assert first.fmax_mhz > 12
    assert repr(first) == f"BuildReport({tiny.name!r} on {name}: {first.images_per_s:,} images/s at {first.freq_mhz:g} MHz)"
    assert steps == ["Verilog", "synthesis", "place and route", "bitstream", "bitstream"]
    assert (tmp_path / "b" / ("oxnor.bin" if name == "icebreaker" else "oxnor.bit")).stat().st_size > 100_000
    assert json.loads((tmp_path / "b" / "oxnor-board.json").read_text())["structure"] == config.digest
    assert (tmp_path / "b" / "nextpnr.log").is_file()


def test_failed_tool_names_its_log(tmp_path):
    (tmp_path / "bad.ys").write_text("no_such_command\n")
    with pytest.raises(ToolError, match=r"failed; see .*bad.log, which ends"):
        run_tool(find_tool("yosys"), ["bad.ys"], tmp_path, "bad.log")


def test_thresholds_go_where_there_is_room():
    for name, style in {"icebreaker": "block", "ulx3s-85f": "distributed"}.items():
        chip = board(name).chip
        config = find_engine(zoo.load_binarized("mnist-tfc"), chip).config
        assert memory_style(config, chip) == style
        assert {"block": '"block"', "distributed": '"logic"'}[style] in synthesis_script(board(name), ["a.v"], config)


REPORTS = {p.stem: json.loads(p.read_text()) for p in sorted(DOCS.glob("*.json"))}
#: Those of networks that anybody has.
SHIPPED = [name for name, found in REPORTS.items() if found["network"] in zoo.names()]


def reported_config(found):
    folding = [tuple(fold) for fold in found["folding"]]
    return engine_for(zoo.load_binarized(found["network"]), board(found["board"]).chip, folding)


@pytest.mark.parametrize("name", REPORTS)
def test_report_stands_in_the_document(name):
    found = REPORTS[name]
    assert found["fits"]
    row = (f"{found['logic_cells_placed']:,}", f"{found['ff']:,}", f"{found['block_ram']} of {found['block_ram_available']}",
           f"{found['spram']}", f"{found['fmax_mhz']:g} MHz", f"{found['cycles_per_image']}",
           f"{found['images_per_s_at_fmax']:,}", f"{found['bound_cycles']}")  # fmt: skip
    assert " | ".join(row) in (DOCS.parent / "boards.md").read_text()


@pytest.mark.parametrize("name", SHIPPED)
def test_report_is_of_this_network_and_structure(name):
    found = REPORTS[name]
    config = reported_config(found)
    assert found["structure"] == config.digest
    assert found["network_digest"] == zoo.load_binarized(found["network"]).digest
    assert found["cycles_per_image"] == schedule(config).initiation_interval


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_report_is_what_a_build_says_now(name, tmp_path):
    """All of them are written anew by ``make boards``."""
    found = REPORTS[name]
    if "Gowin" in found["chip"]:
        pytest.importorskip("apycula")
    fresh = build(
        zoo.load_binarized(found["network"]), board(found["board"]), reported_config(found), tmp_path / "board",
        BuildOptions(found["freq_mhz"], seed=found["seed"]),
    ).to_json()  # fmt: skip
    for exact in ("fits", "block_ram", "spram", "cycles_per_image", "bound_cycles"):
        assert fresh[exact] == found[exact], exact
    for near, share in {"lut4": 0.02, "ff": 0.02, "fmax_mhz": 0.15}.items():
        assert fresh[near] == pytest.approx(found[near], rel=share), near
