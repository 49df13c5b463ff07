"""Spiking layer: an event selects a row of the macros, and every neuron integrates what its cells hold there."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit, place, sum_tree
from oxnor.hw.layers.macro_tile import TileMacro
from oxnor.hw.layers.reading import Reading
from oxnor.hw.layers.serial_tile import SerialTile
from oxnor.hw.neurons.spiking import IfNeuron
from oxnor.hw.params.spiking import TICK_BITS, SpikingLayerConfig
from oxnor.hw.params.widths import bits_for

from .layouts import event_layout, spikes_layout


class SpikingLayer(Unit):
    """Input-serial layer of integrate-and-fire neurons: one event in the cycles that its macros take to sense.

    An answer is given only to events at which a neuron fires, and to the end of an image; it is in the output register
    three clock edges after its event was taken. While an answer waits the layer stands still. With a leak, the ticks
    between two events are worked off one a cycle before the second.

    Parameters
    ----------
    config : SpikingLayerConfig
    index : int
        Number of the layer, for the names of its module and memory images.
    relay : bool
        Whether an event of the last row, the clock's, goes on to the next layer, as a spike behind the last neuron's.

    Members
    -------
    clear : ``In(1)``
        Forget everything: a new image begins.
    i : ``In(stream.Signature(event_layout(n_in, index)))``
        Events; the tick never falls within an image.
    o : ``Out(stream.Signature(spikes_layout(n_out + relay, index)))``
        Answers.

    See Also
    --------
    oxnor.models.golden.spiking_reference.ReferenceLayer : bit-true model.
    """

    def __init__(self, config: SpikingLayerConfig, index: int, *, relay: bool = False):
        self.config = config
        self.index = index
        self.relay = relay
        super().__init__(
            {
                "clear": In(1),
                "i": In(stream.Signature(event_layout(config.n_in, index))),
                "o": Out(stream.Signature(spikes_layout(config.n_out + relay, index))),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_spiking_engine_layer{self.index}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        c = self.config
        advance, leaking = Signal(), Signal()
        last = self.i.payload.last  # the end of an image, for which nothing is read
        m.d.comb += advance.eq((~self.o.valid | self.o.ready) & ~leaking)
        reading = Reading.of(m, c.sense_latency, advance & self.i.valid & ~last, self.clear)
        m.d.comb += self.i.ready.eq(advance & (reading.ends | last) if reading.is_long else advance)
        # Stage 1: the macro's output; stage 2: the weights of the event.
        taken = self.i.valid & (reading.ends | last) if reading.is_long else self.i.valid
        stages = [(taken, self.i.payload)]
        for k in (1, 2):
            valid = Signal(name=f"valid_{k}")
            event = Signal(event_layout(c.n_in, self.index), name=f"event_{k}")
            with m.If(advance):
                m.d.sync += [valid.eq(stages[-1][0]), event.eq(stages[-1][1])]
            with m.If(self.clear):
                m.d.sync += valid.eq(0)
            stages.append((valid, event))
        valid, event = stages[2]
        weights = self._weights(m, platform, advance, reading)
        if c.neuron.leak:
            seen = Signal(TICK_BITS)
            m.d.comb += leaking.eq(valid & ~event.last & (seen != event.tick))
            with m.If(leaking):
                m.d.sync += seen.eq(seen + 1)
            with m.If(self.clear):
                m.d.sync += seen.eq(0)
        fired, negative = [], []
        for n in range(c.n_out):
            neuron = IfNeuron(c.neuron)
            place(m, platform, f"neuron{n}", neuron)
            m.d.comb += [
                neuron.clear.eq(self.clear),
                neuron.en.eq(advance & valid & ~event.last),
                neuron.weight.eq(Mux(event.negative, -weights[n], weights[n])),
            ]
            if c.neuron.leak:
                m.d.comb += neuron.leak.eq(leaking)
            if c.neuron.refractory:
                m.d.comb += neuron.tick.eq(event.tick)
            fired.append(neuron.fire)
            negative.append(neuron.negative)
        if self.relay:
            fired.append(valid & ~event.last & (event.address == c.n_in - 1))
            negative.append(Const(0))
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(valid & (event.last | Cat(*fired).any())),
                self.o.payload.fired.eq(Cat(*fired)),
                self.o.payload.negative.eq(Cat(*(f & s for f, s in zip(fired, negative, strict=True)))),
                self.o.payload.tick.eq(event.tick),
                self.o.payload.last.eq(event.last),
                self.o.payload.numbers.eq(event.numbers),
            ]
        with m.If(self.clear):
            m.d.sync += self.o.valid.eq(0)
        return m

    def _weights(self, m: Module, platform: object, advance: Signal, reading: Reading) -> list[Value]:
        """Return the weight that each neuron has for the event of stage 2."""
        c = self.config
        address = self.i.payload.address
        columns: list[list[Value]] = [[] for _ in range(c.n_out)]
        for d in range(c.down):
            mine = Signal(name=f"sense_{d}")
            row = Signal(bits_for(c.rows - 1), name=f"row_{d}")
            m.d.comb += [
                mine.eq(self.i.valid & ~self.i.payload.last & (address >= d * c.rows) & (address < (d + 1) * c.rows)),
                row.eq(address - d * c.rows),
            ]
            for a in range(c.across):
                name = f"mem/layer{self.index}_d{d}_a{a}.mem"
                macro = TileMacro(c.rows, c.cols, name, sense_latency=c.sense_latency)
                tile = SerialTile(macro, c.neurons_of(a), c.neuron.weight_max)
                place(m, platform, f"tile_d{d}_a{a}", tile)
                m.d.comb += [tile.en.eq(advance), tile.sense.eq(reading.first(mine)), tile.row.eq(row), tile.x.eq(1)]
                if reading.is_long:
                    m.d.comb += tile.ends.eq(reading.last(mine))
                for k in range(c.neurons_of(a)):
                    columns[a * c.per_macro + k].append(tile.counts[k])
        # Only the macro that was sensed gives anything but 0.
        return [sum_tree(counts)[: len(counts[0])].as_signed() for counts in columns]
