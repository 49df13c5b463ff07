"""Draw the picture of ternary.md: ``python docs/site/three_states.py docs/pictures`` (`make pictures`)."""

from __future__ import annotations

import math
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from oxnor.hw.params.engine import EngineConfig
from oxnor.models.devices.device_macro import STEPS
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.options import DeviceOptions
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.base import ternary_synapses
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.sim.drawing.waveform import Source, Track, Waveform, read_vcd, timing_diagram
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.simulate import simulate

#: Weights of the neurons, which have one input each.
WEIGHTS = (1, 0, -1, 1, 0, -1)
DEVICE = DeviceModel("drawn", 10_000.0, 300_000.0, 0.3, 0.4, 0.1, 0.1)
_TILE = r"array\.tile_v0_h0\."
SOURCES = (
    Source("row", _TILE + r"macro\.row", 0, "decimal"),
    Source("x (input)", _TILE + r"macro\.x", 0, "bit"),
    Source("pair", _TILE + r"macro\.r", 1, "decimal"),
    Source("agree", _TILE + r"macro\.agree", 1, "bit"),
    Source("disagree", _TILE + r"macro\.disagree", 1, "bit"),
    Source("popcount", _TILE + "count", 2, "decimal"),
)


def _resistance(pairs: Track, label: str, shift: int) -> Track:
    """Return the resistances of one device of a pair in kilohm."""
    ohm = [None if v is None else math.exp((v >> shift & 0x7FFF) / STEPS) for v in pairs.values]
    source = replace(pairs.source, label=label)
    return Track(source, 32, tuple(None if v is None else round(v / 1000) for v in ohm))


def waveform() -> Waveform:
    """Return six reads of one pair each with x = 1, and the same with x = 0."""
    synapses = ternary_synapses(np.array(WEIGHTS)[:, None])
    hidden = DenseLayer(synapses, np.full(len(WEIGHTS), 1), weight_bits=2)
    scores = ScoreLayer(np.ones((2, 2 * len(WEIGHTS)), bool), weight_bits=2)
    network = Network("three-states", (hidden, scores))
    config = EngineConfig.for_network(
        network, pair_states=3, macro_kind="devices", macro_size=(8, 8), folding=[(1, 1), (1, 1)]
    )
    first = replace(config.layers[0], cols=2)
    config = replace(config, layers=(first, config.layers[1]))
    with tempfile.TemporaryDirectory() as folder:
        images = np.array([[True], [False]])
        run = RunOptions(waves="vcd", build_dir=folder)
        result = simulate(network, images, engine=config, device=DeviceOptions(DEVICE), run=run)
        assert result.ok, result.difference
        assert result.waves
        whole = read_vcd(result.waves, 0, first.count_latency, SOURCES)
    row, x, pair, *rest = whole.tracks
    tracks = (row, x, _resistance(pair, "R of BL, kohm", 0), _resistance(pair, "R of BLb, kohm", 16), *rest)
    rows = row.values
    start = next(k for k in range(len(rows)) if rows[k : k + 6] == tuple(range(6)) and x.values[k])
    cut = tuple(replace(t, values=t.values[start : start + 12]) for t in tracks)
    return replace(whole, tracks=cut, marked=1)


def draw(directory: Path) -> list[Path]:
    """Write the picture into a folder and return its path."""
    title = "One pair a row: +1, 0, -1, +1, 0, -1, read with x = 1 and then with x = 0; the first 0 is followed"
    return list(timing_diagram(waveform(), title).save(directory / "three-states.svg"))


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
