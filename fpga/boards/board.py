"""A board: its chip, clock and pins."""

from __future__ import annotations

from dataclasses import dataclass

from oxnor.models.base.errors import InputError

from .families import FAMILIES, Pins


@dataclass(frozen=True)
class Chip:
    """An FPGA, as far as a build must know it.

    Parameters
    ----------
    name : str
        What it is called.
    family : str
        A key of :data:`oxnor.fpga.boards.families.FAMILIES`.
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
    part : str
        What the vendor's tools call it; "" if nothing here asks for it.
    device : str
        What Yosys calls it.
    die : str
        What the packer calls it.
    """

    name: str
    family: str
    target: str
    luts: int
    block_rams: int
    block_ram_bits: int
    spram: int
    buffer_words: int
    pnr: tuple[str, ...] = ()
    part: str = ""
    device: str = ""
    die: str = ""

    @property
    def writes_bits(self) -> bool:
        """Whether its block RAM writes single bits of a word."""
        return self.family == "ice40"


def ice40_chip(die: str, package: str) -> Chip:
    """Return an iCE40 of a die such as "UP5K", in a package such as "SG48".

    Raises
    ------
    InputError
        If there is no such die.
    """
    dies = {"UP5K": (5280, 30, 4, "u"), "HX8K": (7680, 32, 0, "hx"), "HX4K": (3520, 20, 0, "hx"),
            "LP8K": (7680, 32, 0, "lp"), "LP4K": (3520, 20, 0, "lp")}  # fmt: skip
    if die not in dies:
        raise InputError(f"must be of {', '.join(dies)}, not {die!r}", parameter="part")
    luts, rams, spram, device = dies[die]
    pnr = (f"--{die.lower()}", "--package", package.lower())
    return Chip(f"iCE40 {die}", "ice40", "ice40", luts, rams, 16, spram, 8192 if spram else 1024, pnr, device=device)


def ecp5_chip(size: int, package: str = "CABGA381", speed: str = "6") -> Chip:
    """Return an ECP5 of a size such as 25, that is LFE5U-25F.

    Raises
    ------
    InputError
        If there is no such size.
    """
    sizes = {12: (24288, 56), 25: (24288, 56), 45: (43848, 108), 85: (83640, 208)}
    if size not in sizes:
        raise InputError(f"must be of {', '.join(f'LFE5U-{n}F' for n in sizes)}, not LFE5U-{size}F", parameter="part")
    pnr = (f"--{size}k", "--package", package, "--speed", speed)
    return Chip(f"ECP5 LFE5U-{size}F", "ecp5", "ecp5", *sizes[size], 36, 0, 1024, pnr)


#: By the part of a Gowin chip: what Yosys and the packer call it, and its look-up tables and block RAMs.
GOWIN_PARTS = {
    "GW1NR-LV9QN88PC6/I5": ("gw1n", "GW1N-9C", 8640, 26),
    "GW2AR-LV18QN88C8/I7": ("gw2a", "GW2A-18C", 20736, 46),
}


def gowin_chip(part: str) -> Chip:
    """Return a Gowin chip by its part number.

    Raises
    ------
    InputError
        If it is none of :data:`GOWIN_PARTS`.
    """
    if part not in GOWIN_PARTS:
        raise InputError(f"must be of {', '.join(GOWIN_PARTS)}, not {part!r}", parameter="part")
    device, die, luts, rams = GOWIN_PARTS[part]
    pnr = ("--device", part, "--vopt", f"family={die}")
    return Chip(f"Gowin {part}", "gowin", "ecp5", luts, rams, 36, 0, 1024, pnr, part, device, die)


UP5K = ice40_chip("UP5K", "SG48")
ECP5_25 = ecp5_chip(25)
ECP5_85 = ecp5_chip(85)


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
        Site and attributes of ``clk_pin``, ``uart_rx``, ``uart_tx`` and, if there is one, ``led``.
    led_inverted : bool
        Whether 0 lights the LED.
    spi_sites : tuple of str
        Sites of ``spi_cs_n``, ``spi_copi``, ``spi_cipo`` and ``spi_sck`` instead of those of the UART; none if a board
        has no SPI.
    standard : str
        I/O standard of SPI; "" for that of 3.3 V.
    """

    name: str
    chip: Chip
    oscillator_mhz: float
    freq_mhz: float
    baud: int
    pins: Pins
    led_inverted: bool
    spi_sites: tuple[str, ...]
    standard: str = ""

    def pins_for(self, link: str) -> Pins:
        """Return the pins with a serial line of the kind "uart" or "spi"."""
        if link == "uart":
            return self.pins
        if not self.spi_sites:
            raise InputError(f"must be uart on {self.name}, which has no pins for SPI", parameter="link")
        others = {name: pin for name, pin in self.pins.items() if not name.startswith("uart")}
        return others | dict(spi_pins(self.chip.family, self.spi_sites, self.standard))

    def __repr__(self) -> str:
        return f"Board({self.name!r}, {self.chip.name}, {self.freq_mhz:g} MHz)"


def spi_pins(family: str, sites: tuple[str, ...], standard: str = "") -> Pins:
    """Return the pins of SPI at the sites of chip select, COPI, CIPO and clock."""
    names = ("spi_cs_n", "spi_copi", "spi_cipo", "spi_sck")
    attributes = FAMILIES[family].attributes
    return {
        name: (site, attributes(standard, pulled_up=name == "spi_cs_n"))
        for name, site in zip(names, sites, strict=True)
    }
