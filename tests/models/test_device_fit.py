"""Devices fitted to measured resistances: recovery, intervals, parts of the spread, and files that cannot be used."""

import math

import numpy as np
import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.devices import model as devices
from oxnor.models.devices.fit_file import fit_csv

MU = {"LRS": math.log(1e4), "HRS": math.log(2e5)}


def write(path, g, count, readings, device_sigma, cycle_sigma, uneven=False):
    """Write readings of known devices; with `uneven`, of very different numbers a device."""
    lines = ["device,state,resistance"]
    for state, mu in MU.items():
        for k in range(count):
            own = g.normal(0, device_sigma)
            for _ in range(1 + k % (2 * readings) if uneven else readings):
                lines.append(f"d{k},{state},{math.exp(mu + own + g.normal(0, cycle_sigma)):.8g}")
    path.write_text("\n".join(lines) + "\n")
    return path


DESIGNS = {
    "one reading each": (400, 1, 0.5, 0.0),
    "one pair cycled": (1, 400, 0.0, 0.5),
    "both": (40, 12, 0.4, 0.3),
    "few": (4, 5, 0.4, 0.3),
}


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS.keys())
@pytest.mark.parametrize("uneven", [False, True])
def test_what_was_drawn_is_in_the_intervals(tmp_path, design, uneven):
    """Of 40 files with two states each, the 99 % intervals hold the truth nearly always."""
    count, readings, device_sigma, cycle_sigma = design
    g = np.random.default_rng([count, uneven])
    sigma = math.hypot(device_sigma, cycle_sigma)
    inside = np.zeros(2)
    for _ in range(40):
        fit = fit_csv(write(tmp_path / "a.csv", g, count, readings, device_sigma, cycle_sigma, uneven and count > 1))
        for state, found in (("LRS", fit.lrs), ("HRS", fit.hrs)):
            inside += [
                found.median_low <= math.exp(MU[state]) <= found.median_high,
                found.sigma_low <= sigma <= found.sigma_high,
            ]
    assert np.all(inside >= 76), inside


def test_an_interval_that_is_too_narrow_is_noticed(tmp_path, monkeypatch):
    """The test above, seen to fail: readings of a device are not independent."""
    from oxnor.models.devices import fit as device_fit

    monkeypatch.setattr(device_fit, "CONFIDENCE", 0.5)
    with pytest.raises(AssertionError):
        test_what_was_drawn_is_in_the_intervals(tmp_path, DESIGNS["both"], False)


def test_parts_of_the_spread(tmp_path):
    fit = fit_csv(write(tmp_path / "a.csv", np.random.default_rng(0), 400, 10, 0.4, 0.2))
    for found in (fit.lrs, fit.hrs):
        assert found.device_sigma == pytest.approx(0.4, rel=0.1)
        assert found.cycle_sigma == pytest.approx(0.2, rel=0.05)
        assert found.sigma == pytest.approx(math.hypot(found.device_sigma, found.cycle_sigma), rel=1e-6)
    assert (fit.lrs.count, fit.lrs.devices, len(fit.per_device), fit.per_device["d7"]) == (4000, 400, 400, (10, 10))


@pytest.mark.parametrize("design", ["one reading each", "one pair cycled"])
def test_parts_that_cannot_be_told_apart_are_not_told(tmp_path, design):
    fit = fit_csv(write(tmp_path / "a.csv", np.random.default_rng(0), *DESIGNS[design]))
    assert fit.lrs.device_sigma is fit.lrs.cycle_sigma is None


def test_normality(tmp_path):
    g = np.random.default_rng(1)
    assert fit_csv(write(tmp_path / "a.csv", g, *DESIGNS["one reading each"])).lrs.normal
    lines = ["device,state,resistance"]
    lines += [f"{k},{state},{math.exp(MU[state]) * g.uniform(0.2, 2):.6g}" for state in MU for k in range(400)]
    (tmp_path / "b.csv").write_text("\n".join(lines))
    assert fit_csv(tmp_path / "b.csv").lrs.normal is False  # uniform in ohm
    (tmp_path / "c.csv").write_text("\n".join(lines[:4] + lines[-3:]))
    assert fit_csv(tmp_path / "c.csv").lrs.normal is None  # too few


def test_outliers_are_named_by_line_and_kept(tmp_path):
    path = write(tmp_path / "a.csv", np.random.default_rng(0), 200, 1, 0.3, 0.0)
    assert fit_csv(path).lrs.outliers == fit_csv(path).hrs.outliers == ()
    path.write_text(path.read_text() + "far,LRS,5e6\nfar,HRS,2.1e5\n")
    fit = fit_csv(path)
    assert (fit.lrs.outliers, fit.hrs.outliers) == ((402,), ())
    assert fit.lrs.count == 201


def test_what_was_fitted_is_a_device_and_a_preset(tmp_path):
    fit = fit_csv(write(tmp_path / "wafer.csv", np.random.default_rng(0), 200, 2, 0.3, 0.2))
    device = fit.device(cycles=10, seconds=60)
    assert (device.name, device.lrs_median, device.hrs_sigma) == ("wafer", fit.lrs.median, fit.hrs.sigma)
    device.save(tmp_path / "wafer.json")
    again = devices.load(tmp_path / "wafer.json")
    assert again == device
    told = again.provenance["lrs_median"]
    assert told.tag == "measured"
    assert told.source.startswith("fit to wafer.csv: 400 readings of 200 devices, 99 % interval")
    assert again.provenance["offset_sigma"].tag == "chosen"
    for other in (0, 11):
        with pytest.raises(InputError, match=rf"^cycles must be 10 cycles, the one age at which 'wafer' holds, not {other}$"):
            again.at(cycles=other, seconds=60)


def test_columns_in_any_order_and_case(tmp_path):
    text = "\ufeffResistance, place ,STATE,device\r\n1e4,1,lrs,a\r\n\r\n1.1e4,2,LRS,a\r\n1e5,1,hrs,a\r\n 1.2e5 ,2,Hrs,a\r\n"
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    fit = fit_csv(tmp_path / "a.csv")
    assert (fit.lrs.count, fit.hrs.count) == (2, 2)
    assert fit.lrs.median == pytest.approx(math.sqrt(1.1e8))


HEAD = "device,state,resistance\n"
TWO = "a,LRS,1e4\na,LRS,1.1e4\n"
FILES = {
    "text": (f"{HEAD}a,LRS,1e4\na,LRS,high\n", "line 3: resistance must be a number above 0 ohm, not 'high'"),
    "empty number": (f"{HEAD}a,LRS,\n", "line 2: resistance must be a number above 0 ohm, not ''"),
    "zero": (f"{HEAD}a,LRS,0\n", "line 2: resistance must be a number above 0 ohm, not '0'"),
    "negative": (f"{HEAD}a,LRS,-5\n", "line 2: resistance must be a number above 0 ohm, not '-5'"),
    "nan": (f"{HEAD}a,LRS,nan\n", "line 2: resistance must be a number above 0 ohm, not 'nan'"),
    "infinite": (f"{HEAD}a,LRS,1e999\n", "line 2: resistance must be a number above 0 ohm, not '1e999'"),
    "state": (f"{HEAD}a,MRS,1e4\n", "line 2: state must be LRS or HRS, not 'MRS'"),
    "device": (f"{HEAD},LRS,1e4\n", "line 2: device must be a name, not empty"),
    "short": (f"{HEAD}a,LRS\n", "line 2 must have at least 3 columns, not 2"),
    "column": (
        "device,state,ohm\na,LRS,1\n",
        "line 1: column 'resistance' is missing: there are device, state, ohm; say `column` resistance=NAME",
    ),
    "twice": (
        "device,state,state,resistance\n",
        "line 1: column 'state' must be there once: there are device, state, state, resistance",
    ),
    "semicolons": (
        "device;state;resistance\n",
        "must have at least 2 readings of LRS, not 0",
    ),
    "empty": ("", "line 1: column 'device' is missing: there are none"),
    "no HRS": (HEAD + TWO, "must have at least 2 readings of HRS, not 0"),
    "one HRS": (f"{HEAD}{TWO}a,HRS,1e5\n", "must have at least 2 readings of HRS, not 1"),
    "no rows": (HEAD, "must have at least 2 readings of LRS, not 0"),
    "constant": (f"{HEAD}{TWO}a,HRS,1e5\nb,HRS,1e5\n", "the readings of HRS must differ, and are all the same"),
    "swapped": (
        f"{HEAD}{TWO}a,HRS,100\nb,HRS,120\n",
        "HRS must have a higher median than LRS, not 109.5 against 1.049e+04 ohm",
    ),
    "quote": (f'{HEAD}a,LRS,"{"9" * 200_000}"\n', "line 2: must be CSV (field larger than field limit (131072))"),
    "bytes": (b"\xff\xfe\x00", "must be a CSV file, and is not text in UTF-8"),
}


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES.keys())
def test_file_wrong(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as e:
        fit_csv("r.csv")
    assert str(e.value) == f"r.csv: {message}"


def test_file_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, message in ((".", ".: is a folder, not a file"), ("none.csv", "none.csv: no such file")):
        with pytest.raises(InputError) as e:
            fit_csv(name)
        assert str(e.value) == message
