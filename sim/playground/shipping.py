"""Compiles what is shipped: ``python -m oxnor.sim.playground.shipping [NETWORK ...]``, for ``make playground``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from oxnor.models import zoo
from oxnor.models.base.files import write_text
from oxnor.models.datasets.options import DataOptions
from oxnor.sim.sweeps.quick import golden_curve
from oxnor.sim.verify.flows import flow_of
from oxnor.sim.verify.inputs import inputs_for

from .store import INDEX, SHIPPED, ship, shipped_index

#: Networks whose test images are in the package too.
NAMES = (
    "mnist-tfc", "mnist-mlp", "mnist-cnn-small", "mnist-spirit", "mnist-sfc", "fashion-cnn", "mnist-spirit-deep",
    "mnist-spirit-tanh", "mnist-cnn", "mnist-mlp-robust",
)  # fmt: skip
#: Bit error rates, draws and images of a shipped sweep.
RATES = tuple(np.geomspace(1e-4, 0.3, 13).tolist())
TRIALS, IMAGES = 8, 2000


def stored_sweep(network: Any) -> dict[str, Any]:
    """Return the accuracy of the golden model against the bit error rate, for a page."""
    inputs = inputs_for(network, DataOptions(IMAGES))
    curve = golden_curve(network, inputs, RATES, TRIALS, seed=0, progress=lambda what, done, total: None)
    points = curve.points
    return {
        "rates": [float(f"{p.rate:.4g}") for p in points], "mean": [round(p.mean, 5) for p in points],
        "low": [round(float(curve.accuracy[p.rate].min()), 5) for p in points],
        "high": [round(float(curve.accuracy[p.rate].max()), 5) for p in points],
        "clean": curve.clean, "trials": TRIALS, "images": IMAGES,
    }  # fmt: skip


def main(names: Sequence[str]) -> None:
    """Compile the modules of shipped networks, and sweep those that have no sweep yet."""
    folder = Path(str(files(__package__))) / SHIPPED
    folder.mkdir(exist_ok=True)
    current, done = {zoo.load(name).digest for name in NAMES}, set()
    for name in names or NAMES:
        network = zoo.load(name)
        index, config = shipped_index(), flow_of(network).config(network)
        if config.digest not in done:  # networks of the same structure share their engine
            index["modules"][config.digest] = ship(config, name, folder)
            done.add(config.digest)
        index["sweeps"] = {digest: sweep for digest, sweep in index["sweeps"].items() if digest in current}
        if network.digest not in index["sweeps"]:
            index["sweeps"][network.digest] = stored_sweep(network)
        write_text(folder / INDEX, json.dumps(index, sort_keys=True, indent=0, separators=(",", ":")) + "\n")
        file = index["modules"][config.digest]["file"]
        print(f"{name}: {file}, {(folder / file).stat().st_size:,} bytes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
