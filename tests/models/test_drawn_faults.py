"""Networks drawn from a device model: keys, rates, ages and offsets."""

import math
from dataclasses import replace

import numpy as np
import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.devices import model as devices
from oxnor.models.devices.draws import draw_faults, interval
from oxnor.models.devices.error_rates import device_rates
from oxnor.models.devices.model import UNFORMED_OHM, DeviceModel

GOOD = {"name": "d", "lrs_median": 1e4, "hrs_median": 1e5, "lrs_sigma": 0.5, "hrs_sigma": 0.5}


def same(a, b):
    kinds = ("flips", "stuck_0", "stuck_1")
    return all(np.array_equal(getattr(a, n)[k], getattr(b, n)[k]) for n in kinds for k in range(len(a.shapes)))


def test_draws_are_keyed(random_network):
    network = random_network((300, 200, 10))
    device = devices.load("weak-3.3e-2")
    a = draw_faults(network, device, seed=7, trial=3)
    assert same(a, draw_faults(network, device, seed=7, trial=3))
    for other in ({"seed": 8, "trial": 3}, {"seed": 7, "trial": 4}):
        assert not same(a, draw_faults(network, device, **other))
    assert not np.array_equal(a.flips[0][:5], a.flips[1][:5])


def test_draws_are_the_same_on_every_machine(random_network):
    """One draw, written down: a change of the generator would break every published seed."""
    drawn = draw_faults(random_network((30, 20, 10)), devices.load("weak-3.3e-2"), seed=1, trial=2)
    assert {k: v.tolist() for k, v in drawn.flips.items()} == {
        0: [47, 55, 62, 64, 71, 78, 101, 117, 119, 121, 142, 167, 205, 237, 249, 395, 474, 476, 490, 512, 529, 535, 542, 550, 551, 552, 593, 595],
        1: [13, 21, 67, 102, 121, 189],
    }


@pytest.mark.parametrize("name", ["calibrated-1e-2", "weak-3.3e-2", "unformed-1e-3"])
def test_drawn_rate_is_the_closed_form(random_network, name):
    network = random_network((784, 700, 10))
    device = devices.load(name)
    wrong = sum(draw_faults(network, device, trial=t, macro=(1, 64)).wrong(network) for t in range(3))
    low, high = interval(wrong, 3 * network.n_weights)
    assert low <= device_rates(device).ber_2t2r_offset <= high


def test_drawn_rate_of_an_aged_device_is_the_closed_form(random_network):
    network = random_network((784, 700, 10))
    device = devices.load("wear-illustration")
    age = {"cycles": 1e10, "seconds": 1e6}
    low, high = interval(draw_faults(network, device, macro=(1, 1), **age).count, network.n_weights)
    assert low <= device_rates(device, **age).ber_2t2r_offset <= high


def test_the_same_devices_age(random_network):
    """Without offset and yield, wear alone: what was wrong stays wrong while the window closes."""
    network = random_network((784, 200, 10))
    device = replace(devices.load("wear-illustration"), offset_sigma=0.0)
    maps = [set(draw_faults(network, device, cycles=c).flips[0].tolist()) for c in (1e8, 1e9, 1e10)]
    assert 10 < len(maps[0]) < len(maps[1]) < len(maps[2])
    assert len(maps[0] & maps[2]) > 0.9 * len(maps[0])


def test_an_offset_is_that_of_one_column_of_one_macro(random_network):
    """With nearly equal devices the offset decides: each column of each macro reads as one bit."""
    network = random_network((50, 70))
    device = DeviceModel("flat", 1e4, 1.0001e4, 1e-4, 1e-4, offset_sigma=1.0)
    faults = draw_faults(network, device, macro=(32, 16))
    bits = faults.apply(network).layers[0].weights
    for top in (0, 32, 64):
        block = bits[top : top + 32]
        assert np.all(block == block[0]), "a column of a macro has one amplifier"
    assert 5 < np.count_nonzero(bits[0] != bits[32]) < 45, "another macro has others"
    # Another size of macro has other amplifiers, and the same devices.
    assert not same(faults, draw_faults(network, device, macro=(8, 16)))
    ideal = DeviceModel("ideal", 1e4, 1.2e4, 0.5, 0.5)
    assert same(draw_faults(network, ideal, macro=(8, 16)), draw_faults(network, ideal, macro=(32, 16)))


def test_what_turns_with_the_input_is_as_for_an_input_drawn_for_each_synapse(random_network):
    """With nearly equal devices it decides alone: both bits in every column, as often as each input is drawn."""
    network = random_network((50, 70))
    device = DeviceModel("flat", 1e4, 1.0001e4, 1e-4, 1e-4, turning_offset_sigma=1.0)
    bits = draw_faults(network, device, macro=(70, 50)).apply(network).layers[0].weights
    assert 0.45 < bits.mean() < 0.55
    assert np.all((bits.mean(axis=0) > 0.2) & (bits.mean(axis=0) < 0.8))
    plain = DeviceModel("d", 1e4, 5e4, 0.5, 0.5)
    few, more = (draw_faults(network, replace(plain, turning_offset_sigma=s), seed=1) for s in (1e-9, 1.0))
    assert same(few, draw_faults(network, plain, seed=1))
    assert more.count > few.count
    wide = random_network((784, 700, 10))
    device = replace(devices.load("weak-3.3e-2"), turning_offset_sigma=0.5)
    wrong = sum(draw_faults(wide, device, trial=t, macro=(1, 64)).wrong(wide) for t in range(3))
    low, high = interval(wrong, 3 * wide.n_weights)
    assert low <= device_rates(device).ber_2t2r_offset <= high


def test_offset_and_forming_leave_the_devices_as_they_are(random_network):
    network = random_network((200, 100))
    plain = DeviceModel("d", 1e4, 5e4, 0.5, 0.5)
    formed = draw_faults(network, replace(plain, forming_yield=0.9))
    stuck = np.union1d(formed.stuck_0[0], formed.stuck_1[0])
    assert stuck.size == pytest.approx(20000 * (1 - 0.81), rel=0.05)
    flips = draw_faults(network, plain).flips[0]
    np.testing.assert_array_equal(np.setdiff1d(flips, stuck), formed.flips[0])
    assert formed.wrong(network) == pytest.approx(flips.size * 0.81 + stuck.size / 2, rel=0.05)


def test_no_device_forms(random_network):
    network = random_network((40, 30))
    faults = draw_faults(network, replace(DeviceModel(**GOOD), forming_yield=0.0))
    assert faults.count == 1200
    assert 450 < faults.stuck_1[0].size < 750


def test_draws_in_pieces_are_the_same(random_network, monkeypatch):
    from oxnor.models.devices import draws as device_draws

    network = random_network((100, 90, 10))
    device = replace(devices.load("weak-3.3e-2"), forming_yield=0.99)
    whole = draw_faults(network, device, seed=3)
    monkeypatch.setattr(device_draws, "_CHUNK", 700)
    assert same(whole, draw_faults(network, device, seed=3))


def test_unformed_is_above_every_hrs():
    for name in devices.names():
        assert math.log(UNFORMED_OHM) > devices.load(name).at().hrs_mu + 4 * devices.load(name).hrs_sigma


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed must be an integer in [0, 2**63), not -1"),
        ({"trial": 0.5}, "trial must be an integer in [0, 2**63), not 0.5"),
        ({"macro": (0, 4)}, "macro must be two positive integers, not (0, 4)"),
        ({"cycles": 1e13}, "cycles must be in [0, 1e+12] cycles, where 'd' holds, not 1e+13"),
    ],
)
def test_draw_wrong(random_network, options, message):
    with pytest.raises(InputError) as e:
        draw_faults(random_network((9, 4)), DeviceModel(**GOOD), **options)
    assert str(e.value) == message


def test_a_read_of_each_pair_has_its_noise(random_network):
    """With nearly equal devices noise decides alone; without noise a read is what is wrong at every read."""
    network = random_network((50, 70))
    device = DeviceModel("flat", 1e4, 1.0001e4, 1e-4, 1e-4, read_noise_sigma=1.0)
    bits = draw_faults(network, device, noise=True).apply(network).layers[0].weights
    assert 0.45 < bits.mean() < 0.55
    quiet = devices.load("calibrated-1e-2")
    assert same(draw_faults(network, quiet, noise=True), draw_faults(network, quiet))
    wide = random_network((784, 700, 10))
    noisy = devices.load("weak-3.3e-2")
    wrong = sum(draw_faults(wide, noisy, trial=t, macro=(1, 64), noise=True).wrong(wide) for t in range(3))
    low, high = interval(wrong, 3 * wide.n_weights)
    assert low <= device_rates(noisy).ber_2t2r_read <= high
