"""What goes onto an FPGA: the engine, its host link and a UART or SPI."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.axi_lite import connect_axi_lite
from oxnor.hw.blocks.spi import SpiPeripheral
from oxnor.hw.blocks.uart import UartReceiver, UartTransmitter
from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.engine.engine import Engine
from oxnor.hw.interface.link_protocol import Identity
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.streams.axi_stream import connect_axi_stream

from .link import Link

#: The kinds of serial line and their pins: inputs, and the output.
LINES = {"uart": (("uart_rx",), "uart_tx"), "spi": (("spi_sck", "spi_cs_n", "spi_copi"), "spi_cipo")}


class BoardLogic(Unit):
    """Engine, host link and serial line in one clock domain; pins and clock come around it (``oxnor.fpga``).

    Parameters
    ----------
    config : EngineConfig
        The engine.
    identity : Identity
        What the board says it is; with the feature "spi" it has SPI, else a UART.

    Members
    -------
    uart_rx : ``In(1)``, uart_tx : ``Out(1)``
        Serial line to the host.
    spi_sck, spi_cs_n, spi_copi : ``In(1)``, spi_cipo : ``Out(1)``
        Instead of them, with SPI.
    busy : ``Out(1)``
        The line is in use; for a light.
    """

    def __init__(self, config: EngineConfig, identity: Identity):
        self.config = config
        self.identity = identity
        inputs, output = LINES["spi" if "spi" in identity.features else "uart"]
        super().__init__({name: In(1) for name in inputs} | {output: Out(1), "busy": Out(1)})

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_board"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        engine, link = Engine(self.config), Link(self.config, self.identity)
        place(m, platform, "engine", engine)
        place(m, platform, "link", link)
        if "spi" in self.identity.features:
            self._spi(m, platform, link)
        else:
            self._uart(m, platform, link)
        connect_axi_stream(m, link, "m_axis_", engine, "s_axis_")
        connect_axi_stream(m, engine, "m_axis_", link, "s_axis_")
        connect_axi_lite(m, link, "m_axil_", engine, "s_axil_")
        return m

    def _uart(self, m: Module, platform: object, link: Link) -> None:
        receiver, transmitter = UartReceiver(self.identity.divisor), UartTransmitter(self.identity.divisor)
        place(m, platform, "receiver", receiver)
        place(m, platform, "transmitter", transmitter)
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
        ]

    def _spi(self, m: Module, platform: object, link: Link) -> None:
        line = SpiPeripheral()
        place(m, platform, "spi", line)
        m.d.comb += [
            line.sck.eq(self.spi_sck),
            line.cs_n.eq(self.spi_cs_n),
            line.copi.eq(self.spi_copi),
            self.spi_cipo.eq(line.cipo),
            self.busy.eq(line.selected),
            link.i_data.eq(line.data),
            link.i_valid.eq(line.valid),
            link.i_error.eq(line.error),
            line.answer.eq(link.o_data),
            line.answer_valid.eq(link.o_valid),
            link.o_ready.eq(line.answer_ready),
        ]
