// Memory of ternary weights that never change, five to a byte: for engines that are not programmed.
//
// It answers as rram_macro_ternary does, whose two bits a pair are here made from bytes behind the read register.
//
//   sense, row, x   at a clock edge with sense = 1, word line `row` is sensed with the XNOR inputs `x`
//   agree, disagree of that row LATENCY clock edges later: the weight has the sign of the input, or the other one; neither
//                   where it is 0. They hold their values until the next sense. No sense comes in between, and `row` and
//                   `x` stay as they are
//   flip            error mask, read by read: bit 2c + 1 inverts how BL of column c reads, bit 2c how BLb does
//
// INIT_FILE       a row a word, byte k for columns 5k to 5k + 4, the first of them the lowest digit of a block of trits
//                 of the texture format ASTC (Khronos Data Format Specification, integer sequence encoding). Digits 2, 1
//                 and 0 are +1, 0 and -1
//
// The read register stands before all logic, because only so do synthesis tools infer block RAM.
module rram_macro_packed #(
    parameter ROWS = 64,
    parameter COLS = 64,
    parameter INIT_FILE = "",
    parameter LATENCY = 1,
    localparam ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1
) (
    input  wire                clk,
    input  wire                sense,
    input  wire [ROW_BITS-1:0] row,
    input  wire [COLS-1:0]     x,
    input  wire [2*COLS-1:0]   flip,
    output reg  [COLS-1:0]     agree,
    output reg  [COLS-1:0]     disagree
);
  localparam BYTES = (COLS + 4) / 5;

  reg [8*BYTES-1:0] mem[0:ROWS-1];
  reg [8*BYTES-1:0] packed_r;
  reg [COLS-1:0] xr;

  integer k;
  initial begin
    // Not both: Yosys would let the zeros win over the file.
    if (INIT_FILE != "") $readmemh(INIT_FILE, mem);
    else for (k = 0; k < ROWS; k = k + 1) mem[k] = {8 * BYTES{1'b0}};
    packed_r = {8 * BYTES{1'b0}};
    xr = {COLS{1'b0}};
  end

  always @(posedge clk)
    if (sense) begin
      packed_r <= mem[row];
      xr <= x;
    end

  // Two bits of a digit 2, 1 or 0: 11, 01 or 00. Both bits set are 2 too.
  function automatic [1:0] states(input [1:0] digit);
    states = {digit[1], |digit};
  endfunction

  function automatic [9:0] unpacked(input [7:0] b);
    reg high, pair, low, middle;
    reg [4:0] c;
    begin
      // Then digits 3 and 4 are 2, and three bits of the others lie where theirs do else.
      high = &b[4:2];
      c = high ? {b[7:5], b[1:0]} : b[4:0];
      {pair, middle, low} = {&b[6:5], &c[3:2], &c[1:0]};
      unpacked = {
          high | pair ? 2'b11 : states({1'b0, b[7]}),
          high ? 2'b11 : states(pair ? {1'b0, b[7]} : b[6:5]),
          middle | low ? 2'b11 : states({1'b0, c[4]}),
          states(low ? {1'b0, c[4]} : c[3:2]),
          states(low ? c[3:2] : c[1:0])
      };
    end
  endfunction

  wire [10*BYTES-1:0] whole;
  generate
    for (genvar n = 0; n < BYTES; n = n + 1) begin : g_byte
      assign whole[10*n+:10] = unpacked(packed_r[8*n+:8]);
    end
  endgenerate
  wire [2*COLS-1:0] r = whole[2*COLS-1:0];
  wire unused = &{1'b0, whole};  // beyond the last column

`include "rram_ternary_answer.svh"
endmodule
