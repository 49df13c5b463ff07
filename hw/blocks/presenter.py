"""Random bits of integers, for layers that read them so."""

from __future__ import annotations

from functools import reduce
from operator import xor

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out

from oxnor.hw.params.widths import bits_for
from oxnor.models.networks.layers.presentations import SEED, WAYS, offsets, step

from .unit import Unit


def following(state: Value) -> Value:
    """Return the next state of the generator of 32 bits: `models.networks.layers.presentations.step`."""
    for shifted in (lambda v: v << 13, lambda v: v >> 17, lambda v: v << 5):
        state = (state ^ shifted(state))[:32]
    return state


class Presenter(Unit):
    """Random bits of the elements on the columns: a generator of 32 bits, and for each column a comparison.

    Parameters
    ----------
    width : int
        Elements on the columns.
    slices : int
        Slices of a vector.

    Members
    -------
    advance : ``In(1)``
        The next presentation begins at this clock edge.
    restart : ``In(1)``
        With ``advance``: it is the first of a vector, or of a pass over it.
    slice : ``In(bits_for(slices - 1))``
        Which slice is on the columns.
    values : ``In(8 * width)``
        Its elements.
    bits : ``Out(width)``
        Bit k is 1 iff element k is above its number of this presentation; combinational.

    See Also
    --------
    oxnor.models.networks.layers.presentations : bit-true model.
    """

    def __init__(self, width: int, slices: int):
        self.width, self.slices = width, slices
        super().__init__(
            {
                "advance": In(1), "restart": In(1), "slice": In(bits_for(slices - 1)), "values": In(8 * width),
                "bits": Out(width),
            }
        )  # fmt: skip

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_presenter_{self.width}_{self.slices}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        state = Signal(32, init=step(SEED))
        with m.If(self.advance):
            m.d.sync += state.eq(Mux(self.restart, state.init, following(state)))
        parts = [state[8 * k : 8 * (k + 1)] for k in range(4)]
        ways = []
        for way in range(1, WAYS + 1):
            ways.append(Signal(8, name=f"way{way}"))
            m.d.comb += ways[-1].eq(reduce(xor, [parts[k] for k in range(4) if way >> k & 1]))
        own = offsets(self.slices * self.width)
        bits = []
        for k in range(self.width):
            elements = range(k, self.slices * self.width, self.width)
            numbers = [(ways[i % WAYS] + Const(int(own[i]), 8))[:8] for i in elements]
            number = numbers[0] if self.slices == 1 else Array(numbers)[self.slice]
            bits.append(self.values[8 * k : 8 * (k + 1)] > number)
        m.d.comb += self.bits.eq(Cat(*bits))
        return m
