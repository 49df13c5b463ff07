"""Liberty files, the shipped technology, and one of one's own."""

import itertools
import lzma
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.technology import liberty
from oxnor.models.technology.expression import parse
from oxnor.models.technology.figure import Range
from oxnor.models.technology.library import read_library
from oxnor.models.technology.names import find
from oxnor.models.technology.published import SPIRIT_SYSTEM_PJ, spirit_nj
from oxnor.models.technology.sram import sram_figures, sram_for
from oxnor.models.technology.technology import load

SHIPPED = load()
CELL = """library (own) {{ time_unit : "1ns"; capacitive_load_unit (1,pf); leakage_power_unit : "1pW"; nom_voltage : 1.2;
  nom_temperature : 25;
  cell (inv) {{ area : 2; cell_leakage_power : 3;
    pin (A) {{ direction : input; capacitance : 0.002; }}
    pin (Y) {{ direction : output; {function} {power} }} }} }}
"""
POWER = 'internal_power () { rise_power (scalar) { values ("0.01"); } fall_power (scalar) { values ("0.02"); } }'


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("!(A*B)", "not (a and b)"), ("(A B')", "a and not b"), ("A ^ B ^ C", "(a != b) != c"),
        ("!A | B & !C", "(not a) or (b and not c)"), ("A + B C'", "a or (b and not c)"), ("(!A)'", "a"),
        ("A ^ B C", "(a != b) and c"), ("1", "True"),
    ],
)  # fmt: skip
def test_functions(text, python):
    e = parse(text)
    for a, b, c in itertools.product((False, True), repeat=3):
        wanted = eval(python, {"a": a, "b": b, "c": c})
        assert e.value({"A": a, "B": b, "C": c}) is wanted, text
        verilog = e.verilog().replace("~", " not ").replace("&", " and ").replace("|", " or ").replace("1'b1", "True")
        if "^" not in verilog:
            assert eval(verilog, {"A": a, "B": b, "C": c}) is wanted, text


@pytest.mark.parametrize("text", ["", "A &", "(A", "A)", "& A", "A ? B", "'"])
def test_what_is_no_function(text):
    with pytest.raises(InputError, match="must be a boolean function"):
        parse(text)


def test_tables_are_interpolated_and_clamped():
    library = liberty._groups('t (x) { index_1 ("1, 3"); index_2 ("10, 20"); values ("1, 2", "3, 6"); }')[0]
    table = liberty.Table(library, library)
    assert [table.at(*at) for at in ((1, 10), (2, 15), (3, 20), (0, 0), (9, 99))] == [1, 3, 6, 1, 6]
    assert [table.at(*at, beyond=True) for at in ((1, 15), (5, 10), (1, 30), (1, 0))] == [1.5, 5, 3, 0]


def test_the_shipped_cells():
    library = SHIPPED.library()
    nand, flop, gate = (library.cell(f"sg13g2_{name}_1") for name in ("nand2", "dfrbpq", "lgcp"))
    assert (len(library.cells), library.voltage, library.temperature) == (84, 1.2, 25)
    assert (nand.area, nand.outputs[0].function.verilog()) == (7.2576, "~(A & B)")
    assert (flop.flop.clock, flop.flop.data, flop.flop.resets) == ("CLK", "D", {"RESET_B": True})
    assert (gate.gate.clock, gate.gate.enable, gate.gate.out) == ("CLK", "GATE", "GCLK")
    assert np.isclose(gate.leakage, 389.668e-12)
    with pytest.raises(InputError, match=r"there is no cell sg13g2_nand_1 \(did you mean"):
        library.cell("sg13g2_nand_1")
    with pytest.raises(InputError, match="cell sg13g2_ebufn_2 must have a function of its output Z"):
        library.cell("sg13g2_ebufn_2")


def test_the_shipped_sram():
    figures = [sram_figures(s) for s in SHIPPED.sram]
    assert [round(1e12 * f.read_j, 2) for f in figures] == [39.05, 49.63, 91.83, 14.19]
    assert [round(f.area_um2 / f.rows / f.cols, 2) for f in figures[:3]] == [12.33, 5.69, 4.03]
    assert [round(f.access_ns, 2) for f in figures[:3]] == [3.11, 3.11, 4.39]
    # The least energy of a row: four macros of 16 columns would take more than one of 64.
    assert (sram_for(SHIPPED, 64, 64).macro.rows, sram_for(SHIPPED, 512, 16).down) == (64, 2)
    # What the periphery of an RRAM macro takes at most is what is left of a read at no columns.
    columns = (figures[1].read_j - figures[3].read_j) / 48
    assert round(1e12 * (figures[1].read_j - 64 * columns), 1) == SHIPPED.rram[0].periphery.high


def test_the_shipped_amplifiers_are_those_of_the_simulated_circuits():
    reads = {"pcsa-1v8": (181, 0.681), "pcsa-1v8-settled": (193.6, 0.724), "pcsa-1v2": (75.7, 1.036)}
    assert [rram.name for rram in SHIPPED.rram] == list(reads)
    for rram in SHIPPED.rram:
        assert np.allclose((rram.read.low, rram.sense.low), reads[rram.name], rtol=0.01), rram.name
    assert all(rram.read.tag == "simulated" and "oxnor device circuit --vdd" in rram.read.source for rram in SHIPPED.rram)
    sigmas = [spread.sigma for spread in SHIPPED.macro("pcsa-1v8-settled").offsets.by_input]
    assert np.allclose(sigmas, (0.033, 0.035), rtol=0.07)


def test_reads_of_macros_with_other_rows_are_those_of_longer_bit_lines():
    for name in ("pcsa-1v8", "pcsa-1v8-settled", "pcsa-1v2"):
        macro = SHIPPED.macro(name)
        assert macro.at(64) is macro
        double, between, tall = macro.at(128), macro.at(96), macro.at(1024)
        assert (double.precharge_ns, tall.precharge_ns) == (2 * macro.precharge_ns, 16 * macro.precharge_ns)
        assert np.isclose(between.read.low, (macro.read.low + double.read.low) / 2)
        assert np.isclose(between.sense.low, (macro.sense.low + double.sense.low) / 2)
        assert 9 < tall.read.low / macro.read.low < 11
        assert tall.sense.low > 7 * macro.sense.low
        assert "--rows 128: sky130, 5k/100k, 128 rows" in double.read.source
        assert "64 rows of an assumed 1 fF" in between.read.source
        assert between.read.source.endswith("between that and 128 rows")
        assert (macro.periphery, macro.area) == (tall.periphery, tall.area)
        assert macro.at(1).precharge_ns <= macro.precharge_ns
        assert tall.offsets is None or name == "pcsa-1v8-settled"
        with pytest.raises(InputError, match=f"must have 1 to 1024 rows, where reads of .* {name} are .*, not 2048"):
            macro.at(2048)


def test_a_short_precharge_costs_offset():
    found = SHIPPED.macro("pcsa-1v8").precharges()
    assert [m.precharge_ns for m in found] == [2, 3, 4, 6, 8, 12]
    sigmas, energies = [m.offsets.sigma for m in found], [m.read.low for m in found]
    assert sigmas[0] > 1.4 * sigmas[1] > 1.9 * sigmas[-1]
    assert energies == sorted(energies)
    assert min(m.offsets.known for m in found) >= 200


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [("area        :", "size :", "area must be above 0, not 0"), ("leakage_power_unit", "x", "leakage_power_unit must be given")],
)
def test_sram_without_what_it_must_have(tmp_path, old, new, sentence):
    sram = SHIPPED.sram[0]
    path = tmp_path / "sram.lib"
    path.write_text(liberty.text_of(sram.liberty).replace(old, new))
    with pytest.raises(InputError, match=f"sram.lib: .*{sentence}"):
        sram_figures(replace(sram, liberty=path))


def test_spirit():
    assert round(spirit_nj(), 1) == 4.9
    assert round(spirit_nj(SPIRIT_SYSTEM_PJ)) == 245


def test_ranges():
    assert Range(1, 2).overlaps(Range(2, 3))
    assert not Range(1, 2).overlaps(Range(2.5, 3))
    assert Range(1, 2) + Range(1, 1) + 1.0 == Range(3, 4)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (CELL.format(function='function : "!A";', power=""), "must have tables of energy (groups internal_power)"),
        (CELL.format(function='function : "!";', power=POWER), "cell inv: must be a boolean function, not '!'"),
        (CELL.format(function="", power=POWER).replace("1pW", "1parsec"), "must be a unit as 1ns, not '1parsec'"),
        (CELL.format(function="", power=POWER).replace("1ns", "1ps"), "time_unit must be 1ns"),
        (CELL.format(function="", power=POWER)[:-12], "is not a Liberty file, or its end is missing"),
        (CELL.format(function="", power=POWER).replace("1.2;", "0;"), "nom_voltage must be in [0.1, 10] V, not 0"),
        (CELL.format(function="", power=POWER).replace("area : 2;", ""), "must have areas: no cell has one"),
        (CELL.format(function="", power=POWER).replace("0.002", "-1"), "cell inv: pin A: capacitance must be 0 or more, not -1"),
        (CELL.format(function="", power=POWER).replace("leakage_power_unit", "x"), "leakage_power_unit must be given"),
        ("cell (x) { }", "must have a group library"),
        ("library (x) { }", "must have cells"),
        ("", "is not a Liberty file"),
        ("library (x", "is not a Liberty file, or its end is missing"),
    ],
)
def test_damaged_liberty_files(tmp_path, text, sentence):
    path = tmp_path / "own.lib"
    path.write_text(text)
    with pytest.raises(InputError) as e:
        read_library(path)
    assert str(e.value).startswith(f"{path}: ")
    assert sentence in str(e.value)


def test_a_cell_without_a_function(tmp_path):
    path = tmp_path / "own.lib.xz"
    path.write_bytes(lzma.compress(CELL.format(function="", power=POWER).encode()))
    with pytest.raises(InputError, match="cell inv must have a function of its output Y"):
        read_library(path).cell("inv")
    path.write_bytes(b"xz")
    read_library.cache_clear()
    with pytest.raises(InputError, match="is damaged: it cannot be decompressed"):
        read_library(path)


OWN = """extends = "ihp-sg13g2"

[[rram]]
name = "mine"
supply_v = 1.2
precharge_ns = 5.0
read = {low = 50.0, high = 60.0, unit = "fJ/bit", tag = "measured", source = "our chip, 25 C"}
sense = {low = 2.0, unit = "ns", tag = "measured", source = "our chip"}
periphery = {low = 1.0, unit = "pJ/row", tag = "measured", source = "our chip"}
area = {low = 20.0, unit = "um2/bit", tag = "measured", source = "our layout"}
"""


def test_a_technology_with_a_macro_of_ones_own(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    own = load(path)
    assert (own.name, own.macro(None).name, own.macro("mine").read.top) == ("own", "mine", 60.0)
    assert (own.cells, own.sram, own.node_nm) == (SHIPPED.cells, SHIPPED.sram, 130)
    with pytest.raises(InputError, match="rram must be one of mine, not 'pcsa-1v8'"):
        own.macro("pcsa-1v8")
    # What was measured holds for a macro of any size.
    assert own.macro(None).at(4096) is own.macro(None)
    path.write_text(OWN.replace("supply_v = 1.2", "supply_v = 1.8").replace("5.0", "3.0", 1).replace("sense = {", "# {"))
    half = load(path).macro(None)
    assert half.at(128).read is half.read
    assert half.at(128).sense.low > half.sense.low == SHIPPED.rram[0].sense.low


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("measured", "guessed", "tag must be one of measured, simulated, published, chosen, not 'guessed'"),
        ("our chip, 25 C", " ", "rram[0].read.source must say where the number is from"),
        ("low = 50.0", "low = 70.0", "rram[0].read.low must be 0 or more, and at most high, which is at most 1e+12, not 70 and 60"),
        ("high = 60.0", "high = 1e300", "rram[0].read.low must be 0 or more, and at most high, which is at most 1e+12"),
        ("precharge_ns = 5.0", "precharge_ns = -5.0", "rram[0].precharge_ns must be in [0, 1e+06], not -5"),
        ("supply_v = 1.2", "supply_v = 0.0", "rram[0].supply_v must be in [0.1, 10], not 0"),
        ('"mine"', '"a\\n"', "rram[0].name must be a text in one line, not 'a\\n'"),
        ('extends = "ihp-sg13g2"', 'extends = "ihp-sg13g2"\nnode_nm = -28', "node_nm must be in [1, 10000] nm, not -28"),
        ('extends = "ihp-sg13g2"', 'extends = "ihp-sg13g2"\nlabel = "a\\n"', "label must be a text in one line"),
        ("[[rram]]", '[cells]\ntypical = "no.lib"\ntie_high = "a/b"\ntie_low = "a/b"\n\n[[rram]]', "cells.typical: "),
        ("[[rram]]", "".join(OWN.partition("[[rram]]")[1:]) + "\n[[rram]]", "rram must not have two macros of name 'mine'"),
        ("fJ/bit", "pJ/bit", "rram[0].read must be in fJ/bit, not pJ/bit"),
        ('extends = "ihp-sg13g2"', "", "label must be given, or a technology that it extends"),
        ('"ihp-sg13g2"', '"sky130"', "extends must be one of ihp-sg13g2, not 'sky130'"),
        ("supply_v", "supply", "rram[0].supply must not be given"),
        ('sense = {low = 2.0, unit = "ns", tag = "measured", source = "our chip"}', "",
         "rram mine: read and sense must be given: no circuit of 1.2 V and 5 ns is shipped"),
    ],
)
def test_wrong_technologies(tmp_path, old, new, sentence):
    path = tmp_path / "own.toml"
    path.write_text(OWN.replace(old, new, 1))
    with pytest.raises(InputError) as e:
        load(path)
    assert str(e.value).startswith(f"{path}: ")
    assert sentence in str(e.value)


def test_names():
    assert find("ihp-sg13g2").is_file()
    assert find("x/y.toml") == Path("x/y.toml")
    with pytest.raises(InputError, match=r"technology must be one of ihp-sg13g2 or a .toml file, not 'ihp' \(did you"):
        find("ihp")
