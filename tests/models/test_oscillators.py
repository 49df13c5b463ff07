"""Oscillators against other solutions of the same equations, and the parts of the studies against plain ones."""

from collections import Counter

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.oscillators import kernels
from oxnor.models.oscillators.array import CENTRE, Imperfections, OscillatorArray, states
from oxnor.models.oscillators.baselines import Discriminant, Perceptron
from oxnor.models.oscillators.oscillator import DEFAULT, Oscillator, beat, logistic_step
from oxnor.models.oscillators.reservoir import Reservoir, ReservoirParams, Sums, scores
from oxnor.models.oscillators.synchrony import Labels, Tuning, one_pattern, search


def one(drive, mhz=CENTRE, **more):
    return OscillatorArray(np.array([mhz]), np.array([drive]), **more)


@pytest.mark.parametrize("zeta", [0.4, 1.0, 1.7, 3.0])
def test_logistic_step_solves_the_equation(zeta):
    a, b = zeta - 1, zeta + 0.5
    solved = solve_ivp(lambda t, p: 2 * p * (a - b * p), (0, 2.3), [0.13], rtol=1e-11, atol=1e-13).y[0, -1]
    assert abs(logistic_step(np.array(0.13), zeta, 0.5, 2.3) - solved) < 1e-8


def test_reservoir_steps_are_logistic_steps():
    zeta, p, amplitudes = np.array([1.8, 0.7, 1.0, 1.3]), 0.05, np.empty(12)
    kernels.reservoir_run(zeta, 3, 2.0, 0.6, p, amplitudes)
    for current, amplitude in zip(zeta, amplitudes[2::3], strict=True):
        p = float(logistic_step(np.array(p), current, 2.0, 0.6))
        assert amplitude == pytest.approx(np.sqrt(p), abs=1e-12)


def test_closed_forms():
    mhz = np.array([320.0, 352.5, 390.0])
    zeta = DEFAULT.current(mhz)
    assert DEFAULT.frequency(zeta) == pytest.approx(mhz)
    assert DEFAULT.relaxation(zeta) == pytest.approx(DEFAULT.gamma * (zeta - 1))
    assert np.array_equal(DEFAULT.power(np.array([0.5, 1.0])), [0, 0])
    with pytest.raises(InputError, match=r"between 282\.5 and 452\.5 MHz"):
        DEFAULT.current(np.array(500.0))
    with pytest.raises(InputError, match="gamma must be above 0"):
        Oscillator(gamma=0)


@pytest.mark.parametrize("drive", [4.0, 8.0])
def test_lock_range_of_the_full_model(drive):
    array = one(drive, settle_us=2.0, window_us=4.0)
    half = float(array.half_ranges[0])
    detuning = half * np.linspace(0.8, 1.2, 41)
    for sign in (-1, 1):
        inputs = CENTRE + sign * detuning[:, None]
        # Pulled frequencies move by the square root: half a turn less is free.
        locked = np.abs(array.full(inputs)[:, 0] - inputs[:, 0]) < 0.05
        assert detuning[locked].max() == pytest.approx(half, rel=0.08)
        assert not locked[-1]


@pytest.mark.slow
def test_pulled_frequency_outside_the_lock_range():
    array = one(6.0, settle_us=5.0, window_us=60.0)
    half = float(array.half_ranges[0])
    inputs = CENTRE + half * np.array([[-3.0], [-1.5], [0.5], [1.2], [2.0]])
    found = inputs[:, 0] - array.reduced(inputs)[:, 0]
    assert found == pytest.approx(beat(inputs[:, 0] - CENTRE, half), rel=0.01, abs=1e-3)


@pytest.mark.parametrize(("apart", "locked"), [(0.8, True), (1.4, False)])
def test_two_oscillators_lock_to_each_other(apart, locked):
    coupling = 1.0
    f = CENTRE + apart * coupling * np.array([-1.0, 1.0])
    array = OscillatorArray(f, np.zeros(2), coupling, settle_us=5.0, window_us=20.0)
    none = np.empty((1, 0))
    for found in (array.reduced(none), array.full(none)):
        assert (abs(np.diff(found[0])[0]) < 0.02) == locked
    if not locked:
        assert np.diff(array.reduced(none)[0])[0] == pytest.approx(beat(2 * apart, 2 * coupling), rel=0.03)


@pytest.mark.slow
def test_full_and_reduced_models_give_one_map():
    edge = np.linspace(322, 383, 20)
    grid = np.array([(a, b) for a in edge for b in edge])
    array = OscillatorArray(np.array([330.0, 345, 358, 372]), np.full(4, 10.0), 0.5, window_us=2.0, settle_us=1.0)
    reduced, full = (array.patterns(grid, found) for found in (array.reduced(grid), array.full(grid)))
    assert np.mean(reduced == full) >= 0.95
    assert len(np.unique(reduced)) > 12


def test_noise_is_a_linewidth_and_is_keyed():
    array = one(0.0, settle_us=0.1, window_us=1.0)
    inputs = np.full((2000, 1), 300.0)
    found = array.reduced(inputs, 0.4, seed=3)
    # Phases diffuse by 2 pi width t: frequencies over a time t by width / 2 pi t.
    assert found.std() == pytest.approx(np.sqrt(0.4 / (2 * np.pi)), rel=0.05)
    assert np.array_equal(found, array.reduced(inputs, 0.4, seed=3))
    assert not np.array_equal(found, array.reduced(inputs, 0.4, seed=4))
    few = one(0.0, settle_us=0.1, window_us=1.0, step_us=0.008).full(inputs[:400], 0.4, seed=3)
    assert few.std() == pytest.approx(np.sqrt(0.4 / (2 * np.pi)), rel=0.1)


def test_differences_between_devices():
    array = OscillatorArray(np.full(4, CENTRE), np.full(4, 5.0))
    drawn = [array.changed(Imperfections(0, 2.0, 0.1), seed=0, layer=0, trial=t) for t in range(400)]
    assert np.std([d.frequencies for d in drawn]) == pytest.approx(2.0, rel=0.1)
    assert np.std([d.drives for d in drawn]) == pytest.approx(0.5, rel=0.1)
    with pytest.raises(InputError, match="spread must be at least 0"):
        Imperfections(spread_mhz=-1)


def test_lock_map_and_majority_count_as_words_do():
    g = np.random.default_rng(0)
    inputs, f, half = g.uniform(-3, 3, (300, 2)), np.array([-1.0, 0.2, 1.5]), np.array([0.6, 0.9, 0.3])
    codes = np.empty(300, np.int64)
    kernels.lock_map(inputs, f, half, codes)
    for row, code in zip(inputs, codes, strict=True):
        plain = []
        for centre, reach in zip(f, half, strict=True):
            near = min((0, 1), key=lambda k, c=centre, r=row: abs(r[k] - c))
            plain.append(near + 1 if abs(row[near] - centre) < reach else 0)
        assert states(np.array([code]), 3)[0].tolist() == plain
    labels = g.integers(0, 4, 300)
    scores_ = np.empty(1)
    kernels.majority(inputs, labels, np.array([[0.0, *f, *half]]), np.zeros((27, 4), np.int64), codes.copy(), scores_)
    right = sum(Counter(labels[codes == c]).most_common(1)[0][1] for c in np.unique(codes))
    assert scores_[0] == pytest.approx(right / 300)


def test_labels_of_patterns():
    patterns, labels = np.array([0, 0, 0, 5, 5, 26]), np.array([1, 1, 2, 2, 2, 0])
    fitted = Labels.fit(patterns, labels, 3)
    assert (fitted.table[[0, 5, 26]].tolist(), fitted.seen) == ([1, 2, 0], 3)
    assert fitted.table[25] == 0  # one oscillator away from 26 alone
    table = one_pattern(patterns, labels, 3)
    assert table[[0, 5, 26]].tolist() == [1, 2, 0]


def test_search_separates_two_classes():
    g = np.random.default_rng(1)
    labels = np.repeat([0, 1], 60)
    points = g.normal(0, 0.2, (120, 2)) + np.where(labels[:, None], 1.5, -1.5)
    draws = [rng.stream("evolution", seed=0, layer=0, trial=0) for _ in range(2)]
    (angle, f, drive), again = (search(points, labels, 1, DEFAULT, d, generations=15) for d in draws)
    assert (angle, f[0], drive) == (again[0], again[1][0], again[2])
    c, s = np.cos(angle), np.sin(angle)
    array = OscillatorArray(f, np.array([drive]))
    codes = array.mapped(CENTRE + 11 * points @ np.array([[c, s], [-s, c]]))
    assert np.mean(Labels.fit(codes, labels, 1).table[codes] == labels) > 0.98


def test_discriminant_is_that_of_scikit_learn():
    other = pytest.importorskip("sklearn.discriminant_analysis")
    g = np.random.default_rng(2)
    labels = np.repeat(np.arange(4), 40)
    x = g.normal(size=(160, 3)) @ g.normal(size=(3, 3)) + g.normal(0, 2, (4, 3))[labels]
    ours = Discriminant.fit(x, labels)
    assert np.array_equal(ours.predict(x, 3), other.LinearDiscriminantAnalysis().fit(x, labels).predict(x))
    within = np.concatenate([ours.project(x, 3)[labels == c] - ours.project(x, 3)[labels == c].mean(axis=0) for c in range(4)])
    assert within.T @ within / 156 == pytest.approx(np.eye(3), abs=1e-9)
    assert ours.numbers(2) == 9


def test_perceptron_learns_what_no_line_separates():
    x = np.random.default_rng(3).normal(size=(200, 2))
    labels = (x[:, 0] * x[:, 1] > 0).astype(int)
    fitted = Perceptron.fit(x, labels, 6, seed=0, layer=0, trial=0)
    assert np.mean(fitted.predict(x) == labels) > 0.95
    assert Perceptron.numbers(2, 6, 2) == 18 + 7


def test_ridge_is_least_squares_on_frames():
    g = np.random.default_rng(4)
    rows, labels = g.normal(size=(90, 5)) + 3, g.integers(0, 3, 90)
    sums = Sums(5, 3)
    sums.add(rows[:40], labels[:40])
    other = Sums(5, 3)
    other.add(rows[40:], labels[40:])
    weights = (sums + other).weights(0.0)
    plain = np.linalg.lstsq(np.hstack([rows, np.ones((90, 1))]), np.eye(3)[labels], rcond=None)[0]
    assert weights == pytest.approx(plain, abs=1e-9)
    assert scores(rows, weights) == pytest.approx(rows @ plain[:-1] + plain[-1])
    assert np.abs((sums + other).weights(10.0)[:-1]).max() < np.abs(plain[:-1]).max()


def test_reservoir_clips_and_remembers():
    words = [np.random.default_rng(k).random((5, 3)) for k in range(4)]
    reservoir = Reservoir.fit(ReservoirParams(nodes=8), words, seed=0, mask=0)
    assert np.array_equal(reservoir.mask, Reservoir.fit(ReservoirParams(nodes=8), words, seed=0, mask=0).mask)
    assert np.abs(reservoir.currents(100 * words[0]) - 1.2).max() == pytest.approx(0.6)
    made = reservoir.run(words[0])
    assert made.shape == (5, 8)
    other = words[0].copy()
    other[0] = 0
    assert not np.allclose(reservoir.run(other)[1, 0], made[1, 0], rtol=1e-6)  # the frame before is still felt
    assert reservoir.run(words[0], 4)[:, 3::4] == pytest.approx(made)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tuning(oscillators=7), "oscillators must be in [1, 6], not 7"),
        (lambda: Tuning(coupling_mhz=float("nan")), "coupling must be at least 0, not nan"),
        (lambda: ReservoirParams(bias=1.0), "bias must be above 1, the threshold, not 1"),
        (lambda: ReservoirParams(nodes=0), "nodes must be in [1, 4096], not 0"),
        (lambda: ReservoirParams(noise=-1), "noise must be at least 0, not -1"),
        (lambda: OscillatorArray(np.array([350.0]), np.ones(1), -1), "coupling must be at least 0, not -1"),
    ],
)
def test_numbers_out_of_range(make, message):
    with pytest.raises(InputError) as e:
        make()
    assert str(e.value) == message
