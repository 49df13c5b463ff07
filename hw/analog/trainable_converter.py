"""A converter that learns, in integers: comparators, the registers of their weights, and the LMS rule."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit, sum_tree
from oxnor.hw.params.widths import bits_for


class TrainableConverter(Unit):
    """Converter of n bits, from the highest to the lowest: a bit is 1 iff the input reaches its bias and the weights of
    the bits above that are 1. While ``teach`` is 1, each wrong bit moves its bias, and its weights of the bits above
    that are 1, by 2**rate, within 0 and the largest.

    Parameters
    ----------
    bits : int
        Of a code.
    width : int
        Of the input and of every weight.

    Members
    -------
    i : ``In(width)``
        The value.
    o : ``Out(bits)``
        Its code, in the same cycle.
    teach : ``In(1)``
        Learn at this clock edge.
    right : ``In(bits)``
        The code that `o` should be.
    rate : ``In(bits_for(width - 1))``
        Logarithm of the step to base two.
    write : ``In(1)``
        Write a weight at this clock edge; it goes before what is learnt.
    index : ``In(bits_for(bits * bits - 1))``
        Which: i * bits + j for w_ij, where j > i; i * bits + i for the bias of bit i.
    data : ``In(width)``
        Its value.

    See Also
    --------
    oxnor.models.analog.trainable_integer.IntegerTrainableAdc : bit-true model.
    """

    def __init__(self, bits: int, width: int):
        if not 1 <= bits <= 16 or not 2 <= width <= 32:
            raise ValueError(f"Bits must be in [1, 16] and width in [2, 32], not {bits} and {width}")
        self.bits, self.width = bits, width
        super().__init__(
            {
                "i": In(width), "o": Out(bits), "teach": In(1), "right": In(bits), "rate": In(bits_for(width - 1)),
                "write": In(1), "index": In(bits_for(bits * bits - 1)), "data": In(width),
            }
        )  # fmt: skip

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_trainable_converter_{self.bits}_{self.width}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        step = Signal(self.width)
        m.d.comb += step.eq(1 << self.rate)
        for i in reversed(range(self.bits)):
            bias = Signal(self.width, name=f"bias{i}")
            weights = {j: Signal(self.width, name=f"weight{i}_{j}") for j in range(i + 1, self.bits)}
            parts: list[Value] = [bias, *(Mux(self.o[j], w, 0) for j, w in weights.items())]
            m.d.comb += self.o[i].eq(self.i >= sum_tree(parts))
            is_wrong = self.teach & (self.o[i] != self.right[i])
            for j, register in ((i, bias), *weights.items()):
                moves = is_wrong if j == i else is_wrong & self.o[j]
                with m.If(self.write & (self.index == i * self.bits + j)):
                    m.d.sync += register.eq(self.data)
                with m.Elif(moves):
                    # A bit that should be 1 needs a lower reference.
                    m.d.sync += register.eq(Mux(self.right[i], self._down(register, step), self._up(m, register, step)))
        return m

    def _down(self, register: Signal, step: Signal) -> Value:
        return Mux(register < step, 0, register - step)

    def _up(self, m: Module, register: Signal, step: Signal) -> Value:
        total = Signal(self.width + 1, name=f"{register.name}_up")
        m.d.comb += total.eq(register + step)
        return Mux(total[-1], (1 << self.width) - 1, total)
