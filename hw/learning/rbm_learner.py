"""RBM that learns by contrastive divergence: one sampled neuron, all counters, and requests for pulses."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit, place, sum_tree
from oxnor.hw.params.widths import bits_for
from oxnor.models.rbm.digital import WEIGHT_BITS

from .pulse_counter import PulseCounter
from .sampled_neuron import SampledNeuron


def pattern_layout(visible: int) -> data.StructLayout:
    """Return the layout of a pattern: states of the visible units, and whether a batch ends with it."""
    return data.StructLayout({"visible": visible, "last": 1})


def pulse_layout(rows: int, columns: int) -> data.StructLayout:
    """Return the layout of a request: where, and whether the device is to be erased or programmed."""
    return data.StructLayout({"row": bits_for(rows - 1), "column": bits_for(columns - 1), "erases": 1})


class RbmLearner(Unit):
    """Takes patterns, draws the states of one step of Gibbs sampling one a cycle, and counts in all synapses at once.
    After a batch it goes through the counters, one a cycle, and hands over their requests.

    The last row of the array is the bias of hidden units, the last column that of visible ones, as of units that are
    always 1. The weights stand in registers, which whoever has the array writes.

    Parameters
    ----------
    visible, hidden : int
        Units, without those for the biases.
    threshold, batch : int
        Of the counters.

    Members
    -------
    load : ``In(1)``, seed : ``In(32)``
        Set the LFSR.
    write : ``In(1)``, row, column : ``In``, weight : ``In(signed(8))``
        Write a weight at this clock edge.
    i : ``In(stream.Signature(pattern_layout(visible)))``
        Patterns; a batch has at most ``batch``.
    drawn : ``Out(1)``
        The states of a pattern are counted at this clock edge.
    first, negative, second : ``Out(hidden)``, ``Out(visible)``, ``Out(hidden)``
        What was drawn: hidden units, visible units, hidden units again.
    o : ``Out(stream.Signature(pulse_layout(visible + 1, hidden + 1)))``
        Requests for pulses, row by row.
    value : ``Out(signed(bits))``
        Count of the synapse at ``row`` and ``column``.

    See Also
    --------
    oxnor.models.rbm.digital.DigitalRbm : bit-true model.
    """

    def __init__(self, visible: int, hidden: int, threshold: int, batch: int):
        if visible < 1 or hidden < 1:
            raise ValueError(f"Units must be at least 1, not {visible} and {hidden}")
        self.visible, self.hidden = visible, hidden
        self.counter = PulseCounter(threshold, batch)
        self.rows, self.columns = visible + 1, hidden + 1
        super().__init__(
            {
                "load": In(1), "seed": In(32),
                "write": In(1), "row": In(bits_for(visible)), "column": In(bits_for(hidden)),
                "weight": In(signed(WEIGHT_BITS)),
                "i": In(stream.Signature(pattern_layout(visible))),
                "drawn": Out(1), "first": Out(hidden), "negative": Out(visible), "second": Out(hidden),
                "o": Out(stream.Signature(pulse_layout(self.rows, self.columns))),
                "value": Out(signed(self.counter.bits)),
            }
        )  # fmt: skip

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_rbm_learner_{self.visible}_{self.hidden}_{self.counter.threshold}_{self.counter.batch}"

    @property
    def timing(self) -> str:  # noqa: D102
        units, synapses = self.visible + 2 * self.hidden, self.rows * self.columns
        return f"a pattern each {units + 2} cycles; after a batch {synapses} more, and the pulses"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        pattern, last = Signal(self.visible), Signal()
        at = Signal(range(max(self.visible, self.hidden, 2)))
        taken, count = Signal(), Signal()
        row, column = Signal(range(self.rows)), Signal(range(self.columns))
        state, draw, is_visible, source = self._neuron(m, platform, at, pattern)
        requests = self._counters(m, platform, pattern, count, taken, row, column)
        m.d.comb += [
            self.drawn.eq(count),
            self.o.payload.row.eq(row),
            self.o.payload.column.eq(column),
            self.o.payload.erases.eq(requests[1]),
        ]

        def layer(units: int, target: Signal, following: str) -> None:
            m.d.comb += draw.eq(1)
            m.d.sync += [target.bit_select(at, 1).eq(state), at.eq(at + 1)]
            with m.If(at == units - 1):
                m.d.sync += at.eq(0)
                m.next = following

        with m.FSM(name="phase"):
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [pattern.eq(self.i.payload.visible), last.eq(self.i.payload.last)]
                with m.If(self.i.valid):
                    m.next = "HIDDEN"
            with m.State("HIDDEN"):
                layer(self.hidden, self.first, "VISIBLE")
            with m.State("VISIBLE"):
                m.d.comb += is_visible.eq(1)
                layer(self.visible, self.negative, "AGAIN")
            with m.State("AGAIN"):
                m.d.comb += source.eq(1)
                layer(self.hidden, self.second, "COUNT")
            with m.State("COUNT"):
                m.d.comb += count.eq(1)
                m.next = "IDLE"
                with m.If(last):
                    m.next = "SCAN"
            with m.State("SCAN"):
                m.d.comb += [self.o.valid.eq(requests[0]), taken.eq(requests[0] & self.o.ready)]
                with m.If(~requests[0] | self.o.ready):
                    self._advance(m, row, column)
        return m

    def _advance(self, m: Module, row: Signal, column: Signal) -> None:
        m.d.sync += column.eq(column + 1)
        with m.If(column == self.columns - 1):
            m.d.sync += [column.eq(0), row.eq(row + 1)]
            with m.If(row == self.rows - 1):
                m.d.sync += row.eq(0)
                m.next = "IDLE"

    def _neuron(self, m: Module, platform: object, at: Signal, pattern: Signal) -> tuple[Value, Signal, Signal, Signal]:
        """Sum the weights of the unit `at`; return its state, and (draw, of a visible unit, from what was drawn)."""
        weights = [
            [Signal(signed(WEIGHT_BITS), name=f"weight{i}_{k}") for k in range(self.columns)] for i in range(self.rows)
        ]
        for i, of_row in enumerate(weights):
            for k, weight in enumerate(of_row):
                with m.If(self.write & (self.row == i) & (self.column == k)):
                    m.d.sync += weight.eq(self.weight)
        draw, is_visible, again = Signal(), Signal(), Signal()
        source = Signal(self.visible)
        m.d.comb += source.eq(Mux(again, self.negative, pattern))
        # The last row and the last column are of biases: `at` is never there.
        of_hidden = [Array(of_row[:-1])[at] for of_row in weights]
        of_hidden = [Mux(s, w, 0) for s, w in zip(source, of_hidden, strict=False)] + of_hidden[-1:]
        of_visible = [Array(column[:-1])[at] for column in zip(*weights, strict=True)]
        of_visible = [Mux(h, w, 0) for h, w in zip(self.first, of_visible, strict=False)] + of_visible[-1:]
        width = WEIGHT_BITS + bits_for(max(self.rows, self.columns))
        neuron = SampledNeuron(max(width, 11))
        place(m, platform, "neuron", neuron)
        total = Signal(signed(neuron.width))
        m.d.comb += [
            total.eq(Mux(is_visible, sum_tree(of_visible), sum_tree(of_hidden))),
            neuron.total.eq(total),
            neuron.draw.eq(draw),
            neuron.load.eq(self.load),
            neuron.seed.eq(self.seed),
        ]
        return neuron.o, draw, is_visible, again

    def _counters(
        self, m: Module, platform: object, pattern: Signal, count: Signal, taken: Signal, row: Signal, column: Signal
    ) -> tuple[Value, Value]:
        """Place a counter a synapse; return whether the one that is looked at asks for a pulse, and which."""
        requests, values = [], []
        one = Const(1, 1)
        lower = [*zip(pattern, self.negative, strict=True), (one, one)]
        upper = [*zip(self.first, self.second, strict=True), (one, one)]
        for i, (v, v_negative) in enumerate(lower):
            of_row, values_of_row = [], []
            for k, (h, h_negative) in enumerate(upper):
                counter = PulseCounter(self.counter.threshold, self.counter.batch)
                place(m, platform, f"counter{i}_{k}", counter)
                m.d.comb += [
                    counter.count.eq(count),
                    counter.plus.eq(v & h),
                    counter.minus.eq(v_negative & h_negative),
                    counter.taken.eq(taken & (row == i) & (column == k)),
                ]
                of_row.append(counter.request | (counter.erases << 1))
                values_of_row.append(counter.value)
            requests.append(Array(of_row)[column])
            values.append(Array(values_of_row)[self.column])
        chosen = Signal(2)
        m.d.comb += [chosen.eq(Array(requests)[row]), self.value.eq(Array(values)[self.row])]
        return chosen[0], chosen[1]
