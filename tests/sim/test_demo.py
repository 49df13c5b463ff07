"""The demonstration: a small network through RTL, and a page that a browser shows whole."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from oxnor.cli.app import app
from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.networks.binarized import Network
from oxnor.sim.demo.demo import run_demo, write_page
from oxnor.sim.demo.page import build_page, pictures, run_row

RATES = (0.0, 0.05)


@pytest.fixture(scope="module")
def demo():
    """Return a demonstration with few images."""
    g = np.random.default_rng(5)
    w0, w1, w2 = (g.random(shape) < 0.5 for shape in ((24, 784), (16, 24), (10, 16)))
    thresholds = [g.integers(389, 396, 24), g.integers(9, 14, 16), None]
    network = Network.from_arrays([w0, w1, w2], thresholds, name="digits", info={"licence": "MIT", "accuracy": 0.1})
    steps = []
    found = run_demo(network, count=40, rates=RATES, wave_network=network, progress=lambda *step: steps.append(step))
    assert {s[0] for s in steps} >= {
        "Verilator build, RTL without errors",
        "RTL at bit error rate 0.05",
        "waveform of a read",
    }
    return found


@pytest.fixture(scope="module")
def page(demo, tmp_path_factory):
    return write_page(demo, tmp_path_factory.mktemp("page"))


@pytest.mark.cosim
def test_rtl_agrees_and_the_page_says_so(demo, page):
    assert demo.ok
    assert [run.ber for run in demo.runs] == list(RATES)
    assert demo.runs[1].bit_errors == FaultMap.draw(demo.network, ber=0.05, seed=0, trial=0).count
    text = page.read_text(encoding="utf-8")
    assert "✓ Every class and score agrees" in text
    assert run_row(demo.runs[1])[1] in text


@pytest.mark.cosim
def test_waveform_agrees_with_the_golden_model(demo):
    """The marked read: its popcount, threshold and decision are those of the network for one of its images."""
    w = demo.waveform
    layer = demo.network.layers[w.layer]
    lanes = demo.config.layers[w.layer].groups
    neuron = w.value("row") * lanes
    inputs = golden.layer_outputs(demo.network, demo.inputs.images[:4])[w.layer - 1]
    popcounts = golden.popcount(layer.weights[neuron], inputs)
    assert w.value("sum p") in popcounts
    assert w.value("threshold T") == layer.thresholds[neuron]
    assert w.value("fire = p ≥ T") == int(w.value("sum p") >= layer.thresholds[neuron])
    assert bin(w.value("q = XNOR(w, x)")).count("1") >= w.value("popcount")


@pytest.mark.cosim
def test_page_is_self_contained(page):
    text = page.read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources
    assert all(s.startswith(("data:", "#")) for s in sources)
    assert "url(http" not in text
    assert "@import" not in text
    for data in re.findall(r"data:image/png;base64,([^\"]+)", text):
        assert base64.b64decode(data).startswith(b"\x89PNG")


@pytest.mark.cosim
def test_page_names_no_machine_path(page):
    assert not re.search(r"(?:/home|/root|/work|/tmp)/", page.read_text(encoding="utf-8"))


@pytest.mark.cosim
def test_page_says_that_the_rtl_differs(demo):
    run = replace(demo.runs[1], mismatches=3)
    wrong = replace(demo, runs=(demo.runs[0], run))
    assert not wrong.ok
    assert "✗ 3 results differ" in build_page(wrong)
    assert "≠" in run_row(replace(demo.runs[0], cycles=demo.runs[0].cycles + 1))[5]


@pytest.mark.cosim
def test_pictures_are_files(demo, tmp_path):
    written = [path for name, picture in pictures(demo).items() for path in picture.save(tmp_path / f"{name}.svg")]
    assert sorted(p.name for p in written) == ["accuracy.svg", "engine.svg", "waveform.svg"]


@pytest.mark.cosim
def test_command_writes_page_and_json(demo, tmp_path, monkeypatch):
    """In the engine of the others, and with their waveform: nothing is built again."""
    monkeypatch.setattr("oxnor.sim.demo.demo.capture_read", lambda *_: demo.waveform)
    network = tmp_path / "digits.npz"
    demo.network.save(network)
    arguments = ["demo", "--network", str(network), "--images", "20", "-o", str(tmp_path / "demo"), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["ok"] is True
    assert [run["ber"] for run in found["runs"]] == [0.0, 1e-3, 1e-2, 5e-2]
    assert (tmp_path / "demo" / "index.html").is_file()


@pytest.mark.cosim
def test_page_in_a_browser(page, in_browser):
    found = in_browser(page)
    assert found["figures"] >= 3 + 2
    assert found["pictures"] > found["figures"]


def test_demo_needs_digits(random_network):
    text = "^the demo needs digits: network 'random' must have 784 inputs, not 37$"
    with pytest.raises(InputError, match=text):
        run_demo(random_network((37, 5)))
    text = "^the demo needs digits: network 'random' was made for fashion-mnist, not mnist$"
    with pytest.raises(InputError, match=text):
        run_demo(replace(random_network((784, 10)), data_set="fashion-mnist"))
