"""Spoken digits: recordings of the Free Spoken Digit Dataset, and what an ear or a spectrogram makes of them."""

from __future__ import annotations

import hashlib
import itertools
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import NpzReader

from .dataset import Dataset
from .places import find, not_found

RATE = 8000
#: Samples from one frame to the next, and in the window of a spectrogram.
HOP, WINDOW = 100, 124
DIGITS = tuple("0123456789")
#: Recordings of a speaker and digit with a lower index are the test set, those below the second number may validate.
TEST_BELOW, VALIDATION_BELOW = 5, 10
_FILE = "fsdd/fsdd.npz"
_FOLDERS = ("fsdd/recordings", "free-spoken-digit-dataset/recordings", "recordings")
_FIRST = "0_george_0.wav"
_RECORDINGS = 3000
#: SHA-256 of all samples, sorted by the names of the files, as 16-bit little-endian.
_SHA256 = "6f643a7422de89763625dfc9aa79427e69f7a690223a5bc5752a2f56db5af465"
#: Features of a word for a network: parts of equal time, and pairs of channels of the cochlea, over this many decades.
PARTS, DECADES = 16, 2.5


@dataclass(frozen=True, eq=False)
class Recordings:
    """Words.

    Parameters
    ----------
    sounds : list of ndarray of float64
        In [-1, 1], :data:`RATE` samples a second.
    labels, speakers, index : ndarray of int64, shape (n,)
        Digit, speaker counted from 0, and which of the recordings of both it is.
    source : str
    """

    sounds: list[NDArray[np.float64]]
    labels: NDArray[np.int64]
    speakers: NDArray[np.int64]
    index: NDArray[np.int64]
    source: str = "Free Spoken Digit Dataset"

    def first(self, count: int) -> Recordings:
        """Return the recordings below an index alone: all speakers and digits, fewer words."""
        kept = np.flatnonzero(self.index < count)
        return Recordings(
            [self.sounds[k] for k in kept], self.labels[kept], self.speakers[kept], self.index[kept], self.source
        )


def _from_npz(path: Path) -> Recordings:
    with NpzReader(path) as source:
        samples = source.array("samples", "<i2", (None,))
        length = source.array("length", "<i4", (_RECORDINGS,)).astype(np.int64)
        labels, speakers, index = (
            source.any_array(name, ("|i1", "|u1", "<i2", "<i4", "<i8"), 1, _RECORDINGS).astype(np.int64)
            for name in ("label", "speaker", "index")
        )
    if length.min() < 1 or length.sum() != len(samples) or {len(a) for a in (labels, speakers, index)} != {len(length)}:
        raise InputError(f"{path}: must have a length, label, speaker and index a recording; lengths cover the samples")
    return _checked(path, samples, np.split(samples, np.cumsum(length)[:-1]), labels, speakers, index)


def _from_folder(folder: Path) -> Recordings:
    paths = sorted(folder.glob("[0-9]_*_*.wav"))
    names = sorted({p.stem.split("_")[1] for p in paths})
    sounds = []
    for path in paths:
        try:
            with wave.open(str(path)) as file:
                if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE):
                    raise InputError(f"{path}: must be mono, 16 bits, {RATE} samples a second")
                sounds.append(np.frombuffer(file.readframes(file.getnframes()), "<i2"))
        except (wave.Error, OSError, EOFError):
            raise InputError(f"{path}: cannot be read as a recording") from None
    parts = [p.stem.split("_") for p in paths]
    try:
        labels, index = (np.array([int(p[k]) for p in parts], np.int64) for k in (0, -1))
    except ValueError:
        raise InputError(f"{folder}: recordings must be named DIGIT_SPEAKER_INDEX.wav") from None
    speakers = np.array([names.index(p[1]) for p in parts], np.int64)
    return _checked(folder, np.concatenate(sounds), sounds, labels, speakers, index)


def _checked(
    path: Path, samples: NDArray[np.int16], sounds: list[NDArray[np.int16]], labels: NDArray[np.int64],
    speakers: NDArray[np.int64], index: NDArray[np.int64],
) -> Recordings:  # fmt: skip
    if hashlib.sha256(samples.tobytes()).hexdigest() != _SHA256:
        raise InputError(f"{path}: must hold the Free Spoken Digit Dataset, and the SHA-256 of its samples is another")
    return Recordings([s / 32768 for s in sounds], labels, speakers, index)


def load_recordings(data_dir: str | Path | None = None) -> Recordings:
    """Return the Free Spoken Digit Dataset: 3,000 words, six speakers (CC BY-SA 4.0; it comes with no package).

    Raises
    ------
    InputError
        If it is nowhere, or is not what it should be.
    """
    if path := find((_FILE, Path(_FILE).name), data_dir):
        return _from_npz(path)
    if path := find((f"{folder}/{_FIRST}" for folder in _FOLDERS), data_dir):
        return _from_folder(path.parent)
    advice = "put the folder recordings of the Free Spoken Digit Dataset there, as fsdd/recordings"
    raise not_found(_FILE, advice, data_dir)


def spectrogram(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return magnitudes of :data:`WINDOW` samples under a Hann window, a row each :data:`HOP`, shape (frames, 63).

    The largest one of a word is 1, as a volume control would have it.
    """
    frames = max(1, (len(sound) - WINDOW) // HOP + 1)
    padded = np.pad(sound, (0, max(0, WINDOW - len(sound))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:frames]
    rows = np.abs(np.fft.rfft(windows * np.hanning(WINDOW), axis=1))
    return rows / max(float(rows.max()), 1e-300)


def _cochleagram(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    from .cochlea import cochleagram

    return cochleagram(sound, RATE, HOP)


#: What turns a sound into frames, by name.
FRONT_ENDS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "spectrogram": spectrogram, "cochlea": _cochleagram,
}  # fmt: skip


def frames(
    sounds: list[NDArray[np.float64]], front_end: str, progress: Callable[[int, int], object] | None = None
) -> list[NDArray[np.float64]]:
    """Return the frames of sounds by a front end, each of shape (frames, channels)."""
    if front_end not in FRONT_ENDS:
        known = ", ".join(FRONT_ENDS)
        raise InputError(f"must be one of {known}, not {front_end!r}", parameter="front_end")
    made = []
    with ThreadPoolExecutor() as pool:
        for done, rows in enumerate(pool.map(FRONT_ENDS[front_end], sounds), 1):
            made.append(rows)
            if progress and (done % 50 == 0 or done == len(sounds)):
                progress(done, len(sounds))
    return made


def features(sound: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return what a network takes of a word: activity of pairs of channels in parts of the time, log, 8 bits."""
    rows = _cochleagram(sound)
    ends = np.linspace(0, len(rows), PARTS + 1).round().astype(int)
    cut = [rows[min(a, len(rows) - 1) : max(b, a + 1)].mean(axis=0) for a, b in itertools.pairwise(ends)]
    parts = np.stack(cut)
    pairs = parts.reshape(PARTS, -1, 2).mean(axis=2)
    level = np.log10(pairs / pairs.max() + 1e-9) / DECADES + 1
    return np.rint(255 * np.clip(level, 0, 1)).astype(np.uint8).ravel()


def spoken_digits(split: str, data_dir: str | Path | None = None) -> Dataset:
    """Return the features of a split; recordings 0 to 4 of each speaker and digit test, as the set's authors say."""
    words = load_recordings(data_dir)
    part = np.flatnonzero((words.index < TEST_BELOW) == (split == "test"))
    with ThreadPoolExecutor() as pool:
        made = np.stack(list(pool.map(features, (words.sounds[k] for k in part))))
    # Sorted by digit: a drawn order, so that the first ones are of all digits.
    order = np.random.Generator(np.random.Philox(key=1)).permutation(len(part))
    source = f"{words.source} {split} set, {made.shape[1]} levels of a cochlea"
    return Dataset("spoken-digits", made[order], words.labels[part][order], DIGITS, source)
