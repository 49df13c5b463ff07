"""Host link: requests become transfers on the engine's AXI ports, and their outcome a response."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.axi_lite import ADDRESS_WIDTH, AXI_LITE_PORTS, OKAY
from oxnor.hw.blocks.crc32 import Crc32
from oxnor.hw.blocks.register_slice import Skid
from oxnor.hw.blocks.unit import Unit, bits_for, place
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.link_protocol import (
    COUNTERS,
    IDENTITY_BYTES,
    READ_FLAG,
    RUN_TIMEOUT_BITS,
    WORD,
    Command,
    Identity,
    Status,
)
from oxnor.hw.params.registers import INDEX
from oxnor.hw.params.schedule import schedule

from .buffer import LinkBuffer
from .receiver import LinkReceiver
from .sender import LinkSender

#: Bits of the link's counters; they are sent as 32.
COUNTER_WIDTH = 24


class Link(Unit):
    """Answers requests of ``oxnor.hw.params.link_protocol``, one at a time.

    A request is stored whole and checked before anything is done: one that is wrong changes nothing but a counter.

    Parameters
    ----------
    config : EngineConfig
        The engine behind it: beats of 16 bits, results without scores.
    identity : Identity
        What the board says it is; its ``payload_max`` is the size of the buffer.

    Members
    -------
    i_data, i_valid, i_error
        Bytes from the line, at least nine cycles apart; ``i_error``: one was damaged.
    o_data, o_valid, o_ready
        Bytes to the line.
    m_axis_*, s_axis_*
        To the engine's input stream, and from its output stream.
    m_axil_*
        To the engine's registers.
    """

    def __init__(self, config: EngineConfig, identity: Identity):
        if config.stream_width != WORD or config.result_width not in (8, 16):
            raise ValueError(
                f"Engine must have beats of {WORD} bits and results of 8 or 16, not {config.stream_width} and "
                f"{config.result_width}"
            )
        self.config = config
        self.identity = identity
        members: dict[str, Any] = {
            "i_data": In(8), "i_valid": In(1), "i_error": In(1),
            "o_data": Out(8), "o_valid": Out(1), "o_ready": In(1),
            "m_axis_tdata": Out(WORD), "m_axis_tvalid": Out(1), "m_axis_tready": In(1), "m_axis_tlast": Out(1),
            "s_axis_tdata": In(config.result_width), "s_axis_tvalid": In(1), "s_axis_tready": Out(1),
        }  # fmt: skip
        members |= {f"m_axil_{k}": (Out if v.flow == In else In)(v.shape) for k, v in AXI_LITE_PORTS.items()}
        super().__init__(members)

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_link"

    def elaborate(self, platform: Any) -> Module:  # noqa: D102
        m = Module()
        words = self.identity.payload_max // 2
        self.receiver = LinkReceiver(words, self.config.beats)
        self.sender = LinkSender(with_idle="spi" in self.identity.features)
        self.buffer = LinkBuffer(words)
        self.crc = Crc32()
        # The engine's ready may come through all of its layers: it ends here.
        self.feed = feed = Skid(WORD + 1)
        self.last_beat = Signal()
        for name in ("receiver", "sender", "buffer", "crc", "feed"):
            place(m, platform, name, getattr(self, name))
        self.status = Signal(8)
        self.written = Signal(32)
        self.cycles = Signal(RUN_TIMEOUT_BITS + 1)
        self.index = Signal(bits_for(max(IDENTITY_BYTES, words)))  # words of the buffer, bytes, counters: where we are
        self.more = Signal()  # words of the payload are left: a register, as a long way depends on it
        self.position = Signal(2)  # byte of a number that is sent
        self.stuck = Signal()  # a RUN timed out: what the engine would say now belongs to none that comes
        r, s, b, crc = self.receiver, self.sender, self.buffer, self.crc
        m.d.comb += [
            # The two ways take turns: one CRC serves both.
            crc.data.eq(Mux(r.hold, s.crc_data, r.crc_data)),
            crc.valid.eq(Mux(r.hold, s.crc_valid, r.crc_valid)),
            crc.clear.eq(Mux(r.hold, s.start, r.crc_clear)),
            r.crc.eq(crc.value),
            s.crc.eq(crc.value),
            r.data.eq(self.i_data),
            r.valid.eq(self.i_valid),
            r.error.eq(self.i_error),
            self.o_data.eq(s.o_data),
            self.o_valid.eq(s.o_valid),
            s.o_ready.eq(self.o_ready),
            b.address.eq(Mux(r.write, r.address, self.index)),
            b.data.eq(r.word),
            b.write.eq(r.write),
            feed.i.payload.eq(Cat(b.q, self.last_beat)),
            Cat(self.m_axis_tdata, self.m_axis_tlast).eq(feed.o.payload),
            self.m_axis_tvalid.eq(feed.o.valid),
            feed.o.ready.eq(self.m_axis_tready),
            self.m_axil_wdata.eq(self.written),
            self.m_axil_wstrb.eq(15),
        ]
        # A cycle late wherever nothing else is said: there the index stands for several cycles.
        m.d.sync += self.more.eq(self.index != r.words)
        self.counters = [Signal(COUNTER_WIDTH, name=name) for name in COUNTERS]
        self.busy_answer = Signal()
        with m.If(r.lost):
            # Several may come before one answer: they are counted here.
            m.d.sync += [self.busy_answer.eq(1), self.counters[1].eq(self.counters[1] + 1)]
        with m.FSM(name="doing") as fsm:
            m.d.comb += r.hold.eq(~fsm.ongoing("REST"))
            self._start(m)
            self._say(m)
            self._run(m)
            self._access(m)
        return m

    def _start(self, m: Module) -> None:
        """Judge a request and count it; nothing is done before."""
        r, s = self.receiver, self.sender
        with m.State("REST"):
            m.d.sync += [self.status.eq(r.status), self.index.eq(0), self.position.eq(0)]
            with m.If(r.done):
                m.next = "CHECK"
            with m.Elif(self.busy_answer):
                m.d.sync += [self.status.eq(Status.BUSY), self.busy_answer.eq(0)]
                m.next = "COUNT"
        with m.State("CHECK"):
            m.next = "COUNT"
            m.d.sync += self.cycles.eq(0)
            allowed = {
                Command.IDENTITY: r.words == 0,
                Command.COUNTERS: r.words == 0,
                Command.RUN: r.whole_images,
                Command.READ: (r.words != 0) & ~r.half,
                Command.WRITE: r.whole_writes,
            }
            if self.config.programming:
                allowed[Command.ACCESS] = r.whole_writes
            with m.If(self.status == Status.OK), m.Switch(r.command):
                for command, condition in allowed.items():
                    with m.Case(command), m.If(~condition):
                        m.d.sync += self.status.eq(Status.BAD_PAYLOAD)
                with m.Default():
                    m.d.sync += self.status.eq(Status.UNKNOWN_COMMAND)
            with m.If(self.stuck & (self.status == Status.OK) & (r.command == Command.RUN)):
                m.d.sync += self.status.eq(Status.TIMEOUT)
        accepted, rejected = self.counters
        with m.State("COUNT"):
            with m.If(self.status == Status.OK):
                m.d.sync += accepted.eq(accepted + 1)
            with m.Elif(self.status != Status.BUSY):
                m.d.sync += rejected.eq(rejected + 1)
            m.next = "SEQUENCE"
        first = {
            Command.IDENTITY: "IDENTITY",
            Command.COUNTERS: "COUNTER",
            Command.RUN: "FEED",
            Command.READ: "FETCH",
            Command.WRITE: "FETCH",
        }
        if self.config.programming:
            first[Command.ACCESS] = "FETCH"
        with m.State("SEQUENCE"):
            m.d.comb += [s.valid.eq(1), s.data.eq(r.sequence)]
            with m.If(s.ready):
                m.next = "STATUS"
                with m.If(self.status == Status.OK), m.Switch(r.command):
                    for command, state in first.items():
                        with m.Case(command):
                            m.next = state

    def _say(self, m: Module) -> None:
        """Send the identity, numbers of four bytes, the status."""
        s = self.sender
        with m.State("IDENTITY"):
            text = Array(self.identity.to_bytes())
            m.d.comb += [s.valid.eq(1), s.data.eq(text[self.index[: (IDENTITY_BYTES - 1).bit_length()]])]
            with m.If(s.ready):
                m.d.sync += self.index.eq(self.index + 1)
                with m.If(self.index == IDENTITY_BYTES - 1):
                    m.next = "STATUS"
        # Four bytes of a counter, of a register, of the cycles of a run.
        numbers = {"COUNTER": Array(self.counters)[self.index[0]], "DATA": self.m_axil_rdata, "CYCLES": self.cycles}
        for state, number in numbers.items():
            with m.State(state):
                m.d.comb += [s.valid.eq(1), s.data.eq(number.word_select(self.position, 8))]
                with m.If(s.ready):
                    m.d.sync += self.position.eq(self.position + 1)
                    with m.If(self.position == 3):
                        m.next = "STATUS"
                        if state == "COUNTER":
                            m.d.sync += self.index.eq(self.index + 1)
                            with m.If(self.index != len(self.counters) - 1):
                                m.next = "COUNTER"
                        elif state == "DATA":
                            m.d.comb += self.m_axil_rready.eq(1)
                            with m.If(self.more):
                                m.next = "FETCH"
        with m.State("STATUS"):
            m.d.comb += [s.valid.eq(1), s.last.eq(1), s.data.eq(self.status)]
            with m.If(s.ready):
                m.next = "FLUSH"
        with m.State("FLUSH"), m.If(~s.busy):
            m.next = "REST"

    def _run(self, m: Module) -> None:
        """Stream the images of the buffer into the engine; its results take their place, and are then sent."""
        r, s, b = self.receiver, self.sender, self.buffer
        full, fed_any = Signal(), Signal()
        beat = Signal(range(self.config.beats))
        # Images whose results have not come: in the layers, the collector, on the way.
        inside = Signal(range(max(2 * len(self.config.layers), schedule(self.config).places) + 4))
        results = Signal(range(self.buffer.words // self.config.beats + 1))
        taken, given = Signal(), Signal()
        with m.State("FEED"):
            m.d.comb += [
                self.feed.i.valid.eq(full),
                self.last_beat.eq(beat == self.config.beats - 1),
                self.s_axis_tready.eq(1),
                taken.eq(full & self.feed.i.ready),
                given.eq(self.s_axis_tvalid),
            ]
            m.d.sync += [
                self.cycles.eq(Mux(taken & ~fed_any, 0, self.cycles + 1)),
                inside.eq(inside + (taken & self.last_beat) - given),
            ]
            with m.If(taken):
                m.d.sync += [full.eq(0), fed_any.eq(1), beat.eq(Mux(self.last_beat, 0, beat + 1))]
            with m.If(given):
                m.d.comb += [b.write.eq(1), b.address.eq(results), b.data.eq(self.s_axis_tdata)]
                m.d.sync += results.eq(results + 1)
                with m.If(full & ~taken):
                    # The word that waits at the memory's output is lost with the write: it is read again.
                    m.d.sync += [full.eq(0), self.index.eq(self.index - 1), self.more.eq(1)]
            with m.Elif((~full | taken) & self.more):
                m.d.comb += b.read.eq(1)
                m.d.sync += [full.eq(1), self.index.eq(self.index + 1), self.more.eq(self.index + 1 != r.words)]
            with m.If(given & (inside == 1) & ~full & ~self.more):
                m.d.sync += self.index.eq(0)
                m.next = "RESULT"
            with m.Elif(self.cycles[RUN_TIMEOUT_BITS]):
                m.d.sync += [self.status.eq(Status.TIMEOUT), self.stuck.eq(1)]
                m.next = "STATUS"
        with m.State("RESULT"):
            m.d.comb += b.read.eq(1)
            m.d.sync += [self.index.eq(self.index + 1), fed_any.eq(0)]
            m.next = "RESULT_KEPT"
        with m.State("RESULT_KEPT"):  # block RAM is slow: nothing is sent straight from it
            m.d.sync += self.written[:WORD].eq(b.q)
            m.next = "RESULT_0"
        size = self.config.result_width // 8
        for k in range(size):
            with m.State(f"RESULT_{k}"):
                m.d.comb += [s.valid.eq(1), s.data.eq(self.written.word_select(k, 8))]
                with m.If(s.ready):
                    if k < size - 1:
                        m.next = f"RESULT_{k + 1}"
                    else:
                        m.next = "RESULT"
                        with m.If(self.index == results):
                            m.d.sync += results.eq(0)
                            m.next = "CYCLES"

    def _access(self, m: Module) -> None:
        """Read and write registers: addresses, or addresses and values, from the buffer, one after the other."""
        r, b = self.receiver, self.buffer
        address = Signal(WORD)
        m.d.comb += [self.m_axil_araddr.eq(address), self.m_axil_awaddr.eq(address)]
        has_value: Any = r.command == Command.WRITE
        far: Any = address[ADDRESS_WIDTH:] != 0
        reads: Any = 0
        if self.config.programming:
            mixed = r.command == Command.ACCESS
            has_value, reads = has_value | mixed, mixed & (address & READ_FLAG).any()
            far = (address & ~Mux(mixed, READ_FLAG, 0))[ADDRESS_WIDTH:WORD] != 0

        def fetch() -> None:
            m.d.comb += b.read.eq(1)
            m.d.sync += self.index.eq(self.index + 1)

        with m.State("FETCH"):
            fetch()
            m.next = "ADDRESS"
        with m.State("ADDRESS"):
            m.d.sync += address.eq(b.q)
            m.next = "AIM"
        with m.State("AIM"):
            m.next = "READ"
            with m.If(has_value):
                fetch()
                m.next = "LOW"
            with m.If(far):
                m.next = "BUS_ERROR"
        with m.State("LOW"):
            m.d.sync += self.written[:WORD].eq(b.q)
            fetch()
            m.next = "HIGH"
        with m.State("HIGH"):
            m.d.sync += self.written[WORD:].eq(b.q)
            m.next = "WRITE"
            with m.If(reads):
                m.next = "READ"
        with m.State("READ"):
            m.d.comb += self.m_axil_arvalid.eq(1)
            with m.If(self.m_axil_arready):
                m.next = "READ_ANSWER"
        with m.State("READ_ANSWER"), m.If(self.m_axil_rvalid):
            # The data stay on the bus until they are sent.
            m.next = "DATA"
            with m.If(self.m_axil_rresp != OKAY):
                m.d.comb += self.m_axil_rready.eq(1)
                m.next = "BUS_ERROR"
        address_sent, data_sent = Signal(), Signal()
        with m.State("WRITE"):
            m.d.comb += [self.m_axil_awvalid.eq(~address_sent), self.m_axil_wvalid.eq(~data_sent)]
            with m.If(self.m_axil_awready):
                m.d.sync += address_sent.eq(1)
            with m.If(self.m_axil_wready):
                m.d.sync += data_sent.eq(1)
            with m.If((address_sent | self.m_axil_awready) & (data_sent | self.m_axil_wready)):
                m.next = "WRITE_ANSWER"
        with m.State("WRITE_ANSWER"):
            m.d.comb += self.m_axil_bready.eq(1)
            m.d.sync += [address_sent.eq(0), data_sent.eq(0)]
            with m.If(self.m_axil_bvalid):
                m.next = "FETCH"
                with m.If(~self.more):
                    m.next = "STATUS"
                if self.config.programming:
                    with m.If(address == 4 * INDEX["PROG_COMMAND"]):
                        m.d.sync += self.cycles.eq(0)
                        m.next = "POLL"
                with m.If(self.m_axil_bresp != OKAY):
                    m.next = "BUS_ERROR"
        if self.config.programming:
            self._wait(m)
        with m.State("BUS_ERROR"):
            m.d.sync += self.status.eq(Status.BUS_ERROR)
            m.next = "STATUS"

    def _wait(self, m: Module) -> None:
        """Wait until the programming controller has done the command that was written."""
        with m.State("POLL"):
            m.d.comb += [self.m_axil_araddr.eq(4 * INDEX["PROG_STATUS"]), self.m_axil_arvalid.eq(1)]
            m.d.sync += self.cycles.eq(self.cycles + 1)
            with m.If(self.m_axil_arready):
                m.next = "POLL_ANSWER"
        with m.State("POLL_ANSWER"):
            m.d.comb += self.m_axil_rready.eq(1)
            m.d.sync += self.cycles.eq(self.cycles + 1)
            with m.If(self.m_axil_rvalid):
                m.next = "POLL"
                with m.If(self.cycles[RUN_TIMEOUT_BITS]):
                    m.d.sync += self.status.eq(Status.TIMEOUT)
                    m.next = "STATUS"
                with m.Elif(~self.m_axil_rdata[0]):
                    m.next = "FETCH"
                    with m.If(~self.more):
                        m.next = "STATUS"
