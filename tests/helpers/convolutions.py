"""Random networks with convolutions, and what their units must give."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from oxnor.hw.params import pipeline
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.conv import ConvLayer
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.window import Pool, Window


@dataclass(frozen=True)
class Conv:
    """A convolution of a random network: its channels, and what is not a plain 3 x 3."""

    channels: int
    kernel: tuple[int, int] = (3, 3)
    levels: int = 1
    pool: tuple[int, int] | None = None
    has_lowest: bool = False
    window: dict = field(default_factory=dict)


def _thresholds(g, n_in, planes, n_out, levels, unit=1):
    most = n_in * (2**planes - 1)
    drawn = np.sort(g.normal(most / 2, np.sqrt(n_in) * 2**planes / 3, (n_out, levels)).astype(int), axis=1)
    return unit * np.clip(drawn, 0, most + 1) - (unit - 1)


def random_conv_network(shape, convolutions, dense=(9,), classes=4, *, planes=1, levels=1, seed=0):
    """Return a network over images of `shape` (height, width, channels), with thresholds where both outputs are likely.

    `planes` are those of the input, `levels` the thresholds of the dense layers.
    """
    g = np.random.default_rng(seed)
    rule = InputRule.planes() if planes > 1 else 128
    layers = []
    for conv in convolutions:
        window = Window(*shape, *conv.kernel, **conv.window)
        layer = ConvLayer(
            g.random((conv.channels, window.n_in)) < 0.5,
            np.maximum(_thresholds(g, window.n_in, planes, conv.channels, conv.levels, 2 - abs(window.pad)), 0),
            window,
            Pool(*conv.pool, *conv.pool) if conv.pool else None,
            g.random(conv.channels) < 0.5 if conv.has_lowest else None,
            planes=planes,
        )
        layers.append(layer)
        shape, planes = layer.shape_out, layer.planes_out
    n_in = int(np.prod(shape))
    for n_out in dense:
        thresholds = _thresholds(g, n_in, planes, n_out, levels)
        layers.append(DenseLayer(g.random((n_out, n_in)) < 0.5, thresholds, planes=planes))
        n_in, planes = n_out, layers[-1].planes_out
    layers.append(ScoreLayer(g.random((classes, n_in)) < 0.5, planes=planes))
    return Network("random", tuple(layers), rule)


def output_cycles(unit, pixels, outputs):
    """Return the cycles of a unit's outputs at full rate, from that of its first input; see `pipeline`."""
    sizes = np.zeros((2, 20), np.int64)
    sizes[0, :5] = [pipeline._IMAGES, 1, 1, pixels, pixels]
    sizes[1, : len(unit)] = unit
    state = np.zeros_like(sizes)
    valid, ready = np.zeros(2, bool), np.zeros(2, bool)
    first, when, t = None, [], 0
    while len(when) < outputs:
        pipeline._offer(sizes, state, valid)
        pipeline._accept(sizes, state, valid, ready)
        if valid[0] and ready[0] and first is None:
            first = t
        if valid[1]:
            when.append(t)
        pipeline._advance(sizes, state, valid, ready, False)
        t += 1
    return np.array(when) - first
