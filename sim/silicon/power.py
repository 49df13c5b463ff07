"""Energy of gates: what changed, by the tables of a Liberty file."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from oxnor.models.technology.library import Cell, Flop, Library, Pin

from .gate_netlist import Instance, Netlist
from .gates import Activity
from .program import Program

#: Slew at which tables are read, in ns; loads are the capacitances of the pins that a net drives.
SLEW_NS = 0.1


@dataclass(frozen=True)
class UnitPower:
    """What a unit of the engine takes.

    Parameters
    ----------
    unit : str
        Name of its Verilog module.
    cells, flops, gates : int
        All cells, and of these flip-flops and clock gates; of all its instances together.
    area_um2 : float
    data_j, clock_j : float
        Energy of an image: of all that changes, and of what the clock alone takes.
    leakage_w : float
    """

    unit: str
    cells: int
    flops: int
    gates: int
    area_um2: float
    data_j: float
    clock_j: float
    leakage_w: float


def unit_powers(
    netlist: Netlist, program: Program, activity: Activity, library: Library, wire_pf: float = 0.0
) -> list[UnitPower]:
    """Return what each unit takes for an image, the largest first.

    A change of a net costs C V**2 / 2 at each pin that it drives, and what the tables say of the pin. An output that
    several inputs can change is taken at the mean of their tables. At a clock pin the state of the flip-flop counts.

    Parameters
    ----------
    netlist : Netlist
    program : Program
    activity : Activity
    library : Library
    wire_pf : float
        Capacitance of wire for each pin that a net drives, in pF.
    """
    meter = _Meter(netlist, program, activity, library, wire_pf)
    flops = {int(k): f for f, k in enumerate(program.flop_cells)}
    gates = {int(k): g for g, k in enumerate(program.gate_cells)}
    sums: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(7))
    for k, instance in enumerate(netlist.cells):
        cell = library.cells[instance.type]
        data, clock = meter.cell(instance, cell, flops.get(k), gates.get(k))
        sums[instance.unit] += [1, k in flops, k in gates, cell.area, data, clock, cell.leakage]
    pj = 1e-12 / activity.images
    units = [
        UnitPower(
            unit, int(s[0]), int(s[1]), int(s[2]), float(s[3]), float(s[4]) * pj, float(s[5]) * pj, float(s[6])
        )
        for unit, s in sums.items()
    ]
    return sorted(units, key=lambda u: -(u.data_j + u.clock_j))


class _Meter:
    def __init__(self, netlist: Netlist, program: Program, activity: Activity, library: Library, wire_pf: float):
        self.activity = activity
        self.program = program
        self.volts = library.voltage
        self.wire = wire_pf
        self.loads = np.zeros(netlist.nets)
        for instance in netlist.cells:
            for pin in library.cells[instance.type].inputs:
                self.loads[instance.nets[pin.name][0]] += pin.capacitance + wire_pf
        self.clock_gates = {
            netlist.cells[k].nets[library.cells[netlist.cells[k].type].gate.out][0]: g  # type: ignore[union-attr]
            for g, k in enumerate(program.gate_cells)
        }

    def cell(self, instance: Instance, cell: Cell, flop: int | None, gate: int | None) -> tuple[float, float]:
        """Return the energy of a cell in pJ, over all counted cycles: of data and of clock."""
        data = clock = 0.0
        for name, nets in instance.nets.items():
            pin, net = cell.pins[name], nets[0]
            if cell.flop and name == cell.flop.clock:
                assert flop is not None
                clock += self._clock_pin(pin, cell, flop)
            elif cell.gate and name == cell.gate.clock:
                clock += self._edges(pin, 2 * self.activity.cycles, 0.0)
            elif cell.gate and name == cell.gate.out:
                assert gate is not None
                clock += self._edges(pin, 2 * int(self.activity.gate_rises[gate]), float(self.loads[net]))
            else:
                data += self._data_pin(pin, net, cell.flop)
        return data, clock

    def _charge(self, pin: Pin) -> float:
        return 0.0 if pin.is_output else 0.5 * (pin.capacitance + self.wire) * self.volts**2

    def _edges(self, pin: Pin, count: int, load: float) -> float:
        """Return the energy of clock edges at a pin whose state does not matter, as many up as down."""
        return count * (self._charge(pin) + (_mean(pin, True, load) + _mean(pin, False, load)) / 2)

    def _data_pin(self, pin: Pin, net: int, flop: Flop | None) -> float:
        rises, falls = int(self.activity.rises[net]), int(self.activity.falls[net])
        if not rises + falls:
            return 0.0
        energy = (rises + falls) * self._charge(pin)
        if pin.powers:
            load = round(float(self.loads[net]), 6) if pin.is_output else 0.0
            energy += rises * _mean(pin, True, load, flop) + falls * _mean(pin, False, load, flop)
        return energy

    def _clock_pin(self, pin: Pin, cell: Cell, flop: int) -> float:
        energy = 0.0
        for rises, counts in ((True, self.activity.flop_rises[flop]), (False, self.activity.flop_falls[flop])):
            for state, count in enumerate(counts):
                if count:
                    energy += int(count) * (self._charge(pin) + _in_state(pin, cell, rises, state))
        return energy


@cache
def _mean(pin: Pin, rises: bool, load: float, flop: Flop | None = None) -> float:
    """Return the energy of a change of a pin, the mean over the inputs and states that may be behind it."""
    powers = [p for p in pin.powers if not flop or p.related not in flop.resets]
    return sum(p.at(rises, SLEW_NS, load) for p in powers) / len(powers) if powers else 0.0


@cache
def _in_state(pin: Pin, cell: Cell, rises: bool, state: int) -> float:
    """Return the energy of a clock edge at a flip-flop in state 2 D + Q, whose resets do nothing."""
    flop = cell.flop
    assert flop is not None
    stored = {name: bool(state & 1) != bool(k) for k, name in enumerate(flop.state)}
    outputs = {p.name: p.function.value(stored) for p in cell.outputs if p.function is not None}
    values = {flop.clock: rises, flop.data: bool(state & 2)} | flop.resets | outputs
    for power in pin.powers:
        if power.when is None or power.when.value(values):
            return power.at(rises, SLEW_NS, 0.0)
    return 0.0
