"""Self-contained HTML pages: everything inline, nothing loaded from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .diagrams import Diagram
from .picture import Picture
from .svg import THEME_CSS

_CSS = """
body{margin:0;background:var(--back);color:var(--ink);
font:16px/1.5 ui-sans-serif,system-ui,'Segoe UI','DejaVu Sans',sans-serif}
main{max-width:1180px;margin:0 auto;padding:28px 24px 60px}h1{font-size:30px;margin:0 0 4px}
h2{font-size:21px;margin:44px 0 8px;border-bottom:1px solid var(--line);padding-bottom:4px}
h3{font-size:15px;margin:18px 0 6px;font-weight:600}p{margin:8px 0;max-width:82ch}
.muted{color:var(--muted)}.tiles{display:flex;flex-wrap:wrap;gap:14px;margin:22px 0}
.tile{flex:1 1 170px;background:var(--fill);border-radius:10px;padding:12px 16px}
.tile b{display:block;font-size:25px;line-height:1.25}.tile span{color:var(--muted);font-size:14px}
.scroll{overflow-x:auto}table{border-collapse:collapse;margin:10px 0;font-size:15px}
th,td{padding:6px 14px;text-align:right;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}
th{font-weight:600}th:first-child,td:first-child,table.plain td,table.plain th{text-align:left}
table.plain td:first-child{white-space:nowrap}
.good{color:var(--green);font-weight:600}.bad{color:var(--orange);font-weight:600}
figure{margin:14px 0}figure svg{width:100%;height:auto;display:block}
figcaption{color:var(--muted);font-size:14px;margin-top:6px}
.digits{display:grid;grid-template-columns:repeat(auto-fill,minmax(176px,1fr));gap:12px}
.digit{background:var(--fill);border-radius:10px;padding:10px;text-align:center;font-size:14px;margin:0}
.digit .pair{display:flex;gap:8px;justify-content:center;align-items:flex-end}
.digit img{width:72px;height:72px;image-rendering:pixelated;border-radius:4px}
.digit svg{width:72px;height:72px}code{font:14px ui-monospace,'DejaVu Sans Mono',Menlo,monospace}
pre{background:var(--fill);border-radius:10px;padding:12px 16px;overflow-x:auto}
"""


def page(title: str, body: Iterable[str]) -> str:
    """Return an HTML page in the reader's light or dark theme."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{THEME_CSS}{_CSS}</style></head>\n'
        f"<body><main>\n{chr(10).join(body)}\n</main></body></html>\n"
    )


def tiles(values: Mapping[str, str]) -> str:
    """Return a row of large figures; keys say what, values are the figures."""
    cells = (f'<div class="tile"><b>{escape(v)}</b><span>{escape(k)}</span></div>' for k, v in values.items())
    return f'<div class="tiles">{"".join(cells)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, plain: bool = False) -> str:
    """Return a table of texts; `plain` sets all of it to the left."""
    top = "".join(f"<th>{escape(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    kind = ' class="plain"' if plain else ""
    return f'<div class="scroll"><table{kind}>{f"<tr>{top}</tr>" if head else ""}{body}</table></div>'


def figure(picture: Picture | str, caption: str) -> str:
    """Return a picture, or an inline ``svg`` element, with its caption."""
    svg = picture if isinstance(picture, str) else picture.svg()
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (name, text) of values, for a table; what is nested twice comes in one line."""
    rows = []
    for key, value in values.items():
        name = str(key).replace("_", " ")
        if isinstance(value, Mapping):
            rows += [(f"{name}: {str(k).replace('_', ' ')}", _text(str(k), v)) for k, v in value.items()]
        else:
            rows.append((name, _text(str(key), value)))
    return rows


def _text(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{k} ({_text(k, v)})" if isinstance(v, Mapping) else f"{k} {_text(k, v)}" for k, v in value.items()
        )
    if isinstance(value, list | tuple):
        # Sizes as in the name of a shape; texts are sentences.
        return ("; " if any(isinstance(v, str) for v in value) else "-").join(map(str, value))
    if isinstance(value, float) and 0 < value <= 1 and "accuracy" in key:
        return f"{100 * value:.2f} %"
    return "none" if value is None else str(value)


def score_bars(scores: NDArray[np.int64], chosen: int, right: int) -> str:
    """Return the scores of one image as small bars: the chosen class is filled, the right one is underlined."""
    bars = Diagram(f"scores, highest for class {chosen}")
    low, high = int(scores.min()), int(scores.max())
    width = 100 / len(scores)
    for k, score in enumerate(scores):
        height = 8 + 66 * (int(score) - low) / max(high - low, 1)
        colour = ("green" if chosen == right else "orange") if k == chosen else "line"
        bars.rect(k * width + 1, 80 - height, width - 2, height, fill=colour, line="none", r=1)
        if k == right:
            bars.rect(k * width + 1, 97, width - 2, 3, fill="ink", line="none", r=0)
        bars.text((k + 0.5) * width, 94, str(k), size=11, colour="ink" if k in (chosen, right) else "muted")
    return bars.sized(100, 101).svg()


def digit_card(png: bytes, scores: NDArray[np.int64], chosen: int, right: int, note: str = "", link: str = "") -> str:
    """Return an image with the scores that the engine gave it, and whether its class is right; `link` is its note's."""
    data = base64.b64encode(png).decode()
    mark = '<span class="good">✓</span>' if chosen == right else '<span class="bad">✗</span>'
    verdict = f"{chosen} {mark}" if chosen == right else f"{chosen} {mark} is {right}"
    text = f'<a href="{escape(link)}">{escape(note)}</a>' if link else f'<span class="muted">{escape(note)}</span>'
    extra = f"<br>{text}" if note else ""
    return (
        f'<figure class="digit"><div class="pair"><img alt="digit {right}" src="data:image/png;base64,{data}">'
        f"{score_bars(scores, chosen, right)}</div>{verdict}{extra}</figure>"
    )
