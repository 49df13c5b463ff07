"""Boards of a user, and sources for any board without place and route."""

import json
import shutil
import subprocess

import pytest

from oxnor.fpga.bitstream import build
from oxnor.fpga.boards.file import read_board
from oxnor.fpga.boards.table import board
from oxnor.fpga.netlist import NetlistBoard
from oxnor.fpga.options import BuildOptions
from oxnor.fpga.project import generate
from oxnor.fpga.search import find_engine
from oxnor.models.base.errors import InputError
from oxnor.sim.runner import toolchain

ARTY = """name = "arty-a7"
chip = { family = "xilinx", part = "xc7a35ticsg324-1L", luts = 20800, block_rams = 100 }
clock = { pin = "E3", mhz = 100 }
uart = { rx = "A9", tx = "D10", baud = 1000000 }
led = { pin = "H5" }
"""
NANO = """name = "de0-nano"
chip = { family = "intel", part = "EP4CE22F17C6", luts = 22320, block_rams = 33 }
clock = { pin = "R8", mhz = 50 }
uart = { rx = "A8", tx = "D3" }
"""
HX8K = """name = "hx8k-evn"
chip = { family = "ice40", part = "iCE40HX8K-CT256" }
clock = { pin = "J3", mhz = 12 }
uart = { rx = "B10", tx = "B12" }
led = { pin = "B5", active = "low" }
spi = { cs_n = "A1", copi = "A2", cipo = "C3", sck = "C4" }
"""
ECP5 = """name = "mine"
chip = { family = "ecp5", part = "LFE5U-45F-6BG256C" }
clock = { pin = "P6", mhz = 25, engine_mhz = 50 }
uart = { rx = "N5", tx = "M6" }
standard = "LVCMOS25"
"""
LVCMOS = "LVCMOS33, LVCMOS25, LVCMOS18, LVCMOS15, LVCMOS12"


def written(path, text):
    path.write_text(text)
    return path


def test_files_become_boards(tmp_path):
    arty = board(str(written(tmp_path / "a.toml", ARTY)))
    assert (arty.name, arty.chip.luts, arty.freq_mhz, arty.baud) == ("arty-a7", 20800, 100, 1_000_000)
    assert arty.pins["uart_rx"] == ("A9", {"IOSTANDARD": "LVCMOS33", "PULLUP": "true"})
    mine = read_board(written(tmp_path / "b.toml", ECP5))
    assert (mine.chip.pnr, mine.freq_mhz) == (("--45k", "--package", "CABGA256", "--speed", "6"), 50)
    assert mine.pins == {
        "clk_pin": ("P6", {"IO_TYPE": "LVCMOS25"}),
        "uart_rx": ("N5", {"IO_TYPE": "LVCMOS25", "PULLMODE": "UP"}),
        "uart_tx": ("M6", {"IO_TYPE": "LVCMOS25"}),
    }
    hx8k = read_board(written(tmp_path / "c.toml", HX8K))
    assert hx8k.chip.pnr == ("--hx8k", "--package", "ct256")
    assert hx8k.pins_for("spi")["spi_cs_n"] == ("A1", {"PULLUP": "1"})
    with pytest.raises(InputError, match="link must be uart on mine, which has no pins for SPI"):
        mine.pins_for("spi")


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (ARTY, "luts = 20800, ", "", "chip.luts must be given for xilinx, in [1, 10000000]"),
        (ARTY, "xilinx", "xylinx", "chip.family must be one of ice40, ecp5, gowin, xilinx, intel, not 'xylinx'"),
        (ARTY, '"arty-a7"', '"arty a7"', "name must be 1 to 15 letters, digits and hyphens, not 'arty a7'"),
        (ARTY, '"E3"', '"E3; exec rm"', "clock.pin must be the site of a pin, such as B12, AA7 or 35, not 'E3; exec rm'"),
        (HX8K, '"B10"', '"ZZZ99"', "uart.rx must be the site of a pin, such as B12, AA7 or 35, not 'ZZZ99'"),
        (ARTY, "xc7a35ticsg324-1L", "x]y", "chip.part must be a part number, not 'x]y'"),
        (ARTY, "mhz = 100", "mhz = 1e9", "clock.mhz must be in [1, 400] MHz, not 1e+09"),
        (ARTY, "mhz = 100", "mhz = nan", "clock.mhz must be in [1, 400] MHz, not nan"),
        (ARTY, 'rx = "A9"', 'rx = "D10"', "pins must all differ: uart.rx and uart.tx are both D10"),
        (ARTY, "led =", "lead =", "lead must not be given: keys are name, chip, clock, uart, led, spi, standard (did you mean led?)"),
        (ARTY, 'uart = { rx = "A9", tx = "D10", baud = 1000000 }\n', "", "uart must be given"),
        (HX8K, "HX8K-CT256", "HX9K-CT256", "chip.part must be of UP5K, HX8K, HX4K, LP8K, LP4K, not 'HX9K'"),
        (HX8K, "iCE40HX8K-CT256", "hx8k", "chip.part must be like iCE40UP5K-SG48, not 'hx8k'"),
        (HX8K, '"low"', '"dim"', "led.active must be high or low, not 'dim'"),
        (HX8K, 'CT256"', 'CT256", luts = 9', "chip.luts must not be given for ice40: the part says it"),
        (ECP5, "BG256C", "QQ999C", "chip.part must be like LFE5U-45F-6BG256C, in one of the packages BG256, MG285, BG381, BG554, BG756, not 'LFE5U-45F-6QQ999C'"),
        (ECP5, "LVCMOS25", "a\\nb", f"standard must be one of {LVCMOS}, LVTTL33 for ecp5, not 'a\\nb'"),
        (NANO, "uart =", 'standard = "LVCMOS33"\nuart =', "standard must be one of 3.3-V LVTTL, 3.3-V LVCMOS, 3.0-V LVTTL, 3.0-V LVCMOS, 2.5 V, 1.8 V, 1.5 V, 1.2 V for intel, not 'LVCMOS33'"),
    ],
)  # fmt: skip
def test_wrong_files(text, old, new, message, tmp_path):
    assert old in text
    path = written(tmp_path / "board.toml", text.replace(old, new))
    with pytest.raises(InputError) as e:
        read_board(path)
    assert str(e.value) == f"{path}: {message}"


needs_tcl = pytest.mark.skipif(shutil.which("tclsh") is None, reason="tclsh is not installed: apt install tcl")


def run_tcl(folder, name):
    """Return the words of each command of a script, of which those of a tool are only recorded."""
    record = 'proc unknown args { puts [join $args "\\t"]; return "" }'
    (folder.parent / "record.tcl").write_text(f"{record}\nsource {name}\n")
    command = ["tclsh", str(folder.parent / "record.tcl")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


@needs_tcl
def test_a_project_of_vivado(small, tmp_path):
    spec = read_board(written(tmp_path / "a.toml", ARTY))
    generate(small, spec, find_engine(small, spec.chip).config, tmp_path / "out")
    folder = tmp_path / "out"
    done = run_tcl(folder, "vivado.tcl")
    assert {words[-1] for words in done if words[0] == "read_verilog"} == {
        f"rtl/{p.name}" for p in (folder / "rtl").iterdir()
    }
    assert ("synth_design", "-top", "oxnor_top", "-part", "xc7a35ticsg324-1L") in done
    pins = run_tcl(folder, "pins.xdc")
    assert ("get_ports", "clk_pin") in pins
    assert any(words[:3] == ("set_property", "-dict", "PACKAGE_PIN D10 IOSTANDARD LVCMOS33") for words in pins)
    assert json.loads((folder / "oxnor-board.json").read_text())["board"] == "arty-a7"


@pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)
def test_all_of_it_elaborates(small, tmp_path):
    spec = read_board(written(tmp_path / "a.toml", ARTY))
    generate(small, spec, find_engine(small, spec.chip).config, tmp_path / "out")
    sources = sorted(map(str, (tmp_path / "out" / "rtl").iterdir()))
    command = ["iverilog", "-g2012", "-o", str(tmp_path / "out.vvp"), "-s", "oxnor_top", *sources]
    subprocess.run(command, check=True)


@needs_tcl
def test_a_project_of_quartus(small, tmp_path):
    spec = read_board(written(tmp_path / "a.toml", NANO))
    config = find_engine(small, spec.chip).config
    folder = tmp_path / "out"
    generate(small, spec, config, folder)
    done = run_tcl(folder, "oxnor.qsf")
    assert ("set_location_assignment", "PIN_R8", "-to", "clk_pin") in done
    assert ("set_instance_assignment", "-name", "IO_STANDARD", "3.3-V LVTTL", "-to", "uart_tx") in done
    files = {words[-1] for words in done if "SYSTEMVERILOG_FILE" in words}
    assert files == {f"rtl/{p.name}" for p in (folder / "rtl").iterdir()}
    assert run_tcl(folder, "oxnor.sdc")[-1] == ("derive_clock_uncertainty",)
    assert "led" not in (folder / "rtl" / "oxnor_top.v").read_text()
    with pytest.raises(InputError, match=r"must be 50 MHz, that of the clock pin, on de0-nano: no PLL is written"):
        generate(small, spec, config, tmp_path / "other", BuildOptions(60))
    assert not (tmp_path / "other").exists()


def test_what_a_family_cannot_do(small, tmp_path):
    arty, nano = read_board(written(tmp_path / "a.toml", ARTY)), board("tang-nano-9k")
    config = find_engine(small, arty.chip).config
    with pytest.raises(InputError, match=r"board must be of a family that open tools route \(ice40, ecp5, gowin\), not xilinx: `oxnor fpga generate` writes a project for Vivado"):
        build(small, arty, config, tmp_path / "out")
    with pytest.raises(InputError, match=r"board must be of a family with models of its cells \(ice40, ecp5\), not gowin"):
        NetlistBoard(small, nano, config)


def test_sources_for_open_tools(small, tmp_path):
    spec = read_board(written(tmp_path / "a.toml", HX8K))
    generate(small, spec, find_engine(small, spec.chip).config, tmp_path / "out", BuildOptions(seed=7))
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "nextpnr-ice40 --hx8k --package ct256 --json design.json --freq 12 --seed 7 --pcf pins.pcf" in readme
    assert "synth_ice40 -device hx" in (tmp_path / "out" / "synth.ys").read_text()
    assert "assign led = !busy;" in (tmp_path / "out" / "rtl" / "oxnor_top.v").read_text()
