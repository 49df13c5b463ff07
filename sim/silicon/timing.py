"""The longest path through gates, by the delay tables of a Liberty file: no wires, an ideal clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from oxnor.models.technology.library import Arc, Cell, Library

from .gate_netlist import Instance, Netlist
from .program import in_order

#: Slew of clock, ports and macros, in ns.
SLEW_NS = 0.1
#: What a macro asks of its inputs before the clock edge, in ns.
MACRO_SETUP_NS = 0.1
_RISE, _FALL = 0, 1


@dataclass(frozen=True)
class Path:
    """A path from one clock edge to the next.

    Parameters
    ----------
    ns : float
        With the setup time at its end.
    start, end : str
        Instances.
    units : tuple of str
        Modules that it passes, in order.
    cells : int
        Gates on it.
    """

    ns: float
    start: str
    end: str
    units: tuple[str, ...]
    cells: int = field(compare=False)

    @property
    def mhz(self) -> float:
        """The clock that it allows."""
        return 1e3 / self.ns

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON-able dict."""
        return dict(vars(self)) | {"mhz": self.mhz, "units": list(self.units)}


def longest_path(netlist: Netlist, library: Library, macro_ns: float | None) -> Path:
    """Return the longest path between flip-flops, macros and ports.

    Ports are taken as registers of the world outside: inputs come at the clock edge, outputs are due at the next.

    Parameters
    ----------
    netlist : Netlist
    library : Library
    macro_ns : float or None
        From the clock edge to a macro's outputs; None leaves out paths that begin in a macro.
    """
    walk = _Walk(netlist, library)
    cells = [library.cells[instance.type] for instance in netlist.cells]
    for _, (way, nets) in netlist.ports.items():
        if way == "input":
            for net in nets:
                walk.start(net, 0.0, "input")
    for macro in netlist.macros:
        for net in macro.answers:
            if macro_ns is not None:
                walk.start(net, macro_ns, macro.path)
    for instance, cell in zip(netlist.cells, cells, strict=True):
        if cell.flop:
            walk.launch(instance, cell)
    for instance, cell in in_order(netlist, cells):
        walk.pass_through(instance, cell)
    ends = [*walk.captures(cells), *walk.at_macros(), *walk.at_ports()]
    ns, net, edge, end = max(ends, key=lambda e: e[0])
    return walk.path(ns, net, edge, end)


class _Walk:
    def __init__(self, netlist: Netlist, library: Library):
        self.netlist = netlist
        self.library = library
        self.at = np.full((netlist.nets, 2), -np.inf)
        self.slew = np.full((netlist.nets, 2), SLEW_NS)
        self.load = np.zeros(netlist.nets)
        #: Of each net and edge: the net, the edge and the instance before it; an instance alone is where a path starts.
        self.before: dict[tuple[int, int], tuple[int, int, Instance] | str] = {}
        for instance in netlist.cells:
            for pin in library.cells[instance.type].inputs:
                self.load[instance.nets[pin.name][0]] += pin.capacitance_max

    def start(self, net: int, ns: float, name: str) -> None:
        """Begin paths at a net."""
        for edge in (_RISE, _FALL):
            if net > 1 and ns > self.at[net, edge]:
                self.at[net, edge] = ns
                self.before[net, edge] = name

    def launch(self, instance: Instance, cell: Cell) -> None:
        """Begin paths at the outputs of a flip-flop."""
        assert cell.flop is not None
        for pin in cell.outputs:
            if pin.name not in instance.nets:
                continue
            net = instance.nets[pin.name][0]
            for arc in pin.arcs:
                if arc.related == cell.flop.clock and arc.type == "rising_edge":
                    for edge, table in enumerate(arc.delay):
                        if table is not None:
                            self.at[net, edge] = max(self.at[net, edge], table.at(SLEW_NS, self.load[net], beyond=True))
                            self._slew(net, edge, arc, SLEW_NS)
                            self.before[net, edge] = instance.path

    def _slew(self, net: int, edge: int, arc: Arc, slew: float) -> None:
        table = arc.slew[edge]
        if table is not None:
            self.slew[net, edge] = table.at(slew, self.load[net], beyond=True)

    def pass_through(self, instance: Instance, cell: Cell) -> None:
        """Continue paths through a gate."""
        for pin in cell.outputs:
            if pin.name not in instance.nets:
                continue
            net = instance.nets[pin.name][0]
            for arc in pin.arcs:
                source = instance.nets[arc.related][0]
                for edge, table in enumerate(arc.delay):
                    for before in _edges(arc, edge) if table is not None else ():
                        begin = self.at[source, before]
                        if begin == -np.inf:
                            continue
                        assert table is not None
                        ns = begin + table.at(self.slew[source, before], self.load[net], beyond=True)
                        if ns > self.at[net, edge]:
                            self.at[net, edge] = ns
                            self._slew(net, edge, arc, self.slew[source, before])
                            self.before[net, edge] = (source, before, instance)

    def captures(self, cells: list[Cell]) -> Iterator[tuple[float, int, int, str]]:
        """Yield the ends of paths at flip-flops and clock gates: time, net, edge, instance."""
        for instance, cell in zip(self.netlist.cells, cells, strict=True):
            name = cell.flop.data if cell.flop else cell.gate.enable if cell.gate else ""
            if not name:
                continue
            net = instance.nets[name][0]
            for arc in cell.pins[name].arcs:
                if arc.type == "setup_rising":
                    for edge, table in enumerate(arc.delay):
                        if table is not None and self.at[net, edge] > -np.inf:
                            setup = table.at(SLEW_NS, self.slew[net, edge], beyond=True)
                            yield self.at[net, edge] + setup, net, edge, instance.path

    def at_macros(self) -> Iterator[tuple[float, int, int, str]]:
        """Yield the ends of paths at the inputs of macros."""
        for macro in self.netlist.macros:
            for name in ("sense", "row", "x"):
                for net in macro.nets[name]:
                    for edge in (_RISE, _FALL):
                        yield self.at[net, edge] + MACRO_SETUP_NS, net, edge, macro.path

    def at_ports(self) -> Iterator[tuple[float, int, int, str]]:
        """Yield the ends of paths at the outputs of the engine."""
        for name, (way, nets) in self.netlist.ports.items():
            for net in nets if way == "output" else ():
                for edge in (_RISE, _FALL):
                    yield self.at[net, edge], net, edge, name

    def path(self, ns: float, net: int, edge: int, end: str) -> Path:
        """Return the path that ends at a net."""
        units: list[str] = []
        cells = 0
        step = self.before[net, edge]
        while not isinstance(step, str):
            net, edge, instance = step
            cells += 1
            if not units or units[-1] != instance.unit:
                units.append(instance.unit)
            step = self.before[net, edge]
        return Path(float(ns), step, end, tuple(reversed(units)), cells)


def _edges(arc: Arc, edge: int) -> tuple[int, ...]:
    """Return the edges of an input that give this edge of the output."""
    if arc.sense == "positive_unate":
        return (edge,)
    return (1 - edge,) if arc.sense == "negative_unate" else (_RISE, _FALL)
