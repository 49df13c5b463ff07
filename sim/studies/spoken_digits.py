"""Spoken digits by one oscillator as a reservoir: what it gains over the acoustic front end alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.recordings import DIGITS, FRONT_ENDS, TEST_BELOW, VALIDATION_BELOW, Recordings, frames
from oxnor.models.oscillators.reservoir import Reservoir, ReservoirParams, Sums, scores
from oxnor.models.trials.curves import Point, point
from oxnor.sim.drawing.plots import SERIES, Plot, log_ticks

SOURCE = (
    "J. Torrejon et al., Nature 547:428 (2017): up to 99.6 % on TI-46 by a secondary page; neither that set nor the"
    " paper's numbers were at hand"
)
CHOSEN = "model with chosen parameters"
NOISES = (0.001, 0.003, 0.01, 0.03, 0.1)
#: Ridges that are tried on the validation words, in mean squares of a feature.
RIDGES = tuple(10.0**k for k in range(-9, 1))
_CHUNK = 50


@dataclass(frozen=True)
class DigitParams:
    """What the study computes.

    Parameters
    ----------
    front_ends : tuple of str
        Keys of :data:`oxnor.models.datasets.recordings.FRONT_ENDS`.
    reservoir : ReservoirParams
    masks : int
        Drawn masks.
    noises : tuple of float
        Relative output noise that is tried on the first mask, each above 0.
    seed : int

    Raises
    ------
    InputError
        If a number is out of its range, or there is no such front end.
    """

    front_ends: tuple[str, ...] = tuple(FRONT_ENDS)
    reservoir: ReservoirParams = field(default_factory=ReservoirParams)
    masks: int = 5
    noises: tuple[float, ...] = NOISES
    seed: int = 0

    def __post_init__(self) -> None:
        rng.check_key("seed", self.seed)
        for name in self.front_ends:
            if name not in FRONT_ENDS:
                raise InputError(f"must be some of {', '.join(FRONT_ENDS)}, not {name!r}", parameter="front_end")
        if not 1 <= self.masks <= 1000:
            raise InputError(f"must be in [1, 1000], not {self.masks}", parameter="masks")
        if any(not 0 < x < math.inf for x in self.noises):
            raise InputError(f"must be above 0, not {min(self.noises):g}", parameter="noises")


@dataclass(frozen=True)
class Rates:
    """Rates of one read-out.

    Parameters
    ----------
    train : float
        On the training words of the set's own split.
    test : float
        On its test words: other words of the same speakers.
    strangers : float
        On the words of each speaker, trained on the other speakers.
    ridge : float
    """

    train: float
    test: float
    strangers: float
    ridge: float


@dataclass(frozen=True, eq=False)
class FrontEndResult:
    """One front end, alone and with the oscillator behind it.

    Parameters
    ----------
    name : str
    channels : int
    alone : Rates
    masks : tuple of Rates
        With the oscillator, by mask.
    test, strangers, gain : Point
        Over masks; the gain is over the front end alone, on the test words.
    noise : tuple of (float, float)
        Relative noise and test rate, of the first mask.
    """

    name: str
    channels: int
    alone: Rates
    masks: tuple[Rates, ...]
    test: Point
    strangers: Point
    gain: tuple[float, float | None, float | None]
    noise: tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class DigitResult:
    """What :func:`study` found.

    Parameters
    ----------
    source : str
    words, test_words, speakers : int
    params : DigitParams
    front_ends : tuple of FrontEndResult
    currents, amplitudes : ndarray of float64
        Of the loudest frame of a training word, by the first front end: at its first nodes, and at points inside each.
    """

    source: str
    words: int
    test_words: int
    speakers: int
    params: DigitParams
    front_ends: tuple[FrontEndResult, ...]
    currents: NDArray[np.float64]
    amplitudes: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """Return the figures."""

        def one(f: FrontEndResult) -> dict[str, Any]:
            def spread(p: Point) -> dict[str, float | None]:
                return {"mean": p.mean, "low": p.mean_low, "high": p.mean_high, "test_se": p.test_se}

            return {
                "front_end": f.name,
                "channels": f.channels,
                "alone": vars(f.alone),
                "masks": [vars(m) for m in f.masks],
                "test": spread(f.test),
                "strangers": spread(f.strangers),
                "gain": dict(zip(("mean", "low", "high"), f.gain, strict=True)),
                "noise": [{"relative": x, "test": rate} for x, rate in f.noise],
            }

        return {
            "data": self.source,
            "words": self.words,
            "test_words": self.test_words,
            "speakers": self.speakers,
            "model": CHOSEN,
            "reservoir": vars(self.params.reservoir),
            "front_ends": [one(f) for f in self.front_ends],
            "source": SOURCE,
        }


class _Words:
    """Words and their groups: by speaker, and whether they train, validate or test."""

    def __init__(self, words: Recordings) -> None:
        self.words = words
        self.test = words.index < TEST_BELOW
        self.validation = ~self.test & (words.index < VALIDATION_BELOW)
        self.part = np.where(self.test, 2, np.where(self.validation, 1, 0))
        self.speakers = np.unique(words.speakers)
        if len(self.speakers) < 2 or len(np.unique(self.part)) < 3:
            raise InputError("words must be of two speakers or more, some to train, to validate and to test")

    def rates(self, run: Callable[[int], NDArray[np.float64]]) -> Rates:
        """Fit a read-out to the frames that `run` returns of each word, and return how it does."""
        words, means = self.words, []
        held: dict[tuple[int, int], Sums] = {}
        for speaker in self.speakers:
            for part in range(3):
                group = np.flatnonzero((words.speakers == speaker) & (self.part == part))
                for chunk in np.array_split(group, math.ceil(len(group) / _CHUNK)) if len(group) else ():
                    rows = [run(k) for k in chunk]
                    means += [(k, r.mean(axis=0)) for k, r in zip(chunk, rows, strict=True)]
                    key = (int(speaker), part)
                    held.setdefault(key, Sums(rows[0].shape[1], len(DIGITS)))
                    held[key].add(np.concatenate(rows), np.repeat(words.labels[chunk], [len(r) for r in rows]))
        x = np.empty((len(means), len(means[0][1])))
        for k, mean in means:
            x[k] = mean
        everyone = [int(s) for s in self.speakers]
        read, ridge = self._fitted(x, held, everyone, parts=(0, 1))
        right = scores(x, read).argmax(axis=1) == words.labels
        strangers = 0
        for speaker in everyone:
            others = [s for s in everyone if s != speaker]
            read, _ = self._fitted(x, held, others, parts=(0, 1, 2))
            own = words.speakers == speaker
            strangers += int(np.sum(scores(x[own], read).argmax(axis=1) == words.labels[own]))
        return Rates(
            float(right[~self.test].mean()), float(right[self.test].mean()), strangers / len(words.labels), ridge
        )

    def _fitted(
        self, x: NDArray[np.float64], held: Mapping[tuple[int, int], Sums], speakers: Sequence[int],
        parts: Sequence[int],
    ) -> tuple[NDArray[np.float64], float]:  # fmt: skip
        """Return weights and the ridge that the validation words of these speakers chose."""

        def total(parts: Sequence[int]) -> Sums:
            first, *others = [held[s, p] for s in speakers for p in parts if (s, p) in held]
            return sum(others, first)

        mine = self.validation & np.isin(self.words.speakers, speakers)
        some, wanted = total([p for p in parts if p != 1]), self.words.labels[mine]

        def right(ridge: float) -> int:
            return int(np.sum(scores(x[mine], some.weights(ridge)).argmax(axis=1) == wanted))

        ridge = max(RIDGES, key=lambda r: (right(r), r))
        return total(parts).weights(ridge), ridge


def study(
    words: Recordings, params: DigitParams, *, progress: Callable[[str, int, int], object] | None = None
) -> DigitResult:
    """Measure every front end alone, with masks, and with noise.

    Parameters
    ----------
    words : Recordings
    params : DigitParams
    progress : callable, optional
        Called with (what, steps done, steps).
    """
    sets, made, shown = _Words(words), [], None
    train = np.flatnonzero(~sets.test)
    for name in params.front_ends:
        tell = (lambda what: lambda done, total: progress(what, done, total))(name) if progress else None
        rows = frames(words.sounds, name, tell)
        alone = sets.rates(rows.__getitem__)
        steps, done, masks, noisy = params.masks + len(params.noises), 0, [], []
        for k in range(params.masks):
            reservoir = Reservoir.fit(params.reservoir, [rows[i] for i in train], seed=params.seed, mask=k)
            masks.append(sets.rates(_runner(reservoir, rows, params.reservoir.noise, (params.seed, k, 0))))
            for j, noise in enumerate(params.noises if k == 0 else (), 1):
                rates = sets.rates(_runner(reservoir, rows, noise, (params.seed, k, j)))
                noisy.append((noise, rates.test))
                done += 1
                if progress:
                    progress(f"{name}, oscillator", done, steps)
            if shown is None:
                shown = _transient(reservoir, rows[int(train[0])])
            done += 1
            if progress:
                progress(f"{name}, oscillator", done, steps)
        n = int(sets.test.sum())
        test = point(0.0, np.array([m.test for m in masks]), n)
        strangers = point(0.0, np.array([m.strangers for m in masks]), len(words.labels))
        low, high = (None if x is None else x - alone.test for x in (test.mean_low, test.mean_high))
        curve = ((params.reservoir.noise, masks[0].test), *noisy)
        gain = (test.mean - alone.test, low, high)
        made.append(FrontEndResult(name, rows[0].shape[1], alone, tuple(masks), test, strangers, gain, curve))
    assert shown is not None
    return DigitResult(
        words.source, len(words.labels), int(sets.test.sum()), len(sets.speakers), params, tuple(made), *shown
    )


def _runner(
    reservoir: Reservoir, rows: Sequence[NDArray[np.float64]], noise: float, key: tuple[int, int, int]
) -> Callable[[int], NDArray[np.float64]]:
    """Return what the oscillator makes of each word, read with noise relative to its mean amplitude."""
    level = noise * float(np.mean(reservoir.run(rows[0])))

    def run(k: int) -> NDArray[np.float64]:
        made = reservoir.run(rows[k])
        if level:
            seed, mask, place = key
            draws = rng.stream("output-noise", seed=seed, layer=k, trial=1000 * mask + place)
            made = made + level * draws.standard_normal(made.shape)
        return made

    return run


def _transient(reservoir: Reservoir, word: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return currents and amplitudes of the first nodes of the loudest frame of a word."""
    inside = 8
    loud = int(np.argmax(word.sum(axis=1)))
    # From the start of the word: the oscillator remembers.
    many = reservoir.run(word[: loud + 1], inside)[-1]
    count = min(60, reservoir.params.nodes)
    return reservoir.currents(word[: loud + 1])[-1][:count], many[: count * inside]


def plots(result: DigitResult) -> dict[str, Plot]:
    """Return the pictures by the stem of their file."""
    made = {"spoken-digits-transient": transient_plot(result)}
    return made | ({"spoken-digits-noise": noise_plot(result)} if result.params.noises else {})


def transient_plot(result: DigitResult) -> Plot:
    """Return current and amplitude of the first nodes of a frame."""

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        top, bottom = figure.subplots(2, 1, sharex=True)
        count, inside = len(result.currents), len(result.amplitudes) // len(result.currents)
        top.step(np.arange(count + 1), [*result.currents, result.currents[-1]], where="post", color=colours["orange"])
        top.axhline(1, color=colours["line"], ls="--", lw=1)
        top.annotate("threshold ", (0, 1), ha="right", va="center", color=colours["muted"], fontsize=8)
        fine = (np.arange(count * inside) + 1) / inside
        bottom.plot(fine, result.amplitudes, color=colours["blue"], lw=1.6)
        ends = np.arange(1, count + 1)
        bottom.plot(ends, result.amplitudes[inside - 1 :: inside], ls="", marker="o", ms=3.5, color=colours["blue"])
        top.set(ylabel="current / threshold")
        bottom.set(xlabel=f"time (nodes of {result.params.reservoir.node_time:g} relaxation times)",
                   ylabel="amplitude (dots: read)", xlim=(0, count))  # fmt: skip
        for axes in (top, bottom):
            axes.grid(True, lw=0.5, alpha=0.4)

    return Plot(f"One oscillator follows the masked input of a frame, {CHOSEN}", (10.5, 4.8), draw)


def noise_plot(result: DigitResult) -> Plot:
    """Return the rate against the noise of the amplitude."""

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        axes = figure.add_subplot()
        for front, (colour, marker) in zip(result.front_ends, SERIES, strict=False):
            points = [(x, 100 * rate) for x, rate in front.noise if x]
            axes.plot(*zip(*points, strict=True), color=colours[colour], lw=2, marker=marker, ms=5,
                      label=f"{front.name}, oscillator")  # fmt: skip
            axes.axhline(100 * front.alone.test, color=colours[colour], ls="--", lw=1, label=f"{front.name} alone")
        axes.set_xscale("log")
        log_ticks(axes.xaxis)
        axes.set(xlabel="noise of the amplitude, relative to its mean", ylabel="right test words (%)")
        axes.grid(True, lw=0.5, alpha=0.4)
        axes.legend(loc="lower left")

    return Plot(f"Spoken digits against output noise, {CHOSEN}", (10.5, 4.6), draw)
