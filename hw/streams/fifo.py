"""Fifo of a stream."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.widths import bits_for


class Fifo(Unit):
    """Stream queue of registers: nothing is delayed while it is empty and ``o.ready`` stays 1.

    ``i.ready`` is 0 only while all places are taken.

    Parameters
    ----------
    width : int
        Bits of the payload.
    depth : int
        Places, at least 1.

    Members
    -------
    i : ``In(stream.Signature(width))``
    o : ``Out(stream.Signature(width))``
    """

    def __init__(self, width: int, depth: int):
        if depth < 1:
            raise ValueError(f"Depth must be 1 or more, not {depth}")
        self.width = width
        self.depth = depth
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width))})

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_fifo_{self.width}_{self.depth}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        # Newest first: what comes in pushes the others on, and the oldest is number level - 1.
        kept = [Signal(self.width, name=f"kept_{k}", reset_less=True) for k in range(self.depth)]
        level = Signal(bits_for(self.depth))
        push = Signal()
        pop = Signal()
        m.d.comb += [
            self.i.ready.eq(level != self.depth),
            self.o.valid.eq(self.i.valid | (level != 0)),
            self.o.payload.eq(self.i.payload),
            push.eq(self.i.valid & self.i.ready),
            pop.eq(self.o.valid & self.o.ready),
        ]
        for k, value in enumerate(kept):
            with m.If(level == k + 1):
                m.d.comb += self.o.payload.eq(value)
        m.d.sync += level.eq(level + push - pop)
        with m.If(push):
            m.d.sync += [value.eq(before) for before, value in zip([self.i.payload, *kept], kept, strict=False)]
        return m
