"""What the user sees: progress on stderr, results on stdout."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import typer

from oxnor.models.base.errors import InputError, printable

#: Parameters of the library whose option has another name.
OPTION_NAMES = {
    "coding": "input",
    "directory": "data-dir",
    "source": "data",
    "folding": "fold",
    "freq_mhz": "freq",
    "law": "no-law",
    "macro_kind": "macro",
    "macro_size": "macro",
    "model": "device",
    "precharge_ns": "precharge",
    "precision": "adaptive",
    "rates": "ber",
    "read_errors": "read-ber",
    "rounding": "round",
    "shape": "cluster",
    "trials_max": "max-trials",
    "with_scores": "no-scores",
}


class Tell(Protocol):
    """Told of (what is done, steps done, steps in all or 0 if not known, what came last)."""

    def __call__(self, what: str, done: int, total: int, latest: str = "") -> None: ...  # noqa: D102



def option(parameter: str) -> str:
    """Return the option of a parameter of the library: ``stream_width`` is ``--stream-width``."""
    return f"--{OPTION_NAMES.get(parameter, parameter).replace('_', '-')}"


def in_options(text: str) -> str:
    """Return a text of the library with its parameters, which are in backticks, as options."""
    return re.sub(r"`([a-z][a-z0-9_]*)`", lambda match: option(match[1]), text)


def sentence(e: InputError, options: Collection[str] | None = None) -> str:
    """Return an error's sentence with its parameter as an option, if that is among the `options` of the command."""
    if e.parameter and (options is None or option(e.parameter) in options):
        return in_options(f"{option(e.parameter)} {e.message}")
    return in_options(str(e))


def print_json(value: Any) -> None:
    """Print one JSON value on stdout."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def note(text: str) -> None:
    """Print a remark on stderr."""
    typer.echo(printable(text), err=True)


def say(text: str) -> None:
    """Print a result in words on stdout."""
    typer.echo(printable(text))


def percent(share: float, low: float | None = None, high: float | None = None, digits: int = 1) -> str:
    """Return a share in percent, with its interval if it has one."""
    interval = "" if low is None or high is None else f" ({100 * low:.{digits}f} to {100 * high:.{digits}f})"
    return f"{100 * share:.{digits}f}{interval}"


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1, title: str | None = None) -> None:
    """Print a table on stdout; the first `left` columns are set to the left, the others to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = None if title is None else _plain(title)
    table = Table(box=box.SIMPLE_HEAD, title=shown, title_justify="left", show_header=any(head))
    for k, name in enumerate(head):
        table.add_column(name, justify="left" if k < left else "right", overflow="fold")
    for row in rows:
        # Texts, not markup: a name in brackets is a name.
        table.add_row(*(_plain(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 160))
    console.print(table)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(printable(text))


@contextmanager
def progress() -> Iterator[Tell]:
    """Yield a function that shows progress bars on stderr, one for each thing that is done; on terminals alone."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda *_: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    text, latest = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[latest]}", markup=False)
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(compact=True))
    columns = (SpinnerColumn(), text, BarColumn(), MofNCompleteColumn(), *times, latest)
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int, latest: str = "") -> None:
            if what not in tasks:
                for task in tasks.values():  # one thing after the other: what went before is over
                    bars.stop_task(task)
                tasks[what] = bars.add_task(printable(what), total=None, latest="")
            bars.update(tasks[what], completed=done, total=total or None, latest=printable(latest))

        yield tell
