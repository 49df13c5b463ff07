"""The small part of SVG's paths that the diagrams use, for matplotlib."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"[A-Za-z]|-?\d+(?:\.\d+)?(?:e-?\d+)?")
#: Numbers that a command takes.
_TAKES = {"M": 2, "L": 2, "H": 1, "V": 1, "Z": 0}

Point = tuple[float, float]


def subpaths(d: str) -> list[tuple[list[Point], bool]]:
    """Return the points of each part of an SVG path, and whether it is closed.

    Parameters
    ----------
    d : str
        Of the commands M, L, H, V and Z, absolute or relative.

    Raises
    ------
    ValueError
        If there is another command.
    """
    tokens = _TOKEN.findall(d)
    parts: list[tuple[list[Point], bool]] = []
    x = y = 0.0
    command, k = "", 0
    while k < len(tokens):
        if tokens[k].isalpha():
            command, k = tokens[k], k + 1
        elif command in "mM":  # further points of a move are lines
            command = "l" if command == "m" else "L"
        upper = command.upper()
        if upper not in _TAKES:
            raise ValueError(f"A path must consist of M, L, H, V and Z, not {command}")
        numbers = [float(t) for t in tokens[k : k + _TAKES[upper]]]
        k += _TAKES[upper]
        if upper == "Z":
            parts[-1] = (parts[-1][0], True)
            x, y = parts[-1][0][0]
            continue
        dx, dy = (x, y) if command.islower() else (0.0, 0.0)
        x = numbers[0] + dx if upper in "MLH" else x
        y = numbers[-1] + dy if upper in "MLV" else y
        if upper == "M":
            parts.append(([(x, y)], False))
        else:
            parts[-1][0].append((x, y))
    return parts
