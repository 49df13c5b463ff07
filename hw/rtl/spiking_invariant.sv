// Checker beside a spiking neuron, with no outputs; it is empty unless OXNOR_ASSERT is defined.
//
// After every event:  THETA * (positive - negative spikes) + v == V_INIT + sum of the signed weights.
// An image in which the membrane has saturated is left alone until the next `clear`.
module spiking_invariant #(
    parameter integer THETA = 4,
    parameter integer V_INIT = 0,
    parameter integer V_BITS = 12,
    parameter integer WEIGHT_BITS = 4
) (
    input wire                          clk,
    input wire                          clear,
    input wire                          en,
    input wire signed [WEIGHT_BITS-1:0] weight,
    input wire                          fire,
    input wire                          negative,
    input wire                          saturated,
    input wire signed [V_BITS-1:0]      v
);
`ifdef OXNOR_ASSERT
  reg signed [31:0] sum = V_INIT;
  reg signed [31:0] spikes = 0;
  reg               exact = 1'b1;

  always @(posedge clk) begin
    if (clear) begin
      sum    <= V_INIT;
      spikes <= 0;
      exact  <= 1'b1;
    end else if (en) begin
      sum    <= sum + weight;
      spikes <= spikes + (fire ? (negative ? -32'sd1 : 32'sd1) : 32'sd0);
      exact  <= exact & ~saturated;
    end
    assert (!exact || THETA * spikes + v == sum);
  end
`else
  wire unused = &{1'b0, clk, clear, en, weight, fire, negative, saturated, v, THETA, V_INIT};
`endif
endmodule
