"""Presentations of integers as random bits: a stochastic first layer.

In presentation t element i, a value v of [0, 255], is 1 iff v > R[t, i], where R[t, i] = (S[t, i] + H[i]) mod 256:
with a probability of v / 256 over the numbers of a generator, a linear-feedback one of 32 bits (xorshift), which starts
anew with each vector. S is the exclusive or of some of the four bytes of its state in that presentation: the 15 ways to
choose them give numbers of which no two say anything of each other, and element i has way i mod 15. H[i] is a byte of
the element's own. A vector gives the same bits always, whatever the engine's folding; the gateware
(``hw/blocks/presenter.py``) repeats every bit.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

#: State of the generator before the first presentation.
SEED = 0x2545F491
#: Ways to choose bytes of the state.
WAYS = 15
_SPREAD = 0x9E3779B1
_MASK = 0xFFFFFFFF
#: A state of the generator, or those of several.
State = TypeVar("State", int, NDArray[np.uint32])


def step(state: State) -> State:
    """Return the next state of the generator."""
    mixed: Any = state
    mixed = mixed ^ (mixed << 13 & _MASK)
    mixed = mixed ^ mixed >> 17
    return mixed ^ (mixed << 5 & _MASK)


def offsets(count: int) -> NDArray[np.uint8]:
    """Return H, a byte for each element."""
    return ((np.arange(count, dtype=np.uint64) * _SPREAD & _MASK) >> 24).astype(np.uint8)


@cache
def limits(presentations: int, count: int) -> NDArray[np.uint8]:
    """Return R, shape (presentations, count)."""
    state, rows = SEED, []
    for _ in range(presentations):
        state = step(state)
        parts = [state >> 8 * k & 0xFF for k in range(4)]
        rows.append([_chosen(parts, way) for way in range(1, WAYS + 1)])
    ways = np.array(rows, np.uint8)[:, np.arange(count) % WAYS]
    table = ways + offsets(count)  # modulo 256
    table.setflags(write=False)
    return table


def _chosen(parts: list[int], way: int) -> int:
    value = 0
    for k, part in enumerate(parts):
        value ^= part if way >> k & 1 else 0
    return value


def presented(values: NDArray[np.uint8], presentations: int) -> NDArray[np.bool_]:
    """Return the bits of elements (n, count), shape (n, presentations, count)."""
    return values[:, None] > limits(presentations, values.shape[1])
