"""A small float convolutional network whose soft answers the binarized network learns from."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch, load_state, save_state

from .deform import MNIST_SHAPE, Deformation, deform, generator

_CHUNK = 500
_DATA_KEY, _START_KEY = 11, 12


@dataclass(frozen=True)
class TeacherParams:
    """The teacher.

    Parameters
    ----------
    epochs : int
        Passes over the training images. 0: no teacher, only the labels. Range [0, 1000].
    channels : tuple of int
        Channels of the three convolutions (the first two of stride 2).
    batch : int
        Images in a step.
    lr : float
        Largest rate of AdamW; rises for a tenth of the steps and falls along a cosine.
    seed : int
        Keys every draw.
    deformation : Deformation
        Of the images that it is trained on.
    """

    epochs: int = 6
    channels: tuple[int, int, int] = (16, 32, 64)
    batch: int = 128
    lr: float = 3e-3
    seed: int = 0
    deformation: Deformation = field(default_factory=Deformation)

    def __post_init__(self) -> None:
        if not 0 <= self.epochs <= 1000:
            raise InputError(f"teacher: epochs must be in [0, 1000], not {self.epochs}")


def build(params: TeacherParams, shape: tuple[int, int] = MNIST_SHAPE, classes: int = 10) -> Any:
    """Return the untrained teacher, a torch module from (n, 1, height, width) to (n, classes)."""
    nn = import_torch().nn
    a, b, c = params.channels
    pixels = math.prod(-(-side // 4) for side in shape)  # after two strides of 2
    layers = nn.Sequential(
        nn.Conv2d(1, a, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(a), nn.ReLU(),
        nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
        nn.Conv2d(b, c, 3, padding=1, bias=False), nn.BatchNorm2d(c), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(c * pixels, classes),
    )
    return layers.to(memory_format=import_torch().channels_last)  # a third faster on CPUs


def _as_input(images: Any, shape: tuple[int, int]) -> Any:
    return images.view(-1, 1, *shape).float().div_(255).sub_(0.13).div_(0.31)


@dataclass(frozen=True)
class Teacher:
    """A trained teacher.

    Parameters
    ----------
    module : torch module in evaluation mode
    digest : str
        Names all that decided its weights.
    shape : (int, int)
        Height and width of its images.
    """

    module: Any
    digest: str
    shape: tuple[int, int] = MNIST_SHAPE

    def answers(self, images: Any) -> Any:
        """Return the logits, float16 tensor (n, classes), of uint8 images (n, height * width)."""
        torch = import_torch()
        with torch.no_grad():
            return torch.cat([self.module(_as_input(part, self.shape)).half() for part in images.split(_CHUNK)])


def train_teacher(
    params: TeacherParams,
    images: Any,
    labels: Any,
    cache: Path | None = None,
    progress: Callable[[int, float], None] | None = None,
    shape: tuple[int, int] = MNIST_SHAPE,
    classes: int = 10,
) -> Teacher:
    """Train a teacher on deformed images, or take it from `cache` if it was trained there with the same parameters.

    Parameters
    ----------
    params : TeacherParams
    images, labels : torch tensors, uint8 (n, height * width) and int64 (n,)
    cache : path, optional
        Folder to keep the teacher in, after each epoch; its file is named by all that decides its weights.
    progress : callable, optional
        Called with (epoch, mean loss) after each epoch.
    shape : (int, int)
        Height and width.
    classes : int

    Returns
    -------
    Teacher
    """
    torch = import_torch()
    digest = _digest(params, images, labels)
    path = cache / f"teacher-{digest}.pt" if cache else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(params.seed, _START_KEY).initial_seed()))
        module = build(params, shape, classes)
        if path and path.is_file():
            module.load_state_dict(load_state(path)["teacher"])
        else:
            begun = cache / f"teacher-{digest}.begun.pt" if cache else None
            _fit(Teacher(module, digest, shape), params, images, labels, progress, begun)
            if path and begun:
                save_state(path, {"teacher": module.state_dict()})
                begun.unlink(missing_ok=True)
    return Teacher(module.eval(), digest, shape)


def _digest(params: TeacherParams, images: Any, labels: Any) -> str:
    key = json.dumps([asdict(params), len(images), import_torch().__version__]).encode()
    return hashlib.sha256(key + images.numpy().tobytes() + labels.numpy().tobytes()).hexdigest()[:16]


def _fit(
    teacher: Teacher, params: TeacherParams, images: Any, labels: Any, progress: Any, begun: Path | None
) -> None:
    torch, module = import_torch(), teacher.module
    steps = -(-len(images) // params.batch)
    optimizer = torch.optim.AdamW(module.parameters(), lr=params.lr, weight_decay=1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, params.lr, total_steps=steps * params.epochs + 1, pct_start=0.1
    )
    module.train()
    done, parts = 0, {"module": module, "optimizer": optimizer, "schedule": schedule}
    if begun and begun.is_file():
        state = load_state(begun)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["random"])  # of dropout
        done = state["epoch"]
    for epoch in range(done, params.epochs):
        source = generator(params.seed, _DATA_KEY, epoch)
        total = 0.0
        for part in torch.randperm(len(images), generator=source).split(params.batch):
            x = _as_input(deform(images[part], params.deformation, source, teacher.shape), teacher.shape)
            loss = torch.nn.functional.cross_entropy(module(x), labels[part], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(part)
        if begun:
            kept = {name: part.state_dict() for name, part in parts.items()}
            save_state(begun, kept | {"epoch": epoch + 1, "random": torch.get_rng_state()})
        if progress:
            progress(epoch + 1, total / len(images))
