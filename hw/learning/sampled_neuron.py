"""Sampled neuron: a sum becomes a probability by a table, and a state by an LFSR and a comparator."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.spiking.rate_encoder import lfsr_leap
from oxnor.models.rbm.digital import TABLE_BITS, TABLE_STEPS, WEIGHT_STEPS, sigmoid_table


class SampledNeuron(Unit):
    """Draws one state a cycle: 1 iff the low bits of the LFSR are below the sigmoid of the sum.

    Parameters
    ----------
    width : int
        Of the sum, two's complement, more than that of the table's address.

    Members
    -------
    total : ``In(signed(width))``
        Sum of weights, in steps.
    o : ``Out(1)``
        The state, in the same cycle.
    draw : ``In(1)``
        The state is used: the LFSR goes on at this clock edge.
    load : ``In(1)``, seed : ``In(32)``
        Set the LFSR; `seed` must not be 0.

    See Also
    --------
    oxnor.models.rbm.digital.DigitalRbm : bit-true model.
    """

    def __init__(self, width: int):
        self.shift = (WEIGHT_STEPS // TABLE_STEPS).bit_length() - 1
        if width < TABLE_BITS + self.shift + 1:
            raise ValueError(f"Width must be at least {TABLE_BITS + self.shift + 1}, not {width}")
        self.width = width
        super().__init__({"total": In(width), "o": Out(1), "draw": In(1), "load": In(1), "seed": In(32)})

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_sampled_neuron_{self.width}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        lfsr, after = Signal(32, init=1), Signal(32)
        m.d.comb += [after[j].eq(Cat(*(lfsr[b] for b in mask)).xor()) for j, mask in enumerate(lfsr_leap())]
        with m.If(self.load):
            m.d.sync += lfsr.eq(self.seed)
        with m.Elif(self.draw):
            m.d.sync += lfsr.eq(after)
        half = 1 << TABLE_BITS - 1
        steps, address = Signal.like(self.total.as_signed() >> self.shift), Signal(TABLE_BITS)
        probability = Signal(TABLE_BITS)
        clipped = Mux(steps < -half, -half, Mux(steps > half - 1, half - 1, steps))
        table = Array(Const(int(p), TABLE_BITS) for p in sigmoid_table())
        m.d.comb += [
            steps.eq(self.total.as_signed() >> self.shift),
            address.eq(clipped + half),
            probability.eq(table[address]),
            self.o.eq(lfsr[:TABLE_BITS] < probability),
        ]
        return m
