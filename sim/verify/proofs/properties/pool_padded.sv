// Pooling over edges: of every image of 3 x 5 pixels each window of 3 x 3, in steps of 2 and padded with a pixel at each
// edge, gives its largest bit, or its smallest where the channel's is wanted: of the pixels that it has. Beside the map
// and below it no pixel is taken, and nothing waits for one. The prover chooses the window.
module pool_padded_proof (
    input wire clk, input wire rst,
    input wire pixel, input wire i_valid, input wire o_ready
);
  (* anyconst *) reg lowest;  // whether the smallest is wanted
  wire i_ready, o_valid, o_payload;
  oxnor_pool_3x5x1_1_n_3x3_s2x2_p1_1_1_1 dut (.clk, .rst, .i__payload({lowest, pixel ^ lowest}), .i__valid(i_valid),
    .i__ready(i_ready), .o__payload(o_payload), .o__valid(o_valid), .o__ready(o_ready));
  (* hierconn *) wire [1:0] \dut.above.word , \dut.above.kept , \dut.above_q , \dut.beside ;
  (* hierconn *) wire [1:0] \dut.write_address , \dut.to_x , \dut.to_y , \dut.y ;
  (* hierconn *) wire [2:0] \dut.x ;
  (* hierconn *) wire \dut.last ;

  (* anyconst *) reg window_y;
  (* anyconst *) reg [1:0] window_x;
  reg [1:0] y = 0;  // of the map with what windows reach: 4 x 6
  reg [2:0] x = 0;
  reg [1:0] before = 0;  // the pixels before in this row: whether each is the extreme that is wanted
  reg [1:0] rows = 0;  // what the window has in its first row and in its second
  reg started = 0;
  wire inside = y < 3 && x < 5, ends = y[0] && x[0];
  wire takes = (i_valid || !inside) && (!ends || o_ready);
  wire here = inside && (pixel ^ lowest), in_row = here || |before;
  wire ends_row = x[0] && x[2:1] == window_x;

  always @(posedge clk) begin
    started <= 1;
    if (takes) begin
      x <= x == 5 ? 0 : x + 1;
      before <= x == 5 ? 0 : {before[0], here};
      if (x == 5) y <= y + 1;
      if (ends_row && y == 1 && window_y) rows[1] <= in_row;
      if (ends_row && y == {window_y, 1'b0}) rows[0] <= in_row;
    end
    if (rst) begin
      x <= 0; y <= 0; before <= 0;
    end
  end

  always @* begin
    assume (\dut.above.word == window_x && window_x < 3);
    if (!started) assume (rst);
    if (started) begin
      assert (o_valid == ((i_valid || !inside) && ends) && i_ready == (inside && (!ends || o_ready)));
      if (o_valid && ends_row && y[1] == window_y) assert (o_payload == (in_row || |rows) ^ lowest);

      // What follows is how this comes about: without it induction would not get there.
      assert (\dut.x == x && \dut.y == y && \dut.write_address == x[2:1] && x < 6);
      assert (\dut.to_x == {1'b0, !x[0]} && \dut.to_y == {1'b0, !y[0]} && \dut.beside == before);
      if (x || y) assert (\dut.last == lowest);
      if (!window_y) assert (!rows[1]);
      if (window_y && (y == 1 && x[2:1] > window_x || y == 2 && x[2:1] <= window_x))
        assert (\dut.above.kept [0] == rows[1]);
      if (y == {window_y, 1'b0} && x[2:1] > window_x || y == {window_y, 1'b1} && x[2:1] <= window_x)
        assert (\dut.above.kept == rows);
      if (x[2:1] == window_x && y == 2 && window_y) assert (\dut.above_q [0] == rows[1]);
      if (x[2:1] == window_x && y == {window_y, 1'b1}) assert (\dut.above_q == rows);
    end
  end
endmodule
