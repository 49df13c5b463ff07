"""Class, or unsure: what a least margin costs in images and gains in accuracy, as errors grow or the supply falls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.networks.binarized import Network
from oxnor.models.trials.axes import AXES, BER
from oxnor.models.trials.binarized import Trials
from oxnor.models.trials.curves import Point, point
from oxnor.sim.drawing.plots import Plot, log_ticks
from oxnor.sim.sweeps.errors import draw_errors, supply_of
from oxnor.sim.sweeps.params import SweepParams
from oxnor.sim.sweeps.trial import ALL_LAYERS, Key

#: Shares of the images that are unsure without errors, at the least margins that are chosen where none are given.
UNSURE = (0.02, 0.05, 0.1, 0.2)
#: Most points of a curve against coverage.
_CURVE_POINTS = 200
#: How many of the images that are lost first are named.
FIRST_LOST = 10
_COLOURS = (("blue", "o"), ("orange", "s"), ("green", "^"), ("purple", "D"), ("ink", "v"))


@dataclass(frozen=True)
class Abstained:
    """What a least margin does at one error rate.

    Parameters
    ----------
    min_margin : int
    unsure : Point
        Share of the images whose result is unsure: how often a fallback wakes up.
    sure_accuracy : Point or None
        Part of the other images that are right; None if in a trial there are none.
    system_accuracy : Point or None
        Part of all images that are right if the fallback answers for the unsure ones; None without a fallback.
    cost : float or None
        Mean cost of an image in inferences of the network, the fallback's included.
    energy_nj : float or None
        Against the supply: energy of the reads of an image, and of what the fallback reads at the largest supply.
    """

    min_margin: int
    unsure: Point
    sure_accuracy: Point | None
    system_accuracy: Point | None
    cost: float | None
    energy_nj: float | None


@dataclass(frozen=True, eq=False)
class Level:
    """The trials at one error rate, or value of what is turned.

    Parameters
    ----------
    rate : float
        0: without errors.
    accuracy : Point
        With every result taken.
    at : tuple of Abstained
        By least margin.
    auc : float
        Probability that a right result has a larger margin than a wrong one, over all trials; 0.5: margins say nothing.
    lost_auc : float or None
        Probability that an image which errors make wrong had a smaller margin without errors than one that stays right;
        None if none is lost.
    energy_nj : float or None
        Against the supply: energy of the reads of an image, without a fallback.
    curve : ndarray, shape (2, k)
        Coverage (the share of sure results) and the part of them that is right, over least margins, all trials pooled.
    """

    rate: float
    accuracy: Point
    at: tuple[Abstained, ...]
    auc: float
    lost_auc: float | None
    energy_nj: float | None
    curve: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Abstention:
    """Result of the study.

    Parameters
    ----------
    network, fallback : str
        Names; no fallback: "".
    images, trials : int
    fallback_cost : float
        Of an inference of the fallback, in inferences of the network.
    levels : tuple of Level
        Without errors, then from the best to the worst.
    against : str
        What their rates are, a key of :data:`oxnor.models.trials.axes.AXES`.
    lost : ndarray of float, shape (rates, images)
        Share of the trials in which an image is wrong.
    margins : ndarray of int64, shape (images,)
        Without errors.
    labels : ndarray of int64, shape (images,)
    """

    network: str
    fallback: str
    images: int
    trials: int
    fallback_cost: float
    levels: tuple[Level, ...]
    against: str
    lost: NDArray[np.float64]
    margins: NDArray[np.int64]
    labels: NDArray[np.int64]

    def first_lost(self) -> list[dict[str, Any]]:
        """Return the images that are right without errors and wrong in half of the trials, by the rate."""
        half = self.lost >= 0.5
        right = np.flatnonzero(~half[0] & half.any(axis=0))
        when = half[:, right].argmax(axis=0)
        order = np.lexsort((right, self.margins[right], when))[:FIRST_LOST]
        return [
            {"image": int(k), "label": int(self.labels[k]), "margin": int(self.margins[k]), "rate": self.levels[w].rate}
            for k, w in zip(right[order], when[order], strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return all but the curves and what is said of each image."""

        def numbers(p: Point | None) -> dict[str, float | None] | None:
            return None if p is None else {"mean": p.mean, "low": p.mean_low, "high": p.mean_high}

        return {
            "network": self.network,
            "images": self.images,
            "trials": self.trials,
            "against": self.against,
            "fallback": self.fallback or None,
            "fallback_cost": self.fallback_cost if self.fallback else None,
            "rates": [
                {
                    "rate": level.rate,
                    "accuracy": numbers(level.accuracy),
                    "energy_nj": level.energy_nj,
                    "auc": level.auc,
                    "lost_auc": level.lost_auc,
                    "at": [
                        {"min_margin": a.min_margin, "cost": a.cost, "energy_nj": a.energy_nj}
                        | {k: numbers(getattr(a, k)) for k in ("unsure", "sure_accuracy", "system_accuracy")}
                        for a in level.at
                    ],
                }
                for level in self.levels
            ],
            "first_lost": self.first_lost(),
        }

    def columns(self) -> dict[str, NDArray]:
        """Return what is known of each image, by column."""
        columns: dict[str, NDArray] = {"image": np.arange(self.images), "label": self.labels, "margin": self.margins}
        return columns | {f"wrong_at_{x.rate:g}": lost for x, lost in zip(self.levels, self.lost, strict=True)}


def chosen_margins(margins: NDArray[np.int64]) -> tuple[int, ...]:
    """Return least margins at which about the shares :data:`UNSURE` of the images are unsure."""
    return tuple(sorted({int(np.quantile(margins, share)) + 1 for share in UNSURE}))


def abstain(
    network: Network,
    images: NDArray,
    labels: NDArray,
    params: SweepParams,
    *,
    min_margins: Sequence[int] = (),
    fallback: tuple[Network, float | None] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Abstention:
    """Draw wrong weights and count what is right, wrong and unsure.

    Parameters
    ----------
    network : Network
    images : ndarray, shape (n, ...)
        As :func:`oxnor.models.golden.binarized.binarize` takes them.
    labels : ndarray of int, shape (n,)
    params : SweepParams
        Rates, draws at each, and how they are made: those of :func:`oxnor.sim.sweeps.run.sweep`. The network without
        errors is always there too.
    min_margins : sequence of int
        Default: :func:`chosen_margins`.
    fallback : (Network, float or None), optional
        Answers for the images that are unsure, without errors; its cost in inferences of `network`, by default in the
        ratio of the synapses that they read for an image.
    progress : callable, optional
        Called with (trials done, trials).

    Raises
    ------
    InputError
        If the network has one output, a number is out of its range, or errors are of single reads.
    """
    _check(network, params, min_margins)
    levels = [0.0, *sorted(set(params.rates), reverse=not AXES[params.against].rising)]
    counts = [1 if rate == 0 else params.trials for rate in levels]
    runs, labels = Trials(network, images, labels), np.asarray(labels)
    clean = runs.scores(FaultMap.draw(network, ber=0.0))
    margins, was_right = golden.margins(clean), golden.argmax(clean) == labels
    least = tuple(sorted(set(min_margins))) or chosen_margins(margins)
    answers, cost = None, 0.0
    if fallback:
        answers = golden.predict(fallback[0], images) == labels
        cost = fallback[1] if fallback[1] is not None else fallback[0].n_reads / network.n_reads
    energies = _energies(network, params, cost)
    made, lost = [], []
    for k, (rate, count) in enumerate(zip(levels, counts, strict=True)):
        drawn = []
        for trial in range(count):
            scores = clean
            if rate:
                errors = draw_errors(network, Key(ALL_LAYERS, rate, trial), params)
                assert isinstance(errors, FaultMap)
                scores = runs.scores(errors)
            drawn.append((golden.margins(scores), golden.argmax(scores) == labels))
            if progress:
                progress(sum(counts[:k]) + trial + 1, sum(counts))
        margin, right = (np.array(column) for column in zip(*drawn, strict=True))
        made.append(_level(rate, (margin, right), least, answers, (cost, *energies(rate)), (margins, was_right)))
        lost.append(1 - right.mean(axis=0))
    name = fallback[0].name if fallback else ""
    return Abstention(
        network.name, name, len(labels), params.trials, cost, tuple(made), params.against, np.array(lost), margins,
        labels,
    )  # fmt: skip


def _energies(network: Network, params: SweepParams, cost: float) -> Callable[[float], tuple[float | None, float]]:
    """Return a function of the supply: nJ of the reads of an image, and of those of the fallback; None elsewhere."""
    if params.against != "vdd" or params.device is None:
        return lambda vdd: (None, 0.0)
    supply = supply_of(params.device, params.age, network.n_reads)
    highest = supply.vdd[-1]
    return lambda vdd: (supply.image_nj(vdd or highest), cost * supply.image_nj(highest))


def _check(network: Network, params: SweepParams, min_margins: Sequence[int]) -> None:
    if network.n_out < 2:
        raise InputError(f"network {network.name!r} must have two classes or more: a margin lies between two scores")
    if params.has_reads:
        raise InputError("must be of weights that are wrong, not of single reads", parameter="kind")
    if any(not 0 <= m < 1 << 32 for m in min_margins):
        raise InputError(f"must be in [0, {(1 << 32) - 1}], not {min(min_margins)}", parameter="min_margin")


def _level(
    rate: float, found: tuple[NDArray[np.int64], NDArray[np.bool_]], least: Sequence[int],
    answers: NDArray[np.bool_] | None, costs: tuple[float, float | None, float],
    clean: tuple[NDArray[np.int64], NDArray[np.bool_]],
) -> Level:  # fmt: skip
    """Return the statistics of trials: margins and whether results are right, shape (trials, images)."""
    (margin, right), (clean_margin, was_right), (cost, own_nj, other_nj) = found, clean, costs
    n = margin.shape[1]
    at = []
    for m in least:
        unsure = margin < m
        sure = n - unsure.sum(axis=1)
        rights = (right & ~unsure).sum(axis=1)
        share = point(rate, unsure.mean(axis=1), n)
        together = None if answers is None else point(rate, np.where(unsure, answers, right).mean(axis=1), n)
        of_sure = point(rate, rights / sure, max(1, int(sure.mean()))) if sure.all() else None
        total = None if answers is None else 1 + cost * share.mean
        energy = None if own_nj is None else own_nj + other_nj * share.mean
        at.append(Abstained(m, share, of_sure, together, total, energy))
    ends = np.unique(margin)
    if len(ends) > _CURVE_POINTS:
        ends = ends[np.linspace(0, len(ends) - 1, _CURVE_POINTS).astype(int)]
    order = np.sort(margin, axis=None)
    rights_sorted = np.sort(margin[right])
    sure_all, sure_right = (len(x) - np.searchsorted(x, ends) for x in (order, rights_sorted))
    curve = np.stack([sure_all / order.size, sure_right / sure_all])
    gone = (was_right & ~right).any(axis=0)
    kept = was_right & ~gone
    lost_auc = _auc(clean_margin[kept], clean_margin[gone]) if gone.any() and kept.any() else None
    accuracy, auc = point(rate, right.mean(axis=1), n), _auc(margin[right], margin[~right])
    return Level(rate, accuracy, tuple(at), auc, lost_auc, own_nj, curve)


def _auc(larger: NDArray[np.int64], smaller: NDArray[np.int64]) -> float:
    """Return the probability that one of `larger` is above one of `smaller`; equal ones count half."""
    if not len(larger) or not len(smaller):
        return 1.0
    held = np.sort(smaller)
    below = np.searchsorted(held, larger) + np.searchsorted(held, larger, side="right")
    return float(below.mean() / (2 * len(held)))


def plots(result: Abstention) -> dict[str, Plot]:
    """Return the pictures by the stem of their file."""
    return {"coverage": coverage_plot(result), "wake-up": wake_up_plot(result)}


def _shown(levels: Sequence[Level]) -> list[Level]:
    """Return at most as many levels as there are colours, the first and the last among them."""
    places = np.unique(np.linspace(0, len(levels) - 1, min(len(levels), len(_COLOURS))).round().astype(int))
    return [levels[k] for k in places]


def coverage_plot(result: Abstention) -> Plot:
    """Return the accuracy of the sure results against their share."""

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        axes = figure.add_subplot()
        shown = _shown(result.levels)
        for level, (colour, marker) in zip(shown, _COLOURS, strict=False):
            axis = AXES[result.against]
            name = "without errors"
            if level.rate:
                name = f"{level.rate:.2g} of the weights wrong" if axis is BER else axis.text(level.rate)
            coverage, accuracy = 100 * level.curve
            every = max(1, len(coverage) // 12)
            axes.plot(coverage, accuracy, color=colours[colour], lw=2, marker=marker, ms=5, markevery=every, label=name)
        low = min(level.curve[1][level.curve[0] > 0.2].min(initial=1) for level in shown)
        axes.set(xlabel="coverage: sure results (%)", ylabel="accuracy of the sure results (%)")
        axes.set_xlim(20, 101)
        axes.set_ylim(100 * low - 1, 100.4)
        axes.grid(True, lw=0.5, alpha=0.4)
        axes.legend(loc="lower left")

    return Plot(f"{result.network}: accuracy against coverage", (10.5, 4.6), draw)


def wake_up_plot(result: Abstention) -> Plot:
    """Return the share of unsure results, and the accuracy of the others, against the error rate."""

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        left, right = figure.subplots(1, 2)
        levels = [level for level in result.levels if level.rate > 0]
        rates = [level.rate for level in levels]
        for k, (colour, marker) in zip(range(len(result.levels[0].at)), _COLOURS, strict=False):
            at = [level.at[k] for level in levels]
            style: dict[str, Any] = {"color": colours[colour], "lw": 2, "marker": marker, "ms": 5}
            left.plot(rates, [100 * a.unsure.mean for a in at], label=f"margin below {at[0].min_margin}", **style)
            right.plot(rates, [100 * a.sure_accuracy.mean if a.sure_accuracy else np.nan for a in at], **style)
        right.plot(rates, [100 * level.accuracy.mean for level in levels], color=colours["muted"], ls="--", lw=1.5,
                   label="every result taken")  # fmt: skip
        left.set(ylabel="unsure: the fallback wakes up (%)")
        right.set(ylabel="accuracy of the sure results (%)")
        for axes in (left, right):
            if rates[0] > 0 and max(rates) > 30 * min(rates):
                axes.set_xscale("log")
                log_ticks(axes.xaxis)
            axes.set(xlabel="bit error rate of the weights" if result.against == "ber" else AXES[result.against].label)
            axes.grid(True, lw=0.5, alpha=0.4)
        left.legend(loc="upper left")
        right.legend(loc="lower left")

    return Plot(f"{result.network}: how often it is unsure, and how right it is when sure", (10.5, 4.6), draw)
