"""The studies of oscillators in small: every figure of the tables again, pictures, and bad input."""

import json
from functools import partial

import numpy as np
import pytest
from helpers.cli import run

from oxnor.models.base.errors import InputError
from oxnor.models.datasets import formants, recordings
from oxnor.models.oscillators.array import Imperfections
from oxnor.models.oscillators.reservoir import ReservoirParams
from oxnor.models.oscillators.synchrony import Tuning
from oxnor.sim.studies import spoken_digits, vowels


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(formants, "SPEAKERS", 10)
    monkeypatch.setattr(vowels, "_TRIALS", 1)
    monkeypatch.setattr(vowels.Perceptron, "fit", partial(vowels.Perceptron.fit, starts=1))
    monkeypatch.setattr(vowels, "_CURVES", (
        ("phase noise", lambda x: Imperfections(linewidth_mhz=x), (30.0,), True),
        ("devices drift after training", lambda x: Imperfections(spread_mhz=x), (20.0,), False),
    ))  # fmt: skip


def test_vowels(tmp_path):
    folder = tmp_path / "pictures"
    result = run("study", "vowels", "--partitions", 1, "--curves", 1, "--moves", 4, "--copies", 2, "--json", "--pictures",
                 folder, "--format", "svg")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["tokens"], found["speakers"], found["model"]) == (70, 10, "model with chosen parameters")
    rates = {m["method"]: m["test"]["mean"] for m in found["methods"]}
    assert rates["linear discriminant, F1, F2, F3"] > 0.8
    assert rates["oscillators, coupled"] > 0.5
    assert all(points[1]["mean"] < points[0]["mean"] for points in found["curves"].values())
    assert {p.name for p in folder.iterdir()} == {"vowels-map.svg", "vowels-noise.svg"}


def test_test_speakers_do_not_train():
    """Whatever a test speaker says, what was trained is the same."""
    data, params = formants.drawn(), vowels.VowelParams(1, 0, Tuning(copies=1, moves=2))
    who = vowels.folds(10, 0, 0)
    assert np.array_equal(np.sort(np.concatenate(who)), np.arange(10))
    other = formants.Formants("x", data.hz.copy(), data.labels, data.speakers, "")
    other.hz[np.isin(data.speakers, who[0])] = 100.0
    a, b = (vowels._Fold(d, who[0], params, (0, 0)) for d in (data, other))
    assert np.array_equal(a.classifier.array.frequencies, b.classifier.array.frequencies)
    assert np.array_equal(a.classifier.labels.table, b.classifier.labels.table)
    assert np.array_equal(a.copies, b.copies)


@pytest.fixture
def tones(monkeypatch):
    """Three digits of two speakers: tones, steady, rising or falling."""
    g, sounds, columns = np.random.default_rng(0), [], []
    for digit in range(3):
        for speaker in range(2):
            for index in (0, 1, 5, 6, 10, 11, 12):
                t = np.arange(1500) / 8000
                sweep = (digit - 1) * 3000 * t**2 + (900 + 100 * speaker + 20 * g.standard_normal()) * t
                sounds.append(0.3 * np.sin(2 * np.pi * sweep) + 0.01 * g.standard_normal(1500))
                columns.append((digit, speaker, index))
    labels, speakers, index = np.array(columns).T
    words = recordings.Recordings(sounds, labels, speakers, index, "tones")
    monkeypatch.setattr(recordings, "load_recordings", lambda data_dir: words)
    return words


def test_spoken_digits(tones, tmp_path):
    folder = tmp_path / "pictures"
    result = run("study", "spoken-digits", "--nodes", 40, "--masks", 2, "--noises", "3", "--json", "--pictures", folder,
                 "--format", "svg")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["words"], found["test_words"], found["speakers"]) == (42, 12, 2)
    for front in found["front_ends"]:
        masks = [m["test"] for m in front["masks"]]
        assert front["test"]["mean"] == pytest.approx(np.mean(masks))
        assert front["gain"]["mean"] == pytest.approx(np.mean(masks) - front["alone"]["test"])
        assert front["noise"][0]["test"] == masks[0] >= front["noise"][1]["test"]
        assert min(masks) > 0.8
    assert {p.name for p in folder.iterdir()} == {"spoken-digits-transient.svg", "spoken-digits-noise.svg"}


def test_masks_are_fitted_without_test_words(tones, monkeypatch):
    """Sounds of test words change no current and no weight."""
    given, fit = [], spoken_digits.Reservoir.fit
    monkeypatch.setattr(spoken_digits.Reservoir, "fit", lambda p, words, **key: given.append(len(words)) or fit(p, words, **key))
    sets = spoken_digits._Words(tones)
    assert (sets.test.sum(), sets.validation.sum()) == (12, 12)
    params = spoken_digits.DigitParams(("spectrogram",), ReservoirParams(nodes=10), 1, ())
    train = spoken_digits.study(tones, params).front_ends[0].masks[0].train
    loud = [10 * s[::-1] if t else s for s, t in zip(tones.sounds, sets.test, strict=True)]
    other = recordings.Recordings(loud, tones.labels, tones.speakers, tones.index, "")
    assert spoken_digits.study(other, params).front_ends[0].masks[0].train == train
    assert given
    assert set(given) <= {(~sets.test).sum(), (~sets.test & ~sets.validation).sum()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vowels", "--formants", "x"), "--formants must be one of vowels, hillenbrand, not 'x'"),
        (("vowels", "--partitions", 0), "--partitions must be in [1, 1000], not 0"),
        (("vowels", "--curves", 11), "--curves must be in [0, 10], not 11"),
        (("vowels", "--oscillators", 9), "--oscillators must be in [1, 6], not 9"),
        (("vowels", "--coupling", "-1"), "--coupling must be at least 0, not -1"),
        (("vowels", "--linewidth", "nan"), "--linewidth must be at least 0, not nan"),
        (("vowels", "--seed", "-1"), "--seed must be an integer in [0, 2**63), not -1"),
        (("spoken-digits", "--front-end", "mel"), "--front-end must be some of spectrogram, cochlea, not 'mel'"),
        (("spoken-digits", "--noises", "a"), "--noises must be numbers with commas, not 'a'"),
        (("spoken-digits", "--noises", "0"), "--noises must be above 0, not 0"),
        (("spoken-digits", "--recordings", 10), "--recordings must be in [11, 50], not 10"),
        (("spoken-digits", "--bias", 1), "--bias must be above 1, the threshold, not 1"),
        (("spoken-digits", "--masks", 0), "--masks must be in [1, 1000], not 0"),
    ],
)
def test_bad_input(arguments, message):
    result = run("study", *arguments)
    assert result.exit_code == 2
    assert result.stderr.strip() == f"oxnor: {message}"


def test_speakers_that_are_too_few():
    data = formants.drawn()
    kept = data.speakers < 4
    few = formants.Formants("few", data.hz[kept], data.labels[kept], data.speakers[kept], "")
    with pytest.raises(InputError, match="few: must have 5 speakers or more, not 4"):
        vowels.study(few, vowels.VowelParams())
