"""``oxnor device show`` and ``oxnor device fit``: what it prints, writes and draws, its exit codes, and its sentences."""

import json
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from helpers import cli

from oxnor.models.devices import model as devices
from oxnor.models.devices.error_rates import device_rates
from oxnor.models.devices.states import LogLaw


def run(*arguments):
    """Return the result of ``device``: of ``fit`` if that is the first argument, else of ``show``."""
    return cli.run("device", *(arguments if arguments[:1] == ("fit",) else ("show", *arguments)))


def found(*arguments):
    """Return the JSON object that a command prints."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a folder with readings ``r.csv``, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    g = np.random.default_rng(0)
    lines = ["device,state,resistance"]
    for state, mu in (("LRS", 9.0), ("HRS", 11.0)):
        lines += [f"d{k},{state},{math.exp(g.normal(mu, 0.4)):.6g}" for k in range(100) for _ in range(2)]
    (tmp_path / "r.csv").write_text("\n".join(lines))
    return tmp_path


def test_list():
    assert [e["name"] for e in found("--list")] == devices.names()
    text = run("--list").stdout
    assert all(name in text for name in devices.names())


def test_table():
    rates = found()["error_rates"]
    assert [row["ber_1t1r"] for row in rates] == [5e-2, 3.3e-2, 1e-2, 1e-3, 1e-4, 1e-5]
    text = run("--target-ber", "1e-3").stdout
    for part in ("SECDED(39,32)", "0.000501", "79.06", "Separation for an error rate of 0.001"):
        assert part in text


@pytest.mark.parametrize("name", devices.names())
def test_preset(name):
    device = devices.load(name)
    told = found(name)
    assert told["device"] == name
    assert told["error_rates"]["ber_2t2r_offset"] == device_rates(device).ber_2t2r_offset
    assert ("wear_curve" in told) == device.wear.changes
    assert told["preset"]["numbers"]["lrs_sigma"]["unit"] == "ln"
    text = run(name).stdout
    assert device.description in text
    assert "1T1R with SECDED(72,64)" in text


def test_age():
    fresh, worn = found("wear-illustration"), found("wear-illustration", "--cycles", "1e8", "--seconds", 1000)
    assert worn["error_rates"]["ber_2t2r"] > 1e3 * fresh["error_rates"]["ber_2t2r"]
    device = devices.load("wear-illustration")
    assert worn["error_rates"]["ber_2t2r"] == device_rates(device, 1e8, 1000).ber_2t2r
    assert worn["states"]["lrs_sigma"] > fresh["states"]["lrs_sigma"]


def test_target():
    target = found("weak-3.3e-2", "--target-ber", "1e-4")["target"]
    assert target["error_rate"] == 1e-4
    device = devices.load("weak-3.3e-2")
    stretched = devices.DeviceModel(
        "x", 1e4, 1e4 * target["ber_2t2r_offset"]["ratio"], device.lrs_sigma, device.hrs_sigma, device.offset_sigma
    )
    assert device_rates(stretched).ber_2t2r_offset == pytest.approx(1e-4)


def test_monte_carlo_agrees():
    result = run("weak-3.3e-2", "--monte-carlo", 20000, "--seed", 5, "--json")
    assert result.exit_code == 0
    drawn = json.loads(result.stdout)["monte_carlo"]
    assert set(drawn) == set(json.loads(result.stdout)["error_rates"])
    assert all(e["agrees"] and e["trials"] >= 20000 for e in drawn.values())
    assert "99 % interval" in run("weak-3.3e-2", "--monte-carlo", 2000).stdout


def test_monte_carlo_that_disagrees_is_exit_code_1(monkeypatch):
    from oxnor.models.devices import draws as device_draws

    other = device_rates(devices.load("calibrated-1e-4"))
    monkeypatch.setattr(device_draws, "device_rates", lambda *_: other)
    result = run("weak-3.3e-2", "--monte-carlo", 20000, "--json")
    assert result.exit_code == 1
    assert "oxnor: Monte Carlo and closed form differ: ber_1t1r, ber_1t1r_equal, ber_2t2r" in result.stderr
    assert json.loads(result.stdout)["monte_carlo"]["ber_2t2r"]["agrees"] is False


def test_fit_and_its_preset(place):
    told = found("fit", "r.csv", "-o", "mine.json", "--cycles", 10)
    assert told["fit"]["lrs"]["count"] == 200
    assert (told["fit"]["devices"], told["fit"]["readings_per_device"]) == (100, [4, 4])
    assert "per_device" not in told["fit"]
    for key, value in told["error_rates"].items():
        assert told["intervals"][key]["low"] < value < told["intervals"][key]["high"]
    assert told["intervals"]["ber_2t2r"] == found("mine.json")["intervals"]["ber_2t2r"]
    assert told["counted"]["ber_2t2r"]["count"] == 200 * 200
    again = found("mine.json", "--cycles", 10)
    assert again["error_rates"] == told["error_rates"]
    assert again["preset"]["numbers"]["lrs_median"]["tag"] == "measured"
    text = run("fit", "r.csv").stdout
    for part in ("from device to device", "p-value of normality", "100 devices of 4 readings each"):
        assert part in text


def test_a_preset_is_written_to_be_changed(place):
    run("weak-3.3e-2", "-o", "mine.json")
    assert devices.load("mine.json") == devices.load("weak-3.3e-2")


PLOTS = {
    "table": ([], ["2T2R, ideal amplifier (2 devices a bit)", "1T1R with SECDED(8,4) (2 devices a bit)"]),
    "device": (["weak-3.3e-2", "--monte-carlo", "3000"], ["weak-3.3e-2", "2T2R with offset (2 devices a bit)"]),
    "wear": (["wear-illustration"], ["Wear of wear-illustration", "SET/RESET cycles"]),
    "fit": (["fit", "r.csv"], ["Resistances in r.csv", "resistance (ohm)", "LRS as read"]),
}


@pytest.mark.parametrize(("arguments", "parts"), PLOTS.values(), ids=PLOTS.keys())
def test_plot(place, request, arguments, parts):
    assert run(*arguments, "--plot", "p.svg").exit_code == 0
    svg = (place / "p.svg").read_text()
    texts = [e.text for e in ET.fromstring(svg).iter() if e.tag.endswith("}text")]
    for part in [*parts, "10⁻³", "bit error rate of single devices (1T1R)"]:
        assert part in texts
    assert run(*arguments, "--plot", "q.pdf", "--panels").exit_code == 0
    panels = {"wear": ["errors", "wear"], "fit": ["errors", "fit"]}.get(request.node.callspec.id)
    names = [f"q-{panel}.pdf" for panel in panels] if panels else ["q.pdf"]
    assert sorted(p.name for p in place.glob("q*")) == names
    assert "var(" not in svg
    assert not re.search("#00000[1-9]", svg)


def test_curves_as_numbers_and_ends_of_axes(place):
    import csv

    lines = ["device,state,resistance,cycle"]
    g = np.random.default_rng(1)
    for k in range(30):
        for age in (1, 100, 10000):
            lines += [f"d{k},{s},{g.lognormal(mu, 0.4):.6g},{age}" for s, mu in (("LRS", 9), ("HRS", 11 - age / 2e4))]
    lines[7] = "d1,LRS,9e4,1"
    (place / "aged.csv").write_text("\n".join(lines))
    result = run("fit", "aged.csv", "--curves", "c.csv", "--plot", "p.svg", "--y-limits", "1e-7:0.01")
    assert result.exit_code == 0, result.output
    for part in ("Each age of aged.csv by itself", "Law of wear; intervals by drawing devices again", "Read as: delimiter comma"):
        assert part in result.stdout
    fit = found("fit", "aged.csv")["fit"]
    assert fit["law"]["numbers"]["wear.hrs_mu"]["low"] < 0
    text = " ".join(result.stdout.split())
    for name, n in fit["law"]["numbers"].items():
        assert f" {name} {n['value']:.4g} {n['low']:.3g} to {n['high']:.3g} " in text
    assert f"{fit['ages'][0]['lrs']['normal_p']:.2g}" in result.stdout
    assert "Outliers of LRS at 1 cycles (lines): 1 (8)." in result.stdout
    with open("c.csv", newline="") as file:
        table = list(csv.DictReader(file))
    wear = [row for row in table if row["panel"] == "wear" and row["curve"] == "ber_2t2r"]
    assert [float(wear[0]["x"]), float(wear[-1]["x"])] == [1, 10000]
    assert all(float(row["low"]) < float(row["y"]) < float(row["high"]) for row in wear)
    medians = [row for row in table if row["panel"] == "cycles" and row["curve"] == "hrs_median"]
    assert [float(row["x"]) for row in medians] == [1, 100, 10000]
    texts = [e.text for e in ET.fromstring((place / "p.svg").read_text()).iter() if e.tag.endswith("}text")]
    assert {"2T2R, each age by itself", "99 % interval of 2T2R", "LRS as read at 1 cycles", "10⁻⁷"} <= set(texts)


def test_rates_that_are_not_log_normal_say_so(place):
    g = np.random.default_rng(0)
    hrs = np.where(g.random(400) < 0.05, g.normal(9.5, 0.3, 400), g.normal(11.4, 0.4, 400))
    rows = [f"d{k},{s},{math.exp(x):.6g}" for k in range(400) for s, x in (("LRS", g.normal(8.5, 0.3)), ("HRS", hrs[k]))]
    (place / "m.csv").write_text("\n".join(["device,state,resistance", *rows]))
    told = found("fit", "m.csv")
    assert any("HRS is not normal" in reason for reason in told["not_log_normal"])
    assert told["tail"]["hrs"]["law"] == "mixture"
    assert told["error_rates"]["ber_2t2r"] < told["counted"]["ber_2t2r"]["rate"]
    assert "Not log-normal: HRS follows a mixture of two normal laws better." in run("fit", "m.csv").stdout


def test_wear_plot_with_points(place):
    """What a simulation measures goes on the curve, with or without intervals."""
    from oxnor.sim.studies.device_plots import wear_plot

    cycles, rates = np.array([1e7, 1e9]), np.array([2e-5, 2e-3])
    points = {"RTL": (cycles, rates, np.array([rates / 2, 2 * rates])), "numpy": (cycles, rates, None)}
    wear_plot(place / "w.svg", devices.load("wear-illustration"), points, np.geomspace(1e6, 1e10, 9))
    texts = [e.text for e in ET.fromstring((place / "w.svg").read_text()).iter() if e.tag.endswith("}text")]
    assert {"RTL", "numpy", "Wear of wear-illustration", "2T2R with offset"} <= set(texts)


def test_plot_as_png_has_the_colours_of_the_light_theme(place):
    from matplotlib import image

    assert run("--plot", "p.png").exit_code == 0
    pixels = (255 * image.imread("p.png")[..., :3]).round().astype(int).reshape(-1, 3)
    for colour in ("ffffff", "0072b2", "c4560a", "00805c"):
        rgb = [int(colour[i : i + 2], 16) for i in (0, 2, 4)]
        assert np.any(np.all(pixels == rgb, axis=1)), colour


@pytest.mark.parametrize("ratio", [1.05, 1e4])
def test_plot_of_devices_at_the_ends(place, ratio):
    """A device that errs nearly always, and one that never does."""
    device = devices.DeviceModel(
        "end", 1e3, 1e3 * ratio, 0.1, 0.2, wear=LogLaw(1e3, lrs_sigma=1e-4)
    )
    device.save("end.json")
    assert run("end.json", "--plot", "p.svg").exit_code == 0


ERRORS = {
    "preset": (["none.json"], "none.json: no such file"),
    "near": (
        ["calibrated"],
        (
            "device must be one of calibrated-1e-2, calibrated-1e-4, sky130-1t1r, unformed-1e-3, weak-3.3e-2,"
            " wear-illustration, or a .json file, not 'calibrated' (did you mean calibrated-1e-4 or calibrated-1e-2?)"
        ),
    ),
    "cycles": (
        ["wear-illustration", "--cycles", "1e11"],
        "--cycles must be in [0, 1e+10] cycles, where 'wear-illustration' holds, not 1e+11",
    ),
    "negative": (
        ["wear-illustration", "--cycles=-1"],
        "--cycles must be in [0, 1e+10] cycles, where 'wear-illustration' holds, not -1",
    ),
    "seconds": (
        ["weak-3.3e-2", "--seconds", "nan"],
        "--seconds must be in [0, 1e+09] s, where 'weak-3.3e-2' holds, not nan",
    ),
    "no device": (["--cycles", 5], "--cycles must have a PRESET beside it: it is about one device"),
    "no draws": (["--monte-carlo", 0], "--monte-carlo must have a PRESET beside it: it is about one device"),
    "target": (["--target-ber", "0.7"], "target error rate must be in [1e-30, 0.4], not 0.7"),
    "floor": (
        ["unformed-1e-3", "--target-ber", "1e-5"],
        "target error rate must be above 0.0005, which unformed devices cause, not 1e-05",
    ),
    "trials": (["weak-3.3e-2", "--monte-carlo", 0], "Monte Carlo trials must be in [1, 1000000000], not 0"),
    "seed": (["weak-3.3e-2", "--seed=-1"], "--seed must be in [0, 2**63), not -1"),
    "plot": (["--plot", "p.gif"], "--plot must end in .svg, .png or .pdf, not 'p.gif'"),
    "curves": (["--curves", "c.txt"], "--curves must end in .csv, not 'c.txt'"),
    "limits": (["--plot", "p.svg", "--x-limits", "2:1"], "--x-limits must be LOW:HIGH, two rising numbers, not '2:1'"),
    "log limits": (["--plot", "p.svg", "--y-limits", "0:1"], "--y-limits must be above 0 on a logarithmic axis, not 0"),
    "column": (["fit", "r.csv", "--column", "state"], "--column must be ROLE=NAME, for example state=status, not 'state'"),
    "role": (
        ["fit", "r.csv", "--column", "stat=x"],
        ("--column must be ROLE=NAME with a role of device, state, resistance, lrs, hrs, cycles, seconds, temperature,"
        " not 'stat' (did you mean state or resistance or temperature?)"),
    ),
    "unit": (["fit", "r.csv", "--unit", "V"], "--unit must be one of ohm, kohm, Mohm, Gohm, S, mS, uS, nS, not 'V'"),
    "csv": (["fit", "none.csv"], "none.csv: no such file"),
    "row": (["fit", "bad.csv"], "bad.csv: line 2: resistance must be a number above 0 ohm, not 'big'"),
}


@pytest.mark.parametrize(("arguments", "text"), ERRORS.values(), ids=ERRORS.keys())
def test_sentences(place, arguments, text):
    (place / "bad.csv").write_text("device,state,resistance\na,LRS,big\n")
    before = sorted(p.name for p in place.iterdir())
    result = run(*arguments, "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"oxnor: {text}\n"
    assert sorted(p.name for p in place.iterdir()) == before
