"""Values as people read them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any


def value_text(key: str, value: Any) -> str:
    """Return a value of a result as text; `key` says what it is."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key.endswith("accuracy") or key == "undecided":
        return f"{100 * value:.2f} %"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)


def command_line(ctx: Any, without: tuple[str, ...] = ()) -> str:
    """Return the command line that gives the same result: what was given, without the options called `without`."""
    parts = ["oxnor", *ctx.command_path.split()[1:]]
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name)
        source = ctx.get_parameter_source(parameter.name)
        if parameter.name in without or value in (None, False) or source is None or source.name != "COMMANDLINE":
            continue
        values = value if isinstance(value, list | tuple) else (value,)
        for one in values:
            if parameter.param_type_name == "argument":
                parts.append(str(one))
            else:
                parts += [parameter.opts[0]] if value is True else [parameter.opts[0], str(one)]
    return shlex.join(parts)


def cycles_text(structure: Mapping[str, Any], key: str) -> str:
    """Return a number of cycles of an engine's description: the least, where its macros answer when they are ready."""
    return f"{structure.get('cycles', '')} {structure[key]:,} cycles".lstrip()
