// Differential (2T2R) RRAM macro with XNOR precharge sense amplifiers: kind `bits`.
//
// Stores the outcome of programming each pair: 1 = (BL in LRS, BLb in HRS) = +1, 0 = (BL in HRS, BLb in LRS) = -1.
// A chip replaces this module by its own macro with the same ports.
//
//   sense, row, x   at a clock edge with sense = 1, word line `row` is sensed with the XNOR inputs `x`
//   q               XNOR(w, x) of that row LATENCY clock edges later; holds its value until the next sense. No sense
//                   comes in between, and `row` and `x` stay as they are
//   flip            error mask on q, bit by bit and read by read
//   prog_*          one FORM, SET or RESET of one device of a pair: side 0 is BL, side 1 is BLb.
//                   A transfer happens at a clock edge with prog_valid = prog_ready = 1; prog_done pulses when it has
//                   taken effect. SET and FORM leave the device in LRS, RESET in HRS; the pair then reads as the
//                   device that was programmed last says.
//
// The read register stands before the XNOR, because only so do synthesis tools infer block RAM.
module rram_macro #(
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
  localparam [1:0] OP_RESET = 2'd2;

  reg [COLS-1:0] mem[0:ROWS-1];
  reg [COLS-1:0] r;
  reg [COLS-1:0] xr;

  integer k;
  initial begin
    // Not both: Yosys would let the zeros win over the file.
    if (INIT_FILE != "") $readmemh(INIT_FILE, mem);
    else for (k = 0; k < ROWS; k = k + 1) mem[k] = {COLS{1'b0}};
    r = {COLS{1'b0}};
    xr = {COLS{1'b0}};
    prog_done = 1'b0;
  end

  always @(posedge clk) begin
    if (sense) begin
      r  <= mem[row];
      xr <= x;
    end
    if (prog_valid) mem[prog_row][prog_col] <= prog_side ^ (prog_op != OP_RESET);
    prog_done <= prog_valid;
  end

  assign prog_ready = 1'b1;
  wire [COLS-1:0] agree = ~(r ^ xr);

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
endmodule
