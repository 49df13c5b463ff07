"""The study of deep belief networks in small: figures, pictures, a training that goes on, and bad input."""

import json

import numpy as np
import pytest
from helpers.cli import run

from oxnor.models.datasets import mnist
from oxnor.models.rbm.belief import BeliefParams
from oxnor.models.rbm.synapses import CounterParams
from oxnor.sim.studies import dbn

SMALL = ("--hidden", "20,30", "--epochs", 2, "--tuning", 1, "--images", 1000, "--threshold", 5, "--batch", 5, "--draws", 3)


@pytest.fixture(autouse=True)
def shipped(monkeypatch):
    """Training images from the shipped ones, of which the others test."""
    images, labels = mnist.load_mnist("test")
    parts = {"train": (images[:1000], labels[:1000]), "test": (images[9800:], labels[9800:])}
    monkeypatch.setattr(mnist, "load_mnist", lambda split, data_dir=None: parts[split])


def test_the_command_and_a_training_that_goes_on(tmp_path):
    folder, kept = tmp_path / "pictures", tmp_path / "kept.npz"
    whole = run("study", "dbn", *SMALL, "--json", "--checkpoint", kept, "--pictures", folder, "--format", "svg")
    assert whole.exit_code == 0, whole.stderr
    found = json.loads(whole.stdout)
    assert [(e["stage"], e["epoch"]) for e in found["curve"]] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    assert found["curve"][0]["frozen"] is None
    assert found["readings"]["wake-sleep"]["frozen"] == found["curve"][-1]["frozen"]
    assert found["readings"]["layer by layer"]["sampled"] > 0.2
    assert 0 < found["pulses"]["up0.weights"]["mean"] < found["pulses"]["up0.weights"]["max"]
    assert {p.name for p in folder.iterdir()} == {"dbn-accuracy.svg", "dbn-reconstructions.svg", "dbn-pulses.svg"}
    part = tmp_path / "part.npz"
    short = [0 if a == 1 else a for a in SMALL]
    assert run("study", "dbn", *short, "--checkpoint", part).exit_code == 0
    again = run("study", "dbn", *SMALL, "--json", "--checkpoint", part, "--resume")
    assert json.loads(again.stdout) == found
    assert part.read_bytes() == kept.read_bytes()
    other = run("study", "dbn", *SMALL, "--seed", 1, "--checkpoint", kept, "--resume")
    assert other.exit_code == 2
    assert other.stderr.strip() == f"oxnor: {kept}: must be of the same network, images and epochs, not of another training"
    table = run("study", "dbn", *SMALL, "--checkpoint", kept, "--resume")
    assert "wake-sleep" in table.stdout
    assert "down0.weights" in table.stdout


def test_an_epoch_that_is_broken_off_is_repeated(tmp_path, monkeypatch):
    """A checkpoint within a stage, from which the rest is that of a training that was never stopped."""
    params = dbn.DbnParams(BeliefParams((12, 14), counter=CounterParams(5), batch=5), 2, 1, 2)
    train, test = (mnist.load_mnist(split) for split in ("train", "test"))
    train = (train[0][:200], train[1][:200])
    whole = dbn.study(train, test, params).to_json()
    learn, calls = dbn.DeepBelief.learn, []

    def stops(self, stage, epoch, *rest):
        if calls.append((stage, epoch)) or len(calls) == stop:
            raise KeyboardInterrupt
        return learn(self, stage, epoch, *rest)

    for stop in (2, 4, 5):
        calls.clear()
        path = tmp_path / f"{stop}.npz"
        with monkeypatch.context() as patch:
            patch.setattr(dbn.DeepBelief, "learn", stops)
            with pytest.raises(KeyboardInterrupt):
                dbn.study(train, test, params, checkpoint=path)
        assert dbn.study(train, test, params, checkpoint=path, resume=True).to_json() == whole


def test_damaged_checkpoints(tmp_path):
    params = dbn.DbnParams(BeliefParams((4, 5)), 1, 0, 1)
    train, test = (mnist.load_mnist(split) for split in ("train", "test"))
    path = tmp_path / "c.npz"
    dbn.study(train, test, params, checkpoint=path)
    whole, arrays = path.read_bytes(), dict(np.load(path))

    def message():
        with pytest.raises(dbn.InputError) as e:
            dbn.study(train, test, params, checkpoint=path, resume=True)
        return str(e.value)

    path.write_bytes(whole[:1000])
    assert message() == f"{path}: is not an .npz file, or is cut short"
    np.savez(path, **{k: v for k, v in arrays.items() if k != "up1.weights.beta"})
    assert message() == f"{path}: array 'up1.weights.beta' is missing"
    np.savez(path, **(arrays | {"up0.upper.counts": np.zeros(3, np.int32)}))
    assert message() == f"{path}: array 'up0.upper.counts' must have shape (4), not (3,)"
    header = json.loads(arrays["header"].tobytes())
    for curve in ([], [{"stage": 0}], 5):
        text = np.frombuffer(json.dumps(header | {"curve": curve}).encode(), np.uint8)
        np.savez(path, **(arrays | {"header": text}))
        assert message().startswith(f"{path}: header must have a curve and readings")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--hidden", "a"), "--hidden must be whole numbers with commas, not 'a'"),
        (("--hidden", "5,0"), "--hidden must be 1 to 5 numbers in [1, 16384], not 5,0"),
        (("--threshold", 0), "--threshold must be in [1, 1048576], not 0"),
        (("--spread", "nan"), "--spread must be in [0, 10], not nan"),
        (("--synapses", "x"), "--synapses must be one of y-flash, float, not 'x'"),
        (("--epochs", 0), "--epochs must be in [1, 10000], not 0"),
        (("--tuning", "-1"), "--tuning must be in [0, 10000], not -1"),
        (("--draws", 0), "--draws must be in [1, 10000], not 0"),
        (("--batch", 0), "--batch must be in [1, 65536], not 0"),
        (("--images", 1001), "--images must be in [1, 1000], not 1001"),
        (("--seed", "-1"), "--seed must be an integer in [0, 2**63), not -1"),
        (("--resume",), "--resume must come with a --checkpoint file"),
    ],
)
def test_bad_input(arguments, message):
    result = run("study", "dbn", *arguments)
    assert result.exit_code == 2
    assert result.stderr.strip() == f"oxnor: {message}"
