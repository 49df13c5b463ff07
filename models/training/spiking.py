"""Training of spiking networks: a rate network with weights of a few levels, whose sums the neurons count.

A spiking neuron without refractory period counts sum(w * rate) / theta, so a network is trained as one of linear
outputs and ReLU hidden layers, without biases. Weights are kept as floats in [-1, 1]; their rounded multiples of
1 / weight_max compute, and the gradient goes straight through the rounding. With a refractory period the output
saturates: the loss is then the squared error of a tanh.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.datasets.splits import split
from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.networks.encoders import Encoder
from oxnor.models.networks.spiking import VIEWS, Decision, Neuron, SpikingLayer, SpikingNetwork, through_view

from .binarized import Progress
from .deform import Deformation, deform, generator

LOSSES = ("cross-entropy", "tanh-mse")
N_CLASSES = 10
_INIT_KEY, _ORDER_KEY, _DEFORM_KEY = 21, 22, 23


@dataclass(frozen=True)
class SpikingTrainParams:
    """Everything besides the images that determines a spiking network.

    Parameters
    ----------
    hidden : tuple of int
        Neurons of each hidden layer; none for a single layer.
    view : str
        A key of :data:`oxnor.models.networks.spiking.VIEWS`.
    neurons : tuple of Neuron
        One a layer.
    decision : Decision
    encoder : Encoder
    loss : str
        ``cross-entropy``, or ``tanh-mse`` for outputs that saturate (a refractory period).
    seed : int
        Keys the first weights, the order and the deformations of the images. Range [0, 2**31).
    epochs, batch : int
        Passes over the training images, images in a step.
    lr : float
        First rate of Adam; it falls to a thousandth along a cosine.
    deformation : Deformation
        Of every image, drawn anew in each epoch; ``Deformation() * 0`` for none.
    logit_scale : float
        Of the outputs in the loss: a small one asks for large weights, which decide with fewer spikes; 0: learned.
    validation : int
        Training images kept out of training, for choosing the epoch.
    threads : int
        Of torch. The order of float sums, and so the weights, depend on it.
    """

    hidden: tuple[int, ...] = ()
    view: str = "crop24-mean2"
    neurons: tuple[Neuron, ...] = (Neuron(),)
    decision: Decision = field(default_factory=Decision)
    encoder: Encoder = field(default_factory=Encoder)
    loss: str = "cross-entropy"
    seed: int = 1
    epochs: int = 30
    batch: int = 256
    lr: float = 1e-2
    deformation: Deformation = field(default_factory=lambda: Deformation() * 0)
    logit_scale: float = 0.0
    validation: int = 5000
    threads: int = 1

    def __post_init__(self) -> None:
        if not all(1 <= n <= 1 << 16 for n in self.hidden):
            sizes = ", ".join(map(str, self.hidden))
            raise InputError(f"must be sizes in [1, 65536], not {sizes}", parameter="hidden")
        if len(self.neurons) != len(self.hidden) + 1:
            n = len(self.hidden) + 1
            raise InputError(f"must be {n}, one a layer, not {len(self.neurons)}", parameter="neurons")
        for name, known in {"view": tuple(VIEWS), "loss": LOSSES}.items():
            if getattr(self, name) not in known:
                raise InputError(f"must be one of {', '.join(known)}, not {getattr(self, name)!r}", parameter=name)
        ranges = {"seed": (0, 2**31 - 1), "epochs": (1, 100_000), "batch": (2, 60_000), "lr": (1e-7, 1.0),
                  "validation": (1, 30_000), "logit_scale": (0, 100), "threads": (1, 1024)}  # fmt: skip
        for key, (low, high) in ranges.items():
            if not low <= getattr(self, key) <= high:
                raise InputError(f"must be in [{low}, {high}], not {getattr(self, key)}", parameter=key)


def _forward(x: Any, weights: list[Any], levels: list[int]) -> Any:
    torch = import_torch()
    for k, (w, top) in enumerate(zip(weights, levels, strict=True)):
        rounded = w + ((w * top).round() / top - w).detach()
        x = x @ rounded.T
        if k + 1 < len(weights):
            x = torch.relu(x)
    return x


def _inputs(params: SpikingTrainParams, grey: Any) -> Any:
    """Return images (n, 784) as a float tensor of rates, through the view."""
    torch = import_torch()
    return torch.from_numpy(through_view(grey.numpy(), params.view)).float() / 255


def _loss(params: SpikingTrainParams, out: Any, scale: Any, labels: Any) -> Any:
    functional = import_torch().nn.functional
    if params.loss == "cross-entropy":
        return functional.cross_entropy(out * scale, labels)
    target = 2.0 * functional.one_hot(labels, N_CLASSES) - 1
    return ((out * scale).tanh() - target).square().mean()


def train(
    params: SpikingTrainParams,
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    *,
    name: str = "network",
    progress: Callable[[Progress], None] | None = None,
) -> SpikingNetwork:
    """Train a spiking network; deterministic for the parameters, images, processor, torch's version and its threads.

    Parameters
    ----------
    params : SpikingTrainParams
    images, labels : ndarray of uint8, shapes (n, 784) and (n,)
        Training images; `params.validation` of them are kept out to choose the best epoch: by the rate network, or by
        the spiking one if its outputs saturate.
    name : str
        Of the network.
    progress : callable, optional
        Called after each epoch.

    Returns
    -------
    SpikingNetwork
        info has ``training`` with ``epoch`` and ``validation_accuracy``, that of the spiking network.
    """
    torch = import_torch()
    torch.set_num_threads(params.threads)
    tell = progress or (lambda _: None)
    kept, held = split(len(images), params.validation)
    images = np.array(images)
    grey, answer = torch.from_numpy(images[kept]), torch.from_numpy(labels[kept].astype(np.int64))
    plain, held_in = _inputs(params, grey), _inputs(params, torch.from_numpy(images[held]))
    shape = (plain.shape[1], *params.hidden, N_CLASSES)
    levels = [p.weight_max for p in params.neurons]
    weights = []
    for k in range(len(shape) - 1):
        g = generator(params.seed, _INIT_KEY, k)
        w = (torch.rand(shape[k + 1], shape[k], generator=g) * 2 - 1) * min(1.0, 4 / math.sqrt(shape[k]))
        weights.append(w.requires_grad_())
    scale = torch.tensor(params.logit_scale or 1 / math.sqrt(shape[-2])).requires_grad_(not params.logit_scale)
    optimizer = torch.optim.Adam([*weights] if params.logit_scale else [*weights, scale], lr=params.lr)
    best, best_epoch, best_weights = -1.0, 0, [w.detach().clone() for w in weights]
    for epoch in range(params.epochs):
        x = plain
        if params.deformation != Deformation() * 0:
            g = generator(params.seed, _DEFORM_KEY, epoch)
            x = _inputs(params, torch.cat([deform(part, params.deformation, g) for part in grey.split(5000)]))
        total = 0.0
        parts = torch.randperm(len(x), generator=generator(params.seed, _ORDER_KEY, epoch)).split(params.batch)
        for step, part in enumerate(parts):
            done = (epoch + step / len(parts)) / params.epochs
            for group in optimizer.param_groups:
                group["lr"] = params.lr * (1e-3 + (1 - 1e-3) * 0.5 * (1 + math.cos(math.pi * done)))
            loss = _loss(params, _forward(x[part], weights, levels), scale, answer[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for w in weights:
                    w.clamp_(-1, 1)
            total += loss.item() * len(part)
        if params.loss == "tanh-mse":
            predicted = spiking_golden.run(_network(params, name, weights), images[held]).winners
        else:
            with torch.no_grad():
                predicted = _forward(held_in, weights, levels).argmax(1).numpy()
        accuracy = float(np.mean(predicted == labels[held]))
        if accuracy > best:
            best, best_epoch, best_weights = accuracy, epoch + 1, [w.detach().clone() for w in weights]
        tell(Progress("network", epoch + 1, params.epochs, total / len(x), accuracy, best))
    made = _network(params, name, best_weights)
    spiking = float(np.mean(spiking_golden.run(made, images[held]).winners == labels[held]))
    record: dict[str, Any] = {"epoch": best_epoch, "epochs": params.epochs}
    if params.loss == "cross-entropy":
        record["rate_network_validation_accuracy"] = best
    return replace(made, info={"training": record | {"validation_accuracy": spiking}})


def _network(params: SpikingTrainParams, name: str, weights: list[Any]) -> SpikingNetwork:
    """Return the spiking network of weights in training."""
    layers = tuple(
        SpikingLayer.from_weights((w.detach() * p.weight_max).round().to(import_torch().int64).numpy(), p)
        for w, p in zip(weights, params.neurons, strict=True)
    )
    return SpikingNetwork(name, layers, params.decision, params.encoder, params.view)


def describe(params: SpikingTrainParams) -> dict[str, Any]:
    """Return the parameters as a JSON-able dict."""
    return {"hidden": list(params.hidden)} | {k: v for k, v in asdict(params).items() if k != "hidden"}
