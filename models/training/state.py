"""The state of a training, and its checkpoints, from which it goes on exactly."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch, restoring, save_state

from .params import TrainParams, with_defaults
from .student import Student

#: Seconds between checkpoints within an epoch.
_SECONDS = 30
#: What Adam keeps of each parameter, besides the number of steps.
_MOMENTS = ("exp_avg", "exp_avg_sq")


def digest(images: NDArray[np.uint8]) -> str:
    """Return what a checkpoint keeps of the training images: SHA-256 (hex) of them all."""
    return hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()


def images_at_start(state: Mapping[str, Any], images: NDArray[np.uint8], path: Path) -> int:
    """Return how many of the images a checkpoint's training began with; the others may have come later.

    Raises
    ------
    InputError
        If they are other images, or fewer than it has had.
    """
    first = int(state.get("images", len(images)))
    known = 0 < first <= state.get("used", first) <= len(images)
    if not known or state.get("data", "") not in ("", digest(images[:first])):
        raise InputError(f"{path}: images must be those of this training, not of another")
    return first


@dataclass
class Run:
    """The state of a training after a step.

    Parameters
    ----------
    student : Student
    optimizer : torch.optim.Adam
    data : str
        Digest of the images that it began with.
    images, used : int
        How many those are, and how many there are now.
    path : path or None
        Of the checkpoint.
    epoch, step, total : int, int, float or tensor
        Epochs done, steps done of the next one, and the sum of its losses so far.
    best, best_epoch, best_averages : float, int, list
        Validation accuracy, number and weights of the best epoch.
    """

    student: Student
    optimizer: Any
    data: str
    images: int
    used: int
    path: Path | None = None
    epoch: int = 0
    step: int = 0
    total: Any = 0.0
    best: float = -1.0
    best_epoch: int = 0
    best_averages: list[Any] = field(default_factory=list)
    saved: float = field(default_factory=time.monotonic)

    def round_off(self) -> None:
        """Round what checkpoints of networks with convolutions keep in 16 bits, to stay small: 10 bytes a weight.

        It is done at fixed steps, whether a checkpoint is written there or not, so that a training that goes on from
        one has the numbers of one that was never stopped.
        """
        torch = import_torch()
        if not self.student.has_windows:
            return
        for moments in self.optimizer.state.values():
            for name in _MOMENTS:
                moments[name].copy_(moments[name].to(torch.bfloat16))
        for average in self.student.averages[: len(self.student.weights)]:
            average.copy_(average.half())

    def learn_at(self, rate: float) -> None:
        """Set the optimizer's rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["lr"].fill_(rate) if group["capturable"] else rate

    @property
    def is_due(self) -> bool:
        """Whether it is time for a checkpoint within an epoch."""
        return time.monotonic() - self.saved >= _SECONDS

    def save(self, params: TrainParams) -> None:
        """Write the checkpoint, if there is to be one."""
        self.saved = time.monotonic()
        if self.path is None:
            return
        torch, n = import_torch(), len(self.student.weights)
        optimizer, averages, best = self.optimizer.state_dict(), self.student.averages, self.best_averages
        for group in optimizer["param_groups"]:  # the same on every device
            group |= {"lr": float(group["lr"]), "capturable": False}
        if self.student.has_windows:
            optimizer["state"] = {
                key: moments | {name: moments[name].to(torch.bfloat16) for name in _MOMENTS}
                for key, moments in optimizer["state"].items()
            }
            averages = [*(t.half() for t in averages[:n]), *averages[n:]]
            # Of binary weights a bit each, of ternary ones a byte: a bit would lose their zeros.
            pack = _packed if self.student.weight_bits == 1 else lambda t: t.round().to(torch.int8)
            best = [*(pack(t) for t in best[:n]), *best[n:]]
        save_state(self.path, {
            "params": asdict(params), "data": self.data, "images": self.images, "used": self.used,
            "parameters": [p.detach() for p in self.student.parameters], "optimizer": optimizer,
            "epoch": self.epoch, "step": self.step, "total": float(self.total),
            "averages": averages, "steps": self.student.steps,
            "best": self.best, "best_epoch": self.best_epoch, "best_averages": best,
        })  # fmt: skip

    def restore(self, state: dict[str, Any], params: TrainParams, path: Path) -> None:
        """Go back to a checkpoint; a field that is newer than the file has its default there."""
        with restoring(path):
            if with_defaults(state.get("params") or {}) != asdict(params):
                raise InputError(f"{path}: params must be those of this training, not of another")
            self._take(state)
            self._check()

    def _take(self, state: dict[str, Any]) -> None:
        torch, n, device = import_torch(), len(self.student.weights), self.student.device
        with torch.no_grad():
            for ours, theirs in zip(self.student.parameters, state["parameters"], strict=True):
                ours.copy_(theirs)
        self.student.averages = [t.float().to(device) for t in state["averages"]]
        self.student.steps = state["steps"]
        (group,) = self.optimizer.param_groups
        of_device = {name: group[name] for name in ("lr", "capturable")}
        self.optimizer.load_state_dict(state["optimizer"])
        self.optimizer.param_groups[0].update(of_device)
        self.epoch, self.best, self.best_epoch = state["epoch"], state["best"], state["best_epoch"]
        best = [t.to(device) for t in state["best_averages"]]
        if self.student.has_windows:
            pairs = zip(best[:n], self.student.weights, strict=bool(best))
            best[:n] = [held.float() if held.dtype == torch.int8 else _unpacked(held, w) for held, w in pairs]
        self.best_averages = best
        if state.get("used", self.used) == self.used:  # an epoch of more images begins anew
            self.step, self.total = state.get("step", 0), state.get("total", 0.0)

    def _check(self) -> None:
        """Raise an error of :func:`restoring` unless all can go on from what a file has held."""
        student = self.student
        counts, figures = (self.epoch, self.step, self.best_epoch, student.steps), (self.best, self.total)
        of_moments = [(moments[name], p) for p, moments in self.optimizer.state.items() for name in _MOMENTS]
        ours = [*student.weights, *student.gammas, *student.betas]
        pairs = [*of_moments, *zip(student.averages, ours, strict=True)]
        pairs += zip(self.best_averages, ours, strict=True) if self.best_averages else []
        if not (
            all(type(count) is int and count >= 0 for count in counts)
            and all(isinstance(figure, int | float) for figure in figures)
            and all(t.shape == like.shape and t.isfinite().all() for t, like in pairs)
            and (self.best_averages or self.best < 0)
        ):
            raise ValueError

def _packed(signs: Any) -> Any:
    return import_torch().from_numpy(np.packbits((signs >= 0).cpu().numpy()))


def _unpacked(bits: Any, like: Any) -> Any:
    torch = import_torch()
    signs = torch.from_numpy(np.unpackbits(bits.cpu().numpy(), count=like.numel())).float().mul_(2).sub_(1)
    return signs.reshape(like.shape).to(like.device)
