"""The golden model of a macro made of devices: tables, draws, programming, wear, reads."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.devices import model as device
from oxnor.models.devices.device_macro import (
    AMPLIFIER_DEAD,
    AMPLIFIER_GIVES,
    BUCKETS,
    COLUMN_DEAD,
    COLUMN_READS,
    FORM,
    NORMAL_STEPS,
    RESET,
    SET,
    SIGMA_STEPS,
    STEPS,
    STUCK,
    TOP,
    TURNING_MAX,
    DeviceMacro,
    DeviceTables,
    count_reads,
    image_words,
    margins,
    normal_table,
    seeds,
)
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.states import LogLaw

WORN = DeviceModel(
    "worn", 8_000.0, 400_000.0, 0.35, 0.6, 0.1, 0.08, 0.97,
    wear=LogLaw(1e3, 0.06, -0.24, 0.03, 0.05), relaxation=LogLaw(1.0, 0.01, -0.03), valid_cycles=(0, 1e9),
)  # fmt: skip
N = 400_000


def numbers(seed, *shape):
    return np.random.default_rng(seed).integers(0, 1 << 32, shape, dtype=np.uint32)


def flat_tables(mean=10_000, sigma=0, **other):
    return DeviceTables(np.full((2, BUCKETS), mean), np.full((2, BUCKETS), sigma), **other)


def test_normal_table_stays_as_it_is():
    """A macro whose table was made elsewhere must hold these integers."""
    table = normal_table()
    assert (table.shape, table[0], table[63], table[64], table[1023]) == ((1024,), 20, 2738, 2775, 21384)
    assert np.all(np.diff(table.astype(int)) > 0)
    digest = hashlib.sha256(table.astype("<u2").tobytes()).hexdigest()
    assert digest[:16] == "e181523b69702ad9"


def test_drawn_numbers_are_normal():
    """Exact moments over all cells, each with its probability; and drawn ones within their standard errors."""
    z = normal_table() / NORMAL_STEPS
    weight = np.repeat(2.0 ** -np.minimum(np.arange(1, 17), 15), 64) / 64
    assert weight.sum() == 1
    assert weight @ z**2 == pytest.approx(1, abs=1e-3)
    assert weight @ z**4 == pytest.approx(3, abs=0.01)
    assert weight @ z == pytest.approx(np.sqrt(2 / np.pi), abs=1e-4)
    drawn = flat_tables().deviations(numbers(1, N), SIGMA_STEPS) / STEPS
    assert drawn.mean() == pytest.approx(0, abs=4 / np.sqrt(N))
    assert drawn.std() == pytest.approx(1, abs=4 / np.sqrt(2 * N))
    for limit, share in ((1, 0.3173), (2, 0.0455), (3, 0.0027), (4, 6.33e-5)):
        assert np.mean(np.abs(drawn) > limit) == pytest.approx(share, abs=4 * np.sqrt(share / N))


@pytest.mark.parametrize("cycles", [0, 1, 1000, 10**6, 10**9])
@pytest.mark.parametrize("seconds", [0.0, 3600.0])
def test_drawn_devices_have_the_statistics_of_the_model(cycles, seconds):
    tables = DeviceTables.from_device(WORN, cycles, seconds)
    wanted = WORN.at(cycles, seconds)
    weights = np.arange(N) % 2 == 0
    pairs = tables.programmed(weights, numbers([cycles, 1], 2, 2, N)).astype(int)
    unformed = pairs == TOP
    assert unformed.mean() == pytest.approx(0.03, abs=4 * np.sqrt(0.03 / N))
    for name, low in (("lrs", (weights, ~weights)), ("hrs", (~weights, weights))):
        values = np.concatenate([pairs[side][low[side] & ~unformed[side]] for side in range(2)]) / STEPS
        sigma = getattr(wanted, f"{name}_sigma")
        assert values.mean() == pytest.approx(getattr(wanted, f"{name}_mu"), abs=4 * sigma / np.sqrt(N) + 1 / STEPS)
        assert values.std() == pytest.approx(sigma, abs=4 * sigma / np.sqrt(2 * N) + 1 / STEPS)


def test_fixed_point_is_within_half_a_step_of_the_model():
    for cycles in (0, 5, 777, 10**8):
        tables, exact = DeviceTables.from_device(WORN, cycles, 10.0), WORN.at(cycles, 10.0)
        for state, name in enumerate(("lrs", "hrs")):
            b = tables.bucket()
            assert tables.means[state, b] / STEPS == pytest.approx(getattr(exact, f"{name}_mu"), abs=0.5 / STEPS)
            sigma = tables.sigmas[state, b] / SIGMA_STEPS
            assert sigma == pytest.approx(getattr(exact, f"{name}_sigma"), abs=0.5 / SIGMA_STEPS)
    assert tables.noise_sigma == round(0.08 * SIGMA_STEPS)
    assert tables.offset_sigma == round(0.1 * SIGMA_STEPS)
    assert tables.form_fails == round(0.03 * 2**32)


def test_buckets_stand_for_their_middle_and_the_end_of_the_range():
    tables = DeviceTables.from_device(WORN, 100)
    for b in (1, 5, 20, 29):
        assert tables.means[1, b] == round(WORN.at(2.0 ** (b - 0.5)).hrs_mu * STEPS)
    assert tables.means[1, 7] == round(WORN.at(100).hrs_mu * STEPS)
    assert set(tables.means[1, 31:]) == {round(WORN.at(1e9).hrs_mu * STEPS)}


@pytest.mark.parametrize("age", [0, 1, 6, 7, 1000, (1 << 40) - 1])
def test_bucket_is_the_bit_length_of_the_cycles(age):
    tables = flat_tables(age=age)
    assert [tables.bucket(n) for n in (0, 1, 2, 3, 4)] == [(age + k).bit_length() for k in (0, 0, 1, 1, 2)]
    assert tables.bucket((1 << 24) - 1) < BUCKETS


def test_wear_bucket_chooses_the_statistics():
    """With sigma 0 each operation leaves the mean of its bucket: the first two operations are cycle 0."""
    tables = DeviceTables(np.arange(2 * BUCKETS).reshape(2, BUCKETS), np.zeros((2, BUCKETS), int))
    macro = DeviceMacro.unformed(tables, 1, 1)
    seen = []
    for op in (FORM, RESET, SET, RESET, SET, RESET, SET, RESET, SET):
        macro.program(op, 1, 0, 0)
        seen.append(int(macro.pairs[1, 0, 0]))
    h = BUCKETS
    assert seen == [0, h, 1, h + 1, 2, h + 2, 2, h + 2, 3]
    assert macro.operations[:, 0, 0].tolist() == [0, 9]


def test_endurance_counter_saturates():
    macro = DeviceMacro.unformed(flat_tables(), 1, 2)
    macro.count_bits = 3
    for _ in range(20):
        macro.program(FORM, 0, 0, 1)
    assert macro.operations[:, 0].tolist() == [[0, 7], [0, 0]]


def test_unformed_devices_change_by_form_alone_and_stuck_ones_never():
    tables = flat_tables(mean=5000)
    macro = DeviceMacro.unformed(tables, 1, 3)
    macro.pairs[0, 0, 1] = STUCK | 123
    macro.pairs[0, 0, 2] = STUCK | TOP
    for op, expected in ((SET, TOP), (RESET, TOP), (FORM, 5000), (RESET, 5000)):
        for col in range(3):
            macro.program(op, 0, 0, col)
        assert macro.pairs[0, 0].tolist() == [expected, STUCK | 123, STUCK | TOP]


@pytest.mark.parametrize(("fails", "formed"), [(0, 1.0), (1 << 30, 0.75), ((1 << 32) - 1, 0.0)])
def test_forming_fails_as_often_as_told(fails, formed):
    macro = DeviceMacro.unformed(flat_tables(form_fails=fails), 40, 50)
    for row, col in np.ndindex(40, 50):
        macro.program(FORM, 0, row, col)
    assert np.mean(macro.pairs[0] != TOP) == pytest.approx(formed, abs=4 * np.sqrt(0.25 / 2000) * (0 < formed < 1))


@pytest.mark.parametrize(
    ("left", "right", "offset", "bit"),
    [(100, 101, 0, 1), (100, 100, 0, 0), (101, 100, 0, 0), (100, 100, 1, 1), (100, 105, -5, 0), (TOP, TOP, 0, 0),
     (0, TOP - 1, -32768, 0), (TOP, 0, 32767, 0), (TOP - 1, 0, 32767, 1)],
)  # fmt: skip
def test_decision_and_its_tie(left, right, offset, bit):
    pairs = np.array([[[left]], [[right]]], np.uint16)
    macro = DeviceMacro(flat_tables(), pairs, np.array([offset]), np.zeros(1, np.uint8), np.ones(1, np.uint32))
    assert macro.weights().tolist() == [[bool(bit)]]
    for x in (False, True):
        assert macro.read(np.array([0]), np.array([[x]])).tolist() == [[x == bool(bit)]]


def test_offset_errors_invert_the_weight_for_both_inputs():
    """The offset is referred to the bit lines: a wrong weight is wrong whatever x is."""
    pairs = np.array([[[100, 100]], [[90, 110]]], np.uint16)
    macro = DeviceMacro(flat_tables(), pairs, np.array([20, -20]), np.zeros(2, np.uint8), np.ones(2, np.uint32))
    for x in (False, True):
        assert macro.read(np.array([0]), np.full((1, 2), x)).tolist() == [[x, not x]]


@pytest.mark.parametrize("value", [0, 1])
def test_dead_columns_read_a_constant_weight_and_dead_amplifiers_give_a_constant(value):
    g = np.random.default_rng(3)
    tables = flat_tables(noise_sigma=60_000)
    flags = np.array([COLUMN_DEAD | value * COLUMN_READS, AMPLIFIER_DEAD | value * AMPLIFIER_GIVES, 0, 15], np.uint8)
    pairs = g.integers(0, TOP, (2, 8, 4)).astype(np.uint16)
    macro = DeviceMacro(tables, pairs, np.zeros(4, int), flags, seeds(numbers(4, 4)))
    x = g.random((500, 4)) < 0.5
    q = macro.read(g.integers(0, 8, 500), x)
    assert np.array_equal(q[:, 0], x[:, 0] == bool(value))
    assert np.all(q[:, 1] == bool(value))
    assert np.all(q[:, 3])  # a dead amplifier hides a dead column
    assert 0 < np.mean(q[:, 2]) < 1
    assert np.all(macro.weights()[:, 0] == bool(value))


def test_read_noise_has_its_sigma_and_no_memory():
    sigma = 0.1
    tables = flat_tables(noise_sigma=round(sigma * SIGMA_STEPS))
    cols, reads = 16, 20_000
    limits = np.linspace(-0.25, 0.25, cols)
    pairs = np.full((2, 1, cols), 10_000, np.uint16)
    offsets = np.round(limits * STEPS).astype(np.int64)
    macro = DeviceMacro(tables, pairs, offsets, np.zeros(cols, np.uint8), seeds(numbers(5, cols)))
    bits = macro.read(np.zeros(reads, int), np.ones((reads, cols), bool))
    from statistics import NormalDist

    share = np.array([NormalDist().cdf((o - 0.5) / STEPS / sigma) for o in offsets])
    assert np.abs(bits.mean(axis=0) - share).max() < 4 * np.sqrt(0.25 / reads)
    centred = bits - bits.mean(axis=0)
    for lag in (1, 2, 3, 7):
        correlation = (centred[lag:] * centred[:-lag]).mean(axis=0) / bits.var(axis=0)
        assert np.abs(correlation).max() < 5 / np.sqrt(reads)
    between = np.corrcoef(bits.T) - np.eye(cols)
    assert np.abs(between).max() < 5 / np.sqrt(reads)


def test_reads_go_on_where_they_stopped():
    tables = flat_tables(sigma=100, noise_sigma=300)
    pairs = tables.programmed(np.ones((4, 6), bool), numbers(6, 2, 2, 4, 6))

    def made():
        return DeviceMacro(tables, pairs, np.zeros(6, int), np.zeros(6, np.uint8), seeds(numbers(7, 6)))

    g = np.random.default_rng(8)
    rows, x = g.integers(0, 4, 100), g.random((100, 6)) < 0.5
    whole, parts = made(), made()
    expected = whole.read(rows, x)
    found = [parts.read(rows[a:b], x[a:b]) for a, b in ((0, 1), (1, 1), (1, 40), (40, 100))]
    assert np.array_equal(np.concatenate(found), expected)
    assert np.array_equal(whole.noise, parts.noise)


@pytest.mark.parametrize("planes", [1, 2, 4])
def test_counts_of_a_layer_are_those_of_single_reads(planes):
    """The fast kernel against one macro after the other, read by read, with unused columns and dead parts.

    Of a vector of several planes each pass reads them all before the next pass: the noise is drawn in that order.
    """
    g = np.random.default_rng(9)
    tables = flat_tables(sigma=200, noise_sigma=400)
    groups, across, slices, passes, cols, n = 2, 3, 2, 2, 5, 8
    macros, reads = groups * across, slices * passes
    pairs = np.stack([tables.programmed(g.random((reads, cols)) < 0.5, numbers([k], 2, 2, reads, cols)) for k in range(macros)], axis=1)
    offsets = tables.offsets(numbers(10, macros, cols)) + g.integers(-300, 300, (macros, cols))
    flags = np.where(g.random((macros, cols)) < 0.3, g.integers(0, 16, (macros, cols)), 0).astype(np.uint8)
    noise = seeds(numbers(11, macros, cols))
    x = g.random((n, across, slices, cols)) < 0.5
    used = np.array([[5, 5], [5, 3], [5, 0]])
    turning = g.integers(-300, 300, (macros, cols))
    counts = count_reads(tables, margins(pairs, offsets), flags, noise.copy(), x, used, turning, planes)
    for m in range(macros):
        macro = DeviceMacro(tables, pairs[:, m], offsets[m], flags[m], noise[m].copy(), turning=turning[m])
        h = m % across
        for first, p, plane, s in np.ndindex(n // planes, passes, planes, slices):
            i = first * planes + plane
            q = macro.read(np.array([p * slices + s]), x[i, h, s][None])[0, : used[h, s]]
            counts[m, i, p] -= q.sum()
    assert not counts.any()


def test_what_turns_with_the_input_is_added_for_1_and_subtracted_for_0():
    """Pairs at a distance of 3: an offset of 5 that turns decides for x = 1 and against it for x = 0: q is 1 for both."""
    tables = flat_tables()
    pairs = np.array([[[13, 13, 13, 13]], [[10, 10, 10, 10]]], np.uint16)
    macro = DeviceMacro(tables, pairs, np.zeros(4, int), np.zeros(4, np.uint8), np.ones(4, np.uint32), turning=np.array([0, 5, -5, 2]))
    q = macro.read(np.zeros(2, int), np.array([[1] * 4, [0] * 4], bool))
    assert q.tolist() == [[False, True, False, False], [True, True, False, True]]
    assert macro.weights(1).tolist() == [[False, True, False, False]]
    assert macro.weights(0).tolist() == [[False, False, True, False]]


def test_words_hold_each_field():
    tables = flat_tables()
    pairs = np.array([[[1, 2]], [[STUCK | 3, 4]]], np.uint16)
    macro = DeviceMacro(tables, pairs, np.array([-1, 5]), np.array([9, 0], np.uint8), np.array([6, 7], np.uint32), 8)
    assert macro.words().tolist() == [
        [0x8003_0001, 0x0004_0002], [0x0009_FFFF, 5], [6, 7], [8, 8]
    ]  # fmt: skip
    macro.turning = np.array([-1, TURNING_MAX])
    assert macro.words()[1].tolist() == [0xFFF9_FFFF, 0x7FF0_0005]
    many = image_words(pairs[:, None], np.zeros((1, 2), int), np.zeros((1, 2), np.uint8), *np.zeros((2, 1, 2), np.uint32))
    assert many.shape == (1, 4, 2)


def test_table_words_hold_each_field():
    tables = DeviceTables(np.arange(84).reshape(2, 42), np.arange(84).reshape(2, 42) + 100, 7, 8, 9, (5 << 32) + 6)
    words = tables.words()
    assert words.shape == (128,)
    assert (words[3], words[64 + 3]) == ((103 << 16) + 3, (145 << 16) + 45)
    assert (words[62], words[63], words[126], words[127]) == (7, 9, 6, 5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeviceTables.from_device(WORN, -1), "cycles must be an integer in [0, 1099511627776), not -1"),
        (lambda: DeviceTables.from_device(WORN, 1 << 40), "cycles must be an integer in [0, 1099511627776), not 1099511627776"),
        (lambda: DeviceTables.from_device(WORN, 1.5), "cycles must be an integer in [0, 1099511627776), not 1.5"),
        (lambda: DeviceTables.from_device(replace(WORN, lrs_median=0.5)), "device 'worn': ln(R / ohm) must be in [0, 31.999) for a device macro"),
        (lambda: DeviceTables.from_device(replace(WORN, hrs_sigma=9.0)), "device 'worn': sigma must be in [0, 8) for a device macro"),
        (lambda: DeviceTables.from_device(replace(WORN, read_noise_sigma=8.0)), "device 'worn': read_noise_sigma must be in [0, 8) for a device macro"),
        (lambda: flat_tables(age=1 << 40), "device macro: age must be in [0, 1099511627775], not 1099511627776 to 1099511627776"),
        (lambda: flat_tables(mean=TOP), "device macro: means must be in [0, 32766], not 32767 to 32767"),
    ],
)  # fmt: skip
def test_refuses(make, message):
    with pytest.raises(InputError) as e:
        make()
    assert str(e.value) == message


def test_cycles_beyond_the_range_of_a_device_are_refused():
    with pytest.raises(InputError, match="where 'worn' holds"):
        DeviceTables.from_device(WORN, 2 * 10**9)


@pytest.mark.parametrize("name", device.names())
def test_every_preset_has_a_device_macro(name):
    assert DeviceTables.from_device(device.load(name)).means.shape == (2, BUCKETS)
