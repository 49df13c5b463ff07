"""``oxnor device circuit``: from what is shipped, without ngspice."""

import json

import pytest
from helpers.cli import run

from oxnor.models.devices.model import load


@pytest.fixture(autouse=True)
def without_ngspice(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("OXNOR_BUILD", str(tmp_path / "build"))


def test_tables():
    result = run("device", "circuit")
    assert result.exit_code == 0
    for text in (
        "2T2R precharge sense amplifier in sky130, 5000/100000 ohm, 64 rows of 1 fF, 1.8 V, tt, 27 C, precharge 12 ns",
        "Every combination of weight and input is right in 20 of 20 circuits.",
        "ratio 100: bit lines still differ by 11.8 mV from the read before.",
        "stays with the bit lines", "turns with the input", "Correlation between x = 1 and x = 0: -0.",
        "Thermal noise of a read, as above: at most 2.2e-03 in ln R",
    ):  # fmt: skip
        assert text in result.stdout


def test_json_device_picture_and_results(tmp_path):
    files = {name: tmp_path / name for name in ("device.json", "circuit.svg", "results.json")}
    result = run(
        "device", "circuit", "--json", "-o", files["device.json"], "--picture", files["circuit.svg"], "--results",
        files["results.json"], "--device", "sky130-1t1r",
    )  # fmt: skip
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert len(report["reads"]) == 20
    (offset,) = report["offsets"]
    device = load(files["device.json"])
    assert device.turning_offset_sigma == offset["turns"]["sigma"]
    assert device.offset_sigma == offset["stays"]["sigma"]
    assert device.provenance["offset_sigma"].tag == "simulated"
    assert device.lrs_median == load("sky130-1t1r").lrs_median
    assert files["circuit.svg"].read_text().startswith("<svg")
    assert json.loads(files["results.json"].read_text())["format"] == "oxnor-circuit"


def test_single_devices_against_a_reference(tmp_path):
    """Both circuits one after the other give one device with both offsets."""
    path = tmp_path / "device.json"
    assert run("device", "circuit", "-o", path).exit_code == 0
    result = run("device", "circuit", "--cell", "1t1r", "--device", path, "-o", path.with_name("both.json"))
    assert result.exit_code == 0
    assert "Both bits are right in 20 of 20 circuits." in result.stdout
    both, first = load(path.with_name("both.json")), load(path)
    assert both.single_offset_sigma == pytest.approx(0.03, rel=0.15)
    assert (both.offset_sigma, both.turning_offset_sigma) == (first.offset_sigma, first.turning_offset_sigma)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "65"], "ngspice is not installed: apt-get install ngspice"),
        (["--seed", "1"], "ngspice is not installed: apt-get install ngspice"),
        (["--precharge", "0"], "--precharge must be in [0.1, 100000] ns, not 0"),
        (["--lrs", "2e5"], "--hrs must be above --lrs = 200000 ohm, not 100000"),
        (["--latch-width", "0.1"], "--latch-width must be in [0.42, 5] um for sky130, not 0.1"),
        (["--draws", "1"], "--draws must be in [2, 100000], not 1"),
        (["--draws", "3", "-o", "x.json"], "--draws must be more, for a device"),
        (["--jobs", "0"], "--jobs must be in [1, 4096], not 0"),
        (["--device", "none"], "--device must be one of"),
        (["--models", "none.toml"], "none.toml: no such file"),
        (["--picture", "x.txt"], "--picture must end in .svg, .png or .pdf, not 'x.txt'"),
    ],
)
def test_bad_input(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("device", "circuit", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"oxnor: {message}")
    assert not list(tmp_path.glob("x.*"))
