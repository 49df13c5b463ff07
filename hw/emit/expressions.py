"""Operators as Verilog expressions, of which every operand has the width of its operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .rtlil import Cell, Const, Slice, Value, width_of
from .simplify import cut
from .usage import Usage

#: Longest expression that is written where it is read, instead of as a wire of its own.
INLINE_MAX = 100
_BINARY = {"$and": "&", "$or": "|", "$xor": "^", "$add": "+", "$sub": "-", "$mul": "*"}
_COMPARE = {"$eq": "==", "$ne": "!=", "$lt": "<", "$le": "<=", "$gt": ">", "$ge": ">="}
_REDUCE = {"$reduce_and": "&", "$reduce_or": "|", "$reduce_bool": "|", "$reduce_xor": "^"}
_SHIFT = {"$shl": "<<", "$shr": ">>", "$shift": ">>", "$sshr": ">>>"}
_DIVIDE = {"$divfloor": "/", "$modfloor": "%"}


class Expression(NamedTuple):
    """A text, and its outermost operator, "" if it needs no parentheses anywhere."""

    text: str
    operator: str = ""


def constant(bits: str, signed: bool = False) -> str:
    """Return a constant of these bits, highest first."""
    width = len(bits)
    sign = "s" if signed else ""
    if set(bits) - {"0", "1"}:
        return f"{width}'{sign}b{bits.replace('-', '?')}"
    value = int(bits, 2)
    return f"{width}'{sign}b{value}" if width == 1 else f"{width}'{sign}h{value:x}"


class Expressions:
    """The values of one module as text.

    Parameters
    ----------
    usage : Usage
    name_of : callable
        Gives a wire's name in the Verilog; a result that is asked for by name must be assigned to a wire.
    """

    def __init__(self, usage: Usage, name_of: Callable[[str], str]):
        self.usage = usage
        self.name_of = name_of
        self._inline: dict[str, Expression | None] = {}

    def of(self, value: Value) -> Expression:
        """Return a value where its width is its own: the right side of an assignment, a part of a concatenation."""
        if not width_of(value):  # a signal without bits is 0
            return Expression("1'b0")
        if len(value) == 1:
            (chunk,) = value
            return Expression(constant(chunk.bits)) if isinstance(chunk, Const) else self._slice(chunk)
        # Bits of one wire in a row are one replication, as sign extensions have them.
        parts: list[tuple[str, int]] = []
        for chunk in value:
            text = self.of((chunk,)).text
            if parts and parts[-1][0] == text and chunk.width == 1:
                parts[-1] = (text, parts[-1][1] + 1)
            else:
                parts.append((text, 1))
        texts = [text if n == 1 else f"{{{n}{{{text}}}}}" for text, n in parts]
        return Expression(texts[0] if len(texts) == 1 else f"{{{', '.join(texts)}}}")

    def named(self, value: Value) -> str:
        """Return a value without an operator: a name, a concatenation."""
        if len(value) == 1 and isinstance(value[0], Slice):
            return self.slice_text(value[0])
        return self.of(value).text

    def slice_text(self, chunk: Slice) -> str:
        """Return bits of a wire, by its name."""
        name, width = self.name_of(chunk.wire), self.usage.width[chunk.wire]
        if chunk.low == 0 and chunk.width >= width:
            return name
        if chunk.width == 1:
            return f"{name}[{chunk.low}]"
        return f"{name}[{chunk.low + chunk.width - 1}:{chunk.low}]"

    def operand(self, value: Value, width: int, signed: bool = False, within: str = "") -> str:
        """Return a value as an operand that is `width` bits wide."""
        have = width_of(value)
        if have > width:
            value, have = cut(value, 0, width), width
        if all(isinstance(chunk, Const) for chunk in value):
            bits = "".join(chunk.bits for chunk in value if isinstance(chunk, Const))
            fill = bits[0] if signed and bits else "0"
            return constant(bits.rjust(width, fill))
        if have < width:
            text = f"$signed({self.named(value)})" if signed else self.named(value)
            return f"{width}'({text})"
        return self._inside(self.of(value), within)

    def _unary(self, value: Value, width: int, signed: bool) -> str:
        """Return the operand of a sign before it. Yosys takes the sign for a part of the width of a cast behind it."""
        text = self.operand(value, width, signed)
        return f"({text})" if width_of(value) < width else text

    def _inside(self, e: Expression, within: str) -> str:
        """Return an expression as an operand of the operator `within`."""
        if not e.operator or (e.operator == within and within in "&|^+") or (e.operator == "~" and within in _TIGHT):
            return e.text
        if e.operator == "cast" and within:
            return e.text
        return f"({e.text})"

    def _slice(self, chunk: Slice) -> Expression:
        if chunk.low == 0 and chunk.width == self.usage.width[chunk.wire]:
            inline = self.inline(chunk.wire)
            if inline:
                return inline
        return Expression(self.slice_text(chunk))

    def inline(self, wire: str) -> Expression | None:
        """Return what a wire is, if that is read once and short enough to be written there."""
        if wire not in self._inline:
            driver = self.usage.driver.get(wire)
            found = None
            once = self.usage.is_anonymous(wire) and self.usage.reads[wire] == 1
            if once and isinstance(driver, Cell) and not driver.is_register:
                found = self.operator(driver)
                found = found if len(found.text) <= INLINE_MAX else None
            self._inline[wire] = found
        return self._inline[wire]

    def operator(self, cell: Cell) -> Expression:
        """Return the result of an operator, as wide as its wire is declared."""
        kind, ports = cell.kind, cell.ports
        (y,) = ports["Y"]
        assert isinstance(y, Slice)
        width, signed = self.usage.width[y.wire], bool(cell.parameters.get("A_SIGNED"))
        if sign := _BINARY.get(kind):
            a, b = (self.operand(ports[p], width, signed, sign if p == "A" or sign != "-" else "") for p in "AB")
            return Expression(f"{a} {sign} {b}", sign)
        if kind == "$not":
            return Expression(f"~{self._unary(ports['A'], width, False)}", "~")
        if kind == "$neg":
            return Expression(f"-{self._unary(ports['A'], width, signed)}", "-")
        if kind == "$mux":
            a, b = (self.operand(ports[p], width) for p in "AB")
            return self.choice(ports["S"], b, a)
        if kind == "$reduce_and" and not width_of(ports["A"]):
            return Expression("1'b1")
        if sign := _REDUCE.get(kind):
            return Expression(f"{sign}{self._inside(self.of(ports['A']), '')}", "reduce")
        if sign := _COMPARE.get(kind):
            return self._comparison(sign, ports["A"], ports["B"], signed)
        if sign := _SHIFT.get(kind):
            return self._shift(sign, ports, width, signed)
        if (sign := _DIVIDE.get(kind)) and not signed:
            wide = max(width, width_of(ports["A"]), width_of(ports["B"]))
            text = f"{self.operand(ports['A'], wide)} {sign} {self.operand(ports['B'], wide)}"
            return Expression(text, sign) if wide == width else Expression(f"{width}'({text})", "cast")
        raise NotImplementedError(f"{self.usage.module.name} has a cell {kind}, which is not written as Verilog")

    def choice(self, condition: Value, on: str, off: str) -> Expression:
        """Return one of two operands."""
        e = self.of(condition)
        if e.operator == "~":
            return Expression(f"{e.text[1:]} ? {off} : {on}", "?")
        return Expression(f"{self._inside(e, '')} ? {on} : {off}", "?")

    def _comparison(self, sign: str, a: Value, b: Value, signed: bool) -> Expression:
        width = max(width_of(a), width_of(b), 1)
        if sign in ("==", "!="):
            texts = [self.operand(v, width, signed, sign) for v in (a, b)]
            if width == 1 and (other := {"1'b0": 0, "1'b1": 1}.get(texts[1])) is not None:
                e = self.of(a)
                return e if other == (sign == "==") else Expression(f"~{self._inside(e, '')}", "~")
            return Expression(f"{texts[0]} {sign} {texts[1]}", sign)
        if not signed:
            texts = [self.operand(v, width, within=sign) for v in (a, b)]
            lowest, highest = constant("0" * width), constant("1" * width)
            # Verilator warns of what is always so.
            for value, (a_text, b_text) in (("1'b1", (">=", "<=")), ("1'b0", ("<", ">"))):
                if (sign, texts[1]) in ((a_text, lowest), (b_text, highest)):
                    return Expression(value)
                if (sign, texts[0]) in ((a_text, highest), (b_text, lowest)):
                    return Expression(value)
            return Expression(f"{texts[0]} {sign} {texts[1]}", sign)
        return Expression(f"{self._signed(a, width)} {sign} {self._signed(b, width)}", sign)

    def _signed(self, value: Value, width: int) -> str:
        """Return a signed operand of a comparison."""
        if all(isinstance(chunk, Const) for chunk in value):
            bits = "".join(chunk.bits for chunk in value if isinstance(chunk, Const)) or "0"
            return constant(bits.rjust(width, bits[0]), signed=True)
        text = f"$signed({self.of(value).text})"
        return text if width_of(value) == width else f"{width}'({text})"

    def _shift(self, sign: str, ports: dict[str, Value], width: int, signed: bool) -> Expression:
        by = self._inside(self.of(ports["B"]), "")
        if sign == "<<":
            return Expression(f"{self.operand(ports['A'], width, signed)} << {by}", sign)
        wide = max(width, width_of(ports["A"]))
        if sign == ">>>":
            # Its sign is its own only in here.
            text = f"$unsigned({self._signed(ports['A'], wide)} >>> {by})"
            return Expression(text) if wide == width else Expression(f"{width}'({text})", "cast")
        text = f"{self.operand(ports['A'], wide, signed)} >> {by}"
        return Expression(text, sign) if wide == width else Expression(f"{width}'({text})", "cast")


#: Within these, a complement needs no parentheses.
_TIGHT = ("&", "|", "^", "+", "==", "!=")
