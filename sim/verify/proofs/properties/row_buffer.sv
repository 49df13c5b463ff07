// Memory of pixels in proofs of what is around it: one word, which the proof chooses, is followed; whatever else is read
// may be anything.
module row_buffer #(
    parameter WORDS = 64,
    parameter WIDTH = 16,
    localparam BITS = WORDS > 1 ? $clog2(WORDS) : 1
) (
    input wire clk,
    input wire write, input wire [BITS-1:0] write_address, input wire [WIDTH-1:0] data,
    input wire read, input wire [BITS-1:0] read_address, output reg [WIDTH-1:0] q
);
  (* anyconst *) reg [BITS-1:0] word;
  (* anyseq *) reg [WIDTH-1:0] other;
  reg [WIDTH-1:0] kept;
  wire hits = write && write_address == word;
  always @(posedge clk) begin
    if (hits) kept <= data;
    if (read) q <= read_address == word && !hits ? kept : other;
  end
endmodule
