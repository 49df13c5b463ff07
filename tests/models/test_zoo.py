"""The shipped networks: what their cards say is true, and what a wrong name gets."""

import itertools
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from oxnor.models import golden, zoo
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.known import load_dataset
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.golden.registry import accuracy
from oxnor.models.training import presets
from oxnor.models.training.params import with_defaults
from oxnor.models.trials.binarized import Trials

SHAPES = {
    "cifar10-cnv": "32x32x3-C64-C64-P-C128-C128-P-C256-C256-512-512-10",
    "cifar10-cnv-robust": "32x32x3-C64-C64-P-C128-C128-P-C256-C256-512-512-10",
    "cifar10-residual": "32x32x3-C64-C64r16-P-C128-C128r16-P-C256-C256r16-512-512-10",
    "mnist-tfc": "784-64-64-64-10",
    "mnist-sfc": "784-256-256-256-10",
    "mnist-mlp": "784-1024-1024-10",
    "mnist-mlp-robust": "784-1024-1024-10",
    "fashion-cnn": "28x28x1-C64-C64-P-C128-C128-P-512-10",
    "mnist-cnn": "28x28x1-C32k5-P-C64k5-P-512-10",
    "mnist-cnn-small": "28x28x1-C16-P-C32-P-64-10",
}
SPIKING = {"mnist-spirit": "144-10", "mnist-spirit-deep": "784-128-10", "mnist-spirit-tanh": "144-10"}
CNV = 64 * 27 + 64 * 576 + 128 * 576 + 128 * 1152 + 256 * 1152 + 256 * 2304 + 512 * 256 + 512 * 512 + 5120
#: Weights of networks with convolutions; of others they follow from the sizes.
WEIGHTS = {
    "cifar10-cnv": CNV, "cifar10-cnv-robust": CNV, "cifar10-residual": CNV,
    "fashion-cnn": 64 * 9 + 64 * 576 + 128 * 576 + 128 * 1152 + 512 * 2048 + 5120,
    "mnist-cnn": 32 * 25 + 64 * 800 + 512 * 1024 + 5120,
    "mnist-cnn-small": 16 * 9 + 32 * 144 + 64 * 800 + 640,
}
NAMES = ", ".join(sorted(SHAPES | SPIKING))
TRAINED = ", ".join(sorted({*SHAPES, *SPIKING}))
#: Fraction of the 10,000 test images that a fully binarized network of the shape should get right.
REACH = {"mnist-tfc": 0.945, "mnist-sfc": 0.98, "mnist-mlp": 0.986, "mnist-mlp-robust": 0.98,
         "mnist-cnn-small": 0.982, "mnist-cnn": 0.992, "fashion-cnn": 0.915, "cifar10-cnv": 0.842,
         "cifar10-cnv-robust": 0.8, "cifar10-residual": 0.865}


def test_names():
    assert zoo.names() == sorted(SHAPES | SPIKING)
    assert set(presets.SPIKING_PRESETS) == set(SPIKING)
    assert set(presets.PRESETS) == set(SHAPES)


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[pytest.mark.slow] if name.startswith("cifar10") else []) for name in SHAPES
])
def test_accuracy_is_what_the_card_says(name):
    network = zoo.load(name)
    assert network.name == name
    assert network.label == SHAPES[name]
    data = load_dataset(network.data_set or "mnist")
    assert np.mean(golden.predict(network, data.flat) == data.labels) == network.info["accuracy"]
    assert network.info["accuracy"] >= REACH[name]


def test_robust_network_stands_what_it_was_trained_for():
    """At a bit error rate of 4e-2 it loses at most 1 point of its accuracy without errors, in the mean of trials."""
    network = zoo.load("mnist-mlp-robust")
    trials = Trials(network, *load_mnist())
    faulty = [np.trace(trials.confusion(FaultMap.draw(network, ber=0.04, trial=t))) / 10_000 for t in range(8)]
    assert np.mean(faulty) >= network.info["accuracy"] - 0.01


@pytest.mark.parametrize("name", SHAPES)
def test_card(name):
    info = zoo.load(name).info
    assert info["command"] == f"oxnor train {name}"
    assert info["licence"] == "MIT"
    assert info["data"].startswith(presets.DATA[presets.PRESET_SETS.get(name, "mnist")])
    assert 0.8 < info["validation_accuracy"] < 1
    params = json.loads(json.dumps(presets._plain(presets.asdict(presets.PRESETS[name]))))
    # A parameter that is newer than the network has its default there.
    assert with_defaults(info["training"]["params"]) == params, "the preset is not the one that trained the shipped network"
    assert info["training"]["epoch"] <= info["training"]["epochs"] <= params["epochs"]


def test_scores_need_no_scale_or_offset():
    for name in SHAPES:
        last = zoo.load(name).layers[-1]
        assert (last.scales == 1).all()
        assert (last.offsets == 0).all()


def test_entries():
    entries = zoo.entries()
    assert [e["name"] for e in entries] == sorted(SHAPES | SPIKING)
    for entry in entries:
        name, label = entry["name"], (SHAPES | SPIKING)[entry["name"]]
        assert entry["kind"] == ("spiking" if name in SPIKING else "binarized")
        assert entry["label"] == label
        if name in WEIGHTS:
            assert entry["weights"] == WEIGHTS[name]
        else:
            assert label == "-".join(map(str, entry["shape"]))
            assert entry["weights"] == sum(a * b for a, b in itertools.pairwise(entry["shape"]))
        assert 0.8 < entry["accuracy"] < 1
        assert set(entry) == {"name", "kind", "label", "shape", "weights", "accuracy", *zoo.CARD_FIELDS}
    json.dumps(entries)


@pytest.mark.parametrize(("name", "hint"), [
    ("mnist-tcf", " (did you mean mnist-tfc"), ("mnist-ml", " (did you mean mnist-mlp"), ("cifar", " (did you mean cifar10-cnv"), ("", None),
])
def test_unknown_name(name, hint):
    for find in (zoo.load, zoo.load_binarized):
        with pytest.raises(InputError) as caught:
            find(name)
        start = f"network must be one of {NAMES}, not {name!r}"
        assert str(caught.value).startswith(start + (hint or ""))
        assert hint or str(caught.value) == start


def test_load_binarized(tmp_path):
    network = zoo.load_binarized("mnist-tfc")
    path = tmp_path / "mine.npz"
    network.save(path)
    assert zoo.load_binarized(path).digest == zoo.load_binarized(str(path)).digest == network.digest
    with pytest.raises(InputError) as caught:
        zoo.load_binarized(tmp_path / "none.npz")
    assert str(caught.value) == f"{tmp_path / 'none.npz'}: no such file"
    with pytest.raises(InputError) as caught:
        zoo.load_binarized(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a folder, not a file"


def test_preset():
    assert presets.preset("mnist-tfc") == presets.PRESETS["mnist-tfc"]
    changed = presets.preset("mnist-tfc", {"epochs": 2, "seed": None, "teacher_epochs": 0})
    assert (changed.epochs, changed.seed, changed.teacher.epochs) == (2, presets.PRESETS["mnist-tfc"].seed, 0)
    assert presets.preset("mine", {"hidden": (5,)}).hidden == (5,)
    with pytest.raises(InputError) as caught:
        presets.preset("mnist-tcf")
    assert caught.value.parameter == "hidden"
    assert str(caught.value).startswith(
        f"hidden must be given, or `layers`, for a network that is none of {TRAINED}: 'mnist-tcf' (did you mean"
    )


@pytest.fixture
def app(monkeypatch):
    """The train command alone, with the test images in the place of the training images."""
    import typer

    from oxnor.cli.networks.train import train

    pytest.importorskip("torch", reason='training needs PyTorch: pip install -e ".[train]"')
    test_images = load_dataset("mnist")
    sets = {"test": test_images, "train": test_images.first(9_999)}
    monkeypatch.setattr(presets, "load_dataset", lambda *_, split="test", **__: sets[split])
    app = typer.Typer()
    app.command()(train)
    return app


OPTIONS = ["--hidden", "16,12", "--epochs", "2", "--views", "0", "--teacher-epochs", "0", "--seed", "3"]


def test_command_prints_one_json_object(app, tmp_path):
    path = tmp_path / "out" / "mine.npz"
    result = CliRunner().invoke(app, ["mine", *OPTIONS, "-o", str(path), "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    network = zoo.load_binarized(path)
    assert told == {"name": "mine", "file": str(path), "shape": [784, 16, 12, 10], "weights": network.n_weights} | dict(
        network.info
    )
    assert told["command"] == "oxnor train mine " + " ".join(
        ["--hidden 16,12", "--epochs 2", "--seed 3", "--views 0", "--teacher-epochs 0"]
    )
    assert told["accuracy"] == accuracy(network, *load_mnist())


def test_command_shows_progress(app, tmp_path):
    path = tmp_path / "mine.npz"
    result = CliRunner().invoke(app, ["mine", *OPTIONS, "-o", str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "784-16-12-10, test accuracy" in result.stdout.replace("\n", " ")
    assert path.is_file()


def test_command_errors(app, tmp_path):
    for options, message in [
        (["mine"], f"hidden must be given, or `layers`, for a network that is none of {TRAINED}: 'mine'"),
        (["mine", "--hidden", "64,x"], "hidden must be whole numbers with commas between them, not '64,x'"),
        (["mnist-tfc", "--epochs", "0"], "epochs must be in [1, 100000], not 0"),
    ]:
        with pytest.raises(InputError) as caught:
            CliRunner().invoke(app, [*options, "-o", str(tmp_path / "x.npz")], catch_exceptions=False)
        assert str(caught.value) == message
    assert not list(tmp_path.iterdir())
