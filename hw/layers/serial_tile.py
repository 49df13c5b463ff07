"""Tile of the input-serial dataflow: one macro whose columns, one or a group, belong to a neuron each."""

from __future__ import annotations

from amaranth.hdl import Module, ShapeLike, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit, place, sum_tree
from oxnor.hw.macros.program_bus import connect_macro
from oxnor.hw.macros.rram_macro import RramMacro
from oxnor.hw.params.macro_kinds import DEFAULT_MACRO
from oxnor.hw.params.widths import bits_for

from .options import NO_OPTIONS, OptionalPorts


class SerialTile(Unit):
    """One RRAM macro read a row an input: each neuron gets the weight that its cells hold for that input.

    With ``bank = 0`` a neuron has one differential pair, and ``counts`` is XNOR(weight, input), 0 or 1: the binarized
    layer. It belongs to the row that was sensed ``latency`` of the macro enabled clock edges before, one more if
    `pipelined`. With ``bank = B`` a neuron has 2 B single-level cells, first the positive, then the negative bank, and
    ``counts`` is the number of cells that are on in the one less that in the other, one enabled clock edge later. While
    ``en`` is 0 everything holds.

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
    kind : str
        A key of :data:`oxnor.hw.params.macro_kinds.MACRO_TYPES`.
    options : OptionalPorts
        Ports of what the engine has beside its inference: programming.
    pipelined : bool
        A register behind the XNOR, for pairs.

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
    counts : ``Out(ArrayLayout(signed(bits_for(bank) + 1), neurons))``; for pairs ``Out(ArrayLayout(1, neurons))``
    program : ``In(ProgramBus())``
        Only with programming.
    """

    def __init__(
        self,
        rows: int,
        cols: int,
        neurons: int,
        bank: int,
        init_file: str = "",
        kind: str = DEFAULT_MACRO,
        options: OptionalPorts = NO_OPTIONS,
        pipelined: bool = False,
    ):
        group = 2 * bank or 1
        if not 1 <= neurons * group <= cols:
            raise ValueError(f"Neurons must be in [1, {cols // group}], not {neurons}")
        self.rows = rows
        self.cols = cols
        self.neurons = neurons
        self.bank = bank
        self.kind = kind
        self.options = options
        self.pipelined = pipelined
        self.verilog_parameters = {"INIT_FILE": init_file}
        shape: ShapeLike = signed(bits_for(bank) + 1) if bank else 1
        members = {
            "en": In(1),
            "sense": In(1),
            "row": In(bits_for(rows - 1)),
            "x": In(1),
            "counts": Out(data.ArrayLayout(shape, neurons)),
        }
        if options.program:
            members["program"] = In(options.program)
        super().__init__(members)

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_serial_tile_{self.rows}x{self.cols}_{self.neurons}_{self.bank}{'_p' if self.pipelined else ''}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        macro = RramMacro(self.rows, self.cols, "@INIT_FILE@", self.kind)
        place(m, platform, "macro", macro)
        sensed = Signal()
        m.d.comb += [
            macro.sense.eq(self.en & self.sense),
            macro.row.eq(self.row),
            macro.x.eq(self.x.replicate(self.cols)),
        ]
        if macro.type.latency > 1:
            m.d.comb += macro.en.eq(self.en)
        if self.options.program:
            connect_macro(m, self.program, macro)
        reads = self.sense  # in flight, the newest first
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
            with m.If(self.en if self.pipelined else 1):
                m.d["sync" if self.pipelined else "comb"] += self.counts.as_value().eq(agree)
        return m

    def _count(self, q: Value, n: int) -> Value:
        banks = [sum_tree([q[(2 * n + b) * self.bank + k] for k in range(self.bank)]) for b in (0, 1)]
        return banks[0] - banks[1]
