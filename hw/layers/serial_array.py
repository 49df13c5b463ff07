"""Synapse array of the input-serial dataflow: inputs select rows, and every column is a neuron."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring

from oxnor.hw.blocks.column_count import ColumnCount
from oxnor.hw.blocks.unit import place
from oxnor.hw.macros.coefficients import CoefficientWord
from oxnor.hw.macros.program_bus import fan_out

from .macro_tile import TileMacro
from .parallel_array import SynapseArray
from .reading import Reading
from .serial_tile import SerialTile


class SerialArray(SynapseArray):
    """The macros of an input-serial layer: a read takes V inputs, one to each lane of macros, to all neurons at once.

    Ports, and what they mean, are those of :class:`oxnor.hw.layers.parallel_array.SynapseArray`; every read is a
    slice of one pass over all neurons. Where inputs go into no register, each transfer of V inputs is read in its own
    cycle, at most one a cycle, and no input is kept. Else a vector is taken into a register and shifted out, without a
    gap to the next one.

    ``partials`` is 0 where no read belongs to it, so that neurons may integrate in every enabled cycle.
    """

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        c = self.config
        self.programmed: list[tuple[wiring.PureInterface, Value]] = []
        self.answers: list[Value] = []
        row = Signal(range(c.rows))
        at_end = Signal(init=c.reads == 1)  # row is the last one; a register, as all of the engine waits for it
        bits, valid, reading = self._inputs(m, at_end)
        with m.If(self.en & reading.last(valid)):
            m.d.sync += [row.eq(Mux(at_end, 0, row + 1)), at_end.eq(1 if c.reads == 1 else row == c.reads - 2)]
        flags = {"valid": reading.last(valid), "first_slice": row == 0, "last_slice": at_end}
        delayed = {name: self._delay(m, name, value, c.count_latency) for name, value in flags.items()}
        for name, stages in delayed.items():
            m.d.comb += getattr(self, name).eq(stages[-1])
        m.d.comb += [self.first_pass.eq(1), self.last_pass.eq(1)]
        self._read_rows(m, platform, (valid, reading), row, bits, delayed["last_slice"][c.macro.latency + c.pipelined])
        if self.answers:
            m.d.comb += self.answered.eq(Cat(*self.answers).all())
        if self.coefficient_width:
            self._coefficients(m, platform, Const(0))
        if self.options.program:
            fan_out(m, self.program, self.programmed)
        return m

    def _inputs(self, m: Module, at_end: Signal) -> tuple[Value, Value, Reading]:
        """Return the V inputs of the present read, whether they are there, and how long they are read."""
        c = self.config
        busy = Signal()
        if not self.stream_in.into_register:
            if not c.has_long_reads:
                m.d.comb += self.i.ready.eq(self.en)
                return self.i.payload, self.i.valid, Reading()
            # Taken in the first cycle of their read, and kept for the others.
            reading = self._reading(m, self.en & busy)
            assert reading.begins is not None
            kept = Signal(c.groups, reset_less=True)
            m.d.comb += [self.i.ready.eq(reading.first(self.en)), busy.eq(self.i.valid | ~reading.begins)]
            with m.If(self.en & reading.begins):
                m.d.sync += kept.eq(self.i.payload)
            return Mux(reading.begins, self.i.payload, kept), busy, reading
        reading = self._reading(m, self.en & busy)
        x = Signal(c.n_in, reset_less=True)
        m.d.comb += self.i.ready.eq(self.en & (~busy | reading.last(at_end)))
        with m.If(reading.steps(self.en, busy)):
            with m.If(~busy | at_end):
                m.d.sync += [busy.eq(self.i.valid), x.eq(self.i.payload)]
            with m.Else():
                m.d.sync += x.eq(x[c.groups :])
        return x[: c.groups], busy, reading

    def _read_rows(
        self,
        m: Module,
        platform: object,
        reads: tuple[Value, Reading],
        row: Signal,
        bits: Value,
        last_read: Signal,
    ) -> None:
        """Sense a row of every macro; count the agreeing bits of each neuron over the lanes."""
        c = self.config
        valid, reading = reads
        in_last = c.n_in - (c.reads - 1) * c.groups  # lanes that hold a synapse in the last row
        count = ColumnCount(c.groups, c.n_out)
        place(m, platform, "column_count", count)
        for v in range(c.groups):
            lane = []
            for h in range(c.across):
                image = f"mem/layer{self.index}_v{v}_h{h}.mem"
                neurons = min(c.cols, c.n_out - h * c.cols)
                tile = SerialTile(TileMacro.of(c, image), neurons, 0, self.options)
                place(m, platform, f"tile_v{v}_h{h}", tile)
                m.d.comb += [tile.en.eq(self.en), tile.sense.eq(reading.first(valid)), tile.row.eq(row)]
                m.d.comb += tile.x.eq(bits[v])
                if reading.is_long:
                    m.d.comb += tile.ends.eq(reading.last(valid))
                if c.macro.accesses:
                    self.answers.append(tile.answered)
                if self.options.program:
                    self.programmed.append((tile.program, self.program.macro == len(self.programmed)))
                lane.append(tile.counts.as_value())
            m.d.comb += count.i[v].eq(Cat(*lane) if v < in_last else Mux(last_read, 0, Cat(*lane)))
        for n in range(c.n_out):
            partial = Cat(*(plane[n] for plane in count.o))
            if c.groups == 1:
                m.d.comb += self.partials[n].eq(partial)
            else:
                with m.If(self.en):
                    m.d.sync += self.partials[n].eq(partial)

    def _coefficients(self, m: Module, platform: object, row: Value) -> None:
        if self.options.program is not None:
            super()._coefficients(m, platform, row)
            return
        word = CoefficientWord(len(self.coefficients), f"mem/layer{self.index}_coefficients.mem")
        place(m, platform, "coefficient_word", word)
        m.d.comb += self.coefficients.eq(word.q)
