"""Verilator's own runtime: most of the time that a small design takes goes into it, so it is compiled once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from oxnor.models.base.files import build_root, locked
from oxnor.models.base.replace import whole_file


class Runtime:
    """The objects of the runtime in :func:`oxnor.models.base.files.build_root`, wherever the builds are.

    Parameters
    ----------
    flags : mapping
        All that decides how they are compiled: each set of flags has objects of its own.
    """

    def __init__(self, flags: Mapping[str, object]):
        key = hashlib.sha256(json.dumps(flags, sort_keys=True).encode()).hexdigest()[:24]
        self._folder = build_root() / "sim" / f"runtime-{key}"
        self._lock = self._folder.with_suffix(".lock")
        self._first = self._folder.with_suffix(".first.lock")

    @contextlib.contextmanager
    def first_alone(self) -> Iterator[None]:
        """Let one build at a time through as long as there are no objects: the others wait for those of the first."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(locked(self._first))
            if any(self._folder.glob("*.o")):
                stack.close()
            yield

    def take(self, work: Path) -> None:
        """Copy the objects into a build; call it after Verilator: make wants them newer than the makefile."""
        with locked(self._lock):
            for path in self._folder.glob("*.o"):
                shutil.copy(path, work)
            if self._folder.is_dir():
                os.utime(self._folder)

    def keep(self, work: Path) -> None:
        """Keep the objects of a build that are not there yet."""
        with locked(self._lock):
            for path in work.glob("verilated*.o"):
                if not (self._folder / path.name).is_file():
                    # It may be on another file system.
                    with whole_file(self._folder / path.name) as part:
                        shutil.copy(path, part)
