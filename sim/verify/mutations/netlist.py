"""One netlist for all mutants of a unit, by Yosys: an input chooses which of them the unit is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oxnor.models.base.errors import InputError, install
from oxnor.sim.runner.synthesis import Tool, find_yosys, run_tool

from .outcomes import drawn

#: Input that chooses the mutant; 0 is the unit as it is.
CHOICE = "oxnor_mutant"
#: More than any unit has: Yosys then lists all.
_ALL = 10_000_000
#: Cells that compute nothing: what they check is not part of the unit.
_CHECKS = ("$check", "$assert", "$assume", "$cover", "$print")
#: What leaves no bits that nothing depends on: their mutants would do nothing.
_TIDY = ("opt -nodffe -nosdff", "wreduce", "opt -nodffe -nosdff -mux_undef")
#: What may be anything is something, as it is in hardware: a write to an unknown address would do nothing.
_DEFINED = "setundef -zero"
#: Mutants that are left out: a register with another clock is no mistake of one who writes synchronous
#: logic, and a memory that is read in the same cycle has no such ports.
_CLOCK = re.compile(r"-port (CLK|WR_CLK|RD_CLK|RD_EN|RD_ARST|RD_SRST) ")


@dataclass(frozen=True)
class Netlist:
    """A unit with mutants in it.

    Parameters
    ----------
    verilog, rtlil : Path
        The flattened unit, its mutants chosen by :data:`CHOICE`.
    top : str
    mutants : tuple of str
        The mutants in it, as Yosys names them: number k is chosen by k + 1.
    total : int
        How many the unit has; those in the netlist are drawn from them.
    tool : str
        Yosys and its version.
    """

    verilog: Path
    rtlil: Path
    top: str
    mutants: tuple[str, ...]
    total: int
    tool: str

    @property
    def width(self) -> int:
        """Bits of the input that chooses."""
        return len(self.mutants).bit_length()


def yosys() -> Tool:
    """Return Yosys, or raise InputError saying how to get it."""
    found = find_yosys()
    if found is None:
        raise InputError(f"mutants are made by Yosys: {install('fpga')}")
    return found


def run_script(tool: Tool, directory: Path, name: str, lines: Sequence[str]) -> None:
    """Run Yosys on a script in `directory`."""
    (directory / f"{name}.ys").write_text("\n".join(lines) + "\n")
    run_tool(tool, [f"{name}.ys"], directory, f"{name}.log", timeout_s=1800)


def mutate(
    sources: Sequence[Path], top: str, directory: Path, *, parameters: Mapping[str, object], sample: int, seed: int,
    only: str = "",
) -> Netlist:  # fmt: skip
    """Make the mutants of a unit: all of them, or `sample` drawn by `seed` if there are more.

    Each inverts one bit of one port of a cell, holds it at 0 or 1, or lets another bit of the port, or its inverse,
    through. Clocks stay as they are.

    Parameters
    ----------
    sources : sequence of Path
        Verilog of the unit and of what is below it.
    top : str
        The unit's module.
    directory : Path
        Where files go; memory files are read relative to it.
    parameters : mapping
        Verilog parameters of the top.
    sample, seed : int
    only : str
        Regular expression on mutants as Yosys lists them: others are left out.
    """
    tool = yosys()
    # From where Yosys runs: the names of cells have them in it, and must not depend on the folder.
    files = " ".join(os.path.relpath(p, directory) for p in sources)
    changed = [f"chparam -set {name} {value} {top}" for name, value in parameters.items()]
    run_script(
        tool, directory, "list",
        [
            f"read_verilog -sv {files}", *changed, f"hierarchy -check -top {top}", f"rename -top {top}", "proc",
            "flatten", *_TIDY, "memory_collect", _DEFINED, f"delete {' '.join(f't:{c}' for c in _CHECKS)}", "opt_clean",
            "write_rtlil plain.il", f"mutate -list {_ALL} -seed 1 -o mutants.txt",
        ],
    )  # fmt: skip
    lines = (directory / "mutants.txt").read_text().splitlines()
    every = sorted(line for line in lines if not _CLOCK.search(line) and re.search(only, line))
    chosen = drawn(every, sample, seed)
    width = len(chosen).bit_length()
    applied = [f"{line} -ctrl {CHOICE} {width} {k}" for k, line in enumerate(chosen, 1)]
    run_script(
        tool, directory, "mutants",
        ["read_rtlil plain.il", *applied, "write_rtlil mutated.il", "write_verilog -noattr mutated.v"],
    )  # fmt: skip
    mutants = tuple(_short(line) for line in chosen)
    return Netlist(directory / "mutated.v", directory / "mutated.il", top, mutants, len(every), tool.name)


def _short(line: str) -> str:
    """Return a mutant without what it says of places in files."""
    words = line.split()
    kept = []
    for k in range(1, len(words) - 1, 2):
        if words[k] not in ("-src", "-module"):
            kept.append(f"{words[k][1:]}={words[k + 1]}")
    return " ".join(kept)
