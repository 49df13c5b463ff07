"""What a model of a small unit is: cycle by cycle, in a few lines of Python."""

from __future__ import annotations

import random
from typing import Any, ClassVar

#: What a unit's ports carry in a cycle. An output that says nothing is None.
Inputs = dict[str, int]
Outputs = dict[str, int | None]
#: Cycles for which a stream is as busy as it is.
_PHASE = 40


class Model:
    """A unit: what it gives for its inputs, what a clock edge does to it, and inputs that it may get.

    Parameters
    ----------
    settings : dict
        From the run's ``job.json``.
    """

    #: Inputs that are not 0 while nothing happens.
    at_rest: ClassVar[Inputs] = {}

    def __init__(self, settings: dict[str, Any]):
        self.settings = settings
        self.cycle = 0
        self.busy: dict[str, float] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything."""

    def draw(self) -> Inputs:
        """Return the inputs of a cycle."""
        raise NotImplementedError

    def outputs(self, i: Inputs) -> Outputs:
        """Return the outputs of the same cycle."""
        raise NotImplementedError

    def edge(self, i: Inputs) -> None:
        """Take the clock edge that ends the cycle."""

    def reset_edge(self, i: Inputs) -> None:
        """Take a clock edge in a reset."""
        self.reset()

    def flag(self, name: str) -> int:
        """Return a bit of a handshake: for a while mostly 1, for a while mostly 0."""
        if self.cycle % _PHASE == 0 or name not in self.busy:
            self.busy[name] = random.choice((0.05, 0.5, 0.95))
        return int(random.random() < self.busy[name])
