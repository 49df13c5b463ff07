"""A small float convolutional network whose soft answers the binarized network learns from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
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
    depth : int
        Above 1: so many convolutions of 3 x 3 of each number of channels, with a pooling of 2 x 2 between numbers and
        the mean over the picture at the end. Range [1, 8].
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
    depth: int = 1
    batch: int = 128
    lr: float = 3e-3
    seed: int = 0
    deformation: Deformation = field(default_factory=Deformation)

    def __post_init__(self) -> None:
        if not 0 <= self.epochs <= 1000:
            raise InputError(f"teacher: epochs must be in [0, 1000], not {self.epochs}")
        if not 1 <= self.depth <= 8:
            raise InputError(f"teacher: depth must be in [1, 8], not {self.depth}")


def build(params: TeacherParams, shape: Sequence[int] = MNIST_SHAPE, classes: int = 10) -> Any:
    """Return the untrained teacher, a torch module from (n, channels, height, width) to (n, classes)."""
    nn = import_torch().nn
    height, width, colours = (*shape, 1)[:3]
    if params.depth > 1:
        return _deep(params, colours, classes)
    a, b, c = params.channels
    pixels = -(-height // 4) * -(-width // 4)  # after two strides of 2
    layers = nn.Sequential(
        nn.Conv2d(colours, a, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(a), nn.ReLU(),
        nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
        nn.Conv2d(b, c, 3, padding=1, bias=False), nn.BatchNorm2d(c), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(c * pixels, classes),
    )
    return layers.to(memory_format=import_torch().channels_last)  # a third faster on CPUs


def _deep(params: TeacherParams, colours: int, classes: int) -> Any:
    nn = import_torch().nn
    layers: list[Any] = []
    before = colours
    for k, channels in enumerate(params.channels):
        layers += [nn.MaxPool2d(2, ceil_mode=True)] if k else []
        for _ in range(params.depth):
            layers += [nn.Conv2d(before, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
            before = channels
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(before, classes)]
    return nn.Sequential(*layers).to(memory_format=import_torch().channels_last)


def _as_input(images: Any, shape: Sequence[int]) -> Any:
    """Return images (n, elements), of which the channels are the fastest, as the module takes them."""
    planes = images.view(-1, 1, *shape) if len(shape) == 2 else images.view(-1, *shape).permute(0, 3, 1, 2)
    return planes.float().div_(255).sub_(0.13).div_(0.31)


@dataclass(frozen=True)
class Teacher:
    """A trained teacher.

    Parameters
    ----------
    module : torch module in evaluation mode
    digest : str
        Names all that decided its weights.
    shape : sequence of int
        Height and width of its images, and their channels if there are several.
    """

    module: Any
    digest: str
    shape: Sequence[int] = MNIST_SHAPE

    def answers(self, images: Any) -> Any:
        """Return the logits, float16 tensor (n, classes), of uint8 images (n, height * width)."""
        torch = import_torch()
        with torch.no_grad(), _precision(images):
            return torch.cat([self.module(_as_input(part, self.shape)).half() for part in images.split(_CHUNK)])


def train_teacher(
    params: TeacherParams,
    images: Any,
    labels: Any,
    cache: Path | None = None,
    progress: Callable[[int, float], None] | None = None,
    shape: Sequence[int] = MNIST_SHAPE,
    classes: int = 10,
) -> Teacher:
    """Train a teacher on deformed images, or take it from `cache` if it was trained there with the same parameters.

    Parameters
    ----------
    params : TeacherParams
    images, labels : torch tensors, uint8 (n, elements) and int64 (n,)
        On the device that is to train it.
    cache : path, optional
        Folder to keep the teacher in, after each epoch; its file is named by all that decides its weights.
    progress : callable, optional
        Called with (epoch, mean loss) after each epoch.
    shape : sequence of int
        Height and width, and channels if there are several.
    classes : int

    Returns
    -------
    Teacher
    """
    torch = import_torch()
    digest = _digest(params, images, labels)
    path = cache / f"teacher-{digest}.pt" if cache else None
    with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
        torch.manual_seed(int(generator(params.seed, _START_KEY).initial_seed()))
        module = build(params, shape, classes).to(images.device)
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
    fields = {name: value for name, value in asdict(params).items() if (name, value) != ("depth", 1)}  # it is newer
    key = json.dumps([fields, len(images), import_torch().__version__]).encode()
    return hashlib.sha256(key + images.cpu().numpy().tobytes() + labels.cpu().numpy().tobytes()).hexdigest()[:16]


def _precision(images: Any) -> Any:
    """Return a context for the module's work on images: a GPU multiplies in bfloat16."""
    return import_torch().autocast("cuda", import_torch().bfloat16, enabled=images.is_cuda)


def _fit(
    teacher: Teacher, params: TeacherParams, images: Any, labels: Any, progress: Any, begun: Path | None
) -> None:
    torch, module = import_torch(), teacher.module
    random = torch.cuda if images.is_cuda else torch
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
        random.set_rng_state(state["random"])  # of dropout
        done = state["epoch"]
    for epoch in range(done, params.epochs):
        source = generator(params.seed, _DATA_KEY, epoch)
        total: Any = 0.0
        for part in torch.randperm(len(images), generator=source).split(params.batch):
            chosen = part.to(images.device)
            x = _as_input(deform(images[chosen], params.deformation, source, teacher.shape), teacher.shape)
            with _precision(images):
                loss = torch.nn.functional.cross_entropy(module(x), labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach().double() * len(part)
        if begun:
            kept = {name: part.state_dict() for name, part in parts.items()}
            save_state(begun, kept | {"epoch": epoch + 1, "random": random.get_rng_state()})
        if progress:
            progress(epoch + 1, float(total) / len(images))
