"""The demonstration: a trained network on real digits through RTL, clean and with bit errors, as a page."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.params.engine import EngineConfig
from oxnor.models import zoo
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import write_text
from oxnor.models.datasets.options import DataOptions
from oxnor.models.faults.options import ErrorOptions
from oxnor.models.golden.registry import type_of
from oxnor.models.networks.binarized import Network
from oxnor.sim.drawing.waveform import Waveform, one_read, read_vcd
from oxnor.sim.playground import playground
from oxnor.sim.playground.store import is_shipped
from oxnor.sim.sweeps.quick import Progress, golden_curve
from oxnor.sim.verify.inputs import DIGIT_SIZE, IMAGES_MAX, inputs_for
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.simulate import WAVE_IMAGES, simulate

from .page import build_page
from .result import Demo

#: Bit error rates that go through the RTL.
RATES = (0.0, 1e-3, 1e-2, 5e-2)
#: Rates and trials of the golden model's curve; the rates of the RTL are added.
SWEEP_RATES = tuple(np.geomspace(1e-4, 0.2, 9))
SWEEP_TRIALS = 5
#: The network whose reads are drawn: its layers are narrow enough to be read by eye.
WAVE_NETWORK = "mnist-tfc"



def capture_read(network: Network, images: NDArray, build_dir: Path | None = None) -> Waveform:
    """Simulate a few images with waves on and return some reads of a hidden layer; the narrowest one is shown."""
    config = EngineConfig.for_network(network)
    layer = min(range(max(1, len(config.layers) - 1)), key=lambda k: config.layers[k].n_in)
    result = simulate(network, images[:WAVE_IMAGES], engine=config, run=RunOptions(waves="vcd", build_dir=build_dir))
    assert result.waves is not None
    try:
        return one_read(read_vcd(result.waves, layer, config.layers[layer].count_latency))
    finally:
        # The reads are kept in the page; a run with waves leaves its folder behind, and each demo would add one.
        shutil.rmtree(Path(result.waves).parent, ignore_errors=True)


def run_demo(
    network: Network,
    *,
    count: int = IMAGES_MAX,
    rates: Sequence[float] = RATES,
    wave_network: Network | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Demo:
    """Run everything that the page shows.

    Parameters
    ----------
    network : Network
        Takes digits: 784 inputs.
    count : int
        Test images, in [1, 10000].
    rates : sequence of float
        Bit error rates for the RTL; the first must be 0.
    wave_network : Network, optional
        Whose reads are drawn. Default: the shipped ``mnist-tfc``.
    seed : int
        Key of the bit errors.
    progress : callable, optional
        Called as the work goes on.

    Raises
    ------
    InputError
        If the network does not take digits, or a tool is missing.
    """
    start = time.perf_counter()
    tell = progress or (lambda what, done, total: None)
    options = DataOptions(count, "mnist")
    pixels = type_of(network).pixels(network)
    if pixels != DIGIT_SIZE:
        raise InputError(f"the demo needs digits: network {network.name!r} must have 784 inputs, not {pixels}")
    if network.data_set not in ("", "mnist"):
        raise InputError(f"the demo needs digits: network {network.name!r} was made for {network.data_set}, not mnist")
    inputs = inputs_for(network, options)
    assert inputs.labels is not None
    config = EngineConfig.for_network(network)
    runs = []
    for rate in rates:
        what = f"RTL at bit error rate {rate:g}" if rate else "Verilator build, RTL without errors"
        tell(what, 0, 0)
        runs.append(
            simulate(
                network,
                inputs.images,
                labels=inputs.labels,
                errors=ErrorOptions(rate, seed),
                engine=config,
                progress=lambda done, total, what=what: tell(what, done, total),  # type: ignore[misc]
            )
        )
    sweep_rates = {*SWEEP_RATES, *(r for r in rates if r)}
    curve = golden_curve(network, inputs, sorted(sweep_rates), SWEEP_TRIALS, seed=seed, progress=tell)
    shown = wave_network or zoo.load(WAVE_NETWORK)
    tell("waveform of a read", 0, 0)
    waveform = capture_read(shown, inputs.images)
    tell("waveform of a read", 1, 1)
    seconds = time.perf_counter() - start
    return Demo(network, config, inputs, tuple(runs), curve, waveform, shown.name, seconds)


def write_page(demo: Demo, directory: str | Path) -> Path:
    """Write ``index.html`` into `directory` and return its path; beside it the page in which a shipped engine runs."""
    path, live = Path(directory) / "index.html", ""
    if is_shipped(demo.config):
        live = playground.write_page(demo.network, path.with_name("playground.html"), demo.config).name
    write_text(path, build_page(demo, live))
    return path
