"""Weights of several synapses that see one input: how much each counts, and which weight is which bits.

A weight is a sum of signs. Either each sign counts once, so that b synapses hold -b, -b + 2, ..., b; or they count as
digits do, 1, 2, 4, ..., and the last one what is left of the largest weight S. Then all of -S, -S + 2, ..., S are there
with the fewest synapses, bit_length(S): those of S = 62 are the 63 values of a weight of 6 bits, -31 to 31, in six.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

#: Most synapses of a weight that count once each.
WEIGHT_BITS_MAX = 8
#: Largest weight of synapses that count as digits: -128 to 128, in units of two.
WEIGHT_MAX = 256


def check_weight_bits(weight_bits: Any, weight_max: Any, n_in: int, where: str) -> None:
    """Raise InputError unless a weight can have so many synapses."""
    most = WEIGHT_BITS_MAX + bool(weight_max)
    for name, value, low, high in (("weight_bits", weight_bits, 1, most), ("weight_max", weight_max, 0, WEIGHT_MAX)):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InputError(f"{where}: {name} must be an integer in [{low}, {high}], not {value!r}")
    if weight_max and weight_max.bit_length() != weight_bits:
        least, most = 1 << weight_bits - 1, (1 << weight_bits) - 1
        raise InputError(
            f"{where}: weight_max must be 0, or in [{least}, {most}] for {weight_bits} synapses, not {weight_max}"
        )
    if n_in % weight_bits:
        raise InputError(f"{where}: weight_bits must divide the {n_in} columns of weights, not be {weight_bits}")


@dataclass(frozen=True)
class WeightCode:
    """The synapses of a weight.

    Parameters
    ----------
    bits : int
        How many there are.
    largest : int
        The largest weight if they count as digits; its bit length is `bits`. 0: each counts once.
    """

    bits: int
    largest: int = 0

    @classmethod
    def of(cls, top: int) -> WeightCode:
        """Return the fewest synapses that hold -top, -top + 2, ..., top, each counting once if it can be so."""
        return cls(top) if top < 3 else cls(top.bit_length(), top)

    @classmethod
    def narrow(cls, bits: int) -> WeightCode:
        """Return the synapses of integers of so many bits, without the lowest one: as many; of 1 bit -1 and +1."""
        return cls.of(max(1, (1 << bits) - 2))

    @property
    def top(self) -> int:
        """The largest weight."""
        return self.largest or self.bits

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """How much each synapse counts; their sum is `top`."""
        if not self.largest:
            return (1,) * self.bits
        return (*(1 << k for k in range(self.bits - 1)), self.largest + 1 - (1 << self.bits - 1))

    @property
    def step(self) -> int:
        """What a weight of 1 counts, by which weights differ: 2 where one of them is 0."""
        return 2 - self.top % 2

    @property
    def fits_pairs(self) -> bool:
        """Whether two synapses each can be one pair of three states."""
        return self.bits % 2 == 0 and not self.largest

    def encode(self, values: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return the bits of weights, shape (..., bits): the ones first, or the last digit only where it must be."""
        ones = (values.astype(np.int16) + self.top) >> 1
        if not self.largest:
            return np.asarray(np.arange(self.bits) < ones[..., None])
        needs_last = ones >> self.bits - 1
        places = np.arange(self.bits - 1, dtype=np.int16).reshape(-1, *[1] * ones.ndim)
        digits = ones - needs_last * self.counts[-1] >> places & 1
        return np.moveaxis(np.concatenate([digits, needs_last[None]]), 0, -1) != 0

    def decode(self, bits: NDArray[np.bool_]) -> NDArray[np.int16]:
        """Return the weights of bits, shape (..., bits)."""
        return (2 * (bits @ np.array(self.counts)) - self.top).astype(np.int16)

    def negated(self, synapses: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the bits, shape (m, n * bits), of weights with the other sign."""
        weights = self.decode(synapses.reshape(len(synapses), synapses.shape[1] // self.bits, self.bits))
        return self.encode(-weights).reshape(synapses.shape)


#: A weight of one synapse.
ONE_SYNAPSE = WeightCode(1)
