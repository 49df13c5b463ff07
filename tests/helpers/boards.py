"""A small network, for boards that are simulated."""

import numpy as np

from oxnor.models.networks.binarized import Network


def layers_of(n_in, *sizes, seed=1):
    """Return a network of these sizes."""
    g = np.random.default_rng(seed)
    shape = [n_in, *sizes]
    weights = [g.random((b, a)) < 0.5 for a, b in zip(shape, sizes, strict=False)]
    thresholds = [g.integers(a // 2 - 2, a // 2 + 3, b) for a, b in zip(shape, sizes, strict=False)]
    return Network.from_arrays(weights, [*thresholds[:-1], None], name="small")
