"""What an import compares: outputs of whole networks with the source, image by image, and what neurons do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.exchange.folding.build import Built
from oxnor.models.exchange.folding.check import Source, as_images, compare, own_source, random_images
from oxnor.models.exchange.folding.graph import FILE_MAX, Graph
from oxnor.models.exchange.folding.inputs import BITS
from oxnor.models.exchange.readers.reference import CannotRun
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.scores import ScoreLayer

#: Random images that every import is compared on.
RANDOM_IMAGES = 1000
#: Convolutions are compared on fewer, so that all synapses together are read no more often than this,
_READS_MAX = 1 << 32
#: but never on fewer than these.
_IMAGES_MIN = 50
#: Images for the reference evaluator, which may take them one by one.
_REFERENCE_IMAGES = 16
_HALVES = (
    "the source computes in float16 and was judged in float32: a sum near a threshold, or above 2,048, may round to"
    " another bit there"
)


@dataclass(frozen=True)
class GivenImages:
    """What a user gives to compare on.

    Parameters
    ----------
    images : ndarray, shape (n, ...)
    labels : ndarray of int, shape (n,), or None
    outputs : ndarray of float, shape (n, classes), or None
        What the tool that trained the network gave for the images.
    """

    images: NDArray
    labels: NDArray | None
    outputs: NDArray | None


def read_images(path: str | Path) -> GivenImages:
    """Return ``images``, ``labels`` and ``outputs`` of an ``.npz`` file, which is not trusted."""
    from oxnor.models.base.files import NpzReader

    with NpzReader(path) as source:
        if "images" not in source.names:
            raise InputError(f"{path}: must hold an array 'images'")
        images = source.any_array("images", ["|u1", "|b1", "<f4", "<f8"], 5, FILE_MAX)
        others: dict[str, NDArray | None] = {"labels": None, "outputs": None}
        for name, dtypes, ndim in (("labels", ["|u1", "<i8", "<i4"], 1), ("outputs", ["<f4", "<f8"], 2)):
            if name in source.names:
                others[name] = array = source.any_array(name, dtypes, ndim, FILE_MAX)
                if len(array) != len(images):
                    raise InputError(f"{path}: {name} must be {len(images)}, one an image, not {len(array)}")
                if array.ndim != ndim:
                    raise InputError(f"{path}: {name} must have {ndim} dimensions, not {array.ndim}")
    return GivenImages(images, others["labels"], others["outputs"])


@dataclass(frozen=True)
class Comparisons:
    """What the comparison of a network with its source gave.

    Parameters
    ----------
    outputs : list of dict
        One a set of images and implementation of the source; see :func:`oxnor.models.exchange.folding.check.compare`.
        Empty for a network whose weights were binarized: its arithmetic is our assumption, so nothing is called equal.
    neurons : list of dict
        One a layer: ``always_0`` and ``always_1``, neurons that never change whatever the input; ``dead``, those that
        never change on the images of `neurons_on`, these included.
    neurons_on : dict
        ``on`` and ``images``.
    accuracy : float or None
        On the labels given.
    agreement : float or None
        Of a binarized network: share of the images given whose class is that of the outputs given.
    notes : list of str
    """

    outputs: list[dict[str, Any]]
    neurons: list[dict[str, int]]
    neurons_on: dict[str, Any]
    accuracy: float | None
    agreement: float | None
    notes: list[str]


def comparisons(
    built: Built,
    graph: Graph,
    check: str | Path | None,
    reference: Callable[[Built], Source | None] | None,
    by: str,
) -> Comparisons:
    """Compare a network with its source on random images, on digits if they fit, and on those given.

    Parameters
    ----------
    built : Built
    graph : Graph
    check : path, optional
        See :func:`read_images`.
    reference : callable, optional
        Returns another implementation of the source.
    by : str
        Its name.
    """
    network, source = built.network, own_source(built, graph)
    outputs: list[dict[str, Any]] = []
    notes = [_HALVES] if graph.has_halves else []

    def add(on: str, by: str, images: NDArray, source: Source) -> None:
        outputs.append({"on": on, "by": by} | compare(built, graph, images, source))

    own = "float32 of the operators assumed" if graph.assumed else "float32"
    reads = sum(layer.vectors // layer.planes * layer.weights.size for layer in network.layers)
    count = min(RANDOM_IMAGES, max(_IMAGES_MIN, _READS_MAX // reads))
    images, on = random_images(network.input_rule.features(network.n_in), count), "random images"
    add(on, own, images, source)
    other = reference(built) if reference else None
    if other is not None:
        few = _REFERENCE_IMAGES // 2 if count == RANDOM_IMAGES else 2
        part = np.concatenate([images[:few], images[-few:]])
        try:
            add(on, by, part, other)
        except CannotRun as e:
            notes.append(f"the {by} does not run this model ({e})")
    accuracy = agreement = None
    if check is not None:
        file, on = read_images(check), Path(check).name
        try:
            images = as_images(built, file.images)
            add(on, own, images, source)
            classes = golden.predict(network, images)
            if file.labels is not None:
                accuracy = _accuracy(network, classes, file.labels)
            if file.outputs is not None and graph.assumed == "binarized":
                agreement = float(np.mean(classes == file.outputs.argmax(axis=1)))
            elif file.outputs is not None:
                by_tool = file.outputs
                add(on, "outputs given", images, lambda _: by_tool)
        except InputError as e:
            raise InputError(f"{check}: {e}") from None
    elif network.input_rule.features(network.n_in) == 784 and built.coding not in BITS:
        images, on = load_mnist("test")[0][:RANDOM_IMAGES].reshape(-1, 784), "MNIST test images"
        add(on, own, images, source)
    if graph.assumed == "binarized":
        if any(c["differ"] for c in outputs):
            raise InputError("the integers must give what the signs of the weights give, and do not")
        outputs = []
    neurons = _neurons(network, images)
    for k, y in enumerate(neurons):
        if constant := y["always_0"] + y["always_1"]:
            notes.append(f"layer {k}: {constant:,} of {network.layers[k].n_out:,} neurons are constant for every input")
        if y["dead"] > constant:
            notes.append(f"layer {k}: {y['dead']:,} of {network.layers[k].n_out:,} neurons never change on {on}")
    return Comparisons(outputs, neurons, {"on": on, "images": len(images)}, accuracy, agreement, notes)


def _accuracy(network: Network, classes: NDArray, labels: NDArray) -> float:
    if labels.min() < 0 or labels.max() >= network.n_out:
        raise InputError(
            f"labels must be classes of the network, 0 to {network.n_out - 1}, not {labels.min()} to {labels.max()}"
        )
    return float(np.mean(classes == labels))


def _neurons(network: Network, images: NDArray) -> list[dict[str, int]]:
    """Return the numbers of constant and of dead neurons of each layer."""
    counts = []
    for layer, y in zip(network.layers, golden.layer_outputs(network, images), strict=True):
        if isinstance(layer, ScoreLayer):
            low = layer.scales == 0
            high = np.zeros_like(low)
        else:
            thresholds = layer.thresholds.reshape(layer.n_out, -1)
            low, high = (thresholds > layer.most).all(axis=1), (thresholds <= 0).all(axis=1)
            y = y.reshape(-1, layer.n_out)  # every pixel of a feature map
        dead = (y == y[0]).all(axis=0) | low | high
        counts.append({name: int(np.count_nonzero(v)) for name, v in
                       (("always_0", low), ("always_1", high), ("dead", dead))})  # fmt: skip
    return counts
