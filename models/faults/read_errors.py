"""Per-read errors: sense amplifiers that decide wrongly at a given rate, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_words, unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.kernels.packed import digit_masks

from . import error_masks

RATE_ONE = 1 << 16
SEED_MAX = (1 << 32) - 1


def _integer(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise InputError(f"read errors: {name} must be an integer in [{low}, {high}], not {value!r}")
    return int(value)


@dataclass(frozen=True)
class ReadErrors:
    """Independent errors of single reads: the XNOR bit of a synapse is inverted with probability rate / 65536.

    Which ones depends only on (seed, layer, image, neuron, input) (see
    :mod:`oxnor.models.faults.error_masks`), the same in the golden model and in an engine that was generated with
    its fault injector.

    Parameters
    ----------
    rate : int
        In [0, 65535]; 0 is no error.
    seed : int
        In [0, 2**32).

    Raises
    ------
    InputError
        If a field is out of its range.
    """

    rate: int
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _integer("rate", self.rate, 0, RATE_ONE - 1))
        object.__setattr__(self, "seed", _integer("seed", self.seed, 0, SEED_MAX))

    @classmethod
    def from_ber(cls, ber: float, seed: int = 0) -> ReadErrors:
        """Return the errors whose rate is nearest to `ber`: at most 2**-17 away; :attr:`ber` is the exact rate.

        Raises
        ------
        InputError
            If `ber` is not 0 and its nearest rate is 0, or it is above 65535 / 65536.
        """
        if not 0 <= ber <= 1 - 1 / RATE_ONE:
            raise InputError(f"must be a share in [0, {1 - 1 / RATE_ONE:.6f}], not {ber:g}", parameter="read_ber")
        rate = round(ber * RATE_ONE)
        if ber and not rate:
            raise InputError(f"must be 0 or at least {0.5 / RATE_ONE:.2g}, not {ber:g}", parameter="read_ber")
        return cls(rate, seed)

    @property
    def ber(self) -> float:
        """Probability that a read is wrong, exactly."""
        return self.rate / RATE_ONE

    def describe(self) -> str:
        """Return one sentence with the rate and the seed."""
        return f"each read is wrong with probability {self.rate} / {RATE_ONE} = {self.ber:.4g} (seed {self.seed})"

    def layer(self, index: int, first_image: int = 0) -> LayerReads:
        """Return what reads layer `index` with these errors; the first input vector is image `first_image`."""
        return LayerReads(self, index, _integer("first_image", first_image, 0, (1 << 63) - 1))


@dataclass(frozen=True)
class LayerReads:
    """Reads of one layer with errors: takes the place of :mod:`oxnor.models.kernels.packed`.

    Parameters
    ----------
    errors : ReadErrors
    index : int
        Number of the layer, in [0, 65535].
    first_image : int
        Number of the first input vector since the seed was written; counted modulo 2**32.
    """

    errors: ReadErrors
    index: int
    first_image: int

    def _keys(self, n: int) -> NDArray[np.uint64]:
        images = np.arange(self.first_image, self.first_image + n, dtype=np.uint64)
        return error_masks.image_keys(self.errors.seed, self.index, images)

    def masks(self, n: int, n_out: int, n_in: int) -> NDArray[np.bool_]:
        """Return which synapses are read wrong in the next `n` images, shape (n, n_out, n_in)."""
        words = error_masks.masks(self._keys(n), self.errors.rate, np.arange(n_out), n_in)
        return unpack_words(words, n_in)

    def popcounts(
        self,
        x: NDArray[np.uint64],
        w: NDArray[np.uint64],
        n_in: int,
        backend: str = "numba",
        factors: tuple[int, ...] = (1,),
    ) -> NDArray[np.int32]:
        """As :func:`oxnor.models.kernels.packed.popcounts`, of bits that are read with errors."""
        keys, rate, count = self._keys(len(x)), self.errors.rate, n_in // len(factors)
        masks = digit_masks(n_in, len(factors))
        return np.sum(
            [f * (count - error_masks.disagreements(x, w, keys, rate, n_in, backend, mask))
             for f, mask in zip(factors, masks, strict=True)], axis=0, dtype=np.int32,
        )  # fmt: skip

    def fire(
        self,
        x: NDArray[np.uint64],
        w: NDArray[np.uint64],
        thresholds: NDArray[np.int64],
        n_in: int,
        backend: str = "numba",
    ) -> NDArray[np.uint64]:
        """As :func:`oxnor.models.kernels.packed.fire`, of bits that are read with errors."""
        return pack_words(self.popcounts(x, w, n_in, backend) >= thresholds)
