"""The top level of a board: clock, reset and pins around ``oxnor_board``, and the file of its pins."""

from __future__ import annotations

from pathlib import Path

from oxnor.hw.blocks.uart import DIVISOR_MIN
from oxnor.hw.link.board import LINES
from oxnor.models.base.errors import InputError
from oxnor.sim.runner.synthesis import run_tool

from .boards import Board
from .tools import find_tool

TOP = "oxnor_top"
PLL = "oxnor_pll"
#: How far the UART may be from the bit rate that was asked for: half of what a receiver stands over ten bits.
BAUD_TOLERANCE = 0.02


def divisor(freq_mhz: float, baud: int) -> int:
    """Return the clock cycles to a bit of the UART.

    Raises
    ------
    InputError
        If the clock cannot make that bit rate.
    """
    cycles = max(1, round(freq_mhz * 1e6 / baud))
    if cycles < DIVISOR_MIN or abs(freq_mhz * 1e6 / cycles / baud - 1) > BAUD_TOLERANCE:
        raise InputError(f"must be a rate that {freq_mhz:g} MHz can make within 2 %, not {baud}", parameter="baud")
    return cycles


def pll_text(board: Board, freq_mhz: float, directory: Path) -> tuple[str, float]:
    """Return the Verilog of the PLL, "" if none is needed, and the frequency that it makes, in MHz."""
    if freq_mhz == board.oscillator_mhz:
        return "", freq_mhz
    frequencies = ["-i", f"{board.oscillator_mhz:g}", "-o", f"{freq_mhz:g}"]
    path = directory / "pll.v"
    if board.chip.family == "ice40":
        run_tool(find_tool("icepll"), [*frequencies, "-p", "-m", "-n", PLL, "-f", "pll.v"], directory, "pll.log")
        achieved = _number_after((directory / "pll.log").read_text(), "F_PLLOUT:", last=True)
    else:
        run_tool(find_tool("ecppll"), [*frequencies, "-n", PLL, "--file", "pll.v"], directory, "pll.log")
        achieved = _number_after((directory / "pll.log").read_text(), "clkout0 frequency:")
    return path.read_text(), achieved


def _number_after(text: str, label: str, last: bool = False) -> float:
    lines = [line for line in text.splitlines() if label in line]
    return float(lines[-1 if last else 0].split(label)[1].split()[0])


def top_text(board: Board, with_pll: bool, link: str = "uart") -> str:
    """Return the Verilog of the top level with a serial line of the kind "uart" or "spi"."""
    inputs, output = LINES[link]
    ports = "".join(f"    input  wire {name},\n" for name in inputs) + f"    output wire {output},\n"
    joins = ", ".join(f".{name}({name})" for name in (*inputs, output))
    names = ("clock_in", "clock_out") if board.chip.family == "ice40" else ("clkin", "clkout0")
    clock = "  wire clk = clk_pin;\n  wire locked = 1'b1;\n"
    if with_pll:
        clocks = f".{names[0]}(clk_pin), .{names[1]}(clk), .locked(locked)"
        clock = f"  wire clk;\n  wire locked;\n  {PLL} pll ({clocks});\n"
    return f"""// Top level for {board.name}: clock, reset, pins.
module {TOP} (
    input  wire clk_pin,
{ports}    output wire led
);
{clock}
  // In reset for 16 cycles after the clock is there. Registers of an FPGA start from their initial values.
  reg [1:0] locked_in = 2'b00;
  reg [4:0] waited = 5'd0;
  reg rst = 1'b1;
  always @(posedge clk) begin
    locked_in <= {{locked_in[0], locked}};
    if (!locked_in[1]) waited <= 5'd0;
    else if (!waited[4]) waited <= waited + 5'd1;
    rst <= !waited[4];
  end

  wire busy;
  assign led = {"!" if board.led_inverted else ""}busy;
  oxnor_board board (.clk(clk), .rst(rst), {joins}, .busy(busy));
endmodule
"""


def pin_file(board: Board, link: str = "uart") -> tuple[str, str]:
    """Return the name and the text of the pin file: PCF for iCE40, LPF for ECP5."""
    if board.chip.family == "ice40":
        lines = []
        for name, (site, attributes) in board.pins_for(link).items():
            pulled_up = attributes.get("PULLUP") == "1" and name in ("uart_rx", "spi_cs_n")
            pullup = "-pullup yes " if pulled_up else ""
            lines.append(f"set_io {pullup}{name} {site}")
        return "pins.pcf", "\n".join(lines) + "\n"
    lines = []
    for name, (site, attributes) in board.pins_for(link).items():
        lines.append(f'LOCATE COMP "{name}" SITE "{site}";')
        lines.append(f'IOBUF PORT "{name}" {" ".join(f"{k}={v}" for k, v in attributes.items())};')
    lines.append(f'FREQUENCY PORT "clk_pin" {board.oscillator_mhz:g} MHZ;')
    return "pins.lpf", "\n".join(lines) + "\n"
