"""How many draws a mean takes to be known well enough: the spread of the first ones says how many there must be.

The rule of Stein (Annals of Mathematical Statistics 16, 1945): from the standard deviation s of the first n draws, go
on to N = (t s / h)^2 draws, with t the quantile of Student's t with n - 1 degrees of freedom. For normal draws the mean
of all N is within plus or minus h with the confidence that was asked for, whatever their spread is. If the spread of
the N then asks for more, go on in the same way: the number of draws is never less than Stein's and depends on spreads
alone, of which the mean of normal draws is independent, so that the promise stays. To look at an interval after every
draw and stop when it is narrow has no such guarantee: it stops where the spread happens to look small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

#: Draws of the first stage.
FIRST = 6


@dataclass(frozen=True)
class Stop:
    """When a mean is known well enough.

    Parameters
    ----------
    half_width : float
        The mean must be known to plus or minus this, in (0, 1).
    confidence : float
        With this probability, in [0.5, 1).
    """

    half_width: float
    confidence: float = 0.99

    def __post_init__(self) -> None:
        if not 0 < self.half_width < 1:
            raise InputError(f"must be in (0, 1), not {self.half_width}", parameter="half_width")
        if not 0.5 <= self.confidence < 1:
            raise InputError(f"must be in [0.5, 1), not {self.confidence}", parameter="confidence")

    def needed(self, accuracy: NDArray[np.float64], images: int) -> int:
        """Return how many draws it takes in all by the spread of some, accuracies of draws of `images` images.

        A spread of less than one image counts as one.
        """
        from scipy import stats

        sd = max(float(np.std(accuracy, ddof=1)), 1 / images)
        t = float(stats.t.ppf(0.5 + self.confidence / 2, len(accuracy) - 1))
        return max(len(accuracy), math.ceil((t * sd / self.half_width) ** 2))

    def plan(self, accuracy: NDArray[np.float64], images: int, fixed: int, most: int) -> Plan:
        """Return how many draws a point gets, as far as the draws that are there can say.

        Parameters
        ----------
        accuracy : ndarray of float, shape (n,)
            Of draws 0, 1, ...; at least the first :data:`FIRST`.
        images : int
            Of a draw.
        fixed : int
            Draws of a point that takes more than `most`.
        most : int
        """
        n = FIRST
        while True:
            needed = self.needed(accuracy[:n], images)
            if needed > most:
                return Plan(needed, max(fixed, n))
            if needed == n or needed > len(accuracy):
                return Plan(needed, needed)
            n = needed


@dataclass(frozen=True)
class Plan:
    """How many draws one point gets.

    Parameters
    ----------
    needed : int
        By the rule, from the draws that are there.
    draws : int
        Those that it gets: as many as needed, or the fixed number where that is more than the most allowed.
    """

    needed: int
    draws: int

    @property
    def known(self) -> bool:
        """Whether the mean of the point is known well enough."""
        return self.draws >= self.needed


@dataclass(frozen=True)
class Saving:
    """What a rule of stopping did.

    Parameters
    ----------
    stop : Stop
    plans : mapping of (layer, value) to Plan
    fixed : int
        Draws that each point has without the rule.
    """

    stop: Stop
    plans: Mapping[tuple[int, float], Plan]
    fixed: int

    @property
    def draws(self) -> int:
        """Draws of all points."""
        return sum(plan.draws for plan in self.plans.values())

    @property
    def uniform(self) -> int:
        """Draws of all points if each had as many as the one that needs most: what a fixed number takes."""
        return len(self.plans) * max(plan.needed for plan in self.plans.values())

    @property
    def known(self) -> int:
        """Points whose mean is known well enough."""
        return sum(plan.known for plan in self.plans.values())

    def __str__(self) -> str:
        fixed, points = self.fixed * len(self.plans), len(self.plans)
        share = 100 * (1 - self.draws / fixed)
        text = (
            f"{self.known} of {points} means are known to plus or minus {100 * self.stop.half_width:g} points at"
            f" {100 * self.stop.confidence:g} %: {self.draws:,} draws, where {self.fixed} at each point are {fixed:,}"
            f" ({abs(share):.0f} % {'saved' if share >= 0 else 'more'})"
        )
        if self.known == points:
            return f"{text}; one number for all points would have to be {self.uniform // points:,}"
        most = max(plan.needed for plan in self.plans.values())
        return f"{text}; the others take up to {most:,}: `trials_max`"

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a JSON object."""
        return {
            "half_width": self.stop.half_width, "confidence": self.stop.confidence, "rule": "Stein",
            "first_stage": FIRST, "points": len(self.plans), "known": self.known, "draws": self.draws,
            "fixed_draws": self.fixed * len(self.plans), "needed_most": self.uniform // len(self.plans),
            "plans": [
                {"layer": layer, "value": value, "needed": p.needed, "draws": p.draws, "known": p.known}
                for (layer, value), p in self.plans.items()
            ],
        }  # fmt: skip
