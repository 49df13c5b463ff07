"""Draw the pictures of convolution.md: ``python docs/site/window.py docs/pictures`` (`make pictures`)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from oxnor.hw.params.engine import EngineConfig
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.conv import ConvLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.window import Window
from oxnor.sim.drawing.waveform import one_window, timing_diagram
from oxnor.sim.drawing.window_walk import window_picture
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.simulate import simulate

WINDOW, CHANNELS = Window(6, 8, 1, 3, 3), 6


def network(g: np.random.Generator) -> Network:
    """Return a network of one convolution of drawn weights, which is read in as many cycles as it has channels."""
    conv = ConvLayer(g.random((CHANNELS, 9)) < 0.5, np.full(CHANNELS, 5), WINDOW)
    scores = ScoreLayer(g.random((2, CHANNELS * WINDOW.out_height * WINDOW.out_width)) < 0.5)
    return Network("window", (conv, scores))


def draw(directory: Path) -> list[Path]:
    """Write the pictures into a folder and return their paths."""
    walk = window_picture(WINDOW, CHANNELS, "Windows of 3 x 3 over a feature map of 6 x 8, read in 6 cycles")
    g = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        images = g.random((2, WINDOW.height * WINDOW.width)) < 0.5
        net = network(g)
        engine = EngineConfig.for_network(net, folding=[(1, 1), (1, 1)])
        result = simulate(net, images, engine=engine, run=RunOptions(waves="vcd", build_dir=folder))
        assert result.ok, result.difference
        assert result.waves
        shown = one_window(result.waves, 0, 2)
    title = "The third window of the first row is taken, and the next one is fetched column by column"
    return [*walk.save(directory / "window.svg"), *timing_diagram(shown, title).save(directory / "window-read.svg")]


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
