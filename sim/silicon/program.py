"""A netlist as a program: its gates in the order in which they settle, its flip-flops and macros as tables of nets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.technology.expression import Expression
from oxnor.models.technology.library import Cell, Library

from .gate_netlist import HIGH, LOW, TERNARY, Instance, Netlist

#: Operations of two nets; a copy and a negation look at the first alone.
AND, OR, XOR, NOT, COPY = range(5)
_OPERATIONS = {"and": AND, "or": OR, "xor": XOR}


@dataclass(frozen=True, eq=False)
class Program:
    """A netlist, ready to be executed for many runs at once.

    Parameters
    ----------
    nets : int
        Nets of the netlist; those behind them hold values on the way.
    size : int
        All of them.
    operations : ndarray of int32, shape (n, 4)
        Operation, result, and the two nets that it is of, in an order in which every net is settled when it is read.
    flops : ndarray of int32, shape (n, 3)
        Nets of D and Q, and the net that enables its clock: 1 where it always runs.
    flop_cells, gate_cells : ndarray of int32
        Which cell of the netlist each flip-flop and each clock gate is.
    gates : ndarray of int32, shape (n,)
        Net of the enable of each clock gate.
    macros : Macros
    """

    nets: int
    size: int
    operations: NDArray[np.int32] = field(repr=False)
    flops: NDArray[np.int32] = field(repr=False)
    flop_cells: NDArray[np.int32] = field(repr=False)
    gates: NDArray[np.int32] = field(repr=False)
    gate_cells: NDArray[np.int32] = field(repr=False)
    macros: Macros = field(repr=False)


@dataclass(frozen=True, eq=False)
class Macros:
    """The macros of a netlist.

    Parameters
    ----------
    sense : ndarray of int32, shape (n,)
    row : ndarray of int32, shape (n, bits)
        Nets; 0 beyond the bits that a macro has.
    x, q : ndarray of int32, shape (n, answers)
        Nets: of each answer and its input; -1 beyond the answers that a macro has, and where nothing is connected. A
        pair of three states has two answers.
    flip : ndarray of int32, shape (n, answers)
    weights : ndarray of uint8, shape (2, n, rows, answers)
        The answers to x = 0 and to x = 1.
    latency : int
        Clock edges from a sense to its outputs.
    """

    sense: NDArray[np.int32]
    row: NDArray[np.int32]
    x: NDArray[np.int32]
    q: NDArray[np.int32]
    flip: NDArray[np.int32]
    weights: NDArray[np.uint8]
    latency: int


class _Builder:
    def __init__(self, netlist: Netlist, library: Library):
        self.netlist = netlist
        self.library = library
        self.size = netlist.nets
        self.operations: list[tuple[int, int, int, int]] = []

    def lower(self, e: Expression, nets: dict[str, int], result: int | None = None) -> int:
        """Append the operations of a function, and return the net that has its value."""
        if e.kind in ("pin", "const"):
            net = nets[e.name] if e.kind == "pin" else int(e.name)
            if result is None:
                return net
            self.operations.append((COPY, result, net, net))
            return result
        parts = [self.lower(part, nets) for part in e.parts]
        if result is None:
            result, self.size = self.size, self.size + 1
        if e.kind == "not":
            self.operations.append((NOT, result, parts[0], parts[0]))
        else:
            self.operations.append((_OPERATIONS[e.kind], result, parts[0], parts[1]))
        return result


    def state(self, instance: Instance, cell: Cell) -> int:
        """Return the net of a flip-flop's stored bit; append what its other outputs are."""
        assert cell.flop is not None
        stored, *complement = cell.flop.state
        nets = {pin.name: instance.nets[pin.name][0] for pin in cell.outputs if pin.name in instance.nets}
        functions = {name: cell.pins[name].function for name in nets}
        direct = [name for name, e in functions.items() if e is not None and (e.kind, e.name) == ("pin", stored)]
        if direct:
            net = nets.pop(direct[0])
        else:
            net, self.size = self.size, self.size + 1
        for name, other in nets.items():
            e = functions[name]
            assert e is not None
            inverted = Expression("not", parts=(Expression("pin", stored),))
            self.lower(inverted if e.name in complement else e, {stored: net}, other)
        return net


def build_program(netlist: Netlist, library: Library, folder: Path, latency: int = 1) -> Program:
    """Return the program of a netlist.

    Parameters
    ----------
    netlist : Netlist
    library : Library
    folder : Path
        Folder of the engine, with its memory files.
    latency : int
        Clock edges from a macro's sense to its outputs.

    Raises
    ------
    InputError
        If a cell has no function, or the netlist is not what one clock drives.
    """
    builder = _Builder(netlist, library)
    cells = [library.cell(instance.type) for instance in netlist.cells]
    gate_cells = [k for k, cell in enumerate(cells) if cell.gate]
    flop_cells = [k for k, cell in enumerate(cells) if cell.flop]
    clock = netlist.ports["clk"][1][0]
    constants = _constants(netlist, cells)
    enables, gates, flops = {clock: HIGH}, [], []
    for k in gate_cells:
        nets, gate = netlist.cells[k].nets, cells[k].gate
        assert gate is not None
        _check_clock(netlist.cells[k], nets[gate.clock][0], {clock: HIGH})
        gates.append(nets[gate.enable][0])
        enables[nets[gate.out][0]] = gates[-1]
    for k in flop_cells:
        nets, flop = netlist.cells[k].nets, cells[k].flop
        assert flop is not None
        _check_clock(netlist.cells[k], nets[flop.clock][0], enables)
        _check_resets(netlist.cells[k], cells[k], constants)
        state = builder.state(netlist.cells[k], cells[k])
        flops.append((nets[flop.data][0], state, enables[nets[flop.clock][0]]))
    for instance, cell in in_order(netlist, cells):
        pins = {name: values[0] for name, values in instance.nets.items()}
        for pin in cell.outputs:
            if pin.name in pins and pin.function is not None:
                builder.lower(pin.function, pins, pins[pin.name])
    return Program(
        netlist.nets, builder.size, _table(builder.operations, 4), _table(flops, 3), np.array(flop_cells, np.int32),
        np.array(gates, np.int32), np.array(gate_cells, np.int32),
        _macros(netlist.macros, folder, latency, constants),
    )  # fmt: skip


def _table(rows: list[Any], width: int) -> NDArray[np.int32]:
    return np.array(rows, np.int32).reshape(-1, width)


def _check_clock(instance: Instance, net: int, known: dict[int, int]) -> None:
    if net not in known:
        raise InputError(f"{instance.path} ({instance.type}) must have the engine's clock, or that of a clock gate")


def _constants(netlist: Netlist, cells: list[Cell]) -> dict[int, bool]:
    """Return the nets that cells tie to a value."""
    values = {LOW: False, HIGH: True}
    for instance, cell in zip(netlist.cells, cells, strict=True):
        for pin in cell.outputs:
            if not cell.inputs and pin.function is not None and pin.name in instance.nets:
                values[instance.nets[pin.name][0]] = pin.function.value({})
    return values


def _check_resets(instance: Instance, cell: Cell, constants: dict[int, bool]) -> None:
    assert cell.flop is not None
    for pin, idle in cell.flop.resets.items():
        if constants.get(instance.nets[pin][0]) is not idle:
            raise InputError(f"{instance.path} ({instance.type}) must have no asynchronous reset in use")


def in_order(netlist: Netlist, cells: list[Cell]) -> list[tuple[Instance, Cell]]:
    """Return the gates, each after those whose outputs it reads."""
    gates = [k for k, cell in enumerate(cells) if not cell.flop and not cell.gate]
    readers: dict[int, list[int]] = {}
    waits = dict.fromkeys(gates, 0)
    of = [instance.nets for instance in netlist.cells]
    driven = {of[k][pin.name][0] for k in gates for pin in cells[k].outputs if pin.name in of[k]}
    for k in gates:
        for net in {of[k][pin.name][0] for pin in cells[k].inputs} & driven:
            readers.setdefault(net, []).append(k)
            waits[k] += 1
    ready = [k for k in gates if not waits[k]]
    order: list[tuple[Instance, Cell]] = []
    while ready:
        k = ready.pop()
        order.append((netlist.cells[k], cells[k]))
        for pin in cells[k].outputs:
            for other in readers.get(of[k].get(pin.name, (-1,))[0], ()):
                waits[other] -= 1
                if not waits[other]:
                    ready.append(other)
    if len(order) != len(gates):
        stuck = next(netlist.cells[k].path for k in gates if waits[k])
        raise InputError(f"{stuck} must not depend on its own output: gates form a loop")
    return order


def _macros(instances: tuple[Instance, ...], folder: Path, latency: int, constants: dict[int, bool]) -> Macros:
    sizes = [(int(i.parameters["ROWS"]), int(i.parameters["COLS"])) for i in instances]
    rows = max((size[0] for size in sizes), default=1)
    cols = max((size[1] * (1 + (i.type == TERNARY)) for size, i in zip(sizes, instances, strict=True)), default=1)
    weights = np.zeros((2, len(instances), rows, cols), np.uint8)
    for k, instance in enumerate(instances):
        lines = (folder / instance.parameters["INIT_FILE"]).read_text(encoding="utf-8").split()
        for row, line in enumerate(lines):
            answers = _answers(int(line, 16), sizes[k][1], instance.type == TERNARY)
            weights[:, k, row, : answers.shape[1]] = answers
        if constants.get(instance.nets["prog_valid"][0], True):
            raise InputError("`programming` must not be asked of an engine whose energy is computed")
    address = max((len(i.nets["row"]) for i in instances), default=1)
    read = [_doubled(i) if i.type == TERNARY else i for i in instances]
    return Macros(
        np.array([i.nets["sense"][0] for i in instances], np.int32), _ports(instances, "row", address, 0),
        _ports(read, "x", cols, 0), _ports(read, "q", cols, -1), _ports(read, "flip", cols, 0), weights, latency,
    )  # fmt: skip


def _answers(word: int, cols: int, is_ternary: bool) -> NDArray[np.uint8]:
    """Return what a row answers to x = 0 and x = 1, shape (2, answers): all that agree, then all that disagree."""
    bits = np.array([word >> bit & 1 for bit in range(cols * (1 + is_ternary))], np.uint8)
    if not is_ternary:
        return np.stack([1 - bits, bits])
    above, below = bits[::2] & bits[1::2], 1 - (bits[::2] | bits[1::2])  # +1, and -1
    return np.stack([np.hstack([below, above]), np.hstack([above, below])])


def _doubled(instance: Instance) -> Instance:
    """Return a macro of three states with a port for all its answers, and the input of each."""
    nets = instance.nets | {"x": instance.nets["x"] * 2, "q": instance.answers, "flip": ()}
    return replace(instance, nets=nets)


def _ports(instances: Sequence[Instance], name: str, width: int, fill: int) -> NDArray[np.int32]:
    table = np.full((len(instances), width), fill, np.int32)
    for k, instance in enumerate(instances):
        nets = instance.nets.get(name, ())
        table[k, : len(nets)] = nets
    return table
