"""Options of every command, and how texts of options become numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from oxnor.models.base.errors import InputError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else there.")]

ERRORS, ENGINE, DEVICES, BOARD, OUTPUT, WHERE = "Errors", "Engine", "Devices", "Board", "Output", "Where it runs"
DATA = "Data"


def output(metavar: str, help: str, **more: Any) -> Any:
    """Return the option ``--output``."""
    return typer.Option("--output", "-o", metavar=metavar, help=help, **more)


def seed(help: str, **more: Any) -> Any:
    """Return the option ``--seed``."""
    return typer.Option("--seed", metavar="N", help=help, **more)


def pictures(metavar: str = "DIR", *, name: str = "--pictures", kinds: str = "SVG and PNG") -> Any:
    """Return the option that asks for pictures as files."""
    return typer.Option(name, metavar=metavar, help=f"Also write the pictures there, as {kinds} files.")


def pair(parameter: str, text: str, separator: str, example: str, low: int = 1) -> tuple[int, int]:
    """Return two integers, at least `low`, of a text such as ``64x64``."""
    match = re.fullmatch(rf"(\d{{1,9}}){separator}(\d{{1,9}})", text.strip(), re.IGNORECASE)
    if not match or min(int(match[1]), int(match[2])) < low:
        raise InputError(f"must be two positive integers, for example {example}, not {text!r}", parameter=parameter)
    return int(match[1]), int(match[2])


def check_ending(path: Path | None, *endings: str) -> None:
    """Raise InputError unless an output's name has one of these endings: so that no command overwrites its input."""
    if path is not None and path.suffix not in endings:
        raise InputError(f"must end in {' or '.join(endings)}, not {path.name!r}", parameter="output")


def in_range(parameter: str, value: int | None, end: int = 1 << 63, words: str = "2**63") -> None:
    """Raise InputError unless a key of a draw is in [0, end)."""
    if value is not None and not 0 <= value < end:
        raise InputError(f"must be in [0, {words}), not {value}", parameter=parameter)
