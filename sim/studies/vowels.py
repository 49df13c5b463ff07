"""Vowels by four coupled oscillators, beside a linear discriminant and a perceptron on the same speakers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.formants import VOWELS, Formants
from oxnor.models.oscillators.array import Imperfections
from oxnor.models.oscillators.baselines import Discriminant, Perceptron
from oxnor.models.oscillators.synchrony import CENTRE, SCALE, Classifier, Labels, Tuning, one_pattern, train
from oxnor.models.trials.curves import Point, point
from oxnor.sim.drawing.plots import SERIES, Plot, log_ticks

#: What was published of the experiment; seen in a secondary page alone.
PUBLISHED = {"train": 0.89, "test": 0.88}
SOURCE = "M. Romera et al., Nature 563:230 (2018): rates seen in a secondary page only, parameters not at all"
#: What a model is said to be wherever its numbers are shown.
CHOSEN = "model with chosen parameters"
LINEWIDTHS = (0.03, 0.1, 0.3, 1.0, 3.0)
SPREADS = (0.3, 1.0, 2.0, 4.0, 8.0)
#: Relative spread of lock ranges for each MHz of the spread of frequencies.
RANGE_A_MHZ = 0.05
FOLDS = 5
_TRIALS = 4


@dataclass(frozen=True)
class VowelParams:
    """What the study computes.

    Parameters
    ----------
    partitions : int
        Ways to split the speakers into five folds.
    curves : int
        Partitions in which noise and differences between devices are tried; 0: none.
    tuning : Tuning
    seed : int
        Key of every draw.

    Raises
    ------
    InputError
        If a number is out of its range.
    """

    partitions: int = 10
    curves: int = 2
    tuning: Tuning = field(default_factory=Tuning)
    seed: int = 0

    def __post_init__(self) -> None:
        rng.check_key("seed", self.seed)
        if not 1 <= self.partitions <= 1000:
            raise InputError(f"must be in [1, 1000], not {self.partitions}", parameter="partitions")
        if not 0 <= self.curves <= self.partitions:
            raise InputError(f"must be in [0, {self.partitions}], not {self.curves}", parameter="curves")


@dataclass(frozen=True)
class Method:
    """How one method did.

    Parameters
    ----------
    name : str
    numbers : float
        That decide, beside the two directions where inputs are frequencies: mean over folds.
    train : float
        Mean rate on training speakers.
    test : Point
        Rate on test speakers, by partition.
    """

    name: str
    numbers: float
    train: float
    test: Point


@dataclass(frozen=True, eq=False)
class VowelResult:
    """What :func:`study` found.

    Parameters
    ----------
    data : str
        The set in words.
    tokens, speakers : int
    params : VowelParams
    methods : tuple of Method
    curves : mapping of str to sequence of Point
        Test rate against what is imperfect, in MHz; the first point is at 0.
    patterns_equal : float
        Share of the tokens whose pattern by the full model is that by the phase model.
    example : Classifier
        Of the first fold.
    held : Formants
        Every token, for the picture.
    test : ndarray of bool
        Which are of the test speakers of the first fold.
    """

    data: str
    tokens: int
    speakers: int
    params: VowelParams
    methods: tuple[Method, ...]
    curves: Mapping[str, Sequence[Point]]
    patterns_equal: float
    example: Classifier
    held: Formants
    test: NDArray[np.bool_]

    def to_json(self) -> dict[str, Any]:
        """Return the figures."""

        def numbers(p: Point) -> dict[str, float | None]:
            return {"mean": p.mean, "low": p.mean_low, "high": p.mean_high, "test_se": p.test_se}

        return {
            "data": self.data,
            "tokens": self.tokens,
            "speakers": self.speakers,
            "model": CHOSEN,
            "partitions": self.params.partitions,
            "methods": [
                {"method": m.name, "numbers": m.numbers, "train": m.train, "test": numbers(m.test)}
                for m in self.methods
            ],
            "full_equals_reduced": self.patterns_equal,
            "published": dict(PUBLISHED),
            "source": SOURCE,
            "curves": {
                name: [{"mhz": p.rate} | numbers(p) for p in points] for name, points in self.curves.items()
            },
        }


def folds(speakers: int, seed: int, partition: int) -> list[NDArray[np.int64]]:
    """Return the test speakers of each fold of a partition."""
    order = rng.stream("partition", seed=seed, layer=partition, trial=0).permutation(speakers)
    return [np.sort(order[k::FOLDS]) for k in range(FOLDS)]


class _Fold:
    """One fold: who trains, who tests, and what was trained."""

    def __init__(self, data: Formants, speakers: NDArray[np.int64], params: VowelParams, key: tuple[int, int]) -> None:
        self.data, self.params = data, params
        self.test = np.isin(data.speakers, speakers)
        self.key = {"seed": params.seed, "layer": key[0], "trial": key[1]}
        self.hz, self.labels = data.hz[~self.test], data.labels[~self.test]
        self.classifier = train(self.hz, self.labels, params.tuning, **self.key)
        inputs = self.classifier.inputs
        self.drives = inputs(data.hz)
        # What labels are fitted on: copies of the training points that lie as those of the training do.
        tuning, draws = params.tuning, rng.stream("evolution", **(self.key | {"trial": key[1] + FOLDS}))
        points = np.repeat(inputs.points(self.hz), tuning.copies, axis=0)
        points = points + tuning.jitter / inputs.spread * draws.standard_normal(points.shape)
        self.copies, self.wanted = CENTRE + SCALE * inputs.turned(points), np.repeat(self.labels, tuning.copies)

    def rates(self, predicted: NDArray[np.int64]) -> tuple[float, int]:
        """Return the rate on training tokens and how many test tokens are right."""
        right = predicted == self.data.labels
        return float(right[~self.test].mean()), int(right[self.test].sum())

    def methods(self) -> tuple[dict[str, tuple[float, float, int]], float]:
        """Return (numbers, training rate, right test tokens) by method, and how alike both models are."""
        c, data = self.classifier, self.data
        k = self.params.tuning.oscillators
        mapped = Labels.fit(c.array.mapped(self.copies), self.wanted, k)
        patterns = c.patterns(self.drives, **self.key)
        full = c.array.patterns(self.drives, c.array.full(self.drives, **self.key))
        alone = one_pattern(c.patterns(self.copies, **self.key), self.wanted, k)
        used = 2 + k
        found = {
            "oscillators, coupled": (c.numbers, c.labels.table[patterns]),
            "the same by the full equations": (c.numbers, c.labels.table[full]),
            "the same as lock map, not coupled": (used + mapped.seen, mapped.table[c.array.mapped(self.drives)]),
            "the same, one pattern a vowel": (used + len(VOWELS), alone[patterns]),
        }
        linear = Discriminant.fit(self.hz, self.labels)
        for name, count in (("two inputs", 2), ("F1, F2, F3", 3)):
            found[f"linear discriminant, {name}"] = (linear.numbers(count), linear.predict(data.hz, count))
        hidden = next(h for h in itertools.count(1) if Perceptron.numbers(2, h, len(VOWELS)) >= c.numbers)
        points = c.inputs.points(data.hz)
        perceptron = Perceptron.fit(points[~self.test], self.labels, hidden, **self.key)
        found["perceptron, two inputs"] = (Perceptron.numbers(2, hidden, len(VOWELS)), perceptron.predict(points))
        alike = float(np.mean(full == patterns))
        return {name: (numbers, *self.rates(predicted)) for name, (numbers, predicted) in found.items()}, alike

    def flawed(self, flaws: Imperfections, again: bool, trial: int) -> int:
        """Return how many test tokens are right with imperfect devices; `again`: the labels are fitted to them."""
        c, key = self.classifier, self.key | {"trial": self.key["trial"] + FOLDS * (1 + trial)}
        c = replace(c, array=c.array.changed(flaws, **key))
        if again:
            fitted = c.patterns(self.copies, flaws.linewidth_mhz, **(key | {"trial": key["trial"] + FOLDS * _TRIALS}))
            c = replace(c, labels=Labels.fit(fitted, self.wanted, self.params.tuning.oscillators))
        return self.rates(c.labels.table[c.patterns(self.drives, flaws.linewidth_mhz, **key)])[1]


#: What is tried: name, what is imperfect at a number of MHz, the numbers, whether labels are fitted to it.
_CURVES: tuple[tuple[str, Callable[[float], Imperfections], Sequence[float], bool], ...] = (
    ("phase noise", lambda x: Imperfections(linewidth_mhz=x), LINEWIDTHS, True),
    ("devices differ, labels fitted to them",
     lambda x: Imperfections(spread_mhz=x, spread_range=RANGE_A_MHZ * x), SPREADS, True),
    ("devices drift after training",
     lambda x: Imperfections(spread_mhz=x, spread_range=RANGE_A_MHZ * x), SPREADS, False),
)  # fmt: skip


def study(
    data: Formants, params: VowelParams, *, progress: Callable[[int, int], object] | None = None
) -> VowelResult:
    """Train and test on every fold of every partition, and try imperfect devices on some.

    Parameters
    ----------
    data : Formants
    params : VowelParams
    progress : callable, optional
        Called with (folds done, folds).
    """
    n, speakers = len(data.labels), len(np.unique(data.speakers))
    if speakers < FOLDS:
        raise InputError(f"{data.name}: must have {FOLDS} speakers or more, not {speakers}")
    rows: dict[str, list[list[tuple[float, float, int]]]] = {}
    flawed = {name: np.zeros((1 + len(values), params.curves)) for name, _, values, _ in _CURVES}
    alike, first = [], None
    for partition in range(params.partitions):
        for k, who in enumerate(folds(speakers, params.seed, partition)):
            fold = _Fold(data, who, params, (partition, k))
            first = first or fold
            methods, same = fold.methods()
            alike.append(same)
            for name, row in methods.items():
                rows.setdefault(name, [[] for _ in range(params.partitions)])[partition].append(row)
            for name, flaws, values, again in _CURVES if partition < params.curves else ():
                flawed[name][0, partition] += methods["oscillators, coupled"][2] / n
                for j, value in enumerate(values, 1):
                    right = [fold.flawed(flaws(value), again, trial) for trial in range(_TRIALS)]
                    flawed[name][j, partition] += np.mean(right) / n
            if progress:
                progress(partition * FOLDS + k + 1, params.partitions * FOLDS)
    assert first is not None
    methods_ = tuple(
        Method(
            name, float(np.mean([r[0] for part in parts for r in part])),
            float(np.mean([r[1] for part in parts for r in part])),
            point(0.0, np.array([sum(r[2] for r in part) / n for part in parts]), n),
        )
        for name, parts in rows.items()
    )  # fmt: skip
    curves = {
        name: [point(x, found, n) for x, found in zip((0.0, *values), flawed[name], strict=True)]
        for name, _, values, _ in _CURVES
        if params.curves
    }
    return VowelResult(
        data.source, n, speakers, params, methods_, curves, float(np.mean(alike)), first.classifier, data, first.test
    )


def plots(result: VowelResult) -> dict[str, Plot]:
    """Return the pictures by the stem of their file."""
    made = {"vowels-map": map_plot(result)}
    return made | ({"vowels-noise": noise_plot(result)} if result.curves else {})


def map_plot(result: VowelResult, side: int = 120) -> Plot:
    """Return the pattern at each pair of inputs, in the colour of its class, with every token on it."""
    classifier, data = result.example, result.held
    drives = classifier.inputs(data.hz)
    low, high = drives.min(axis=0) - 3, drives.max(axis=0) + 3
    a, b = (np.linspace(low[k], high[k], side) for k in (0, 1))
    grid = np.stack([g.ravel() for g in np.meshgrid(a, b)], axis=1)
    patterns = classifier.patterns(grid)
    classes, patterns = classifier.labels.table[patterns].reshape(side, side), patterns.reshape(side, side)

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        axes = figure.add_subplot()
        from matplotlib import colormaps

        shade = colormaps["tab10"](classes % 10)
        shade[..., 3] = 0.3
        # Patterns that are not their neighbours', darker: where one oscillator locks or breaks loose.
        edges = np.zeros(patterns.shape, bool)
        edges[:, 1:] |= patterns[:, 1:] != patterns[:, :-1]
        edges[1:] |= patterns[1:] != patterns[:-1]
        shade[edges, 3] = 0.6
        axes.imshow(shade, extent=(a[0], a[-1], b[0], b[-1]), origin="lower", aspect="auto", interpolation="nearest")
        for k, name in enumerate(VOWELS):
            for part, marker in ((~result.test, "o"), (result.test, "s")):
                chosen = part & (data.labels == k)
                axes.plot(*drives[chosen].T, ls="", marker=marker, ms=4.5, mfc=f"C{k}", mec=colours["ink"], mew=0.5,
                          label=name if marker == "o" else None)  # fmt: skip
        for f in classifier.array.frequencies:
            axes.axvline(f, color=colours["line"], lw=0.8, ls=":")
            axes.axhline(f, color=colours["line"], lw=0.8, ls=":")
        axes.set(xlabel="input A (MHz)", ylabel="input B (MHz)", xlim=(a[0], a[-1]), ylim=(b[0], b[-1]))
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="vowel")

    label = f"Patterns of synchronisation in the colours of their vowels, {CHOSEN}; squares: speakers of the test"
    return Plot(label, (9, 6.4), draw)


def noise_plot(result: VowelResult) -> Plot:
    """Return the rate on test speakers against what is imperfect."""

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        ideal = next(iter(result.curves.values()))[0].mean
        linear = next(m for m in result.methods if m.name == "linear discriminant, two inputs")
        for (name, points), (colour, marker) in zip(result.curves.items(), SERIES, strict=False):
            axes = left if name == "phase noise" else right
            rates = [p.rate for p in points[1:]]
            axes.plot(rates, [100 * p.mean for p in points[1:]], color=colours[colour], lw=2, marker=marker, ms=5,
                      label=name)  # fmt: skip
        for axes in (left, right):
            axes.axhline(100 * ideal, color=colours["line"], ls="--", lw=1, label="ideal oscillators")
            axes.axhline(100 * linear.test.mean, color=colours["muted"], ls=":", lw=1.5, label=linear.name)
            axes.set_xscale("log")
            log_ticks(axes.xaxis)
            axes.grid(True, lw=0.5, alpha=0.4)
            axes.legend(loc="lower left")
        left.set(xlabel="linewidth of a free oscillator (MHz)", ylabel="right on test speakers (%)")
        right.set(xlabel="standard deviation of the frequencies (MHz)")

    return Plot(f"Vowels with imperfect oscillators, {CHOSEN}", (10.5, 4.6), draw)
