// CRC-32: eight cycles after a byte the register is what the polynomial says of all bytes since it was cleared.
module crc32_proof (input wire clk, input wire rst, input wire clear, input wire valid, input wire [7:0] data);
  wire [31:0] value;
  (* hierconn *) wire [7:0] \dut.bits ;
  (* hierconn *) wire [3:0] \dut.left ;
  oxnor_crc32 dut (.clk, .rst, .clear, .data, .valid, .value);

  function [31:0] after(input [31:0] crc, input [7:0] byte_in, input [3:0] bits);
    integer k;
    begin
      after = crc;
      for (k = 0; k < 8; k = k + 1)
        if (k < bits) after = {1'b0, after[31:1]} ^ (after[0] ^ byte_in[k] ? 32'hEDB88320 : 32'h0);
    end
  endfunction

  reg started = 0;
  reg [31:0] expected = 32'hFFFFFFFF;  // of all bytes that have come
  reg [3:0] left = 0;

  always @(posedge clk) begin
    started <= 1;
    if (rst || clear) begin
      expected <= 32'hFFFFFFFF; left <= 0;
    end else if (valid) begin
      expected <= after(expected, data, 8); left <= 8;
    end else if (left != 0) left <= left - 1;
  end

  always @* begin
    if (!started) assume (rst);
    assume (!valid || left == 0);  // the byte before is done
    if (started) begin
      assert (left <= 8 && \dut.left == left);
      assert (after(value, \dut.bits , left) == expected);
      if (left == 0) assert (value == expected);
    end
  end
endmodule
