"""Numbers and names as sentences have them."""

from __future__ import annotations


def counted(count: int, what: str) -> str:
    """Return a number of things: ``1 trial``, ``2 trials``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
