"""The model of ECP5's block RAM against what Yosys makes of memories: the cells do what the memory does."""

import subprocess
from importlib.resources import files

import numpy as np
import pytest

from oxnor.fpga.tools import find_tool
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.synthesis import run_tool

#: By what the memory does: its Verilog. ``re`` reads from ``ra``; ``we`` writes to ``wa``, or to ``ra`` with one port.
DOES = {
    "read only": "always @(posedge clk) if (re) q <= mem[ra];",
    "one port": "always @(posedge clk) if (we[0]) mem[ra] <= d; else if (re) q <= mem[ra];",
    "two ports": "always @(posedge clk) begin if (we[0]) mem[wa] <= d; if (re) q <= mem[ra]; end",
    "bytes": """integer b;
  always @(posedge clk) begin
    for (b = 0; b < 4; b = b + 1) if (we[b]) mem[wa][9*b+:9] <= d[9*b+:9];
    if (re) q <= mem[ra];
  end""",
}
#: (what it does, bits of an address, bits of a word): one block RAM each.
MEMORIES = [
    ("read only", 9, 36), ("read only", 12, 4), ("read only", 14, 1),
    ("one port", 10, 16), ("one port", 11, 9), ("one port", 13, 2),
    ("two ports", 11, 9), ("two ports", 9, 36), ("two ports", 12, 4), ("bytes", 9, 36),
]  # fmt: skip
#: Random cycles: half of them among the first 16 words, where the ports are often near each other, and at one word only
#: if they may `meet`.
BENCH = """`timescale 1ns/1ps
module bench;
  reg clk = 1'b0, re = 1'b0;
  reg [3:0] we = 4'd0;
  reg [{a}-1:0] ra = 0, wa = 0;
  reg [{w}-1:0] d = 0;
  wire [{w}-1:0] q, q_cells;
  memory memory (.clk(clk), .re(re), .we(we), .ra(ra), .wa(wa), .d(d), .q(q));
  cells cells (.clk(clk), .re(re), .we(we), .ra(ra), .wa(wa), .d(d), .q(q_cells));
  integer k, wrong = 0, seen = 0;
  initial begin
    for (k = 0; k < 4000; k = k + 1) begin
      @(negedge clk);
      re = $random;
      we = $random;
      ra = k < 2000 ? $random & 15 : $random;
      wa = k < 2000 ? $random & 15 : $random;
      if (wa == ra && !{meet}) wa = ra ^ 1;
      d = {{$random, $random}};
      @(posedge clk);
      #0.1 if (q !== q_cells) wrong = wrong + 1;
      if (q != 0) seen = seen + 1;
    end
    $display("WRONG %0d SEEN %0d", wrong, seen);
    $finish;
  end
  always #1 clk = ~clk;
endmodule
"""


def run(folder, what, a, w, *, meet=0, attributes="", model=None):
    """Return (results that differ, results that are not 0) of a memory and of its cells, and Yosys' statistics."""
    g = np.random.default_rng([a, w])
    rows = [format(int.from_bytes(g.bytes(8), "little") & ((1 << w) - 1), "x") for _ in range(1 << a)]
    (folder / "image.mem").write_text("\n".join(rows) + "\n")
    for name in ("memory", "cells"):
        (folder / f"{name}.v").write_text(
            f"module {name}(input clk, input re, input [3:0] we, input [{a - 1}:0] ra, input [{a - 1}:0] wa,\n"
            f"    input [{w - 1}:0] d, output reg [{w - 1}:0] q);\n"
            f'  (* ram_style = "block", rom_style = "block"{attributes} *) reg [{w - 1}:0] mem[0:{(1 << a) - 1}];\n'
            f'  initial begin q = 0; $readmemh("image.mem", mem); end\n  {DOES[what]}\nendmodule\n'
        )
    (folder / "bench.v").write_text(BENCH.format(a=a, w=w, meet=meet))
    # Only memories are mapped: the rest stays Verilog that any simulator reads.
    (folder / "run.ys").write_text(
        "read_verilog cells.v\nsynth_ecp5 -top cells -run begin:map_ffram\ntee -o stat.txt stat\nwrite_verilog -noattr netlist.v\n"
    )
    run_tool(find_tool("yosys"), ["run.ys"], folder, "yosys.log")
    cell = files("oxnor.fpga").joinpath("rtl", "dp16kd.v").read_text()
    (folder / "dp16kd.v").write_text(model(cell) if model else cell)
    sources = ["bench.v", "memory.v", "netlist.v", "dp16kd.v"]
    icarus = toolchain.find_icarus()
    assert icarus is not None
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", "bench.vvp", *sources], cwd=folder, check=True, timeout=600)
    done = subprocess.run(["vvp", "bench.vvp"], cwd=folder, capture_output=True, text=True, check=True, timeout=600)
    words = done.stdout.split()
    assert words[::2] == ["WRONG", "SEEN"], done.stdout
    return int(words[1]), int(words[3]), (folder / "stat.txt").read_text()


needs_icarus = pytest.mark.skipif(
    toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}"
)


@needs_icarus
@pytest.mark.cosim
@pytest.mark.parametrize(("what", "a", "w"), MEMORIES)
def test_cell_is_the_memory(what, a, w, tmp_path):
    wrong, seen, stat = run(tmp_path, what, a, w)
    assert (wrong, seen > 1000) == (0, True)
    assert stat.count("DP16KD") == 1


#: By what breaks the model: (text, its replacement, a memory that must show it).
BROKEN = {
    "image": ("20*k+:18", "20*k+1+:18", MEMORIES[0]),
    "half": ("q_high : q_b", "q_b : q_b", MEMORIES[0]),
    "nibble": ("{address[2], 2'b00}", "{address[1], 2'b00}", MEMORIES[1]),
    "bit": ("+ address[2:0]", "+ address[3:1]", MEMORIES[2]),
    "hold": ('WRITEMODE_A == "NORMAL"', 'WRITEMODE_A == "OTHER"', MEMORIES[3]),
    "byte": ("5'd9 * address[3];", "5'd8 * address[3];", MEMORIES[4]),
    "enable": ("{9{bytes[1]}}", "{9{bytes[0]}}", MEMORIES[9]),
    "upper": ("| (di_b & bits_high)", "| (di_a & bits_high)", MEMORIES[7]),
}


@needs_icarus
@pytest.mark.cosim
@pytest.mark.parametrize(("old", "new", "memory"), BROKEN.values(), ids=BROKEN)
def test_a_broken_model_is_found(old, new, memory, tmp_path):
    def model(text):
        assert text.count(old) == 1
        return text.replace(old, new)

    assert run(tmp_path, *memory, model=model)[0] > 0


@needs_icarus
@pytest.mark.cosim
def test_reading_what_is_being_written(tmp_path):
    """The model's value is wrong, and Yosys goes around it unless it is told not to."""
    for name, attributes, differs in (("around", "", False), ("through", ", no_rw_check", True)):
        (tmp_path / name).mkdir()
        wrong, _, _ = run(tmp_path / name, "two ports", 9, 36, meet=1, attributes=attributes)
        assert (wrong > 0) is differs
