"""Error rates without the normal law: counted over pairs, by the law of tails that predicts best, and their intervals."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from oxnor.models.base.errors import InputError
from oxnor.models.devices import model as devices
from oxnor.models.devices.counted import counted_pairs, counted_singles
from oxnor.models.devices.error_rates import best_reference, error_rates
from oxnor.models.devices.lab.files import Readings
from oxnor.models.devices.rate_intervals import rate_intervals, rates_of
from oxnor.models.devices.states import Statistics
from oxnor.models.devices.tails import tail_rate
from oxnor.models.devices.uncertainty import BASE, Uncertainty


def readings(lrs, hrs, device=None):
    """Return readings of ln R, one of each state a device or as said."""
    own = np.arange(len(lrs)) if device is None else device
    both, states = np.concatenate([own, own]), np.repeat([False, True], len(lrs))
    names = tuple(map(str, range(int(own.max()) + 1)))
    return Readings("a.csv", names, both, states, np.concatenate([lrs, hrs]), np.arange(len(both)), {}, "", ())


def test_every_pair_is_counted_once():
    g = np.random.default_rng(0)
    lrs, hrs = g.integers(0, 12, 60).astype(float), g.integers(8, 20, 60).astype(float)
    found = counted_pairs(readings(lrs, hrs, np.arange(60) // 3))
    wrong, equal = lrs[:, None] > hrs[None, :], lrs[:, None] == hrs[None, :]
    assert (found.errors, found.ties, found.count) == (wrong.sum(), equal.sum(), 3600)
    assert found.low < found.rate < found.high
    single = counted_singles(readings(lrs, hrs), 9.5)
    assert single.errors == np.count_nonzero(lrs > 9.5) + np.count_nonzero(hrs < 9.5)


def test_intervals_allow_for_shared_devices():
    """Of 150 files, 99 % intervals hold the true rate nearly always; intervals of independent pairs would not."""
    g, rate = np.random.default_rng(3), 1e-2
    apart, inside, naive = -ndtri(rate) * np.hypot(0.3, 0.6), 0, 0
    for _ in range(150):
        device = np.repeat(np.arange(60), 4)
        lrs, hrs = (s * (0.8 * g.standard_normal(60)[device] + 0.6 * g.standard_normal(240)) for s in (0.3, 0.6))
        found = counted_pairs(readings(lrs, hrs + apart, device))
        inside += found.low <= rate <= found.high
        naive += abs(found.rate - rate) < 2.58 * np.sqrt(rate / found.count)
    assert inside >= 143
    assert naive < 100


def test_without_an_error_pairs_without_a_common_device_count():
    g = np.random.default_rng(0)
    found = counted_pairs(readings(g.standard_normal(50), 50 + g.standard_normal(50)))
    assert (found.errors, found.low) == (0, 0.0)
    assert found.high == pytest.approx(1 - 0.005 ** (1 / 50))


KINDS = {
    "normal": lambda g, n: 0.6 * g.standard_normal(n),
    "mixture": lambda g, n: 0.4 * g.standard_normal(n) - 2.0 * (g.random(n) < 0.05),
    "extreme": lambda g, n: 0.4 * np.log(-np.log(g.random(n))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_law_of_tails_is_the_one_that_was_drawn(kind):
    g = np.random.default_rng(2)
    lrs, hrs = 8.5 + 0.3 * g.standard_normal(1500), 11.2 + KINDS[kind](g, 1500)
    found = tail_rate(readings(lrs, hrs))
    assert (found.lrs.law.name, found.hrs.law.name) == ("normal", kind)
    assert found.normal == (kind == "normal")
    many = 11.2 + KINDS[kind](g, 400_000)
    true = float(np.mean(ndtr((8.5 - many) / 0.3)))
    assert found.low < true < found.high
    assert found.high / found.low < 100
    normal = ndtr(-(hrs.mean() - lrs.mean()) / np.hypot(lrs.std(), hrs.std()))
    assert kind == "normal" or normal < true / 3  # what the closed form makes of such readings


def test_few_devices_have_no_law_of_tails():
    g = np.random.default_rng(0)
    assert tail_rate(readings(g.standard_normal(19), 9 + g.standard_normal(19))) is None


def test_rates_of_many_devices_at_once_are_those_of_each():
    g = np.random.default_rng(0)
    for extra in ((0.0, 0.0, 1.0), (0.3, 0.2, 0.99), (0.3, 0.2, 0.99, 0.4)):
        low, high, d = g.uniform(0.1, 1, 20), g.uniform(0.1, 1, 20), g.uniform(0.5, 5, 20)
        rates = rates_of(np.full(20, 8.0), low, 8.0 + d, high, *extra)
        for k in range(20):
            one = error_rates(Statistics(8.0, low[k], 8.0 + d[k], high[k]), *extra)
            for name, value in rates.items():
                assert value[k] == pytest.approx(getattr(one, name), rel=1e-6, abs=1e-15), name
    assert best_reference(Statistics(8.0, 0.3, 11.0, 0.3)) == pytest.approx(9.5)


def test_uncertainty_of_a_preset_is_in_its_file(tmp_path):
    known = Uncertainty(BASE, np.diag([0.01, 0.02, 0.001, 0.002]), 30.0)
    device = devices.DeviceModel("x", 1e4, 2e5, 0.3, 0.6, uncertainty=known)
    device.save(tmp_path / "x.json")
    again = devices.load(tmp_path / "x.json")
    assert rate_intervals(again) == rate_intervals(device)
    assert rate_intervals(devices.load("weak-3.3e-2")) == {}
    low, high = rate_intervals(device)["ber_2t2r"]
    assert low < error_rates(device.at()).ber_2t2r < high


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ["lrs_median", "x"]}, "names must be some of lrs_median,"),
        ({"names": ["lrs_median"]}, "must hold names, a square of numbers, and a number"),
        ({"covariance": [[1, 2], [2, 1]]}, "covariance must be positive"),
        ({"covariance": [[1, 0], [1, 1]]}, "covariance must be 2 x 2, symmetric, and at most"),
        ({"covariance": [[1e308, 0], [0, 1]]}, "covariance must be 2 x 2, symmetric, and at most"),
        ({"freedom": 10**400}, "must hold names, a square of numbers, and a number"),
        ({"freedom": 0}, "freedom must be 1 or more, not 0"),
        ({"freedom": "3"}, "must hold names, a square of numbers, and a number"),
        ({"more": 1}, "must have names, covariance and freedom"),
    ],
)
def test_uncertainty_wrong(change, message):
    value = {"names": ["lrs_median", "hrs_median"], "covariance": [[1, 0], [0, 1]], "freedom": 5} | change
    with pytest.raises(InputError, match=rf"^uncertainty: {message}"):
        Uncertainty.from_json(value)
