"""Commands whose parameters are records of options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints


def expanded(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command with an option for each field of the dataclasses among the parameters of `function`.

    A field is annotated as a parameter of a Typer command is: ``Annotated[int, typer.Option("--seed")]``.

    Raises
    ------
    TypeError
        If two records have a field of the same name, or a field has no default.
    """
    hints = get_type_hints(function, include_extras=True)
    records: dict[str, type] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        hint = hints[parameter.name]
        if is_dataclass(hint) and isinstance(hint, type):
            records[parameter.name] = hint
            parameters += _options(hint)
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(kind=kind, annotation=hint))
    names = [p.name for p in parameters]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TypeError(f"{function.__name__}: options {', '.join(twice)} stand in two records")

    @functools.wraps(function)
    def command(**values: Any) -> None:
        built = {
            name: record(**{f.name: values.pop(f.name) for f in fields(record)}) for name, record in records.items()
        }
        function(**built, **values)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    del command.__wrapped__
    return command


def _options(record: type) -> list[inspect.Parameter]:
    hints = get_type_hints(record, include_extras=True)
    options = []
    for field in fields(record):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if default is MISSING:
            default = inspect.Parameter.empty
        options.append(
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name])
        )
    return options
