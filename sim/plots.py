"""Plots as SVG, in colours that colour-blind readers can tell apart and that follow the page's theme."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Matplotlib wants real colours: these stand for the theme's, and become CSS variables in the SVG.
_INK, _LINE, _BLUE, _ORANGE = "#000001", "#000002", "#000003", "#000004"
_GREEN, _MUTED = "#000005", "#000006"
_VARIABLES = {_INK: "ink", _LINE: "line", _BLUE: "blue", _ORANGE: "orange", _GREEN: "green", _MUTED: "muted"}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 11,
    "font.family": "sans-serif",
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _LINE,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
}


@dataclass(frozen=True, eq=False)
class Sweep:
    """Accuracy of the golden model at a number of bit error rates.

    Parameters
    ----------
    rates : ndarray of float, shape (k,)
        Bit error rates, rising.
    accuracy : ndarray of float, shape (k, trials)
        In [0, 1].
    clean : float
        Accuracy without errors.
    """

    rates: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    clean: float

    def knee(self, drop: float = 0.01) -> float | None:
        """Return the rate at which the mean accuracy has fallen by `drop`, None if it never does.

        Between two rates the mean is taken as linear in the logarithm of the rate.
        """
        mean = self.accuracy.mean(axis=1)
        limit = self.clean - drop
        for k in range(len(mean)):
            if mean[k] <= limit:
                if k == 0:
                    return float(self.rates[0])
                share = (mean[k - 1] - limit) / (mean[k - 1] - mean[k])
                low, high = np.log(self.rates[k - 1 : k + 1])
                return float(np.exp(low + share * (high - low)))
        return None


def _svg(figure: Any, label: str) -> str:
    """Return a figure as an inline ``svg`` element with theme colours; the same figure gives the same bytes."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    for colour, name in _VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    text = re.sub(r'(<svg[^>]*?) width="[^"]*pt"', r"\1", text)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*pt"', r"\1", text)
    # Matplotlib numbers its groups the same in every figure; on one page ids must be apart.
    text = re.sub(r' id="(?:figure|axes|patch|text|line2d|matplotlib\.axis|xtick|ytick|legend|Poly\w*)_\d+"', "", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1).strip()


def accuracy_plot(sweep: Sweep, points: Sequence[tuple[float, float]], title: str) -> str:
    """Return accuracy against bit error rate as an inline ``svg`` element.

    Parameters
    ----------
    sweep : Sweep
        Line and band.
    points : sequence of (bit error rate, accuracy)
        What the RTL reached; rates above 0 are drawn as markers on the line.
    title : str
        What the picture shows.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    style: Any = _STYLE | {"svg.hashsalt": title}
    with mpl.rc_context(style):
        figure = Figure(figsize=(10.5, 4.6), layout="constrained")
        axes = figure.add_subplot()
        percent = 100 * sweep.accuracy
        trials = percent.shape[1]
        band = (percent.min(axis=1), percent.max(axis=1))
        axes.fill_between(sweep.rates, *band, color=_BLUE, alpha=0.22, lw=0, label=f"range of {trials} trials")
        axes.plot(sweep.rates, percent.mean(axis=1), color=_BLUE, lw=2, marker=".", ms=7, label="golden model, mean")
        axes.axhline(100 * sweep.clean, color=_LINE, ls="--", lw=1, label=f"without errors: {100 * sweep.clean:.2f} %")
        shown = [(rate, 100 * value) for rate, value in points if rate > 0]
        if shown:
            axes.plot(
                *zip(*shown, strict=True),
                ls="",
                marker="D",
                ms=8,
                mfc="none",
                mew=2,
                color=_ORANGE,
                label="RTL in Verilator",
            )
        knee = sweep.knee()
        low = min(float(band[0].min()), *(y for _, y in shown)) if shown else float(band[0].min())
        if knee is not None:
            axes.axvline(knee, color=_ORANGE, ls=":", lw=1.4)
            axes.annotate(
                f"1 point lost\nat {knee:.2g}",
                (knee, low),
                xytext=(-8, 6),
                textcoords="offset points",
                ha="right",
                color=_ORANGE,
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(_power))
        axes.set(xlabel="bit error rate of the weights", ylabel="accuracy (%)")
        axes.grid(True, lw=0.5, alpha=0.4)
        axes.legend(loc="center left")
        return _svg(figure, title)


def _power(value: float, _: int) -> str:
    """Return a tick as ``10⁻³``: matplotlib's own formatter draws it as a formula, in pieces."""
    exponent = round(np.log10(value))
    digits = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{digits}"


def image_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a grey image, shape (height, width), as PNG."""
    from matplotlib import image

    buffer = io.BytesIO()
    image.imsave(buffer, pixels, cmap="gray", vmin=0, vmax=255, format="png")
    return buffer.getvalue()
