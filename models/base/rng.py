"""Keyed random streams: any draw can be repeated on its own, on any number of workers, with the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import InputError

_KEY_MAX = (1 << 63) - 1

#: What a stream is for. The numbers are part of the repeatability contract: never reuse one.
STREAMS = {
    "static": 1,
    "asymmetric": 2,
    "stuck": 3,
    "cluster": 4,
    "device": 5,
    "monte-carlo": 6,
    "bootstrap": 7,
    "verify": 8,
    "sign": 10,
    "step": 11,
    "read": 9,
    "forming": 20,
    "offset": 21,
    "link": 30,
    "pairs": 32,
    "columns": 33,
    "pauses": 34,
    "import": 70,
    "vectors": 71,
    "resample": 80,
    "uncertainty": 81,
    "folds": 82,
    "mismatch": 90,
    "turning": 91,
    "pair-noise": 92,
    "checks": 95,
    "single": 96,
    "oscillators": 100,
    "phases": 101,
    "partition": 102,
    "evolution": 103,
    "vowels": 104,
    "mask": 105,
    "perceptron": 106,
    "output-noise": 107,
    "soak": 110,
    "mutants": 111,
    "discrete-start": 120,
    "discrete": 121,
    "start": 130,
    "crossbar": 131,
    "order": 132,
    "pulses": 133,
    "belief": 140,
    "belief-read": 141,
    "y-flash": 142,
}


def stream(kind: str, *, seed: int, layer: int, trial: int) -> np.random.Generator:
    """Return the generator of one (seed, layer, trial, kind).

    Philox is counter-based: the key is (seed, kind), and layer and trial sit in the two high words of
    the counter, so that streams are 2**128 draws apart and never overlap.

    Parameters
    ----------
    kind : str
        A key of :data:`STREAMS`.
    seed, layer, trial : int
        Each in [0, 2**63).
    """
    return np.random.Generator(np.random.Philox(key=[seed, STREAMS[kind]], counter=[0, 0, layer, trial]))


def check_key(name: str, value: Any) -> int:
    """Return `value` if it can key a random stream (an integer in [0, 2**63)), or raise InputError."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value <= _KEY_MAX:
        raise InputError(f"must be an integer in [0, 2**63), not {value!r}", parameter=name)
    return int(value)
