"""Host link, registers: addresses and values of a payload become transfers on the engine's AXI4-Lite port."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.axi_lite import ADDRESS_WIDTH, OKAY, axi_lite_master_ports
from oxnor.hw.blocks.unit import Unit
from oxnor.hw.interface.link_protocol import READ_FLAG, RUN_TIMEOUT_BITS, WORD, Command, Status
from oxnor.hw.interface.registers import INDEX


class RegistersAccess(Unit):
    """Reads and writes registers, one after the other, and sends what was read.

    A write of PROG_COMMAND is over when the programming controller has carried out the command.

    Parameters
    ----------
    programming : bool
        Whether the engine has a programming controller.

    Members
    -------
    start : ``In(1)``
        Carry out the payload. Stays 1 until ``done``.
    command : ``In(8)``
        What the payload is: that of READ, WRITE, or, with a programming controller, ACCESS.
    done : ``Out(1)``
        All is carried out, or what is left given up.
    status : ``Out(8)``
        With ``done``: a ``Status``.
    word, more, advance
        To :class:`oxnor.hw.link.payload_buffer.PayloadBuffer`.
    o_data, o_valid, o_ready
        What is sent: each register that was read in four bytes.
    m_axil_*
        To the engine's registers.
    """

    def __init__(self, programming: bool):
        self.programming = programming
        ports = {
            "start": In(1), "command": In(8), "done": Out(1), "status": Out(8),
            "word": In(WORD), "more": In(1), "advance": Out(1),
            "o_data": Out(8), "o_valid": Out(1), "o_ready": In(1),
        }  # fmt: skip
        super().__init__(ports | axi_lite_master_ports("m_axil_"))

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_link_registers_access"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        address, low, high = Signal(WORD), Signal(WORD), Signal(WORD)
        m.d.comb += [
            self.m_axil_araddr.eq(address),
            self.m_axil_awaddr.eq(address),
            self.m_axil_wdata.eq(Cat(low, high)),
            self.m_axil_wstrb.eq(15),
        ]
        with m.FSM(name="access"):
            with m.State("IDLE"), m.If(self.start):
                m.next = "FETCH"
            self._decode(m, address, low, high)
            self._read(m)
            self._write(m, address)
            if self.programming:
                self._wait_for_controller(m)
            for state, status in (("DONE", Status.OK), ("BUS-ERROR", Status.BUS_ERROR), ("TIMED-OUT", Status.TIMEOUT)):
                with m.State(state):
                    m.d.comb += [self.done.eq(1), self.status.eq(status)]
                    m.next = "IDLE"
        return m

    def _next_access(self, m: Module) -> None:
        """Go to the next access, or to the end."""
        m.next = "FETCH"
        with m.If(~self.more):
            m.next = "DONE"

    def _decode(self, m: Module, address: Signal, low: Signal, high: Signal) -> None:
        """Read an address from the buffer, and its value if there is one."""
        with_values = self.command == Command.WRITE
        outside = address[ADDRESS_WIDTH:] != 0
        is_read = C(0, 1)
        if self.programming:
            mixed = self.command == Command.ACCESS
            with_values = with_values | mixed
            is_read = mixed & (address & READ_FLAG).any()
            outside = (address & ~Mux(mixed, READ_FLAG, 0))[ADDRESS_WIDTH:WORD] != 0
        with m.State("FETCH"):
            m.d.comb += self.advance.eq(1)
            m.next = "ADDRESS"
        with m.State("ADDRESS"):
            m.d.sync += address.eq(self.word)
            m.next = "DECODE"
        with m.State("DECODE"):
            m.next = "READ"
            with m.If(with_values):
                m.d.comb += self.advance.eq(1)
                m.next = "VALUE-LOW"
            with m.If(outside):
                m.next = "BUS-ERROR"
        with m.State("VALUE-LOW"):
            m.d.comb += self.advance.eq(1)
            m.d.sync += low.eq(self.word)
            m.next = "VALUE-HIGH"
        with m.State("VALUE-HIGH"):
            m.d.sync += high.eq(self.word)
            m.next = "WRITE"
            with m.If(is_read):
                m.next = "READ"

    def _read(self, m: Module) -> None:
        """Read a register and send it."""
        position = Signal(2)
        with m.State("READ"):
            m.d.comb += self.m_axil_arvalid.eq(1)
            with m.If(self.m_axil_arready):
                m.next = "READ-RESPONSE"
        with m.State("READ-RESPONSE"), m.If(self.m_axil_rvalid):
            # The data stay on the bus until they are sent.
            m.next = "SEND-DATA"
            with m.If(self.m_axil_rresp != OKAY):
                m.d.comb += self.m_axil_rready.eq(1)
                m.next = "BUS-ERROR"
        with m.State("SEND-DATA"):
            m.d.comb += [self.o_valid.eq(1), self.o_data.eq(self.m_axil_rdata.word_select(position, 8))]
            with m.If(self.o_ready):
                m.d.sync += position.eq(position + 1)
                with m.If(position == 3):
                    m.d.comb += self.m_axil_rready.eq(1)
                    self._next_access(m)

    def _write(self, m: Module, address: Signal) -> None:
        """Write a register; address and value may be accepted in any order."""
        address_sent, value_sent = Signal(), Signal()
        with m.State("WRITE"):
            m.d.comb += [self.m_axil_awvalid.eq(~address_sent), self.m_axil_wvalid.eq(~value_sent)]
            with m.If(self.m_axil_awready):
                m.d.sync += address_sent.eq(1)
            with m.If(self.m_axil_wready):
                m.d.sync += value_sent.eq(1)
            with m.If((address_sent | self.m_axil_awready) & (value_sent | self.m_axil_wready)):
                m.next = "WRITE-RESPONSE"
        with m.State("WRITE-RESPONSE"):
            m.d.comb += self.m_axil_bready.eq(1)
            m.d.sync += [address_sent.eq(0), value_sent.eq(0)]
            with m.If(self.m_axil_bvalid):
                self._next_access(m)
                if self.programming:
                    with m.If(address == 4 * INDEX["PROG_COMMAND"]):
                        m.next = "POLL"
                with m.If(self.m_axil_bresp != OKAY):
                    m.next = "BUS-ERROR"

    def _wait_for_controller(self, m: Module) -> None:
        """Poll PROG_STATUS until the command that was written is carried out."""
        cycles = Signal(RUN_TIMEOUT_BITS + 1)
        with m.State("POLL"):
            m.d.comb += [self.m_axil_araddr.eq(4 * INDEX["PROG_STATUS"]), self.m_axil_arvalid.eq(1)]
            m.d.sync += cycles.eq(cycles + 1)
            with m.If(self.m_axil_arready):
                m.next = "POLL-RESPONSE"
        with m.State("POLL-RESPONSE"):
            m.d.comb += self.m_axil_rready.eq(1)
            m.d.sync += cycles.eq(cycles + 1)
            with m.If(self.m_axil_rvalid):
                m.next = "POLL"
                with m.If(cycles[RUN_TIMEOUT_BITS]):
                    m.d.sync += cycles.eq(0)
                    m.next = "TIMED-OUT"
                with m.Elif(~self.m_axil_rdata[0]):
                    m.d.sync += cycles.eq(0)
                    self._next_access(m)
