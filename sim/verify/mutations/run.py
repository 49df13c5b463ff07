"""Every mutant of a unit in the unit's own testbench, and a proof for each that survives."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from oxnor.sim.benches.models import MODELS
from oxnor.sim.benches.models.base import Model
from oxnor.sim.runner import runner
from oxnor.sim.runner.process import make_runner, tail
from oxnor.sim.verify.mutations.equivalence import ports_of, prove_equivalent
from oxnor.sim.verify.mutations.netlist import Netlist, mutate, yosys

from .outcomes import Outcomes, Progress
from .source_run import SOURCES, source_digest, try_source
from .store import SURVIVED, Mutations, UnitRow
from .units import UNITS, MutatedUnit, known

#: Mutants that are drawn of a unit with more, and the seed of the draw.
SAMPLE, SEED = 200, 1
#: Limits of a run, in seconds: of the unit as it is, and of all.
_FIRST_S, _ALL_S = 300, 6 * 3600
_BENCHES = "oxnor.sim.benches"
_IMPORTED = re.compile(rf"^from (\.\w+|{_BENCHES}\.\S+) import".encode(), re.MULTILINE)
#: The testbench of units beside their models, which others are made of.
_MODELLED = "blocks.tb_model"


def _module_text(name: str) -> bytes:
    spec = find_spec(name)
    return Path(spec.origin).read_bytes() if spec and spec.origin else b""


def _imported(name: str) -> set[str]:
    """Return the testbenches and models that a testbench imports, and those in turn."""
    found = set()
    for module in (m.decode() for m in _IMPORTED.findall(_module_text(name))):
        module = name.rpartition(".")[0] + module if module.startswith(".") else module
        found |= {module, *_imported(module)}
    return found


def _model_text(model: type[Model]) -> bytes:
    """Return the source of the module of a model, without the other models in it."""
    module = sys.modules[model.__module__]
    text = inspect.getsource(module)
    for other in vars(module).values():
        if isinstance(other, type) and other.__module__ == model.__module__ and not issubclass(model, other):
            text = text.replace(inspect.getsource(other), "")
    return text.encode()


@dataclass(frozen=True)
class _Laid:
    """The run of a unit's testbench as it was laid out: the model's name, or "", and names and bytes of the files."""

    model: str
    files: bytes


def _read(directory: Path, sources: Sequence[Path]) -> _Laid:
    paths = sorted({*sources, *(p for p in directory.rglob("*") if p.is_file())})
    model = json.loads((directory / "job.json").read_text()).get("model", "")
    return _Laid(model, b"".join(f"\n{path.name} ".encode() + path.read_bytes() for path in paths))


@cache
def _lay_out(name: str) -> _Laid:
    """Lay a unit's run out as sources are now, which takes seconds."""
    with tempfile.TemporaryDirectory() as folder:
        sources, _ = UNITS[name].testbench().lay_out(Path(folder))
        return _read(Path(folder), sources)


def _digest(unit: MutatedUnit, laid: _Laid, sample: int, seed: int) -> str:
    """Return a digest of all that decides what comes of a unit's mutants."""
    bench = unit.testbench()
    described = [
        bench.module,
        bench.tests,
        {k: str(v) for k, v in bench.parameters.items()},
        sample,
        seed,
        yosys().name,
    ]
    use = unit.use
    kept = [x for x in (dict(use.remembered), unit.only) if x]
    h = hashlib.sha256(json.dumps([described, dict(use.observed), use.assumed, *kept]).encode())
    model = MODELS.get(laid.model)
    names = [f"{_BENCHES}.{bench.module}", f"{_BENCHES}.support", f"{__package__}.netlist", f"{__package__}.forking"]
    others = {f"{_BENCHES}.models.base", f"{_BENCHES}.{_MODELLED}"} if model else _imported(names[0])
    for name in (*names, *sorted(others - {*names})):
        h.update(_module_text(name))
    h.update(_model_text(model) if model else b"")
    h.update(laid.files)
    return h.hexdigest()[:24]


def digest_now(name: str, sample: int = SAMPLE, seed: int = SEED) -> str:
    """Return the digest that a run of all mutants would give a unit or sources now, by name."""
    if name in SOURCES:
        return source_digest(SOURCES[name], sample, seed)
    return _digest(UNITS[name], _lay_out(name), sample, seed)


def try_unit(
    name: str, store: Mutations, *, sample: int = SAMPLE, seed: int = SEED, progress: Progress | None = None,
    proofs: bool = True,
) -> None:  # fmt: skip
    """Try the mutants of a unit that the file has no outcome of, then prove what survives.

    Parameters
    ----------
    name : str
        A key of :data:`~oxnor.sim.verify.mutations.units.UNITS`.
    store : Mutations
    sample : int
        Mutants that are drawn of a unit with more.
    seed : int
        Of the draw.
    progress : callable, optional
    proofs : bool
        Whether survivors go to the prover.

    Raises
    ------
    InputError
        If there is no such unit, or a tool is missing.
    SimulationError
        If the unit fails its tests as it is.
    """
    unit = UNITS[name]
    with tempfile.TemporaryDirectory(prefix=f"oxnor-mutate-{name}-") as folder:
        directory = Path(folder)
        bench = unit.testbench()
        sources, top = bench.lay_out(directory)
        its_digest = _digest(unit, _read(directory, sources), sample, seed)
        netlist = mutate(sources, top, directory, parameters=bench.parameters, sample=sample, seed=seed, only=unit.only)
        row = UnitRow(name, its_digest, netlist.total, seed, netlist.tool, datetime.now(UTC).date().isoformat())
        store.begin(row, netlist.mutants)
        waiting = [m.number for m in store.mutants(name) if not m.outcome]
        if waiting:
            build = runner.build([netlist.verilog], top, simulator=unit.simulator, root=directory)
            _simulate(name, unit, build, directory, waiting, len(netlist.mutants), store, progress)
        if proofs:
            _prove(name, unit, netlist, directory, store, progress)


def _simulate(
    name: str, unit: MutatedUnit, build: runner.Build, directory: Path, waiting: Sequence[int], total: int,
    store: Mutations, progress: Progress | None,
) -> None:  # fmt: skip
    """Run the tests of the unit as it is, and of the mutants that wait."""
    bench = unit.testbench()
    work = {"mutants": [0, *waiting], "tests": bench.tests, "first_s": _FIRST_S}
    (directory / "mutants.json").write_text(json.dumps(work))
    outcomes, log = directory / "outcomes.txt", directory / "mutants.sim.log"
    told = Outcomes(outcomes, store, name, len(waiting), total, progress)
    simulation = make_runner(unit.simulator)
    simulation.poll, simulation.timeout_s = told.poll, _ALL_S
    simulation.extra_env = {
        "COCOTB_RANDOM_SEED": "1", "COCOTB_ANSI_OUTPUT": "0", "COCOTB_REWRITE_ASSERTION_FILES": "",
        "COCOTB_MAX_FAILURES": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1",
    }  # fmt: skip
    # cocotb's way to say that there are no results: the mutants have theirs.
    with contextlib.suppress(SystemExit):
        simulation.test(
            test_module=[f"{__package__}.forking", f"{_BENCHES}.{bench.module}"], hdl_toplevel=build.top,
            hdl_toplevel_lang="verilog", build_dir=build.directory, test_dir=directory,
            results_xml=str(directory / "none.xml"), timescale=runner.TIMESCALE, log_file=log,
        )  # fmt: skip
    told.poll()
    if told.plain != SURVIVED:
        raise runner.SimulationError(f"{name}: the unit as it is does not pass its tests: {told.plain}\n{tail(log)}")
    if told.mutants < len(waiting):
        raise runner.SimulationError(f"{name}: {told.mutants} of {len(waiting)} mutants ran\n{tail(log)}")


def _prove(
    name: str, unit: MutatedUnit, netlist: Netlist, directory: Path, store: Mutations, progress: Progress | None
) -> None:
    """Prove those that survived, and have no verdict yet, equivalent to the unit; or find that they are not."""
    waiting = [m.number for m in store.mutants(name) if m.outcome == SURVIVED and not m.verdict]
    ports = ports_of(netlist)
    for k, number in enumerate(waiting):
        if progress:
            progress(f"{name}: proofs", k, len(waiting))
        store.add_verdict(name, number, prove_equivalent(netlist, number, ports, directory, unit.use))


def try_all(
    names: Sequence[str], store: Mutations, *, sample: int = SAMPLE, seed: int = SEED, progress: Progress | None = None,
) -> None:  # fmt: skip
    """Try the mutants of units; all names are checked first."""
    for name in names:
        known(name)
    for name in names:
        tries = try_source if name in SOURCES else try_unit
        tries(name, store, sample=sample, seed=seed, progress=progress)
