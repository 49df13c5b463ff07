"""A user's own data on the command line, from training to the report."""

import json

import numpy as np
import pytest
from helpers.cli import run, sentence

from oxnor.models import zoo
from oxnor.sim.sweeps import run as sweeps


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with a set of two named classes and a network that ``oxnor train`` made for it."""
    pytest.importorskip("torch", reason='training needs PyTorch: pip install -e ".[train]"')
    place = tmp_path_factory.mktemp("own")
    g = np.random.default_rng(1)
    rows = [f"{'warm' if x[0] + x[1] > 255 else 'cold'},{','.join(map(str, x))}" for x in g.integers(0, 256, (240, 6))]
    (place / "mine.csv").write_text("\n".join(["label,a,b,c,d,e,f", *rows]) + "\n")
    arguments = ("--hidden", 16, "--data", place / "mine.csv", "--input-bits", 3, "--epochs", 12, "-o", place / "mine.npz", "--json")
    result = run("train", "mine", *arguments)
    assert result.exit_code == 0, result.stderr
    return place, json.loads(result.stdout)


def test_training_keeps_what_it_was_made_for(made):
    place, report = made
    network = zoo.load(place / "mine.npz")
    assert report["accuracy"] > 0.65
    assert (network.data_set, network.classes) == ("mine.csv", ("cold", "warm"))
    shown = run("info", place / "mine.npz").stdout
    for text in ("thermometer, 3 bits a feature", "mine.csv", "cold, warm"):
        assert text in shown


@pytest.mark.parametrize("command", [("simulate",), ("sweep",), ("tools", "vectors", "-o", "v"), ("fpga", "check", "--board", "icebreaker")])
def test_never_on_random_bits_unasked(made, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, *options = command[:1] if len(command) == 1 else command[:2], *command[2:]
    assert sentence(*name, made[0] / "mine.npz", *options) == (
        "--data must be given for network 'mine', which was made for the data set 'mine.csv': name its file or folder;"
        " or use --random-inputs"
    )
    assert not list(tmp_path.iterdir())


def test_sweep_and_report(made, monkeypatch):
    place, _ = made
    monkeypatch.chdir(place)
    monkeypatch.setattr(sweeps, "verify", lambda *a: [])
    arguments = ("--data", "mine.csv", "--ber", "0.01,0.2", "--trials", 1, "--verify", 9)
    result = run("sweep", "mine.npz", *arguments)
    assert result.exit_code == 0, result.stderr
    assert "--verify 9: the file has 0 trials with errors, and all were run" in result.stderr
    assert "3 trials computed" in result.stderr
    assert run("report", "mine.sqlite").exit_code == 0
    assert "warm" in (place / "report.html").read_text()
    assert sentence("report", "mine.sqlite", "./mine.sqlite") == "mine.sqlite: must be given once, not twice"


def test_classes_without_images_are_said(made, tmp_path):
    np.savez(tmp_path / "gap.npz", images=np.random.default_rng(1).integers(0, 256, (60, 5)), labels=np.arange(60) % 2 * 2)
    result = run("train", "gap", "--hidden", 4, "--data", tmp_path / "gap.npz", "--epochs", 1, "-o", tmp_path / "n.npz")
    assert result.exit_code == 0, result.stderr
    assert "gap.npz, no image of class 1\n" in result.stderr
