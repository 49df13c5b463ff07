"""Boolean functions as Liberty files write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oxnor.models.base.errors import InputError

_TOKEN = re.compile(r"\s*([A-Za-z_]\w*(?:\[\d+\])?|[01]|[!&|^*+()'])")
#: Words of an operation in Verilog.
_VERILOG = {"and": "&", "or": "|", "xor": "^"}


@dataclass(frozen=True)
class Expression:
    """A boolean function of pins.

    Parameters
    ----------
    kind : str
        "pin", "const", "not", "and", "or" or "xor".
    name : str
        Of a pin; "0" or "1" of a constant.
    parts : tuple of Expression
        What it is a function of.
    """

    kind: str
    name: str = ""
    parts: tuple[Expression, ...] = ()

    @property
    def pins(self) -> tuple[str, ...]:
        """The pins that it depends on, each once, in the order of the text."""
        if self.kind == "pin":
            return (self.name,)
        return tuple(dict.fromkeys(name for part in self.parts for name in part.pins))

    def value(self, pins: Mapping[str, bool]) -> bool:
        """Return the value of the function, where `pins` has a value for each pin."""
        if self.kind == "pin":
            return pins[self.name]
        if self.kind == "const":
            return self.name == "1"
        values = [part.value(pins) for part in self.parts]
        if self.kind == "not":
            return not values[0]
        if self.kind == "xor":
            return values[0] != values[1]
        return all(values) if self.kind == "and" else any(values)

    def verilog(self) -> str:
        """Return the function in Verilog."""
        if self.kind == "pin":
            return self.name
        if self.kind == "const":
            return f"1'b{self.name}"
        if self.kind == "not":
            return f"~{self.parts[0].verilog()}"
        return f"({f' {_VERILOG[self.kind]} '.join(part.verilog() for part in self.parts)})"


#: Reads what is at the head of some tokens; the text is for the error.
_Part = Callable[[list[str], str], tuple[Expression, list[str]]]


def parse(text: str) -> Expression:
    """Return the function that a Liberty file writes as `text`.

    ``!`` and ``'`` negate, then ``^``, then ``&``, ``*`` or a space, then ``|`` or ``+``, each weaker than the last.

    Raises
    ------
    InputError
        If it is none.
    """
    tokens, at = [], 0
    stripped = text.rstrip()
    while at < len(stripped):
        match = _TOKEN.match(stripped, at)
        if match is None:
            raise InputError(f"must be a boolean function, not {text!r}")
        tokens.append(match[1])
        at = match.end()
    tree, rest = _or(tokens, text)
    if rest:
        raise InputError(f"must be a boolean function, not {text!r}")
    return tree


def _or(tokens: list[str], text: str) -> tuple[Expression, list[str]]:
    return _chain(tokens, text, "or", "|+", _and)


def _and(tokens: list[str], text: str) -> tuple[Expression, list[str]]:
    left, rest = _xor(tokens, text)
    while rest and rest[0] not in ("|", "+", ")"):
        right, rest = _xor(rest[1:] if rest[0] in "&*" else rest, text)
        left = Expression("and", parts=(left, right))
    return left, rest


def _xor(tokens: list[str], text: str) -> tuple[Expression, list[str]]:
    return _chain(tokens, text, "xor", "^", _atom)


def _chain(tokens: list[str], text: str, kind: str, signs: str, part: _Part) -> tuple[Expression, list[str]]:
    left, rest = part(tokens, text)
    while rest and rest[0] in signs:
        right, rest = part(rest[1:], text)
        left = Expression(kind, parts=(left, right))
    return left, rest


def _atom(tokens: list[str], text: str) -> tuple[Expression, list[str]]:
    if not tokens or tokens[0] in ")&*|+^'":
        raise InputError(f"must be a boolean function, not {text!r}")
    first, rest = tokens[0], tokens[1:]
    if first == "!":
        inner, rest = _atom(rest, text)
        tree = Expression("not", parts=(inner,))
    elif first == "(":
        tree, rest = _or(rest, text)
        if rest[:1] != [")"]:
            raise InputError(f"must be a boolean function, not {text!r}")
        rest = rest[1:]
    else:
        tree = Expression("const" if first in "01" else "pin", first)
    while rest[:1] == ["'"]:
        tree, rest = Expression("not", parts=(tree,)), rest[1:]
    return tree, rest
