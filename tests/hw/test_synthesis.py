"""What a synthesis tool makes of the memories: block RAM that holds the image."""

import json

import numpy as np
import pytest
from helpers.synthesis import yosys

from oxnor.hw.emit.verilog import emit_component, hand_written
from oxnor.hw.layers.macro_tile import TileMacro
from oxnor.hw.layers.serial_tile import SerialTile
from oxnor.models.base.bits import hex_lines
from oxnor.models.devices.device_macro import BUCKETS, DeviceMacro, DeviceTables
from oxnor.sim.harness.device_macro import DeviceMacroTestbench, compare
from oxnor.sim.harness.unit import UnitTestbench
from oxnor.sim.runner import toolchain

WRAPPERS = {
    "rram_macro": """
module top(input clk, input [7:0] row, input [15:0] x, output [15:0] q);
  rram_macro #(.ROWS(256), .COLS(16), .INIT_FILE("image.mem")) dut (
    .clk(clk), .sense(1'b1), .row(row), .x(x), .flip(16'd0), .q(q),
    .prog_valid(1'b0), .prog_op(2'd0), .prog_side(1'b0), .prog_row(8'd0), .prog_col(4'd0), .prog_ready(), .prog_done());
endmodule""",
    "rram_macro_packed": """
module top(input clk, input [7:0] row, input [9:0] x, output [9:0] q);
  rram_macro_packed #(.ROWS(256), .COLS(10), .INIT_FILE("image.mem")) dut (
    .clk(clk), .sense(1'b1), .row(row), .x(x), .flip(20'd0), .agree(q), .disagree());
endmodule""",
    "coefficient_rom": """
module top(input clk, input [7:0] row, output [15:0] q);
  coefficient_rom #(.ROWS(256), .WIDTH(16), .INIT_FILE("image.mem")) dut (.clk(clk), .en(1'b1), .row(row), .q(q));
endmodule""",
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_memory_is_block_ram_with_the_image(name, tmp_path):
    bits = np.random.default_rng(1).random((256, 16)) < 0.5
    (tmp_path / "image.mem").write_text(hex_lines(bits, 256))
    (tmp_path / "dut.sv").write_text(hand_written(f"{name}.sv"))
    (tmp_path / "top.sv").write_text(WRAPPERS[name])
    yosys(
        tmp_path, "read_verilog -sv dut.sv top.sv", "hierarchy -top top", "proc", "flatten", "opt_clean",
        "memory_collect", "write_json memory.json", "synth_ice40 -top top", "write_json cells.json",
    )  # fmt: skip
    cells = json.loads((tmp_path / "memory.json").read_text())["modules"]["top"]["cells"].values()
    (memory,) = [c for c in cells if c["type"].startswith("$mem")]
    stored = memory["parameters"]["INIT"]
    assert stored[::-1] == "".join("01"[b] for b in bits.ravel().astype(int))
    mapped = [c["type"] for c in json.loads((tmp_path / "cells.json").read_text())["modules"]["top"]["cells"].values()]
    assert mapped.count("SB_RAM40_4K") == 1
    # Of packed weights what unpacks two bytes, and an answer a pair.
    logic = 10 + 18 * 2 if name == "rram_macro_packed" else 16
    assert sum(t.startswith("SB_LUT4") for t in mapped) <= logic


def test_tile_of_a_serial_layer_is_block_ram(tmp_path):
    """The macro behind the gates of its dataflow is one block RAM still, and a constant word takes no memory."""
    bits = np.random.default_rng(1).random((256, 16)) < 0.5
    (tmp_path / "image.mem").write_text(hex_lines(bits, 256))
    (tmp_path / "word.mem").write_text("a5\n")
    emitted = emit_component(SerialTile(TileMacro(256, 16), 16, 0), tmp_path)
    (tmp_path / "word.sv").write_text(hand_written("coefficient_word.sv"))
    (tmp_path / "top.sv").write_text(f"""
module top(input clk, input rst, input en, input [7:0] row, input x, output [15:0] counts, output [7:0] word);
  {emitted.top} #(.INIT_FILE("image.mem")) dut (.clk(clk), .rst(rst), .en(en), .sense(1'b1), .row(row), .x(x), .counts(counts));
  coefficient_word #(.WIDTH(8), .INIT_FILE("word.mem")) constant (.q(word));
endmodule""")
    sources = " ".join([*(p.name for p in emitted.sources), "word.sv", "top.sv"])
    yosys(tmp_path, f"read_verilog -defer -sv {sources}", "synth_ice40 -top top", "write_json cells.json")
    top = json.loads((tmp_path / "cells.json").read_text())["modules"]["top"]
    mapped = [c["type"] for c in top["cells"].values()]
    assert mapped.count("SB_RAM40_4K") == 1
    assert sum(t.startswith("SB_LUT4") for t in mapped) <= 16 + 2
    assert sum(t.startswith("SB_DFF") for t in mapped) <= 3  # the input, whether a row was sensed, and whether ever
    assert top["ports"]["word"]["bits"] == list("10100101")


@pytest.mark.cosim
@pytest.mark.skipif(toolchain.find_icarus() is None, reason=f"Icarus Verilog is not installed: {toolchain.GET_ICARUS}")
def test_gates_of_the_device_macro_do_what_it_does(tmp_path):
    """The macro made of devices is synthesised to gates and flip-flops, and these pass its bench."""
    g = np.random.default_rng(2)
    tables = DeviceTables(g.integers(9_990, 10_010, (2, BUCKETS)), g.integers(20, 120, (2, BUCKETS)), 40, 40, 1 << 30)
    macro = DeviceMacro.unformed(tables, 2, 3)
    macro.pairs = tables.programmed(g.random((2, 3)) < 0.5, g.integers(0, 1 << 32, (2, 2, 2, 3), np.uint32))
    macro.count_bits = 3
    bench = DeviceMacroTestbench(macro, 160).unit()
    (tmp_path / "mem").mkdir()
    for name, rows in bench.memory.items():
        (tmp_path / "mem" / f"{name}.mem").write_text(hex_lines(rows, len(rows)))
    (tmp_path / "dut.sv").write_text(hand_written("rram_macro_devices.sv"))
    parameters = ", ".join(f".{k}({v})" for k, v in bench.parameters.items())
    (tmp_path / "top.sv").write_text(f"""
module netlist(input clk, input sense, input row, input [2:0] x, input [2:0] flip, output [2:0] q, input prog_valid,
    output prog_ready, input [1:0] prog_op, input prog_side, input prog_row, input [1:0] prog_col, output prog_done);
  rram_macro_devices #({parameters}) dut (.*);
endmodule""")
    yosys(
        tmp_path, "read_verilog -defer -sv dut.sv top.sv", "hierarchy -top netlist", "synth -top netlist -flatten -noabc",
        "check -assert", "write_verilog -noattr netlist.v", "write_json cells.json",
    )  # fmt: skip
    cells = json.loads((tmp_path / "cells.json").read_text())["modules"]["netlist"]["cells"].values()
    assert all(c["type"].startswith("$_") or c["type"] == "$scopeinfo" for c in cells), "not all became gates"

    class Gates(UnitTestbench):
        def sources(self, directory):
            return [tmp_path / "netlist.v"], "netlist"

    fields = {k: getattr(bench, k) for k in bench.__dataclass_fields__} | {"parameters": {}}
    Gates(**fields).run(tmp_path / "run", simulator="icarus", root=tmp_path)
    with np.load(tmp_path / "run" / "record.npz") as record:
        found = compare(macro, record)
    assert found.bits > 350
    assert found.operations > 25
