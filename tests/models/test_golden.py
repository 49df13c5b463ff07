"""The golden model against plain arithmetic on +1 and -1."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oxnor.models import golden
from oxnor.models.base.bits import pack_words, unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.networks.binarized import Network

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
        extra = {"scales": g.integers(-(2**31) + 1, 2**31, shape[-1]), "offsets": g.integers(-(2**52) + 1, 2**52, shape[-1])}
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
