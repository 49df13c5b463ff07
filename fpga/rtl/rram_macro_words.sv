// Macro of kind `bits` for block RAM that cannot write single bits (ECP5): the ports of hw/rtl/rram_macro.sv.
//
// An operation reads its row and writes it back with one bit changed, in two cycles; q is not kept through it. Reading
// and writing exclude each other, so that the block RAM needs no rule for both at once.
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
  localparam [1:0] OP_RESET = 2'd2;

  reg [COLS-1:0] mem[0:ROWS-1];
  reg [COLS-1:0] r;
  reg [COLS-1:0] xr;
  reg            writing;
  reg [ROW_BITS-1:0] at_row;
  reg [COLS-1:0] mask;
  reg [COLS-1:0] bits;

  integer k;
  initial begin
    if (INIT_FILE != "") $readmemh(INIT_FILE, mem);
    else for (k = 0; k < ROWS; k = k + 1) mem[k] = {COLS{1'b0}};
    r = {COLS{1'b0}};
    xr = {COLS{1'b0}};
    writing = 1'b0;
    prog_done = 1'b0;
  end

  wire start = prog_valid && prog_ready;
  wire [ROW_BITS-1:0] read_row = start ? prog_row : row;
  always @(posedge clk) begin
    if ((sense || start) && !writing) r <= mem[read_row];
    if (writing) mem[at_row] <= (r & ~mask) | (bits & mask);
    if (sense) xr <= x;
    if (start) begin
      at_row <= prog_row;
      mask <= {{COLS - 1{1'b0}}, 1'b1} << prog_col;
      bits <= {COLS{prog_side ^ (prog_op != OP_RESET)}};
    end
    writing <= start;
    prog_done <= writing;
  end

  // A row cannot be sensed in the cycles of an operation: who programs the macro has to wait for prog_done.
  assign prog_ready = !writing && !sense;
  assign q = ~(r ^ xr) ^ flip;
endmodule
