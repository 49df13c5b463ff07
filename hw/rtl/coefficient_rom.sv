// Thresholds, scales and offsets of a layer: one word a row, read with one cycle of latency, held while `en` is 0.
module coefficient_rom #(
    parameter ROWS = 64,
    parameter WIDTH = 16,
    parameter INIT_FILE = "",
    localparam ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1
) (
    input  wire                clk,
    input  wire                en,
    input  wire [ROW_BITS-1:0] row,
    output reg  [WIDTH-1:0]    q
);
  reg [WIDTH-1:0] mem[0:ROWS-1];

  integer k;
  initial begin
    // Not both: Yosys would let the zeros win over the file.
    if (INIT_FILE != "") $readmemh(INIT_FILE, mem);
    else for (k = 0; k < ROWS; k = k + 1) mem[k] = {WIDTH{1'b0}};
    q = {WIDTH{1'b0}};
  end

  always @(posedge clk) if (en) q <= mem[row];
endmodule
