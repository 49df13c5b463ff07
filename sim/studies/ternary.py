"""Weights of a few values learned in place: laws of probability, devices that differ, and float weights beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.learning.discrete_steps import LENGTHS, DiscreteSteps
from oxnor.models.learning.in_place import Epoch, InPlaceParams, Trained, train_in_place
from oxnor.models.learning.mtj import LAWS, NUMBER_BITS, Switching, law, thresholds
from oxnor.models.networks.binarized import Network
from oxnor.models.training.presets import TrainingData
from oxnor.models.trials.curves import Point, point
from oxnor.sim.drawing.plots import SERIES, Plot

#: What was published of such synapses, and by whom.
PUBLISHED = 0.9861
SOURCE = "T. Greenberg-Toledo et al., arXiv 1912.12636v2: 98.61 % on MNIST, a convolutional network, ternary, in situ"
FLOAT = "float weights"


@dataclass(frozen=True)
class TernaryParams:
    """What the study computes.

    Parameters
    ----------
    laws, weights : tuple of str
        Keys of :data:`oxnor.models.learning.mtj.LAWS` and of
        :data:`oxnor.models.learning.discrete_steps.LENGTHS`; each is tried with each.
    spreads : tuple of float
        Spreads between devices that the first law and kind of weights is tried with too.
    table, switching
        As for :class:`oxnor.models.learning.discrete_steps.DiscreteSteps`.
    seeds : int
        Trainings of each; the first has the seed of `training`.
    baseline : bool
        Whether float weights of the same shape are trained too.
    training : InPlaceParams
        All the rest.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    laws: tuple[str, ...] = ("tanh",)
    weights: tuple[str, ...] = ("ternary",)
    spreads: tuple[float, ...] = ()
    table: int = 16
    switching: Switching = field(default_factory=Switching)
    seeds: int = 1
    baseline: bool = True
    training: InPlaceParams = field(default_factory=InPlaceParams)

    def __post_init__(self) -> None:
        for name, known in (("laws", LAWS), ("weights", LENGTHS)):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values) or not set(values) <= set(known):
                shown = ",".join(values) or "none"
                raise InputError(f"must be some of {', '.join(known)}, each once, not {shown}", parameter=name)
        if len(set(self.spreads)) < len(self.spreads) or 0 in self.spreads:
            raise InputError("must be above 0, each once", parameter="spreads")
        for spread in self.spreads:
            if not 0 < spread <= 0.5:
                raise InputError(f"must be in (0, 0.5], not {spread}", parameter="spreads")
        if self.spreads and not self.table:
            raise InputError("must come with a `table`", parameter="spreads")
        if not 1 <= self.seeds <= 100:
            raise InputError(f"must be in [1, 100], not {self.seeds}", parameter="seeds")
        rng.check_key("seed", self.training.seed)
        _ = self.variants

    @cached_property
    def variants(self) -> dict[str, DiscreteSteps | None]:
        """What is trained, by name."""
        ideal = [DiscreteSteps(w, p, self.table, self.switching) for w in self.weights for p in self.laws]
        made: dict[str, DiscreteSteps | None] = {f"{s.weights}, {s.law}": s for s in ideal}
        for spread in self.spreads:
            made[f"{ideal[0].weights}, {ideal[0].law}, spread {spread:g}"] = replace(ideal[0], spread=spread)
        return made | ({FLOAT: None} if self.baseline else {})


@dataclass(frozen=True)
class Training:
    """One training.

    Parameters
    ----------
    seed : int
    epochs : tuple of Epoch
    best : Epoch
        That with the best validation accuracy, the first of equals.
    test : float
        Test accuracy of that epoch; test images are looked at once, after training.
    """

    seed: int
    epochs: tuple[Epoch, ...]
    best: Epoch
    test: float


@dataclass(frozen=True)
class TernaryResult:
    """What :func:`study` found.

    Parameters
    ----------
    params : TernaryParams
    images, test_images : int
        For training, of which some choose the epoch; for the test.
    trainings : mapping of str to tuple of Training
        By name of the variant, in order of seeds.
    network : Network
        Of the first variant and seed, with its card.
    """

    params: TernaryParams
    images: int
    test_images: int
    trainings: Mapping[str, tuple[Training, ...]]
    network: Network

    def test(self, name: str) -> Point:
        """Return the test accuracy of a variant."""
        return point(0.0, np.array([t.test for t in self.trainings[name]]), self.test_images)

    def to_json(self) -> dict[str, Any]:
        """Return the figures."""
        training = {k: v for k, v in asdict(self.params.training).items() if k != "steps"}
        return {
            "images": self.images,
            "test_images": self.test_images,
            "table": self.params.table,
            "theta0": self.params.switching.theta0,
            "u50": self.params.switching.u50,
            "training": training,
            "variants": {
                name: [
                    {"seed": t.seed, "epoch": t.best.number, "validation": t.best.accuracy, "test": t.test,
                     "changes": t.epochs[-1].changes, "validation_by_epoch": [e.accuracy for e in t.epochs]}
                    for t in trainings
                ]
                for name, trainings in self.trainings.items()
            },
            "published": PUBLISHED,
            "source": SOURCE,
        }  # fmt: skip


def study(
    data: TrainingData, params: TernaryParams, *, name: str = "ternary", checkpoints: Path | None = None,
    resume: bool = False, progress: Callable[[str, Epoch], object] | None = None,
) -> TernaryResult:  # fmt: skip
    """Train every variant with every seed.

    Parameters
    ----------
    data : TrainingData
        Pictures of 28 x 28.
    params : TernaryParams
    name : str
        Of the network.
    checkpoints : path, optional
        Folder with a file for each training, written after each epoch.
    resume : bool
        Go on from those files.
    progress : callable, optional
        Called with the name of a training and an epoch of it that is over.
    """
    if resume and checkpoints is None:
        raise InputError("must come with `checkpoints`", parameter="resume")
    if checkpoints:
        checkpoints.mkdir(parents=True, exist_ok=True)
    trainings: dict[str, tuple[Training, ...]] = {}
    labels = data.train.labels
    assert labels is not None
    network: Network | None = None
    for variant, steps in params.variants.items():
        done = []
        for seed in range(params.training.seed, params.training.seed + params.seeds):
            what = f"{variant}, seed {seed}"
            path = checkpoints / f"{what.replace(', ', '-').replace(' ', '-')}.pt" if checkpoints else None
            trained = train_in_place(
                replace(params.training, steps=steps, seed=seed), data.train.images, labels, name=name,
                checkpoint=path, resume=resume,
                progress=partial(progress, what) if progress else None,
            )  # fmt: skip
            test = float(np.mean(trained.predict(data.test.flat) == data.test.labels))
            done.append(Training(seed, trained.epochs, trained.best, test))
            if network is None and trained.network:
                network = _with_card(trained, trained.network, replace(params.training, steps=steps), test, data)
        trainings[variant] = tuple(done)
    assert network is not None
    return TernaryResult(params, len(data.train), len(data.test), trainings, network)


def _with_card(
    trained: Trained, network: Network, training: InPlaceParams, test: float, data: TrainingData
) -> Network:
    """Return a network with what it is, where it came from, and how good it is."""
    card = {
        "origin": "trained by oxnor study ternary: its weights were discrete in every step",
        "data": data.train.source,
        "accuracy": test,
        "test_images": len(data.test),
        "validation_accuracy": trained.best.accuracy,
        "training": {"epoch": trained.best.number, "epochs": len(trained.epochs), "seed": training.seed},
    }
    return replace(network, info=card, **data.recorded(network.n_out))


def plots(result: TernaryResult) -> dict[str, Plot]:
    """Return the pictures by the stem of their file."""
    return {"ternary-epochs": epochs_plot(result), "ternary-laws": laws_plot(result.params)}


def epochs_plot(result: TernaryResult) -> Plot:
    """Return validation accuracy and changes a weight against epochs, with a band from lowest to highest seed."""

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        left, right = figure.subplots(1, 2)
        for k, (name, trainings) in enumerate(result.trainings.items()):
            colour, marker = SERIES[k % len(SERIES)]
            style = {"color": colours[colour], "marker": marker, "ms": 4, "lw": 1.8, "ls": "--" if k >= 5 else "-"}
            numbers = [e.number for e in trainings[0].epochs]
            rates = 100 * np.array([[e.accuracy for e in t.epochs] for t in trainings])
            left.plot(numbers, rates.mean(axis=0), label=name, **style)
            left.fill_between(numbers, rates.min(axis=0), rates.max(axis=0), color=colours[colour], alpha=0.2, lw=0)
            if name != FLOAT:
                changes = np.array([[e.changes for e in t.epochs] for t in trainings])
                right.plot(numbers, changes.mean(axis=0), **style)
        left.set(xlabel="epoch", ylabel="right on validation images (%)")
        right.set(xlabel="epoch", ylabel="changes of value a weight", ylim=(0, None))
        handles, labels = left.get_legend_handles_labels()
        right.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.02, 1.0))
        for axes in (left, right):
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid(True, lw=0.5, alpha=0.4)

    return Plot(f"{result.params.training.layers} with discrete weights in every step", (12.5, 4.6), draw)


def laws_plot(params: TernaryParams) -> Plot:
    """Return the switching probability of a pulse, and each law with its table."""
    switching = params.switching

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        left, right = figure.subplots(1, 2)
        u = np.linspace(0, switching.u50 + 4, 200)
        left.plot(u, switching.probability(u), color=colours["blue"], lw=2)
        left.axvline(switching.u50, color=colours["line"], ls="--", lw=1)
        left.set(xlabel="pulse u = tV / (CR)", ylabel="probability of switching")
        nu = np.exp2(np.linspace(-16, 0, 400, endpoint=False))
        for (name, _), (colour, _) in zip(LAWS.items(), SERIES, strict=False):
            right.plot(nu, law(name, switching)(nu), color=colours[colour], lw=2, label=name)
            if params.table:
                limits = thresholds(name, params.table, switching) / (1 << NUMBER_BITS)
                right.stairs(limits[::-1], [2.0**-17, *0.5 ** np.arange(params.table)[::-1]], baseline=None,
                             color=colours[colour], lw=1)  # fmt: skip
        right.set(xlabel="part of a step", ylabel="probability of a whole one", xscale="log", yscale="log",
                  ylim=(2e-5, 1.5))  # fmt: skip
        right.legend(loc="lower right")
        for axes in (left, right):
            axes.grid(True, lw=0.5, alpha=0.4)

    return Plot(f"Switching of a junction, theta0 = {switching.theta0:g} rad, and laws of steps", (10.5, 4.2), draw)
