"""Training of binarized networks with a straight-through estimator, and the fold into integers.

After Courbariaux et al., "Binarized Neural Networks" (arXiv 1602.02830): float weights clipped to [-1, 1] are kept,
and their signs compute. The gradient passes the sign of a weight unchanged inside [-1, 1]; at the sign of an activation
it is multiplied by the slope of a tanh, which taught small networks better here than the paper's step from 1 to 0.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch, load_state, restoring
from oxnor.models.datasets.splits import STATISTICS_IMAGES, STATISTICS_WINDOWED, split
from oxnor.models.networks.binarized import Network

from .augmented import PLAIN, Views, as_input, stored
from .deform import MNIST_SHAPE, generator
from .graphed import GraphedStep
from .params import WEIGHTS, TrainParams
from .state import Run, digest, images_at_start
from .student import Student
from .teacher import Teacher, TeacherParams, train_teacher

_ORDER_KEY = 4
#: Images between two steps at which a checkpoint may be written.
_LEG_IMAGES = 2048


@dataclass(frozen=True)
class Progress:
    """Progress of a training.

    Parameters
    ----------
    stage : str
        "teacher" or "network".
    epoch, epochs : int
        Epochs done, epochs in all.
    loss : float
        Mean over the epoch.
    accuracy, best : float
        Fraction of the validation images, of the folded network; nan for the teacher, and within an epoch.
    part : float
        Share of the next epoch that is done, if it is a long one.
    """

    stage: str
    epoch: int
    epochs: int
    loss: float
    accuracy: float = math.nan
    best: float = math.nan
    part: float = 0.0


def _picture_shape(images: NDArray) -> tuple[int, ...] | None:
    """Return height and width of grey pictures, with the channels of others, or None for features."""
    if images.ndim in (3, 4):
        return images.shape[1:]
    return MNIST_SHAPE if images.shape[1:] == (math.prod(MNIST_SHAPE),) else None


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
    images : ndarray of uint8, shape (n, height, width), (n, height, width, channels), (n, 784) or (n, features)
        Pictures, or features that are none: these have no deformed copies and no teacher. Of them
        `params.validation` are kept out to choose the best epoch.
    labels : ndarray of int, shape (n,)
        Classes, counted from 0.
    name : str
        Of the network.
    checkpoint : path, optional
        File written after each epoch, and within long ones; the teacher is kept beside it.
    resume : bool
        Go on from `checkpoint` if it exists. Images may have been added to those that it began with; the validation
        set stays.
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
    # A dense network is too small for a GPU: it would wait for it at each step.
    device = "cuda" if params.layers and torch.cuda.is_available() else "cpu"
    path = Path(checkpoint) if checkpoint else None
    if resume and path is None:
        raise InputError("must come with a `checkpoint` file", parameter="resume")
    state = load_state(path) if resume and path is not None and path.is_file() else None
    shape, classes = _picture_shape(images), classes or int(labels.max()) + 1
    _check_shape(params, shape)
    # torch wants arrays that may be written
    images, labels = np.array(images).reshape(len(images), -1), np.array(labels)
    first, is_over = len(images), False
    if state is not None and path:
        with restoring(path):
            first, is_over = images_at_start(state, images, path), state["epoch"] >= params.epochs
    begun, held = split(first, params.validation)
    kept = np.concatenate([begun, np.arange(first, len(images))])
    grey = torch.from_numpy(images[kept]).to(device)
    answer = torch.from_numpy(labels[kept].astype(np.int64)).to(device)
    folder = path.parent if path else None
    is_taught = params.distill and not is_over
    teacher = _teacher(params.teacher, (grey, answer), folder, tell, shape, classes) if is_taught else None
    rule = params.rule(images[begun])
    stages = params.stages(shape or images.shape[1:], rule, classes)
    run = _begin(params, stages, images[:first], len(images), path, device)
    student = run.student
    if state is not None and path:
        run.restore(state, params, path)
    views = Views(grey, teacher, params.deformation, folder, shape, rule, device)
    statistics = images[begun[: STATISTICS_WINDOWED if params.layers else STATISTICS_IMAGES]]
    plain = as_input(stored(statistics, rule), stages[0].planes, student.inputs)
    step_on: Callable[..., Any] = partial(_step, params, run)
    if device != "cpu":
        step_on = GraphedStep(step_on)
    while run.epoch < params.epochs:
        if params.patience and run.epoch - run.best_epoch >= params.patience:
            break
        loss = _epoch(params, run, views, answer, step_on, tell)
        network = student.fold(plain, name, rule)
        accuracy = float(np.mean(golden.predict(network, images[held]) == labels[held]))
        torch.set_num_threads(params.threads)  # numba's OpenMP layer changes it
        run.epoch, run.step, run.total = run.epoch + 1, 0, 0.0
        if accuracy > run.best:
            run.best, run.best_epoch = accuracy, run.epoch
            run.best_averages = [t.clone() for t in student.averages]
        run.save(params)
        tell(Progress("network", run.epoch, params.epochs, loss, accuracy, run.best))
    student.averages = run.best_averages
    info = {"training": {"epoch": run.best_epoch, "epochs": run.epoch, "validation_accuracy": run.best}}
    return dataclasses.replace(student.fold(plain, name, rule), info=info)


def _check_shape(params: TrainParams, shape: Sequence[int] | None) -> None:
    is_taught = params.teacher.epochs and params.distill
    if shape is None and (params.views or is_taught):
        raise InputError("views and the teacher's epochs must be 0 for features that are no pictures")


def _begin(
    params: TrainParams, stages: Sequence[Any], images: NDArray[np.uint8], used: int, path: Path | None, device: str
) -> Run:
    """Return the state before the first step."""
    torch = import_torch()
    bits = WEIGHTS[params.weights]
    student = Student(stages, params.seed, params.steepness, device, bits, params.ber, params.seed)
    is_graphed = device != "cpu"
    rate = torch.tensor(params.lr, device=device) if is_graphed else params.lr  # a graph reads it anew each time
    optimizer = torch.optim.Adam(student.parameters, lr=rate, fused=True, capturable=is_graphed)
    return Run(student, optimizer, digest(images), len(images), used, path)


def _teacher(
    params: TeacherParams, data: tuple[Any, Any], folder: Path | None, tell: Callable[[Progress], None],
    shape: tuple[int, ...] | None, classes: int,
) -> Teacher | None:  # fmt: skip
    """Return the trained teacher, if there is one."""
    if not params.epochs:
        return None

    def progress(epoch: int, loss: float) -> None:
        tell(Progress("teacher", epoch, params.epochs, loss))

    return train_teacher(params, *data, folder, progress, shape or MNIST_SHAPE, classes)


def _epoch(
    params: TrainParams, run: Run, views: Views, labels: Any, step_on: Callable[..., Any],
    tell: Callable[[Progress], None],
) -> float:  # fmt: skip
    """Train to the end of an epoch and return the mean loss."""
    torch = import_torch()
    plain = not params.views or run.epoch >= params.epochs - params.clean_epochs
    kept, taught = views[PLAIN if plain else run.epoch % params.views]
    parts = torch.randperm(len(labels), generator=generator(params.seed, _ORDER_KEY, run.epoch)).split(params.batch)
    parts = [part for part in parts if len(part) > 1]
    leg = max(1, _LEG_IMAGES // params.batch)
    for step in range(run.step, len(parts)):
        done = (run.epoch + step / len(parts)) / params.epochs
        run.learn_at(params.lr * (params.lr_fall + (1 - params.lr_fall) * 0.5 * (1 + math.cos(math.pi * done))))
        run.student.begin_step(params.average)
        part = parts[step].to(labels.device)
        answers = taught[part] if taught is not None else None
        batch = kept[part.numpy()] if isinstance(kept, np.ndarray) else kept[part]
        run.total += step_on(batch, labels[part], answers) * len(part)
        run.step, run.student.steps = step + 1, run.student.steps + 1
        if run.step % leg == 0 or run.step == len(parts):
            run.round_off()
            if run.is_due and run.step < len(parts):
                run.save(params)
                seen = float(run.total) / (run.step * params.batch)
                tell(Progress("network", run.epoch, params.epochs, seen, best=run.best, part=run.step / len(parts)))
    return float(run.total) / sum(len(part) for part in parts)


def _step(params: TrainParams, run: Run, kept: Any, labels: Any, taught: Any) -> Any:
    """Train on one batch and return its loss, a tensor of float64: to read it would be to wait for a GPU."""
    torch, student = import_torch(), run.student
    binary = student.binary_weights(torch.bfloat16 if params.bfloat16 else torch.float32)
    used = student.with_errors(binary) if params.ber else binary
    x = as_input(kept, student.stages[0].planes, student.inputs)
    scores = student.scores(x, used, binary if params.ber else None)
    loss = _loss(params, scores, student.log_scale.exp(), labels, taught)
    run.optimizer.zero_grad()
    loss.backward()
    for weight, signs in zip(student.weights, used, strict=True):
        weight.grad = signs.grad.float()
    run.optimizer.step()
    student.clip()
    student.average(binary)
    return loss.detach().double()
