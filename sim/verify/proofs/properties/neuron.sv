// Binarized neuron of six synapses, in two partial counts to each of two bit planes, with two thresholds; with SHORTCUT a
// bit of each plane counts so often too.
module neuron_proof (
    input wire clk, input wire rst, input wire en, input wire [2:0] partial, input wire own, input wire [9:0] threshold
);
  reg [1:0] part = 0;  // bit 1: the second plane; bit 0: the second partial count
  wire [4:0] total;
  wire [1:0] fire;
  (* hierconn *) wire [4:0] \dut.integrated ;
`ifdef SHORTCUT
  oxnor_neuron_6_s_p2_l2_r3 dut (.clk, .rst, .en, .first(part == 0), .\double (part == 2), .partial, .threshold, .total,
    .fire, .own);
`else
  `define SHORTCUT 0
  oxnor_neuron_6_s_p2_l2 dut (.clk, .rst, .en, .first(part == 0), .\double (part == 2), .partial, .threshold, .total,
    .fire);
`endif

  reg started = 0;
  reg [2:0] before = 0;  // the first partial count of a plane
  reg [4:0] high = 0, low = 0;  // sums of the planes so far
  wire [4:0] counted = partial + (!part[0] && own ? `SHORTCUT : 0);
  wire [4:0] sum = part[1] ? 2 * high + (part[0] ? low : 5'd0) + counted : (part[0] ? high : 5'd0) + counted;

  always @(posedge clk)
    if (rst) part <= 0;
    else if (en) begin
      part <= part + 2'd1;
      if (!part[0]) before <= partial;
      if (part == 0) high <= counted;
      if (part == 1) high <= high + counted;
      if (part == 2) low <= counted;
    end

  always @(posedge clk) started <= 1;
  always @* begin
    if (!started) assume (rst);
    assume (part[0] ? partial + before <= 6 : partial <= 6);
    if (started) begin
      assert (total == sum && total <= 3 * (6 + `SHORTCUT));
      assert (fire[0] == (sum >= threshold[4:0]) && fire[1] == (sum >= threshold[9:5]));
      assert (high <= 6 + `SHORTCUT && before <= 6);
      if (part == 1) assert (high == before || high == before + `SHORTCUT);
      if (part == 3) assert (low == before || low == before + `SHORTCUT);
      if (part == 1) assert (\dut.integrated == high);
      if (part == 2) assert (\dut.integrated == high);
      if (part == 3) assert (\dut.integrated == 2 * high + low);
    end
  end
endmodule
