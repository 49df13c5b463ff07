"""A binarized network on its way through its RTL: every class and score against the golden model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.emit.verilog import Emitted, emit_engine
from oxnor.hw.host.beats import unpack_results
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule
from oxnor.hw.params.spiking import SpikingConfig
from oxnor.hw.placement.arrange import placed
from oxnor.hw.placement.drawn_devices import DeviceDraw, EngineDevices
from oxnor.hw.placement.memory_files import write_images
from oxnor.models import golden
from oxnor.models.base.bits import pack_bytes
from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.networks.binarized import Network

from .case import Request, Shard, Streamed
from .confidence import compare_margins, confidence
from .corrupt import corrupted
from .results import SimulationResult


@dataclass(frozen=True, eq=False)
class BinarizedCase:
    """A :class:`oxnor.sim.verify.case.Case` of a binarized network.

    Parameters
    ----------
    network : Network
        What the user asked for.
    bits : ndarray of bool, shape (n, n_in)
    request : Request
    config : EngineConfig
    faults : FaultMap
        Wrong synapses, in the RTL and in the golden model alike.
    devices : EngineDevices or None
        What the macros hold; None if all macros hold bits.
    faulty : Network
        What the golden model computes.
    in_rtl : Network
        What the macros hold.
    """

    network: Network
    bits: NDArray[np.bool_]
    request: Request
    config: EngineConfig
    faults: FaultMap
    devices: EngineDevices | None
    faulty: Network
    in_rtl: Network
    #: One in a thousand of the slowest speed seen: the limit in cycles comes first, unless the simulator hangs.
    seconds_per_cycle = 1 / 20

    @property
    def images(self) -> int:
        """How many images run."""
        return len(self.bits)

    @property
    def defines(self) -> Mapping[str, object]:
        """Verilog defines of the build."""
        return {} if self.request.run.adder_tree else {"OXNOR_BEHAVIOURAL": 1}

    @property
    def in_order(self) -> str:
        """Why one simulator must run all images one after the other; empty if images can be shared out."""
        if self.request.run.pauses:
            return "pauses are drawn for one stream of images"
        if self.request.errors.reads:
            return "which reads err depends on how many images were before"
        return "the noise of a read depends on the reads before it" if self.devices else ""

    def cycles(self, images: slice) -> int:
        """Return how many cycles some images take."""
        return schedule(self.config).cycles(images.stop - images.start)

    def emit(self, directory: Path) -> Emitted:
        """Write the Verilog of the engine."""
        return emit_engine(self.config, directory)

    def write_memory(self, directory: Path) -> None:
        """Write the memory files into a folder of a run."""
        devices = self.devices
        if devices and self.in_rtl is not self.faulty:
            devices = EngineDevices.draw(self.in_rtl, self.config, _draw_of(self.request))
        write_images(self.in_rtl, self.config, directory, devices.texts() if devices else None)

    def beats(self, images: slice) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return the beats of some images, uint8, a row a beat, and which of them end a frame."""
        words = pack_bytes(self.bits[images], self.config.stream_width).reshape(-1, self.config.stream_width // 8)
        return words, np.arange(1, len(words) + 1) % self.config.beats == 0

    def registers(self, sidecar: dict[str, Any]) -> tuple[list[tuple[int, int]], dict[str, int]]:
        """Return what to write before the first image, (address, value), and what to read after the last, by name."""
        offsets = {r["name"]: r["offset"] for r in sidecar["registers"]}
        reads, writes = self.request.errors.reads, []
        if reads:
            writes += [(offsets["ERROR_RATE"], reads.rate), (offsets["ERROR_SEED"], reads.seed)]
        if self.config.margin:
            writes.append((offsets["MIN_MARGIN"], self.min_margin))
        return writes, {"UNSURE": offsets["UNSURE"]} if self.config.margin else {}

    @property
    def min_margin(self) -> int:
        """Least margin of a sure result."""
        return self.request.run.min_margin or 0

    def _golden_scores(self) -> NDArray[np.int64]:
        if self.devices:
            return self.devices.scores(self.bits)
        reads, converters = self.request.errors.reads, self.config.converters
        return golden.scores(self.faulty, self.bits, read_errors=reads, converters=converters)

    def _cycles(self, shard: Shard) -> tuple[int, int, int]:
        """Return the images of a simulator, its cycles and those predicted for it; with pauses none are predicted."""
        taken = int(shard.times[-1])
        return len(shard.times), taken, taken if self.request.run.pauses else self.cycles(shard.images)

    def compare(self, streamed: Streamed, labels: NDArray | None) -> SimulationResult:
        """Return the result: what the RTL did beside what it should have done."""
        classes, scores, margins, unsure = unpack_results(streamed.words("m_axis"), streamed.built.sidecar["result"])
        golden_scores = self._golden_scores()
        golden_classes = golden.argmax(golden_scores)
        differs = classes != golden_classes
        if scores is not None:
            differs |= np.any(scores != golden_scores, axis=1)
        predicted, config = schedule(self.config), self.config
        counted = None
        if margins is not None and unsure is not None:
            differs |= compare_margins(margins, unsure, golden_scores, self.min_margin, config.margin_max)
            counted = sum(s.registers["UNSURE"] for s in streamed.shards)
        shards = tuple(self._cycles(s) for s in streamed.shards)
        whole = None if self.request.run.pauses else predicted.cycles(self.images)
        intervals = [int(np.max(np.diff(s.times))) for s in streamed.shards if len(s.times) > 1]
        errors, reads, device = self.request.errors, self.request.errors.reads, self.request.device
        return SimulationResult(
            network=self.network.name,
            ber=errors.ber,
            seed=errors.seed,
            trial=errors.trial,
            bit_errors=self.faults.count,
            read_ber=reads.ber if reads else 0.0,
            read_seed=reads.seed if reads else 0,
            device=device.model.name if device else None,
            device_cycles=device.cycles if device else 0,
            device_seconds=device.seconds if device else 0.0,
            corrupt_rtl=self.request.run.corrupt_rtl,
            mismatches=int(np.count_nonzero(differs)),
            accuracy=None if labels is None else float(np.mean(classes == labels)),
            golden_accuracy=None if labels is None else float(np.mean(golden_classes == labels)),
            **confidence(unsure, self.min_margin, classes, labels),
            unsure_counted=counted,
            cycles=shards[0][1] if whole is None else whole + sum(taken - wanted for _, taken, wanted in shards),
            predicted_cycles=whole,
            shards=shards,
            latency=int(streamed.shards[0].times[0]),
            predicted_latency=predicted.latency,
            initiation_interval=max(intervals, default=None),
            predicted_initiation_interval=predicted.initiation_interval,
            shape=self.network.shape,
            macro_kind=config.macro_kinds,
            macro=tuple((y.rows, y.pairs) for y in config.layers),
            folding=tuple((y.across, y.groups) for y in config.layers),
            dataflow=tuple(y.dataflow for y in config.layers),
            classes=classes,
            scores=scores,
            golden_classes=golden_classes,
            golden_scores=golden_scores,
            margins=margins,
            **streamed.figures(),
        )


def _check_macros(config: EngineConfig, request: Request) -> None:
    errors = request.errors
    for kind, macro in ((y.macro_kind, y.macro) for y in config.layers):
        if not macro.can_simulate:
            raise InputError(f"macros of kind {kind} are ports alone and cannot be simulated")
        if macro.has_devices and request.device is None:
            raise InputError(f"macros of kind {kind} need a device model: give `device`")
        if macro.has_devices and errors.reads:
            raise InputError(f"read errors must not be given with macros of kind {kind}: these have noise")
    if request.device is not None and errors.are_static:
        raise InputError("wrong weights must come from a device, or from ber or a fault map, not from both")


def _draw_of(request: Request) -> DeviceDraw:
    device, errors = request.device, request.errors
    assert device is not None
    return DeviceDraw(device.model, device.cycles, device.seconds, errors.seed, errors.trial)


def prepare(network: Network, images: NDArray, request: Request) -> BinarizedCase:
    """Return the case of `network` on `images`: its engine, its errors and what its macros hold.

    Raises
    ------
    InputError
        If the parts do not fit together.
    """
    errors, run = request.errors, request.run
    bits = golden.binarize(network, images)
    engine = request.engine
    if isinstance(engine, SpikingConfig):
        raise InputError(f"must be for a binarized network, as {network.name!r} is one", parameter="engine")
    config = engine if isinstance(engine, EngineConfig) else EngineConfig.for_network(network, engine)
    if errors.reads:
        config = replace(config, fault_injector=True)
    if run.min_margin is not None:
        config = config.with_margin()
    _check_macros(config, request)
    devices = EngineDevices.draw(network, config, _draw_of(request)) if request.device else None
    faults = devices.faults() if devices else errors.fault_map(network)
    # The errors of macros that hold devices are in their devices.
    faulty = placed(devices.stored() if devices else faults.apply(network), config)
    in_rtl = faulty
    if run.corrupt_rtl:
        seen: dict[str, Any] = {"with_scores": config.with_scores, "converters": config.converters}
        in_rtl = corrupted(faulty, bits, run.corrupt_rtl, seed=errors.seed, **seen)
    if not config.device_layers:
        devices = None
    return BinarizedCase(network, bits, request, config, faults, devices, faulty, in_rtl)
