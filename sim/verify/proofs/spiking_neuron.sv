// Spiking neuron, whose own checker asserts its invariant: every weight that the cells can hold, with either sign, at
// any cycle; clear and reset at any time. No weight is larger than the threshold, so the membrane stays below it.
module spiking_neuron_proof (
    input wire clk, input wire rst, input wire clear, input wire en, input wire signed [3:0] weight
);
  wire fire, negative;
  wire signed [11:0] v;
  oxnor_if_neuron_4_4_f7ee225c dut (.clk, .rst, .clear, .en, .weight, .fire, .negative, .v);
  always @* begin
    assume (weight >= -4 && weight <= 4);
    assert (v > -4 && v < 4);
  end
endmodule
