"""Augmented training data: deformed copies of the images, as the network takes them, with the teacher's answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.torch_loading import import_torch, load_state, save_state
from oxnor.models.networks.input_rule import InputRule

from .deform import MNIST_SHAPE, Deformation, deform, generator
from .teacher import Teacher

_VIEW_KEY = 3
#: Views are kept up to this many bytes, in memory or on a GPU; others are made again.
_KEPT_BYTES, _KEPT_BYTES_GPU = 1 << 30, 1 << 33
#: Index of the view that is not deformed.
PLAIN = -1


def stored(images: NDArray[np.uint8], rule: InputRule) -> NDArray[np.uint8]:
    """Return what is kept of images (n, features): packed bits (n, bytes), or elements (n, features) of bit planes."""
    if rule.kind == "planes" and rule.bits > 1:
        return rule.elements(images)
    return np.packbits(rule.apply(images, rule.bits * images.shape[1]), axis=1)


def as_input(kept: Any, planes: int, bits: int) -> Any:
    """Return images of so many bits, of which a view has these, as float32: an element u as 2u - (2**planes - 1)."""
    if isinstance(kept, np.ndarray):
        kept = import_torch().from_numpy(np.unpackbits(kept, axis=1, count=bits) if planes == 1 else kept)
    return kept.float().mul_(2).sub_((1 << planes) - 1)


class Views:
    """Copies of the training images, each deformed in its own way and made when first used.

    Parameters
    ----------
    images : torch tensor of uint8, shape (n, height * width)
    teacher : Teacher or None
    how : Deformation
    cache : path, optional
        Folder to keep copies in, with the teacher's answers; files are named by all that decides them.
    shape : sequence of int, or None
        Height and width, and channels if there are several; None for features that are no pictures, which only the
        plain view has.
    rule : InputRule
        How pixels become bits.
    device : str
        Where torch deforms and keeps them. A GPU makes a view in less time than a disk gives it.
    """

    def __init__(
        self,
        images: Any,
        teacher: Teacher | None,
        how: Deformation,
        cache: Path | None,
        shape: Sequence[int] | None = MNIST_SHAPE,
        rule: InputRule = InputRule.of(128),  # noqa: B008  # frozen
        device: str = "cpu",
    ):
        self._grey, self._teacher, self._how = images.to(device), teacher, how
        self._shape, self._rule, self._device = shape, rule, device
        self._cache = cache if device == "cpu" else None
        self._views: dict[int, tuple[Any, Any]] = {}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return a view for :func:`as_input`, and the teacher's logits (n, classes), or None.

        The view is what :func:`stored` keeps, or on a GPU a tensor of uint8 (n, elements).
        """
        if index not in self._views:
            most = _KEPT_BYTES if self._device == "cpu" else _KEPT_BYTES_GPU
            while self._views and sum(kept.nbytes for kept, _ in self._views.values()) > most:
                del self._views[next(iter(self._views))]
            self._views[index] = self._cached(index)
        return self._views[index]

    def _cached(self, index: int) -> tuple[Any, Any]:
        if self._cache is None or self._teacher is None:
            return self._make(index)
        key = json.dumps([self._teacher.digest, asdict(self._how), index, self._rule.to_json()])
        path = self._cache / f"view-{hashlib.sha256(key.encode()).hexdigest()[:16]}.pt"
        if path.is_file():
            state = load_state(path)
            return state["bits"].numpy(), state["answers"]
        kept, taught = self._make(index)
        save_state(path, {"bits": import_torch().from_numpy(kept), "answers": taught})
        return kept, taught

    def _make(self, index: int) -> tuple[Any, Any]:
        grey = self._grey
        if index != PLAIN and self._shape:
            source = generator(_VIEW_KEY, index)
            grey = import_torch().cat([deform(part, self._how, source, self._shape) for part in grey.split(1000)])
        return self._kept(grey), self._teacher.answers(grey) if self._teacher else None

    def _kept(self, images: Any) -> Any:
        torch, rule = import_torch(), self._rule
        if self._device == "cpu":
            return stored(images.numpy(), rule)
        if rule.kind == "planes" and rule.bits > 1:
            return torch.from_numpy(rule.elements(np.arange(256, dtype=np.uint8))).to(self._device)[images.int()]
        bits = rule.apply(images.cpu().numpy(), rule.bits * images.shape[1])
        return torch.from_numpy(bits.astype(np.uint8)).to(self._device)
