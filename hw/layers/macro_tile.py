"""What the tiles of both dataflows share: one macro, how it is read, and how it is programmed."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, ValueLike
from amaranth.lib.wiring import In, Member, Out

from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.macros.cell_adapter import CellAdapter
from oxnor.hw.macros.program_bus import connect_macro
from oxnor.hw.macros.rram_macro import RramMacro
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.macro_kinds import DEFAULT_MACRO, MacroType, macro_type
from oxnor.hw.params.widths import bits_for

from .options import OptionalPorts


@dataclass(frozen=True)
class TileMacro:
    """The macro of a tile, and how it is read.

    Parameters
    ----------
    rows, cols : int
        Size: word lines, and synapses on each.
    init_file : str
        Memory image.
    kind : str
        A key of :data:`oxnor.hw.params.macro_kinds.MACRO_TYPES`.
    pipelined : bool
        A register behind the XNOR.
    sense_latency : int
        Cycles that it takes to sense a row.
    pair_states : int
        States of a pair: 2, or 3, which hold two synapses.
    """

    rows: int
    cols: int
    init_file: str = ""
    kind: str = DEFAULT_MACRO
    pipelined: bool = False
    sense_latency: int = 1
    pair_states: int = 2

    @property
    def type(self) -> MacroType:
        """What it is."""
        return macro_type(self.kind, self.pair_states)

    @property
    def answers(self) -> bool:
        """Whether the macro says when it is ready."""
        return self.type.accesses > 0

    @property
    def has_long_reads(self) -> bool:
        """Whether a read may take more than one cycle."""
        return self.sense_latency > 1 or self.answers

    @classmethod
    def of(cls, layer: LayerConfig, init_file: str) -> TileMacro:
        """Return a macro of a layer."""
        return cls(
            layer.rows, layer.cols, init_file, layer.macro_kind, layer.pipelined, layer.sense_latency, layer.pair_states
        )


class MacroTile(Unit):
    """A unit around one RRAM macro.

    Parameters
    ----------
    macro : TileMacro
    options : OptionalPorts
        Ports of what the engine has beside its inference.
    members : dict of str to Member
        Ports beside those below.

    Members
    -------
    en : ``In(1)``
        Advance by one read.
    sense : ``In(1)``
        A row is to be sensed: without it the macro does nothing.
    row : ``In(bits_for(rows - 1))``
        Row to sense at this clock edge.
    answered : ``Out(1)``
        The macro has answered what was sensed last; only of macros that say so.
    program : ``In(ProgramBus())``
        Only with programming.
    """

    def __init__(self, macro: TileMacro, options: OptionalPorts, members: dict[str, Member]):
        self.macro = macro
        self.options = options
        self.verilog_parameters = {"INIT_FILE": macro.init_file}
        ports = {"en": In(1), "sense": In(1), "row": In(bits_for(macro.rows - 1))} | members
        if macro.answers:
            ports["answered"] = Out(1)
        super().__init__(ports | ({"program": In(options.program)} if options.program else {}))

    def _name(self, *sizes: int) -> str:
        """Return what a module of these sizes is called after its kind of tile."""
        c = self.macro
        sized = "_".join(map(str, (f"{c.rows}x{c.cols}", *sizes)))
        return f"{sized}{'_p' if c.pipelined else ''}{c.type.suffix}"

    def _place_macro(self, m: Module, platform: object, x: ValueLike) -> RramMacro | CellAdapter:
        """Return the macro, which reads with the inputs `x`."""
        c = self.macro
        pairs = c.cols // c.type.outputs
        macro: RramMacro | CellAdapter
        if c.answers:
            macro = CellAdapter(c.rows, pairs, "@INIT_FILE@", c.kind, c.sense_latency)
        else:
            macro = RramMacro(c.rows, pairs, "@INIT_FILE@", c.kind, c.sense_latency, c.pair_states)
        place(m, platform, "macro", macro)
        m.d.comb += [macro.sense.eq(self.en & self.sense), macro.row.eq(self.row), macro.x.eq(x)]
        if macro.type.latency > 1:
            m.d.comb += macro.en.eq(self.en)
        if c.answers:
            m.d.comb += self.answered.eq(macro.ready)
        if self.options.errors:
            m.d.comb += macro.flip.eq(self.flip)
        if self.options.program:
            connect_macro(m, self.program, macro)
        return macro
