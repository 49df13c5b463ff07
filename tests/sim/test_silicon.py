"""Engines in standard cells: gates equal to the golden model, their changes, energy and timing."""

import json
import re
import subprocess
from collections import Counter
from dataclasses import replace
from importlib import resources
from math import isclose
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers.cli import run

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import EngineOptions, LayerOptions
from oxnor.hw.params.schedule import schedule
from oxnor.models.base.bits import pack_bytes
from oxnor.models.base.files import build_root
from oxnor.models.technology.technology import load
from oxnor.sim.silicon.cells import cell_models
from oxnor.sim.silicon.components import components, yaml_text
from oxnor.sim.silicon.energy import EnergyOptions, energy, execute
from oxnor.sim.silicon.energy_picture import energy_picture
from oxnor.sim.silicon.gates import LANES, run_gates
from oxnor.sim.silicon.report import total
from oxnor.sim.silicon.synthesis import synthesize
from oxnor.sim.verify.inputs import Inputs

TECHNOLOGY = load()
MACRO = Path(str(resources.files("oxnor.hw"))) / "rtl" / "rram_macro.sv"


@pytest.fixture(scope="module")
def tiny(random_network):
    """A network, its engine and random images: two macros side by side, two slices, several beats an image."""
    network = random_network((37, 13, 5))
    layers = tuple(LayerOptions(macro_size=(64, 16), folding=fold) for fold in ((2, 2), (1, 1)))
    config = EngineConfig.for_network(network, EngineOptions(target="asic", stream_width=8, layers=layers))
    return network, config, Inputs(np.random.default_rng(1).integers(0, 256, (150, 37), np.uint8), None, "random")


@pytest.fixture(scope="module")
def executed(tiny):
    network, config, inputs = tiny
    return execute(network, config, inputs, TECHNOLOGY, EnergyOptions(), build_root())


@pytest.fixture(scope="module")
def report(tiny):
    network, config, inputs = tiny
    return energy(network, inputs, config, TECHNOLOGY)


def test_gates_give_the_results_of_the_golden_model_in_the_cycles_of_the_schedule(tiny, executed):
    _, config, _ = tiny
    timing = schedule(config)
    assert executed.differ == 0
    times = executed.run.times.reshape(LANES, -1)
    assert times.shape[1] >= 3
    assert np.array_equal(times, np.tile([timing.cycles(k + 1) for k in range(times.shape[1])], (LANES, 1)))


def test_a_wrong_gate_is_found(tiny, executed):
    _, config, inputs = tiny
    program = executed.program
    # One XOR of a popcount tree or a sum becomes an OR.
    operations = program.operations.copy()
    operations[np.flatnonzero(operations[:, 0] == 2)[3], 0] = 1
    broken = replace(program, operations=operations)
    each = len(executed.run.words) // LANES
    bits = np.resize(inputs.images >= 128, (LANES * each, 37))
    beats = pack_bytes(bits, config.stream_width).reshape(-1, 1)
    again = run_gates(executed.netlist, broken, beats, each, (0, 1), 10_000, 0)
    assert np.any(again.words != executed.run.words)


def test_counted_reads_are_those_of_the_schedule(report):
    assert [y.row_reads for y in report.layers] == list(report.reads)
    assert report.row_reads == 2 * 2 * 2 * 7 + 5  # H x V macros, two slices of seven passes; five passes


def test_sums_are_what_is_printed(report):
    r = json.loads(json.dumps(report.to_json()))
    for kind in ("data_pj", "clock_pj", "leakage_pj", "total_pj"):
        assert total([u[kind] for u in r["units"]]) == r["digital"][kind], kind
    assert all(total([u[k] for k in ("data_pj", "clock_pj", "leakage_pj")]) == u["total_pj"] for u in r["units"])
    assert r["rram"]["digital_pj"] == r["digital"]["total_pj"] > 0
    slower = r["rram"]["clock_mhz"] / r["sram"]["clock_mhz"] - 1
    assert isclose(r["sram"]["digital_pj"] - r["rram"]["digital_pj"], slower * r["digital"]["leakage_pj"], abs_tol=1e-5)
    for kind in ("rram", "sram"):
        for end in (0, 1):
            parts = sum(part[end] for part in r[kind]["parts_pj"].values()) + r[kind]["digital_pj"]
            assert isclose(parts, 1e3 * r[kind]["nj_per_image"][end], rel_tol=1e-12)
    assert isclose(r["gates"]["area_mm2"], 1e-6 * sum(u["area_um2"] for u in r["units"]), rel_tol=1e-5)
    assert all(n["tag"] in ("measured", "simulated", "published", "chosen") and n["source"] for n in r["numbers"].values())


def test_paths(report):
    digital, rram, sram = (report.paths[name] for name in ("digital", "rram", "sram"))
    assert digital.ns <= rram.ns <= sram.ns
    assert report.with_sram.output_ns < sram.ns
    assert report.clock_mhz("sram") == min(sram.mhz, 1e3 / report.with_sram.cycle_ns)
    # OpenSTA is asked where it is installed.
    for name, ns in report.second[1].items() if report.second else ():
        assert isclose(ns, report.paths[name].ns, rel_tol=0.04), name


def test_a_ranking_only_where_ranges_do_not_overlap(report):
    assert report.comparison().startswith("RRAM takes")
    wide = replace(report.rram.periphery, low=0.0, high=1e4)
    assert replace(report, rram=replace(report.rram, periphery=wide)).comparison() == "no ranking: the ranges overlap"
    dear = replace(report, rram=replace(report.rram, read=replace(report.rram.read, low=5e3)))
    assert "times the energy of SRAM" in dear.comparison()
    assert "RRAM takes less energy below" in dear.standby()["break_even"]
    assert report.standby()["break_even"] == "RRAM takes less energy at every rate"
    assert energy_picture(report).svg().count("nJ") > 3


def test_rows_of_macros_set_energy_and_clock(report):
    tall = replace(report, layers=tuple(replace(layer, rows=512) for layer in report.layers))
    ours, theirs = (r.with_rram.parts_pj["sense amplifiers"].low for r in (report, tall))
    assert 5 < theirs / ours < 5.5
    assert isclose(tall.clock_mhz("rram"), 1e3 / (24 + 3.2974), rel_tol=1e-6)
    assert tall.clocks == []
    assert "512 rows" in str(list(tall.numbers()))
    assert re.search(r"at \d+ MHz against \d+$", report.comparison())
    slow = replace(report, rram=TECHNOLOGY.macro("pcsa-1v2"))
    assert "at 13.7 MHz against" in slow.comparison()
    for shown in (report, slow):
        used = [row for row in shown.clocks if row["used"]]
        assert isclose(used[0]["clock_mhz"], shown.clock_mhz("rram"))


def test_a_read_of_several_cycles(report):
    """Precharge and sensing have them all: a slow read no longer sets the clock."""
    slow = replace(report, rram=TECHNOLOGY.macro("pcsa-1v2"), read_cycles=10)
    assert isclose(slow.clock_mhz("rram"), 1e4 / (72 + slow.rram.sense.low))
    assert replace(slow, read_cycles=20).clock_mhz("rram") == report.paths["digital"].mhz
    assert isclose(replace(report, read_cycles=2).clock_mhz("sram"), report.paths["digital"].mhz)


def test_clock_against_error_rate(report):
    rows = report.to_json()["clocks"]["rows"]
    assert [row["precharge_ns"] for row in rows] == [2, 3, 4, 6, 8, 12]
    assert rows[-1]["limit"] == "read"
    assert isclose(rows[-1]["clock_mhz"], 78.6, rel_tol=1e-3)
    for name in ("clock_mhz", "offset", "ber_2t2r"):
        # From 8 ns on the amplifier has settled: 200 of the 400 that were drawn at 12 ns differ by as much.
        values = [row[name] for row in rows[:-1]]
        assert values == sorted(values, reverse=True), name
    assert isclose(rows[-2]["offset"], rows[-1]["offset"], rel_tol=0.01)
    assert 1e-4 < rows[-1]["ber_2t2r"] < rows[1]["ber_2t2r"] < 1.05e-4
    assert report.excluded[-1].what == "level shifters between 1.2 and 1.8 V"
    assert report.excluded[-1].pj.high > report.excluded[-1].pj.low > 0


def test_components_add_up(report):
    described = components(report)
    assert yaml.safe_load(yaml_text(described, "a\nb")) == json.loads(json.dumps(described))
    for kind in ("rram", "sram"):
        parts = [c for c in described["components"] if kind in c["engine"]]
        seconds = described["interval_cycles"] / (described["clock_mhz"][kind] * 1e6)
        leakage = 1e12 * seconds * sum(c["leakage_w"] for c in parts)
        for end, total_pj in enumerate((report.energy_pj(kind).low, report.energy_pj(kind).high)):
            sums = sum(a["count"] * a["energy_pj"][end] for c in parts for a in c["actions"])
            assert isclose(sums + leakage, total_pj, rel_tol=1e-6)
        assert isclose(sum(c["area_um2"] for c in parts), 1e6 * report.figures(kind)["area_mm2"], rel_tol=1e-4)
    assert all(a["source"] and a["tag"] for c in described["components"] for a in c["actions"])


def _vcd_rises(path, start, end):
    """Return the rises of each output of a cell, by instance and pin, at times in [start, end)."""
    scope, names, rises, values, now = [], {}, Counter(), {}, -1
    for line in path.read_text().splitlines():
        words = line.split()
        if words[:1] == ["$scope"]:
            scope.append(words[2].lstrip("\\"))
        elif words[:1] == ["$upscope"]:
            scope.pop()
        elif words[:1] == ["$var"]:
            names.setdefault(words[3], []).append((".".join(scope[2:]), words[4]))
        elif line.startswith("#"):
            now = int(line[1:])
        elif line[:1] in ("0", "1", "x", "z") and len(words) == 1:
            code = line[1:]
            if line[0] == "1" and values.get(code) == "0" and start <= now < end:
                rises[code] += 1
            values[code] = line[0]
    return {where: rises[code] for code, wheres in names.items() for where in wheres}


@pytest.mark.cosim
def test_icarus_sees_the_same_changes(tiny, executed, tmp_path):
    """The netlist in Verilog with cells made from the Liberty file, and the program: every output of every cell."""
    network, config, inputs = tiny
    made = synthesize(network, config, TECHNOLOGY, build_root(), gated=True)
    library = TECHNOLOGY.library()
    images, beats = 4, config.beats
    one = pack_bytes(inputs.images[:images] >= 128, 8).reshape(-1, 1)
    window = 20, 60
    run_of_one = run_gates(executed.netlist, executed.program, np.tile(one, (LANES, 1)), images, window, 10_000, 0)
    used = {c.type for c in executed.netlist.cells}
    (tmp_path / "cells.v").write_text(cell_models(library, used))
    words = "".join(f"    beats[{k}] = 8'd{int(b)};\n" for k, b in enumerate(one[:, 0]))
    (tmp_path / "tb.sv").write_text(f"""module tb;
  reg clk = 0, rst = 1; reg [7:0] beats [0:{len(one)}]; integer at = 0; integer t = -4;
  wire tready;
  wire tvalid = !rst && at < {len(one)};
  initial begin
{words}    $dumpfile("out.vcd"); $dumpvars(0, tb);
    #1; repeat (100) begin #5 clk = 1; #5 clk = 0; end
    $finish;
  end
  always @(posedge clk) begin t <= t + 1; if (t == -1) rst <= 0; if (tvalid && tready) at <= at + 1; end
  oxnor_engine engine (.clk(clk), .rst(rst), .s_axis_tdata(tvalid ? beats[at] : 8'd0), .s_axis_tvalid(tvalid),
    .s_axis_tready(tready), .s_axis_tlast(tvalid && at % {beats} == {beats - 1}), .m_axis_tready(1'b1),
    .s_axil_awaddr(8'd0), .s_axil_awprot(3'd0), .s_axil_awvalid(1'b0), .s_axil_wdata(32'd0), .s_axil_wstrb(4'd0),
    .s_axil_wvalid(1'b0), .s_axil_bready(1'b0), .s_axil_araddr(8'd0), .s_axil_arprot(3'd0), .s_axil_arvalid(1'b0),
    .s_axil_rready(1'b0));
endmodule
""")
    sources = [str(tmp_path / "tb.sv"), str(made.verilog), str(tmp_path / "cells.v"), str(MACRO)]
    subprocess.run(["iverilog", "-g2012", "-s", "tb", "-o", str(tmp_path / "tb.vvp"), *sources], check=True)
    (tmp_path / "mem").symlink_to(made.directory / "mem")
    subprocess.run(["vvp", "tb.vvp"], cwd=tmp_path, check=True, capture_output=True)
    # Edge k ends cycle k - 4 and is at time 6 + 10 k.
    seen = _vcd_rises(tmp_path / "out.vcd", *(6 + 10 * (t + 3) for t in window))
    compared = 0
    for instance in executed.netlist.cells:
        cell = library.cells[instance.type]
        for pin in cell.outputs:
            if cell.gate or pin.name not in instance.nets:
                continue
            expected = run_of_one.activity.rises[instance.nets[pin.name][0]]
            assert expected == LANES * seen[instance.path, pin.name], (instance.path, pin.name)
            compared += int(expected > 0)
    assert compared > 300


def test_the_command(tiny, report, tmp_path, monkeypatch):
    network, _, inputs = tiny
    network.save(tmp_path / "toy.npz")
    np.savez(tmp_path / "set.npz", images=inputs.images)
    engine = ["--macro", "64x16", "--fold", "2,2", "--fold", "1,1", "--stream-width", "8"]
    command = ["energy", str(tmp_path / "toy.npz"), "--data", str(tmp_path / "set.npz"), "--images", "150", *engine]
    picture = tmp_path / "e.svg"
    done = run(*command, "--json", "--picture", str(picture), "-o", str(tmp_path / "c.yaml"))
    assert done.exit_code == 0, done.output
    described = json.loads(done.stdout)
    assert described["units"] == json.loads(json.dumps(report.unit_rows))
    assert described["gates"]["differ"] == 0
    assert picture.is_file()
    assert (tmp_path / "c.yaml").read_text().startswith("# oxnor energy ")
    text = run(*command, "--rram", "pcsa-1v2", "--periphery", "1.5")
    assert text.exit_code == 0
    words = " ".join(text.stdout.split())
    for part in ("384 images", "0 results differ from the golden model", "with RRAM", "TOPS/mm2", "not included",
                 "Clock against error rate, devices of calibrated-1e-4", "72 (this engine)",
                 "RRAM takes", "1.5 pJ/row chosen given", "SPIRIT, synapses alone", "4.9 nJ an image"):
        assert part in words, part
    wrong = {
        ("-o", "x.json"): "--output must end in .yaml or .yml, not 'x.json'",
        ("--device", "x"): "--device must be one of calibrated-1e-2",
        ("--rram", "x"): "--rram must be one of pcsa-1v8, pcsa-1v8-settled, pcsa-1v2, not 'x'",
        ("--periphery", "-1"): "--periphery must be 0 pJ or more, not -1",
        ("--technology", "x"): "--technology must be one of ihp-sg13g2 or a .toml file, not 'x'",
        ("--programming",): "--programming must not be asked of an engine whose energy is computed",
        ("--converter-bits", "4"): "--converter-bits must be 0 for gates: what a converter takes is in oxnor compare, not 4",
        ("--macro", "devices:64x16"): "must be bits or blackbox for gates, not devices",
    }
    for options, sentence in wrong.items():
        failed = run(*command, *options)
        assert (failed.exit_code, failed.stdout) == (2, ""), options
        assert sentence in failed.stderr, (options, failed.stderr)
    monkeypatch.setattr("oxnor.sim.silicon.synthesis.find_yosys", lambda: None)
    assert "Yosys is needed for the energy of gates and was not found: pip install" in run(*command).stderr
