"""Reads RTLIL, the text in which Amaranth hands a unit over: wires, cells, processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_CHUNK = re.compile(r"([\\$]\S+)(?: \[(\d+)(?::(\d+))?\])?|\d+'([01x-]*)")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Const:
    """Bits of a constant, highest first."""

    bits: str

    @property
    def width(self) -> int:
        """Number of bits."""
        return len(self.bits)


@dataclass(frozen=True)
class Slice:
    """`width` bits of a wire from bit `low` on."""

    wire: str
    low: int
    width: int

    @property
    def mask(self) -> int:
        """The bits of the wire that these are."""
        return ((1 << self.width) - 1) << self.low


#: What drives or is read, highest bits first.
Value = tuple[Const | Slice, ...]


@dataclass
class Wire:
    """A wire; `port` is "input", "output" or "", `init` the bits that a register starts from, highest first."""

    name: str
    width: int
    port: str = ""
    init: str = ""


@dataclass
class Cell:
    """An operator, a register or an instance of a module; `outputs` are the ports that it drives."""

    kind: str
    name: str
    parameters: dict[str, int | str] = field(default_factory=dict)
    ports: dict[str, Value] = field(default_factory=dict)
    outputs: set[str] = field(default_factory=set)

    @property
    def is_instance(self) -> bool:
        """Whether this is an instance of a module."""
        return self.kind.startswith("\\")

    @property
    def is_register(self) -> bool:
        """Whether this is a register."""
        return self.kind in ("$dff", "$adff")


@dataclass(frozen=True)
class Assign:
    """Bits of a wire become a value."""

    target: Slice
    value: Value


@dataclass(frozen=True)
class Switch:
    """The body of the first case of which a pattern fits; a case without patterns always does."""

    selector: Value
    cases: tuple[tuple[tuple[str, ...], tuple[Statement, ...]], ...]


Statement = Assign | Switch


@dataclass
class Module:
    """A module: its wires by name, and what drives them."""

    name: str
    wires: dict[str, Wire] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    processes: list[tuple[Statement, ...]] = field(default_factory=list)
    connections: list[tuple[str, Value]] = field(default_factory=list)


def width_of(value: Value) -> int:
    """Return the number of bits."""
    return sum(chunk.width for chunk in value)


def slices_in(value: Value) -> Iterator[Slice]:
    """Yield what a value reads of wires."""
    return (chunk for chunk in value if isinstance(chunk, Slice))


def values_in(statements: tuple[Statement, ...]) -> Iterator[Value]:
    """Yield every value that statements read."""
    for statement in statements:
        if isinstance(statement, Assign):
            yield statement.value
        else:
            yield statement.selector
            for _, body in statement.cases:
                yield from values_in(body)


class _Reader:
    """Reads the lines of a text."""

    def __init__(self, text: str):
        self.lines = [line.strip() for line in text.splitlines() if line.strip()]
        self.at = 0
        self.init = ""

    def next(self) -> tuple[str, str]:
        """Return the first word of the next line, and its rest."""
        word, _, rest = self.lines[self.at].partition(" ")
        self.at += 1
        return word, rest

    def modules(self) -> list[Module]:
        found = []
        while self.at < len(self.lines):
            word, rest = self.next()
            if word == "module":
                found.append(self.module(Module(rest.removeprefix("\\"))))
        return found

    def module(self, module: Module) -> Module:
        self.wires = module.wires
        while True:
            word, rest = self.next()
            if word == "end":
                return module
            if word == "attribute":
                name, _, value = rest.partition(" ")
                self.init = value.partition("'")[2] if name == "\\init" else self.init
            elif word == "wire":
                self.wire(rest.split())
            elif word == "cell":
                module.cells.append(self.cell(*rest.split()))
            elif word == "process":
                if statements := self.statements():
                    module.processes.append(statements)
            elif word == "connect":
                name, _, value = rest.partition(" ")
                module.connections.append((name, self.value(value)))
            else:
                raise NotImplementedError(f"{module.name} has a {word}, which is not written as Verilog")

    def wire(self, words: list[str]) -> None:
        port = next((w for w in words if w in ("input", "output")), "")
        self.wires[words[-1]] = Wire(words[-1], int(words[1]), port, self.init)
        self.init = ""

    def cell(self, kind: str, name: str) -> Cell:
        cell = Cell(kind, name)
        while True:
            word, rest = self.next()
            if word == "end":
                return cell
            is_signed = rest.startswith("signed ")
            name, _, value = rest.removeprefix("signed ").partition(" ")
            if word == "parameter":
                cell.parameters[name[1:]] = _parameter(value, is_signed)
            else:
                cell.ports[name[1:]] = self.value(value)
                # At an instance, Amaranth names a wire without its bits only where it is driven.
                whole = value[:1] in ("\\", "$") and "[" not in value.partition(" ")[2]
                if whole if cell.is_instance else name in ("\\Y", "\\Q"):
                    cell.outputs.add(name[1:])

    def statements(self, ends: tuple[str, ...] = ("end",)) -> tuple[Statement, ...]:
        """Read up to a line that begins with one of `ends`; only "end" of a process is passed."""
        body: list[Statement] = []
        while True:
            word, rest = self.next()
            if word in ends:
                self.at -= len(ends) > 1
                return tuple(body)
            if word == "switch":
                body += self.switch(self.value(rest))
            elif not rest.startswith("{  }"):  # to no bits
                target, value = re.fullmatch(r"([\\$]\S+(?: \[[\d:]+\])?) (.*)", rest).groups()  # type: ignore[union-attr]
                (slice_,) = self.value(target)
                assert isinstance(slice_, Slice)
                body.append(Assign(slice_, self.value(value)))

    def switch(self, selector: Value) -> tuple[Statement, ...]:
        cases = []
        while True:
            word, rest = self.next()
            if word == "end":
                break
            patterns = tuple(p.partition("'")[2] for p in rest.split(", ")) if rest else ()
            cases.append((patterns, self.statements(("case", "end"))))
        if not selector:  # nothing to choose by: assignments behind a switch, or a signal without bits
            return cases[0][1] if cases else ()
        return (Switch(selector, tuple(cases)),)

    def value(self, text: str) -> Value:
        chunks: list[Const | Slice] = []
        for wire, high, low, bits in _CHUNK.findall(text):
            if not wire:
                chunks += [Const(bits)] if bits else []
            elif not high:
                chunks += [Slice(wire, 0, self.wires[wire].width)] if self.wires[wire].width else []
            else:
                first = int(low or high)
                chunks.append(Slice(wire, first, int(high) - first + 1))
        return tuple(chunks)


def _parameter(text: str, is_signed: bool) -> int | str:
    if match := _STRING.fullmatch(text):
        return re.sub(r"\\(.)", r"\1", match[1])
    width, quote, bits = text.partition("'")
    if not quote:
        return int(text)
    return int(bits, 2) - (1 << int(width) if is_signed and bits[0] == "1" else 0)


def read(text: str) -> list[Module]:
    """Return the modules of a text."""
    modules = _Reader(text).modules()
    outputs = {f"\\{m.name}": {w.name[1:] for w in m.wires.values() if w.port == "output"} for m in modules}
    for cell in (c for m in modules for c in m.cells if c.kind in outputs):
        cell.outputs = outputs[cell.kind]
    return modules
