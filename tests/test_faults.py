"""Fault maps: keyed draws, application, files."""

import numpy as np
import pytest

from oxnor.models import golden
from oxnor.models.errors import InputError
from oxnor.models.faults import FaultMap

SHAPE = (300, 200, 10)


def same(a, b):
    return a.shapes == b.shapes and all(np.array_equal(a.flips[k], b.flips[k]) for k in range(len(a.shapes)))


def test_draws_are_keyed(random_network):
    network = random_network(SHAPE)
    a = FaultMap.draw(network, ber=0.01, seed=7, trial=3)
    assert same(a, FaultMap.draw(network, ber=0.01, seed=7, trial=3))
    assert not same(a, FaultMap.draw(network, ber=0.01, seed=8, trial=3))
    assert not same(a, FaultMap.draw(network, ber=0.01, seed=7, trial=4))
    assert not np.array_equal(a.flips[0][:10], a.flips[1][:10])


def test_draws_are_the_same_on_every_machine(random_network):
    """The bits of one draw, written down: a change of the generator would break every published seed."""
    drawn = FaultMap.draw(random_network((30, 20, 10)), ber=0.02, seed=1, trial=2)
    assert {k: v.tolist() for k, v in drawn.flips.items()} == {
        0: [78, 90, 142, 156, 323, 334, 339, 383, 389, 402, 405, 449, 463, 514, 533, 541, 583, 586],
        1: [79, 99, 180, 191],
    }


@pytest.mark.parametrize("ber", [0.0, 1e-3, 0.05, 0.5, 1.0])
def test_rate_and_independence(random_network, ber):
    network = random_network(SHAPE)
    n = network.n_weights
    counts = [FaultMap.draw(network, ber=ber, trial=t).count for t in range(200)]
    sigma = np.sqrt(n * ber * (1 - ber))
    assert abs(np.mean(counts) - n * ber) <= 5 * sigma / np.sqrt(200)
    assert abs(np.std(counts) - sigma) <= 0.25 * sigma
    hits = np.zeros(300 * 200)
    for t in range(200):
        hits[FaultMap.draw(network, ber=ber, trial=t).flips[0]] += 1
    assert abs(hits[:30000].mean() - hits[30000:].mean()) <= 5 * np.sqrt(2 * 200 * ber * (1 - ber) / 30000)


def test_apply_inverts_exactly_the_named_synapses(random_network):
    network = random_network(SHAPE)
    faults = FaultMap.draw(network, ber=0.01, seed=5)
    wrong = faults.apply(network)
    for i, (a, b) in enumerate(zip(network.layers, wrong.layers, strict=True)):
        np.testing.assert_array_equal(np.flatnonzero(a.weights != b.weights), faults.flips[i])
    assert faults.apply(wrong).digest == network.digest
    assert faults.describe() == f"of 62,000 synapses {faults.count:,} are wrong: {faults.count / 620:.4f} %"
    bits = np.random.default_rng(0).random((50, 300)) < 0.5
    assert np.any(golden.scores(network, bits) != golden.scores(wrong, bits))


def test_save_and_load(tmp_path, random_network):
    faults = FaultMap.draw(random_network(SHAPE), ber=0.01)
    faults.save(tmp_path / "f.npz")
    assert same(FaultMap.load(tmp_path / "f.npz"), faults)


def test_other_files_are_refused(tmp_path, random_network):
    network = random_network(SHAPE)
    network.save(tmp_path / "n.npz")
    with pytest.raises(InputError, match=r"header\.format must be 'oxnor-faults': this is some other file"):
        FaultMap.load(tmp_path / "n.npz")
    with pytest.raises(InputError) as e:
        FaultMap.draw(random_network((9, 4)), ber=0.1).apply(network)
    assert str(e.value) == "faults: the map is for weights of ((4, 9),), not ((200, 300), (10, 200)) as in 'random'"


@pytest.mark.parametrize(
    ("flips", "message"),
    [
        ({0: [1, 1]}, "faults: a synapse of layer 0 must not be named twice"),
        ({0: [12]}, "faults: synapses of layer 0 must be in [0, 11], not 12 to 12"),
        ({0: [-1]}, "faults: synapses of layer 0 must be in [0, 11], not -1 to -1"),
        ({1: [0]}, "faults: layer must be in [0, 0], not 1"),
    ],
)
def test_flips_wrong(flips, message):
    with pytest.raises(InputError) as e:
        FaultMap(((3, 4),), flips)
    assert str(e.value) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ber": 1.5}, "ber must be in [0, 1], not 1.5"),
        ({"ber": float("nan")}, "ber must be in [0, 1], not nan"),
        ({"ber": 0.1, "seed": -1}, "seed must be an integer in [0, 2**63), not -1"),
        ({"ber": 0.1, "trial": 0.5}, "trial must be an integer in [0, 2**63), not 0.5"),
    ],
)
def test_draw_wrong(random_network, arguments, message):
    with pytest.raises(InputError) as e:
        FaultMap.draw(random_network((9, 4)), **arguments)
    assert str(e.value) == message
