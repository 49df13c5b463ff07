// Coefficient memory that can be written, 32 bits at a time; otherwise as coefficient_rom.
module coefficient_ram #(
    parameter ROWS = 64,
    parameter WIDTH = 16,
    parameter INIT_FILE = "",
    localparam ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1,
    localparam WORDS = (WIDTH + 31) / 32
) (
    input  wire                clk,
    input  wire                en,
    input  wire [ROW_BITS-1:0] row,
    output wire [WIDTH-1:0]    q,
    input  wire                write,
    input  wire [15:0]         word,
    input  wire [31:0]         data
);
  reg [32*WORDS-1:0] mem[0:ROWS-1];
  reg [32*WORDS-1:0] r;

  integer k;
  initial begin
    // Not both: Yosys would let the zeros win over the file.
    if (INIT_FILE != "") $readmemh(INIT_FILE, mem);
    else for (k = 0; k < ROWS; k = k + 1) mem[k] = {32 * WORDS{1'b0}};
    r = {32 * WORDS{1'b0}};
  end

  integer n;
  always @(posedge clk) begin
    if (en) r <= mem[row];
    for (n = 0; n < WORDS; n = n + 1) if (write && word == 16'(n)) mem[row][32*n+:32] <= data;
  end

  assign q = r[WIDTH-1:0];
  wire unused = &{1'b0, r};
endmodule
