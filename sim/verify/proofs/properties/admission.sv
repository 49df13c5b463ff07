// Admission control: never more images inside than places, none sooner than the interval after the one before,
// and one as soon as both allow it.
module admission_proof (input wire clk, input wire rst, input wire entered, input wire delivered);
  wire go;
  wire [1:0] inside;
  (* hierconn *) wire \dut.rested ;
  (* hierconn *) wire [1:0] \dut.waited ;
  oxnor_admission_3_2 dut (.clk, .rst, .go, .entered, .delivered, .inside_(inside));

  reg started = 0;
  reg [2:0] count = 0;
  reg [1:0] since = 3;  // cycles since an image entered, up to the interval

  always @(posedge clk)
    if (rst) begin
      count <= 0; since <= 3;
    end else begin
      count <= count + entered - delivered;
      since <= entered ? 2'd1 : since == 3 ? 2'd3 : since + 2'd1;
    end

  always @(posedge clk) started <= 1;
  always @* begin
    if (!started) assume (rst);
    assume (!entered || go);
    assume (!delivered || count != 0);
    if (started) begin
      assert (count == inside && count <= 2);
      assert (go == (count != 2 && since == 3));
      assert (\dut.rested == (since == 3));
      if (since != 3) assert (\dut.waited == since);
    end
  end
endmodule
