"""Random numbers inside kernels: xoshiro256++, an inlined generator four times as fast as a call of numpy's."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng


def state(kind: str, *, seed: int, layer: int, trial: int) -> NDArray[np.uint64]:
    """Return the state of a generator, keyed as :func:`oxnor.models.base.rng.stream`; shape (4,)."""
    draws = rng.stream(kind, seed=seed, layer=layer, trial=trial)
    return draws.integers(1, 1 << 64, 4, dtype=np.uint64, endpoint=False)


@numba.njit(nogil=True, cache=True, inline="always")
def _rotated(x, k):
    return (x << np.uint64(k)) | (x >> np.uint64(64 - k))


@numba.njit(nogil=True, cache=True)
def uniform(s):
    """Return the next number in [0, 1), of 53 bits; `s` is the state, shape (4,)."""
    found = _rotated(s[0] + s[3], 23) + s[0]
    t = s[1] << np.uint64(17)
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = _rotated(s[3], 45)
    return (found >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@numba.njit(nogil=True, cache=True)
def normal(s):
    """Return the next standard normal number (Box and Muller, the second of a pair is dropped)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(s)))
    return radius * math.cos(2.0 * math.pi * uniform(s))
