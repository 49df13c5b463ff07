"""Random networks for testbenches."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from oxnor.models.networks.binarized import Network


def random_network(shape: tuple[int, ...], seed: int = 0, *, affine: bool = False, name: str = "random") -> Network:
    """Return a network with thresholds around the middle, where both outputs are likely."""
    g = np.random.default_rng([seed, *shape])
    weights = [g.random((n_out, n_in)) < 0.5 for n_in, n_out in itertools.pairwise(shape)]
    thresholds = [g.integers(max(0, w.shape[1] // 2 - 3), w.shape[1] // 2 + 2, len(w)) for w in weights[:-1]]
    extra: dict[str, Any] = {}
    if affine:
        extra = {"scales": g.integers(-9, 10, shape[-1]), "offsets": g.integers(-99, 100, shape[-1])}
    return Network.from_arrays(weights, [*thresholds, None], name=name, **extra)
