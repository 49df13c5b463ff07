"""What a simulation gave, by type of network."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.params.spiking_schedule import SpikingSchedule
from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.golden.spiking import REASONS, Readout


def _summary(result: SimulationResult | SpikingResult) -> str:
    """Return a result in one line."""
    accuracy = "" if result.accuracy is None else f", accuracy {100 * result.accuracy:.2f} %"
    verdict = "equal to the golden model and to the predicted cycles" if result.ok else result.difference
    return f"{type(result).__name__}({result.network!r}, {result.images:,} images{accuracy}: {verdict})"


@dataclass(frozen=True, eq=False, repr=False)
class SimulationResult:
    """What a simulation gave, beside what it should have given.

    Parameters
    ----------
    network : str
        Name.
    images : int
        Images that went through the engine.
    ber, seed, trial
        Key of the drawn bit errors; ber is 0 if there are none or they come from a given map.
    bit_errors : int
        Wrong synapses, in the RTL and in the golden model alike; of drawn devices, those that read wrong after
        programming, before any read noise.
    read_ber : float
        Probability that a single read is wrong, exactly as the hardware has it.
    read_seed : int
        Seed of those errors.
    device : str or None
        Name of the device model that the devices were drawn from.
    device_cycles, device_seconds
        SET/RESET cycles that they have done, and seconds between programming and reading.
    corrupt_rtl : int
        Wrong synapses in the RTL alone.
    mismatches : int
        Images whose class or any score differs from the golden model's.
    accuracy, golden_accuracy : float or None
        Part of the images whose class is their label, in [0, 1]; None without labels.
    min_margin : int or None
        Least margin of a sure result; None if the engine gives no margins, and so with the next three.
    unsure, unsure_counted : int or None
        Images whose result is unsure, and how many the engine's own counter says.
    sure_accuracy : float or None
        Part of the other images whose class is their label; None without labels, or if there are none.
    cycles, predicted_cycles : int
        Clock edges from the first input transfer to the last result's, of all images in one stream; none is predicted
        for a run with pauses. Where several simulators ran, `cycles` is the prediction and all by which their own
        cycles miss their own predictions.
    shards : tuple of (int, int, int)
        Of each simulator: its images, its cycles, and those predicted for it.
    latency, predicted_latency : int
        Clock edges from an image's first input transfer to its result's; measured on the first image.
    initiation_interval, predicted_initiation_interval : int or None
        Clock edges from result to result, the largest; None if measured on a single image.
    build_s : float
        Seconds that Verilator and the C++ compiler took, when it was.
    build_cached : bool
        Whether it was earlier.
    sim_s : float
        Seconds from starting the simulators to their end; of workers of a Dask cluster, with their builds.
    start_s, stream_s : float
        Of them, the longest times from the start of a simulator to its first image, and from there to its last result.
    images_per_s : float
        images / sim_s.
    jobs : int
        Simulators that ran.
    simulator : str
        Name and version.
    macro_kind : tuple of str
        Of each layer, a key of :data:`oxnor.hw.params.macro_kinds.MACRO_TYPES`.
    shape, macro, folding : tuple
        Sizes of the layers; (rows, cols) and (H, V) of each.
    dataflow : tuple of str
        Of each layer, one of :data:`oxnor.hw.params.options.DATAFLOWS`.
    waves : str or None
        Path of the waveform file.
    classes, golden_classes : ndarray of int64, shape (n,)
        Result of the RTL and of the golden model.
    scores, golden_scores : ndarray of int64, shape (n, n_out)
        Likewise; `scores` is None if the engine does not give them.
    margins : ndarray of int64, shape (n,), or None
        How far the score of the class leads the second best, as the RTL gave it.
    """

    network: str
    images: int
    ber: float
    seed: int
    trial: int
    bit_errors: int
    read_ber: float
    read_seed: int
    device: str | None
    device_cycles: int
    device_seconds: float
    corrupt_rtl: int
    mismatches: int
    accuracy: float | None
    golden_accuracy: float | None
    min_margin: int | None
    unsure: int | None
    unsure_counted: int | None
    sure_accuracy: float | None
    cycles: int
    predicted_cycles: int | None
    shards: tuple[tuple[int, int, int], ...]
    latency: int
    predicted_latency: int
    initiation_interval: int | None
    predicted_initiation_interval: int
    build_s: float
    build_cached: bool
    sim_s: float
    start_s: float
    stream_s: float
    images_per_s: float
    jobs: int
    simulator: str
    shape: tuple[int, ...]
    macro_kind: tuple[str, ...]
    macro: tuple[tuple[int, int], ...]
    folding: tuple[tuple[int, int], ...]
    dataflow: tuple[str, ...]
    waves: str | None
    classes: NDArray[np.int64]
    scores: NDArray[np.int64] | None
    golden_classes: NDArray[np.int64]
    golden_scores: NDArray[np.int64]
    margins: NDArray[np.int64] | None

    __repr__ = _summary

    @property
    def ok(self) -> bool:
        """Whether the RTL is right: no image and no counter differs, and the cycles are the predicted ones."""
        is_counted = self.unsure == self.unsure_counted
        return self.mismatches == 0 and is_counted and all(taken == predicted for _, taken, predicted in self.shards)

    @property
    def difference(self) -> str:
        """How far the RTL is from what it should give, in words."""
        predicted = "none" if self.predicted_cycles is None else f"{self.predicted_cycles:,}"
        text = f"{self.mismatches:,} mismatches, {self.cycles:,} cycles, predicted {predicted}"
        if self.unsure != self.unsure_counted:
            text += f", {self.unsure} unsure, of which the engine counts {self.unsure_counted}"
        late = sum(taken != predicted for _, taken, predicted in self.shards)
        return text + (f"; {late} of {self.jobs} simulators took other cycles than predicted" if self.jobs > 1 else "")

    def columns(self) -> dict[str, Any]:
        """Return what is known of each image, by column: see :func:`oxnor.sim.verify.per_image.write_csv`."""
        columns = {"class": self.classes, "golden_class": self.golden_classes}
        if self.scores is not None:
            columns |= {f"score_{k}": column for k, column in enumerate(self.scores.T)}
        if self.margins is not None:
            columns["margin"] = self.margins
        return columns

    def to_json(self) -> dict[str, Any]:
        """Return all but the arrays, and whether it is right."""
        left_out = ["classes", "scores", "golden_classes", "golden_scores", "margins"]
        if self.min_margin is None:
            left_out += ["min_margin", "unsure", "unsure_counted", "sure_accuracy"]
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in left_out} | {"ok": self.ok}


@dataclass(frozen=True, eq=False, repr=False)
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
    build_s, build_cached, sim_s, start_s, stream_s, images_per_s, jobs, simulator, shape, macro, waves
        As in :class:`SimulationResult`.
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
    start_s: float
    stream_s: float
    images_per_s: float
    jobs: int
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

    __repr__ = _summary

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
        """Return what is known of each image, by column: see :func:`oxnor.sim.verify.per_image.write_csv`."""
        columns: dict[str, Any] = {"class": self.readout.winners, "golden_class": self.golden.winners}
        columns |= {"reason": [REASONS[r] for r in self.readout.reasons], "latency_ticks": self.readout.ticks}
        columns |= {f"events_{k}": column for k, column in enumerate(self.readout.used.T)}
        columns |= {"synaptic_events": self.synapses, "energy_j": self.synapses * spiking_golden.ENERGY_J}
        columns |= {"result_cycle": self.times}
        if self.schedule:
            columns |= {"predicted_result_cycle": self.schedule.results, "latency_cycles": self.schedule.latencies}
        return columns | {f"count_{k}": column for k, column in enumerate(self.readout.counts.T)}

    def to_json(self) -> dict[str, Any]:
        """Return all but the arrays, and whether it is right."""
        left_out = ("readout", "golden", "times", "schedule", "synapses", "registers")
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in left_out}
        return values | {"energy": spiking_golden.energy_text(self.shape), "ok": self.ok}
