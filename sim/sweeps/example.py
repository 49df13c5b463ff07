"""One image of a sweep, with its feature maps: what the page of a network with convolutions shows."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.golden.feature_maps import CHANNELS_MAX, FeatureMaps, feature_maps
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.conv import ConvLayer

from .evaluator import Work, errors_of
from .trial import Key

#: Error rates of which maps are kept, and most pixels of a map in a file.
_RATES, _PIXELS_MAX = 3, 1 << 20
_LEVELS_MAX = 255


@dataclass(frozen=True, eq=False, repr=False)
class Example:
    """An image and its feature maps at some error rates.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width) or (height, width, 3), or None
        The image, where it can be shown.
    rates : tuple of float
        Error rates, those of trial 0.
    maps : tuple of FeatureMaps
        By layer.
    """

    pixels: NDArray[np.uint8] | None
    rates: tuple[float, ...]
    maps: tuple[FeatureMaps, ...]

    def __repr__(self) -> str:
        return f"Example({len(self.maps)} layers at rates {', '.join(f'{rate:g}' for rate in self.rates)})"

    @classmethod
    def of(cls, work: Work, images: NDArray) -> Example | None:
        """Return the first image of a sweep; None where the network has no convolution."""
        network = work.network
        if not isinstance(network, Network) or not isinstance(first := network.layers[0], ConvLayer):
            return None
        all_rates, layer = sorted(work.params.rates), work.params.layers[0]
        chosen = sorted({all_rates[k] for k in np.linspace(0, len(all_rates) - 1, _RATES).round().astype(int)})
        errors = [errors_of(work, Key(layer, rate, 0)) for rate in chosen]
        height, width, channels = first.shape_in
        shapes = {height * width: (height, width), height * width * 3: (height, width, 3)}
        shape = shapes.get(images[0].size) if images.dtype == np.uint8 and channels in (1, 3) else None
        pixels = images[0].reshape(shape) if shape else None
        return cls(pixels, tuple(chosen), tuple(feature_maps(network, work.bits[0], errors)))

    def to_json(self) -> dict[str, Any]:
        """Return the example as a JSON-able dict."""
        layers = [
            {
                "layer": m.layer,
                "channels": m.channels,
                "levels": m.levels,
                "shape": list(m.clean.shape),
                "maps": [_text(m.levels, values) for values in (m.clean, *m.wrong)],
                "shares": list(m.shares),
            }
            for m in self.maps
        ]
        image = {} if self.pixels is None else {"shape": list(self.pixels.shape), "pixels": _text(255, self.pixels)}
        return {"image": image, "rates": list(self.rates), "layers": layers}

    @classmethod
    def from_json(cls, found: Mapping[str, Any], where: str) -> Example:
        """Return the example that a file holds.

        Raises
        ------
        InputError
            If it cannot be right.
        """
        try:
            rates = tuple(_number(rate, 0, 1) for rate in found["rates"])
            if not 1 <= len(rates) <= _RATES:
                raise ValueError
            maps = tuple(_layer(entry, len(rates)) for entry in found["layers"])
            image = found["image"]
            if not maps or not isinstance(image, dict):
                raise ValueError
            pixels = _values(255, image["pixels"], _shape(image["shape"])) if image else None
            if pixels is not None and not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
                raise ValueError
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise InputError(f"{where}: header.example must hold an image, rates and feature maps") from None
        return cls(pixels, rates, maps)


def _text(levels: int, values: NDArray[np.uint8]) -> str:
    return base64.b64encode((np.packbits(values) if levels == 1 else values).tobytes()).decode()


def _shape(value: Any) -> tuple[int, ...]:
    shape = tuple(_whole(n, 1, _PIXELS_MAX) for n in value)
    if len(shape) not in (2, 3) or math.prod(shape) > _PIXELS_MAX:
        raise ValueError
    return shape


def _values(levels: int, text: Any, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    size = math.prod(shape)
    data = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    if len(data) != (-(-size // 8) if levels == 1 else size):
        raise ValueError
    values = np.unpackbits(data, count=size) if levels == 1 else data
    if values.max() > levels:
        raise ValueError
    return values.reshape(shape)


def _whole(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError
    return value


def _number(value: Any, low: float, high: float) -> float:
    if not isinstance(value, float) or not low <= value <= high:
        raise ValueError
    return value


def _layer(entry: Mapping[str, Any], rates: int) -> FeatureMaps:
    shape = _shape(entry["shape"])
    levels = _whole(entry["levels"], 1, _LEVELS_MAX)
    clean, *wrong = (_values(levels, text, shape) for text in entry["maps"])
    shares = tuple(_number(share, 0, 1) for share in entry["shares"])
    channels = _whole(entry["channels"], shape[0], _PIXELS_MAX)
    if len(shape) != 3 or shape[0] > CHANNELS_MAX or not len(wrong) == len(shares) == rates:
        raise ValueError
    return FeatureMaps(_whole(entry["layer"], 0, _PIXELS_MAX), channels, levels, clean, tuple(wrong), shares)
