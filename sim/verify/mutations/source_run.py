"""Mutants of Python sources, each against the fast tests of its module."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError
from oxnor.sim.runner.process import execute, failure
from oxnor.sim.runner.runner import SimulationError

from .outcomes import Outcomes, Progress, drawn
from .sources import mutations
from .store import SURVIVED, Mutations, UnitRow

_ROOT = Path(__file__).resolve().parents[3]
_FIRST_S, _ALL_S = 3600, 12 * 3600


@dataclass(frozen=True)
class SourceUnit:
    """Python sources whose mutants are tried.

    Parameters
    ----------
    what : str
        What they are.
    files : tuple of str
        Patterns, relative to the repository.
    tests : tuple of str
        Patterns of their test files.
    options : tuple of str
        Of pytest.
    interpreted : bool
        Whether kernels are not compiled: a mutant of a kernel would have to be compiled for each.
    """

    what: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    options: tuple[str, ...] = ()
    interpreted: bool = False

    def paths(self) -> list[Path]:
        """Return the sources."""
        return sorted({p for pattern in self.files for p in _ROOT.glob(pattern)})

    def test_paths(self) -> list[Path]:
        """Return the test files that are there."""
        return sorted({p for pattern in self.tests for p in _ROOT.glob(pattern)})


#: The sources by name.
SOURCES: dict[str, SourceUnit] = {
    "fault-maps": SourceUnit(
        "fault maps and how they are drawn",
        ("models/faults/fault_map.py", "models/faults/error_models.py", "models/faults/options.py"),
        ("tests/models/test_faults.py", "tests/models/test_drawn_faults.py", "tests/models/test_three_states.py",
         "tests/models/test_repr.py"),
    ),
    "schedule": SourceUnit(
        "latency and interval of engines", ("hw/params/schedule.py",), ("tests/hw/test_params.py",)
    ),
    "golden-model": SourceUnit(
        "golden model of binarized networks", ("models/golden/binarized.py",),
        ("tests/models/test_golden.py", "tests/models/test_read_errors.py"),
    ),
    "golden-spiking": SourceUnit(
        "golden model of spiking networks",
        ("models/golden/spiking.py", "models/golden/spiking_kernels.py"),
        ("tests/models/test_spiking.py", "tests/models/test_repr.py"),
        ("-k", "not trials_give and not shipped_network and not training and not early_stop and not imported"),
        interpreted=True,
    ),
    "folding": SourceUnit(
        "the importer's folding", ("models/exchange/folding/*.py",),
        ("tests/models/test_folding_*.py", "tests/models/test_import_[cmnort]*.py"),
    ),
}  # fmt: skip


def _mutants(unit: SourceUnit, sample: int, seed: int) -> tuple[list[dict[str, Any]], int]:
    """Return the mutants that are tried, and how many there are."""
    every = [
        {"path": str(path), "module": _module(path), "node": m.node, "variant": m.variant,
         "text": f"{path.relative_to(_ROOT)}:{m}"}
        for path in unit.paths()
        for m in mutations(path.read_text())
    ]  # fmt: skip
    return [*drawn(every, sample, seed)], len(every)


def _module(path: Path) -> str:
    parts = path.relative_to(_ROOT).with_suffix("").parts
    return ".".join(("oxnor", *(p for p in parts if p != "__init__")))


def source_digest(unit: SourceUnit, sample: int, seed: int) -> str:
    """Return a digest of all that decides what comes of the mutants of sources."""
    h = hashlib.sha256(json.dumps([sample, seed, unit.options]).encode())
    own = [Path(__file__).with_name(name) for name in ("sources.py", "source_process.py")]
    for path in (*unit.paths(), *unit.test_paths(), *own):
        h.update(f"\n{path.name} ".encode() + path.read_bytes())
    return h.hexdigest()[:24]


def try_source(name: str, store: Mutations, *, sample: int, seed: int, progress: Progress | None = None) -> None:
    """Try the mutants of sources that the file has no outcome of.

    Raises
    ------
    InputError
        If the tests are not there: they are in the repository alone.
    SimulationError
        If the sources as they are do not pass them.
    """
    unit = SOURCES[name]
    if not unit.test_paths():
        raise InputError(f"units: mutants of {name} need the tests, which are in a checkout of the repository")
    chosen, total = _mutants(unit, sample, seed)
    day = datetime.now(UTC).date().isoformat()
    tool = f"python {sys.version_info[0]}.{sys.version_info[1]}"
    store.begin(UnitRow(name, source_digest(unit, sample, seed), total, seed, tool, day), [m["text"] for m in chosen])
    waiting = [m.number for m in store.mutants(name) if not m.outcome]
    if waiting:
        _run(name, unit, [chosen[k - 1] | {"number": k} for k in waiting], store, len(chosen), progress)


def _run(
    name: str, unit: SourceUnit, mutants: list[dict[str, Any]], store: Mutations, total: int,
    progress: Progress | None,
) -> None:  # fmt: skip
    with tempfile.TemporaryDirectory(prefix=f"oxnor-mutate-{name}-") as folder:
        directory = Path(folder)
        outcomes, log = directory / "outcomes.txt", directory / "log"
        job = {
            "root": str(_ROOT), "tests": [str(p.relative_to(_ROOT)) for p in unit.test_paths()],
            "options": unit.options, "first_s": _FIRST_S, "mutants": mutants,
            "sources": [{"path": str(p), "module": _module(p)} for p in unit.paths()], "outcomes": str(outcomes),
            "lines": str(directory / "lines.json"), "failed": str(directory / "failed"),
            "scratch": str(directory / "scratch"),
        }  # fmt: skip
        (directory / "job.json").write_text(json.dumps(job))
        told = Outcomes(outcomes, store, name, len(mutants), total, progress)
        command = [sys.executable, str(Path(__file__).with_name("source_process.py")), str(directory / "job.json")]
        with log.open("w") as file:
            code = execute(command, directory, _environment(unit), file, time.monotonic() + _ALL_S, told.poll)
        told.poll()
        if code or told.plain != SURVIVED or told.mutants < len(mutants):
            what = f"{name}: the sources as they are do not pass their tests ({told.plain or 'no outcome'})"
            raise failure(SimulationError, what if told.plain != SURVIVED else f"{name}: mutants did not run", log)


def _environment(unit: SourceUnit) -> Mapping[str, str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    return os.environ | threads | ({"NUMBA_DISABLE_JIT": "1"} if unit.interpreted else {})
