// Differential (2T2R) RRAM macro whose pairs hold three values: kind `blackbox`, the ports alone.
//
// A chip's own macro of this name and with these ports takes the place of this file; rram_macro_ternary.sv, which the default
// kind `bits` emits, says what each port does and is its reference in simulation. ROWS and COLS come from the engine;
// INIT_FILE names the memory image with the weights to program, row by row, two bits a pair. The engine takes the answer
// LATENCY clock edges after a sense; it does not set this parameter, which the macro need not have.

// Nothing drives or reads the ports of what is only declared.
/* verilator lint_off UNDRIVEN */
/* verilator lint_off UNUSEDSIGNAL */
/* verilator lint_off UNUSEDPARAM */
(* blackbox *)
module rram_macro_ternary #(
    parameter ROWS = 64,
    parameter COLS = 64,
    parameter INIT_FILE = "",
    parameter LATENCY = 1,
    localparam ROW_BITS = ROWS > 1 ? $clog2(ROWS) : 1,
    localparam COL_BITS = COLS > 1 ? $clog2(COLS) : 1
) (
    input  wire                clk,
    input  wire                sense,
    input  wire [ROW_BITS-1:0] row,
    input  wire [COLS-1:0]     x,
    input  wire [2*COLS-1:0]   flip,
    output wire [COLS-1:0]     agree,
    output wire [COLS-1:0]     disagree,
    input  wire                prog_valid,
    output wire                prog_ready,
    input  wire [1:0]          prog_op,
    input  wire                prog_side,
    input  wire [ROW_BITS-1:0] prog_row,
    input  wire [COL_BITS-1:0] prog_col,
    output wire                prog_done
);
endmodule
/* verilator lint_on UNDRIVEN */
/* verilator lint_on UNUSEDSIGNAL */
/* verilator lint_on UNUSEDPARAM */
