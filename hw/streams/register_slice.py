"""Register slice of a stream."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit


class RegisterSlice(Unit):
    """Stream register slice: ``i.ready`` is a register, nothing is delayed while ``o.ready`` stays 1.

    Cuts the path from the consumer's ready to everything before it.

    Parameters
    ----------
    width : int
        Bits of the payload.

    Members
    -------
    i : ``In(stream.Signature(width))``
    o : ``Out(stream.Signature(width))``
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width))})

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_register_slice_{self.width}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        kept = Signal(self.width, reset_less=True)
        full = Signal()
        m.d.comb += [
            self.i.ready.eq(~full),
            self.o.valid.eq(self.i.valid | full),
            self.o.payload.eq(self.i.payload),
        ]
        with m.If(full):
            m.d.comb += self.o.payload.eq(kept)
        with m.If(self.o.ready):
            m.d.sync += full.eq(0)
        with m.Elif(self.i.valid & ~full):
            m.d.sync += [full.eq(1), kept.eq(self.i.payload)]
        return m
