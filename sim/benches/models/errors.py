"""Models of the fault injector's units."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from oxnor.models.faults.error_masks import BLOCK, FIELDS, PLANES, image_keys, masks

from .base import Inputs, Model, Outputs

_WORDS = "abcd"


def _mask(key: list[int], rate: int, neuron: int, n_in: int) -> int:
    """Return the errors of a neuron's inputs."""
    words = masks(np.array(key, np.uint64)[:, None], rate, [neuron], n_in)[0, 0]
    return sum(int(w) << BLOCK * k for k, w in enumerate(words))


def _near(errs: Callable[[int], int], width: int) -> int:
    """Return a rate at which one more or less decides whether an input errs: any rate below it leaves it right."""
    bit, low, high = random.randrange(width), 0, (1 << PLANES) - 1
    if not errs(high) >> bit & 1:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if errs(middle) >> bit & 1 else (middle, high)
    return random.choice((low, high))


class ErrorKey(Model):
    """Key of an image in a layer."""

    def draw(self) -> Inputs:  # noqa: D102
        return {name: random.getrandbits(FIELDS[name]) for name in ("seed", "layer", "image")}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        key = image_keys(i["seed"], i["layer"], [i["image"]])[:, 0]
        return dict(zip(_WORDS, key.tolist(), strict=True))


class ErrorMask(Model):
    """Errors of the columns of a lane, of the read that was sensed."""

    def reset(self) -> None:  # noqa: D102
        self.read: tuple[list[int], int, int] | None = None

    def draw(self) -> Inputs:  # noqa: D102
        s = self.settings
        rate = _near(self._flip, s["width"]) if self.read else random.getrandbits(PLANES)
        return {
            "en": self.flag("en"), "rate": rate, "neuron": random.randrange(s["neurons"]),
            "slice": random.randrange(s["slices"]), **{k: random.getrandbits(64) for k in _WORDS},
        }  # fmt: skip

    def _flip(self, rate: int) -> int:
        if self.read is None:  # no error comes of a state that is 0
            return 0
        width = self.settings["width"]
        key, neuron, at = self.read
        mask = _mask(key, rate, neuron, width * self.settings["slices"])
        return mask >> at * width & (1 << width) - 1

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        return {"flip": self._flip(i["rate"])}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        if i["en"]:
            self.read = [i[k] for k in _WORDS], i["neuron"], i["slice"]
