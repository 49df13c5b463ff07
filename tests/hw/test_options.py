"""Engine options: one for all layers or one a layer, and what a spiking network refuses."""

import numpy as np
import pytest

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import EngineOptions, LayerOptions, dataflow_of_each
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.models.base.errors import InputError
from oxnor.models.networks.spiking import Neuron, SpikingLayer, SpikingNetwork


def test_options_of_each_layer(random_network):
    network = random_network((37, 13, 5))
    layers = (LayerOptions(macro_size=(64, 16), folding=(3, 1)), LayerOptions(macro_size=(32, 8), dataflow="serial"))
    config = EngineConfig.for_network(network, EngineOptions(target="asic", layers=layers))
    assert [(y.rows, y.cols, y.dataflow) for y in config.layers] == [(64, 16, "parallel"), (32, 8, "serial")]
    assert config.layers[0].across == 3
    changed = EngineConfig.for_network(network, EngineOptions(layers=layers), target="asic", macro_size=(64, 8), folding=None)
    assert [(y.rows, y.cols) for y in changed.layers] == [(64, 8)] * 2
    same = EngineConfig.for_network(
        network, target="asic", macro_size=[(64, 16), (32, 8)], folding=[(3, 1), None], dataflow="alternate"
    )
    assert same == config


def test_dataflow_of_each_layer():
    assert dataflow_of_each("serial", 3) == ("serial",) * 3
    assert dataflow_of_each("alternate", 3) == ("parallel", "serial", "parallel")
    assert dataflow_of_each("serial, parallel", 2) == ("serial", "parallel")


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        (EngineOptions(layers=(LayerOptions(),)), {}, "layers must be options of 2 layers, not of 1"),
        (EngineOptions(), {"macro_size": [(64, 8)]}, "macro_size must be one value or 2, one a layer, not 1"),
        (EngineOptions(), {"macro_kind": ["bits", "blackbox"]}, "macro_kind must not be bits and blackbox in one engine: both are the module rram_macro"),
        (
            EngineOptions(), {"sense_latency": [2, 3]},
            "sense_latency must not be 2 and 3 in one engine for macros of type bits, which are one module",
        ),
    ],
)
def test_options_wrong(random_network, options, changes, message):
    with pytest.raises(InputError) as e:
        EngineConfig.for_network(random_network((37, 13, 5)), options, **changes)
    assert str(e.value) == message


@pytest.mark.parametrize("cycles", [0, 65, 2.0, True])
def test_latency_wrong(cycles):
    with pytest.raises(InputError) as e:
        LayerOptions(sense_latency=cycles)
    assert str(e.value) == f"sense_latency must be in [1, 64] cycles, not {cycles}"


def test_unknown_option(random_network):
    with pytest.raises(TypeError) as e:
        EngineConfig.for_network(random_network((37, 13, 5)), macros=(8, 8))
    assert str(e.value) == "An engine has no option 'macros'"


@pytest.mark.parametrize("changes", [{"folding": [(1, 1)]}, {"programming": True}, {"macro_kind": "twin"}, {"dataflow": "serial"}, {"with_scores": False}])  # fmt: skip
def test_options_of_binarized_networks_alone(changes):
    network = SpikingNetwork("small", (SpikingLayer.from_weights(np.zeros((2, 3), int), Neuron(weight_max=2)),))
    assert SpikingConfig.for_network(network, target="asic", macro_size=(4, 8)).layers[0].cols == 8
    with pytest.raises(InputError) as e:
        SpikingConfig.for_network(network, **changes)
    assert str(e.value) == f"{next(iter(changes))} must not be given for a spiking network: 'small' is one"
