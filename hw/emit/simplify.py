"""Takes out of a module what is constant or there twice, as parameters at their limits make it."""

from __future__ import annotations

from collections.abc import Callable

from .rtlil import Assign, Cell, Const, Module, Slice, Statement, Switch, Value, width_of

_EVALUATED: dict[str, Callable[[int, int], int]] = {
    "$add": int.__add__, "$sub": int.__sub__, "$mul": int.__mul__, "$and": int.__and__, "$or": int.__or__,
    "$xor": int.__xor__, "$eq": int.__eq__, "$ne": int.__ne__, "$lt": int.__lt__, "$le": int.__le__,
    "$gt": int.__gt__, "$ge": int.__ge__,
}  # fmt: skip
_UNARY: dict[str, Callable[[int, int], int]] = {
    "$not": lambda a, width: ~a,
    "$neg": lambda a, width: -a,
    "$reduce_and": lambda a, width: a == (1 << width) - 1,
    "$reduce_or": lambda a, width: a != 0,
    "$reduce_bool": lambda a, width: a != 0,
    "$reduce_xor": lambda a, width: a.bit_count() & 1,
}


def simplify(module: Module) -> None:
    """Replace what is constant, and operators that give one of their operands, everywhere."""
    _replace(module, {})  # what Amaranth left as a choice of one
    while found := _constants(module) or _twins(module):
        _replace(module, found)
        module.connections += [(wire, value) for wire, value in found.items() if module.wires[wire].port]
        module.cells = [c for c in module.cells if _result(c) not in found]


def _constants(module: Module) -> dict[str, Value]:
    return {w: value for c in module.cells if (w := _result(c)) and (value := _value(c)) is not None}


def _twins(module: Module) -> dict[str, Value]:
    """Return the results that another operator of the same operands has already."""
    firsts: dict[object, str] = {}
    found: dict[str, Value] = {}
    for cell in sorted(module.cells, key=lambda c: _result(c).startswith("$")):
        if wire := _result(cell):
            width = width_of(cell.ports["Y"])
            operands = tuple((name, value) for name, value in cell.ports.items() if name != "Y")
            first = firsts.setdefault((cell.kind, tuple(cell.parameters.items()), operands), wire)
            if first != wire and wire.startswith("$"):
                found[wire] = (Slice(first, 0, width),)
    return found


def _result(cell: Cell) -> str:
    """Return the wire that an operator drives, "" for others."""
    y = cell.ports.get("Y")
    return y[0].wire if y and not cell.is_instance and isinstance(y[0], Slice) else ""


def _integer(value: Value, signed: bool = False) -> int | None:
    """Return a constant as a number, None if it is none."""
    bits = "".join(chunk.bits if isinstance(chunk, Const) else "?" for chunk in value)
    if set(bits) - {"0", "1"}:
        return None
    return int(bits or "0", 2) - (1 << len(bits) if signed and bits[:1] == "1" else 0)


def _value(cell: Cell) -> Value | None:
    """Return what an operator always gives: a constant, or one of its operands."""
    width = width_of(cell.ports["Y"])
    signed = bool(cell.parameters.get("A_SIGNED"))

    def bits(number: int) -> Value:
        return (Const(f"{number & (1 << width) - 1:0{width}b}"),)

    def extended(value: Value) -> Value | None:
        short = width - width_of(value)
        return None if short < 0 or (short and signed) else ((Const("0" * short), *value) if short else value)

    a_value, b_value = cell.ports.get("A", ()), cell.ports.get("B", ())
    a, b = _integer(a_value, signed), _integer(b_value, signed)
    if cell.kind == "$mux":
        s = _integer(cell.ports["S"])
        return None if s is None else (b_value if s else a_value)
    if cell.kind in _UNARY:
        return None if a is None else bits(_UNARY[cell.kind](a, width_of(a_value)))
    if cell.kind not in _EVALUATED:
        return None
    if a is not None and b is not None:
        return bits(_EVALUATED[cell.kind](a, b))
    ones = (1 << width) - 1
    for number, other in ((b, a_value), (a, b_value)):
        if number is None:
            continue
        if width_of(other) == 1 and (cell.kind, number) in (("$eq", 1), ("$ne", 0)):
            return extended(other)
        if (cell.kind, number) == ("$and", 0) or (cell.kind, number & ones) == ("$or", ones):
            return bits(number)
        neutral = (("$add", 0), ("$or", 0), ("$xor", 0), ("$and", ones))
        if (cell.kind, number & ones) in neutral or (cell.kind == "$sub" and number == 0 and other is a_value):
            return extended(other)
    return None


def _replace(module: Module, found: dict[str, Value]) -> None:
    def new(value: Value) -> Value:
        if not any(isinstance(c, Slice) and c.wire in found for c in value):
            return value
        chunks: list[Const | Slice] = []
        for chunk in value:
            if isinstance(chunk, Slice) and chunk.wire in found:
                chunks += new(cut(found[chunk.wire], chunk.low, chunk.width))
            else:
                chunks.append(chunk)
        return joined(chunks)

    def statements(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        after: list[Statement] = []
        for s in body:
            if isinstance(s, Assign):
                after.append(Assign(s.target, new(s.value)))
            else:
                after += decided(Switch(new(s.selector), tuple((p, statements(b)) for p, b in s.cases)))
        return tuple(after)

    for cell in module.cells:
        cell.ports |= {name: new(value) for name, value in cell.ports.items() if name not in cell.outputs}
    module.processes = [statements(p) for p in module.processes]
    module.connections = [(name, new(value)) for name, value in module.connections]


def decided(switch: Switch) -> tuple[Statement, ...]:
    """Return a switch without the cases that never come; their body, if only one is left."""
    bits = "".join(c.bits if isinstance(c, Const) else "?" * c.width for c in switch.selector)
    if "0" not in bits and "1" not in bits:
        return (switch,)
    cases = []
    for patterns, body in switch.cases:
        open_ = tuple(p for p in patterns if all(b in "?-" or q in ("-", b) for q, b in zip(p, bits, strict=True)))
        if patterns and not open_:
            continue
        always = not patterns or any(all(b != "?" or q == "-" for q, b in zip(p, bits, strict=True)) for p in open_)
        cases.append((() if always else open_, body))
        if always:
            break
    if not cases:
        return ()
    return cases[0][1] if not cases[0][0] else (Switch(switch.selector, tuple(cases)),)


def cut(value: Value, low: int, width: int) -> Value:
    """Return `width` bits of a value from bit `low` on."""
    kept: list[Const | Slice] = []
    at = 0
    for chunk in reversed(value):
        first, last = max(low, at), min(low + width, at + chunk.width)
        if first < last:
            if isinstance(chunk, Slice):
                kept.insert(0, Slice(chunk.wire, chunk.low + first - at, last - first))
            else:
                kept.insert(0, Const(chunk.bits[chunk.width - (last - at) : chunk.width - (first - at)]))
        at += chunk.width
    return tuple(kept)


def joined(chunks: list[Const | Slice]) -> Value:
    """Return chunks with neighbours of one wire, and constants, as one."""
    value: list[Const | Slice] = []
    for chunk in chunks:
        last = value[-1] if value else None
        if isinstance(chunk, Const) and isinstance(last, Const):
            value[-1] = Const(last.bits + chunk.bits)
        elif (
            isinstance(chunk, Slice)
            and isinstance(last, Slice)
            and (last.wire, last.low) == (chunk.wire, chunk.low + chunk.width)
        ):
            value[-1] = Slice(chunk.wire, chunk.low, last.width + chunk.width)
        else:
            value.append(chunk)
    return tuple(value)
