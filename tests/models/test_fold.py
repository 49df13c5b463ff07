"""Batch norm folded into integer thresholds: every popcount of every neuron, against independent arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oxnor.models.base.errors import InputError
from oxnor.models.training.fold import BatchNorm, check_fold, fires, fold


def popcounts(weights, x):
    return np.count_nonzero(weights[None] == x[:, None], axis=-1)


def inputs_with_every_popcount(row):
    """Inputs that agree with `row` in 0, 1, ..., n_in places."""
    n = len(row)
    return np.where(np.arange(n) < np.arange(n + 1)[:, None], row, ~row)


floats = st.floats(-1e6, 1e6, width=32) | st.floats(-(2.0**-10), 2.0**-10, width=32) | st.integers(-40, 40).map(float)
gammas = floats | st.sampled_from([0.0, -0.0, 1e-38, -1e-38, 1e30, -1e30, 1.0, -1.0])
variances = st.floats(0, 1e6, width=32) | st.sampled_from([0.0, 1e-12, 1.0, 1e30])


@settings(max_examples=300, deadline=None)
@given(n_in=st.integers(1, 40), neurons=st.lists(st.tuples(gammas, floats, floats, variances), min_size=1, max_size=6),
       seed=st.integers(0, 99))
def test_folded_bits_are_those_of_float32(n_in, neurons, seed):
    norm = BatchNorm(*np.array(neurons, dtype=np.float32).T)
    weights = np.random.default_rng(seed).random((len(neurons), n_in)) < 0.5
    folded, thresholds = fold(weights, norm)
    assert thresholds.min() >= 0
    assert thresholds.max() <= n_in + 1
    for j, row in enumerate(weights):
        x = inputs_with_every_popcount(row)
        z = (2 * popcounts(weights, x) - n_in).astype(np.float32)
        np.testing.assert_array_equal((popcounts(folded, x) >= thresholds)[:, j], norm(z)[:, j] >= 0)


@settings(max_examples=300, deadline=None)
@given(n_in=st.integers(1, 64), gamma=st.sampled_from([-4, -2, -1, 1, 2, 4]), mean=st.integers(-70, 70),
       half_beta=st.integers(-280, 280))
def test_threshold_is_the_exact_one(n_in, gamma, mean, half_beta):
    """Where no step rounds, the threshold is the formula's, also at equality."""
    beta = Fraction(half_beta, 2)
    eps = 2.0**-20
    norm = BatchNorm(*np.array([[gamma], [beta], [mean], [1 - eps]], dtype=np.float32), eps=eps)
    assert norm.scale[0] == gamma
    weights = np.ones((1, n_in), bool)
    folded, thresholds = fold(weights, norm)
    t = mean - beta / gamma
    exact = -(-(n_in + t) // 2) if gamma > 0 else -(-(n_in - t) // 2)
    assert thresholds[0] == min(max(exact, 0), n_in + 1)
    assert folded.all() == (gamma > 0)


@pytest.mark.parametrize(("gamma", "beta", "inverted", "threshold"), [
    (1.0, 0.0, False, 2),   # z = 0 is +1: popcount 2 of 4 fires
    (-1.0, 0.0, True, 2),
    (0.0, 0.0, False, 0),   # sign(0) = +1: always
    (-0.0, 0.5, False, 0),
    (0.0, -1e-30, False, 5),
    (1.0, 100.0, False, 0),
    (1.0, -100.0, False, 5),
    (-1.0, -100.0, True, 5),
    (1e-45, 0.0, False, 2),
    (1.0, -1e-7, False, 3),
    (1.0, 1e-7, False, 2),
])
def test_corner_cases(gamma, beta, inverted, threshold):
    norm = BatchNorm(*np.array([[gamma], [beta], [0], [1]], dtype=np.float32))
    folded, thresholds = fold(np.ones((1, 4), bool), norm)
    assert thresholds.tolist() == [threshold]
    assert folded.all() != inverted


def test_check_finds_any_wrong_threshold():
    norm = BatchNorm(*np.array([[1, -1], [0, 0], [0, 1], [1, 1]], dtype=np.float32))
    table = fires(norm, 6)
    _, thresholds = fold(np.ones((2, 6), bool), norm)
    inverted = np.array([False, True])
    check_fold(table, inverted, thresholds)
    for j in range(2):
        for wrong in set(range(8)) - {int(thresholds[j])}:
            changed = thresholds.copy()
            changed[j] = wrong
            with pytest.raises(InputError, match=f"the threshold of neuron {j} must give bit"):
                check_fold(table, inverted, changed)


@pytest.mark.parametrize(("values", "message"), [
    ([[1, 1], [0], [0, 0], [1, 1]], "batch norm: beta must have shape (2,), not (1,)"),
    ([[1], [np.nan], [0], [1]], "batch norm: beta must be finite, not nan"),
    ([[1], [0], [np.inf], [1]], "batch norm: mean must be finite, not inf"),
    ([[1], [0], [0], [-1]], "batch norm: variance must be at least 0, not -1.0"),
    ([[1e38], [0], [0], [0]], "batch norm: gamma / sqrt(variance + eps) must be finite in float32"),
    ([[1, 1], [0, 0], [0, 0], [1, 1]], "batch norm: weights must have shape (2, n_in), not (1, 4)"),
])
def test_errors(values, message):
    with pytest.raises(InputError) as caught:
        fold(np.ones((1, 4), bool), BatchNorm(*(np.array(v, dtype=np.float32) for v in values)))
    assert str(caught.value) == message
