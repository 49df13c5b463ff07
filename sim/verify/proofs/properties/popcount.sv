// Popcount: LEAF proves a leaf of 16 bits against the sum of its bits; otherwise the composition of leaves, each of
// which may give any count that its width allows, against the sum of the leaves.
`ifdef LEAF
module popcount_proof (input wire [15:0] bits);
  wire [4:0] count;
  oxnor_popcount_16 dut (.i(bits), .o(count));
  reg [4:0] sum;
  integer k;
  always @* begin
    sum = 0;
    for (k = 0; k < 16; k = k + 1) sum = sum + bits[k];
    assert (count == sum);
  end
endmodule
`else
module oxnor_popcount_64 (input wire [63:0] i, output wire [6:0] o);
  assign o = i[6:0];  // the prover chooses the bits, and with them the count
  always @* assume (i[6:0] <= 64);
endmodule
module oxnor_popcount_8 (input wire [7:0] i, output wire [3:0] o);
  assign o = i[3:0];
  always @* assume (i[3:0] <= 8);
endmodule
module popcount_proof (input wire [199:0] bits);
  wire [7:0] count;
  oxnor_popcount_200 dut (.i(bits), .o(count));
  always @* assert (count == bits[6:0] + bits[70:64] + bits[134:128] + bits[195:192]);
endmodule
`endif
