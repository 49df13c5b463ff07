"""Top levels: clocks, pins and serial lines of the boards."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from oxnor.fpga import top
from oxnor.fpga.boards.table import BOARDS, board
from oxnor.fpga.design import write_design
from oxnor.fpga.options import BuildOptions
from oxnor.fpga.search import find_engine
from oxnor.fpga.top import divisor, pin_file
from oxnor.models.base.errors import InputError
from oxnor.sim.runner.synthesis import ToolError


@pytest.mark.parametrize("name", BOARDS)
def test_design_of_each_board(name, small, tmp_path):
    spec = board(name)
    design = write_design(small, spec, find_engine(small, spec.chip).config, tmp_path)
    assert design.freq_mhz == spec.freq_mhz
    pins = (tmp_path / pin_file(spec)[0]).read_text()
    for port, (site, _) in spec.pins.items():
        assert port in pins
        assert site in pins
    assert (tmp_path / "rtl" / "oxnor_top.v").is_file()
    if spec.freq_mhz != spec.oscillator_mhz:
        assert "oxnor_pll" in (tmp_path / "rtl" / "oxnor_pll.v").read_text()


@pytest.mark.parametrize("name", [name for name in BOARDS if board(name).spi_sites])
def test_pins_of_spi(name, small, tmp_path):
    spec = board(name)
    design = write_design(small, spec, find_engine(small, spec.chip).config, tmp_path, BuildOptions(link="spi"))
    assert (design.identity.features, design.identity.divisor) == (("spi",), 8)
    pins, top = ((tmp_path / f).read_text() for f in (pin_file(spec, "spi")[0], "rtl/oxnor_top.v"))
    for port, site in zip(("spi_cs_n", "spi_copi", "spi_cipo", "spi_sck"), spec.spi_sites, strict=True):
        assert re.search(rf'{port}"? (SITE "{site}"|{site}\n)', pins)
        assert f".{port}({port})" in top
    assert "uart" not in pins + top


def test_baud_that_the_clock_cannot_make():
    assert divisor(30, 1_000_000) == 30
    for freq, baud in ((30, 9_000_000), (12, 3_500_000)):
        with pytest.raises(InputError, match=f"baud must be a rate that {freq} MHz can make within 2 %, not {baud}"):
            divisor(freq, baud)


def test_unknown_board():
    with pytest.raises(InputError, match=r"board must be one of icebreaker, ulx3s-85f, .*, or a file \*\.toml, not 'arty'"):
        board("arty")


def test_models_of_plls_are_shipped():
    text = files("oxnor.fpga").joinpath("rtl", "pll_models.v").read_text()
    for name in ("SB_PLL40_PAD", "EHXPLLL", "rPLL"):
        assert f"module {name} #(" in text


def test_a_pll_that_its_tool_has_not_written(tmp_path, monkeypatch):
    """As on a full disk, of which these tools say nothing."""
    monkeypatch.setattr(top, "run_tool", lambda tool, arguments, folder, log: [(folder / n).touch() for n in ("pll.v", log)])
    with pytest.raises(ToolError, match="icepll has written no PLL"):
        top.pll_text(board("icebreaker"), 24.0, tmp_path)
    real = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", lambda path, data: real(Path("/dev/full"), data))
    with pytest.raises(InputError, match="cannot be written: the disk is full; icepll has written no PLL"):
        top.pll_text(board("icebreaker"), 24.0, tmp_path)
