"""Training of networks whose weights are discrete in every step: no float weight stands behind them.

Gradients pass straight through the sign of an activation, as in :mod:`oxnor.models.training`; what differs is what
becomes of them. An optimizer says which step each weight should take, and
:class:`~oxnor.models.learning.discrete_steps.DiscreteSteps` takes it, or does not, with a probability. Batch norm's
factors and offsets stay float until the fold: they are digital, one pair a neuron.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import BATCH_NORM_EPS, import_torch, load_state, restoring, save_state
from oxnor.models.datasets.splits import STATISTICS_IMAGES, STATISTICS_WINDOWED, split
from oxnor.models.networks.binarized import Network
from oxnor.models.training.augmented import PLAIN, Views, as_input, stored
from oxnor.models.training.deform import MNIST_SHAPE, Deformation, generator
from oxnor.models.training.params import WEIGHTS, TrainParams
from oxnor.models.training.stages import flat
from oxnor.models.training.state import digest
from oxnor.models.training.student import Student

from .discrete_steps import DiscreteSteps

OPTIMIZERS = ("adam", "sgd")
_ORDER_KEY = 4
#: First rate of float weights.
_FLOAT_RATE = 2e-3
_PART_IMAGES = 500


@dataclass(frozen=True)
class InPlaceParams:
    """Everything besides the images that determines the weights.

    Parameters
    ----------
    layers : str
        As :func:`oxnor.models.training.stages.parse` takes it: ``F256`` is one hidden layer.
    steps : DiscreteSteps or None
        How wished steps become steps. None: float weights and rectified sums, to compare with.
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
    steps: DiscreteSteps | None = field(default_factory=DiscreteSteps)
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
        weights = self.steps.weights if self.steps else "binary"
        return TrainParams(**{name: getattr(self, name) for name in names}, weights=weights)


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
    """A training that is over, as of the epoch with the best validation accuracy, the first of equals.

    Parameters
    ----------
    network : Network or None
        None of float weights, which no engine takes.
    epochs : tuple of Epoch
    predict : callable
        Gives the classes of images (n, 784).
    """

    network: Network | None
    epochs: tuple[Epoch, ...]
    predict: Callable[[NDArray[np.uint8]], NDArray[np.integer]]

    @property
    def best(self) -> Epoch:
        """The epoch that is returned."""
        return max(self.epochs, key=lambda e: (e.accuracy, -e.number))


class _State:
    """A network in training, and what an epoch leaves behind."""

    def __init__(self, params: InPlaceParams, images: NDArray[np.uint8], classes: int) -> None:
        train = params.train
        self.params, self.rule = params, train.rule(images)
        stages = train.stages(MNIST_SHAPE, self.rule, classes)
        self.student = student = Student(stages, params.seed, train.steepness, weight_bits=WEIGHTS[train.weights])
        statistics = images[: STATISTICS_WINDOWED if student.has_windows else STATISTICS_IMAGES]
        self.plain = self.inputs(stored(statistics, self.rule))
        self.epochs: list[Epoch] = []
        self.changed, self.steps_done = 0, 0
        self.best: list[Any] = []
        self.rates: list[tuple[Any, float]] = []

    #: What a network is made of, and what else the next step needs.
    network_tensors: list[Any]
    other_tensors: list[Any]

    def inputs(self, kept: Any) -> Any:
        """Return what the first layer takes."""
        return as_input(kept, self.student.stages[0].planes, self.student.inputs)

    def scores(self, x: Any) -> Any:
        """Return the scores of a batch in training; what they depend on gets gradients."""
        raise NotImplementedError

    def moved(self) -> None:
        """Take a step by the gradients."""
        raise NotImplementedError

    def result(self) -> tuple[Network | None, Callable[[NDArray[np.uint8]], NDArray[np.integer]]]:
        """Return the network as it is, if an engine can take it, and what predicts classes."""
        raise NotImplementedError

    def packed(self) -> list[Any]:
        """Return copies of the tensors of the network."""
        return [t.clone() for t in self.network_tensors]

    def learn_at(self, share: float) -> None:
        """Set the rates to a share of the first ones."""
        for optimizer, rate in self.rates:
            optimizer.param_groups[0]["lr"] = rate * share

    def step(self, x: Any, labels: Any) -> float:
        """Train on one batch and return its loss."""
        scores = self.scores(x)
        signs = import_torch().nn.functional.one_hot(labels, scores.shape[1]) * 2.0 - 1
        loss = (1 - signs * scores).clamp_min(0).square().sum(1).mean()
        for optimizer, _ in self.rates:
            optimizer.zero_grad()
        loss.backward()
        self.moved()
        self.steps_done += 1
        return float(loss.detach())

    def keep(self, loss: float, accuracy: float) -> None:
        """Note an epoch that is over; keep its network if it is the best."""
        if all(accuracy > e.accuracy for e in self.epochs):
            self.best = self.packed()
        changes = self.changed / sum(w.numel() for w in self.student.weights)
        self.epochs.append(Epoch(len(self.epochs) + 1, loss, accuracy, changes))

    def save(self, path: Path, data: str) -> None:
        """Write the checkpoint."""
        save_state(path, {
            "params": asdict(self.params), "data": data, "network": self.packed(), "best": self.best,
            "others": [t.clone() for t in self.other_tensors], "steps": self.steps_done, "changed": self.changed,
            "optimizers": [o.state_dict() for o, _ in self.rates], "epochs": [asdict(e) for e in self.epochs],
        })  # fmt: skip

    def restore(self, path: Path, data: str) -> None:
        """Go back to a checkpoint."""
        what = "a checkpoint of oxnor study ternary"
        state = load_state(path, what)
        if state.get("params") != asdict(self.params) or state.get("data") != data:
            raise InputError(f"{path}: must be of this training, not of another")
        with restoring(path, what):
            self.take(state["network"], state["others"])
            for (optimizer, _), held in zip(self.rates, state["optimizers"], strict=True):
                optimizer.load_state_dict(held)
            self.best, self.steps_done, self.changed = state["best"], state["steps"], state["changed"]
            self.epochs = [Epoch(**e) for e in state["epochs"]]

    def take(self, network: list[Any], others: list[Any] | None = None) -> None:
        """Take the tensors of an epoch, in place."""
        pairs = [*zip(self.network_tensors, network, strict=True)]
        pairs += [] if others is None else [*zip(self.other_tensors, others, strict=True)]
        with import_torch().no_grad():
            for ours, theirs in pairs:
                ours.copy_(theirs)


class _Discrete(_State):
    """Weights that are discrete in every step."""

    def __init__(self, params: InPlaceParams, images: NDArray[np.uint8], classes: int) -> None:
        super().__init__(params, images, classes)
        torch, student = import_torch(), self.student
        assert params.steps is not None
        self.steps, self.devices = params.steps, []
        with torch.no_grad():
            for i, weight in enumerate(student.weights):
                draws = rng.stream("discrete-start", seed=params.seed, layer=i, trial=0)
                weight.copy_(torch.from_numpy(self.steps.start(tuple(weight.shape), draws)))
                self.devices.append(self.steps.devices(tuple(weight.shape), draws))
        # What is folded is the weights themselves, not a running average of them.
        student.averages = [t.detach() for t in (*student.weights, *student.gammas, *student.betas)]
        self.network_tensors, self.other_tensors = student.averages, [student.log_scale.detach()]
        # Optimizers add their step to these, which are 0 before it: what they hold after it is the wished step.
        self.wished = [torch.zeros_like(w, requires_grad=True) for w in student.weights]
        self.leaves: list[Any] = []
        adam = torch.optim.Adam
        wishes = (
            adam(self.wished, lr=params.lr, betas=(params.memory, 0.999), fused=True)
            if params.optimizer == "adam"
            else torch.optim.SGD(self.wished, lr=params.lr)
        )
        digital = [*student.gammas, *student.betas, student.log_scale]
        self.rates = [(wishes, params.lr), (adam(digital, lr=params.lr_norm, fused=True), params.lr_norm)]

    def scores(self, x: Any) -> Any:
        self.leaves = [w.detach().clone().requires_grad_() for w in self.student.weights]
        return self.student.scores(x, self.leaves) * self.student.log_scale.exp()

    def moved(self) -> None:
        for wished, leaf in zip(self.wished, self.leaves, strict=True):
            wished.grad = leaf.grad
        for optimizer, _ in self.rates:
            optimizer.step()
        with import_torch().no_grad():
            for i, (weight, wished) in enumerate(zip(self.student.weights, self.wished, strict=True)):
                draws = rng.stream("discrete", seed=self.params.seed, layer=i, trial=self.steps_done)
                values = weight.detach().numpy()
                self.changed += self.steps.step(values, wished.detach().numpy(), self.devices[i], draws)
                wished.zero_()

    def packed(self) -> list[Any]:
        int8, n = import_torch().int8, len(self.student.weights)
        return [t.to(int8) if k < n else t for k, t in enumerate(super().packed())]

    def result(self) -> tuple[Network, Callable[[NDArray[np.uint8]], NDArray[np.integer]]]:
        network = self.student.fold(self.plain, "network", self.rule)
        return network, partial(golden.predict, network)


class _Float(_State):
    """The same shape with float weights and rectified sums."""

    def __init__(self, params: InPlaceParams, images: NDArray[np.uint8], classes: int) -> None:
        super().__init__(params, images, classes)
        torch, student = import_torch(), self.student
        self.running = [(torch.zeros(stage.n_out), torch.ones(stage.n_out)) for stage in student.stages[:-1]]
        self.network_tensors = [p.detach() for p in student.parameters] + [t for pair in self.running for t in pair]
        self.other_tensors = []
        self.rates = [(torch.optim.Adam(student.parameters, lr=_FLOAT_RATE, fused=True), _FLOAT_RATE)]

    def scores(self, x: Any, training: bool = True) -> Any:
        functional, student = import_torch().nn.functional, self.student
        norms = zip(self.running, student.gammas, student.betas, strict=True)
        for k, ((mean, variance), gamma, beta) in enumerate(norms):
            z = student.stages[k].sums(x, student.weights[k])
            z = functional.batch_norm(z, mean, variance, gamma, beta, training=training, eps=BATCH_NORM_EPS)
            x = flat(functional.relu(z))
        return student.stages[-1].sums(x, student.weights[-1]) * student.log_scale.exp()

    def moved(self) -> None:
        self.rates[0][0].step()

    def result(self) -> tuple[None, Callable[[NDArray[np.uint8]], NDArray[np.integer]]]:
        return None, self._predict

    def _predict(self, images: NDArray[np.uint8]) -> NDArray[np.integer]:
        torch = import_torch()
        with torch.no_grad():
            parts = range(0, len(images), _PART_IMAGES)
            kept = (stored(images[k : k + _PART_IMAGES], self.rule) for k in parts)
            return torch.cat([self.scores(self.inputs(part), training=False).argmax(1) for part in kept]).numpy()


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
    images, labels = np.array(images).reshape(len(images), -1), np.array(labels)
    kept, held = split(len(images), params.validation)
    data = digest(images)
    state = (_Discrete if params.steps else _Float)(params, images[kept], int(labels.max()) + 1)
    if resume and checkpoint and checkpoint.is_file():
        state.restore(checkpoint, data)
    views = Views(torch.from_numpy(images[kept]), None, params.deformation, None, MNIST_SHAPE, state.rule)
    answers = torch.from_numpy(labels[kept].astype(np.int64))
    while len(state.epochs) < params.epochs:
        loss = _epoch(state, views, answers)
        _, predict = state.result()
        accuracy = float(np.mean(predict(images[held]) == labels[held]))
        torch.set_num_threads(params.threads)  # numba's OpenMP layer changes it
        state.keep(loss, accuracy)
        if checkpoint:
            state.save(checkpoint, data)
        if progress:
            progress(state.epochs[-1])
    state.take(state.best)
    network, predict = state.result()
    return Trained(replace(network, name=name) if network else None, tuple(state.epochs), predict)


def _epoch(state: _State, views: Views, answers: Any) -> float:
    """Train on every image once and return the mean loss."""
    params, epoch = state.params, len(state.epochs)
    kept, _ = views[epoch % params.views if params.views else PLAIN]
    order = import_torch().randperm(len(answers), generator=generator(params.seed, _ORDER_KEY, epoch))
    parts = [part for part in order.split(params.batch) if len(part) > 1]
    total = 0.0
    for part in parts:
        done = state.steps_done / (params.epochs * len(parts))
        state.learn_at(params.lr_fall + (1 - params.lr_fall) * 0.5 * (1 + math.cos(math.pi * done)))
        total += state.step(state.inputs(kept[part.numpy()]), answers[part]) * len(part)
    return total / sum(len(part) for part in parts)
