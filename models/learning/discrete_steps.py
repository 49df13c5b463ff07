"""Steps of weights that are always one of a few values: no float weight stands behind them.

After Deng et al., "GXNOR-Net" (arXiv 1705.09283): of a wished step, whole steps between values are taken, and what is
left is one more with a probability that a law gives it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from oxnor.models.base.errors import InputError

from .mtj import LAWS, NUMBER_BITS, Switching, law, octave, thresholds

#: Distance of the values of a weight.
LENGTHS = {"ternary": 1.0, "binary": 2.0}
#: Kinds of devices that a spread is made of: each is the mean of an equal share of a normal distribution.
DEVICE_KINDS = 64


@dataclass(frozen=True)
class DiscreteSteps:
    """How a wished step becomes a step between values of a weight.

    Parameters
    ----------
    weights : str
        "ternary": -1, 0 and +1; "binary": -1 and +1.
    law : str
        A key of :data:`oxnor.models.learning.mtj.LAWS`.
    table : int
        Entries of the table of probabilities, 8 to 16, as the gateware has it; 0: the law itself.
    switching : Switching
        Of the junctions.
    spread : float
        Relative standard deviation, between devices, of the pulse u that reaches them. Range [0, 0.5]; it takes a
        table.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    weights: str = "ternary"
    law: str = "tanh"
    table: int = 16
    switching: Switching = field(default_factory=Switching)
    spread: float = 0.0

    def __post_init__(self) -> None:
        if self.weights not in LENGTHS:
            raise InputError(f"must be {' or '.join(LENGTHS)}, not {self.weights!r}", parameter="weights")
        if self.law not in LAWS:
            raise InputError(f"must be one of {', '.join(LAWS)}, not {self.law!r}", parameter="law")
        if self.table and not 8 <= self.table <= 16:
            raise InputError(f"must be 0 or in [8, 16], not {self.table}", parameter="table")
        if not 0 <= self.spread <= 0.5:
            raise InputError(f"must be in [0, 0.5], not {self.spread}", parameter="spread")
        if self.spread and not self.table:
            raise InputError("must come with a `table`", parameter="spread")

    @property
    def length(self) -> float:
        """Distance of two values."""
        return LENGTHS[self.weights]

    @cached_property
    def _tables(self) -> NDArray[np.uint16]:
        """Thresholds by kind of device and entry; one kind without a spread."""
        ideal = thresholds(self.law, self.table, self.switching)
        if not self.spread:
            return ideal[None]
        scale = 1 << NUMBER_BITS
        pulses = self.switching.pulse(np.clip(ideal, 1, scale - 1) / scale)
        shares = ndtri((np.arange(DEVICE_KINDS) + 0.5) / DEVICE_KINDS)
        met = self.switching.probability(pulses * (1 + self.spread * shares[:, None]))
        return np.clip(np.round(met * scale), 0, scale - 1).astype(np.uint16)

    def devices(self, shape: tuple[int, ...], draws: np.random.Generator) -> NDArray[np.uint8]:
        """Return a kind for each device; all are 0 without a spread."""
        return draws.integers(0, len(self._tables) if self.table else 1, shape, np.uint8)

    def start(self, shape: tuple[int, ...], draws: np.random.Generator) -> NDArray[np.float32]:
        """Return values of equal probability."""
        values = round(2 / self.length) + 1
        return (draws.integers(0, values, shape) * self.length - 1).astype(np.float32)

    def step(
        self,
        values: NDArray[np.float32],
        wished: NDArray[np.float32],
        devices: NDArray[np.uint8],
        draws: np.random.Generator,
    ) -> int:
        """Take the steps that are wished of `values`, in place, and return how many have changed.

        Parameters
        ----------
        values, wished : ndarray of float32, of one shape
        devices : ndarray of uint8
            From :meth:`devices`.
        draws : Generator
        """
        size = np.abs(wished)
        size *= 1 / self.length
        whole = np.floor(size)
        size -= whole
        if self.table:
            entry = octave((size * (1 << self.table - 1)).astype(np.int32), self.table)
            limit = self._tables[devices, entry] if self.spread else self._tables[0][entry]
            more = draws.integers(0, 1 << NUMBER_BITS, values.shape, np.uint16) < limit
        else:
            more = draws.random(values.shape, np.float32) < law(self.law, self.switching)(size)
        whole += more
        whole *= self.length * np.sign(wished)
        whole += values
        np.clip(whole, -1, 1, out=whole)
        changed = int(np.count_nonzero(whole != values))
        values[...] = whole
        return changed
