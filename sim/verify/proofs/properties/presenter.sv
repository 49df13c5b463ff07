// Random bits of integers, 3 at once of 6 elements: each is 1 iff its value is above the element's number of that
// presentation, from the formula of `models/networks/layers/presentations.py`, in which all begins anew where it is told.
module presenter_proof (
    input wire clk, input wire rst,
    input wire advance, input wire restart, input wire slice, input wire [23:0] values
);
  wire [2:0] bits;
  oxnor_presenter_3_2 dut (.clk, .rst, .advance, .restart, .slice, .values, .bits);
  (* hierconn *) wire [31:0] \dut.state ;

  function [31:0] following(input [31:0] state);
    begin
      following = state ^ {state[18:0], 13'd0};
      following = following ^ {17'd0, following[31:17]};
      following = following ^ {following[26:0], 5'd0};
    end
  endfunction

  (* anyconst *) reg [1:0] lane;
  reg [31:0] state;
  reg started = 0;
  wire [2:0] element = 3 * slice + lane;
  wire [3:0] way = element % 15 + 1;
  wire [31:0] spread = element * 32'h9e3779b1;
  wire [7:0] chosen = {8{way[0]}} & state[7:0] ^ {8{way[1]}} & state[15:8] ^ {8{way[2]}} & state[23:16]
    ^ {8{way[3]}} & state[31:24];
  wire [7:0] number = chosen + spread[31:24];

  always @(posedge clk) begin
    started <= 1;
    if (rst || (advance && restart)) state <= following(32'h2545f491);
    else if (advance) state <= following(state);
  end

  always @* begin
    assume (lane < 3);
    if (!started) assume (rst);
    if (started) begin
      assert (bits[lane] == (values[8 * lane +: 8] > number));
      assert (\dut.state == state);
    end
  end
endmodule
