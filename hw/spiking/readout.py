"""Read-out: signed counts of the output spikes, and the decision."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, ValueLike, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.spiking import NUMBER_BITS, TICK_BITS
from oxnor.hw.params.widths import bits_for
from oxnor.models.networks.spiking import Decision

from .layouts import spikes_layout

REASON_WINDOW, REASON_DELTA, REASON_MAXIMUM = range(3)


def readout_layout(n_out: int, layers: int, count_bits: int) -> data.StructLayout:
    """Return the layout of a decided image."""
    return data.StructLayout(
        {
            "winner": bits_for(n_out - 1),
            "reason": 2,
            "tick": NUMBER_BITS,
            "numbers": data.ArrayLayout(NUMBER_BITS, layers),
            "counts": data.ArrayLayout(signed(count_bits), n_out),
        }
    )


class Readout(Unit):
    """Counts the spikes of the last layer and stops an image when it is decided or over.

    An answer is taken in one cycle and judged in the next, with all its spikes counted; nothing else is taken
    meanwhile, so no spike after the decision counts. Then the result is offered, and ``clear`` is 1 until it is taken.

    Parameters
    ----------
    n_out : int
        Outputs.
    layers : int
        Layers of the network.
    decision : Decision
        Window, tie rule and width of the counts.

    Members
    -------
    delta_s, terminate_max : ``In(count_bits)``
        Lead and count that decide; 0: they do not.
    i : ``In(stream.Signature(spikes_layout(n_out, layers - 1)))``
    spikes : ``Out(stream.Signature(spikes_layout(n_out, layers - 1)))``
        The same answers for who wants to see the spikes, without the ends of images.
    o : ``Out(stream.Signature(readout_layout(...)))``
        Decided images.
    clear : ``Out(1)``
        Everything before the read-out must forget the image.
    """

    def __init__(self, n_out: int, layers: int, decision: Decision):
        self.n_out = n_out
        self.layers = layers
        self.decision = decision
        answers = stream.Signature(spikes_layout(n_out, layers - 1))
        super().__init__(
            {
                "delta_s": In(decision.count_bits),
                "terminate_max": In(decision.count_bits),
                "i": In(answers),
                "spikes": Out(answers),
                "o": Out(stream.Signature(readout_layout(n_out, layers, decision.count_bits))),
                "clear": Out(1),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return "oxnor_spiking_engine_readout"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        d, answer, out = self.decision, self.i.payload, self.o.payload
        judging, last = Signal(), Signal()
        tick = Signal(TICK_BITS)
        first, second, winner = self._leaders(m)
        lead = Signal(d.count_bits + 1)
        delta, maximum = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~judging & ~self.o.valid & (answer.last | self.spikes.ready)),
            self.spikes.valid.eq(self.i.valid & ~judging & ~self.o.valid & ~answer.last),
            self.spikes.payload.eq(answer),
            lead.eq(first - second),
            delta.eq((self.delta_s != 0) & (lead >= self.delta_s)),
            maximum.eq((self.terminate_max != 0) & (first >= self.terminate_max)),
            self.clear.eq(self.o.valid),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [judging.eq(1), last.eq(answer.last), tick.eq(answer.tick), out.numbers.eq(answer.numbers)]
            with m.If(~answer.last):
                for n in range(self.n_out):
                    self._count(m, out.counts[n], answer.fired[n], answer.negative[n])
        with m.If(judging):
            m.d.sync += [
                judging.eq(0),
                self.o.valid.eq(last | delta | maximum),
                out.winner.eq(winner),
                out.tick.eq(Mux(last, d.window, tick)),
                out.reason.eq(Mux(last, REASON_WINDOW, Mux(delta, REASON_DELTA, REASON_MAXIMUM))),
            ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
            m.d.sync += [count.eq(0) for count in out.counts]
        return m

    def _count(self, m: Module, count: Value, fired: Value, negative: Value) -> None:
        top = self.decision.count_max
        with m.If(fired & negative & (count != -top)):
            m.d.sync += count.eq(count - 1)
        with m.Elif(fired & ~negative & (count != top)):
            m.d.sync += count.eq(count + 1)

    def _leaders(self, m: Module) -> tuple[Value, Value, ValueLike]:
        """Return the highest and the second highest count and the index of the highest, by a tree of comparisons."""
        bits = self.decision.count_bits
        width = bits_for(self.n_out - 1)
        entries = []
        for n in range(self.n_out):
            lowest = Signal(signed(bits), init=-(1 << (bits - 1)), name=f"none_{n}")
            m.d.comb += lowest.eq(-(1 << (bits - 1)))
            entries.append((self.o.payload.counts[n], lowest, n))
        level = 0
        while len(entries) > 1:
            joined = []
            for k in range(0, len(entries) - 1, 2):
                (a, a2, ai), (b, b2, bi) = entries[k], entries[k + 1]
                first = Signal(signed(bits), name=f"first_{level}_{k}")
                second = Signal(signed(bits), name=f"second_{level}_{k}")
                index, right = Signal(width, name=f"index_{level}_{k}"), Signal(name=f"right_{level}_{k}")
                m.d.comb += [
                    right.eq(b > a if self.decision.tie == "lowest" else b >= a),
                    first.eq(Mux(right, b, a)),
                    index.eq(Mux(right, bi, ai)),
                    second.eq(Mux(right, Mux(a > b2, a, b2), Mux(b > a2, b, a2))),
                ]
                joined.append((first, second, index))
            entries = joined + ([entries[-1]] if len(entries) % 2 else [])
            level += 1
        return entries[0]
