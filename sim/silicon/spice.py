"""ngspice: found, and run on a netlist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from oxnor.models.base.errors import InputError
from oxnor.sim.runner.synthesis import ToolError
from oxnor.sim.runner.toolchain import GET_NGSPICE

#: Oldest release that is known to work.
NGSPICE_MIN = 36
#: Seconds that one process may take.
LIMIT_S = 600
_COMPLAINT = re.compile(r"\b(error|fatal|could not|unable|no such|too small)\b", re.IGNORECASE)
_NUMBER = r"[-+]?\d[\d.]*(?:[eE][-+]?\d+)?"


@cache
def _version(path: str) -> str:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"ngspice-(\d+(?:\.\d+)*)", done.stdout + done.stderr)
    return match[1] if match else ""


def find_ngspice() -> tuple[str, str]:
    """Return the path and the version of ngspice.

    Raises
    ------
    InputError
        If there is none, or it is too old, with the line that installs it.
    """
    path = shutil.which("ngspice")
    version = _version(path) if path else ""
    if not path or not version:
        raise InputError(f"ngspice is not installed: {GET_NGSPICE}")
    if int(version.split(".")[0]) < NGSPICE_MIN:
        raise InputError(f"{path}: ngspice must be {NGSPICE_MIN} or newer, not {version}: {GET_NGSPICE}")
    return path, version


def run(netlist: str, files: Mapping[str, Path] | None = None) -> str:
    """Run a netlist with its control section and return what ngspice prints.

    Parameters
    ----------
    netlist : str
    files : mapping of str to Path, optional
        What the netlist writes in its folder, and where that goes.

    Raises
    ------
    ToolError
        If ngspice reports an error, or does not end.
    """
    path, version = find_ngspice()
    # With OpenMP's active waiting the threads of ngspice spin: sixty times slower on busy cores.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="oxnor-spice-") as folder:
        Path(folder, "circuit.sp").write_text(netlist)
        command = [path, "-D", "num_threads=1", "-b", "circuit.sp"]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False,
                errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ToolError(f"ngspice {version} did not end within {LIMIT_S} s") from None
        text = done.stdout + done.stderr
        for name, target in (files or {}).items():
            written = Path(folder, name)
            if not written.is_file():
                raise ToolError(f"ngspice {version} failed: {_reason(text)}")
            shutil.copy(written, target)
    return text


def _reason(text: str) -> str:
    """Return the first line in which ngspice complains, or its last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    bad = [line for line in lines if _COMPLAINT.search(line)]
    return (bad or lines or ["it printed nothing"])[0][:200]


def measured(text: str, *needed: str) -> dict[str, float]:
    """Return the numbers of ``meas`` and ``print`` in what ngspice has printed.

    Raises
    ------
    ToolError
        If one of those that are `needed` is not there.
    """
    numbers = {name: float(value) for name, value in re.findall(rf"^(\w+)\s*=\s*({_NUMBER})", text, re.MULTILINE)}
    for name in needed:
        if name not in numbers:
            raise ToolError(f"ngspice failed: {_reason(text)}")
    return numbers
