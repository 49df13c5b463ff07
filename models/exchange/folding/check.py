"""Comparison of whole networks: the source's float arithmetic against the golden model, image by image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import type_name
from oxnor.models.base.rng import stream
from oxnor.models.networks.layers.hidden import pack_planes

from .build import Built, score_layer
from .execute import execute, prepared
from .graph import Graph
from .inputs import levels, source_levels
from .scores import RoundedScores

#: Images in one run of the source.
_BATCH = 64
#: Images shown where only rounding decides the class.
_EXAMPLES = 3
#: Returns the outputs of a source for inputs of shape (n, ...).
Source = Callable[[NDArray], NDArray]


def random_images(n_in: int, count: int) -> NDArray[np.uint8]:
    """Return grey images, shape (count, n_in): one half of all levels, the other of black and white."""
    g = stream("import", seed=0, layer=0, trial=0)
    grey = g.integers(0, 256, size=(count, n_in), dtype=np.uint8)
    grey[count // 2 :] = (grey[count // 2 :] >> 7) * 255
    return grey


def source_inputs(built: Built, graph: Graph, images: NDArray) -> NDArray:
    """Return grey images (uint8) or bits (bool), shape (n, features) as the network takes them, as the source does."""
    values = source_levels(built.coding, graph.input_type)
    images = images.reshape(len(images), -1)
    if built.input_order is not None:
        images = images[:, np.argsort(built.input_order)]
    if images.dtype == bool:
        rows = images.astype(np.int64) * (len(values) - 1)
    else:
        rows = images.astype(np.int64) if len(values) == 256 else (images >= 128).astype(np.int64)
    shape = [len(images), *(int(n) for n in graph.input_shape[1:] if n is not None)]
    return values[rows].reshape(shape)


def as_images(built: Built, images: NDArray) -> NDArray:
    """Return images as uint8 or bool, shape (n, features), as the network takes them.

    Those of the shape that the source takes are put in the network's order, and float ones must have its values.

    Raises
    ------
    InputError
        If a value is none that the source's input can have.
    """
    images = np.asarray(images)
    n = int(np.prod(images.shape[1:], dtype=object)) if images.ndim > 1 else 0
    features, shape = _features(built), built.network.layers[0].shape_in
    if images.ndim < 2 or n != features or not len(images):
        sizes = ", ".join(map(str, shape))
        raise InputError(f"images: shape must be (n, {sizes}), not {images.shape}")
    as_source = images.shape[1:] == built.source_shape and images.shape[1:] != shape
    images = images.reshape(len(images), n)
    if as_source and built.input_order is not None:
        images = images[:, built.input_order]
    if images.dtype in (np.uint8, np.bool_):
        return images
    if images.dtype.kind not in "fi":
        raise InputError(f"images must be uint8, bool or float, not {type_name(images.dtype)}")
    values = levels(built.coding, np.float64)
    x = images.astype(np.float64)
    row = np.clip(np.searchsorted((values[1:] + values[:-1]) / 2, x), 0, len(values) - 1)
    if not (np.abs(values[row] - x) <= 1e-5 * max(1.0, float(np.abs(values).max()))).all():
        raise InputError(f"images: values must be those of the input coding {built.coding!r}, and some are not")
    return row.astype(np.uint8) if len(values) == 256 else row.astype(bool)


def _features(built: Built) -> int:
    return built.network.input_rule.features(built.network.n_in)


def own_source(built: Built, graph: Graph) -> Source:
    """Return the source as this package runs it: float32, many images at once."""
    ready = prepared(replace(graph, outputs=(built.output.name,)))

    def run(x: NDArray) -> NDArray:
        parts = [execute(ready, x[k : k + _BATCH]) for k in range(0, len(x), _BATCH)]
        axis = built.output.axis
        if any(part.ndim <= axis for part in parts) or sum(part.shape[axis] for part in parts) != len(x):
            raise InputError("the source must give the same outputs for any number of images")
        y = np.moveaxis(np.concatenate(parts, axis), axis, 0)
        return y.reshape(len(y), -1)

    return run


def compare(built: Built, graph: Graph, images: NDArray, source: Source) -> dict[str, Any]:
    """Compare every output of every image.

    The source's value must be the one that the table of the last layer has at the popcount of the golden model
    (within what rounding in another order can do), and the classes must be equal.

    Returns
    -------
    dict
        ``images``, ``values``, ``differ`` (images with a wrong value or class), ``rounding`` (images that differ
        where the source's own rounding decides: in a bit that a sum near a threshold gives, or in the class)
        and ``examples`` (the first of those whose class differs: the source's outputs and the scores).
    """
    y = np.asarray(source(source_inputs(built, graph, images)))
    x = golden.layer_outputs(built.network, images)
    if built.rounded is not None:
        return _compare_rounded(built, built.rounded, images, y, x[-1])
    taken = x[-2].reshape(len(images), -1) if len(x) > 1 else golden.elements(built.network, images)
    stage = built.output.stage
    assert stage.weights is not None
    layer = score_layer(stage, stage.weights[built.order])
    p = layer.popcounts(pack_planes(taken, stage.planes), "numba")
    low, high = (built.output.columns(v) for v in (built.output.low, built.output.high))
    neurons = np.arange(p.shape[1])
    _check_outputs(y, p)
    y, low, high = (np.asarray(v, np.float64) for v in (y, low[p, neurons], high[p, neurons]))
    wide = 1e-6 * np.maximum(np.abs(low), np.abs(high))  # a product of the source may add in any order
    wrong = ~((y >= low - wide) & (y <= high + wide)).all(axis=1)  # also where y is no number
    predicted = golden.argmax(x[-1])
    if built.pair:
        wrong_class = rounded_class = np.zeros(len(y), bool)
    else:
        best = y.argmax(axis=1)
        rows = np.arange(len(y))
        wrong_class = (best != predicted) & (high[rows, predicted] < low[rows, best])
        rounded_class = (best != predicted) & ~wrong_class
    wrong |= wrong_class
    excused = wrong & _rounding(built, images) | rounded_class & ~wrong
    examples = [
        {"image": int(k), "source": [float(f"{v:.9g}") for v in y[k]], "scores": x[-1][k].tolist()}
        for k in np.flatnonzero(rounded_class)[:_EXAMPLES]
    ]
    return {
        "images": len(images), "values": int(y.size), "differ": int(np.count_nonzero(wrong & ~excused)),
        "rounding": int(np.count_nonzero(excused)), "examples": examples,
    }  # fmt: skip


def _check_outputs(y: NDArray, p: NDArray) -> None:
    if y.shape != p.shape:
        raise InputError(f"the source must give {p.shape[1]} outputs an image, not shape {y.shape[1:]}")


def _compare_rounded(
    built: Built, rounded: RoundedScores, images: NDArray, y: NDArray, scores: NDArray[np.int64]
) -> dict[str, Any]:
    """Compare outputs of the source with scores of rounded weights: each must be within its bound.

    Returns
    -------
    dict
        As :func:`compare`, where ``differ`` are images with an output that is out of its bound. More: ``other_class``,
        images whose class differs, and ``proved``, those whose class no error within the bounds can change.
    """
    integers = scores[:, 1:] // 2 if built.pair else scores
    _check_outputs(y, integers)
    y, near = np.asarray(y, np.float64), rounded.outputs(integers)
    wrong = ~(np.abs(y - near) <= rounded.far).all(axis=1)  # also where y is no number
    other_class = (y[:, 0] > 0 if built.pair else y.argmax(axis=1)) != golden.argmax(scores)
    proved = rounded.proved(near)
    wrong |= proved & other_class
    excused = wrong & _rounding(built, images)
    return {
        "images": len(images), "values": int(y.size), "differ": int(np.count_nonzero(wrong & ~excused)),
        "rounding": int(np.count_nonzero(excused)), "examples": [],
        "other_class": int(np.count_nonzero(other_class)), "proved": int(np.count_nonzero(proved)),
    }  # fmt: skip


def _rounding(built: Built, images: NDArray) -> NDArray[np.bool_]:
    """Return which images meet a popcount whose level hangs on how the source rounds."""
    met = np.zeros(len(images), bool)
    if not any(m is not None for m in built.masks):
        return met
    for start in range(0, len(images), _BATCH):
        part = slice(start, start + _BATCH)
        outputs = golden.layer_outputs(built.network, images[part])
        taken = [golden.elements(built.network, images[part]), *outputs[:-1]]
        for x, mask, layer in zip(taken, built.masks, built.network.layers, strict=False):
            if mask is not None:
                p = layer.popcounts(pack_planes(x.reshape(len(x), -1), layer.planes), "numba")
                met[part] |= mask[p, np.arange(layer.n_out)].reshape(len(x), -1).any(axis=1)
    return met
