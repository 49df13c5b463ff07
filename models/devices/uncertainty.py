"""How well the numbers of a device are known, and the intervals of its error rates that follow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError

#: Of every interval.
CONFIDENCE = 0.99
#: The numbers that may be uncertain; of medians it is ln R.
BASE = ("lrs_median", "hrs_median", "lrs_sigma", "hrs_sigma")
SLOPES = ("lrs_mu", "hrs_mu", "lrs_sigma", "hrs_sigma")
LAWS = ("wear", "relaxation")
_VARIANCE_MAX = 1e6
#: Draws of an interval of a rate.
DRAWS = 4000


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """The sampling distribution of the numbers of a device: a multivariate t distribution about them.

    Parameters
    ----------
    names : tuple of str
        Of :data:`BASE`, and slopes of one law as ``wear.lrs_mu``.
    covariance : ndarray of float, shape (k, k)
        Of ln R for medians, of sigmas and slopes as they are.
    freedom : float
        Degrees of freedom, at least 1: devices that were measured, less one.
    """

    names: tuple[str, ...]
    covariance: NDArray[np.float64]
    freedom: float

    def __post_init__(self) -> None:
        known = (*BASE, *(f"{law}.{slope}" for law in LAWS for slope in SLOPES))
        if not self.names or len(set(self.names)) < len(self.names) or not set(self.names) <= set(known):
            raise InputError(f"uncertainty: names must be some of {', '.join(known)}, each once")
        c = self.covariance
        if c.shape != (len(self.names),) * 2 or not np.all(np.abs(c) <= _VARIANCE_MAX) or not np.allclose(c, c.T):
            rule = f"{len(self.names)} x {len(self.names)}, symmetric, and at most {_VARIANCE_MAX:g}"
            raise InputError(f"uncertainty: covariance must be {rule}")
        if np.linalg.eigvalsh(c).min() < -1e-6 * max(1e-12, float(np.abs(c).max())):
            raise InputError("uncertainty: covariance must be positive")
        if not 1 <= self.freedom < math.inf:
            raise InputError(f"uncertainty: freedom must be 1 or more, not {self.freedom:g}")

    def draws(self, count: int = DRAWS) -> dict[str, NDArray[np.float64]]:
        """Return deviations of the numbers, by name; always the same ones."""
        g = rng.stream("uncertainty", seed=0, layer=0, trial=0)
        values, vectors = np.linalg.eigh(self.covariance)
        z = g.standard_normal((count, len(self.names)))
        z /= np.sqrt(g.chisquare(self.freedom, (count, 1)) / self.freedom)
        parts = (z * np.sqrt(np.maximum(values, 0))) @ vectors.T
        return dict(zip(self.names, parts.T, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of a preset file."""
        return {"names": list(self.names), "covariance": self.covariance.tolist(), "freedom": self.freedom}

    @classmethod
    def from_json(cls, value: Any) -> Uncertainty:
        """Return what a JSON value says, which is not trusted."""
        if not isinstance(value, dict) or set(value) != {"names", "covariance", "freedom"}:
            raise InputError("uncertainty: must have names, covariance and freedom")
        names, rows, freedom = value["names"], value["covariance"], value["freedom"]
        texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
        try:
            ok = texts and isinstance(rows, list) and len(rows) == len(names) <= len(BASE) + len(LAWS) * len(SLOPES)
            ok = ok and all(isinstance(row, list) and len(row) == len(names) for row in rows)
            ok = ok and all(type(x) in (int, float) for row in (*rows, [freedom]) for x in row)
            matrix = np.array(rows, np.float64) if ok else np.zeros((0, 0))
            freedom = float(freedom) if ok else 0.0
        except (OverflowError, ValueError):
            ok = False
        if not ok:
            raise InputError("uncertainty: must hold names, a square of numbers, and a number")
        return cls(tuple(names), matrix, freedom)
