"""Tile of the input-serial dataflow: one macro whose columns, one or a group, belong to a neuron each."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from .rram_macro import RramMacro
from .unit import Unit, bits_for, place, sum_tree


class SerialTile(Unit):
    """One RRAM macro read a row an input: each neuron gets the weight that its cells hold for that input.

    With ``bank = 0`` a neuron has one differential pair, and ``counts`` is XNOR(weight, input), 0 or 1: the binarized
    layer. With ``bank = B`` it has 2 B single-level cells, first the positive, then the negative bank, and ``counts``
    is the number of cells that are on in the one less that in the other. ``counts`` belongs to the row that was sensed
    two enabled clock edges before; while ``en`` is 0 everything holds.

    Parameters
    ----------
    rows, cols : int
        Size of the macro.
    neurons : int
        Neurons on a word line.
    bank : int
        Cells of a bank; 0 for differential pairs.
    init_file : str
        Memory image of the macro.

    Members
    -------
    en : ``In(1)``
        Advance by one read.
    sense : ``In(1)``
        Whether a row is read at all; if not, its counts are 0.
    row : ``In(bits_for(rows - 1))``
        Row to sense at this clock edge.
    x : ``In(1)``
        Input bit, for differential pairs; 1 for cells.
    counts : ``Out(ArrayLayout(signed(bits_for(bank) + 1), neurons))``
    """

    def __init__(self, rows: int, cols: int, neurons: int, bank: int, init_file: str = ""):
        group = 2 * bank or 1
        if not 1 <= neurons * group <= cols:
            raise ValueError(f"Neurons must be in [1, {cols // group}], not {neurons}")
        self.rows = rows
        self.cols = cols
        self.neurons = neurons
        self.bank = bank
        self.verilog_parameters = {"INIT_FILE": init_file}
        super().__init__(
            {
                "en": In(1),
                "sense": In(1),
                "row": In(bits_for(rows - 1)),
                "x": In(1),
                "counts": Out(data.ArrayLayout(signed(bits_for(max(bank, 1)) + 1), neurons)),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_serial_tile_{self.rows}x{self.cols}_{self.neurons}_{self.bank}"

    def elaborate(self, platform: Any) -> Module:  # noqa: D102
        m = Module()
        macro = RramMacro(self.rows, self.cols, "@INIT_FILE@")
        place(m, platform, "macro", macro)
        sensed = Signal()
        m.d.comb += [
            macro.sense.eq(self.en & self.sense),
            macro.row.eq(self.row),
            macro.x.eq(self.x.replicate(self.cols)),
        ]
        with m.If(self.en):
            m.d.sync += sensed.eq(self.sense)
            for n in range(self.neurons):
                with m.If(sensed):
                    m.d.sync += self.counts[n].eq(self._count(macro.q, n))
                with m.Else():
                    m.d.sync += self.counts[n].eq(0)
        return m

    def _count(self, q: Any, n: int) -> Any:
        if not self.bank:
            return q[n]
        banks = [sum_tree([q[(2 * n + b) * self.bank + k] for k in range(self.bank)]) for b in (0, 1)]
        return banks[0] - banks[1]
