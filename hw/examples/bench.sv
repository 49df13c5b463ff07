// Example bench: streams the images of examples/images.mem, compares each result with examples/expected.mem, and
// reads the identity register over AXI4-Lite. Run from the folder above; README.md there has the commands.
`timescale 1ns / 1ps
module bench;
  localparam WIDTH = @WIDTH@;      // bits a beat of the input stream
  localparam RESULT = @RESULT@;    // bits of a result
  localparam BEATS = @BEATS@;      // beats of an image
  localparam IMAGES = @IMAGES@;
  localparam LIMIT = @LIMIT@;      // cycles until the bench gives up

  reg clk = 1'b0;
  reg rst = 1'b1;
  reg [WIDTH-1:0] beats[0:IMAGES*BEATS-1];
  reg [RESULT-1:0] expected[0:IMAGES-1];
  integer sent = 0, taken = 0, wrong = 0, cycle = 0;
  reg valid = 1'b0;
  reg arvalid = 1'b0;
  reg seen = 1'b0;
  reg [31:0] magic = 32'h0;
  wire ready, out_valid, arready, rvalid;
  wire [RESULT-1:0] out_data;
  wire [31:0] rdata;
  // A consumer that is ready in two of three cycles.
  wire out_ready = cycle % 3 != 0;

  always #1 clk = ~clk;

  @TOP@ engine (
@PORTS@
  );

  initial begin
    $readmemh("examples/images.mem", beats);
    $readmemh("examples/expected.mem", expected);
    repeat (4) @(posedge clk);
    rst <= 1'b0;
    valid <= 1'b1;
    arvalid <= 1'b1;
  end

  always @(posedge clk) begin
    cycle <= cycle + 1;
    if (arvalid && arready) arvalid <= 1'b0;
    if (rvalid) begin
      magic <= rdata;
      seen <= 1'b1;
    end
    if (valid && ready) begin
      sent  <= sent + 1;
      valid <= sent + 1 < IMAGES * BEATS;
    end
    if (!rst && out_valid && out_ready) begin
      // === also finds X
      if (!(out_data === expected[taken])) begin
        wrong = wrong + 1;
        if (wrong < 5) $display("image %0d: got %h, expected %h", taken, out_data, expected[taken]);
      end
      taken = taken + 1;
    end
    if ((taken == IMAGES && seen) || cycle == LIMIT) begin
      $display("IMAGES %0d TAKEN %0d WRONG %0d MAGIC %h", IMAGES, taken, wrong, magic);
      if (taken == IMAGES && wrong == 0 && magic === 32'h@MAGIC@) $display("PASS");
      else $display("FAIL");
      $finish;
    end
  end
endmodule
