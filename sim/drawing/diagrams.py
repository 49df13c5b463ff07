"""Diagrams drawn by hand: boxes, texts and lines in the colours of the theme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from .paths import subpaths
from .picture import Picture
from .svg import PAPER

_SANS = "ui-sans-serif,system-ui,'Segoe UI','DejaVu Sans',sans-serif"
_MONO = "ui-monospace,'DejaVu Sans Mono',Menlo,monospace"
#: Points to a user unit, which is a pixel of CSS.
_POINT = 0.75
_ARROW = 7.0


def _colour(name: str) -> str:
    return name if name == "none" else f"var(--{name})"


def _plain(name: str) -> str:
    return name if name == "none" else PAPER[name]


@dataclass(frozen=True)
class _Rect:
    x: float
    y: float
    w: float
    h: float
    fill: str
    line: str
    r: float
    width: float

    def svg(self) -> str:
        return (
            f'<rect x="{self.x:g}" y="{self.y:g}" width="{self.w:g}" height="{self.h:g}" rx="{self.r:g}"'
            f' style="fill:{_colour(self.fill)};stroke:{_colour(self.line)};stroke-width:{self.width:g}"/>'
        )

    def draw(self, axes: Any) -> None:
        from matplotlib.patches import FancyBboxPatch

        r = min(self.r, self.w / 2, self.h / 2)
        style = f"round,pad=0,rounding_size={r:g}" if r > 0 else "square,pad=0"
        look: dict[str, Any] = {"fc": _plain(self.fill), "ec": _plain(self.line), "lw": self.width * _POINT}
        axes.add_patch(FancyBboxPatch((self.x, self.y), self.w, self.h, boxstyle=style, **look))


@dataclass(frozen=True)
class _Text:
    x: float
    y: float
    text: str
    size: float
    colour: str
    anchor: str
    bold: bool
    mono: bool

    def svg(self) -> str:
        weight = ";font-weight:600" if self.bold else ""
        return (
            f'<text x="{self.x:g}" y="{self.y:g}" text-anchor="{self.anchor}" style="font-family:'
            f"{_MONO if self.mono else _SANS};font-size:{self.size:g}px;fill:{_colour(self.colour)}{weight}"
            f'">{escape(self.text)}</text>'
        )

    def draw(self, axes: Any) -> None:
        sides = {"start": "left", "middle": "center", "end": "right"}
        # A dollar sign would begin a formula.
        axes.text(
            self.x, self.y, self.text, size=self.size * _POINT, color=_plain(self.colour), ha=sides[self.anchor],
            va="baseline", weight="bold" if self.bold else "normal", parse_math=False,
            family="DejaVu Sans Mono" if self.mono else "DejaVu Sans",
        )  # fmt: skip


@dataclass(frozen=True)
class _Path:
    d: str
    line: str
    fill: str
    width: float
    dash: str
    arrow: bool

    def svg(self) -> str:
        extra = f";stroke-dasharray:{self.dash}" if self.dash else ""
        head = ' marker-end="url(#arrow)"' if self.arrow else ""
        return (
            f'<path d="{self.d}"{head} style="fill:{_colour(self.fill)};stroke:{_colour(self.line)};stroke-width:'
            f'{self.width:g}{extra};stroke-linejoin:round"/>'
        )

    def draw(self, axes: Any) -> None:
        from matplotlib.patches import PathPatch, Polygon
        from matplotlib.path import Path

        points, codes = [], []
        for part, closed in subpaths(self.d):
            points += part + ([part[0]] if closed else [])
            codes += [Path.MOVETO] + [Path.LINETO] * (len(part) - 1) + ([Path.CLOSEPOLY] if closed else [])
        look: dict[str, Any] = {"fc": _plain(self.fill), "ec": _plain(self.line), "lw": self.width * _POINT}
        if self.dash:
            # Matplotlib counts dashes in widths of the line.
            look["ls"] = (0, tuple(float(n) / self.width for n in self.dash.split()))
        axes.add_patch(PathPatch(Path(points, codes), joinstyle="round", capstyle="butt", **look))
        if self.arrow:
            (x0, y0), (x1, y1) = points[-2:]
            length = max(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, 1e-9)
            ux, uy = (x1 - x0) / length, (y1 - y0) / length
            size = _ARROW * self.width
            base = (x1 - 0.9 * size * ux, y1 - 0.9 * size * uy)
            half = size / 2
            corners = [(x1, y1), (base[0] - half * uy, base[1] + half * ux), (base[0] + half * uy, base[1] - half * ux)]
            axes.add_patch(Polygon(corners, closed=True, fc=PAPER["muted"], ec="none"))


class Diagram(Picture):
    """A diagram under construction; lengths are in user units, colours are names of the theme.

    Parameters
    ----------
    label : str
        What the picture shows, for readers who cannot see it.
    """

    def __init__(self, label: str):
        self.label = label
        self.panels: Mapping[str, Picture] = {}
        self.size: tuple[float, float] = (0, 0)
        self._parts: list[_Rect | _Text | _Path] = []

    def rect(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        *,
        fill: str = "fill",
        line: str = "line",
        r: float = 6,
        width: float = 1.2,
    ) -> None:
        """Add a box; `fill` and `line` are colour names or "none"."""
        self._parts.append(_Rect(x, y, w, h, fill, line, r, width))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12,
        colour: str = "ink",
        anchor: str = "middle",
        bold: bool = False,
        mono: bool = False,
    ) -> None:
        """Add one line of text with its baseline at `y`."""
        self._parts.append(_Text(x, y, text, size, colour, anchor, bold, mono))

    def path(
        self, d: str, *, line: str = "line", fill: str = "none", width: float = 1.5, dash: str = "", arrow: bool = False
    ) -> None:
        """Add a path; `arrow` ends it with an arrow head."""
        self._parts.append(_Path(d, line, fill, width, dash, arrow))

    def sized(self, width: float, height: float) -> Diagram:
        """Give the picture its size; return it."""
        self.size = (width, height)
        return self

    def svg(self) -> str:
        """Return the picture as an inline ``svg`` element that scales to its place."""
        marker = (
            '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
            ' orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" style="fill:var(--muted)"/></marker></defs>'
        )
        width, height = self.size
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img"'
            f' aria-label="{escape(self.label, quote=True)}">{marker}{"".join(p.svg() for p in self._parts)}</svg>'
        )

    def figure(self) -> Any:
        """Return the picture as a matplotlib figure, dark on white."""
        from matplotlib.figure import Figure

        width, height = self.size
        figure = Figure(figsize=(width * _POINT / 72, height * _POINT / 72))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.axis("off")
        for part in self._parts:
            part.draw(axes)
        return figure
