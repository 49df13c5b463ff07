// Differential (2T2R) RRAM macro whose pairs hold three values: kind `devices`.
//
// The ports of `rram_macro_ternary`, with the devices behind them: ln R of both devices of every pair in fixed point, the
// offset of each column's sense amplifier, noise in each read, programming that draws a new ln R, and endurance
// counters. Integers only: models/devices/device_macro.py repeats every bit. All in steps of 2**-10 of ln(R / ohm).
//
//   decision   d = ln R(BLb) - ln R(BL) + offset + noise. The branch of the smaller resistance, as the amplifier sees
//              it, discharges first: BL's if d > 0. An amplifier that has not decided when that would be above the
//              threshold has found both devices in HRS: ln R(BLb) + ln R(BL) - |d| > 2 threshold, as half of what
//              moves d is in each branch. Then neither `agree` nor `disagree` is 1, else one of them, by XNOR(d > 0, x).
//              The offset has a part that stays with the bit lines, so that it moves the stored weight whatever x
//              is, and a part that turns with the input: added for x = 1, subtracted for x = 0.
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
//             word 61: the threshold; word 62: sigma of the noise; word 63: FORM fails if a 32-bit number is below it;
//             words 126, 127: cycles of every device before the first operation, low word first
module rram_macro_ternary_devices #(
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
`include "rram_devices_reads.svh"

  reg [2*COLS-1:0] both;
  wire [14:0] threshold = device[61][14:0];
  integer d;
  reg signed [19:0] margin;
  reg signed [19:0] turn;
  reg signed [19:0] above;
  reg w;
  reg [1:0] pair;
  always_comb begin
    both = {2 * COLS{1'b0}};
    for (d = 0; d < COLS; d = d + 1) begin
      margin = 20'($signed({1'b0, r[32*d+16+:15]})) - 20'($signed({1'b0, r[32*d+:15]}))
          + 20'($signed(column[32*d+:16])) + 20'($signed(noise[18*d+:18]));
      turn = 20'($signed(column[32*d+20+:12]));
      margin = xr[d] ? margin + turn : margin - turn;
      above = 20'($signed({1'b0, r[32*d+16+:15]})) + 20'($signed({1'b0, r[32*d+:15]}))
          - (margin < 0 ? -margin : margin) - 20'($signed({1'b0, threshold, 1'b0}));
      w = column[32*d+17] ? column[32*d+16] : margin > 0;
      // Whether BL is in LRS, and whether BLb is not.
      pair = ~column[32*d+17] & above > 0 ? 2'b01 : {2{w}};
      both[2*d+:2] = column[32*d+19] ? {2{column[32*d+18]}} : ~(pair ^ {2{xr[d]}});
    end
  end
  // Until the sense amplifiers have answered, they show the read before.
  wire [2*COLS-1:0] answered;
  generate
    if (LATENCY == 1) begin : g_now
      assign answered = both ^ flip;
    end else begin : g_later
      reg [2*COLS-1:0] shown;
      reg [6:0] left;
      initial begin
        shown = {2 * COLS{1'b0}};
        left = 7'd0;
      end
      always @(posedge clk) begin
        if (sense) left <= 7'(LATENCY - 1);
        else if (left != 7'd0) left <= left - 7'd1;
        if (left == 7'd1) shown <= both;
      end
      assign answered = shown ^ flip;
    end
  endgenerate

  integer e;
  always_comb begin
    for (e = 0; e < COLS; e = e + 1) begin
      agree[e] = &answered[2*e+:2];
      disagree[e] = ~|answered[2*e+:2];
    end
  end

`include "rram_devices_programming.svh"
endmodule
