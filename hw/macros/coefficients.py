"""Memories of coefficients: the ports of ``hw/rtl/coefficient_{rom,ram,word}.sv``."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.widths import bits_for


class _CoefficientMemory(Unit):
    """Hand-written SystemVerilog, named by its file."""

    rtl_source: str

    @property
    def module_name(self) -> str:
        return self.rtl_source.removesuffix(".sv")

    def elaborate(self, platform: object) -> Module:
        raise NotImplementedError(f"{self.rtl_source} is SystemVerilog: simulate the emitted Verilog")


class CoefficientRom(_CoefficientMemory):
    """Read-only memory for thresholds, scales, offsets and identity.

    Parameters
    ----------
    rows, width : int
        Number of words, and bits in each.
    init_file : str
        Memory image.

    Members
    -------
    en : ``In(1)``
        Read at this clock edge; ``q`` holds while it is 0.
    row : ``In(bits_for(rows - 1))``
        Address.
    q : ``Out(width)``
        The word, after the clock edge.
    """

    rtl_source = "coefficient_rom.sv"

    def __init__(self, rows: int, width: int, init_file: str):
        self.verilog_parameters = {"ROWS": rows, "WIDTH": width, "INIT_FILE": init_file}
        super().__init__({"en": In(1), "row": In(bits_for(rows - 1)), "q": Out(width)})


class CoefficientRam(_CoefficientMemory):
    """The same in an engine that can be programmed.

    Parameters
    ----------
    rows, width, init_file
        As for :class:`CoefficientRom`.

    Members
    -------
    en, row, q
        As for :class:`CoefficientRom`.
    write : ``In(1)``
        Write ``data`` to word ``word`` (32 bits) of row ``row`` at this clock edge.
    word : ``In(16)``
    data : ``In(32)``
    """

    rtl_source = "coefficient_ram.sv"

    def __init__(self, rows: int, width: int, init_file: str):
        self.verilog_parameters = {"ROWS": rows, "WIDTH": width, "INIT_FILE": init_file}
        ports = {"en": In(1), "row": In(bits_for(rows - 1)), "q": Out(width)}
        super().__init__(ports | {"write": In(1), "word": In(16), "data": In(32)})


class CoefficientWord(_CoefficientMemory):
    """Coefficients of a layer whose neurons need them all at once; no memory is left of it in hardware.

    Parameters
    ----------
    width : int
        Bits.
    init_file : str
        Memory image, one word.

    Members
    -------
    q : ``Out(width)``
        The word, at any time.
    """

    rtl_source = "coefficient_word.sv"
    has_clock = False

    def __init__(self, width: int, init_file: str):
        self.verilog_parameters = {"WIDTH": width, "INIT_FILE": init_file}
        super().__init__({"q": Out(width)})
