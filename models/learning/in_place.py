"""Training of networks whose weights are discrete in every step: no float weight stands behind them.

Gradients pass straight through the sign of an activation, as in :mod:`oxnor.models.training`; what differs is what
becomes of them. An optimizer says which step each weight should take, and
:class:`~oxnor.models.learning.discrete_steps.DiscreteSteps` takes it, or does not, with a probability. Batch norm's factors and
offsets stay float until the fold: they are digital, one pair a neuron.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch, load_state, save_state
from oxnor.models.datasets.splits import STATISTICS_IMAGES, STATISTICS_WINDOWED, split
from oxnor.models.networks.binarized import Network
from oxnor.models.training.augmented import PLAIN, Views, as_input, stored
from oxnor.models.training.deform import MNIST_SHAPE, Deformation, generator
from oxnor.models.training.params import WEIGHTS, TrainParams
from oxnor.models.training.state import digest
from oxnor.models.training.student import Student

from .discrete_steps import DiscreteSteps

OPTIMIZERS = ("adam", "sgd")
_ORDER_KEY = 4


@dataclass(frozen=True)
class InPlaceParams:
    """Everything besides the images that determines the weights.

    Parameters
    ----------
    layers : str
        As :func:`oxnor.models.training.stages.parse` takes it: ``F256`` is one hidden layer.
    steps : DiscreteSteps
        How wished steps become steps.
    seed, epochs, batch, input_planes, views, deformation, validation, threads
        As for :class:`oxnor.models.training.params.TrainParams`.
    optimizer : str
        "adam", or "sgd": the gradient times the rate, which keeps no number for a weight besides its value.
    lr : float
        First rate of the weights: the step that is wished. Range [1e-7, 1000].
    lr_norm : float
        First rate of batch norm and of the scale of the scores, by Adam. Range [1e-7, 1].
    lr_fall : float
        Last rates over first, along a cosine. Range (0, 1].
    memory : float
        Share of the mean gradient that stays after a step of Adam. Range [0, 1).

    Raises
    ------
    InputError
        If a value is out of range.
    """

    layers: str = "F256"
    steps: DiscreteSteps = field(default_factory=DiscreteSteps)
    seed: int = 1
    epochs: int = 20
    batch: int = 256
    optimizer: str = "adam"
    lr: float = 0.02
    lr_norm: float = 0.01
    lr_fall: float = 0.01
    memory: float = 0.98
    input_planes: int = 0
    views: int = 0
    deformation: Deformation = field(default_factory=lambda: Deformation() * 0.5)
    validation: int = 5000
    threads: int = 1

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise InputError(f"must be {' or '.join(OPTIMIZERS)}, not {self.optimizer!r}", parameter="optimizer")
        ranges = {"lr": (1e-7, 1000), "lr_norm": (1e-7, 1), "lr_fall": (1e-9, 1), "memory": (0, 0.999999)}
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"must be in [{low}, {high}], not {getattr(self, name)}", parameter=name)
        _ = self.train

    @property
    def train(self) -> TrainParams:
        """The part that other trainings have too."""
        names = ("layers", "seed", "epochs", "batch", "input_planes", "views", "deformation", "validation", "threads")
        return TrainParams(**{name: getattr(self, name) for name in names}, weights=self.steps.weights)


@dataclass(frozen=True)
class Epoch:
    """What an epoch gave.

    Parameters
    ----------
    number : int
        Counted from 1.
    loss : float
        Mean squared hinge.
    accuracy : float
        Fraction of the validation images, of the folded network.
    changes : float
        Changes of value a weight, of all epochs so far.
    """

    number: int
    loss: float
    accuracy: float
    changes: float


@dataclass(frozen=True)
class Trained:
    """A training that is over.

    Parameters
    ----------
    network : Network
        Of the epoch with the best validation accuracy, the first of equals.
    epochs : tuple of Epoch
    """

    network: Network
    epochs: tuple[Epoch, ...]

    @property
    def best(self) -> Epoch:
        """The epoch that the network is of."""
        return max(self.epochs, key=lambda e: (e.accuracy, -e.number))


class _State:
    """Weights, what moves them, and what an epoch leaves behind."""

    def __init__(self, params: InPlaceParams, images: NDArray[np.uint8], classes: int) -> None:
        torch, steps = import_torch(), params.steps
        self.params, train = params, params.train
        self.rule = train.rule(images)
        self.student = student = Student(
            train.stages(MNIST_SHAPE, self.rule, classes), params.seed, train.steepness,
            weight_bits=WEIGHTS[steps.weights],
        )  # fmt: skip
        self.devices = []
        with torch.no_grad():
            for i, weight in enumerate(student.weights):
                draws = rng.stream("discrete-start", seed=params.seed, layer=i, trial=0)
                weight.copy_(torch.from_numpy(steps.start(tuple(weight.shape), draws)))
                self.devices.append(steps.devices(tuple(weight.shape), draws))
        # What is folded is the weights themselves, not a running average of them.
        student.averages = [t.detach() for t in (*student.weights, *student.gammas, *student.betas)]
        # Optimizers add their step to these, which are 0 before it: what they hold after it is the wished step.
        self.wished = [torch.zeros_like(w, requires_grad=True) for w in student.weights]
        digital = [*student.gammas, *student.betas, student.log_scale]
        self.norm_optimizer = torch.optim.Adam(digital, lr=params.lr_norm, fused=True)
        self.optimizer = (
            torch.optim.Adam(self.wished, lr=params.lr, betas=(params.memory, 0.999), fused=True)
            if params.optimizer == "adam"
            else torch.optim.SGD(self.wished, lr=params.lr)
        )
        self.epochs: list[Epoch] = []
        self.changed, self.steps_done = 0, 0
        self.best: list[Any] = []

    @property
    def count(self) -> int:
        """Number of weights."""
        return sum(w.numel() for w in self.student.weights)

    def learn_at(self, share: float) -> None:
        """Set both rates to a share of the first ones."""
        for optimizer, rate in ((self.optimizer, self.params.lr), (self.norm_optimizer, self.params.lr_norm)):
            optimizer.param_groups[0]["lr"] = rate * share

    def step(self, x: Any, labels: Any) -> float:
        """Train on one batch and return its loss."""
        torch, student = import_torch(), self.student
        leaves = [w.detach().clone().requires_grad_() for w in student.weights]
        scores = student.scores(x, leaves) * student.log_scale.exp()
        signs = torch.nn.functional.one_hot(labels, scores.shape[1]) * 2.0 - 1
        loss = (1 - signs * scores).clamp_min(0).square().sum(1).mean()
        self.norm_optimizer.zero_grad()
        loss.backward()
        for wished, leaf in zip(self.wished, leaves, strict=True):
            wished.grad = leaf.grad
        self.optimizer.step()
        self.norm_optimizer.step()
        with torch.no_grad():
            for i, (weight, wished) in enumerate(zip(student.weights, self.wished, strict=True)):
                draws = rng.stream("discrete", seed=self.params.seed, layer=i, trial=self.steps_done)
                values = weight.detach().numpy()
                self.changed += self.params.steps.step(values, wished.detach().numpy(), self.devices[i], draws)
                wished.zero_()
        self.steps_done += 1
        return float(loss.detach())

    def keep(self, loss: float, accuracy: float) -> None:
        """Note an epoch that is over; keep its network if it is the best."""
        if all(accuracy > e.accuracy for e in self.epochs):
            self.best = _packed(self.student)
        self.epochs.append(Epoch(len(self.epochs) + 1, loss, accuracy, self.changed / self.count))

    def save(self, path: Path, data: str) -> None:
        """Write the checkpoint."""
        save_state(path, {
            "params": asdict(self.params), "data": data, "now": _packed(self.student), "best": self.best,
            "scale": self.student.log_scale.detach(), "steps": self.steps_done, "changed": self.changed,
            "optimizers": [o.state_dict() for o in (self.optimizer, self.norm_optimizer)],
            "epochs": [asdict(e) for e in self.epochs],
        })  # fmt: skip

    def restore(self, state: Mapping[str, Any], path: Path, data: str) -> None:
        """Go back to a checkpoint."""
        if state.get("params") != asdict(self.params) or state.get("data") != data:
            raise InputError(f"{path}: must be of this training, not of another")
        torch = import_torch()
        self.take(state["now"])
        with torch.no_grad():
            self.student.log_scale.copy_(state["scale"])
        for optimizer, held in zip((self.optimizer, self.norm_optimizer), state["optimizers"], strict=True):
            optimizer.load_state_dict(held)
        self.best, self.steps_done, self.changed = state["best"], state["steps"], state["changed"]
        self.epochs = [Epoch(**e) for e in state["epochs"]]

    def take(self, packed: list[Any]) -> None:
        """Take the weights and the batch norm of an epoch."""
        with import_torch().no_grad():
            for ours, theirs in zip(self.student.averages, packed, strict=True):
                ours.copy_(theirs)  # in place: they are the student's own


def _packed(student: Student) -> list[Any]:
    """Return copies of the weights, a byte each, and of the batch norm."""
    torch, n = import_torch(), len(student.weights)
    return [t.to(torch.int8) if k < n else t.clone() for k, t in enumerate(student.averages)]


def train_in_place(
    params: InPlaceParams, images: NDArray[np.uint8], labels: NDArray[np.integer], *,
    name: str = "network", checkpoint: Path | None = None, resume: bool = False,
    progress: Callable[[Epoch], object] | None = None,
) -> Trained:  # fmt: skip
    """Train a network; deterministic for the parameters, the images, the version of torch and its number of threads.

    Parameters
    ----------
    params : InPlaceParams
    images : ndarray of uint8, shape (n, 28, 28)
        Of them `params.validation` are kept out to choose the epoch.
    labels : ndarray of int, shape (n,)
        Classes, counted from 0.
    name : str
        Of the network.
    checkpoint : path, optional
        File written after each epoch.
    resume : bool
        Go on from `checkpoint` if it exists.
    progress : callable, optional
        Called after each epoch.
    """
    torch = import_torch()
    torch.set_num_threads(params.threads)
    images = np.array(images).reshape(len(images), -1)
    kept, held = split(len(images), params.validation)
    data = digest(images)
    state = _State(params, images[kept], int(labels.max()) + 1)
    if resume and checkpoint and checkpoint.is_file():
        state.restore(load_state(checkpoint, "a checkpoint of oxnor study ternary"), checkpoint, data)
    student, rule = state.student, state.rule
    grey = torch.from_numpy(images[kept])
    views = Views(grey, None, params.deformation, None, MNIST_SHAPE, rule)
    answers = torch.from_numpy(np.array(labels)[kept].astype(np.int64))
    statistics = images[kept[: STATISTICS_WINDOWED if student.has_windows else STATISTICS_IMAGES]]
    plain = as_input(stored(statistics, rule), student.stages[0].planes, student.inputs)
    while len(state.epochs) < params.epochs:
        loss = _epoch(state, views, answers)
        accuracy = float(np.mean(golden.predict(student.fold(plain, name, rule), images[held]) == labels[held]))
        torch.set_num_threads(params.threads)  # numba's OpenMP layer changes it
        state.keep(loss, accuracy)
        if checkpoint:
            state.save(checkpoint, data)
        if progress:
            progress(state.epochs[-1])
    state.take(state.best)
    return Trained(student.fold(plain, name, rule), tuple(state.epochs))


def _epoch(state: _State, views: Views, answers: Any) -> float:
    """Train on every image once and return the mean loss."""
    params, student, epoch = state.params, state.student, len(state.epochs)
    kept, _ = views[epoch % params.views if params.views else PLAIN]
    order = import_torch().randperm(len(answers), generator=generator(params.seed, _ORDER_KEY, epoch))
    parts = [part for part in order.split(params.batch) if len(part) > 1]
    total = 0.0
    for part in parts:
        done = state.steps_done / (params.epochs * len(parts))
        state.learn_at(params.lr_fall + (1 - params.lr_fall) * 0.5 * (1 + math.cos(math.pi * done)))
        x = as_input(kept[part.numpy()], student.stages[0].planes, student.inputs)
        total += state.step(x, answers[part]) * len(part)
    return total / sum(len(part) for part in parts)
