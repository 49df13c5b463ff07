"""Builds simulations once and runs cocotb testbenches in them, counting what ran."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from cocotb_tools import config as cocotb_config
from cocotb_tools.check_results import get_results

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root, locked

from . import cache, toolchain
from .places import make_place, plain_sources
from .process import failure, make_runner
from .runtime import Runtime
from .verilator_options import CXX_FLAGS, control_text, verilator_arguments

TIMESCALE = ("1ns", "1ps")
#: Limit for a build, in seconds.
BUILD_TIMEOUT_S = 1800


class SimulationError(RuntimeError):
    """A build or a run that went wrong; the text names the log and shows its last lines."""


@dataclass(frozen=True)
class Build:
    """A simulation that is ready to run.

    Parameters
    ----------
    simulator : str
        "verilator" or "icarus".
    tool : str
        Simulator and version, for reports.
    top : str
        Top module.
    directory : Path
        Where it lies; nothing in there changes any more.
    waves : str or None
        "vcd" or "fst" if it can record waves.
    seconds : float
        Time that building took, in seconds.
    cached : bool
        Whether it had been built before.
    lease : cache.Lease
        Keeps it in the cache as long as this object lives.
    """

    simulator: str
    tool: str
    top: str
    directory: Path
    waves: str | None
    seconds: float
    cached: bool
    lease: cache.Lease | None = field(default=None, repr=False, compare=False)


def find_tool(simulator: str) -> toolchain.Tool:
    """Return the simulator by name, or raise InputError saying how to get it."""
    if simulator == "verilator":
        toolchain.require_compiler()
        return toolchain.find_verilator()
    icarus = toolchain.find_icarus()
    if icarus is None:
        raise InputError(f"Icarus Verilog (iverilog and vvp) is not on PATH: {toolchain.GET_ICARUS}")
    return icarus


def _key(sources: Sequence[Path], described: Mapping[str, Any]) -> str:
    h = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for path in sources:
        h.update(f"\n{path.name} ".encode() + hashlib.sha256(path.read_bytes()).digest())
    return h.hexdigest()[:24]


def build(
    sources: Sequence[Path],
    top: str,
    *,
    simulator: str = "verilator",
    defines: Mapping[str, object] | None = None,
    parameters: Mapping[str, object] | None = None,
    public: bool = False,
    waves: str | None = None,
    root: Path | None = None,
) -> Build:
    """Build a simulation of `top`, or return the one that was built from the same bytes with the same tools.

    Parameters
    ----------
    sources : sequence of Path
        Verilog sources. Their bytes and names are part of the key of the cache, their folders are not.
    top : str
        Top module.
    simulator : str
        "verilator" or "icarus".
    defines, parameters : mapping, optional
        Verilog defines, and parameters of the top.
    public : bool
        Whether the testbench can reach every signal, not the top's ports alone; several times slower. Verilator only.
    waves : str, optional
        "vcd" or "fst": the build can record waves; slower.
    root : Path, optional
        Folder of the cache. Default :func:`oxnor.models.base.files.build_root`.

    Raises
    ------
    InputError
        If the simulator is missing or too old.
    SimulationError
        If the build fails; the text names the log.
    """
    tool = find_tool(simulator)
    sources = [Path(s).absolute() for s in sources]
    if waves not in (None, "vcd", "fst") or (waves == "vcd" and simulator == "icarus"):
        raise InputError(f"must be 'vcd' or 'fst' (Icarus: 'fst' only), not {waves!r}", parameter="waves")
    if waves == "fst" and simulator == "verilator" and not toolchain.fst_possible():
        raise InputError(f"FST waves need the headers of lz4 and zlib: {toolchain.GET_FST}; VCD needs nothing")
    arguments = verilator_arguments(public, waves) if simulator == "verilator" else []
    described = {
        "tool": [str(tool), str(tool.path)],
        "cocotb": [version("cocotb"), str(cocotb_config.libs_dir)],
        "top": top,
        "defines": {k: str(v) for k, v in (defines or {}).items()},
        "parameters": {k: str(v) for k, v in (parameters or {}).items()},
        "arguments": arguments,
        "control": control_text(sources, top, public) if simulator == "verilator" else None,
        "waves": waves,
    }
    folder = build_root(root) / "sim"
    key = _key(sources, described)
    target = folder / key
    with locked(folder / f"{key}.lock"):
        if not cache.is_whole(target):
            started = time.monotonic()
            made = Build(simulator, str(tool), top, target, waves, 0.0, False)
            with cache.new_entry(target) as work:
                with make_place(work) as place:
                    _compile(made, tool, sources, described, place, folder / f"{key}.log")
                seconds = time.monotonic() - started
                (work / "build.json").write_text(json.dumps({"seconds": seconds, **described}, indent=1))
            is_cached = False
        else:
            seconds, is_cached = json.loads((target / "build.json").read_text())["seconds"], True
        lease = cache.Lease(target)
    if not is_cached:
        cache.prune(root=root)
    return Build(simulator, str(tool), top, target, waves, seconds, is_cached, lease)


def _compile(
    made: Build, tool: toolchain.Tool, sources: Sequence[Path], described: Mapping[str, Any], work: Path, log: Path
) -> None:
    """Compile into `work`, leaving only what a run needs."""
    runner = make_runner(made.simulator)
    runner.extra_env = tool.env
    runner.executable_path = tool.path
    runner.wanted_waves = made.waves is not None
    runner.timeout_s = BUILD_TIMEOUT_S
    extra = []
    if described["control"]:
        extra = [work / "control.vlt"]
        extra[0].write_text(described["control"])
    runtime = Runtime({"cxx": CXX_FLAGS, **{k: described[k] for k in ("tool", "waves")}})
    runner.after_first = lambda: runtime.take(work)
    with runtime.first_alone() if made.simulator == "verilator" else contextlib.nullcontext():
        try:
            runner.build(
                sources=[*extra, *plain_sources(sources, work)],
                hdl_toplevel=made.top,
                defines=described["defines"],
                parameters=described["parameters"],
                build_args=list(described["arguments"]),
                timescale=TIMESCALE,
                build_dir=work,
                always=True,
                log_file=log,
            )
        except TimeoutError:
            raise SimulationError(f"building {made.top} took more than {BUILD_TIMEOUT_S} s; see {log}") from None
        product = work / (made.top if made.simulator == "verilator" else "sim.vvp")
        if runner.returncode or not product.is_file():
            raise failure(SimulationError, f"building {made.top} with {made.tool} failed", log)
        runtime.keep(work)
    # Objects and precompiled headers are a hundred times the size of the program.
    keep = {product, work / "cmds.f", work / "control.vlt", work / "cocotb_iverilog_dump.v"}
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path not in keep:
            path.unlink()


@dataclass(frozen=True)
class Run:
    """A run that passed.

    Parameters
    ----------
    directory : Path
        Its working directory, with everything that it wrote.
    log : Path
        What it printed.
    tests : int
        Number of tests that ran.
    seconds : float
        Wall-clock time, in seconds.
    """

    directory: Path
    log: Path
    tests: int
    seconds: float


def progress_file(
    directory: Path, total: int, progress: Callable[[int, int], object] | None
) -> Callable[[], None] | None:
    """Return a `poll` for :func:`run` that passes on the number which a testbench keeps in its file ``progress``."""
    if progress is None:
        return None

    def poll() -> None:
        with contextlib.suppress(OSError, ValueError):
            progress(min(total, int((directory / "progress").read_text() or 0)), total)

    return poll


@dataclass(frozen=True)
class Selection:
    """Which cocotb tests of a module run, and how many there must be.

    Parameters
    ----------
    expected : int
        How many tests must have run: a pattern that matches nothing must not pass.
    pattern : str, optional
        Regular expression on the tests' names. Default: all.
    seed : int
        Seed of Python's ``random`` in the testbench.
    env : mapping
        Environment variables for the testbench.
    """

    expected: int = 1
    pattern: str | None = None
    seed: int = 1
    env: Mapping[str, str] = field(default_factory=dict)


def run(
    build: Build,
    test_module: str,
    run_dir: Path,
    tests: Selection = Selection(),
    *,
    timeout_s: float = 600,
    poll: Callable[[], object] | None = None,
) -> Run:
    """Run the cocotb tests of a module, with `run_dir` as the working directory.

    Parameters
    ----------
    build : Build
        What to run.
    test_module : str
        Full name of the module that holds the tests.
    run_dir : Path
        Working directory: memory images are read relative to it.
    tests : Selection
    timeout_s : float
        Limit, in seconds of wall-clock time.
    poll : callable, optional
        Called now and then while the simulation runs.

    Raises
    ------
    SimulationError
        If a test fails, another number of tests runs, or time is up; the text names the log.
    """
    run_dir = Path(run_dir).resolve()
    run_dir.mkdir(parents=True, exist_ok=True)
    name = test_module.rsplit(".", 1)[-1]
    log, results = run_dir / f"{name}.log", run_dir / f"{name}.xml"
    runner = make_runner(build.simulator)
    runner.poll, runner.timeout_s, runner.wanted_waves = poll, timeout_s, build.waves is not None
    runner.extra_env = {
        "COCOTB_RANDOM_SEED": str(tests.seed),
        "COCOTB_ANSI_OUTPUT": "0",
        # Failed asserts show their values. cocotb would rewrite all that is imported: Amaranth too, for seconds.
        "COCOTB_REWRITE_ASSERTION_FILES": f"{name}.py",
        **tests.env,
    }
    if tests.pattern:
        runner.extra_env["COCOTB_TEST_FILTER"] = tests.pattern
    plusargs = [f"+dumpfile_path={run_dir / build.top}.fst"] if build.simulator == "icarus" and build.waves else []
    started = time.monotonic()
    try:
        runner.test(
            test_module=test_module,
            hdl_toplevel=build.top,
            hdl_toplevel_lang="verilog",
            build_dir=build.directory,
            test_dir=run_dir,
            results_xml=str(results),
            plusargs=plusargs,
            timescale=TIMESCALE,
            log_file=log,
        )
    except TimeoutError:
        raise failure(SimulationError, f"{name} took more than {timeout_s:.0f} s", log) from None
    except SystemExit:
        pass  # cocotb's way to fail under pytest; the results file says more
    try:
        ran, failed = get_results(results) if results.is_file() else (0, 0)
    except ParseError:  # it is half
        ran, failed = 0, 0
    if failed or ran != tests.expected or runner.returncode:
        what = f"{failed} of {ran} tests failed" if failed else f"{ran} tests ran instead of {tests.expected}"
        if not failed and ran == tests.expected:
            what = f"the simulator ended with code {runner.returncode}"
        raise failure(SimulationError, f"{name}: {what}", log, 40)
    return Run(run_dir, log, ran, time.monotonic() - started)
