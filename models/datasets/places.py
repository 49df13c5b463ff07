"""Where data sets are looked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from oxnor.models.base.errors import InputError

#: Environment variable that names a folder with data sets.
DATA_VARIABLE = "OXNOR_DATA"


def cache_dir() -> Path:
    """Return the user's cache folder."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("oxnor"))


def search_places(data_dir: str | Path | None = None) -> list[tuple[str, Path]]:
    """Return where data sets are looked for, in order, as (what it is, folder)."""
    places = [("`data_dir`", Path(data_dir))] if data_dir is not None else []
    if os.environ.get(DATA_VARIABLE):
        places.append((f"${DATA_VARIABLE}", Path(os.environ[DATA_VARIABLE])))
    places.append(("../shared/data", Path.cwd().parent / "shared" / "data"))
    places.append(("user cache", cache_dir()))
    return places


def find(names: Iterable[str], data_dir: str | Path | None = None, extra: Iterable[Path] = ()) -> Path | None:
    """Return the first file of these names that is in one of the places, or in an `extra` folder."""
    folders = [folder for _, folder in search_places(data_dir)] + list(extra)
    names = list(names)
    return next((p for folder in folders for p in (folder / name for name in names) if p.is_file()), None)


def not_found(what: str, advice: str, data_dir: str | Path | None = None) -> InputError:
    """Return the error that names every place that was looked in."""
    looked = ", ".join(f"{name} ({folder})" for name, folder in search_places(data_dir))
    return InputError(f"{what}: must be in one of {looked}, and is not; {advice}")
