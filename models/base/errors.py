"""The exception for unacceptable input."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from numbers import Real
from typing import Any

#: Longest run without a space, and longest sentence, that is shown whole.
_WORD_MAX, _SENTENCE_MAX = 200, 8000


def printable(text: str) -> str:
    """Return `text` fit for a terminal, which obeys nothing that came from a file; lines stay."""
    return "".join(c if c.isprintable() or c == "\n" else " " if c.isspace() else f"\\x{ord(c):02x}" for c in text)


def _bounded(text: str) -> str:
    """Return `text` fit for a terminal, and not endless."""
    text = re.sub(rf"(\S{{{_WORD_MAX // 2}}})\S{{{_WORD_MAX},}}", r"\1…", printable(text))
    return text if len(text) <= _SENTENCE_MAX else f"{text[:_SENTENCE_MAX]}…"


class InputError(ValueError):
    """Input that cannot be used, explained in one sentence.

    The sentence names the file (if there is one), the field or parameter, and the rule. The command line prints it
    without a traceback and exits with code 2.

    Parameters
    ----------
    message : str
        The sentence, or its predicate if `parameter` is given: ``"must be in [0, 1], not 2"``.
    parameter : str, optional
        Name of the Python parameter that is wrong. The sentence begins with it; the command line replaces it
        by its option: ``ber must be ...`` becomes ``--ber must be ...``. Parameters named elsewhere in the sentence
        are in backticks, which the command line replaces too.

    Members
    -------
    message : str
        As given.
    parameter : str or None
        As given.
    """

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.message = _bounded(message)
        self.parameter = parameter

    def __str__(self) -> str:
        return self.message if self.parameter is None else f"{self.parameter} {self.message}"


def install(extra: str) -> str:
    """Return how to install the packages of an extra of pyproject.toml."""
    return f'pip install -e ".[{extra}]", in a checkout of oxnor'


def check_rate(name: str, value: Any) -> float:
    """Return `value` if it is a probability, or raise InputError."""
    number = isinstance(value, Real)
    if not number or not 0 <= value <= 1:
        raise InputError(f"must be a share in [0, 1], not {f'{value:g}' if number else repr(value)}", parameter=name)
    return float(value)


def near_names(name: str, known: Collection[str]) -> str:
    """Return `` (did you mean ...?)`` with those `known` names that resemble `name`, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)
    return f" (did you mean {' or '.join(near)}?)" if near else ""
