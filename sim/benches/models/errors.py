"""Models of the fault injector's units."""

from __future__ import annotations

import random

import numpy as np

from oxnor.models.faults.error_masks import BLOCK, FIELDS, PLANES, TAPS, image_keys, mix, spread

from .base import Inputs, Model, Outputs

_WORDS = "abcd"


def _rotated(x: int, k: int) -> int:
    return (x << k | x >> BLOCK - k) & (1 << BLOCK) - 1


def _planes(key: list[int], neuron: int, blocks: int) -> list[int]:
    """Return the bit planes of the numbers of a neuron's inputs, lowest first."""
    planes = [0] * PLANES
    for n in range(blocks):
        state = np.array(key, np.uint64) ^ spread("neuron", neuron) ^ spread("block", n)
        w = mix(state[:, None])[:, 0].tolist()
        for b, (i, k, m, r, s) in enumerate(TAPS):
            planes[b] |= (w[i] ^ _rotated(w[k], r) ^ _rotated(w[m], s)) << n * BLOCK
    return planes


class ErrorKey(Model):
    """Key of an image in a layer."""

    def draw(self) -> Inputs:  # noqa: D102
        return {name: random.getrandbits(FIELDS[name]) for name in ("seed", "layer", "image")}

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        key = image_keys(i["seed"], i["layer"], [i["image"]])[:, 0]
        return dict(zip(_WORDS, key.tolist(), strict=True))


class ErrorMask(Model):
    """Errors of the columns of a lane: an input errs if its number and the rate have a carry."""

    def reset(self) -> None:  # noqa: D102
        self.planes = [0] * PLANES

    def draw(self) -> Inputs:  # noqa: D102
        s = self.settings
        bit = random.randrange(s["width"])
        number = sum((plane >> bit & 1) << b for b, plane in enumerate(self.planes))
        # One more or less decides whether this input errs.
        rate = max(0, min((1 << PLANES) - number - random.getrandbits(1), (1 << PLANES) - 1))
        return {
            "en": self.flag("en"), "rate": rate, "neuron": random.randrange(s["neurons"]),
            "slice": random.randrange(s["slices"]), **{k: random.getrandbits(BLOCK) for k in _WORDS},
        }  # fmt: skip

    def outputs(self, i: Inputs) -> Outputs:  # noqa: D102
        carry = 0
        for b, plane in enumerate(self.planes):
            carry = carry | plane if i["rate"] >> b & 1 else carry & plane
        return {"flip": carry}

    def edge(self, i: Inputs) -> None:  # noqa: D102
        if i["en"]:
            width = self.settings["width"]
            planes = _planes([i[k] for k in _WORDS], i["neuron"], -(-width * self.settings["slices"] // BLOCK))
            self.planes = [plane >> i["slice"] * width & (1 << width) - 1 for plane in planes]
