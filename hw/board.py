"""What goes onto an FPGA: the engine, its host link and a UART."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from .axi_lite import connect_axi_lite
from .config import EngineConfig
from .engine import Engine
from .link import Link
from .link_protocol import Identity
from .uart import UartReceiver, UartTransmitter
from .unit import Unit, place


class Board(Unit):
    """Engine, host link and UART in one clock domain; pins and clock come around it (``oxnor.fpga``).

    Parameters
    ----------
    config : EngineConfig
        The engine.
    identity : Identity
        What the board says it is.

    Members
    -------
    uart_rx : ``In(1)``, uart_tx : ``Out(1)``
        Serial line to the host.
    busy : ``Out(1)``
        The line is sending; for a light.
    """

    def __init__(self, config: EngineConfig, identity: Identity):
        self.config = config
        self.identity = identity
        super().__init__({"uart_rx": In(1), "uart_tx": Out(1), "busy": Out(1)})

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_board"

    def elaborate(self, platform: Any) -> Module:  # noqa: D102
        m = Module()
        engine, link = Engine(self.config), Link(self.config, self.identity)
        receiver, transmitter = UartReceiver(self.identity.divisor), UartTransmitter(self.identity.divisor)
        for name, unit in {"engine": engine, "link": link, "receiver": receiver, "transmitter": transmitter}.items():
            place(m, platform, name, unit)
        m.d.comb += [
            receiver.rx.eq(self.uart_rx),
            self.uart_tx.eq(transmitter.tx),
            self.busy.eq(~transmitter.ready),
            link.i_data.eq(receiver.data),
            link.i_valid.eq(receiver.valid),
            link.i_error.eq(receiver.error),
            transmitter.data.eq(link.o_data),
            transmitter.valid.eq(link.o_valid),
            link.o_ready.eq(transmitter.ready),
            engine.s_axis_tdata.eq(link.m_axis_tdata),
            engine.s_axis_tvalid.eq(link.m_axis_tvalid),
            engine.s_axis_tlast.eq(link.m_axis_tlast),
            link.m_axis_tready.eq(engine.s_axis_tready),
            link.s_axis_tdata.eq(engine.m_axis_tdata),
            link.s_axis_tvalid.eq(engine.m_axis_tvalid),
            engine.m_axis_tready.eq(link.s_axis_tready),
        ]
        connect_axi_lite(m, link, "m_axil_", engine, "s_axil_")
        return m
