// Window: of every image each synapse of each window sees its pixel, or padding where there is none, whatever pauses
// there are. Images are 4 x 5 pixels, windows 3 x 3, and one pixel is padded on each side. The prover chooses the window
// and the synapse. Of the
// memory one word is followed.
module window_proof (
    input wire clk, input wire rst,
    input wire i_payload, input wire i_valid, input wire o_ready
);
  wire i_ready, o_valid;
  wire [8:0] o_payload;
  oxnor_window_4_5_1_3_3_1_1_1_1_1_1_1_1_1_1_1 dut (.clk, .rst, .i__payload(i_payload), .i__valid(i_valid),
    .i__ready(i_ready), .o__payload(o_payload), .o__valid(o_valid), .o__ready(o_ready));
  (* hierconn *) wire [4:0] \dut.rows.word ;
  (* hierconn *) wire \dut.rows.kept ;
  (* hierconn *) wire \dut.rows_q ;
  (* hierconn *) wire [4:0] \dut.write_address ;
  (* hierconn *) wire [2:0] \dut.ahead , \dut.come , \dut.y , \dut.x ;
  (* hierconn *) wire [1:0] \dut.first , \dut.i , \dut.j , \dut.landing_row ;
  (* hierconn *) wire \dut.turns , \dut.lands , \dut.lands_last , \dut.landing_pad ;

  (* anyconst *) reg [1:0] window_y, synapse_y, synapse_x;
  (* anyconst *) reg [2:0] window_x;
  // The pixel that it sees; rows and columns of pixels are counted from the first that is padded.
  wire [2:0] y = window_y + synapse_y, x = window_x + synapse_x;
  wire padded = y == 0 || y == 5 || x == 0 || x == 6;

  // The pixel that comes next and the window that leaves next; whole images between them.
  reg [2:0] in_y = 1, in_x = 1, out_x = 0;
  reg [1:0] out_y = 0, between = 0;
  // Images alternate between the first and the second; the pixel as it came last of each. One image has come.
  reg in_second = 0, out_second = 0, one = 0, started = 0;
  reg [1:0] value;
  wire takes = i_valid && i_ready, gives = o_valid && o_ready;
  wire ends_in = takes && in_y == 4 && in_x == 5, ends_out = gives && out_y == 3 && out_x == 4;
  wire past = in_y > y || (in_y == y && in_x > x);
  wire has_come = padded || between != 0 || past;
  wire seen = padded || value[out_second];

  always @(posedge clk) begin
    started <= 1;
    if (takes) begin
      in_x <= in_x == 5 ? 1 : in_x + 1;
      if (in_x == 5) in_y <= in_y == 4 ? 1 : in_y + 1;
      if (in_y == y && in_x == x) value[in_second] <= i_payload;
    end
    if (gives) begin
      out_x <= out_x == 4 ? 0 : out_x + 1;
      if (out_x == 4) out_y <= out_y + 1;
    end
    in_second <= in_second ^ ends_in;
    out_second <= out_second ^ ends_out;
    one <= one || ends_in;
    between <= between + ends_in - ends_out;
    if (rst) begin
      in_y <= 1; in_x <= 1; out_y <= 0; out_x <= 0; in_second <= 0; out_second <= 0; one <= 0; between <= 0;
    end
    if (started && !$past(rst) && !rst && $past(o_valid && !o_ready)) assert (o_valid && o_payload == $past(o_payload));
  end

  // What follows is how this comes about: without it induction would not get there.
  // The window that is gathered: that which leaves next, or the one after it. The unit's row may still be the one above.
  wire gathered = o_valid || \dut.lands_last ;
  wire at_end = gathered && out_x == 4;
  wire [2:0] at_x = gathered ? (at_end ? 3'd0 : out_x + 3'd1) : out_x;
  wire [1:0] at_y = out_y + at_end, row_y = at_y - \dut.turns ;
  wire row_second = out_second ^ (at_end && out_y == 3 && !\dut.turns ) ^ (!at_end && out_y == 0 && \dut.turns );
  wire [1:0] first = row_y == 0 ? 2'd0 : row_y - 2'd1;
  // Columns of the synapse's row that have been read, and those that have landed in its register.
  wire [2:0] read = at_end ? 3'd7 : \dut.x + \dut.j + (\dut.i > synapse_y);
  wire landing = \dut.lands && \dut.landing_row == synapse_y;
  // What has been read of the lowest row that is there has come.
  wire [2:0] lowest = row_y == 0 || row_y == 3 ? 1 : 2;
  wire [2:0] read_lowest = \dut.turns ? 3'd7 : \dut.x + \dut.j + (\dut.i > (row_y == 3 ? 1 : 2));
  wire [2:0] landed = read - landing;
  wire [2:0] register = o_payload >> 3 * synapse_y;
  wire [2:0] place = x + 3'd3 - landed;

  always @* begin
    assume (window_x < 5 && synapse_y < 3 && synapse_x < 3);
    assume (padded || \dut.rows.word == 5 * (y - 1) + x - 1);
    if (!started) assume (rst);
    if (started) begin
      if (o_valid && out_y == window_y && out_x == window_x)
        assert (has_come && o_payload[3 * synapse_y + synapse_x] == seen);

      assert (in_y >= 1 && in_y <= 4 && in_x >= 1 && in_x <= 5 && out_x < 5 && between <= 2);
      assert (\dut.come == in_x - 1 && \dut.write_address == 5 * (in_y - 1) + in_x - 1);
      assert (\dut.y == row_y && \dut.x == at_x && \dut.first == first);
      assert (\dut.ahead == (in_second != row_second ? 4 : 0) + in_y - 1 - first && \dut.ahead <= 4);
      assert (between == (in_second != row_second) + (row_second != out_second) && (one || between == 0));
      assert (\dut.ahead != 4 || in_x == 1);
      assert (\dut.i < 3 && \dut.j < 3 && (at_x == 0 || \dut.j == 2));
      assert (!(gathered || \dut.turns ) || (\dut.i == 0 && \dut.j == (at_x == 0 ? 0 : 2)));
      assert (!\dut.turns || at_x == 0);
      assert (\dut.ahead > lowest || read_lowest <= 1 || (\dut.ahead == lowest && read_lowest < 7 && \dut.come >= read_lowest - 1));
      assert (!o_valid || !\dut.lands );
      assert (!\dut.lands_last || \dut.lands );
      assert (!\dut.lands || \dut.landing_row == (\dut.i == 0 ? 2 : \dut.i - 1));
      if (!padded && (past || one)) assert (\dut.rows.kept == value[past ? in_second : !in_second]);
      if (out_y == window_y) begin
        if (landing && landed == x) assert (has_come && \dut.landing_pad == padded && (padded || \dut.rows_q == seen));
        if (landed > x && landed <= x + 3) assert (has_come && register[place] == seen);
      end
    end
  end
endmodule
