"""Per-read errors of the golden model: kernels against numpy, parts against the whole, and their statistics."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oxnor.models import golden
from oxnor.models.base.bits import pack_words, unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.faults import error_masks
from oxnor.models.faults.read_errors import ReadErrors

#: Standard deviations that a statistic of a fixed seed may be off; the largest of 10,000 of them is at about 4.
SIGMAS = 5.5


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    n=st.integers(1, 9), n_out=st.integers(1, 70), n_in=st.integers(1, 200), layer=st.integers(0, 65535),
    rate=st.integers(0, 65535), seed=st.integers(0, 2**32 - 1), first=st.sampled_from([0, 1, 7, 2**32 - 3, 2**40]),
)  # fmt: skip
def test_kernel_equals_the_numpy_reference_and_the_mask(n, n_out, n_in, layer, rate, seed, first):
    g = np.random.default_rng([n, n_out, n_in])
    bits, weights = g.random((n, n_in)) < 0.5, g.random((n_out, n_in)) < 0.5
    reads = ReadErrors(rate, seed).layer(layer, first)
    x, w = pack_words(bits), pack_words(weights)
    mask = reads.masks(n, n_out, n_in)
    expected = np.count_nonzero((bits[:, None] == weights[None]) ^ mask, axis=2)
    for backend in ("numba", "numpy"):
        assert np.array_equal(reads.popcounts(x, w, n_in, backend), expected)
        fired = reads.fire(x, w, np.full(n_out, n_in // 2), n_in, backend)
        assert np.array_equal(unpack_words(fired, n_out), expected >= n_in // 2)
    # An error depends on where it is, not on what else is read.
    assert np.array_equal(reads.masks(n, (n_out + 1) // 2, (n_in + 1) // 2), mask[:, : (n_out + 1) // 2, : (n_in + 1) // 2])


def test_parts_give_what_the_whole_gives(random_network):
    network = random_network((130, 40, 20, 5), affine=True)
    images = np.random.default_rng(0).random((50, 130)) < 0.5
    errors = ReadErrors(3000, 9)
    whole = golden.scores(network, images, read_errors=errors)
    parts = [golden.scores(network, images[k : k + 7], "numpy", errors, k) for k in range(0, 50, 7)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(whole, golden.scores(network, images))
    assert not np.array_equal(whole, golden.scores(network, images, read_errors=errors, first_image=1))
    assert np.array_equal(golden.predict(network, images, read_errors=errors), golden.argmax(whole))
    assert np.array_equal(golden.layer_outputs(network, images, read_errors=errors)[-1], whole)


def test_no_error_at_rate_0(random_network):
    network = random_network((130, 40, 5))
    images = np.random.default_rng(0).random((20, 130)) < 0.5
    assert np.array_equal(golden.scores(network, images, read_errors=ReadErrors(0, 5)), golden.scores(network, images))


def test_masks_are_what_they_were():
    """The generator is part of the interface: engines that were built replay these."""
    reads = ReadErrors(0x4321, 0xDEADBEEF).layer(3, 41)
    words = error_masks.masks(reads._keys(2), 0x4321, [0, 1, 1000], 128)
    assert words.ravel().tolist() == PINNED


PINNED = [
    0xE00A0830880D1174, 0x1C5538083AE03C0F,
    0x00005A02B0300621, 0x8C0000AD00E20809,
    0x2201000283202949, 0x5080902060243025,
    0x8380101340601018, 0x2CCE40200B41020C,
    0x85586319A88019C0, 0x38B721012CC27128,
    0x09A0301984484211, 0x43CC031943180004,
]  # fmt: skip


def bits_of(rate, seed=1, layer=0, first=0, n=64, n_out=64, n_in=256):
    return ReadErrors(rate, seed).layer(layer, first).masks(n, n_out, n_in)


@pytest.mark.parametrize("rate", [1, 66, 655, 3277, 0x4000, 0x5555, 0x8000, 0xC001, 65535])
def test_rate(rate):
    mask = bits_of(rate, n=256, n_out=64, n_in=512)
    p = rate / 65536
    assert abs(mask.sum() - p * mask.size) < SIGMAS * np.sqrt(mask.size * p * (1 - p)) + 1
    # The counts of a read, a neuron and an image have the variance of independent errors.
    for axis in range(3):
        counts = mask.sum(axis=axis).ravel()
        n = mask.shape[axis]
        spread = np.sqrt(2 / counts.size * (1 + 3 / (n * p * (1 - p))))  # of the ratio, with the excess kurtosis
        assert abs(counts.var() / (n * p * (1 - p)) - 1) < SIGMAS * spread


@pytest.mark.parametrize("rate", [*(pytest.param(rate, marks=pytest.mark.slow) for rate in (655, 0x1000, 0x5555)), 0x8000])
def test_no_two_places_are_correlated(rate):
    p = rate / 65536

    def largest(a, b):
        """Return the largest correlation coefficient of the columns of `a` with those of `b`, in sigmas."""
        a, b = a.astype(np.float32) - p, b.astype(np.float32) - p
        return np.abs(a.T @ b) / (p * (1 - p) * np.sqrt(len(a)))

    mask = bits_of(rate, n=512, n_out=32, n_in=192)
    by_column = mask.reshape(-1, 192)
    off = largest(by_column, by_column)[~np.eye(192, dtype=bool)]
    # Rare coincidences of rare errors are not normal: below 1 of 50 expected they are left to the others.
    allowed = SIGMAS if len(by_column) * p * p > 50 else 2 * SIGMAS
    assert off.max() < allowed
    by_neuron = mask.transpose(0, 2, 1).reshape(-1, 32)
    assert largest(by_neuron, by_neuron)[~np.eye(32, dtype=bool)].max() < allowed
    by_image = bits_of(rate, n=64, n_out=256).reshape(64, -1).T
    assert largest(by_image, by_image)[~np.eye(64, dtype=bool)].max() < allowed
    seeds = np.stack([bits_of(rate, seed=s, n=4, n_out=256).ravel() for s in [*range(16), *(1 << k for k in range(5, 32))]])
    assert largest(seeds.T, seeds.T)[~np.eye(len(seeds), dtype=bool)].max() < allowed
    layers = np.stack([bits_of(rate, layer=y, n=4, n_out=256).ravel() for y in range(40)])
    assert largest(layers.T, layers.T)[~np.eye(40, dtype=bool)].max() < allowed
    far = np.stack([bits_of(rate, first=f, n=4, n_out=256).ravel() for f in (0, *(1 << k for k in range(2, 32)))])
    assert largest(far.T, far.T)[~np.eye(len(far), dtype=bool)].max() < allowed


def test_all_16_bits_of_a_number_are_equally_likely():
    """Chi-square over the numbers that are compared with the rate: 256 classes by their upper and lower halves."""
    at = {rate: bits_of(rate, n=64, n_out=32) for rate in range(0, 65536, 256)}
    number = sum(~m for m in itertools.islice(at.values(), 1, None)).astype(int)  # upper half: rates it is not below
    counts = np.bincount(number.ravel(), minlength=256)
    expected = number.size / 256
    assert abs(((counts - expected) ** 2 / expected).sum() - 255) < SIGMAS * np.sqrt(2 * 255)
    # Errors at a rate are errors at any higher rate.
    assert all(not np.any(a & ~b) for a, b in itertools.pairwise(at.values()))


def independent(columns):
    """Return whether the 16 bits of each of these inputs of a block are linearly independent functions of the state."""
    basis = {}
    for j in columns:
        for i, k, m, r, s in error_masks.TAPS:
            v = 1 << 64 * i + j | 1 << 64 * k + (j - r) % 64 | 1 << 64 * m + (j - s) % 64
            while v and v.bit_length() in basis:
                v ^= basis[v.bit_length()]
            if not v:
                return False
            basis[v.bit_length()] = v
    return True


def test_any_four_inputs_of_a_block_are_independent():
    # Rotating all words rotates the block: one of them may be input 0.
    assert all(independent((0, *c)) for c in itertools.combinations(range(1, 64), 3))


def test_the_statistics_find_a_weak_generator(monkeypatch):
    monkeypatch.setattr(error_masks, "STEPS", 4)
    with pytest.raises(AssertionError):
        test_no_two_places_are_correlated(0x5555)


def test_nearest_rate():
    assert ReadErrors.from_ber(0.01, 3) == ReadErrors(655, 3)
    assert abs(ReadErrors.from_ber(0.01).ber - 0.01) <= 2**-17
    assert ReadErrors.from_ber(0).rate == 0
    assert ReadErrors(655, 3).describe() == "each read is wrong with probability 655 / 65536 = 0.009995 (seed 3)"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ReadErrors(65536), "read errors: rate must be an integer in [0, 65535], not 65536"),
        (lambda: ReadErrors(True), "read errors: rate must be an integer in [0, 65535], not True"),
        (lambda: ReadErrors(1, -1), "read errors: seed must be an integer in [0, 4294967295], not -1"),
        (lambda: ReadErrors.from_ber(1), "read_ber must be a share in [0, 0.999985], not 1"),
        (lambda: ReadErrors.from_ber(1e-6), "read_ber must be 0 or at least 7.6e-06, not 1e-06"),
        (lambda: ReadErrors.from_ber(float("nan")), "read_ber must be a share in [0, 0.999985], not nan"),
    ],
)  # fmt: skip
def test_bad_input(make, sentence):
    with pytest.raises(InputError) as e:
        make()
    assert str(e.value) == sentence
