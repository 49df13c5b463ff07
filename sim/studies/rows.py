"""Rows of the benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measurement.

    Parameters
    ----------
    what : str
        What was measured.
    measured : float or None
        In `unit`; None if it was left out, for the reason in `note`.
    unit : str
        "s", "images/s", "trials/s", "GiB".
    baseline : float or None
        The same of the baseline, in the same unit; None where there is none.
    ratio : float or None
        How many times better than the baseline.
    reach : str
        What is asked.
    reached : bool or None
        Whether it is reached; None if nothing is asked.
    note : str
        What the baseline is, or why nothing was measured.
    """

    what: str
    measured: float | None
    unit: str
    baseline: float | None
    ratio: float | None
    reach: str
    reached: bool | None
    note: str


def best(function: Callable[[], object], times: int) -> float:
    """Return the shortest of some runs, in seconds: the one that others disturbed least."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def left_out(what: str, why: Exception) -> Row:
    """Return the row of what could not be measured."""
    return Row(what, None, "", None, None, "", None, f"left out: {why}")
