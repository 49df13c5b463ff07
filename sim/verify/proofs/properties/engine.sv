// Engine of 12 inputs, 4 neurons and 3 classes, in beats of 8 bits: a result stays as it is until it is taken, and each
// image gives one: none comes without an image, and none is missing once STATUS says that the engine is idle. What the
// macros and the coefficients read may be anything, so that this holds for any network of these sizes.
module rram_macro #(
    parameter ROWS = 64, parameter COLS = 64, parameter INIT_FILE = "", parameter LATENCY = 1,
    localparam ROW_BITS = $clog2(ROWS), localparam COL_BITS = $clog2(COLS)
) (
    input wire clk, input wire sense, input wire [ROW_BITS-1:0] row, input wire [COLS-1:0] x,
    input wire [COLS-1:0] flip, output wire [COLS-1:0] q, input wire prog_valid, output wire prog_ready,
    input wire [1:0] prog_op, input wire prog_side, input wire [ROW_BITS-1:0] prog_row,
    input wire [COL_BITS-1:0] prog_col, output wire prog_done
);
  (* anyseq *) reg [COLS-1:0] anything;
  assign q = anything;
  assign prog_ready = 1'b1, prog_done = 1'b0;
endmodule

module coefficient_rom #(
    parameter ROWS = 64, parameter WIDTH = 16, parameter INIT_FILE = "",
    localparam ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1
) (
    input wire clk, input wire en, input wire [ROW_BITS-1:0] row, output wire [WIDTH-1:0] q
);
  (* anyseq *) reg [WIDTH-1:0] anything;
  assign q = anything;
endmodule

module engine_proof (
    input wire clk, input wire rst,
    input wire [7:0] s_tdata, input wire s_tvalid, input wire s_tlast, input wire m_tready,
    input wire [7:0] awaddr, input wire awvalid, input wire [31:0] wdata, input wire [3:0] wstrb, input wire wvalid,
    input wire bready, input wire [7:0] araddr, input wire arvalid, input wire rready
);
  wire s_tready, m_tvalid, m_tlast;
  wire [31:0] m_tdata;
  oxnor_engine dut (.clk, .rst, .s_axis_tdata(s_tdata), .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready),
    .s_axis_tlast(s_tlast), .m_axis_tdata(m_tdata), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready),
    .m_axis_tlast(m_tlast), .s_axil_awaddr(awaddr), .s_axil_awprot(3'd0), .s_axil_awvalid(awvalid),
    .s_axil_wdata(wdata), .s_axil_wstrb(wstrb), .s_axil_wvalid(wvalid), .s_axil_bready(bready),
    .s_axil_araddr(araddr), .s_axil_arprot(3'd0), .s_axil_arvalid(arvalid), .s_axil_rready(rready));
  (* hierconn *) wire [447:0] \dut.values ;
  (* hierconn *) wire [3:0] \dut.inside_ ;
  (* hierconn *) wire \dut.assembler.beat , \dut.assembler.too_long , \dut.assembler_o__valid ;
  (* hierconn *) wire [2:0] \dut.layer0.array.row , \dut.layer1.array.row ;
  (* hierconn *) wire \dut.layer0.array.slice_ ;
  (* hierconn *) wire [1:0] \dut.layer0.array.pass_ , \dut.layer1.array.pass_ ;
  (* hierconn *) wire \dut.layer0.array.busy , \dut.layer0.array.at_end , \dut.layer0.array.valid_1 ;
  (* hierconn *) wire \dut.layer0.array.last_slice_1 , \dut.layer0.array.last_pass_1 ;
  (* hierconn *) wire \dut.layer0.array.valid , \dut.layer0.array.last_slice , \dut.layer0.array.last_pass ;
  (* hierconn *) wire \dut.layer1.array.busy , \dut.layer1.array.at_end , \dut.layer1.array.valid_1 ;
  (* hierconn *) wire \dut.layer1.array.last_slice_1 , \dut.layer1.array.last_pass_1 ;
  (* hierconn *) wire \dut.layer1.array.valid , \dut.layer1.array.last_slice , \dut.layer1.array.last_pass ;
  (* hierconn *) wire \dut.layer0_o__valid , \dut.layer1.valid , \dut.layer1.last , \dut.layer1_o__valid ;
  (* hierconn *) wire \dut.register_slice.full ;

  reg [1:0] beats = 0;  // of the frame so far, at most 2
  reg [3:0] images = 0;  // of which no result has left
  reg started = 0;
  wire beat = s_tvalid && s_tready;

  always @(posedge clk) begin
    started <= 1;
    if (beat) beats <= s_tlast ? 2'd0 : beats == 2 ? 2'd2 : beats + 2'd1;
    images <= images + (beat && s_tlast && beats == 1) - (m_tvalid && m_tready);
    if (rst) begin
      beats <= 0; images <= 0;
    end
    if (started && !$past(rst) && !rst && $past(m_tvalid && !m_tready))
      assert (m_tvalid && m_tdata == $past(m_tdata) && m_tlast == $past(m_tlast));
  end

  // Images in the layers, and in the slice behind them: each where it is read, or its last read on its way.
  wire [3:0] of_layer0 = \dut.layer0.array.busy
    + (\dut.layer0.array.valid_1 && \dut.layer0.array.last_slice_1 && \dut.layer0.array.last_pass_1 )
    + (\dut.layer0.array.valid && \dut.layer0.array.last_slice && \dut.layer0.array.last_pass ) + \dut.layer0_o__valid ;
  wire [3:0] of_layer1 = \dut.layer1.array.busy
    + (\dut.layer1.array.valid_1 && \dut.layer1.array.last_slice_1 && \dut.layer1.array.last_pass_1 )
    + (\dut.layer1.array.valid && \dut.layer1.array.last_slice && \dut.layer1.array.last_pass )
    + (\dut.layer1.valid && \dut.layer1.last ) + \dut.layer1_o__valid ;

  always @* begin
    if (!started) assume (rst);
    if (started) begin
      assert (m_tlast);
      if (m_tvalid) assert (images != 0);
      if (!\dut.values [6 * 32]) assert (images == 0);

      // What follows is how this comes about: without it induction would not get there.
      assert (\dut.assembler.beat == (beats != 0) && \dut.assembler.too_long == (beats == 2) && beats < 3);
      assert (images == \dut.inside_ + \dut.assembler_o__valid );
      assert (\dut.inside_ == of_layer0 + of_layer1 + \dut.register_slice.full );
      assert (\dut.layer0.array.row == {\dut.layer0.array.pass_ , \dut.layer0.array.slice_ });
      assert (\dut.layer0.array.at_end == (\dut.layer0.array.row == 7));
      assert (\dut.layer1.array.row == \dut.layer1.array.pass_ && \dut.layer1.array.row < 3);
      assert (\dut.layer1.array.at_end == (\dut.layer1.array.row == 2));
      assert (!\dut.layer1.array.valid_1 || \dut.layer1.array.last_slice_1 );
      assert (!\dut.layer1.array.valid || \dut.layer1.array.last_slice );
    end
  end
endmodule
