"""The examples of the documents run from end to end, on small data of our own."""

import importlib.util
from pathlib import Path

import numpy as np

from oxnor.models import zoo
from oxnor.models.datasets.options import DataOptions
from oxnor.models.golden import registry
from oxnor.sim.verify.inputs import inputs_for

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_spoken_digits(tmp_path, capsys):
    """Ten tones in place of ten words: events, a network, and both as the commands read them."""
    spec = importlib.util.spec_from_file_location("spoken_digits", EXAMPLES / "spoken_digits.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    g = np.random.default_rng(3)
    label, index = np.repeat(np.arange(10), 12), np.tile(np.arange(12), 10)
    length = g.integers(1500, 2500, 120)
    tones = [
        np.sin(2 * np.pi * 200 * 1.33**k * np.arange(n) / 8000) * 9000 + g.normal(size=n) for k, n in zip(label, length, strict=True)
    ]
    np.savez(tmp_path / "tones.npz", samples=np.concatenate(tones).astype(np.int16), length=length, label=label, index=index)
    example.main(tmp_path / "tones.npz", tmp_path / "out")
    assert "test: " in capsys.readouterr().out
    network = zoo.load(tmp_path / "out" / "digits.npz")
    inputs = inputs_for(network, DataOptions(events=tmp_path / "out" / "test.npz"))
    assert len(inputs.images) == 50
    assert registry.accuracy(network, inputs.images, inputs.labels) > 0.8
