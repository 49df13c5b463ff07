"""RBMs on Y-Flash devices: pulse curves, counters, probabilities and gradients against others, learning."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.neural_network import BernoulliRBM

from oxnor.models.base.errors import InputError
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.rbm.belief import BeliefParams, DeepBelief, accuracy, binarized
from oxnor.models.rbm.digital import DigitalRbm, counter_bits, integer_weights, letter_patterns, pulsed
from oxnor.models.rbm.machine import Machine, step
from oxnor.models.rbm.synapses import CounterParams, FloatSynapses, Synapses
from oxnor.models.rbm.y_flash import BARRIER, BETA, DeviceSpread, YFlash, curves, pulse, read


def test_pulse_curves_are_the_published_ones():
    down, up = curves()
    assert abs(len(down) - 1 - 31) <= 1
    assert abs(len(up) - 1 - 38) <= 1
    assert down[:6] * 1e6 == pytest.approx([1.10, 0.913, 0.759, 0.631, 0.523, 0.432], abs=0.002)
    assert np.diff(up[-3:]) * 1e6 == pytest.approx(0.045, abs=0.002)
    assert read(-1e-11) * 1e6 == pytest.approx(0.453, abs=0.0005)


def test_devices_differ_and_age():
    barrier, beta = DeviceSpread().draw((50,), np.random.default_rng(0))
    counts = np.median([[len(c) - 1 for c in curves(barrier=a, beta=b)] for a, b in zip(barrier, beta, strict=True)], axis=0)
    assert (counts > [35, 45]).all()
    charge, barrier, beta = -7e-12, BARRIER, BETA
    for k in range(3000):
        charge, barrier, beta = pulse(charge, barrier, beta, bool(k % 2))
    aged = [len(c) - 1 for c in curves(barrier=barrier, beta=beta)]
    assert 31 < aged[0] < 45
    assert 45 < aged[1] < 130
    alike = YFlash.draw((3,), DeviceSpread(0), np.random.default_rng(0))
    assert np.ptp(alike.beta) == np.ptp(alike.barrier) == 0


@pytest.mark.parametrize("drops", [False, True])
def test_counters_lose_nothing_but_what_they_drop(drops):
    g, threshold, shape = np.random.default_rng(1), 10, (3, 4)
    array = Synapses.draw(shape, CounterParams(threshold, drops), DeviceSpread(), g)
    d = array.devices
    plain = {n: [(float(d.charge[n]), float(d.barrier[n]), float(d.beta[n])), 0, 0, 0] for n in np.ndindex(shape)}
    total, lost = np.zeros(shape, np.int64), False
    for _ in range(60):
        change = g.integers(-28, 29, shape)
        total += change
        array.learn(change.astype(np.float32))
        for n, synapse in plain.items():
            state, count, net, writes = synapse
            count += int(change[n])
            multiples, erases = abs(count) // threshold, count > 0
            count -= multiples * threshold * (1 if erases else -1)
            pulses = min(multiples, 1) if drops else multiples
            lost |= pulses != multiples
            for _ in range(pulses):
                state = pulse(*state, erases)
            plain[n] = [tuple(float(np.float32(x)) for x in state), count, net + (pulses if erases else -pulses), writes + pulses]
    for n, (state, count, net, writes) in plain.items():
        assert (d.charge[n], d.barrier[n], d.beta[n]) == pytest.approx(state, rel=1e-6)
        assert (array.counts[n], d.writes[n]) == (count, writes)
        if not drops:
            assert net * threshold + count == total[n]
    assert lost == drops


def test_a_pulse_moves_the_weight_the_right_way():
    array = Synapses.draw((2,), CounterParams(5), DeviceSpread(), np.random.default_rng(0))
    array.learn(np.array([5, -5]))
    assert array.weights[1] < -0.05 < 0.03 < array.weights[0]
    array.learn(np.array([4, -4]))
    assert (array.devices.writes == 1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_are_those_of_plain_floats(dtype):
    g = np.random.default_rng(0)
    w, a, b = g.normal(0, 1, (510, 300)), g.normal(0, 1, 510), g.normal(0, 1, 300)
    w, a, b = (x.astype(np.float32).astype(float) for x in (w, a, b))
    m = Machine(w.astype(dtype), a.astype(dtype), b.astype(dtype), 10)
    v = (g.random((20, 510)) < 0.1).astype(float)
    h = (g.random((20, 300)) < 0.1).astype(float)
    assert expit(m.hidden(v.astype(dtype))) == pytest.approx(1 / (1 + np.exp(-(v @ w + b))), abs=1e-6)
    x = h @ w.T + a
    assert expit(m.visible(h.astype(dtype))) == pytest.approx(1 / (1 + np.exp(-x)), abs=1e-6)
    classes = np.exp(x[:, -10:]) / np.exp(x[:, -10:]).sum(axis=1, keepdims=True)
    assert softmax(m.visible(h.astype(dtype))[:, -10:], axis=1) == pytest.approx(classes, abs=1e-6)


class Uniform:
    """The draws of a RandomState under the name that ours have."""

    def __init__(self, seed):
        self.state = np.random.RandomState(seed)

    def random(self, size, dtype):
        return self.state.uniform(size=size).astype(dtype)


def test_gradients_are_those_of_scikit_learn():
    """Persistent chains, as it has them; contrastive divergence is its step with the chains set to the positive phase."""
    g = np.random.default_rng(0)
    v = (g.random((10, 12)) < 0.4).astype(float)
    for is_persistent in (True, False):
        theirs = BernoulliRBM(7, learning_rate=1.0, batch_size=10)
        theirs.components_, theirs.intercept_hidden_ = g.normal(size=(7, 12)), g.normal(size=7)
        theirs.intercept_visible_ = g.normal(size=12)
        ours = Machine(theirs.components_.T.copy(), theirs.intercept_visible_.copy(), theirs.intercept_hidden_.copy())
        before = theirs.components_.copy()
        chain = (g.random((10, 7)) < 0.5).astype(float)
        draws, reference = Uniform(1), np.random.RandomState(1)
        if not is_persistent:
            chain = theirs._sample_hiddens(v, reference).astype(float)
        theirs.h_samples_ = chain
        theirs._fit(v, reference)
        found = ours.contrast(v, draws, chain=chain if is_persistent else None, mean=True)
        assert np.abs(found.weights).max() > 0.5
        assert np.abs(found.weights.T / 10 - (theirs.components_ - before)).max() < 1e-12
        assert found.visible / 10 == pytest.approx(theirs.intercept_visible_ - ours.visible_bias, abs=1e-12)
        assert found.hidden / 10 == pytest.approx(theirs.intercept_hidden_ - ours.hidden_bias, abs=1e-12)


def test_labels_are_drawn_one_by_one():
    m = Machine(np.zeros((6, 2), np.float32), np.zeros(6, np.float32), np.zeros(2, np.float32), 4)
    drawn = m.draw_visible(np.ones((4000, 2), np.float32), np.random.default_rng(0))
    assert drawn[:, :2].mean() == pytest.approx(0.5, abs=0.03)
    assert drawn[:, 2:].mean() == pytest.approx(0.25, abs=0.03)
    assert set(drawn[:, 2:].sum(axis=1).astype(int)) >= {0, 1, 2, 3}


def test_free_energies_are_sums_over_states():
    g = np.random.default_rng(0)
    m = Machine(g.normal(size=(5, 3)), g.normal(size=5), g.normal(size=3), 2)
    pen = (g.random((4, 3)) < 0.5).astype(float)
    states = np.array(list(np.ndindex(2, 2, 2)), float)
    for k in range(2):
        v = np.hstack([pen, np.tile(np.eye(2)[k], (4, 1))])
        sums = np.exp((v @ m.weights)[:, None] @ states.T[None] + states @ m.hidden_bias).sum(axis=(1, 2))
        assert m.free_energies(pen)[:, k] == pytest.approx(-np.log(sums) - v[:, -2:] @ m.visible_bias[-2:])


def test_a_machine_of_the_chips_size_learns_its_letters():
    g, patterns, threshold = np.random.default_rng(0), letter_patterns(), 12
    assert patterns.shape == (12, 19)
    assert len(np.unique(patterns, axis=0)) == 12
    array = Synapses.draw((20, 9), CounterParams(threshold), DeviceSpread(), g)
    machine, errors = DigitalRbm(integer_weights(array.weights), threshold, 1), []
    for _ in range(200):
        errors += [np.abs(patterns[k] - machine.sample(patterns[k])[1]).mean() for k in g.permutation(12)]
        for request in machine.requests():
            machine.weights[request.row, request.column] = pulsed(array, request)
        assert np.abs(machine.counts[:-1]).max() < threshold
    assert np.mean(errors[-120:]) < np.mean(errors[:60]) / 2
    assert array.devices.writes.mean() < 12


@pytest.fixture(scope="module")
def digits():
    images, labels = load_mnist("test")
    return binarized(images[:4000]), labels[:4000]


@pytest.mark.parametrize("synapses", ["y-flash", "float"])
def test_a_small_network_learns_digits(digits, synapses):
    bits, labels = digits
    belief = DeepBelief(BeliefParams((40, 60), synapses=synapses, counter=CounterParams(10), batch=20))
    errors = [belief.learn(stage, epoch, bits[:2000], labels[:2000]) for stage in (0, 1) for epoch in range(2)]
    assert errors[1] < errors[0]
    assert errors[3] < errors[2]
    before = [accuracy(belief.read(bits[3000:], draws), labels[3000:]) for draws in (0, 20)]
    assert min(before) > 0.5
    assert accuracy(-belief.free_energies(bits[3000:]), labels[3000:]) > 0.5
    belief.untie()
    first = belief.generative[0].weights.weights.copy()
    assert np.array_equal(first, belief.layers[0].weights.weights)
    belief.learn(2, 0, bits[:500], labels[:500])
    assert not np.array_equal(belief.generative[0].weights.weights, belief.layers[0].weights.weights)
    assert accuracy(belief.read(bits[3000:], 20), labels[3000:]) > 0.5
    assert belief.reconstructed(bits[:2]).shape == (2, 784)
    assert all(isinstance(a, FloatSynapses if synapses == "float" else Synapses) for a in belief.top.arrays.values())
    assert (len(belief.writes()) == 0) == (synapses == "float")


def test_the_reading_is_sampled_as_asked(digits):
    bits, _ = digits
    belief = DeepBelief(BeliefParams((6, 5)))
    for layer in belief.layers:
        layer.weights.weights[...] = np.random.default_rng(0).normal(size=layer.weights.weights.shape)
    assert np.array_equal(belief.read(bits[:5], 3), belief.read(bits[:5], 3))
    assert not np.array_equal(belief.read(bits[:5], 3), belief.read(bits[:5], 3, seed=1))
    v = step(bits[:5].astype(np.float32) @ belief.layers[0].weights.weights)
    h = step(v @ belief.top.weights.weights[:-10])
    assert belief.read(bits[:5]) == pytest.approx(h @ belief.top.weights.weights[-10:].T, abs=1e-5)


def test_the_width_of_a_counter():
    assert counter_bits(100, 100) == 9
    assert counter_bits(12, 12) == 6
    assert counter_bits(1, 1) == 2
    with pytest.raises(InputError, match=r"batch must be in \[1, 10\], the threshold, not 11"):
        counter_bits(10, 11)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CounterParams(0), r"threshold must be in \[1, 1048576\], not 0"),
        (lambda: DeviceSpread(-1), r"spread must be in \[0, 10\], not -1"),
        (lambda: DeviceSpread(float("nan")), r"spread must be in \[0, 10\], not nan"),
        (lambda: BeliefParams(()), "hidden must be 1 to 5 numbers"),
        (lambda: BeliefParams((5, 0)), "hidden must be 1 to 5 numbers"),
        (lambda: BeliefParams(batch=0), "batch must be in"),
        (lambda: BeliefParams(synapses="x"), "synapses must be one of y-flash, float, not 'x'"),
        (lambda: BeliefParams(seed=-1), "seed must be an integer"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()
