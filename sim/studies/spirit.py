"""The SPIRIT chip's task: its published figures beside those of a network of oxnor, with curves and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.golden.spiking import ENERGY_J, energy_text
from oxnor.models.golden.spiking_reference import ReferenceRun
from oxnor.models.networks.encoders import encode
from oxnor.models.networks.spiking import SpikingNetwork
from oxnor.sim.drawing.plots import Plot
from oxnor.sim.drawing.raster import Raster

#: What the chip's authors published: ours are measured on the same 10,000 test images.
PUBLISHED: Mapping[str, Any] = {
    "inputs": 144,
    "outputs": 10,
    "weights": [-4, 4],
    "accuracy_simulated": 0.88,
    "accuracy_measured": 0.84,
    "delta_s": 10,
    "input_spikes": 136,
    "energy_per_synaptic_event_j": ENERGY_J,
    "energy_with_logic_and_spi_j": 180e-12,
}
SOURCES = (
    "A. Valentian et al., IEDM 2019, 14.3; hal-03356354: accuracy of the chip, energy of a spike",
    "C. Reita, article on SPIRIT: topology, cells, neuron, Delta S, input spikes, simulated accuracy",
)
DELTAS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)
CELL_RATES = (1e-3, 3e-3, 1e-2, 2e-2, 5e-2, 1e-1)
REFRACTORIES = (0, 4, 8, 12, 16, 24, 32)
#: Bits of V in periods in which it does not fire: wide enough for any.
_V_BITS = 16


@dataclass(frozen=True, eq=False, repr=False)
class Spirit:
    """What :func:`spirit` found.

    Parameters
    ----------
    network : str
        Name.
    images : int
        Test images.
    summary : dict
        Accuracy, input spikes, synaptic events and energy to an image, undecided part, at the network's Delta S.
    deltas : list of dict
        The same at each of :data:`DELTAS`.
    cells : list of dict
        ``rate`` of wrong cells, ``accuracy`` (mean), ``low`` and ``high`` (of the trials), ``trials``.
    refractory : dict
        By network: accuracy with each of :data:`REFRACTORIES` in ticks, V having as many bits as it needs.
    run : ReferenceRun
        One image, event by event.
    label : int
        Its class.
    """

    network: str
    images: int
    summary: dict[str, Any]
    deltas: list[dict[str, Any]]
    cells: list[dict[str, Any]]
    refractory: dict[str, list[float]]
    run: ReferenceRun
    label: int

    def __repr__(self) -> str:
        return f"Spirit({self.network!r}, {self.images:,} images, accuracy {100 * self.summary['accuracy']:.2f} %)"

    def to_json(self) -> dict[str, Any]:
        """Return everything but the one image."""
        return {
            "network": self.network,
            "images": self.images,
            "published": dict(PUBLISHED),
            "ours": self.summary,
            "energy": energy_text(self.run.network.shape),
            "accuracy_against_delta_s": self.deltas,
            "accuracy_against_wrong_cells": self.cells,
            "accuracy_against_refractory": {"ticks": list(REFRACTORIES)} | self.refractory,
            "sources": list(SOURCES),
        }


def check(images: int, trials: int, image: int) -> None:
    """Raise InputError if :func:`spirit` would refuse these."""
    if not 1 <= trials <= 1000:
        raise InputError(f"must be in [1, 1000], not {trials}", parameter="trials")
    if not 0 <= image < images:
        raise InputError(f"must be in [0, {images - 1}], not {image}", parameter="image")


def _figures(network: SpikingNetwork, values: NDArray, labels: NDArray) -> dict[str, Any]:
    readout = spiking_golden.run(network, values)
    events = float(readout.synaptic_events(network).mean())
    return {
        "delta_s": network.decision.delta_s,
        "accuracy": float(np.mean(readout.winners == labels)),
        "input_spikes": float(readout.used[:, 0].mean()),
        "synaptic_events": events,
        "energy_j": events * ENERGY_J,
        "undecided": float(readout.undecided.mean()),
        "ticks": float(readout.ticks.mean()),
    }


def spirit(
    network: SpikingNetwork,
    images: NDArray[np.uint8],
    labels: NDArray,
    *,
    trials: int = 5,
    seed: int = 0,
    image: int = 0,
    beside: SpikingNetwork | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Spirit:
    """Measure a spiking network on the chip's task.

    Parameters
    ----------
    network : SpikingNetwork
        With an encoder.
    images, labels : ndarray
        Test images and their classes.
    trials : int
        Draws of wrong cells at each rate, in [1, 1000].
    seed : int
        Keys the draws.
    image : int
        Which image to keep event by event.
    beside : SpikingNetwork, optional
        Another network, to compare in refractory periods.
    progress : callable, optional
        Called with (steps done, steps).
    """
    check(len(images), trials, image)
    values, labels = network.inputs(images), np.asarray(labels)
    compared = [n for n in (network, beside) if n]
    steps, done = 1 + len(DELTAS) + len(CELL_RATES) * trials + len(REFRACTORIES) * len(compared), 0

    def tell() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, steps)

    summary = _figures(network, values, labels)
    tell()
    deltas = []
    for delta in DELTAS:
        deltas.append(_figures(replace(network, decision=replace(network.decision, delta_s=delta)), values, labels))
        tell()
    cells = []
    for rate in CELL_RATES:
        accuracies = []
        for trial in range(trials):
            faulty = FaultMap.draw(network, ber=rate, seed=seed, trial=trial).apply(network)
            accuracies.append(float(np.mean(spiking_golden.run(faulty, values).winners == labels)))
            tell()
        row = {"rate": rate, "accuracy": float(np.mean(accuracies)), "low": min(accuracies), "high": max(accuracies)}
        cells.append(row | {"trials": trials})
    refractory: dict[str, list[float]] = {}
    for other in compared:
        refractory[other.name] = []
        for ticks in REFRACTORIES:
            held = spiking_golden.run(_held(other, ticks), other.inputs(images))
            refractory[other.name].append(float(np.mean(held.winners == labels)))
            tell()
    run = ReferenceRun(network, encode(network.encoder, values[image], network.decision.window))
    return Spirit(network.name, len(values), summary, deltas, cells, refractory, run, int(labels[image]))


def _held(network: SpikingNetwork, ticks: int) -> SpikingNetwork:
    """Return a network with another refractory period in its last layer."""
    last = network.layers[-1]
    neuron = replace(last.neuron, refractory=ticks, v_bits=max(_V_BITS, last.neuron.v_bits))
    return replace(network, layers=(*network.layers[:-1], replace(last, neuron=neuron)))


def delta_plot(result: Spirit) -> Plot:
    """Return accuracy and input spikes against Delta S."""

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        axes = figure.add_subplot()
        spikes = [d["input_spikes"] for d in result.deltas]
        axes.plot(spikes, [100 * d["accuracy"] for d in result.deltas], color=colours["blue"], lw=2, marker="o", ms=5,
                  label=f"{result.network}, golden model")  # fmt: skip
        for d in result.deltas:
            at = (d["input_spikes"], 100 * d["accuracy"])
            axes.annotate(f"{d['delta_s']}", at, xytext=(0, 8), textcoords="offset points", ha="center")
        axes.plot([PUBLISHED["input_spikes"]], [100 * PUBLISHED["accuracy_simulated"]], ls="", marker="s", ms=8,
                  color=colours["orange"], label="published: simulated, ΔS = 10")  # fmt: skip
        axes.plot([PUBLISHED["input_spikes"]], [100 * PUBLISHED["accuracy_measured"]], ls="", marker="D", ms=8,
                  color=colours["purple"], label="published: chip")  # fmt: skip
        axes.set(xlabel="input spikes an image (numbers: ΔS)", ylabel="accuracy (%)")
        axes.set_xlim(left=0)
        axes.grid(True, lw=0.5, alpha=0.4)
        axes.legend(loc="lower right")

    return Plot(f"Accuracy of {result.network} against the spikes that a decision takes", (10.5, 4.6), draw)


def cells_plot(result: Spirit) -> Plot:
    """Return accuracy against the share of wrong cells."""
    from oxnor.sim.drawing.plots import log_ticks

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        axes = figure.add_subplot()
        rates = [c["rate"] for c in result.cells]
        low, high = ([100 * c[k] for c in result.cells] for k in ("low", "high"))
        trials = result.cells[0]["trials"]
        axes.fill_between(rates, low, high, color=colours["blue"], alpha=0.2, lw=0, label=f"range of {trials} trials")
        axes.plot(rates, [100 * c["accuracy"] for c in result.cells], color=colours["blue"], lw=2, marker="o", ms=5,
                  label="mean")  # fmt: skip
        axes.axhline(100 * result.summary["accuracy"], color=colours["line"], ls="--", lw=1, label="without errors")
        axes.axhline(100 * PUBLISHED["accuracy_measured"], color=colours["purple"], ls=":", lw=1.5,
                     label="published: chip")  # fmt: skip
        axes.set_xscale("log")
        log_ticks(axes.xaxis)
        axes.set(xlabel="share of RRAM cells that hold the wrong bit", ylabel="accuracy (%)")
        axes.grid(True, lw=0.5, alpha=0.4)
        axes.legend(loc="center left")

    return Plot(f"Accuracy of {result.network} against wrong cells", (10.5, 4.6), draw)


def refractory_plot(result: Spirit) -> Plot:
    """Return accuracy against the refractory period of the outputs."""

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        axes = figure.add_subplot()
        for (name, accuracy), colour in zip(result.refractory.items(), ("blue", "orange"), strict=False):
            percent = [100 * a for a in accuracy]
            axes.plot(REFRACTORIES, percent, color=colours[colour], lw=2, marker="o", ms=5, label=name)
        period = 2**result.run.network.encoder.rate_bits / 255
        axes.axvline(period, color=colours["line"], ls="--", lw=1, label="shortest period of an input")
        axes.set(xlabel="refractory period (ticks)", ylabel="accuracy (%)")
        axes.grid(True, lw=0.5, alpha=0.4)
        axes.legend(loc="lower left")

    return Plot("Accuracy against the refractory period of the output neurons", (10.5, 4.6), draw)


def plots(result: Spirit) -> dict[str, Plot]:
    """Return the pictures by the stem of their file."""
    raster = Raster.of_run(result.run, str(result.label)).plot()
    return {"spirit-delta": delta_plot(result), "spirit-cells": cells_plot(result),
            "spirit-refractory": refractory_plot(result), "spirit-raster": raster}  # fmt: skip


def table(result: Spirit) -> Sequence[tuple[str, str, str]]:
    """Return the published figures beside ours, for people."""
    ours, events = result.summary, PUBLISHED["input_spikes"] * PUBLISHED["outputs"]
    at_one_percent = next(c for c in result.cells if c["rate"] == 1e-2)
    return [
        ("accuracy, ideal cells", f"{100 * PUBLISHED['accuracy_simulated']:.0f} %", f"{100 * ours['accuracy']:.2f} %"),
        ("accuracy, chip; ours with 1 % wrong cells", f"{100 * PUBLISHED['accuracy_measured']:.0f} %",
         f"{100 * at_one_percent['accuracy']:.2f} %"),
        ("Delta S", str(PUBLISHED["delta_s"]), str(ours["delta_s"])),
        ("input spikes an image", str(PUBLISHED["input_spikes"]), f"{ours['input_spikes']:.1f}"),
        ("synaptic events an image", f"{events:,} (computed)", f"{ours['synaptic_events']:,.0f}"),
        (f"energy an image: events x the published {ENERGY_J * 1e12:g} pJ",
         f"{events * ENERGY_J * 1e9:.1f} nJ (computed)", f"{ours['energy_j'] * 1e9:.1f} nJ (computed)"),
        ("undecided images", "not published", f"{100 * ours['undecided']:.1f} %"),
    ]  # fmt: skip
