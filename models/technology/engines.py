"""Energy, area and clock of the engines of shipped networks, as `oxnor energy` computed them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from .names import DEFAULT, folder

#: What an entry has beside the digests that it is found by.
FIELDS = (
    "network", "digital_pj", "digital_mm2", "clock_mhz", "rram_nj", "rram_mm2", "sram_nj", "sram_mm2", "images",
    "differ",
)  # fmt: skip


def path(technology: str = DEFAULT) -> Path:
    """Return the file of a shipped technology."""
    return folder() / technology / "engines.json"


@cache
def entries(technology: str = DEFAULT) -> list[dict[str, Any]]:
    """Return all entries of a shipped technology."""
    file = path(technology)
    return json.loads(file.read_text(encoding="utf-8"))["engines"] if file.is_file() else []


def find(network: str, engine: str, technology: str = DEFAULT) -> dict[str, Any] | None:
    """Return the entry of an engine, by the digests of its network and of its structure, if there is one."""
    for entry in entries(technology):
        if (entry["network_digest"], entry["engine_digest"]) == (network, engine):
            return {"technology": technology} | {name: entry[name] for name in FIELDS[1:]}
    return None
