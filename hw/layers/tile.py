"""Tile: one macro, its mask and its popcount."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Member, Out

from oxnor.hw.analog.count_converter import Converter
from oxnor.hw.blocks.popcount import Popcount
from oxnor.hw.blocks.unit import place, sum_tree, times
from oxnor.hw.params.widths import bits_for
from oxnor.models.networks.count_converter import CountConverter
from oxnor.models.networks.layers.weight_code import ONE_SYNAPSE, WeightCode

from .macro_tile import MacroTile, TileMacro
from .options import NO_OPTIONS, OptionalPorts


class Tile(MacroTile):
    """One RRAM macro with the popcount of its columns: the basic cell of the array.

    ``count`` belongs to the row that stood there ``latency`` of the macro and one enabled clock edges before, if it was
    sensed; one more if `pipelined`. Columns that hold no synapse are masked, so that an error there changes nothing.
    While ``en`` is 0 everything holds.

    Parameters
    ----------
    macro : TileMacro
    used : int
        Columns that hold a synapse in every slice but the last, in [1, cols].
    used_last : int
        Columns that hold a synapse in the last slice, in [0, used].
    options : OptionalPorts
        Ports of what the engine has beside its inference.
    is_masked : bool
        Whether single columns are masked from read to read.
    converter : CountConverter, optional
        What the count goes through.
    code : WeightCode
        How much the columns of a weight count, which lie side by side.

    Members
    -------
    x : ``In(pairs)``
        XNOR inputs of the row.
    last : ``In(1)``
        Whether the row whose outputs the macro shows is of the last slice.
    count : ``Out(bits_for(used))``
        Agreeing bits among the columns in use, or what they count.
    mask : ``In(cols)``
        Columns that count, of the row whose outputs the macro shows; only if they are masked.
    flip : ``In(cols)``
        Errors of the row whose outputs the macro shows; only with the fault injector.

    The other ports are those of :class:`oxnor.hw.layers.macro_tile.MacroTile`.
    """

    def __init__(
        self,
        macro: TileMacro,
        used: int,
        used_last: int,
        options: OptionalPorts = NO_OPTIONS,
        is_masked: bool = False,
        converter: CountConverter | None = None,
        code: WeightCode = ONE_SYNAPSE,
    ):
        if not (1 <= used <= macro.cols and 0 <= used_last <= used):
            raise ValueError(f"Used columns must be in [1, {macro.cols}] and in [0, used], not {used} and {used_last}")
        self.used = used
        self.used_last = used_last
        pairs = macro.cols // macro.type.outputs
        self.code = code
        most = used // code.bits * code.top
        members: dict[str, Member] = {"x": In(pairs), "last": In(1), "count": Out(bits_for(most))}
        self.is_masked = is_masked
        self.converter = converter
        if is_masked:
            members["mask"] = In(macro.cols)
        if options.errors:
            members["flip"] = In(macro.cols)
        super().__init__(macro, options, members)

    @property
    def module_name(self) -> str:  # noqa: D102
        converter = f"_a{self.converter.bits}" if self.converter else f"_w{self.code.top}" * (self.code.largest > 0)
        return f"oxnor_tile_{self._name(self.used, self.used_last)}{'_m' * self.is_masked}{converter}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        macro = self._place_macro(m, platform, self.x)
        agree = macro.synapses[: self.used]
        if self.used_last < self.used:
            agree = agree & Mux(self.last, (1 << self.used_last) - 1, (1 << self.used) - 1)
        if self.is_masked:
            agree = agree & self.mask[: self.used]
        if self.macro.pipelined:
            registered = Signal(self.used, reset_less=True)
            with m.If(self.en):
                m.d.sync += registered.eq(agree)
            agree = registered
        counted = self._counted(m, platform, agree)
        if self.converter is not None:
            counted = self._converted(m, platform, self.converter, counted)
        count = Signal.like(self.count, reset_less=True)
        m.d.comb += self.count.eq(count)
        with m.If(self.en):
            m.d.sync += count.eq(counted)
        return m

    def _counted(self, m: Module, platform: object, agree: Value) -> Value:
        """Return how many bits agree or, with weights of several digits, shift and add the counts of each of them."""
        digits = self.code.counts if self.code.largest else (1,)
        counts = []
        for k, digit in enumerate(digits):
            popcount = Popcount(self.used // len(digits))
            place(m, platform, f"popcount{k}" if len(digits) > 1 else "popcount", popcount)
            m.d.comb += popcount.i.eq(agree[k :: len(digits)] if len(digits) > 1 else agree)
            counts.append(times(popcount.o, digit))
        return sum_tree(counts)

    def _converted(self, m: Module, platform: object, converter: CountConverter, count: Value) -> Value:
        """Return what a count becomes."""
        unit = Converter(converter, self.used, self.used_last)
        place(m, platform, "converter", unit)
        m.d.comb += unit.i.eq(count)
        if self.used_last < self.used:
            last: Value = self.last
            if self.macro.pipelined:
                last = Signal(name="last_counted", reset_less=True)
                with m.If(self.en):
                    m.d.sync += last.eq(self.last)
            m.d.comb += unit.last.eq(last)
        return unit.o
