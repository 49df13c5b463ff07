"""Spikes of a layer, all at once, become events for the next layer, one after the other."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.spiking import NUMBER_BITS

from .layouts import event_layout, spikes_layout


class SpikeSerializer(Unit):
    """Gives an event for every neuron that has fired, the lowest first, one a cycle, and numbers them.

    Parameters
    ----------
    n : int
        Neurons before, inputs behind.
    layer : int
        Number of the layer before.

    Members
    -------
    clear : ``In(1)``
        Forget everything: a new image begins.
    i : ``In(stream.Signature(spikes_layout(n, layer)))``
    o : ``Out(stream.Signature(event_layout(n, layer + 1)))``
    """

    def __init__(self, n: int, layer: int):
        self.n = n
        self.layer = layer
        super().__init__(
            {
                "clear": In(1),
                "i": In(stream.Signature(spikes_layout(n, layer))),
                "o": Out(stream.Signature(event_layout(n, layer + 1))),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_spike_serializer_{self.n}_{self.layer}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        answer, out = self.i.payload, self.o.payload
        gone = Signal(self.n)  # neurons of the present answer whose events have been given
        number = Signal(NUMBER_BITS)
        left, lowest = Signal(self.n), Signal(self.n)
        m.d.comb += [
            left.eq(answer.fired & ~gone),
            lowest.eq(left & (~left + 1)),
            self.o.valid.eq(self.i.valid),
            out.negative.eq((answer.negative & lowest).any()),
            out.tick.eq(answer.tick),
            out.last.eq(answer.last),
            self.i.ready.eq(self.o.ready & (answer.last | (left == lowest))),
        ]
        m.d.comb += [out.numbers[k].eq(answer.numbers[k]) for k in range(self.layer + 1)]
        m.d.comb += out.numbers[self.layer + 1].eq(number + ~answer.last)
        m.d.comb += out.address.eq(one_hot_index(lowest))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [gone.eq(gone | lowest), number.eq(number + 1)]
            with m.If(self.i.ready):
                m.d.sync += gone.eq(0)
        with m.If(self.clear):
            m.d.sync += [gone.eq(0), number.eq(0)]
        return m


def one_hot_index(bits: Value) -> Value:
    """Return the number of the one bit that is 1."""
    width = max(1, (len(bits) - 1).bit_length())
    return Cat(*(Cat(*(bits[k] for k in range(len(bits)) if k >> b & 1)).any() for b in range(width)))
