"""Host link, way in: bytes become requests that are whole, or are known to be wrong."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.interface.link_protocol import CRC_RESIDUE, END, ESC, ESC_END, ESC_ESC, Status
from oxnor.hw.params.widths import bits_for


class LinkReceiver(Unit):
    """Takes requests apart (``oxnor.hw.interface.link_protocol``), stores their payload, and judges them at their end.

    An END ends a request wherever it comes, so that the receiver is in step at the next one whatever came before. What
    comes while ``hold`` is 1 is lost, and counted once for each frame.

    Parameters
    ----------
    capacity : int
        Longest payload, in 16-bit words.
    beats : int
        Words of an image.

    Members
    -------
    data, valid, error
        A byte; instead, one that was damaged on the line.
    hold : ``In(1)``
        The request before is still being answered.
    write, address, word
        To the buffer: words of the payload, from address 0.
    done : ``Out(1)``
        A request has ended in this cycle; what follows belongs to it until ``hold`` has fallen.
    status : ``Out(8)``
        ``Status.OK`` or what is wrong with it.
    command, sequence : ``Out(8)``
        Of the request.
    words : ``Out``
        16-bit words of its payload, a last one of a single byte included.
    half : ``Out(1)``
        Its last word is a single byte.
    whole_images, whole_writes : ``Out(1)``
        The payload is at least one image, at least one write (three words), and nothing else.
    lost : ``Out(1)``
        A request that came while ``hold`` was 1 has ended in this cycle.
    crc_data, crc_valid, crc_clear, crc
        A CRC register over the bytes of the request.
    """

    def __init__(self, capacity: int, beats: int):
        self.capacity = capacity
        self.beats = beats
        super().__init__(
            {
                "data": In(8),
                "valid": In(1),
                "error": In(1),
                "hold": In(1),
                "write": Out(1),
                "address": Out(bits_for(capacity - 1)),
                "word": Out(16),
                "done": Out(1),
                "status": Out(8),
                "command": Out(8),
                "sequence": Out(8),
                "words": Out(bits_for(capacity)),
                "half": Out(1),
                "whole_images": Out(1),
                "whole_writes": Out(1),
                "lost": Out(1),
                "crc_data": Out(8),
                "crc_valid": Out(1),
                "crc_clear": Out(1),
                "crc": In(32),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_link_receiver_{self.capacity}_{self.beats}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        escaped, corrupt, lost = Signal(), Signal(), Signal()
        end, accept = Signal(), Signal()
        byte = Signal(8)
        m.d.comb += [
            end.eq(self.valid & (self.data == END)),
            accept.eq(self.valid & ~end & (escaped | (self.data != ESC)) & ~self.hold & ~lost),
            byte.eq(self.data),
        ]
        with m.If(escaped):
            m.d.comb += byte.eq(Mux(self.data == ESC_END, END, ESC))
            with m.If(self.valid):
                m.d.sync += escaped.eq(0)
                with m.If((self.data != ESC_END) & (self.data != ESC_ESC)):
                    m.d.sync += corrupt.eq(1)
        with m.Elif(self.valid & (self.data == ESC)):
            m.d.sync += escaped.eq(1)
        with m.If(self.error):
            m.d.sync += corrupt.eq(1)
        with m.If(self.hold & ((self.valid & ~end) | self.error)):
            m.d.sync += lost.eq(1)
        with m.If(end):
            m.d.sync += [escaped.eq(0), corrupt.eq(0), lost.eq(0)]
        m.d.comb += self.lost.eq(end & (lost | (self.hold & corrupt)))
        # An END in the middle of an escape is as wrong as any other byte there.
        self._parse(m, accept, byte, end, ~self.hold & ~lost, corrupt | escaped)
        return m

    def _parse(self, m: Module, accept: Signal, byte: Signal, end: Signal, listening: Value, corrupt: Value) -> None:
        """Walk through header, payload and CRC."""
        in_payload, in_crc, started, too_long = Signal(), Signal(), Signal(), Signal()
        position = Signal(3)  # bytes of the header or of the CRC that have come
        left = Signal(16)
        low = Signal(8)
        odd = Signal()
        m.d.comb += [
            self.crc_data.eq(byte),
            self.crc_valid.eq(accept),
            self.crc_clear.eq(end),
            self.address.eq(self.words),
        ]
        # Written a cycle later: the memory is far away.
        m.d.sync += [
            self.word.eq(Mux(odd, Cat(low, byte), byte)),
            self.write.eq(accept & in_payload & ~too_long & (odd | (left == 1))),
        ]
        with m.If(accept):
            m.d.sync += started.eq(1)
            with m.If(in_payload):
                m.d.sync += [left.eq(left - 1), low.eq(byte), odd.eq(~odd)]
                with m.If(left == 1):
                    m.d.sync += [in_payload.eq(0), in_crc.eq(1)]
            with m.Else():
                m.d.sync += position.eq(position + 1)
                with m.If(in_crc), m.If(position == 4):
                    m.d.sync += [position.eq(4), too_long.eq(1)]
                with m.Else(), m.Switch(position):
                    with m.Case(0):
                        m.d.sync += self.command.eq(byte)
                    with m.Case(1):
                        m.d.sync += self.sequence.eq(byte)
                    with m.Case(2):
                        m.d.sync += left[:8].eq(byte)
                    with m.Default():
                        m.d.sync += [left[8:].eq(byte), position.eq(4)]
        with m.Elif(~in_payload & ~in_crc & (position == 4)):
            # The cycle after the header: bytes are many cycles apart.
            m.d.sync += [position.eq(0), in_payload.eq(left != 0), in_crc.eq(left == 0)]
            m.d.sync += too_long.eq(left > 2 * self.capacity)
        with m.If(end):
            m.d.sync += [x.eq(0) for x in (in_payload, in_crc, started, too_long, position, odd)]
        self._count(m, accept & ~started, odd)
        m.d.comb += [self.done.eq(end & listening & (started | corrupt)), self.status.eq(Status.OK)]
        with m.If(corrupt):
            m.d.comb += self.status.eq(Status.BAD_CRC)
        with m.Elif(too_long):
            m.d.comb += self.status.eq(Status.TOO_LONG)
        with m.Elif(~in_crc | (position != 4)):
            m.d.comb += self.status.eq(Status.TOO_SHORT)
        with m.Elif(self.crc != CRC_RESIDUE):
            m.d.comb += self.status.eq(Status.BAD_CRC)

    def _count(self, m: Module, start: Value, odd: Signal) -> None:
        """Count the words of the payload, and where they end within an image and a write."""
        beat = Signal(range(self.beats))
        third = Signal(2)
        m.d.comb += [
            self.whole_images.eq((beat == 0) & (self.words != 0) & ~self.half),
            self.whole_writes.eq((third == 0) & (self.words != 0) & ~self.half),
        ]
        with m.If(start):
            m.d.sync += [x.eq(0) for x in (self.words, beat, third, self.half)]
        with m.If(self.write):
            m.d.sync += [
                self.words.eq(self.words + 1),
                beat.eq(Mux(beat == self.beats - 1, 0, beat + 1)),
                third.eq(Mux(third == 2, 0, third + 1)),
                self.half.eq(odd),
            ]
