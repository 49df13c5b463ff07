"""One spin-torque oscillator: what follows from its equation in closed form.

The nonlinear auto-oscillator (Slavin and Tiberkevich, IEEE Trans. Magn. 45:1875, 2009): a complex amplitude c with
power p = abs(c)**2,

    dc/dt = -j (omega0 + N p) c - Gamma (1 + Q p) c + Gamma zeta (1 - p) c + F exp(-j w t) + ...

with zeta the current over its threshold. Time is in microseconds, frequencies are in MHz. The parameters are chosen:
those of the published devices could not be read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

TAU = 2 * math.pi


@dataclass(frozen=True)
class Oscillator:
    """The constants of an oscillator; every one is chosen.

    Parameters
    ----------
    gamma : float
        Damping Gamma at small amplitude, 1/us.
    q : float
        Nonlinear damping Q.
    f0_mhz : float
        Frequency omega0 / 2 pi of a vanishing amplitude.
    n_mhz : float
        Nonlinear frequency shift N / 2 pi: what the power, in (0, 1), adds.

    Raises
    ------
    InputError
        If one is not finite, the damping not positive, or Q not at least 0.
    """

    gamma: float = 400.0
    q: float = 0.5
    f0_mhz: float = 282.5
    n_mhz: float = 170.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not math.isfinite(value := getattr(self, field.name)):
                raise InputError(f"must be finite, not {value}", parameter=field.name)
        if self.gamma <= 0:
            raise InputError(f"must be above 0, not {self.gamma:g}", parameter="gamma")
        if self.q < 0:
            raise InputError(f"must be at least 0, not {self.q:g}", parameter="q")

    def power(self, zeta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the power of the free oscillation at a current; 0 below the threshold."""
        zeta = np.asarray(zeta, float)
        return np.maximum((zeta - 1) / (zeta + self.q), 0)

    def frequency(self, zeta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the free frequency at a current, MHz."""
        return self.f0_mhz + self.n_mhz * self.power(zeta)

    def current(self, mhz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the current, over its threshold, whose free frequency this is.

        Raises
        ------
        InputError
            If no current has it.
        """
        p = (np.asarray(mhz, float) - self.f0_mhz) / self.n_mhz
        if not np.all((p > 0) & (p < 1)):
            ends = sorted((self.f0_mhz, self.f0_mhz + self.n_mhz))
            raise InputError(f"must lie between {ends[0]:g} and {ends[1]:g} MHz", parameter="mhz")
        return (1 + self.q * p) / (1 - p)

    def relaxation(self, zeta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rate Gamma (zeta - 1) of the amplitude, 1/us; a small change of the power decays twice as fast."""
        return self.gamma * (np.asarray(zeta, float) - 1)

    def nonlinearity(self, zeta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return nu = N p0 / Gamma_p: how much the amplitude moves the phase."""
        return TAU * self.n_mhz * self.power(zeta) / self.relaxation(zeta)

    def half_range(self, mhz: NDArray[np.float64], drive: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return half the range in which an oscillator locks to a drive F (1/us), MHz.

        F sqrt(1 + nu**2) / sqrt(p0): to first order in F.
        """
        zeta = self.current(mhz)
        return drive * np.sqrt(1 + self.nonlinearity(zeta) ** 2) / np.sqrt(self.power(zeta)) / TAU


#: The oscillator of the studies.
DEFAULT = Oscillator()


def logistic_step(
    power: NDArray[np.float64], zeta: NDArray[np.float64], q: float, gamma_t: float
) -> NDArray[np.float64]:
    """Return the power after a time at constant current: the exact solution of dp/dt = 2 p (a - b p).

    Parameters
    ----------
    power : ndarray
        At the start, above 0.
    zeta : ndarray
        Current over its threshold; below 1 the oscillation dies away.
    q : float
        Nonlinear damping.
    gamma_t : float
        Time in units of 1/Gamma, at least 0.
    """
    a, b = np.asarray(zeta, float) - 1, np.asarray(zeta, float) + q
    # p exp(2at) / (1 + p b (exp(2at) - 1) / a), whose last fraction tends to 2t where a is 0.
    x = 2 * a * gamma_t
    grown = np.where(np.abs(x) < 1e-12, 2 * gamma_t, np.expm1(x) / np.where(a == 0, 1, a))
    return power * np.exp(x) / (1 + power * b * grown)


def beat(detuning_mhz: NDArray[np.float64], half_range_mhz: float) -> NDArray[np.float64]:
    """Return the mean difference of frequencies that a drive leaves, sqrt(df**2 - range**2), or 0 where it locks.

    Of two oscillators that couple mutually the range is twice the coupling.
    """
    df = np.asarray(detuning_mhz, float)
    return np.sign(df) * np.sqrt(np.maximum(df**2 - half_range_mhz**2, 0))
