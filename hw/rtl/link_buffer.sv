// Memory of the host link: one port of 16 bits. `q` shows the word read last, until the next write: an iCE40 SPRAM shows
// anything then, so a simulation shows what was not asked for.
// It has no image to start from, so that the large memories of FPGAs that cannot have one (iCE40 SPRAM) serve.
module link_buffer #(
    parameter WORDS = 1024,
    localparam BITS = WORDS > 1 ? $clog2(WORDS) : 1
) (
    input  wire            clk,
    input  wire            write,
    input  wire            read,
    input  wire [BITS-1:0] address,
    input  wire [15:0]     data,
    output reg  [15:0]     q
);
  reg [15:0] mem[0:WORDS-1];

  always @(posedge clk) begin
    if (write) mem[address] <= data;
    else if (read) q <= mem[address];
`ifndef SYNTHESIS
    if (write) q <= ~q;
`endif
  end
endmodule
