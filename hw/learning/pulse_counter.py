"""Counter of a synapse: counts what the phases say, and asks for a pulse at its threshold."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.models.rbm.digital import counter_bits


class PulseCounter(Unit):
    """Signed counter. It never overflows where ``taken`` follows each batch that brought it to its threshold.

    Parameters
    ----------
    threshold : int
        T_c.
    batch : int
        Counts between two looks at the requests, at most the threshold: then one pulse is enough.

    Members
    -------
    count : ``In(1)``
        Count at this clock edge: +1 for ``plus`` alone, -1 for ``minus`` alone.
    plus, minus : ``In(1)``
        Both units were 1 in the positive, in the negative phase.
    request, erases : ``Out(1)``
        The magnitude is at the threshold or above; the count is positive.
    taken : ``In(1)``
        The request is carried out: the threshold is taken off at this clock edge. Not together with ``count``.
    value : ``Out(signed(bits))``
        The count.

    See Also
    --------
    oxnor.models.rbm.digital.counter_bits : its width.
    """

    def __init__(self, threshold: int, batch: int):
        self.threshold, self.batch = threshold, batch
        self.bits = counter_bits(threshold, batch)
        super().__init__(
            {
                "count": In(1), "plus": In(1), "minus": In(1), "request": Out(1), "erases": Out(1), "taken": In(1),
                "value": Out(signed(self.bits)),
            }
        )  # fmt: skip

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_pulse_counter_{self.threshold}_{self.batch}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        value = Signal(signed(self.bits))
        with m.If(self.count):
            m.d.sync += value.eq(value + self.plus - self.minus)
        with m.Elif(self.taken):
            m.d.sync += value.eq(value + Mux(value < 0, self.threshold, -self.threshold))
        m.d.comb += [
            self.value.eq(value),
            self.request.eq((value >= self.threshold) | (value <= -self.threshold)),
            self.erases.eq(value > 0),
        ]
        return m
