"""Files of labs: what is found out of them, what is said, and what is refused."""

import itertools
import math

import numpy as np
import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.devices.error_rates import device_rates
from oxnor.models.devices.fit_file import AgedFit, fit_csv
from oxnor.models.devices.lab.columns import role_of, split_unit, unit_of
from oxnor.models.devices.lab.files import FileFormat, read_readings

LONG = "dut;status;R [Ohm];cycles\r\nd0;SET;4578,4;1\r\nd0;RESET;228093,2;1\r\nd1;SET;5212,3;1\r\nd1;RESET;172705,8;1\r\n"
WIDE = "Device ID,WL,BL,Cycle #,R_on (kOhm),R_off (kOhm),T (degC)\nd0,0,0,1,4.5784,228.0932,25\nd1,0,1,1,5.2123,172.7058,25\n"
EXPECTED = [4578.4, 228093.2, 5212.3, 172705.8]
#: (content, format): all of them the same four readings of two devices.
SAME = {
    "plain": ("device,state,resistance\nd0,LRS,4578.4\nd0,HRS,228093.2\nd1,LRS,5212.3\nd1,HRS,172705.8\n", {}),
    "semicolons, decimal comma": (LONG, {}),
    "wide, kohm": (WIDE, {}),
    "the cell is the device": (WIDE.replace("Device ID", "note"), {}),
    "BOM, CR LF, quotes": (
        ('\ufeff"device","state","resistance"\r\n"d0","lrs","4578.4"\r\n"d0","hrs","228093.2"\r\n\r\n'
        '"d1","lrs","5212.3"\r\n"d1","hrs","172705.8"\r\n'), {},
    ),
    "empty lines first, CR alone": (
        "\r \rdevice,state,resistance\rd0,LRS,4578.4\rd0,HRS,228093.2\rd1,LRS,5212.3\rd1,HRS,172705.8\r", {},
    ),
    "UTF-16, tabs": ("dut\tlevel\tR\nd0\tlow\t4578.4\nd0\thigh\t228093.2\nd1\tlow\t5212.3\nd1\thigh\t172705.8\n", {}),
    "thousands, English": (
        'cell,state,R\nd0,ON,"4,578.4"\nd0,OFF,"228,093.2"\nd1,ON,"5,212.3"\nd1,OFF,"172,705.8"\n', {},
    ),
    "thousands, German": ("cell;state;R\nd0;ON;4.578,4\nd0;OFF;228.093,2\nd1;ON;5.212,3\nd1;OFF;172.705,8\n", {}),
    "thousands, Swiss": ("cell;state;R\nd0;ON;4'578.4\nd0;OFF;228'093.2\nd1;ON;5'212.3\nd1;OFF;172'705.8\n", {}),
    "siemens": (
        "device,state,G (uS)\n" + "".join(
            f"d{k // 2},{'LH'[k % 2]}RS,{1e6 / r!r}\n" for k, r in enumerate(EXPECTED)), {},
    ),
    "remarks, own names": (
        "# tester 7\n# 25 C\nwhich,result,value\nd0,a,4.5784\nd0,b,228.0932\nd1,a,5.2123\nd1,b,172.7058\n",
        {"columns": {"device": "which", "state": "result", "resistance": "value"}, "lrs": "A", "hrs": "b", "unit": "kohm"},
    ),
    "empty and NaN left out": (
        ("device,state,resistance\nd0,LRS,4578.4\nd0,LRS,\nd0,LRS,NaN\nd0,LRS,-3\nd0,HRS,228093.2\nd1,LRS,5212.3\n"
        "d1,HRS,172705.8\n"), {"skip_invalid": True},
    ),
    "one of two temperatures": (
        ("device,state,resistance,temperature\nd0,LRS,4578.4,25\nd0,HRS,228093.2,25\nd0,HRS,1.0,85\nd1,LRS,5212.3,25\n"
        "d1,HRS,172705.8,25\n"), {"temperature": 25.0},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "form"), SAME.values(), ids=SAME.keys())
def test_the_same_readings_however_they_are_written(tmp_path, request, content, form):
    encoding = "utf-16" if "UTF-16" in request.node.callspec.id else "utf-8"
    (tmp_path / "a.csv").write_bytes(content.encode(encoding))
    found = read_readings(tmp_path / "a.csv", FileFormat(**form))
    assert np.exp(found.ln_r).tolist() == pytest.approx(EXPECTED)
    assert found.hrs.tolist() == [False, True] * 2
    assert found.device.tolist() == [0, 0, 1, 1]


def test_what_was_assumed_is_said(tmp_path):
    (tmp_path / "a.csv").write_text(LONG)
    assert fit_csv(tmp_path / "a.csv").readings.assumed == (
        "delimiter semicolon, long",
        "device is 'dut', state is 'status', resistance is 'R [Ohm]'",
        "decimal comma",
        "resistance in Ohm",
        "SET is LRS, RESET is HRS",
    )
    (tmp_path / "b.csv").write_text(SAME["plain"][0])
    assert "an age of 0 cycles and 0 seconds, as the file does not say it" in fit_csv(tmp_path / "b.csv").readings.assumed
    assert fit_csv(tmp_path / "b.csv", cycles=1e6).device(1e6).valid_cycles == (1e6, 1e6)


@pytest.mark.parametrize(
    ("name", "role", "unit"),
    [("R [Ohm]", "resistance", "Ohm"), ("R_on (kOhm)", "lrs", "kOhm"), ("R_off/kΩ", "hrs", "kΩ"), ("G_off_uS", "hrs", "uS"),
     ("Cycle #", "cycles", ""), ("T (degC)", "temperature", "degC"), ("t (s)", "seconds", "s"), ("time", None, ""),
     ("resistance_kohm", "resistance", "kohm"), ("Device ID", "device", ""), ("wafer", None, ""), ("ohm", None, "")],
)  # fmt: skip
def test_names_of_columns(name, role, unit):
    assert (role_of(name), split_unit(name)[1]) == (role, unit)


def test_units():
    factors = {"kOhm": 1e3, "MΩ": 1e6, "uS": 1e-6, "µS": 1e-6, "nS": 1e-9, "S": 1.0, "KOHM": 1e3}
    assert {name: unit_of(name).factor for name in factors} == factors
    assert unit_of("uS").conductance
    assert unit_of("s") is unit_of("V") is unit_of("") is None


WRONG = {
    "decimals or thousands": (
        'device,state,R\na,LRS,"4,578"\n', {},
        "numbers such as '4,578' may be thousands or decimals: say `decimal` , or .",
    ),
    "comma in a decimal point file": (
        'device,state,R\na,LRS,"45,78"\n', {"decimal": "."}, "line 2: resistance must be a number above 0 ohm, not '45,78'",
    ),
    "unit": ("device,state,R (V)\na,LRS,1\n", {},
             "column 'R (V)': unit must be one of ohm, kohm, Mohm, Gohm, S, mS, uS, nS, not 'V': say `unit`"),
    "conductance": ("device,state,G\na,LRS,1\n", {}, "column 'G' is a conductance: say `unit` S, mS, uS or nS"),
    "states": ("device,state,R\na,1,1\na,0,2\n", {},
               "line 2: state must be LRS or HRS, not '1'; say `lrs` and `hrs` for other names"),
    "a state called otherwise": ("device,state,R\na,LRS,1\n", {"lrs": "on"},
                                 "line 2: state must be on or HRS, not 'LRS', as `lrs` and `hrs` call them"),
    "two columns of one role": (
        "device,state,R,resistance\n", {},
        "line 1: resistance must be one column: say `column` resistance=R or resistance=resistance"),
    "a name in two lines": ('who,state,"R\n(ohm)"\n', {},
                            "line 2: column 'device' is missing: there are who, state, R (ohm); say `column` device=NAME"),
    "chosen column": ("device,state,R\n", {"columns": {"state": "status"}},
                      "line 1: column 'status' is missing: there are device, state, R"),
    "temperatures": ("device,state,R,T (K)\na,LRS,1,300\nb,LRS,1,350\n", {},
                     "must be of one temperature, not of 300, 350 K: say `temperature`"),
    "cycles": ("device,state,R,cycle\na,LRS,1,x\n", {}, "line 2: cycles must be a number of 0 or more, not 'x'"),
    "states that cross": (
        "device,state,R,cycle\n" + "".join(f"d{k},{s},{r * (1 + k / 100)},{age}\n" for k in range(2) for age in (1, 10, 100)
                                           for s, r in (("LRS", 100 * age), ("HRS", 500))), {},
        "at 10 cycles HRS must have a higher median than LRS, not 502.5 against 1005 ohm",
    ),
    "beyond any device": (
        "device,state,R\na,LRS,1\nb,LRS,2\na,HRS,1e9\nb,HRS,1e12\n", {},
        "hrs_median must be above lrs_median = 1.41421 ohm and below 1e+09 ohm, not 3.16228e+10",
    ),
    "one state": ("device,state,R\na,LRS,1\nb,LRS,2\n", {}, "must have at least 2 readings of HRS, not 0"),
    "wide negative": ("device,lrs,hrs\na,1,2\nb,1,-2\n", {}, "line 3: hrs must be a number above 0, not '-2'"),
    "half of a wide file": ("device,lrs\na,1\n", {},
                            "line 1: column 'hrs' is missing: there are device, lrs; say `column` hrs=NAME"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "form", "message"), WRONG.values(), ids=WRONG.keys())
def test_file_wrong(tmp_path, monkeypatch, content, form, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.csv").write_text(content)
    with pytest.raises(InputError) as e:
        fit_csv("r.csv", FileFormat(**form)).device()
    assert str(e.value) == f"r.csv: {message}"


TRUE = {"lrs_mu": 8.5, "hrs_mu": 11.4, "lrs_sigma": 0.3, "hrs_sigma": 0.6}
SLOPES = {"lrs_mu": 0.1, "hrs_mu": -0.3, "lrs_sigma": 0.02, "hrs_sigma": 0.05}


def aged_file(path, g, devices=60, ages=(1, 10, 100, 1e3, 1e4, 1e5, 1e6), scale=1e3):
    """Write readings of devices at several ages, four fifths of the variance from device to device."""
    lines = ["device,state,resistance,cycles"]
    own = g.standard_normal((devices, 2))
    for (k, age), (s, state) in itertools.product(itertools.product(range(devices), ages), enumerate(("lrs", "hrs"))):
        d = math.log10(1 + age / scale)
        mu, sigma = (TRUE[f"{state}_{n}"] + SLOPES[f"{state}_{n}"] * d for n in ("mu", "sigma"))
        z = (2 * own[k, s] + g.standard_normal()) / math.sqrt(5)
        lines.append(f"d{k},{state},{math.exp(mu + sigma * z):.8g},{age:g}")
    path.write_text("\n".join(lines))
    return path


def test_each_age_is_fitted_and_then_the_law(tmp_path):
    fit = fit_csv(aged_file(tmp_path / "wafer.csv", np.random.default_rng(0)))
    assert isinstance(fit, AgedFit)
    assert [f.cycles for f in fit.ages] == [1, 10, 100, 1e3, 1e4, 1e5, 1e6]
    device = fit.device()
    assert device.valid_cycles == (1, 1e6)
    assert device.provenance["wear.hrs_mu"].tag == "measured"
    for cycles in (1, 1e4, 1e6):
        stats, d = device.at(cycles), math.log10(1 + cycles / 1e3)
        for name, value in TRUE.items():
            assert getattr(stats, name) == pytest.approx(value + SLOPES[name] * d, abs=0.25)
    for cycles in (0, 2e6):
        with pytest.raises(InputError, match=r"^cycles must be in \[1, 1e\+06\] cycles, where 'wafer' holds"):
            device.at(cycles)
    # Seven readings of a device are hardly more than one: the median is known as well as from one age.
    low, high = fit.law.intervals["lrs_median"]
    one = fit.ages[0].lrs
    assert 0.7 < math.log(high / low) / math.log(one.median_high / one.median_low) < 1.4
    told = fit.to_json()
    assert [row["cycles"] for row in told["ages"]] == [f.cycles for f in fit.ages]
    assert told["law"]["numbers"]["wear.hrs_mu"]["low"] < -0.3 < told["law"]["numbers"]["wear.hrs_mu"]["high"]


def test_intervals_of_the_law_hold_the_truth(tmp_path):
    """Of 10 files, the 99 % intervals of rates at the ends hold the true rate nearly always: devices stay together."""
    from oxnor.models.devices.error_rates import error_rates
    from oxnor.models.devices.rate_intervals import rate_intervals
    from oxnor.models.devices.states import Statistics

    g, inside = np.random.default_rng(1), 0
    for _ in range(10):
        device = fit_csv(aged_file(tmp_path / "a.csv", g, 40)).device()
        for cycles in (1, 1e6):
            d = math.log10(1 + cycles / 1e3)
            true = error_rates(Statistics(**{name: value + SLOPES[name] * d for name, value in TRUE.items()})).ber_2t2r
            low, high = rate_intervals(device, cycles)["ber_2t2r"]
            inside += low <= true <= high
    assert inside >= 19


def test_mixed_ages_without_a_law_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    aged_file(tmp_path / "a.csv", np.random.default_rng(0), 10)
    aged_file(tmp_path / "two.csv", np.random.default_rng(0), 10, (1, 100))
    said = {}
    for name, arguments in (("a.csv", {"law": False}), ("a.csv", {"law": False, "cycles": 5}), ("two.csv", {})):
        with pytest.raises(InputError) as e:
            fit_csv(name, **arguments)
        said[name, *arguments] = str(e.value)
    assert list(said.values()) == [
        "a.csv: must be of one age without a law, not of 7 ages from 1 to 1e+06 cycles: say `cycles`",
        "cycles must be one of the ages in a.csv, 7 ages from 1 to 1e+06 cycles, not 5",
        ("two.csv: holds 2 ages from 1 to 100 cycles, and a wear law needs 3 with 2 readings of each state:"
        " choose one by `law` and `cycles`, or say `column` cycles=none if they are no ages"),
    ]
    one = fit_csv("a.csv", law=False, cycles=1e6)
    assert (one.lrs.count, one.device().valid_cycles) == (10, (1e6, 1e6))
    assert fit_csv("two.csv", FileFormat(columns={"cycles": "none"})).lrs.count == 20


def test_devices_that_were_measured_worn_are_not_fresh(tmp_path):
    """A file of one age holds at that age alone, also where another is asked for."""
    aged_file(tmp_path / "a.csv", np.random.default_rng(0), 10, (1e6,))
    device = fit_csv(tmp_path / "a.csv").device(0)
    assert device.valid_cycles == (1e6, 1e6)
    with pytest.raises(InputError, match=r"^cycles must be 1e\+06 cycles, the one age at which 'a' holds, not 0$"):
        device_rates(device)
    with pytest.raises(InputError, match=r"^cycles must be 1e\+06, the age of the readings in "):
        fit_csv(tmp_path / "a.csv", cycles=3)


def test_many_ages_are_taken_together(tmp_path):
    """Each cycle of a few devices: near ages are one, and the law still holds at the ends."""
    fit = fit_csv(aged_file(tmp_path / "a.csv", np.random.default_rng(0), 3, range(1, 601)))
    assert len(fit.ages) < 15
    assert fit.span == (1, 600)
    assert fit.law.resampled == "readings"
