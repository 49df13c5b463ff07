// AXI4-Lite slave with a register that can be read and one that can be written: whatever the master does, every write
// whose address and data have come is answered once and takes effect once, no answer comes unasked, and an answer
// stays as it is until it is taken.
module axi_lite_proof (
    input wire clk, input wire rst,
    input wire [7:0] awaddr, araddr, input wire awvalid, wvalid, bready, arvalid, rready,
    input wire [31:0] wdata, input wire [3:0] wstrb, input wire [63:0] values
);
  wire awready, wready, bvalid, arready, rvalid;
  wire [1:0] bresp, rresp, read, written;
  wire [31:0] rdata, value_written;
  (* hierconn *) wire [7:0] \dut.address ;
  (* hierconn *) wire [3:0] \dut.strobes ;
  oxnor_axi_lite dut (.clk, .rst, .awaddr, .awprot(3'b0), .awvalid, .awready, .wdata, .wstrb, .wvalid, .wready, .bresp,
    .bvalid, .bready, .araddr, .arprot(3'b0), .arvalid, .arready, .rdata, .rresp, .rvalid, .rready, .values, .read,
    .written, .value_written);

  reg has_address = 0, has_data = 0, is_answered = 0, is_read = 0, started = 0;
  reg [7:0] address;
  reg [31:0] data, given;
  reg [3:0] strobes;
  reg [1:0] read_answer;
  wire is_good = address[7:2] == 1 && &strobes;

  always @(posedge clk) begin
    started <= 1;
    if (rst) begin
      has_address <= 0; has_data <= 0; is_answered <= 0; is_read <= 0;
    end else begin
      if (awvalid && awready) begin
        assert (!has_address);
        has_address <= 1; address <= awaddr;
      end
      if (wvalid && wready) begin
        assert (!has_data);
        has_data <= 1; data <= wdata; strobes <= wstrb;
      end
      // The write is decided in the cycle after both have come, and not again.
      if (has_address && has_data && !is_answered) is_answered <= 1;
      if (bvalid && bready) begin
        has_address <= 0; has_data <= 0; is_answered <= 0;
      end
      if (arvalid && arready) begin
        is_read <= 1;
        given <= araddr[7:2] == 0 ? values[31:0] : araddr[7:2] == 1 ? values[63:32] : 32'd0;
        read_answer <= araddr[7:2] <= 1 ? 2'd0 : 2'd2;
      end
      if (rvalid && rready) is_read <= 0;
    end
    if (started && !$past(rst) && !rst && $past(bvalid && !bready)) assert (bvalid && bresp == $past(bresp));
    if (started && !$past(rst) && !rst && $past(rvalid && !rready))
      assert (rvalid && rdata == $past(rdata) && rresp == $past(rresp));
  end

  always @* begin
    if (!started) assume (rst);
    if (started) begin
      assert (awready == !has_address && wready == !has_data);
      assert (bvalid == is_answered && (!is_answered || (has_address && has_data)));
      if (bvalid) assert (bresp == (is_good ? 2'd0 : 2'd2));
      assert (written == {has_address && has_data && !is_answered && is_good, 1'b0});
      if (has_data) assert (value_written == data && \dut.strobes == strobes);
      if (has_address) assert (\dut.address == address);
      assert (rvalid == is_read && arready == !is_read);
      if (rvalid) assert (rdata == given && rresp == read_answer);
      assert (read == {arvalid && arready && araddr[7:2] == 1, arvalid && arready && araddr[7:2] == 0});
    end
  end
endmodule
