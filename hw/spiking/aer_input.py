"""Event input: address-event words from outside become events."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.spiking import NUMBER_BITS, TICK_BITS, WORD_BITS, SpikingConfig
from oxnor.hw.streams.axi_stream import axi_stream_in

from .layouts import event_layout

#: An address-event word: address, sign, tick, from the low bits.
ADDRESS_BITS = 16


class EventInput(Unit):
    """Takes frames of address-event words, one frame an image, and gives their events, then the end of the image.

    A word is no event, and is dropped, if its address is not an input's; a frame with none but such words is an image
    without spikes. A tick that lies before the one ahead of it is moved up to it. Words from the window on, and all
    that is left of a frame when its image is decided, are taken and not looked at.

    Parameters
    ----------
    config : SpikingConfig
        With the encoder ``external``.

    Members
    -------
    clear : ``In(1)``
        The image is decided.
    tdata, tvalid, tready, tlast
        AXI4-Stream in: address in bits 0 to 15, sign in bit 16 (1 is negative), tick in bits 17 to 31.
    o : ``Out(stream.Signature(event_layout(n_in, 0)))``
        Events.
    dropped : ``Out(1)``
        A word without an input's address was taken in this cycle.
    begun : ``Out(1)``
        The first word of a frame was taken in this cycle.
    """

    def __init__(self, config: SpikingConfig):
        self.config = config
        super().__init__(
            {
                "clear": In(1),
                **axi_stream_in(WORD_BITS),
                "o": Out(stream.Signature(event_layout(config.n_in, 0))),
                "dropped": Out(1),
                "begun": Out(1),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_spiking_engine_events"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        c, out = self.config, self.o.payload
        inside, over, waiting = Signal(), Signal(), Signal()
        tick, stated = Signal(TICK_BITS), Signal(TICK_BITS)
        number = Signal(NUMBER_BITS)
        address = self.tdata[:ADDRESS_BITS]
        accepted, known, late, event = Signal(), Signal(), Signal(), Signal()
        free = Signal()
        m.d.comb += [
            # After the last word nothing is taken until its image is decided, so that images do not mix.
            free.eq(~self.o.valid | self.o.ready),
            self.tready.eq(~waiting & (over | free & ~self.clear)),
            accepted.eq(self.tvalid & self.tready),
            stated.eq(self.tdata[ADDRESS_BITS + 1 :]),
            tick.eq(Mux(stated > out.tick, stated, out.tick)),
            known.eq(address < c.n_in),
            late.eq(tick >= c.decision.window),
            event.eq(accepted & known & ~late & ~over),
            self.dropped.eq(accepted & ~known),
            self.begun.eq(accepted & ~inside),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(accepted):
            m.d.sync += inside.eq(~self.tlast)
        with m.If(event):
            m.d.sync += [
                self.o.valid.eq(1),
                out.address.eq(address),
                out.negative.eq(self.tdata[ADDRESS_BITS]),
                out.tick.eq(tick),
                out.numbers[0].eq(number + 1),
                number.eq(number + 1),
            ]
        with m.If(accepted & ~over & (self.tlast | late)):
            m.d.sync += [over.eq(1), waiting.eq(1)]
        # The end of the image follows its last event.
        with m.If(waiting & free & ~out.last):
            m.d.sync += [self.o.valid.eq(1), out.last.eq(1), out.numbers[0].eq(number)]
        with m.If(self.clear):
            m.d.sync += [self.o.valid.eq(0), out.last.eq(0), out.tick.eq(0), number.eq(0), waiting.eq(0)]
            # What is left of the frame is swallowed; see `over`.
            m.d.sync += over.eq(Mux(accepted, ~self.tlast, inside))
        with m.Elif(over & ~waiting & accepted & self.tlast):
            m.d.sync += over.eq(0)
        return m
