"""Speed of simulation in bulk: cocotb with its stream player beside a plain C++ loop around the same engine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.datasets.options import DataOptions
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.options import ErrorOptions
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.windowed import Windowed
from oxnor.sim.harness.loop import build_loop
from oxnor.sim.runner.workers import cores
from oxnor.sim.verify import shards
from oxnor.sim.verify.binarized import prepare
from oxnor.sim.verify.case import Request
from oxnor.sim.verify.engines import build_engine, emitted
from oxnor.sim.verify.inputs import inputs_for
from oxnor.sim.verify.options import RunOptions
from oxnor.sim.verify.results import SimulationResult
from oxnor.sim.verify.simulate import simulate

from .rows import Row, best

#: Clock cycles of a measurement: seconds, so that its start does not count.
CYCLES = 3_000_000
#: Runs of each of two things that are compared, one after the other in turns.
ROUNDS = 3
#: Images on which golden model and PyTorch are compared.
CONVOLVED = 2000


def repeated(network: Network, count: int) -> NDArray[Any]:
    """Return `count` images for a network: those of its own data set, over and over, or random ones."""
    try:
        images = inputs_for(network).images
    except InputError:
        images = inputs_for(network, DataOptions(random_inputs=True)).images
    return np.resize(images, (count, images.shape[1]))


def _images(network: Network, cycles: int) -> int:
    """Return how many images take about so many cycles, at least one for each core."""
    return max(cores(), cycles // schedule(EngineConfig.for_network(network)).initiation_interval)


def bench_bulk(network: Network, root: Path, cycles: int = CYCLES) -> list[Row]:
    """One simulator in cocotb against the plain loop, in turns on the same beats; every result and cycle is equal."""
    run = RunOptions(build_dir=root, jobs=1)
    request = Request(ErrorOptions(), None, None, run)
    images = _images(network, cycles)
    case = prepare(network, repeated(network, images), request)
    engine = build_engine(case, run, root)
    plain = emitted(case.config, root, top="testbench", emit=case.emit)
    loop = build_loop(plain.sources, plain.top, [f"-D{k}={v}" for k, v in case.defines.items()], root)
    sizes = {p["name"]: p["width"] // 8 for p in plain.sidecar["ports"]}
    bulk, bound, start = [], [], []
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        case.write_memory(directory)
        for _ in range(ROUNDS):
            shard = shards.stream(case, run, engine, directory, slice(0, images), None)
            looped = loop.run(directory, images, sizes["s_axis_tdata"], sizes["m_axis_tdata"])
            same = np.array_equal(shard.streams["m_axis"].words, looped.words)
            if not same or not np.array_equal(shard.times, looped.times):
                raise RuntimeError("the loop gives something else than the testbench")
            bulk.append(shard.stream_s)
            start.append(shard.start_s)
            bound.append(looped.seconds)
    rate, most = images / min(bulk), images / min(bound)
    last = int(shard.times[-1])
    return [
        Row(f"{network.name} in RTL, one simulator in cocotb, {images:,} images", rate, "images/s", most, rate / most,
            ">= 0.8x", rate / most >= 0.8,
            f"baseline: a plain C++ loop around the same engine, {last / min(bound):,.0f} cycles/s; all results equal"),
        Row("the same, start of the simulator", min(start), "s", None, None, "", None, "Python, cocotb, memory files"),
    ]  # fmt: skip


def bench_jobs(network: Network, root: Path, cycles: int = CYCLES) -> Row:
    """Images shared out among all cores against one simulator."""
    run = {jobs: RunOptions(build_dir=root, jobs=jobs) for jobs in (1, cores())}
    images = repeated(network, _images(network, 2 * cycles))
    fastest: dict[int, SimulationResult] = {}
    for _ in range(ROUNDS):
        for jobs, options in run.items():
            result = simulate(network, images, run=options)
            if not result.ok:
                raise RuntimeError(f"the RTL differs from the golden model: {result.difference}")
            if jobs not in fastest or result.sim_s < fastest[jobs].sim_s:
                fastest[jobs] = result
    alone, shared = fastest[1], fastest[cores()]
    ratio, enough = alone.sim_s / shared.sim_s, 0.85 * cores()
    # What is short is mostly the start, which does not get shorter.
    is_long = any(isinstance(y, Windowed) for y in network.layers)
    return Row(
        f"{network.name} in RTL, {len(images):,} images, {cores()} simulators", shared.sim_s, "s", alone.sim_s, ratio,
        f">= {enough:.3g}x" if is_long else "", ratio >= enough if is_long else None,
        f"baseline: one simulator; start {shared.start_s:.1f} and {alone.start_s:.1f} s,"
        f" images {shared.stream_s:.1f} and {alone.stream_s:.1f} s",
    )  # fmt: skip


def bench_convolution(network: Network, images: int = CONVOLVED) -> Row:
    """Golden model of a network with convolutions against PyTorch's float32 convolutions, all cores, whole networks."""
    import_torch("this baseline")
    from oxnor.models.trials.torch import TorchTrials

    chosen = repeated(network, images)
    bits = golden.binarize(network, chosen)
    torch = TorchTrials(network, chosen, np.zeros(images, np.int64), device="cpu")
    clean = FaultMap.draw(network, ber=0.0)
    if not np.array_equal(golden.scores(network, bits), torch.scores(clean)):
        raise RuntimeError("PyTorch computes something else")
    both: dict[str, Callable[[], object]] = {
        "golden": lambda: golden.scores(network, bits), "torch": lambda: torch.scores(clean),
    }  # fmt: skip
    seconds: dict[str, list[float]] = {k: [] for k in both}
    spent = dict.fromkeys(both, 0.0)
    for _ in range(ROUNDS):
        for which, function in both.items():
            start = time.process_time()
            seconds[which].append(best(function, 1))
            spent[which] += time.process_time() - start
    fast, slow = min(seconds["golden"]), min(seconds["torch"])
    return Row(
        f"golden model, {network.name}, {images:,} images", fast, "s", slow, slow / fast, ">= 4x", slow / fast >= 4,
        f"baseline: PyTorch, float32 convolutions; of CPU time {spent['torch'] / spent['golden']:.1f} times as much",
    )  # fmt: skip
