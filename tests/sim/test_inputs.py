"""Images for a network: which set it takes, and what its classes are called."""

import csv
import dataclasses

import numpy as np
import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.datasets.options import DataOptions
from oxnor.sim.drawing.plots import confusion_plot
from oxnor.sim.sweeps.page import Story, build_page
from oxnor.sim.sweeps.params import SweepParams
from oxnor.sim.sweeps.run import sweep
from oxnor.sim.verify.inputs import inputs_for
from oxnor.sim.verify.per_image import write_csv

NAMES = ("cat $x$", "dog <b>", "owl")


@pytest.fixture
def own(random_network, tmp_path):
    """Return a network that was made for a set of its user's, and options that name the set."""
    g = np.random.default_rng(1)
    np.savez(tmp_path / "mine.npz", images=g.integers(0, 256, (30, 3, 3)), labels=g.integers(0, 3, 30))
    network = dataclasses.replace(random_network((9, 5, 3)), data_set="mine.npz", classes=NAMES)
    return network, DataOptions(source=tmp_path / "mine.npz")


def test_a_network_of_a_users_own_set_never_runs_on_random_bits_unasked(own):
    network, options = own
    with pytest.raises(InputError) as caught:
        inputs_for(network)
    assert str(caught.value) == (
        "data must be given for network 'random', which was made for the data set 'mine.npz': name its file or folder;"
        " or use `random_inputs`"
    )
    assert inputs_for(network, DataOptions(random_inputs=True, images=5)).labels is None
    inputs = inputs_for(network, options)
    assert (inputs.classes, inputs.source) == (NAMES, "mine.npz (0 to 255)")
    # One that says nothing is compared with the golden model on random bits, and one of a known set takes it.
    assert inputs_for(dataclasses.replace(network, data_set="", classes=())).labels is None
    digits = dataclasses.replace(network, data_set="digits", classes=())
    with pytest.raises(InputError, match="digits: images must have 9 elements for network 'random', not 64"):
        inputs_for(digits)


def test_names_that_are_only_numbers_are_left_out(own):
    network, options = own
    assert inputs_for(dataclasses.replace(network, classes=("0", "1", "2")), options).classes == ()


def test_names_in_a_sweep_and_its_page(own, tmp_path):
    network, options = own
    result = sweep(network, options, SweepParams((0.1,), 1), tmp_path / "r.sqlite")
    assert result.story.header["class_names"] == list(NAMES)
    assert repr(result.story).endswith("; 1 trial)")
    page = build_page([Story.read(tmp_path / "r.sqlite")])
    assert "dog &lt;b&gt;" in page
    assert "dog <b>" not in page
    assert "cat $x$" in page  # no formula


def test_long_and_many_names_in_a_picture():
    text = confusion_plot({0.1: np.eye(40, dtype=int)}, "t", [f"a very long name {k}" for k in range(40)]).svg()
    assert "a very long n…" in text


def test_names_of_each_image(own, tmp_path):
    network, options = own
    inputs = inputs_for(network, options)

    class Result:
        def columns(self):
            return {"class": np.arange(30) % 3}

    write_csv(tmp_path / "r.csv", Result(), inputs)
    with (tmp_path / "r.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["image", "label", "class", "label_name", "class_name"]
    assert [row["class_name"] for row in rows[:3]] == list(NAMES)
    assert [row["label_name"] for row in rows] == [NAMES[k] for k in inputs.labels]
