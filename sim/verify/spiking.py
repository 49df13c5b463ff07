"""A spiking network on its way through its RTL: output spikes, their ticks and decisions against the golden model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.emit.spiking import emit_spiking_engine, write_spiking_images
from oxnor.hw.emit.verilog import Emitted
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.hw.params.spiking_schedule import SpikingSchedule, spiking_schedule
from oxnor.models.base.bits import signed_integers, unpack_bytes
from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.golden.spiking import Readout, Spikes
from oxnor.models.networks.spiking import SpikingNetwork
from oxnor.sim.runner import runner

from .case import Request, Streamed
from .results import SpikingResult

#: An address that no network has: the word of an image without events.
NO_EVENT = 0xFFFF
#: Registers that count.
COUNTERS = ("FRAMES", "DROPPED", "RESULTS", "STALLS")


def unpack(raw: NDArray[np.uint8], spikes: NDArray[np.uint8], config: SpikingConfig) -> Readout:
    """Return the bytes of results and spike words (a row each) as a :class:`Readout`.

    The engine does not say to which image a spike belongs: event numbers, which start again with each image, do.
    """
    layers, size = len(config.layers), config.count_width // 8
    head = raw[:, :4].copy().view("<u2").astype(np.int64)
    numbers = raw[:, 4 : 8 + 4 * layers].copy().view("<i4")
    words = raw[:, 8 + 4 * layers :].reshape(len(raw), config.n_out, size)
    counts = signed_integers(words).astype(np.int32)
    ticks = spikes[:, :8].copy().view("<i4").reshape(len(spikes), 2)
    bits = unpack_bytes(spikes[:, 8:])
    fired, negative = bits[:, : config.n_out], bits[:, config.n_out : 2 * config.n_out]
    which, neuron = np.nonzero(fired)
    # The engine numbers the events of each image from 1.
    image = np.cumsum(np.diff(ticks[:, 1], prepend=0) <= 0) if len(ticks) else np.zeros(0, np.int64)
    fired_spikes = Spikes(
        image[which].astype(np.int32), ticks[which, 1], ticks[which, 0], neuron.astype(np.int32),
        negative[which, neuron],
    )  # fmt: skip
    reasons = (head[:, 1] & 3).astype(np.int8)
    if np.any((head[:, 1] >> 2) & 1 != (reasons == 0)):
        raise runner.SimulationError("the undecided flag of a result does not fit its reason")
    return Readout(head[:, 0], counts, numbers[:, 1:], reasons, numbers[:, 0], fired_spikes)


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


def cycle_limit(config: SpikingConfig, ticks_of: NDArray, used: NDArray, words: int) -> int:
    """Return a number of cycles that a working engine never takes for images of so many ticks and events each."""
    ticks = int(ticks_of.sum()) + len(ticks_of)
    events = int(used.sum())
    scan = (0 if config.external else config.words) + len(config.layers) + 1
    return 20_000 + 40 * words + 4 * (ticks * scan + 8 * events) + 400 * len(ticks_of) * (1 + config.words)


@dataclass(frozen=True, eq=False)
class SpikingCase:
    """A :class:`oxnor.sim.verify.case.Case` of a spiking network.

    Parameters
    ----------
    network : SpikingNetwork
        What the user asked for.
    inputs : ndarray of uint8, or sequence of Events
    request : Request
    config : SpikingConfig
    faults : FaultMap
        Wrong cells, in the RTL and in the golden model alike.
    faulty, in_rtl : SpikingNetwork
        What the golden model computes, and what the macros hold.
    expected : Readout
        What the golden model says.
    """

    network: SpikingNetwork
    inputs: Any
    request: Request
    config: SpikingConfig
    faults: FaultMap
    faulty: SpikingNetwork
    in_rtl: SpikingNetwork
    expected: Readout
    seconds_per_cycle = 1 / 20_000

    @property
    def images(self) -> int:
        """How many images run."""
        return len(self.inputs)

    @property
    def defines(self) -> Mapping[str, object]:
        """Verilog defines of the build: with its assertions."""
        return {"OXNOR_ASSERT": 1}

    @property
    def in_order(self) -> str:
        """Why one simulator must run all images one after the other; empty if images can be shared out."""
        return "pauses are drawn for one stream of images" if self.request.run.pauses else ""

    def cycles(self, images: slice) -> int:
        """Return a number of cycles that a working engine never takes for some images."""
        expected, words = self.expected, len(self.beats(images)[0])
        return cycle_limit(self.config, expected.ticks[images], expected.used[images], words)

    def emit(self, directory: Path) -> Emitted:
        """Write the Verilog of the engine."""
        return emit_spiking_engine(self.config, directory)

    def write_memory(self, directory: Path) -> None:
        """Write the memory files into a folder of a run."""
        write_spiking_images(self.in_rtl, self.config, directory)

    def beats(self, images: slice) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return the beats of some images, uint8, a row a beat, and which of them end a frame."""
        return _beats(self.network, self.config, self.inputs[images])

    def registers(self, sidecar: dict[str, Any]) -> tuple[list[tuple[int, int]], dict[str, int]]:
        """Return what to write before the first image, (address, value), and what to read after the last, by name."""
        return [], {r["name"]: r["offset"] for r in sidecar["registers"]}

    def compare(self, streamed: Streamed, labels: NDArray | None) -> SpikingResult:
        """Return the result: what the RTL did beside what it should have done."""
        expected, n = self.expected, self.images
        rtl = unpack(streamed.words("m_axis"), streamed.words("m_spike"), self.config)
        mismatches, spike_mismatches = compare(rtl, expected)
        schedule = None if self.request.run.pauses else spiking_schedule(self.config, self.faulty, self.inputs)
        since, late = self._times(streamed, schedule)
        cycles, synapses = int(since[-1]), rtl.synaptic_events(self.network)
        assert expected.spikes is not None
        errors = self.request.errors
        return SpikingResult(
            network=self.network.name,
            ber=errors.ber,
            seed=errors.seed,
            trial=errors.trial,
            cell_errors=self.faults.count,
            corrupt_rtl=self.request.run.corrupt_rtl,
            mismatches=mismatches,
            spikes=len(expected.spikes.event),
            spike_mismatches=spike_mismatches,
            accuracy=None if labels is None else float(np.mean(rtl.winners == labels)),
            golden_accuracy=None if labels is None else float(np.mean(expected.winners == labels)),
            input_spikes=float(rtl.used[:, 0].mean()),
            synaptic_events=float(synapses.mean()),
            undecided=float(rtl.undecided.mean()),
            latency_ticks=float(rtl.ticks.mean()),
            latency_cycles=float(schedule.latencies.mean()) if schedule else None,
            energy_j=float(synapses.mean()) * spiking_golden.ENERGY_J,
            cycles=cycles,
            predicted_cycles=int(schedule.results[-1]) if schedule else None,
            cycle_mismatches=int(np.count_nonzero(late)),
            cycles_per_image=round(cycles / n, 1),
            shape=self.network.shape,
            macro=tuple((y.rows, y.cols) for y in self.config.layers),
            readout=rtl,
            golden=expected,
            times=since,
            schedule=schedule,
            synapses=synapses,
            registers=_registers(streamed),
            **streamed.figures(),
        )

    def _times(
        self, streamed: Streamed, schedule: SpikingSchedule | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return when each result came, in one stream of all images, and by how much each misses its prediction.

        What a simulator of some of the images misses of its own prediction is added to that for all.
        """
        (one, *others) = streamed.shards
        if schedule is None:
            return one.times, np.zeros_like(one.times)
        if not others:
            return one.times, one.times - schedule.results
        own = [spiking_schedule(self.config, self.faulty, self.inputs[s.images]).results for s in streamed.shards]
        late = np.concatenate([s.times - predicted for s, predicted in zip(streamed.shards, own, strict=True)])
        return schedule.results + late, late


def _registers(streamed: Streamed) -> dict[str, int]:
    """Return the registers after the last image, with what all simulators have counted."""
    last = streamed.shards[-1].registers
    return {k: sum(s.registers[k] for s in streamed.shards) if k in COUNTERS else v for k, v in last.items()}


def prepare(network: SpikingNetwork, images: Any, request: Request) -> SpikingCase:
    """Return the case of `network` on `images`: its engine, its errors and what the golden model makes of them.

    Raises
    ------
    InputError
        If the parts do not fit together.
    """
    errors, run = request.errors, request.run
    refused = {
        "read_errors": errors.reads, "device": request.device, "adder_tree": run.adder_tree or None,
        "min_margin": run.min_margin,
    }  # fmt: skip
    for name, value in refused.items():
        if value is not None:
            raise InputError(f"must not be given for a spiking network: {network.name!r} is one", parameter=name)
    engine = request.engine
    if isinstance(engine, EngineConfig):
        raise InputError(f"must be for a spiking network, as {network.name!r} is one", parameter="engine")
    config = engine if isinstance(engine, SpikingConfig) else SpikingConfig.for_network(network, engine)
    if config.external:
        images = spiking_golden.inputs(network, images)
    faults = errors.fault_map(network)
    faulty = faults.apply(network)

    def golden(n: SpikingNetwork) -> Readout:
        return spiking_golden.respond(n, images, with_spikes=True)

    expected = golden(faulty)
    in_rtl = corrupted_cells(faulty, run.corrupt_rtl, errors.seed, golden) if run.corrupt_rtl else faulty
    return SpikingCase(network, images, request, config, faults, faulty, in_rtl, expected)


def corrupted_cells(network: SpikingNetwork, count: int, seed: int, golden: Callable[[SpikingNetwork], Readout]) -> Any:
    """Return `network` with `count` cells of its last layer inverted so that `golden` gives other results or spikes."""
    layer, before = network.layers[-1], golden(network)
    if not 1 <= count <= layer.cells.size:
        raise InputError(
            f"must be in [1, {layer.cells.size}] for network {network.name!r}, not {count}", parameter="corrupt_rtl"
        )
    for attempt in range(64):
        g = np.random.Generator(np.random.Philox(key=[seed, 0xC1], counter=[0, 0, 0, attempt]))
        cells = layer.cells.copy()
        cells.reshape(-1)[g.choice(layer.cells.size, count, replace=False)] ^= True
        wrong = network.with_weights({len(network.layers) - 1: cells})
        if any(compare(golden(wrong), before)):
            return wrong
    raise InputError(
        f"{count} changes no spike on these images: give more images or corrupt more cells", parameter="corrupt_rtl"
    )
