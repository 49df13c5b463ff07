// Binarized neuron of six synapses, in two partial counts to each of two bit planes, with two thresholds.
module neuron_proof (
    input wire clk, input wire rst, input wire en, input wire [2:0] partial, input wire [9:0] threshold
);
  reg [1:0] part = 0;  // bit 1: the second plane; bit 0: the second partial count
  wire [4:0] total;
  wire [1:0] fire;
  (* hierconn *) wire [4:0] \dut.integrated ;
  oxnor_neuron_6_s_p2_l2 dut (.clk, .rst, .en, .first(part == 0), .\double (part == 2), .partial, .threshold, .total,
    .fire);

  reg started = 0;
  reg [4:0] high = 0, low = 0;  // sums of the planes so far
  wire [4:0] sum = part[1] ? 2 * high + (part[0] ? low : 5'd0) + partial : (part[0] ? high : 5'd0) + partial;

  always @(posedge clk)
    if (rst) part <= 0;
    else if (en) begin
      part <= part + 2'd1;
      if (part == 0) high <= partial;
      if (part == 1) high <= high + partial;
      if (part == 2) low <= partial;
    end

  always @(posedge clk) started <= 1;
  always @* begin
    if (!started) assume (rst);
    assume (part[0] ? partial + (part[1] ? low : high) <= 6 : partial <= 6);
    if (started) begin
      assert (total == sum && total <= 18);
      assert (fire[0] == (sum >= threshold[4:0]) && fire[1] == (sum >= threshold[9:5]));
      assert (high <= 6 && low <= 6);
      if (part == 1) assert (\dut.integrated == high);
      if (part == 2) assert (\dut.integrated == high);
      if (part == 3) assert (\dut.integrated == 2 * high + low);
    end
  end
endmodule
