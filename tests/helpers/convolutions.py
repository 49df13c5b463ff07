"""Random networks with convolutions, and what their units must give."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.conv import ConvLayer
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.hidden import pack_planes
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.window import Pool, Window

#: Images that thresholds are drawn from.
_CALIBRATION = 64


@dataclass(frozen=True)
class Conv:
    """A convolution of a random network: its channels, and what is not a plain 3 x 3."""

    channels: int
    kernel: tuple[int, int] = (3, 3)
    levels: int = 1
    pool: tuple[int, ...] | None = None  # height, width, the steps if they are others, padding
    has_lowest: bool = False
    window: dict = field(default_factory=dict)
    shortcut: int = 0


def _thresholds(g, counts, levels):
    """Return thresholds between counts (images, ..., neurons) that are seen: what a neuron gives is not always the same."""
    counts = counts.reshape(-1, counts.shape[-1])
    shares = np.sort(g.uniform(0.25, 0.75, (levels, counts.shape[-1])), axis=0)
    return np.array([np.quantile(c, q, method="higher") for c, q in zip(counts.T, shares.T, strict=True)]).astype(int)


def _pooled(counts, window, pool, lowest):
    """Return the largest counts of each pooling window, and the smallest of some channels."""
    signs = np.where(lowest, -1, 1)
    counts = counts.reshape(len(counts), *window.out_size, -1) * signs
    ends = ((0, 0), (pool.top, pool.bottom), (pool.left, pool.right), (0, 0))
    counts = np.pad(counts, ends, constant_values=np.iinfo(counts.dtype).min)
    views = np.lib.stride_tricks.sliding_window_view(counts, (pool.height, pool.width), (1, 2))
    return views[:, :: pool.step_y, :: pool.step_x].max((-2, -1)) * signs


def random_conv_network(shape, convolutions, dense=(9,), classes=4, *, planes=1, levels=1, bits=1, largest=0, seed=0):
    """Return a network over images of `shape` (height, width, channels), whose neurons give both outputs.

    `planes` are those of the input, `levels` the thresholds of the dense layers, `bits` the synapses of a
    weight, `largest` the largest weight if they count as digits.
    """
    g = np.random.default_rng(seed)
    rule = InputRule.planes() if planes > 1 else 128
    layers = []
    x = pack_planes(g.integers(0, 2**planes, (_CALIBRATION, int(np.prod(shape)))), planes)
    for conv in convolutions:
        window = Window(*shape, *conv.kernel, **conv.window)
        pool = Pool(*(conv.pool * 2 if len(conv.pool) == 2 else conv.pool)) if conv.pool else None
        lowest = g.random(conv.channels) < 0.5 if conv.has_lowest else np.zeros(conv.channels, bool)
        weights = g.random((conv.channels, window.n_in * bits)) < 0.5
        zeros = np.zeros((conv.channels, conv.levels), int)
        reads = {"planes": planes, "weight_bits": bits, "weight_max": largest, "shortcut": conv.shortcut}
        blank = ConvLayer(weights, zeros, window, pool, lowest, **reads)
        counts = blank.popcounts(x, "numba")
        thresholds = _thresholds(g, _pooled(counts, window, pool, lowest) if pool else counts, conv.levels)
        layers.append(dataclasses.replace(blank, thresholds=thresholds))
        x, shape, planes = layers[-1].evaluate(x, "numba"), layers[-1].shape_out, layers[-1].planes_out
    n_in = int(np.prod(shape))
    for n_out in dense:
        weights = g.random((n_out, n_in * bits)) < 0.5
        blank = DenseLayer(weights, np.zeros((n_out, levels), int), planes=planes, weight_bits=bits, weight_max=largest)
        layers.append(dataclasses.replace(blank, thresholds=_thresholds(g, blank.popcounts(x, "numba"), levels)))
        x, n_in, planes = layers[-1].evaluate(x, "numba"), n_out, layers[-1].planes_out
    layers.append(ScoreLayer(g.random((classes, n_in * bits)) < 0.5, planes=planes, weight_bits=bits, weight_max=largest))
    return Network("random", tuple(layers), rule)
