"""What a simulation gave."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
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
    cycles, predicted_cycles : int
        Clock edges from the first input transfer to the last result's.
    latency, predicted_latency : int
        Clock edges from an image's first input transfer to its result's; measured on the first image.
    initiation_interval, predicted_initiation_interval : int or None
        Clock edges from result to result, the largest; None if measured on a single image.
    build_s : float
        Seconds that Verilator and the C++ compiler took, when it was.
    build_cached : bool
        Whether it was earlier.
    sim_s : float
        Seconds from starting the simulator to its end.
    images_per_s : float
        images / sim_s.
    simulator : str
        Name and version.
    macro_kind : str
        A key of :data:`oxnor.hw.params.macro_kinds.MACRO_KINDS`.
    shape, macro, folding : tuple
        Sizes of the layers; (rows, cols) and (H, V) of each.
    dataflow : tuple of str
        Of each layer, a key of :data:`oxnor.hw.params.engine.DATAFLOWS`.
    waves : str or None
        Path of the waveform file.
    classes, golden_classes : ndarray of int64, shape (n,)
        Result of the RTL and of the golden model.
    scores, golden_scores : ndarray of int64, shape (n, n_out)
        Likewise; `scores` is None if the engine does not give them.
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
    cycles: int
    predicted_cycles: int
    latency: int
    predicted_latency: int
    initiation_interval: int | None
    predicted_initiation_interval: int
    build_s: float
    build_cached: bool
    sim_s: float
    images_per_s: float
    simulator: str
    shape: tuple[int, ...]
    macro_kind: str
    macro: tuple[tuple[int, int], ...]
    folding: tuple[tuple[int, int], ...]
    dataflow: tuple[str, ...]
    waves: str | None
    classes: NDArray[np.int64]
    scores: NDArray[np.int64] | None
    golden_classes: NDArray[np.int64]
    golden_scores: NDArray[np.int64]

    @property
    def ok(self) -> bool:
        """Whether the RTL is right: no image differs, and the cycles are the predicted ones."""
        return self.mismatches == 0 and self.cycles == self.predicted_cycles

    @property
    def difference(self) -> str:
        """How far the RTL is from what it should give, in words."""
        return (
            f"{self.mismatches:,} mismatches, {self.cycles:,} cycles, predicted {self.predicted_cycles:,}"
        )

    def columns(self) -> dict[str, Any]:
        """Return what is told of each image, by column: see :func:`oxnor.sim.verify.per_image.write_csv`."""
        found = {"class": self.classes, "golden_class": self.golden_classes}
        if self.scores is not None:
            found |= {f"score_{k}": column for k, column in enumerate(self.scores.T)}
        return found

    def to_json(self) -> dict[str, Any]:
        """Return all but the arrays, and whether it is right."""
        arrays = ("classes", "scores", "golden_classes", "golden_scores")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in arrays} | {"ok": self.ok}
