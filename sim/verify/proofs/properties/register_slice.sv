// Register slice: whatever goes in comes out once, unchanged and in order; what is offered stays until it is taken.
module register_slice_proof (
    input wire clk, input wire rst,
    input wire [3:0] i_payload, input wire i_valid, input wire o_ready
);
  wire i_ready, o_valid;
  wire [3:0] o_payload;
  oxnor_register_slice_4 dut (.clk, .rst, .i__payload(i_payload), .i__valid(i_valid), .i__ready(i_ready),
    .o__payload(o_payload), .o__valid(o_valid), .o__ready(o_ready));

  // One transfer of all, chosen by the prover, is followed from its place among those that go in.
  (* anyconst *) reg [7:0] followed;
  reg [7:0] taken = 0, given = 0;
  reg [3:0] value;
  reg started = 0;
  wire inside = given <= followed && followed < taken;

  always @(posedge clk) begin
    started <= 1;
    if (rst) begin
      taken <= 0; given <= 0;
    end else begin
      if (i_valid && i_ready) begin
        taken <= taken + 1;
        if (taken == followed) value <= i_payload;
      end
      if (o_valid && o_ready) given <= given + 1;
    end
    // A sender keeps to the rules of a stream.
    if (started && !$past(rst) && !rst && $past(i_valid && !i_ready)) assume (i_valid && i_payload == $past(i_payload));
    if (started && !$past(rst) && !rst && $past(o_valid && !o_ready)) assert (o_valid && o_payload == $past(o_payload));
  end

  always @* begin
    if (!started) assume (rst);
    assume (!(&taken));
    if (started) begin
      assert (taken - given == {7'b0, !i_ready});
      if (inside) assert (o_valid && o_payload == value);
      if (!rst && o_valid && o_ready && given == followed && taken == followed) assert (o_payload == i_payload);
      if (!i_ready) assert (o_valid);
      assert (!o_valid || i_valid || taken != given);
    end
  end
endmodule
