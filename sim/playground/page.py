"""The page of an engine: one file that asks no server for anything."""

from __future__ import annotations

import base64
import json
import zlib
from html import escape
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from oxnor.models.base.errors import InputError
from oxnor.sim.drawing.svg import THEME_CSS

from .data import PageData
from .module import Module

#: Bytes of the largest page.
PAGE_BYTES = 8_000_000
#: The script, in parts, in their order.
SCRIPTS = ("random", "engine", "device", "app", "view", "pair", "steps", "curve", "buys", "events")


def _web(name: str) -> str:
    return (files(__package__) / "web" / name).read_text(encoding="utf-8")


def script() -> str:
    """Return the script of a page."""
    parts = "\n".join(_web(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\nstart().catch((error) => fail(String(error)));\n}})();'


def build_page(data: PageData, module: Module, sweep: dict[str, Any] | None, stills: str = "") -> str:
    """Return the page of an engine.

    Parameters
    ----------
    data : PageData
    module : Module
    sweep : dict, optional
        A stored sweep: rates, and mean, low and high of the accuracy at each.
    stills : str
        Pictures for a browser that cannot run the engine.

    Raises
    ------
    InputError
        If the page would be too large.
    """
    origin = f"Made by oxnor {version('oxnor')}. Test images: {data.described['images']['source']}."
    described = data.described | {"module": module.description, "sweep": sweep, "origin": origin}
    blobs = data.blobs | {"module": module.wasm}
    packed = {k: base64.b64encode(zlib.compress(v, 9)).decode() for k, v in blobs.items()}
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(data.described['name'])}</title><style>{THEME_CSS}{_web('page.css')}</style></head>\n<body>\n"
        f"{_web('page.html')}"
        f'<div id="stills" hidden>{stills}</div>\n'
        f'<script type="application/json" id="data">{_json(described)}</script>\n'
        f'<script type="application/json" id="blobs">{_json(packed)}</script>\n'
        f"<script>{script()}</script>\n</body></html>\n"
    )
    if len(text) > PAGE_BYTES:
        name, size = data.described["name"], len(text) / 1e6
        raise InputError(f"network {name!r}: its page would take {size:.1f} MB, more than {PAGE_BYTES / 1e6:.0f} MB")
    return text


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
