"""The perceptron of 8-bit weights, single devices, and what converters cost."""

import numpy as np
import pytest

from oxnor.models import load
from oxnor.models.analog import cell, int8
from oxnor.models.analog.converter_cost import (
    ISAAC_CONVERSION_PJ,
    isaac_tops_per_watt,
    sar_energy,
    survey_area,
    survey_energy,
)
from oxnor.models.analog.crossbar import CrossbarOptions
from oxnor.models.analog.integer import Isaac
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.devices.codes import CODES
from oxnor.models.devices.draws import draw_faults
from oxnor.models.devices.error_rates import device_rates
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.single import draw_single


@pytest.fixture(scope="module")
def network():
    return int8.shipped()


def test_the_shipped_perceptron_is_as_accurate_as_its_card_says(network):
    images, labels = load_mnist("test")
    assert np.mean(network.predict(images) == labels) == network.info["accuracy"]
    assert network.info["accuracy"] > 0.98
    assert [layer.weights.shape for layer in network.layers] == [(256, 784), (128, 256), (10, 128)]


def test_scores_are_those_of_plain_integers(network):
    x = load_mnist("test")[0][:30]
    for layer in network.layers:
        y = x.astype(np.int64) @ layer.weights.T.astype(np.int64) + layer.biases
        x = layer.activations(y)
    assert (network.scores(load_mnist("test")[0][:30]) == y).all()


def test_a_file_is_read_again_and_not_trusted(network, tmp_path):
    path = tmp_path / "n.npz"
    network.save(path)
    again = int8.Int8Network.load(path)
    assert (again.scores(np.full((1, 784), 9, np.uint8)) == network.scores(np.full((1, 784), 9, np.uint8))).all()
    assert again.info == network.info
    with pytest.raises(InputError, match="layers must fit each other"):
        int8.Int8Network("n", (network.layers[0], network.layers[2]))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"n\.npz"):
        int8.Int8Network.load(path)


def test_ideal_arrays_lose_nothing_and_bad_ones_much(network):
    images, labels = (v[:1000] for v in load_mnist("test"))
    for mapping in ("differential", "offset"):
        chip = int8.AnalogInt8(network, CrossbarOptions(mapping))
        assert np.mean(chip.predict(images) == network.predict(images)) > 0.998  # float sums round otherwise
    options = CrossbarOptions("offset", cell=cell.AnalogCell.generic("independent", 0.1))
    assert np.mean(int8.AnalogInt8(network, options).predict(images) == labels) < 0.95


def test_calibrated_converters_take_four_bits_fewer(network):
    images, labels = (v[:1000] for v in load_mnist("test"))
    training = load_mnist("test")[0][8000:8500]  # stands for training images, which are not shipped
    options = CrossbarOptions()
    accuracy = {}
    for kind, bits in (("calibrated", 6), ("max", 6), ("max", 10)):
        adc = int8.converters(network, options, bits, kind, training)
        accuracy[kind, bits] = np.mean(int8.AnalogInt8(network, options, converters=adc).predict(images) == labels)
    ideal = np.mean(network.predict(images) == labels)
    assert accuracy["calibrated", 6] > ideal - 0.006
    assert accuracy["max", 6] < ideal - 0.1
    assert accuracy["max", 10] > ideal - 0.006


def test_single_devices_err_as_often_as_the_closed_form():
    network, wide = load("mnist-sfc"), DeviceModel("wide", 1e4, 1e5, 0.7, 0.7, forming_yield=0.99, single_offset_sigma=0.3)
    rates = device_rates(wide)
    for code, name in ((None, "ber_1t1r"), *((c, f"secded_{c.n}_{c.k}") for c in CODES)):
        wrong = sum(v.size for k in range(4) for v in draw_single(network, wide, code, trial=k).flips.values())
        # Errors in a word, and of an amplifier, come together.
        assert wrong / (4 * network.n_weights) == pytest.approx(getattr(rates, name), rel=0.03), name


def test_a_single_device_is_that_of_the_pair():
    network, device = load("mnist-tfc"), DeviceModel("d", 1e4, 1e5, 0.9, 1e-6)
    pair, single = (d(network, device, seed=5).flips for d in (draw_faults, draw_single))
    # Only LRS spreads: a BL device in LRS above HRS is wrong in both.
    weights = network.layers[0].weights.ravel()
    in_pair = {i for i in pair[0] if weights[i]}
    assert in_pair
    assert in_pair <= set(single[0])


def test_costs_of_converters_are_the_published_ones():
    table = {130: (12.9, 13.1, 14.9, 23.9, 32.6), 32: (0.92, 0.94, 1.07, 1.71, 2.34), 28: (0.72, 0.73, 0.83, 1.33, 1.82),
             22: (0.46, 0.46, 0.53, 0.85, 1.16)}  # fmt: skip
    for nm, energies in table.items():
        assert [survey_energy(n, nm) for n in (4, 5, 6, 8, 9)] == pytest.approx(energies, rel=0.012)
    assert survey_area(6, 28) == pytest.approx(2780, rel=0.005)
    assert survey_energy(8, 32, 1.28e9) == pytest.approx(1.95, abs=0.05)
    for n, energies in ((5, (0.58, 0.29, 0.20, 0.12, 0.09)), (8, (1.05, 0.52, 0.35, 0.21, 0.16))):
        assert [sar_energy(n, nm) for nm in (130, 65, 45, 32, 22)] == pytest.approx(energies, abs=0.006)
    assert pytest.approx(1.56, abs=0.01) == ISAAC_CONVERSION_PJ
    assert isaac_tops_per_watt(Isaac().conversions_per_mac, 1) == pytest.approx(0.64)
    assert isaac_tops_per_watt(Isaac().conversions_per_mac, 2) == pytest.approx(1.28)
    with pytest.raises(InputError, match="nm must be one of 22, 32"):
        sar_energy(5, 28)
