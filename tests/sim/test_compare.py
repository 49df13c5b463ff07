"""A comparison: its rows, its file, its page, and its ranges."""

import dataclasses
import json
import re

import numpy as np
import pytest
from helpers.cli import run

from oxnor.models import golden, load
from oxnor.models.analog.adc import AdcMismatch
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.devices import model
from oxnor.models.devices.error_rates import device_rates
from oxnor.models.technology.figure import Figure
from oxnor.sim.studies import compare_costs as costs
from oxnor.sim.studies import compare_page
from oxnor.sim.studies.compare import CompareParams, compare

PARAMS = CompareParams(model.load("calibrated-1e-2"), draws=2, adc_bits=(4, 6), spreads=(0.1, 0.8), seed=7)


@pytest.fixture(scope="module")
def digits():
    images, labels = load_mnist("test")
    return images[:250], labels[:250].astype(np.int64)


@pytest.fixture(scope="module")
def result(digits, tmp_path_factory):
    path = tmp_path_factory.mktemp("compare") / "tfc.json"
    return compare(load("mnist-tfc"), *digits, PARAMS, path), path


def test_rows_read_the_same_devices_and_say_what_they_leave_out(result):
    found, _ = result
    rows = {row.name: row for row in found.rows}
    assert len(rows) == len(found.rows) == 10
    assert all(row.leaves_out for row in found.rows)
    rates, n = device_rates(PARAMS.device), load("mnist-tfc").n_weights
    for name, rate in (("digital 2T2R", rates.ber_2t2r), ("1T1R", rates.ber_1t1r), ("1T1R, SECDED(8,4)", rates.secded_8_4)):
        assert float(rows[name].errors) == pytest.approx(rate, abs=8 * (rate / (2 * n)) ** 0.5)
    assert rows["digital, SRAM"].accuracy.mean == found.clean
    assert rows["analog VI, 128 rows, 6 bits"].accuracy.mean > rows["analog VI, 128 rows, 4 bits"].accuracy.mean
    for row in found.rows:
        low, high = row.interval
        assert 0 <= low < row.accuracy.mean < high <= 1


def test_analog_sums_lose_more_than_pairs(result):
    spread = result[0].spread
    digital, analog = spread["digital 2T2R"], spread["analog VI, 128 rows, ideal converter"]
    assert abs(digital[0.1].mean - analog[0.1].mean) < 0.03
    assert digital[0.8].mean > analog[0.8].mean + 0.1
    assert result[0].bit_error_rates[0.1] < 1e-30


def test_the_same_command_goes_on_where_it_stopped(result, digits, tmp_path):
    found, path = result
    network = load("mnist-tfc")
    again = compare(network, *digits, PARAMS, path)
    assert again.computed == 0
    assert again.to_json() == found.to_json()
    kept = json.loads(path.read_text())
    fewer = dict(list(kept["trials"].items())[:-5])
    part = tmp_path / "part.json"
    part.write_text(json.dumps(kept | {"trials": fewer}))
    resumed = compare(network, *digits, PARAMS, part)
    assert resumed.computed == 5
    assert resumed.to_json() == found.to_json()
    digital = "calibrated-1e-2|0|digital 2T2R|0"
    analog = next(key for key in kept["trials"] if "|analog" in key)
    whole = r"\.right must be a whole number in \[0, 250\], not "
    bad = [
        (digital, {"right": 251}, f"{whole}251"), (digital, {"right": -1}, f"{whole}-1"),
        (digital, {"right": 48.5}, f"{whole}48.5"), (digital, {"right": True}, f"{whole}True"),
        (digital, {"right": float("nan")}, f"{whole}nan"), (digital, {"right": "9"}, f"{whole}'9'"),
        (digital, {"wrong": 10**9}, r"\.wrong must be a whole number in \[0, 59008\], not 1000000000"),
        (digital, {"more": 1}, " must be a trial with right and wrong"),
        (analog, {"wrong": 1}, " must be a trial with right and effective_bits"),
        (analog, {"effective_bits": float("nan")}, r"\.effective_bits must be a number of -64 or more, not nan"),
    ]  # fmt: skip
    for change, message in (
        ({"network": "other"}, "part.json: holds a comparison of another network"),
        ({"seed": 8}, "another seed"),
        ({"trials": [1]}, "is not a file of `oxnor compare`"),
        ({"format": "x"}, "is not a file of `oxnor compare`"),
        *(({"trials": kept["trials"] | {key: kept["trials"][key] | change}}, rf"trials\.'{re.escape(key)}'{rule}")
          for key, change, rule in bad),
    ):
        part.write_text(json.dumps(kept | change))
        with pytest.raises(InputError, match=message):
            compare(network, *digits, PARAMS, part)
    for text, message in ((json.dumps(kept)[:-9], r"part\.json: must be JSON, and is not from line 1 on"),
                          ("[]", "is not a file of `oxnor compare`"), ("1" * 9999, "numbers and nesting")):  # fmt: skip
        part.write_text(text)
        with pytest.raises(InputError, match=message):
            compare(network, *digits, PARAMS, part)


def test_page_and_picture(result):
    found, _ = result
    page = compare_page.html(found, "oxnor compare <mnist-tfc>")
    for text in ("Digits do not separate what ImageNet separates", "28.2 ± 6.4", "&lt;mnist-tfc&gt;", "<svg", "0.64 TOPS/W",
                 "an estimate", "What each row leaves out"):  # fmt: skip
        assert text in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert compare_page.spread_plot(found).svg() == compare_page.spread_plot(found).svg()


def test_what_was_synthesized_replaces_cited_figures(result, tmp_path):
    network, path = load("mnist-tfc"), tmp_path / "energy.json"
    both = {"nj_per_image": [1.5, 2.5], "latency_us": 3.0, "area_mm2": 0.25}
    report = {"network": "mnist-tfc", "technology": "some process", "node_nm": 130, "rram": both, "sram": both | {"nj_per_image": [4, 4]}}
    path.write_text(json.dumps(report))
    found = dataclasses.replace(result[0], synthesized=costs.synthesized(network, path))
    rows = {row.name: row.costs for row in found.rows}
    assert (rows["digital 2T2R"].energy.low, rows["digital 2T2R"].energy.top) == pytest.approx((1.5e-9, 2.5e-9))
    assert (rows["digital, SRAM"].energy.low, rows["digital, SRAM"].area.low) == pytest.approx((4e-9, 0.25e-6))
    assert rows["1T1R"].energy.tag == "chosen"
    analog = "analog VI, 128 rows, 6 bits"
    before = {row.name: row for row in result[0].rows}
    assert rows[analog].energy.top > 8 * before[analog].costs.energy.top
    nodes = [rows[name].node for name in ("digital 2T2R", "digital, SRAM", analog, "1T1R")]
    assert nodes == ["130 nm", "130 nm", "130 nm", "28 to 130 nm"]
    left = {row.name: row.leaves_out for row in found.rows}
    assert "area" not in left["digital 2T2R"] + left["digital, SRAM"]
    assert "area" in before["digital, SRAM"].leaves_out
    assert "--energy FILE" in " ".join(compare_page.notes(result[0]))
    assert "gates at 130 nm" in " ".join(compare_page.notes(found))
    assert "some process" in compare_page.html(found, "")
    with pytest.raises(InputError, match=r"energy\.json: is of network 'mnist-tfc', not of 'mnist-sfc'"):
        costs.synthesized(load("mnist-sfc"), path)
    path.write_text("[]")
    with pytest.raises(InputError, match="is not what `oxnor energy NETWORK --json` prints"):
        costs.synthesized(network, path)


def test_costs_are_counts_times_units():
    network = load("mnist-mlp")
    counts = costs.Counts.of(network)
    assert counts.products == counts.weights == 1_861_632
    assert counts.conversions(128) == 15_440
    digital = costs.digital(network, 2).energy
    assert digital.tag == "chosen"
    assert digital.low == pytest.approx(1_861_632 * 0.021e-12)
    assert costs.sram(network).energy.low == pytest.approx(6.0e-9, rel=0.02)
    analog = costs.analog(network, dataclasses.replace(next(PARAMS.analog(0)), adc_bits=5))
    converters = 15_440 * 0.73e-12
    assert converters < analog.energy.top < 3 * converters
    assert analog.energy.low < analog.energy.top
    assert costs.analog(network, dataclasses.replace(next(PARAMS.analog(0)), adc_bits=0)) == costs.Costs()
    cnn = costs.Counts.of(load("mnist-cnn-small"))
    assert cnn.products > cnn.weights
    for low, high, unit, text in ((1e-9, 2.5e-8, "J", "1 to 25 nJ"), (1e-10, 2e-7, "m2", "0.0001 to 0.2 mm2"),
                                  (2e-9, 4e-9, "m2", "2000 to 4000 um2"), (3e-6, None, "s", "3 us")):  # fmt: skip
        assert costs.shown(Figure(low, unit, "chosen", "here", high)) == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--draws", "1"], "--draws must be at least 2"),
        (["--mapping", "VII"], "--mapping must be one of I, II"),
        (["--adc-bits", "4.5"], "--adc-bits must be integers with commas"),
        (["--seconds", "x"], "--seconds must be numbers"),
        (["--device", "none"], "--device must be one of"),
        (["--random-inputs"], "must have labels"),
        (["--page", "x.txt"], "--page must end in .html"),
        (["-o", "x.txt"], "--output must end in .json, not 'x.txt'"),
        (["--adc-bits", "4,4"], "--adc-bits must name each value once"),
        (["--mapping", "VI,VI"], "--mapping must name each value once"),
        (["--adc-bits", "-1"], "--adc-bits must be 0, or an integer in [1, 16], not -1"),
        (["--ratio", "1"], "--ratio must be above 1"),
        (["--converter", "flash"], "--converter must be uniform, sar or ramp, with commas between them, not 'flash'"),
        (["--converter", "sar", "--capacitor-sd", "-1"], "--capacitor-sd must be in [0, 1), not -1"),
        (["--converter", "ramp", "--adc-bits", "0"], "--converter must be uniform for an ideal converter"),
    ],
)
def test_what_is_refused(arguments, message):
    result = run("compare", "mnist-tfc", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["compare", "mnist-tfc", "--images", "50", "--draws", "2", "--adc-bits", "5", "--mapping", "I", "--spreads", "none"]
    found = json.loads(run(*arguments, "--json").stdout)
    assert [row["name"] for row in found["rows"]][-2:] == ["analog I, 128 rows, 5 bits", "digital, SRAM"]
    shown = run(*arguments, "--page", "p.html")
    assert shown.exit_code == 0
    assert "0 trials computed; all are in mnist-tfc-compare.json" in shown.stderr
    images, labels = (v[:50] for v in load_mnist("test"))
    assert found["clean"] == np.mean(golden.predict(load("mnist-tfc"), images) == labels)


def test_ratio_of_the_picture_and_converters_with_mismatch(digits):
    converters = (None, AdcMismatch("sar", 0.0), AdcMismatch("ramp", 0.3), AdcMismatch("sar", 0.3))
    wide = dataclasses.replace(
        PARAMS, adc_bits=(5,), mappings=("VI",), spreads=(0.5,), ratio=1000.0, mismatches=converters
    )  # fmt: skip
    found = compare(load("mnist-tfc"), *digits, wide)
    narrow = compare(load("mnist-tfc"), *digits, dataclasses.replace(wide, ratio=3.0))
    analog = "analog VI, 128 rows, 5 bits"
    rows = {row.name: row for row in found.rows if row.name.startswith(analog)}
    assert list(rows) == [analog, f"{analog}, SAR, sd 0 / 0", f"{analog}, ramp, sd 0.3 / 0", f"{analog}, SAR, sd 0.3 / 0"]
    ideal, exact, ramp, sar = (row.accuracy.mean for row in rows.values())
    assert abs(ideal - exact) < 0.05
    assert max(ramp, sar) < ideal - 0.03
    assert "mismatch" in rows[analog].leaves_out
    assert "mismatch" not in rows[f"{analog}, SAR, sd 0 / 0"].leaves_out
    assert narrow.spread["digital 2T2R"][0.5].mean < found.spread["digital 2T2R"][0.5].mean - 0.1
    assert compare_page.cells(found.rows)[-1][-2:] == ("not counted", "not counted")
