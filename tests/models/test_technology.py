"""Circuits as data: parameters, results files, the two parts of an offset, and what is shipped."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.devices.model import load
from oxnor.models.technology import process, results
from oxnor.models.technology.amplifiers import with_amplifier
from oxnor.models.technology.circuit import ReadCircuit
from oxnor.models.technology.conditions import difference, plan, turned
from oxnor.models.technology.offsets import statistics
from oxnor.models.technology.results import Noise, Offsets, Read, Results, Waveform

BASE = ReadCircuit()
NOISE = Noise(dict.fromkeys(("bl", "blb", "q", "qb"), 1e-3))


def test_process_is_that_of_the_study():
    models = process.sky130()
    assert models.available == ("tt", "ss", "ff", "sf", "fs")
    for corner in models.available:
        text = models.text(corner)
        assert "Apache-2.0" in text[:300]
        for name, kind in ((models.nmos.name, "nmos"), (models.pmos.name, "pmos")):
            assert f".subckt  {name} d g s b" in text
            assert f".model {name}__model" in text
            assert kind in text
        for z in {*models.nmos.mismatch, *models.pmos.mismatch}:
            assert z in text
    assert len({models.digest(c) for c in models.available}) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell": "4t"}, "cell must be one of 2t2r, 1t1r, not '4t'"),
        ({"corner": "xx"}, "corner must be one of tt, ss, ff, sf, fs, not 'xx'"),
        ({"vdd": 0.5}, "vdd must be in [0.9, 2.0] V, not 0.5"),
        ({"lrs": 1e5}, "hrs must be above `lrs` = 100000 ohm, not 100000"),
        ({"lrs": float("nan")}, "lrs must be in [100, 1e+07] ohm, not nan"),
        ({"rows": 0}, "rows must be in [1, 4096], not 0"),
        ({"precharge_ns": 0.0}, "precharge_ns must be in [0.1, 100000] ns, not 0"),
        ({"latch_width": 0.0}, "latch_width must be in (0, 1000] um, not 0"),
        ({"temperature": 200.0}, "temperature must be in [-40, 125] degrees C, not 200"),
    ],
)
def test_bad_circuits(change, message):
    with pytest.raises(InputError) as e:
        ReadCircuit(**change)
    assert str(e.value) == message


def test_precharge_follows_supply_and_capacitance():
    """12, 72 and 480 ns at 1.8, 1.2 and 1.0 V; in proportion to the bit line, down to what the outputs take."""
    assert [ReadCircuit(vdd=v).precharge_ns for v in (1.8, 1.2, 1.0)] == [12.0, 72.0, 480.0]
    assert [ReadCircuit(rows=n).precharge_ns for n in (1, 256, 1024)] == [3.0, 48.0, 192.0]
    assert BASE.turned(vdd=1.2).precharge_ns == 72.0
    assert BASE.turned(vdd=1.2, precharge_ns=5.0).precharge_ns == 5.0
    assert ReadCircuit(precharge_ns=5.0).turned(vdd=1.2).precharge_ns == 5.0


def test_plans():
    """The default study has 20 reads and one offset; the full one has it in it, and every circuit once."""
    default, full = plan(BASE), plan(BASE, full=True)
    assert (len(default.reads), default.offsets, default.draws) == (20, (BASE,), 200)
    assert set(default.reads) <= set(full.reads)
    assert full.draws == 400
    for circuits in (full.reads, full.offsets):
        assert len(set(circuits)) == len(circuits)
    assert {c.cell for c in full.offsets} == {"2t2r", "1t1r"}
    words = [difference(c, BASE) for c in default.reads]
    assert words[:4] == ["", "precharge 3 ns", "precharge 6 ns", "ratio 1.2"]
    assert len(set(words)) == 20
    assert turned(BASE, "lrs", 1e4).ratio == BASE.ratio
    with pytest.raises(InputError, match=r"draws must be in \[2, 100000\], not 1"):
        plan(BASE, draws=1)


def drawn(stays, turns, count=4000):
    """Offsets of known parts, as the flips of a study."""
    g = np.random.default_rng(5)
    a, b = stays * g.standard_normal(count), turns * g.standard_normal(count)
    rows = tuple((-float(p + q), -float(p - q)) for p, q in zip(a, b, strict=True))
    return Offsets(0, (0.0, 0.0), rows)


def test_two_parts_are_found_again():
    found = statistics(drawn(0.017, 0.028))
    assert found.stays.low < 0.017 < found.stays.high
    assert found.turns.low < 0.028 < found.turns.high
    assert found.stays.high / found.stays.low < 1.07
    total = np.hypot(0.017, 0.028)
    assert all(s.low < total < s.high for s in found.by_input)
    value, low, high = found.correlation
    expected = (0.017**2 - 0.028**2) / total**2
    assert low < expected < high
    assert low < value < high
    assert found.stays.mean_low < 0 < found.stays.mean_high


def test_intervals_hold_as_often_as_they_say():
    """90 % intervals of 1,000 studies of 20 amplifiers."""
    g = np.random.default_rng(1)
    held = np.zeros(3)
    for _ in range(1000):
        a, b = 0.02 * g.standard_normal(20), 0.03 * g.standard_normal(20)
        rows = tuple((float(p), float(q)) for p, q in zip(-(a + b), -(a - b), strict=True))
        s = statistics(Offsets(0, (0.0, 0.0), rows), 0.9)
        held += [s.stays.low < 0.02 < s.stays.high, s.turns.mean_low < 0 < s.turns.mean_high, 0]
        held[2] += s.correlation[1] < (0.0004 - 0.0009) / 0.0013 < s.correlation[2]
    assert np.all(np.abs(held - 900) < 40), held


def test_what_is_not_known_is_said():
    few = drawn(0.02, 0.03, 10)
    spoilt = replace(few, flips=(("does not settle", 0.1), *few.flips[1:]))
    found = statistics(spoilt)
    assert (found.draws, found.known, found.problems) == (10, 9, {"does not settle": 1})
    with pytest.raises(InputError, match=r"the offset of 1 amplifiers is not known \(1 x does not settle\)"):
        with_amplifier(load("weak-3.3e-2"), BASE, found, NOISE, "ngspice")
    assert statistics(replace(few, flips=few.flips[:3])) is None


def test_device_with_an_amplifier(tmp_path):
    """Its fields are tagged, name circuit and conditions, and come back from a file."""
    device = with_amplifier(load("sky130-1t1r"), BASE, statistics(drawn(0.017, 0.028)), NOISE, "ngspice 39")
    assert device.offset_sigma == pytest.approx(0.017, rel=0.1)
    assert device.turning_offset_sigma == pytest.approx(0.028, rel=0.1)
    assert device.read_noise_sigma == pytest.approx(2e-3)
    assert device.provenance["read_noise_sigma"].tag == "simulated"
    for name in ("offset_sigma", "turning_offset_sigma"):
        about = device.provenance[name]
        assert about.tag == "simulated"
        for text in ("sky130", "1.8 V", "tt", "27 C", "precharge 12 ns", "64 rows", "4000 amplifiers", "ngspice 39"):
            assert text in about.source
    device.save(tmp_path / "device.json")
    assert load(tmp_path / "device.json") == device
    single = drawn(0.02, 0.0)
    single = replace(single, nominal=(0.0,), flips=tuple((row[0],) for row in single.flips))
    again = with_amplifier(device, BASE.turned(cell="1t1r"), statistics(single), NOISE, "ngspice 39")
    assert (again.name, again.offset_sigma) == (device.name, device.offset_sigma)
    assert again.single_offset_sigma == pytest.approx(0.02, rel=0.1)


def small():
    """Results with one of each."""
    read = Read((1, 0, 0, 1), 0.7, {"supply": 180.0, "word_line": 2.0, "sense": 0.5}, 1.4, 1.0, 0.8)
    single = Read((0, None), None, {"supply": 180.0, "word_line": 2.0, "sense": 0.5}, 1.4, 1.0, 5.0)
    wave = Waveform((0.0, 1.0), dict.fromkeys(results.NODES, (0.0, 1.0)))
    offsets = Offsets(3, (0.0, -1e-4), ((0.01, "does not settle"), (0.02, -0.03)))
    one = BASE.turned(cell="1t1r")
    return Results("ngspice 39", {"tt": "ab"}, "cd", {BASE: read, one: single}, {BASE: offsets}, {BASE: wave}, {BASE: NOISE})


def test_files(tmp_path):
    found = small()
    found.save(tmp_path / "r.json")
    assert Results.load(tmp_path / "r.json") == found
    value = found.to_json()
    del value["noises"]  # the first files have none
    assert Results.from_json(json.loads(json.dumps(value)), "x") == replace(found, noises={})
    first, second = found.reads.values()
    assert first.problems() == []
    assert first.total_fj == 182.5
    assert second.problems() == [
        "does not settle within 1.4 ns", "bit lines still differ by 5 mV from the read before",
    ]  # fmt: skip
    assert Read((1, 1, 0, 1), 0.7, {}, 1.4, 1.0, 0.8).problems() == ["reads 1101"]


CHANGES = {
    "other format": (lambda v: v.update(format="x"), "format must be 'oxnor-circuit': this is some other file"),
    "other version": (lambda v: v.update(version=2), "version must be 1, not 2"),
    "missing": (lambda v: v.pop("reads"), "'reads' is missing"),
    "unknown": (lambda v: v.update(more=1), "'more' is not a field"),
    "not a list": (lambda v: v.update(reads=1), "reads must be a list"),
    "no circuit": (lambda v: v["reads"][0].pop("circuit"), "reads[0] must be a JSON object with a circuit"),
    "bad circuit": (lambda v: v["reads"][0]["circuit"].update(vdd=9), "reads[0].circuit.vdd must be in [0.9, 2.0] V, not 9"),
    "text for a number": (lambda v: v["reads"][0]["circuit"].update(lrs="1"), "reads[0].circuit.lrs must be a number"),
    "half a row": (lambda v: v["reads"][0]["circuit"].update(rows=1.5), "reads[0].circuit.rows must be a whole number"),
    "outputs": (lambda v: v["reads"][0].update(outputs=[1, 0, 0, True]), "reads[0].outputs must be 4 of 0, 1 and null"),
    "energy": (lambda v: v["reads"][0]["energy_fj"].pop("sense"), "reads[0].energy_fj: 'sense' is missing"),
    "huge": (lambda v: v["reads"][0].update(delay_ns=1e300), "reads[0].delay_ns must be a number of 0 or more"),
    "negative": (lambda v: v["reads"][0].update(sense_ns=-1), "reads[0].sense_ns must be a number of 0 or more, not -1"),
    "seed": (lambda v: v["offsets"][0].update(seed=-1), "offsets[0].seed must be in [0, 2**63), not -1"),
    "flips": (lambda v: v["offsets"][0]["flips"].append([1]), "offsets[0].flips[2] must be a list of 2"),
    "far flip": (lambda v: v["offsets"][0]["flips"].append([99, 0]), "offsets[0].flips[2] must be in [-10, 10], not 99"),
    "wave": (lambda v: v["waveforms"][0]["time_ns"].append(2), "waveforms[0].sen must be a list as long as the others"),
    "noise": (lambda v: v["noises"][0]["parts"].pop("q"), "noises[0].parts: 'q' is missing"),
    "models": (lambda v: v["models"].update(tt=1), "models.tt must be a text in one line, not 1"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_bad_files(change, message, tmp_path):
    value = json.loads(json.dumps(small().to_json()))
    change(value)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(value))
    with pytest.raises(InputError) as e:
        Results.load(path)
    assert str(e.value).startswith(f"{path}: ")
    assert message in str(e.value)


def test_files_that_are_none(tmp_path):
    for text in ("", "[", "[" * 100_000, "1" * 10_000, "[]"):
        (tmp_path / "r.json").write_text(text)
        with pytest.raises(InputError, match=r"r.json: must be (a )?JSON"):
            Results.load(tmp_path / "r.json")
    with pytest.raises(InputError, match="no such file"):
        Results.load(tmp_path / "none.json")


def test_shipped_results_hold_the_default_study():
    """And are what the study of this circuit found before: within 5 % at 3 ns, inside the intervals at 12 ns."""
    found, default = results.shipped(), plan(BASE)
    assert set(default.reads) <= set(found.reads)
    assert len(found.offsets[BASE].flips) >= default.draws
    assert all(read.right for read in found.reads.values())
    fast = found.reads[BASE.turned(precharge_ns=3.0)]
    assert fast.delay_ns == pytest.approx(0.68, rel=0.05)
    assert fast.total_fj == pytest.approx(181, rel=0.05)
    offsets = statistics(found.offsets[BASE])
    assert offsets.known == offsets.draws
    for sigma, spread in zip((0.030, 0.034), offsets.by_input, strict=True):
        assert spread.low < sigma < spread.high
    assert offsets.correlation[1] < -0.47 < offsets.correlation[2]
    assert found.models["tt"] == process.sky130().digest("tt")


TOML = """
name = "mine"
length = 0.15
widths = [0.5, 4.0]
supplies = [1.0, 1.8]
[nmos]
name = "nch"
mismatch = ["dvt"]
[pmos]
name = "pch"
[corners]
tt = "models.spice"
"""


def test_own_process(tmp_path):
    (tmp_path / "mine.toml").write_text(TOML)
    with pytest.raises(InputError, match=r"mine.toml: corners: .*models.spice: no such file"):
        process.load_process(tmp_path / "mine.toml")
    (tmp_path / "models.spice").write_text("* models")
    mine = process.load_process(tmp_path / "mine.toml")
    assert (mine.text("tt"), mine.available, mine.nmos.mismatch, mine.pmos.mismatch) == ("* models", ("tt",), ("dvt",), ())
    with pytest.raises(InputError, match="corner must be one of tt, not 'ss'"):
        mine.file("ss")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "nch"', 'name = "n ch"', "nmos.names must be letters, digits and _, not 'n ch'"),
        ("[0.5, 4.0]", "[4.0, 0.5]", "widths must be two rising numbers above 0, not 4 and 0.5"),
        ("length = 0.15", "length = 0", "length must be above 0, not 0"),
        ('tt = "models.spice"', "", "corners must name at least one file"),
        ("length", "lenght", "lenght must not be given"),
        ('name = "mine"', 'name = ""', "name must be a text in one line, not ''"),
    ],
)
def test_bad_process(old, new, message, tmp_path):
    (tmp_path / "models.spice").write_text("* models")
    (tmp_path / "mine.toml").write_text(TOML.replace(old, new))
    with pytest.raises(InputError) as e:
        process.load_process(tmp_path / "mine.toml")
    assert str(e.value).startswith(f"{tmp_path / 'mine.toml'}: ")
    assert message in str(e.value)


def test_models_that_cannot_be_read(tmp_path):
    path = tmp_path / "x.spice.xz"
    path.write_bytes(b"no xz")
    broken = replace(process.sky130(), corners=process.CornerFiles(tt=path))
    with pytest.raises(InputError, match="is not a file of models"):
        broken.text("tt")


def test_records_are_compared_by_value():
    assert copy.deepcopy(BASE) == BASE
    assert hash(ReadCircuit(precharge_ns=12.0)) == hash(BASE)
