"""UART, 8 bits, no parity, one stop bit."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from oxnor.hw.interface.link_protocol import BIT_CYCLES_MIN

from .unit import Unit

#: Fewest clock cycles to a bit that the receiver can sample.
DIVISOR_MIN = BIT_CYCLES_MIN["uart"]


def _check(divisor: int) -> None:
    if divisor < DIVISOR_MIN:
        raise ValueError(f"Divisor must be at least {DIVISOR_MIN}, not {divisor}")


class UartReceiver(Unit):
    """Bytes from a serial line. Each bit is sampled in its middle.

    Parameters
    ----------
    divisor : int
        Clock cycles to a bit, at least :data:`DIVISOR_MIN`.

    Members
    -------
    rx : ``In(1)``
        The line, asynchronous; 1 while it rests.
    data : ``Out(8)``
        A byte.
    valid : ``Out(1)``
        It has come in this cycle.
    error : ``Out(1)``
        Instead, its stop bit was 0 (a break, another baud rate).
    """

    def __init__(self, divisor: int):
        _check(divisor)
        self.divisor = divisor
        super().__init__({"rx": In(1), "data": Out(8), "valid": Out(1), "error": Out(1)})

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_uart_receiver_{self.divisor}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        line = Signal()
        before = Signal(init=1)
        timer = Signal(range(self.divisor))
        left = Signal(range(11))
        bits = Signal(9)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1, reset_less=False)
        m.d.sync += [before.eq(line), self.valid.eq(0), self.error.eq(0)]
        m.d.comb += self.data.eq(bits)
        with m.If(left == 0):
            # The edge was one cycle ago.
            m.d.sync += timer.eq(self.divisor // 2 - 1)
            with m.If(before & ~line):
                m.d.sync += left.eq(10)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), left.eq(left - 1), bits.eq(Cat(bits[1:], line))]
            with m.If((left == 10) & line):
                m.d.sync += left.eq(0)  # too short for a start bit
            with m.If(left == 1):
                m.d.sync += [bits.eq(bits[1:]), self.valid.eq(line), self.error.eq(~line)]
        return m


class UartTransmitter(Unit):
    """Bytes to a serial line.

    Parameters
    ----------
    divisor : int
        Clock cycles to a bit, at least :data:`DIVISOR_MIN`.

    Members
    -------
    data, valid, ready
        A stream of bytes.
    tx : ``Out(1)``
        The line; 1 while it rests.
    """

    def __init__(self, divisor: int):
        _check(divisor)
        self.divisor = divisor
        super().__init__({"data": In(8), "valid": In(1), "ready": Out(1), "tx": Out(1, init=1)})

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_uart_transmitter_{self.divisor}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        timer = Signal(range(self.divisor))
        left = Signal(range(11))
        bits = Signal(9, init=0x1FF)
        m.d.comb += self.ready.eq(left == 0)
        with m.If(left == 0), m.If(self.valid):
            m.d.sync += [self.tx.eq(0), bits.eq(Cat(self.data, 1)), left.eq(10), timer.eq(self.divisor - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), left.eq(left - 1), self.tx.eq(bits[0]), bits.eq(Cat(bits[1:], 1))]
        return m
