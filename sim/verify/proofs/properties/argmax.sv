// Argmax over five scores of four bits, two at a time: the largest, the lowest index in a tie, and the margin to the
// second largest; enabled with gaps, vectors one after the other.
module argmax_proof (input wire clk, input wire rst, input wire en, input wire signed [3:0] a, b);
  reg [1:0] step = 0;
  wire [2:0] index;
  wire [3:0] margin;
  (* hierconn *) wire signed [3:0] \dut.best ;
  (* hierconn *) wire signed [3:0] \dut.second ;
  (* hierconn *) wire [2:0] \dut.base ;
  oxnor_argmax_5_2_4_margin dut (.clk, .rst, .en, .first(step == 0), .last(step == 2), .scores({b, a}), .index,
    .margin);

  reg signed [3:0] best = 0, second = 0, next_best, next_second;
  reg [2:0] at = 0, next_at;
  reg is_whole = 0, has_begun = 0, started = 0;

  task take(input signed [3:0] score, input [2:0] number, input is_first);
    if (is_first) begin
      next_best = score; next_second = -8; next_at = number;
    end else if (score > next_best) begin
      next_second = next_best; next_best = score; next_at = number;
    end else if (score > next_second) next_second = score;
  endtask

  always @* begin
    next_best = best; next_second = second; next_at = at;
    take(a, {step, 1'b0}, step == 0);
    if (step != 2) take(b, {step, 1'b1}, 1'b0);
  end
  always @(posedge clk)
    if (rst) begin
      step <= 0; is_whole <= 0; has_begun <= 0;
    end else if (en) begin
      step <= step == 2 ? 2'd0 : step + 2'd1;
      is_whole <= step == 2;
      has_begun <= 1;
      best <= next_best; second <= next_second; at <= next_at;
    end

  always @(posedge clk) started <= 1;
  always @* begin
    if (!started) assume (rst);
    if (started) begin
      assert (step <= 2);
      if (is_whole) assert (index == at && margin == best - second);
      if (step != 0) assert (has_begun);
      if (has_begun) assert (\dut.best == best && \dut.second == second && index == at);
      if (step != 0) assert (\dut.base == {step, 1'b0});
    end
  end
endmodule
