"""Engines whose first layer reads random bits: emitted Verilog against the golden model, in bits and in devices."""

import numpy as np
import pytest
from helpers.simulators import QUICK

from oxnor.hw.params.options import EngineOptions
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.options import DeviceOptions
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.simulate import simulate

pytestmark = pytest.mark.cosim
NOISY = DeviceModel("noisy", 10_000.0, 120_000.0, 0.6, 0.8, 0.3, 0.2, 0.97)


@pytest.mark.parametrize("kind", ["bits", pytest.param("devices", marks=pytest.mark.slow)])
def test_equal_to_the_golden_model(kind):
    g = np.random.default_rng(1)
    first = DenseLayer(g.random((5, 11)) < 0.5, g.integers(10, 24, 5), planes=8, presentations=3)
    network = Network("presented", (first, ScoreLayer(g.random((3, 5)) < 0.5)), InputRule.planes())
    engine = EngineOptions().changed(
        2, macro_size=(60, 4), folding=[(2, 2), (1, 1)], stream_width=8, with_scores=True, macro_kind=kind
    )
    images = g.integers(0, 256, (80, 11), dtype=np.uint8)
    device = {"device": DeviceOptions(NOISY)} if kind == "devices" else {}
    result = simulate(network, images, engine=engine, run=RunOptions(simulator=QUICK), **device)
    assert result.mismatches == 0
    assert result.cycles == result.predicted_cycles
