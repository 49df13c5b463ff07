"""How an engine is put on a board: what a user may ask for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from oxnor.hw.interface.link_protocol import BIT_CYCLES_MIN
from oxnor.hw.params.verilog import VerilogOptions
from oxnor.models.base.errors import InputError


@dataclass(frozen=True)
class BuildOptions:
    """How an engine is put on a board.

    Parameters
    ----------
    freq_mhz : float, optional
        Clock of the engine, in MHz, in [1, 400]. Default: the board's.
    link : str
        Kind of the serial line, a key of :data:`oxnor.hw.interface.link_protocol.BIT_CYCLES_MIN`.
    baud : int, optional
        Bit rate of the UART. Default: the board's.
    bit_cycles : int, optional
        Clock cycles to a bit of the line, instead of `baud`: what the virtual board shortens.
    seed : int
        Of the placer, in [0, 2**31).
    verilog : VerilogOptions
        Reset of the engine; a name has no meaning on a board of its own.

    Raises
    ------
    InputError
        If an option is out of range, or two exclude each other.
    """

    freq_mhz: float | None = None
    link: str = "uart"
    baud: int | None = None
    bit_cycles: int | None = None
    seed: int = 1
    verilog: VerilogOptions = field(default_factory=VerilogOptions)

    def __post_init__(self) -> None:
        object.__setattr__(self, "verilog", replace(self.verilog, name=""))
        if self.link not in BIT_CYCLES_MIN:
            raise InputError(f"must be {' or '.join(BIT_CYCLES_MIN)}, not {self.link!r}", parameter="link")
        if self.freq_mhz is not None and not 1 <= self.freq_mhz <= 400:
            raise InputError(f"must be in [1, 400] MHz, not {self.freq_mhz:g}", parameter="freq_mhz")
        if not 0 <= self.seed < 1 << 31:
            raise InputError(f"must be in [0, 2**31), not {self.seed}", parameter="seed")
        if self.baud is not None and self.baud < 1:
            raise InputError(f"must be 1 or more, not {self.baud}", parameter="baud")
        if self.link == "spi" and self.baud is not None:
            raise InputError("must not be given with `link` spi: the host makes the clock of SPI", parameter="baud")
        fewest = BIT_CYCLES_MIN[self.link]
        if self.bit_cycles is not None and not fewest <= self.bit_cycles <= 65535:
            raise InputError(f"must be in [{fewest}, 65535], not {self.bit_cycles}", parameter="bit_cycles")
