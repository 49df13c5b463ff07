// Memory of pixels: one port to write, one to read; `q` shows the word read last.
// A word that is written and read at the same clock edge may be read as it was or as it will be: nobody may ask for it.
module row_buffer #(
    parameter WORDS = 64,
    parameter WIDTH = 16,
    localparam BITS = WORDS > 1 ? $clog2(WORDS) : 1
) (
    input  wire             clk,
    input  wire             write,
    input  wire [BITS-1:0]  write_address,
    input  wire [WIDTH-1:0] data,
    input  wire             read,
    input  wire [BITS-1:0]  read_address,
    output reg  [WIDTH-1:0] q
);
  (* no_rw_check *) reg [WIDTH-1:0] mem[0:WORDS-1];

  always @(posedge clk) begin
    if (write) mem[write_address] <= data;
    if (read) q <= mem[read_address];
`ifndef SYNTHESIS
    if (read && write && read_address == write_address) q <= ~data;
`endif
  end
endmodule
