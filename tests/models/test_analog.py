"""Crossbars: devices against published check values, wires against Kirchhoff, converters, ISAAC, and whole networks."""

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network

from oxnor.models import golden, load
from oxnor.models.analog import array, cell, ranges
from oxnor.models.analog.adc import MismatchedAdc, UniformAdc
from oxnor.models.analog.binarized import AnalogNetwork, ArrayOptions, LayerArray
from oxnor.models.analog.crossbar import Crossbar, CrossbarOptions
from oxnor.models.analog.integer import Isaac
from oxnor.models.analog.mapping import MAPPINGS, SIGN_MAPPINGS, mapping, quantised, sliced
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.devices.draws import draw_faults
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.states import LogLaw

DAY = 86400.0


@pytest.fixture(scope="module")
def digits():
    return load_mnist("test")


def device(sigma, ratio, **more):
    return DeviceModel("test", 1e4, 1e4 * ratio, sigma, sigma, **more)


# Published constants: what the laws give at some states, from a computation of its own.
@pytest.mark.parametrize(
    ("name", "law", "seconds", "states", "values"),
    [
        ("sonos-40nm", "programming", 0, [100, 400, 1600], [8.608, 17.829, 19.884]),
        ("sonos-40nm", "programming", 5 * DAY, [100, 400, 1600], [13.231, 29.556, 34.564]),
        ("sonos-40nm", "read", 0, [100, 400, 1600], [4.673, 10.617, 12.573]),
        ("sonos-40nm", "shift", DAY, [100, 800, 1600], [1.735, -3.827, -11.532]),
        ("sonos-40nm", "shift", 5 * DAY, [100, 800, 1600], [4.118, -15.173, -40.698]),
        ("pcm-joshi", "programming", 0, [0.25, 10, 25], [0.305, 0.866, 1.066]),
        ("pcm-aihwkit", "programming", 0, [0.25, 10, 25], [0.283, 0.862, 1.055]),
        ("hfo2-milo", "programming", 0, [50, 150, 225], [4.327, 3.416, 2.733]),
        ("rram-wan", "programming", 0, [1, 10, 20, 39], [1.279, 2.414, 2.362, 1.673]),
        ("rram-wan-aihwkit", "programming", 1, [1, 10, 20, 39], [0.722, 2.258, 2.023, 1.167]),
        ("rram-wan-aihwkit", "programming", DAY, [1, 10, 20, 39], [1.222, 3.721, 3.909, 2.746]),
    ],
)
def test_a_preset_gives_its_check_values(name, law, seconds, states, values):
    assert getattr(cell.load(name), law).at(states, seconds) == pytest.approx(values, abs=1e-3)


def test_drift_and_noise_of_pcm_and_curvature_of_hfo2():
    pcm, states = cell.load("pcm-aihwkit"), np.array([0.25, 5, 25])
    assert pcm.power.exponent(states)[0] == pytest.approx([0.0958, 0.0493, 0.049], abs=1e-4)
    assert pcm.power.factor(states, DAY) == pytest.approx([0.449, 0.662, 0.664], abs=1e-3)
    assert pcm.flicker.at(states, DAY) / states == pytest.approx([0.893, 0.127, 0.045], abs=1e-3)
    hfo2, states = cell.load("hfo2-milo"), np.array([50, 100, 225])
    for volts, values in ((0.5, [0.714, 0.958, 0.996]), (-0.5, [1.453, 1.039, 1.003])):
        assert hfo2.current(states, volts)[0] / (states * volts) == pytest.approx(values, abs=1e-3)
    step = 1e-6
    slope = (hfo2.current(states, 0.3 + step)[0] - hfo2.current(states, 0.3 - step)[0]) / (2 * step)
    assert hfo2.current(states, 0.3)[1] == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("name", cell.names())
def test_what_is_programmed_has_the_spread_of_the_law_and_a_source(name):
    c = cell.load(name)
    assert c.name == name
    assert c.programming.source
    g, middle = np.random.default_rng(1), (c.low + c.high) / 2
    held = c.programmed(np.full(20000, middle), g)
    assert held.mean() == pytest.approx(middle, rel=0.02)
    assert held.std() == pytest.approx(float(c.programming_sigma(middle)), rel=0.03)
    if c.seconds[1]:
        aged = c.programmed(np.full(20000, middle), np.random.default_rng(1), c.seconds[1])
        assert aged.std() != held.std()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cell.load("pcm"), r"cell must be one of .* \(did you mean"),
        (lambda: cell.load("sonos-40nm").programmed([3300.0], None), "at most 3200 nA, where 'sonos-40nm' holds, not 3300"),
        (lambda: cell.load("sonos-40nm").programmed([1900.0], None, DAY), "at most 1800 nA"),
        (lambda: cell.load("pcm-joshi").programmed([1.0], None, DAY), "seconds must be 0 s"),
        (lambda: cell.load("hfo2-milo").current(100.0, 0.6), "volts must be at most 0.5 V"),
        (lambda: cell.AnalogCell.generic("linear", 1), "form must be one of independent"),
        (lambda: mapping("Differential"), "mapping must be one of differential, two-sided, offset"),
        (lambda: UniformAdc(17, 0, 1), r"adc_bits must be an integer in \[1, 16\]"),
        (lambda: ranges.calibrated(np.ones(9), 4), "values must hold values that differ"),
        (lambda: ArrayOptions(mapping="VII"), "mapping must be one of I, II"),
        (lambda: array.effective(np.ones((2, 2)), 0), "wire must be above 0"),
        (lambda: Isaac().multiply(np.full((1, 1), 40000), np.ones((1, 1), int)), "weights must be in"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_cell_of_ones_own(tmp_path):
    text = 'name = "mine"\ndescription = "parabolic"\nunit = "uS"\nlow = 1.0\nhigh = 10.0\nlimit = 10.0\n[programming]\n'
    path = tmp_path / "mine.toml"
    path.write_text(text + 'form = "polynomial"\nsource = "own"\ncoefficients = [[0.1, 0.0, 0.02]]\n')
    assert cell.load(path).programming_sigma(5.0) == pytest.approx(0.6)
    path.write_text(text + 'form = "cubic"\nsource = "own"\ncoefficients = [[0.1]]\n')
    with pytest.raises(InputError, match=r"mine\.toml: programming\.form must be one of polynomial"):
        cell.load(path)


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_mapping_is_undone(name):
    w = np.linspace(-1, 1, 11)
    states = mapping(name).states(w)
    assert all((s >= 0).all() and (s <= 1).all() for s in states)
    assert mapping(name).weights(*states) == pytest.approx(w)
    x = np.random.default_rng(0).random((5, 11))
    matrix = np.random.default_rng(1).normal(size=(7, 11))
    got = Crossbar(matrix, CrossbarOptions(mapping=name, rows=4), None).multiply(x)
    assert got == pytest.approx(x @ matrix.T)


def test_slices_and_levels():
    w = np.random.default_rng(0).integers(-127, 128, (20, 30))
    slices = sliced(w, 7, 2)
    assert np.abs(slices).max() == 3
    assert (sum(s << (2 * k) for k, s in enumerate(slices)) == w).all()
    assert (quantised(w / 127, 8) * 127 == w).all()


# CrossSim 3.2.0 (BSD-3, Sandia), run on the same matrix: rms of the error over rms of the result.
@pytest.mark.parametrize(
    ("name", "rms"), [("hfo2-milo", 0.154), ("pcm-joshi", 0.130), ("sonos-40nm", 0.043), ("rram-wan", 0.280)]
)
def test_errors_are_those_of_crosssim(name, rms):
    g = np.random.default_rng(0)
    w, x = g.standard_normal((64, 96)), g.standard_normal((1, 96))
    options = CrossbarOptions(cell=cell.load(name), rows=96)
    errors = [Crossbar(w, options, g).multiply(x) - x @ w.T for _ in range(60)]
    assert np.sqrt(np.mean(np.square(errors)) / np.mean((x @ w.T) ** 2)) == pytest.approx(rms, rel=0.06)


def test_drift_of_pcm_is_compensated():
    g = np.random.default_rng(0)
    w, x = g.standard_normal((40, 50)), g.random((20, 50))
    after = {}
    for compensate in (False, True):
        options = CrossbarOptions(cell=cell.load("pcm-aihwkit"), seconds=DAY, compensate=compensate)
        bar = Crossbar(w, options, np.random.default_rng(1))
        after[compensate] = np.polyfit((x @ w.T).ravel(), bar.multiply(x).ravel(), 1)[0]
    assert after[False] == pytest.approx(0.66, abs=0.03)
    assert after[True] == pytest.approx(1, abs=0.05)


def test_read_noise_is_new_at_each_multiplication():
    bar = Crossbar(np.eye(30), CrossbarOptions(cell=cell.load("sonos-40nm")), np.random.default_rng(0))
    x, g = np.ones((400, 30)), np.random.default_rng(1)
    noise = bar.multiply(x, generator=g) - bar.multiply(x)
    assert noise.std() == pytest.approx(12.573 / 1600, rel=0.03)  # one cell of 1600 nA, and those at 0 nA have none
    assert (bar.multiply(x) == bar.multiply(x)).all()


def kirchhoff(g, wire, volts):
    """Solve an array node by node with a dense matrix: the currents of its columns."""
    rows, columns = g.shape
    node = {(kind, r, c): k for k, (kind, r, c) in enumerate((a, r, c) for a in "rc" for r in range(rows) for c in range(columns))}  # fmt: skip
    a, b = np.zeros((len(node), len(node))), np.zeros(len(node))

    def join(i, j, conductance):
        a[i, i] += conductance
        a[j, j] += conductance
        a[i, j] -= conductance
        a[j, i] -= conductance

    for r in range(rows):
        for c in range(columns):
            join(node["r", r, c], node["c", r, c], g[r, c])
            if c:
                join(node["r", r, c - 1], node["r", r, c], 1 / wire)
            if r:
                join(node["c", r - 1, c], node["c", r, c], 1 / wire)
        a[node["r", r, 0], node["r", r, 0]] += 1 / wire
        b[node["r", r, 0]] += volts[r] / wire
    for c in range(columns):
        a[node["c", rows - 1, c], node["c", rows - 1, c]] += 1 / wire
    v = np.linalg.solve(a, b)
    return np.array([v[node["c", rows - 1, c]] / wire for c in range(columns)])


@pytest.mark.parametrize(("rows", "columns", "wire"), [(1, 1, 0.1), (3, 5, 1e-2), (32, 32, 1e-3), (17, 8, 1e-5)])
def test_wires_against_a_direct_solve(rows, columns, wire):
    g = np.random.default_rng(0)
    cells, volts = g.uniform(0.1, 1, (rows, columns)), g.uniform(-1, 1, rows)
    expected = kirchhoff(cells, wire, volts)
    assert volts @ array.effective(cells, wire) == pytest.approx(expected, rel=1e-6)
    assert array.currents(lambda v: (cells * v, cells), volts, columns, wire) == pytest.approx(expected, rel=1e-6)
    assert np.abs(array.effective(cells, 1e-12) - cells).max() < 1e-6


def test_cells_that_are_not_linear_obey_kirchhoff():
    hfo2, g = cell.load("hfo2-milo"), np.random.default_rng(0)
    states, volts = g.uniform(62.5, 110, (8, 6)), g.uniform(0, 0.5, 8)
    ideal = array.currents(lambda v: hfo2.current(states, v), volts, 6)
    assert ideal == pytest.approx(hfo2.current(states, volts[:, None])[0].sum(axis=0))
    seen = {}

    def law(v):
        seen["v"] = v
        return hfo2.current(states, v)

    got = array.currents(law, volts, 6, 1e-5)
    assert got == pytest.approx(hfo2.current(states, seen["v"])[0].sum(axis=0), rel=1e-9)  # nothing is lost on the way
    assert (got < ideal).all()


def test_converters():
    adc = UniformAdc.sign_magnitude(4, 7)
    v = np.linspace(-9, 9, 1001)
    assert set(adc.convert(v)) == set(range(-7, 8))
    assert np.abs(adc.convert(v) - np.clip(v, -7, 7)).max() <= 0.5
    assert adc.stochastic(np.full(20000, 0.25), np.random.default_rng(0)).mean() == pytest.approx(0.25, abs=0.02)
    ideal = UniformAdc(6, -1, 1)
    for kind in ("sar", "ramp"):
        perfect = MismatchedAdc.draw(ideal, kind, 5, np.random.default_rng(0), gain_db=200)
        values = np.random.default_rng(1).uniform(-1.2, 1.2, (400, 5))
        assert (perfect.codes(values) == ideal.codes(values)).all()
        real = MismatchedAdc.draw(ideal, kind, 5, np.random.default_rng(0), sigma_capacitor=0.05, sigma_comparator=0.01)
        off = np.abs(real.convert(values) - ideal.convert(values))
        assert 0 < off.mean() < 2 * ideal.step
    shared = MismatchedAdc.draw(ideal, "sar", 6, np.random.default_rng(0), sigma_capacitor=0.1, group=3)
    same = np.tile(np.linspace(-1, 1, 99)[:, None], 6)
    codes = shared.codes(same)
    assert (codes[:, :3] == codes[:, :1]).all()
    assert (codes[:, 3] != codes[:, 0]).any()


def test_ranges():
    values = np.random.default_rng(0).normal(size=100_000)
    adc = ranges.calibrated(values, 4)
    error = [np.mean((UniformAdc(4, -a, a).convert(values) - values) ** 2) for a in (2, 2.5, 3, 3.5, 4.5)]
    assert np.mean((adc.convert(values) - values) ** 2) <= 1.05 * min(error)
    assert np.abs(adc.convert(np.zeros(1))) < 1e-12  # 0 is a level
    low = np.percentile(values, 0.01)
    assert ranges.calibrated(values, 8, 0.01).low == pytest.approx(low, abs=0.02)
    assert ranges.granular_bits(2, 128) == 9
    exact = ranges.granular(5, 2, -31)
    assert (exact.convert(np.arange(-31.0, 32, 2)) == np.arange(-31, 32, 2)).all()
    assert ranges.shifted(values, 8, 128).high in (4, 8)  # +-128 / 2**C


def test_isaac_is_exact_where_it_should_be():
    g = np.random.default_rng(0)
    random = g.integers(-(1 << 15), 1 << 15, (16, 256)), np.vstack([g.integers(0, 1 << 16, (7, 256)), np.full((1, 256), 65535)])
    adversarial = np.full((4, 128), 32767), np.full((2, 128), 65535)
    exact = {
        (name, bits, flips): bool((Isaac(adc_bits=bits, flips=flips).multiply(w, x) == x @ w.T).all())
        for name, (w, x) in {"random": random, "adversarial": adversarial}.items()
        for bits, flips in ((9, False), (8, False), (8, True), (7, True))
    }
    assert exact == {
        ("random", 9, False): True, ("random", 8, False): True, ("random", 8, True): True, ("random", 7, True): False,
        ("adversarial", 9, False): True, ("adversarial", 8, False): False, ("adversarial", 8, True): True,
        ("adversarial", 7, True): True,
    }  # fmt: skip
    assert Isaac().cells(random[0])[0].reshape(8, 2, 128, 16).sum(axis=2).max() <= 3 * 128 / 2
    assert Isaac().conversions_per_mac == 1


@pytest.mark.parametrize("name", SIGN_MAPPINGS)
def test_every_mapping_of_signs_is_exact_without_errors(name, digits):
    network, images = load("mnist-tfc"), digits[0][:200]
    for almost in (None, device(1e-6, 10)):
        ours = AnalogNetwork(network, ArrayOptions(mapping=name, device=almost, rows=100))
        assert (ours.predict(images) == golden.predict(network, images)).all()


def test_ideal_arrays_give_the_scores_of_every_type_of_layer(digits):
    for name in ("mnist-mlp", "mnist-cnn-small", "fashion-cnn"):  # the last with bit planes and levels
        network, images = load(name), digits[0][:20]
        assert (AnalogNetwork(network, ArrayOptions(rows=50)).scores(images) == golden.scores(network, images)).all()
    network = random_conv_network((5, 6, 4), [Conv(4, levels=3, shortcut=6), Conv(4, shortcut=3)])
    bits = np.random.default_rng(0).random((50, network.n_in)) < 0.5
    assert (AnalogNetwork(network, ArrayOptions(rows=50)).scores(bits) == golden.scores(network, bits)).all()


def test_a_converter_needs_more_bits_for_more_rows(digits):
    network, images, labels = load("mnist-tfc"), digits[0][:2000], digits[1][:2000]

    def accuracy(rows, bits):
        return float(np.mean(AnalogNetwork(network, ArrayOptions(rows=rows, adc_bits=bits)).predict(images) == labels))

    # The same 2,000 images in a numpy model of its own.
    for rows, bits, reference in ((32, 4, 91.8), (128, 3, 12.6), (128, 4, 81.9), (128, 5, 92.5)):
        assert 100 * accuracy(rows, bits) == pytest.approx(reference, abs=0.5)


def test_the_devices_are_those_of_the_digital_read(digits):
    network, wide = load("mnist-tfc"), device(1.0, 10)
    faults = draw_faults(network, wide, seed=3, trial=2)
    for k, layer in enumerate(network.layers):
        arrays = LayerArray(layer.weights, ArrayOptions(device=wide), layer=k, seed=3, trial=2)
        wrong = ((arrays._plus > arrays._minus) != layer.weights.T).T
        assert np.flatnonzero(wrong).tolist() == faults.flips[k].tolist()
        assert wrong.any()
    near = [np.mean(AnalogNetwork(network, ArrayOptions(device=device(s, 100)), trial=1).predict(digits[0][:1000]) == digits[1][:1000]) for s in (0.1, 0.5)]  # fmt: skip
    assert near[0] > near[1] + 0.03


def test_calibrated_converters_take_fewer_bits(digits):
    network, (images, labels) = load("mnist-tfc"), digits
    accuracy = {
        kind: np.mean(
            AnalogNetwork(network, ArrayOptions(adc_bits=3, adc_range=kind), training=images[5000:5500]).predict(images[:1000])
            == labels[:1000]
        )
        for kind in ("max", "calibrated")
    }
    assert accuracy["calibrated"] > accuracy["max"] + 0.3
    with pytest.raises(InputError, match="training must be images of a training set"):
        AnalogNetwork(network, ArrayOptions(adc_bits=3, adc_range="calibrated"))


def test_wires_and_drift_change_what_a_network_gives(digits):
    weights = np.random.default_rng(0).random((30, 60)) < 0.5
    ideal = LayerArray(weights, ArrayOptions())
    long_wires = LayerArray(weights, ArrayOptions(wire=1e-3, rows=60, columns=30))
    assert 0.5 < (long_wires._plus - long_wires._minus).std() / (ideal._plus - ideal._minus).std() < 1
    drifting = DeviceModel("d", 1e4, 1e6, 0.1, 0.1, relaxation=LogLaw(1.0, lrs_mu=0.1))
    assert abs(LayerArray(weights, ArrayOptions(device=drifting, seconds=1e6))._plus.max()) < 0.9
    kept = LayerArray(weights, ArrayOptions(device=drifting, seconds=1e6, compensate=True))
    assert np.abs(kept._plus - kept._minus).mean() == pytest.approx(1, abs=0.05)
