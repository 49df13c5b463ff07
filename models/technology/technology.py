"""A technology: standard cells, SRAM, RRAM macros and estimates, named by a TOML file."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError, near_names
from oxnor.models.base.toml import Reader

from .circuit import ReadCircuit
from .figure import Figure
from .library import Library, read_library
from .names import DEFAULT, find, folder, names
from .offsets import statistics
from .results import shipped

#: What the energy of a circuit's read leaves out.
_WITHOUT = "5k/100k, 64 rows of an assumed 1 fF; no decoder, word-line driver, clock or output latch"


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
class Rram:
    """An RRAM macro whose sense amplifiers compute XNOR.

    Parameters
    ----------
    name : str
    supply_v : float
    precharge_ns : float
        Before each read.
    read : Figure
        fJ/bit.
    sense : Figure
        From the end of the precharge to the output, ns.
    periphery : Figure
        What a read takes beside its sense amplifiers, pJ/row.
    area : Figure
        um2/bit.
    offset_sd : tuple of float, optional
        Standard deviations of the amplifier's offset in ln R, for x = 1 and x = 0, at this supply and precharge.
    """

    name: str
    supply_v: float
    precharge_ns: float
    read: Figure
    sense: Figure
    periphery: Figure
    area: Figure
    offset_sd: tuple[float, float] | None = None


@dataclass(frozen=True)
class RramTable:
    """An RRAM macro as a file has it: with figures of its own, or those of a circuit whose results are shipped.

    Parameters
    ----------
    name : str
    periphery, area : Figure
    supply_v, precharge_ns : float
        Of the macro, or of the circuit's column (`oxnor device circuit`).
    read, sense : Figure, optional
        Default: those of the circuit.
    """

    name: str
    periphery: Figure
    area: Figure
    supply_v: float
    precharge_ns: float
    read: Figure | None = None
    sense: Figure | None = None

    def __post_init__(self) -> None:
        units = {"read": "fJ/bit", "sense": "ns", "periphery": "pJ/row", "area": "um2/bit"}
        for name, unit in units.items():
            figure = getattr(self, name)
            if figure is not None and figure.unit != unit:
                raise InputError(f"must be in {unit}, not {figure.unit}", parameter=name)

    def macro(self) -> Rram:
        """Return the macro.

        Raises
        ------
        InputError
            If a figure is missing, and no circuit of this supply and precharge is shipped.
        """
        read, sense, offset = self.read, self.sense, None
        if read is None or sense is None:
            circuit = ReadCircuit(vdd=self.supply_v, precharge_ns=self.precharge_ns)
            results = shipped()
            if circuit not in results.reads or results.reads[circuit].delay_ns is None:
                raise InputError(
                    f"rram {self.name}: read and sense must be given: no circuit of {self.supply_v:g} V and"
                    f" {self.precharge_ns:g} ns is shipped"
                )
            simulated = results.reads[circuit]
            command = f"oxnor device circuit --vdd {self.supply_v:g} --precharge {self.precharge_ns:g}"
            source = f"{command}: {circuit.process}, {_WITHOUT}"
            read = read or Figure(round(sum(simulated.energy_fj.values()), 2), "fJ/bit", "simulated", source)
            sense = sense or Figure(simulated.delay_ns or 0.0, "ns", "simulated", source)
            spread = statistics(results.offsets[circuit]) if circuit in results.offsets else None
            if spread is not None:
                offset = spread.by_input[0].sigma, spread.by_input[1].sigma
        return Rram(self.name, self.supply_v, self.precharge_ns, read, sense, self.periphery, self.area, offset)


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
    """

    wire: Figure
    glitches: Figure
    program: Figure
    reload: Figure
    wake: Figure


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


def _macro(table: RramTable, path: Path) -> Rram:
    try:
        return table.macro()
    except InputError as e:
        raise InputError(f"{path}: {e}") from None


def _moved(cells: Cells, folder: Path) -> Cells:
    """Return the cells with the paths of their files from `folder`."""
    return replace(cells, typical=folder / cells.typical, slow=folder / cells.slow if cells.slow else None)
