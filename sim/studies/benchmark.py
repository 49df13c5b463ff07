"""Speed and size, each against a baseline in the same run: ``oxnor tools benchmark``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from oxnor.hw.emit.verilog import emit_engine
from oxnor.hw.params.engine import EngineConfig
from oxnor.models import golden, zoo
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root
from oxnor.models.base.torch_loading import import_torch
from oxnor.models.datasets import mnist as datasets
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.base import Layer
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.windowed import Windowed
from oxnor.models.trials.binarized import Trials
from oxnor.sim.runner import toolchain

from .bulk import CONVOLVED, CYCLES, bench_bulk, bench_convolution, bench_jobs
from .rows import Row, best, left_out

#: Seconds between two looks at a child's memory.
_POLL_S = 0.05
#: Images of the slow baseline: enough that starting it does not count.
_BASELINE_IMAGES = 300
#: Runs one simulation and prints its result.
_SIMULATE = (sys.executable, "-m", "oxnor.sim.studies.timed")
#: Scores of a network with errors, as float32 products give them.
Baseline = Callable[[FaultMap], NDArray[np.int64]]


def measured(command: Sequence[str], env: dict[str, str]) -> tuple[str, float, float]:
    """Run a command; return what it printed, its seconds, and the peak of its tree's memory in GiB.

    Raises
    ------
    InputError
        If it refuses, for want of a tool for example.
    RuntimeError
        If it fails.
    """
    start = time.perf_counter()
    process = psutil.Popen(command, env=os.environ | env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.is_running():
            total = 0
            try:
                for p in [process, *process.children(recursive=True)]:
                    total += p.memory_info().rss
            except psutil.Error:
                pass
            peak = max(peak, total)
            time.sleep(_POLL_S)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    out, err = process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode == 2:
        raise InputError(err.rstrip().rsplit("oxnor: ", 1)[-1])
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)[:80]} failed: {err[-1000:]}")
    return out, seconds, peak / 2**30


def _float_network(network: Network) -> list[tuple[NDArray[np.float32], Layer]]:
    return [(np.where(y.weights, np.float32(1), np.float32(-1)).T.copy(), y) for y in network.layers]


def _blas_scores(layers: list[tuple[NDArray[np.float32], Any]], x: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the scores of a network by float32 matrix products of +-1, which are exact."""
    for weights, layer in layers:
        z = x @ weights
        if layer.gives_scores:
            return layer.scales * ((z.astype(np.int64) + layer.n_in) // 2) + layer.offsets
        x = np.where(z >= (2 * layer.thresholds - layer.n_in).astype(np.float32), np.float32(1), np.float32(-1))
    raise AssertionError("a network ends with scores")


def bench_golden(network: Network, images: NDArray) -> Row:
    """Golden model against float32 BLAS."""
    bits = golden.binarize(network, images)
    layers = _float_network(network)
    signed = np.where(bits, np.float32(1), np.float32(-1))
    if not np.array_equal(golden.scores(network, bits), _blas_scores(layers, signed)):
        raise RuntimeError("the float32 baseline computes something else")
    fast = best(lambda: golden.scores(network, bits), 5)
    blas = best(lambda: _blas_scores(layers, signed), 3)
    rate = len(images) * network.n_synapses / fast / 1e9
    return Row(
        f"golden model, {network.name}, {len(images):,} images",
        fast, "s", blas, blas / fast, ">= 3x", blas / fast >= 3,
        f"baseline: float32 BLAS; {rate:.0f} G XNOR/s",
    )  # fmt: skip


def bench_weights(shape: Sequence[int], images: NDArray) -> list[Row]:
    """Golden model of weights and activations of more values against binary ones of the same shape."""
    g = np.random.default_rng(0)

    def network(weight_bits: int, levels: int, weight_max: int = 0) -> Network:
        layers: list[Any] = []
        for k, (n_in, n_out) in enumerate(pairwise(shape)):
            weights = g.random((n_out, n_in * weight_bits)) < 0.5
            planes = levels.bit_length() if k else 1
            more: dict[str, Any] = {"planes": planes, "weight_bits": weight_bits, "weight_max": weight_max}
            most = n_in * (weight_max or weight_bits) * (2**planes - 1)
            cuts = np.sort(g.integers(most // 2 - 20, most // 2 + 20, (n_out, levels)), axis=1)
            is_last = k == len(shape) - 2
            layers.append(ScoreLayer(weights, **more) if is_last else DenseLayer(weights, cuts, **more))
        return Network("drawn", tuple(layers))

    kinds: dict[str, tuple[int, ...]] = {
        "binary": (1, 1), "ternary weights": (2, 1), "ternary weights, 2-bit activations": (2, 3),
        "weights of 4 bits": (4, 1, 14),
    }  # fmt: skip
    bits = images.reshape(len(images), -1) > 127
    made = {name: network(*kind) for name, kind in kinds.items()}
    times = {name: best(lambda n=n: golden.scores(n, bits), 5) for name, n in made.items()}  # type: ignore[misc]
    rows = []
    for name, most in (("ternary weights", 2.2), ("ternary weights, 2-bit activations", 4.5)):
        ratio = times[name] / times["binary"]
        rows.append(
            Row(f"golden model, {'-'.join(map(str, shape))}, {name}", times[name], "s", times["binary"], 1 / ratio,
                f"<= {most:g} times the time", ratio <= most, f"baseline: binary; {ratio:.2f} times its time")
        )  # fmt: skip
    seconds, what = times["weights of 4 bits"], f"golden model, {'-'.join(map(str, shape))}, weights of 4 bits"
    note = f"baseline: binary; {seconds / times['binary']:.2f} times its time"
    return [*rows, Row(what, seconds, "s", times["binary"], times["binary"] / seconds, "", None, note)]


def _torch_scores(network: Network) -> Baseline:
    """Return PyTorch's CPU for one trial; raises InputError without PyTorch."""
    import_torch("this baseline")
    from oxnor.models.trials.torch import TorchTrials

    images, labels = datasets.load_mnist()
    return TorchTrials(network, images, labels, device="cpu").scores


def bench_sweep(name: str, folder: Path) -> list[Row]:
    """A whole sweep as a command; its trials against the faster of numpy's and PyTorch's float32 products."""
    rates, draws = 13, 20
    command = [sys.executable, "-m", "oxnor.cli", "sweep", name, "-o", str(folder / "sweep.sqlite"), "--json"]
    out, seconds, memory = measured([*command, "--ber", f"1e-5:1e-1:{rates}", "--trials", str(draws)], {})
    done = json.loads(out)
    assert done["computed"] == rates * draws + 1
    network, (images, labels) = zoo.load(name), datasets.load_mnist()
    per_trial = seconds / done["computed"]
    faults = FaultMap.draw(network, ber=1e-3)
    trials = Trials(network, images, labels)
    scores = trials.scores(faults)
    signed = np.where(golden.binarize(network, images), np.float32(1), np.float32(-1))
    floats: dict[str, Callable[[], object]] = {
        "numpy": lambda: _blas_scores(_float_network(faults.apply(network)), signed)
    }
    missing = []
    try:
        torch = _torch_scores(network)
    except InputError as e:
        missing = [left_out("the sweep's baseline in PyTorch", e)]
    else:
        if not np.array_equal(torch(faults), scores):
            raise RuntimeError("PyTorch computes something else")
        floats["PyTorch"] = lambda: torch(faults)
    times = {which: best(function, 3) for which, function in floats.items()}
    fastest = min(times, key=lambda which: times[which])
    drawing = best(lambda: FaultMap.draw(network, ber=1e-3, trial=1), 20)
    alone = best(lambda: trials.scores(faults), 5)
    toggling = best(lambda: trials.weights(faults), 20)
    share = (drawing + toggling) / alone
    rate = done["computed"] * len(images) * network.n_synapses / seconds / 1e9
    return [
        Row(f"oxnor sweep {name}, {rates} rates x {draws} trials x {len(images):,} images", seconds, "s",
            times[fastest] * done["computed"], times[fastest] / per_trial, "<= 30 s", seconds <= 30,
            f"baseline: as many trials in float32 by {fastest}; {rate:.0f} G XNOR/s"),
        Row("the same, trials", 1 / per_trial, "trials/s", 1 / times[fastest], times[fastest] / per_trial, ">= 4x",
            times[fastest] / per_trial >= 4, f"baseline: the faster of {' and '.join(times)}, all cores"),
        Row("the same, memory", memory, "GiB", None, None, "<= 1 GiB", memory <= 1, "peak of all processes"),
        Row("drawing and applying a fault map at 1e-3", drawing + toggling, "s", alone, alone / (drawing + toggling),
            "<= 5 % of a trial", share <= 0.05, f"{100 * share:.1f} % of a trial in one thread, the baseline"),
        *missing,
    ]  # fmt: skip


def bench_generate(name: str, folder: Path) -> list[Row]:
    """``oxnor generate``, and what writing the Verilog takes of it."""
    command = [sys.executable, "-m", "oxnor.cli", "generate", name, "-o", str(folder / "generated"), "--json"]
    _, seconds, memory = measured(command, {})
    config = EngineConfig.for_network(zoo.load(name))
    emission = best(lambda: emit_engine(config, folder / "emitted"), 2)
    return [
        Row(f"oxnor generate {name}", seconds, "s", None, None, "<= 20 s", seconds <= 20, "the whole command"),
        Row(f"oxnor generate {name}, memory", memory, "GiB", None, None, "<= 1 GiB", memory <= 1,
            "peak of all processes"),
        Row("emission of its Verilog", emission, "s", None, None, "", None, "without its memory files"),
    ]  # fmt: skip


def simulated(folder: Path, network: str, images: int, *options: str) -> tuple[dict[str, Any], float]:
    """Return the result of one simulation in a process of its own, and its memory in GiB."""
    toolchain.require_compiler()
    toolchain.find_verilator()
    out, _, memory = measured([*_SIMULATE, network, str(images), *options], {"OXNOR_BUILD": str(folder)})
    result = json.loads(out)
    if not result["ok"]:
        raise RuntimeError(f"the RTL differs from the golden model: {result}")
    return result, memory


def bench_simulation(name: str, images: int, folder: Path) -> list[Row]:
    """Build and simulation against the same testbench with every signal public and the adder tree."""
    first, memory = simulated(folder, name, 1)
    fast, _ = simulated(folder, name, images)
    slow_first, slow_memory = simulated(folder, name, 1, "--slow")
    slow, _ = simulated(folder, name, _BASELINE_IMAGES, "--slow")
    rate, slow_rate = fast["images_per_s"], slow["images_per_s"]
    weights = zoo.load(name).n_synapses
    public = "baseline: every signal public, adder tree"
    allowed = 20 * images / 10_000
    return [
        Row(f"oxnor simulate {name}, {images:,} images, simulation", fast["sim_s"], "s", None, None,
            f"<= {allowed:g} s", fast["sim_s"] <= allowed,
            f"bit-exact; {rate * weights / 1e9:.1f} G XNOR/s in one thread"),
        Row("the same", rate, "images/s", slow_rate, rate / slow_rate, ">= 10x", rate / slow_rate >= 10, public),
        Row(f"Verilator build of {name}, nothing cached", first["build_s"], "s", slow_first["build_s"],
            slow_first["build_s"] / first["build_s"], "<= 90 s", first["build_s"] <= 90, public),
        Row("the same, memory", memory, "GiB", slow_memory, slow_memory / memory, "<= 3 GiB", memory <= 3,
            "peak of all processes"),
    ]  # fmt: skip


def bench_devices(images: int, folder: Path) -> Row:
    """Simulation with the devices of every synapse against simulation with bits, on the small network."""
    rates = {}
    for kind in ("bits", "devices"):
        for count in (1, images):  # the first builds
            result, _ = simulated(folder, "mnist-tfc", count, "--macro-kind", kind)
            rates[kind] = result["images_per_s"]
    return Row(
        f"mnist-tfc with macros made of devices, {images:,} images", rates["devices"], "images/s", rates["bits"],
        rates["devices"] / rates["bits"], "", None, "baseline: macros of bits; both bit-exact",
    )  # fmt: skip


def bench_demo(folder: Path) -> list[Row]:
    """``oxnor demo`` for the second time, against the first time with nothing built."""
    command = [sys.executable, "-m", "oxnor.cli", "demo", "--json"]
    first = measured(command, {"OXNOR_BUILD": str(folder)})[1]
    second = measured(command, {"OXNOR_BUILD": str(folder)})[1]
    return [
        Row("oxnor demo, second time", second, "s", first, first / second, "<= 60 s", second <= 60,
            "baseline: the first time, with the build of the engine"),
    ]  # fmt: skip


def bench_spiking(images: NDArray, folder: Path) -> list[Row]:
    """The spiking golden model against its reference, and the RTL against the golden model on every output spike."""
    from oxnor.models.golden import spiking as spiking_golden
    from oxnor.models.golden.spiking_reference import ReferenceRun
    from oxnor.models.networks.encoders import encode
    from oxnor.sim.verify.options import RunOptions
    from oxnor.sim.verify.simulate import simulate

    network = zoo.load("mnist-spirit")
    values, few = network.inputs(images), 20
    spiking_golden.run(network, values[:1])  # compiled
    fast = best(lambda: spiking_golden.run(network, values), 3)
    window = network.decision.window
    events = [encode(network.encoder, v, window) for v in values[:few]]
    plain = best(lambda: [ReferenceRun(network, e) for e in events], 2)
    simulate(network, images[:1], run=RunOptions(build_dir=folder))
    result = simulate(network, images, run=RunOptions(build_dir=folder))
    if not result.ok:
        raise RuntimeError(f"the RTL differs from the golden model: {result.difference}")
    ratio = plain / few * len(images) / fast
    return [
        Row(f"spiking golden model, {network.name}, {len(images):,} images",
            fast, "s", plain / few * len(images), ratio, "<= 30 s", fast <= 30,
            f"baseline: plain Python, {few} images"),
        Row(f"oxnor simulate {network.name}, {len(images):,} images, simulation",
            result.sim_s, "s", None, None, "<= 120 s", result.sim_s <= 120,
            f"{result.spikes:,} output spikes equal, {result.cycles:,} cycles"),
    ]  # fmt: skip


def bulk_parts(network: Network, root: Path, quick: bool) -> dict[str, Callable[[], list[Row]]]:
    """Return what is measured of the simulation of a network in bulk, by what to say meanwhile."""
    cycles = CYCLES // 10 if quick else CYCLES
    parts: dict[str, Callable[[], list[Row]]] = {
        f"{network.name} in cocotb and in a plain loop": lambda: bench_bulk(network, root, cycles)
    }
    if not quick:
        parts[f"{network.name} in several simulators"] = lambda: [bench_jobs(network, root)]
    if any(isinstance(y, Windowed) for y in network.layers):
        images = CONVOLVED // 10 if quick else CONVOLVED
        parts[f"{network.name} in PyTorch"] = lambda: [bench_convolution(network, images)]
    return parts


def run(
    quick: bool = False,
    progress: Callable[[str], object] | None = None,
    networks: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Measure everything that can be, and return the rows as dicts; see :class:`Row`. A missing tool leaves parts out.

    Parameters
    ----------
    quick : bool
        The small network, fewer images, no demo.
    progress : callable, optional
        Called with what is measured next.
    networks : sequence of str, optional
        Names or files of binarized networks: nothing but their simulation in bulk is measured. Default: also all else.
    """
    tell = progress or (lambda _: None)
    name = "mnist-tfc" if quick else "mnist-mlp"
    images, _ = datasets.load_mnist()
    count = 2_000 if quick else len(images)
    rows: list[Row] = []
    bulk = [zoo.load_binarized(n) for n in networks or dict.fromkeys(("mnist-tfc", name))]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        parts: dict[str, Callable[[], list[Row]]] = {}
        if not networks:
            parts |= {
                "golden model": lambda: [bench_golden(zoo.load(name), images)],
                "ternary weights": lambda: bench_weights((784, 1024, 1024, 10), images),
                "sweep": lambda: bench_sweep(name, folder),
                "generate": lambda: bench_generate(name, folder),
                "simulation: two builds, two runs each": lambda: bench_simulation(name, count, folder / "simulation"),
                "macros made of devices: two builds": lambda: [bench_devices(2_000, folder / "devices")],
                "spiking": lambda: bench_spiking(images[: 500 if quick else len(images)], folder / "spiking"),
            }
            if not quick:
                parts["demo: two runs"] = lambda: bench_demo(folder / "demo")
        for network in bulk:
            parts |= bulk_parts(network, build_root(), quick)
        for what, part in parts.items():
            tell(what)
            try:
                rows += part()
            except InputError as e:
                rows.append(left_out(what, e))
    if quick:  # what is asked is asked of the large network
        rows = [replace(r, reach="", reached=None) for r in rows]
    return [asdict(r) for r in rows]
