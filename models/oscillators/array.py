"""Coupled oscillators under two drives: who locks to which, by three models of the same parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError

from . import kernels
from .oscillator import DEFAULT, TAU, Oscillator

#: Currents can tune a frequency in this band, MHz; the inputs are mapped into the middle of it.
TUNING = (305.0, 400.0)
CENTRE = 352.5
FREE, TO_A, TO_B = 0, 1, 2


@dataclass(frozen=True)
class Imperfections:
    """How real devices differ from ideal ones; every one is chosen by the user.

    Parameters
    ----------
    linewidth_mhz : float
        Full width at half maximum of a free oscillation: phase noise.
    spread_mhz : float
        Standard deviation of the frequencies of oscillators around those that were set.
    spread_range : float
        Relative standard deviation of their lock ranges.

    Raises
    ------
    InputError
        If one is negative or not finite.
    """

    linewidth_mhz: float = 0.0
    spread_mhz: float = 0.0
    spread_range: float = 0.0

    def __post_init__(self) -> None:
        for name in ("linewidth_mhz", "spread_mhz", "spread_range"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise InputError(f"must be at least 0, not {value:g}", parameter=name.removesuffix("_mhz"))


@dataclass(frozen=True, eq=False)
class OscillatorArray:
    """Oscillators that hear the same two drives and each other.

    Parameters
    ----------
    frequencies : ndarray of float64, shape (k,)
        Free frequencies, MHz: what the currents set.
    drives : ndarray of float64, shape (k,)
        F of each oscillator, 1/us: half lock ranges are ``device.half_range(frequencies, drives)``.
    coupling_mhz : float
        Pull of a neighbour at the centre of the band: two oscillators alone lock to each other if they are less than
        twice this apart.
    device : Oscillator
    settle_us, window_us : float
        Time before phases are watched, and for which they are.
    step_us : float
        Step of the reduced model; the full model takes an eighth of it.

    Raises
    ------
    InputError
        If a frequency is beyond what a current sets, or a time is not positive.
    """

    frequencies: NDArray[np.float64]
    drives: NDArray[np.float64]
    coupling_mhz: float = 0.0
    device: Oscillator = DEFAULT
    settle_us: float = 0.5
    window_us: float = 1.0
    step_us: float = 0.003

    def __post_init__(self) -> None:
        self.device.current(self.frequencies)
        if not 0 <= self.coupling_mhz < math.inf:
            raise InputError(f"must be at least 0, not {self.coupling_mhz:g}", parameter="coupling")
        if min(self.settle_us, self.window_us, self.step_us) <= 0:
            raise InputError("settle_us, window_us and step_us must be above 0")

    @property
    def half_ranges(self) -> NDArray[np.float64]:
        """Half lock ranges, MHz, to first order in the drive."""
        return self.device.half_range(self.frequencies, self.drives)

    @property
    def tolerance_mhz(self) -> float:
        """Mean difference of frequencies below which an oscillator counts as locked: one turn in the window."""
        return 1 / self.window_us

    def changed(self, flaws: Imperfections, *, seed: int, layer: int, trial: int) -> OscillatorArray:
        """Return the array with frequencies and lock ranges drawn around its own."""
        draws = rng.stream("oscillators", seed=seed, layer=layer, trial=trial).standard_normal((2, len(self.drives)))
        frequencies = np.clip(self.frequencies + flaws.spread_mhz * draws[0], *TUNING)
        drives = self.drives * np.maximum(1 + flaws.spread_range * draws[1], 0.0)
        return replace(self, frequencies=frequencies, drives=drives)

    def mapped(self, inputs: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the patterns if oscillators lock alone, at once and exactly in their ranges; see :func:`states`."""
        codes = np.empty(len(inputs), np.int64)
        kernels.lock_map(np.ascontiguousarray(inputs), self.frequencies, self.half_ranges, codes)
        return codes

    def reduced(
        self, inputs: NDArray[np.float64], linewidth_mhz: float = 0.0, *, seed: int = 0, layer: int = 0, trial: int = 0
    ) -> NDArray[np.float64]:
        """Return mean frequencies in the window by the phase model, MHz, shape (n, k).

        The amplitude follows the phase at once: d theta / dt = omega + Delta sum sin(drive - theta + alpha) + kappa sum
        sin(other - theta + alpha - beta), with alpha = atan nu.

        Parameters
        ----------
        inputs : ndarray of float64, shape (n, 2)
            Frequencies of the drives, MHz.
        linewidth_mhz : float
            Of each oscillator, as white noise of its frequency.
        seed, layer, trial : int
            Key of noise and of the phases at the start.
        """
        n, k = len(inputs), len(self.frequencies)
        zeta = self.device.current(self.frequencies)
        alpha = np.arctan(self.device.nonlinearity(zeta))
        before, during = (round(t / self.step_us) for t in (self.settle_us, self.window_us))
        draws = rng.stream("phases", seed=seed, layer=layer, trial=trial)
        theta, start = TAU * draws.random((k, n)), np.empty((k, n))
        noise = np.empty((0, k, n))
        if linewidth_mhz:
            # A Lorentzian line of this width at half maximum: phases diffuse by 2 pi width t.
            noise = draws.standard_normal((before + during, k, n)) * math.sqrt(TAU * linewidth_mhz * self.step_us)
        kernels.phase_run(
            theta, TAU * (inputs - CENTRE).T, TAU * (self.frequencies - CENTRE), TAU * self.half_ranges, alpha,
            TAU * self._pulls(zeta), alpha - self._turn, self.step_us, before, during, noise, start,
        )  # fmt: skip
        return CENTRE + (theta - start).T / (TAU * during * self.step_us)

    def full(
        self, inputs: NDArray[np.float64], linewidth_mhz: float = 0.0, *, seed: int = 0, layer: int = 0, trial: int = 0
    ) -> NDArray[np.float64]:
        """Return mean frequencies in the window by the complex model; as :meth:`reduced`, ten times slower."""
        n, k = len(inputs), len(self.frequencies)
        zeta, step = self.device.current(self.frequencies), self.step_us / 8
        power, nu = self.device.power(zeta), self.device.nonlinearity(zeta)
        before, during = (round(t / step) for t in (self.settle_us, self.window_us))
        draws = rng.stream("phases", seed=seed, layer=layer, trial=trial)
        c = np.sqrt(power) * np.exp(-1j * TAU * draws.random((n, k)))
        noise = np.empty((1, 0, k), np.complex128)
        if linewidth_mhz:
            pair = draws.standard_normal((2, n, before + during, k))
            noise = (pair[0] + 1j * pair[1]) * np.sqrt(TAU * linewidth_mhz * power / (1 + nu**2) * step)
        gained = np.empty((n, k))
        device = self.device
        kernels.full_run(
            c, TAU * (inputs - CENTRE), np.full(k, TAU * (device.f0_mhz - CENTRE)), zeta, self.drives,
            np.full((k, k), self._coupling), (TAU * device.n_mhz, device.gamma, device.q, self._turn), step, before,
            during, noise, gained,
        )  # fmt: skip
        return CENTRE + gained / (TAU * during * step)

    @property
    def _turn(self) -> float:
        """Phase of K: chosen so that in the centre of the band neighbours attract in phase."""
        return math.atan(float(self.device.nonlinearity(self.device.current(np.array(CENTRE)))))

    @property
    def _coupling(self) -> float:
        """K, 1/us."""
        nu = float(self.device.nonlinearity(self.device.current(np.array(CENTRE))))
        return TAU * self.coupling_mhz / math.sqrt(1 + nu**2)

    def _pulls(self, zeta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return kappa, MHz, shape (k, k): of the second on the first."""
        amplitude = np.sqrt(self.device.power(zeta))
        gain = np.sqrt(1 + self.device.nonlinearity(zeta) ** 2)
        return self._coupling / TAU * gain[:, None] * amplitude[None] / amplitude[:, None]

    def patterns(self, inputs: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the patterns of mean frequencies, as :func:`states` takes them apart."""
        apart = np.abs(found[:, :, None] - inputs[:, None, :])
        nearest = apart.argmin(axis=2)
        state = np.where(apart.min(axis=2) < self.tolerance_mhz, nearest + 1, FREE)
        return state @ 3 ** np.arange(state.shape[1])[::-1]


def states(patterns: NDArray[np.int64], oscillators: int) -> NDArray[np.int64]:
    """Return what each oscillator does in each pattern, shape (n, oscillators): 0 free, 1 with A, 2 with B."""
    return patterns[:, None] // 3 ** np.arange(oscillators)[::-1] % 3
