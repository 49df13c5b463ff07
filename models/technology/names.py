"""The shipped technologies by name."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from oxnor.models.base.errors import InputError, near_names

DEFAULT = "ihp-sg13g2"
FILE = "technology.toml"


def folder() -> Path:
    """Return the folder that has one for each shipped technology."""
    return Path(str(resources.files("oxnor.models"))) / "data"


def names() -> list[str]:
    """Return the names of the shipped technologies, sorted."""
    return sorted(path.parent.name for path in folder().glob(f"*/{FILE}"))


def find(name_or_path: str | Path) -> Path:
    """Return the file of a shipped technology, or the path that a text is.

    Raises
    ------
    InputError
        If no technology has that name.
    """
    text = str(name_or_path)
    if text in names():
        return folder() / text / FILE
    if isinstance(name_or_path, Path) or text.endswith(".toml") or Path(text).name != text:
        return Path(text)
    raise InputError(
        f"must be one of {', '.join(names())} or a .toml file, not {text!r}{near_names(text, names())}",
        parameter="technology",
    )
