"""The sense amplifier in SPICE: a read and a flip of each circuit, studies that go on, and what is not known."""

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.devices.model import load
from oxnor.models.technology import process, results
from oxnor.models.technology.circuit import ReadCircuit
from oxnor.models.technology.conditions import Plan, difference, plan
from oxnor.models.technology.offsets import statistics
from oxnor.models.technology.process import sky130
from oxnor.models.technology.report import clock
from oxnor.models.technology.results import Offsets, Read
from oxnor.sim.runner import toolchain
from oxnor.sim.runner.synthesis import ToolError
from oxnor.sim.silicon import netlist, offset, spice, study
from oxnor.sim.silicon.noise import noise
from oxnor.sim.silicon.picture import circuit_plot
from oxnor.sim.silicon.read import read, waveform

BASE = ReadCircuit()
FAST = BASE.turned(precharge_ns=3.0)
SHIPPED = results.shipped()


def has_ngspice():
    try:
        return bool(spice.find_ngspice())
    except InputError:
        return False


needs_ngspice = pytest.mark.skipif(not has_ngspice(), reason=f"ngspice is not installed: {toolchain.GET_NGSPICE}")


def test_shipped_results_are_of_these_netlists():
    """Else they are not found: whoever changes a netlist simulates them again with --full --results."""
    assert study.netlists(sky130()) == SHIPPED.netlists


@needs_ngspice
@pytest.mark.parametrize("circuit", [FAST, BASE.turned(cell="1t1r")], ids=["2t2r", "1t1r"])
def test_a_read_is_what_was_shipped(circuit):
    found, before = read(circuit, sky130()), SHIPPED.reads[circuit]
    assert found.outputs == before.outputs
    assert found.delay_ns == pytest.approx(before.delay_ns, rel=0.02)
    assert found.total_fj == pytest.approx(before.total_fj, rel=0.02)


@needs_ngspice
def test_a_flip_is_what_was_shipped():
    """Amplifier 0 for both inputs: ngspice, models and draws repeat."""
    found = [offset.flip(BASE, sky130(), x, netlist.draw(0, 0)) for x in (1, 0)]
    assert found == pytest.approx(SHIPPED.offsets[BASE].flips[0], abs=0.002)


@needs_ngspice
def test_noise_is_what_was_shipped():
    assert noise(BASE, sky130()).sigma == pytest.approx(SHIPPED.noises[BASE].sigma, rel=0.1)


@needs_ngspice
def test_a_decision_without_time_is_not_called_one(monkeypatch):
    """0.02 ns after a precharge nothing has settled: no delay, no output, no offset is made up."""
    monkeypatch.setattr(ReadCircuit, "sense_ns", lambda *args, **options: 0.02)
    found = read(BASE, sky130())
    assert found.delay_ns is None
    assert set(found.outputs) == {None}
    assert found.problems()[0] == "does not settle within 0.02 ns"
    assert offset.flip(BASE, sky130(), 1) == "does not settle"


@needs_ngspice
def test_models_that_ngspice_refuses():
    broken = replace(sky130(), nmos=replace(sky130().nmos, name="none"))
    with pytest.raises(ToolError, match=r"ngspice failed: .*none"):
        read(BASE, broken)


@pytest.mark.parametrize(
    ("points", "flip"),
    [
        ([(-0.6, -1.8), (0.61, 1.8), (0.0, -1.8), (0.3, 1.8), (0.15, 1.8)], 0.075),
        ([(-0.6, -1.8), (0.61, -1.8)], "no flip in [-0.6, 0.61]"),
        ([(-0.6, -1.8), (0.61, 0.3)], "does not settle"),
        ([(-0.6, -1.8), (0.61, 1.8), (0.0, 0.3), (0.3, 1.8)], "does not settle within 0.900"),
        ([(-0.6, -1.8), (0.61, 1.8), (0.0, 1.8), (0.3, -1.8)], "flips more than once"),
        ([(-0.6, -1.8), (0.61, 1.8), (0.1, -1.8), (0.104, 0.2), (0.108, 1.8)], 0.104),
    ],
)
def test_a_flip_lies_between_what_has_settled(points, flip):
    assert offset.flip_of(points, 1.44) == pytest.approx(flip)


def test_an_amplifier_that_takes_long_is_given_time(monkeypatch):
    """Twice; and where ngspice gives up, the usual tolerances and more steps are tried."""
    texts = []

    def run(text, answers):
        texts.append(text)
        return answers[len(texts) - 1]

    ends = "at -0.6 -1.8\nat 0.61 1.8\n"
    settled, open_ = (f"{ends}at 0.0 {s}\n" + "at 0.1 1.8\n" * 10 for s in ("-1.8", "0.1"))
    aborted = settled + "tran simulation(s) aborted\n"
    start = dict.fromkeys(netlist.nodes(BASE), 1.0)
    for answers, flip, count in (
        ([settled], 0.05, 1),
        ([open_, settled], 0.05, 2),
        ([open_] * 3, "does not settle within 0.700", 3),
        ([aborted, settled], 0.05, 2),
        ([aborted, aborted], offset.GIVEN_UP, 2),
    ):
        texts.clear()
        monkeypatch.setattr(offset, "run", lambda text, answers=answers: run(text, answers))
        assert offset.flip_from(BASE, sky130(), 1, None, start) == pytest.approx(flip)
        assert len(texts) == count
    assert netlist.TOLERANCES in texts[0]
    assert netlist.TOLERANCES not in texts[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"access_width": 9.0}, r"access_width must be in \[0.42, 5\] um for sky130, not 9"),
        ({"vdd": 2.0}, r"vdd must be in \[0.9, 1.95\] V for sky130, not 2"),
        ({"process": "other"}, "process must be sky130, not 'other'"),
    ],
)
def test_circuits_that_the_models_do_not_hold_for(change, message):
    with pytest.raises(InputError, match=message):
        study.Study(Plan(BASE, (BASE.turned(**change),), (), 2), sky130())


@pytest.fixture
def counted(monkeypatch):
    """Points that were simulated, without ngspice."""
    seen = []
    monkeypatch.setattr(study, "find_ngspice", lambda: ("ngspice", "39"))
    parts = {"supply": 1.0, "word_line": 1.0, "sense": 1.0}
    one = Read((1, 0, 0, 1), 1.0, parts, 2.0, 1.0, 0.1)
    monkeypatch.setattr(study, "read", lambda circuit, process: seen.append("read") or one)
    wave = SHIPPED.waveforms[BASE]
    monkeypatch.setattr(study, "waveform", lambda circuit, process, ns: seen.append("wave") or wave)

    def flip(circuit, process, x, normals):
        seen.append((x, None if normals is None else float(normals[0, 0])))
        if len(seen) > flip.limit:
            raise ToolError("stopped")
        return 0.125 if normals is None else float(normals[0, x])

    flip.limit = 1000
    monkeypatch.setattr(study, "flip", flip)
    return seen, flip


OTHER = BASE.turned(rows=65)


def test_a_study_that_is_stopped_goes_on(counted, tmp_path):
    """With another circuit than the shipped: what was simulated is not simulated again, and the draws are the same."""
    seen, flip = counted
    made = study.Study(Plan(OTHER, (OTHER,), (OTHER,), 5, seed=7), sky130(), tmp_path)
    assert made.missing(made.known()) == 7
    flip.limit = 8
    with pytest.raises(ToolError, match="stopped"):
        made.run(1)
    kept = made.known()
    assert 1 <= len(kept.offsets[OTHER].flips) < 5
    flip.limit, before = 1000, len(seen)
    whole = made.run(2)
    assert seen.count("read") == 1
    assert len(seen) - before == 2 * (5 - len(kept.offsets[OTHER].flips))
    expected = tuple((float(z[0, 1]), float(z[0, 0])) for z in (netlist.draw(7, k) for k in range(5)))
    assert whole.offsets[OTHER] == Offsets(7, (0.125, 0.125), expected)
    assert whole.simulator == "ngspice 39"
    steps = len(seen)
    again = study.Study(Plan(OTHER, (OTHER,), (OTHER,), 4, seed=7), sky130(), tmp_path).run()
    assert len(again.offsets[OTHER].flips) == 4
    assert len(seen) == steps
    study.Study(Plan(OTHER, (OTHER,), (OTHER,), 5, seed=8), sky130(), tmp_path).run()
    assert len(seen) > steps


def test_damage_in_the_cache_is_simulated_again(counted, tmp_path, caplog):
    seen, _ = counted
    made = study.Study(Plan(OTHER, (OTHER,), (), 2), sky130(), tmp_path)
    made.run(1)
    path = made.store.entry("reads", OTHER) / "results.json"
    value = json.loads(path.read_text())
    value["reads"][0]["delay_ns"] = "1"
    path.write_text(json.dumps(value))
    with caplog.at_level(logging.WARNING):
        made.run(1)
    assert seen.count("read") == 2
    assert "delay_ns must be a number of 0 or more, not '1': it is simulated again" in caplog.text


def test_without_ngspice(monkeypatch, tmp_path):
    """What is shipped is there; anything else is one sentence with the line that installs it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = study.Study(Plan(BASE, (BASE,), (BASE,), 200), sky130(), tmp_path).run()
    assert found.reads[BASE] == SHIPPED.reads[BASE]
    with pytest.raises(InputError, match=r"^ngspice is not installed: apt-get install ngspice$"):
        study.Study(Plan(OTHER, (OTHER,), (), 2), sky130(), tmp_path).run()


def test_an_old_ngspice(monkeypatch, tmp_path):
    path = tmp_path / "ngspice"
    path.write_text("#!/bin/sh\necho '** ngspice-20 : Circuit level simulation program'\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="ngspice must be 36 or newer, not 20"):
        spice.find_ngspice()


@needs_ngspice
def test_waveform_ends_where_the_read_does():
    wave = waveform(BASE, sky130(), 2.0)
    assert wave.time_ns[0] < 0.01
    assert wave.time_ns[-1] == pytest.approx(14.2, abs=0.1)
    end = len(wave.time_ns) - 20
    assert wave.volts["q"][end] > 1.7
    assert wave.volts["qb"][end] < 0.1


def test_conditions_that_a_process_does_not_stand_are_left_out():
    one = process.CornerFiles(tt=sky130().file("tt"))
    narrow = replace(sky130(), supplies=(0.9, 1.3), widths=(0.5, 1.5), corners=one)
    base = BASE.turned(vdd=1.2, switch_width=1.0, access_width=1.0)
    kept, left_out = study.within(plan(base), narrow)
    assert sorted(difference(c, base) for c in left_out) == ["1.5 V, precharge 24 ns", "corner ff", "corner ss"]
    assert kept.reads == tuple(c for c in plan(base).reads if c not in left_out)
    assert study.within(plan(BASE), sky130()) == (plan(BASE), [])
    assert len(study.netlists(narrow)) == len(study.netlists(sky130()))
    with pytest.raises(InputError, match=r"vdd must be in \[0.9, 1.3\] V for sky130, not 1.8"):
        study.within(plan(BASE), narrow)


def test_amplifiers_without_mismatch_have_no_correlation():
    flat = statistics(Offsets(0, (0.0, 0.0), ((0.001, 0.001),) * 5))
    assert (flat.stays.sigma, flat.turns.sigma, flat.correlation) == (0, 0, None)
    equal = statistics(Offsets(0, (0.0, 0.0), tuple((0.01 * k, 0.01 * k) for k in range(5))))
    assert equal.correlation == pytest.approx((1, 1, 1))


CLOCK = clock(plan(BASE, full=True), SHIPPED, load("weak-3.3e-2"))


def test_clock_is_that_of_precharge_and_decision():
    """About 270 MHz at 3 ns and 79 MHz at 12 ns: a short precharge costs offset."""
    rows = {row["precharge_ns"]: row for row in CLOCK}
    assert rows[3.0]["clock_mhz"] == pytest.approx(270, rel=0.02)
    assert rows[12.0]["clock_mhz"] == pytest.approx(79, rel=0.02)
    assert rows[3.0]["offset"] > 1.2 * rows[12.0]["offset"] > 0.03
    assert rows[3.0]["ber_2t2r"] > rows[12.0]["ber_2t2r"] > 0.03


def test_picture_has_all_panels(tmp_path):
    plot = circuit_plot(BASE, SHIPPED.waveforms[BASE], SHIPPED.offsets[BASE], CLOCK)
    names = [p.name for p in plot.save(tmp_path / "c.svg", panels=True)]
    assert names == ["c-read.svg", "c-offset.svg", "c-clock.svg"]
    assert "turns with the input: sd 0.02" in (tmp_path / "c-offset.svg").read_text()


def test_ngspice_runs_alone_and_waits_without_spinning(monkeypatch, tmp_path):
    """Else its threads take sixty times as long on busy cores; and what it leaves behind goes."""
    path = tmp_path / "ngspice"
    path.write_text(
        "#!/bin/sh\n"
        "[ $1 = --version ] && echo '** ngspice-39.3 : Circuit level simulation program' && exit\n"
        "echo $OMP_WAIT_POLICY $OMP_NUM_THREADS $*; cat $4; echo written >waves; pwd >&2\n"
    )
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    text = spice.run("the netlist\n", {"waves": tmp_path / "kept"})
    assert text.splitlines()[:2] == ["passive 1 -D num_threads=1 -b circuit.sp", "the netlist"]
    assert (tmp_path / "kept").read_text() == "written\n"
    assert not Path(text.splitlines()[2]).exists()
    with pytest.raises(ToolError, match=r"ngspice 39.3 failed: passive 1"):
        spice.run("the netlist\n", {"nothing": tmp_path / "kept"})


def test_two_at_once_simulate_once(counted, monkeypatch, tmp_path):
    """The second waits, and finds what the first has made."""
    seen, _ = counted
    slow, made = threading.Event(), study.read

    def read_slowly(circuit, process):
        slow.wait(0.3)
        return made(circuit, process)

    monkeypatch.setattr(study, "read", read_slowly)
    both = [study.Study(Plan(OTHER, (OTHER,), (OTHER,), 2), sky130(), tmp_path) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda one: one.run(1), both))
    assert results[0] == results[1]
    assert seen.count("read") == 1
    assert len(seen) == 2 + 2 * 3
