"""A board with an engine on it, as Verilog."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from oxnor.hw.emit.verilog import emit_component
from oxnor.hw.interface import link_protocol
from oxnor.hw.interface.link_protocol import BIT_CYCLES_MIN
from oxnor.hw.link.board import BoardLogic
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.placement.memory_files import write_images
from oxnor.models.base.files import write_text
from oxnor.models.networks.binarized import Network

from .boards.board import Board
from .memories import buffer_words
from .options import BuildOptions
from .top import PLL, TOP, divisor, pin_file, pll_text, top_text


@dataclass(frozen=True)
class BoardDesign:
    """A board with an engine on it, as Verilog.

    Parameters
    ----------
    board : Board
    config : EngineConfig
        The engine.
    network : Network
        What its memories hold.
    identity : link_protocol.Identity
        What it says it is.
    freq_mhz : float
        Clock of the engine, as the PLL makes it.
    """

    board: Board
    config: EngineConfig
    network: Network
    identity: link_protocol.Identity
    freq_mhz: float

    @property
    def link(self) -> str:
        """Kind of the serial line."""
        return "spi" if "spi" in self.identity.features else "uart"

    @property
    def baud(self) -> int:
        """Bit rate of the UART."""
        return round(self.identity.clock_hz / self.identity.divisor)

    def describe(self) -> dict[str, object]:
        """Return what the host must know of the board, as a JSON-able dict."""
        return {
            "format": "oxnor-board",
            "version": 1,
            "board": self.board.name,
            "network": {"name": self.network.name, "digest": self.network.digest},
            "structure": self.config.digest,
            "baud": self.baud,
            "features": list(self.identity.features),
        }


def identity_for(
    config: EngineConfig, board: Board, freq_mhz: float, bit_cycles: int, link: str = "uart"
) -> link_protocol.Identity:
    """Return what a board says it is."""
    return link_protocol.Identity(
        version=link_protocol.VERSION,
        result_bytes=config.result_width // 8,
        image_bytes=config.beats * config.stream_width // 8,
        payload_max=2 * buffer_words(config, board.chip),
        clock_hz=round(freq_mhz * 1e6),
        divisor=bit_cycles,
        name=board.name,
        features=tuple(name for name in link_protocol.FEATURES if getattr(config, name, name == link)),
    )


def write_design(
    network: Network, board: Board, config: EngineConfig, directory: Path, options: BuildOptions | None = None
) -> BoardDesign:
    """Write the whole top level of a board: ``rtl/``, ``mem/``, pins.

    Parameters
    ----------
    network, board, config
        What goes where.
    directory : Path
        Where it goes.
    options : BuildOptions, optional
        Clock and serial line.

    Raises
    ------
    InputError
        If the clock cannot make the bit rate.
    """
    options = options or BuildOptions()
    link, bit_cycles = options.link, options.bit_cycles
    (directory / "rtl").mkdir(parents=True, exist_ok=True)
    pll, freq_mhz = pll_text(board, options.freq_mhz or board.freq_mhz, directory)
    if bit_cycles is None:
        bit_cycles = BIT_CYCLES_MIN["spi"] if link == "spi" else divisor(freq_mhz, options.baud or board.baud)
    identity = identity_for(config, board, freq_mhz, bit_cycles, link)
    emit_component(BoardLogic(config, identity), directory / "rtl", options.verilog)
    if config.programming and not board.chip.writes_bits:
        text = files("oxnor.fpga").joinpath("rtl", "rram_macro_words.sv").read_text(encoding="utf-8")
        write_text(directory / "rtl" / "rram_macro.sv", text)
    write_images(network, config, directory)
    write_text(directory / "rtl" / f"{TOP}.v", top_text(board, bool(pll), link, options.verilog))
    if pll:
        write_text(directory / "rtl" / f"{PLL}.v", pll)
    name, text = pin_file(board, link)
    write_text(directory / name, text)
    return BoardDesign(board, config, network, identity, freq_mhz)
