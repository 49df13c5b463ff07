"""The two resistance states of a device at one time, and the law by which they drift."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from oxnor.models.base.errors import InputError

#: Largest number in ln units that anything here may be: its square is still a number.
LN_MAX = 1e6


def require(name: str, value: Any, rule: str, ok: bool) -> None:
    """Raise InputError unless `ok` and `value` is finite."""
    if not ok or not math.isfinite(value):
        raise InputError(f"{name} must be {rule}, not {value:g}")


@dataclass(frozen=True)
class Statistics:
    """The two states at one moment: mean and standard deviation of ln(R / ohm).

    Parameters
    ----------
    lrs_mu, hrs_mu : float
        Means, so that exp(mu) is the median resistance in ohm; ``lrs_mu < hrs_mu``.
    lrs_sigma, hrs_sigma : float
        Standard deviations, above 0.
    """

    lrs_mu: float
    lrs_sigma: float
    hrs_mu: float
    hrs_sigma: float

    def __post_init__(self) -> None:
        for name in ("lrs_sigma", "hrs_sigma"):
            value = getattr(self, name)
            require(name, value, "a number above 0", value > 0)
        require("hrs_mu", self.hrs_mu, f"a number above lrs_mu = {self.lrs_mu:g}", self.hrs_mu > self.lrs_mu)

    @property
    def separation(self) -> float:
        """Distance of the means D = hrs_mu - lrs_mu, in ln units; exp(D) is the ratio of the medians."""
        return self.hrs_mu - self.lrs_mu


@dataclass(frozen=True)
class LogLaw:
    """Change with cycles or with time: each number moves by its slope times log10(1 + x / scale).

    Flat up to about `scale`, then linear in decades.

    Parameters
    ----------
    scale : float
        Where the change sets in, in the unit of x (cycles, or s); above 0.
    lrs_mu, hrs_mu, lrs_sigma, hrs_sigma : float
        Slopes in ln units a decade. All 0: no change.
    """

    scale: float = 1.0
    lrs_mu: float = 0.0
    hrs_mu: float = 0.0
    lrs_sigma: float = 0.0
    hrs_sigma: float = 0.0

    def __post_init__(self) -> None:
        require("scale", self.scale, "a number above 0", self.scale > 0)
        for name in ("lrs_mu", "hrs_mu", "lrs_sigma", "hrs_sigma"):
            value = getattr(self, name)
            require(name, value, f"a number of at most {LN_MAX:g}", not abs(value) > LN_MAX)

    def decades(self, x: float) -> float:
        """Return log10(1 + x / scale)."""
        return math.log1p(x / self.scale) / math.log(10)

    @property
    def changes(self) -> bool:
        """True if any slope is not 0."""
        return any((self.lrs_mu, self.hrs_mu, self.lrs_sigma, self.hrs_sigma))
