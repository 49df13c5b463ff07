"""Where make works: it takes no folder with a space in its name, and follows links to find out."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from oxnor.models.base.replace import remove_leftovers, temporary_name

#: Characters of a path that mean nothing to make and to a shell.
_PLAIN = re.compile(r"[\w./+@,-]+", re.ASCII)
#: A folder without spaces, for what lasts no longer than a build.
_ELSEWHERE = Path("/tmp")


def is_plain(path: str | Path) -> bool:
    """Return whether make takes a path as it is."""
    return bool(_PLAIN.fullmatch(str(path)))


@contextmanager
def make_place(work: Path) -> Iterator[Path]:
    """Yield an empty folder in which make works: `work`, or one elsewhere whose files are then moved to `work`."""
    shutil.rmtree(work, ignore_errors=True)
    if is_plain(work):
        work.mkdir(parents=True)
        yield work
        return
    name = _ELSEWHERE / f"oxnor-{os.getuid()}"
    remove_leftovers(name)
    place = temporary_name(name)
    place.mkdir(mode=0o700)
    try:
        yield place
        shutil.copytree(place, work, symlinks=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def plain_sources(sources: Sequence[Path], work: Path) -> list[Path]:
    """Return sources by names that make takes: of those that have none, links in a folder in `work` for each."""
    plain = []
    for k, path in enumerate(sources):
        if not is_plain(path):
            link = work / f"source{k}" / path.name
            link.parent.mkdir()
            link.symlink_to(path.resolve())
            path = link
        plain.append(path)
    return plain
