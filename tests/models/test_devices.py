"""Device models: statistics and their ages, and preset files."""

import copy
import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from oxnor.models.base import shipped
from oxnor.models.base.errors import InputError
from oxnor.models.devices import model as devices
from oxnor.models.devices.error_rates import device_rates
from oxnor.models.devices.model import UNITS, DeviceModel
from oxnor.models.devices.states import LogLaw, Statistics

GOOD = {"name": "d", "lrs_median": 1e4, "hrs_median": 1e5, "lrs_sigma": 0.5, "hrs_sigma": 0.5}


# -- the model


def test_statistics_of_a_fresh_device():
    found = DeviceModel("d", 1e4, 1e5, 0.3, 0.5).at()
    assert found == Statistics(math.log(1e4), 0.3, math.log(1e5), 0.5)
    assert found.separation == pytest.approx(math.log(10))


def test_laws_are_flat_and_then_linear_in_decades():
    wear = LogLaw(1e5, lrs_mu=0.1, hrs_mu=-0.2, lrs_sigma=0.01, hrs_sigma=0.02)
    device = DeviceModel("d", 1e4, 1e6, 0.3, 0.5, wear=wear, relaxation=LogLaw(1.0, hrs_mu=-0.05), valid_cycles=(0, 1e9))
    fresh = device.at()
    worn = device.at(cycles=99e5)  # log10(1 + 99) = 2
    assert worn.lrs_mu - fresh.lrs_mu == pytest.approx(0.2)
    assert worn.hrs_mu - fresh.hrs_mu == pytest.approx(-0.4)
    assert (worn.lrs_sigma, worn.hrs_sigma) == pytest.approx((0.32, 0.54))
    assert device.at(cycles=10).hrs_mu == pytest.approx(fresh.hrs_mu, abs=1e-4)
    late = device.at(99e5, 999)
    assert late.hrs_mu - worn.hrs_mu == pytest.approx(-0.15)
    assert late.lrs_mu == worn.lrs_mu


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.builds(
        LogLaw, st.floats(1e-3, 1e6), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)
    ),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_device_that_is_accepted_holds_everywhere_in_its_range(law, a, b):
    """Corners are checked when it is made; between them nothing may raise."""
    try:
        device = DeviceModel("d", 1e4, 1e6, 0.5, 0.5, wear=law, relaxation=law, valid_cycles=(0, 1e8), valid_seconds=(1, 1e5))
    except InputError:
        return
    device.at(a * 1e8, 1 + b * (1e5 - 1))
    device.at(10 ** (8 * a), 10 ** (5 * b))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lrs_median": 0}, "lrs_median must be above 0 ohm, not 0"),
        ({"lrs_median": math.inf}, "lrs_median must be above 0 ohm, not inf"),
        ({"hrs_median": 1e4}, "hrs_median must be above lrs_median = 10000 ohm and below 1e+09 ohm, not 10000"),
        ({"hrs_median": 1e9}, "hrs_median must be above lrs_median = 10000 ohm and below 1e+09 ohm, not 1e+09"),
        ({"hrs_median": math.nan}, "hrs_median must be above lrs_median = 10000 ohm and below 1e+09 ohm, not nan"),
        ({"lrs_sigma": -0.1}, "lrs_sigma must be above 0, not -0.1"),
        ({"hrs_sigma": 0}, "hrs_sigma must be above 0, not 0"),
        ({"offset_sigma": -1.0}, "offset_sigma must be 0 or more, not -1"),
        ({"read_noise_sigma": math.nan}, "read_noise_sigma must be 0 or more, not nan"),
        ({"forming_yield": 1.5}, "forming_yield must be in [0, 1], not 1.5"),
        ({"valid_cycles": (5, 1)}, "valid_cycles must be two rising numbers from 0 on, not 5 to 1"),
        ({"valid_seconds": (0, math.inf)}, "valid_seconds must be two rising numbers from 0 on, not 0 to inf"),
        (
            {"wear": LogLaw(1, hrs_mu=-0.5), "valid_cycles": (0, 1e9)},
            "at 1e+09 cycles and 0 s hrs_mu must be a number above lrs_mu = 9.21034, not 7.01293",
        ),
        (
            {"relaxation": LogLaw(1, lrs_sigma=-0.1), "valid_seconds": (0, 1e6)},
            "at 0 cycles and 1e+06 s lrs_sigma must be a number above 0, not -0.1",
        ),
    ],
)
def test_model_wrong(changes, message):
    with pytest.raises(InputError) as e:
        DeviceModel(**GOOD | changes)
    assert str(e.value) == message


@pytest.mark.parametrize(("scale", "message"), [(0.0, "scale must be a number above 0, not 0")])
def test_law_wrong(scale, message):
    with pytest.raises(InputError) as e:
        LogLaw(scale)
    assert str(e.value) == message


@pytest.mark.parametrize(
    ("age", "message"),
    [
        ({"cycles": -1}, "cycles must be in [0, 1e+10] cycles, where 'wear-illustration' holds, not -1"),
        ({"cycles": 2e10}, "cycles must be in [0, 1e+10] cycles, where 'wear-illustration' holds, not 2e+10"),
        ({"seconds": 1e7}, "seconds must be in [0, 1e+06] s, where 'wear-illustration' holds, not 1e+07"),
        ({"cycles": math.nan}, "cycles must be in [0, 1e+10] cycles, where 'wear-illustration' holds, not nan"),
    ],
)
def test_age_outside_the_range(age, message):
    with pytest.raises(InputError) as e:
        devices.load("wear-illustration").at(**age)
    assert str(e.value) == message


# -- presets


def test_presets_are_what_their_names_say():
    assert devices.names() == [
        "calibrated-1e-2", "calibrated-1e-4", "sky130-1t1r", "unformed-1e-3", "weak-3.3e-2", "wear-illustration",
    ]  # fmt: skip
    for name, rate in (("calibrated-1e-2", 1e-2), ("calibrated-1e-4", 1e-4)):
        assert device_rates(devices.load(name)).ber_2t2r == pytest.approx(rate, rel=1e-6)
    assert device_rates(devices.load("weak-3.3e-2")).ber_2t2r_offset == pytest.approx(3.3e-2, rel=1e-6)
    assert devices.load("unformed-1e-3").forming_yield == 0.999
    assert devices.load("wear-illustration").wear.changes


@pytest.mark.parametrize("name", devices.names())
def test_no_preset_claims_to_be_measured(name):
    device = devices.load(name)
    assert device.name == name
    if name == "sky130-1t1r":
        assert {p.tag for p in device.provenance.values()} == {"chosen", "published"}
        assert "not fitted to resistances" in device.description
        return
    assert {p.tag for p in device.provenance.values()} == {"chosen"}
    assert "no real device" in device.description or "not measurements" in device.description


def test_the_preset_of_sky130_has_its_published_yields():
    """FORM 92.73, SET 97.45 and RESET 90.83 % of the array 1T1R #5; LRS ends at 30 uS."""
    device, end = devices.load("sky130-1t1r"), math.log(1 / 30e-6)
    assert device.forming_yield == 0.9273
    assert ndtr((end - math.log(device.lrs_median)) / device.lrs_sigma) == pytest.approx(0.9745, abs=1e-5)
    assert ndtr((math.log(device.hrs_median) - end) / device.hrs_sigma) == pytest.approx(0.9083, abs=1e-5)


@pytest.mark.parametrize("name", devices.names())
def test_preset_is_the_same_after_saving(tmp_path, name):
    device = devices.load(name)
    device.save(tmp_path / "d.json")
    again = devices.load(tmp_path / "d.json")
    assert again == device
    assert again.provenance == device.provenance
    assert (tmp_path / "d.json").read_text() == (shipped.folder("devices") / f"{name}.json").read_text()


def test_the_class_loads_presets_and_files(tmp_path):
    device = DeviceModel.load("weak-3.3e-2")
    assert device == devices.load("weak-3.3e-2")
    device.save(tmp_path / "mine.json")
    assert DeviceModel.load(tmp_path / "mine.json") == device


def test_a_model_of_ones_own_can_be_saved(tmp_path):
    device = DeviceModel("mine", 5e3, 2e5, 0.4, 0.6, 0.1, 0.05, 0.99, LogLaw(1e3, 0.01, -0.02, 0.001, 0.002),
                         LogLaw(2.0, hrs_mu=-0.01), (0, 1e6), (0, 1e4), "by hand [ 1, 2 ]")  # fmt: skip
    device.save(tmp_path / "d.json")
    assert devices.load(tmp_path / "d.json") == device


def test_a_narrower_range_is_kept(tmp_path):
    device = replace(devices.load("wear-illustration"), valid_cycles=(10.0, 1e6))
    device.save(tmp_path / "d.json")
    assert devices.load(tmp_path / "d.json") == device


def preset(name="wear-illustration"):
    return devices.load(name).to_json()


def change(path, value):
    """Return a change of a preset: set, or with `value` None remove, what is at `path`."""

    def apply(data):
        *way, last = path.split("/")
        for key in way:
            data = data[key]
        if value is None:
            del data[last]
        else:
            data[last] = value

    return apply


FILES = [
    (change("format", "other"), "format must be 'oxnor-device', not 'other': this is some other file"),
    (change("version", 2), "version must be 1, not 2: the file is from another release"),
    (change("version", None), "version is missing"),
    (change("name", ""), "name must be a text in one line, not ''"),
    (change("description", "a\nb"), "description must be a text in one line, not 'a\\nb'"),
    (change("name", "\ud800"), "name must be a text in one line, not '\\ud800'"),
    (change("colour", "red"), "'colour' is not a field: there are format, version, name, description, numbers, uncertainty"),
    (change("numbers", [1]), "numbers must be a JSON object, not list"),
    (change("numbers/hrs_sigma", None), "numbers: hrs_sigma is missing"),
    (change("numbers/hrs_sigma", 0.5), "hrs_sigma must be a JSON object, not float"),
    (change("numbers/hrs_sigma/unit", None), "hrs_sigma: unit is missing"),
    (change("numbers/hrs_sigma/unit", "decades"), "hrs_sigma.unit must be 'ln', not 'decades'"),
    (change("numbers/lrs_median/unit", "kohm"), "lrs_median.unit must be 'ohm', not 'kohm'"),
    (change("numbers/hrs_sigma/value", -0.5), "hrs_sigma must be above 0, not -0.5"),
    (change("numbers/hrs_sigma/value", "0.5"), "hrs_sigma.value must be a number, not '0.5'"),
    (change("numbers/hrs_sigma/value", True), "hrs_sigma.value must be a number, not True"),
    (change("numbers/hrs_sigma/value", math.nan), "hrs_sigma.value must be a number, not nan"),
    (change("numbers/hrs_sigma/source", " "), "hrs_sigma.source must say where the number comes from, not ' '"),
    (change("numbers/hrs_sigma/tag", "sure"), "hrs_sigma.tag must be one of measured, published, simulated, chosen, not 'sure'"),
    (change("numbers/hrs_sigma/note", "x"), "hrs_sigma: 'note' is not a field: there are value, unit, source, tag, valid"),
    (change("numbers/hrs_sigma/valid/seconds", None), "hrs_sigma.valid: seconds is missing"),
    (
        change("numbers/hrs_sigma/valid/cycles", [5, 1]),
        "hrs_sigma.valid.cycles must be two rising numbers from 0 on, not [5, 1]",
    ),
    (
        change("numbers/hrs_sigma/valid/cycles", [0, math.inf]),
        "hrs_sigma.valid.cycles must be two rising numbers from 0 on, not [0, inf]",
    ),
    (
        change("numbers/hrs_sigma/valid/cycles", [2e10, 3e10]),
        "valid_cycles must be two rising numbers from 0 on, not 2e+10 to 1e+10",
    ),
    (change("numbers/wear.scale", None), "wear.scale is missing"),
    (change("numbers/wear.scale/value", 0), "wear.scale must be a number above 0, not 0"),
    (
        change("numbers/wear.hrs_mu/value", -2),
        "at 1e+10 cycles and 0 s hrs_mu must be a number above lrs_mu = 9.2872, not 2.89921",
    ),
]


@pytest.mark.parametrize(("damage", "message"), FILES, ids=[m[:45] for _, m in FILES])
def test_preset_file_wrong(tmp_path, monkeypatch, damage, message):
    monkeypatch.chdir(tmp_path)
    data = copy.deepcopy(preset())
    damage(data)
    (tmp_path / "bad.json").write_text(json.dumps(data))
    with pytest.raises(InputError) as e:
        devices.load("bad.json")
    assert str(e.value) == f"bad.json: {message}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must be JSON, and is not from line 1 on"),
        (b'{\n"a" 1\n}', "must be JSON, and is not from line 2 on"),
        (b"\xff\xfe", "must be JSON, and is not text in UTF-8"),
        (b'{"a": {"b": 1, "c": 2, "b": 3}}', "'b' must not be there twice"),
        (b"[1]", "must be a JSON object, not list"),
        (b"[" * 200_000, "must be JSON with numbers and nesting of a reasonable size"),
        (b"9" * 5000, "must be JSON with numbers and nesting of a reasonable size"),
        (b" " * (1 << 20) + b"{}", "must have at most 1048576 bytes, not 1048578"),
    ],
    ids=["empty", "colon", "bytes", "twice", "list", "deep", "long", "large"],
)
def test_preset_file_that_is_none(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(InputError) as e:
        devices.load("bad.json")
    assert str(e.value) == f"bad.json: {message}"


def test_preset_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.json").mkdir()
    for name, message in (
        ("none.json", "none.json: no such file"),
        ("folder.json", "folder.json: is a folder, not a file"),
        (
            "weak",
            (
                "device must be one of calibrated-1e-2, calibrated-1e-4, sky130-1t1r, unformed-1e-3, weak-3.3e-2, wear-illustration,"
                " or a .json file, not 'weak' (did you mean weak-3.3e-2?)"
            ),
        ),
    ):
        with pytest.raises(InputError) as e:
            devices.load(name)
        assert str(e.value) == message


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.sampled_from(["", "numbers", *(f"numbers/{n}" for n in UNITS), "numbers/hrs_sigma/valid"]), st.data())
def test_any_value_anywhere_is_one_sentence(place, data):
    """Whatever one value of a preset becomes: a device, or an InputError that names the file."""
    device = replace(devices.load("wear-illustration"), turning_offset_sigma=0.1, single_offset_sigma=0.1)
    value = device.to_json()
    target = value
    for key in filter(None, place.split("/")):
        target = target[key]
    target[data.draw(st.sampled_from([*target, "extra"]))] = data.draw(json_values)
    sentence, device = "", None
    try:
        device = DeviceModel.from_json(value, "f.json")
    except InputError as e:
        sentence = str(e)
    if device is None:
        assert sentence.startswith("f.json: ")
        assert "\n" not in sentence
    else:
        device.at(device.valid_cycles[0], device.valid_seconds[0])


def test_files_of_before_have_no_second_offset(tmp_path):
    """A number that is 0 by default is written only where it is not, so that files stay as they were."""
    device = devices.load("weak-3.3e-2")
    device.save(tmp_path / "device.json")
    assert (tmp_path / "device.json").read_bytes() == (shipped.folder("devices") / "weak-3.3e-2.json").read_bytes()
    two = replace(device, turning_offset_sigma=0.03, single_offset_sigma=0.02)
    two.save(tmp_path / "two.json")
    assert devices.load(tmp_path / "two.json") == two
    assert two != device
