"""Gather: the pixels of an image become one vector."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit


class Gather(Unit):
    """Gathers so many pixels into one vector, the first in the low bits.

    The vector is offered in the cycle after its last pixel; the first pixel of the next one is taken in the cycle in
    which it leaves.

    Parameters
    ----------
    pixels, width : int
        Pixels of a vector, and bits of a pixel.

    Members
    -------
    i : ``In(stream.Signature(width))``
    o : ``Out(stream.Signature(pixels * width))``
    """

    def __init__(self, pixels: int, width: int):
        self.pixels = pixels
        self.width = width
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(pixels * width))})

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_gather_{self.pixels}_{self.width}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        kept = Signal(self.pixels * self.width, reset_less=True)
        pixel = Signal(range(self.pixels))
        m.d.comb += [self.i.ready.eq(~self.o.valid | self.o.ready), self.o.payload.eq(kept)]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [kept.eq(Cat(kept[self.width :], self.i.payload)), pixel.eq(pixel + 1)]
            with m.If(pixel == self.pixels - 1):
                m.d.sync += [pixel.eq(0), self.o.valid.eq(1)]
        return m
