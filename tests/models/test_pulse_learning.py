"""Pulses on crossbars: kernels against a plain twin, laws against their closed forms, tables against their files."""

import math
from dataclasses import replace

import numpy as np
import pytest

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.learning import crossbar_kernels as k
from oxnor.models.learning import draws, pulse_devices, update_tables
from oxnor.models.learning.crossbar import (
    LearningParams,
    PulseNetwork,
    crossbar,
    device_names,
    mean_steps,
    pulse_device,
)
from oxnor.models.learning.pulse_devices import PulseDevice, neurosim, steps, symmetry_points


def device(law="constant", dw_min=0.01, **more):
    return PulseDevice("x", "", "", law, dw_min, **more)


def key(trial=0):
    return draws.state("pulses", seed=3, layer=0, trial=trial)


class Draws:
    """xoshiro256++ in Python's integers."""

    def __init__(self, state):
        self.s = [int(v) for v in state]

    def uniform(self):
        def rotated(x, n):
            return (x << n | x >> (64 - n)) % 2**64

        s = self.s
        found = (rotated((s[0] + s[3]) % 2**64, 23) + s[0]) % 2**64
        t = s[1] << 17
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] = (s[2] ^ t) % 2**64
        s[3] = rotated(s[3], 45)
        return (found >> 11) / 2**53

    def normal(self):
        radius = math.sqrt(-2 * math.log(1 - self.uniform()))
        return radius * math.cos(2 * math.pi * self.uniform())


class Twin:
    """A crossbar in plain Python, with numpy's form of the laws."""

    def __init__(self, tile, state):
        self.cells, self.seen, self.law, self.tables = tile.cells.copy(), tile.seen.copy(), tile.law, tile.tables
        self.g = Draws(state)

    def pulse(self, cell, up):
        law, w = self.law, cell[k.STATE]
        if law[k.KIND] == k.TABLE:
            table = self.tables[int(cell[k.TABLE_OF]), int(up)]
            row = table[round((w + 1) / 2 * (len(table) - 1))]
            w += np.interp(self.g.uniform() * (len(row) - 1), np.arange(len(row)), row)
        else:
            step = steps(law, cell)[0 if up else 1]
            if law[k.C2C]:
                around = abs(step) + law[k.C2C_OFFSET] + law[k.C2C_SLOPE] * abs(w)
                spread = cell[k.UP if up else k.DOWN] if law[k.ADDITIVE] else around
                step += law[k.C2C] * spread * self.g.normal()
            w += step
        cell[k.STATE] = min(max(w, cell[k.LOW]), cell[k.HIGH])
        cell[k.PULSES] += 1

    def write(self, i, j, n, up):
        pair = len(self.cells) == 2
        a, b = self.cells[0, i, j], self.cells[-1, i, j]
        for _ in range(n):
            self.pulse(b if pair and not up else a, up or pair)
        if pair and (a[k.STATE] > 0.75 * a[k.HIGH] or b[k.STATE] > 0.75 * b[k.HIGH]):
            apart = a[k.STATE] - b[k.STATE]
            for cell in (a, b):
                cell[k.STATE] = 0
                cell[k.PULSES] += 1
            for _ in range(int(abs(apart) / self.law[k.DW_MIN])):
                if (a if apart > 0 else b)[k.STATE] < abs(apart):
                    self.pulse(a if apart > 0 else b, True)
        self.seen[i, j] = a[k.STATE] - (b[k.STATE] if pair else a[k.REFERENCE])
        if self.law[k.WRITE_NOISE]:
            self.seen[i, j] += self.law[k.WRITE_NOISE] * self.g.normal()

    def update(self, x, d, lr, longest, exact):
        rate, x_most, d_most = lr / self.law[k.DW_MIN], np.abs(x).max(), np.abs(d).max()
        slots = min(math.ceil(rate * x_most * d_most), longest)
        fires = np.minimum(math.sqrt(rate / slots * d_most / x_most) * np.abs(x), 1)
        other = np.minimum(math.sqrt(rate / slots * x_most / d_most) * np.abs(d), 1)
        if not exact:
            for i, j in np.argwhere(np.outer(x, np.ones_like(d)) != 0):
                n = int(slots * fires[i] * other[j] + self.g.uniform())
                if n:
                    self.write(i, j, n, x[i] * d[j] < 0)
            return
        for _ in range(slots):
            rows = [i for i in range(len(x)) if x[i] and self.g.uniform() < fires[i]]
            columns = [j for j in range(len(d)) if d[j] and self.g.uniform() < other[j]]
            for i in rows:
                for j in columns:
                    self.write(i, j, 1, x[i] * d[j] < 0)


@pytest.mark.parametrize("name", [n for n in device_names() if n != "float"])
@pytest.mark.parametrize("exact", [False, True], ids=["closed", "exact"])
def test_updates_are_those_of_the_plain_twin(name, exact):
    g = np.random.default_rng(5)
    tile = crossbar(pulse_device(name), g.uniform(-0.7, 0.7, (6, 4)), g, zero_shift=not exact)
    state = key()
    twin = Twin(tile, state)
    for _ in range(4):
        x, d = g.random(6) * (g.random(6) < 0.8), g.normal(0, 1, 4)
        (k.update_exact if exact else k.update_closed)(tile, x, d, 0.3, 12, state)
        twin.update(x, d, 0.3, 12, exact)
    assert tile.cells == pytest.approx(twin.cells, abs=1e-9)
    assert tile.seen == pytest.approx(twin.seen, abs=1e-9)
    assert tile.cells[..., k.PULSES].sum() > 10


def test_draws_are_uniform_and_normal():
    state = key()
    found = np.array([[draws.uniform(state), draws.normal(state)] for _ in range(4000)]).T
    assert found.mean(axis=1) == pytest.approx([0.5, 0], abs=0.05)
    assert found.std(axis=1) == pytest.approx([12**-0.5, 1], abs=0.03)
    assert np.all((found[0] >= 0) & (found[0] < 1))


def images(n=30, pixels=12):
    g = np.random.default_rng(1)
    return g.integers(0, 256, (n, pixels), dtype=np.uint8), g.integers(0, 3, n)


def plain(params, x, labels, net):
    """Train in numpy, in float, and return the weights."""
    weights = [tile.seen.copy() for tile in net.layers]
    fast, memory = ([np.zeros_like(w) for w in weights] for _ in range(2))
    for step, n in enumerate(rng.stream("order", seed=7, layer=0, trial=0).permutation(len(x))):
        a = np.append(x[n] / 255, 1)
        h = np.append(1 / (1 + np.exp(-a @ weights[0])), 1)
        p = np.exp(h @ weights[1])
        d = p / p.sum() - np.eye(3)[labels[n]]
        back = (weights[1][:-1] @ d) * h[:-1] * (1 - h[:-1])
        for w, f, m, u, v in zip(weights, fast, memory, (a, h), (back, d), strict=True):
            if params.rule == "sgd":
                w -= params.lr * np.outer(u, v)
            elif params.rule == "momentum":
                m *= params.momentum
                m += (1 - params.momentum) * np.outer(u, v)
                w -= params.lr * m
            else:
                f -= params.lr * np.outer(u, v)
                j = step % len(v)
                w[:, j] += params.transfer * f[:, j]
    return weights


@pytest.mark.parametrize("rule", ["sgd", "momentum", "tiki-taka", "tiki-taka-v2"])
def test_rules_are_those_of_numpy(rule):
    x, labels = images()
    params = LearningParams(hidden=5, epochs=1, images=len(x), lr=0.5, rule=rule)
    net = PulseNetwork(None, params, 12, 3, 7)
    wanted = plain(params, x, labels, net)
    net.train(x, labels)
    for tile, w in zip(net.layers, wanted, strict=True):
        assert tile.seen == pytest.approx(w, abs=1e-12)


@pytest.mark.parametrize("rule", ["sgd", "momentum", "tiki-taka", "tiki-taka-v2"])
def test_small_steps_without_spread_are_float(rule):
    x, labels = images()
    params = LearningParams(hidden=5, epochs=1, images=len(x), lr=0.5, rule=rule, longest=10_000)
    found = []
    for d in (None, device(dw_min=6e-5, w_min=-9, w_max=9)):
        net = PulseNetwork(d, params, 12, 3, 7)
        net.train(x, labels)
        found.append(np.concatenate([tile.seen.ravel() for tile in net.layers]))
    assert np.abs(found[0] - found[1]).max() < 2e-3
    assert found[0].std() > 0.1


def pulsed(d, p_up, calls=600, columns=300, seed=0):
    """Return the mean weight after many pulses that go up with probability `p_up`."""
    g = np.random.default_rng(seed)
    tile, state = crossbar(d, np.zeros((1, columns)), g), key()
    means = []
    for _ in range(calls):
        ups = g.random(columns) < p_up
        k.update_exact(tile, np.ones(1), np.where(ups, -1, 1) * d.dw_min * 0.999999, 1.0, 1, state)
        means.append(tile.seen.mean())
    assert tile.cells[..., k.PULSES] == pytest.approx(calls, abs=2)
    return np.mean(means[calls // 2 :])


@pytest.mark.parametrize("p_up", [0.3, 0.5, 0.8])
def test_soft_bounds_go_to_the_mean_of_their_ends(p_up):
    soft = device("soft-bounds", 0.02, w_max=1.25, w_min=-0.75, c2c=0.5, additive=True)
    rate_up, rate_down = p_up / 1.25, (1 - p_up) / 0.75
    assert pulsed(soft, p_up) == pytest.approx((p_up - (1 - p_up)) / (rate_up + rate_down), abs=0.02)


def test_symmetry_points():
    for name in pulse_devices.names():
        d = pulse_device(name)
        g = np.random.default_rng(2)
        tile = crossbar(d, np.zeros((8, 8)), g, zero_shift=True)
        low, high = tile.cells[0, ..., k.LOW], tile.cells[0, ..., k.HIGH]
        at = symmetry_points(tile.law, tile.cells)[0]
        inside = (at > low + 1e-6) & (at < high - 1e-6) & (at != 0)
        cells = tile.cells[0].copy()
        cells[..., k.STATE] = at
        assert np.abs(steps(tile.law, cells).sum(axis=0))[inside] == pytest.approx(0, abs=1e-8)
        if not d.pair:
            assert np.array_equal(tile.cells[0, ..., k.REFERENCE], at)
            noise = 5 * d.write_noise * d.dw_min
            assert np.abs(tile.seen).max() <= noise
    assert symmetry_points(device().constants(), device().mean_cells(np.zeros(1)))[0] == 0


def test_pulses_of_the_exponential_rate_add_up():
    d = pulse_device("exponential-rate")
    one = d.mean_cells(np.linspace(-1, 0.5, 7))
    for up, index in ((True, k.UP), (False, k.DOWN)):
        many, long = one.copy(), one.copy()
        for _ in range(10):
            many[..., k.STATE] += steps(d.constants(), many)[0 if up else 1]
        long[..., index] *= 10
        long[..., k.STATE] += steps(d.constants(), long)[0 if up else 1]
        assert many[..., k.STATE] == pytest.approx(long[..., k.STATE], abs=1e-12)


@pytest.mark.parametrize(("nl", "published"), [(0.01, 126.27), (0.1, 12.63), (1, 1.2517), (2, 0.609)])
def test_neurosim_follows_its_formula(nl, published):
    levels = 32
    d = neurosim(levels, nl, nl)
    a = (1.263 - 0.0113 * nl**2) / nl * levels
    assert a / levels == pytest.approx(published, rel=0.003)
    b, w = 2 / (1 - np.exp(-levels / a)), np.array([-1.0])
    for p in range(1, levels + 1):
        w = w + mean_steps(d, w)[0]
        assert w[0] == pytest.approx(b * (1 - np.exp(-p / a)) - 1, abs=1e-9)
    assert mean_steps(d, -w)[1] == pytest.approx(-mean_steps(d, w)[0])
    apart = neurosim(32, 1.75, 0.5)
    assert mean_steps(apart, np.zeros(1))[0] > -mean_steps(apart, np.zeros(1))[1] > 0


def test_devices_differ_as_their_preset_says():
    d = pulse_device("reram-array-om")
    cells = crossbar(d, np.zeros((200, 200)), np.random.default_rng(0)).cells[0]
    up, high = cells[..., k.UP], cells[..., k.HIGH]
    assert np.log(up / d.dw_min).std() == pytest.approx(0.7829, rel=0.02)
    assert np.median(high) == pytest.approx(1, rel=0.02)
    assert (cells[..., k.LOW] <= 0).all()
    es = pulse_device("reram-es").mean_cells(np.zeros(1))[0]
    assert (es[k.UP], es[k.DOWN]) == pytest.approx((0.00135, 0.00135 * (1 - 0.259359)))
    assert {pulse_device(n).steps > 1 for n in pulse_devices.names()} == {True}


def test_write_noise_is_not_in_the_state():
    d = device(write_noise=5.0)
    tile = crossbar(d, np.zeros((1, 4000)), np.random.default_rng(0))
    k.update_exact(tile, np.ones(1), np.full(4000, -0.01 * 0.999999), 1.0, 1, key())
    state = tile.cells[0, ..., k.STATE]
    assert state == pytest.approx(0.01)
    assert (tile.seen - state).std() == pytest.approx(0.05, rel=0.05)


def test_pairs_are_refreshed_and_capacitors_leak():
    pair = replace(pulse_device("pcm-pair"), c2c=0.0, dw_min_dtod=0.0, w_max_dtod=0.0, up_down_dtod=0.0)
    tile, state = crossbar(pair, np.zeros((1, 1)), np.random.default_rng(0)), key()
    for n in range(400):
        before = tile.seen[0, 0]
        k.update_exact(tile, np.ones(1), np.array([1.0 if n % 2 else -1.0]) * pair.dw_min * 0.999999, 1.0, 1, state)
        assert abs(tile.seen[0, 0] - before) < 0.4  # a refresh writes in whole steps
        assert tile.cells[..., k.STATE].max() <= 0.75 * 2 + 0.3
    assert tile.cells[..., k.PULSES].sum() > 400
    leaky = crossbar(device(lifetime=1000.0), np.full((2, 2), 0.5), np.random.default_rng(0))
    k.leak(leaky, 100)
    assert leaky.seen == pytest.approx(0.5 * np.exp(-0.1))
    assert leaky.cells[..., k.STATE] == pytest.approx(leaky.seen[None])


# Tables


def table_text(bins=(1e-6, 2e-6, 3e-6), shares=(0, 0.5, 1), changes=((0, 0, 0), (1e-7, 1e-7, 0), (2e-7, 1e-7, 0))):
    lines = ["a remark", ", ".join(map(str, bins)), ",\t".join(map(str, shares))]
    return "\n".join([*lines, *(", ".join(map(str, row)) for row in changes)]) + "\n\n"


def write_tables(folder, up, down, end=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"dG_increasing{end}.txt").write_text(up)
    (folder / f"dG_decreasing{end}.txt").write_text(down)
    return folder


def test_enode_is_as_published():
    found = update_tables.enode()
    low, high = found.ranges[0]
    assert 0.2977e-3 <= low < 0.32e-3
    assert 0.95e-3 < high < 0.979e-3
    # Mean change over the range of the file, which is somewhat wider.
    up, down = found.mean_steps(np.linspace(-1, 1, 7)) / 2
    assert up == pytest.approx([0.0113, 0.0103, 0.0095, 0.0080, 0.0058, 0.0032, 0.0011], abs=0.0005)
    assert down == pytest.approx([-0.0010, -0.0025, -0.0037, -0.0044, -0.0049, -0.0046, -0.0028], abs=0.0005)
    at = found.symmetry_points()
    assert np.abs(found.mean_steps(at).sum(axis=0)) == pytest.approx(0, abs=1e-3)


def test_tables_of_several_devices_and_the_visited_range(tmp_path):
    """SET reaches 6 uS, RESET 2 uS: what the file says beyond is not used."""
    bins = np.linspace(1e-6, 9e-6, 81)
    up, down = ((end - bins) * 0.1 for end in (6e-6, 2e-6))
    shares = np.linspace(0, 1, 5)
    texts = [table_text(bins, shares, np.tile(v, (5, 1))) for v in (up, down)]
    for n in range(3):
        write_tables(tmp_path / str(n), *texts, end=str(n))
    found = update_tables.load_tables(tmp_path)
    assert found.tables.shape == (3, 2, *update_tables.SHAPE)
    assert found.ranges[2] == pytest.approx((2e-6, 6e-6), abs=0.15e-6)
    assert found.mean_steps(np.array([0.0]))[:, 0] == pytest.approx([0.1, -0.1], abs=0.01)
    tile = crossbar(found, np.zeros((30, 30)), np.random.default_rng(0), zero_shift=True)
    assert set(tile.cells[0, ..., k.TABLE_OF].ravel()) == {0, 1, 2}
    assert tile.cells[0, ..., k.STATE] == pytest.approx(0, abs=0.05)


BAD = [
    (table_text(bins=(1, "x", 3)), "line 2: column 2 must be a number, not 'x'"),
    (table_text(bins=(1e-6, 3e-6, 2e-6)), "line 2: must be two or more rising conductances from 0 on"),
    (table_text(bins=(1e-6, float("inf"), 3e-6)), "line 2: column 2 must be finite"),
    (table_text(shares=(0, 0.9, 0.8)), "line 3: must be shares that rise from 0 to 1"),
    (table_text(changes=((0, 0), (0, 0, 0), (0, 0, 0))), "line 4: must have 3 numbers, one for each conductance, not 2"),
    (table_text(changes=((0, 0, 0), (0, 0, 0))), "must have 3 lines of changes, one for each share of line 3, not 2"),
    ("x\n", "must have a remark, a line of conductances, one of shares, and a line for each share"),
    ("\xff", "must have a remark, a line of conductances, one of shares, and a line for each share"),
]


@pytest.mark.parametrize(("text", "rule"), BAD, ids=range(len(BAD)))
def test_damaged_tables_are_refused(tmp_path, text, rule):
    folder = write_tables(tmp_path, table_text(), text)
    with pytest.raises(InputError) as e:
        update_tables.load_tables(folder)
    assert str(e.value) == f"{folder / 'dG_decreasing.txt'}{'' if rule.startswith('must') else ', '}{': ' if rule.startswith('must') else ''}{rule}"


def test_refused_folders(tmp_path):
    name = "dG_decreasing.txt and dG_increasing.txt"
    for folder, rule in (
        (tmp_path / "none", f"table must be a folder with {name}, not {tmp_path / 'none'}"),
        (tmp_path, f"table must be a folder with {name}, or with folders of them, not {tmp_path}"),
    ):
        with pytest.raises(InputError) as e:
            update_tables.load_tables(folder)
        assert str(e.value) == rule
    (tmp_path / "dG_decreasing.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"must have dG_increasing\.txt beside it"):
        update_tables.load_tables(tmp_path)
    (tmp_path / "dG_increasing.txt").write_text(table_text())
    with pytest.raises(InputError, match=r"dG_decreasing\.txt: must be text in UTF-8"):
        update_tables.load_tables(tmp_path)
    still = table_text(changes=((0, 0, 0),) * 3)
    with pytest.raises(InputError, match="must move the conductance"):
        update_tables.load_tables(write_tables(tmp_path, still, still))
    with pytest.raises(InputError, match=r"conductances must overlap with those of dG_decreasing\.txt"):
        update_tables.load_tables(write_tables(tmp_path, table_text(bins=(7, 8, 9)), still))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: device("cubic"), "law must be one of constant, linear, soft-bounds, exponential, exponential-rate, not 'cubic'"),
        (lambda: device(dw_min=0), "dw_min must be above 0, not 0"),
        (lambda: device(c2c=-1), "c2c must be at least 0, not -1"),
        (lambda: device(c2c=float("nan")), "c2c must be at least 0, not nan"),
        (lambda: device(w_min=0.5), "w_min must be at most 0, not 0.5"),
        (lambda: device(w_max=0), "w_max must be above 0, not 0"),
        (lambda: device("exponential-rate"), "gamma_up and gamma_down must be above 0 in the law exponential-rate"),
        (lambda: neurosim(32, 3, 1), "nl_up must be in (0, 2], not 3"),
        (lambda: neurosim(1, 1, 1), "levels must be in [2, 1000000], not 1"),
        (lambda: LearningParams(hidden=0), "hidden must be in [1, 4096], not 0"),
        (lambda: LearningParams(lr=0), "lr must be above 0 and at most 100, not 0"),
        (lambda: LearningParams(decay=2), "decay must be above 0 and at most 1, not 2"),
        (lambda: LearningParams(momentum=1), "momentum must be in [0, 1), not 1"),
        (lambda: LearningParams(rule="adam"), "rules must be some of sgd, momentum, tiki-taka, tiki-taka-v2, not 'adam'"),
    ],
)
def test_numbers_out_of_range(make, message):
    with pytest.raises(InputError) as e:
        make()
    assert str(e.value) == message


def test_device_files(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\ndescription = ""\nsource = "lab"\nlaw = "linear"\ndw_min = 0.01\nc2c = -2\n')
    with pytest.raises(InputError) as e:
        pulse_device(path)
    assert str(e.value) == f"{path}: c2c must be at least 0, not -2"
    path.write_text(path.read_text().replace("-2", "0.5"))
    assert pulse_device(str(path)).c2c == 0.5
    with pytest.raises(InputError, match=r"devices must be some of float, enode, capacitor, .*\(did you mean ecram"):
        pulse_device("ecran")
