"""Adapter to macros of single cells that answer over a bus when they are ready."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.params.macro_kinds import MACRO_TYPES
from oxnor.hw.params.widths import bits_for


class RramCells(Unit):
    """Single-ended (1T1R) macro behind a bus, a cell an access: the ports of ``hw/rtl/rram_cells.sv``.

    Parameters
    ----------
    rows, cols : int
        Word lines, and pairs on each: it has twice as many cells.
    init_file : str
        Memory image.
    kind : str
        A key of :data:`oxnor.hw.params.macro_kinds.MACRO_TYPES`.
    latency : int
        Cycles of a read, at least.

    Members
    -------
    stb : ``In(1)``
        An access is asked for. Like the four that follow it stays as it is until the acknowledge.
    we : ``In(1)``
        It is an operation, not a read.
    op : ``In(2)``
        FORM (0), SET (1) or RESET (2).
    row : ``In(bits_for(rows - 1))``
    column : ``In(bits_for(2 * cols - 1))``
        2c is BL, 2c + 1 is BLb of pair c.
    ack : ``Out(1)``
        The access is done. It is 0 in some cycle after ``stb`` has fallen, before the next access.
    q : ``Out(1)``
        With ``ack`` of a read: 1 if the cell is in LRS.
    """

    def __init__(self, rows: int, cols: int, init_file: str, kind: str, latency: int):
        macro = MACRO_TYPES[kind]
        self.rtl_source = macro.rtl_source
        self._module = macro.module
        self.verilog_parameters = {"ROWS": rows, "COLS": cols, "INIT_FILE": init_file, **macro.files}
        self.verilog_defaults = {"LATENCY": latency}
        super().__init__(
            {
                "stb": In(1), "we": In(1), "op": In(2),
                "row": In(bits_for(rows - 1)), "column": In(bits_for(2 * cols - 1)),
                "ack": Out(1), "q": Out(1),
            }
        )  # fmt: skip

    @property
    def module_name(self) -> str:  # noqa: D102
        return self._module

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        raise NotImplementedError("The macro is SystemVerilog: simulate the emitted Verilog")


class CellAdapter(Unit):
    """Pairs out of single cells: the ports of :class:`oxnor.hw.macros.rram_macro.RramMacro`, and ``ready``.

    A read asks for both cells of each pair, one access after the other. A pair is 1 if BL is in LRS and BLb is not;
    cells that are alike read as 0. The XNOR is logic here. In every access ``stb`` stays 1 until ``ack`` is, and then
    0 until ``ack`` is 0 again: macros that pulse it and macros that hold it are both served, however long they take.

    Parameters
    ----------
    rows, cols, init_file, kind, sense_latency
        As for :class:`oxnor.hw.macros.rram_macro.RramMacro`; `sense_latency` is that of a single access, at least.

    Members
    -------
    ready : ``Out(1)``
        What was sensed last has been answered, and ``q`` shows it; 0 from the clock edge of a sense on.
    sense, row, x, flip, q, prog_valid, prog_ready, prog_op, prog_side, prog_row, prog_col, prog_done
        As of the macro. An operation begins only where no read is under way.
    """

    def __init__(self, rows: int, cols: int, init_file: str, kind: str, sense_latency: int):
        self.rows, self.cols = rows, cols
        self.kind, self.sense_latency = kind, sense_latency
        self.type = MACRO_TYPES[kind]
        self.verilog_parameters = {"INIT_FILE": init_file}
        ports = self.type.ports(rows, cols)
        super().__init__({name: (Out if port.is_output else In)(port.width) for name, port in ports.items()})

    @property
    def synapses(self) -> Value:
        """Answers of the synapses."""
        return self.q

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_adapter_{self.rows}x{self.cols}{self.type.suffix}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        cells = RramCells(self.rows, self.cols, "@INIT_FILE@", self.kind, self.sense_latency)
        place(m, platform, "cells", cells)
        row, column, op = Signal.like(self.row), Signal(bits_for(2 * self.cols - 1), name="column_asked"), Signal(2)
        x, pairs, before = Signal(self.cols), Signal(self.cols), Signal()
        reading, asks, releases = Signal(), Signal(), Signal()
        m.d.comb += [
            cells.stb.eq(asks), cells.we.eq(~reading), cells.op.eq(op), cells.row.eq(row), cells.column.eq(column),
            self.ready.eq(~reading),
            self.prog_ready.eq(~asks & ~releases & ~reading & ~self.sense),
            self.q.eq(~(pairs ^ x) ^ self.flip),
        ]  # fmt: skip
        m.d.sync += self.prog_done.eq(0)
        with m.If(self.sense):
            m.d.sync += [reading.eq(1), row.eq(self.row), x.eq(self.x), column.eq(0)]
            m.d.sync += [asks.eq(~cells.ack), releases.eq(cells.ack)]
        with m.Elif(self.prog_valid & self.prog_ready):
            m.d.sync += [row.eq(self.prog_row), column.eq(Cat(self.prog_side, self.prog_col)), op.eq(self.prog_op)]
            m.d.sync += asks.eq(1)
        with m.Elif(asks & cells.ack):
            m.d.sync += [asks.eq(0), releases.eq(1), self.prog_done.eq(~reading)]
            with m.If(reading):
                m.d.sync += [before.eq(cells.q), column.eq(column + 1)]
                with m.If(column[0]):  # BLb; the pairs are shifted in from the top
                    m.d.sync += pairs.eq(Cat(pairs[1:], before & ~cells.q))
                with m.If(column == 2 * self.cols - 1):
                    m.d.sync += reading.eq(0)
        with m.Elif(releases & ~cells.ack):
            m.d.sync += [releases.eq(0), asks.eq(reading)]
        return m
