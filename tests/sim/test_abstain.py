"""Class or unsure: the study against a plain count, the RTL with a least margin, and bad input."""

import json

import numpy as np
import pytest
from helpers.cli import run

from oxnor.models import golden, zoo
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.devices.model import DeviceModel
from oxnor.models.faults.fault_map import FaultMap
from oxnor.sim.studies.abstain import abstain, chosen_margins, plots
from oxnor.sim.sweeps.errors import draw_errors, supply_of
from oxnor.sim.sweeps.params import SweepParams
from oxnor.sim.sweeps.trial import ALL_LAYERS, Key
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.simulate import simulate

IMAGES = 400


@pytest.fixture(scope="module")
def task():
    images, labels = (part[:IMAGES] for part in load_mnist("test"))
    return zoo.load_binarized("mnist-tfc"), images, labels


def test_margins():
    scores = np.array([[3, 9, 4], [7, 7, 1], [-5, -5, -5], [-128, 127, -128]])
    assert golden.margins(scores).tolist() == [5, 0, 0, 255]
    assert golden.margins(scores[0]) == 5


def test_the_study_counts(task):
    """Every figure again, image by image."""
    network, images, labels = task
    other = zoo.load_binarized("mnist-sfc")
    params = SweepParams((3e-2,), 2, seed=4)
    result = abstain(network, images, labels, params, min_margins=[6, 24], fallback=(other, 10))
    backup = golden.predict(other, images) == labels
    level = result.levels[1]
    assert [x.rate for x in result.levels] == [0, 3e-2]
    draws = [FaultMap.draw(network, ber=3e-2, seed=4, trial=t).apply(network) for t in range(2)]
    scores = [golden.scores(wrong, images) for wrong in draws]
    right = [golden.argmax(s) == labels for s in scores]
    assert level.accuracy.mean == pytest.approx(np.mean(right))
    for at, least in zip(level.at, (6, 24), strict=True):
        unsure = [golden.margins(s) < least for s in scores]
        assert at.unsure.mean == pytest.approx(np.mean(unsure))
        assert at.sure_accuracy.mean == pytest.approx(np.mean([r[~u].mean() for r, u in zip(right, unsure, strict=True)]))
        together = [np.where(u, backup, r).mean() for r, u in zip(right, unsure, strict=True)]
        assert at.system_accuracy.mean == pytest.approx(np.mean(together))
        assert at.cost == pytest.approx(1 + 10 * np.mean(unsure))
    margins = golden.margins(np.array(scores))
    pairs = margins[np.array(right)][:, None], margins[~np.array(right)][None]
    assert level.auc == pytest.approx(np.mean((pairs[0] > pairs[1]) + (pairs[0] == pairs[1]) / 2))
    assert result.lost[1] == pytest.approx(1 - np.mean(right, axis=0))
    coverage, accuracy = level.curve
    assert (coverage[0], accuracy[0]) == (1, pytest.approx(np.mean(right)))
    assert np.all(np.diff(coverage) < 0)
    assert json.dumps(result.to_json())
    assert all(p.svg().startswith("<svg") for p in plots(result).values())


def test_against_the_supply(task):
    """The same draws as a sweep makes, and the energy of the reads of both networks."""
    network, images, labels = task
    params = SweepParams((1.8, 0.9), 2, "device", device=DeviceModel.load("weak-3.3e-2"), against="vdd")
    result = abstain(network, images, labels, params, min_margins=[14], fallback=(network, 2))
    assert [x.rate for x in result.levels] == [0, 1.8, 0.9]
    drawn = draw_errors(network, Key(ALL_LAYERS, 0.9, 1), params).apply(network)
    wrong = golden.predict(drawn, images) != labels
    other = golden.predict(draw_errors(network, Key(ALL_LAYERS, 0.9, 0), params).apply(network), images) != labels
    assert np.array_equal(result.lost[2], (wrong + 1.0 * other) / 2)
    reads = sum(y.n_in * y.n_out for y in network.layers)
    nj = {v: supply_of(params.device, {}, reads).image_nj(v) for v in (1.8, 0.9)}
    for level, v in zip(result.levels, (1.8, 1.8, 0.9), strict=True):
        assert level.energy_nj == pytest.approx(nj[v])
        assert level.at[0].energy_nj == pytest.approx(nj[v] + 2 * nj[1.8] * level.at[0].unsure.mean)
    assert all(p.svg().startswith("<svg") for p in plots(result).values())
    shown = run("study", "abstain", "mnist-tfc", "--images", 100, "--device", "weak-3.3e-2", "--against", "vdd", "--values",
                "1.2", "--trials", 1)  # fmt: skip
    assert "energy (nJ)" in shown.stdout
    assert "one draw at each rate" in shown.stderr


def test_chosen_margins_leave_such_shares(task):
    margins = golden.margins(golden.scores(task[0], task[1]))
    shares = [np.mean(margins < m) for m in chosen_margins(margins)]
    assert shares == pytest.approx([0.02, 0.05, 0.1, 0.2], abs=0.05)


@pytest.mark.cosim
@pytest.mark.parametrize("with_scores", [True, False])
def test_rtl_says_unsure(random_network, with_scores, tmp_path):
    network = random_network((30, 12, 7), seed=5)
    images = np.random.default_rng(1).random((200, 30)) < 0.5
    margins = golden.margins(golden.scores(network, images))
    least = int(np.median(margins)) + 1
    from oxnor.hw.params.options import EngineOptions

    options, run_options = EngineOptions(with_scores=with_scores), RunOptions(min_margin=least, jobs=2)
    result = simulate(network, images, labels=np.zeros(200, int), engine=options, run=run_options)
    assert result.ok, result.difference
    assert result.unsure == result.unsure_counted == np.count_nonzero(margins < least)
    assert np.array_equal(result.margins, margins)
    assert result.to_json()["sure_accuracy"] == np.mean(result.classes[margins >= least] == 0)
    assert "margin" in result.columns()


def test_command(tmp_path):
    table, folder = tmp_path / "images.csv", tmp_path / "pictures"
    result = run("study", "abstain", "mnist-tfc", "--images", 200, "--ber", "1e-2,5e-2", "--trials", 2, "-o", table,
                 "--pictures", folder, "--format", "svg", "--json")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [x["rate"] for x in found["rates"]] == [0, 1e-2, 5e-2]
    assert found["rates"][1]["at"][0]["system_accuracy"] is None
    assert table.read_text().splitlines()[0] == "image,label,margin,wrong_at_0,wrong_at_0.01,wrong_at_0.05"
    assert len(table.read_text().splitlines()) == 201
    assert {p.name for p in folder.iterdir()} == {"coverage.svg", "wake-up.svg"}
    text = run("study", "abstain", "mnist-tfc", "--images", 200, "--ber", "5e-2", "--fallback", "mnist-sfc")
    assert "an inference of mnist-sfc costs 5.67 of mnist-tfc" in text.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--min-margin", "a"], "--min-margin must be whole numbers with commas, not 'a'"),
        (["--min-margin", "-1"], "--min-margin must be in [0, 4294967295], not -1"),
        (["--trials", "0"], "--trials must be in [1, 100000], not 0"),
        (["--against", "vdd"], "--against must come with --device"),
        (["--against", "height"], "--against must be one of ber, cycles, seconds, sigma, vdd, ratio, not 'height'"),
        (["--values", "1"], "--values must come with --against"),
        (["--device", "weak-3.3e-2", "--against", "vdd", "--values", "0.3"],
         "--values must be in [0.9, 1.8] V, where the amplifier was simulated, not 0.3"),
        (["--fallback-cost", "2"], "--fallback-cost must come with --fallback"),
        (["--fallback", "mnist-tfc", "--fallback-cost", "-1"], "--fallback-cost must be 0 or more, not -1.0"),
    ],
)
def test_bad_options(options, sentence):
    result = run("study", "abstain", "mnist-tfc", "--images", 10, *options)
    assert (result.exit_code, result.stderr) == (2, f"oxnor: {sentence}\n")


def test_a_network_with_one_output(random_network, tmp_path):
    one = random_network((9, 1))
    with pytest.raises(InputError, match="must have two classes or more: a margin lies between two scores"):
        abstain(one, np.zeros((1, 9), bool), np.zeros(1, int), SweepParams((0.1,)))
    with pytest.raises(InputError, match="kind must be of weights that are wrong, not of single reads"):
        abstain(random_network((9, 3)), np.zeros((1, 9), bool), np.zeros(1, int), SweepParams((0.1,), kind="read"))
    one.save(tmp_path / "one.npz")
    result = run("generate", tmp_path / "one.npz", "-o", tmp_path / "out", "--margin")
    assert (result.exit_code, result.stderr) == (2, "oxnor: --margin must not be asked of a network with one output\n")
    result = run("simulate", "mnist-tfc", "--min-margin", "-1")
    assert (result.exit_code, result.stderr) == (2, "oxnor: --min-margin must be in [0, 4294967295], not -1\n")
