"""Sweeps against what an experimenter turns, of several kinds of error, and with a rule of stopping."""

import dataclasses
import json
import math
import sqlite3

import numpy as np
import pytest
from helpers import cli

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.devices.draws import draw_faults
from oxnor.models.devices.model import DeviceModel, load
from oxnor.models.devices.states import LogLaw
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.technology.supply import supply_curve
from oxnor.models.trials.axes import AXES
from oxnor.models.trials.curves import Curve
from oxnor.models.trials.sequential import FIRST, Stop
from oxnor.sim.sweeps.errors import device_at
from oxnor.sim.sweeps.evaluator import errors_of, work_for
from oxnor.sim.sweeps.page import Story, build_page, together
from oxnor.sim.sweeps.params import SweepParams, WorkerOptions, default_values
from oxnor.sim.sweeps.run import _device_options as header_options
from oxnor.sim.sweeps.run import sweep
from oxnor.sim.sweeps.store import Results
from oxnor.sim.sweeps.trial import ALL_LAYERS, Key

DEVICE = DeviceModel(
    "mine", 5e3, 8e4, 0.3, 0.6, wear=LogLaw(1e3, hrs_mu=-0.4), valid_cycles=(1, 1e6), valid_seconds=(0, 0)
)


def rows(path):
    with Results(path) as results:
        return [(t.key, t.errors, t.confusion.tolist(), t.changes) for t in results.trials()]


TURNED = {
    "cycles": (1.0, 1e3, 1e6),
    "sigma": (0.3, 0.9),
    "ratio": (2.0, 16.0),
}


@pytest.mark.parametrize("against", TURNED)
def test_trials_are_draws_of_the_device_that_was_turned(tmp_path, network, inputs, against):
    age = {"seconds": 0.0} | ({} if against == "cycles" else {"cycles": 10.0})
    params = SweepParams(TURNED[against], 3, "device", {"macro": [16, 16]}, seed=2, device=DEVICE, against=against, age=age)
    sweep(network, inputs, params, tmp_path / "r.sqlite", workers=WorkerOptions(jobs=2))
    at = DEVICE.at(10.0)
    fixed = dataclasses.replace(DEVICE, lrs_median=math.exp(at.lrs_mu), hrs_median=math.exp(at.hrs_mu), wear=LogLaw())
    with Results(tmp_path / "r.sqlite") as results:
        assert results.axis is AXES[against]
        for trial in results.trials():
            x = trial.key.rate
            if not x:
                continue
            scale, model, cycles = x / math.sqrt((0.3**2 + 0.6**2) / 2), DEVICE, x
            if against == "sigma":
                model, cycles = dataclasses.replace(fixed, lrs_sigma=0.3 * scale, hrs_sigma=0.6 * scale), 10.0
            elif against == "ratio":
                model, cycles = dataclasses.replace(fixed, hrs_median=fixed.lrs_median * x), 10.0
            faults = draw_faults(network, model, seed=2, trial=trial.key.trial, macro=(16, 16), cycles=cycles)
            assert trial.errors == faults.count
            assert trial.correct == np.count_nonzero(golden.predict(faults.apply(network), inputs.images) == inputs.labels)
    errors = [p.wrong for p in Story.read(tmp_path / "r.sqlite").curve.points]
    assert errors == sorted(errors, reverse=against == "ratio")
    assert errors[0] != errors[-1]
    assert sweep(network, inputs, params, tmp_path / "r.sqlite").computed == 0
    with pytest.raises(InputError, match="options must be"):
        sweep(network, inputs, SweepParams((0.1,), 3, "device", {"macro": [16, 16]}, seed=2, device=DEVICE), tmp_path / "r.sqlite")


def test_the_values_of_a_sweep_that_gives_none():
    assert default_values(DEVICE, "cycles", {})[:2] == (1.0, 3.16228)
    assert default_values(DEVICE, "cycles", {})[-1] == 1e6
    ratios = default_values(DEVICE, "ratio", {"cycles": 1.0})
    assert (min(ratios), max(ratios)) == pytest.approx((2, 16), rel=0.01)
    with pytest.raises(InputError, match=r"^against seconds must have a device with a law of relaxation, and 'mine' holds at 0"):
        default_values(DEVICE, "seconds", {})
    turned, age = device_at(DEVICE, "sigma", 0.5, {"cycles": 1e6, "seconds": 0.0})
    assert (age, turned.hrs_sigma / turned.lrs_sigma) == ({}, pytest.approx(2))
    assert turned.hrs_median == pytest.approx(math.exp(DEVICE.at(1e6).hrs_mu))


def test_a_ratio_has_its_knee_from_above():
    trials = {2.0: 0.8, 4.0: 0.95, 8.0: 0.97, 16.0: 0.98}
    curve = Curve("c", {x: np.array([m, m]) for x, m in trials.items()}, 0.98, 100, axis=AXES["ratio"])
    knee = curve.knee(0.01)
    assert knee.rate == pytest.approx(8)
    assert str(curve.knee(0.001)) == "16 (16 to 16)" or curve.knee(0.001).rate > 8
    assert str(curve.knee(0.5)) == "below 2"
    assert curve.to_json()["against"] == "HRS / LRS"


def test_several_kinds_of_error_at_once(tmp_path, network, inputs):
    """What is stuck stays stuck, reads err on top, and the trial without errors has none of it."""
    also = {"stuck": 0.05, "cluster": 0.05, "read": 0.01}
    params = SweepParams((0.1,), 2, seed=3, also=also)
    work = work_for(network, inputs, params)
    errors = errors_of(work, Key(ALL_LAYERS, 0.1, 1))
    maps = {kind: FaultMap.draw(network, ber=r, kind=kind, seed=3, trial=1) for kind, r in (also | {"static": 0.1}).items() if kind != "read"}
    for k in range(2):
        stuck = {name: set(getattr(maps["cluster"], name).get(k, ())) for name in ("stuck_0", "stuck_1")}
        for name in ("stuck_0", "stuck_1"):
            assert stuck[name] <= set(getattr(errors, name)[k])
        held = stuck["stuck_0"] | stuck["stuck_1"] | set(maps["stuck"].stuck_0[k]) | set(maps["stuck"].stuck_1[k])
        assert set(errors.flips[k]) == set(maps["static"].flips[k]) - held
    assert errors.read.ber == pytest.approx(0.01, abs=1e-4)
    assert errors_of(work, Key(ALL_LAYERS, 0.0, 0)).count == 0
    sweep(network, inputs, params, tmp_path / "r.sqlite")
    scores = golden.scores(errors.apply(network), inputs.images, read_errors=errors.read)
    with Results(tmp_path / "r.sqlite") as results:
        assert results.header["options"] == {"also": also}
        trial = next(t for t in results.trials() if t.key == Key(ALL_LAYERS, 0.1, 1))
    assert trial.correct == np.count_nonzero(golden.argmax(scores) == inputs.labels)


def test_images_broken_and_corrected(tmp_path, network, inputs):
    wrong = dataclasses.replace(inputs, labels=(inputs.labels + (np.arange(200) % 3 == 0)) % 10)
    sweep(network, wrong, SweepParams((0.2,), 3), tmp_path / "r.sqlite")
    with Results(tmp_path / "r.sqlite") as results:
        trials = list(results.trials())
        clean = next(t for t in trials if not t.key.rate)
        for trial in trials:
            broken, corrected = trial.changes
            assert trial.correct == clean.correct - broken + corrected
        assert any(t.changes[1] for t in trials)
    point = Story.read(tmp_path / "r.sqlite").curve.points[0]
    assert point.mean == pytest.approx(clean.accuracy - point.broken + point.corrected)


def test_files_of_earlier_releases_go_on(tmp_path, network, inputs):
    """A file without the table of changes is read, drawn, and extended."""
    path = tmp_path / "r.sqlite"
    sweep(network, inputs, SweepParams((0.1,), 2), path)
    db = sqlite3.connect(path)
    with db:
        db.execute("DROP TABLE changes")
        db.execute("DELETE FROM header WHERE key = 'weights'")
    db.close()
    assert Story.read(path).curve.points[0].broken is None
    assert "corrected" not in build_page([Story.read(path)])
    assert sweep(network, inputs, SweepParams((0.1,), 3), path).computed == 1
    assert [changes is None for _, _, _, changes in rows(path)] == [True, True, True, False]


def test_the_rule_of_stopping_draws_what_it_says(tmp_path, network, inputs):
    params = SweepParams((1e-4, 0.02, 0.4), 20, stop=Stop(0.02, 0.95), trials_max=100)
    result = sweep(network, inputs, params, tmp_path / "r.sqlite", workers=WorkerOptions(jobs=2))
    counts = {p.rate: p.trials for p in result.curves[ALL_LAYERS].points}
    for (_, rate), plan in result.saving.plans.items():
        assert counts[rate] == plan.draws
        assert plan.draws == plan.needed if plan.needed <= 100 else plan.draws >= 20
    assert counts[1e-4] == FIRST
    assert "of 3 means are known to plus or minus 2 points at 95 %" in str(result.saving)
    told = result.to_json()
    assert told["sequential"]["draws"] == sum(counts.values()) == result.computed - 1
    assert told["trials_per_second"] > 0
    assert sweep(network, inputs, params, tmp_path / "r.sqlite").computed == 0


def test_a_spread_that_only_later_draws_show_asks_for_more():
    """Six draws that happen to be near to each other, and 60 that are not; what takes too many gets the fixed number."""
    stop, g = Stop(0.01, 0.99), np.random.default_rng(0)
    near, wide = 0.9 + 0.006 * np.array([1, -1, 1, -1, 1, -1]), 0.9 + 0.03 * g.standard_normal(2000)
    wide[:2] = 0.96, 0.84
    first = stop.plan(near, 10_000, 20, 1000)
    assert FIRST < first.needed == first.draws < 12
    later = stop.plan(np.concatenate([near, wide]), 10_000, 20, 1000)
    assert 40 < later.draws == later.needed < 200
    short = stop.plan(np.concatenate([near, wide]), 10_000, 20, 15)
    assert (short.draws, short.known) == (20, False)
    assert stop.plan(np.full(6, 0.9), 20, 20, 200).needed > 200  # of 20 images one is 5 points


SHAPES = {
    "normal": lambda g, n: g.standard_normal(n),
    "skew": lambda g, n: 2 - g.gamma(4, size=n) / 2,  # skewness -1, as accuracies near the knee
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_rule_of_stopping_keeps_its_promise(shape):
    """Of 1,500 points the means of 99 % are within the half width; a rule that looks after each draw misses more."""
    from scipy import stats

    g, stop, hit, naive, count = np.random.default_rng(0), Stop(0.01, 0.99), 0, 0, 1500
    t = stats.t.ppf(0.995, np.arange(1, 200))
    for _ in range(count):
        x = 0.9 + 0.015 * SHAPES[shape](g, 1000)
        hit += abs(x[: stop.plan(x, 10**6, 20, 1000).draws].mean() - 0.9) <= 0.01
        n = np.arange(2, 200)
        sd = np.sqrt(np.maximum(0, (np.cumsum(x[:199] ** 2)[1:] - np.cumsum(x[:199])[1:] ** 2 / n) / (n - 1)))
        narrow = np.flatnonzero((t[n - 2] * sd / np.sqrt(n) <= 0.01) & (n > 2))
        naive += abs(x[: n[narrow[0]]].mean() - 0.9) <= 0.01
    assert hit >= {"normal": 0.985, "skew": 0.975}[shape] * count
    assert naive < hit


WRONG = {
    "axis": (("--against", "volts", "--device", "weak-3.3e-2"), "--against must be one of ber, cycles, seconds, sigma, vdd, ratio, not 'volts'"),
    "no device": (("--against", "cycles"), "--against cycles must have a --device, which says what is wrong"),
    "value": (("--against", "ratio", "--device", "weak-3.3e-2", "--values", "0,2"),
              "--values must be LOW:HIGH:COUNT or values with commas, each above 0, not '0,2'"),
    "ratio below 1": (("--against", "ratio", "--device", "weak-3.3e-2", "--values", "0.5"), "hrs_median must be above lrs_median"),
    "supply outside": (("--against", "vdd", "--device", "weak-3.3e-2", "--values", "0.8,1.2"),
                       "--values must be in [0.9, 1.8] V, where the amplifier was simulated, not 0.8"),
    "supply without a device": (("--against", "vdd"), "--against vdd must have a --device, which says what is wrong"),
    "age outside": (("--against", "cycles", "--device", "wear-illustration", "--values", "1e12"),
                    "--cycles must be in [0, 1e+10] cycles, where 'wear-illustration' holds, not 1e+12"),
    "no law": (("--against", "cycles", "--device", "weak-3.3e-2", "--values", "1,10"),
               "--against cycles must have a device with a law of wear, and 'weak-3.3e-2' is the same at all cycles: "),
    "part of a cycle": (("--against", "sigma", "--device", "weak-3.3e-2", "--cycles", "1.5"), "--cycles must be a whole number, not 1.5"),
    "age in powers of ten": (("--against", "sigma", "--device", "weak-3.3e-2", "--cycles", "1e20"),
                             "--cycles must be in [0, 1e+12] cycles, where 'weak-3.3e-2' holds, not 1e+20"),
    "both ages": (("--against", "cycles", "--device", "wear-illustration", "--cycles", "5"),
                  "--cycles must not be given with --against cycles: say --values"),
    "age of a rate": (("--cycles", "5"), "--cycles and --seconds are of the --device of --against"),
    "values of a rate": (("--values", "0.1"), "--values goes with --against cycles, seconds, sigma, ratio or vdd"),
    "also": (("--also", "stuck"), "--also must be KIND=RATE, for example read=1e-3, not 'stuck'"),
    "also twice": (("--also", "stuck=0.1", "--also", "stuck=0.2"), "--also must name each kind once, not 'stuck=0.2'"),
    "also the same": (("--also", "static=0.1"), "--also must be of another kind than --kind static"),
    "also what": (("--also", "odd=0.1"), "--also must be KIND=RATE with a kind of static, asymmetric, stuck, cluster, sign, step, read, not 'odd'"),
    "also how often": (("--also", "stuck=2"), "--also must be KIND=RATE with a rate in (0, 1], not 2"),
    "limits": (("--x-limits", "0:1"), "--x-limits must begin above 0, not at 0"),
    "half width": (("--half-width", "0"), "--half-width must be above 0 and below 100 points, not 0.0"),
    "confidence": (("--half-width", "1", "--confidence", "100"), "--confidence must be in [50, 100) percent, not 100.0"),
    "two rules": (("--half-width", "1", "--adaptive", "1"), "--half-width must not be given with --adaptive"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG.keys())
def test_bad_input(tmp_path, arguments, message):
    said = cli.sentence("sweep", "mnist-tfc", "--images", 10, "-o", tmp_path / "r.sqlite", *arguments)
    assert said.startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_from_the_file_of_a_lab_to_accuracy_against_cycles(tmp_path, random_network):
    """One command: ages in a file, their law, and a curve with bands in a picture, a table and a page."""
    random_network((60, 50, 10), name="net").save(tmp_path / "net.npz")
    g, lines = np.random.default_rng(0), ["dut;status;R [kOhm];cycles"]
    for k in range(30):
        for age in (1, 1000, 1000000):
            for state, ohm in (("SET", 5 * g.lognormal(0, 0.3)), ("RESET", (60 if age < 1e6 else 20) * g.lognormal(0, 0.5))):
                lines.append(f"d{k};{state};{f'{ohm:.4f}'.replace('.', ',')};{age}")
    (tmp_path / "lab.csv").write_text("\n".join(lines))
    result = cli.run(
        "sweep", tmp_path / "net.npz", "--device", tmp_path / "lab.csv", "--against", "cycles", "--trials", 2, "--images", 50,
        "--random-inputs", "-o", tmp_path / "r.sqlite", "--plot", tmp_path / "a.svg", "--y-limits", "0:50", "--curves",
        tmp_path / "c.csv", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["against"] == "cycles"
    points = told["curves"]["all"]["points"]
    assert [points[0]["rate"], points[-1]["rate"]] == [1, 1e6]
    assert points[-1]["wrong"] > points[0]["wrong"]
    assert "SET/RESET cycles" in (tmp_path / "a.svg").read_text()
    table = (tmp_path / "c.csv").read_text().splitlines()
    assert table[1].startswith("r.sqlite,net,all,cycles,1.0,2,")
    assert len(table) == 1 + len(points)
    assert "cycles" in build_page([Story.read(tmp_path / "r.sqlite")])
    with Results(tmp_path / "r.sqlite") as results:
        assert results.header["options"]["against"] == "cycles"
    sweep_ber = cli.run("sweep", tmp_path / "net.npz", "--ber", "0.1", "--trials", 1, "--images", 50, "--random-inputs", "-o", tmp_path / "b.sqlite")
    assert sweep_ber.exit_code == 0
    with pytest.raises(InputError, match=r"b\.sqlite: must be against cycles as .*r\.sqlite, not error rate$"):
        together([Story.read(tmp_path / "r.sqlite"), Story.read(tmp_path / "b.sqlite")])


CLOSE = DeviceModel("close", 5e3, 12e3, 0.1, 0.15, offset_sigma=3.0)


def test_accuracy_and_energy_against_the_supply(tmp_path, random_network):
    """The device's own amplifier gives way to the circuit's: offset, noise of one read, and what reads cost."""
    network = random_network((60, 50, 10), name="net")
    network.save(tmp_path / "net.npz")
    CLOSE.save(tmp_path / "device.json")
    result = cli.run(
        "sweep", tmp_path / "net.npz", "--device", tmp_path / "device.json", "--against", "vdd", "--values", "0.9,1.4,1.8",
        "--trials", 4, "--images", 50, "--random-inputs", "-o", tmp_path / "r.sqlite", "--plot", tmp_path / "v.svg",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    for text in ("supply (V)", "nJ", "from 0.9 V on", "reads of an image take"):
        assert text in " ".join(result.output.split()), text
    assert "energy of reads (nJ an image)" in (tmp_path / "v.svg").read_text()
    story = Story.read(tmp_path / "r.sqlite")
    curve = supply_curve(2.4, 60 * 50 + 50 * 10)
    assert story.supply.energy_fj == pytest.approx(curve.energy_fj)
    assert story.supply.reads == 3500
    told = story.to_json()["supply"]
    assert told["image_nj"]["1.8"] == pytest.approx(3500e-6 * curve.at(1.8, "energy_fj"))
    assert told["equal_accuracy_from"] == 0.9
    with Results(tmp_path / "r.sqlite") as results:
        header = results.header
        for trial in results.trials():
            if vdd := trial.key.rate:
                at = curve.device(CLOSE, vdd)
                assert at.offset_sigma < 0.2
                faults = draw_faults(network, at, trial=trial.key.trial, noise=True)
                assert trial.errors == faults.count
    errors = [p.wrong for p in story.curve.points]
    assert errors[0] > errors[-1]
    assert "Simulated between 0.9 and 1.8 V" in build_page([story])
    spoilt = dict(header["supply"], vdd=[1.8, 0.9])
    with sqlite3.connect(tmp_path / "r.sqlite") as db:
        db.execute("UPDATE header SET value = ? WHERE key = 'supply'", (json.dumps(spoilt),))
    db.close()
    with pytest.raises(InputError, match=r"r.sqlite: header: supply.vdd must be two or more rising supplies"):
        _ = Story.read(tmp_path / "r.sqlite").supply


def test_supplies_of_a_sweep_that_gives_none():
    values = default_values(CLOSE, "vdd", {})
    assert values == tuple(round(0.9 + 0.1 * k, 3) for k in range(10))
    with pytest.raises(InputError, match=r"^device 'close': HRS / LRS must be in \[2, 100\], where reads were simulated"):
        SweepParams((1.2,), 1, "device", device=dataclasses.replace(CLOSE, hrs_median=1e6), against="vdd")


def test_an_lrs_that_was_not_simulated_is_refused():
    for factor in (0.01, 1e3):
        far = dataclasses.replace(CLOSE, lrs_median=factor * CLOSE.lrs_median, hrs_median=factor * CLOSE.hrs_median)
        with pytest.raises(InputError, match=r"^device 'close': LRS must be in \[2000, 50000\] ohm, where offsets were"):
            SweepParams((1.2,), 1, "device", device=far, against="vdd")


def test_devices_of_before_keep_their_hash():
    """Else the files of sweeps of before could not go on."""
    assert header_options(load("weak-3.3e-2")) == {"device": "weak-3.3e-2", "device_digest": "9a8cfe412d7b5f46"}
    turned = dataclasses.replace(load("weak-3.3e-2"), turning_offset_sigma=0.1)
    assert header_options(turned)["device_digest"] != "9a8cfe412d7b5f46"


def test_a_trial_against_the_supply_is_one_read(monkeypatch, random_network):
    """The static offset is of the chip, the noise of its read: other sweeps of devices have none."""
    asked = []
    none = FaultMap(((1, 1),))
    monkeypatch.setattr("oxnor.sim.sweeps.errors.draw_faults", lambda *args, **more: asked.append(more.get("noise")) or none)
    for against, value in (("vdd", 1.2), ("ratio", 2.0), ("ber", 0.1)):
        SweepParams((value,), 1, "device", device=CLOSE, against=against)
    assert asked == [True, None, None]
