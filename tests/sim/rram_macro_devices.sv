// Test double of rram_macro: both devices of each pair, faults from a file, and programming that takes its time.
//
// A pair whose devices are alike cannot be decided: its amplifier answers the same whatever x is, as an offset behind
// the crossing of the branches does. INIT_FILE is as for kind `bits`; INIT_FILE with ".faults" has ROWS + 1 words of 4
// bits a column: {BLb stuck in LRS, BLb stuck, BL stuck in LRS, BL stuck}; last word: {what the dead column reads, dead
// column, what the dead amplifier answers, dead amplifier}.
module rram_macro #(
    parameter ROWS = 64,
    parameter COLS = 64,
    parameter INIT_FILE = "",
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
  reg [COLS-1:0] bl[0:ROWS-1];
  reg [COLS-1:0] blb[0:ROWS-1];
  reg [4*COLS-1:0] faults[0:ROWS];
  reg [COLS-1:0] answer;
  reg [1:0] wait_;
  reg [1:0] op;
  reg side;
  reg [ROW_BITS-1:0] at_row;
  reg [COL_BITS-1:0] at_col;

  integer k, n;
  initial begin
    if (INIT_FILE != "") $readmemh(INIT_FILE, bl);
    for (k = 0; k <= ROWS; k = k + 1) faults[k] = 0;
    $readmemh({INIT_FILE, ".faults"}, faults);
    for (k = 0; k < ROWS; k = k + 1) begin
      blb[k] = ~bl[k];
      for (n = 0; n < COLS; n = n + 1) begin
        if (faults[k][4*n]) bl[k][n] = faults[k][4*n+1];
        if (faults[k][4*n+2]) blb[k][n] = faults[k][4*n+3];
      end
    end
    wait_ = 0;
    prog_done = 0;
    answer = 0;
  end

  integer i;
  always @(posedge clk) begin
    prog_done <= wait_ == 1;
    if (wait_ != 0) wait_ <= wait_ - 1;
    if (prog_valid && prog_ready) begin
      wait_ <= 3;
      op <= prog_op;
      side <= prog_side;
      at_row <= prog_row;
      at_col <= prog_col;
    end
    if (wait_ == 1) begin
      if (side) begin
        if (!faults[at_row][4*at_col+2]) blb[at_row][at_col] <= op != 2;
      end else if (!faults[at_row][4*at_col]) bl[at_row][at_col] <= op != 2;
    end
    if (sense)
      for (i = 0; i < COLS; i = i + 1)
        answer[i] <= faults[ROWS][4*i] ? faults[ROWS][4*i+1]
                   : faults[ROWS][4*i+2] ? faults[ROWS][4*i+3] ~^ x[i]
                   : bl[row][i] == blb[row][i] ? i[0] : bl[row][i] ~^ x[i];
  end

  assign prog_ready = wait_ == 0;
  assign q = answer ^ flip;
endmodule
