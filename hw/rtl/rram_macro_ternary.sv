// Differential (2T2R) RRAM macro whose pairs hold three values: kind `bits`.
//
// A pair is +1 (BL in LRS, BLb in HRS), 0 (both in HRS) or -1 (BL in HRS, BLb in LRS). A sense amplifier that has not
// decided in its time has found both devices in HRS. A chip replaces this module by its own macro with the same ports.
//
//   sense, row, x   at a clock edge with sense = 1, word line `row` is sensed with the XNOR inputs `x`
//   agree, disagree of that row LATENCY clock edges later: the weight has the sign of the input, or the other one; neither
//                   where it is 0. They hold their values until the next sense. No sense comes in between, and `row` and
//                   `x` stay as they are
//   flip            error mask, read by read: bit 2c + 1 inverts how BL of column c reads, bit 2c how BLb does
//   prog_*          one FORM, SET or RESET of one device of a pair: side 0 is BL, side 1 is BLb.
//                   A transfer happens at a clock edge with prog_valid = prog_ready = 1; prog_done pulses when it has
//                   taken effect. SET and FORM leave the device in LRS, RESET in HRS
//
// INIT_FILE       two bits a pair, a row a word: bit 2c + 1 is whether BL of column c is in LRS, bit 2c whether BLb is
//                 not: 11, 01 and 00 are +1, 0 and -1
//
// The read register stands before the XNOR, because only so do synthesis tools infer block RAM.
module rram_macro_ternary #(
    parameter ROWS = 64,
    parameter COLS = 64,
    parameter INIT_FILE = "",
    parameter LATENCY = 1,
    localparam ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1,
    localparam COL_BITS = COLS > 1 ? $clog2(COLS) : 1
) (
    input  wire                clk,
    input  wire                sense,
    input  wire [ROW_BITS-1:0] row,
    input  wire [COLS-1:0]     x,
    input  wire [2*COLS-1:0]   flip,
    output reg  [COLS-1:0]     agree,
    output reg  [COLS-1:0]     disagree,
    input  wire                prog_valid,
    output wire                prog_ready,
    input  wire [1:0]          prog_op,
    input  wire                prog_side,
    input  wire [ROW_BITS-1:0] prog_row,
    input  wire [COL_BITS-1:0] prog_col,
    output reg                 prog_done
);
  localparam [1:0] OP_RESET = 2'd2;

  reg [2*COLS-1:0] mem[0:ROWS-1];
  reg [2*COLS-1:0] r;
  reg [COLS-1:0] xr;

  integer k;
  initial begin
    // Not both: Yosys would let the zeros win over the file.
    if (INIT_FILE != "") $readmemh(INIT_FILE, mem);
    else for (k = 0; k < ROWS; k = k + 1) mem[k] = {2 * COLS{1'b0}};
    r = {2 * COLS{1'b0}};
    xr = {COLS{1'b0}};
    prog_done = 1'b0;
  end

  always @(posedge clk) begin
    if (sense) begin
      r  <= mem[row];
      xr <= x;
    end
    if (prog_valid) mem[prog_row][{prog_col, ~prog_side}] <= prog_side ^ (prog_op != OP_RESET);
    prog_done <= prog_valid;
  end

  assign prog_ready = 1'b1;

`include "rram_ternary_answer.svh"
endmodule
