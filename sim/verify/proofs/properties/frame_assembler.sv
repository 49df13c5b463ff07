// Frame assembler: after any beats whatever it is in step at the next tlast; a frame of three beats is an image, and
// any other is dropped whole and counted once. BY_BEATS chooses the form that writes beats to their places.
`ifdef BY_BEATS
`define ASSEMBLER oxnor_frame_assembler_10_4_b
`else
`define ASSEMBLER oxnor_frame_assembler_10_4
`endif
module frame_assembler_proof (
    input wire clk, input wire rst,
    input wire [3:0] tdata, input wire tvalid, input wire tlast, input wire o_ready
);
  wire tready, o_valid, dropped;
  wire [9:0] o_payload;
  (* hierconn *) wire [1:0] \dut.beat ;
  (* hierconn *) wire \dut.too_long ;
  (* hierconn *) wire [11:0] \dut.bits ;
  `ASSEMBLER dut (.clk, .rst, .tdata, .tvalid, .tready, .tlast, .o__payload(o_payload), .o__valid(o_valid),
    .o__ready(o_ready), .dropped);

  reg [2:0] beats = 0;  // of the frame so far, at most 4
  reg [3:0] first = 0, second = 0, third = 0;
  reg is_image = 0, started = 0;
  wire beat = tvalid && tready;

  always @(posedge clk) begin
    started <= 1;
    if (rst) begin
      beats <= 0; is_image <= 0;
    end else begin
      if (o_ready) is_image <= 0;
      if (beat) begin
        beats <= tlast ? 3'd0 : beats == 4 ? 3'd4 : beats + 3'd1;
        if (beats == 0) first <= tdata;
        if (beats == 1) second <= tdata;
        if (beats == 2) third <= tdata;
        if (tlast) is_image <= beats == 2;
      end
    end
    if (started && !$past(rst) && !rst && $past(o_valid && !o_ready)) assert (o_valid && o_payload == $past(o_payload));
  end

  always @* begin
    if (!started) assume (rst);
    if (started) begin
      assert (o_valid == is_image);
      assert (tready == (!o_valid || o_ready));
      assert (dropped == (beat && tlast && beats != 2));
      if (o_valid) assert (o_payload == {third[1:0], second, first} && beats == 0);
      assert (beats <= 4);
      assert (\dut.beat == (beats > 2 ? 2 : beats) && \dut.too_long == (beats > 2));
`ifdef BY_BEATS
      if (beats == 1 || beats == 2 || o_valid) assert (\dut.bits [3:0] == first);
      if (beats == 2 || o_valid) assert (\dut.bits [7:4] == second);
      if (o_valid) assert (\dut.bits [11:8] == third);
`else
      if (beats == 1) assert (\dut.bits [11:8] == first);
      if (beats == 2) assert (\dut.bits [11:4] == {second, first});
      if (o_valid) assert (\dut.bits == {third, second, first});
`endif
    end
  end
endmodule
