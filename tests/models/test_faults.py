"""Fault maps: keyed draws, application, files."""

import dataclasses
import json

import numpy as np
import pytest

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.faults.error_models import ERROR_MODELS, OF_WEIGHTS
from oxnor.models.faults.fault_map import FIELDS, FORMAT, FaultMap
from oxnor.models.faults.options import ErrorOptions
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


#: A draw of each kind from 9-6-4 (of ``sign`` and ``step`` from a layer of two synapses a weight): options, and what is
#: flipped, stuck at 0 and stuck at 1, by layer.
DRAWS = {
    "static": ({"ber": 0.1}, ({0: [3, 14, 25, 34, 36, 47, 48], 1: [12]}, {}, {})),
    "static, keyed": ({"ber": 0.1, "seed": 1, "trial": 2}, ({0: [7, 11, 26, 27, 28, 33, 36, 48, 50], 1: [11, 23]}, {}, {})),
    "asymmetric": (
        {"ber": 0.2},
        ({0: [0, 11, 13, 17, 29, 33, 36, 38, 41, 43, 45, 49], 1: [2, 5, 7, 13, 16, 17, 18]}, {}, {}),
    ),
    "asymmetric, half": (
        {"ber": 0.2, "ratio": 0.5},
        ({0: [1, 3, 9, 14, 18, 20, 34, 36, 38, 43, 46, 49, 53], 1: [2, 7, 10, 15, 19, 21, 22]}, {}, {}),
    ),
    "stuck": (
        {"ber": 0.2},
        ({}, {0: [21, 47], 1: [15, 17]}, {0: [2, 4, 19, 26, 29, 35, 38, 40, 51], 1: [0, 4, 10, 12]}),
    ),
    "stuck, quarter": (
        {"ber": 0.3, "ones": 0.25},
        ({}, {0: [5, 17, 19, 23, 31, 32, 35, 46, 48, 52], 1: [0, 5, 9, 10, 13, 15, 16, 23]},
         {0: [2, 4, 7, 26, 36, 42], 1: [3]}),
    ),
    "cluster": ({"ber": 0.1}, ({}, {1: [11, 17, 23]}, {0: [16, 25, 34, 43, 52]})),
    "cluster, row": (
        {"ber": 0.2, "shape": "row", "macro": (2, 4)},
        ({}, {0: [31, 32, 33, 40, 41], 1: [1, 2, 3, 21]}, {0: [13, 14, 15, 16, 34, 42, 43], 1: [0, 18, 19, 20]}),
    ),
    "cluster, column": (
        {"ber": 0.15, "shape": "column", "macro": (4, 3)}, ({}, {0: [38, 41, 47, 50], 1: [11, 17, 23]}, {}),
    ),
    "cluster, amplifier": (
        {"ber": 0.1, "shape": "amplifier", "macro": (2, 2)}, ({}, {0: [26, 35, 40, 49], 1: [0, 6, 15, 21]}, {}),
    ),
    "cluster, pairs": (
        {"ber": 0.1, "shape": "amplifier", "macro": (1, 1)}, ({}, {0: [6, 25, 32, 43], 1: [0]}, {0: [13], 1: [10, 19]}),
    ),
    "sign": ({"ber": 0.5}, ({0: [0, 1, 4, 5, 10, 11, 22, 23]}, {}, {})),
    "step": ({"ber": 0.5}, ({0: [0, 5, 15, 19, 23]}, {}, {})),
    "step, zero": ({"ber": 0.6, "moves": "zero"}, ({0: [3, 15, 17, 19]}, {}, {})),
    "step, others": ({"ber": 0.4, "moves": "nonzero"}, ({0: [0, 5]}, {}, {})),
}  # fmt: skip


def test_draws_are_the_same_on_every_machine(random_network):
    """Draws, written down: a change of the generator, or of what is drawn, would break every published seed."""
    values = np.array([[0, 1, 2, 1], [2, 2, 0, 1], [1, 1, 0, 2]])
    of_two = Network("two", (ScoreLayer((np.arange(2) < values[..., None]).reshape(3, -1), weight_bits=2),))
    for name, (options, expected) in DRAWS.items():
        kind = name.split(",")[0]
        network = of_two if kind in OF_WEIGHTS else random_network((9, 6, 4))
        drawn = FaultMap.draw(network, kind=kind, **options)
        assert as_lists(drawn) == dict(zip(FIELDS, expected, strict=True)), name
    assert {name.split(",")[0] for name in DRAWS} == {*ERROR_MODELS}


@pytest.mark.parametrize("ber", [1e-3, 0.05, 0.5])
def test_rate_and_independence(random_network, ber):
    network = random_network(SHAPE)
    n = network.n_weights
    assert [FaultMap.draw(network, ber=share).count for share in (0.0, 1.0)] == [0, n]
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
        ({0: [3, -1]}, "faults: synapses of layer 0 must be in [0, 11], not -1 to 3"),
        ({0: [12, 3]}, "faults: synapses of layer 0 must be in [0, 11], not 3 to 12"),
        ({-1: [0]}, "faults: layer must be in [0, 0], not -1"),
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
        ({"ber": 0.1, "layer": -1}, "layer must be in [0, 0], not -1"),
        ({"ber": 0.1, "kind": "odd"}, "kind must be one of static, asymmetric, stuck, cluster, sign, step, not 'odd'"),
        ({"ber": 0.1, "kind": "asymmetric", "ratio": 2}, "ratio must be a share in [0, 1], not 2"),
        ({"ber": 0.1, "kind": "stuck", "ones": -1}, "ones must be a share in [0, 1], not -1"),
        ({"ber": 0.1, "kind": "cluster", "shape": "x"}, "shape must be one of row, column, amplifier, not 'x'"),
        (
            {"ber": 0.1, "kind": "cluster", "macro": (0, 4)},
            "macro must have at least 1 row and 1 column, not 0x4",
        ),
        (
            {"ber": 0.1, "kind": "cluster", "macro": (4, 0)},
            "macro must have at least 1 row and 1 column, not 4x0",
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
    with np.load(tmp_path / "f.npz") as arrays:
        header = json.loads(arrays["header"].tobytes())
        assert {arrays[name].dtype.str for name in arrays.files if name != "header"} == {"<i8"}
    shapes, read = [[200, 300], [10, 200]], {"rate": 7, "seed": 9}
    assert header == {"format": FORMAT, "version": 2, "shapes": shapes, "read": read}
    with pytest.raises(InputError, match=r"^faults: errors of single reads are not those of weights$"):
        Trials(network, np.zeros((1, 300), bool)).scores(faults)


@pytest.mark.parametrize("shapes", [None, [], "33", {"0": [3, 4]}, [[3, 4], [3]], [[3, 4], [0, 4]], [[3, 4], [4, 0]],
                                    [[3, 4, 5]], [[3, True]], [[3.0, 4]], [[3, 4], "34"], [[-1, -4]]])  # fmt: skip
def test_shapes_of_a_file_are_not_trusted(tmp_path, shapes):
    header = {"format": FORMAT, "version": 2, "shapes": shapes}
    np.savez(tmp_path / "f.npz", header=np.frombuffer(json.dumps(header).encode(), np.uint8))
    with pytest.raises(InputError) as e:
        FaultMap.load(tmp_path / "f.npz")
    assert str(e.value) == f"{tmp_path}/f.npz: header.shapes must be a list of [n_out, n_in], not {shapes!r}"
    header |= {"shapes": [[3, 4]], "read": {"rate": 3}}
    np.savez(tmp_path / "f.npz", header=np.frombuffer(json.dumps(header).encode(), np.uint8))
    with pytest.raises(InputError, match=r"header.read must have rate and seed, not \{'rate': 3\}"):
        FaultMap.load(tmp_path / "f.npz")


def test_one_map_over_another(tmp_path):
    """Where both name a synapse the first counts; one alone has errors of single reads."""
    reads, shapes = ReadErrors(5), ((1, 1), (2, 3))
    first = FaultMap(shapes, {1: [4, 1]}, stuck_0={1: [2]})
    second = FaultMap([[1, 1], [2, 3]], {0: [0], 1: [2, 3]}, stuck_1={1: [1, 5]}, read=reads)
    assert second.shapes == shapes
    with pytest.raises(ValueError, match="read-only"):
        first.flips[1][0] = 0
    second.save(tmp_path / "f.npz")
    assert same(FaultMap.load(tmp_path / "f.npz"), second)
    joined = first.over(second)
    assert as_lists(joined) == {"flips": {0: [0], 1: [1, 3, 4]}, "stuck_0": {1: [2]}, "stuck_1": {1: [5]}}
    assert joined.read == second.over(first).read == first.merge(FaultMap(shapes, read=reads)).read == reads
    assert second.merge(FaultMap(shapes)).read == reads
    assert first.over(first).read is None
    other = ReadErrors(9)
    assert dataclasses.replace(first, read=other).over(second).read == other
    with pytest.raises(InputError, match="two maps with errors of single reads cannot be merged"):
        second.merge(FaultMap(shapes, read=other))
    with pytest.raises(InputError, match=r"weights of \(\(1, 1\),\) and of .* cannot be joined"):
        FaultMap(((1, 1),)).over(first)
    assert as_lists(second.only(1)) == {"flips": {1: [2, 3]}, "stuck_0": {}, "stuck_1": {1: [1, 5]}}
    assert (second.only(1).read, second.only(1).shapes) == (None, shapes)


def test_a_map_counts_for_its_network_alone(random_network):
    faults = FaultMap(((4, 9),), {0: [3]}, stuck_0={0: [1, 2]}, read=ReadErrors(655, 3))
    with pytest.raises(InputError, match="the map is for weights of"):
        faults.wrong(random_network((9, 5)))
    assert faults.describe() == (
        "of 36 synapses 3 are wrong or stuck (2 stuck): 8.3333 %; each read is wrong with probability 655 / 65536 ="
        " 0.009995 (seed 3)"
    )


def test_errors_come_from_one_place(random_network):
    network = random_network((9, 6, 4))
    faults, reads = FaultMap.draw(network, ber=0.1, kind="stuck"), ReadErrors(3)
    none, drawn, given = ErrorOptions(), ErrorOptions(ber=0.2), ErrorOptions(faults=faults)
    both = ErrorOptions(faults=dataclasses.replace(faults, read=reads))
    assert [o.are_static for o in (none, drawn, given)] == [False, True, True]
    assert [o.reads for o in (none, given, both, ErrorOptions(read_errors=reads))] == [None, None, reads, reads]
    assert ErrorOptions(faults=faults, read_errors=reads).reads == reads
    assert given.fault_map(network) is faults
    assert same(drawn.fault_map(network), FaultMap.draw(network, ber=0.2, seed=0, trial=0))
    assert same(ErrorOptions(0.2, 3, 4).fault_map(network), FaultMap.draw(network, ber=0.2, seed=3, trial=4))
    with pytest.raises(InputError, match="bit errors must come from ber or from a fault map, not from both"):
        ErrorOptions(ber=0.1, faults=faults)
    with pytest.raises(InputError, match="must come from the fault map or be given, not both"):
        ErrorOptions(faults=both.faults, read_errors=reads)
