"""Plots of device statistics: 1T1R against 2T2R against codes, wear, and the fit of measured resistances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.devices.draws import Estimate
from oxnor.models.devices.error_rates import WearCurve, device_rates, separation_curve, wear_curve
from oxnor.models.devices.fit import Fit
from oxnor.models.devices.fit_file import AgedFit
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.rate_intervals import rate_intervals
from oxnor.models.devices.report import RATES
from oxnor.sim.drawing.plots import Limits, Plot, log_ticks, set_limits

#: How each kind of storage is drawn: colour, dashes, width. The dashes tell the lines apart without colour.
_LOOKS: dict[str, tuple[str, Any, float]] = {
    "ber_1t1r": ("muted", "-", 1.4),
    "ber_2t2r": ("blue", "-", 2.6),
    "ber_2t2r_offset": ("blue", (0, (1.2, 1.6)), 2.6),
    "secded_8_4": ("orange", (0, (6, 2)), 2.0),
    "secded_39_32": ("green", (0, (6, 2, 1.2, 2)), 1.8),
    "secded_72_64": ("green", (0, (1.2, 2.4)), 1.8),
}
#: Rates below are not drawn.
_RATE_MIN = 1e-18
_NAMES = {
    key: f"{name} ({devices:.4g} device{'' if devices == 1 else 's'} a bit)" for key, (name, devices) in RATES.items()
}

#: Colours by the names of the theme.
Colours = Mapping[str, str]
#: A device, its cycles, and the seconds since it was programmed.
Aged = tuple[DeviceModel, float, float]
#: A short name, a title, and what draws it on axes in those colours.
Panel = tuple[str, str, Callable[[Any, Colours], None]]
#: Points for a wear plot: label -> (cycles, rates, ends of the intervals of shape (2, k) or None).
Points = Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]]


def _drawn(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rates that a logarithmic axis can hold: a rate of 0 goes out of the picture below."""
    return np.maximum(rates, _RATE_MIN**2)


def _kinds(offset: bool) -> list[str]:
    return [key for key in _LOOKS if offset or key != "ber_2t2r_offset"]


def draw_comparison(
    axes: Any, colours: Colours, aged: Aged | None = None, monte_carlo: Mapping[str, Estimate] | None = None
) -> None:
    """Draw every rate against that of 1T1R, as the two states are moved apart.

    Parameters
    ----------
    axes : matplotlib Axes
    colours : Colours
    aged : Aged, optional
        A device whose sigmas the curves have, and which is marked on them. Default: one sigma for both states.
    monte_carlo : mapping of str to Estimate, optional
        Of that device, drawn with their intervals.
    """
    curve = separation_curve(*aged) if aged else separation_curve()
    kinds = _kinds(aged is not None and aged[0].pair_offset_sigma > 0)
    for key in kinds:
        colour, dashes, width = _LOOKS[key]
        look: dict[str, Any] = {"color": colours[colour], "ls": dashes, "lw": width, "label": _NAMES[key]}
        axes.plot(_drawn(curve["ber_1t1r"]), _drawn(curve[key]), **look)
    low, high = 1e-5, 0.2
    x = device_rates(*aged).ber_1t1r if aged else 0.0
    if aged is not None and x > _RATE_MIN:
        rates = device_rates(*aged)
        low, high = min(low, x / 3), max(high, 1.3 * x)
        left = x < 1e-3  # of the legend
        axes.axvline(x, ymin=0 if left else 0.4, color=colours["line"], lw=1, ls=":")
        axes.annotate(
            aged[0].name, (x, 1), xycoords=("data", "axes fraction"), xytext=(6 if left else -6, -12),
            textcoords="offset points", ha="left" if left else "right", color=colours["ink"],
        )  # fmt: skip
        for key in kinds[1:]:
            axes.plot([x], [getattr(rates, key)], marker="o", ms=6, color=colours[_LOOKS[key][0]], ls="")
        look = {"color": colours["ink"], "marker": "_", "ms": 9, "capsize": 3, "lw": 1.2, "ls": ""}
        for key in kinds:
            estimate = (monte_carlo or {}).get(key)
            if estimate and estimate.errors:
                spread = [[estimate.rate - estimate.low], [estimate.high - estimate.rate]]
                label = "Monte Carlo, 99 % interval" if key == "ber_1t1r" else None
                axes.errorbar([x], [estimate.rate], spread, label=label, **look)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set(xlim=(low, high), ylim=(low * low / 2, 1.5 * high))
    axes.set(xlabel="bit error rate of single devices (1T1R)", ylabel="bit error rate as stored")
    axes.grid(True, lw=0.5, alpha=0.4)
    axes.legend(loc="lower right")


def draw_wear(
    axes: Any, colours: Colours, curve: WearCurve, points: Points | None = None, band: NDArray[np.float64] | None = None
) -> None:
    """Draw the rates against SET/RESET cycles, and measured points on them.

    Parameters
    ----------
    axes : matplotlib Axes
    colours : Colours
    curve : WearCurve
    points : Points, optional
        What a simulation found, for example.
    band : ndarray of float, shape (2, k), optional
        Ends of the intervals of the 2T2R rate on the curve.
    """
    if band is not None:
        label = "99 % interval of 2T2R"
        axes.fill_between(curve.cycles, *_drawn(band), color=colours["blue"], alpha=0.15, lw=0, label=label)
    same = np.allclose(curve.rates["ber_2t2r"], curve.rates["ber_2t2r_offset"])
    lowest = 1e-2
    for key in _kinds(not same)[: 4 - same]:
        colour, dashes, width = _LOOKS[key]
        lowest = min(lowest, max(_RATE_MIN, float(curve.rates[key].min())))
        look: dict[str, Any] = {"color": colours[colour], "ls": dashes, "lw": width, "label": RATES[key][0]}
        axes.plot(curve.cycles, _drawn(curve.rates[key]), **look)
    for k, (label, (cycles, rates, ends)) in enumerate((points or {}).items()):
        spread = None if ends is None else np.abs(ends - rates)
        axes.errorbar(
            cycles, rates, spread, ls="", marker="Do^s"[k % 4], ms=7, mfc="none", mew=1.8, capsize=3, lw=1.2,
            color=colours[("ink", "orange")[k % 2]], zorder=3 + k, label=label,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(lowest / 2, 0.5)
    axes.set(xlabel="SET/RESET cycles", ylabel="bit error rate")
    axes.grid(True, lw=0.5, alpha=0.4)
    axes.legend(loc="upper left")


def draw_fit(axes: Any, colours: Colours, fit: Fit | AgedFit) -> None:
    """Draw resistances against their normal quantiles: a log-normal state lies on its straight line.

    Of several ages, the first and the last.
    """
    shown = dict.fromkeys((fit.ages[0], fit.ages[-1]))
    for k, each in enumerate(shown):
        age = f" at {getattr(each, fit.axis):g} {fit.axis}" if isinstance(fit, AgedFit) else ""
        _draw_states(axes, colours, each, age, last=k > 0)
    axes.set_xscale("log")
    axes.set(xlabel="resistance (ohm)", ylabel="normal quantile of the rank (sigmas)")
    axes.grid(True, lw=0.5, alpha=0.4)
    axes.legend(loc="lower right")  # below the points, which rise


def _draw_states(axes: Any, colours: Colours, fit: Fit, age: str, *, last: bool) -> None:
    from scipy.special import ndtri

    names = ("green", "purple") if last else ("blue", "orange")
    for state, state_fit, name, dashes in zip(("LRS", "HRS"), (fit.lrs, fit.hrs), names, ("-", "--"), strict=True):
        x = np.sort(fit.values[state])
        z = ndtri((np.arange(x.size) + 0.5) / x.size)
        # The tails whole, the middle thin.
        rank = np.arange(x.size)
        keep = (np.minimum(rank, rank[::-1]) < 50) | (rank % max(1, x.size // 400) == 0)
        look: dict[str, Any] = {"marker": "o" if state == "LRS" else "^", "color": colours[name]}
        axes.plot(np.exp(x[keep]), z[keep], ls="", ms=4, mfc="none", label=f"{state} as read{age}", **look)
        ends = z[[0, -1]]
        label = None if age else f"median {state_fit.median:.4g} ohm, sigma {state_fit.sigma:.3g}"
        line = state_fit.median * np.exp(state_fit.sigma * ends)
        axes.plot(line, ends, color=colours["ink"], lw=1.4, ls=dashes, label=label)


def device_plot(
    path: Path,
    aged: Aged | None = None,
    monte_carlo: Mapping[str, Estimate] | None = None,
    fit: Fit | AgedFit | None = None,
    *,
    panels: bool = False,
    limits: tuple[Limits, Limits] = (None, None),
) -> None:
    """Write the picture of a device: its fit if it was fitted, the comparison, its wear if it wears.

    Parameters
    ----------
    path : Path
        Ends in ``.svg``, ``.png`` or ``.pdf``.
    aged, monte_carlo
        As for :func:`draw_comparison`.
    fit : Fit, optional
    panels : bool
        Write each panel into a file of its own.
    limits : pair of Limits
        Ends of the axes of the panel with the wear, or else of the comparison.
    """
    title = "Bit errors of single devices, of pairs, and of codes"
    shown: list[Panel] = [("errors", title, lambda axes, colours: draw_comparison(axes, colours, aged, monte_carlo))]
    if aged is not None and aged[0].wear.changes and aged[0].valid_cycles[1] > 1:
        device, _, seconds = aged
        curve = wear_curve(device, seconds=seconds)
        ends = [rate_intervals(device, c, seconds).get("ber_2t2r") for c in curve.cycles.tolist()]
        band = None if None in ends else np.array(ends).T
        points = _aged_points(fit) if isinstance(fit, AgedFit) else None
        name = f"Wear of {device.name}"
        shown.append(("wear", name, lambda axes, colours: draw_wear(axes, colours, curve, points, band)))
    if fit is not None:
        title = f"Resistances in {Path(fit.path).name}"
        shown.insert(0, ("fit", title, lambda axes, colours: draw_fit(axes, colours, fit)))
    limited = "wear" if any(name == "wear" for name, _, _ in shown) else "errors"
    _panels(shown, {limited: limits}).save(path, panels=panels)


def _aged_points(fit: AgedFit) -> Points:
    """Return the 2T2R rates of each age by itself: in closed form, and counted where there are errors."""
    rows = [row for row in fit.to_json()["ages"] if fit.axis == "cycles"]
    cycles = np.array([row["cycles"] for row in rows])
    counted = [(row["cycles"], c) for row in rows if (c := row["ber_2t2r"]["counted"])["rate"]]
    alone = np.array([row["ber_2t2r"]["closed_form"] for row in rows])
    points: dict[str, Any] = {"2T2R, each age by itself": (cycles, alone, None)}
    if counted:
        ends = np.array([(c["low"], c["high"]) for _, c in counted]).T
        points["2T2R, counted"] = (np.array([a for a, _ in counted]), np.array([c["rate"] for _, c in counted]), ends)
    return points


def wear_plot(path: Path, device: DeviceModel, points: Points, cycles: NDArray[np.float64] | None = None) -> None:
    """Write the wear curve of a device with measured points on it; the file ends in ``.svg``, ``.png`` or ``.pdf``."""
    curve = wear_curve(device, cycles)
    title = f"Wear of {device.name}"
    _panels([("wear", title, lambda axes, colours: draw_wear(axes, colours, curve, points))]).save(path)


def _panels(shown: Sequence[Panel], limits: Mapping[str, tuple[Limits, Limits]] = MappingProxyType({})) -> Plot:
    """Return panels side by side; `limits` are the ends of axes by panel."""

    def draw(figure: Any, colours: Colours) -> None:
        for k, (name, title, draw_panel) in enumerate(shown):
            axes = figure.add_subplot(1, len(shown), k + 1)
            draw_panel(axes, colours)
            set_limits(axes, *limits.get(name, (None, None)))
            axes.set_title(title, loc="left")
            for axis in (axes.xaxis, axes.yaxis):
                if axis.get_scale() == "log":
                    log_ticks(axis)

    parts = {panel[0]: _panels([panel], limits) for panel in shown} if len(shown) > 1 else {}
    return Plot("; ".join(title for _, title, _ in shown), (8.2 * len(shown), 6.2), draw, parts)
