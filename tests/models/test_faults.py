"""Fault maps: keyed draws, application, files."""

import dataclasses

import numpy as np
import pytest

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.faults.error_models import ERROR_MODELS
from oxnor.models.faults.fault_map import FIELDS, FaultMap
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.trials.binarized import Trials

SHAPE = (300, 200, 10)


def as_lists(faults):
    return {name: {k: v.tolist() for k, v in getattr(faults, name).items() if v.size} for name in FIELDS}


def same(a, b):
    return a.shapes == b.shapes and as_lists(a) == as_lists(b)


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
        ({"ber": 1.5}, "ber must be a share in [0, 1], not 1.5"),
        ({"ber": float("nan")}, "ber must be a share in [0, 1], not nan"),
        ({"ber": 0.1, "seed": -1}, "seed must be an integer in [0, 2**63), not -1"),
        ({"ber": 0.1, "trial": 0.5}, "trial must be an integer in [0, 2**63), not 0.5"),
        ({"ber": 0.1, "layer": 1}, "layer must be in [0, 0], not 1"),
        ({"ber": 0.1, "kind": "odd"}, "kind must be one of static, asymmetric, stuck, cluster, sign, step, not 'odd'"),
        ({"ber": 0.1, "kind": "asymmetric", "ratio": 2}, "ratio must be a share in [0, 1], not 2"),
        ({"ber": 0.1, "kind": "stuck", "ones": -1}, "ones must be a share in [0, 1], not -1"),
        ({"ber": 0.1, "kind": "cluster", "shape": "x"}, "shape must be one of row, column, amplifier, not 'x'"),
        (
            {"ber": 0.1, "kind": "cluster", "macro": (0, 4)},
            "macro must have at least 1 row and 1 column, not 0x4",
        ),
    ],
)
def test_draw_wrong(random_network, arguments, message):
    with pytest.raises(InputError) as e:
        FaultMap.draw(random_network((9, 4)), **arguments)
    assert str(e.value) == message


@pytest.mark.parametrize("kind", ERROR_MODELS)
def test_every_kind_is_keyed_by_layer_and_nothing_is_named_twice(random_network, kind):
    """A draw for one layer is what that layer has in the draw for all: any part can be repeated alone."""
    network = random_network(SHAPE)
    whole = FaultMap.draw(network, ber=0.1, kind=kind, seed=3, trial=4)
    assert whole.count
    assert not same(whole, FaultMap.draw(network, ber=0.1, kind=kind, seed=3, trial=5))
    parts = [FaultMap.draw(network, ber=0.1, kind=kind, seed=3, trial=4, layer=k) for k in range(2)]
    assert same(parts[0].merge(parts[1]), whole)
    assert same(parts[1].merge(parts[0]), whole)
    wrong = whole.apply(network)
    differ = sum(int((a.weights != b.weights).sum()) for a, b in zip(network.layers, wrong.layers, strict=True))
    assert whole.wrong(network) == differ
    assert FaultMap.draw(network, ber=0.0, kind=kind).count == 0


@pytest.mark.parametrize("bits", [1, 2, 3, 6])
@pytest.mark.parametrize("kind", ["sign", "step"])
def test_weights_turn_or_move_by_one_value(kind, bits):
    g = np.random.default_rng(bits)
    values = g.integers(0, bits + 1, (300, 200))
    layer = ScoreLayer((np.arange(bits) < values[..., None]).reshape(300, -1), weight_bits=bits)
    network = Network("net", (layer,))
    faults = FaultMap.draw(network, ber=0.1, kind=kind, seed=1)
    before, after = layer.weight_values.astype(int), faults.apply(network).layers[0].weight_values.astype(int)
    moved = after != before
    if kind == "sign":
        assert np.array_equal(after[moved], -before[moved])
    else:
        assert set(np.abs(after - before)[moved].tolist()) == {2}
        inner = moved & (np.abs(before) < bits)
        assert not inner.any() or 0.4 < np.mean(after[inner] > before[inner]) < 0.6
    can_move = np.count_nonzero(before) if kind == "sign" else before.size
    assert abs(np.count_nonzero(moved) / can_move - 0.1) < 0.01
    synapses = faults.apply(network).layers[0].weights.reshape(300, -1, bits)
    assert not (~synapses[..., :-1] & synapses[..., 1:]).any()


@pytest.mark.parametrize("ratio", [0.0, 0.25, 1.0])
def test_asymmetric_rates(random_network, ratio):
    network = random_network((1000, 400))
    weights = network.layers[0].weights.reshape(-1)
    flips = [FaultMap.draw(network, ber=0.05, kind="asymmetric", trial=t, ratio=ratio).flips[0] for t in range(20)]
    down = np.mean([weights[f].sum() for f in flips]) / weights.sum()
    up = np.mean([(~weights[f]).sum() for f in flips]) / (~weights).sum()
    assert abs(down - 0.1 / (1 + ratio)) < 5 * np.sqrt(0.1 / weights.sum() / 20)
    assert abs(up - 0.1 * ratio / (1 + ratio)) < 5 * np.sqrt(0.1 / weights.sum() / 20)
    assert (up == 0) == (ratio == 0)


def test_stuck_pairs_stay_whatever_is_programmed(random_network):
    network = random_network(SHAPE)
    faults = FaultMap.draw(network, ber=0.1, kind="stuck", ones=0.25)
    counts = faults.counts
    assert 0.2 < counts["stuck_1"] / faults.count < 0.3
    inverse = network.with_weights({k: ~layer.weights for k, layer in enumerate(network.layers)})
    for k in range(2):
        a, b = (faults.apply(n).layers[k].weights.reshape(-1) for n in (network, inverse))
        assert set(np.flatnonzero(a == b)) == set(faults.stuck_0[k]) | set(faults.stuck_1[k])
    assert faults.wrong(network) + faults.wrong(inverse) == faults.count
    wrong = faults.wrong(network)
    assert faults.describe(network) == (
        f"of 62,000 synapses {wrong:,} are wrong: {wrong / 620:.4f} % ({faults.count:,} are stuck)"
    )
    assert faults.describe() == (
        f"of 62,000 synapses {faults.count:,} are wrong or stuck ({faults.count:,} stuck): {faults.count / 620:.4f} %"
    )


@pytest.mark.parametrize(("shape", "lines"), [("row", 200 * 10), ("column", 300 * 7), ("amplifier", 300 * 7)])
def test_clusters_are_lines_of_macros(random_network, shape, lines):
    """Of macros of 32 x 32 on 200 x 300 weights: a row is 32 inputs of a neuron, a column 32 neurons of an input."""
    network = random_network((300, 200))
    faults = FaultMap.draw(network, ber=0.05, kind="cluster", shape=shape)
    state = np.zeros((200, 300), int)
    state.reshape(-1)[faults.stuck_0[0]] = -1
    state.reshape(-1)[faults.stuck_1[0]] = 1
    hit = 0
    for top in range(0, 200, 32):
        for left in range(0, 300, 32):
            tile = state[top : top + 32, left : left + 32]
            for line in tile if shape == "row" else tile.T:
                named = np.flatnonzero(line)
                if not named.size:
                    continue
                hit += 1
                assert named[-1] == len(line) - 1
                assert np.all(np.diff(named) == 1)
                if shape != "column":
                    assert named.size == len(line)
                if shape != "row":
                    assert len(set(line[named])) == 1
    assert abs(hit - 0.05 * lines) < 5 * np.sqrt(0.05 * lines)


def test_merge_refuses_what_both_name(random_network):
    network = random_network(SHAPE)
    flips = FaultMap.draw(network, ber=0.1)
    with pytest.raises(InputError, match=r"^faults: a synapse of layer 0 must not be named twice$"):
        flips.merge(FaultMap.draw(network, ber=0.1, kind="stuck"))
    with pytest.raises(InputError, match=r"cannot be merged$"):
        flips.merge(FaultMap.draw(random_network((9, 4)), ber=0.1))
    with pytest.raises(InputError, match=r"^faults: a synapse of layer 0 must not be named twice$"):
        FaultMap(((2, 2),), stuck_0={0: [1]}, stuck_1={0: [1]})


def test_save_and_load_every_field(tmp_path, random_network):
    network = random_network(SHAPE)
    faults = FaultMap.draw(network, ber=0.1, kind="cluster").merge(FaultMap(((200, 300), (10, 200)), {1: [7]}))
    faults = dataclasses.replace(faults, read=ReadErrors(7, 9))
    faults.save(tmp_path / "f.npz")
    assert same(FaultMap.load(tmp_path / "f.npz"), faults)
    assert FaultMap.load(tmp_path / "f.npz").read == ReadErrors(7, 9)
    with pytest.raises(InputError, match=r"^faults: errors of single reads are not those of weights$"):
        Trials(network, np.zeros((1, 300), bool)).scores(faults)
