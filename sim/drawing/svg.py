"""Small SVG pictures that follow the reader's light or dark theme."""

from __future__ import annotations

import re
from html import escape

#: Okabe-Ito colours, which stay apart for colour-blind readers; the dark set is lighter.
_COLOURS = {
    # name: (light, dark)
    "ink": ("#1f2328", "#e6edf3"),
    "muted": ("#59636e", "#9aa4af"),
    "line": ("#8c959f", "#6e7681"),
    "fill": ("#f3f5f8", "#1c2229"),
    "back": ("#ffffff", "#0f1318"),
    "blue": ("#0072b2", "#56b4e9"),
    "orange": ("#c4560a", "#f0a35c"),
    "green": ("#00805c", "#3fc79a"),
    "purple": ("#9c4f86", "#d99cc5"),
    "blue-fill": ("#d9ecf7", "#12344a"),
    "orange-fill": ("#fbe5d6", "#47290f"),
    "green-fill": ("#d8f0e8", "#0d3b2d"),
}
_LIGHT, _DARK = (";".join(f"--{name}:{pair[k]}" for name, pair in _COLOURS.items()) for k in (0, 1))

#: The light theme's colours by name, for pictures that cannot follow the reader's.
PAPER = {name: light for name, (light, _) in _COLOURS.items()}

#: The colours as CSS variables, for a page and for a picture on its own.
THEME_CSS = f":root{{color-scheme:light dark;{_LIGHT}}}@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}"

# Every plain colour of a light picture becomes its dark counterpart.
_DARK_RULES = "".join(
    f'[style*="{use}:{light}"]{{{use}:{dark}!important}}'
    for light, dark in _COLOURS.values()
    for use in ("fill", "stroke")
)

_FONT = "font-family:ui-sans-serif,system-ui,'Segoe UI','DejaVu Sans',sans-serif"
_MONO = "font-family:ui-monospace,'DejaVu Sans Mono',Menlo,monospace"


class Svg:
    """A picture under construction; lengths are in user units, colours are names of the theme.

    Parameters
    ----------
    title : str
        What the picture shows, for readers who cannot see it.
    """

    def __init__(self, title: str):
        self.title = title
        self.parts: list[str] = []

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
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{r:g}"'
            f' style="fill:{_colour(fill)};stroke:{_colour(line)};stroke-width:{width:g}"/>'
        )

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
        weight = ";font-weight:600" if bold else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" style="{_MONO if mono else _FONT};font-size:{size:g}px;'
            f'fill:{_colour(colour)}{weight}">{escape(text)}</text>'
        )

    def path(
        self, d: str, *, line: str = "line", fill: str = "none", width: float = 1.5, dash: str = "", arrow: bool = False
    ) -> None:
        """Add a path; `arrow` ends it with an arrow head."""
        extra = f";stroke-dasharray:{dash}" if dash else ""
        head = ' marker-end="url(#arrow)"' if arrow else ""
        self.parts.append(
            f'<path d="{d}"{head} style="fill:{_colour(fill)};stroke:{_colour(line)};stroke-width:{width:g}'
            f'{extra};stroke-linejoin:round"/>'
        )

    def render(self, width: float, height: float) -> str:
        """Return the picture as an ``svg`` element that scales to its place."""
        marker = (
            '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
            ' orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" style="fill:var(--muted)"/></marker></defs>'
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img"'
            f' aria-label="{escape(self.title, quote=True)}">{marker}{"".join(self.parts)}</svg>'
        )


def _colour(name: str) -> str:
    return name if name == "none" else f"var(--{name})"


def standalone(svg: str) -> str:
    """Return an inline picture as a file of its own: with its size and a background.

    Its colours are plain, as readers of SVG other than browsers need them; a browser replaces them in the dark theme.
    """
    head, rest = svg.split(">", 1)
    x, y, width, height = head.split('viewBox="')[1].split('"')[0].split()
    rest = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" style="fill:var(--back)"/>{rest}'
    rest = re.sub(r"(fill|stroke): ?var\(--([\w-]+)\)", lambda use: f"{use[1]}:{PAPER[use[2]]}", rest)
    size = "" if ' width="' in head else f' width="{width}" height="{height}"'
    return f"{head}{size}><style>@media (prefers-color-scheme:dark){{{_DARK_RULES}}}</style>{rest}\n"
