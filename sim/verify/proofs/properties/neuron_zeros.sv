// Neuron whose inputs may be zeros, which count half: twice the partial count and the zeros once.
module neuron_zeros_proof (input wire [2:0] partial, input wire [2:0] zeros, input wire [3:0] threshold);
  wire [3:0] total;
  wire fire;
  oxnor_neuron_6_z dut (.en(1'b1), .first(1'b1), .partial, .zeros, .threshold, .total, .fire);
  always @* begin
    assume (partial <= 6 && zeros <= 6 && partial + zeros <= 6);
    assert (total == 2 * partial + zeros && fire == (2 * partial + zeros >= threshold));
  end
endmodule
