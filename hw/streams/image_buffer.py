"""Image buffer: beats of the input stream become whole images in a memory, which leave as pixels."""

from __future__ import annotations

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import Out

from oxnor.hw.blocks.row_buffer import RowBuffer
from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.params.pixels import pixels_of_word

from .axi_stream import axi_stream_in


class ImageBuffer(Unit):
    """Memory of two images: one comes while the other leaves, pixel by pixel.

    A frame is right if its last beat, and no other, is beat number `beats`. A wrong one is dropped whole, and counted
    once, at its last beat: the first pixel of an image leaves when all of it has come.

    Parameters
    ----------
    pixels, bits : int
        Of an image: pixels, and bits of each.
    width : int
        Bits of a beat. Bit i of the image is bit i % width of beat i // width. A word of the memory is whole beats and
        whole pixels.

    Members
    -------
    tdata, tvalid, tready, tlast
        AXI4-Stream in.
    o : ``Out(stream.Signature(bits))``
        Pixels in raster order.
    first : ``Out(1)``
        The pixel offered is the first of its image.
    dropped : ``Out(1)``
        A frame of the wrong length has ended in this cycle.
    """

    def __init__(self, pixels: int, bits: int, width: int):
        self.pixels, self.bits, self.width = pixels, bits, width
        ports = {"o": Out(stream.Signature(bits)), "first": Out(1), "dropped": Out(1)}
        super().__init__(axi_stream_in(width) | ports)

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_image_buffer_{self.pixels}_{self.bits}_{self.width}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        self.lanes = pixels_of_word(self.bits, self.width)
        self.words = -(-self.pixels // self.lanes)
        self.buffer = RowBuffer(2 * self.words, self.lanes * self.bits)
        place(m, platform, "images", self.buffer)
        self.whole = Signal(range(3))  # images in the memory of which a word has not been read yet
        comes, leaves = Signal(), Signal()
        m.d.sync += self.whole.eq(self.whole + comes - leaves)
        self._write(m, comes)
        self._read(m, leaves)
        return m

    def _write(self, m: Module, comes: Signal) -> None:
        beats = -(-self.pixels * self.bits // self.width)
        parts = self.lanes * self.bits // self.width  # beats of a word
        in_last = beats % parts or parts  # of the last word
        beat, part, word = Signal(range(beats)), Signal(range(parts)), Signal(range(self.words))
        half, too_long, right, takes = Signal(), Signal(), Signal(), Signal()
        # The last beat of an image whose last word is not full.
        ends = beat == beats - 1 if in_last < parts else C(0)
        m.d.comb += [
            self.tready.eq(self.whole != 2),
            takes.eq(self.tvalid & self.tready),
            right.eq((beat == beats - 1) & ~too_long),
            self.dropped.eq(takes & self.tlast & ~right),
            comes.eq(takes & self.tlast & right),
            self.buffer.write.eq(takes & ~too_long & ((part == parts - 1) | ends)),
            self.buffer.write_address.eq(Mux(half, self.words + word, word)),
        ]
        data: Value = self.tdata
        if parts > 1:
            kept = Signal((parts - 1) * self.width, reset_less=True)
            data = Cat(kept, self.tdata)
            if in_last < parts:
                data = Mux(ends, data[(parts - in_last) * self.width :], data)
            with m.If(takes):
                m.d.sync += kept.eq(Cat(kept, self.tdata)[self.width :])
        m.d.comb += self.buffer.data.eq(data)
        with m.If(takes):
            with m.If(self.tlast):
                m.d.sync += [beat.eq(0), part.eq(0), word.eq(0), too_long.eq(0), half.eq(half ^ right)]
            with m.Elif(beat == beats - 1):
                m.d.sync += too_long.eq(1)
            with m.Else():
                m.d.sync += beat.eq(beat + 1)
                with m.If(part == parts - 1):
                    m.d.sync += [part.eq(0), word.eq(word + 1)]
                with m.Else():
                    m.d.sync += part.eq(part + 1)

    def _read(self, m: Module, leaves: Signal) -> None:
        word, lane, half = Signal(range(self.words)), Signal(range(self.lanes)), Signal()
        in_last = self.pixels - (self.words - 1) * self.lanes  # pixels of the last word
        shows, shows_first, shows_last = Signal(), Signal(), Signal()  # the word that the memory shows
        done, reads = Signal(), Signal()
        lanes = Array(self.buffer.q.word_select(k, self.bits) for k in range(self.lanes))
        m.d.comb += [
            self.o.valid.eq(shows),
            self.o.payload.eq(lanes[lane]),
            self.first.eq(shows_first & (lane == 0)),
            done.eq(self.o.ready & (lane == Mux(shows_last, in_last - 1, self.lanes - 1))),
            reads.eq((self.whole != 0) & (~shows | done)),
            leaves.eq(reads & (word == self.words - 1)),
            self.buffer.read.eq(reads),
            self.buffer.read_address.eq(Mux(half, self.words + word, word)),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += lane.eq(lane + 1)
        with m.If(~shows | done):
            m.d.sync += [lane.eq(0), shows.eq(reads)]
        with m.If(reads):
            m.d.sync += [shows_first.eq(word == 0), shows_last.eq(leaves), word.eq(Mux(leaves, 0, word + 1))]
            m.d.sync += half.eq(half ^ leaves)
