"""Differential RRAM macro: the ports of ``hw/rtl/rram_macro.sv``, which all kinds of macro have."""

from __future__ import annotations

from typing import Any

from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit
from oxnor.hw.params.macro_kinds import DEFAULT_KIND, MACRO_KINDS
from oxnor.hw.params.widths import bits_for


class RramMacro(Unit):
    """Differential (2T2R) RRAM macro whose sense amplifiers compute XNOR while they read.

    One read a cycle: ``q`` shows XNOR(w, x) of the sensed row after the clock edge and holds it until the next
    sense. A read happens only where ``sense`` is 1. The module is hand-written SystemVerilog, so that a chip can put
    its own macro in its place; it cannot be elaborated in the Amaranth simulator.

    Parameters
    ----------
    rows, cols : int
        Word lines, and pairs on each.
    init_file : str
        Memory image, read by ``$readmemh`` when simulation starts and by synthesis tools.
    kind : str
        A key of :data:`oxnor.hw.params.macro_kinds.MACRO_KINDS`.

    Members
    -------
    sense : ``In(1)``
        Sense row ``row`` with the inputs ``x`` at this clock edge.
    row : ``In(bits_for(rows - 1))``
        Word line.
    x, flip : ``In(cols)``
        XNOR inputs, and the error mask of the read.
    q : ``Out(cols)``
        XNOR(w, x) ^ flip.
    prog_valid, prog_ready, prog_op, prog_side, prog_row, prog_col, prog_done
        FORM (0), SET (1) or RESET (2) of one device of a pair; see the SystemVerilog.

    References
    ----------
    [1] of docs/references.md: XNOR inside the sense amplifiers of a 2T2R array.
    """

    def __init__(self, rows: int, cols: int, init_file: str = "", kind: str = DEFAULT_KIND):
        if rows < 1 or cols < 1:
            raise ValueError(f"Rows and columns must be positive, not {rows} and {cols}")
        self.rows = rows
        self.cols = cols
        self.kind = MACRO_KINDS[kind]
        self.rtl_source = self.kind.rtl_source
        self.verilog_parameters = {"ROWS": rows, "COLS": cols, "INIT_FILE": init_file, **self.kind.files}
        super().__init__(
            {
                "sense": In(1),
                "row": In(bits_for(rows - 1)),
                "x": In(cols),
                "flip": In(cols),
                "q": Out(cols),
                "prog_valid": In(1),
                "prog_ready": Out(1),
                "prog_op": In(2),
                "prog_side": In(1),
                "prog_row": In(bits_for(rows - 1)),
                "prog_col": In(bits_for(cols - 1)),
                "prog_done": Out(1),
            }
        )

    @property
    def module_name(self) -> str:  # noqa: D102
        return self.kind.module

    def elaborate(self, platform: Any) -> Any:  # noqa: D102
        raise NotImplementedError("The RRAM macro is SystemVerilog: simulate the emitted Verilog")
