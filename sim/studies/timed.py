"""One simulation in a process of its own, for :mod:`oxnor.sim.studies.benchmark`: prints its result as JSON."""

from __future__ import annotations

import argparse
import json

from oxnor.hw.params.engine import EngineConfig
from oxnor.models import zoo
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.options import DeviceOptions
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.simulate import simulate

#: What macros made of devices get.
DEVICE = "weak-3.3e-2"


def main() -> None:
    """Simulate a shipped network on test images."""
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    parser.add_argument("images", type=int)
    parser.add_argument("--macro-kind", default="bits")
    parser.add_argument("--slow", action="store_true", help="leave every signal public, simulate the adder tree")
    options = parser.parse_args()
    network, (images, labels) = zoo.load_binarized(options.network), load_mnist()
    config = EngineConfig.for_network(network, macro_kind=options.macro_kind)
    result = simulate(
        network,
        images[: options.images],
        labels=labels[: options.images],
        device=DeviceOptions(DeviceModel.load(DEVICE)) if config.device_layers else None,
        engine=config,
        run=RunOptions(adder_tree=options.slow, public=options.slow, jobs=1),
    )
    print(json.dumps(result.to_json()))


if __name__ == "__main__":
    main()
