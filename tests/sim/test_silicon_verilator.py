"""The gates of a shipped network in Verilator, beside the simulation of 64 streams: results, cycles, and every change."""

import os
import re
import subprocess
from collections import Counter
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from oxnor.hw.host.beats import unpack_results
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.models import golden, zoo
from oxnor.models.base.bits import pack_bytes
from oxnor.models.base.files import build_root
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.technology.technology import load
from oxnor.sim.runner.runner import find_tool
from oxnor.sim.silicon.cells import cell_models
from oxnor.sim.silicon.gate_netlist import read_netlist
from oxnor.sim.silicon.gates import LANES, RESET_CYCLES, run_gates
from oxnor.sim.silicon.program import build_program
from oxnor.sim.silicon.synthesis import synthesize

MACRO = Path(str(resources.files("oxnor.hw"))) / "rtl" / "rram_macro.sv"
IMAGES = 128

TB = """module tb (input clk, output valid, output [{out}-1:0] data);
  reg rst = 1; reg [{width}-1:0] beats [0:{last}]; integer at = 0; integer t = -{reset};
  wire tready;
  wire tvalid = !rst && at <= {last};
  assign valid = !rst && m_valid;
  wire m_valid;
  initial $readmemh("beats.hex", beats);
  always @(posedge clk) begin t <= t + 1; if (t == -1) rst <= 0; if (tvalid && tready) at <= at + 1; end
  oxnor_engine engine (.clk(clk), .rst(rst), .s_axis_tdata(tvalid ? beats[at] : '0), .s_axis_tvalid(tvalid),
    .s_axis_tready(tready), .s_axis_tlast(tvalid && at % {an_image} == {an_image} - 1), .m_axis_tready(1'b1),
    .m_axis_tvalid(m_valid), .m_axis_tdata(data),
    .s_axil_awaddr(8'd0), .s_axil_awprot(3'd0), .s_axil_awvalid(1'b0), .s_axil_wdata(32'd0), .s_axil_wstrb(4'd0),
    .s_axil_wvalid(1'b0), .s_axil_bready(1'b0), .s_axil_araddr(8'd0), .s_axil_arprot(3'd0), .s_axil_arvalid(1'b0),
    .s_axil_rready(1'b0));
endmodule
"""
MAIN = """#include <cstdio>
#include <cstdlib>
#include "Vtb.h"
#include "verilated.h"
#include "verilated_cov.h"

// Arguments: edges, the first whose changes count, the one after the last.
int main(int argc, char** argv) {
    const long edges = std::atol(argv[1]), first = std::atol(argv[2]), last = std::atol(argv[3]);
    VerilatedCovContext* counts = Verilated::threadContextp()->coveragep();
    counts->forcePerInstance(true);
    Vtb top;
    for (long k = 0; k < edges; ++k) {
        top.clk = 0;
        top.eval();
        if (k == first) counts->zero();
        if (k == last) counts->write("coverage.dat");
        if (top.valid) {
            std::printf("%ld", k);
            for (size_t n = 0; n < BYTES; ++n) std::printf(" %d", reinterpret_cast<const uint8_t*>(&top.data)[n]);
            std::printf("\\n");
        }
        top.clk = 1;
        top.eval();
    }
}
"""


def changes(path):
    """Return rises and falls of each signal by its name from the engine on."""
    found = {"0->1": Counter(), "1->0": Counter()}
    for line in path.read_bytes().decode("latin-1").splitlines():
        texts, _, count = line.rpartition("' ")
        keys = dict(part.split("\x02", 1) for part in texts.split("\x01")[1:])
        signal = re.fullmatch(r"(.*):(0->1|1->0)", keys.get("o", ""))
        if signal:
            found[signal[2]][f"{keys['h']}.{signal[1]}".partition("tb.engine.")[2]] += int(count)
    return found


@pytest.mark.slow
@pytest.mark.cosim
def test_verilator_sees_the_same_results_and_changes(tmp_path):
    technology, network = load(), zoo.load("mnist-tfc")
    config = EngineConfig.for_network(network, target="asic")
    made = synthesize(network, config, technology, build_root(), gated=True)
    library = technology.library()
    netlist = read_netlist(made.json, config.top, library.cells)
    program = build_program(netlist, library, made.directory, 1)
    bits = golden.binarize(network, load_mnist("test")[0][:IMAGES])
    beats = pack_bytes(bits, config.stream_width).reshape(-1, config.stream_width // 8)
    timing = schedule(config)
    interval = timing.initiation_interval
    window = timing.latency, timing.latency + (IMAGES - 4) * interval
    cycles = timing.cycles(IMAGES) + 10
    ours = run_gates(netlist, program, np.tile(beats, (LANES, 1)), IMAGES, window, cycles + 1000, interval)

    out = len(netlist.ports["m_axis_tdata"][1])
    (tmp_path / "tb.sv").write_text(TB.format(out=out, width=config.stream_width, last=len(beats) - 1, reset=RESET_CYCLES,
                                              an_image=config.beats))  # fmt: skip
    (tmp_path / "main.cpp").write_text(MAIN.replace("BYTES", str(-(-out // 8))))
    (tmp_path / "beats.hex").write_text("\n".join(beat[::-1].tobytes().hex() for beat in beats) + "\n")
    (tmp_path / "cells.v").write_text(cell_models(library, {c.type for c in netlist.cells}))
    (tmp_path / "mem").symlink_to(made.directory / "mem")
    tool = find_tool("verilator")
    # What is counted are the pins of the cells, of each instance if nothing is shared; the lines that count take a
    # compiler minutes to make fast.
    (tmp_path / "control.vlt").write_text(f'`verilator_config\ncoverage_off -file "{made.verilog}"\n')
    sources = ["control.vlt", "tb.sv", str(made.verilog), "cells.v", str(MACRO), "main.cpp"]
    command = [str(tool.path), "--cc", "--exe", "--build", "-j", "2", "--top-module", "tb", "--coverage-toggle", "--flatten",
               "-Wno-fatal", "-Wno-lint", "--timescale", "1ns/1ps", "-MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0", "-o", "gates",
               "--output-split", "5000", *sources]  # fmt: skip
    subprocess.run(command, cwd=tmp_path, env=os.environ | dict(tool.env), check=True, capture_output=True)
    # Edge k ends cycle k - RESET_CYCLES: what it changes is seen in the cycle after.
    edges = [str(t + RESET_CYCLES - 1) for t in window]
    done = subprocess.run(["obj_dir/gates", str(cycles + RESET_CYCLES), *edges], cwd=tmp_path, check=True,
                          capture_output=True, text=True)  # fmt: skip
    rows = np.array([line.split() for line in done.stdout.splitlines()], np.int64)
    assert rows[:, 0].tolist() == [RESET_CYCLES + timing.cycles(k + 1) for k in range(IMAGES)]
    layout = {"class_width": config.class_width, "score_width": config.score_width, "margin_bits": 0, "scores": 10}
    results, expected = unpack_results(rows[:, 1:].astype(np.uint8), layout), golden.scores(network, bits)
    assert np.array_equal(results.scores, expected)
    assert np.array_equal(results.classes, golden.argmax(expected))
    seen = changes(tmp_path / "coverage.dat")
    compared = 0
    for instance in netlist.cells:
        for pin in library.cells[instance.type].outputs:
            if library.cells[instance.type].gate or pin.name not in instance.nets:
                continue
            net, name = instance.nets[pin.name][0], f"{instance.path}.{pin.name}"
            both = seen["0->1"][name], seen["1->0"][name]
            assert (ours.activity.rises[net], ours.activity.falls[net]) == (LANES * both[0], LANES * both[1]), name
            compared += both[0] > 0
    assert compared > 6000
