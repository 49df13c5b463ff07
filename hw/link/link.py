"""Host link: requests are judged and carried out, one at a time, and answered."""

from __future__ import annotations

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.axi_lite import axi_lite_master_ports, connect_axi_lite
from oxnor.hw.blocks.crc32 import Crc32
from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.interface.link_protocol import COUNTERS, IDENTITY_BYTES, WORD, Command, Identity, Status
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.streams.axi_stream import axi_stream_in, axi_stream_out, connect_axi_stream

from .engine_access import EngineAccess
from .payload_buffer import PayloadBuffer
from .receiver import LinkReceiver
from .registers_access import RegistersAccess
from .sender import LinkSender

#: Bits of the link's counters; they are sent as 32.
COUNTER_WIDTH = 24


class Link(Unit):
    """Answers requests of ``oxnor.hw.interface.link_protocol``, one at a time.

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
        words = identity.payload_max // 2
        self._receiver = LinkReceiver(words, config.beats)
        self._sender = LinkSender(with_idle="spi" in identity.features)
        self._payload = PayloadBuffer(words)
        self._engine = EngineAccess(config, words)
        self._registers = RegistersAccess(config.programming)
        self._crc = Crc32()
        ports = {
            "i_data": In(8), "i_valid": In(1), "i_error": In(1),
            "o_data": Out(8), "o_valid": Out(1), "o_ready": In(1),
            **axi_stream_out(WORD, "m_axis_"),
            **axi_stream_in(config.result_width, "s_axis_"),
        }  # fmt: skip
        super().__init__(ports | axi_lite_master_ports("m_axil_"))

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_link"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        for name in ("receiver", "sender", "payload", "engine", "registers", "crc"):
            place(m, platform, name, getattr(self, f"_{name}"))
        self._connect_line(m)
        self._connect_accesses(m)
        status = Signal(8)
        accepted, rejected = (Signal(COUNTER_WIDTH, name=name) for name in COUNTERS)
        request_lost = Signal()
        with m.If(self._receiver.lost):
            # Several may come before one answer: they are counted here.
            m.d.sync += [request_lost.eq(1), rejected.eq(rejected + 1)]
        # A run has timed out: what the engine would say now belongs to none that comes.
        stuck = Signal()
        with m.If(self._engine.done & (self._engine.status == Status.TIMEOUT)):
            m.d.sync += stuck.eq(1)
        with m.FSM(name="request") as fsm:
            m.d.comb += self._receiver.hold.eq(~fsm.ongoing("REST"))
            m.d.comb += self._payload.rewind.eq(fsm.ongoing("REST") | self._engine.rewind)
            with m.State("REST"):
                m.d.sync += status.eq(self._receiver.status)
                with m.If(self._receiver.done):
                    m.next = "CHECK"
                with m.Elif(request_lost):
                    m.d.sync += [status.eq(Status.BUSY), request_lost.eq(0)]
                    m.next = "COUNT"
            self._check(m, status, stuck)
            with m.State("COUNT"):
                with m.If(status == Status.OK):
                    m.d.sync += accepted.eq(accepted + 1)
                with m.Elif(status != Status.BUSY):
                    m.d.sync += rejected.eq(rejected + 1)
                m.next = "SEND-SEQUENCE"
            self._answer(m, status, Cat(accepted, C(0, 32 - COUNTER_WIDTH), rejected, C(0, 32 - COUNTER_WIDTH)))
        return m

    def _connect_line(self, m: Module) -> None:
        """Connect the line, and the CRC, which serves both ways as they take turns."""
        r, s, crc = self._receiver, self._sender, self._crc
        m.d.comb += [
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
        ]

    def _connect_accesses(self, m: Module) -> None:
        """Connect the accesses to the payload and to the ports."""
        r, p, engine, registers = self._receiver, self._payload, self._engine, self._registers
        m.d.comb += [
            p.i_write.eq(r.write),
            p.i_address.eq(r.address),
            p.i_word.eq(r.word),
            p.count.eq(r.words),
            p.advance.eq(engine.advance | registers.advance),
            p.back.eq(engine.back),
            p.store.eq(engine.store),
            p.store_address.eq(engine.store_address),
            p.store_word.eq(engine.store_word),
            engine.word.eq(p.word),
            engine.index.eq(p.index),
            engine.more.eq(p.more),
            registers.word.eq(p.word),
            registers.more.eq(p.more),
            registers.command.eq(r.command),
        ]
        connect_axi_stream(m, engine, "m_axis_", self, "m_axis_")
        connect_axi_stream(m, self, "s_axis_", engine, "s_axis_")
        connect_axi_lite(m, registers, "m_axil_", self, "m_axil_")

    def _check(self, m: Module, status: Signal, stuck: Signal) -> None:
        """Judge a request; nothing is done before."""
        r = self._receiver
        well_formed = {
            Command.IDENTITY: r.words == 0,
            Command.COUNTERS: r.words == 0,
            Command.RUN: r.whole_images,
            Command.READ: (r.words != 0) & ~r.half,
            Command.WRITE: r.whole_writes,
        }
        if self.config.programming:
            well_formed[Command.ACCESS] = r.whole_writes
        with m.State("CHECK"):
            m.next = "COUNT"
            with m.If(status == Status.OK), m.Switch(r.command):
                for command, condition in well_formed.items():
                    with m.Case(command), m.If(~condition):
                        m.d.sync += status.eq(Status.BAD_PAYLOAD)
                with m.Default():
                    m.d.sync += status.eq(Status.UNKNOWN_COMMAND)
            with m.If(stuck & (status == Status.OK) & (r.command == Command.RUN)):
                m.d.sync += status.eq(Status.TIMEOUT)

    def _answer(self, m: Module, status: Signal, counters: Value) -> None:
        """Send the sequence number, what the command gives, and the status."""
        r, s = self._receiver, self._sender
        states = {
            Command.IDENTITY: "SEND-IDENTITY",
            Command.COUNTERS: "SEND-COUNTERS",
            Command.RUN: "RUN",
            Command.READ: "ACCESS-REGISTERS",
            Command.WRITE: "ACCESS-REGISTERS",
        }
        if self.config.programming:
            states[Command.ACCESS] = "ACCESS-REGISTERS"
        position = Signal(range(IDENTITY_BYTES))
        with m.State("SEND-SEQUENCE"):
            m.d.comb += [s.valid.eq(1), s.data.eq(r.sequence)]
            m.d.sync += position.eq(0)
            with m.If(s.ready):
                m.next = "SEND-STATUS"
                with m.If(status == Status.OK), m.Switch(r.command):
                    for command, state in states.items():
                        with m.Case(command):
                            m.next = state
        count = 4 * len(COUNTERS)
        texts = {
            "SEND-IDENTITY": (Array(self.identity.to_bytes())[position], IDENTITY_BYTES),
            "SEND-COUNTERS": (counters.word_select(position[: (count - 1).bit_length()], 8), count),
        }
        for state, (byte, count) in texts.items():
            with m.State(state):
                m.d.comb += [s.valid.eq(1), s.data.eq(byte)]
                with m.If(s.ready):
                    m.d.sync += position.eq(position + 1)
                    with m.If(position == count - 1):
                        m.next = "SEND-STATUS"
        accesses: dict[str, EngineAccess | RegistersAccess] = {
            "RUN": self._engine,
            "ACCESS-REGISTERS": self._registers,
        }
        for state, access in accesses.items():
            with m.State(state):
                m.d.comb += [access.start.eq(1), access.o_ready.eq(s.ready)]
                m.d.comb += [s.valid.eq(access.o_valid), s.data.eq(access.o_data)]
                with m.If(access.done):
                    m.d.sync += status.eq(access.status)
                    m.next = "SEND-STATUS"
        with m.State("SEND-STATUS"):
            m.d.comb += [s.valid.eq(1), s.last.eq(1), s.data.eq(status)]
            with m.If(s.ready):
                m.next = "FLUSH"
        with m.State("FLUSH"), m.If(~s.busy):
            m.next = "REST"
