"""What is shipped in a folder of ``models/data``, found by its name, or a user's file beside it."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from .errors import InputError, near_names


def folder(name: str = "") -> Path:
    """Return a folder of the shipped data."""
    return Path(str(resources.files("oxnor.models"))) / "data" / name


def names(place: str, ending: str) -> list[str]:
    """Return the names of what a folder has, sorted."""
    return sorted(path.stem for path in folder(place).glob(f"*{ending}"))


def find(name_or_path: str | os.PathLike[str], place: str, ending: str, parameter: str) -> Path:
    """Return the file of what is shipped under a name, or the path that a text is.

    Parameters
    ----------
    name_or_path : str or path
        A name; or a file that exists, a name that ends in `ending` or has a folder in it.
    place : str
        Folder of the shipped data.
    ending : str
        Of its files, with the dot.
    parameter : str
        What is looked for, for the error.

    Raises
    ------
    InputError
        If nothing has that name: with the list of names and those that are near.
    """
    text, known = os.fspath(name_or_path), names(place, ending)
    if text in known:
        return folder(place) / f"{text}{ending}"
    if text.endswith(ending) or os.path.basename(text) != text or Path(text).is_file():
        return Path(text)
    rule = f"must be one of {', '.join(known)}, or a {ending} file"
    raise InputError(f"{rule}, not {text!r}{near_names(text, known)}", parameter=parameter)
