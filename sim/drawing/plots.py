"""Plots in colours that colour-blind readers can tell apart."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.words import counted
from oxnor.models.trials.axes import BER
from oxnor.models.trials.curves import LIMIT, Curve, Knee

from .picture import Picture
from .svg import PAPER

# Matplotlib wants real colours: these stand for the theme's, and become CSS variables in an SVG.
_NAMES = ("ink", "line", "muted", "blue", "orange", "green", "purple")
_PLACEHOLDERS = {name: f"#00000{k + 1}" for k, name in enumerate(_NAMES)}
#: One colour and one marker a curve, so that either is enough to tell them apart.
SERIES = (("blue", "o"), ("orange", "s"), ("green", "^"), ("purple", "D"), ("ink", "v"))

#: Characters of a class's name that a picture shows.
NAME_SHOWN = 14

#: The ends of an axis, if they are given.
Limits = tuple[float, float] | None
#: A figure under construction: (what draws it, given a figure and colours by name; its label; width, height in inches)
Draw = Callable[[Any, Mapping[str, str]], None]


class Plot(Picture):
    """A picture drawn by matplotlib.

    Parameters
    ----------
    label : str
        What it shows, for readers who cannot see it.
    size : tuple of float
        Width and height in inches.
    draw : callable
        (matplotlib figure, colours by name) draws it.
    panels : mapping of str to Picture, optional
        Its panels, each as a picture of its own.
    """

    def __init__(
        self, label: str, size: tuple[float, float], draw: Draw, panels: Mapping[str, Picture] = MappingProxyType({})
    ):
        self.label, self.size, self._draw, self.panels = label, size, draw, panels

    def with_limits(self, x: Limits = None, y: Limits = None) -> Plot:
        """Return the picture with other ends of its axes, (low, high) each; None leaves one as it is."""
        if x is None and y is None:
            return self

        def draw(figure: Any, colours: Mapping[str, str]) -> None:
            self._draw(figure, colours)
            for axes in figure.axes:  # a second scale, on the right, is of something else
                set_limits(axes, x, None if axes.yaxis.get_label_position() == "right" else y)

        return Plot(self.label, self.size, draw, self.panels)

    def with_more(self, more: Draw) -> Plot:
        """Return the picture with more drawn on it."""

        def draw(figure: Any, colours: Mapping[str, str]) -> None:
            self._draw(figure, colours)
            more(figure, colours)

        return Plot(self.label, self.size, draw, self.panels)

    def _figure(self, colours: Mapping[str, str]) -> Any:
        from matplotlib.figure import Figure

        figure = Figure(figsize=self.size, layout="constrained")
        self._draw(figure, colours)
        return figure

    def figure(self) -> Any:
        """Return the picture as a matplotlib figure, dark on white."""
        import matplotlib as mpl

        with mpl.rc_context(_style(PAPER)):
            return self._figure(PAPER)

    def svg(self) -> str:
        """Return an inline ``svg`` element with theme colours; the same plot gives the same bytes."""
        import matplotlib as mpl

        buffer = io.StringIO()
        with mpl.rc_context(_style(_PLACEHOLDERS) | {"svg.hashsalt": self.label}):
            options: dict[str, Any] = {"metadata": {"Date": None, "Creator": None}, "transparent": True}
            self._figure(_PLACEHOLDERS).savefig(buffer, format="svg", **options)
        text = buffer.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
        for name, colour in _PLACEHOLDERS.items():
            text = text.replace(colour, f"var(--{name})")
        text = re.sub(r'(<svg[^>]*?) width="[^"]*pt"', r"\1", text)
        text = re.sub(r'(<svg[^>]*?) height="[^"]*pt"', r"\1", text)
        # Matplotlib numbers its groups the same in every figure; on one page ids must be apart.
        groups = r"figure|axes|patch|text|line2d|matplotlib\.axis|xtick|ytick|legend|QuadMesh|\w*Collection"
        text = re.sub(rf' id="(?:{groups})_\d+"', "", text)
        return text.replace("<svg", f'<svg role="img" aria-label="{escape(self.label, quote=True)}"', 1).strip()


def _style(colours: Mapping[str, str]) -> dict[Any, Any]:
    ink, line = colours["ink"], colours["line"]
    return {
        "svg.fonttype": "none",
        "font.size": 11,
        "font.family": "sans-serif",
        "text.color": ink,
        "axes.edgecolor": line,
        "axes.labelcolor": ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": ink,
        "ytick.color": ink,
        "grid.color": line,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "legend.frameon": False,
    }


def set_limits(axes: Any, x: Limits = None, y: Limits = None) -> None:
    """Set the ends of axes, (low, high) each; None leaves one as it is."""
    for name, ends, axis in (("x", x, axes.xaxis), ("y", y, axes.yaxis)):
        if ends is None:
            continue
        if axis.get_scale() == "log" and ends[0] <= 0:
            raise InputError(f"must be above 0 on a logarithmic axis, not {ends[0]:g}", parameter=f"{name}_limits")
        getattr(axes, f"set_{name}lim")(*ends)


def log_ticks(axis: Any) -> None:
    """Label the powers of ten of a logarithmic axis, and nothing between them."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(_power))
    axis.set_minor_formatter(NullFormatter())


def _power(value: float, _: int) -> str:
    """Return a tick as ``10⁻³``: matplotlib's own formatter draws it as a formula, in pieces."""
    exponent = round(np.log10(value))
    digits = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{digits}"


def accuracy_plot(
    curves: Sequence[Curve],
    title: str,
    *,
    points: Sequence[tuple[float, float]] = (),
    limit: float = LIMIT,
    axis: str = "bit error rate of the weights",
) -> Plot:
    """Return accuracy against error rate, with the bands between trials and the knees.

    Parameters
    ----------
    curves : sequence of Curve
        One to five.
    title : str
        What the picture shows.
    points : sequence of (error rate, accuracy)
        What the RTL reached; rates above 0 are drawn as markers.
    limit : float
        Accuracy lost at the knee.
    axis : str
        What the rates are of.
    """
    if not 1 <= len(curves) <= len(SERIES):
        raise InputError(f"a plot takes 1 to {len(SERIES)} curves, not {len(curves)}")

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        axes = figure.add_subplot()
        alone = len(curves) == 1
        for curve, (name, marker) in zip(curves, SERIES, strict=False):
            colour, pts = colours[name], curve.points
            known = [p for p in pts if p.band_low is not None]
            trials = sorted({p.trials for p in pts})
            count = f"{trials[0]} to {trials[-1]} trials" if len(trials) > 1 else counted(trials[0], "trial")
            if known:
                axes.fill_between(
                    [p.rate for p in known],
                    [100 * (p.band_low or 0) for p in known],
                    [100 * (p.band_high or 0) for p in known],
                    color=colour, alpha=0.2, lw=0, label=f"95 % band, {count}" if alone else None,
                )  # fmt: skip
            label = f"mean of {count}" if alone else curve.label
            axes.plot(curve.rates, 100 * curve.means, color=colour, lw=2, marker=marker, ms=5, label=label)
            if alone and curve.is_accuracy:
                without = f"without errors: {100 * curve.clean:.2f} %"
                axes.axhline(100 * curve.clean, color=colours["line"], ls="--", lw=1, label=without)
            knee = curve.knee(limit) if curve.is_accuracy else None
            if knee is not None and knee.rate is not None:
                _mark(axes, colours["orange"] if alone else colour, knee, alone)
        shown = [(rate, 100 * value) for rate, value in points if rate > 0]
        if shown:
            style: dict[str, Any] = {"ls": "", "marker": "D", "ms": 8, "mfc": "none", "mew": 2}
            axes.plot(*zip(*shown, strict=True), color=colours["orange"], label="RTL in Verilator", **style)
        _horizontal(axes, curves)
        axes.set(xlabel=axis, ylabel=f"{' or '.join(sorted({c.measure for c in curves}))} (%)")
        axes.grid(True, lw=0.5, alpha=0.4)
        axes.legend(loc="lower left")

    return Plot(title, (10.5, 4.6), draw)


def _horizontal(axes: Any, curves: Sequence[Curve]) -> None:
    """Scale the horizontal axis: error rates in powers of ten, other values so if they are as far apart."""
    values = np.concatenate([curve.rates for curve in curves])
    if curves[0].axis is BER or values.max() > 30 * values.min():
        axes.set_xscale("log")
        log_ticks(axes.xaxis)


def _mark(axes: Any, colour: str, knee: Knee, alone: bool) -> None:
    """Draw the knee with its interval."""
    axes.axvline(knee.rate, color=colour, ls=":", lw=1.4)
    if knee.low is not None and knee.high is not None:
        axes.axvspan(knee.low, knee.high, color=colour, alpha=0.12, lw=0)
    if alone:
        points = 100 * knee.limit
        where = f"{knee.rate:.2g} {knee.unit}".strip()
        axes.annotate(
            f"{points:g} point{'' if points == 1 else 's'} lost\nat {where}", (knee.rate, 0.5),
            xycoords=("data", "axes fraction"), xytext=(-8, 0), textcoords="offset points", ha="right", color=colour,
        )  # fmt: skip


def layers_plot(curves: Mapping[str, Curve], title: str, *, limit: float = LIMIT) -> Plot:
    """Return the knee of each layer with errors in that layer alone; `curves` by the name of the layer."""
    knees = {name: curve.knee(limit) for name, curve in curves.items()}

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        axes = figure.add_subplot()
        for k, knee in enumerate(knees.values()):
            rate = knee.rate or (knee.smallest if knee.below else knee.largest)
            low, high = knee.low or (knee.smallest if knee.below else rate), knee.high or max(rate, knee.largest)
            outside = knee.rate is None
            if not outside:
                axes.plot([low, high], [k, k], color=colours["blue"], lw=6, alpha=0.3, solid_capstyle="butt")
            marker = ("<" if knee.below else ">") if outside else "o"
            axes.plot([rate], [k], color=colours["blue"], marker=marker, ms=9)
            text = f" {knee}" if outside else f" {knee.rate:.2g}"
            axes.annotate(text, (rate, k), xytext=(8, 8), textcoords="offset points")
        axes.set_xscale("log")
        first = next(iter(knees.values()))
        axes.set_xlim(first.smallest, first.largest * 3)
        log_ticks(axes.xaxis)
        axes.set_yticks(range(len(knees)), list(knees))
        axes.set_ylim(len(knees) - 0.4, -0.6)
        head = next(iter(curves.values())).axis.head
        axes.set(xlabel=f"{head} at which {100 * limit:g} points are lost")
        axes.grid(True, axis="x", lw=0.5, alpha=0.4)

    return Plot(title, (10.5, 1.2 + 0.55 * len(knees)), draw)


def confusion_plot(
    matrices: Mapping[float, NDArray[np.int64]], title: str, names: Sequence[str] = (), head: str = "error rate"
) -> Plot:
    """Return confusion matrices side by side, by error rate; each row is a class, in percent of its images.

    Parameters
    ----------
    matrices : mapping of float to ndarray of int64
    title : str
    names : sequence of str
        Of the classes; numbers stand for them otherwise.
    head : str
        What the keys of `matrices` are.
    """
    shown = [name if len(name) <= NAME_SHOWN else f"{name[: NAME_SHOWN - 1]}…" for name in names]

    def draw(figure: Any, colours: Mapping[str, str]) -> None:
        all_axes = np.atleast_1d(figure.subplots(1, len(matrices)))
        for axes, (rate, counts) in zip(all_axes, matrices.items(), strict=True):
            share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            n = len(share)
            axes.pcolormesh(share, cmap="Blues", vmin=0, vmax=100, edgecolors="face", lw=0.1)
            if n <= 12:
                for i, j in np.ndindex(n, n):
                    if share[i, j] >= 0.5:
                        colour = "#ffffff" if share[i, j] > 55 else "#1f2328"
                        size = 6.5 if len(matrices) > 2 else 8
                        where = {"ha": "center", "va": "center"}
                        axes.text(j + 0.5, i + 0.5, f"{share[i, j]:.0f}", color=colour, fontsize=size, **where)
            axes.set_aspect("equal")
            axes.invert_yaxis()
            ticks = np.arange(0, n, max(1, n // 16 if shown else n // 10))
            texts = [shown[k] if shown else str(k) for k in ticks]
            turned = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if shown else {}
            axes.set_xticks(ticks + 0.5, texts, parse_math=False, **turned)
            axes.set_yticks(ticks + 0.5, texts, parse_math=False)
            axes.set_title(f"{head} {rate:.3g}" if rate else "without errors", fontsize=11)
            axes.set_xlabel("predicted class")
        all_axes[0].set_ylabel("class")

    panels = {}
    if len(matrices) > 1:
        panels = {f"{rate:g}": confusion_plot({rate: counts}, title, names, head) for rate, counts in matrices.items()}
    margin = 0.07 * max((len(name) for name in shown), default=0)
    return Plot(title, ((3.6 + margin) * len(matrices), 4.3 + margin), draw, panels)


def image_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a grey image, shape (height, width), as PNG."""
    from matplotlib import image

    buffer = io.BytesIO()
    image.imsave(buffer, pixels, cmap="gray", vmin=0, vmax=255, format="png")
    return buffer.getvalue()
