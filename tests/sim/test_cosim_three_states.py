"""Engines whose pairs hold ternary weights: emitted Verilog against the golden model, in bits and in devices."""

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network
from helpers.simulators import QUICK

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.options import EngineOptions
from oxnor.models.base.errors import InputError
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.options import DeviceOptions
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.march import as_states
from oxnor.models.faults.options import ErrorOptions
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.sim.harness.engine import EngineTestbench
from oxnor.sim.silicon.synthesis import with_ports_alone
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.self_test import self_test
from oxnor.sim.verify.simulate import simulate

pytestmark = pytest.mark.cosim
NOISY = DeviceModel("noisy", 10_000.0, 120_000.0, 0.6, 0.8, 0.3, 0.2, 0.97, turning_offset_sigma=0.2)
#: (shape of the images, convolutions, options of the engine)
ENGINES = {
    "dense": ((1, 1, 19), (), {"macro_size": (20, 4), "folding": [(2, 2), (1, 1)]}),
    "windows": (
        (4, 4, 2), (Conv(4, (2, 2), pool=(2, 2), window={"top": 1, "left": 1}),),
        {"macro_size": (64, 4), "folding": [(2, 2), (2, 1), (1, 1)]},
    ),
}  # fmt: skip


def ternary(name):
    """Return a network of ternary weights, each 0 as two synapses have it, and options of its engine."""
    shape, convolutions, structure = ENGINES[name]
    network = random_conv_network(shape, convolutions, dense=(5,), classes=3, bits=2)
    return network, structure | {"pair_states": 3, "stream_width": 8, "with_scores": True}


def run(name, kind="bits", **more):
    network, structure = ternary(name)
    bits = np.random.default_rng(5).random((60, network.n_in)) < 0.5
    structure |= {"packed": True, "pair_states": 2} if kind == "packed" else {"macro_kind": kind}
    engine = EngineOptions().changed(len(network.layers), **structure)
    return simulate(network, bits, engine=engine, run=RunOptions(simulator=QUICK), **more)


@pytest.mark.parametrize(("name", "kind"), [
    ("dense", "bits"), ("dense", "devices"), ("dense", "packed"),
    pytest.param("windows", "packed", marks=pytest.mark.slow),
    pytest.param("windows", "bits", marks=pytest.mark.slow), pytest.param("windows", "devices", marks=pytest.mark.slow),
])  # fmt: skip
def test_equal_to_the_golden_model(name, kind):
    """With wrong weights and errors of reads in bits; with offsets, noise and unformed devices in devices."""
    network, _ = ternary(name)
    errors = ErrorOptions(faults=FaultMap.draw(network, ber=0.1, kind="step"), read_errors=ReadErrors(3000, 7))
    result = run(name, kind, **({"device": DeviceOptions(NOISY)} if kind == "devices" else {"errors": errors}))
    assert result.mismatches == 0
    assert result.cycles == result.predicted_cycles
    assert result.bit_errors > 0
    assert {cols for _, cols in result.macro} == {4}


def test_what_pairs_of_three_states_are_not_for():
    network, structure = ternary("dense")
    with pytest.raises(InputError, match="macro_kind must be bits or devices or blackbox for pairs of three states, not 'cells'"):
        EngineConfig.for_network(network, **structure | {"macro_kind": "cells"})
    for packed, why in (
        ({"programming": True}, r"programming must not be asked of macros of type packed, which are never written \(a self-test writes them\)"),
        ({"macro_kind": "devices"}, "packed must not be asked of macros of type devices"),
    ):
        with pytest.raises(InputError, match=why):
            EngineConfig.for_network(network, **structure, packed=True, **packed)
    with pytest.raises(InputError, match="packed must not be asked for gates, whose macros are of devices"):
        with_ports_alone(EngineConfig.for_network(network, **structure, packed=True))
    binary = random_conv_network((1, 1, 19), (), dense=(5,), classes=3)
    with pytest.raises(InputError, match=f"packed must not be asked: no layer of {binary.name!r} has ternary weights"):
        EngineConfig.for_network(binary, packed=True)
    with pytest.raises(InputError, match="macro_kind must be one of bits, devices, blackbox, cells, not 'packed'"):
        EngineConfig.for_network(network, macro_kind="packed")
    with pytest.raises(InputError, match="pair_states must be 2, or 3 for ternary weights in one pair, not 4"):
        EngineConfig.for_network(network, **structure | {"pair_states": 4})


@pytest.mark.slow
def test_programming_and_self_test(tmp_path):
    """The whole testbench of programming, a power cut in every cycle of a row too; and the march."""
    network = random_conv_network((1, 1, 37), [], dense=(13,), classes=3, bits=2)
    network = network.with_weights({k: as_states(y.weights) for k, y in enumerate(network.layers)})
    config = EngineConfig.for_network(
        network, macro_size=(16, 20), folding=[(2, 2), (1, 1)], pair_states=3, programming=True, stream_width=8,
        with_scores=True,
    )  # fmt: skip
    bench = EngineTestbench("engine.tb_programming", 7, simulator="verilator", cycle_limit=2_000_000)
    bench.run(network, config, tmp_path)
    report = self_test(network, config)
    assert report.ok
    assert report.pairs == 5 * 16 * 20
