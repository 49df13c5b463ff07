"""A multilayer perceptron of 8-bit weights and activations: the analog literature's own case."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import NpzReader, write_npz

from . import ranges
from .adc import Converter, UniformAdc
from .crossbar import Crossbar, CrossbarOptions

FORMAT, VERSION = "oxnor-int8", 1
LAYERS_MAX = 16
_TOP = 255


@dataclass(frozen=True, eq=False)
class Int8Layer:
    """One layer: y = x W + b in integers; a hidden one gives rint(y scale), clipped to [0, 255].

    Parameters
    ----------
    weights : ndarray of int8, shape (n_out, n_in)
        In [-127, 127].
    biases : ndarray of int32, shape (n_out,)
    scale : float
        Above 0; of the last layer 1.
    """

    weights: NDArray[np.int8]
    biases: NDArray[np.int32]
    scale: float

    def __post_init__(self) -> None:
        n_out = len(self.weights)
        if self.weights.dtype != np.int8 or self.weights.ndim != 2 or (self.weights == -128).any():
            raise InputError("weights must be int8 in [-127, 127], of shape (n_out, n_in)")
        if self.biases.dtype != np.int32 or self.biases.shape != (n_out,):
            raise InputError(f"biases must be int32, of shape ({n_out},)")
        if not 0 < self.scale < np.inf:
            raise InputError(f"scale must be above 0, not {self.scale!r}")

    def activations(self, sums: NDArray) -> NDArray[np.uint8]:
        """Return what a hidden layer gives for its sums."""
        return np.clip(np.rint(sums * self.scale), 0, _TOP).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Int8Network:
    """A perceptron of 8-bit weights; ReLU between the layers.

    Parameters
    ----------
    name : str
    layers : tuple of Int8Layer
    info : mapping
        Its card.
    """

    name: str
    layers: tuple[Int8Layer, ...]
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = [layer.weights.shape for layer in self.layers]
        if not sizes or any(a[0] != b[1] for a, b in pairwise(sizes)):
            raise InputError("layers must fit each other, and be at least one")

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the scores of images (n, n_in), in exact integers."""
        x = np.asarray(images)
        for layer in self.layers:
            # Sums below 2**53 are exact in float64, and BLAS adds them.
            y = np.rint(x.astype(np.float64) @ layer.weights.T.astype(np.float64)) + layer.biases
            x = layer.activations(y)
        return y.astype(np.int64)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class of each image."""
        return np.argmax(self.scores(images), axis=-1)

    def save(self, path: str | Path) -> None:
        """Write the network to an ``.npz`` file; equal networks give equal bytes."""
        header = {"format": FORMAT, "version": VERSION, "name": self.name, "info": dict(self.info),
                  "layers": [{"n_out": len(y.weights), "n_in": y.weights.shape[1], "scale": y.scale}
                             for y in self.layers]}  # fmt: skip
        arrays: dict[str, NDArray] = {"header": np.frombuffer(json.dumps(header, sort_keys=True).encode(), np.uint8)}
        for k, layer in enumerate(self.layers):
            arrays |= {f"layer{k}.weights": layer.weights, f"layer{k}.biases": layer.biases}
        write_npz(path, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Int8Network:
        """Read a network; nothing in the file is trusted.

        Raises
        ------
        InputError
            Naming the file, the field and the rule that it breaks.
        """
        with NpzReader(Path(path)) as source:
            header = source.json_header(FORMAT, VERSION)
            entries = header.get("layers")
            if not isinstance(entries, list) or not 1 <= len(entries) <= LAYERS_MAX:
                raise InputError(f"{path}: header.layers must be a list of 1 to {LAYERS_MAX}")
            layers = []
            for k, entry in enumerate(entries):
                scale = entry.get("scale") if isinstance(entry, dict) else None
                if isinstance(scale, bool) or not isinstance(scale, int | float):
                    raise InputError(f"{path}: header.layers[{k}].scale must be a number")
                weights = source.array(f"layer{k}.weights", "|i1", (None, None), limit=1 << 26)
                try:
                    biases = source.array(f"layer{k}.biases", "<i4", (len(weights),))
                    layers.append(Int8Layer(weights, biases, float(scale)))
                except InputError as e:
                    raise InputError(str(e) if str(e).startswith(str(path)) else f"{path}: layer {k}: {e}") from None
            name, info = header.get("name"), header.get("info")
            if not isinstance(name, str) or not isinstance(info, dict):
                raise InputError(f"{path}: header.name must be a text, and header.info an object")
            try:
                return cls(name, tuple(layers), info)
            except InputError as e:
                raise InputError(f"{path}: {e}") from None


def shipped() -> Int8Network:
    """Return the perceptron 784-256-128-10 that is shipped, trained on MNIST."""
    folder = Path(str(resources.files("oxnor.models"))) / "data" / "analog"
    return Int8Network.load(folder / "mnist-int8.npz")


class AnalogInt8:
    """A perceptron whose weights are programmed into crossbars.

    Parameters
    ----------
    network : Int8Network
    options : CrossbarOptions
    seed, trial : int
        Key of the devices.
    converters : sequence of Converter, optional
        One a layer, in units of the largest weight times an activation of 1; see :func:`converters`. Default: ideal.
    """

    def __init__(
        self, network: Int8Network, options: CrossbarOptions, *, seed: int = 0, trial: int = 0,
        converters: Sequence[Converter] | None = None,
    ):  # fmt: skip
        rng.check_key("seed", seed)
        rng.check_key("trial", trial)
        self.network, self.converters = network, converters
        self._key = {"seed": seed, "trial": trial}
        self.bars = [
            Crossbar(layer.weights.astype(np.float64), options, rng.stream("device", layer=k, **self._key))
            for k, layer in enumerate(network.layers)
        ]

    def profile(self, images: NDArray[np.uint8]) -> list[list[NDArray]]:
        """Return what the converters of each layer see: for each layer its groups of rows, (n, n_out)."""
        return [parts for parts, _ in self._walk(images)]

    def _walk(self, images: NDArray[np.uint8]) -> list[tuple[list[NDArray], NDArray]]:
        x, found = np.asarray(images), []
        for k, (layer, bar) in enumerate(zip(self.network.layers, self.bars, strict=True)):
            g = rng.stream("read", layer=k, **self._key)
            parts = bar.sums(x.astype(np.float64) / _TOP, g)
            codes = parts if self.converters is None else [self.converters[k].convert(p) for p in parts]
            y = _TOP * bar.peak * np.sum(codes, axis=0) + layer.biases
            found.append((parts, y))
            x = layer.activations(y)
        return found

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class of each image."""
        return np.argmax(self._walk(images)[-1][1], axis=-1)


def converters(
    network: Int8Network, options: CrossbarOptions, bits: int, adc_range: str, training: NDArray[np.uint8] | None = None
) -> list[Converter]:
    """Return the converter of each layer, its range the same for all its columns and groups of rows.

    Parameters
    ----------
    network : Int8Network
    options : CrossbarOptions
        Devices do not matter: the ranges are set on ideal ones.
    bits : int
    adc_range : str
        "max": plus and minus the number of rows. "calibrated": what `training` gives, 0.01 % at each end cut off.
    training : ndarray of uint8, optional
        Training images.
    """
    if adc_range == "max":
        limits = [min(options.rows, layer.weights.shape[1]) for layer in network.layers]
        return [UniformAdc.sign_magnitude(bits, float(limit)) for limit in limits]
    if adc_range != "calibrated":
        raise InputError(f"must be max or calibrated, not {adc_range!r}", parameter="adc_range")
    if training is None:
        raise InputError("must be images of a training set, for calibrated converters", parameter="training")
    ideal = AnalogInt8(network, CrossbarOptions(options.mapping, options.rows))
    return [
        ranges.calibrated(np.concatenate([p.ravel() for p in parts]), bits, ranges.PERCENTILE)
        for parts in ideal.profile(training)
    ]
