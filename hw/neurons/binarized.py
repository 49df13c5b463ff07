"""The neuron: integrates partial counts and fires at its threshold."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.widths import bits_for


class Neuron(Unit):
    """Integrate-and-fire neuron in its binarized setting: it integrates the partial counts of one input vector,
    compares the total with its threshold, and starts again from zero.

    ``total`` and ``fire`` are combinational on the present partial count and the sum of those before it, so they are
    valid in the cycle of the last partial count.

    Parameters
    ----------
    n_in : int
        Number of synapses.
    slices : int
        Number of partial counts to a vector. With 1 there is no register.

    Members
    -------
    en : ``In(1)``
        Integrate ``partial`` at this clock edge.
    first : ``In(1)``
        ``partial`` is the first of a vector: what was integrated before is forgotten.
    partial : ``In(bits_for(n_in))``
        Partial count. The sum over a vector must be in [0, n_in].
    threshold : ``In(bits_for(n_in + 1))``
        In [0, n_in + 1].
    total : ``Out(bits_for(n_in))``
        Sum of the partial counts up to the present one.
    fire : ``Out(1)``
        total >= threshold.

    See Also
    --------
    oxnor.models.golden.binarized.popcount_threshold : bit-true model.
    """

    def __init__(self, n_in: int, slices: int):
        if n_in < 1 or not 1 <= slices <= n_in:
            raise ValueError(f"Slices must be in [1, n_in = {n_in}], not {slices}")
        self.n_in = n_in
        self.slices = slices
        self.has_clock = slices > 1
        super().__init__(
            {
                "en": In(1),
                "first": In(1),
                "partial": In(bits_for(n_in)),
                "threshold": In(bits_for(n_in + 1)),
                "total": Out(bits_for(n_in)),
                "fire": Out(1),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_neuron_{self.n_in}{'_s' if self.slices > 1 else ''}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        if self.slices == 1:
            m.d.comb += self.total.eq(self.partial)
        else:
            integrated = Signal(bits_for(self.n_in), reset_less=True)
            m.d.comb += self.total.eq(self.partial + Mux(self.first, 0, integrated))
            with m.If(self.en):
                m.d.sync += integrated.eq(self.total)
        m.d.comb += self.fire.eq(self.total >= self.threshold)
        return m
