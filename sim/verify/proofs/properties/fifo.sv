// Queue: whatever goes in comes out once, unchanged and in order; it is full with three places taken, and not before.
module fifo_proof (
    input wire clk, input wire rst,
    input wire [3:0] i_payload, input wire i_valid, input wire o_ready
);
  wire i_ready, o_valid;
  wire [3:0] o_payload;
  (* hierconn *) wire [1:0] \dut.level ;
  (* hierconn *) wire [3:0] \dut.kept_0 ;
  (* hierconn *) wire [3:0] \dut.kept_1 ;
  (* hierconn *) wire [3:0] \dut.kept_2 ;
  oxnor_fifo_4_3 dut (.clk, .rst, .i__payload(i_payload), .i__valid(i_valid), .i__ready(i_ready),
    .o__payload(o_payload), .o__valid(o_valid), .o__ready(o_ready));

  reg started = 0;
  (* anyconst *) reg [7:0] followed;
  reg [7:0] taken = 0, given = 0;
  reg [3:0] value;
  wire [7:0] age = taken - 8'd1 - followed;
  wire inside = given <= followed && followed < taken;

  always @(posedge clk)
    if (rst) begin
      taken <= 0; given <= 0;
    end else begin
      if (i_valid && i_ready) begin
        taken <= taken + 1;
        if (taken == followed) value <= i_payload;
      end
      if (o_valid && o_ready) given <= given + 1;
    end

  always @(posedge clk) started <= 1;
  always @* begin
    if (!started) assume (rst);
    assume (!(&taken));
    if (started) begin
      assert (given <= taken);
      assert (taken - given == {6'b0, \dut.level });
      assert (i_ready == (taken - given != 3));
      assert (o_valid == (i_valid || taken != given));
      if (inside && age == 0) assert (\dut.kept_0 == value);
      if (inside && age == 1) assert (\dut.kept_1 == value);
      if (inside && age == 2) assert (\dut.kept_2 == value);
      if (given == followed && inside) assert (o_payload == value);
      if (!rst && o_valid && o_ready && given == followed && taken == followed) assert (o_payload == i_payload);
    end
  end
endmodule
