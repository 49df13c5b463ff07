"""Files and folders that appear whole or not at all, whenever the process or the machine stops."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import re
import secrets
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InputError

#: Lists the files of a folder that was written by us, so that nothing else in it is ever deleted.
MANIFEST = ".oxnor-files.json"
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
#: Distinguishes the processes of machines that share a folder.
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_NAME_MAX = 200


def temporary_name(path: Path) -> Path:
    """Return a name beside `path` for what is not whole yet; it says which process makes it."""
    return path.with_name(f".{path.name[:_NAME_MAX]}.{_HOST}-{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def remove_leftovers(path: Path) -> None:
    """Remove what dead processes of this machine have left beside `path` while they were writing it."""
    pattern = re.compile(re.escape(f".{path.name[:_NAME_MAX]}.{_HOST}-") + r"(\d+)-[0-9a-f]{8}\.tmp")
    with suppress(OSError):
        for left in path.parent.iterdir():
            match = pattern.fullmatch(left.name)
            if match and not _is_alive(int(match[1])):
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)


def cannot_write(path: Path, e: OSError) -> InputError:
    """Return the sentence for an OSError while `path` was being written."""
    if e.errno == errno.ENOSPC:
        return InputError(f"{path}: cannot be written: the disk is full; nothing has changed")
    return InputError(f"{path}: cannot be written ({e.strerror or e})")


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed to `path`, on error it is removed.

    Raises
    ------
    InputError
        If the file cannot be written there; `path` is then as it was.
    """
    path = Path(path)
    try:
        if not path.name or path.is_dir():
            raise InputError(f"{path}: must be a file, and is a folder")
        temporary = temporary_name(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path)
        temporary.touch(exist_ok=False)
    except OSError as e:
        raise cannot_write(path, e) from None
    try:
        yield temporary
        temporary.replace(path)
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise cannot_write(path, e) from None
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two names in one step; False where the system cannot."""
    try:
        done = ctypes.CDLL(None, use_errno=True).renameat2(
            _AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE
        )
    except (OSError, AttributeError):
        return False
    return done == 0


def _manifest(folder: Path) -> set[str]:
    """Return the files that a folder's manifest lists: relative paths inside it."""
    try:
        names = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    return {n for n in names if isinstance(n, str)} if isinstance(names, list) else set()


def _files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir() or p.is_symlink()}


def _check_target(path: Path, resolved: Path, is_accepted: bool, advice: str) -> None:
    if resolved.exists() and not resolved.is_dir():
        raise InputError(f"{path}: must be a folder, not a file")
    here = Path.cwd()
    if resolved == here or resolved in here.parents or resolved == Path.home():
        raise InputError(f"{path}: must be a folder of its own, not the one you are in or one above it")
    if resolved.is_dir() and any(resolved.iterdir()) and not is_accepted:
        raise InputError(
            f"{path}: must be new, empty or written by this command before, and has other files in it{advice}"
        )


@contextmanager
def whole_folder(path: str | Path, *, marker: str = MANIFEST, force: bool | None = None) -> Iterator[Path]:
    """Yield an empty folder beside `path`; on success it takes the place of `path` in one step.

    An older folder of ours is deleted, except for files in it that are not ours: they are carried over. A folder that
    is not ours is refused or, with `force`, renamed to ``NAME.old`` (or ``NAME.old2``, ...) and kept; so is one that
    has the marker but no manifest, as earlier releases wrote them.

    Parameters
    ----------
    path : path
        A symbolic link is followed: its target is replaced.
    marker : str
        File by which a folder of this kind is known.
    force : bool, optional
        See above. None where the caller's user has no such parameter: then no error speaks of it.

    Raises
    ------
    InputError
        If `path` is no folder of ours, holds the working folder, or cannot be written.
    """
    path = Path(path)
    try:
        resolved = path.resolve()
        resolved.exists()
    except OSError as e:
        raise cannot_write(path, e) from None
    is_accepted = force or (resolved / MANIFEST).is_file() or (resolved / marker).is_file()
    _check_target(path, resolved, bool(is_accepted), "; with `force` it is kept under another name" * (force is False))
    temporary = temporary_name(resolved)
    try:
        resolved.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(resolved)
        temporary.mkdir()
    except OSError as e:
        raise cannot_write(path, e) from None
    try:
        yield temporary
        (temporary / MANIFEST).write_text(json.dumps(sorted(_files(temporary))) + "\n", encoding="utf-8")
        _swap(temporary, resolved)
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise cannot_write(path, e) from None
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, path: Path) -> None:
    """Put `new` in the place of `path`; what is then at `new` may be deleted."""
    if not path.exists():
        new.rename(path)
        return
    is_ours = (path / MANIFEST).is_file() or not any(path.iterdir())
    if is_ours:
        for name in sorted(_files(path) - _manifest(path) - _files(new) - {MANIFEST}):
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path / name, new / name, follow_symlinks=False)
    if is_ours and _exchange(new, path):
        return
    aside = path.with_name(f"{path.name}.old")
    for k in range(2, 1000):
        if not aside.exists():
            break
        aside = path.with_name(f"{path.name}.old{k}")
    path.rename(aside)
    new.rename(path)
    if is_ours:
        shutil.rmtree(aside, ignore_errors=True)
