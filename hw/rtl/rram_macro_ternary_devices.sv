// Differential (2T2R) RRAM macro whose pairs hold three values: kind `devices`.
//
// The ports of `rram_macro_ternary`, with the devices behind them: ln R of both devices of every pair in fixed point, the
// offset of each column's sense amplifier, noise in each read, programming that draws a new ln R, and endurance
// counters. Integers only: models/devices/device_macro.py repeats every bit. All in steps of 2**-10 of ln(R / ohm).
//
//   decision   d = ln R(BLb) - ln R(BL) + offset + noise. The branch of the smaller resistance, as the amplifier sees
//              it, discharges first: BL's if d > 0. An amplifier that has not decided when that would be above the
//              threshold has found both devices in HRS: ln R(BLb) + ln R(BL) - |d| > 2 threshold, as half of what
//              moves d is in each branch. Then neither `agree` nor `disagree` is 1, else one of them, by XNOR(d > 0, x).
//              The offset has a part that stays with the bit lines, so that it moves the stored weight whatever x
//              is, and a part that turns with the input: added for x = 1, subtracted for x = 0.
//   noise      one generator a column (xorshift32), stepped at each edge with sense = 1 and then read through the
//              table of the normal distribution.
//   prog_*     FORM and SET draw an LRS value, RESET an HRS value, by the statistics of the device's wear bucket: the
//              bit length of its SET/RESET cycles (two operations are a cycle), counted before the operation. An
//              unformed device (ln R = TOP) changes by FORM alone, which fails with a probability; a stuck device
//              never changes. Done after three cycles; a read meanwhile finds the old value.
//
// INIT_FILE   ROWS + 3 words of 32 bits a column, column 0 in the low bits:
//             rows       {BLb stuck, ln R of BLb [14:0], BL stuck, ln R of BL [14:0]}
//             ROWS       [15:0] offset that stays, [31:20] that turns, two's complement; [16] what a dead column reads, [17] the column is dead
//                        (open bit line); [18] what a dead amplifier gives, [19] the amplifier is dead (latch stuck)
//             ROWS + 1   state of the noise generator, not 0
//             ROWS + 2   column 0: state of the generator of programming, not 0
// NORMAL_FILE 1024 magnitudes of the standard normal distribution in steps of 2**-12, {octave[3:0], part[5:0]}
// DEVICE_FILE 128 words {state, bucket[5:0]}, state 1 for HRS: {sigma[15:0] in steps of 2**-13, mean[15:0]};
//             word 61: the threshold; word 62: sigma of the noise; word 63: FORM fails if a 32-bit number is below it;
//             words 126, 127: cycles of every device before the first operation, low word first
module rram_macro_ternary_devices #(
    parameter ROWS = 64,
    parameter COLS = 64,
    parameter INIT_FILE = "",
    parameter NORMAL_FILE = "",
    parameter DEVICE_FILE = "",
    parameter COUNT_BITS = 24,
    parameter LATENCY = 1,
    localparam ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1,
    localparam COL_BITS = COLS > 1 ? $clog2(COLS) : 1
) (
    input  wire                clk,
    input  wire                sense,
    input  wire [ROW_BITS-1:0] row,
    input  wire [COLS-1:0]     x,
    input  wire [2*COLS-1:0]   flip,
    output reg  [COLS-1:0]     agree,
    output reg  [COLS-1:0]     disagree,
    input  wire                prog_valid,
    output wire                prog_ready,
    input  wire [1:0]          prog_op,
    input  wire                prog_side,
    input  wire [ROW_BITS-1:0] prog_row,
    input  wire [COL_BITS-1:0] prog_col,
    output reg                 prog_done
);
  localparam [1:0] OP_FORM = 2'd0;
  localparam [1:0] OP_RESET = 2'd2;
  localparam [14:0] TOP = 15'h7fff;
  localparam WORD_BITS = $clog2(ROWS + 3);
  localparam DEVICE_BITS = $clog2(2 * ROWS * COLS);
  localparam COLUMN = ROWS;
  localparam SEED = ROWS + 1;
  localparam DRAW_SEED = ROWS + 2;
  localparam [1:0] IDLE = 2'd0, LOOK = 2'd1, DRAW = 2'd2, WRITE = 2'd3;

  reg [32*COLS-1:0] mem[0:ROWS+2];
  reg [15:0] normal[0:1023];
  reg [31:0] device[0:127];
  reg [COUNT_BITS-1:0] count[0:2*ROWS*COLS-1];

  // Reads.
  reg [32*COLS-1:0] r;
  reg [32*COLS-1:0] column;
  reg [COLS-1:0] xr;
  reg [32*COLS-1:0] state;
  reg [18*COLS-1:0] noise;
  reg [2*COLS-1:0] both;
  reg seeded;

  // Programming.
  reg [1:0] phase;
  reg [1:0] op;
  reg [31:0] drawn;
  reg drawing;
  reg [31:0] u;
  reg stuck;
  reg [14:0] found;
  reg [ROW_BITS-1:0] at_row;
  reg [COL_BITS-1:0] at_col;
  reg at_side;
  reg [COUNT_BITS-1:0] operations;
  reg [31:0] statistics;
  reg [15:0] magnitude;

  integer k;
  initial begin
    if (INIT_FILE != "") $readmemh(INIT_FILE, mem);
    if (NORMAL_FILE != "") $readmemh(NORMAL_FILE, normal);
    if (DEVICE_FILE != "") $readmemh(DEVICE_FILE, device);
    for (k = 0; k < 2 * ROWS * COLS; k = k + 1) count[k] = 0;
    r = 0;
    column = 0;
    xr = 0;
    noise = 0;
    seeded = 1'b0;
    drawing = 1'b0;
    phase = IDLE;
    prog_done = 1'b0;
  end

  function automatic [31:0] step(input [31:0] s);
    begin
      step = s;
      step = step ^ (step << 13);
      step = step ^ (step >> 17);
      step = step ^ (step << 5);
    end
  endfunction

  // Half of all numbers are in octave 0, a quarter in octave 1, ...: the tails are as fine as the middle.
  function automatic [9:0] place(input [31:0] v);
    integer i;
    begin
      place = {4'd15, v[5:0]};
      for (i = 16; i <= 30; i = i + 1) if (v[i]) place[9:6] = 4'(30 - i);
    end
  endfunction

  // sigma * z in steps of ln R, to the nearest, halves up.
  function automatic [16:0] scaled(input [15:0] sigma, input [15:0] z);
    reg [32:0] product;
    begin
      product = sigma * z + 33'd16384;
      scaled = 17'(product >> 15);
    end
  endfunction

  function automatic [5:0] bucket_of(input [40:0] cycles);
    integer i;
    begin
      bucket_of = 6'd0;
      for (i = 0; i <= 40; i = i + 1) if (cycles[i]) bucket_of = 6'(i + 1);
    end
  endfunction

  wire [14:0] threshold = device[61][14:0];
  wire [15:0] noise_sigma = device[62][15:0];
  wire [31:0] form_fails = device[63];
  wire [39:0] age = {device[127][7:0], device[126]};

  integer c;
  reg [31:0] s;
  reg [16:0] m;
  always @(posedge clk) begin
    if (sense) begin
      r <= mem[WORD_BITS'(row)];
      column <= mem[COLUMN];
      xr <= x;
      seeded <= 1'b1;
      for (c = 0; c < COLS; c = c + 1) begin
        // Values on the way to registers.
        /* verilator lint_off BLKSEQ */
        s = step(seeded ? state[32*c+:32] : mem[SEED][32*c+:32]);
        m = scaled(noise_sigma, normal[place(s)]);
        /* verilator lint_on BLKSEQ */
        state[32*c+:32] <= s;
        noise[18*c+:18] <= s[31] ? -{1'b0, m} : {1'b0, m};
      end
    end
  end

  integer d;
  reg signed [19:0] margin;
  reg signed [19:0] turn;
  reg signed [19:0] above;
  reg w;
  reg [1:0] pair;
  always_comb begin
    both = {2 * COLS{1'b0}};
    for (d = 0; d < COLS; d = d + 1) begin
      margin = 20'($signed({1'b0, r[32*d+16+:15]})) - 20'($signed({1'b0, r[32*d+:15]}))
          + 20'($signed(column[32*d+:16])) + 20'($signed(noise[18*d+:18]));
      turn = 20'($signed(column[32*d+20+:12]));
      margin = xr[d] ? margin + turn : margin - turn;
      above = 20'($signed({1'b0, r[32*d+16+:15]})) + 20'($signed({1'b0, r[32*d+:15]}))
          - (margin < 0 ? -margin : margin) - 20'($signed({1'b0, threshold, 1'b0}));
      w = column[32*d+17] ? column[32*d+16] : margin > 0;
      // Whether BL is in LRS, and whether BLb is not.
      pair = ~column[32*d+17] & above > 0 ? 2'b01 : {2{w}};
      both[2*d+:2] = column[32*d+19] ? {2{column[32*d+18]}} : ~(pair ^ {2{xr[d]}});
    end
  end
  // Until the sense amplifiers have answered, they show the read before.
  wire [2*COLS-1:0] answered;
  generate
    if (LATENCY == 1) begin : g_now
      assign answered = both ^ flip;
    end else begin : g_later
      reg [2*COLS-1:0] shown;
      reg [6:0] left;
      initial begin
        shown = {2 * COLS{1'b0}};
        left = 7'd0;
      end
      always @(posedge clk) begin
        if (sense) left <= 7'(LATENCY - 1);
        else if (left != 7'd0) left <= left - 7'd1;
        if (left == 7'd1) shown <= both;
      end
      assign answered = shown ^ flip;
    end
  endgenerate

  integer e;
  always_comb begin
    for (e = 0; e < COLS; e = e + 1) begin
      agree[e] = &answered[2*e+:2];
      disagree[e] = ~|answered[2*e+:2];
    end
  end

  wire [31:0] first = step(drawing ? drawn : mem[DRAW_SEED][31:0]);
  wire [31:0] second = step(first);
  wire [DEVICE_BITS-1:0] at_device =
      DEVICE_BITS'(2) * (DEVICE_BITS'(at_row) * DEVICE_BITS'(COLS) + DEVICE_BITS'(at_col)) + DEVICE_BITS'(at_side);
  wire [16:0] distance = scaled(statistics[31:16], magnitude);
  wire signed [18:0] wanted = $signed({4'd0, statistics[14:0]})
      + (u[31] ? -$signed({2'd0, distance}) : $signed({2'd0, distance}));
  wire unformed = found == TOP;
  wire changes = ~stuck & (~unformed | (op == OP_FORM & drawn >= form_fails));

  always @(posedge clk) begin
    prog_done <= phase == WRITE;
    case (phase)
      IDLE:
      if (prog_valid) begin
        op <= prog_op;
        at_side <= prog_side;
        at_row <= prog_row;
        at_col <= prog_col;
        u <= first;
        drawn <= second;
        drawing <= 1'b1;
        phase <= LOOK;
      end
      LOOK: begin
        {stuck, found} <= mem[WORD_BITS'(at_row)][32*at_col+16*at_side+:16];
        operations <= count[at_device];
        phase <= DRAW;
      end
      DRAW: begin
        statistics <= device[{op == OP_RESET, bucket_of({1'b0, age} + 41'(operations[COUNT_BITS-1:1]))}];
        magnitude <= normal[place(u)];
        phase <= WRITE;
      end
      WRITE: begin
        if (changes)
          mem[WORD_BITS'(at_row)][32*at_col+16*at_side+:15] <=
              wanted < 0 ? 15'd0 : wanted >= $signed({4'd0, TOP}) ? TOP - 15'd1 : wanted[14:0];
        if (~&operations) count[at_device] <= operations + 1'b1;
        phase <= IDLE;
      end
    endcase
  end
  assign prog_ready = phase == IDLE;
  wire unused = &{1'b0, statistics[15]};
endmodule
