"""Host link, runs: the images of a payload go through the engine, and their classes are sent."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.interface.link_protocol import RUN_TIMEOUT_BITS, WORD, Status
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.hw.params.widths import bits_for
from oxnor.hw.streams.axi_stream import axi_stream_in, axi_stream_out
from oxnor.hw.streams.register_slice import RegisterSlice


class EngineAccess(Unit):
    """Streams the images of the buffer into the engine; their results take their place, and are then sent.

    Parameters
    ----------
    config : EngineConfig
        The engine: beats of 16 bits, results of 8 or 16 without scores.
    words : int
        Size of the buffer.

    Members
    -------
    start : ``In(1)``
        Run the payload. Stays 1 until ``done``.
    done : ``Out(1)``
        All is sent, or given up.
    status : ``Out(8)``
        With ``done``: OK, or TIMEOUT if the engine has not answered.
    word, index, more, advance, back, rewind, store, store_address, store_word
        To :class:`oxnor.hw.link.payload_buffer.PayloadBuffer`.
    o_data, o_valid, o_ready
        What is sent: the results, then the clock cycles from the first beat to the last result in four bytes.
    m_axis_*, s_axis_*
        To the engine's input stream, and from its output stream.
    """

    def __init__(self, config: EngineConfig, words: int):
        self.config = config
        self.words = words
        ports = {
            "start": In(1), "done": Out(1), "status": Out(8),
            "word": In(WORD), "index": In(bits_for(words)), "more": In(1),
            "advance": Out(1), "back": Out(1), "rewind": Out(1),
            "store": Out(1), "store_address": Out(bits_for(words - 1)), "store_word": Out(WORD),
            "o_data": Out(8), "o_valid": Out(1), "o_ready": In(1),
            **axi_stream_out(WORD, "m_axis_"),
            **axi_stream_in(config.result_width, "s_axis_"),
        }  # fmt: skip
        super().__init__(ports)

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_link_engine_access"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        # The engine's ready may come through all of its layers: it ends here.
        feed = RegisterSlice(WORD + 1)
        place(m, platform, "feed", feed)
        m.d.comb += [
            Cat(self.m_axis_tdata, self.m_axis_tlast).eq(feed.o.payload),
            self.m_axis_tvalid.eq(feed.o.valid),
            feed.o.ready.eq(self.m_axis_tready),
        ]
        cycles = Signal(RUN_TIMEOUT_BITS + 1)
        results = Signal(range(self.words // self.config.beats + 1))
        with m.FSM(name="run"):
            with m.State("IDLE"):
                m.d.sync += [cycles.eq(0), results.eq(0)]
                with m.If(self.start):
                    m.next = "FEED"
            self._feed(m, feed, cycles, results)
            self._send(m, cycles, results)
            for state, status in (("DONE", Status.OK), ("TIMED-OUT", Status.TIMEOUT)):
                with m.State(state):
                    m.d.comb += [self.done.eq(1), self.status.eq(status)]
                    m.next = "IDLE"
        return m

    def _feed(self, m: Module, feed: RegisterSlice, cycles: Signal, results: Signal) -> None:
        """Feed the words of the payload to the engine, and store the results that come meanwhile."""
        full, counting = Signal(), Signal()  # the buffer's output has a word; the first beat has gone
        beat = Signal(range(self.config.beats))
        # Images whose results have not come: in the layers, the assembler, on the way.
        inside = Signal(range(max(2 * len(self.config.layers), schedule(self.config).places) + 4))
        sent, last_beat, result = Signal(), Signal(), Signal()
        m.d.comb += [
            feed.i.payload.eq(Cat(self.word, last_beat)),
            last_beat.eq(beat == self.config.beats - 1),
            self.store_address.eq(results),
            self.store_word.eq(self.s_axis_tdata),
        ]
        with m.State("FEED"):
            m.d.comb += [
                feed.i.valid.eq(full),
                sent.eq(full & feed.i.ready),
                self.s_axis_tready.eq(1),
                result.eq(self.s_axis_tvalid),
                self.store.eq(result),
                # The word that waits at the buffer's output is lost when a result is stored: it is read again.
                self.back.eq(result & full & ~sent),
                self.advance.eq(~result & (~full | sent) & self.more),
            ]
            m.d.sync += [
                cycles.eq(Mux(sent & ~counting, 0, cycles + 1)),
                inside.eq(inside + (sent & last_beat) - result),
                results.eq(results + result),
                full.eq(self.advance | (full & ~sent & ~result)),
            ]
            with m.If(sent):
                m.d.sync += [counting.eq(1), beat.eq(Mux(last_beat, 0, beat + 1))]
            with m.If(result & (inside == 1) & ~full & ~self.more):
                m.d.comb += self.rewind.eq(1)
                m.d.sync += counting.eq(0)
                m.next = "READ-RESULT"
            with m.Elif(cycles[RUN_TIMEOUT_BITS]):
                m.next = "TIMED-OUT"

    def _send(self, m: Module, cycles: Signal, results: Signal) -> None:
        """Send the results, each in as many bytes as it has, and the cycles in four."""
        result = Signal(self.config.result_width)
        position = Signal(2)
        last = self.config.result_width // 8 - 1
        with m.State("READ-RESULT"):
            m.d.comb += self.advance.eq(1)
            m.next = "KEEP-RESULT"
        with m.State("KEEP-RESULT"):  # block RAM is slow: nothing is sent straight from it
            m.d.sync += result.eq(self.word)
            m.next = "SEND-RESULT"
        with m.State("SEND-RESULT"):
            m.d.comb += [self.o_valid.eq(1), self.o_data.eq(result.word_select(position[: last.bit_length()], 8))]
            with m.If(self.o_ready):
                m.d.sync += position.eq(position + 1)
                with m.If(position == last):
                    m.d.sync += position.eq(0)
                    m.next = "READ-RESULT"
                    with m.If(self.index == results):
                        m.next = "SEND-CYCLES"
        with m.State("SEND-CYCLES"):
            m.d.comb += [self.o_valid.eq(1), self.o_data.eq(cycles.word_select(position, 8))]
            with m.If(self.o_ready):
                m.d.sync += position.eq(position + 1)
                with m.If(position == 3):
                    m.next = "DONE"
