"""Tile: one macro, its mask and its popcount."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.popcount import Popcount
from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.macros.program_bus import connect_macro
from oxnor.hw.macros.rram_macro import RramMacro
from oxnor.hw.params.macro_kinds import DEFAULT_MACRO
from oxnor.hw.params.widths import bits_for

from .options import NO_OPTIONS, OptionalPorts


class Tile(Unit):
    """One RRAM macro with the popcount of its columns: the basic cell of the array.

    ``count`` belongs to the row that stood there ``latency`` of the macro and one enabled clock edges before, if it was
    sensed. Columns that hold
    no synapse are masked, so that an error there changes nothing. While ``en`` is 0 everything holds.

    Parameters
    ----------
    rows, cols : int
        Size of the macro.
    used : int
        Columns that hold a synapse in every slice but the last, in [1, cols].
    used_last : int
        Columns that hold a synapse in the last slice, in [0, used].
    init_file : str
        Memory image of the macro.
    kind : str
        A key of :data:`oxnor.hw.params.macro_kinds.MACRO_TYPES`.
    options : OptionalPorts
        Ports of what the engine has beside its inference.
    pipelined : bool
        A register between XNOR and popcount: ``count`` comes one enabled clock edge later.

    Members
    -------
    en : ``In(1)``
        Advance by one read.
    sense : ``In(1)``
        A row is to be sensed: without it the macro does nothing.
    row : ``In(bits_for(rows - 1))``
        Row to sense at this clock edge.
    x : ``In(cols)``
        XNOR inputs of that row.
    last : ``In(1)``
        Whether the row whose outputs the macro shows is of the last slice.
    count : ``Out(bits_for(used))``
        Agreeing bits among the columns in use.
    flip : ``In(cols)``
        Errors of the row whose outputs the macro shows; only with the fault injector.
    program : ``In(ProgramBus())``
        Only with programming.
    """

    def __init__(
        self,
        rows: int,
        cols: int,
        used: int,
        used_last: int,
        init_file: str = "",
        kind: str = DEFAULT_MACRO,
        options: OptionalPorts = NO_OPTIONS,
        pipelined: bool = False,
    ):
        if not (1 <= used <= cols and 0 <= used_last <= used):
            raise ValueError(f"Used columns must be in [1, {cols}] and in [0, used], not {used} and {used_last}")
        self.rows = rows
        self.cols = cols
        self.used = used
        self.used_last = used_last
        self.kind = kind
        self.options = options
        self.pipelined = pipelined
        self.verilog_parameters = {"INIT_FILE": init_file}
        members = {
            "en": In(1),
            "sense": In(1),
            "row": In(bits_for(rows - 1)),
            "x": In(cols),
            "last": In(1),
            "count": Out(bits_for(used)),
        }
        if options.errors:
            members["flip"] = In(cols)
        if options.program:
            members["program"] = In(options.program)
        super().__init__(members)

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_tile_{self.rows}x{self.cols}_{self.used}_{self.used_last}{'_p' if self.pipelined else ''}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        macro = RramMacro(self.rows, self.cols, "@INIT_FILE@", self.kind)
        popcount = Popcount(self.used)
        place(m, platform, "macro", macro)
        place(m, platform, "popcount", popcount)
        agree = macro.q[: self.used]
        if self.used_last < self.used:
            agree = agree & Mux(self.last, (1 << self.used_last) - 1, (1 << self.used) - 1)
        m.d.comb += [
            macro.sense.eq(self.en & self.sense),
            macro.row.eq(self.row),
            macro.x.eq(self.x),
        ]
        if self.pipelined:
            registered = Signal(self.used, reset_less=True)
            with m.If(self.en):
                m.d.sync += registered.eq(agree)
            agree = registered
        m.d.comb += popcount.i.eq(agree)
        if macro.type.latency > 1:
            m.d.comb += macro.en.eq(self.en)
        if self.options.errors:
            m.d.comb += macro.flip.eq(self.flip)
        if self.options.program:
            connect_macro(m, self.program, macro)
        count = Signal.like(self.count, reset_less=True)
        m.d.comb += self.count.eq(count)
        with m.If(self.en):
            m.d.sync += count.eq(popcount.o)
        return m
