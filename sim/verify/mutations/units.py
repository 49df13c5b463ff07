"""The units whose mutants are tried, and the testbench of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from oxnor.models.base.errors import InputError, near_names
from oxnor.sim.harness.blocks import argmax, macro, popcount, threshold


class Testbench(Protocol):
    """What is needed of a testbench: as :class:`~oxnor.sim.harness.unit.UnitTestbench` has it."""

    @property
    def module(self) -> str: ...  # noqa: D102
    @property
    def tests(self) -> int: ...  # noqa: D102
    @property
    def parameters(self) -> Mapping[str, object]: ...  # noqa: D102
    def lay_out(self, directory: Path) -> tuple[Sequence[Path], str]: ...  # noqa: D102


@dataclass(frozen=True)
class MutatedUnit:
    """A unit whose mutants are tried.

    Parameters
    ----------
    what : str
        What it is, in a few words.
    testbench : callable
        Returns its testbench.
    observed : mapping of str to str
        Outputs that say something only while an expression of the unit's ports is not 0; streams know theirs.
    assumed : str
        What the inputs keep to, as an expression of the unit's ports; "" if nothing.
    simulator : str
        "icarus" or "verilator".
    """

    what: str
    testbench: Callable[[], Testbench]
    observed: Mapping[str, str] = field(default_factory=dict)
    assumed: str = ""
    simulator: str = "icarus"


#: The units by name.
UNITS: dict[str, MutatedUnit] = {
    "popcount": MutatedUnit("adder tree of 16 bits", lambda: popcount(16, {})),
    "neuron": MutatedUnit("neuron of 9 inputs in 3 slices", lambda: threshold(9, 3)),
    "argmax": MutatedUnit("argmax of 10 scores, 3 a cycle, with margin", lambda: argmax(10, 3, 8)),
    "rram-macro": MutatedUnit(
        "macro of 7 rows and 5 columns", lambda: macro(7, 5),
        assumed="row < 7 & prog_row < 7 & prog_col < 5 & prog_op < 3",
    ),
}  # fmt: skip


def known(name: str) -> MutatedUnit:
    """Return a unit by name, or raise InputError with near names."""
    if name not in UNITS:
        rule = f"must be one of {', '.join(UNITS)}, not {name!r}{near_names(name, UNITS)}"
        raise InputError(rule, parameter="units")
    return UNITS[name]
