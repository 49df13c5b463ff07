"""Functional Verilog of standard cells, made from what their Liberty file says of them: no delays, no X."""

from __future__ import annotations

from collections.abc import Iterable

from oxnor.models.technology.library import Cell, Library


def cell_models(library: Library, names: Iterable[str]) -> str:
    """Return Verilog modules of cells.

    Parameters
    ----------
    library : Library
    names : iterable of str
        Those that a netlist uses.

    Raises
    ------
    oxnor.models.base.errors.InputError
        If a cell is not in the library, or has no function.
    """
    return "\n".join(_model(library.cell(name)) for name in sorted(set(names)))


def _model(cell: Cell) -> str:
    ports = [f"input {pin.name}" for pin in cell.inputs] + [f"output {pin.name}" for pin in cell.outputs]
    lines = [f"module {cell.name} ({', '.join(ports)});"]
    if cell.flop:
        lines += _flop(cell)
    if cell.gate:
        g = cell.gate
        lines += [
            "  reg held = 1'b0;",
            f"  always_latch if (!{g.clock}) held = {g.enable};",
            f"  assign {g.out} = {g.clock} & held;",
        ]
    lines += [f"  assign {p.name} = {p.function.verilog()};" for p in cell.outputs if p.function is not None]
    return "\n".join([*lines, "endmodule", ""])


def _flop(cell: Cell) -> list[str]:
    flop = cell.flop
    assert flop is not None
    stored, *complement = flop.state
    edges, resets = [f"posedge {flop.clock}"], ""
    for e, value in ((flop.clear, 0), (flop.preset, 1)):
        if e is not None:
            edges.append(f"{'negedge' if flop.resets[e.pins[0]] else 'posedge'} {e.pins[0]}")
            resets += f"if ({e.verilog()}) {stored} <= 1'b{value}; else "
    return [
        f"  reg {stored} = 1'b0;",
        *(f"  wire {name} = ~{stored};" for name in complement),
        f"  always @({' or '.join(edges)}) {resets}{stored} <= {flop.data};",
    ]
