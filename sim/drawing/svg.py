"""The colours of all pictures, and SVG as a file of its own."""

from __future__ import annotations

import re

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
