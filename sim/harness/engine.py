"""The engine in its bench: emit, build, load a network, run, count the tests."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from oxnor.hw.emit.verilog import emit_engine
from oxnor.hw.host.beats import pack_beats
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.registers import INTERFACE_VERSION, MAGIC
from oxnor.hw.params.schedule import schedule
from oxnor.hw.placement.memory_files import write_images
from oxnor.models import golden
from oxnor.models.networks.binarized import Network
from oxnor.sim.runner import runner

#: Tests in ``tb_engine``.
TESTS = 14


def run_engine_bench(
    network: Network,
    config: EngineConfig,
    directory: Path,
    *,
    bench: str = "engine.tb_engine",
    simulator: str = "icarus",
    images: int = 12,
    seed: int = 1,
    adder_tree: bool = False,
    expected_tests: int = TESTS,
    test_filter: str | None = None,
    cycle_limit: int | None = None,
    root: Path | None = None,
) -> tuple[runner.Build, runner.Run]:
    """Run all tests of ``tb_engine``, or of another bench of the engine, on random images, in `directory`.

    Parameters
    ----------
    network : Network
        What the memory images hold.
    config : EngineConfig
        What the engine was made for.
    directory : Path
        Made if missing.
    bench : str
        Module in ``oxnor.sim.benches``.
    simulator, seed, expected_tests, test_filter, root
        As for :func:`oxnor.sim.runner.runner.build` and :func:`oxnor.sim.runner.runner.run`.
    cycle_limit : int, optional
        Of each test. Default: what the busiest of ``tb_engine`` needs, and some more.
    images : int
        How many, at least 3.
    adder_tree : bool
        Simulate the popcounts that synthesis gets.

    Raises
    ------
    oxnor.sim.runner.runner.SimulationError
        If a test fails or not all of them ran.
    """
    emitted = emit_engine(config, directory / "rtl")
    defines = {} if adder_tree else {"OXNOR_BEHAVIOURAL": 1}
    build = runner.build(emitted.sources, emitted.top, simulator=simulator, defines=defines, root=root)
    bits = np.random.default_rng(seed).random((images, network.n_in)) < 0.5
    write_images(network, config, directory)
    network.save(directory / "network.npz")
    np.save(directory / "inputs.npy", pack_beats(bits, config.stream_width))
    np.save(directory / "scores.npy", golden.scores(network, bits))
    identity = {
        "MAGIC": MAGIC,
        "VERSION": INTERFACE_VERSION,
        "STRUCTURE": int(config.digest[:8], 16),
        "NETWORK": int(network.digest[:8], 16),
        "N_IN": network.n_in,
        "N_OUT": network.n_out,
    }
    timing = schedule(config)
    job = emitted.sidecar | {
        "identity": identity,
        "config": asdict(config),
        # The busiest test sends each image twice through a consumer that pauses.
        "cycle_limit": cycle_limit or 5000 + 20 * (images + 40) * (timing.latency + timing.initiation_interval),
    }
    (directory / "job.json").write_text(json.dumps(job))
    run = runner.run(
        build,
        f"oxnor.sim.benches.{bench}",
        directory,
        expected_tests=expected_tests,
        test_filter=test_filter,
        seed=seed,
    )
    return build, run
