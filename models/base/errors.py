"""The exception for unacceptable input."""

from __future__ import annotations

import difflib
from collections.abc import Collection


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
        self.message = message
        self.parameter = parameter

    def __str__(self) -> str:
        return self.message if self.parameter is None else f"{self.parameter} {self.message}"


def install(extra: str) -> str:
    """Return how to install the packages of an extra of pyproject.toml."""
    return f'pip install -e ".[{extra}]", in a checkout of oxnor'


def near_names(name: str, known: Collection[str]) -> str:
    """Return `` (did you mean ...?)`` with those `known` names that resemble `name`, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)
    return f" (did you mean {' or '.join(near)}?)" if near else ""
