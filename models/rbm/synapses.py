"""Synapses of Y-Flash devices, each with a counter that asks for a pulse: contrasts go in, weights come out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from .y_flash import READ_V, START_CHARGE, DeviceSpread, YFlash, pulse, read

#: Current of a weight of 1, in A: 3 uA over weights from -1.5 to 1.5.
UNIT_A = 1e-6
#: Weight of a conductance of 1 S, and that of the reference device, which is never written.
_SCALE = READ_V / UNIT_A
_REFERENCE = _SCALE * read(START_CHARGE)
#: What a synapse keeps, by name.
_STATE = ("charge", "barrier", "beta", "writes", "counts")


@dataclass(frozen=True)
class CounterParams:
    """When counters ask for pulses.

    Parameters
    ----------
    threshold : int
        Magnitude of a count that asks for one, T_c.
    drops : bool
        Ask for one pulse, however many multiples of the threshold a count has reached, as in the published code; or for
        one a multiple. Alike where a batch adds at most the threshold.

    Raises
    ------
    InputError
        If the threshold is not in [1, 2**20].
    """

    threshold: int = 100
    drops: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= 1 << 20:
            raise InputError(f"must be in [1, {1 << 20}], not {self.threshold}", parameter="threshold")


@numba.njit(cache=True, boundscheck=False)
def _learn(change, counts, threshold, drops, charge, barrier, beta, writes, weights):
    for k in range(change.size):
        count = counts[k] + np.int32(change[k])
        if abs(count) >= threshold:
            multiples = abs(count) // threshold
            erases = count > 0
            count -= multiples * threshold if erases else -multiples * threshold
            pulses = 1 if drops else multiples
            state = (np.float64(charge[k]), np.float64(barrier[k]), np.float64(beta[k]))
            for _ in range(pulses):
                state = pulse(state[0], state[1], state[2], erases)
            charge[k], barrier[k], beta[k] = state
            writes[k] += pulses
            weights[k] = _SCALE * read(np.float64(charge[k])) - _REFERENCE
        counts[k] = count


@dataclass(eq=False)
class Synapses:
    """An array of synapses or of biases: a written device and a reference each, and a counter.

    Parameters
    ----------
    devices : YFlash
        The written ones.
    counts : ndarray of int32
        What the counters hold.
    params : CounterParams
    """

    devices: YFlash
    counts: NDArray[np.int32]
    params: CounterParams
    #: In units of :data:`UNIT_A`, float32.
    weights: NDArray[np.float32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.set_weights()

    def set_weights(self) -> None:
        """Read the weights of the devices."""
        self.weights = (_SCALE * self.devices.conductance - _REFERENCE).astype(np.float32)

    @classmethod
    def draw(
        cls, shape: tuple[int, ...], params: CounterParams, spread: DeviceSpread, generator: np.random.Generator
    ) -> Synapses:
        """Return fresh ones, of weight 0."""
        return cls(YFlash.draw(shape, spread, generator), np.zeros(shape, np.int32), params)

    def learn(self, change: NDArray) -> None:
        """Add whole numbers to the counters, and carry out the pulses that they ask for."""
        d, p = self.devices, self.params
        flat = [np.ascontiguousarray(a).reshape(-1) for a in (change, self.counts)]
        state = [a.reshape(-1) for a in (d.charge, d.barrier, d.beta, d.writes, self.weights)]
        _learn(*flat, p.threshold, p.drops, *state)

    def copy(self, spread: DeviceSpread, generator: np.random.Generator) -> Synapses:
        """Return other devices, programmed to the same conductances; counters and writes begin at 0."""
        made = YFlash.draw(self.counts.shape, spread, generator)
        made.charge[...] = self.devices.charge
        return Synapses(made, np.zeros_like(self.counts), self.params)

    def state(self) -> dict[str, NDArray]:
        """Return what a checkpoint keeps."""
        return {name: self.counts if name == "counts" else getattr(self.devices, name) for name in _STATE}


@dataclass(eq=False)
class FloatSynapses:
    """Weights of the same machine as plain numbers, which learn at once: what devices and counters are compared with.

    Parameters
    ----------
    weights : ndarray of float32
    rate : float
        What a count of 1 adds.
    """

    weights: NDArray[np.float32]
    rate: float

    def learn(self, change: NDArray) -> None:
        """Add to the weights."""
        self.weights += np.float32(self.rate) * change.reshape(self.weights.shape)

    def copy(self, spread: DeviceSpread, generator: np.random.Generator) -> FloatSynapses:
        """Return the same weights."""
        return FloatSynapses(self.weights.copy(), self.rate)

    def state(self) -> dict[str, NDArray]:
        """Return what a checkpoint keeps."""
        return {"weights": self.weights}
