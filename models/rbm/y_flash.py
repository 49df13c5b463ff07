"""Y-Flash devices: a floating gate shared by a transistor that is read and one that injects, in closed form.

The equations and constants are those of Wang et al., Nature Electronics 5:870 (2022). A program pulse puts electrons on
the gate by hot-carrier injection, and the conductance falls; an erase pulse takes them off by tunnelling, and it rises.
Each pulse is one step of the charge, and wears the device a little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

#: Charge of the gate of a fresh weight, in C; that of its reference device, which is never written.
START_CHARGE = -1e-11
#: Voltages of a read, a program pulse (drain) and an erase pulse (injection source), in V.
READ_V, PROGRAM_V, ERASE_V = 2.0, 5.0, 8.0
#: Lengths of the pulses, in s.
PROGRAM_S, ERASE_S = 200e-6, 100e-6
#: Of a fresh device, and (mean, standard deviation) of devices that differ.
BARRIER, BARRIER_SPREAD = 22.5, (23.4, 0.8)
BETA, BETA_SPREAD = 8.0, (9.0, 0.8)
#: Capacitances of the gate to drain and to a source, in F, and thermal voltage.
_C_DRAIN, _C_SOURCE, _KT = 15e-12, 1e-12, 0.026
#: (threshold V, K A/V^2, I_s0 A, n) of the two transistors.
_READ, _INJECTION = (0.87, 1.7e-5, 3e-8, 1.85), (1.32, 3.4e-5, 6e-8, 2.405)
_HOT, _TUNNEL, _BUILT_IN, _HOT_MIN = 5e-3, 3e-9, 5.0, 0.1
#: Where the barriers end with age, and the time constants of that, in s.
_BARRIER_END, _BARRIER_S, _BETA_END, _BETA_S = 24.0, 1.0, 11.5, 0.5
_BARRIER_AGE, _BETA_AGE = math.expm1(PROGRAM_S / _BARRIER_S), math.expm1(ERASE_S / _BETA_S)


@numba.njit(cache=True)
def _current(gate, drain, transistor):
    threshold, k, start, n = transistor
    u = gate - threshold
    open_ = 1 - math.exp(-drain / _KT)
    below = start * math.exp(u / (n * _KT)) * open_
    above = 5 * start * open_
    if u >= drain:
        above += k * (u - drain / 2) * drain
    elif u >= 0:
        above += k / 2 * u * u
    return below * above / (below + above)


@numba.njit(cache=True)
def read(charge):
    """Return the conductance of a gate of this charge in S: both transistors conduct."""
    gate = (charge + _C_DRAIN * READ_V) / (_C_DRAIN + 2 * _C_SOURCE)
    return (_current(gate, READ_V, _READ) + _current(gate, READ_V, _INJECTION)) / READ_V


@numba.njit(cache=True)
def pulse(charge, barrier, beta, erases):
    """Return charge, barrier and beta after a pulse that erases or programs."""
    if erases:
        x = ERASE_V - (charge + _C_SOURCE * ERASE_V) / (_C_DRAIN + _C_SOURCE) - _BUILT_IN
        if x > 0:
            charge += _TUNNEL * x * x * math.exp(-beta / x) * ERASE_S
        return charge, barrier, beta + (_BETA_END - beta) * _BETA_AGE
    gate = (charge + _C_DRAIN * PROGRAM_V) / (_C_DRAIN + _C_SOURCE)
    if gate >= _HOT_MIN:
        charge -= _current(gate, PROGRAM_V, _INJECTION) * _HOT * math.exp(-barrier / gate) * PROGRAM_S
    return charge, barrier + (_BARRIER_END - barrier) * _BARRIER_AGE, beta


@numba.njit(cache=True)
def _read_all(charges, out):
    for k in range(charges.size):
        out[k] = read(charges[k])


@dataclass(frozen=True)
class DeviceSpread:
    """How devices differ.

    Parameters
    ----------
    share : float
        Of the measured spread of their barriers: 0 for devices that are alike and fresh, 1 for measured ones.

    Raises
    ------
    InputError
        If it is not in [0, 10].
    """

    share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 10:
            raise InputError(f"must be in [0, 10], not {self.share:g}", parameter="spread")

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> tuple[NDArray, NDArray]:
        """Return the barriers and betas of some devices, float32."""
        if not self.share:
            return np.full(shape, BARRIER, np.float32), np.full(shape, BETA, np.float32)
        draws = [
            (mean + self.share * deviation * generator.standard_normal(shape)).astype(np.float32)
            for mean, deviation in (BARRIER_SPREAD, BETA_SPREAD)
        ]
        return draws[0], draws[1]


@dataclass(eq=False)
class YFlash:
    """Devices.

    Parameters
    ----------
    charge : ndarray of float32
        Of each gate, in C.
    barrier, beta : ndarray of float32
        What injection and tunnelling have to overcome; both grow with age.
    writes : ndarray of int32
        Pulses so far.
    """

    charge: NDArray[np.float32]
    barrier: NDArray[np.float32]
    beta: NDArray[np.float32]
    writes: NDArray[np.int32] = field(repr=False)

    @classmethod
    def draw(cls, shape: tuple[int, ...], spread: DeviceSpread, generator: np.random.Generator) -> YFlash:
        """Return fresh devices of weight 0."""
        barrier, beta = spread.draw(shape, generator)
        return cls(np.full(shape, START_CHARGE, np.float32), barrier, beta, np.zeros(shape, np.int32))

    @property
    def conductance(self) -> NDArray[np.float64]:
        """Conductance of each device in S."""
        out = np.empty(self.charge.size)
        _read_all(self.charge.astype(np.float64).reshape(-1), out)
        return out.reshape(self.charge.shape)


def curves(charge: float = -7e-12, barrier: float = BARRIER, beta: float = BETA, low: float = 1e-9, high: float = 1e-6,
           pulses_max: int = 1000) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Return the conductances after 0, 1, ... program pulses down to `low`, then of erase pulses up to `high`."""
    both = []
    for erases, ends in ((False, lambda g: g <= low), (True, lambda g: g >= high)):
        found = [read(charge)]
        while not ends(found[-1]) and len(found) <= pulses_max:
            charge, barrier, beta = pulse(charge, barrier, beta, erases)
            found.append(read(charge))
        both.append(np.array(found))
    return both[0], both[1]
