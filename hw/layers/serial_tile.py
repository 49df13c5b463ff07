"""Tile of the input-serial dataflow: one macro whose columns, one or a group, belong to a neuron each."""

from __future__ import annotations

from amaranth.hdl import Module, ShapeLike, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Member, Out

from oxnor.hw.blocks.unit import sum_tree
from oxnor.hw.params.widths import bits_for

from .macro_tile import MacroTile, TileMacro
from .options import NO_OPTIONS, OptionalPorts


class SerialTile(MacroTile):
    """One RRAM macro read a row an input: each neuron gets the weight that its cells hold for that input.

    With ``bank = 0`` a neuron has one differential pair, and ``counts`` is XNOR(weight, input), 0 or 1: the binarized
    layer. It belongs to the row that was sensed ``latency`` of the macro enabled clock edges before, one more if
    `pipelined`. With ``bank = B`` a neuron has 2 B single-level cells, first the positive, then the negative bank, and
    ``counts`` is the number of cells that are on in the one less that in the other, one enabled clock edge later. While
    ``en`` is 0 everything holds.

    Parameters
    ----------
    macro : TileMacro
        Pipelined only for differential pairs.
    neurons : int
        Neurons on a word line.
    bank : int
        Cells of a bank; 0 for differential pairs.
    options : OptionalPorts
        Ports of what the engine has beside its inference: programming.

    Members
    -------
    sense : ``In(1)``
        Whether a row is read at all; if not, its counts are 0.
    ends : ``In(1)``
        This is the last cycle of its read; not there if a read takes one cycle.
    x : ``In(1)``
        Input bit, for differential pairs; 1 for cells.
    counts : ``Out(ArrayLayout(signed(bits_for(bank) + 1), neurons))``; for pairs ``Out(ArrayLayout(1, neurons))``

    The other ports are those of :class:`oxnor.hw.layers.macro_tile.MacroTile`.
    """

    def __init__(self, macro: TileMacro, neurons: int, bank: int, options: OptionalPorts = NO_OPTIONS):
        group = 2 * bank or 1
        if not 1 <= neurons * group <= macro.cols:
            raise ValueError(f"Neurons must be in [1, {macro.cols // group}], not {neurons}")
        self.neurons = neurons
        self.bank = bank
        shape: ShapeLike = signed(bits_for(bank) + 1) if bank else 1
        members: dict[str, Member] = {"x": In(1), "counts": Out(data.ArrayLayout(shape, neurons))}
        if macro.has_long_reads:
            members["ends"] = In(1)
        super().__init__(macro, options, members)

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_serial_tile_{self._name(self.neurons, self.bank)}{'_e' * (self.macro.has_long_reads)}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        macro = self._place_macro(m, platform, self.x.replicate(self.macro.cols))
        sensed = Signal()
        reads = self.ends if self.macro.has_long_reads else self.sense  # in flight, the newest first
        for k in range(1, macro.type.latency):
            read = Signal(name=f"sensed_{k}")
            with m.If(self.en):
                m.d.sync += read.eq(reads)
            reads = read
        with m.If(self.en):
            m.d.sync += sensed.eq(reads)
            for n in range(self.neurons if self.bank else 0):
                with m.If(sensed):
                    m.d.sync += self.counts[n].eq(self._count(macro.q, n))
                with m.Else():
                    m.d.sync += self.counts[n].eq(0)
        if not self.bank:
            agree = macro.q[: self.neurons] & sensed.replicate(self.neurons)
            with m.If(self.en if self.macro.pipelined else 1):
                m.d["sync" if self.macro.pipelined else "comb"] += self.counts.as_value().eq(agree)
        return m

    def _count(self, q: Value, n: int) -> Value:
        banks = [sum_tree([q[(2 * n + b) * self.bank + k] for k in range(self.bank)]) for b in (0, 1)]
        return banks[0] - banks[1]
