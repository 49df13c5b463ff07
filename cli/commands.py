"""How commands end: errors in one sentence on standard error, and exit codes."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import walk_tb
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from oxnor.models.base.errors import InputError, near_names
from oxnor.models.base.replace import UNWRITABLE

from .console import note, sentence
from .options.common import outputs

# Typer has a copy of Click of its own, or not, depending on its version.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]
#: Errors that are said in their own words, with exit code 1.
_FAILURES = {
    "oxnor.sim.runner.runner": "SimulationError",
    "oxnor.sim.runner.synthesis": "ToolError",
    "oxnor.fpga.transport": "LinkError",
}
_KINDS = {"integer": "a whole number", "float": "a number", "number": "a number"}


def _name(e: Any) -> str:
    """Return what the user calls the parameter that a usage error is about."""
    parameter = getattr(e, "param", None)
    if parameter is None:
        return e.param_hint or "an option"
    if parameter.param_type_name == "option":
        return max(parameter.opts, key=len)
    return parameter.metavar or parameter.human_readable_name


def _wrong_value(e: Any, text: str) -> str:
    """Return what an option's value must be; the value is in the text, or in the error of Typer's checker."""
    kind = next((words for name, words in _KINDS.items() if name in text), None)
    errors = getattr(e.__cause__, "errors", None)
    value = repr(errors()[0].get("input")) if errors else text.partition(" is not ")[0]
    return f"{_name(e)} must be {kind}, not {value}" if kind else f"{_name(e)}: {text}"


def usage_sentence(e: Any) -> str:
    """Return a usage error of Typer as a sentence of ours."""
    kind, text = type(e).__name__, e.message.rstrip(".")
    if kind == "BadParameter":
        return _wrong_value(e, text)
    if kind == "BadOptionUsage" and "requires an argument" in text:
        return f"{e.option_name} must have a value"
    if kind == "MissingParameter":
        text = f"{_name(e)} must be given"
    elif kind == "NoSuchOption":
        hints = f" (did you mean {' or '.join(sorted(e.possibilities))}?)" if e.possibilities else ""
        text = f"there is no option {e.option_name}{hints}"
    elif unknown := re.match(r"No such command '(.*?)'", text):
        text = f"there is no command {unknown[1]}{near_names(unknown[1], list(getattr(e.ctx.command, 'commands', ())))}"
    elif extra := re.match(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", text):
        text = f"{extra[1]} must not be given"
    path = e.ctx.command_path.split()[1:] if e.ctx else []
    return f"{text}: see {' '.join(['oxnor', *path])} --help"


def _drop_output(e: OSError | None = None) -> bool:
    """Forget what standard output does not take, which Python would try again at its end; return whether it is that."""
    modules = {f.f_globals.get("__name__") for f, _ in walk_tb(e.__traceback__ if e else None)}
    fails = bool(modules & {note.__module__, "rich.console"})
    try:
        sys.stdout.flush()
    except OSError:
        fails = True
    if not fails:
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


@contextmanager
def in_sentences() -> Iterator[None]:
    """Turn bad input into a sentence and exit code 2, failures into exit code 1, an interrupt into 130."""
    try:
        yield
    except InputError as e:
        text, code = str(e), 2
    except UsageError as e:
        if type(e).__name__ == "NoArgsIsHelpError":
            raise
        text, code = usage_sentence(e), 2
    except OSError as e:
        if e.errno not in UNWRITABLE:
            raise
        where = "standard output" if _drop_output(e) else "a file that is being written"
        where = os.fsdecode(e.filename) if isinstance(e.filename, str | bytes) else where
        what = "the disk is full" if e.errno == errno.ENOSPC else e.strerror
        text, code = f"{where}: {what}", 2
    except RuntimeError as e:
        # Typer's own exits are RuntimeErrors too; a module is loaded if it is it that has failed.
        kinds = [getattr(sys.modules[m], name) for m, name in _FAILURES.items() if m in sys.modules]
        if not isinstance(e, tuple(kinds)):
            raise
        # A tool failed, the engine hangs, a board is silent: the text names the log and shows its end.
        text, code = str(e), 1
    except KeyboardInterrupt:
        text, code = "interrupted", 130
    else:
        return
    with suppress(OSError):
        note(f"oxnor: {text}")
    _drop_output()
    raise typer.Exit(code)


class _Flags:
    """Mixin for a command: its help shows no type beside a flag, which takes no value."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters."""
        params = super().get_params(ctx)  # type: ignore[misc]
        for parameter in params:
            if getattr(parameter, "is_flag", False) and parameter.metavar is None:
                parameter.metavar = ""
        return params


class Group(_Flags, TyperGroup):
    """A group of commands."""


class Command(_Flags, TyperCommand):
    """A command whose errors name its options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line."""
        try:
            return super().parse_args(ctx, args)
        except InputError as e:
            raise InputError(sentence(e)) from None

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            self._check_inputs(ctx)
            return super().invoke(ctx)
        except InputError as e:
            options = {name for parameter in self.params for name in parameter.opts}
            # What a design file says is about its keys.
            design = ctx.params.get("design")
            text = str(e) if design and str(e).startswith(f"{design}: ") else sentence(e, options)
            raise InputError(text) from None

    def _check_inputs(self, ctx: Any) -> None:
        """Refuse an output that is a file which the command reads."""
        written = outputs(ctx)
        for name, path in written.items():
            for value in (v for other, v in ctx.params.items() if other not in written):
                for given in value if isinstance(value, list | tuple) else (value,):
                    if isinstance(given, str | Path) and _is_same_file(path, given):
                        raise InputError(f"must not be {given}, which is read", parameter=name)


def _is_same_file(path: Path, given: str | Path) -> bool:
    try:
        return path.is_file() and path.samefile(given)
    except (OSError, ValueError):
        return False


class Commands(Group):
    """The commands, and how they end."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the command line up to the name of the command."""
        with in_sentences():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        with in_sentences():
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
