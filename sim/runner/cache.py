"""The cache of builds: what is in it, and how it stays within its limit.

Everything below :func:`oxnor.models.base.files.build_root` can be made again. An entry is a folder in one of
:data:`FOLDERS`; whoever makes it holds ``NAME.lock``, whoever uses it holds a :class:`Lease`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_place, write_text

#: Folders that hold entries, and what these are.
FOLDERS = {
    "sim": "simulation", "fpga": "FPGA build", "run": "run", "circuit": "circuit simulation", "page": "page's engine",
}  # fmt: skip
#: GiB that the cache may take, unless ``$OXNOR_BUILD_LIMIT`` says otherwise.
LIMIT_GIB = 4.0
#: Seconds in which an entry that was used still counts as in use: for its user's way from one lease to the next.
GRACE_S = 60
_IN_USE, _SEAL = "in-use", "hashes.json"
#: Files of the cache itself in an entry.
OWN_FILES = (_IN_USE, _SEAL)


@dataclass(frozen=True)
class Entry:
    """One build, or the folder of one run.

    Parameters
    ----------
    kind : str
        A value of :data:`FOLDERS`.
    path : Path
    size : int
        Bytes.
    used : float
        When it was last used, in seconds since the epoch.
    """

    kind: str
    path: Path
    size: int
    used: float


def limit() -> int:
    """Return how many bytes the cache may take: ``$OXNOR_BUILD_LIMIT`` in GiB, else :data:`LIMIT_GIB`."""
    text = os.environ.get("OXNOR_BUILD_LIMIT") or str(LIMIT_GIB)
    try:
        gib = float(text)
        if not 0 <= gib < 1 << 30:
            raise ValueError
    except ValueError:
        raise InputError(f"OXNOR_BUILD_LIMIT must be a number of GiB, not {text!r}") from None
    return int(gib * 2**30)


def _hashes(entry: Path) -> dict[str, str]:
    files = (p for p in entry.rglob("*") if p.is_file() and p.name not in OWN_FILES)
    return {p.relative_to(entry).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def seal(entry: Path) -> None:
    """Write the hashes of all files of a new entry: the last thing that is done to it."""
    write_text(entry / _SEAL, json.dumps(_hashes(entry), sort_keys=True, indent=0) + "\n")


def is_whole(entry: Path) -> bool:
    """Return whether an entry is there with every byte that was sealed; say so if it is damaged."""
    if not entry.is_dir():
        return False
    try:
        sealed = json.loads((entry / _SEAL).read_text(encoding="utf-8"))
        if _hashes(entry) == sealed:
            return True
    except (OSError, ValueError, RecursionError):
        pass
    logging.getLogger(__name__).warning("oxnor: %s is damaged, or from an earlier release: it is made again", entry)
    return False


@contextlib.contextmanager
def new_entry(target: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes the entry `target`, sealed, when all has gone well; else it is removed.

    Whoever makes an entry holds its lock.
    """
    work = target.with_name(f"{target.name}.tmp")
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
        seal(work)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
    return total


def entries(root: Path | None = None) -> list[Entry]:
    """Return what the cache holds, the least recently used first.

    Parameters
    ----------
    root : Path, optional
        Folder of the cache. Default: :func:`oxnor.models.base.files.build_root`.
    """
    kept = []
    for folder, kind in FOLDERS.items():
        for path in (build_place(root) / folder).glob("*"):
            if path.is_dir():
                used = [p.stat().st_mtime for p in (path, path / _IN_USE) if p.exists()]
                if used:
                    kept.append(Entry(kind, path, _size(path), max(used)))
    return sorted(kept, key=lambda e: e.used)


class Lease:
    """Keeps an entry in the cache from now until it is closed or forgotten.

    Parameters
    ----------
    entry : Path
        Its time of use becomes now.
    """

    #: Name of the locked file in an entry.
    name = _IN_USE

    def __init__(self, entry: Path):
        self._file = os.open(entry / _IN_USE, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(self._file, fcntl.LOCK_SH)
        os.utime(entry / _IN_USE)

    def close(self) -> None:
        """Let go of the entry."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    __del__ = close

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Hold a lock if nobody else does; say whether."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def _remove(path: Path) -> bool:
    """Remove an entry unless it is being made or used; say whether it is gone."""
    name = path.name.removesuffix(".tmp")
    with contextlib.ExitStack() as stack:
        if not stack.enter_context(_alone(path.parent / f"{name}.lock")):
            return False
        if (path / _IN_USE).exists() and not stack.enter_context(_alone(path / _IN_USE)):
            return False
        # In one step, so that nobody uses half of it.
        rubbish = path.with_name(f"{name}.tmp")
        if rubbish != path:
            shutil.rmtree(rubbish, ignore_errors=True)
            path.rename(rubbish)
        shutil.rmtree(rubbish, ignore_errors=True)
        (path.parent / f"{name}.log").unlink(missing_ok=True)
        # The file of the lock stays: another process may be waiting for it.
        return not rubbish.exists()


def prune(target: int | None = None, root: Path | None = None, *, grace_s: float = GRACE_S) -> list[Entry]:
    """Remove entries, the least recently used first, until the cache is within its limit; return those removed.

    What is being made or used stays, whatever the limit.

    Parameters
    ----------
    target : int, optional
        Bytes that may remain; 0 removes all that is not in use. Default: :func:`limit`.
    root : Path, optional
        Folder of the cache. Default: :func:`oxnor.models.base.files.build_root`.
    grace_s : float
        Seconds after its last use in which an entry stays in any case.
    """
    target = limit() if target is None else target
    there, removed = entries(root), []
    total, youngest = sum(e.size for e in there), time.time() - grace_s
    for entry in there:
        if total <= target or entry.used > youngest:
            break
        if _remove(entry.path):
            total -= entry.size
            removed.append(entry)
    return removed
