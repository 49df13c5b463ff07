"""Testbench of one layer of a network, with the memory files that it has inside the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.layers.table import UNITS
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.hw.params.widths import bits_for
from oxnor.hw.placement.memory_files import image_texts
from oxnor.models import golden
from oxnor.models.networks.binarized import Network

from .unit import UnitTestbench

#: Tests in ``tb_layer``.
TESTS = 3


def _telling(network: Network, n: int) -> NDArray[np.bool_]:
    """Return images for the first layer of a network, shape (n, n_in): those that a mistake shows in, and random ones.

    A third at most are a neuron's weights or their opposite, which gives the most and the least counts. A third are
    pairs that differ in one bit, by which as many outputs change as in any of many pairs.
    """
    g = np.random.default_rng(7)
    images = g.random((20 * n, network.n_in)) < 0.5
    others = images ^ (np.arange(network.n_in) == g.integers(network.n_in, size=(len(images), 1)))
    outputs = [golden.layer_outputs(network, x)[0].reshape(len(x), -1) for x in (images, others)]
    close = np.argsort(-np.count_nonzero(outputs[0] != outputs[1], axis=1), kind="stable")[: n // 6]
    weights = network.layers[0].weights
    ends = images[:0]
    if weights.shape[1:] == (network.n_in,):
        ends = g.permutation(np.concatenate([weights, ~weights]))[: n // 3]
    return np.asarray(g.permutation(np.concatenate([ends, images[close], others[close], images])[:n]))


def layer_bench(
    network: Network, index: int, *, cols: int, fold: Any, images: int = 25, target: str = "sim",
    flows: Sequence[str] | None = None,
) -> UnitTestbench:  # fmt: skip
    """Return the bench of layer `index` on macros of `cols` columns; the other layers are folded to one macro.

    With dataflows `fold` is the V of all layers, or as much of it as they take.
    """
    rows = max(n_out * -(-n_in // cols) for n_in, n_out in zip(network.shape, network.shape[1:], strict=False))
    if flows:
        folds = zip(network.shape, network.shape[1:], flows, strict=False)
        folding = [(-(-b // cols), min(fold, a)) if flow == "serial" else (1, min(fold, b)) for a, b, flow in folds]
        more: dict[str, Any] = {"dataflow": ",".join(flows)}
    else:
        folding, more = [(1, 1)] * len(network.layers), {}
        folding[index] = fold
    config = EngineConfig.for_network(
        network, target=target, macro_size=(rows, cols), folding=folding, with_scores=True, **more
    )
    layer = config.layers[index]
    # Random bits at the layer itself: of what the layers before it give, some bits may never change.
    behind = replace(network, layers=network.layers[index:])
    inputs = _telling(behind, images)
    job = {
        "reads": layer.reads,
        # That of a convolution in an engine counts from its pixels.
        "latency": layer.reads + layer.count_latency + 1 if layer.window else schedule(config).layer_latencies[index],
        "score_width": layer.score_width,
        "index_width": bits_for(layer.n_out - 1),
        "takes": config.stream_into(index).bits,
        "gives": config.stream_into(index + 1).bits if index + 1 < len(config.layers) else layer.n_out,
    }
    unit = UNITS[layer.kind](config, index)
    arrays = {"inputs": inputs, "expected": golden.layer_outputs(behind, inputs)[0].reshape(images, -1)}
    return UnitTestbench("layers.tb_layer", TESTS, unit, job=job, arrays=arrays, texts=image_texts(network, config))
