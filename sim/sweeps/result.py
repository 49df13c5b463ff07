"""What a sweep gives back: the trials of a file, as numbers and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from oxnor.models.base.files import write_text
from oxnor.models.trials.curves import LIMIT, Curve
from oxnor.models.trials.sequential import Saving
from oxnor.sim.drawing.plots import Plot

from .page import Story, build_page


@dataclass(frozen=True, eq=False, repr=False)
class SweepResult:
    """All trials of a results file after a sweep.

    Parameters
    ----------
    path : Path
        The results file.
    computed : int
        Trials that this sweep computed; the file held the others.
    limit : float
        Accuracy lost at the knee, in (0, 1).
    seconds : float
        Wall-clock time that it took.
    saving : Saving, optional
        What a rule of stopping did.
    """

    path: Path
    computed: int
    limit: float = LIMIT
    seconds: float = 0.0
    saving: Saving | None = None

    @cached_property
    def story(self) -> Story:
        """What the file says: header, curves, confusion matrices, checks."""
        return Story.read(self.path, self.limit)

    @property
    def curves(self) -> dict[int, Curve]:
        """Accuracy against error rate, by layer; :data:`oxnor.sim.sweeps.store.ALL_LAYERS` for errors in all."""
        return self.story.curves

    def plot(self, name: str = "accuracy") -> Plot:
        """Return a picture; a notebook shows it, ``figure()`` gives it to matplotlib, ``save(path)`` writes it.

        Parameters
        ----------
        name : str
            "accuracy", "confusion", or "layers" where layers were swept alone.
        """
        return self.story.plots[name]

    def save_plot(self, path: str | Path, name: str = "accuracy") -> None:
        """Write a picture as SVG, PNG or PDF, by the end of the file's name."""
        self.plot(name).save(path)

    def save_page(self, path: str | Path) -> None:
        """Write the page of ``oxnor report``: pictures, tables and the command that made them."""
        write_text(path, build_page([self.story]))

    def to_json(self) -> dict[str, Any]:
        """Return everything but the trials as a JSON-able dict."""
        found = self.story.to_json() | {"computed": self.computed}
        if self.computed and self.seconds:
            found["trials_per_second"] = round(self.computed / self.seconds, 2)
        return found | ({"sequential": self.saving.to_json()} if self.saving else {})

    def __repr__(self) -> str:
        return f"SweepResult({repr(self.story).removeprefix('Story(').removesuffix(')')} in {self.path})"
