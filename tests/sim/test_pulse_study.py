"""The study of learning by pulses in small: its tables again, pictures, and bad input."""

import json

import numpy as np
import pytest
from helpers.cli import run, sentence

from oxnor.models.base import shipped
from oxnor.models.datasets.mnist import load_mnist
from oxnor.sim.studies import pulses


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Train on some of the test images, which come with the package."""
    images, labels = load_mnist("test")
    sets = {"train": (images[:1200], labels[:1200]), "test": (images[1200:1700], labels[1200:1700])}
    monkeypatch.setattr(pulses, "load_mnist", lambda split, data_dir: sets[split])
    monkeypatch.setattr(pulses, "VALIDATION", 200)


def command(*more):
    return run("study", "pulses", "--hidden", 12, "--images", 500, *more, "--json")


def test_devices_and_rules(tmp_path):
    folder = tmp_path / "pictures"
    result = command("--devices", "float,gokmen-vlasov,reram-array-hfo2", "--table", shipped.folder("enode"), "--epochs", 2, "--lr", 0.2,
                     "--rules", "sgd,tiki-taka-v2", "--seeds", 2, "--pictures", folder, "--format", "svg")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["training_images"], found["test_images"], found["network"]) == (1000, 500, "784-12-10")
    assert list(found["devices"]) == ["float", "gokmen-vlasov", "reram-array-hfo2", "table"]
    last = {(one["device"], one["rule"]): one["accuracy"][-1] for one in found["learners"]}
    assert len(last) == 8
    assert last["float", "sgd"]["mean"] > 0.6
    assert last["gokmen-vlasov", "sgd"]["mean"] > last["reram-array-hfo2", "sgd"]["mean"] + 0.2
    assert all(a["low"] <= a["mean"] <= a["high"] for a in last.values())
    by_device = {one["device"]: one for one in found["learners"] if one["rule"] == "sgd"}
    assert by_device["float"]["pulses_max"] == 0 < by_device["reram-array-hfo2"]["pulses_a_device"]
    assert by_device["gokmen-vlasov"]["endurance_used"] == by_device["gokmen-vlasov"]["pulses_max"] / 1e12
    assert found["requirements"]["endurance"]["training"] == "critical, above 1e+12"
    assert {p.name for p in folder.iterdir()} == {"pulses-accuracy.svg", "pulses-steps.svg"}
    again = json.loads(command("--devices", "gokmen-vlasov", "--epochs", 2, "--seeds", 2, "--lr", 0.2).stdout)["learners"]
    assert again == [by_device["gokmen-vlasov"]]  # whatever ran beside it


def test_learning_rates_are_chosen_on_validation_images(monkeypatch):
    """The best of the rates on images that are neither trained on nor tested."""
    seen, rates = [], []

    class Network:
        def __init__(self, device, params, pixels, classes, seed):
            self.params, self.seed = params, seed
            self.pulses = np.zeros(1)

        def train(self, images, labels):
            rates.append((self.params.lr, self.seed))

        def accuracy(self, images, labels):
            seen.append((len(images), self.seed))
            return 1 - abs(self.params.lr - 0.2) if len(images) == 200 else 0.5

    monkeypatch.setattr(pulses, "PulseNetwork", Network)
    params = pulses.PulseParams(("ecram",), learning=pulses.LearningParams(epochs=1), tune=True, seeds=2)
    given, tuned = pulses.study(params).learners
    assert (given.lr, given.tuned, tuned.lr, tuned.tuned) == (0.1, False, 0.2, True)
    assert sorted(seen) == sorted([(500, 0), (500, 1)] * 2 + [(200, 2)] * 6)
    assert sorted({lr for lr, seed in rates if seed == 2}) == pytest.approx([0.0125, 0.025, 0.05, 0.1, 0.2, 0.4])


def test_closed_form_has_the_mean_of_exact_coincidences():
    found = pulses.coincidences(updates=3000)
    assert abs(found.difference) <= 3 * found.error < 0.02
    assert found.largest < 4.5  # of 256
    assert 0.1 < found.variance_ratio < 0.95


@pytest.mark.slow
def test_order_of_the_devices(monkeypatch):
    """Three seeds at one learning rate: margins are half of those of one seed in numpy, with the same numbers."""
    monkeypatch.undo()
    learners = pulses.study(pulses.PulseParams()).learners
    last = {one.device: 100 * one.points[-1].mean for one in learners}
    assert last["float"] > last["ecram"] + 1.2
    assert last["float"] > last["gokmen-vlasov"] > last["ecram"] - 2
    assert min(last["ecram"], last["gokmen-vlasov"]) > last["reram-sb"] + 3.3
    assert last["reram-sb"] > last["reram-array-om"] + 4.2
    assert last["reram-array-om"] > last["reram-array-hfo2"] + 6.5


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--devices", "ecram,ecram"), "--devices must name 'ecram' once"),
        (("--devices", ""), "--devices must be some of"),
        (("--rules", "adam"), "--rules must be some of sgd, momentum, tiki-taka, tiki-taka-v2, not 'adam'"),
        (("--seeds", "0"), "--seeds must be in [1, 100], not 0"),
        (("--images", "0"), "--images must be in [1, 1000000], not 0"),
        (("--lr", "-1"), "--lr must be above 0 and at most 100, not -1"),
        (("--table", "no-folder"), "--table must be a folder with dG_decreasing.txt and dG_increasing.txt, not no-folder"),
    ],
)
def test_bad_input(more, message):
    assert sentence("study", "pulses", *more).startswith(message)
