"""Energy of an image by unit as stacked bars, with RRAM beside SRAM; clock against error rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oxnor.sim.drawing.plots import Plot

from .picture import draw_clock
from .report import EnergyReport

#: Units that have a bar of their own; the others are one.
SHOWN = 6


def energy_picture(report: EnergyReport) -> Plot:
    """Return the picture of a report: digital units, whole engines, and what each precharge of the macros gives."""
    rows = [(r["unit"].removeprefix("oxnor_"), r["data_pj"], r["clock_pj"], r["leakage_pj"]) for r in report.unit_rows]
    others = rows[SHOWN:]
    bars = rows[:SHOWN]
    if others:
        bars.append((f"{len(others)} others", *(sum(r[k] for r in others) for k in (1, 2, 3))))
    gating = "clocks gated" if report.gates.clock_gating else "clocks not gated"

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        widths = (3, 2, 3) if report.clocks else (3, 2)
        units, engines, *clock = figure.subplots(1, len(widths), width_ratios=widths)
        names = [bar[0] for bar in bars]
        left = [0.0] * len(bars)
        for k, (label, colour) in enumerate((("data", "blue"), ("clock", "orange"), ("leakage", "muted")), 1):
            values = [bar[k] * 1e-3 for bar in bars]
            units.barh(names, values, left=left, color=colours[colour], label=label)
            left = [a + b for a, b in zip(left, values, strict=True)]
        units.invert_yaxis()
        units.set_xlabel("nJ an image")
        units.set_title(f"digital units, {gating}", loc="left")
        units.legend(frameon=False)
        _engines(engines, report, colours)
        for axes in clock:
            draw_clock(axes, colours, report.clocks)
            axes.set_title(f"clock and errors, {report.device.name}", loc="left")

    label = (
        f"Energy of an image of {report.network} in {report.technology.label}: digital"
        f" {report.digital['total_pj'] * 1e-3:.2f} nJ, with RRAM {_ends(report, 'rram')} nJ, with SRAM"
        f" {_ends(report, 'sram')} nJ"
    )
    return Plot(label, (16.0 if report.clocks else 10.0, 4.6), draw)


def _ends(report: EnergyReport, kind: str) -> str:
    pj = report.energy_pj(kind)
    low, high = f"{pj.low * 1e-3:.1f}", f"{pj.high * 1e-3:.1f}"
    return low if low == high else f"{low} to {high}"


def _engines(axes: Any, report: EnergyReport, colours: Mapping[str, str]) -> None:
    d = report.digital
    for name, kind, macros in (("RRAM", "rram", report.with_rram), ("SRAM", "sram", report.with_sram)):
        bottom = 0.0
        parts = [("digital, data", d["data_pj"], "blue"), ("digital, clock", d["clock_pj"], "orange")]
        parts += [
            (part, ends.low, colour)
            for (part, ends), colour in zip(macros.parts_pj.items(), ("green", "purple"), strict=True)
        ]
        for part, pj, colour in parts:
            axes.bar(name, pj * 1e-3, bottom=bottom, color=colours[colour], width=0.6)
            if pj > 0.08 * report.energy_pj(kind).high:
                axes.annotate(part, (name, bottom + pj * 5e-4), ha="center", va="center", fontsize=8, color="white")
            bottom += pj * 1e-3
        total = report.energy_pj(kind)
        if total.high > total.low:
            middle, half = (total.low + total.high) * 5e-4, (total.high - total.low) * 5e-4
            axes.errorbar(name, middle, yerr=half, color=colours["ink"], capsize=6)
        axes.annotate(f"{_ends(report, kind)} nJ", (name, total.high * 1e-3), xytext=(0, 4),
                      textcoords="offset points", ha="center", fontsize=9)  # fmt: skip
    axes.set_ylim(0, 1.12e-3 * max(report.energy_pj("rram").high, report.energy_pj("sram").high))
    axes.set_ylabel("nJ an image")
    axes.set_title("whole engine", loc="left")
