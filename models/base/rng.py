"""Keyed random streams: any draw can be repeated alone, on any number of workers, with the same bits."""

from __future__ import annotations

import numpy as np

#: What a stream is for. The numbers are part of the repeatability contract: never reuse one.
KINDS = {
    "static": 1,
    "asymmetric": 2,
    "stuck": 3,
    "cluster": 4,
    "device": 5,
    "monte-carlo": 6,
    "bootstrap": 7,
    "verify": 8,
    "read": 9,
    "forming": 20,
    "offset": 21,
    "link": 30,
    "pairs": 32,
    "columns": 33,
    "import": 70,
    "vectors": 71,
}


def stream(kind: str, *, seed: int, layer: int, trial: int) -> np.random.Generator:
    """Return the generator of one (seed, layer, trial, kind).

    Philox is counter-based: the key is (seed, kind), and layer and trial sit in the two high words of
    the counter, so that streams are 2**128 draws apart and never overlap.

    Parameters
    ----------
    kind : str
        A key of :data:`KINDS`.
    seed, layer, trial : int
        Each in [0, 2**63).
    """
    return np.random.Generator(np.random.Philox(key=[seed, KINDS[kind]], counter=[0, 0, layer, trial]))
