"""A process that runs tests on mutants of sources, each in a child of its own: ``python source_process.py job.json``.

It loads what the tests need from elsewhere, and nothing of oxnor: what a child loads, it loads with the mutant in it.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_POLL_S = 0.01
_OUTCOMES = {0: "survived", 1: "failed", 2: "failed"}


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


def _child(job: dict[str, Any], mutant: dict[str, Any]) -> int:
    import pytest
    from sources import mutated  # type: ignore[import-not-found]  # beside this file

    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    if mutant["number"]:
        tree = mutated(Path(mutant["path"]).read_text(), mutant["node"], mutant["variant"])
        sys.meta_path.insert(0, _Finder(mutant["module"], mutant["path"], tree))
    options = [
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-m",
        "not slow",
        "--durations=0",
        "-W",
        "ignore",
    ]
    return int(pytest.main([*options, *job["options"], *job["tests"]]))


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
    """Run a job, one line in its outcomes for each mutant."""
    job = json.loads(Path(path).read_text())
    sys.path.insert(0, str(Path(__file__).parent))
    os.chdir(job["root"])
    for name in job["load"]:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    limit = float(job["first_s"])
    for mutant in job["mutants"]:
        started = time.monotonic()
        process = os.fork()
        if process == 0:
            os.setsid()
            code = 9
            try:
                code = _child(job, mutant)
            finally:
                os._exit(code)
        ended = _wait(process, limit)
        seconds = time.monotonic() - started
        outcome = "hung" if ended is None else _OUTCOMES.get(ended, "died")
        if mutant["number"] == 0:
            limit = max(60.0, 10 * seconds)
        with Path(job["outcomes"]).open("a") as file:
            file.write(f"{mutant['number']} {outcome} {seconds:.3f} \n")
        if mutant["number"] == 0 and outcome != "survived":
            return


if __name__ == "__main__":
    main(sys.argv[1])
