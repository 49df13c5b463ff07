"""Convolutions: the kernels, the plain reference and PyTorch agree on every bit, and so do networks of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from oxnor.models.base.bits import pack_words, unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.conv import ConvLayer
from oxnor.models.networks.layers.conv_scores import ConvScoreLayer
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.hidden import pack_planes
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.weight_code import WeightCode
from oxnor.models.networks.layers.window import PADDING, Pool, Window


@st.composite
def windows(draw, group_counts=(1, 1, 1, 2, 3)):
    """Windows of any kernel, stride, dilation and padding over images of at most 8 x 8."""
    count = draw(st.sampled_from(group_counts))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    spread = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, spread, strict=True)]
    padding = [draw(st.integers(0, r - 1)) for r in reach + reach]
    size = [draw(st.integers(max(1, reach[a] - padding[a] - padding[a + 2]), 8)) for a in range(2)]
    channels = draw(st.sampled_from((1, 3, 8, 21, 64, 65))) * count
    step = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    pad = draw(st.sampled_from((-1, 0, 1)))
    try:
        return Window(*size, channels, *kernel, *step, *spread, *padding, pad, count)
    except InputError as e:
        assume("all lie in the padding" not in str(e))
        raise


@st.composite
def layers(draw, **options):
    window = draw(windows(**options))
    planes = draw(st.sampled_from((1, 1, 2, 4, 8)))
    pool = None
    if draw(st.booleans()):
        size = [draw(st.integers(1, n + draw(st.integers(0, 2)))) for n in window.out_size]
        padding = [draw(st.integers(max(0, s - n), s - 1)) for s, n in zip(size * 2, window.out_size * 2, strict=True)]
        pool = Pool(*size, draw(st.integers(1, 3)), draw(st.integers(1, 3)), *padding)
    g = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_out = draw(st.sampled_from((1, 5, 64, 70))) * window.groups
    shortcut = 0
    if window.pad and window.kernel_y % 2 == window.kernel_x % 2 == 1 and (window.sources[:, window.centre] >= 0).all():
        shortcut = draw(st.sampled_from((0, 1, 7, 256)))
        n_out = window.channels if shortcut else n_out
    n_levels = draw(st.sampled_from((1, 1, 3)))
    most = (window.n_in + shortcut) * (2**planes - 1) * (2 if window.pad == 0 else 1)
    spread = g.normal(most / 2, np.sqrt(window.n_in) * 2**planes / 2, (n_out, n_levels))
    return ConvLayer(
        g.random((n_out, window.n_in)) < 0.5,
        np.clip(np.sort(spread.astype(int), axis=1), 0, most + 1),
        window, pool, g.random(n_out) < 0.5, planes=planes, shortcut=shortcut,
    )  # fmt: skip


def inputs(layer, n=3, seed=0):
    g = np.random.default_rng(seed)
    return g.integers(0, 1 << layer.planes, (n, int(np.prod(layer.shape_in)))).astype(np.uint8)


def outputs(layer, packed):
    """Return packed outputs as integers, shape (n, height, width, channels)."""
    size = int(np.prod(layer.shape_out))
    planes = unpack_words(packed.reshape(len(packed), layer.planes_out, -1), size)
    return (planes << np.arange(layer.planes_out)[:, None]).sum(axis=1).reshape(len(packed), *layer.shape_out)


@settings(max_examples=60, deadline=None)
@given(layers())
def test_kernels_are_the_plain_reference(layer):
    x = pack_planes(inputs(layer), layer.planes)
    plain = layer.evaluate(x, "numpy")
    assert np.array_equal(layer.evaluate(x, "numba"), plain)
    assert np.array_equal(layer.evaluate_packed(x, pack_words(layer.weights)), plain)


#: Of which oneDNN gave wrong sums until its operands were copied.
ONE_CHANNEL = ConvLayer(np.eye(5, 2, dtype=bool), np.array([1, 0, 1, 1, 0]), Window(5, 2, 1, 1, 2, step_x=3))


@settings(max_examples=25, deadline=None)
@example(ONE_CHANNEL)
@given(layers())
def test_pytorch_is_the_plain_reference(layer):
    torch = pytest.importorskip("torch")
    values = inputs(layer)
    signs = torch.from_numpy(np.where(layer.weights, 1.0, -1.0).astype(np.float32))
    counts = layer.popcounts_torch(torch.from_numpy(values).float(), signs)
    got = layer.outputs_torch(counts).numpy().reshape(len(values), *layer.shape_out)
    assert np.array_equal(got, outputs(layer, layer.evaluate(pack_planes(values, layer.planes), "numpy")))


def test_counts_in_torch_are_exact_beside_a_shortcut():
    """The synapses alone count less than 2**24, up to which float32 has all integers; with the shortcut it is more."""
    torch = pytest.importorskip("torch")
    of_digits = {"planes": 8, "weight_bits": 9, "weight_max": 256, "shortcut": 255}
    layer = ConvLayer(np.ones((257, 257 * 9), bool), np.zeros(257, int), Window(1, 1, 257, 1, 1), **of_digits)
    assert layer.full * 255 < 1 << 24
    counts = layer.popcounts_torch(torch.full((1, 257), 255.0), torch.ones(257, 257 * 9))
    assert (counts.numpy().astype(int) == 255 * (257 * 256 + 255)).all()


def test_counts_in_torch_are_exact_beside_zeros():
    """Twice the popcount may be odd, and more than 2**24."""
    torch = pytest.importorskip("torch")
    window = Window(1, 2, 20001, 1, 3, left=1, pad=0)
    layer = ConvLayer(np.ones((1, window.n_in), bool), np.zeros(1, int), window, planes=8)
    counts = layer.popcounts_torch(torch.full((1, 40002), 255.0), torch.ones(1, window.n_in))
    assert counts.numpy().astype(int).tolist() == [[[255 * (2 * 40002 + 20001)]]]


@settings(max_examples=15, deadline=None)
@given(windows(), st.sampled_from((1, 2, 8)), st.sampled_from((1, 2, 6)), st.integers(0, 2**32 - 1))
def test_scores_are_sums_over_windows(window, planes, top, seed):
    """All backends add up what a convolution of the same weights counts in each window."""
    torch = pytest.importorskip("torch")
    g, code, window = np.random.default_rng(seed), WeightCode.of(top), replace(window, pad=window.pad or -1)
    weights = g.random((3 * window.groups, window.n_in * code.bits)) < 0.5
    scales, offsets = g.integers(-9, 10, len(weights)), g.integers(-99, 100, len(weights))
    more = {"planes": planes, "weight_bits": code.bits, "weight_max": code.largest}
    layer = ConvScoreLayer(weights, scales, offsets, window=window, **more)
    conv = ConvLayer(weights, np.zeros(len(weights), int), window, **more)
    values = inputs(layer)
    x = pack_planes(values, planes)
    expected = conv.popcounts(x, "numba").sum(axis=1) * scales + offsets
    assert layer.evaluate(x, "numba").tolist() == layer.evaluate(x, "numpy").tolist() == expected.tolist()
    other = replace(layer, weights=~weights)
    assert np.array_equal(layer.evaluate_packed(x, pack_words(other.weights)), other.evaluate(x, "numpy"))
    signs = torch.from_numpy(np.where(weights, 1.0, -1.0).astype(np.float32))
    counts = layer.popcounts_torch(torch.from_numpy(values).float(), signs)
    assert np.array_equal(layer.from_popcounts(counts.numpy().astype(np.int64)), expected)
    if not code.largest:
        reads = ReadErrors(9000, seed).layer(0)
        read = conv.popcounts(x, "numba", reads).sum(axis=1) * scales + offsets
        assert np.array_equal(layer.evaluate(x, "numba", reads), read)


def test_scores_of_a_convolution_in_a_file(tmp_path):
    g = np.random.default_rng(5)
    first = ConvLayer(g.random((4, 9)) < 0.5, np.full(4, 5), Window(6, 5, 1, 3, 3))
    last = ConvScoreLayer(g.random((3, 24)) < 0.5, offsets=np.arange(3), window=Window(4, 3, 4, 3, 2, top=1, pad=1))
    network = Network("n", (first, last))
    assert (network.label, network.n_weights, network.n_reads) == ("6x5x1-C4-C3k3x2p1.0.0.0-A", 108, 12 * 36 + 6 * 72)
    network.save(tmp_path / "n.npz")
    again = Network.load(tmp_path / "n.npz")
    assert (again.digest, again.layers[1].window) == (network.digest, last.window)
    with np.load(tmp_path / "n.npz") as file:
        assert '"version": 7' in file["header"].tobytes().decode()


def test_padding_of_a_pool_in_a_file(tmp_path):
    """A file that has none is in the version before, and has no field of it."""
    assert {ConvLayer.fields.version_for({f"pool_{name}": 1}) for name in PADDING} == {8}
    for pool, label, version, fields in (
        (Pool(3, 3, 2, 2, 1, 1, 0, 1), "P3s2p1.1.0.1", 8, {"pool_top", "pool_left", "pool_right"}),
        (Pool(3, 3, 3, 3, 1, 1, 1, 1), "P3p1", 8, {"pool_top", "pool_left", "pool_bottom", "pool_right"}),
        (Pool(3, 3, 2, 2), "P3s2", 2, set()),
    ):
        layer = ConvLayer(np.zeros((4, 9), bool), np.full(4, 5), Window(6, 5, 1, 3, 3), pool)
        last = ScoreLayer(np.zeros((3, int(np.prod(layer.shape_out))), bool))
        network = Network("n", (layer, last))
        assert network.label == f"6x5x1-C4-{label}-3"
        network.save(tmp_path / "n.npz")
        again = Network.load(tmp_path / "n.npz")
        assert (again.digest, again.layers[0].pool) == (network.digest, pool)
        with np.load(tmp_path / "n.npz") as file:
            header = json.loads(file["header"].tobytes())
        padding = {f"pool_{name}" for name in PADDING} & set(header["layers"][0])
        assert (header["version"], padding) == (version, fields)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"top": 3}, r"pool: top must be at least 0 and less than the height of the window, 3, not 3"),
        ({"right": 2}, r"pool: right must be at least 0 and less than the width of the window, 2, not 2"),
        ({"bottom": -1}, r"pool: bottom must be at least 0 and less than the height of the window, 3, not -1"),
        ({"step_y": 0}, "pool: step_y must be an integer of at least 1, not 0"),
    ],
)
def test_pools_wrong(changes, rule):
    with pytest.raises(InputError, match=rule):
        replace(Pool(3, 2, 2, 2), **changes)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"window": Window(8, 8, 5, 3, 3)}, "conv-scores layer: weights must have 45 columns for its window, not 36"),
        ({"window": Window(8, 8, 4, 3, 3, top=1, pad=0)}, "conv-scores layer: pad must be -1 or 1, not 0"),
        ({"planes": 8, "window": Window(700, 700, 4, 3, 3)}, "the sum over all windows must be below 1,073,741,824, not up to 4,472,"),
    ],
)
def test_scores_of_a_convolution_wrong(changes, rule):
    layer = ConvScoreLayer(np.zeros((5, 36), bool), window=Window(8, 8, 4, 3, 3))
    with pytest.raises(InputError, match=rule):
        replace(layer, **changes)


@settings(max_examples=25, deadline=None)
@given(layers(group_counts=(1,)), st.integers(0, 2**32 - 1))
def test_errors_of_single_reads(layer, seed):
    """Both backends draw the same; each window of each plane is a read of its own; no error is the plain layer."""
    x = pack_planes(inputs(layer), layer.planes)
    assert np.array_equal(layer.evaluate(x, "numba", ReadErrors(0).layer(0)), layer.evaluate(x, "numba"))
    reads = ReadErrors(9000, seed).layer(0)
    together = layer.evaluate(x, "numba", reads)
    assert np.array_equal(layer.evaluate(x, "numpy", reads), together)
    last = layer.evaluate(x[2:], "numba", ReadErrors(9000, seed).layer(0, 2 * layer.vectors))
    assert np.array_equal(last, together[2:])


def test_a_window_is_an_input_vector():
    """Each output pixel is what a dense layer gives for the elements of its window, gathered here by hand."""
    g = np.random.default_rng(1)
    window = Window(5, 6, 7, 3, 2, 2, 1, 1, 2, 1, 0, 1, 1, 1)
    layer = ConvLayer(g.random((9, window.n_in)) < 0.5, g.integers(15, 28, 9), window)
    dense = DenseLayer(layer.weights, layer.thresholds)
    images = inputs(layer).reshape(3, 5, 6, 7)
    padded = np.pad(images, ((0, 0), (1, 1), (0, 1), (0, 0)), constant_values=1)
    got = outputs(layer, layer.evaluate(pack_planes(images.reshape(3, -1), 1), "numba"))
    assert got.shape == (3, 3, 5, 9)
    for y in range(3):
        for x in range(5):
            vectors = padded[:, 2 * y : 2 * y + 3, x : x + 3 : 2].reshape(3, -1)
            bits = unpack_words(dense.evaluate(pack_planes(vectors, 1), "numpy"), 9)
            assert np.array_equal(got[:, y, x], bits), (y, x)


def test_zeros_count_half():
    """A corner of zeros: twice the popcount is twice that of the synapses that see a pixel, and one for each other."""
    window = Window(2, 2, 3, 3, 3, top=1, left=1, bottom=1, right=1, pad=0)
    weights = np.random.default_rng(2).random((1, 27)) < 0.5
    image = np.random.default_rng(3).random((2, 2, 3)) < 0.5
    seen = weights.reshape(3, 3, 3)[1:, 1:] == image
    twice = 2 * np.count_nonzero(seen) + 15
    for threshold, fires in ((twice, 1), (twice + 1, 0)):
        layer = ConvLayer(weights, np.array([threshold]), window)
        assert outputs(layer, layer.evaluate(pack_words(image.reshape(1, -1)), "numba"))[0, 0, 0, 0] == fires


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"kernel_y": 0}, "convolution: kernel_y must be an integer of at least 1, not 0"),
        ({"kernel_y": 9}, "convolution: kernel must be at most as large as the padded input, 8x8, not 9x3"),
        ({"top": 3}, r"convolution: top must be at least 0 and less than the height of the window, 3, not 3"),
        ({"pad": 2}, "convolution: pad must be one of -1, 0, 1, not 2"),
        ({"groups": 3}, "convolution: groups must divide the 4 input channels, not be 3"),
        ({"height": 1 << 20, "width": 1 << 10}, "convolution: input must have at most 4194304 elements"),
        ({"height": 1024, "width": 512, "channels": 1, "kernel_y": 90, "kernel_x": 90}, "at most 16777216 positions"),
        ({"height": 1, "kernel_y": 2, "spread_y": 2, "top": 1, "bottom": 1}, "a window must see a pixel, but all lie in the padding"),
    ],
)
def test_windows_wrong(changes, rule):
    with pytest.raises(InputError, match=rule):
        replace(Window(8, 8, 4, 3, 3), **changes)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"window": Window(8, 8, 5, 3, 3)}, "conv layer: weights must have 45 columns for its window, not 36"),
        ({"window": Window(8, 8, 8, 3, 3, groups=2)}, "conv layer: groups must divide the 5 output channels, not be 2"),
        ({"planes": 9}, r"planes must be an integer in \[1, 8\], not 9"),
        ({"thresholds": np.full(5, 38)}, r"thresholds must be in \[0, 37\], not 38 \(neuron 0\)"),
        ({"thresholds": np.full((5, 2), 3)}, r"thresholds of a neuron must be 2\*\*n - 1, at most 255, not 2"),
        ({"thresholds": np.tile([3, 2, 4], (5, 1))}, r"thresholds must not fall from level to level \(neuron 0\)"),
        ({"pool": Pool(7, 2, 2, 2)}, "pool: windows must be at most as large as the feature map, 6x6, not 7x2"),
        ({"pool": Pool(9, 2, 2, 2, 1, 1)}, "pool: windows must be at most as large as the padded feature map, 7x7, not 9x2"),
        ({"lowest": np.zeros(4, bool)}, "lowest must be 5 times 0 or 1, one a channel"),
        ({"shortcut": 257}, r"shortcut must be an integer in \[0, 256\], not 257"),
        ({"shortcut": True}, r"shortcut must be an integer in \[0, 256\], not True"),
        ({"shortcut": 1}, "shortcut must be around as many channels as come, 4, not 5"),
        ({"shortcut": 1, "window": Window(8, 8, 5, 2, 3)}, "shortcut must be around a kernel of odd sides, not 2x3"),
        ({"shortcut": 1, "window": Window(8, 8, 5, 3, 3, top=2)}, "shortcut must be around windows with a pixel at their"),
        ({"shortcut": 1, "window": Window(8, 8, 5, 3, 3, top=1, pad=0)}, "shortcut must be around windows with a pixel"),
    ],
)
def test_layers_wrong(changes, rule):
    layer = ConvLayer(np.zeros((5, 36), bool), np.full(5, 10), Window(8, 8, 4, 3, 3))
    with pytest.raises(InputError, match=rule):
        replace(layer, **changes)
