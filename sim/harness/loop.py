"""An engine in a plain C++ program, without cocotb: the bound for every testbench, or hostile traffic."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.files import locked
from oxnor.sim.runner import cache, process, runner, toolchain
from oxnor.sim.runner.places import make_place, plain_sources
from oxnor.sim.runner.runtime import Runtime
from oxnor.sim.runner.verilator_options import CXX_FLAGS, control_text, verilator_arguments
from oxnor.sim.runner.workers import cores

_NAME = "loop"


@dataclass(frozen=True)
class Looped:
    """What the loop gave.

    Parameters
    ----------
    seconds : float
        From the first beat to the last result.
    words : ndarray of uint8, shape (n, bytes)
        Results, lowest byte first.
    times : ndarray of int64, shape (n,)
        Clock edges from the first input transfer to each result.
    """

    seconds: float
    words: NDArray[np.uint8]
    times: NDArray[np.int64]


@dataclass(frozen=True)
class Loop:
    """A built loop.

    Parameters
    ----------
    program : Path
    lease : cache.Lease
        Keeps it in the cache as long as this object lives.
    """

    program: Path
    lease: cache.Lease

    def run(self, directory: Path, frames: int, beat: int, result: int) -> Looped:
        """Stream the beats in `directory`, of `beat` bytes each, until `frames` results of `result` bytes have come."""
        command = [str(self.program), *map(str, (frames, beat, result))]
        seconds = float(subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout)
        raw = (directory / "loop.bin").read_bytes()
        times = np.frombuffer(raw, np.int64, frames)
        return Looped(seconds, np.frombuffer(raw, np.uint8, offset=times.nbytes).reshape(frames, result), times)


def build_loop(
    sources: Sequence[Path], top: str, defines: Sequence[str], root: Path, program: str = "loop"
) -> Loop:
    """Build a program of this folder around `top`, an engine that registers its reset, or take it from the cache.

    Raises
    ------
    oxnor.models.base.errors.InputError
        If Verilator or the compiler is missing.
    oxnor.sim.runner.runner.SimulationError
        If the build fails; the text names the log.
    """
    tool, main = runner.find_tool("verilator"), Path(str(files("oxnor.sim.harness") / f"{program}.cpp"))
    control = control_text(sources, top, public=False)
    described = [str(tool), str(tool.path), top, *defines, control, *verilator_arguments(False, None)]
    h = hashlib.sha256(json.dumps(described).encode())
    for path in (main, *sources):
        h.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    folder, key = root / "sim", f"{program}-{h.hexdigest()[:24]}"
    target, log = folder / key, folder / f"{key}.log"
    with locked(folder / f"{key}.lock"):
        if not cache.is_whole(target):
            with cache.new_entry(target) as work, make_place(work / "build") as place:
                (place / "control.vlt").write_text(control)
                own = [place / "control.vlt", *plain_sources([main, *sources], place)]
                _compile(tool, own, top, defines, place, log)
                shutil.copy2(place / "obj" / _NAME, work)
                shutil.rmtree(place)
        return Loop(target / _NAME, cache.Lease(target))


def _compile(
    tool: toolchain.Tool, sources: Sequence[Path], top: str, defines: Sequence[str], place: Path, log: Path
) -> None:
    verilate = [
        str(tool.path), "--cc", "--exe", "--prefix", "Vtop", "--Mdir", "obj", "--top-module", top, "-o", _NAME,
        "--timescale", "/".join(runner.TIMESCALE), *verilator_arguments(False, None), *defines, *map(str, sources),
    ]  # fmt: skip
    runtime = Runtime({"cxx": CXX_FLAGS, "tool": [str(tool), str(tool.path)], "waves": None})
    env, deadline = os.environ | dict(tool.env), time.monotonic() + runner.BUILD_TIMEOUT_S
    make = ["make", "-j", str(cores()), "-C", "obj", "-f", "Vtop.mk"]
    with runtime.first_alone(), log.open("w") as output:
        code = process.execute(verilate, place, env, output, deadline, None)
        if not code:
            runtime.take(place / "obj")
            code = process.execute(make, place, env, output, deadline, None)
    if code:
        raise process.failure(runner.SimulationError, f"building {top} in a loop with {tool} failed", log)
