"""Options of every command, and how texts of options become numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import check_file, check_place

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else there.")]

ERRORS, ENGINE, DEVICES, BOARD, OUTPUT, WHERE = "Errors", "Engine", "Devices", "Board", "Output", "Where it runs"
DATA = "Data"

Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Compute on a Dask cluster, for example tcp://host:8786.",
        rich_help_panel=WHERE,
    ),
]


Number = TypeVar("Number", int, float)
#: Ends of the names of pictures and of pages.
PICTURES, PAGES = (".svg", ".png", ".pdf"), (".html", ".htm")
_OUTPUTS = "oxnor.outputs"


def writes(check: Callable[[Path], None], *endings: str) -> Callable[..., Path | None]:
    """Return the callback of an option that names an output: what cannot be written is refused before any work.

    Parameters
    ----------
    check : callable
        Of :mod:`oxnor.models.base.replace`.
    *endings : str
        With one of which the name must end. Default: any.
    """

    def checked(ctx: typer.Context, param: typer.CallbackParam, value: Path | None) -> Path | None:
        if value is not None and not ctx.resilient_parsing:
            name, path = param.name or "", Path(value)
            if endings and path.suffix not in endings:
                *others, last = endings
                rule = f"{', '.join(others)} or {last}" if others else last
                raise InputError(f"must end in {rule}, not {path.name!r}", parameter=name)
            check(path)
            ctx.meta.setdefault(_OUTPUTS, {})[name] = path
        return value

    return checked


def outputs(ctx: Any) -> dict[str, Path]:
    """Return the outputs that a command line names, by parameter."""
    return ctx.meta.get(_OUTPUTS, {})


def output(metavar: str, help: str, *endings: str, check: Callable[[Path], None] = check_file, **more: Any) -> Any:
    """Return the option ``--output``; `endings` and `check` as for :func:`writes`."""
    return typer.Option("--output", "-o", metavar=metavar, help=help, callback=writes(check, *endings), **more)


def seed(help: str, **more: Any) -> Any:
    """Return the option ``--seed``."""
    return typer.Option("--seed", metavar="N", help=help, **more)


def pictures(name: str = "--pictures") -> Any:
    """Return the option that asks for pictures as files."""
    help = "Also write the pictures as files there."
    return typer.Option(name, metavar="DIR", help=help, callback=writes(check_place))


def pair(parameter: str, text: str, separator: str, example: str, low: int = 1) -> tuple[int, int]:
    """Return two integers, at least `low`, of a text such as ``64x64``."""
    match = re.fullmatch(rf"(\d{{1,9}}){separator}(\d{{1,9}})", text.strip(), re.IGNORECASE)
    if not match or min(int(match[1]), int(match[2])) < low:
        raise InputError(f"must be two positive integers, for example {example}, not {text!r}", parameter=parameter)
    return int(match[1]), int(match[2])


def numbers(
    parameter: str, text: str, kind: Callable[[str], Number], rule: str, *, blanks: bool = False
) -> tuple[Number, ...]:
    """Return the numbers of a text that has commas between them.

    Parameters
    ----------
    parameter, text : str
    kind : callable
        ``int`` or ``float``.
    rule : str
        What the text must be, for the message.
    blanks : bool
        Whether nothing may stand between two commas.
    """
    try:
        return tuple(kind(part) for part in text.split(",") if part.strip() or not blanks)
    except ValueError:
        raise InputError(f"must be {rule}, not {text!r}", parameter=parameter) from None


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text that has commas between them."""
    return tuple(word.strip() for word in text.split(","))


def whole(parameter: str, value: float | None) -> int | None:
    """Return a number that must be whole, as 1e6 is, or None."""
    if value is not None and value != int(value if math.isfinite(value) else 0):
        raise InputError(f"must be a whole number, not {value:g}", parameter=parameter)
    return None if value is None else int(value)


def in_range(parameter: str, value: int | None, end: int = 1 << 63, words: str = "2**63") -> None:
    """Raise InputError unless a key of a draw is in [0, end)."""
    if value is not None and not 0 <= value < end:
        raise InputError(f"must be in [0, {words}), not {value}", parameter=parameter)
