"""Survivors that are known: mutants that no test finds, for a reason that is written down."""

from __future__ import annotations

import re

#: By unit: (pattern of the mutant, why nothing finds it).
REASONS: dict[str, tuple[tuple[str, str], ...]] = {}


def reason(unit: str, mutant: str) -> str:
    """Return why a mutant of a unit may survive; "" if there is no reason."""
    return next((why for pattern, why in REASONS.get(unit, ()) if re.search(pattern, mutant)), "")
