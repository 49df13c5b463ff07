"""Options of the form ``FIELD=VALUE,FIELD=VALUE``: fields of a dataclass."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from oxnor.models.base.errors import InputError


def parse_fields(kind: type, text: str | None, option: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the fields of dataclass `kind` in a text; `option` names it in errors.

    Values are checked where they are used; here they only become bool or int if the field's default is one.
    """
    defaults = {f.name: f.default for f in fields(kind) if f.name not in without}
    changes: dict[str, Any] = {}
    for part in (text or "").split(",") if text else ():
        name, _, value = part.strip().partition("=")
        if name not in defaults:
            raise InputError(
                f"{option}: must be FIELD=VALUE,... with fields {', '.join(defaults)}, not {part.strip()!r}"
            )
        changes[name] = value
        if isinstance(defaults[name], bool):
            changes[name] = {"true": True, "false": False}.get(value, value)
        elif isinstance(defaults[name], int):
            if not re.fullmatch(r"-?[0-9]{1,18}", value):
                raise InputError(f"{option}: {name} must be a whole number, not {value!r}")
            changes[name] = int(value)
    return changes
