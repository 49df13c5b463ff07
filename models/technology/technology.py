"""A technology: standard cells, SRAM, RRAM macros and estimates, named by a TOML file."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError, near_names
from oxnor.models.base.toml import Reader

from .figure import Figure
from .library import Library, read_library
from .names import DEFAULT, find, folder, names
from .rram import Rram, RramTable


@dataclass(frozen=True)
class Cells:
    """Standard cells.

    Parameters
    ----------
    typical : Path
        Liberty file that areas, energies and delays come from; may be compressed as ``.xz``.
    tie_high, tie_low : str
        Cells of constants as ``CELL/PIN``.
    slow : Path, optional
        Liberty file of the slow corner.
    clock_gate : str
        Cell that gates clocks; "" if none is to be used.
    driver : str
        Cell that drives the inputs, for mapping; "" leaves loads out of it.
    """

    typical: Path
    tie_high: str
    tie_low: str
    slow: Path | None = None
    clock_gate: str = ""
    driver: str = ""

    def __post_init__(self) -> None:
        for name in ("tie_high", "tie_low"):
            if getattr(self, name).count("/") != 1:
                raise InputError(f"must be CELL/PIN, not {getattr(self, name)!r}", parameter=name)


@dataclass(frozen=True)
class Sram:
    """An SRAM macro.

    Parameters
    ----------
    liberty : Path
        Liberty file with one cell: area, leakage, access time, and the energy at its clock pin.
    rows, cols : int
        Words, and bits of each.
    read, write : str
        States, as in ``when`` of that energy, of a read and of a write.
    """

    liberty: Path
    rows: int
    cols: int
    read: str
    write: str

    def __post_init__(self) -> None:
        if self.rows < 1 or self.cols < 1:
            raise InputError(f"must be 1 or more, not {self.rows} and {self.cols} `cols`", parameter="rows")


@dataclass(frozen=True)
class Estimates:
    """What is beside gates and reads.

    Parameters
    ----------
    wire : Figure
        fF/pin.
    glitches : Figure
        How many times as often a popcount tree changes with delays as without.
    program : Figure
        pJ/device.
    reload : Figure
        Of weights that were lost, pJ/bit.
    wake : Figure
        us.
    shift : Figure, optional
        Of a level shifter between the supplies of RRAM macro and logic, for each bit that is sensed, fJ/bit.
    """

    wire: Figure
    glitches: Figure
    program: Figure
    reload: Figure
    wake: Figure
    shift: Figure | None = None


@dataclass(frozen=True)
class Technology:
    """A technology.

    Parameters
    ----------
    label : str
    node_nm : float
    cells : Cells
    sram : tuple of Sram
    rram : tuple of Rram
        The first is the default.
    estimates : Estimates
    name : str
        Of a shipped one, or the stem of its file.
    """

    label: str
    node_nm: float
    cells: Cells
    sram: tuple[Sram, ...]
    rram: tuple[Rram, ...]
    estimates: Estimates
    name: str = ""

    def library(self) -> Library:
        """Return the standard cells at the typical corner."""
        return read_library(self.cells.typical)

    def macro(self, name: str | None) -> Rram:
        """Return an RRAM macro by its name, or the first one."""
        found = next((r for r in self.rram if name in (None, r.name)), None)
        if found is None:
            known = [r.name for r in self.rram]
            raise InputError(f"must be one of {', '.join(known)}, not {name!r}{near_names(str(name), known)}",
                             parameter="rram")  # fmt: skip
        return found


@dataclass(frozen=True)
class _File:
    """A technology file: what it does not have is that of the technology which it extends."""

    extends: str = ""
    label: str = ""
    node_nm: float | None = None
    cells: Cells | None = None
    sram: tuple[Sram, ...] | None = None
    rram: tuple[RramTable, ...] | None = None
    estimates: Estimates | None = None


def load(name_or_path: str | Path = DEFAULT) -> Technology:
    """Return a shipped technology, or the one that a TOML file describes.

    Raises
    ------
    InputError
        Naming the file, the field and the rule that it breaks.
    """
    path = find(name_or_path)
    file: _File = Reader(path).read(_File)
    _check(file, path)
    base = None
    if file.extends:
        if file.extends not in names():
            raise InputError(f"{path}: extends must be one of {', '.join(names())}, not {file.extends!r}")
        base = load(file.extends)
    values: dict[str, Any] = {}
    for field in fields(Technology):
        value = getattr(file, field.name, None)
        if field.name == "rram" and file.rram:
            value = tuple(_macro(table, path) for table in file.rram)
        if field.name != "name":
            values[field.name] = value or getattr(base, field.name, None)
            if not values[field.name]:
                raise InputError(f"{path}: {field.name} must be given, or a technology that it extends")
    name = path.parent.name if path.parent.parent == folder() else path.stem
    given = Technology(**values, name=name)
    return replace(
        given,
        cells=_moved(given.cells, path.parent) if file.cells else given.cells,
        sram=tuple(replace(s, liberty=path.parent / s.liberty) for s in given.sram) if file.sram else given.sram,
    )


def _check(file: _File, path: Path) -> None:
    """Raise InputError for what single records do not see."""
    if not file.label.isprintable():
        raise InputError(f"{path}: label must be a text in one line, not {file.label!r:.40}")
    if file.node_nm is not None and not 1 <= file.node_nm <= 1e4:
        raise InputError(f"{path}: node_nm must be in [1, 10000] nm, not {file.node_nm:g}")
    macros = [table.name for table in file.rram or ()]
    for name in macros:
        if macros.count(name) > 1:
            raise InputError(f"{path}: rram must not have two macros of name {name!r}")
    for name, liberty in (("typical", file.cells and file.cells.typical), ("slow", file.cells and file.cells.slow)):
        if liberty and not (path.parent / liberty).is_file():
            raise InputError(f"{path}: cells.{name}: {path.parent / liberty}: no such file")


def _macro(table: RramTable, path: Path) -> Rram:
    try:
        return table.macro()
    except InputError as e:
        raise InputError(f"{path}: {e}") from None


def _moved(cells: Cells, folder: Path) -> Cells:
    """Return the cells with the paths of their files from `folder`."""
    return replace(cells, typical=folder / cells.typical, slow=folder / cells.slow if cells.slow else None)
