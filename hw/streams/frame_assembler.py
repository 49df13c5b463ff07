"""Frame assembler: beats of the input stream become images, and frames of the wrong length are dropped."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Out

from oxnor.hw.blocks.unit import Unit

from .axi_stream import axi_stream_in


class FrameAssembler(Unit):
    """Gathers the beats of a frame into one image.

    A frame is right if its last beat, and no other, is beat number `beats`. A frame that ends too soon or goes on too
    long is dropped whole and counted once, at its last beat; the next frame finds the assembler in step. The image
    is offered in the cycle after its last beat; the first beat of the next one is taken in the cycle in which the
    image leaves, so that frames may follow each other without a gap.

    Parameters
    ----------
    n_in : int
        Bits of an image.
    width : int
        Bits of a beat; bit i of the image is bit i % width of beat i // width.
    by_beats : bool
        Write each beat to its place, with an enable of its own, instead of shifting the image.

    Members
    -------
    tdata, tvalid, tready, tlast
        AXI4-Stream in.
    o : ``Out(stream.Signature(n_in))``
        Images.
    dropped : ``Out(1)``
        A frame of the wrong length has ended in this cycle.
    """

    def __init__(self, n_in: int, width: int, by_beats: bool = False):
        self.n_in = n_in
        self.width = width
        self.by_beats = by_beats
        super().__init__(axi_stream_in(width) | {"o": Out(stream.Signature(n_in)), "dropped": Out(1)})

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_frame_assembler_{self.n_in}_{self.width}{'_b' * self.by_beats}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        beats = -(-self.n_in // self.width)
        bits = Signal(beats * self.width, reset_less=True)
        beat = Signal(range(beats))
        too_long = Signal()
        right = Signal()
        m.d.comb += [
            self.tready.eq(~self.o.valid | self.o.ready),
            right.eq((beat == beats - 1) & ~too_long),
            self.dropped.eq(self.tvalid & self.tready & self.tlast & ~right),
            self.o.payload.eq(bits),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.tvalid & self.tready):
            if self.by_beats:
                # Of a frame that goes on too long, which is dropped, the last place is written again and again.
                for k in range(beats):
                    with m.If(beat == k):
                        m.d.sync += bits.word_select(k, self.width).eq(self.tdata)
            else:
                m.d.sync += bits.eq(Cat(bits[self.width :], self.tdata))
            with m.If(self.tlast):
                m.d.sync += [beat.eq(0), too_long.eq(0), self.o.valid.eq(right)]
            with m.Elif(beat == beats - 1):
                m.d.sync += too_long.eq(1)
            with m.Else():
                m.d.sync += beat.eq(beat + 1)
        return m
