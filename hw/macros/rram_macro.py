"""Differential RRAM macro: the ports of ``hw/rtl/rram_macro.sv``, which all kinds of macro have."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Value
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.macro_kinds import DEFAULT_MACRO, macro_type


class RramMacro(Unit):
    """Differential (2T2R) RRAM macro whose sense amplifiers compute XNOR while they read.

    ``q`` shows XNOR(w, x) of the sensed row `sense_latency` clock edges later and holds it until the next sense, which
    comes no earlier. Of types with a ``latency`` of their own, whose reads follow each other, it is that. A read
    happens only where ``sense`` is 1. The module is hand-written SystemVerilog, so that a chip can put its own macro
    in its place; it cannot be elaborated in the Amaranth simulator. Which ports there are, and their widths, is for
    :class:`oxnor.hw.params.macro_kinds.MacroType` to say.

    Parameters
    ----------
    rows, cols : int
        Word lines, and pairs on each.
    init_file : str
        Memory image, read by ``$readmemh`` when simulation starts and by synthesis tools.
    kind : str
        A key of :data:`oxnor.hw.params.macro_kinds.MACRO_TYPES`.
    sense_latency : int
        Cycles that it takes to sense a row: the default of its parameter ``LATENCY``, which is the same in all macros
        of an engine that are this module, so that a macro without that parameter can take its place.
    pair_states : int
        2, or 3: a pair may have both devices in HRS, and there are two bits of an answer.

    Members
    -------
    en : ``In(1)``
        Reads in flight advance at this clock edge; only of macros with a latency of more than 1.
    sense : ``In(1)``
        Sense row ``row`` with the inputs ``x`` at this clock edge.
    row : ``In(bits_for(rows - 1))``
        Word line.
    x : ``In(cols)``
        XNOR inputs.
    flip : ``In(outputs * cols)``
        Errors of what ``q`` shows.
    q : ``Out(cols)``
        XNOR(w, x) ^ flip.
    agree, disagree : ``Out(cols)``
        Instead of ``q`` where pairs have three states: neither is 1 where both devices are in HRS.
    prog_valid, prog_ready, prog_op, prog_side, prog_row, prog_col, prog_done
        FORM (0), SET (1) or RESET (2) of one device of a pair; see the SystemVerilog.

    References
    ----------
    [1] of docs/references.md: XNOR inside the sense amplifiers of a 2T2R array.
    """

    def __init__(
        self, rows: int, cols: int, init_file: str = "", kind: str = DEFAULT_MACRO, sense_latency: int = 1,
        pair_states: int = 2,
    ):  # fmt: skip
        if rows < 1 or cols < 1:
            raise ValueError(f"Rows and columns must be positive, not {rows} and {cols}")
        self.rows = rows
        self.cols = cols
        self.type = macro_type(kind, pair_states)
        self.rtl_source = self.type.rtl_source
        self.verilog_parameters = {"ROWS": rows, "COLS": cols, "INIT_FILE": init_file, **self.type.files}
        self.sense_latency = sense_latency
        self.verilog_defaults = {"LATENCY": sense_latency}
        ports = self.type.ports(rows, cols)
        super().__init__({name: (Out if port.is_output else In)(port.width) for name, port in ports.items()})

    @property
    def synapses(self) -> Value:
        """Answers of the synapses, of which a pair of three states has two: the second is 1 if it agrees, the first
        unless it disagrees.
        """
        if self.type.outputs == 1:
            return self.q
        return Cat(bit for k in range(self.cols) for bit in (~self.disagree[k], self.agree[k]))

    @property
    def module_name(self) -> str:  # noqa: D102
        return self.type.module

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        raise NotImplementedError("The RRAM macro is SystemVerilog: simulate the emitted Verilog")
