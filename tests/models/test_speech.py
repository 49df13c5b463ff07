"""Vowels and spoken digits: tables and recordings that are what they should be, or refused; the ear."""

import hashlib
import wave

import numpy as np
import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.datasets import formants, recordings
from oxnor.models.datasets.cochlea import channels, cochleagram
from oxnor.models.datasets.known import load_dataset


def test_drawn_vowels_have_the_statistics():
    sets = [formants.drawn(seed) for seed in range(30)]
    hz, labels = np.concatenate([s.hz for s in sets]), np.concatenate([s.labels for s in sets])
    for c in range(7):
        assert hz[labels == c].mean(axis=0) == pytest.approx(formants.MEANS[c], rel=0.02)
        assert hz[labels == c].std(axis=0) == pytest.approx(formants.SPREADS[c], rel=0.1)
    assert np.array_equal(formants.drawn().hz, formants.drawn().hz)


def test_split_is_by_speaker():
    train, test = (load_dataset("vowels", split=s) for s in ("train", "test"))
    assert (train.images.shape, test.images.shape, train.classes) == ((210, 3), (49, 3), formants.VOWELS)
    assert train.images.dtype == np.uint8


@pytest.fixture
def table(tmp_path):
    """A table with the means of the measured one; 11 women and a man are not of the set."""
    rows = ["type,speaker,vowel,dur,f0,f1,f2,f3"]
    for k, speaker in enumerate([*range(92, 140), 50]):
        kind = "m" if speaker == 50 else "w"
        shift = 0 if k % 2 else 3
        for name, mean in zip(formants._SAMPA, formants.MEANS, strict=True):
            rows.append(f"{kind},{speaker}.0,{name},200,200," + ",".join(str(x + shift - 1.5) for x in mean))
        rows.append(f"{kind},{speaker}.0,V,200,200,1,2,3")
    path = tmp_path / "h95_phontools.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_measured_vowels(table):
    found = formants.load_formants("hillenbrand", table.parent)
    assert found.hz.shape == (259, 3)
    assert np.bincount(found.speakers).tolist() == [7] * 37
    assert found.dataset("test").name == "hillenbrand"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("speaker", "who"), "must name the columns type, speaker, vowel, f1, f2, f3, and lacks speaker"),
        (lambda t: "\n".join(t.splitlines()[:100]), "must hold the 259 vowels of women"),
        (lambda t: t.replace("688.5", "x"), "must be a number, not 'x'"),
        (lambda t: t.replace("925.5", "1500"), "must hold the 259 vowels of women"),
    ],
)
def test_other_tables_are_refused(table, change, message):
    table.write_text(change(table.read_text()))
    with pytest.raises(InputError, match=message):
        formants.measured(table.parent)


def test_sets_that_are_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for load in (formants.measured, recordings.load_recordings):
        with pytest.raises(InputError, match=r"must be in one of .*, and is not; put"):
            load(tmp_path)
    with pytest.raises(InputError, match="must be one of vowels, hillenbrand, not 'x'"):
        formants.load_formants("x")


@pytest.fixture
def words(tmp_path, monkeypatch):
    """Twelve short recordings as files and as one file."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "fsdd/recordings"
    folder.mkdir(parents=True)
    names = sorted(f"{d}_{who}_{k}" for d in (0, 1) for who in ("george", "lucas") for k in (0, 5, 12))
    sounds = [(8000 * np.sin(np.arange(700 + 50 * k) * (0.2 + 0.1 * k))).astype("<i2") for k in range(len(names))]
    for name, sound in zip(names, sounds, strict=True):
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(sound.tobytes())
    samples = np.concatenate(sounds)
    monkeypatch.setattr(recordings, "_SHA256", hashlib.sha256(samples.tobytes()).hexdigest())
    monkeypatch.setattr(recordings, "_RECORDINGS", len(names))
    parts = [name.split("_") for name in names]
    np.savez(
        tmp_path / "fsdd/fsdd.npz", samples=samples, length=np.array([len(s) for s in sounds], np.int32),
        label=np.array([int(p[0]) for p in parts], np.int8), index=np.array([int(p[2]) for p in parts], np.int8),
        speaker=np.array([p[1] == "lucas" for p in parts], np.int8),
    )  # fmt: skip
    return tmp_path


def test_recordings_as_one_file_and_as_many(words):
    packed = recordings.load_recordings(words)
    (words / "fsdd/fsdd.npz").unlink()
    single = recordings.load_recordings(words)
    for a, b in zip(packed.sounds, single.sounds, strict=True):
        assert np.array_equal(a, b)
    for name in ("labels", "speakers", "index"):
        assert np.array_equal(getattr(packed, name), getattr(single, name))
    assert len(packed.first(6).sounds) == 8
    test = load_dataset("spoken-digits", data_dir=words)
    assert (test.images.shape, sorted(test.labels.tolist())) == ((4, 512), [0, 0, 1, 1])


def test_other_recordings_are_refused(words):
    path = words / "fsdd/fsdd.npz"
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, "samples": arrays["samples"] + 1})
    with pytest.raises(InputError, match="the SHA-256 of its samples is another"):
        recordings.load_recordings(words)
    np.savez(path, **{**arrays, "length": arrays["length"] + 1})
    with pytest.raises(InputError, match="lengths cover the samples"):
        recordings.load_recordings(words)
    path.unlink()
    file = words / "fsdd/recordings/0_george_0.wav"
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(InputError, match=r"0_george_0\.wav: cannot be read as a recording"):
        recordings.load_recordings(words)


@pytest.mark.parametrize("hz", [400, 900, 2000])
def test_a_tone_moves_its_place_in_the_ear(hz):
    centres, _ = channels(8000.0)
    assert len(centres) == 64
    assert np.all(np.diff(centres) < 0)
    tone = 0.1 * np.sin(2 * np.pi * hz * np.arange(4000) / 8000)
    heard = cochleagram(tone, 8000.0, 100)
    assert heard.shape == (40, 64)
    assert centres[heard[-1].argmax()] == pytest.approx(hz, rel=0.15)
    # Gain control: ten times the sound is far less than ten times the activity.
    assert cochleagram(10 * tone, 8000.0, 100)[-1].max() < 2 * heard[-1].max()


def test_spectrogram_is_that_of_the_frames():
    tone = np.sin(2 * np.pi * 1000 * np.arange(1000) / 8000)
    rows = recordings.spectrogram(tone)
    assert (rows.shape, rows.max()) == ((9, 63), 1)
    assert rows.argmax(axis=1) == pytest.approx(1000 * 124 / 8000, abs=1)
    assert np.array_equal(recordings.spectrogram(np.zeros(30)), np.zeros((1, 63)))
    with pytest.raises(InputError, match="must be one of spectrogram, cochlea, not 'mel'"):
        recordings.frames([tone], "mel")
