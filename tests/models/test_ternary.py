"""Weights of several synapses, ternary ones above all: against plain sums, in files, under errors."""

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network

from oxnor.models import golden
from oxnor.models.base.bits import pack_words, unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.kernels.packed import repeat
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.weight_code import WeightCode
from oxnor.models.trials.binarized import Trials

PADDED = {"top": 1, "left": 1, "bottom": 1, "right": 1}
#: (shape of the images, convolutions, synapses of a weight, what else: `largest` where they count as digits)
NETWORKS = {
    "dense": ((1, 1, 30), (), 2, {}),
    "dense of three synapses": ((1, 1, 21), (), 3, {}),
    "dense of eight": ((1, 1, 9), (), 8, {}),
    "convolution": ((6, 7, 2), (Conv(4),), 2, {}),
    "padded": ((6, 6, 3), (Conv(6, window=PADDED),), 2, {}),
    "padded with zeros": ((6, 6, 3), (Conv(6, window=PADDED | {"pad": 0}),), 2, {}),
    "groups, levels, pool": ((8, 8, 2), (Conv(6, levels=3, pool=(2, 2)), Conv(4, window={"groups": 2})), 2, {"levels": 3}),
    "planes": ((5, 5, 1), (Conv(3, has_lowest=True, pool=(2, 2)),), 2, {"planes": 8}),
    "dense of 3 bits": ((1, 1, 30), (), 3, {"largest": 6, "levels": 3}),
    "dense of 8 bits": ((1, 1, 25), (), 9, {"largest": 256, "planes": 8}),
    "dense, odd": ((1, 1, 70), (), 2, {"largest": 3}),
    "convolution of 4 bits": ((8, 9, 2), (Conv(4, levels=3, pool=(2, 2), has_lowest=True), Conv(4, window={"groups": 2})), 4,
                              {"largest": 14, "levels": 3}),
    "shortcut": ((6, 7, 3), (Conv(4, levels=3), Conv(4, levels=3, pool=(2, 2), shortcut=5)), 1, {"levels": 3}),
    "shortcut, ternary": ((7, 6, 4), (Conv(4, levels=3, shortcut=3, window=PADDED | {"pad": 1, "groups": 2}),), 2, {"planes": 8}),
    "shortcut of 4 bits": ((7, 8, 2), (Conv(4, levels=3), Conv(4, (3, 1), shortcut=17, window={"groups": 2, "step_x": 2})),
                           4, {"largest": 14}),
    "padded with zeros, of 2 bits": ((6, 6, 3), (Conv(6, window=PADDED | {"pad": 0}),), 3, {"largest": 4}),
    "planes padded with zeros": ((5, 6, 3), (Conv(6, levels=3, window=PADDED | {"pad": 0}), Conv(4, pool=(2, 2), has_lowest=True,
                                 window=PADDED | {"pad": 0, "groups": 2})), 1, {"planes": 8}),
    "planes padded with zeros, ternary": ((5, 5, 2), (Conv(4, levels=3, window=PADDED | {"pad": 0}),
                                          Conv(4, window={"top": 2, "pad": 0})), 2, {"planes": 8}),
    "planes padded with zeros, of 3 bits": ((5, 5, 2), (Conv(4, levels=7, window=PADDED | {"pad": 0}),
                                            Conv(4, window={"left": 1, "pad": 0})), 3, {"largest": 6, "planes": 8}),
}  # fmt: skip


def _vectors(layer, v):
    """Return the windows of a feature map of signed values, shape (n, height, width, groups, elements)."""
    w = layer.window
    top = (1 << layer.planes) - 1
    edges = ((0, 0), (w.top, w.bottom), (w.left, w.right), (0, 0))
    v = np.pad(v.reshape(len(v), w.height, w.width, w.channels), edges, constant_values=w.pad * top)
    reach = (w.kernel_y - 1) * w.spread_y + 1, (w.kernel_x - 1) * w.spread_x + 1
    seen = np.lib.stride_tricks.sliding_window_view(v, reach, (1, 2))
    seen = seen[:, :: w.step_y, :: w.step_x, :, :: w.spread_y, :: w.spread_x]
    split = seen.reshape(*seen.shape[:3], w.groups, -1, w.kernel_y, w.kernel_x)
    return split.transpose(0, 1, 2, 3, 5, 6, 4).reshape(*seen.shape[:3], w.groups, -1)


def plain_scores(network, x):
    """Return the scores by products of integers, layer by layer; `x` has the elements of images."""
    for layer in network.layers:
        top = (1 << layer.planes) - 1
        v, weights = 2 * x.astype(np.int64) - top, layer.weight_values.astype(np.int64)
        if layer.kind != "conv":
            count = (v.reshape(len(v), -1) @ weights.T + top * layer.full) // 2
            if layer.gives_scores:
                return layer.scales * count + layer.offsets
            x = (count[..., None] >= layer.thresholds.reshape(layer.n_out, -1)).sum(-1)
            continue
        seen = _vectors(layer, v)
        sums = np.einsum("nhwgi,goi->nhwgo", seen, weights.reshape(layer.window.groups, -1, layer.inputs))
        count = (sums.reshape(*sums.shape[:3], -1) + top * layer.full) * layer.unit // 2
        if layer.shortcut:
            kernel = layer.window.kernel_y * layer.window.kernel_x
            centres = seen.reshape(*seen.shape[:4], kernel, -1)[..., kernel // 2, :].reshape(count.shape)
            count += layer.shortcut * (centres + top) // 2
        x = (count[..., None] >= layer.thresholds.reshape(layer.n_out, -1)).sum(-1)
        if pool := layer.pool:
            seen = np.lib.stride_tricks.sliding_window_view(x, (pool.height, pool.width), (1, 2))
            seen = seen[:, :: pool.step_y, :: pool.step_x]
            x = np.where(layer.lowest, seen.min((-2, -1)), seen.max((-2, -1)))
        x = x.reshape(len(x), -1)
    raise AssertionError


def case(name, seed=0, count=40):
    """Return a network and images for it, uint8 or bool."""
    shape, convolutions, bits, more = NETWORKS[name]
    network = random_conv_network(shape, convolutions, bits=bits, seed=seed, **more)
    high = 256 if more.get("planes") else 2
    return network, np.random.default_rng(seed).integers(0, high, (count, int(np.prod(shape)))).astype(np.uint8)


@pytest.mark.parametrize("times", range(1, 10))
def test_repeat(times):
    g = np.random.default_rng(times)
    for n in (1, 7, 63, 64, 65, 130, 784):
        bits = g.random((3, 2, n)) < 0.5
        assert np.array_equal(unpack_words(repeat(pack_words(bits), n, times), n * times), np.repeat(bits, times, axis=-1))


@pytest.mark.parametrize("name", NETWORKS)
def test_scores_are_plain_sums(name, tmp_path):
    network, images = case(name)
    bits = images if images.max() > 1 else images > 0
    expected = plain_scores(network, images)
    assert len(np.unique(expected)) > 4
    for backend in ("numba", "numpy"):
        assert np.array_equal(golden.scores(network, bits, backend), expected)
    faults = FaultMap.draw(network, ber=0.05, seed=1)
    wrong = faults.apply(network)
    assert np.array_equal(golden.scores(wrong, bits), plain_scores(wrong, images))
    assert np.array_equal(Trials(network, bits).scores(faults), golden.scores(wrong, bits))
    network.save(tmp_path / "n.npz")
    again = Network.load(tmp_path / "n.npz")
    assert again.digest == network.digest
    assert [getattr(y, "shortcut", 0) for y in again.layers] == [getattr(y, "shortcut", 0) for y in network.layers]
    assert {(y.weight_bits, y.weight_max) for y in again.layers} == {(NETWORKS[name][2], NETWORKS[name][3].get("largest", 0))}
    reads = ReadErrors(9000, 4)
    read, plain = (golden.scores(network, bits, backend, reads) for backend in ("numba", "numpy"))
    assert np.array_equal(read, plain)
    assert not np.array_equal(read, expected)


def test_synapses_that_count_as_digits():
    """Each weight that there can be is there once, with the fewest synapses, and its negative and its sums are right."""
    for top in range(1, 257):
        code, values = WeightCode.of(top), np.arange(-top, top + 1, 2)
        bits = code.encode(values)
        assert np.array_equal(code.decode(bits), values)
        assert np.array_equal((2 * bits.astype(int) - 1) @ code.counts, values)
        assert np.array_equal(code.decode(code.negated(bits.reshape(1, -1)).reshape(bits.shape)), -values)
        assert code.bits == (max(top, 1) if top < 3 else top.bit_length())
    assert [WeightCode.of(top).counts for top in (1, 2, 3, 4, 62)] == [
        (1,), (1, 1), (1, 2), (1, 2, 1), (1, 2, 4, 8, 16, 31),
    ]  # fmt: skip


@pytest.mark.parametrize(("bits", "largest"), [(2, 0), (5, 0), (3, 6), (7, 64)])
def test_errors_of_weights(bits, largest):
    """Of whole weights: a wrong sign is the negative, a step the next value, however the synapses count."""
    g = np.random.default_rng(bits)
    layer = ScoreLayer(np.zeros((40, 50 * bits), bool), weight_bits=bits, weight_max=largest)
    top = layer.weight_code.top
    values = 2 * g.integers(0, top + 1, (40, 50)) - top
    network = Network("n", (layer.with_weights(layer.weight_code.encode(values).reshape(40, -1)),))
    for kind, expected in (("sign", {2}), ("step", {1})):
        read = FaultMap.draw(network, ber=0.3, kind=kind, seed=1).apply(network).layers[0].weight_values
        wrong = read != values
        assert abs(wrong.mean() - 0.3 * (values != 0).mean() ** (kind == "sign")) < 0.04
        assert set(np.abs(read - values)[wrong] // (2 * np.abs(values[wrong]) // 2 if kind == "sign" else 2)) == expected


def test_trials_in_torch():
    pytest.importorskip("torch")
    from oxnor.models.trials.torch import TorchTrials

    for name in NETWORKS:
        network, images = case(name)
        bits = images if images.max() > 1 else images > 0
        faults = FaultMap.draw(network, ber=0.05, seed=2)
        assert np.array_equal(TorchTrials(network, bits, device="cpu").scores(faults), Trials(network, bits).scores(faults))


def test_arrays_of_three_values_are_ternary():
    g = np.random.default_rng(3)
    weights = [g.integers(-1, 2, (12, 30)), g.choice([-1, 1], (5, 12))]
    network = Network.from_arrays(weights, [g.integers(20, 40, 12), None])
    assert [y.weight_bits for y in network.layers] == [2, 1]
    assert network.shape == (30, 12, 5)
    assert [repr(y) for y in network.layers] == ["DenseLayer(30 -> 12)", "ScoreLayer(12 -> 5)"]
    assert np.array_equal(network.layers[0].weight_values, 2 * weights[0])
    assert np.array_equal(network.layers[1].weight_values, weights[1])
    x = g.random((50, 30)) < 0.5
    hidden = (2 * x - 1) @ weights[0].T + 30 >= network.layers[0].thresholds
    assert np.array_equal(golden.scores(network, x), ((2 * hidden - 1) @ weights[1].T + 12) // 2)


@pytest.mark.parametrize(
    ("weight_bits", "message"),
    [
        ((0, 0), r"weight_bits must be an integer in \[1, 8\], not 0"),
        ((9, 0), r"weight_bits must be an integer in \[1, 8\], not 9"),
        ((True, 0), r"weight_bits must be an integer in \[1, 8\], not True"),
        ((4, 0), "weight_bits must divide the 6 columns of weights, not be 4"),
        ((10, 300), r"weight_bits must be an integer in \[1, 9\], not 10"),
        ((9, 257), r"weight_max must be an integer in \[0, 256\], not 257"),
        ((3, 8), r"weight_max must be 0, or in \[4, 7\] for 3 synapses, not 8"),
        ((4, 8), "weight_bits must divide the 6 columns of weights, not be 4"),
    ],
)
def test_wrong_weight_bits(weight_bits, message):
    bits, largest = weight_bits
    with pytest.raises(InputError, match=message):
        ScoreLayer(np.zeros((2, 6), bool), weight_bits=bits, weight_max=largest)
    with pytest.raises(InputError, match=message):
        DenseLayer(np.zeros((2, 6), bool), np.zeros(2, int), weight_bits=bits, weight_max=largest)


def test_versions_of_the_file(tmp_path):
    """A ternary network needs version 3, weights of more bits 5; the others stay in the version that they had."""
    for weights, version in (([[1, -1]], 1), ([[1, 0]], 3), ([[1, 5]], 5)):
        Network.from_arrays([np.array(weights)], [None]).save(tmp_path / "n.npz")
        with np.load(tmp_path / "n.npz") as file:
            assert f'"version": {version}' in file["header"].tobytes().decode()
