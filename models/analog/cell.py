"""Analog memory cells: presets of published device statistics, and what programming, time and reads do to a state."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oxnor.models.base import shipped
from oxnor.models.base.errors import InputError
from oxnor.models.base.toml import Reader

from .laws import Flicker, Law, LogDecay, PowerDrift

UNITS = ("uS", "nA", "1")
_PLACE = "analog"


@dataclass(frozen=True)
class Curvature:
    """Current of a cell that is not linear in voltage: I = G V + a2 V^2 + a3 V^3.

    Parameters
    ----------
    square, cube : tuple of float
        a2 in A/V^2 and a3 in A/V^3, each a polynomial in log10(G / siemens), constant first.
    volts : float
        Largest magnitude of the voltage.
    low, high : float
        States between which the source found the fit good.
    source : str
    """

    square: tuple[float, ...]
    cube: tuple[float, ...]
    volts: float
    low: float
    high: float
    source: str


@dataclass(frozen=True)
class AnalogCell:
    """A kind of cell that stores a number as a conductance, or as a current at its read voltage.

    Parameters
    ----------
    name, description : str
    unit : str
        Of a state: "uS", "nA", or "1" for a share of the largest.
    low, high : float
        States that stand for the smallest and the largest value, unless said otherwise.
    limit : float
        Largest state for which the laws hold.
    programming : Law
        Standard deviation after programming.
    drift_limit : float, optional
        Largest state for which the laws hold with time.
    seconds : (float, float)
        Times after programming for which the laws hold.
    shift : Law, optional
        Mean change of a state with time.
    power : PowerDrift, optional
    decay : LogDecay, optional
    read : Law, optional
        Standard deviation of one read.
    flicker : Flicker, optional
        1/f noise of one read, beside `read`.
    curvature : Curvature, optional
    """

    name: str
    description: str
    unit: str
    low: float
    high: float
    limit: float
    programming: Law
    drift_limit: float | None = None
    seconds: tuple[float, float] = (0.0, 0.0)
    shift: Law | None = None
    power: PowerDrift | None = None
    decay: LogDecay | None = None
    read: Law | None = None
    flicker: Flicker | None = None
    curvature: Curvature | None = None

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise InputError(f"unit must be one of {', '.join(UNITS)}, not {self.unit!r}")
        if not 0 <= self.low < self.high <= self.limit:
            raise InputError(f"low, high and limit must be rising numbers from 0 on, not {self.low:g}, {self.high:g}"
                             f" and {self.limit:g}")  # fmt: skip

    @classmethod
    def generic(cls, form: str, magnitude: float) -> AnalogCell:
        """Return a cell of a model for sweeps, states in [0, 1].

        Parameters
        ----------
        form : str
            "independent": sigma = magnitude; "proportional": magnitude * G; "inverse": magnitude / G.
        magnitude : float
            0 or more.
        """
        laws = {"independent": ("polynomial", (magnitude,)), "proportional": ("polynomial", (0.0, magnitude)),
                "inverse": ("inverse", (magnitude,))}  # fmt: skip
        if form not in laws:
            raise InputError(f"must be one of {', '.join(laws)}, not {form!r}", parameter="form")
        if not 0 <= magnitude < np.inf:
            raise InputError(f"must be 0 or more, not {magnitude:g}", parameter="magnitude")
        kind, coefficients = laws[form]
        law = Law(kind, (coefficients,), "a model for sweeps; no real device")
        return cls(f"{form}-{magnitude:g}", "a model for sweeps", "1", 0.0, 1.0, 1.0, law)

    def check(self, state: ArrayLike, seconds: float = 0.0) -> None:
        """Raise InputError where the laws do not hold."""
        low, high = self.seconds
        if not (seconds == 0 or low <= seconds <= high):
            ages = f"in [{low:g}, {high:g}]" if high else "0"
            raise InputError(f"must be {ages} s, where {self.name!r} holds, not {seconds:g}", parameter="seconds")
        limit = self.drift_limit if seconds and self.drift_limit else self.limit
        worst = float(np.max(state, initial=0.0))
        if worst > limit:
            rule = f"at most {limit:g} {self.unit}, where {self.name!r} holds, not {worst:g}"
            raise InputError(f"state must be {rule}")

    def programming_sigma(self, state: ArrayLike, seconds: float = 0.0) -> NDArray[np.float64]:
        """Return the standard deviation around the mean, `seconds` after programming, for each state."""
        return np.maximum(self.programming.at(state, seconds if len(self.programming.seconds) > 1 else 0.0), 0)

    def programmed(self, state: ArrayLike, generator: np.random.Generator, seconds: float = 0.0) -> NDArray[np.float64]:
        """Return what cells hold that were programmed to states, `seconds` later.

        The published spread at a later time includes that of programming: the two are never added. Below 0 nothing is
        stored.

        Parameters
        ----------
        state : array_like of float
            Targets, in the cell's unit.
        generator : numpy.random.Generator
        seconds : float

        Raises
        ------
        InputError
            Where the laws do not hold.
        """
        target = np.asarray(state, np.float64)
        self.check(target, seconds)
        mean = target + self.shift.at(target, seconds) if self.shift and seconds else target
        held = mean + self.programming_sigma(mean, seconds) * generator.standard_normal(target.shape)
        held = np.maximum(held, 0)
        if self.power and seconds:
            held *= self.power.factor(target, seconds, generator.standard_normal(target.shape))
        if self.decay and seconds:
            held += self.decay.shift(seconds, generator.standard_normal(target.shape))
        return np.maximum(held, 0)

    def read_sigma(self, state: ArrayLike, seconds: float = 0.0) -> NDArray[np.float64]:
        """Return the standard deviation of one read for each state."""
        variance = np.zeros(np.shape(state))
        if self.read:
            variance = variance + np.maximum(self.read.at(state), 0) ** 2
        if self.flicker:
            variance = variance + self.flicker.at(state, seconds) ** 2
        return np.sqrt(variance)

    def current(self, state: ArrayLike, volts: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return current (the state's unit times V) and its derivative by voltage, for states in uS.

        Raises
        ------
        InputError
            If the cell has no such law, or a voltage is outside it.
        """
        g, v = np.asarray(state, np.float64), np.asarray(volts, np.float64)
        law = self.curvature
        if law is None:
            return g * v, np.broadcast_to(g, np.broadcast_shapes(g.shape, v.shape))
        if np.max(np.abs(v), initial=0.0) > law.volts:
            raise InputError(f"must be at most {law.volts:g} V, where {self.name!r} holds", parameter="volts")
        log_g = np.log10(np.maximum(g, 1e-9) * 1e-6)
        a2, a3 = (1e6 * np.polynomial.polynomial.polyval(log_g, c) for c in (law.square, law.cube))  # uA/V^2, uA/V^3
        return g * v + a2 * v**2 + a3 * v**3, g + 2 * a2 * v + 3 * a3 * v**2


def names() -> list[str]:
    """Return the names of the shipped presets, sorted."""
    return shipped.names(_PLACE, ".toml")


def load(name_or_path: str | os.PathLike[str]) -> AnalogCell:
    """Return a shipped preset, or the cell of a ``.toml`` file.

    Raises
    ------
    InputError
        If no preset has that name, or naming the file, the field and the rule that it breaks.
    """
    return Reader(shipped.find(name_or_path, _PLACE, ".toml", "cell")).read(AnalogCell)
