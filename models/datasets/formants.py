"""Formants of seven American English vowels by women: measured ones, and ones drawn from their statistics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError

from .dataset import Dataset
from .files import csv_columns, csv_head
from .places import find, not_found

VOWELS = ("ae", "ah", "aw", "er", "ih", "iy", "uw")
#: X-SAMPA of the table of the R package phonTools, in the order of :data:`VOWELS`.
_SAMPA = ("{", "A", "O", "3'", "I", "i", "u")
HILLENBRAND = "hillenbrand/h95_phontools.csv"
_COLUMNS = ("type", "speaker", "vowel", "f1", "f2", "f3")
#: Women of whom Hillenbrand et al. (1995) could not measure F2 or F3 of one of the vowels: the table imputes them.
_IMPUTED = (94, 99, 110, 111, 115, 118, 122, 129, 131, 132, 138)
#: Mean of F1, F2 and F3 of each vowel in Hz, and standard deviation, over the other 37 (computed from the table).
MEANS = np.array([
    [690, 2321, 2965], [927, 1527, 2816], [812, 1188, 2810], [525, 1584, 1924], [486, 2365, 3054], [438, 2755, 3376],
    [460, 1114, 2736],
], float)  # fmt: skip
SPREADS = np.array([
    [69, 161, 194], [86, 128, 162], [71, 123, 214], [46, 108, 129], [35, 131, 189], [42, 140, 229], [38, 201, 141],
], float)  # fmt: skip
#: Share of the variance of each formant that is the speaker's, for all vowels alike (computed from the table).
SPEAKER_SHARE = np.array([0.19, 0.33, 0.43])
SPEAKERS = 37
#: What becomes 0 and 255 as an 8-bit feature, Hz.
_LOW, _HIGH = np.array([200.0, 600.0, 1400.0]), np.array([1200.0, 3600.0, 4400.0])
#: Every fifth speaker is of the test set of the data sets `vowels` and `hillenbrand`.
_TEST_EVERY = 5


@dataclass(frozen=True, eq=False)
class Formants:
    """Vowels of speakers.

    Parameters
    ----------
    name : str
    hz : ndarray of float64, shape (n, 3)
        F1, F2, F3.
    labels : ndarray of int64, shape (n,)
        Index into :data:`VOWELS`.
    speakers : ndarray of int64, shape (n,)
        Counted from 0.
    source : str
        In words.
    """

    name: str
    hz: NDArray[np.float64]
    labels: NDArray[np.int64]
    speakers: NDArray[np.int64]
    source: str

    def dataset(self, split: str) -> Dataset:
        """Return 8-bit features of a split by speaker."""
        held = self.speakers % _TEST_EVERY == _TEST_EVERY - 1
        part = held if split == "test" else ~held
        grey = np.rint(255 * np.clip((self.hz - _LOW) / (_HIGH - _LOW), 0, 1)).astype(np.uint8)
        who = f"{len(np.unique(self.speakers[part]))} speakers"
        return Dataset(self.name, grey[part], self.labels[part], VOWELS, f"{self.source}, {split} set: {who}")


def drawn(seed: int = 0) -> Formants:
    """Return a set drawn from the class statistics: normal, with a part of the variance in common to a speaker."""
    draws = rng.stream("vowels", seed=seed, layer=0, trial=0)
    speaker = draws.standard_normal((SPEAKERS, 1, 3)) * np.sqrt(SPEAKER_SHARE)
    token = draws.standard_normal((SPEAKERS, len(VOWELS), 3)) * np.sqrt(1 - SPEAKER_SHARE)
    hz = np.rint(MEANS + SPREADS * (speaker + token)).reshape(-1, 3)
    speakers, labels = (a.ravel() for a in np.indices((SPEAKERS, len(VOWELS))))
    return Formants("vowels", hz, labels, speakers, "vowels drawn from class statistics")


def measured(data_dir: str | Path | None = None) -> Formants:
    """Return the measured vowels of 37 women (Hillenbrand et al., J. Acoust. Soc. Am. 97:3099, 1995).

    Raises
    ------
    InputError
        If the table is nowhere, or is another one.
    """
    path = find((HILLENBRAND, Path(HILLENBRAND).name), data_dir)
    if path is None:
        advice = f"put {Path(HILLENBRAND).name}, the table h95 of phonTools with columns {', '.join(_COLUMNS)}, there"
        raise not_found(HILLENBRAND, advice, data_dir)
    cells, delimiter, _ = csv_head(path)
    if missing := [name for name in _COLUMNS if name not in cells]:
        raise InputError(f"{path}: the first line must name the columns {', '.join(_COLUMNS)}, and lacks {missing[0]}")
    places = [cells.index(name) for name in _COLUMNS]
    words = csv_columns(path, delimiter, 1, [places[0], places[2]], str)
    numbers = csv_columns(path, delimiter, 1, [places[1], *places[3:]], np.float64)
    kept = (words[:, 0] == "w") & np.isin(words[:, 1], _SAMPA) & ~np.isin(numbers[:, 0], _IMPUTED)
    labels = np.array([_SAMPA.index(v) for v in words[kept, 1]], np.int64)
    speakers, hz = np.unique(numbers[kept, 0], return_inverse=True)[1], numbers[kept, 1:]
    means = np.array([hz[labels == c].mean(axis=0) if (labels == c).any() else np.zeros(3) for c in range(len(VOWELS))])
    if len(labels) != SPEAKERS * len(VOWELS) or np.abs(means - MEANS).max() > 1:
        raise InputError(
            f"{path}: must hold the {SPEAKERS * len(VOWELS)} vowels of women of Hillenbrand et al., with their means"
        )
    return Formants("hillenbrand", hz, labels, speakers.astype(np.int64), "vowels of Hillenbrand et al., women")


#: The sets of formants by name.
FORMANT_SETS = ("vowels", "hillenbrand")


def load_formants(name: str, data_dir: str | Path | None = None) -> Formants:
    """Return one of :data:`FORMANT_SETS`."""
    if name not in FORMANT_SETS:
        raise InputError(f"must be one of {', '.join(FORMANT_SETS)}, not {name!r}", parameter="data")
    return drawn() if name == "vowels" else measured(data_dir)
