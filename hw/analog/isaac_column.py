"""What stands behind a column of ISAAC in digital: clip, flip, shift and add, and the offset of the weights."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.widths import bits_for
from oxnor.models.analog.integer import Isaac


class IsaacColumn(Unit):
    """Adds the conversions of a sum, one an enabled clock edge: of each input bit, slice and group of rows.

    A conversion is clipped to the converter's codes. That of a flipped column counts what is missing to all cells at
    their highest. The offset of the weights is subtracted from the first: 2**(weight_bits - 1) times the sum of the
    inputs.

    Parameters
    ----------
    isaac : Isaac
        Sizes.
    groups : int
        Groups of rows of a sum, at least 1.

    Members
    -------
    en : ``In(1)``
        Take a conversion at this clock edge.
    first : ``In(1)``
        It is the first of a sum.
    count : ``In(bits_for(rows * (2**cell_bits - 1)))``
        What the cells of the column add up to.
    flipped : ``In(1)``
        The column is stored inverted.
    ones : ``In(bits_for(rows))``
        Inputs of the group whose bit is 1.
    shift : ``In(bits_for(input_bits + weight_bits - 1))``
        Weight of the conversion: number of the input bit plus that of the slice's lowest bit.
    inputs : ``In(input_bits + bits_for(rows * groups))``
        Sum of the inputs of all groups; taken with `first`.
    o : ``Out(signed)``
        The sum so far, in two's complement.

    See Also
    --------
    oxnor.models.analog.integer.Isaac.multiply : bit-true model.
    """

    def __init__(self, isaac: Isaac, groups: int = 1):
        if groups < 1:
            raise ValueError(f"Groups must be positive, not {groups}")
        self.isaac, self.groups = isaac, groups
        inputs = isaac.input_bits + bits_for(isaac.rows * groups)
        #: Bits of the sum: before the offset is made up for, it is at its lowest.
        self.width = inputs + isaac.weight_bits + 1
        super().__init__(
            {
                "en": In(1), "first": In(1), "count": In(bits_for(isaac.rows * self._top)), "flipped": In(1),
                "ones": In(bits_for(isaac.rows)), "shift": In(bits_for(isaac.input_bits + isaac.weight_bits - 1)),
                "inputs": In(inputs), "o": Out(self.width),
            }
        )  # fmt: skip

    @property
    def _top(self) -> int:
        return (1 << self.isaac.cell_bits) - 1

    @property
    def module_name(self) -> str:  # noqa: D102
        i = self.isaac
        sizes = i.rows, i.weight_bits, i.cell_bits, i.input_bits, i.adc_bits, self.groups
        return f"oxnor_isaac_column_{'_'.join(map(str, sizes))}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        most = (1 << self.isaac.adc_bits) - 1
        code, value = Signal(len(self.count)), Signal(len(self.count))
        before, added, total = Signal(self.width), Signal(self.width), Signal(self.width)
        m.d.comb += [
            code.eq(Mux(self.count > most, most, self.count)),
            value.eq(Mux(self.flipped, self._top * self.ones - code, code)),
            added.eq(value << self.shift),
            before.eq(Mux(self.first, -(self.inputs << (self.isaac.weight_bits - 1)), total)),
            self.o.eq(total),
        ]
        with m.If(self.en):
            m.d.sync += total.eq(before + added)
        return m
