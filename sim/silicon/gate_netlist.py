"""A netlist of Yosys with its hierarchy taken apart: every cell with its nets and the unit that it is part of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError

#: Modules of a macro: of pairs of two states, and of three.
MACRO, TERNARY = "rram_macro", "rram_macro_ternary"
#: Nets that are constant: 0 and 1. What is undefined is 0.
LOW, HIGH = 0, 1


@dataclass(frozen=True)
class Instance:
    """A cell, or a macro.

    Parameters
    ----------
    path : str
        Names of instances from the top, separated by dots.
    type : str
    unit : str
        Module that it is in, by its name in the Verilog.
    nets : dict of str to tuple of int
        The nets at each port, bit 0 first.
    parameters : dict of str to str
    """

    path: str
    type: str
    unit: str
    nets: dict[str, tuple[int, ...]] = field(repr=False)
    parameters: dict[str, str] = field(repr=False, default_factory=dict)

    @property
    def answers(self) -> tuple[int, ...]:
        """The nets that a macro drives: its columns, or those that agree and then those that disagree."""
        return tuple(net for port in ("q", "agree", "disagree") for net in self.nets.get(port, ()))


@dataclass(frozen=True, eq=False)
class Netlist:
    """A flat netlist.

    Parameters
    ----------
    top : str
    nets : int
        How many there are; 0 and 1 are constant.
    ports : dict of str to (str, tuple of int)
        Direction and nets of each port.
    cells : tuple of Instance
    macros : tuple of Instance
    """

    top: str
    nets: int
    ports: dict[str, tuple[str, tuple[int, ...]]] = field(repr=False)
    cells: tuple[Instance, ...] = field(repr=False)
    macros: tuple[Instance, ...] = field(repr=False)


def read_netlist(path: Path, top: str, cells: Mapping[str, Any]) -> Netlist:
    """Return what ``write_json`` of Yosys wrote.

    Parameters
    ----------
    path : Path
    top : str
        Module at the top.
    cells : mapping
        Names of the standard cells.

    Raises
    ------
    InputError
        If something in it is neither a cell nor a module.
    """
    modules = json.loads(path.read_text(encoding="utf-8"))["modules"]
    reader = _Reader(modules, cells)
    known: dict[int, int] = {}
    ports = {
        name: (port["direction"], tuple(reader.net(bit, known) for bit in port["bits"]))
        for name, port in modules[top]["ports"].items()
    }
    reader.walk(top, "", known)
    final, count = reader.numbers()
    return Netlist(
        top, count, {name: (way, tuple(final[n] for n in nets)) for name, (way, nets) in ports.items()},
        *(tuple(_renumbered(i, final) for i in instances) for instances in (reader.found, reader.macros)),
    )  # fmt: skip


def _renumbered(instance: Instance, final: list[int]) -> Instance:
    return replace(instance, nets={port: tuple(final[n] for n in nets) for port, nets in instance.nets.items()})


class _Reader:
    """Walks through the modules, and numbers nets as it meets them; some turn out to be one net."""

    def __init__(self, modules: Mapping[str, Any], cells: Mapping[str, Any]):
        self.modules = modules
        self.cells = cells
        self.same = [LOW, HIGH]
        self.found: list[Instance] = []
        self.macros: list[Instance] = []

    def net(self, bit: int | str, known: dict[int, int]) -> int:
        """Return the net of a bit of a module, where `known` are those that were met before."""
        if isinstance(bit, str):
            return HIGH if bit == "1" else LOW
        if bit not in known:
            known[bit] = len(self.same)
            self.same.append(known[bit])
        return known[bit]

    def walk(self, module: str, path: str, known: dict[int, int]) -> None:
        """Take what is in a module, where `known` are the nets at its ports."""
        described = self.modules[module]
        unit = described.get("attributes", {}).get("hdlname", module)
        for name, cell in described["cells"].items():
            kind, inner = cell["type"], f"{path}{name}"
            nets = {port: tuple(self.net(b, known) for b in bits) for port, bits in cell["connections"].items()}
            if kind in self.cells:
                self.found.append(Instance(inner, kind, unit, nets))
            elif kind in (MACRO, TERNARY):
                parameters = {k: _text(v) for k, v in cell["parameters"].items()}
                self.macros.append(Instance(inner, kind, unit, nets, parameters))
            elif kind in self.modules:
                self.walk(kind, f"{inner}.", self._at_ports(kind, nets))
            else:
                raise InputError(f"{unit}: {name} is a {kind}, for which the technology has no cell")

    def _at_ports(self, module: str, nets: Mapping[str, tuple[int, ...]]) -> dict[int, int]:
        """Return the nets inside that are nets outside; an output may be a constant, or two of them one net."""
        known: dict[int, int] = {}
        for name, port in self.modules[module]["ports"].items():
            for bit, net in zip(port["bits"], nets.get(name, ()), strict=False):
                inside = self.net(bit, known) if isinstance(bit, str) else known.setdefault(bit, net)
                self._join(inside, net)
        return known

    def _root(self, net: int) -> int:
        while self.same[net] != net:
            self.same[net] = self.same[self.same[net]]
            net = self.same[net]
        return net

    def _join(self, a: int, b: int) -> None:
        low, high = sorted((self._root(a), self._root(b)))
        if high > HIGH:
            self.same[high] = low

    def numbers(self) -> tuple[list[int], int]:
        """Return the final number of each net, and how many there are."""
        roots = [self._root(net) for net in range(len(self.same))]
        order = {net: k for k, net in enumerate(dict.fromkeys([LOW, HIGH, *roots]))}
        return [order[root] for root in roots], len(order)


def _text(value: str) -> str:
    """Return a parameter: Yosys writes texts as they are and numbers as bits."""
    if set(value) <= set("01") and len(value) == 32:
        return str(int(value, 2))
    return value.removesuffix(" ")
