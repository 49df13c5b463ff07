"""Simulates what a study asks for, point by point: what is shipped or was simulated before is not simulated again."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root, locked
from oxnor.models.technology.circuit import WIDTHS, ReadCircuit
from oxnor.models.technology.conditions import Plan
from oxnor.models.technology.process import Process, sky130
from oxnor.models.technology.results import Flip, Noise, Offsets, Read, Results, Waveform, shipped
from oxnor.sim.runner.cache import Lease

from . import netlist
from .noise import noise
from .offset import flip, flip_netlist, precharge_netlist
from .read import combinations, read, read_netlist, waveform
from .spice import find_ngspice

Progress = Callable[[str, int, int], None]
_FOLDER, _FILE = "circuit", "results.json"


def netlists(process: Process) -> str:
    """Return a hash of the netlists of reads and bisections, models aside: results are those of these netlists."""
    texts = []
    for cell in netlist.CIRCUITS:
        widths = {n: min(max(getattr(ReadCircuit, n), process.widths[0]), process.widths[1]) for n in WIDTHS}
        c = ReadCircuit(
            cell=cell, corner=process.available[0], process=process.name, vdd=min(ReadCircuit.vdd, process.supplies[1]),
            **widths,
        )  # fmt: skip
        texts += [read_netlist(c, process, 0, 1, 1.0), precharge_netlist(c, process, 0)]
        texts += [flip_netlist(c, process, 0, netlist.draw(0, 0), {"q": c.vdd})]
    models = process.text(process.available[0])
    return netlist.digest([text.replace(models, "") for text in texts])


@dataclass
class Store:
    """What is known of circuits: shipped results and those in the cache.

    Parameters
    ----------
    process : Process
    root : Path, optional
        Folder of the cache. Default: :func:`oxnor.models.base.files.build_root`.
    """

    process: Process
    root: Path | None = None
    _netlists: str = field(init=False)
    _shipped: Results | None = field(init=False)
    _simulators: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._netlists = netlists(self.process)
        self._shipped = None
        if self.process is sky130():
            results = shipped()
            if results.netlists == self._netlists:
                self._shipped = results

    def empty(self) -> Results:
        """Return results without any result, of the simulators of those that were found."""
        return Results(" and ".join(sorted(self._simulators)) or "ngspice", {}, self._netlists)

    def entry(self, kind: str, circuit: ReadCircuit, seed: int = 0) -> Path:
        """Return the folder of a result in the cache."""
        parts = [kind, self._netlists, self.process.digest(circuit.corner), repr(circuit), str(seed)]
        return build_root(self.root) / _FOLDER / netlist.digest(parts)

    def _cached(self, kind: str, circuit: ReadCircuit, seed: int = 0) -> Any:
        path = self.entry(kind, circuit, seed) / _FILE
        if not path.is_file():
            return None
        try:
            return self._of(Results.load(path), kind, circuit)
        except InputError as e:
            logging.getLogger(__name__).warning("oxnor: %s: it is simulated again", e)
            return None

    def _shipped_of(self, kind: str, circuit: ReadCircuit) -> Any:
        results = self._shipped
        if results is None or results.models.get(circuit.corner) != self.process.digest(circuit.corner):
            return None
        return self._of(results, kind, circuit)

    def _of(self, results: Results, kind: str, circuit: ReadCircuit) -> Any:
        found = getattr(results, kind).get(circuit)
        if found is not None:
            self._simulators.add(results.simulator)
        return found

    def find(self, kind: str, circuit: ReadCircuit) -> Any:
        """Return a read or a waveform, or None if it is not known."""
        return self._shipped_of(kind, circuit) or self._cached(kind, circuit)

    def other_precharges(self, circuit: ReadCircuit) -> list[ReadCircuit]:
        """Return the circuits whose shipped offsets are those of this one at another precharge."""
        known = self._shipped.offsets if self._shipped else {}
        return [c for c in known if c == circuit.turned(precharge_ns=c.precharge)]

    def offsets(self, circuit: ReadCircuit, seed: int, draws: int) -> Offsets | None:
        """Return at most `draws` amplifiers of a seed, those that are known."""
        known = [o for o in (self._shipped_of("offsets", circuit), self._cached("offsets", circuit, seed)) if o]
        known = [o for o in known if o.seed == seed]
        best = max(known, key=lambda o: len(o.flips), default=None)
        return replace(best, flips=best.flips[:draws]) if best else None

    def keep(self, kind: str, circuit: ReadCircuit, value: Read | Offsets | Waveform | Noise, seed: int = 0) -> None:
        """Write a result into the cache."""
        folder = self.entry(kind, circuit, seed)
        folder.mkdir(parents=True, exist_ok=True)
        Lease(folder).close()
        models = {circuit.corner: self.process.digest(circuit.corner)}
        one: dict[str, Any] = {kind: {circuit: value}}
        Results(f"ngspice {find_ngspice()[1]}", models, self._netlists, **one).save(folder / _FILE)


def within(plan: Plan, process: Process) -> tuple[Plan, list[ReadCircuit]]:
    """Return a plan without the conditions for which the models of a process do not hold, and those.

    Raises
    ------
    InputError
        If they do not hold for its circuit itself.
    """
    netlist.check(plan.circuit, process)
    left_out: dict[ReadCircuit, None] = {}

    def holds(circuit: ReadCircuit) -> bool:
        try:
            netlist.check(circuit, process)
        except InputError:
            left_out[circuit] = None
            return False
        return True

    kept: dict[str, Any] = {name: tuple(filter(holds, getattr(plan, name))) for name in ("reads", "offsets", "noises")}
    return replace(plan, **kept), list(left_out)


@dataclass
class _Amplifiers:
    """The offsets of a circuit while they are being simulated: draw -1 has no mismatch."""

    circuit: ReadCircuit
    flips: dict[int, tuple[Flip, ...]]

    def offsets(self, seed: int) -> Offsets | None:
        """Return the draws without a gap from the first on."""
        if -1 not in self.flips:
            return None
        count = next(k for k in range(len(self.flips) + 1) if k not in self.flips)
        return Offsets(seed, self.flips[-1], tuple(self.flips[k] for k in range(count)))


class Study:
    """A study of a circuit.

    Parameters
    ----------
    plan : Plan
    process : Process
    root : Path, optional
        Folder of the cache.
    """

    def __init__(self, plan: Plan, process: Process, root: Path | None = None):
        for circuit in (*plan.reads, *plan.offsets):
            netlist.check(circuit, process)
        self.plan, self.process, self.store = plan, process, Store(process, root)

    def known(self) -> Results:
        """Return what is known of the plan without a simulation, and of the circuit at other precharges."""
        plan, store = self.plan, self.store
        found: dict[str, dict[ReadCircuit, Any]] = {
            "reads": {c: store.find("reads", c) for c in plan.reads},
            "offsets": {c: store.offsets(c, plan.seed, plan.draws) for c in plan.offsets},
            "waveforms": {plan.circuit: store.find("waveforms", plan.circuit)},
            "noises": {c: store.find("noises", c) for c in plan.noises},
        }
        for circuit in store.other_precharges(plan.circuit):
            found["reads"].setdefault(circuit, store.find("reads", circuit))
            found["offsets"].setdefault(circuit, store.offsets(circuit, plan.seed, plan.draws))
        whole = {kind: {c: v for c, v in results.items() if v is not None} for kind, results in found.items()}
        circuits = {c.corner for results in whole.values() for c in results}
        results = replace(store.empty(), models={c: self.process.digest(c) for c in sorted(circuits)})
        return replace(results, **whole)  # type: ignore[arg-type]

    def missing(self, results: Results) -> int:
        """Return how many points of the plan are not in results; an amplifier is one."""
        plan = self.plan
        offsets = [results.offsets.get(c) for c in plan.offsets]
        draws = sum(plan.draws - len(o.flips) if o else plan.draws for o in offsets)
        singles = [c for c in plan.reads if c not in results.reads]
        singles += [c for c in plan.noises if c not in results.noises]
        return len(singles) + draws + (plan.circuit not in results.waveforms)

    def run(self, jobs: int | None = None, progress: Progress | None = None) -> Results:
        """Return all results of the plan; simulate those that are missing, and keep each as soon as it is there.

        Parameters
        ----------
        jobs : int, optional
            Processes of ngspice at a time. Default: as many as there are cores.
        progress : callable, optional
            Told of (what is done, points done, points in all).

        Raises
        ------
        InputError
            If something is missing, and there is no ngspice.
        ToolError
            If ngspice fails; what it has simulated is kept.
        """
        results = self.known()
        if not self.missing(results):
            return results
        find_ngspice()
        with ExitStack() as locks:
            for path in sorted(self._entries(results)):
                locks.enter_context(locked(path.with_name(f"{path.name}.lock")))
            self._simulate(self.known(), jobs or os.cpu_count() or 1, progress or (lambda *_: None))
        return self.known()

    def _entries(self, results: Results) -> set[Path]:
        plan, entry = self.plan, self.store.entry
        reads = {entry("reads", c) for c in plan.reads if c not in results.reads}
        reads |= {entry("noises", c) for c in plan.noises if c not in results.noises}
        offsets = {entry("offsets", c, plan.seed) for c in plan.offsets}
        return reads | offsets | {entry("waveforms", plan.circuit)}

    def _simulate(self, results: Results, jobs: int, progress: Progress) -> None:
        """Simulate what is missing: reads, the waveform, then draw after draw of each circuit."""
        plan, total = self.plan, self.missing(results)
        amplifiers = {c: _Amplifiers(c, _started(results.offsets.get(c))) for c in plan.offsets}
        tasks: list[tuple[str, ReadCircuit, int]] = [("reads", c, 0) for c in plan.reads if c not in results.reads]
        tasks += [("noises", c, 0) for c in plan.noises if c not in results.noises]
        tasks += [("waveforms", plan.circuit, 0)] if plan.circuit not in results.waveforms else []
        for a in amplifiers.values():
            tasks += [("offsets", a.circuit, k) for k in range(-1, plan.draws) if k not in a.flips]
        done = 0
        with ThreadPoolExecutor(jobs) as pool:
            running: dict[Future[Any], tuple[str, ReadCircuit, int]] = {}
            left = iter(tasks)
            try:
                while True:
                    while len(running) < jobs and (task := next(left, None)):
                        running[pool.submit(self._point, *task)] = task
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        kind, circuit, number = running.pop(future)
                        self._keep(kind, circuit, number, future.result(), amplifiers)
                        done += number >= 0
                        progress("SPICE", done, total)
            finally:
                pool.shutdown(cancel_futures=True)

    def _point(self, kind: str, circuit: ReadCircuit, number: int) -> Any:
        if kind == "reads":
            return read(circuit, self.process)
        if kind == "noises":
            return noise(circuit, self.process)
        if kind == "waveforms":
            known = self.store.find("reads", circuit) or read(circuit, self.process)
            return waveform(circuit, self.process, max(2 * known.sense_ns, 2.0))
        normals = netlist.draw(self.plan.seed, number) if number >= 0 else None
        inputs: Sequence[int] = (1, 0) if len(combinations(circuit)) == 4 else (1,)
        return tuple(flip(circuit, self.process, x, normals) for x in inputs)

    def _keep(
        self, kind: str, circuit: ReadCircuit, number: int, value: Any, amplifiers: dict[ReadCircuit, _Amplifiers]
    ) -> None:
        if kind != "offsets":
            self.store.keep(kind, circuit, value)
            return
        amplifiers[circuit].flips[number] = value
        whole = amplifiers[circuit].offsets(self.plan.seed)
        if whole is not None:
            self.store.keep(kind, circuit, whole, self.plan.seed)


def _started(offsets: Offsets | None) -> dict[int, tuple[Flip, ...]]:
    return {-1: offsets.nominal, **dict(enumerate(offsets.flips))} if offsets else {}
