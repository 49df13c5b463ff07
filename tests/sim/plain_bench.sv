// Plain Verilog bench of an emitted engine: streams `images.mem`, compares with `expected.mem`, counts.
`timescale 1ns / 1ps
module plain_bench;
  parameter WIDTH = 8;
  parameter RESULT = 8;
  parameter BEATS = 1;
  parameter IMAGES = 1;
  parameter LIMIT = 100000;

  reg clk = 1'b0;
  reg rst = 1'b1;
  reg [WIDTH-1:0] beats[0:IMAGES*BEATS-1];
  reg [RESULT-1:0] expected[0:IMAGES-1];
  integer sent = 0, taken = 0, wrong = 0, cycle = 0;
  reg valid = 1'b0;
  wire ready, out_valid;
  wire [RESULT-1:0] out_data;
  // A consumer that is ready in two of three cycles.
  wire out_ready = cycle % 3 != 0;

  always #1 clk = ~clk;

  oxnor_engine engine (
      .clk(clk), .rst(rst),
      .s_axis_tdata(beats[sent < IMAGES * BEATS ? sent : 0]), .s_axis_tvalid(valid), .s_axis_tready(ready),
      .s_axis_tlast(sent % BEATS == BEATS - 1),
      .m_axis_tdata(out_data), .m_axis_tvalid(out_valid), .m_axis_tready(out_ready), .m_axis_tlast(),
      .s_axil_awaddr(8'h0), .s_axil_awprot(3'h0), .s_axil_awvalid(1'b0), .s_axil_awready(),
      .s_axil_wdata(32'h0), .s_axil_wstrb(4'h0), .s_axil_wvalid(1'b0), .s_axil_wready(),
      .s_axil_bresp(), .s_axil_bvalid(), .s_axil_bready(1'b0),
      .s_axil_araddr(8'h0), .s_axil_arprot(3'h0), .s_axil_arvalid(1'b0), .s_axil_arready(),
      .s_axil_rdata(), .s_axil_rresp(), .s_axil_rvalid(), .s_axil_rready(1'b0)
  );

  initial begin
    $readmemh("images.mem", beats);
    $readmemh("expected.mem", expected);
    repeat (4) @(posedge clk);
    rst <= 1'b0;
    valid <= 1'b1;
  end

  always @(posedge clk) begin
    cycle <= cycle + 1;
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
    if (taken == IMAGES || cycle == LIMIT) begin
      $display("IMAGES %0d TAKEN %0d WRONG %0d", IMAGES, taken, wrong);
      $finish;
    end
  end
endmodule
