"""The golden model against plain arithmetic on +1 and -1."""

import dataclasses
import itertools

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network
from hypothesis import given, settings
from hypothesis import strategies as st

from oxnor.models import golden
from oxnor.models.base.bits import pack_words, unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.golden import binarized as plain
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.count_converter import CountConverter
from oxnor.models.networks.input_rule import InputRule

sizes = st.lists(st.integers(1, 140), min_size=2, max_size=4)


def signed_outputs(network, bits):
    """Return layer outputs by the textbook: dot products of +-1, z = 2p - n_in."""
    x = np.where(bits, 1, -1)
    outputs = []
    for layer in network.layers:
        z = x @ np.where(layer.weights, 1, -1).T
        if layer.gives_scores:
            outputs.append(layer.scales * ((z + layer.n_in) // 2) + layer.offsets)
        else:
            fires = z >= 2 * layer.thresholds - layer.n_in
            outputs.append(fires)
            x = np.where(fires, 1, -1)
    return outputs


@settings(max_examples=40, deadline=None)
@given(shape=sizes, seed=st.integers(0, 99), n=st.integers(0, 9), affine=st.booleans())
def test_backends_match_signed_arithmetic(shape, seed, n, affine):
    g = np.random.default_rng(seed)
    weights = [g.random((b, a)) < 0.5 for a, b in itertools.pairwise(shape)]
    thresholds = [g.integers(0, w.shape[1] + 2, len(w)) for w in weights[:-1]]
    extra = {}
    if affine:
        extra = {
            "scales": g.integers(-(2**31) + 1, 2**31, shape[-1]),
            "offsets": g.integers(-(2**52) + 1, 2**52, shape[-1]),
        }
    network = Network.from_arrays(weights, [*thresholds, None], **extra)
    bits = g.random((n, shape[0])) < 0.5
    expected = signed_outputs(network, bits)
    for backend in ("numba", "numpy"):
        outputs = golden.layer_outputs(network, bits, backend)
        assert len(outputs) == len(expected)
        for y, e in zip(outputs, expected, strict=True):
            assert y.dtype == (bool if e.dtype == bool else np.int64)
            np.testing.assert_array_equal(y, e)
        np.testing.assert_array_equal(golden.scores(network, bits, backend), expected[-1])
        np.testing.assert_array_equal(golden.predict(network, bits, backend), expected[-1].argmax(axis=1))


def test_lowest_index_wins_a_tie():
    w = np.array([[True, False], [True, True], [True, True]])
    network = Network.from_arrays([w], [None])
    assert golden.scores(network, np.array([[True, True]])).tolist() == [[1, 2, 2]]
    assert golden.predict(network, np.array([[True, True]])).tolist() == [1]


def test_grey_images_become_bits_at_the_threshold(random_network):
    network = random_network((4, 2))
    grey = np.array([[0, 127, 128, 255]], np.uint8)
    assert golden.binarize(network, grey).tolist() == [[False, False, True, True]]
    assert golden.binarize(network, grey.reshape(1, 2, 2)).tolist() == [[False, False, True, True]]


#: Functions of single neurons over the last axis of two, and what they give.
NEURONS = {
    "popcount": (golden.popcount, ([[[0, 0, 1], [0, 1, 1]], [[1, 1, 1], [0, 0, 0]]], [[[1, 1, 0]], [[1, 1, 1]]]), [[0, 1], [3, 0]]),
    "popcount_threshold": (golden.popcount_threshold, ([[3, 4], [5, 0]], [4, 0]), [[False, True], [True, True]]),
    "argmax": (golden.argmax, ([[[1, 7, 3], [9, 9, 2]], [[0, -1, 0], [2, 3, 4]]],), [[1, 0], [0, 2]]),
    "margins": (golden.margins, ([[[1, 7, 3, 0], [9, 9, 2, 5], [-5, -9, -7, -6]]],), [[4, 0, 1]]),
}  # fmt: skip


@pytest.mark.parametrize("name", NEURONS)
def test_neurons_that_are_written_down(name):
    function, arrays, expected = NEURONS[name]
    assert function(*map(np.array, arrays)).tolist() == expected


def test_margins_are_of_the_two_largest():
    for classes in (2, 3, 7, 999):
        scores = np.random.default_rng(classes).integers(-9, 10, (99, classes))
        ordered = np.sort(scores)
        np.testing.assert_array_equal(golden.margins(scores), ordered[:, -1] - ordered[:, -2])


def test_bit_planes_of_images():
    """Grey values, their bits, and bits as they are give the same; a bit of a pixel is its least or largest value."""
    network = random_conv_network((2, 3, 1), [Conv(3, (2, 2))], dense=(), planes=8)
    grey = np.array([[0, 1, 2, 129, 254, 255], [7, 3, 96, 17, 200, 100]], np.uint8)
    bits = (grey[..., None] >> np.arange(8) & 1).astype(bool)
    for images in (grey, grey.reshape(2, 2, 3), bits.reshape(2, -1)):
        np.testing.assert_array_equal(golden.binarize(network, images), bits.reshape(2, -1))
        np.testing.assert_array_equal(golden.elements(network, images), grey)
        np.testing.assert_array_equal(golden.scores(network, images), golden.scores(network, grey))
    np.testing.assert_array_equal(golden.elements(network, grey > 128), np.where(grey > 128, 255, 0))
    with pytest.raises(InputError, match=r"images: shape must be \(n, 6\) for network 'random', not \(2, 5\)"):
        golden.elements(network, grey[:, :5])
    table = np.arange(256, dtype=np.uint8) // 64  # two planes
    layer = dataclasses.replace(network.layers[0], planes=2, thresholds=np.full(3, 6))
    network = Network("two", (layer, *network.layers[1:]), InputRule.planes(table))
    of_two = ((grey // 64)[..., None] >> np.arange(2) & 1).astype(bool).reshape(2, -1)
    for images in (grey, of_two):
        np.testing.assert_array_equal(golden.elements(network, images), grey // 64)
    of_bits = random_conv_network((2, 3, 1), [Conv(3, (2, 2))], dense=())
    np.testing.assert_array_equal(golden.elements(of_bits, grey), grey >= 128)


@pytest.mark.parametrize("of", ["nothing", "reads", "converters"])
def test_windows_with_errors_are_read_in_blocks(of, monkeypatch):
    """No more vectors at once than fit; without errors, or without windows, all images are taken together."""
    windows = random_conv_network((3, 4, 1), [Conv(4, (1, 1)), Conv(2, (2, 2))], dense=(3,), classes=3)
    groups = random_conv_network((3, 4, 2), [Conv(2, (1, 1), window={"groups": 2})], dense=(), classes=3)
    two = random_conv_network((1, 2, 1), [Conv(1, (1, 1))], dense=(), classes=3)
    dense = random_conv_network((1, 1, 9), [], dense=(5,), classes=3)
    planes = random_conv_network((1, 1, 9), [], dense=(5,), classes=3, planes=8)
    blocks, pack = [], plain.pack_inputs

    def packed(network, images):
        blocks.append(len(images))
        return pack(network, images)

    monkeypatch.setattr(plain, "pack_inputs", packed)
    more = {
        "nothing": lambda layers: {}, "reads": lambda layers: {"read_errors": ReadErrors(9000, 3)},
        "converters": lambda layers: {"converters": (None, CountConverter(1, 64), *[None] * (layers - 2))},
    }[of]  # fmt: skip
    g = np.random.default_rng(2)
    most = 1 << 17
    cases = [
        (most, two, most // 2 + 1, [most // 2, 1]), (100, windows, 9, [8, 1]),
        (100, groups, 9, [8, 1]), (100, dense, 101, [101]), (5, windows, 3, [1, 1, 1]), (100, windows, 0, [0]),
        (100, groups, 0, [0]), (10, planes, 6, [6]),
    ]  # fmt: skip
    for vectors, network, count, expected in cases:
        if vectors < most:
            monkeypatch.setattr(plain, "_VECTORS", vectors)
        elif of != "converters":
            continue  # seconds, and the same bound
        images = g.random((count, network.n_in)) < 0.5
        blocks.clear()
        options = more(len(network.layers))
        scores = golden.scores(network, images, first_image=7, **options)
        assert blocks == ([count] if of == "nothing" else expected)
        assert scores.shape == (count, 3)
        for k in range(0, count, max(1, count - 1)):
            alone = golden.scores(network, images[k : k + 1], first_image=7 + k, **options)
            np.testing.assert_array_equal(alone[0], scores[k])
    if of != "nothing":
        images = g.random((33, windows.n_in)) < 0.5
        assert (golden.scores(windows, images, **more(4)) != golden.scores(windows, images)).any()


def test_errors_of_one_layer_and_of_none(random_network):
    network = random_network((40, 12, 7, 4))
    bits, errors = np.random.default_rng(1).random((9, 40)) < 0.5, ReadErrors(9000, 5)
    plain_scores, wrong = golden.scores(network, bits), golden.scores(network, bits, "numba", errors)
    assert (golden.scores(network, bits, "numba", errors, 0) == wrong).all()
    assert (golden.layer_outputs(network, bits, "numba", errors)[-1] == wrong).all()
    assert (golden.predict(network, bits, "numba", errors) == wrong.argmax(axis=1)).all()
    assert (golden.scores(network, bits, "numba", ReadErrors(0, 5)) == plain_scores).all()
    parts = [golden.scores(network, bits, "numba", errors, in_layer=k) for k in range(3)]
    assert all((part != plain_scores).any() and (part != wrong).any() for part in parts)
    # Of the last alone: what goes into it is as without.
    last = network.layers[-1].evaluate(pack_words(golden.layer_outputs(network, bits)[1]), "numba", errors.layer(2, 0))
    np.testing.assert_array_equal(parts[2], last)
    backwards = golden.scores(network, bits, "numpy", errors, 3)
    np.testing.assert_array_equal(backwards, golden.scores(network, bits, "numba", errors, 3))
    assert (backwards != wrong).any()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 4)), "images: dtype must be uint8 (grey) or bool (bits), not float64"),
        (np.zeros((1, 5), np.uint8), "images: shape must be (n, 4) for network 'random', not (1, 5)"),
        (np.zeros(4, np.uint8), "images: shape must be (n, 4) for network 'random', not (4,)"),
    ],
)
def test_images_wrong(random_network, images, message):
    with pytest.raises(InputError) as e:
        golden.scores(random_network((4, 2)), images)
    assert str(e.value) == message
    with pytest.raises(InputError, match=r"shape must be \(n, 1\) for network 'random', not \(3,\)"):
        golden.scores(random_network((1, 2)), np.zeros(3, bool))


def test_backend_wrong(random_network):
    with pytest.raises(InputError, match="backend must be one of numba, numpy, not 'cuda'"):
        golden.scores(random_network((4, 2)), np.zeros((1, 4), bool), "cuda")


@settings(deadline=None)
@given(n=st.integers(1, 200), seed=st.integers(0, 9))
def test_packing_is_least_significant_first(n, seed):
    bits = np.random.default_rng(seed).random((3, n)) < 0.5
    words = pack_words(bits)
    assert words.shape == (3, -(-n // 64))
    for i in range(n):
        np.testing.assert_array_equal((words[:, i // 64] >> np.uint64(i % 64)) & np.uint64(1), bits[:, i])
    np.testing.assert_array_equal(unpack_words(words, n), bits)
