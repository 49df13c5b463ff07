"""SRAM macros: what their Liberty files say of a read, a write, standby and area."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from oxnor.models.base.errors import InputError

from .expression import Expression, parse
from .liberty import Group, Table, read
from .library import leakage_unit
from .technology import Sram, Technology

#: Slew (ns) and load (pF) at which tables are read.
SLEW_NS, LOAD_PF = 0.1, 0.01


@dataclass(frozen=True)
class SramFigures:
    """One SRAM macro in numbers.

    Parameters
    ----------
    name : str
    rows, cols : int
    read_j, write_j : float
        Of one word.
    leakage_w : float
    area_um2 : float
    access_ns : float
    """

    name: str
    rows: int
    cols: int
    read_j: float
    write_j: float
    leakage_w: float
    area_um2: float
    access_ns: float


@dataclass(frozen=True)
class SramArray:
    """SRAM macros that hold as much as an RRAM macro: some of them side by side and above each other.

    Parameters
    ----------
    macro : SramFigures
    across, down : int
    """

    macro: SramFigures
    across: int
    down: int

    @property
    def read_j(self) -> float:
        """Energy of a row."""
        return self.macro.read_j * self.across

    @property
    def leakage_w(self) -> float:
        """Of all of it."""
        return self.macro.leakage_w * self.across * self.down

    @property
    def area_um2(self) -> float:
        """Of all of it."""
        return self.macro.area_um2 * self.across * self.down


def sram_for(technology: Technology, rows: int, cols: int) -> SramArray:
    """Return the SRAM that takes the place of an RRAM macro of `rows` x `cols`, with the least energy of a read."""
    arrays = [
        SramArray(figures, -(-cols // figures.cols), -(-rows // figures.rows))
        for figures in map(sram_figures, technology.sram)
    ]
    return min(arrays, key=lambda a: (a.read_j, a.area_um2))


@cache
def sram_figures(sram: Sram) -> SramFigures:
    """Return what a macro's Liberty file says.

    Raises
    ------
    InputError
        If it says nothing of the energy of a read or a write.
    """
    library = read(sram.liberty)
    cells = library.all("cell")
    if len(cells) != 1:
        raise InputError(f"{sram.liberty}: must have one cell, not {len(cells)}")
    cell = cells[0]
    clock = next((p for p in cell.all("pin") if p.attributes.get("clock", "").strip() == "true"), None)
    if clock is None or not clock.all("internal_power"):
        raise InputError(f"{sram.liberty}: cell {cell.name} must have tables of energy at its clock pin")
    try:
        leakage = leakage_unit(library)
    except InputError as e:
        raise InputError(f"{sram.liberty}: {e}") from None
    area = float(cell.attributes.get("area", 0))
    if not 0 < area < math.inf:
        raise InputError(f"{sram.liberty}: cell {cell.name}: area must be above 0, not {area:g}")
    return SramFigures(
        cell.name, sram.rows, sram.cols, _energy(clock, library, sram.read, sram),
        _energy(clock, library, sram.write, sram),
        float(cell.attributes.get("cell_leakage_power", 0)) * leakage, area,
        _access(cell, library, clock.name),
    )  # fmt: skip


def _literals(e: Expression) -> dict[str, bool]:
    """Return the values of pins that a product of pins asks for."""
    if e.kind == "pin":
        return {e.name: True}
    if e.kind == "not" and e.parts[0].kind == "pin":
        return {e.parts[0].name: False}
    if e.kind != "and":
        raise InputError("must be a product of pins")
    return _literals(e.parts[0]) | _literals(e.parts[1])


def _energy(clock: Group, library: Group, state: str, sram: Sram) -> float:
    wanted = _literals(parse(state))
    for group in clock.all("internal_power"):
        when = group.attributes.get("when")
        if when is not None and _literals(parse(when)) == wanted:
            tables = [Table(g, library) for kind in ("rise_power", "fall_power") for g in group.all(kind)]
            return sum(table.at(SLEW_NS, LOAD_PF) for table in tables) * 1e-12
    raise InputError(f"{sram.liberty}: must have a table of energy at the clock pin when {state}")


def _access(cell: Group, library: Group, clock: str) -> float:
    """Return the longest delay from the clock to an output, in ns."""
    found = [0.0]
    for bus in (*cell.all("bus"), *cell.all("pin")):
        for group in (bus, *bus.all("pin")):
            for timing in group.all("timing"):
                if timing.attributes.get("related_pin") == clock:
                    found += [Table(g, library).at(SLEW_NS, LOAD_PF) for k in ("cell_rise", "cell_fall")
                              for g in timing.all(k)]  # fmt: skip
    return max(found)
