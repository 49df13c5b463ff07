"""RRAM macros: figures of their own, or those of the simulated column that reads a bit, with the macro's rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from oxnor.models.base.errors import InputError

from .circuit import ReadCircuit
from .figure import Figure
from .offsets import OffsetStatistics, statistics
from .results import shipped

#: What the energy of a circuit's read leaves out.
_WITHOUT = "no decoder, word-line driver, clock or output latch"
_RANGES = {"supply_v": (0.1, 10.0), "precharge_ns": (0.0, 1e6)}
_UNITS = {"read": "fJ/bit", "sense": "ns", "periphery": "pJ/row", "area": "um2/bit"}


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
    circuit : ReadCircuit, optional
        The column whose simulated read this is; without one the figures hold for any number of rows.
    simulated : tuple of str
        Figures that are those of the circuit: `read`, `sense`.
    """

    name: str
    supply_v: float
    precharge_ns: float
    read: Figure
    sense: Figure
    periphery: Figure
    area: Figure
    circuit: ReadCircuit | None = None
    simulated: tuple[str, ...] = ()

    @property
    def cycle_ns(self) -> float:
        """Least time from one read to the next."""
        return self.precharge_ns + self.sense.top

    @property
    def offsets(self) -> OffsetStatistics | None:
        """Offsets of the amplifier at this supply, precharge and number of rows, if they were simulated."""
        found = None if self.circuit is None else shipped().offsets.get(self.circuit)
        return None if found is None else statistics(found)

    def at(self, rows: int) -> Rram:
        """Return the macro with so many rows: bit lines and precharge are longer in proportion.

        Between numbers of rows that were simulated, energy and delay lie on straight lines.

        Raises
        ------
        InputError
            Outside the numbers of rows that were simulated.
        """
        base = self.circuit
        if base is None or rows == base.rows:
            return self
        known = sorted(c.rows for c in shipped().reads if c == _with_rows(base, c.rows) and _delay(c) is not None)
        if not known[0] <= rows <= known[-1]:
            reads = f"where reads of the RRAM macro {self.name} are simulated"
            raise InputError(f"must have {known[0]} to {known[-1]} rows, {reads}, not {rows}", parameter="macro")
        circuit = _with_rows(base, rows)
        if rows in known:
            return self._of(circuit, _figures(circuit))
        low, high = next((a, b) for a, b in pairwise(known) if a < rows < b)
        share = (rows - low) / (high - low)
        ends = [_figures(_with_rows(base, n)) for n in (low, high)]
        return self._of(circuit, {
            name: Figure(
                round((1 - share) * ends[0][name].low + share * ends[1][name].low, 5), _UNITS[name], "simulated",
                f"{ends[0][name].source}; between that and {high} rows",
            ) for name in ends[0]
        })  # fmt: skip

    def precharges(self) -> list[Rram]:
        """Return the macro at each precharge for which its offsets were simulated, the shortest first."""
        if self.circuit is None:
            return []
        base, found = self.circuit, shipped()
        circuits = [c for c in found.offsets if c == base.turned(precharge_ns=c.precharge) and _delay(c) is not None]
        return [self._of(c, _figures(c)) for c in sorted(circuits, key=lambda c: c.precharge)]

    def _of(self, circuit: ReadCircuit, figures: dict[str, Figure]) -> Rram:
        taken: dict[str, Any] = {name: figures[name] for name in self.simulated}
        return replace(self, precharge_ns=circuit.precharge, circuit=circuit, **taken)


@dataclass(frozen=True)
class RramTable:
    """An RRAM macro as a file has it: with figures of its own, or those of a circuit whose results are shipped.

    Parameters
    ----------
    name : str
    periphery, area : Figure
    supply_v, precharge_ns : float
        Of the macro, or of the circuit's column of 64 rows (`oxnor device circuit`).
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
        if not self.name or not self.name.isprintable():
            raise InputError(f"must be a text in one line, not {self.name!r:.40}", parameter="name")
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"must be in [{low:g}, {high:g}], not {getattr(self, name):g}", parameter=name)
        for name, unit in _UNITS.items():
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
        given = {"read": self.read, "sense": self.sense}
        own: dict[str, Any] = {name: figure for name, figure in given.items() if figure is not None}
        if len(own) == len(given):
            return Rram(self.name, self.supply_v, self.precharge_ns, periphery=self.periphery, area=self.area, **own)
        circuit = ReadCircuit(vdd=self.supply_v, precharge_ns=self.precharge_ns)
        if _delay(circuit) is None:
            raise InputError(
                f"rram {self.name}: read and sense must be given: no circuit of {self.supply_v:g} V and"
                f" {self.precharge_ns:g} ns is shipped"
            )
        both: dict[str, Any] = _figures(circuit) | own
        return Rram(
            self.name, self.supply_v, self.precharge_ns, periphery=self.periphery, area=self.area, circuit=circuit,
            simulated=tuple(n for n in given if n not in own), **both,
        )  # fmt: skip


def _with_rows(base: ReadCircuit, rows: int) -> ReadCircuit:
    """Return a column with other rows; its precharge is never shorter than outputs take, or the base's own."""
    least = min(base.precharge, replace(base, rows=1, precharge_ns=None).precharge)
    precharge = max(least, base.precharge * rows / base.rows)
    return replace(base, rows=rows, precharge_ns=float(f"{precharge:.4g}"))


def _delay(circuit: ReadCircuit) -> float | None:
    read = shipped().reads.get(circuit)
    return None if read is None else read.delay_ns


def _figures(circuit: ReadCircuit) -> dict[str, Figure]:
    """Return energy and delay of a circuit whose results are shipped."""
    read = shipped().reads[circuit]
    assert read.delay_ns is not None
    rows = "" if circuit.rows == ReadCircuit.rows else f" --rows {circuit.rows}"
    command = f"oxnor device circuit --vdd {circuit.vdd:g} --precharge {circuit.precharge:g}{rows}"
    column = f"{circuit.lrs / 1e3:g}k/{circuit.hrs / 1e3:g}k, {circuit.rows} rows of an assumed"
    source = f"{command}: {circuit.process}, {column} {circuit.row_capacitance:g} fF; {_WITHOUT}"
    numbers = {"read": round(read.total_fj, 2), "sense": read.delay_ns}
    return {name: Figure(number, _UNITS[name], "simulated", source) for name, number in numbers.items()}
