"""What of a module is used: which bits of each wire are read and how often, and the clocked blocks that are left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .rtlil import Assign, Cell, Const, Module, Slice, Statement, Switch, Value, slices_in, values_in

#: Low bits of the result depend on no higher bits of the operands.
MODULAR = ("$add", "$sub", "$mul", "$neg")
BITWISE = ("$and", "$or", "$xor", "$not", "$mux")


@dataclass
class Clocked:
    """Registers of one clock edge.

    Parameters
    ----------
    clock : Value
    reset : Value
        What puts them into their initial state at any time; () if nothing does.
    synchronous : Value
        What does so at a clock edge; () if nothing does.
    initial : list of Assign
        Their state in reset.
    body : list of Statement
        What happens otherwise.
    """

    clock: Value
    reset: Value
    synchronous: Value
    initial: list[Assign] = field(default_factory=list)
    body: list[Statement] = field(default_factory=list)


class Usage:
    """The live part of a module.

    Attributes
    ----------
    need : dict of str to int
        Which bits of a wire are read, as a mask; no entry if none is.
    width : dict of str to int
        Bits to declare: a result without a name of its own may be shorter than it was.
    reads : Counter
        How often a wire is read.
    cells, processes
        Those that are live; registers and what they alone take are in `clocked`.
    """

    def __init__(self, module: Module):
        self.module = module
        self.driver: dict[str, Cell | tuple[Statement, ...]] = {}
        for cell in module.cells:
            if not cell.is_instance:
                self.driver |= {s.wire: cell for name in cell.outputs for s in slices_in(cell.ports[name])}
        for process in module.processes:
            self.driver[_target(process)] = process
        outputs = {w.name for w in module.wires.values() if w.port == "output"}
        self.connections = [(name, value) for name, value in module.connections if name in outputs]
        self.instances = [c for c in module.cells if c.is_instance]
        self.need: dict[str, int] = {}
        self.held = {d.wire: Assign(d, q) for c in module.cells if c.is_register for d, q in [_next(c)] if d}
        self._spread(outputs)
        self.width = {name: self._width(name) for name in module.wires}
        live = [c for c in module.cells if c.is_instance or self._is_live(c)]
        self.cells = [c for c in live if not c.is_register and not c.is_instance]
        self.processes = [p for p in module.processes if _target(p) in self.need]
        self.clocked = self._blocks([c for c in live if c.is_register])
        self.reads = Counter(s.wire for value in self._values() for s in slices_in(value))

    def is_anonymous(self, wire: str) -> bool:
        """Whether a wire is an intermediate result that nobody gave a name."""
        return wire.startswith("$")

    def origins(self, wire: str) -> tuple[set[str], bool]:
        """Return the inputs that a wire depends on without a register between, and whether it does on an instance."""
        aliases = dict(self.module.connections)
        driven = {s.wire for c in self.instances for n in c.outputs for s in slices_in(c.ports[n])}
        inputs: set[str] = set()
        seen, waiting = {wire}, [wire]
        while waiting:
            name = waiting.pop()
            driver = self.driver.get(name)
            if self.module.wires[name].port == "input":
                inputs.add(name)
            values: Iterable[Value] = [aliases[name]] if name in aliases else []
            if isinstance(driver, Cell):
                values = [] if driver.is_register else _inputs(driver)
            elif driver is not None:
                values = values_in(driver)
            new = {s.wire for value in values for s in slices_in(value)} - seen
            seen |= new
            waiting += new
        return inputs, bool(seen & driven)

    def _is_live(self, cell: Cell) -> bool:
        return any(s.wire in self.need for name in cell.outputs for s in slices_in(cell.ports[name]))

    def _spread(self, outputs: set[str]) -> None:
        """Find what is needed, from the outputs and instances back."""
        waiting: list[str] = []

        def read(value: Value, mask: int = -1) -> None:
            at = 0
            for chunk in reversed(value):
                if isinstance(chunk, Slice):
                    known = self.need.get(chunk.wire, 0)
                    more = (mask >> at << chunk.low) & chunk.mask & ~known
                    if more:
                        self.need[chunk.wire] = known | more
                        waiting.append(chunk.wire)
                at += chunk.width

        for name in outputs:
            read((Slice(name, 0, self.module.wires[name].width),))
        for _, value in self.connections:
            read(value)
        for cell in self.instances:
            for value in _inputs(cell):
                read(value)
        while waiting:
            wire = waiting.pop()
            driver = self.driver.get(wire)
            if isinstance(driver, Cell):
                for value, mask in _operands(driver, self.need[wire]):
                    read(value, mask)
            elif driver is not None:
                held = self.held.get(wire)
                for value in values_in(driver[1:] if held and driver[0] == held else driver):
                    read(value)

    def _width(self, name: str) -> int:
        width, driver = self.module.wires[name].width, self.driver.get(name)
        if self.is_anonymous(name) and isinstance(driver, Cell) and driver.kind in (*MODULAR, *BITWISE):
            return max(1, self.need.get(name, 0).bit_length())
        return width

    def _blocks(self, registers: list[Cell]) -> list[Clocked]:
        """Return the clocked blocks; a process that computes the next value of one register becomes part of one."""
        blocks: dict[tuple[Value, Value, Value], list[tuple[list[Assign], tuple[Statement, ...]]]] = {}
        reads = Counter(
            s.wire
            for values in (*(c.ports.values() for c in self.module.cells), *(values_in(p) for p in self.processes))
            for value in values
            for s in slices_in(value)
        )
        for cell in registers:
            (q,) = slices_in(cell.ports["Q"])
            body: tuple[Statement, ...] = (Assign(q, cell.ports["D"]),)
            next_, _ = _next(cell)
            process = self.driver.get(next_.wire) if next_ else None
            if isinstance(process, tuple) and next_:
                whole = next_.width == self.module.wires[next_.wire].width
                if whole and self.is_anonymous(next_.wire) and reads[next_.wire] == 1:
                    self.processes.remove(process)
                    body = _into(process, next_.wire, q.wire)
                    if body[0] == Assign(q, (q,)):
                        body = body[1:]
            reset = cell.ports.get("ARST", ())
            synchronous, initial, body = _reset(body)
            if reset:
                bits = f"{int(cell.parameters['ARST_VALUE']):0{q.width}b}"
                initial = [Assign(q, (Const(bits),))]
            blocks.setdefault((cell.ports["CLK"], reset, synchronous), []).append((initial, body))
        return [
            Clocked(*key, [a for initial, _ in parts for a in initial], merged([body for _, body in parts]))
            for key, parts in blocks.items()
        ]

    def _values(self) -> Iterable[Value]:
        """Yield every value that is read."""
        for cell in (*self.instances, *self.cells):
            yield from _inputs(cell)
        for process in self.processes:
            yield from values_in(process)
        for block in self.clocked:
            yield from (block.clock, block.reset, block.synchronous)
            yield from values_in(tuple(block.body))
        yield from (value for _, value in self.connections)


def _inputs(cell: Cell) -> list[Value]:
    return [value for name, value in cell.ports.items() if name not in cell.outputs]


def _next(register: Cell) -> tuple[Slice | None, Value]:
    """Return the wire that is a register's next value, if it is one and whole, and the register's own."""
    (d, *rest), q = register.ports["D"], register.ports["Q"]
    return (d if isinstance(d, Slice) and not rest else None), tuple(Slice(s.wire, 0, s.width) for s in slices_in(q))


def _target(process: tuple[Statement, ...]) -> str:
    first = process[0]
    assert isinstance(first, Assign)
    return first.target.wire


def _operands(cell: Cell, need: int) -> Iterable[tuple[Value, int]]:
    """Yield what a cell reads for the bits `need` of its result, and which bits of that."""
    for name, value in cell.ports.items():
        if name in cell.outputs:
            continue
        if cell.kind in MODULAR:
            yield value, (1 << need.bit_length()) - 1
        elif cell.kind in BITWISE and name != "S":
            yield value, need
        else:
            yield value, -1


def _into(statements: tuple[Statement, ...], wire: str, other: str) -> tuple[Statement, ...]:
    """Return statements that drive another wire."""
    moved: list[Statement] = []
    for s in statements:
        if isinstance(s, Assign):
            moved.append(Assign(Slice(other, s.target.low, s.target.width), s.value))
        else:
            moved.append(Switch(s.selector, tuple((p, _into(body, wire, other)) for p, body in s.cases)))
    return tuple(moved)


def _reset(body: tuple[Statement, ...]) -> tuple[Value, list[Assign], tuple[Statement, ...]]:
    """Return the reset, the state in it, and the rest, if the last statement is a reset."""
    last = body[-1] if body else None
    if isinstance(last, Switch) and last.selector == (Slice("\\rst", 0, 1),) and len(last.cases) == 1:
        ((patterns, state),) = last.cases
        assigns = [s for s in state if isinstance(s, Assign)]
        if patterns == ("1",) and len(assigns) == len(state):
            return last.selector, assigns, body[:-1]
    return (), [], body


def merged(sequences: list[tuple[Statement, ...]]) -> list[Statement]:
    """Return the statements of several registers as one list, with what has the same condition together.

    All read the state before the clock edge, so that only the order of what drives the same register counts.
    """
    items: list[Assign | tuple[Value, tuple[tuple[str, ...], ...], list[list[tuple[Statement, ...]]]]] = []
    for sequence in sequences:
        at = 0
        for s in sequence:
            if isinstance(s, Assign):
                while at < len(items) and isinstance(items[at], Assign):
                    at += 1
                items.insert(at, s)
                at += 1
                continue
            patterns = tuple(p for p, _ in s.cases)
            bodies = [body for _, body in s.cases]
            for k in range(at, len(items)):
                item = items[k]
                if isinstance(item, tuple) and item[:2] == (s.selector, patterns):
                    for parts, body in zip(item[2], bodies, strict=True):
                        parts.append(body)
                    at = k + 1
                    break
            else:
                items.append((s.selector, patterns, [[body] for body in bodies]))
                at = len(items)
    return [
        item
        if isinstance(item, Assign)
        else Switch(
            item[0], tuple((p, tuple(merged(bodies))) for p, bodies in zip(item[1], item[2], strict=True))
        )
        for item in items
    ]
