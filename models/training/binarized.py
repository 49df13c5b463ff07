"""Training of binarized networks with a straight-through estimator, and the fold into integers.

After Courbariaux et al., "Binarized Neural Networks" (arXiv 1602.02830): float weights clipped to [-1, 1] are kept,
and their signs compute. The gradient passes the sign of a weight unchanged inside [-1, 1]; at the sign of an activation
it is multiplied by the slope of a tanh, which taught small networks better here than the paper's step from 1 to 0.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch, load_state, save_state
from oxnor.models.datasets.splits import STATISTICS_IMAGES, split
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule

from .augmented import PLAIN, Views, as_input
from .deform import MNIST_SHAPE, Deformation, generator
from .student import Student
from .teacher import Teacher, TeacherParams, train_teacher

_ORDER_KEY = 4


@dataclass(frozen=True)
class TrainParams:
    """Everything besides the images that determines the weights.

    Parameters
    ----------
    hidden : tuple of int
        Neurons of each hidden layer.
    seed : int
        Keys the first weights and the order of the images. Range [0, 2**31).
    epochs : int
        Passes over the training images. Range [1, 100000].
    clean_epochs : int
        How many of them, at the end, use the undeformed images. Range [0, epochs].
    batch : int
        Images in a step. Range [2, 60000].
    lr : float
        First rate of Adam.
    lr_fall : float
        Last rate over first; the rate falls along a cosine, because flips stop only where the rate falls fast
        (an exponential fall left as many weights in doubt at the end as in the middle). Range (0, 1].
    steepness : float
        The sign of an activation x gets the gradient 1 - tanh(steepness * x)**2. Range (0, 100].
    average : float
        Share of the running average of the binary weights that stays after a step; the average is what is
        validated and returned. Range [0, 1); 0: the last step's weights alone.
    views : int
        Deformed copies of the training images; epoch e uses copy e mod views. Range [0, 1000]; 0: none.
    deformation : Deformation
        Of the copies.
    distill : float
        Weight of the teacher's answers in the loss; the labels have the rest. Range [0, 1].
    temperature : float
        Softens the teacher's and the network's answers in the loss (Hinton et al., arXiv 1503.02531). Range (0, 100].
    ber : float
        Bit error rate to train for: at each step weights are inverted with a probability drawn from [0, ber], the
        gradient going straight through (after Hirtzlin et al., arXiv 1904.03652). Range [0, 0.5).
    margin : float
        Above 0: instead of cross entropy, hinge loss of the scores 2p - n, which asks the right class to lead every
        other by this margin, so that errors have further to go. Range [0, 65536].
    validation : int
        Training images kept out of training, for choosing the epoch; the split depends on nothing else.
    patience : int
        Stop after so many epochs without a better validation accuracy; 0: never.
    teacher : TeacherParams
        The float network that teaches.
    bfloat16 : bool
        Multiply matrices in bfloat16: faster on CPUs that have it. Sums of up to 256 signs stay exact, larger ones are
        rounded to 8 bits while training, and never in the fold.
    input_threshold : int
        A pixel becomes 1 iff pixel >= input_threshold. Range [1, 255].
    input_bits : int
        0: as `input_threshold` says. Above: a thermometer code of so many bits a feature, with thresholds between equal
        shares of the values that the feature has in the training images; 1: a threshold a feature, at its median.
        Range [0, 255].
    threads : int
        Of torch. The order of float sums, and so the weights, depend on it. Range [1, 1024].
    """

    hidden: tuple[int, ...] = (256, 256, 256)
    seed: int = 1
    epochs: int = 100
    clean_epochs: int = 0
    batch: int = 256
    lr: float = 1e-2
    lr_fall: float = 1e-3
    steepness: float = 2.0
    average: float = 0.995
    views: int = 16
    deformation: Deformation = field(default_factory=Deformation)
    distill: float = 0.9
    temperature: float = 2.0
    ber: float = 0.0
    margin: float = 0.0
    validation: int = 5000
    patience: int = 0
    teacher: TeacherParams = field(default_factory=TeacherParams)
    bfloat16: bool = False
    threads: int = 1
    input_threshold: int = 128
    input_bits: int = 0

    def __post_init__(self) -> None:
        if not self.hidden or not all(1 <= n <= 1 << 16 for n in self.hidden):
            sizes = ", ".join(map(str, self.hidden)) or "none"
            raise InputError(f"must be one or more sizes in [1, 65536], not {sizes}", parameter="hidden")
        ranges = {
            "seed": (0, 2**31 - 1), "epochs": (1, 100_000), "clean_epochs": (0, self.epochs), "batch": (2, 60_000),
            "lr": (1e-7, 1.0), "lr_fall": (1e-9, 1.0), "steepness": (1e-3, 100), "average": (0, 0.999999),
            "views": (0, 1000), "distill": (0, 1), "temperature": (1e-3, 100), "ber": (0, 0.499), "margin": (0, 65536),
            "validation": (1, 30_000), "input_threshold": (1, 255), "input_bits": (0, 255), "patience": (0, 100_000),
            "threads": (1, 1024),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"must be in [{low}, {high}], not {getattr(self, name)}", parameter=name)


@dataclass(frozen=True)
class Progress:
    """Progress of a training after an epoch.

    Parameters
    ----------
    stage : str
        "teacher" or "network".
    epoch, epochs : int
        Epochs done, epochs in all.
    loss : float
        Mean over the epoch.
    accuracy, best : float
        Fraction of the validation images, of the folded network; nan for the teacher.
    """

    stage: str
    epoch: int
    epochs: int
    loss: float
    accuracy: float = math.nan
    best: float = math.nan


def _picture_shape(images: NDArray) -> tuple[int, int] | None:
    """Return height and width of grey images, or None for features."""
    if images.ndim == 3:
        return images.shape[1], images.shape[2]
    return MNIST_SHAPE if images.shape[1:] == (math.prod(MNIST_SHAPE),) else None


def digest(images: NDArray[np.uint8]) -> str:
    """Return what a checkpoint keeps of the training images: SHA-256 (hex) of them all."""
    return hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()


def _loss(params: TrainParams, scores: Any, scale: Any, labels: Any, taught: Any) -> Any:
    functional = import_torch().nn.functional
    if params.margin:
        return functional.multi_margin_loss(scores / params.margin, labels, p=2)
    logits = scores * scale
    if taught is None:
        return functional.cross_entropy(logits, labels)
    t = params.temperature
    soft = functional.cross_entropy(logits / t, (taught.float() / t).softmax(1)) * t * t
    if params.distill == 1:
        return soft
    return params.distill * soft + (1 - params.distill) * functional.cross_entropy(logits, labels)


@dataclass
class _Run:
    """The state of a training after an epoch."""

    student: Student
    optimizer: Any
    data: str
    epoch: int = 0
    best: float = -1.0
    best_epoch: int = 0
    best_averages: list[Any] = field(default_factory=list)

    def state(self, params: TrainParams) -> dict[str, Any]:
        return {
            "params": asdict(params), "data": self.data, "parameters": [p.detach() for p in self.student.parameters],
            "optimizer": self.optimizer.state_dict(), "epoch": self.epoch, "best": self.best,
            "averages": self.student.averages, "steps": self.student.steps,
            "best_epoch": self.best_epoch, "best_averages": self.best_averages,
        }

    def restore(self, state: dict[str, Any], params: TrainParams, path: Path) -> None:
        # A field that is newer than the file has its default there.
        if asdict(TrainParams()) | dict(state.get("params") or {}) != asdict(params):
            raise InputError(f"{path}: params must be those of this training, not of another")
        if state.get("data", self.data) != self.data:
            raise InputError(f"{path}: images must be those of this training, not of another")
        torch = import_torch()
        with torch.no_grad():
            for ours, theirs in zip(self.student.parameters, state["parameters"], strict=True):
                ours.copy_(theirs)
        self.student.averages, self.student.steps = state["averages"], state["steps"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.best, self.best_epoch = state["epoch"], state["best"], state["best_epoch"]
        self.best_averages = state["best_averages"]


def train(
    params: TrainParams,
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    *,
    name: str = "network",
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    classes: int | None = None,
) -> Network:
    """Train a network; deterministic for the parameters, the images, the version of torch and its number of threads.

    Parameters
    ----------
    params : TrainParams
    images : ndarray of uint8, shape (n, height, width), (n, 784) or (n, features)
        Grey images, or features that are no pictures: these have no deformed copies and no teacher. Of them
        `params.validation` are kept out to choose the best epoch.
    labels : ndarray of int, shape (n,)
        Classes, counted from 0.
    name : str
        Of the network.
    checkpoint : path, optional
        File written after each epoch; the teacher is kept beside it.
    resume : bool
        Go on from `checkpoint` if it exists.
    progress : callable, optional
        Called after each epoch.
    classes : int, optional
        Default: one more than the largest label.

    Returns
    -------
    Network
        Of the epoch with the best validation accuracy (the first of equals); info has ``training`` with ``epoch`` and
        ``validation_accuracy``.
    """
    torch = import_torch()
    torch.set_num_threads(params.threads)
    tell = progress or (lambda _: None)
    path = Path(checkpoint) if checkpoint else None
    if resume and path is None:
        raise InputError("must come with a `checkpoint` file", parameter="resume")
    kept, held = split(len(images), params.validation)
    shape, classes = _picture_shape(images), classes or int(labels.max()) + 1
    if shape is None and (params.views or (params.teacher.epochs and params.distill)):
        raise InputError("views and the teacher's epochs must be 0 for features that are no pictures")
    # torch wants arrays that may be written
    images, labels = np.array(images).reshape(len(images), -1), np.array(labels)
    grey, answer = torch.from_numpy(images[kept]), torch.from_numpy(labels[kept].astype(np.int64))
    folder = path.parent if path else None
    teacher = _teacher(params.teacher, (grey, answer), folder, tell, shape, classes) if params.distill else None
    rule = InputRule.of(params.input_threshold)
    if params.input_bits:
        rule = InputRule.thermometer(images[kept], params.input_bits)
    n_in = images.shape[1] * rule.bits
    student = Student((n_in, *params.hidden, classes), params.seed, params.steepness)
    run = _Run(student, torch.optim.Adam(student.parameters, lr=params.lr, fused=True), digest(images))
    if resume and path is not None and path.is_file():
        run.restore(load_state(path), params, path)
    views = Views(grey, teacher, params.deformation, folder, shape, rule)
    first = rule.apply(images[kept[:STATISTICS_IMAGES]], n_in)
    plain = as_input(np.packbits(first, axis=1), n_in)
    while run.epoch < params.epochs:
        if params.patience and run.epoch - run.best_epoch >= params.patience:
            break
        loss = _epoch(params, run, views, answer)
        network = dataclasses.replace(student.fold(plain, name), input_rule=rule)
        accuracy = float(np.mean(golden.predict(network, images[held]) == labels[held]))
        torch.set_num_threads(params.threads)  # numba's OpenMP layer changes it
        run.epoch += 1
        if accuracy > run.best:
            run.best, run.best_epoch = accuracy, run.epoch
            run.best_averages = [t.clone() for t in student.averages]
        if path:
            save_state(path, run.state(params))
        tell(Progress("network", run.epoch, params.epochs, loss, accuracy, run.best))
    student.averages = run.best_averages
    info = {"training": {"epoch": run.best_epoch, "epochs": run.epoch, "validation_accuracy": run.best}}
    return dataclasses.replace(student.fold(plain, name), info=info, input_rule=rule)


def _teacher(
    params: TeacherParams, data: tuple[Any, Any], folder: Path | None, tell: Callable[[Progress], None],
    shape: tuple[int, int] | None, classes: int,
) -> Teacher | None:  # fmt: skip
    """Return the trained teacher, if there is one."""
    if not params.epochs:
        return None

    def progress(epoch: int, loss: float) -> None:
        tell(Progress("teacher", epoch, params.epochs, loss))

    return train_teacher(params, *data, folder, progress, shape or MNIST_SHAPE, classes)


def _epoch(params: TrainParams, run: _Run, views: Views, labels: Any) -> float:
    """Train for one epoch and return the mean loss."""
    torch = import_torch()
    plain = not params.views or run.epoch >= params.epochs - params.clean_epochs
    bits, taught = views[PLAIN if plain else run.epoch % params.views]
    parts = torch.randperm(len(labels), generator=generator(params.seed, _ORDER_KEY, run.epoch)).split(params.batch)
    parts = [part for part in parts if len(part) > 1]
    total = 0.0
    for step, part in enumerate(parts):
        done = (run.epoch + step / len(parts)) / params.epochs
        for group in run.optimizer.param_groups:
            group["lr"] = params.lr * (params.lr_fall + (1 - params.lr_fall) * 0.5 * (1 + math.cos(math.pi * done)))
        binary = run.student.binary_weights(torch.bfloat16 if params.bfloat16 else torch.float32)
        used = run.student.with_errors(binary, params.ber, params.seed) if params.ber else binary
        x = as_input(bits[part.numpy()], run.student.weights[0].shape[1])
        scores = run.student.scores(x, used, binary if params.ber else None)
        scale = run.student.log_scale.exp()
        loss = _loss(params, scores, scale, labels[part], taught[part] if taught is not None else None)
        run.optimizer.zero_grad()
        loss.backward()
        for weight, signs in zip(run.student.weights, used, strict=True):
            weight.grad = signs.grad.float()
        run.optimizer.step()
        run.student.average(binary, params.average)
        run.student.clip()
        total += loss.item() * len(part)
    return total / sum(len(part) for part in parts)
