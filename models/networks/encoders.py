"""Encoders of grey images as spikes in ticks, in integers that hardware reproduces exactly.

Time is counted in ticks. A full-scale pixel spikes 255 / 2**rate_bits times a tick, and the rate is linear in the grey
value. The kinds follow N2D2's stimulus types (docs/references.md): a phase accumulator that overflows is its
``Periodic``, with a drawn first phase its ``JitteredPeriodic``. Inside a tick spikes come by rising address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.datasets.events import EventTable

#: Numbers of the encoder types in kernels, by name.
ENCODER_TYPES: Mapping[str, int] = {"jittered": 0, "periodic": 1, "bernoulli": 2, "burst": 3, "external": 4}
_JITTERED, _BERNOULLI, _BURST = ENCODER_TYPES["jittered"], ENCODER_TYPES["bernoulli"], ENCODER_TYPES["burst"]

#: Feedback of the 32-bit Galois LFSR x^32 + x^22 + x^2 + x + 1, shifted right.
LFSR_TAPS = 0x80200003
#: Steps of the LFSR to a draw, so that draws share no bits.
LFSR_STEPS = 16
#: Largest number of ticks: an address-event word has 15 bits for the tick.
WINDOW_MAX = 1 << 15
#: Drawn events: the most that an input spikes in a tick, on average; and their key.
DRAWN_RATE = 1 / 16
_DRAW_KEY = int.from_bytes(b"events", "little")


@dataclass(frozen=True)
class Encoder:
    """How images become spikes.

    Parameters
    ----------
    kind : str
        ``jittered``: periodic, with a first phase drawn for each input (the same for every image); ``periodic``: phase
        0; ``bernoulli``: each tick a draw; ``burst``: one spike, the brighter the sooner, none from black;
        ``external``: there is no encoder, events come from outside.
    rate_bits : int
        A pixel of value v spikes v / 2**rate_bits times a tick on average. Range [8, 16].
    lanes : int
        Pixels that the hardware handles in a cycle; each lane has its own LFSR. Range [1, 64].
    seed : int
        Of the LFSRs. Range [0, 2**48).

    Raises
    ------
    InputError
        If a field is out of range.
    """

    kind: str = "jittered"
    rate_bits: int = 12
    lanes: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in ENCODER_TYPES:
            raise InputError(f"encoder: kind must be one of {', '.join(ENCODER_TYPES)}, not {self.kind!r}")
        for name, (low, high) in {"rate_bits": (8, 16), "lanes": (1, 64), "seed": (0, (1 << 48) - 1)}.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise InputError(f"encoder: {name} must be an integer in [{low}, {high}], not {value!r}")

    def lane_seeds(self) -> NDArray[np.uint32]:
        """Return the state that each lane's LFSR starts an image with, shape (lanes,), never 0."""
        mask = (1 << 64) - 1
        seeds = []
        for lane in range(self.lanes):
            z = ((self.seed << 16 | lane) + 0x9E3779B97F4A7C15) & mask  # splitmix64
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
            seeds.append(((z ^ (z >> 31)) & 0xFFFFFFFF) or 1)
        return np.array(seeds, np.uint32)


@numba.njit(cache=True)
def lfsr_draw(state):
    """Return the state of an LFSR one draw later; the draw is its low bits."""
    for _ in range(LFSR_STEPS):
        state = (state >> np.uint32(1)) ^ (np.uint32(LFSR_TAPS) * (state & np.uint32(1)))
    return state


@numba.njit(cache=True)
def encoder_start(kind, rate_bits, window, values, seeds, lfsr, acc):
    """Fill `acc` (int32, an input each) and `lfsr` (uint32, a lane each) for a new image."""
    lanes = len(seeds)
    lfsr[:] = seeds
    mask = np.uint32((1 << rate_bits) - 1)
    for first in range(0, len(values), lanes):
        for lane in range(lanes):
            if kind == _JITTERED:
                lfsr[lane] = lfsr_draw(lfsr[lane])
            i = first + lane
            if i < len(values):
                acc[i] = 0
                if kind == _JITTERED:
                    acc[i] = np.int32(lfsr[lane] & mask)
                elif kind == _BURST:
                    acc[i] = ((255 - np.int32(values[i])) * window) >> 8


@numba.njit(cache=True)
def encoder_tick(kind, rate_bits, tick, values, lfsr, acc, addresses):
    """Write the addresses that spike in `tick` into `addresses`, and return how many."""
    lanes = len(lfsr)
    full = 1 << rate_bits
    count = 0
    if kind == _BERNOULLI:
        mask = np.uint32(full - 1)
        for first in range(0, len(values), lanes):
            for lane in range(lanes):
                lfsr[lane] = lfsr_draw(lfsr[lane])
                i = first + lane
                if i < len(values) and (lfsr[lane] & mask) < np.uint32(values[i]):
                    addresses[count] = i
                    count += 1
        return count
    for i in range(len(values)):
        if kind == _BURST:
            if acc[i] == tick and values[i]:
                addresses[count] = i
                count += 1
        else:
            acc[i] += values[i]
            if acc[i] >= full:
                acc[i] -= full
                addresses[count] = i
                count += 1
    return count


@dataclass(frozen=True, eq=False)
class Events:
    """Input spikes of one image, in the order in which they arrive.

    Parameters
    ----------
    ticks, addresses : ndarray of int32, shape (n,)
        When (not falling) and which input.
    negative : ndarray of bool, shape (n,)
        A negative spike subtracts the weight.
    """

    ticks: NDArray[np.int32]
    addresses: NDArray[np.int32]
    negative: NDArray[np.bool_]

    def __repr__(self) -> str:
        ticks = f", ticks {self.ticks[0]} to {self.ticks[-1]}" if len(self.ticks) else ""
        return f"Events({len(self.ticks):,} spikes{ticks})"

    @classmethod
    def make(cls, ticks: Any, addresses: Any, negative: Any = None) -> Events:
        """Return events from anything like arrays; a tick that lies before the one ahead of it is moved up to it."""
        t = np.maximum.accumulate(np.asarray(ticks, np.int32)) if len(ticks) else np.zeros(0, np.int32)
        a = np.asarray(addresses, np.int32).reshape(-1)
        n = np.zeros(len(a), bool) if negative is None else np.asarray(negative, bool).reshape(-1)
        if not len(t) == len(a) == len(n):
            raise InputError(f"events: ticks, addresses and signs must be as many, not {len(t)}, {len(a)}, {len(n)}")
        if len(t) and t[0] < 0:
            raise InputError(f"events: ticks must be 0 or more, not {t[0]}")
        return cls(t, a, n)

    def words(self) -> NDArray[np.uint32]:
        """Return the events as address-event words: address in bits 0 to 15, sign in bit 16, tick in bits 17 to 31."""
        word = self.addresses.astype(np.uint32) | self.negative.astype(np.uint32) << np.uint32(16)
        return word | self.ticks.astype(np.uint32) << np.uint32(17)


def streams_of(table: EventTable) -> tuple[Events, ...]:
    """Return the samples of an event file."""
    parts = zip(table.starts[:-1].tolist(), table.starts[1:].tolist(), strict=True)
    return tuple(Events.make(table.ticks[a:b], table.addresses[a:b], table.negative[a:b]) for a, b in parts)


def draw_events(n_in: int, window: int, count: int, seed: int, rate: float = DRAWN_RATE) -> tuple[Events, ...]:
    """Return streams of drawn events: each input of each spikes at a rate of its own, from 0 to `rate` a tick."""
    streams = []
    for k in range(count):
        g = np.random.Generator(np.random.Philox(key=[seed, _DRAW_KEY], counter=[0, 0, 0, k]))
        numbers = g.binomial(window, g.random(n_in) * rate)
        addresses = np.repeat(np.arange(n_in), numbers)
        ticks = g.integers(0, window, len(addresses))
        order = np.lexsort((addresses, ticks))
        streams.append(Events.make(ticks[order], addresses[order]))
    return tuple(streams)


def encode(encoder: Encoder, values: NDArray[np.uint8], window: int) -> Events:
    """Return the spikes of one image.

    Parameters
    ----------
    encoder : Encoder
        Of any kind but ``external``.
    values : ndarray of uint8, shape (n_in,)
    window : int
        Ticks, in [1, WINDOW_MAX].
    """
    if encoder.kind == "external":
        raise InputError("encoder: kind must not be external to encode an image: give events")
    kind, values = ENCODER_TYPES[encoder.kind], np.ascontiguousarray(values, np.uint8)
    acc, lfsr = np.zeros(len(values), np.int32), np.zeros(encoder.lanes, np.uint32)
    encoder_start(kind, encoder.rate_bits, window, values, encoder.lane_seeds(), lfsr, acc)
    parts, buffer = [], np.empty(len(values), np.int32)
    for tick in range(window):
        count = encoder_tick(kind, encoder.rate_bits, tick, values, lfsr, acc, buffer)
        parts.append(buffer[:count].copy())
    ticks = np.repeat(np.arange(window, dtype=np.int32), [len(f) for f in parts])
    return Events.make(ticks, np.concatenate(parts))
