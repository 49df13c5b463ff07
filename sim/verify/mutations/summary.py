"""What came of the mutants of each unit: counts that add up, shares with their intervals, and the survivors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from oxnor.models.devices.draws import interval

from .reasons import reason
from .source_run import SOURCES
from .store import EQUIVALENT, UNFINISHED, MutantRow, Mutations, UnitRow

#: Level of the intervals.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Score:
    """What came of the mutants of a unit: ``mutants`` is the sum of the five counts after ``of``.

    Parameters
    ----------
    unit : str
    mutants, of : int
        Mutants that were tried, and how many the unit has.
    killed, equivalent, reasons, alive, waiting : int
        Found by a test; proved to do nothing; survivors with a reason; other survivors; not tried or judged yet.
    unfinished : int
        Of the killed, those whose tests ran out of time, or whose process died.
    score : float
        Killed, of those that are not proved equivalent and do not wait.
    low, high : float
        95 % interval of the score where the mutants are a sample, else the score itself.
    seconds : float
        Of all tests.
    seed : int
    tool, made, digest : str
    """

    unit: str
    mutants: int
    of: int
    killed: int
    equivalent: int
    reasons: int
    alive: int
    waiting: int
    unfinished: int
    score: float
    low: float
    high: float
    seconds: float
    seed: int
    tool: str
    made: str
    digest: str

    @property
    def trials(self) -> int:
        """Mutants that count in the score, which without any is not known."""
        return self.killed + self.reasons + self.alive


def score(row: UnitRow, mutants: Sequence[MutantRow]) -> Score:
    """Return what came of the mutants of a unit."""
    counts = dict.fromkeys(("killed", "equivalent", "reasons", "alive", "waiting"), 0)
    for m in mutants:
        counts[fate(m)] += 1
    trials = len(mutants) - counts["equivalent"] - counts["waiting"]
    share = counts["killed"] / trials if trials else 1.0
    low, high = (
        interval(counts["killed"], trials, CONFIDENCE) if row.total > len(mutants) and trials else (share, share)
    )
    return Score(
        row.unit, len(mutants), row.total, **counts, unfinished=sum(m.outcome in UNFINISHED for m in mutants),
        score=share, low=low, high=high, seconds=round(sum(m.seconds for m in mutants), 3), seed=row.seed,
        tool=row.tool, made=row.made, digest=row.digest,
    )  # fmt: skip


def fate(mutant: MutantRow) -> str:
    """Return which of the counts of :class:`Score` a mutant is in."""
    if mutant.killed:
        return "killed"
    if not mutant.outcome or (not mutant.verdict and mutant.unit not in SOURCES):
        return "waiting"  # for its tests, or for the proof, which sources do not have
    if mutant.verdict == EQUIVALENT:
        return "equivalent"
    return "reasons" if reason(mutant.unit, mutant.mutant) else "alive"


def scores(store: Mutations, units: Sequence[str]) -> list[Score]:
    """Return the scores of those units that are in the file."""
    rows = store.units()
    return [score(rows[name], list(store.mutants(name))) for name in units if name in rows]


def survivors(store: Mutations, units: Sequence[str]) -> list[MutantRow]:
    """Return the mutants that no test has found and no proof has excused."""
    return [m for name in units for m in store.mutants(name) if fate(m) in ("reasons", "alive")]


def results(store: Mutations, units: Sequence[str]) -> dict[str, Any]:
    """Return the scores by unit, and the survivors with their reasons, as a JSON-able dict."""
    return {
        "units": {s.unit: {k: v for k, v in asdict(s).items() if k != "unit"} for s in scores(store, units)},
        "survivors": [vars(m) | {"reason": reason(m.unit, m.mutant)} for m in survivors(store, units)],
    }
