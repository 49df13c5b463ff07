// Fault injector: at a rate of 0 no bit of any read is wrong, whatever its state: it is as if it were not there.
module error_block_proof (input wire clk, input wire rst, input wire en, input wire [63:0] a, b, c, d, input wire [15:0] rate);
  wire [63:0] mask;
  oxnor_error_block dut (.clk, .rst, .en, .a, .b, .c, .d, .rate, .mask);
  always @* if (rate == 0) assert (mask == 0);
endmodule
