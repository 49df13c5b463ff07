"""Memory of pixels: the ports of ``hw/rtl/row_buffer.sv``."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from oxnor.hw.params.widths import bits_for

from .unit import Unit


class RowBuffer(Unit):
    """Memory with a port to write and a port to read; block RAM on an FPGA.

    Parameters
    ----------
    words, width : int
        Number of words, and bits in each.

    Members
    -------
    write : ``In(1)``
        Write ``data`` to ``write_address`` at this clock edge.
    write_address : ``In(bits_for(words - 1))``
    data : ``In(width)``
    read : ``In(1)``
        Read ``read_address`` at this clock edge: not the word that is written at the same.
    read_address : ``In(bits_for(words - 1))``
    q : ``Out(width)``
        The word, after the clock edge; it holds while ``read`` is 0.
    """

    rtl_source = "row_buffer.sv"

    def __init__(self, words: int, width: int):
        self.verilog_parameters = {"WORDS": words, "WIDTH": width}
        address = bits_for(words - 1)
        super().__init__(
            {
                "write": In(1),
                "write_address": In(address),
                "data": In(width),
                "read": In(1),
                "read_address": In(address),
                "q": Out(width),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return "row_buffer"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        raise NotImplementedError("The memory is SystemVerilog: simulate the emitted Verilog")
