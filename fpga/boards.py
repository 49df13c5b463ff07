"""The boards: their chips, clocks and pins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oxnor.models.base.errors import InputError, install


@dataclass(frozen=True)
class Chip:
    """An FPGA, as far as a build must know it.

    Parameters
    ----------
    name : str
        What it is called.
    family : str
        "ice40" or "ecp5".
    target : str
        A key of ``oxnor.hw.params.targets.TARGETS``: the shape of its block RAM.
    luts : int
        4-input look-up tables (iCE40: logic cells).
    block_rams : int
        Block RAMs.
    block_ram_bits : int
        Bits that one of them gives in a cycle.
    spram : int
        Single-port RAMs of 256 kbit (iCE40 UltraPlus).
    buffer_words : int
        Size of the host link's buffer, in 16-bit words.
    pnr : tuple of str
        Arguments for nextpnr.
    """

    name: str
    family: str
    target: str
    luts: int
    block_rams: int
    block_ram_bits: int
    spram: int
    buffer_words: int
    pnr: tuple[str, ...]

    @property
    def writes_bits(self) -> bool:
        """Whether its block RAM writes single bits of a word."""
        return self.family == "ice40"


_ECP5_PNR = ("--package", "CABGA381", "--speed", "6")
UP5K = Chip("iCE40 UP5K", "ice40", "ice40", 5280, 30, 16, 4, 8192, ("--up5k", "--package", "sg48"))
ECP5_25 = Chip("ECP5 LFE5U-25F", "ecp5", "ecp5", 24288, 56, 36, 0, 1024, ("--25k", *_ECP5_PNR))
ECP5_85 = Chip("ECP5 LFE5U-85F", "ecp5", "ecp5", 83640, 208, 36, 0, 1024, ("--85k", *_ECP5_PNR))


@dataclass(frozen=True, repr=False)
class Board:
    """An FPGA board.

    Parameters
    ----------
    name : str
        As on the command line.
    chip : Chip
        Its FPGA.
    oscillator_mhz : float
        Frequency at the clock pin.
    freq_mhz : float
        Clock of the engine unless another is asked for.
    baud : int
        Bit rate of the UART unless another is asked for.
    pins : mapping of str to (str, dict)
        Site and attributes of ``clk_pin``, ``uart_rx``, ``uart_tx`` and ``led``.
    led_inverted : bool
        Whether 0 lights the LED.
    spi_sites : tuple of str
        Sites of ``spi_cs_n``, ``spi_copi``, ``spi_cipo`` and ``spi_sck``, 3.3 V, instead of those of the UART.
    """

    name: str
    chip: Chip
    oscillator_mhz: float
    freq_mhz: float
    baud: int
    pins: dict[str, tuple[str, dict[str, str]]]
    led_inverted: bool
    spi_sites: tuple[str, str, str, str]

    def pins_for(self, link: str) -> dict[str, tuple[str, dict[str, str]]]:
        """Return the pins with a serial line of the kind "uart" or "spi"."""
        if link == "uart":
            return self.pins
        io, pulled = {}, {"PULLUP": "1"}
        if self.chip.family == "ecp5":
            io, pulled = {"IO_TYPE": "LVCMOS33"}, {"IO_TYPE": "LVCMOS33", "PULLMODE": "UP"}
        cs_n, copi, cipo, sck = self.spi_sites
        others = {name: pin for name, pin in self.pins.items() if not name.startswith("uart")}
        return others | {
            "spi_cs_n": (cs_n, pulled), "spi_copi": (copi, io), "spi_cipo": (cipo, io), "spi_sck": (sck, io)
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"Board({self.name!r}, {self.chip.name}, {self.freq_mhz:g} MHz)"


def _from_amaranth(platform: type, led: tuple[str, int]) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the pins of one of the platforms of amaranth-boards."""
    resources = {(r.name, r.number): r for r in platform.resources}  # type: ignore[attr-defined]
    clock, line = resources[platform.default_clk, 0], resources["uart", 0]  # type: ignore[attr-defined]
    uart = {s.name: s for s in line.ios}
    places = {
        "clk_pin": (clock, clock.ios[0]),
        "uart_rx": (line, uart["rx"].ios[0]),
        "uart_tx": (line, uart["tx"].ios[0]),
        "led": (resources[led], resources[led].ios[0]),
    }
    return {
        name: (pins.names[0], {k: str(v) for k, v in resource.attrs.items()})
        for name, (resource, pins) in places.items()
    }


def _icebreaker() -> Board:
    from amaranth_boards.icebreaker import ICEBreakerPlatform

    # SPI on PMOD 1A, pins 1 to 4 in the order that peripherals of SPI have there.
    pins = _from_amaranth(ICEBreakerPlatform, ("led_g", 0))
    return Board("icebreaker", UP5K, 12, 30, 1_000_000, pins, True, ("4", "2", "47", "45"))


def _ulx3s_85f() -> Board:
    from amaranth_boards.ulx3s import ULX3S_85F_Platform

    # SPI on GP0 to GP3 of J1.
    pins = _from_amaranth(ULX3S_85F_Platform, ("led", 0))
    return Board("ulx3s-85f", ECP5_85, 25, 100, 1_000_000, pins, False, ("B11", "A10", "A9", "B9"))


def _colorlight_i5() -> Board:
    # Not in amaranth-boards. Module v7.0 on its extension board; the serial line goes to the board's own USB probe.
    io = {"IO_TYPE": "LVCMOS33"}
    pins = {"clk_pin": ("P3", io), "uart_rx": ("H18", io), "uart_tx": ("J17", io), "led": ("U16", io)}
    # SPI on PMOD P4 (PMODE), pins 1 to 4.
    return Board("colorlight-i5", ECP5_25, 25, 100, 115_200, pins, True, ("C17", "B18", "B20", "F20"))


#: By the name of a board: what makes it.
BOARDS: dict[str, Callable[[], Board]] = {
    "icebreaker": _icebreaker,
    "ulx3s-85f": _ulx3s_85f,
    "colorlight-i5": _colorlight_i5,
}


def board(name: str) -> Board:
    """Return a board by its name.

    Raises
    ------
    InputError
        If there is no such board, or amaranth-boards is not installed.
    """
    if name not in BOARDS:
        raise InputError(f"must be one of {', '.join(BOARDS)}, not {name!r}", parameter="board")
    try:
        return BOARDS[name]()
    except ModuleNotFoundError:
        raise InputError(f"amaranth-boards is needed for the pins of this board: {install('fpga')}") from None
