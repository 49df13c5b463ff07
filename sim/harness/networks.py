"""Random networks for testbenches."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.conv import ConvLayer
from oxnor.models.networks.layers.conv_scores import ConvScoreLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.window import Window


def random_network(shape: tuple[int, ...], seed: int = 0, *, affine: bool = False, name: str = "random") -> Network:
    """Return a network with thresholds around the middle, where both outputs are likely."""
    g = np.random.default_rng([seed, *shape])
    weights = [g.random((n_out, n_in)) < 0.5 for n_in, n_out in itertools.pairwise(shape)]
    thresholds = [g.integers(max(0, w.shape[1] // 2 - 3), w.shape[1] // 2 + 2, len(w)) for w in weights[:-1]]
    extra: dict[str, Any] = {}
    if affine:
        extra = {"scales": g.integers(-9, 10, shape[-1]), "offsets": g.integers(-99, 100, shape[-1])}
    return Network.from_arrays(weights, [*thresholds, None], name=name, **extra)


def shortcut_network(planes: int = 2, shortcut: int = 5) -> Network:
    """Return a convolution with a shortcut, 3 x 3 of 4 channels, over images of one window, and scores."""
    g = np.random.default_rng([planes, shortcut])
    window, table = Window(3, 3, 4, 3, 3), (np.arange(256) % (1 << planes)).astype(np.uint8)
    middle = (18 + shortcut / 2) * ((1 << planes) - 1)
    thresholds = (middle + (1 << planes) * g.uniform(-2, 2, 4)).astype(np.int64)
    conv = ConvLayer(g.random((4, 36)) < 0.5, thresholds, window, planes=planes, shortcut=shortcut)
    rule = InputRule.planes(table) if planes > 1 else InputRule.of(128)
    return Network("shortcut", (conv, ScoreLayer(g.random((3, 4)) < 0.5)), rule)


def with_conv_scores(network: Network, classes: int = 5, kernel: tuple[int, int] = (1, 1), **window: int) -> Network:
    """Return a network of convolutions with another one of random weights, which gives scores, as its last layer.

    `window` are fields of its window.
    """
    g = np.random.default_rng(classes)
    last, (height, width, channels) = network.layers[-1], network.layers[-2].shape_out
    over = Window(height, width, channels, *kernel, **window)
    more: dict[str, Any] = {name: getattr(last, name) for name in ("planes", "weight_bits", "weight_max")}
    more |= {"scales": g.integers(-9, 10, classes), "offsets": g.integers(-99, 100, classes)}
    weights = g.random((classes, over.n_in * last.weight_bits)) < 0.5
    return replace(network, layers=(*network.layers[:-1], ConvScoreLayer(weights, window=over, **more)))
