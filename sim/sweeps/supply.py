"""What reads cost at each supply, beside the accuracy of a sweep against it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from oxnor.models.technology.supply import SupplyCurve
from oxnor.sim.drawing.plots import Plot

#: Of the columns that a table has more.
HEAD = ("offset (ln R)", "precharge + delay (ns)", "reads (nJ an image)")


def cells(supply: SupplyCurve, vdd: float) -> tuple[str, ...]:
    """Return the columns of :data:`HEAD` at a supply."""
    offset = math.hypot(supply.at(vdd, "stays"), supply.at(vdd, "turns"))
    time = supply.at(vdd, "precharge_ns") + supply.at(vdd, "delay_ns")
    return f"{offset:.3f}", f"{time:.3g}", f"{supply.image_nj(vdd):.3g}"


def in_words(supply: SupplyCurve) -> str:
    """Return what was simulated, in a sentence."""
    return (
        f"Simulated between {supply.vdd[0]:g} and {supply.vdd[-1]:g} V: {supply.circuit}; HRS / LRS {supply.ratio:.3g};"
        f" {supply.reads:,} weights read an image; no periphery, no logic."
    )


def with_energy(plot: Plot, supply: SupplyCurve) -> Plot:
    """Return a picture of accuracy against supply with the energy of the reads of an image on a scale at the right."""

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        axes = figure.axes[0].twinx()
        x = np.linspace(supply.vdd[0], supply.vdd[-1], 200)
        energies = [supply.image_nj(v) for v in x.tolist()]
        axes.plot(x, energies, color=colours["green"], lw=2, ls=(0, (6, 2)), label="energy of the reads of an image")
        axes.set(ylabel="energy of reads (nJ an image)", ylim=(0, None))
        axes.legend(loc="lower right")

    return plot.with_more(draw)
