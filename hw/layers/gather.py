"""Gather: the pixels of an image become one vector, in a register or in a memory."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.row_buffer import RowBuffer
from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.params.widths import bits_for


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


class GatherMemory(Unit):
    """Gathers pixels as :class:`Gather` does, with its timing, in a memory from which they are read one by one.

    There is a place for two vectors: one comes while the other is read.

    Parameters
    ----------
    pixels, width : int
        Pixels of a vector, at least 2, and bits of a pixel.

    Members
    -------
    i : ``In(stream.Signature(width))``
    offered : ``Out(1)``
        A vector has come.
    take : ``In(1)``
        From the next cycle on it is the one that is read.
    read : ``In(1)``
        Read ``pixel`` at this clock edge.
    pixel : ``In(bits_for(pixels - 1))``
    q : ``Out(width)``
        The pixel, after the clock edge.
    """

    def __init__(self, pixels: int, width: int):
        self.pixels = pixels
        self.width = width
        super().__init__(
            {
                "i": In(stream.Signature(width)),
                "offered": Out(1),
                "take": In(1),
                "read": In(1),
                "pixel": In(bits_for(pixels - 1)),
                "q": Out(width),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_gather_memory_{self.pixels}_{self.width}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        buffer = RowBuffer(2 * self.pixels, self.width)
        place(m, platform, "vectors", buffer)
        half = Signal()  # where the vector is that comes or is offered
        pixel = Signal(range(self.pixels))
        comes = self.i.valid & self.i.ready
        m.d.comb += [
            self.i.ready.eq(~self.offered | self.take),
            buffer.write.eq(comes),
            # What comes as a vector is taken is the first pixel of the next one.
            buffer.write_address.eq(Mux(half ^ self.offered, self.pixels + pixel, pixel)),
            buffer.data.eq(self.i.payload),
            buffer.read.eq(self.read),
            buffer.read_address.eq(Mux(half, self.pixel, self.pixels + self.pixel)),
            self.q.eq(buffer.q),
        ]
        with m.If(self.take):
            m.d.sync += [self.offered.eq(0), half.eq(~half)]
        with m.If(comes):
            m.d.sync += pixel.eq(pixel + 1)
            with m.If(pixel == self.pixels - 1):
                m.d.sync += [pixel.eq(0), self.offered.eq(1)]
        return m
