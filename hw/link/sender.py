"""Host link, way out: the bytes of a response become a frame with its CRC."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.interface.link_protocol import END, ESC, ESC_END, ESC_ESC, ESC_IDLE, IDLE


class LinkSender(Unit):
    """Puts END bytes around a response, escapes, and a CRC-32.

    The consumer must take at least nine cycles to a byte, as any serial line does.

    Parameters
    ----------
    with_idle : bool
        Whether IDLE is escaped too: on a line whose other side reads it where nothing is said.

    Members
    -------
    data, valid, last, ready
        The response, byte by byte; `last` is with its last byte.
    o_data, o_valid, o_ready
        To the line.
    busy : ``Out(1)``
        A frame is not yet out.
    start, crc_data, crc_valid, crc
        A CRC register over the bytes of the response; ``start`` clears it.
    """

    def __init__(self, with_idle: bool = False) -> None:
        self.with_idle = with_idle
        super().__init__(
            {
                "data": In(8),
                "valid": In(1),
                "last": In(1),
                "ready": Out(1),
                "o_data": Out(8),
                "o_valid": Out(1),
                "o_ready": In(1),
                "busy": Out(1),
                "start": Out(1),
                "crc_data": Out(8),
                "crc_valid": Out(1),
                "crc": In(32),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_link_sender"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        # A register of its own: what comes here has been chosen from many, and what follows looks at it closely.
        kept, full, kept_last = Signal(8), Signal(), Signal()
        m.d.comb += [self.ready.eq(~full), self.crc_data.eq(kept)]
        with m.If(self.valid & self.ready):
            m.d.sync += [kept.eq(self.data), kept_last.eq(self.last), full.eq(1)]
        byte = Signal(8)
        special, escaped, crc_part = Signal(), Signal(), Signal()
        position = Signal(2)
        accepted = Signal()
        m.d.comb += [
            byte.eq(Mux(crc_part, ~self.crc.word_select(position, 8), kept)),
            special.eq((byte == END) | (byte == ESC)),
            self.busy.eq(1),
        ]
        replaced = Mux(byte == END, ESC_END, ESC_ESC)
        if self.with_idle:
            m.d.comb += special.eq((byte == END) | (byte == ESC) | (byte == IDLE))
            replaced = Mux(byte == IDLE, ESC_IDLE, replaced)
        with m.FSM(name="part"):
            with m.State("REST"):
                m.d.comb += [self.start.eq(1), self.busy.eq(full)]
                m.d.comb += [self.o_data.eq(END), self.o_valid.eq(full)]
                with m.If(full & self.o_ready):
                    m.next = "BYTES"
            with m.State("BYTES"):
                m.d.comb += self.o_valid.eq(full | crc_part)
                m.d.comb += self.o_data.eq(
                    Mux(escaped, replaced, Mux(special, ESC, byte))
                )
                with m.If(self.o_valid & self.o_ready):
                    m.d.comb += accepted.eq(~special | escaped)
                    m.d.sync += escaped.eq(special & ~escaped)
                with m.If(accepted & ~crc_part):
                    m.d.comb += self.crc_valid.eq(1)
                    m.d.sync += full.eq(0)
                with m.If(accepted & crc_part):
                    m.d.sync += position.eq(position + 1)
                    with m.If(position == 3):
                        m.d.sync += crc_part.eq(0)
                        m.next = "END"
                with m.Elif(accepted & kept_last):
                    m.d.sync += crc_part.eq(1)
            with m.State("END"):
                m.d.comb += [self.o_data.eq(END), self.o_valid.eq(1)]
                with m.If(self.o_ready):
                    m.next = "REST"
        return m
