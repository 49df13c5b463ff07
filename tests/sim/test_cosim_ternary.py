"""Weights of several synapses, and shortcuts, in RTL: errors, devices, programming and self-test, other targets, and what is refused."""

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import EngineOptions
from oxnor.models.base.errors import InputError
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.options import DeviceOptions
from oxnor.models.faults.options import ErrorOptions
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.self_test import self_test
from oxnor.sim.verify.simulate import simulate

pytestmark = pytest.mark.cosim
EDGES = {"top": 1, "left": 1, "bottom": 1, "right": 1}
ZEROS = EDGES | {"pad": 0}
SHORTCUTS = Conv(4, levels=3, window=EDGES, shortcut=5), Conv(4, pool=(2, 2), has_lowest=True, shortcut=17)
NETWORKS = {
    "dense": lambda: random_conv_network((1, 1, 30), [], bits=2),
    "windows": lambda: random_conv_network((6, 6, 2), [Conv(4, pool=(2, 2), window=ZEROS)], bits=2),
    "levels": lambda: random_conv_network((6, 6, 1), [Conv(4, levels=3)], bits=3, planes=8),
    "digits": lambda: random_conv_network((1, 1, 20), [], bits=4, largest=14, levels=3, planes=8),
    "zeros among planes": lambda: random_conv_network((4, 5, 2), [Conv(4, levels=3, window=ZEROS), Conv(3, window=ZEROS)], bits=2, planes=8),
    "zeros among planes, of digits": lambda: random_conv_network(
        (4, 5, 2), [Conv(4, levels=3, window=ZEROS), Conv(3, window=ZEROS)], bits=3, largest=6, planes=8),
    "digits in windows": lambda: random_conv_network((6, 6, 2), [Conv(4, pool=(2, 2), window=ZEROS)], bits=3, largest=6),
    "shortcuts": lambda: random_conv_network((5, 6, 4), SHORTCUTS),
    "shortcuts of digits": lambda: random_conv_network((5, 6, 4), SHORTCUTS, bits=3, largest=6),
}
DEVICE = DeviceOptions(DeviceModel.load("weak-3.3e-2"))
#: What is asked of the engine and of the run, and whether the RTL must then differ.
ASKED = {
    "plain": ({}, {}),
    "asic": ({"target": "asic", "macro_size": (64, 24)}, {}),
    "wrong weights": ({}, {"errors": ErrorOptions(ber=0.05, seed=3)}),
    "wrong reads": ({}, {"errors": ErrorOptions(read_errors=ReadErrors.from_ber(0.05, seed=3))}),
    "devices": ({"macro_kind": "devices", "macro_size": (64, 12)}, {"device": DEVICE}),
    "pauses": ({"target": "ecp5"}, {"run": RunOptions(pauses=True, simulator="icarus")}),
    "corrupted": ({}, {"run": RunOptions(corrupt_rtl=3)}),
}


def run(name, asked):
    network = NETWORKS[name]()
    options, more = ASKED[asked]
    planes = network.layers[0].planes
    images = np.random.default_rng(1).integers(0, 2**planes, (40, network.n_in // planes))
    images = images.astype(np.uint8) if planes > 1 else images > 0
    engine = EngineOptions().changed(len(network.layers), **options)
    result = simulate(network, images, engine=engine, **more)
    assert (result.mismatches == 0) == (asked != "corrupted"), result.difference
    assert asked in ("corrupted", "pauses") or result.ok


def test_rtl_is_the_golden_model():
    run("windows", "wrong reads")


@pytest.mark.slow
@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("name", NETWORKS)
def test_everything_that_an_engine_does(name, asked):
    run(name, asked)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dense", "windows", "zeros among planes", "digits", "shortcuts"])
def test_programming_and_self_test(name):
    network = NETWORKS[name]()
    result = self_test(network, EngineConfig.for_network(network, programming=True))
    assert result.to_json()["ok"]


def test_what_there_is_no_hardware_for():
    network = NETWORKS["dense"]()
    for options, message in (
        ({"dataflow": "serial"}, "`dataflow` must be parallel .* for weights of several synapses"),
        ({"macro_size": (64, 7)}, "macros must have a multiple of 2 columns, not 7"),
    ):
        with pytest.raises(InputError, match=message):
            EngineConfig.for_network(network, **options)
