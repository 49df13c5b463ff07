"""Standard cells of a Liberty file: function, area, capacitances, leakage, energy and delay."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from oxnor.models.base.errors import InputError, near_names

from .expression import Expression, parse
from .liberty import PREFIXES, Group, Table, read, unit_of


@dataclass(frozen=True)
class Power:
    """Energy inside a cell when a pin changes.

    Parameters
    ----------
    when : Expression or None
        In which state of the other pins.
    related : str
        Pin that caused a change of an output; "" of an input.
    rise, fall : Table or None
        Of slew (ns) and load (pF), in pJ.
    """

    when: Expression | None
    related: str
    rise: Table | None
    fall: Table | None

    def at(self, rises: bool, slew: float, load: float) -> float:
        """Return the energy of one change, in pJ."""
        table = self.rise if rises else self.fall
        return table.at(slew, load) if table else 0.0


@dataclass(frozen=True)
class Arc:
    """Delay from one pin to another.

    Parameters
    ----------
    related : str
        Where it begins.
    sense : str
        "positive_unate", "negative_unate" or "non_unate".
    type : str
        As in the Liberty file; "combinational" if it says none.
    delay, slew : pair of Table or None
        Of the pin's rise and fall; constraints of a setup are delays.
    """

    related: str
    sense: str
    type: str
    delay: tuple[Table | None, Table | None]
    slew: tuple[Table | None, Table | None]


@dataclass(frozen=True, eq=False)
class Pin:
    """A pin of a cell.

    Parameters
    ----------
    name : str
    is_output : bool
    capacitance : float
        pF.
    capacitance_max : float
        The largest that the file gives for it, for the latest time of a signal, pF.
    function : Expression or None
        Of an output.
    powers : tuple of Power
    arcs : tuple of Arc
    """

    name: str
    is_output: bool
    capacitance: float
    capacitance_max: float
    function: Expression | None
    powers: tuple[Power, ...] = field(repr=False)
    arcs: tuple[Arc, ...] = field(repr=False)


@dataclass(frozen=True)
class Flop:
    """What makes a cell a flip-flop.

    Parameters
    ----------
    state : tuple of str
        Names of the stored bit and of its complement, as outputs use them.
    clock : str
        Pin whose rising edge it takes its input at.
    data : str
        Input pin.
    clear, preset : Expression or None
    """

    state: tuple[str, ...]
    clock: str
    data: str
    clear: Expression | None
    preset: Expression | None

    @property
    def resets(self) -> dict[str, bool]:
        """The pins of its asynchronous resets, and the value at which each does nothing."""
        return {e.pins[0]: not e.value({e.pins[0]: True}) for e in (self.clear, self.preset) if e is not None}


@dataclass(frozen=True)
class Gate:
    """What makes a cell a clock gate that holds its enable while the clock is high.

    Parameters
    ----------
    clock, enable, out : str
        Pins.
    """

    clock: str
    enable: str
    out: str


@dataclass(frozen=True, eq=False)
class Cell:
    """A standard cell.

    Parameters
    ----------
    name : str
    area : float
        um2.
    leakage : float
        W, the file's average over states.
    pins : dict of str to Pin
    flop : Flop or None
    gate : Gate or None
    """

    name: str
    area: float
    leakage: float
    pins: dict[str, Pin] = field(repr=False)
    flop: Flop | None = None
    gate: Gate | None = None

    @property
    def outputs(self) -> tuple[Pin, ...]:
        """The outputs."""
        return tuple(pin for pin in self.pins.values() if pin.is_output)

    @property
    def inputs(self) -> tuple[Pin, ...]:
        """The inputs."""
        return tuple(pin for pin in self.pins.values() if not pin.is_output)


@dataclass(frozen=True, eq=False)
class Library:
    """The cells of a Liberty file.

    Parameters
    ----------
    path : Path
    name : str
    voltage : float
        V.
    temperature : float
        C.
    cells : dict of str to Cell
    """

    path: Path
    name: str
    voltage: float
    temperature: float
    cells: dict[str, Cell] = field(repr=False)

    def cell(self, name: str) -> Cell:
        """Return a cell that a netlist uses.

        Raises
        ------
        InputError
            If there is none of that name, or it has no function.
        """
        cell = self.cells.get(name)
        if cell is None:
            raise InputError(f"{self.path}: there is no cell {name}{near_names(name, self.cells)}")
        for pin in cell.outputs:
            if pin.function is None and not (cell.gate and pin.name == cell.gate.out):
                raise InputError(f"{self.path}: cell {name} must have a function of its output {pin.name}")
        return cell


@lru_cache(maxsize=4)
def read_library(path: Path) -> Library:
    """Return the cells of a Liberty file.

    Raises
    ------
    InputError
        If it cannot be read, has other units than tables of energy need, or no table of energy at all.
    """
    group = read(path)
    if not group.all("cell"):
        raise InputError(f"{path}: must have cells")
    try:
        leakage = leakage_unit(group)
        if abs(unit_of(group.attributes.get("time_unit", "1ns")) - 1e-9) > 1e-15:
            raise InputError("time_unit must be 1ns")
        scale, prefix = group.lists.get("capacitive_load_unit", ("1", "pf"))
        load = float(scale) * PREFIXES[prefix[:-1].lower()] / 1e-12
        voltage, temperature = (float(group.attributes[name]) for name in ("nom_voltage", "nom_temperature"))
        cells = {g.name: _cell(g, group, load, leakage) for g in group.all("cell")}
    except InputError as e:
        raise InputError(f"{path}: {e}") from None
    except (KeyError, ValueError) as e:
        raise InputError(f"{path}: nom_voltage, nom_temperature and numbers must be readable ({e})") from None
    if not 0.1 <= voltage <= 10:
        raise InputError(f"{path}: nom_voltage must be in [0.1, 10] V, not {voltage:g}")
    if not any(cell.area > 0 for cell in cells.values()):
        raise InputError(f"{path}: must have areas: no cell has one")
    if abs(load - 1) > 1e-9:
        raise InputError(f"{path}: capacitive_load_unit must be 1 pf")
    if not any(pin.powers for cell in cells.values() for pin in cell.pins.values()):
        raise InputError(f"{path}: must have tables of energy (groups internal_power): no cell has one")
    return Library(path, group.name, voltage, temperature, cells)


def leakage_unit(library: Group) -> float:
    """Return the unit of leakage of a library, in W."""
    text = library.attributes.get("leakage_power_unit")
    if text is None:
        raise InputError("leakage_power_unit must be given")
    return unit_of(text)


def _cell(group: Group, library: Group, load: float, leakage: float) -> Cell:
    try:
        pins = {name: _pin(g, name, library, load) for g in group.all("pin") for name in g.arguments}
        cell = Cell(
            group.name, float(group.attributes.get("area", 0)),
            float(group.attributes.get("cell_leakage_power", 0)) * leakage,
            {name: pin for name, pin in pins.items() if pin is not None},
        )  # fmt: skip
        if not 0 <= cell.area < math.inf:
            raise InputError(f"area must be 0 or more, not {cell.area:g}")
        return replace(cell, flop=_flop(group), gate=_gate(group))
    except InputError as e:
        raise InputError(f"cell {group.name}: {e}") from None


def _pin(group: Group, name: str, library: Group, load: float) -> Pin | None:
    direction = group.attributes.get("direction", "")
    if direction == "internal":
        return None
    is_output = direction == "output"
    # What may also drive nothing is no function of its inputs.
    text = None if "three_state" in group.attributes else group.attributes.get("function")
    powers = tuple(
        Power(
            parse(g.attributes["when"]) if "when" in g.attributes else None, g.attributes.get("related_pin", ""),
            *(_table(g, kind, library) for kind in ("rise_power", "fall_power")),
        )
        for g in group.all("internal_power")
    )  # fmt: skip
    capacitance = float(group.attributes.get("capacitance", 0)) * load
    edges = [float(group.attributes.get(f"{edge}_capacitance", 0)) * load for edge in ("rise", "fall")]
    for edge in ("rise", "fall"):
        ends = group.numbers(f"{edge}_capacitance_range")
        edges += [] if ends is None else [float(end) * load for end in ends]
    if not all(0 <= value < math.inf for value in (capacitance, *edges)):
        raise InputError(f"pin {name}: capacitance must be 0 or more, not {min(capacitance, *edges):g} pF")
    return Pin(
        name, is_output, capacitance, max(capacitance, *edges),
        parse(text) if is_output and text else None, powers, tuple(_arc(g, library) for g in group.all("timing")),
    )  # fmt: skip


def _table(group: Group, kind: str, library: Group) -> Table | None:
    tables = group.all(kind)
    return Table(tables[0], library) if tables else None


def _arc(group: Group, library: Group) -> Arc:
    kind = group.attributes.get("timing_type", "combinational")
    names = ("rise_constraint", "fall_constraint") if "setup" in kind else ("cell_rise", "cell_fall")
    delay = tuple(_table(group, name, library) for name in names)
    slew = tuple(_table(group, name, library) for name in ("rise_transition", "fall_transition"))
    related, sense = group.attributes.get("related_pin", ""), group.attributes.get("timing_sense", "non_unate")
    return Arc(related, sense, kind, (delay[0], delay[1]), (slew[0], slew[1]))


def _flop(group: Group) -> Flop | None:
    flops = group.all("ff")
    if not flops:
        return None
    values = flops[0].attributes
    data, clock = parse(values.get("next_state", "")), parse(values.get("clocked_on", ""))
    # Scan cells and falling edges are for others: nothing here instantiates them.
    clear, preset = (parse(values[k]) if k in values else None for k in ("clear", "preset"))
    if data.kind != "pin" or clock.kind != "pin" or any(e and len(e.pins) != 1 for e in (clear, preset)):
        return None
    return Flop(flops[0].arguments, clock.name, data.name, clear, preset)


def _gate(group: Group) -> Gate | None:
    if group.attributes.get("clock_gating_integrated_cell") != "latch_posedge":
        return None
    pins = {
        role: next((g.name for g in group.all("pin") if f"clock_gate_{role}_pin" in g.attributes), "")
        for role in ("clock", "enable", "out")
    }
    return Gate(**pins) if all(pins.values()) else None
