"""Trains the perceptron of 8-bit weights for analog arrays: ``python -m oxnor.models.training.int8 FILE``."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.analog.int8 import Int8Layer, Int8Network
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.datasets.splits import split

SIZES = (784, 256, 128, 10)
EPOCHS, BATCH, RATE, DECAY, VALIDATION = 30, 128, 1e-3, 1e-4, 5000
_TOP = 255.0


def _quantised(weights: Sequence[Any], biases: Sequence[Any], peaks: Sequence[float]) -> tuple[Int8Layer, ...]:
    """Return layers of int8: a weight's step is the largest weight over 127, an activation's its peak over 255."""
    layers, step_in = [], 1 / _TOP
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        step = float(np.abs(w).max()) / 127
        last = k == len(weights) - 1
        step_out = 1.0 if last else peaks[k] / _TOP
        whole = np.rint(b / (step * step_in)).astype(np.int32)
        scale = 1.0 if last else step * step_in / step_out
        layers.append(Int8Layer(np.rint(w / step).astype(np.int8), whole, scale))
        step_in = step_out
    return tuple(layers)


def train(images: NDArray[np.uint8], labels: NDArray[np.uint8], seed: int = 0) -> Int8Network:
    """Return a perceptron trained in float and then rounded; of its epochs the one best on 5,000 of the images."""
    torch = import_torch()
    torch.manual_seed(seed)
    chosen, held = split(len(images), VALIDATION)
    x, y = (torch.tensor(v) for v in (images[chosen] / np.float32(_TOP), labels[chosen].astype(np.int64)))
    parts: list[Any] = []
    for n_in, n_out in pairwise(SIZES):
        parts += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU(), torch.nn.Dropout(0.2)]
    model = torch.nn.Sequential(*parts[:-2])
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    best: tuple[float, int, Int8Network] | None = None
    for epoch in range(EPOCHS):
        model.train()
        for batch in torch.randperm(len(x)).split(BATCH):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
        schedule.step()
        network = _rounded(torch, model.eval(), x[:10_000])
        score = float(np.mean(network.predict(images[held]) == labels[held]))
        if best is None or score > best[0]:
            best = score, epoch, network
    assert best is not None
    score, epoch, network = best
    info = {"validation_accuracy": score, "training": {"epochs": EPOCHS, "best_epoch": epoch + 1, "seed": seed,
            "torch": torch.__version__.split("+")[0], "machine": platform.machine()}}  # fmt: skip
    return Int8Network("mnist-int8", network.layers, info)


def _rounded(torch: Any, model: Any, sample: Any) -> Int8Network:
    linear = [m for m in model if isinstance(m, torch.nn.Linear)]
    peaks, x = [], sample
    with torch.no_grad():
        for layer in linear[:-1]:
            x = torch.relu(layer(x))
            peaks.append(float(np.percentile(x.numpy(), 99.9)))
        weights = [layer.weight.numpy().astype(np.float64) for layer in linear]
        biases = [layer.bias.numpy().astype(np.float64) for layer in linear]
    return Int8Network("mnist-int8", _quantised(weights, biases, peaks))


def main(path: str) -> None:
    """Train from MNIST's training images, look at the test images once, and write the network."""
    network = train(*load_mnist("train"))
    images, labels = load_mnist("test")
    card = {
        "origin": "trained by oxnor", "licence": "MIT", "data": "MNIST, 60,000 training images",
        "command": "python -m oxnor.models.training.int8 FILE",
        "accuracy": float(np.mean(network.predict(images) == labels)), "test_images": len(images),
    }  # fmt: skip
    Int8Network(network.name, network.layers, card | dict(network.info)).save(Path(path))


if __name__ == "__main__":
    main(sys.argv[1])
