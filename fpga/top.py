"""The top level of a board: clock, reset and pins around ``oxnor_board``, and the file of its pins."""

from __future__ import annotations

from pathlib import Path

from oxnor.hw.blocks.uart import DIVISOR_MIN
from oxnor.hw.link.board import LINES
from oxnor.hw.params.verilog import VerilogOptions
from oxnor.models.base.errors import InputError
from oxnor.sim.runner.process import failure
from oxnor.sim.runner.synthesis import ToolError, run_tool

from .boards.board import Board
from .boards.families import FAMILIES, route_of
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
    route = FAMILIES[board.chip.family].route
    if route is None:
        raise InputError(
            f"must be {board.oscillator_mhz:g} MHz, that of the clock pin, on {board.name}: no PLL is written for"
            f" {board.chip.family}",
            parameter="freq_mhz",
        )
    values = {"input": f"{board.oscillator_mhz:g}", "output": f"{freq_mhz:g}", "module": PLL, "part": board.chip.part}
    program, *arguments = (word.format(**values) for word in route.pll)
    run_tool(find_tool(program), arguments, directory, "pll.log")
    text, log = ((directory / name).read_text() for name in ("pll.v", "pll.log"))
    label, is_last = route.pll_achieved
    lines = [line for line in (log + text).splitlines() if label in line]
    if not lines or PLL not in text:
        raise failure(ToolError, f"{program} has written no PLL", directory / "pll.log")
    return text, float(lines[-1 if is_last else 0].split(label)[1].split()[0])


def top_text(board: Board, with_pll: bool, link: str = "uart", options: VerilogOptions | None = None) -> str:
    """Return the Verilog of the top level with a serial line of the kind "uart" or "spi"."""
    options = options or VerilogOptions()
    reset = f".{options.reset_port}({'rst' if options.reset_active == 'high' else '!rst'})"
    inputs, output = LINES[link]
    ports = [f"    input  wire {name}" for name in ("clk_pin", *inputs)] + [f"    output wire {output}"]
    led = ""
    if "led" in board.pins:
        ports.append("    output wire led")
        led = f"  assign led = {'!' if board.led_inverted else ''}busy;\n"
    joined = ",\n".join(ports)
    joins = ", ".join(f".{name}({name})" for name in (*inputs, output))
    clock = "  wire clk = clk_pin;\n  wire locked = 1'b1;\n"
    if with_pll:
        names = route_of(board.chip.family).pll_ports
        clocks = f".{names[0]}(clk_pin), .{names[1]}(clk), .locked(locked)"
        clock = f"  wire clk;\n  wire locked;\n  {PLL} pll ({clocks});\n"
    return f"""// Top level for {board.name}: clock, reset, pins.
module {TOP} (
{joined}
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
{led}  oxnor_board board (.clk(clk), {reset}, {joins}, .busy(busy));
endmodule
"""


def pin_file(board: Board, link: str = "uart") -> tuple[str, str]:
    """Return the name and the text of the file of the pins, in the format of the family's tools."""
    family = FAMILIES[board.chip.family]
    return family.pins_file, family.pins_text(board.pins_for(link), board.oscillator_mhz)
