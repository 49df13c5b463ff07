"""Synapse array: a layer's macros, read row by row while the inputs stand on their columns."""

from __future__ import annotations

import math

from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Member, Out, connect, flipped

from oxnor.hw.blocks.presenter import Presenter
from oxnor.hw.blocks.unit import Unit, place, sum_tree
from oxnor.hw.macros.coefficients import CoefficientRam, CoefficientRom
from oxnor.hw.macros.fault_injector import IMAGE_BITS, STATE, ErrorKey, ErrorMask
from oxnor.hw.macros.program_bus import fan_out, word_of
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.streams import VectorStream
from oxnor.hw.params.widths import bits_for
from oxnor.models.networks.layers.window import Window

from .gather import GatherMemory
from .macro_tile import TileMacro
from .options import NO_OPTIONS, OptionalPorts
from .reading import Reading
from .tile import Tile


class SynapseArray(Unit):
    """The macros of an input-parallel layer, with their popcount trees and the coefficients of each pass.

    An input vector is taken into a register and rotated by one slice a read, or into a memory from which a slice is
    read, so that slice s stands on the columns while row pass * S + s is sensed. Reads follow each other without a gap,
    also from one vector to the next; each takes as many enabled cycles as a macro takes to sense. Outputs belong to the
    read that ended before the popcount. While ``en`` is 0 all holds, but for what the macros sense.

    The bit planes of a vector follow each other, the last one first, with the same rows: so many times for each pass.

    Parameters
    ----------
    config : LayerConfig
    index : int
        Number of the layer, for the names of its memory images.
    coefficient_width : int
        Bits of the coefficients of one neuron; 0 if there are none.
    stream_in : VectorStream
        What it takes; only an input-serial layer takes less than whole vectors.
    options : OptionalPorts
        Ports of what the engine has beside its inference.

    Members
    -------
    en : ``In(1)``
        Advance.
    i : ``In(stream.Signature(stream_in.bits))``
        Input vectors.
    valid : ``Out(1)``
        The outputs belong to a read.
    first_slice, last_slice : ``Out(1)``
        It is the first, the last slice of its neurons, all planes together.
    double : ``Out(1)``
        It is the first slice of a further bit plane; not there if there is one plane.
    first_pass, last_pass : ``Out(1)``
        It belongs to the first, the last pass over the vector.
    zeros : ``Out(bits_for(full))``
        What the inputs of the vector that are zeros would count; not there if there are none.
    own : ``Out(neurons)``
        What comes of the neurons' own channels under the centre of the window, a bit of the plane whose first slice it
        is; not there without a shortcut.
    partials : ``Out(ArrayLayout(bits_for(full), neurons))``
        Partial counts, a lane a neuron.
    coefficients : ``Out(neurons * coefficient_width)``
        Coefficients of the pass, lane 0 in the low bits; not there if they have no bits.
    errors, program
        See :class:`oxnor.hw.layers.options.OptionalPorts`.
    """

    def __init__(
        self,
        config: LayerConfig,
        index: int,
        coefficient_width: int,
        stream_in: VectorStream,
        options: OptionalPorts = NO_OPTIONS,
    ):
        self.config = config
        self.index = index
        self.coefficient_width = coefficient_width
        self.options = options
        self.stream_in = stream_in
        members: dict[str, Member] = {
            "en": In(1),
            "i": In(stream.Signature(stream_in.bits)),
            "partials": Out(data.ArrayLayout(bits_for(config.full), config.neurons)),
        }
        if coefficient_width:
            members["coefficients"] = Out(config.neurons * coefficient_width)
        if config.has_zeros:
            members["zeros"] = Out(bits_for(config.full))
        if config.shortcut:
            members["own"] = Out(config.neurons)
        flags = ("valid", "first_slice", "last_slice", "first_pass", "last_pass", *(["double"] * config.doubles))
        super().__init__(members | {k: Out(1) for k in flags} | options.members)

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_engine_layer{self.index}_array"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        c = self.config
        self.programmed: list[tuple[wiring.PureInterface, Value]] = []
        self.answers: list[Value] = []
        width = c.across * c.cols // c.weight_bits  # elements on the columns
        each = c.weight_bits // c.pair_synapses  # pairs that see an element
        part = c.planes * c.slices * width  # what the neurons of a group of channels see
        step = width * (c.planes if c.presentations else 1)  # what is read of it at once
        x = Signal(c.channel_groups * part, reset_less=True)
        busy = Signal()
        row = Signal(range(c.rows))
        slice_ = Signal(range(c.slices))
        plane = Signal(range(c.turns))
        pass_ = Signal(range(c.passes))
        at_end = Signal(init=c.reads == 1)  # row is the last one; a register, as all of the engine waits for it
        reading = self._reading(m, self.en & busy)
        last = reading.last(at_end)
        memory, offered = None, self.i.valid
        if c.in_memory:
            memory = self._memory(m, platform, self.en & (~busy | last), slice_)
            offered = memory.offered
        else:
            m.d.comb += self.i.ready.eq(self.en & (~busy | last))
        accepts = self.en & (last | ~busy)
        steps = reading.steps(self.en, busy)
        turn = Signal(range(c.passes_each), name="turn")
        with m.If(steps):
            with m.If(at_end | ~busy):
                if c.channel_groups > c.parts_at_once:
                    m.d.sync += turn.eq(0)
                m.d.sync += [busy.eq(offered), row.eq(0), slice_.eq(0), pass_.eq(0), plane.eq(0)]
                if memory:
                    m.d.sync += at_end.eq(c.reads == 1)
                else:
                    m.d.sync += at_end.eq(c.reads == 1)
                    with m.If(offered if c.gates_clocks else 1):
                        m.d.sync += x.eq(self._last_plane_first(c.slices * width))
            with m.Else():
                m.d.sync += row.eq(row + 1)
                if not memory:
                    self._rotate(m, x, (part, step), turn, (slice_ == c.slices - 1) & (plane == c.turns - 1))
                with m.If(slice_ != c.slices - 1):
                    m.d.sync += slice_.eq(slice_ + 1)
                with m.Elif(plane != c.turns - 1):
                    m.d.sync += [slice_.eq(0), plane.eq(plane + 1), row.eq(row - (c.slices - 1))]
                with m.Else():
                    m.d.sync += [slice_.eq(0), plane.eq(0), pass_.eq(pass_ + 1)]
                before_end = (row == c.word_lines - 2) & (plane == c.turns - 1)
                if c.turns > 1 and c.slices == 1:
                    before_end = (row == c.word_lines - 1) & (plane == c.turns - 2)
                m.d.sync += at_end.eq(before_end)
        flags = {
            "valid": reading.last(busy),
            "first_slice": (slice_ == 0) & (plane == 0),
            "last_slice": (slice_ == c.slices - 1) & (plane == c.turns - 1),
            "first_pass": pass_ == 0,
            "last_pass": pass_ == c.passes - 1,
            "short": slice_ == c.slices - 1,  # of a plane: the columns that hold no synapse are masked
        } | ({"double": (slice_ == 0) & (plane != 0)} if c.doubles else {})
        if c.window and c.shortcut:
            flags["own"] = self._own(c.window, x, part, turn if c.channel_groups > c.parts_at_once else pass_)
        delayed = {name: self._delay(m, name, value, c.count_latency) for name, value in flags.items()}
        short = delayed.pop("short")
        for name, stages in delayed.items():
            m.d.comb += getattr(self, name).eq(stages[-1])
        mask = self._zeros(m, accepts, steps, c.across * c.cols) if c.has_zeros else None
        flips = None
        if self.options.errors:
            accepted = memory.take if memory else self.i.valid & self.i.ready
            flips = self._errors(m, platform, accepted, pass_, slice_, plane)
        row_sensed = self._spread(m, row)
        on_columns = [memory.q] if memory else [
            self._spread(m, x[k * part : k * part + width]) for k in range(c.parts_at_once)
        ]
        if c.presentations:
            bits = self._presented(m, platform, x[:step], (slice_, plane), steps, at_end | ~busy)
            on_columns = [self._spread(m, bits)]
        if each > 1:
            on_columns = [Cat(element.replicate(each) for element in vector) for vector in on_columns]
        sense = self._spread(m, reading.first(busy)) if reading.is_long else delayed["valid"][c.is_spread]
        senses = sense, row_sensed, on_columns
        self._read(m, platform, *senses, short[c.is_spread + c.macro.latency], flips, mask)
        if self.answers:
            m.d.comb += self.answered.eq(Cat(*self.answers).all())
        if self.coefficient_width:
            self._coefficients(m, platform, self._delay(m, "pass", pass_, c.count_latency - 1)[-1])
        if self.options.program:
            fan_out(m, self.program, self.programmed)
        return m

    def _reading(self, m: Module, goes: Value) -> Reading:
        """Return the reads, where `goes` says that one goes on in this cycle."""
        c = self.config
        if not c.macro.accesses:
            return Reading.of(m, c.sense_latency, goes)
        self.answered = Signal(name="answered")
        return Reading.answered(m, self.answered, goes, c.is_spread and not c.is_serial)

    def _memory(self, m: Module, platform: object, ready: Value, slice_: Signal) -> GatherMemory:
        """Return the memory that pixels are taken into, and of which a slice is read."""
        memory = GatherMemory(self.config.slices, len(self.i.payload))
        place(m, platform, "gather", memory)
        connect(m, flipped(self.i), memory.i)
        m.d.comb += [memory.take.eq(memory.offered & ready), memory.read.eq(self.en), memory.pixel.eq(slice_)]
        return memory

    def _delay(self, m: Module, name: str, value: Value, depth: int) -> list[Value]:
        """Return `value` after 0, 1, ... `depth` reads."""
        stages = [value]
        for k in range(1, depth + 1):
            stages.append(Signal(len(value), name=f"{name}_{k}"))
            with m.If(self.en):
                m.d.sync += stages[k].eq(stages[k - 1])
        return stages

    def _last_plane_first(self, width: int) -> Value:
        """Return the vector that comes plane after plane, each in `width` bits; the last one is read first."""
        planes = self.config.planes
        elements = self.config.elements
        if self.config.presentations:
            return Cat(self.i.payload, C(0, width * planes - len(self.i.payload)))
        parts = [self.i.payload.word_select(k, elements * planes) for k in range(self.config.channel_groups)]
        filler = C(0, width - elements)
        return Cat(Cat(part[k::planes], filler) for part in parts for k in reversed(range(planes)))

    def _presented(
        self, m: Module, platform: object, values: Value, at: tuple[Signal, Signal], steps: Value, begins: Value
    ) -> Value:
        """Return the random bits of the elements on the columns, of the slice and the presentation `at`."""
        c = self.config
        slice_, turn = at
        presenter = Presenter(len(values) // c.planes, c.slices)
        place(m, platform, "presenter", presenter)
        m.d.comb += [
            presenter.advance.eq(steps & ((slice_ == c.slices - 1) | begins)),
            presenter.restart.eq(begins | (turn == c.turns - 1)),
            presenter.slice.eq(slice_),
            presenter.values.eq(values),
        ]
        return presenter.bits

    def _rotate(self, m: Module, x: Signal, sizes: tuple[int, int], turn: Signal, is_last: Value) -> None:
        """Bring the next slice to the columns; after the last one of a pass the first, or the groups that are next."""
        c = self.config
        part, width = sizes
        parts = [x[k : k + part] for k in range(0, len(x), part)]
        rotated = [Cat(p[width:], p[:width]) for p in parts]
        if part > width:
            m.d.sync += x.eq(Cat(rotated))
        if c.channel_groups == c.parts_at_once:
            return
        ends = turn == c.passes_each - 1
        with m.If(is_last):
            m.d.sync += turn.eq(Mux(ends, 0, turn + 1))
        with m.If(is_last & ends):
            m.d.sync += x.eq(Cat(rotated[c.parts_at_once :], rotated[: c.parts_at_once]))

    def _own(self, w: Window, x: Signal, part: int, turn: Signal) -> Value:
        """Return a bit of each neuron's own channel, while a plane's first slice is in the low bits of its group."""
        c, each = self.config, w.channels // w.groups
        centres = Cat(x[k * part + w.centre * each :][:each] for k in range(c.parts_at_once))
        own = Cat(centres, C(0, c.passes_each * c.groups - len(centres)))
        return Array(own.word_select(k, c.groups) for k in range(c.passes_each))[turn]

    def _zeros(self, m: Module, accepts: Value, steps: Value, width: int) -> Value:
        """Return which columns count, of the row whose outputs the macros show; give what zeros count."""
        c = self.config
        # A bit for each pixel of the window, above its elements.
        there = self.i.payload[c.elements * c.channel_groups * c.planes :]
        channels = c.n_in // len(there)
        mask = Signal(c.slices * width, reset_less=True)
        zeros = Signal(bits_for(c.full), reset_less=True)
        with m.If(accepts):
            m.d.sync += [
                mask.eq(Cat(bit.replicate(channels) for bit in there)),
                zeros.eq(sum_tree([~bit for bit in there]) * (c.full // len(there))),
            ]
        if c.slices > 1:
            with m.Elif(steps):
                m.d.sync += mask.eq(Cat(mask[width:], mask[:width]))
        m.d.comb += self.zeros.eq(self._delay(m, "zeros", zeros, c.count_latency)[-1])
        return self._delay(m, "mask", mask[:width], c.is_spread + c.macro.latency)[-1]

    def _errors(
        self, m: Module, platform: object, accepted: Value, pass_: Signal, slice_: Signal, plane: Signal
    ) -> list[Value]:
        """Return the error mask of each lane, for the row whose outputs the macros show."""
        c = self.config
        image = Signal(IMAGE_BITS)
        key = ErrorKey()
        place(m, platform, "error_key", key)
        kept: dict[str, Value] = {name: Signal(n, name=f"key_{name}") for name, n in STATE.items()}
        m.d.comb += [key.seed.eq(self.errors.seed), key.layer.eq(self.index), key.image.eq(image)]
        if c.planes == 1:
            with m.If(accepted):
                m.d.sync += [image.eq(image + 1), *(kept[name].eq(getattr(key, name)) for name in STATE)]
        else:  # each plane is a read of its own
            present = Signal(IMAGE_BITS)
            m.d.comb += key.image.eq(present + plane)
            with m.If(accepted):
                m.d.sync += [image.eq(image + c.planes), present.eq(image)]
            kept = {name: getattr(key, name) for name in STATE}
        with m.If(self.errors.restart):
            m.d.sync += image.eq(0)
        flips = []
        pass_, slice_ = self._spread(m, pass_), self._spread(m, slice_)
        kept = {name: self._spread(m, value) for name, value in kept.items()}
        for v in range(c.groups):
            mask = ErrorMask(c)
            place(m, platform, f"error_mask_v{v}", mask)
            m.d.comb += [
                mask.en.eq(self.en),
                mask.rate.eq(self.errors.rate),
                mask.neuron.eq(pass_ * c.groups + v),
                mask.slice.eq(slice_),
                *(getattr(mask, name).eq(value) for name, value in kept.items()),
            ]
            flip = mask.flip
            for _ in range(c.macro.latency - 1):
                flip = self._register(m, flip)
            flips.append(flip)
        return flips

    def _read(
        self,
        m: Module,
        platform: object,
        busy: Value,
        row: Value,
        x: list[Value],
        last_sensed: Signal,
        flips: list[Value] | None,
        mask: Value | None,
    ) -> None:
        c = self.config
        for v in range(c.groups):
            counts = []
            for h in range(c.across):
                image = f"mem/layer{self.index}_v{v}_h{h}.mem"
                macro = TileMacro.of(c, image)
                tile = Tile(macro, *c.used_columns(h), self.options, mask is not None, c.converter, c.weight_code)
                place(m, platform, f"tile_v{v}_h{h}", tile)
                if mask is not None:
                    m.d.comb += tile.mask.eq(mask[h * c.cols : (h + 1) * c.cols])
                if flips is not None:
                    m.d.comb += tile.flip.eq(flips[v][h * c.cols : (h + 1) * c.cols])
                m.d.comb += [
                    tile.en.eq(self.en),
                    tile.sense.eq(busy),
                    tile.row.eq(row),
                    tile.x.eq(x[v * len(x) // c.groups][h * c.pairs : (h + 1) * c.pairs]),
                    tile.last.eq(last_sensed),
                ]
                if c.macro.accesses:
                    self.answers.append(tile.answered)
                if self.options.program:
                    self.programmed.append((tile.program, self.program.macro == len(self.programmed)))
                counts.append(tile.count)
            if c.sum_stages == 2:
                # Sums of as many counts as there are sums.
                size = math.isqrt(c.across - 1) + 1
                counts = [self._register(m, sum_tree(counts[k : k + size])) for k in range(0, c.across, size)]
            if c.across == 1:
                m.d.comb += self.partials[v].eq(counts[0])
            else:
                m.d.comb += self.partials[v].eq(self._register(m, sum_tree(counts)))

    def _spread(self, m: Module, value: Value) -> Value:
        """Return `value` as the macros get it."""
        return self._register(m, value) if self.config.is_spread else value

    def _register(self, m: Module, value: Value) -> Signal:
        register = Signal(len(value), reset_less=True)
        with m.If(self.en):
            m.d.sync += register.eq(value)
        return register

    def _coefficients(self, m: Module, platform: object, row: Value) -> None:
        c = self.config
        sizes = c.passes, c.neurons * self.coefficient_width, f"mem/layer{self.index}_coefficients.mem"
        if self.options.program is None:
            rom = CoefficientRom(*sizes)
            place(m, platform, "coefficient_rom", rom)
            m.d.comb += [rom.en.eq(self.en), rom.row.eq(row), self.coefficients.eq(rom.q)]
            return
        ram = CoefficientRam(*sizes)
        place(m, platform, "coefficient_ram", ram)
        bus = self.options.program.flip().create(path=("coefficient_bus",))
        self.programmed.append((bus, self.program.macro == c.macros))
        m.d.comb += [
            ram.en.eq(Mux(bus.active, bus.select & bus.sense, self.en)),
            ram.row.eq(Mux(bus.active, bus.row, row)),
            ram.write.eq(bus.select & bus.write),
            ram.word.eq(bus.word),
            ram.data.eq(bus.data),
            self.coefficients.eq(ram.q),
        ]
        word_of(m, bus, ram.q)
