"""The shipped networks on real digits through their RTL, and once with the adder tree that synthesis takes."""

import pytest

from oxnor.hw.params.engine import EngineConfig
from oxnor.models import zoo
from oxnor.models.datasets import mnist as datasets
from oxnor.models.faults.options import ErrorOptions
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.simulate import simulate

pytestmark = pytest.mark.cosim


@pytest.mark.parametrize(
    ("name", "target", "count", "ber", "adder_tree"),
    [
        pytest.param("mnist-mlp", "sim", 10_000, 0.0, False, marks=pytest.mark.slow),
        pytest.param("mnist-mlp", "sim", 2_000, 0.01, False, marks=pytest.mark.slow),
        pytest.param("mnist-sfc", "sim", 10_000, 0.0, False, marks=pytest.mark.slow),
        ("mnist-tfc", "sim", 10_000, 0.0, False),
        ("mnist-tfc", "sim", 1_000, 0.01, False),
        ("mnist-tfc", "ice40", 100, 0.02, True),
        pytest.param("mnist-tfc", "ecp5", 300, 0.02, True, marks=pytest.mark.slow),
    ],
)
def test_digits(name, target, count, ber, adder_tree):
    network = zoo.load(name)
    images, labels = datasets.load_mnist()
    config = EngineConfig.for_network(network, target=target)
    result = simulate(
        network, images[:count], labels=labels[:count], errors=ErrorOptions(ber, 7), engine=config,
        run=RunOptions(adder_tree=adder_tree),
    )
    assert result.ok
    assert result.images == count
    assert result.accuracy == result.golden_accuracy
    assert (result.bit_errors > 0) == (ber > 0)
    if not ber and count == len(images):
        assert result.accuracy == network.info["accuracy"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dataflow"), [("mnist-tfc", "serial"), ("mnist-mlp", "alternate")])
def test_all_digits_in_other_dataflows(name, dataflow):
    network = zoo.load(name)
    images, labels = datasets.load_mnist()
    config = EngineConfig.for_network(network, dataflow=dataflow)
    result = simulate(network, images, labels=labels, engine=config)
    assert result.ok
    assert result.accuracy == network.info["accuracy"]
