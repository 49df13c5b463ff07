"""The study of weights learned in place, in small: its table, pictures, network, resumption, and bad input."""

import json

import numpy as np
import pytest
from helpers.cli import run

from oxnor.models import golden
from oxnor.models.datasets.dataset import Dataset
from oxnor.models.networks.binarized import Network
from oxnor.models.training.presets import TrainingData
from oxnor.sim.studies import ternary

pytest.importorskip("torch", reason='training needs PyTorch: pip install -e ".[train]"')
SMALL = ("--layers", "F8", "--epochs", 1, "--images", 300, "--validation", 50, "--batch", 25, "--lr", 0.1)


#: They read MNIST's training images, which are not everywhere.
OF_MNIST = pytest.mark.slow


@OF_MNIST
def test_study(tmp_path, monkeypatch):
    g, test = np.random.default_rng(0), TrainingData.load("mnist").test.first(500)
    train = Dataset("mnist", g.integers(0, 256, (400, 28, 28), np.uint8), np.arange(400) % 10)
    monkeypatch.setattr(TrainingData, "load", lambda *_, **__: TrainingData(train, test))
    output, folder, states = tmp_path / "net.npz", tmp_path / "pictures", tmp_path / "states"
    study = ("study", "ternary", *SMALL, "--laws", "mtj,tanh", "--json", "--checkpoints", states)
    result = run(*study, "--spreads", "0.1", "--output", output, "--pictures", folder, "--format", "svg")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert list(found["variants"]) == ["ternary, mtj", "ternary, tanh", "ternary, mtj, spread 0.1", "float weights"]
    assert found["u50"] == pytest.approx(3.148, abs=1e-3)
    assert {p.name for p in folder.iterdir()} == {"ternary-epochs.svg", "ternary-laws.svg"}
    assert len(list(states.iterdir())) == 4

    # The network is that of the first training, and an engine takes it: two synapses a weight.
    network, first = Network.load(output), found["variants"]["ternary, mtj"][0]
    assert network.info["accuracy"] == first["test"]
    assert [layer.weight_bits for layer in network.layers] == [2, 2]
    assert np.mean(golden.predict(network, test.flat) == test.labels) == first["test"]

    # Trainings that are over are not done again.
    again = json.loads(run(*study, "--resume").stdout)
    assert again["variants"]["ternary, tanh"] == found["variants"]["ternary, tanh"]
    shown = run("study", "ternary", *SMALL, "--no-float", "--weights", "binary", "--table", 0, "--seeds", 2)
    assert "binary, tanh" in shown.stdout
    assert "means of 2 seeds" in shown.stderr
    assert ternary.FLOAT not in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--laws", "tanh,sine"), "--laws must be some of tanh, linear, mtj, each once, not tanh,sine"),
        (("--laws", ","), "--laws must be some of tanh, linear, mtj, each once, not none"),
        (("--weights", "ternary,ternary"), "--weights must be some of ternary, binary, each once, not ternary,ternary"),
        (("--table", 4), "--table must be 0 or in [8, 16], not 4"),
        (("--theta0", 0), "--theta0 must be in [0.001, 1], not 0.0"),
        (("--u50", 9), "--u50 must be in [0.845, 7.75], not 9.0"),
        (("--u50", 3, "--theta0", 0.1), "--u50 must not be given together with --theta0"),
        (("--spreads", "a"), "--spreads must be numbers with commas, not 'a'"),
        (("--spreads", "0.1,0.9"), "--spreads must be in (0, 0.5], not 0.9"),
        (("--spreads", "0.1,0.1"), "--spreads must be above 0, each once"),
        (("--spreads", "0.1", "--table", 0), "--spreads must come with a --table"),
        (("--seeds", 0), "--seeds must be in [1, 100], not 0"),
        (("--optimizer", "x"), "--optimizer must be adam or sgd, not 'x'"),
        (("--memory", 1), "--memory must be in [0, 0.999999], not 1.0"),
        (("--layers", "F0"), "--layers must have sizes in [1, 65536], not F0"),
        pytest.param(*(("--images", 70_000), "--images must be in [1, 60000], as mnist has no more, not 70000"), marks=OF_MNIST),
        pytest.param(*(("--images", 50), "--validation must be less than the 50 training images, not 5000"), marks=OF_MNIST),
        pytest.param(*(("--resume",), "--resume must come with --checkpoints"), marks=OF_MNIST),
    ],
)  # fmt: skip
def test_bad_input(arguments, message):
    result = run("study", "ternary", *arguments)
    assert result.exit_code == 2
    assert result.stderr.strip() == f"oxnor: {message}"
