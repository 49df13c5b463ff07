"""Laws of analog memory cells: how far a state is off after programming, with time, and in a read.

Every law holds its constants, their source, and the seconds after programming for which they were published.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oxnor.models.base.errors import InputError

Floats = NDArray[np.floating]


def _polynomial(c: Floats, x: Floats) -> Floats:
    return np.polynomial.polynomial.polyval(x, c)


def _saturating(c: Floats, x: Floats) -> Floats:
    return c[0] * -np.expm1(-x / c[1])


def _inverse(c: Floats, x: Floats) -> Floats:
    return np.divide(c[0], x, out=np.zeros_like(x), where=x != 0)


#: Forms of a law of a state x with coefficients c, and how many coefficients each has (0: any number).
FORMS: Mapping[str, tuple[Callable[[Floats, Floats], Floats], int]] = {
    "polynomial": (_polynomial, 0),  # c0 + c1 x + c2 x^2 + ...
    "saturating": (_saturating, 2),  # c0 (1 - exp(-x / c1))
    "inverse": (_inverse, 1),  # c0 / x, and 0 where x is 0
}


@dataclass(frozen=True)
class Law:
    """A number that depends on the state of a cell, and may change with time.

    Parameters
    ----------
    form : str
        A key of :data:`FORMS`.
    coefficients : tuple of tuples of float
        One tuple for each of `seconds`.
    source : str
        Work and figure that the constants come from.
    seconds : tuple of float
        Rising times after programming at which the coefficients hold; between them they are interpolated. A single time
        stands for all times.
    scale : float
        The state is divided by it first; above 0.
    """

    form: str
    coefficients: tuple[tuple[float, ...], ...]
    source: str
    seconds: tuple[float, ...] = (0.0,)
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise InputError(f"form must be one of {', '.join(FORMS)}, not {self.form!r}")
        n, sizes = FORMS[self.form][1], {len(c) for c in self.coefficients}
        if len(self.coefficients) != len(self.seconds) or len(sizes) != 1 or not min(sizes) or n not in (0, *sizes):
            of_form = f"{n} numbers" if n else "as many numbers"
            raise InputError(f"coefficients must be {of_form} for each of {len(self.seconds)} seconds")
        if any(b <= a for a, b in zip(self.seconds, self.seconds[1:], strict=False)) or self.seconds[0] < 0:
            raise InputError("seconds must be rising numbers from 0 on")
        if not 0 < self.scale < math.inf or not np.isfinite(self.coefficients).all():
            raise InputError("coefficients must be finite, and scale above 0")

    def at(self, state: ArrayLike, seconds: float = 0.0) -> Floats:
        """Return the number for each state, `seconds` after programming.

        Raises
        ------
        InputError
            If the law has several times and `seconds` is outside them.
        """
        table = np.asarray(self.coefficients)
        if len(self.seconds) > 1 and not self.seconds[0] <= seconds <= self.seconds[-1]:
            rule = f"must be in [{self.seconds[0]:g}, {self.seconds[-1]:g}] s, where the law holds, not {seconds:g}"
            raise InputError(rule, parameter="seconds")
        c = np.array([np.interp(seconds, self.seconds, column) for column in table.T])
        return FORMS[self.form][0](c, np.asarray(state, np.float64) / self.scale)


def _clipped(law: tuple[float, float, float, float], ln_r: NDArray[np.float64]) -> NDArray[np.float64]:
    slope, constant, low, high = law
    return np.clip(slope * ln_r + constant, low, high)


@dataclass(frozen=True)
class PowerDrift:
    """Drift G(t) = G ((t + t0) / t0)^-nu, with nu the magnitude of a normal number for each cell.

    Parameters
    ----------
    start : float
        t0 in seconds.
    scale : float
        The state that counts as r = 1; the smallest r is 1e-6.
    mean, spread : (float, float, float, float)
        Mean and standard deviation of nu: slope and constant in ln r, and the limits between which they are clipped.
    source : str
    """

    start: float
    scale: float
    mean: tuple[float, float, float, float]
    spread: tuple[float, float, float, float]
    source: str

    def exponent(self, state: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of nu for each state."""
        ln_r = np.log(np.maximum(np.asarray(state, np.float64) / self.scale, 1e-6))
        return _clipped(self.mean, ln_r), _clipped(self.spread, ln_r)

    def factor(self, state: ArrayLike, seconds: float, z: ArrayLike = 0.0) -> NDArray[np.float64]:
        """Return G(t) / G for each state; `z` are standard normal numbers, 0 for the mean exponent."""
        mean, spread = self.exponent(state)
        return ((seconds + self.start) / self.start) ** -np.abs(mean + spread * np.asarray(z))


@dataclass(frozen=True)
class LogDecay:
    """Decay that does not depend on the state: normal, with mean and spread linear in ln t. From 1 s on.

    Parameters
    ----------
    mean : (float, float)
        Slope and constant of the mean.
    spread : (float, float)
        Slope and constant of the standard deviation.
    source : str
    """

    mean: tuple[float, float]
    spread: tuple[float, float]
    source: str

    def shift(self, seconds: float, z: ArrayLike = 0.0) -> NDArray[np.float64]:
        """Return what is added to a state after `seconds`; nothing before 1 s."""
        z = np.asarray(z, np.float64)
        if seconds < 1:
            return np.zeros_like(z)
        ln_t = math.log(seconds)
        return self.mean[0] * ln_t + self.mean[1] + (self.spread[0] * ln_t + self.spread[1]) * z


@dataclass(frozen=True)
class Flicker:
    """1/f noise of one read: sigma = k(G) sqrt(ln((t + t_read) / (2 t_read))).

    Parameters
    ----------
    form : str
        "relative": k = G min(c0 / r^c1, c2), with r = G / scale. "log10": k = c0 log10 G.
    coefficients : tuple of float
    read_seconds : float
        t_read.
    source : str
    scale : float
        The state that counts as r = 1.
    """

    form: str
    coefficients: tuple[float, ...]
    read_seconds: float
    source: str
    scale: float = 1.0

    def __post_init__(self) -> None:
        sizes = {"relative": 3, "log10": 1}
        if self.form not in sizes or len(self.coefficients) != sizes[self.form]:
            raise InputError("form must be relative with 3 coefficients, or log10 with 1")

    def at(self, state: ArrayLike, seconds: float) -> NDArray[np.float64]:
        """Return the standard deviation of a read for each state."""
        g, c, t = np.asarray(state, np.float64), self.coefficients, self.read_seconds
        grown = math.sqrt(max(0.0, math.log((seconds + t) / (2 * t))))
        if self.form == "log10":
            return c[0] * np.log10(np.maximum(g, 1.0)) * grown
        r = np.maximum(g / self.scale, 1e-6)
        return g * np.minimum(c[0] / r ** c[1], c[2]) * grown
