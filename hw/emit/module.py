"""Writes one module as Verilog."""

from __future__ import annotations

import itertools
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .expressions import Expressions, constant
from .names import Names, port_name
from .rtlil import Assign, Cell, Const, Module, Slice, Statement, Switch, Value, slices_in
from .simplify import cut, joined
from .usage import Clocked, Usage

#: Longest line.
LINE_MAX = 118
#: What intermediate results are called, by the operator that makes them.
_RESULTS = {
    "$add": "sum", "$sub": "difference", "$mul": "product", "$neg": "negative", "$mux": "chosen", "$shl": "shifted",
    "$shr": "shifted", "$shift": "shifted", "$sshr": "shifted", "$not": "inverse",
}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How a module is written, beside what Amaranth says of it.

    Parameters
    ----------
    module_name : callable
        Gives the Verilog name of a module.
    string : callable
        Gives the Verilog text of a parameter that is a string.
    parameters : dict of str to str
        Parameters of the module, and their default values as Verilog text.
    passed : dict of str to dict of str to str
        Parameters that instances of a module have besides their own, as Verilog text, by the module's name.
    ports : sequence of str
        Ports in their order; others come after them.
    reset : str
        Name of a port, active low, that takes the place of ``rst``; "" to leave it.
    """

    module_name: Callable[[str], str]
    string: Callable[[str], str]
    parameters: dict[str, str]
    passed: dict[str, dict[str, str]]
    ports: Sequence[str]
    reset: str = ""


class ModuleWriter:
    """Writes one module.

    Parameters
    ----------
    module : Module
    style : Style
    """

    def __init__(self, module: Module, style: Style):
        self.module = module
        self.style = style
        self.usage = Usage(module)
        own = [w.name[1:] for w in module.wires.values() if w.port]
        given = [name for name in style.ports if name in own]
        self.ports = given + [name for name in own if name not in given]
        self.names = Names([*map(port_name, self.ports), *style.parameters, *([style.reset] if style.reset else [])])
        self.instances = {c.name: self.names.new(c.name[1:]) for c in self.usage.instances}
        self.by_wire = {f"\\{name}": port_name(name) for name in self.ports}
        self.expressions = Expressions(self.usage, self._name)
        self.asked: list[str] = []
        self.numbers: dict[str, Iterator[int]] = defaultdict(lambda: itertools.count(1))

    def text(self) -> str:
        """Return the module, from ``module`` to ``endmodule``."""
        self.registers = {s.target.wire for block in self.usage.clocked for s in _assigns(block)}
        self._name_all()
        self.variables = self.registers | {_target(p) for p in self.usage.processes if self._as_value(p) is None}
        combinational = [self._process(p) for p in self.usage.processes]
        clocked = [line for block in self.usage.clocked for line in self._clocked(block)]
        instances = [line for cell in self.usage.instances for line in self._instance(cell)]
        connections = self.usage.connections
        ports = [f"assign {self._name(name)} = {self.expressions.of(value).text};" for name, value in connections]
        named = [f"assign {self._name(y)} = {e};" for y, e in self._operators()]
        assigns = [*named, *(line for p in combinational if p[0].startswith("assign") for line in p), *ports]
        always = [line for p in combinational if not p[0].startswith("assign") for line in p]
        unused = self._unused()
        body = [self._declarations(), self._initial(), assigns, instances, always, clocked, unused]
        if self.style.reset:
            body[0].insert(0, f"wire rst = ~{self.style.reset};")
        lines = self._header()
        for part in body:
            if part:
                lines += ["", *(f"  {line}" for line in part)]
        return "\n".join(folded for line in [*lines, "endmodule"] for folded in _fold(line)) + "\n"

    @property
    def register_bits(self) -> int:
        """Bits of all registers."""
        return sum(self.module.wires[name].width for name in self.registers)

    # Names

    def _name(self, wire: str) -> str:
        if wire not in self.by_wire:
            driver = self.usage.driver.get(wire)
            kind = driver.kind if isinstance(driver, Cell) else ""
            what = _RESULTS.get(kind) or ("condition" if self.module.wires[wire].width == 1 else "bits")
            self.by_wire[wire] = self.names.new(f"{what}_{next(self.numbers[what])}")
        if self.usage.is_anonymous(wire) and wire not in self.asked:
            self.asked.append(wire)
        return self.by_wire[wire]

    def _name_all(self) -> None:
        """Name the wires that have a name: what an instance drives is called by it and its port."""
        inputs: dict[str, list[str]] = {}
        outputs: dict[str, str] = {}
        members = set()
        for cell in self.usage.instances:
            for port, value in cell.ports.items():
                chunk = value[0] if len(value) == 1 else None
                if isinstance(chunk, Slice) and chunk.width == self.module.wires[chunk.wire].width:
                    name = f"{cell.name[1:]}_{port}"
                    if port in cell.outputs:
                        outputs[chunk.wire] = name
                    else:
                        inputs.setdefault(chunk.wire, []).append(name)
                    if self.usage.is_anonymous(chunk.wire) or chunk.wire[1:].partition("$")[0] == port:
                        members.add(chunk.wire)
        live = [w for w in self.module.wires if w in self.usage.need or w in outputs]
        # Names that are as they should be come first.
        for wire in sorted(live, key=lambda w: "$" in w or w in members):
            if wire in self.by_wire or (self.usage.is_anonymous(wire) and wire not in outputs):
                continue
            wanted = wire[1:].partition("$")[0]
            if wire in members and wire in outputs:
                wanted = outputs[wire]
            elif wire in members and "$" in wire and len(inputs[wire]) == 1:
                (wanted,) = inputs[wire]
            self.by_wire[wire] = self.names.new(wanted)

    # Parts

    def _header(self) -> list[str]:
        name = self.style.module_name(self.module.name)
        wires = [self.module.wires[f"\\{port}"] for port in self.ports]
        widest = max((len(_range(w.width)) for w in wires), default=0)
        ports = []
        for wire in wires:
            port = self.style.reset if self.style.reset and wire.name == "\\rst" else self.by_wire[wire.name]
            kind = "reg " if wire.name in self.variables else "wire"
            bits = [_range(wire.width).ljust(widest)] if widest else []
            ports.append(" ".join(["   ", f"{wire.port:6}", kind, *bits, port]))
        parameters = [f"    parameter {name} = {value}" for name, value in self.style.parameters.items()]
        head = [f"module {name} #(", *_listed(parameters), ") ("] if parameters else [f"module {name} ("]
        return [*head, *_listed(ports), ");"]

    def _declarations(self) -> list[str]:
        lines = []
        for wire, name in self.by_wire.items():
            if self.module.wires[wire].port or (self.usage.is_anonymous(wire) and wire not in self.asked):
                continue
            kind = "reg " if wire in self.variables else "wire"
            lines.append(f"{kind} {_range(self.usage.width[wire])}{' ' if self.usage.width[wire] > 1 else ''}{name};")
        return lines

    def _initial(self) -> list[str]:
        # Not in the declarations: Icarus Verilog wakes no `always @*` for those.
        values = [(self._name(w), self.module.wires[w].init) for w in self.module.wires if w in self.registers]
        lines = [f"  {name} = {constant(bits)};" for name, bits in values if bits]
        return ["initial begin", *lines, "end"] if lines else []

    def _operators(self) -> list[tuple[str, str]]:
        """Return the wires that are results of operators, and these; also those that others name meanwhile."""
        texts: dict[str, str] = {}
        cells = {c.ports["Y"][0].wire: c for c in self.usage.cells}  # type: ignore[union-attr]
        for wire, cell in cells.items():
            if not self.usage.is_anonymous(wire):
                texts[wire] = self.expressions.operator(cell).text
        k = 0
        while k < len(self.asked):
            wire = self.asked[k]
            k += 1
            if wire in cells and wire not in texts:
                texts[wire] = self.expressions.operator(cells[wire]).text
        return [(wire, texts[wire]) for wire in cells if wire in texts]

    def _instance(self, cell: Cell) -> list[str]:
        values = {name: self._parameter(value) for name, value in cell.parameters.items()}
        values |= self.style.passed.get(cell.kind[1:], {})
        parameters = [f"    .{name}({value})" for name, value in values.items()]
        order = sorted(cell.ports, key=lambda p: (p != "clk", p != "rst"))
        ports = [f"    .{port_name(p)}({self.expressions.of(cell.ports[p]).text})" for p in order if cell.ports[p]]
        kind, name = self.style.module_name(cell.kind[1:]), self.instances[cell.name]
        head = [f"{kind} #(", *_listed(parameters), f") {name} ("] if parameters else [f"{kind} {name} ("]
        return [*head, *_listed(ports), ");"]

    def _parameter(self, value: int | str) -> str:
        return self.style.string(value) if isinstance(value, str) else str(value)

    def _unused(self) -> list[str]:
        """Return a wire that reads what nothing else reads, so that no linter asks whether it was forgotten."""
        parts = []
        driven = {s.wire for c in self.usage.instances for p in c.outputs for s in slices_in(c.ports[p])}
        for wire in self.module.wires.values():
            if wire.port == "output" or not wire.width:
                continue
            if wire.port or wire.name in driven or wire.name in self.usage.need:
                if self.usage.is_anonymous(wire.name) and wire.name not in (*self.asked, *driven):
                    continue
                free = ((1 << self.usage.width[wire.name]) - 1) & ~self.usage.need.get(wire.name, 0)
                parts += [self.expressions.slice_text(s) for s in _runs(wire.name, free)]
        if not parts:
            return []
        name = self.names.new("unused")
        return [f"wire {name} = &{{1'b0, {', '.join(parts)}}};"]

    # Processes

    def _as_value(self, process: tuple[Statement, ...]) -> str | None:
        """Return a process as an expression, if it is a value or a choice of two."""
        *assigns, last = process
        if isinstance(last, Assign):
            return self.expressions.of(_overlaid([s for s in process if isinstance(s, Assign)])).text
        if len(assigns) == 1 and len(last.selector) == 1 and last.selector[0].width == 1 and len(last.cases) <= 2:
            bodies = dict(reversed(last.cases))  # the first of equal cases counts
            chosen = [bodies.get(p, ()) for p in (("1",), ())]
            plain = all(len(b) <= 1 and all(isinstance(s, Assign) for s in b) for b in chosen)
            if plain and set(bodies) <= {("1",), ()}:
                first = assigns[0]
                whole = [s for b in chosen for s in (b or (first,)) if isinstance(s, Assign)]
                if all(isinstance(first, Assign) and s.target == first.target for s in whole):
                    on, off = (self.expressions.operand(s.value, s.target.width) for s in whole)
                    return self.expressions.choice(last.selector, on, off).text
        return None

    def _process(self, process: tuple[Statement, ...]) -> list[str]:
        name = self._name(_target(process))
        if (value := self._as_value(process)) is not None:
            return [f"assign {name} = {value};"]
        return ["always @* begin", *self._statements(process, "="), "end"]

    def _clocked(self, block: Clocked) -> list[str]:
        edges = f"posedge {self.expressions.named(block.clock)}"
        reset = block.reset or block.synchronous
        if block.reset:
            edges += f" or posedge {self.expressions.named(block.reset)}"
        body = self._statements(tuple(block.body), "<=")
        if reset:
            initial = self._statements(tuple(block.initial), "<=")
            body = [f"  {line}" for line in _chain([(self.expressions.named(reset), initial)], body)]
        return [f"always @(posedge {self.expressions.named(block.clock)}) {body[0].strip()}"] if (
            len(body) == 1 and not reset
        ) else [f"always @({edges}) begin", *body, "end"]

    def _statements(self, statements: tuple[Statement, ...], sign: str) -> list[str]:
        """Return statements, indented once."""
        lines = []
        for s in statements:
            if isinstance(s, Assign):
                lines.append(f"{self.expressions.slice_text(s.target)} {sign} {self.expressions.of(s.value).text};")
            else:
                lines += self._switch(s, sign)
        return [f"  {line}" for line in lines]

    def _switch(self, switch: Switch, sign: str) -> list[str]:
        bodies = [(patterns, self._statements(body, sign)) for patterns, body in switch.cases]
        if not any(lines for _, lines in bodies):
            return []
        conditions = self._conditions(switch)
        if conditions is not None:
            chain = list(zip(conditions, (lines for _, lines in bodies), strict=False))
            default = bodies[-1][1] if not bodies[-1][0] else []
            return _chain(chain, default)
        selector = self.expressions.of(switch.selector).text
        wild = any("-" in p for patterns, _ in bodies for p in patterns)
        lines = [f"{'casez' if wild else 'case'} ({selector})"]
        idle = not wild and (bodies[-1][0] or not bodies[-1][1])
        for patterns, body in bodies:
            if idle and patterns and not body:
                continue
            label = ", ".join(constant(p) for p in patterns) or "default"
            if len(body) == 1:
                lines.append(f"  {label}: {body[0].strip()}")
            elif body:
                lines += [f"  {label}: begin", *(f"  {line}" for line in body), "  end"]
            else:
                lines.append(f"  {label}: ;")
        if bodies[-1][0]:
            lines.append("  default: ;")
        return [*lines, "endcase"]

    def _conditions(self, switch: Switch) -> list[str] | None:
        """Return a condition for each case with patterns, if each of them asks for one bit."""
        conditions = []
        bits = [Slice(c.wire, c.low + k, 1) if isinstance(c, Slice) else Const(c.bits[c.width - 1 - k])
                for c in switch.selector for k in reversed(range(c.width))]  # fmt: skip
        for patterns, _ in switch.cases:
            if not patterns:
                break
            asked = [(k, p) for k, p in enumerate(patterns[0]) if p != "-"]
            if len(patterns) > 1 or len(asked) != 1:
                return None
            ((k, wanted),) = asked
            e = self.expressions.of((bits[k],))
            conditions.append(e.text if wanted == "1" else _negated(e.text))
        return conditions


def _target(process: tuple[Statement, ...]) -> str:
    first = process[0]
    assert isinstance(first, Assign)
    return first.target.wire


def _assigns(block: Clocked) -> list[Assign]:
    def within(statements: Sequence[Statement]) -> list[Assign]:
        found = []
        for s in statements:
            found += [s] if isinstance(s, Assign) else [a for _, body in s.cases for a in within(body)]
        return found

    return [*block.initial, *within(block.body)]


def _overlaid(assigns: list[Assign]) -> Value:
    """Return what a wire is after all of these."""
    width = assigns[0].target.width
    bits: list[tuple[Const | Slice, int] | None] = [None] * width
    for s in assigns:
        at = s.target.low
        for chunk in reversed(s.value):
            for k in range(chunk.width):
                bits[at] = (chunk, k)
                at += 1
    chunks: list[Const | Slice] = []
    for entry in reversed(bits):
        assert entry is not None
        chunk, k = entry
        chunks += cut((chunk,), k, 1)
    return joined(chunks)


def _runs(wire: str, mask: int) -> list[Slice]:
    """Return the bits of a mask as slices."""
    found, at = [], 0
    while mask >> at:
        at += ((mask >> at) & -(mask >> at)).bit_length() - 1
        width = ((~(mask >> at)) & -(~(mask >> at))).bit_length() - 1
        found.append(Slice(wire, at, width))
        at += width
    return found


def _range(width: int) -> str:
    return f"[{width - 1}:0]" if width > 1 else ""


def _listed(lines: Sequence[str]) -> list[str]:
    return [*(f"{line}," for line in lines[:-1]), *lines[-1:]]


def _negated(text: str) -> str:
    if text.startswith("~") and text[1:].replace("_", "a").isalnum():
        return text[1:]
    return f"!{text}" if text.replace("_", "a").isalnum() or (text.endswith("]") and " " not in text) else f"!({text})"


def _chain(chain: list[tuple[str, list[str]]], default: list[str]) -> list[str]:
    """Return an if with all its else; bodies are indented once."""
    if not chain:
        return [line[2:] for line in default]
    (condition, body), *rest = chain
    other = _chain(rest, default)
    if not body:
        return [f"if ({_negated(condition)}) begin", *(f"  {line}" for line in other), "end"] if other else []
    if not other:
        if len(body) == 1 and not body[0].strip().startswith("if"):
            return [f"if ({condition}) {body[0].strip()}"]
        return [f"if ({condition}) begin", *body, "end"]
    lines = [f"if ({condition}) begin", *body]
    within = all(line[:1] == " " or line.startswith("end ") for line in other[1:-1])
    if other[0].startswith("if (") and (len(other) == 1 or (other[-1] == "end" and within)):
        return [*lines, f"end else {other[0]}", *other[1:]]
    return [*lines, "end else begin", *(f"  {line}" for line in other), "end"]


def _fold(text: str) -> list[str]:
    """Break what is longer than a line; Verilator reads at most 40,000 tokens of one."""
    lines = []
    for line in text.split("\n"):
        if len(line) <= LINE_MAX or '"' in line:
            lines.append(line)
            continue
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            line.strip(), LINE_MAX, initial_indent=indent, subsequent_indent=f"{indent}    ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    return lines
