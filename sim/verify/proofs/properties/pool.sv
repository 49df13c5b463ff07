// Pooling: of every image each window of 2 x 2 gives its largest value, or its smallest where the channel's is wanted,
// in the cycle in which its last pixel comes, and nothing else waits. Images are 4 x 5 pixels with values of 0 to 3,
// which come as bits, one a threshold; the last column is in no window. The prover chooses the window.
module pool_proof (
    input wire clk, input wire rst,
    input wire [1:0] pixel, input wire i_valid, input wire o_ready
);
  (* anyconst *) reg lowest;  // whether the smallest is wanted
  function [2:0] levels(input [1:0] value);
    levels = {value > 2, value > 1, value > 0} ^ {3{lowest}};
  endfunction
  function [1:0] chosen(input [1:0] a, input [1:0] b);
    chosen = (a > b) ^ lowest ? a : b;
  endfunction

  wire i_ready, o_valid;
  wire [1:0] o_payload;
  oxnor_pool_4x5x1_3_n_2x2 dut (.clk, .rst, .i__payload({lowest, levels(pixel)}), .i__valid(i_valid),
    .i__ready(i_ready), .o__payload(o_payload), .o__valid(o_valid), .o__ready(o_ready));
  (* hierconn *) wire [0:0] \dut.above.word ;
  (* hierconn *) wire [2:0] \dut.above.kept , \dut.above_q , \dut.beside , \dut.x ;
  (* hierconn *) wire [1:0] \dut.at_x , \dut.y ;
  (* hierconn *) wire \dut.in_x , \dut.in_y ;

  (* anyconst *) reg window_y, window_x;
  reg [1:0] y = 0;
  reg [2:0] x = 0;
  reg [1:0] left, above;  // the pixel before, and what the window's upper row has
  reg started = 0;
  wire takes = i_valid && i_ready, ends = y[0] && x[0];
  wire inside = y[1] == window_y && x[2:1] == window_x;
  wire [1:0] of_row = x[0] ? chosen(left, pixel) : pixel;

  always @(posedge clk) begin
    started <= 1;
    if (takes) begin
      x <= x == 4 ? 0 : x + 1;
      if (x == 4) y <= y + 1;
      if (inside) left <= pixel;
      if (inside && x[0] && !y[0]) above <= of_row;
    end
    if (rst) begin
      x <= 0; y <= 0;
    end
  end

  always @* begin
    assume (\dut.above.word == window_x);
    if (!started) assume (rst);
    if (started) begin
      assert (o_valid == (i_valid && ends) && i_ready == (!ends || o_ready));
      if (o_valid && inside) assert (o_payload == chosen(above, of_row));

      // What follows is how this comes about: without it induction would not get there.
      assert (\dut.x == x && \dut.y == y && \dut.in_x == x[0] && \dut.in_y == y[0] && \dut.at_x == x[2:1] && x < 5);
      if (inside && x[0]) assert (\dut.beside == levels(left));
      if (y == {window_y, 1'b0} && x[2:1] > window_x || y == {window_y, 1'b1} && x[2:1] <= window_x)
        assert (\dut.above.kept == levels(above));
      if (y == {window_y, 1'b1} && x[2:1] == window_x) assert (\dut.above_q == levels(above));
    end
  end
endmodule
