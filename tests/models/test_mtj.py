"""Junctions, laws of steps, the table and its generators, and training whose weights are discrete in every step."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.learning import in_place
from oxnor.models.learning.discrete_steps import LENGTHS, DiscreteSteps
from oxnor.models.learning.in_place import InPlaceParams, train_in_place
from oxnor.models.learning.mtj import LAWS, Switching, law, octave, thresholds
from oxnor.models.learning.synapses import Synapses, seeds, sizes
from oxnor.models.networks.layers.presentations import step


def test_switching():
    u = np.linspace(0, 20, 2000)
    for theta0 in (0.02, 0.1, 0.5):
        s = Switching(theta0)
        p = s.probability(u)
        assert (np.diff(p) >= 0).all()
        assert ((p >= 0) & (p <= 1)).all()
        assert s.probability(s.u50) == pytest.approx(0.5)
        some = s.u50 + np.array([-0.8, 0, 1.2])
        assert s.pulse(s.probability(some)) == pytest.approx(some)
        # The width does not depend on theta0: from 10 to 90 % in 2.57.
        assert np.diff(s.pulse([0.1, 0.9]))[0] == pytest.approx(2.57, abs=0.005)
        assert Switching.at(s.u50).theta0 == pytest.approx(theta0)
    assert Switching(0.1).u50 == pytest.approx(3.148, abs=1e-3)
    assert Switching(0.1).probability(0) < 1e-12


@pytest.mark.parametrize("name", LAWS)
def test_laws(name):
    nu = np.linspace(0, 1, 1000, endpoint=False)
    p = law(name)(nu)
    assert (np.diff(p) > 0).all()
    ends = {"tanh": (0, 0.995), "linear": (0, 1), "mtj": (0.002, 0.99)}[name]
    assert (p[0], p[-1]) == pytest.approx(ends, abs=2e-3)
    # The table is the mean of the law in each octave, and so unbiased over it.
    for entries in (8, 16):
        table = thresholds(name, entries)
        assert (np.diff(table.astype(int)) <= 0).all()
        for j in (0, 1, entries - 1):
            low = 0 if j == entries - 1 else 0.5 ** (j + 1)
            mean = law(name)(np.linspace(low, 0.5**j, 4001)).mean()
            assert table[j] / 65536 == pytest.approx(mean, abs=2e-4)


def test_octave_is_the_leading_zeros():
    assert octave(np.array([0, 1, 2, 3, 4, 127, 64, 63]), 8).tolist() == [7, 6, 5, 5, 4, 0, 0, 1]
    assert sizes(np.array([0.5, -1.25, 0.0, 9.0]), 8).tolist() == [64, 160, 0, 511]


def moved(steps, wished, count=100_000, start=0.0, seed=1):
    """The values that one wished step gives."""
    g = np.random.default_rng(seed)
    values = np.full(count, start, np.float32)
    changed = steps.step(values, np.full(count, wished, np.float32), steps.devices((count,), g), g)
    assert changed == np.count_nonzero(values != start)
    return values


@pytest.mark.parametrize("table", [0, 16])
def test_frequencies_are_the_probabilities(table):
    """Chi-square of 1e5 draws at 10 parts of a step, each law; with the table, of the entry they fall into."""
    nus = np.linspace(0.02, 0.98, 10)
    for name in LAWS:
        steps = DiscreteSteps(law=name, table=table)
        entries = octave(np.floor(nus * 2**15), 16)
        p = thresholds(name, 16)[entries] / 65536 if table else law(name)(nus)
        seen = np.array([(moved(steps, nu, seed=k) == 1).sum() for k, nu in enumerate(nus)])
        chi = ((seen - 1e5 * p) ** 2 / (1e5 * p * (1 - p))).sum()
        assert 1e-4 < stats.chi2.sf(chi, 10) < 1 - 1e-4, (name, chi)


def test_steps():
    ternary, binary = DiscreteSteps(), DiscreteSteps("binary")
    assert (ternary.length, binary.length) == (1, 2)
    assert set(moved(ternary, 0.4)) == {0, 1}
    assert set(moved(ternary, -0.4)) == {0, -1}
    assert set(moved(ternary, 1.0)) == {1}  # a whole step is certain
    assert set(moved(ternary, 1.5, start=-1)) == {0, 1}
    assert set(moved(ternary, 3.0, start=-1)) == {1}
    assert set(moved(ternary, 0.0)) == {0}  # no step is wished: no pulse
    assert set(moved(ternary, 0.9, start=1)) == {1}
    assert set(moved(binary, 0.4, start=-1)) == {-1, 1}
    assert set(moved(binary, 2.0, start=-1)) == {1}
    # A distance of 2: the same wish is half the part of a step.
    assert (moved(DiscreteSteps("binary", "linear", 0), 0.5, start=-1) == 1).mean() == pytest.approx(0.25, abs=5e-3)


def test_spread_of_pulses():
    """With a spread, devices differ; over all of them a step is nearly as likely."""
    plain, spread = DiscreteSteps(law="mtj"), DiscreteSteps(law="mtj", spread=0.1)
    assert len(plain._tables) == 1
    at_half = spread._tables[:, 1] / 65536
    assert (np.diff(at_half) > 0).all()
    assert at_half[0] < 0.35 < 0.85 < at_half[-1]
    assert at_half.mean() == pytest.approx(plain._tables[0, 1] / 65536, abs=0.05)
    assert (moved(spread, 0.3) == 1).mean() == pytest.approx(at_half.mean(), abs=0.01)


def test_generators_of_lanes():
    """Every lane's numbers are even over 16 bits, and no lane repeats another."""
    state, seen = seeds(64), []
    assert len(np.unique(state)) == 64
    for _ in range(2000):
        seen.append(state >> 24)
        state = step(state)
    counts = np.bincount(np.ravel(seen), minlength=256)
    assert 1e-4 < stats.chisquare(counts).pvalue < 1 - 1e-4
    lanes = np.array(seen, float)
    assert np.abs(np.corrcoef(lanes.T) - np.eye(64)).max() < 0.12
    assert np.abs([np.corrcoef(lanes[k:, 0], lanes[: len(lanes) - k, 0])[0, 1] for k in (1, 2, 3)]).max() < 0.1


def test_synapses_have_the_probabilities_of_the_table():
    table = thresholds("tanh", 16)
    model = Synapses(np.zeros((1, 500), int), table)
    ups = 0
    for _ in range(100):
        model.values[:] = 0
        ups += (model.update(0, np.ones(500, int), sizes(np.full(500, 0.3), 16)) == 1).sum()
    p = table[1] / 65536
    assert abs(ups - 5e4 * p) < 4 * np.sqrt(5e4 * p * (1 - p))


@pytest.fixture(scope="module")
def pictures():
    """Ten patterns with noise, which one hidden layer learns in a few steps."""
    pytest.importorskip("torch", reason='training needs PyTorch: pip install -e ".[train]"')
    g = np.random.default_rng(0)
    labels = np.arange(1200) % 10
    patterns = g.random((10, 28, 28)) < 0.5
    noisy = patterns[labels] ^ (g.random((1200, 28, 28)) < 0.15)
    return noisy.astype(np.uint8) * 255, labels


def small(**more):
    return InPlaceParams(**{"layers": "F24", "epochs": 3, "batch": 50, "validation": 200, "memory": 0.9, "lr": 0.1} | more)


@pytest.mark.parametrize("weights", LENGTHS)
def test_weights_are_discrete_after_every_step(weights, pictures, monkeypatch):
    seen, step = [], in_place._State.step

    def observed(state, x, labels):
        loss = step(state, x, labels)
        seen.append(np.unique(np.concatenate([w.detach().numpy().ravel() for w in state.student.weights])))
        assert all(not wished.any() for wished in state.wished)  # nothing is kept of a step that was not taken
        return loss

    monkeypatch.setattr(in_place._State, "step", observed)
    trained = train_in_place(small(steps=DiscreteSteps(weights)), *pictures, name="n")
    values = [-1, 0, 1] if weights == "ternary" else [-1, 1]
    assert len(seen) == 3 * 20
    assert all(held.tolist() == values for held in seen)
    assert trained.best.accuracy > 0.8
    assert trained.network.layers[0].weight_bits == (2 if weights == "ternary" else 1)
    assert 0.01 < trained.epochs[-1].changes < 60
    # The network is what was validated.
    assert np.array_equal(trained.predict(pictures[0][:50].reshape(50, -1)), golden.predict(trained.network, pictures[0][:50]))


@pytest.mark.parametrize("steps", [DiscreteSteps(spread=0.1), None], ids=["discrete", "float"])
def test_resume_is_exact(steps, pictures, tmp_path):
    class Killed(Exception):
        pass

    def kill(epoch):
        if epoch.number == 2:
            raise Killed

    params, file = small(steps=steps), tmp_path / "a.pt"
    whole = train_in_place(params, *pictures)
    with pytest.raises(Killed):
        train_in_place(params, *pictures, checkpoint=file, progress=kill)
    again = train_in_place(params, *pictures, checkpoint=file, resume=True)
    assert again.epochs == whole.epochs
    images = pictures[0].reshape(len(pictures[0]), -1)
    assert np.array_equal(again.predict(images), whole.predict(images))
    if steps:
        for ours, theirs in zip(again.network.layers, whole.network.layers, strict=True):
            assert np.array_equal(ours.weights, theirs.weights)
    other = dataclasses.replace(params, lr=0.01)
    with pytest.raises(InputError, match=r"a\.pt: must be of this training, not of another"):
        train_in_place(other, *pictures, checkpoint=file, resume=True)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"a\.pt: must be a checkpoint of oxnor study ternary"):
        train_in_place(params, *pictures, checkpoint=file, resume=True)


def test_other_optimizer_and_convolutions(pictures):
    assert train_in_place(small(optimizer="sgd", lr=20.0), *pictures).best.accuracy > 0.7
    images, labels = pictures[0][:300], pictures[1][:300]
    network = train_in_place(small(layers="C4k5s2-P-F8", epochs=1, validation=50), images, labels).network
    assert network.layers[0].kind == "conv"
    assert set(np.unique(network.layers[0].weight_values)) == {-2, 0, 2}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Switching(0), r"theta0 must be in \[0\.001, 1\], not 0"),
        (lambda: Switching.at(20), r"u50 must be in \[0\.845, 7\.75\], not 20"),
        (lambda: law("sine"), "law must be one of tanh, linear, mtj, not 'sine'"),
        (lambda: thresholds("tanh", 7), r"table must be in \[8, 16\], not 7"),
        (lambda: DiscreteSteps("quaternary"), "weights must be ternary or binary, not 'quaternary'"),
        (lambda: DiscreteSteps(law="x"), "law must be one of tanh, linear, mtj, not 'x'"),
        (lambda: DiscreteSteps(table=5), r"table must be 0 or in \[8, 16\], not 5"),
        (lambda: DiscreteSteps(spread=0.6), r"spread must be in \[0, 0\.5\], not 0\.6"),
        (lambda: DiscreteSteps(table=0, spread=0.1), "spread must come with a `table`"),
        (lambda: Synapses(np.full((1, 1), 2), thresholds("tanh", 8)), "values must be -1, 0 or"),
        (lambda: InPlaceParams(optimizer="lion"), "optimizer must be adam or sgd, not 'lion'"),
        (lambda: InPlaceParams(memory=1), r"memory must be in \[0, 0\.999999\], not 1"),
        (lambda: InPlaceParams(lr=0), r"lr must be in \[1e-07, 1000\], not 0"),
        (lambda: InPlaceParams(epochs=0), r"epochs must be in \[1, 100000\], not 0"),
    ],
)  # fmt: skip
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()
