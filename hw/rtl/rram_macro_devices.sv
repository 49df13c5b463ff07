// Differential (2T2R) RRAM macro with XNOR precharge sense amplifiers: kind `devices`.
//
// The ports of `rram_macro`, with the devices behind them: ln R of both devices of every pair in fixed point, the
// offset of each column's sense amplifier, noise in each read, programming that draws a new ln R, and endurance
// counters. Integers only: models/devices/device_macro.py repeats every bit. All in steps of 2**-10 of ln(R / ohm).
//
//   decision   w = ln R(BLb) - ln R(BL) + offset + noise > 0: a tie reads as 0; q = XNOR(w, x) ^ flip. The offset has
//              a part that stays with the bit lines, so that it inverts the stored weight whatever x is, and a part
//              that turns with the input: added for x = 1, subtracted for x = 0.
//   noise      one generator a column (xorshift32), stepped at each edge with sense = 1 and then read through the
//              table of the normal distribution.
//   prog_*     FORM and SET draw an LRS value, RESET an HRS value, by the statistics of the device's wear bucket: the
//              bit length of its SET/RESET cycles (two operations are a cycle), counted before the operation. An
//              unformed device (ln R = TOP) changes by FORM alone, which fails with a probability; a stuck device
//              never changes. Done after three cycles; a read meanwhile finds the old value.
//
// INIT_FILE   ROWS + 3 words of 32 bits a column, column 0 in the low bits:
//             rows       {BLb stuck, ln R of BLb [14:0], BL stuck, ln R of BL [14:0]}
//             ROWS       [15:0] offset that stays, [31:20] that turns, two's complement; [16] what a dead column reads, [17] the column is dead
//                        (open bit line); [18] what a dead amplifier gives, [19] the amplifier is dead (latch stuck)
//             ROWS + 1   state of the noise generator, not 0
//             ROWS + 2   column 0: state of the generator of programming, not 0
// NORMAL_FILE 1024 magnitudes of the standard normal distribution in steps of 2**-12, {octave[3:0], part[5:0]}
// DEVICE_FILE 128 words {state, bucket[5:0]}, state 1 for HRS: {sigma[15:0] in steps of 2**-13, mean[15:0]};
//             word 62: sigma of the noise; word 63: FORM fails if a 32-bit number is below it;
//             words 126, 127: cycles of every device before the first operation, low word first
module rram_macro_devices #(
    parameter ROWS = 64,
    parameter COLS = 64,
    parameter INIT_FILE = "",
    parameter NORMAL_FILE = "",
    parameter DEVICE_FILE = "",
    parameter COUNT_BITS = 24,
    parameter LATENCY = 1,
    localparam ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1,
    localparam COL_BITS = COLS > 1 ? $clog2(COLS) : 1
) (
    input  wire                clk,
    input  wire                sense,
    input  wire [ROW_BITS-1:0] row,
    input  wire [COLS-1:0]     x,
    input  wire [COLS-1:0]     flip,
    output wire [COLS-1:0]     q,
    input  wire                prog_valid,
    output wire                prog_ready,
    input  wire [1:0]          prog_op,
    input  wire                prog_side,
    input  wire [ROW_BITS-1:0] prog_row,
    input  wire [COL_BITS-1:0] prog_col,
    output reg                 prog_done
);
`include "rram_devices_reads.svh"

  reg [COLS-1:0] agree;
  integer d;
  reg signed [19:0] margin;
  reg signed [19:0] turn;
  reg w;
  always_comb begin
    agree = {COLS{1'b0}};
    for (d = 0; d < COLS; d = d + 1) begin
      margin = 20'($signed({1'b0, r[32*d+16+:15]})) - 20'($signed({1'b0, r[32*d+:15]}))
          + 20'($signed(column[32*d+:16])) + 20'($signed(noise[18*d+:18]));
      turn = 20'($signed(column[32*d+20+:12]));
      margin = xr[d] ? margin + turn : margin - turn;
      w = column[32*d+17] ? column[32*d+16] : margin > 0;
      agree[d] = column[32*d+19] ? column[32*d+18] : ~(w ^ xr[d]);
    end
  end
  // Until the sense amplifiers have answered, q shows the read before.
  generate
    if (LATENCY == 1) begin : g_now
      assign q = agree ^ flip;
    end else begin : g_later
      reg [COLS-1:0] shown;
      reg [6:0] left;
      initial begin
        shown = {COLS{1'b0}};
        left = 7'd0;
      end
      always @(posedge clk) begin
        if (sense) left <= 7'(LATENCY - 1);
        else if (left != 7'd0) left <= left - 7'd1;
        if (left == 7'd1) shown <= agree;
      end
      assign q = shown ^ flip;
    end
  endgenerate

`include "rram_devices_programming.svh"
endmodule
