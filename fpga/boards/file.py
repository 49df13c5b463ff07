"""Boards of a user: a TOML file with chip, clock and pins.

The file is read as it is written here, every key checked::

    name = "my-board"
    chip = { family = "ecp5", part = "LFE5U-45F-6BG256C" }
    clock = { pin = "P6", mhz = 25, engine_mhz = 50 }
    uart = { rx = "N5", tx = "M6", baud = 1000000 }
    led = { pin = "T6", active = "low" }
    spi = { cs_n = "B1", copi = "C2", cipo = "C1", sck = "D1" }
    standard = "LVCMOS33"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from oxnor.models.base.errors import InputError
from oxnor.models.base.toml import Reader

from .board import Board, Chip, ecp5_chip, gowin_chip, ice40_chip
from .families import FAMILIES

#: What an ECP5's part number says of its package.
ECP5_PACKAGES = {
    "BG256": "CABGA256", "MG285": "CSFBGA285", "BG381": "CABGA381", "BG554": "CABGA554", "BG756": "CABGA756",
}  # fmt: skip
#: What sites and names are made of: they go into files of other tools.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
_SITE = re.compile(r"(PIN_)?([A-Z]{1,2})?\d{1,3}|IO[TBLR]\d{1,3}[A-Z]", re.IGNORECASE)


def _check(pattern: re.Pattern[str], value: str, name: str, what: str) -> None:
    if not pattern.fullmatch(value):
        raise InputError(f"must be {what}, not {value!r}", parameter=name)


def _check_sites(record: object, names: tuple[str, ...]) -> None:
    for name in names:
        _check(_SITE, getattr(record, name), name, "the site of a pin, such as B12, AA7 or 35")


@dataclass(frozen=True)
class ChipTable:
    """The FPGA.

    Parameters
    ----------
    family : str
        A key of :data:`oxnor.fpga.boards.families.FAMILIES`.
    part : str
        Its part number: iCE40UP5K-SG48, LFE5U-45F-6BG256C, GW1NR-LV9QN88PC6/I5, or what the vendor's tool takes.
    luts, block_rams : int, optional
        Of a chip that open tools do not route: look-up tables, and block RAMs of 512 words of 36 bits.
    """

    family: str
    part: str
    luts: int | None = None
    block_rams: int | None = None

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise InputError(f"must be one of {', '.join(FAMILIES)}, not {self.family!r}", parameter="family")
        _check(_NAME, self.part, "part", "a part number")
        for name in ("luts", "block_rams"):
            value = getattr(self, name)
            if FAMILIES[self.family].route:
                if value is not None:
                    raise InputError(f"must not be given for {self.family}: the part says it", parameter=name)
            elif value is None or not 1 <= value <= 10_000_000:
                raise InputError(f"must be given for {self.family}, in [1, 10000000]", parameter=name)
        self.chip  # noqa: B018  # raises if there is no such part

    @property
    def chip(self) -> Chip:
        """The chip."""
        if self.family == "ice40":
            match = re.fullmatch(r"iCE40([A-Z]{2}\d+K)-([A-Z0-9]+)", self.part, re.IGNORECASE)
            if match is None:
                raise InputError(f"must be like iCE40UP5K-SG48, not {self.part!r}", parameter="part")
            return ice40_chip(match[1].upper(), match[2])
        if self.family == "ecp5":
            match = re.fullmatch(r"LFE5U-(\d+)F-([678])([A-Z]{2}\d{3})[CI]?", self.part)
            if match is None or match[3] not in ECP5_PACKAGES:
                packages = ", ".join(ECP5_PACKAGES)
                raise InputError(
                    f"must be like LFE5U-45F-6BG256C, in one of the packages {packages}, not {self.part!r}",
                    parameter="part",
                )
            return ecp5_chip(int(match[1]), ECP5_PACKAGES[match[3]], match[2])
        if self.family == "gowin":
            return gowin_chip(self.part)
        assert self.luts is not None
        assert self.block_rams is not None
        return Chip(
            f"{self.family.capitalize()} {self.part}", self.family, "ecp5", self.luts, self.block_rams, 36, 0, 1024,
            part=self.part,
        )  # fmt: skip


@dataclass(frozen=True)
class ClockTable:
    """The clock pin, its frequency in MHz, and that of the engine unless another is asked for."""

    pin: str
    mhz: float
    engine_mhz: float | None = None

    def __post_init__(self) -> None:
        _check_sites(self, ("pin",))
        for name in ("mhz", "engine_mhz"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 400:
                raise InputError(f"must be in [1, 400] MHz, not {value:g}", parameter=name)


@dataclass(frozen=True)
class UartTable:
    """The pins of the UART, `rx` into the FPGA, and its bit rate."""

    rx: str
    tx: str
    baud: int = 115_200

    def __post_init__(self) -> None:
        _check_sites(self, ("rx", "tx"))
        if not 300 <= self.baud <= 12_000_000:
            raise InputError(f"must be in [300, 12000000], not {self.baud}", parameter="baud")


@dataclass(frozen=True)
class LedTable:
    """The LED that is lit while the board sends, and the level that lights it."""

    pin: str
    active: str = "high"

    def __post_init__(self) -> None:
        _check_sites(self, ("pin",))
        if self.active not in ("high", "low"):
            raise InputError(f"must be high or low, not {self.active!r}", parameter="active")


@dataclass(frozen=True)
class SpiTable:
    """The pins of SPI, for ``--link spi``."""

    cs_n: str
    copi: str
    cipo: str
    sck: str

    def __post_init__(self) -> None:
        _check_sites(self, ("cs_n", "copi", "cipo", "sck"))


@dataclass(frozen=True)
class BoardFile:
    """A board as its file has it.

    Parameters
    ----------
    name : str
        What it is called in reports and on the line: at most 15 letters, digits, hyphens.
    chip, clock, uart, led, spi
        Tables.
    standard : str, optional
        I/O standard of all pins. Default: that of 3.3 V.
    """

    name: str
    chip: ChipTable
    clock: ClockTable
    uart: UartTable
    led: LedTable | None = None
    spi: SpiTable | None = None
    standard: str = ""

    def __post_init__(self) -> None:
        _check(re.compile(r"[A-Za-z0-9-]{1,15}"), self.name, "name", "1 to 15 letters, digits and hyphens")
        standards = FAMILIES[self.chip.family].standards
        if self.standard and self.standard not in standards:
            rule = f"must be one of {', '.join(standards)} for {self.chip.family}"
            raise InputError(f"{rule}, not {self.standard!r}", parameter="standard")
        sites: dict[str, str] = {}
        for name, site in self.sites().items():
            if site in sites:
                raise InputError(f"must all differ: {sites[site]} and {name} are both {site}", parameter="pins")
            sites[site] = name

    def sites(self) -> dict[str, str]:
        """Return all sites by the name of their key."""
        sites = {"clock.pin": self.clock.pin, "uart.rx": self.uart.rx, "uart.tx": self.uart.tx}
        if self.led:
            sites["led.pin"] = self.led.pin
        if self.spi:
            sites |= {f"spi.{k}": v for k, v in vars(self.spi).items()}
        return sites

    def board(self) -> Board:
        """Return the board."""
        chip, attributes = self.chip.chip, FAMILIES[self.chip.family].attributes
        io = attributes(self.standard)
        pins = {
            "clk_pin": (self.clock.pin, io),
            "uart_rx": (self.uart.rx, attributes(self.standard, pulled_up=True)),
            "uart_tx": (self.uart.tx, io),
        }
        if self.led:
            pins["led"] = (self.led.pin, io)
        spi = (self.spi.cs_n, self.spi.copi, self.spi.cipo, self.spi.sck) if self.spi else ()
        is_inverted = self.led is not None and self.led.active == "low"
        engine_mhz = self.clock.engine_mhz or self.clock.mhz
        return Board(self.name, chip, self.clock.mhz, engine_mhz, self.uart.baud, pins, is_inverted, spi, self.standard)


def read_board(path: Path) -> Board:
    """Return the board of a file.

    Raises
    ------
    InputError
        Naming the file, its key and the rule.
    """
    return Reader(path).read(BoardFile).board()
