"""Pictures of a circuit: the voltages of a read, and the offsets of drawn amplifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oxnor.models.technology.circuit import ReadCircuit
from oxnor.models.technology.offsets import known_offsets, statistics
from oxnor.models.technology.results import Offsets, Waveform
from oxnor.sim.drawing.plots import Plot

Colours = Mapping[str, str]
#: How each node is drawn: colour, dashes, what it is.
_LOOKS: Mapping[str, tuple[str, Any, str]] = {
    "sen": ("muted", (0, (1.2, 1.6)), "sense signal and word line"),
    "bl": ("green", "-", "BL (LRS)"),
    "blb": ("purple", (0, (6, 2)), "BLb (HRS)"),
    "q": ("blue", "-", "q"),
    "qb": ("orange", (0, (6, 2, 1.2, 2)), "qb"),
}


def draw_waveform(axes: Any, colours: Colours, waveform: Waveform, cell: str = "2t2r") -> None:
    """Draw the voltages of a precharge and a read."""
    for name, (colour, dashes, what) in _LOOKS.items():
        label = "reference column" if name == "blb" and cell == "1t1r" else what
        width = 1.4 if name == "sen" else 2.0
        axes.plot(
            waveform.time_ns, waveform.volts[name], color=colours[colour], ls=dashes, lw=width, label=label
        )  # fmt: skip
    axes.set(xlabel="time (ns)", ylabel="voltage (V)")
    axes.grid(True, lw=0.5, alpha=0.4)
    axes.legend(loc="center", bbox_to_anchor=(0.4, 0.72))


def draw_offsets(axes: Any, colours: Colours, offsets: Offsets) -> None:
    """Draw how often each offset was found: the two parts of it, or that of single devices."""
    values, found = known_offsets(offsets), statistics(offsets)
    if found is None:
        axes.text(0.5, 0.5, "fewer than four amplifiers", transform=axes.transAxes, ha="center", color=colours["ink"])
        return
    if found.stays and found.turns:
        shown = {
            "stays with the bit lines": (values.sum(axis=1) / 2, found.stays, "blue", "-"),
            "turns with the input": ((values[:, 0] - values[:, 1]) / 2, found.turns, "orange", (0, (6, 2))),
        }
    else:
        shown = {"against a reference": (values[:, 0], found.by_input[0], "blue", "-")}
    edge = 1.05 * max(float(np.abs(v).max()) for v, *_ in shown.values()) or 1e-3
    bins = np.linspace(-edge, edge, 31)
    x = np.linspace(-edge, edge, 301)
    for name, (numbers, spread, colour, dashes) in shown.items():
        label = f"{name}: sd {spread.sigma:.4f}"
        axes.hist(numbers, bins=bins, histtype="stepfilled", alpha=0.3, fc=colours[colour], ec="none")
        if not spread.sigma:
            continue
        height = len(numbers) * (bins[1] - bins[0]) / (spread.sigma * np.sqrt(2 * np.pi))
        bell = height * np.exp(-(((x - spread.mean) / spread.sigma) ** 2) / 2)
        axes.plot(x, bell, color=colours[colour], lw=2, ls=dashes, label=label)
    axes.set(xlabel="offset (ln R)", ylabel="amplifiers")
    axes.grid(True, lw=0.5, alpha=0.4)
    axes.legend(loc="upper left")


def draw_clock(axes: Any, colours: Colours, rows: Sequence[Mapping[str, float]]) -> None:
    """Draw the error rate and the offset at the clock that each precharge allows."""
    x = [row["clock_mhz"] for row in rows]
    axes.plot(x, [row["ber_2t2r"] for row in rows], color=colours["blue"], lw=2, marker="o", label="2T2R error rate")
    for row in rows:
        axes.annotate(
            f"{row['precharge_ns']:g} ns", (row["clock_mhz"], row["ber_2t2r"]), xytext=(0, 8),
            textcoords="offset points", ha="center", color=colours["ink"],
        )  # fmt: skip
    other = axes.twinx()
    other.plot(
        x, [row["offset"] for row in rows], color=colours["orange"], lw=2, ls=(0, (6, 2)), marker="s", label="offset"
    )  # fmt: skip
    axes.set(xlabel="clock of one read a cycle (MHz); precharge beside the points", ylabel="2T2R error rate")
    other.set(ylabel="offset (ln R)", ylim=(0, None))
    axes.margins(y=0.3)
    axes.grid(True, lw=0.5, alpha=0.4)
    axes.legend(loc="upper left")
    other.legend(loc="lower right")


def circuit_plot(
    circuit: ReadCircuit, waveform: Waveform, offsets: Offsets, clock: Sequence[Mapping[str, float]] = ()
) -> Plot:
    """Return the pictures of a circuit side by side: a read, the offsets, and the clock where there are precharges."""
    read = f"A read: {circuit.vdd:g} V, {circuit.lrs:g} and {circuit.hrs:g} ohm, {circuit.rows} rows"
    title = f"Offset of {len(offsets.flips)} amplifiers"
    panels = {
        "read": (read, lambda axes, colours: draw_waveform(axes, colours, waveform, circuit.cell)),
        "offset": (title, lambda axes, colours: draw_offsets(axes, colours, offsets)),
    }
    if len(clock) > 1:
        panels["clock"] = ("Clock and errors", lambda axes, colours: draw_clock(axes, colours, clock))

    def plot(names: tuple[str, ...], parts: Mapping[str, Plot]) -> Plot:
        def draw(figure: Any, colours: Colours) -> None:
            for k, name in enumerate(names):
                axes = figure.add_subplot(1, len(names), k + 1)
                panels[name][1](axes, colours)
                axes.set_title(panels[name][0], loc="left")

        return Plot("; ".join(panels[n][0] for n in names), (8.2 * len(names), 5.6), draw, parts)

    return plot(tuple(panels), {name: plot((name,), {}) for name in panels})
