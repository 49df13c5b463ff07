// Model of the block RAM of ECP5, of which Yosys ships none: what its mapping uses of the cell that Lattice's memory
// usage guide (FPGA-TN-02204) describes. 1,024 words of 18 bits; port A reads and writes, port B reads, 1 to 18 bits
// each, or A writes and B reads 36, the low half on the pins A. Ports below 9 bits leave out the ninth bit of each
// byte. A cell that wants more (writes by port B, output registers, chip selects, falling edges, asynchronous resets)
// ends the simulation.
// What B reads while A writes it is not defined in hardware. Here it is the complement of what was there, so that
// whoever counts on it gets it wrong.
`timescale 1ns / 1ps
module DP16KD #(
    parameter DATA_WIDTH_A = 18,
    parameter DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG",
    parameter REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC",
    parameter ASYNC_RESET_RELEASE = "SYNC",
    parameter CSDECODE_A = "0b000",
    parameter CSDECODE_B = "0b000",
    parameter CLKAMUX = "CLKA",
    parameter CLKBMUX = "CLKB",
    parameter WRITEMODE_A = "NORMAL",
    parameter WRITEMODE_B = "NORMAL",
    parameter GSR = "ENABLED",
    parameter [319:0] INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0, INITVAL_04 = 0, INITVAL_05 =
    0, INITVAL_06 = 0, INITVAL_07 = 0, INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0, INITVAL_0C
    = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0, INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0,
    INITVAL_13 = 0, INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0, INITVAL_18 = 0, INITVAL_19 =
    0, INITVAL_1A = 0, INITVAL_1B = 0, INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0, INITVAL_20
    = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0, INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0,
    INITVAL_27 = 0, INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0, INITVAL_2C = 0, INITVAL_2D =
    0, INITVAL_2E = 0, INITVAL_2F = 0, INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0, INITVAL_34
    = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0, INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0,
    INITVAL_3B = 0, INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0
) (
    input wire DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13, DIA14,
    DIA15, DIA16, DIA17,
    input wire ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
    output wire DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14,
    DOA15, DOA16, DOA17,
    input wire CEA, OCEA, CLKA, WEA, RSTA, CSA0, CSA1, CSA2,
    input wire DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13, DIB14,
    DIB15, DIB16, DIB17,
    input wire ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
    output wire DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13, DOB14,
    DOB15, DOB16, DOB17,
    input wire CEB, OCEB, CLKB, WEB, RSTB, CSB0, CSB1, CSB2
);
    wire [17:0] di_a = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
      DIA3, DIA2, DIA1, DIA0};
    wire [13:0] ad_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
    wire [17:0] di_b = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4,
      DIB3, DIB2, DIB1, DIB0};
    wire [13:0] ad_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  reg [17:0] q_a = 18'h0, q_b = 18'h0, q_high = 18'h0;
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
      DOA1, DOA0} = DATA_WIDTH_B == 36 ? q_b : q_a;
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
      DOB1, DOB0} = DATA_WIDTH_B == 36 ? q_high : q_b;

  reg [17:0] mem[0:1023];
    wire [64*320-1:0] image = {INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39,
      INITVAL_38, INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
      INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28, INITVAL_27,
      INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20, INITVAL_1F, INITVAL_1E,
      INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18, INITVAL_17, INITVAL_16, INITVAL_15,
      INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10, INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C,
      INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08, INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03,
      INITVAL_02, INITVAL_01, INITVAL_00};
  integer k;
  initial begin
    for (k = 0; k < 1024; k = k + 1) mem[k] = image[20*k+:18];
    if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CSDECODE_A != "0b000" || CSDECODE_B != "0b000" ||
        CLKAMUX != "CLKA" || CLKBMUX != "CLKB") begin
      $display("DP16KD: this cell is set to what its model does not have");
      $finish;
    end
  end
  always @(posedge CLKA) if (WEB || (RESETMODE != "SYNC" && (RSTA || RSTB))) begin
    $display("DP16KD: its model has neither an asynchronous reset nor writes by port B");
    $finish;
  end

  // Where the bits of a port lie in its word of 18, and which of them it has.
  function [4:0] shift(input integer width, input [13:0] address);
    case (width)
      1: shift = 5'd9 * address[3] + address[2:0];
      2: shift = 5'd9 * address[3] + {address[2:1], 1'b0};
      4: shift = 5'd9 * address[3] + {address[2], 2'b00};
      9: shift = 5'd9 * address[3];
      default: shift = 5'd0;
    endcase
  endfunction
  function [17:0] mask(input integer width, input [1:0] bytes);
    if (width >= 18) mask = {{9{bytes[1]}}, {9{bytes[0]}}};
    else mask = (18'd1 << width) - 18'd1;
  endfunction

  wire [9:0] word_a = DATA_WIDTH_A == 36 ? {ad_a[13:5], 1'b0} : ad_a[13:4];
  wire [9:0] word_b = DATA_WIDTH_B == 36 ? {ad_b[13:5], 1'b0} : ad_b[13:4];
  wire [17:0] bits = mask(DATA_WIDTH_A, ad_a[1:0]) << shift(DATA_WIDTH_A, ad_a);
  wire [17:0] bits_high = DATA_WIDTH_A == 36 ? mask(36, ad_a[3:2]) : 18'h0;
  wire [17:0] was = mem[word_a], was_high = mem[word_a | 10'd1];
  wire [17:0] now = (was & ~bits) | (di_a << shift(DATA_WIDTH_A, ad_a) & bits);
  wire write = CEA & WEA & ~RSTA;
  // What B must not count on, of its word and of the other one of a pair.
  wire [35:0] written = {36{write && word_a[9:1] == word_b[9:1]}} & (word_a[0] ? {bits, 18'h0} : {bits_high, bits});

  always @(posedge CLKA) begin
    if (write) begin
      mem[word_a] <= now;
      if (DATA_WIDTH_A == 36) mem[word_a|10'd1] <= (was_high & ~bits_high) | (di_b & bits_high);
    end
    if (RSTA) q_a <= 18'h0;
    else if (CEA && !(WEA && WRITEMODE_A == "NORMAL"))
      q_a <= (WEA && WRITEMODE_A == "WRITETHROUGH" ? now : was) >> shift(DATA_WIDTH_A, ad_a);
  end

  always @(posedge CLKB) begin
    if (RSTB) begin
      q_b <= 18'h0;
      q_high <= 18'h0;
    end else if (CEB) begin
      q_b <= (mem[word_b] ^ written[18*word_b[0]+:18]) >> shift(DATA_WIDTH_B, ad_b);
      q_high <= mem[word_b|10'd1] ^ written[35:18];
    end
  end
endmodule
