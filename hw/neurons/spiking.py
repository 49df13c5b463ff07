"""The spiking neuron: integrates signed weights, fires with a sign, and resets by subtraction."""

from __future__ import annotations

import hashlib
import json

from amaranth.hdl import Module, Mux, ResetSignal, Signal, signed
from amaranth.lib.wiring import In, Member, Out

from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.params.spiking import TICK_BITS
from oxnor.hw.params.widths import bits_for
from oxnor.models.networks.spiking import Neuron

from .invariant import SpikingInvariant


class IfNeuron(Unit):
    """Integrate-and-fire neuron.

    ``fire`` and ``negative`` are combinational on the present weight and membrane, and V takes its new value at the
    clock edge of ``en``. ``clear`` goes before ``leak``, ``leak`` before ``en``.

    Parameters
    ----------
    neuron : Neuron
        Threshold, reset, refractory period, leak and width.

    Members
    -------
    clear : ``In(1)``
        Start anew: V is v_init, no refractory period.
    leak : ``In(1)``
        A tick has passed; not there without a leak.
    en : ``In(1)``
        Integrate ``weight`` at this clock edge.
    weight : ``In(signed(bits_for(weight_max) + 1))``
        Signed weight of the event, its sign already in it.
    tick : ``In(TICK_BITS)``
        Tick of the event; not there without a refractory period.
    fire, negative : ``Out(1)``
        The neuron fires in this cycle; its spike is negative.
    v : ``Out(signed(v_bits))``
        Membrane.

    See Also
    --------
    oxnor.models.golden.spiking_reference.ReferenceLayer : bit-true model.
    """

    def __init__(self, neuron: Neuron):
        self.neuron = neuron
        members: dict[str, Member] = {
            "clear": In(1),
            "en": In(1),
            "weight": In(signed(bits_for(neuron.weight_max) + 1)),
            "fire": Out(1),
            "negative": Out(1),
            "v": Out(signed(neuron.v_bits), init=neuron.v_init),
        }
        if neuron.leak:
            members["leak"] = In(1)
        if neuron.refractory:
            members["tick"] = In(TICK_BITS)
        super().__init__(members)

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_if_neuron_{neuron_key(self.neuron)}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        p = self.neuron
        weight = self.weight << p.fraction if p.fraction else self.weight
        total = Signal(signed(max(p.v_bits, len(weight)) + 1))
        v = Signal(signed(p.v_bits), name="integrated")
        up, down, awake = Signal(), Signal(), Signal(init=1)
        m.d.comb += [
            total.eq(self.v + weight),
            v.eq(Mux(total > p.v_max, p.v_max, Mux(total < p.v_min, p.v_min, total))),
            up.eq(v >= p.limit),
            down.eq(v <= -p.limit if p.bipolar else 0),
            self.fire.eq(self.en & awake & (up | down)),
            self.negative.eq(down),
        ]
        if p.refractory:
            until = Signal(TICK_BITS + 1)
            m.d.comb += awake.eq(self.tick >= until)
            with m.If(self.fire):
                m.d.sync += until.eq(self.tick + p.refractory)
            with m.If(self.clear):
                m.d.sync += until.eq(0)
        else:
            m.d.comb += awake.eq(1)
        with m.If(self.clear):
            m.d.sync += self.v.eq(p.v_init)
        if p.leak:
            with m.Elif(self.leak):
                lost = Signal(p.v_bits)
                size = Mux(self.v < 0, -self.v, self.v)[: p.v_bits].as_unsigned()
                m.d.comb += lost.eq((size if p.leak_factor == 1 else size * p.leak_factor) >> p.leak)
                m.d.sync += self.v.eq(Mux(self.v < 0, self.v + lost, self.v - lost))
        with m.Elif(self.en):
            with m.If(~awake):
                m.d.sync += self.v.eq(v if p.refractory_integrate else 0)
            with m.Elif(up):
                m.d.sync += self.v.eq(p.v_reset if p.reset == "zero" else v - p.theta)
            with m.Elif(down):
                m.d.sync += self.v.eq(p.v_reset if p.reset == "zero" else v + p.theta)
            with m.Else():
                m.d.sync += self.v.eq(v)
        if has_invariant(p):
            self._invariant(m, platform, total, v)
        return m

    def _invariant(self, m: Module, platform: object, total: Signal, v: Signal) -> None:
        check = SpikingInvariant(self.neuron)
        place(m, platform, "invariant", check)
        m.d.comb += [
            check.clear.eq(self.clear | ResetSignal()),
            check.en.eq(self.en & ~self.clear),
            check.weight.eq(self.weight << self.neuron.fraction if self.neuron.fraction else self.weight),
            check.fire.eq(self.fire),
            check.negative.eq(self.negative),
            check.saturated.eq(total != v),
            check.v.eq(self.v),
        ]


def has_invariant(neuron: Neuron) -> bool:
    """Return whether theta * count + V = sum of the weights holds: no leak, nothing lost in a refractory period or a
    reset. It holds with a refractory period too, as long as V does not saturate.
    """
    return not neuron.leak and neuron.refractory_integrate and neuron.reset == "subtract"


def neuron_key(neuron: Neuron) -> str:
    """Return a short name of a neuron's settings, the same for equal ones."""
    text = json.dumps(neuron.settings(), sort_keys=True)
    return f"{neuron.weight_max}_{neuron.theta}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
