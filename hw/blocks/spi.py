"""SPI peripheral, mode 0: bytes from and to a controller, whose clock is sampled with the engine's."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from oxnor.hw.interface.link_protocol import BIT_CYCLES_MIN, IDLE

from .unit import Unit

#: Fewest clock cycles to a bit: an answer is on its pin at most three cycles after the falling edge of `sck`, and has
#: to be there before the rising edge, four cycles after it.
DIVISOR_MIN = BIT_CYCLES_MIN["spi"]


class SpiPeripheral(Unit):
    """Bytes over SPI, mode 0 (clock rests at 0, both sides sample at its rising edge), most significant bit first.

    The controller's clock must be at most an eighth of the engine's. A byte goes each way at a time: while there is
    nothing to send the controller reads :data:`oxnor.hw.interface.link_protocol.IDLE`. A byte that was offered counts
    as sent at the first rising edge of its eight, so that a transfer may end after any whole byte.

    Members
    -------
    sck, cs_n, copi : ``In(1)``
        From the controller, asynchronous.
    cipo : ``Out(1)``
        To the controller, driven always.
    data, valid
        A byte has come in this cycle.
    error : ``Out(1)``
        Instead, ``cs_n`` has risen within a byte.
    answer, answer_valid, answer_ready
        A stream of bytes to the controller.
    selected : ``Out(1)``
        The controller has ``cs_n`` at 0.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "sck": In(1),
                "cs_n": In(1),
                "copi": In(1),
                "cipo": Out(1),
                "data": Out(8),
                "valid": Out(1),
                "error": Out(1),
                "answer": In(8),
                "answer_valid": In(1),
                "answer_ready": Out(1),
                "selected": Out(1),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_spi_peripheral"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        sck, cs_n, copi = Signal(), Signal(), Signal()
        sck_before, cs_n_before = Signal(), Signal(init=1)
        pins = {"sck": (self.sck, sck, 0), "cs_n": (self.cs_n, cs_n, 1), "copi": (self.copi, copi, 0)}
        for name, (pin, synchronous, rest) in pins.items():
            m.submodules[f"{name}_synchronizer"] = FFSynchronizer(pin, synchronous, init=rest, reset_less=False)
        m.d.sync += [sck_before.eq(sck), cs_n_before.eq(cs_n)]
        rise, fall, begin, end = Signal(), Signal(), Signal(), Signal()
        count = Signal(3)  # bits of this byte that have come
        bits, out = Signal(8), Signal(8, init=IDLE)
        offered = Signal()  # what is in `out` is an answer, and none of it has been read
        m.d.comb += [
            self.selected.eq(~cs_n),
            rise.eq(self.selected & sck & ~sck_before),
            fall.eq(self.selected & ~sck & sck_before),
            begin.eq(~cs_n & cs_n_before),
            end.eq(cs_n & ~cs_n_before),
            self.cipo.eq(out[7]),
            self.data.eq(bits),
            self.answer_ready.eq(rise & offered),
        ]
        m.d.sync += [self.valid.eq(rise & (count == 7)), self.error.eq(end & (count != 0))]
        with m.If(begin | (fall & (count == 0))):
            m.d.sync += [out.eq(Mux(self.answer_valid, self.answer, IDLE)), offered.eq(self.answer_valid)]
        with m.Elif(fall):
            m.d.sync += out.eq(Cat(0, out))
        with m.If(rise):
            m.d.sync += [bits.eq(Cat(copi, bits)), count.eq(count + 1), offered.eq(0)]
        with m.If(end):
            m.d.sync += [count.eq(0), offered.eq(0)]
        return m
