"""Wrong weights in the RTL alone: proof that the comparison with the golden model can fail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.count_converter import CountConverter

#: Keeps these draws apart from those of :data:`oxnor.models.base.rng.STREAMS`, which model devices.
_STREAM = 0xC0
_ATTEMPTS = 64


def _draw(network: Network, count: int, seed: int, attempt: int) -> Network:
    g = np.random.Generator(np.random.Philox(key=[seed, _STREAM], counter=[0, 0, 0, attempt]))
    last = len(network.layers) - 1
    weights = network.layers[last].weights.copy()
    scales = network.layers[last].scales  # type: ignore[union-attr]
    neurons = g.permutation(np.flatnonzero(scales))
    per_neuron = np.bincount(np.arange(count) % max(1, len(neurons)), minlength=len(neurons))
    if len(neurons) > 1 and not np.any(per_neuron % 2):
        # An odd number of flips changes a popcount whatever the inputs are; an even number may cancel out.
        per_neuron[0] -= 1
        per_neuron[1] += 1
    for neuron, flips in zip(neurons, per_neuron, strict=True):
        weights[neuron, g.permutation(network.layers[last].n_in)[:flips]] ^= True
    return network.with_weights({last: weights})


def corrupted(
    network: Network, images: NDArray, count: int, *, seed: int = 0, with_scores: bool = True,
    converters: Sequence[CountConverter | None] = (),
) -> Network:  # fmt: skip
    """Return `network` with `count` weights of its output layer inverted so that a result on `images` is another.

    Parameters
    ----------
    network : Network
    images : ndarray, shape (n, n_in)
        As for :func:`oxnor.models.golden.binarized.binarize`.
    count : int
        Number of weights, at least 1.
    seed : int
        The same seed gives the same weights.
    with_scores : bool
        Whether scores can be seen, or the class alone.
    converters : sequence of CountConverter or None
        Of the engine.

    Raises
    ------
    InputError
        If the layer has fewer weights than `count`, or no choice that was tried changes what can be seen.
    """
    size = int(np.count_nonzero(network.layers[-1].scales)) * network.layers[-1].n_in  # type: ignore[union-attr]
    if not 1 <= count < size:
        raise InputError(
            f"must be in [1, {size - 1}] for network {network.name!r}, not {count}", parameter="corrupt_rtl"
        )
    before = golden.scores(network, images, converters=converters)
    for attempt in range(_ATTEMPTS):
        wrong = _draw(network, count, seed, attempt)
        after = golden.scores(wrong, images, converters=converters)
        same = before == after if with_scores else golden.argmax(before) == golden.argmax(after)
        if not np.all(same):
            return wrong
    raise InputError(
        f"{count} changes no result on these images: give more images or corrupt more weights", parameter="corrupt_rtl"
    )
