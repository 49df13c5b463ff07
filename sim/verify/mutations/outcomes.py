"""What the processes of mutants tell, a line each, and which mutants there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from oxnor.models.base.rng import stream

from .store import SURVIVED, Mutations

#: Called with the unit, the mutants done and all of them.
Progress = Callable[[str, int, int], object]
Mutant = TypeVar("Mutant")


def drawn(every: Sequence[Mutant], sample: int, seed: int) -> Sequence[Mutant]:
    """Return all mutants, or `sample` of them by `seed` if there are more, in their order."""
    if len(every) <= sample:
        return every
    chosen = stream("mutants", seed=seed, layer=0, trial=0).permutation(len(every))[:sample]
    return [every[k] for k in sorted(chosen.tolist())]


class Outcomes:
    """Lines of ``number outcome seconds test`` on their way into a store; number 0 is the unit as it is.

    Parameters
    ----------
    path : Path
        Grows while the processes run.
    store : Mutations
    name : str
        Of the unit.
    waiting, total : int
        Mutants that run, and all that were drawn.
    progress : callable, optional

    Attributes
    ----------
    plain : str
        What came of the unit as it is; "" before.
    """

    def __init__(
        self, path: Path, store: Mutations, name: str, waiting: int, total: int, progress: Progress | None
    ) -> None:
        self._path, self._store, self._name, self._progress = path, store, name, progress
        self._done, self._total, self._read = total - waiting, total, 0
        self.plain = ""

    @property
    def mutants(self) -> int:
        """Mutants that have run."""
        return max(0, self._read - 1)

    def poll(self) -> None:
        """Take in the lines that are new."""
        lines = self._path.read_text().split("\n")[:-1] if self._path.is_file() else []
        news, self._read = lines[self._read :], len(lines)
        for line in news:
            number, outcome, seconds, test = line.split(" ", 3)
            if number == "0":
                self.plain = f"{outcome} {test}".strip()
            elif self.plain == SURVIVED:
                self._store.add(self._name, int(number), outcome, test, float(seconds))
        if self._progress and news:
            self._progress(self._name, self._done + self.mutants, self._total)
