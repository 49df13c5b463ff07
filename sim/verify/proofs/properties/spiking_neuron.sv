// Spiking neuron, whose own checker asserts its invariant: every weight that the cells can hold, with either sign, at
// any cycle; clear and reset at any time. BOUND is the threshold below which the membrane stays, where it does.
module spiking_neuron_proof (
    input wire clk, input wire rst, input wire clear, input wire en, input wire signed [`WEIGHT_MSB:0] weight,
    input wire [15:0] tick
);
  wire fire, negative;
  wire signed [`V_MSB:0] v;
  `UNIT neuron (.clk, .rst, .clear, .en, .weight, .fire, .negative, .v
`ifdef HAS_TICK
    , .tick
`endif
  );
  always @* assume (weight >= -`WEIGHT_MAX && weight <= `WEIGHT_MAX);
`ifdef BOUND
  always @* assert (v > -`BOUND && v < `BOUND);
`endif
endmodule
