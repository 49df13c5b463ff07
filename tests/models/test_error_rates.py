"""Closed-form error rates: against tables, minimisation, brute force over decoders, and Monte Carlo."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.special import ndtri

from oxnor.models.base.errors import InputError
from oxnor.models.devices import model as devices
from oxnor.models.devices.codes import CODES, Secded
from oxnor.models.devices.draws import interval, monte_carlo
from oxnor.models.devices.error_rates import (
    ErrorRates,
    ber_1t1r,
    ber_2t2r,
    best_reference,
    comparison,
    device_rates,
    equal_reference,
    equal_sigma_2t2r,
    error_rates,
    separation_curve,
    separation_for,
    separations,
    wear_curve,
)
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.states import LogLaw, Statistics

KINDS = [f.name for f in dataclasses.fields(ErrorRates)]

states = st.builds(
    lambda mu, d, low, high: Statistics(mu, low, mu + d, high),
    st.floats(5, 12), st.floats(0.1, 8), st.floats(0.05, 2), st.floats(0.05, 2),
)  # fmt: skip


def equal_sigma_device(p1, sigma=0.5):
    """Return a device with one sigma whose 1T1R rate is `p1`."""
    return DeviceModel("equal", 1e4, 1e4 * math.exp(-2 * sigma * float(ndtri(p1))), sigma, sigma)


# -- the table of the comparison


def test_table_of_error_rates():
    """Two figures of every entry, and of the estimate by which the longer codes are commonly given."""
    shown = [
        # 1T1R    2T2R      (8,4)     (39,32) exact, estimate   (72,64) exact, estimate
        ("5.0e-02", "1.0e-02", "1.6e-02", "4.6e-02", "4.8e-02", "5.2e-02", "5.4e-02"),
        ("3.3e-02", "4.7e-03", "7.1e-03", "2.5e-02", "2.6e-02", "3.2e-02", "3.4e-02"),
        ("1.0e-02", "5.0e-04", "6.9e-04", "3.3e-03", "3.3e-03", "5.3e-03", "5.5e-03"),
        ("1.0e-03", "6.2e-06", "7.0e-06", "3.7e-05", "3.8e-05", "6.9e-05", "6.9e-05"),
        ("1.0e-04", "7.2e-08", "7.0e-08", "3.8e-07", "3.8e-07", "7.1e-07", "7.1e-07"),
        ("1.0e-05", "8.1e-10", "7.0e-10", "3.8e-09", "3.8e-09", "7.1e-09", "7.1e-09"),
    ]
    keys = ["ber_1t1r", "ber_2t2r", "secded_8_4", "secded_39_32", "secded_39_32_pessimistic"]
    keys += ["secded_72_64", "secded_72_64_pessimistic"]
    assert [tuple(f"{row[key]:.1e}" for key in keys) for row in comparison()] == shown


def test_table_of_separations():
    shown = [
        ("4.0e-02", "2.48", "1.1e-01"),
        ("3.3e-02", "2.60", "9.7e-02"),
        ("1.0e-02", "3.29", "5.0e-02"),
        ("1.0e-03", "4.37", "1.4e-02"),
        ("1.0e-04", "5.26", "4.3e-03"),
        ("1.0e-06", "6.72", "3.9e-04"),
        ("1.0e-09", "8.48", "1.1e-05"),
    ]
    found = [(f"{r['ber_2t2r']:.1e}", f"{r['in_sigmas']:.2f}", f"{r['ber_1t1r']:.1e}") for r in separations()]
    assert found == shown


def test_2t2r_is_near_the_code_of_its_redundancy_for_equal_sigmas_only():
    for row in comparison():
        assert 1 / 1.6 < row["ber_2t2r"] / row["secded_8_4"] < 1.2
        assert row["secded_39_32"] > 4.5 * row["ber_2t2r"]
    # The same 1T1R rate, but one state three times as wide: the pair cannot average it away.
    unequal = error_rates(Statistics(0.0, 0.5, 2 * 3.719, 1.5))
    assert unequal.ber_1t1r < 1e-4
    assert unequal.ber_2t2r > 9 * unequal.secded_8_4


# -- one device and pairs


def test_2t2r_of_equal_sigmas_doubles_the_exponent():
    for p in (1e-1, 1e-3, 1e-8):
        rates = device_rates(equal_sigma_device(p))
        assert rates.ber_1t1r == pytest.approx(p, rel=1e-9)
        assert rates.ber_2t2r == pytest.approx(float(equal_sigma_2t2r(p)), rel=1e-9)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(states)
def test_best_reference_is_the_minimum(stats):
    best = best_reference(stats)
    low = minimize_scalar(lambda t: ber_1t1r(stats, t), bounds=(best - 2, best + 2), method="bounded")
    assert ber_1t1r(stats) <= low.fun * (1 + 1e-9)
    assert ber_1t1r(stats) <= ber_1t1r(stats, equal_reference(stats)) * (1 + 1e-12)
    assert ber_1t1r(stats) <= 0.5
    # Where the two densities cross.
    x, y = ((best - stats.lrs_mu) / stats.lrs_sigma, (stats.hrs_mu - best) / stats.hrs_sigma)
    assert x * x / 2 + math.log(stats.lrs_sigma) == pytest.approx(y * y / 2 + math.log(stats.hrs_sigma), abs=1e-6)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(states)
def test_equal_reference_errs_equally_often(stats):
    t = equal_reference(stats)
    both = -stats.separation / (stats.lrs_sigma + stats.hrs_sigma)
    assert (stats.lrs_mu - t) / stats.lrs_sigma == pytest.approx(both)
    assert (t - stats.hrs_mu) / stats.hrs_sigma == pytest.approx(both)


@settings(derandomize=True, max_examples=50, deadline=None)
@given(states, st.floats(0, 1))
def test_2t2r_against_integration(stats, offset):
    """The pair errs where LRS, moved by the offset, is above HRS: integrated over LRS instead of solved."""
    from scipy.stats import norm

    sigma = math.hypot(stats.lrs_sigma, offset)
    lrs, hrs = norm(stats.lrs_mu, sigma), norm(stats.hrs_mu, stats.hrs_sigma)
    peak = stats.lrs_mu + stats.separation * sigma**2 / (sigma**2 + stats.hrs_sigma**2)
    reach = 9 * min(sigma, stats.hrs_sigma)
    found, _ = quad(lambda x: lrs.pdf(x) * hrs.cdf(x), peak - reach, peak + 9 * sigma, epsabs=0, epsrel=1e-9, limit=200)
    assert ber_2t2r(stats, offset) == pytest.approx(found, rel=1e-5)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(states, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_rates_are_rates_and_offsets_never_help(stats, offset, noise, forming):
    rates = error_rates(stats, offset, noise, forming)
    assert all(0 <= getattr(rates, kind) <= 0.5 + 1e-12 for kind in KINDS)
    if forming == 1:
        assert rates.ber_2t2r <= rates.ber_2t2r_offset * (1 + 1e-12) <= rates.ber_2t2r_read * (1 + 2e-12)


def test_unformed_devices_leave_half_of_their_pairs_wrong():
    stats = Statistics(math.log(1e4), 0.1, math.log(1e6), 0.1)
    assert ber_2t2r(stats) < 1e-100
    assert ber_2t2r(stats, forming_yield=0.99) == pytest.approx(0.99 * 0.01 + 0.01**2 / 2)
    assert ber_1t1r(stats, forming_yield=0.99) == pytest.approx(0.005)
    assert ber_2t2r(stats, forming_yield=0.0) == ber_1t1r(stats, forming_yield=0.0) == 0.5


# -- codes


def patterns(n):
    return ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1).astype(bool)


@pytest.mark.parametrize("code", CODES, ids=lambda c: c.name)
def test_code_has_different_odd_columns(code):
    assert len(code.columns) == len(set(code.columns)) == code.n
    assert all(c.bit_count() % 2 == 1 for c in code.columns)
    assert code.columns[code.k :] == tuple(1 << i for i in range(code.n - code.k))
    rows = (np.array(code.columns)[:, None] >> np.arange(code.n - code.k)) & 1
    assert np.ptp(rows.sum(axis=0)) <= 1  # balanced, as Hsiao's codes are


@pytest.mark.parametrize("code", CODES, ids=lambda c: c.name)
def test_decoder_corrects_one_error_and_leaves_two(code):
    data = np.random.default_rng(0).random((20, code.k)) < 0.5
    words = code.encode(data)
    np.testing.assert_array_equal(words[:, : code.k], data)
    np.testing.assert_array_equal(code.decode(words), words)
    for i in range(code.n):
        one = words.copy()
        one[:, i] ^= True
        np.testing.assert_array_equal(code.decode(one), words)
        for j in range(i):
            two = one.copy()
            two[:, j] ^= True
            np.testing.assert_array_equal(code.decode(two), two)


def test_residual_by_brute_force():
    """Every one of the 2**8 error patterns through the decoder, at the weight that it has at three rates."""
    code = CODES[0]
    errors = patterns(8)
    wrong = code.decode(errors)[:, :4].sum(axis=1)
    weight = errors.sum(axis=1)
    assert code.residual_counts == tuple(int(wrong[weight == w].sum()) for w in range(9))
    for p in (0.4, 5e-2, 1e-5):
        chance = p**weight * (1 - p) ** (8 - weight)
        assert float(code.residual(p)) == pytest.approx(float(chance @ wrong) / 4, rel=1e-12)


def test_residual_counts_of_a_middle_sized_code_by_brute_force():
    code = Secded(16, 11)
    errors = patterns(16)
    wrong, weight = code.decode(errors)[:, :11].sum(axis=1), errors.sum(axis=1)
    assert code.residual_counts == tuple(int(wrong[weight == w].sum()) for w in range(17))


@pytest.mark.parametrize("code", CODES[1:], ids=lambda c: c.name)
def test_residual_of_the_long_codes_for_all_errors_of_up_to_three(code):
    """All patterns of one to three errors, one by one."""
    from itertools import combinations

    for weight in (1, 2, 3):
        places = np.array(list(combinations(range(code.n), weight)))
        errors = np.zeros((len(places), code.n), bool)
        np.put_along_axis(errors, places, True, axis=1)
        assert int(code.decode(errors)[:, : code.k].sum()) == code.residual_counts[weight]


@pytest.mark.parametrize("code", CODES[1:], ids=lambda c: c.name)
@pytest.mark.parametrize("p", [5e-2, 0.2])
def test_residual_of_the_long_codes_by_monte_carlo(code, p):
    """The decoder on random errors, where patterns of many errors count."""
    g = np.random.default_rng([code.n, round(1000 * p)])
    wrong = code.decode(g.random((200_000, code.n)) < p)[:, : code.k].sum(axis=1)
    mean, error = wrong.mean() / code.k, wrong.std() / code.k / math.sqrt(len(wrong))
    assert abs(mean - float(code.residual(p))) < 2.58 * error
    assert abs(mean - float(code.pessimistic(p))) > 5 * error  # the estimate is not the exact rate


@pytest.mark.parametrize("code", CODES, ids=lambda c: c.name)
def test_residual_for_small_rates_is_the_law_of_two_errors(code):
    p = np.geomspace(1e-12, 1e-5, 8)
    np.testing.assert_allclose(code.residual(p), code.estimate(p), rtol=2e-3)
    assert code.residual(0.0) == 0
    assert code.residual(0.5) == pytest.approx(0.5)


# -- Monte Carlo


@pytest.mark.parametrize("p1", [1e-2, 1e-3])
def test_monte_carlo_at_the_rates_of_the_comparison(p1):
    """2T2R within the 99 % interval, and with enough errors to say so."""
    found = monte_carlo(equal_sigma_device(p1), 4_000_000, seed=1)
    for kind in ("ber_1t1r", "ber_2t2r", "secded_8_4"):
        assert found[kind].errors >= 10
        assert found[kind].low <= found[kind].exact <= found[kind].high, kind
    assert found["ber_2t2r"].exact == pytest.approx(float(equal_sigma_2t2r(p1)))


@pytest.mark.parametrize("name", ["weak-3.3e-2", "unformed-1e-3", "wear-illustration", "offsets"])
def test_monte_carlo_of_every_kind(name):
    """And of an amplifier whose offset has a part that turns with the input, and of one for single devices."""
    device = devices.load("weak-3.3e-2" if name == "offsets" else name)
    if name == "offsets":
        device = dataclasses.replace(device, offset_sigma=0.2, turning_offset_sigma=0.6, single_offset_sigma=0.5)
        assert device.pair_offset_sigma == pytest.approx(math.hypot(0.2, 0.6))
    age = {"cycles": device.valid_cycles[1], "seconds": 1e3}
    found = monte_carlo(device, 300_000, **age, seed=2)
    exact = device_rates(device, **age)
    assert list(found) == KINDS
    for kind, estimate in found.items():
        assert estimate.exact == getattr(exact, kind)
        assert estimate.agrees, (kind, estimate)
    assert sum(e.low <= e.exact <= e.high for e in found.values()) >= len(KINDS) - 1


def test_monte_carlo_notices_a_wrong_closed_form(monkeypatch):
    from oxnor.models.devices import draws as device_draws

    device = devices.load("weak-3.3e-2")
    monkeypatch.setattr(device_draws, "device_rates", lambda d, c, s: device_rates(dataclasses.replace(d, hrs_sigma=0.8)))
    found = monte_carlo(device, 100_000)
    assert not any(found[kind].agrees for kind in ("ber_1t1r", "ber_2t2r", "ber_2t2r_offset", "ber_2t2r_read"))


def test_monte_carlo_is_repeatable_and_keyed():
    device = devices.load("weak-3.3e-2")
    a, b, c = (monte_carlo(device, 5000, seed=seed) for seed in (3, 3, 4))
    assert a == b
    assert a != c


def test_interval_is_that_of_clopper_and_pearson():
    from scipy.stats import binomtest

    for errors, trials in ((0, 50), (3, 50), (50, 50)):
        expected = binomtest(errors, trials).proportion_ci(0.99, "exact")
        assert interval(errors, trials) == pytest.approx((expected.low, expected.high))


# -- wear and inverse


def test_wear_curve_rises_and_is_that_of_the_device():
    device = devices.load("wear-illustration")
    curve = wear_curve(device)
    assert (curve.cycles[0], curve.cycles[-1], curve.cycles.size) == (1.0, 1e10, 51)
    assert set(curve.rates) == set(KINDS)
    for kind, rates in curve.rates.items():
        assert np.all(np.diff(rates) > 0), kind
        assert rates[-1] == getattr(device_rates(device, 1e10), kind)
    given_cycles = wear_curve(device, [0, 1e6])
    np.testing.assert_array_equal(given_cycles.cycles, [0, 1e6])


def test_wear_curve_outside_the_range():
    with pytest.raises(InputError) as e:
        wear_curve(devices.load("wear-illustration"), [1e11])
    assert str(e.value) == "cycles must be in [0, 1e+10] cycles, where 'wear-illustration' holds, not 1e+11"


def test_wear_curve_of_a_device_that_holds_for_one_moment():
    device = DeviceModel("now", 1e4, 1e5, 0.5, 0.5, valid_cycles=(0, 0), wear=LogLaw(10, hrs_mu=-0.1))
    assert wear_curve(device).cycles.tolist() == [0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", [0.3, 1e-3, 1e-9, 1e-25])
def test_inverse(kind, target):
    sigmas = {"lrs_sigma": 0.4, "hrs_sigma": 0.7, "offset_sigma": 0.2, "noise_sigma": 0.1, "single_offset_sigma": 0.3}
    found = separation_for(target, kind, **sigmas)
    rates = error_rates(Statistics(0.0, 0.4, found.difference, 0.7), 0.2, 0.1, 1.0, 0.3)
    assert getattr(rates, kind) == pytest.approx(target, rel=1e-6)
    assert found.ratio == pytest.approx(math.exp(found.difference))
    assert found.in_sigmas == pytest.approx(found.difference / math.sqrt((0.4**2 + 0.7**2) / 2))


def test_inverse_in_closed_form():
    assert separation_for(1e-4, "ber_2t2r").in_sigmas == pytest.approx(-math.sqrt(2) * ndtri(1e-4))
    assert separation_for(1e-4, "ber_1t1r").in_sigmas == pytest.approx(-2 * ndtri(1e-4))


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        (0.0, {}, "target error rate must be in [1e-30, 0.4], not 0"),
        (0.5, {}, "target error rate must be in [1e-30, 0.4], not 0.5"),
        (math.nan, {}, "target error rate must be in [1e-30, 0.4], not nan"),
        (
            1e-4,
            {"forming_yield": 0.99},
            "target error rate must be above 0.00995, which unformed devices cause, not 0.0001",
        ),
    ],
)
def test_inverse_wrong(target, options, message):
    with pytest.raises(InputError) as e:
        separation_for(target, "ber_2t2r", **options)
    assert str(e.value) == message


def test_separation_curve_falls_and_goes_through_the_device():
    device = devices.load("weak-3.3e-2")
    curve = separation_curve(device)
    rates = device_rates(device)
    for kind in KINDS:
        assert np.all(np.diff(curve[kind]) < 0), kind
        at = np.interp(-math.log(rates.ber_1t1r), -np.log(curve["ber_1t1r"]), np.log(curve[kind]))
        assert math.exp(at) == pytest.approx(getattr(rates, kind), rel=1e-2)
