"""Switching of a magnetic tunnel junction, and what probability a wished step gets from it.

A pulse of reduced length u = t V / (C R) switches a junction with probability 1 - erf(pi / (2 sqrt(2) theta0) e^-u),
after Greenberg-Toledo et al. (arXiv 1912.12636). A synapse that takes three values, or two, has no place for a small
step: it takes a whole one, with a probability. :data:`LAWS` are the probabilities of the part of a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc, erfcinv

from oxnor.models.base.errors import InputError

#: Bits of a random number that a probability is compared with.
NUMBER_BITS = 16
#: Probabilities between which the junction's own law is used.
ENDS = (0.002, 0.99)
#: Points of the mean over one entry of a table.
_POINTS = 64


@dataclass(frozen=True)
class Switching:
    """The probability of a junction to switch.

    Parameters
    ----------
    theta0 : float
        Rms thermal angle of the free layer, in radians. Range [0.001, 1].

    Raises
    ------
    InputError
        If it is out of range.
    """

    theta0: float = 0.1

    def __post_init__(self) -> None:
        if not 1e-3 <= self.theta0 <= 1:
            raise InputError(f"must be in [0.001, 1], not {self.theta0}", parameter="theta0")

    @classmethod
    def at(cls, u50: float) -> Switching:
        """Return junctions of which half switch at `u50`, in [0.85, 7.76]."""
        low, high = (cls(theta0).u50 for theta0 in (1.0, 1e-3))
        if not low <= u50 <= high:
            raise InputError(f"must be in [{low:.3g}, {high:.3g}], not {u50}", parameter="u50")
        return cls(float(np.clip(math.pi / (2 * math.sqrt(2) * erfcinv(0.5) * math.exp(u50)), 1e-3, 1)))

    @property
    def barrier(self) -> float:
        """The factor of e^-u."""
        return math.pi / (2 * math.sqrt(2) * self.theta0)

    @property
    def u50(self) -> float:
        """Pulse at which half of the junctions switch."""
        return float(self.pulse(0.5))

    def probability(self, u: ArrayLike) -> NDArray[np.float64]:
        """Return the probability that a pulse `u` switches."""
        return erfc(self.barrier * np.exp(-np.asarray(u, np.float64)))

    def pulse(self, probability: ArrayLike) -> NDArray[np.float64]:
        """Return the pulse that switches with a probability in (0, 1)."""
        return np.log(self.barrier / erfcinv(np.asarray(probability, np.float64)))


def _tanh(switching: Switching) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    return lambda nu: np.tanh(3 * nu)


def _linear(switching: Switching) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    return lambda nu: nu


def _mtj(switching: Switching) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    low, high = switching.pulse(ENDS)
    return lambda nu: switching.probability(low + nu * (high - low))


#: Probability of a whole step for a part nu of one, in [0, 1): that of GXNOR (Deng et al., arXiv 1705.09283), the
#: part itself, and a pulse that is linear in it.
LAWS: dict[str, Callable[[Switching], Callable[[NDArray[np.float64]], NDArray[np.float64]]]] = {
    "tanh": _tanh,
    "linear": _linear,
    "mtj": _mtj,
}


def law(name: str, switching: Switching = Switching()) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the probability of a whole step as a function of the part nu."""
    if name not in LAWS:
        raise InputError(f"must be one of {', '.join(LAWS)}, not {name!r}", parameter="law")
    return LAWS[name](switching)


def thresholds(name: str, entries: int, switching: Switching = Switching()) -> NDArray[np.uint16]:
    """Return the table of a law, shape (entries,), in units of 2**-16.

    Entry j is for nu in [2**-(j+1), 2**-j), the last for all below: most steps are far smaller than one, so that
    entries of equal width would give nearly all of them the same probability. An entry is the mean of the law over its
    octave.

    Parameters
    ----------
    name : str
        A key of :data:`LAWS`.
    entries : int
        Range [8, 16].
    switching : Switching

    Raises
    ------
    InputError
        If there is no such law, or entries are out of range.
    """
    if not 8 <= entries <= 16:
        raise InputError(f"must be in [8, 16], not {entries}", parameter="table")
    high = 0.5 ** np.arange(entries)
    low = np.append(high[1:], 0.0)
    points = low[:, None] + (high - low)[:, None] * ((np.arange(_POINTS) + 0.5) / _POINTS)
    mean = law(name, switching)(points).mean(axis=1)
    return np.clip(np.round(mean * (1 << NUMBER_BITS)), 0, (1 << NUMBER_BITS) - 1).astype(np.uint16)


def octave(fraction: NDArray[np.integer], entries: int) -> NDArray[np.int64]:
    """Return the entry of a table for parts of a step in units of 2**-(entries - 1): its leading zeros."""
    bits = np.frexp(np.asarray(fraction, np.float64))[1]
    return entries - 1 - bits
