"""The commands on spiking networks."""

import csv
import json
import sqlite3

import numpy as np
import pytest
from helpers.cli import run

from oxnor.models import zoo
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.networks.encoders import Encoder
from oxnor.models.networks.spiking import Decision, Neuron, SpikingLayer, SpikingNetwork
from oxnor.sim.drawing.raster import Raster
from oxnor.sim.studies import spirit as task


@pytest.fixture
def network_file(tmp_path):
    g = np.random.default_rng(1)
    layer = SpikingLayer.from_weights(g.integers(-4, 5, (3, 10)), Neuron())
    network = SpikingNetwork("small", (layer,), Decision(delta_s=4, window=40), Encoder(kind="external"))
    network.save(tmp_path / "small.npz")
    return tmp_path / "small.npz"


def test_info():
    result = run("info", "mnist-spirit", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["cells"] == 144 * 10 * 8
    assert found["engine"]["layers"][0]["macros"] == 1
    asic = json.loads(run("info", "mnist-spirit", "--target", "asic", "--json").stdout)["engine"]["layers"][0]
    assert (asic["across"], asic["down"], asic["per_macro"], asic["macros"]) == (2, 3, 8, 6)
    assert "spiking" in run("info", "mnist-spirit").stdout


def test_generate(tmp_path):
    result = run("generate", "mnist-spirit", "-o", tmp_path / "engine", "--target", "asic", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["top"] == "oxnor_spiking_engine"
    assert len(told["images"]) == 6 + 2  # macros, seeds of the encoder, identity
    assert (tmp_path / "engine" / "oxnor_spiking_engine.f").is_file()
    assert told["network"]["digest"] == zoo.load("mnist-spirit").digest


@pytest.mark.cosim
def test_simulate_and_find_what_is_corrupted(network_file, tmp_path):
    table, given = tmp_path / "images.csv", tmp_path / "events.csv"
    g, rows = np.random.default_rng(2), ["tick,address,sign,sample,label"]
    for k in range(30):
        ticks = np.sort(g.integers(0, 40, 40))
        rows += [f"{t},{g.integers(0, 10)},{g.choice((1, -1))},{k},{k % 3}" for t in ticks]
    given.write_text("\n".join(rows))
    raster = tmp_path / "raster.svg"
    result = run("simulate", network_file, "--events", given, "--ber", 0.05, "--json", "-o", table, "--raster", raster, "--raster-image", 3)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["ok"]
    assert found["spikes"] > 30
    assert (found["mismatches"], found["spike_mismatches"], found["inputs"]) == (0, 0, "events of events.csv")
    assert found["accuracy"] == found["golden_accuracy"] > 0
    assert "output spikes of the RTL" in raster.read_text()
    assert found["cycles"] == found["predicted_cycles"]
    assert found["cycle_mismatches"] == 0
    assert found["energy"] == "synaptic events x the 3.6 pJ published for the SPIRIT chip (130 nm), whose shape is 144-10, not this one: computed, not measured"
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 30
    assert int(rows[-1]["result_cycle"]) == found["cycles"]
    for key in ("synaptic_events", "energy_j", "latency_ticks", "latency_cycles"):
        assert np.mean([float(r[key]) for r in rows]) == pytest.approx(found[key])
    assert float(rows[0]["energy_j"]) == pytest.approx(int(rows[0]["synaptic_events"]) * 3.6e-12)
    assert [int(r["label"]) for r in rows] == [k % 3 for k in range(30)]
    broken = run("simulate", network_file, "--random-inputs", "--images", 30, "--corrupt-rtl", 2, "--json")
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)["spike_mismatches"] > 0
    assert "oxnor: the RTL differs: " in broken.stderr


@pytest.mark.parametrize(("arguments", "message"), [
    (["info", "mnist-spirit", "--fold", "1,1"], "--fold must not be given for a spiking network: 'mnist-spirit' is one"),
    (["info", "mnist-spirit", "--dataflow", "serial"], "--dataflow must not be given for a spiking network: 'mnist-spirit' is one"),
    (["generate", "mnist-spirit", "-o", "x", "--no-scores"], "--no-scores must not be given for a spiking network: 'mnist-spirit' is one"),
    (["generate", "mnist-spirit", "-o", "x", "--macro", "twin"], "--macro must not be given for a spiking network: 'mnist-spirit' is one"),
    (["simulate", "mnist-spirit", "--min-margin", "0"], "--min-margin must not be given for a spiking network: 'mnist-spirit' is one"),
    (["generate", "mnist-spirit", "-o", "x", "--margin"], "--margin must not be given for a spiking network: 'mnist-spirit' is one"),
    (["simulate", "mnist-spirit", "--converter-bits", "4"],
     "--converter-bits must not be given for a spiking network: 'mnist-spirit' is one"),
    (["simulate", "mnist-spirit", "--read-ber", "0.01"], "--read-ber must not be given for a spiking network: 'mnist-spirit' is one"),
    (["device", "faults", "mnist-spirit", "--device", "weak-3.3e-2", "-o", "x.npz"], "network 'mnist-spirit': must be binarized for --device, not spiking"),
    (["tools", "vectors", "mnist-spirit", "-o", "x"], "network 'mnist-spirit': must be binarized for this command, not spiking"),
    (["demo", "--network", "mnist-spirit"], "network 'mnist-spirit': must be binarized for this command, not spiking"),
    (["study", "spirit", "--network", "mnist-tfc"], "network 'mnist-tfc': must be spiking for this command, not binarized"),
    (["study", "spirit", "--images", "5", "--image", "5"], "--image must be in [0, 4], not 5"),
    (["sweep", "mnist-spirit", "--kind", "read"], "network 'mnist-spirit': must be binarized for kind read on backend cpu, not spiking: its kinds are static, asymmetric, stuck, cluster, sign, step, on cpu"),
    (["info", "mnist-spirit", "--macro", "64x7"], "layer 144 to 10: macros must have at least 8 columns, the cells of a neuron, not 7"),
    (["simulate", "mnist-spirit", "--events", "x.csv"], "--events must not be given for network 'mnist-spirit', which takes no events"),
    (["simulate", "mnist-tfc", "--raster", "x.svg"], "network 'mnist-tfc': must be spiking for --raster, not binarized"),
    (["simulate", "mnist-spirit", "--images", "5", "--raster", "x.svg", "--raster-image", "5"], "--raster-image must be in [0, 4], not 5"),
    (["simulate", "mnist-spirit", "--images", "5", "--raster-image", "2"], "--raster-image must come with --raster"),
    (["train", "mnist-spirit", "--ber", "0.1"], "--ber must not be given for a spiking network: mnist-spirit takes --epochs, --seed, --lr, --batch"),
])  # fmt: skip
def test_bad_input(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"oxnor: {message}\n")


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "--events must be given for network 'small', which has no encoder and takes events: a file of them; or use --random-inputs"),
    (["--events", "x.csv", "--random-inputs"], "--events must not be given together with other inputs"),
    (["--events", "x.csv", "--images", "3"], "--images must be in [1, 2], as x.csv has no more, not 3"),
    (["--data", "mnist"], "--events must be given for network 'small', which has no encoder and takes events: a file of them; or use --random-inputs"),
])  # fmt: skip
def test_events_that_do_not_fit(arguments, message, network_file, monkeypatch):
    monkeypatch.chdir(network_file.parent)
    (network_file.parent / "x.csv").write_text("tick,address,sample\n0,1,0\n0,2,1\n")
    result = run("simulate", network_file, *arguments)
    assert (result.exit_code, result.stderr) == (2, f"oxnor: {message}\n")


def _tuples(found):
    return {k: tuple(tuple(x) if isinstance(x, list) else x for x in v) if isinstance(v, list) else v for k, v in found.items()}


def test_sweep_of_events(network_file, tmp_path):
    """The samples of a file are what a sweep runs: their labels, and another file is another sweep."""
    g, files = np.random.default_rng(5), [tmp_path / "a.npz", tmp_path / "b.npz"]
    for k, path in enumerate(files):
        sample = np.sort(g.integers(0, 40, 900))
        ticks = np.concatenate([np.sort(g.integers(0, 40, n)) for n in np.bincount(sample, minlength=40)])
        np.savez(path, tick=ticks, address=g.integers(0, 10, 900), sample=sample, label=np.arange(40 + k) % 3)
    arguments = ("sweep", network_file, "--ber", "0.01,0.3", "--trials", 2, "-o", tmp_path / "s.sqlite", "--json")
    result = run(*arguments, "--events", files[0])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["computed"] == 5
    assert json.loads(run(*arguments, "--events", files[0]).stdout)["computed"] == 0
    other = run(*arguments, "--events", files[1])
    assert (other.exit_code, "images" in other.stderr) == (2, True)
    page = run("report", tmp_path / "s.sqlite", "-o", tmp_path / "page.html", "--json")
    assert page.exit_code == 0, page.stderr
    text = (tmp_path / "page.html").read_text()
    assert "events of a.npz" in text
    assert "Spikes and membranes" in text
    with sqlite3.connect(tmp_path / "s.sqlite") as db:
        (stored,) = db.execute("SELECT value FROM header WHERE key = 'raster'").fetchone()
        found = json.loads(stored)
        assert Raster.from_json(found, "s").to_json() | {"spikes": 0} == _tuples(found) | {"spikes": 0}
        for wrong in ({"ticks": [0.5]}, {"lines": [10]}, {"spikes": [[[0], [99], [0]]] * 2}, {"membranes": [[1]]}, {"end": "x"}):
            with pytest.raises(InputError, match=r"s: header\.raster must hold the spikes and membranes of a sample"):
                Raster.from_json(found | wrong, "s")


def test_sweep(tmp_path):
    result = run("sweep", "mnist-spirit", "--images", 100, "--ber", "0.01,0.1", "--trials", 2, "-o", tmp_path / "s.sqlite", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["computed"] == 5


def test_spirit(tmp_path):
    result = run("study", "spirit", "--images", 200, "--trials", 1, "--pictures", tmp_path, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["published"]["input_spikes"] == 136
    assert found["energy"] == "synaptic events x the 3.6 pJ published for the SPIRIT chip (130 nm): computed, not measured"
    assert found["ours"]["energy_j"] == pytest.approx(found["ours"]["synaptic_events"] * 3.6e-12)
    assert [d["delta_s"] for d in found["accuracy_against_delta_s"]] == list(task.DELTAS)
    curves = found["accuracy_against_refractory"]
    assert curves.pop("ticks") == list(task.REFRACTORIES)
    assert {name: len(curve) for name, curve in curves.items()} == {"mnist-spirit": 7, "mnist-spirit-tanh": 7}
    assert curves["mnist-spirit"][0] == found["ours"]["accuracy"]
    assert {p.name for p in tmp_path.iterdir()} == {
        f"spirit-{k}.{end}" for k in ("delta", "cells", "refractory", "raster") for end in ("svg", "png")
    }


def test_raster_shows_the_decision():
    """What is drawn is the golden model's run of that image, event by event."""
    from oxnor.models.golden import spiking as spiking_golden

    network = zoo.load("mnist-spirit")
    images, labels = load_mnist()
    found = task.spirit(network, images[:20], labels[:20], trials=1, image=3)
    readout = spiking_golden.run(network, images[:20])
    assert found.run.counts == readout.counts[3].tolist()
    assert len(found.run.membranes) == readout.used[3, 0]
    assert found.label == labels[3]
