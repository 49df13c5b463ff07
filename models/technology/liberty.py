"""Liberty files as a tree of groups, plain or compressed."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import reading

_TOKEN = re.compile(
    r'/\*.*?\*/|//[^\n]*|\\\s*\n|"(?:[^"\\]|\\.|\\\n)*"|[^\s(){}:;,"\\]+|[(){}:;,]', re.DOTALL
)  # fmt: skip
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
#: Powers of ten by the letter before a unit.
PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}


@dataclass(eq=False)
class Group:
    """A group of a Liberty file: ``kind (arguments) { attributes and groups }``.

    Parameters
    ----------
    kind : str
    arguments : tuple of str
    attributes : dict of str to str
        Simple ones; the last of a name counts.
    lists : dict of str to tuple of str
        Those with arguments in brackets.
    groups : list of Group
    """

    kind: str
    arguments: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)

    def all(self, kind: str) -> list[Group]:
        """Return the groups of a kind directly inside."""
        return [group for group in self.groups if group.kind == kind]

    @property
    def name(self) -> str:
        """Its first argument."""
        return self.arguments[0] if self.arguments else ""

    def numbers(self, name: str) -> NDArray[np.float64] | None:
        """Return a list as numbers, None if it is not there."""
        texts = self.lists.get(name)
        return None if texts is None else np.array([float(x) for text in texts for x in _NUMBER.findall(text)])


def read(path: Path) -> Group:
    """Return the group ``library`` of a Liberty file, which may be compressed as ``.xz``.

    Raises
    ------
    InputError
        If it is not there, or no Liberty file.
    """
    text = text_of(path)
    try:
        groups = _groups(text)
    except (IndexError, ValueError):
        raise InputError(f"{path}: is not a Liberty file, or its end is missing") from None
    libraries = [group for group in groups if group.kind == "library"]
    if not libraries:
        raise InputError(f"{path}: is not a Liberty file: it must have a group library")
    return libraries[0]


def text_of(path: Path) -> str:
    """Return the text of a Liberty file, for a tool that reads none that is compressed; errors as for :func:`read`."""
    with reading(path):
        raw = path.read_bytes()
    try:
        return (lzma.decompress(raw) if path.suffix == ".xz" else raw).decode("utf-8", "replace")
    except (lzma.LZMAError, EOFError):
        raise InputError(f"{path}: is damaged: it cannot be decompressed") from None


def _tokens(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        token = match[0]
        if not token.startswith(("/*", "//", "\\")):
            yield token


def _plain(token: str) -> str:
    return token[1:-1].replace("\\\n", "") if token.startswith('"') else token


def _groups(text: str) -> list[Group]:
    tokens, at = list(_tokens(text)), 0
    root = Group("")
    stack = [root]
    while at < len(tokens):
        token = tokens[at]
        after = tokens[at + 1] if at + 1 < len(tokens) else ""
        if token == "}":
            stack.pop()
            if not stack:
                raise IndexError("a bracket too many")
            at += 1
        elif after == ":":
            at = _attribute(tokens, at, stack[-1])
        elif after == "(":
            at = _list_or_group(tokens, at, stack)
        else:
            at += 1
    if len(stack) > 1:
        raise IndexError("a bracket is open")
    return root.groups


def _attribute(tokens: list[str], at: int, group: Group) -> int:
    """Take ``name : value ;``; a semicolon may be missing at the end of a line that the next name ends."""
    end = at + 2
    while tokens[end] not in (";", "}") and not (end > at + 2 and tokens[end + 1] in (":", "(")):
        end += 1
    group.attributes[_plain(tokens[at])] = " ".join(_plain(token) for token in tokens[at + 2 : end])
    return end + (tokens[end] == ";")


def _list_or_group(tokens: list[str], at: int, stack: list[Group]) -> int:
    end = tokens.index(")", at)
    arguments = tuple(_plain(token) for token in tokens[at + 2 : end] if token != ",")
    name = _plain(tokens[at])
    if end + 1 < len(tokens) and tokens[end + 1] == "{":
        stack[-1].groups.append(Group(name, arguments))
        stack.append(stack[-1].groups[-1])
        return end + 2
    stack[-1].lists[name] = arguments
    return end + 1


class Table:
    """A table of up to two indices, interpolated between its points.

    Parameters
    ----------
    group : Group
        With ``values``, and the indices here or in its template.
    library : Group
        With the templates.
    """

    def __init__(self, group: Group, library: Group):
        values = group.numbers("values")
        if values is None or not len(values):
            raise InputError(f"table {group.kind} must have values")
        template = next((g for g in library.groups if g.kind.endswith("_template") and g.name == group.name), None)
        indices = []
        for name in ("index_1", "index_2"):
            index = group.numbers(name)
            if index is None and template is not None:
                index = template.numbers(name)
            indices.append(np.zeros(1) if index is None or len(values) == 1 else index)
        if len(values) == len(indices[0]):
            indices[1] = np.zeros(1)
        size = len(indices[0]) * len(indices[1])
        if len(values) != size:
            raise InputError(f"table {group.kind} must have {size} values, not {len(values)}")
        self.first, self.second = indices
        self.values = values.reshape(len(indices[0]), len(indices[1]))

    def at(self, first: float, second: float = 0.0, *, beyond: bool = False) -> float:
        """Return the value at (first, second); `beyond` its ends too, on a straight line, if that is asked for."""
        i, u = _place(self.first, first, beyond)
        j, w = _place(self.second, second, beyond)
        v = self.values
        rows = [(1 - w) * v[k, j] + w * v[k, min(j + 1, v.shape[1] - 1)] for k in (i, min(i + 1, v.shape[0] - 1))]
        return float((1 - u) * rows[0] + u * rows[1])


def _place(index: NDArray[np.float64], x: float, beyond: bool) -> tuple[int, float]:
    if len(index) == 1:
        return 0, 0.0
    if not beyond:
        x = min(max(x, index[0]), index[-1])
    k = min(max(int(np.searchsorted(index, x, "right")) - 1, 0), len(index) - 2)
    return k, float((x - index[k]) / (index[k + 1] - index[k]))


def unit_of(text: str) -> float:
    """Return the factor of a unit as ``1ns`` or ``1 pW`` has it.

    Raises
    ------
    InputError
        If it is none.
    """
    match = re.fullmatch(r"\s*([\d.]+)\s*([fpnumk]?)(?:s|W|A|V|ohm)\s*", text)
    if not match:
        raise InputError(f"must be a unit as 1ns, not {text!r}")
    return float(match[1]) * PREFIXES[match[2]]
