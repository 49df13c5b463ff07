"""Buffer of the host link: the ports of ``hw/rtl/link_buffer.sv``."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.widths import bits_for


class LinkBuffer(Unit):
    """Single-port memory of 16-bit words.

    Parameters
    ----------
    words : int
        Size.

    Members
    -------
    write, read : ``In(1)``
        Write ``data``; else, read into ``q`` at this clock edge. A write wins.
    address : ``In(bits_for(words - 1))``
    data : ``In(16)``
    q : ``Out(16)``
        Holds what was read last, until the next write: what it is then differs from memory to memory (an iCE40 SPRAM
        shows anything), so that the models show what nobody has written.
    """

    rtl_source = "link_buffer.sv"

    def __init__(self, words: int):
        self.words = words
        self.verilog_parameters = {"WORDS": words}
        super().__init__(
            {"write": In(1), "read": In(1), "address": In(bits_for(words - 1)), "data": In(16), "q": Out(16)}
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return "link_buffer"

    def elaborate(self, platform: object) -> Module:
        """Return a model for the Amaranth simulator; Verilog gets the hand-written module."""
        m = Module()
        lost = Signal()
        m.submodules.mem = mem = Memory(shape=16, depth=self.words, init=[])
        write, read = mem.write_port(), mem.read_port(transparent_for=())
        m.d.comb += [
            write.addr.eq(self.address),
            write.data.eq(self.data),
            write.en.eq(self.write),
            read.addr.eq(self.address),
            read.en.eq(self.read & ~self.write),
            self.q.eq(read.data ^ lost.replicate(16)),
        ]
        with m.If(self.write):
            m.d.sync += lost.eq(1)
        with m.Elif(self.read):
            m.d.sync += lost.eq(0)
        return m
