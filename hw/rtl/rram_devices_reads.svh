  // Of macros with devices behind their ports: what is stored, and the words of the row that is read, with the noise of
  // each amplifier.
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
