"""A process that runs tests on mutants of sources, each in a child of its own: ``python source_process.py job.json``.

The first child runs all tests and writes down which lines of the sources each executes. A mutant is judged by the tests
that execute its statement, the fastest and the most successful first, up to the first that fails. The process loads
what does not need the sources before it parts; the rest, and the mutant in it, is loaded by each child.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.util
import json
import os
import signal
import sys
import threading
import time
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_POLL_S = 0.01
#: Exit code of a child that has failed by itself.
_BROKEN = 9
_OUTCOMES = {0: "survived", 1: "failed", 2: "failed"}
#: Limit of a mutant: seconds, and so many times those of its tests while their lines are written down.
_LEAST_LIMIT_S, _LIMIT = 30, 4
_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow", "-W", "ignore")


class _Loader(importlib.abc.Loader):
    """Executes a module with a mutant in it."""

    def __init__(self, tree: Any, path: str):
        self.tree, self.path = tree, path

    def exec_module(self, module: Any) -> None:
        # A kernel that was compiled of the file as it is must not be taken for the mutant's.
        dispatcher = sys.modules.get("numba.core.dispatcher")
        cached = getattr(dispatcher, "Dispatcher", None)
        plain = getattr(cached, "enable_caching", None)
        if cached is not None:
            cached.enable_caching = lambda self: None
        try:
            exec(compile(self.tree, self.path, "exec"), module.__dict__)
        finally:
            if cached is not None:
                cached.enable_caching = plain


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module, with a mutant in it."""

    def __init__(self, name: str, path: str, tree: Any):
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        if name != self.name:
            return None
        is_package = [str(Path(self.path).parent)] if self.path.endswith("__init__.py") else None
        return importlib.util.spec_from_file_location(
            name, self.path, loader=_Loader(self.tree, self.path), submodule_search_locations=is_package
        )


class _Refusing(importlib.abc.MetaPathFinder):
    """Refuses modules, and so all that needs them."""

    def __init__(self, names: Sequence[str]):
        self.names = set(names)

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        if name in self.names:
            raise ImportError(name)


class _Chosen:
    """Of pytest: runs the chosen tests in their order, and knows which one failed."""

    def __init__(self, tests: Sequence[str] | None):
        self.order = None if tests is None else {test: k for k, test in enumerate(tests)}
        self.failed = ""

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if (order := self.order) is not None:
            items[:] = sorted((t for t in items if t.nodeid in order), key=lambda t: order[t.nodeid])

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


class _Lines(_Chosen):
    """Of pytest: writes down the lines of some files that each test executes, and its seconds."""

    def __init__(self, files: Sequence[str]):
        import pytest

        super().__init__(None)
        for hook in (_Lines.pytest_runtest_protocol, _Lines.pytest_fixture_setup):
            pytest.hookimpl(wrapper=True)(hook)
        self.files = {os.path.realpath(f): f for f in files}
        #: Lines by test; those of "" were executed while something was loaded.
        self.found: dict[str, set[tuple[str, int]]] = {"": set()}
        self.shared: dict[Any, set[tuple[str, int]]] = {}
        self.seconds: dict[str, float] = {}
        self.now = self.found[""]

    def start(self) -> None:
        sys.settrace(self._call)
        threading.settrace(self._call)

    def _call(self, frame: types.FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename not in self.files:
            return None
        return self._line(frame, event, argument)

    def _line(self, frame: types.FrameType, event: str, argument: object) -> Any:
        self.now.add((self.files[frame.f_code.co_filename], frame.f_lineno))
        return self._line

    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        before, self.now, started = self.now, self.found.setdefault(item.nodeid, set()), time.monotonic()
        try:
            return (yield)
        finally:
            self.now = before
            self.seconds[item.nodeid] = time.monotonic() - started
            for definitions in item._fixtureinfo.name2fixturedefs.values():
                self.found[item.nodeid] |= self.shared.get(definitions[-1], set())

    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        # What several tests share is executed in the first of them alone.
        before, self.now = self.now, self.shared.setdefault(fixturedef, set())
        try:
            return (yield)
        finally:
            self.now = before


def _run_tests(job: dict[str, Any], plugin: _Chosen) -> int:
    import pytest
    from hypothesis import Phase, settings

    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("mutants", phases=phases, database=None, derandomize=True, deadline=None)
    settings.load_profile("mutants")
    files = job["tests"] if plugin.order is None else sorted({test.split("::")[0] for test in plugin.order})
    return int(pytest.main([*_OPTIONS, "--basetemp", job["scratch"], *job["options"], *files], plugins=[plugin]))


def _write_lines(job: dict[str, Any], code: int, lines: _Lines) -> None:
    """Write what the first child found, for the process that it parted from."""
    own = {Path(t).stem for t in job["tests"]} | {"conftest", "__main__", "source_process", "sources"}
    modules = [n for n in list(sys.modules) if n.split(".")[-1] not in own and not n.startswith("tests.")]
    found = {
        "code": code, "failed": lines.failed, "path": sys.path, "modules": modules, "seconds": lines.seconds,
        "lines": {test: sorted(found) for test, found in lines.found.items()},
    }  # fmt: skip
    Path(job["lines"]).write_text(json.dumps(found))


def _load(job: dict[str, Any], found: dict[str, Any]) -> None:
    """Load what the tests load, as far as it needs none of the sources."""
    sys.path[:] = found["path"]
    refusing = _Refusing([m["module"] for m in job["sources"]])
    sys.meta_path.insert(0, refusing)
    for name in found["modules"]:
        try:
            importlib.import_module(name)
        except Exception:
            continue
    sys.meta_path.remove(refusing)
    gc.freeze()


class _Judges:
    """Which tests execute a statement, in the order in which they run."""

    def __init__(self, found: dict[str, Any], texts: dict[str, str]):
        self.texts = texts
        self.seconds: dict[str, float] = found["seconds"]
        self.lines = {test: {(path, line) for path, line in lines} for test, lines in found["lines"].items()}
        self.loaded = self.lines.pop("", set())
        self.kills: Counter[str] = Counter()

    def of(self, mutant: dict[str, Any]) -> list[str]:
        """Return the tests of a mutant."""
        from sources import place  # type: ignore[import-not-found]  # beside this file

        path = mutant["path"]
        first, last = place(self.texts[path], mutant["node"])
        its = {(path, line) for line in range(first, last + 1)}
        everywhere = its & self.loaded
        tests = [
            test for test, lines in self.lines.items()
            if its & lines or (everywhere and any(p == path for p, _ in lines))
        ]  # fmt: skip
        return sorted(tests, key=lambda t: ((self.seconds[t] + 0.02) / (self.kills[t] + 1), t))


def _child(job: dict[str, Any], mutant: dict[str, Any], plugin: _Chosen) -> int:
    from sources import mutated  # beside this file

    if "node" in mutant:
        tree = mutated(job["texts"][mutant["path"]], mutant["node"], mutant["variant"])
        sys.meta_path.insert(0, _Finder(mutant["module"], mutant["path"], tree))
    if isinstance(plugin, _Lines):
        plugin.start()
    code = _run_tests(job, plugin)
    sys.settrace(None)
    threading.settrace(None)
    if isinstance(plugin, _Lines):
        _write_lines(job, code, plugin)
    Path(job["failed"]).write_text(plugin.failed)
    return code


def _part(job: dict[str, Any], mutant: dict[str, Any], plugin: _Chosen, limit: float) -> tuple[str, str, float]:
    """Run tests in a child; return the outcome, the test that failed, and the seconds."""
    started = time.monotonic()
    Path(job["failed"]).write_text("")
    process = os.fork()
    if process == 0:
        os.setsid()
        code = _BROKEN
        try:
            code = _child(job, mutant, plugin)
        finally:
            os._exit(code)
    ended = _wait(process, limit)
    if ended == _BROKEN:
        raise RuntimeError(f"The tests of {mutant} did not start")
    outcome = "hung" if ended is None else _OUTCOMES.get(ended, "died")
    failed = Path(job["failed"]).read_text().replace("\n", " ")
    return outcome, failed, time.monotonic() - started


def _wait(process: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_POLL_S)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def main(path: str) -> None:
    """Run a job, one line in its outcomes for each mutant; number 0 is the sources as they are."""
    job = json.loads(Path(path).read_text())
    os.chdir(job["root"])
    # As they are now: they may be edited meanwhile.
    job["texts"] = {m["path"]: Path(m["path"]).read_text() for m in job["sources"]}

    def tell(number: int, outcome: str, test: str, seconds: float) -> None:
        with Path(job["outcomes"]).open("a") as file:
            file.write(f"{number} {outcome} {seconds:.3f} {test}\n")

    outcome, test, seconds = _part(job, {}, _Lines([m["path"] for m in job["sources"]]), job["first_s"])
    if outcome == "survived":
        found = json.loads(Path(job["lines"]).read_text())
        _load(job, found)
        judges = _Judges(found, job["texts"])
        outcome, test, seconds = _part(job, {}, _Chosen([*judges.lines]), job["first_s"])
    tell(0, outcome, test, seconds)
    if outcome != "survived":
        return
    for mutant in job["mutants"]:
        tests = judges.of(mutant)
        outcome, test, seconds = "survived", "", 0.0
        if tests:
            limit = _LEAST_LIMIT_S + _LIMIT * sum(judges.seconds[t] for t in tests)
            outcome, test, seconds = _part(job, mutant, _Chosen(tests), limit)
        judges.kills[test] += 1
        tell(mutant["number"], outcome, test, seconds)


if __name__ == "__main__":
    main(sys.argv[1])
