"""Classes as patterns of synchronisation: training by moving frequencies, and read-outs of patterns."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError

from . import kernels
from .array import CENTRE, TUNING, OscillatorArray, states
from .baselines import Discriminant
from .oscillator import DEFAULT, Oscillator

#: Frequency of an input that is one standard deviation of all training points from the centre, MHz.
SCALE = 11.0
#: Population and generations of the search, and half lock ranges in which it looks at the centre of the band, MHz.
MEMBERS, GENERATIONS = 60, 150
HALF_RANGES = (1.0, 14.0)


@dataclass(frozen=True, eq=False)
class Inputs:
    """How formants become the frequencies of two drives.

    Parameters
    ----------
    discriminant : Discriminant
        Fitted on training speakers: its first two directions.
    spread : ndarray of float64, shape (2,)
        Standard deviations of the training points along them.
    angle : float
        By which they are turned, radians.
    """

    discriminant: Discriminant
    spread: NDArray[np.float64]
    angle: float = 0.0

    @classmethod
    def fit(cls, formants: NDArray[np.float64], labels: NDArray[np.int64]) -> Inputs:
        """Fit to training points."""
        discriminant = Discriminant.fit(formants, labels)
        return cls(discriminant, discriminant.project(formants, 2).std(axis=0))

    def points(self, formants: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the points in units of the spread, not turned, shape (n, 2)."""
        return self.discriminant.project(formants, 2) / self.spread

    def __call__(self, formants: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the frequencies of A and B, MHz, shape (n, 2)."""
        return CENTRE + SCALE * self.turned(self.points(formants))

    def turned(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points turned by the angle."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        return points @ np.array([[c, s], [-s, c]])


@dataclass(frozen=True, eq=False)
class Labels:
    """The class of each pattern.

    Parameters
    ----------
    table : ndarray of int64, shape (3**k,)
    seen : int
        How many patterns training points had; the others take the class of the most similar one that was seen.
    """

    table: NDArray[np.int64]
    seen: int

    @classmethod
    def fit(cls, patterns: NDArray[np.int64], labels: NDArray[np.int64], oscillators: int) -> Labels:
        """Give each pattern the most frequent class of the training points that have it."""
        counts = np.zeros((3**oscillators, int(labels.max()) + 1), np.int64)
        np.add.at(counts, (patterns, labels), 1)
        seen = np.flatnonzero(counts.sum(axis=1))
        every = states(np.arange(len(counts)), oscillators)
        apart = (every[:, None] != every[None, seen]).sum(axis=2)
        # Of equally similar patterns the most frequent one.
        nearest = seen[(apart - counts[seen].sum(axis=1) / (1 + counts.sum())).argmin(axis=1)]
        return cls(counts.argmax(axis=1)[nearest], len(seen))


def search(
    points: NDArray[np.float64], labels: NDArray[np.int64], oscillators: int, device: Oscillator,
    draws: np.random.Generator, *, generations: int = GENERATIONS,
) -> tuple[float, NDArray[np.float64], float]:  # fmt: skip
    """Return angle, frequencies (MHz) and drive (1/us) at which most points are right by the majority of patterns.

    Differential evolution (Storn and Price, 1997) on the lock map, all frequencies in the tuning band.
    """
    unit = float(device.half_range(np.array(CENTRE), np.array(1.0)))
    low = np.array([0.0, *[TUNING[0]] * oscillators, HALF_RANGES[0] / unit])
    high = np.array([2 * math.pi, *[TUNING[1]] * oscillators, HALF_RANGES[1] / unit])
    counts = np.zeros((3**oscillators, int(labels.max()) + 1), np.int64)
    codes, points, labels = np.empty(len(points), np.int64), np.ascontiguousarray(points), np.ascontiguousarray(labels)

    def measured(members: NDArray[np.float64]) -> NDArray[np.float64]:
        f, scores = members[:, 1:-1], np.empty(len(members))
        half = device.half_range(f, members[:, -1:])
        kernels.majority(
            points, labels, np.hstack([members[:, :1], (f - CENTRE) / SCALE, half / SCALE]), counts, codes, scores
        )
        return scores

    n = len(low)
    members = low + (high - low) * draws.random((MEMBERS, n))
    scores = measured(members)
    for _ in range(generations):
        picked = np.argsort(draws.random((MEMBERS, MEMBERS)), axis=1)[:, :3]
        base = np.where(draws.random((MEMBERS, 1)) < 0.3, members[scores.argmax()], members[picked[:, 0]])
        mutants = base + draws.uniform(0.4, 0.9, (MEMBERS, 1)) * (members[picked[:, 1]] - members[picked[:, 2]])
        mutants[:, 0] %= 2 * math.pi
        crossed = draws.random((MEMBERS, n)) < 0.8
        crossed[np.arange(MEMBERS), draws.integers(n, size=MEMBERS)] = True
        trial = np.where(crossed, mutants, members)
        trial = np.where((trial < low) | (trial > high), low + (high - low) * draws.random((MEMBERS, n)), trial)
        better = measured(trial)
        members = np.where((better >= scores)[:, None], trial, members)
        scores = np.maximum(scores, better)
    best = members[scores.argmax()]
    return float(best[0]), best[1:-1].copy(), float(best[-1])


@dataclass(frozen=True, eq=False)
class Classifier:
    """Oscillators, what they are driven by, and a class for each pattern.

    Parameters
    ----------
    inputs : Inputs
    array : OscillatorArray
    labels : Labels
    """

    inputs: Inputs
    array: OscillatorArray
    labels: Labels

    def patterns(self, drives: NDArray[np.float64], linewidth_mhz: float = 0.0, **key: int) -> NDArray[np.int64]:
        """Return the patterns by the phase model; `key` as for :meth:`OscillatorArray.reduced`."""
        return self.array.patterns(drives, self.array.reduced(drives, linewidth_mhz, **key))

    def predict(self, formants: NDArray[np.float64], linewidth_mhz: float = 0.0, **key: int) -> NDArray[np.int64]:
        """Return the classes of formants, shape (n, 3)."""
        return self.labels.table[self.patterns(self.inputs(formants), linewidth_mhz, **key)]

    @property
    def numbers(self) -> int:
        """How many numbers decide beside the directions: angle, frequencies, drive, a label a pattern seen."""
        return 2 + len(self.array.frequencies) + self.labels.seen


@dataclass(frozen=True)
class Tuning:
    """How a classifier is trained.

    Parameters
    ----------
    coupling_mhz : float
        As for :class:`OscillatorArray`.
    oscillators : int
        In [1, 6].
    copies : int
        Of each training point.
    jitter : float
        Standard deviation by which the copies lie apart, in those of a class: other speakers speak differently.
    moves : int
        Random moves of a frequency, the drive or the angle on the coupled model; a move that is not worse is kept.
    linewidth_mhz : float
        Phase noise during these moves.

    Raises
    ------
    InputError
        If a number is out of its range.
    """

    coupling_mhz: float = 0.5
    oscillators: int = 4
    copies: int = 4
    jitter: float = 0.5
    moves: int = 80
    linewidth_mhz: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in (("oscillators", 1, 6), ("copies", 1, 100), ("moves", 0, 10_000)):
            if not low <= (value := getattr(self, name)) <= high:
                raise InputError(f"must be in [{low}, {high}], not {value}", parameter=name)
        for name in ("coupling_mhz", "jitter", "linewidth_mhz"):
            if not 0 <= (number := getattr(self, name)) < math.inf:
                raise InputError(f"must be at least 0, not {number:g}", parameter=name.removesuffix("_mhz"))


def train(
    formants: NDArray[np.float64], labels: NDArray[np.int64], tuning: Tuning, *, seed: int, layer: int, trial: int
) -> Classifier:
    """Train a classifier: frequencies are searched on the lock map, and then moved on the coupled phase model.

    Parameters
    ----------
    formants : ndarray of float64, shape (n, 3)
    labels : ndarray of int64, shape (n,)
        Every class must be there.
    tuning : Tuning
    seed, layer, trial : int
        Key of the draws.
    """
    draws = rng.stream("evolution", seed=seed, layer=layer, trial=trial)
    inputs = Inputs.fit(formants, labels)
    points, wanted = np.repeat(inputs.points(formants), tuning.copies, axis=0), np.repeat(labels, tuning.copies)
    points = points + tuning.jitter / inputs.spread * draws.standard_normal(points.shape)
    k = tuning.oscillators
    angle, frequencies, drive = search(points, wanted, k, DEFAULT, draws)
    inputs = replace(inputs, angle=angle)
    array = OscillatorArray(frequencies, np.full(k, drive), tuning.coupling_mhz)
    return tuned(inputs, array, (points, wanted), tuning, draws, seed=seed, layer=layer, trial=trial)


def tuned(
    inputs: Inputs, array: OscillatorArray, data: tuple[NDArray[np.float64], NDArray[np.int64]], tuning: Tuning,
    draws: np.random.Generator, **key: int,
) -> Classifier:  # fmt: skip
    """Move frequencies, drive and angle at random on the coupled model, keep what is not worse, and fit the labels."""
    points, wanted = data

    def measured(inputs: Inputs, array: OscillatorArray) -> tuple[int, NDArray[np.int64]]:
        drives = CENTRE + SCALE * inputs.turned(points)
        codes = array.patterns(drives, array.reduced(drives, tuning.linewidth_mhz, **key))
        counts = np.zeros((3**tuning.oscillators, int(wanted.max()) + 1), np.int64)
        np.add.at(counts, (codes, wanted), 1)
        return int(counts.max(axis=1).sum()), codes

    best, codes = measured(inputs, array)
    for move in range(tuning.moves):
        size, which = 4 * (1 - move / tuning.moves) + 0.5, int(draws.integers(tuning.oscillators + 2))
        step, other_inputs, other = size * float(draws.standard_normal()), inputs, array
        if which < tuning.oscillators:
            frequencies = array.frequencies.copy()
            frequencies[which] = np.clip(frequencies[which] + step, *TUNING)
            other = replace(array, frequencies=frequencies)
        elif which == tuning.oscillators:
            other = replace(array, drives=array.drives * math.exp(0.05 * step))
        else:
            other_inputs = replace(inputs, angle=inputs.angle + 0.05 * step)
        score, patterns = measured(other_inputs, other)
        if score >= best:
            best, codes, inputs, array = score, patterns, other_inputs, other
    return Classifier(inputs, array, Labels.fit(codes, wanted, tuning.oscillators))


def one_pattern(
    patterns: NDArray[np.int64], labels: NDArray[np.int64], oscillators: int
) -> NDArray[np.int64]:
    """Return the class of each pattern if every class has one pattern of its own, -1 elsewhere: the best assignment."""
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((3**oscillators, int(labels.max()) + 1), np.int64)
    np.add.at(counts, (patterns, labels), 1)
    table = np.full(len(counts), -1)
    rows, classes = linear_sum_assignment(-counts)
    table[rows] = classes
    return table
