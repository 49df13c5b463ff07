"""A spiking network through its own RTL: every output spike, its tick and every decision against the golden model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.emit.spiking import emit_spiking_engine, write_spiking_images
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.hw.params.spiking_schedule import SpikingSchedule, spiking_schedule
from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.golden.spiking import REASONS, Readout, Spikes
from oxnor.models.networks.spiking import SpikingNetwork
from oxnor.sim.runner import runner

from .simulate import WAVE_IMAGES, EngineBuild, emitted, run_directory

#: An address that no network has: the word of an image without events.
NO_EVENT = 0xFFFF


def build_engine(
    config: SpikingConfig, *, waves: str | None = None, simulator: str = "verilator", root: Path
) -> EngineBuild:
    """Emit and build an engine, with its assertions; arguments as for :func:`simulate_spiking`."""
    sources, top, sidecar = emitted(config, root, bare=bool(waves), emit=emit_spiking_engine)
    made = runner.build(sources, top, simulator=simulator, defines={"OXNOR_ASSERT": 1}, waves=waves, root=root)
    return EngineBuild(made, sidecar)


def unpack(raw: NDArray[np.uint8], spikes: NDArray[np.uint8], config: SpikingConfig) -> Readout:
    """Return the bytes of results and spike words (a row each) as a :class:`Readout`.

    A spike's image is not told by the engine: it is counted by the event numbers, which start again with each image.
    """
    layers, size = len(config.layers), config.count_width // 8
    head = raw[:, :4].copy().view("<u2").astype(np.int64)
    numbers = raw[:, 4 : 8 + 4 * layers].copy().view("<i4")
    words = raw[:, 8 + 4 * layers :].reshape(len(raw), config.n_out, size)
    wide = np.where(words[:, :, -1:] & 0x80, np.uint8(0xFF), np.uint8(0)).repeat(4, axis=2)
    wide[:, :, :size] = words
    counts = np.ascontiguousarray(wide).view("<i4")[:, :, 0]
    ticks = spikes[:, :8].copy().view("<i4").reshape(len(spikes), 2)
    bits = np.unpackbits(spikes[:, 8:], axis=1, bitorder="little").astype(bool)
    fired, negative = bits[:, : config.n_out], bits[:, config.n_out : 2 * config.n_out]
    which, neuron = np.nonzero(fired)
    # The engine numbers the events of each image from 1.
    image = np.cumsum(np.diff(ticks[:, 1], prepend=0) <= 0) if len(ticks) else np.zeros(0, np.int64)
    found = Spikes(
        image[which].astype(np.int32), ticks[which, 1], ticks[which, 0], neuron.astype(np.int32),
        negative[which, neuron],
    )  # fmt: skip
    reasons = (head[:, 1] & 3).astype(np.int8)
    if np.any((head[:, 1] >> 2) & 1 != (reasons == 0)):
        raise runner.SimulationError("the undecided flag of a result does not fit its reason")
    return Readout(head[:, 0], counts, numbers[:, 1:], reasons, numbers[:, 0], found)


def compare(rtl: Readout, wanted: Readout) -> tuple[int, int]:
    """Return (images whose result differs, output spikes that differ in event, tick, neuron or sign)."""
    differs = rtl.winners != wanted.winners
    differs |= (rtl.reasons != wanted.reasons) | (rtl.ticks != wanted.ticks)
    differs |= np.any(rtl.counts != wanted.counts, axis=1) | np.any(rtl.used != wanted.used, axis=1)
    a, b = rtl.spikes, wanted.spikes
    assert a is not None
    assert b is not None
    n = min(len(a.event), len(b.event))
    wrong = np.zeros(n, bool)
    for name in ("event", "tick", "neuron", "negative"):
        wrong |= getattr(a, name)[:n] != getattr(b, name)[:n]
    return int(np.count_nonzero(differs)), int(np.count_nonzero(wrong)) + abs(len(a.event) - len(b.event))


def _beats(network: SpikingNetwork, config: SpikingConfig, images: Any) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the beats of images or event streams (uint8, a row a beat), and which end a frame."""
    if config.external:
        frames = [s.words() if len(s.ticks) else np.array([NO_EVENT], np.uint32) for s in images]
        words = np.concatenate(frames).astype("<u4").view(np.uint8).reshape(-1, 4)
        ends = np.cumsum([len(f) for f in frames]) - 1
    else:
        values = network.inputs(images)
        size = config.stream_width // 8
        padded = np.zeros((len(values), config.beats * size), np.uint8)
        padded[:, : values.shape[1]] = values
        words, ends = padded.reshape(-1, size), np.arange(1, len(values) + 1) * config.beats - 1
    lasts = np.zeros(len(words), bool)
    lasts[ends] = True
    return words, lasts


def cycle_limit(config: SpikingConfig, wanted: Readout, words: int) -> int:
    """Return a number of cycles that a working engine never takes."""
    ticks = int(wanted.ticks.sum()) + len(wanted.ticks)
    events = int(wanted.used.sum())
    scan = (0 if config.external else config.words) + len(config.layers) + 1
    return 20_000 + 40 * words + 4 * (ticks * scan + 8 * events) + 400 * len(wanted.ticks) * (1 + config.words)


@dataclass(frozen=True, eq=False)
class SpikingResult:
    """What a simulation gave, beside what it should have given.

    Parameters
    ----------
    network : str
        Name.
    images : int
        Images that went through the engine.
    ber, seed, trial
        Key of the drawn cell errors.
    cell_errors : int
        Wrong cells, in the RTL and in the golden model alike.
    corrupt_rtl : int
        Wrong cells in the RTL alone.
    mismatches : int
        Images whose winner, counts, events, reason or tick differ.
    spikes, spike_mismatches : int
        Output spikes compared, and those that differ in event, tick, neuron or sign.
    accuracy, golden_accuracy : float or None
        Part of the images whose winner is their label.
    input_spikes, synaptic_events : float
        Mean to an image.
    undecided : float
        Part of the images that ran to the end of their window.
    latency_ticks, latency_cycles : float
        Mean time of an image: until its decision in ticks of its spikes, and in clock edges from its first transfer to
        its result's if it finds the engine free.
    energy_j : float
        Mean of an image: its synaptic events at the published :data:`oxnor.models.golden.spiking.ENERGY_J` each, in
        joules. Computed, not measured.
    cycles, predicted_cycles : int
        Clock edges from the first input transfer to the last result's; none is predicted for a run with pauses.
    cycle_mismatches : int
        Images whose result came in another cycle than the predicted one.
    cycles_per_image : float
        cycles / images.
    build_s, build_cached, sim_s, images_per_s, simulator, shape, macro, waves
        As in :class:`oxnor.sim.verify.results.SimulationResult`.
    readout, golden : Readout
        What the RTL and the golden model said.
    synapses : ndarray of int64, shape (n,)
        Synaptic events of each image.
    times : ndarray of int64, shape (n,)
        Clock edges from the first input transfer to each result's.
    schedule : SpikingSchedule or None
        The same as predicted.
    registers : dict
        Registers of the engine after the run.
    """

    network: str
    images: int
    ber: float
    seed: int
    trial: int
    cell_errors: int
    corrupt_rtl: int
    mismatches: int
    spikes: int
    spike_mismatches: int
    accuracy: float | None
    golden_accuracy: float | None
    input_spikes: float
    synaptic_events: float
    undecided: float
    latency_ticks: float
    latency_cycles: float | None
    energy_j: float
    cycles: int
    predicted_cycles: int | None
    cycle_mismatches: int
    cycles_per_image: float
    build_s: float
    build_cached: bool
    sim_s: float
    images_per_s: float
    simulator: str
    shape: tuple[int, ...]
    macro: tuple[tuple[int, int], ...]
    waves: str | None
    readout: Readout
    golden: Readout
    times: NDArray[np.int64]
    schedule: SpikingSchedule | None
    synapses: NDArray[np.int64]
    registers: dict[str, int]

    @property
    def ok(self) -> bool:
        """Whether the RTL is right: no image and no output spike differs, and every cycle is the predicted one."""
        return self.mismatches == 0 and self.spike_mismatches == 0 and self.cycle_mismatches == 0

    @property
    def classes(self) -> NDArray[np.int64]:
        """Winners of the RTL, shape (n,)."""
        return self.readout.winners

    @property
    def difference(self) -> str:
        """How far the RTL is from what it should give, in words."""
        return (
            f"{self.mismatches:,} mismatches, {self.spike_mismatches:,} of {self.spikes:,} output spikes,"
            f" {self.cycle_mismatches:,} images in another cycle than predicted"
        )

    def columns(self) -> dict[str, Any]:
        """Return what is told of each image, by column: see :func:`oxnor.sim.verify.per_image.write_csv`."""
        found: dict[str, Any] = {"class": self.readout.winners, "golden_class": self.golden.winners}
        found |= {"reason": [REASONS[r] for r in self.readout.reasons], "latency_ticks": self.readout.ticks}
        found |= {f"events_{k}": column for k, column in enumerate(self.readout.used.T)}
        found |= {"synaptic_events": self.synapses, "energy_j": self.synapses * spiking_golden.ENERGY_J}
        found |= {"result_cycle": self.times}
        if self.schedule:
            found |= {"predicted_result_cycle": self.schedule.results, "latency_cycles": self.schedule.latencies}
        return found | {f"count_{k}": column for k, column in enumerate(self.readout.counts.T)}

    def to_json(self) -> dict[str, Any]:
        """Return all but the arrays, and whether it is right."""
        left_out = ("readout", "golden", "times", "schedule", "synapses", "registers")
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in left_out}
        return found | {"energy": spiking_golden.ENERGY_TEXT, "ok": self.ok}


def simulate_spiking(
    network: SpikingNetwork,
    images: Any,
    *,
    labels: NDArray | None = None,
    ber: float = 0.0,
    seed: int = 0,
    trial: int = 0,
    faults: FaultMap | None = None,
    config: SpikingConfig | None = None,
    waves: str | None = None,
    corrupt_rtl: int = 0,
    pauses: bool = False,
    simulator: str = "verilator",
    build_dir: str | Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> SpikingResult:
    """Run images through the emitted engine in Verilator; compare every output spike and every cycle with the model.

    Parameters
    ----------
    network : SpikingNetwork
    images : ndarray of uint8, or sequence of Events
        Images as for :meth:`SpikingNetwork.inputs`; event streams if the network's encoder is ``external``.
    labels : ndarray of int, shape (n,), optional
        Right classes.
    ber : float
        Share of the cells that hold the wrong bit, in [0, 1]; the golden model gets the same errors.
    seed, trial : int
        Key of the draw.
    faults : FaultMap, optional
        The errors themselves, instead of `ber`.
    config : SpikingConfig, optional
        Structure of the engine. Default: the ``sim`` target's.
    waves : str, optional
        "vcd" or "fst": record waves of the first images.
    corrupt_rtl : int
        Cells to invert in the RTL alone, which must end in mismatches.
    pauses : bool
        Draw pauses on all three streams; slower.
    simulator : str
        "verilator" or "icarus".
    build_dir, progress
        As for :func:`oxnor.sim.verify.simulate.simulate`.

    Raises
    ------
    InputError
        If an argument is wrong or a tool is missing.
    oxnor.sim.runner.runner.SimulationError
        If the build fails, an assertion in the RTL fails, or the engine hangs.
    """
    if labels is not None and len(labels) != len(images):
        raise InputError(f"labels must be as many as the images, {len(images)}, not {len(labels)}")
    if not len(images):
        raise InputError("images must be at least one, not none")
    if waves:
        images, labels = images[:WAVE_IMAGES], None if labels is None else labels[:WAVE_IMAGES]
    if faults is not None and ber:
        raise InputError("bit errors must come from ber or from a fault map, not from both")
    config = config or SpikingConfig.for_network(network)
    fault_map = faults or FaultMap.draw(network, ber=ber, seed=seed, trial=trial)
    faulty = fault_map.apply(network)

    external = config.external

    def golden(n: SpikingNetwork) -> Readout:
        return spiking_golden.run_events(n, images) if external else spiking_golden.run(n, images, with_spikes=True)

    wanted = golden(faulty)
    in_rtl = corrupted_cells(faulty, corrupt_rtl, seed, golden) if corrupt_rtl else faulty
    root = Path(build_dir).resolve() if build_dir else runner.build_root()
    engine = build_engine(config, waves=waves, simulator=simulator, root=root)
    with run_directory(root, network.name, keep=waves is not None) as directory:
        words, lasts = _beats(network, config, images)
        write_spiking_images(in_rtl, config, directory)
        np.save(directory / "beats.npy", words)
        np.save(directory / "lasts.npy", lasts)
        limit = cycle_limit(config, wanted, len(words)) * (8 if pauses else 1)
        job = {
            "beat_bytes": config.stream_width // 8,
            "result_bytes": config.result_width // 8,
            "spike_bytes": config.spike_width // 8,
            "cycle_limit": limit,
            "pauses": pauses,
            "registers": {r["name"]: r["offset"] for r in engine.sidecar["registers"]},
        }
        (directory / "job.json").write_text(json.dumps(job))

        run = runner.run(
            engine.build, "oxnor.sim.benches.spiking.tb_spiking", directory, expected_tests=1,
            timeout_s=600 + limit / 20_000, poll=runner.progress_file(directory, len(images), progress),
        )  # fmt: skip
        if progress:
            progress(len(images), len(images))
        rtl = unpack(np.load(directory / "results.npy"), np.load(directory / "spikes.npy"), config)
        times = np.load(directory / "times.npy")
        registers = json.loads((directory / "registers.json").read_text())
    mismatches, spike_mismatches = compare(rtl, wanted)
    n, since = len(images), times[1:] - times[0]
    cycles, synapses = int(since[-1]), rtl.synaptic_events(network)
    schedule = None if pauses else spiking_schedule(config, faulty, images)
    assert wanted.spikes is not None
    return SpikingResult(
        network=network.name,
        images=n,
        ber=ber,
        seed=seed,
        trial=trial,
        cell_errors=fault_map.count,
        corrupt_rtl=corrupt_rtl,
        mismatches=mismatches,
        spikes=len(wanted.spikes.event),
        spike_mismatches=spike_mismatches,
        accuracy=None if labels is None else float(np.mean(rtl.winners == labels)),
        golden_accuracy=None if labels is None else float(np.mean(wanted.winners == labels)),
        input_spikes=float(rtl.used[:, 0].mean()),
        synaptic_events=float(synapses.mean()),
        undecided=float(rtl.undecided.mean()),
        latency_ticks=float(rtl.ticks.mean()),
        latency_cycles=float(schedule.latencies.mean()) if schedule else None,
        energy_j=float(synapses.mean()) * spiking_golden.ENERGY_J,
        cycles=cycles,
        predicted_cycles=int(schedule.results[-1]) if schedule else None,
        cycle_mismatches=int(np.count_nonzero(since != schedule.results)) if schedule else 0,
        cycles_per_image=round(cycles / n, 1),
        build_s=round(engine.build.seconds, 3),
        build_cached=engine.build.cached,
        sim_s=round(run.seconds, 3),
        images_per_s=round(n / run.seconds, 1),
        simulator=engine.build.tool,
        shape=network.shape,
        macro=tuple((y.rows, y.cols) for y in config.layers),
        waves=str(directory / f"dump.{waves}") if waves else None,
        readout=rtl,
        golden=wanted,
        times=since,
        schedule=schedule,
        synapses=synapses,
        registers=registers,
    )


def corrupted_cells(network: SpikingNetwork, count: int, seed: int, golden: Callable[[SpikingNetwork], Readout]) -> Any:
    """Return `network` with `count` cells of its last layer inverted so that `golden` gives other results or spikes."""
    layer, before = network.layers[-1], golden(network)
    if not 1 <= count <= layer.cells.size:
        raise InputError(f"corrupt_rtl must be in [1, {layer.cells.size}] for network {network.name!r}, not {count}")
    for attempt in range(64):
        g = np.random.Generator(np.random.Philox(key=[seed, 0xC1], counter=[0, 0, 0, attempt]))
        cells = layer.cells.copy()
        cells.reshape(-1)[g.choice(layer.cells.size, count, replace=False)] ^= True
        wrong = network.with_weights({len(network.layers) - 1: cells})
        if any(compare(golden(wrong), before)):
            return wrong
    raise InputError(f"corrupt_rtl={count} changes no spike on these images: give more images or corrupt more cells")
