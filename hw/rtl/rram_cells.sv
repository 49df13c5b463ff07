// Single-ended (1T1R) RRAM macro behind a bus: one cell an access, answered by an acknowledge. Macro of kind `cells`.
//
// A chip replaces this module by its own macro, with a wrapper if its bus is another one. Two of its cells hold a pair:
// cell 2c is BL, cell 2c + 1 is BLb of column c; oxnor's adapter reads both, one after the other.
//
//   stb             an access is asked for; it stays 1, with all that follows, until the acknowledge. If it falls before
//                   (at a reset), the access is given up
//   we, op          an operation on the cell: 0 FORM, 1 SET, 2 RESET; else a read
//   row, column     which cell
//   ack             pulses after LATENCY clock edges of a read and PROGRAM of an operation, or later
//   q               valid with ack: 1 if the cell is in LRS
//
// INIT_FILE      a row of pairs a word: 1 = (BL in LRS, BLb in HRS). All cells are formed
// SETTINGS_FILE  words of 32 bits, models/devices/cell_macro.py: [0] most cycles that an access waits beyond its time,
//                [1] [2] [3] FORM, SET, RESET do nothing with probability n / 65536, [4] so a read is wrong,
//                [5] bit 0: no cell is formed, whatever the image says, [6] seed
//
// An unformed cell reads 0, and FORM alone changes it. Each access draws one number of a xorshift generator, whose seed
// is mixed with the name of the image: models/devices/cell_macro.py repeats every bit.
module rram_cells #(
    parameter ROWS = 32,
    parameter COLS = 32,
    parameter INIT_FILE = "",
    parameter SETTINGS_FILE = "",
    parameter LATENCY = 1,
    parameter PROGRAM = 200,
    localparam ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1,
    localparam COLUMN_BITS = $clog2(2 * COLS)
) (
    input  wire                 clk,
    input  wire                 stb,
    input  wire                 we,
    input  wire [1:0]           op,
    input  wire [ROW_BITS-1:0]  row,
    input  wire [COLUMN_BITS-1:0] column,
    output reg                  ack,
    output reg                  q
);
  localparam [1:0] OP_FORM = 2'd0, OP_RESET = 2'd2;
  localparam NAME_CHARS = 64;
  localparam NAME_BITS = 8 * NAME_CHARS;

  reg [COLS-1:0] mem[0:ROWS-1];
  reg [31:0] settings[0:6];
  reg [2*COLS-1:0] on[0:ROWS-1];
  reg [2*COLS-1:0] formed[0:ROWS-1];
  reg [31:0] state;
  reg [15:0] left;
  reg busy;

  function automatic [31:0] step(input [31:0] s);
    begin
      step = s;
      step = step ^ (step << 13);
      step = step ^ (step >> 17);
      step = step ^ (step << 5);
    end
  endfunction

  // The last characters of the image's name, so that no two macros draw the same (FNV-1a).
  function automatic [31:0] mixed(input [31:0] seed, input [NAME_BITS-1:0] name);
    integer i;
    begin
      mixed = 32'h811c9dc5 ^ seed;
      for (i = NAME_CHARS - 1; i >= 0; i = i - 1)
        if (name[8*i+:8] != 8'd0) mixed = (mixed ^ {24'd0, name[8*i+:8]}) * 32'h01000193;
      if (mixed == 32'd0) mixed = 32'd1;
    end
  endfunction

  integer r, c;
  initial begin
    for (r = 0; r < 7; r = r + 1) settings[r] = 32'd0;
    for (r = 0; r < ROWS; r = r + 1) mem[r] = {COLS{1'b0}};
    if (INIT_FILE != "") $readmemh(INIT_FILE, mem);
    if (SETTINGS_FILE != "") $readmemh(SETTINGS_FILE, settings);
    for (r = 0; r < ROWS; r = r + 1) begin
      formed[r] = {2 * COLS{~settings[5][0]}};
      for (c = 0; c < COLS; c = c + 1) on[r][2*c+:2] = {~mem[r][c], mem[r][c]};
      on[r] = on[r] & formed[r];
    end
    state = mixed(settings[6], NAME_BITS'(INIT_FILE));
    busy = 1'b0;
    ack = 1'b0;
    q = 1'b0;
    left = 16'd0;
  end

  // Low half: how long the access waits; high half: whether it fails.
  wire [31:0] drawn = step(state);
  wire [15:0] waits = 16'(({16'd0, drawn[15:0]} * (settings[0] + 32'd1)) >> 16);
  wire [15:0] cycles = (we ? PROGRAM[15:0] : LATENCY[15:0]) + waits;
  wire fails = {16'd0, drawn[31:16]} < (we ? settings[{1'b0, op} + 3'd1] : settings[4]);
  wire changes = ~fails & (formed[row][column] | op == OP_FORM);
  wire starts = stb & ~busy & ~ack;

  always @(posedge clk) begin
    ack <= 1'b0;
    if (starts) begin
      state <= drawn;
      busy <= cycles != 16'd1;
      left <= cycles - 16'd1;
      ack <= cycles == 16'd1;
      q <= on[row][column] ^ fails;
      if (we & changes) begin
        on[row][column] <= op != OP_RESET;
        formed[row][column] <= 1'b1;
      end
    end else if (busy) begin
      left <= left - 16'd1;
      if (left == 16'd1 | ~stb) busy <= 1'b0;
      ack <= left == 16'd1 & stb;
    end
  end
endmodule
