"""What trials say: intervals and knees against closed forms and simulation."""

import numpy as np
import pytest

from oxnor.models.trials.curves import Curve, point


def test_one_trial_has_no_spread():
    p = point(0.01, np.array([0.9]), 400)
    assert (p.trials, p.mean, p.sd, p.mean_low, p.band_high) == (1, 0.9, None, None, None)
    assert p.test_se == pytest.approx(np.sqrt(0.9 * 0.1 / 400))


def test_intervals_are_those_of_student():
    p = point(0.01, np.array([0.90, 0.92, 0.94]), 10_000)
    # t(0.975, 2) = 4.302653, sd = 0.02
    assert p.sd == pytest.approx(0.02)
    assert (p.mean_low, p.mean_high) == pytest.approx((0.92 - 4.302653 * 0.02 / 3**0.5, 0.92 + 4.302653 * 0.02 / 3**0.5))
    half = 4.302653 * 0.02 * (4 / 3) ** 0.5
    assert (p.band_low, p.band_high) == pytest.approx((0.92 - half, min(1, 0.92 + half)))


def test_intervals_hold_what_they_promise():
    """Of 2,000 sets of 10 trials, 95 % of the intervals have the mean inside and 95 % of the bands one more trial."""
    g = np.random.default_rng(7)
    draws = 0.9 + 0.01 * g.standard_normal((2000, 11))
    points = [point(0.01, row[:10], 100) for row in draws]
    inside = np.mean([p.mean_low <= 0.9 <= p.mean_high for p in points])
    next_inside = np.mean([p.band_low <= row[10] <= p.band_high for p, row in zip(points, draws, strict=True)])
    assert abs(inside - 0.95) < 0.015
    assert abs(next_inside - 0.95) < 0.015


@pytest.mark.parametrize(
    ("means", "limit", "expected"),
    [
        ({1e-3: 0.98, 1e-2: 0.97, 1e-1: 0.75}, 0.01, 1e-2),
        ({1e-3: 0.98, 1e-2: 0.97, 1e-1: 0.75}, 0.005, 10**-2.5),
        ({1e-3: 0.98, 1e-2: 0.97, 1e-1: 0.75}, 0.5, "above 0.1"),
        ({1e-3: 0.90, 1e-2: 0.97, 1e-1: 0.75}, 0.01, "below 0.001"),
        ({1e-3: 0.97}, 0.02, "above 0.001"),
    ],
)
def test_knee(means, limit, expected):
    knee = Curve("c", {rate: np.array([mean, mean]) for rate, mean in means.items()}, 0.98, 100).knee(limit)
    if isinstance(expected, str):
        assert knee.rate is None
        assert str(knee) == expected
    else:
        # Equal trials leave nothing to chance: the interval is the knee. At exactly the limit nothing is lost yet.
        assert (knee.rate, knee.low, knee.high) == pytest.approx((expected,) * 3, rel=1e-6)


def test_interval_of_the_knee_widens_with_the_spread():
    g = np.random.default_rng(3)
    widths = []
    for sd in (0.001, 0.004):
        trials = {r: m + sd * g.standard_normal(10) for r, m in ((1e-3, 0.978), (1e-2, 0.972), (1e-1, 0.93))}
        knee = Curve("c", trials, 0.98, 100).knee(0.02)
        assert knee.low < knee.rate < knee.high
        widths.append(np.log(knee.high / knee.low))
    assert widths[1] > 2 * widths[0]


def test_json_of_a_curve_is_json():
    import json

    curve = Curve("c", {1e-2: np.array([0.9, 0.8])}, 0.98, 100)
    found = json.loads(json.dumps(curve.to_json(), allow_nan=False))
    assert found["points"][0]["mean"] == pytest.approx(0.85)
    assert found["knee"]["text"] == "below 0.01"
