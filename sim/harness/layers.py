"""Testbench of one layer of a network, with the memory files that it has inside the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

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
    inputs = np.random.default_rng(7).random((images, behind.n_in)) < 0.5
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
