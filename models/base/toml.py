"""Records of dataclasses as TOML files: read with every key checked, written whole."""

from __future__ import annotations

import os
import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from oxnor.models.base.errors import InputError, near_names

#: What a design may hold in Python, and a file only by name.
_OBJECTS = ("Network", "SpikingNetwork", "FaultMap", "DeviceModel")


@dataclass(frozen=True)
class Reader:
    """Turns the tables of a file into dataclasses.

    Parameters
    ----------
    path : Path
        The file, which errors name. Paths in it are relative to its folder.
    """

    path: Path

    def read(self, cls: type) -> Any:
        """Return the file as an instance of `cls`."""
        try:
            values = tomllib.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{self.path}: no such file") from None
        except OSError as e:
            raise InputError(f"{self.path}: cannot be read ({e.strerror})") from None
        except UnicodeDecodeError:
            raise InputError(f"{self.path}: is not a TOML file: it must be text in UTF-8") from None
        except (ValueError, RecursionError) as e:  # besides its own: numbers of 5,000 digits, 1,000 brackets
            raise InputError(f"{self.path}: is not a TOML file: {e}") from None
        return self.table(cls, values, "")

    def table(self, cls: type, values: Mapping[str, Any], where: str) -> Any:
        """Return one table as an instance of `cls`; `where` is its name with a dot behind, or nothing."""
        hints = get_type_hints(cls, localns=dict.fromkeys(_OBJECTS, object))
        known = {f.name: f for f in fields(cls)}
        for key in values:
            if key not in known:
                hint = near_names(key, known)
                raise InputError(f"{self.path}: {where}{key} must not be given: keys are {', '.join(known)}{hint}")
        for name, field in known.items():
            if name not in values and field.default is MISSING and field.default_factory is MISSING:
                raise InputError(f"{self.path}: {where}{name} must be given")
        arguments = {key: self.value(hints[key], value, f"{where}{key}") for key, value in values.items()}
        try:
            return cls(**arguments)
        except InputError as e:
            raise InputError(f"{self.path}: {where}{e}") from None

    def value(self, hint: Any, value: Any, where: str) -> Any:
        """Return a value as the type that a field has."""
        options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        for option in options:
            values = self._as(option, value, where)
            if values is not None:
                return values
        words = list(dict.fromkeys(word for word in map(_word, options) if word))
        raise InputError(f"{self.path}: {where} must be {' or '.join(words)}, not {value!r}")

    def _as(self, kind: Any, value: Any, where: str) -> Any:
        """Return a value as one type, or None if it is of another."""
        if get_origin(kind) is tuple:
            return self._tuple(get_args(kind), value, where)
        if kind is float:
            return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        if kind is int:
            return value if isinstance(value, int) and not isinstance(value, bool) else None
        if kind in (bool, str):
            return value if isinstance(value, kind) else None
        if kind is Path:
            return Path(value) if isinstance(value, str) else None
        if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
            return self.table(kind, value, f"{where}.")
        return None

    def _tuple(self, kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...] | None:
        if not isinstance(value, list):
            return None
        if kinds[-1] is Ellipsis:
            kinds = (kinds[0],) * len(value)
        if len(value) != len(kinds):
            return None
        return tuple(self.value(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))


def _word(kind: Any) -> str:
    """Return what a type is called in a TOML file."""
    names = {bool: "true or false", str: "a text", Path: "a path", int: "a whole number", float: "a number"}
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if inner[-1] is Ellipsis:
            return "tables" if is_dataclass(inner[0]) else "a list"
        return f"a list of {len(inner)}"
    if kind in names:
        return names[kind]
    return "a table" if is_dataclass(kind) else ""


def plain(value: Any, folder: Path, where: str = "") -> Any:
    """Return a record as TOML holds it: what is as by default left out, paths relative to `folder` if they are below.

    Raises
    ------
    InputError
        If a value is an object that no file stands for.
    """
    if isinstance(value, Path):
        path = Path(os.path.relpath(value, folder))
        return str(value if value.is_absolute() and path.parts[:1] == ("..",) else path)
    if isinstance(value, tuple):
        return [plain(v, folder, where) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_dataclass(value) and type(value).__name__ not in _OBJECTS:
        values = {}
        for field in fields(value):
            item = getattr(value, field.name)
            default = field.default_factory() if field.default_factory is not MISSING else field.default
            if item is not None and (default is MISSING or type(item) is not type(default) or item != default):
                values[field.name] = plain(item, folder, f"{where}.{field.name}" if where else field.name)
        return values
    raise InputError(f"must be a name or a file to be saved in a design: save it first, not {value!r}", parameter=where)
