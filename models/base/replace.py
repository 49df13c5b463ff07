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
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator
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


#: What the system says where a file cannot be written, whatever the program does.
_FULL = (errno.ENOSPC, errno.EDQUOT)
UNWRITABLE = (
    *_FULL, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG, errno.ELOOP,
    errno.EISDIR, errno.ENOTDIR, errno.EMFILE, errno.ENFILE, errno.ENXIO, errno.ENODEV, errno.EBUSY, errno.ETXTBSY,
)  # fmt: skip


def _prefix(path: Path) -> str:
    return f".{os.fsdecode(os.fsencode(path.name)[:_NAME_MAX])}.{_HOST}-"


def temporary_name(path: Path) -> Path:
    """Return a name beside `path` for what is not whole yet; it says which process makes it."""
    return path.with_name(f"{_prefix(path)}{os.getpid()}-{secrets.token_hex(4)}.tmp")


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
    pattern = re.compile(re.escape(_prefix(path)) + r"(\d+)-[0-9a-f]{8}\.tmp")
    with suppress(OSError):
        for left in path.parent.iterdir():
            match = pattern.fullmatch(left.name)
            if match and not _is_alive(int(match[1])):
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)


def cannot_write(path: Path, e: OSError | ValueError) -> InputError:
    """Return the sentence for an error while `path` was being written."""
    if isinstance(e, OSError) and e.errno in _FULL:
        return InputError(f"{path}: cannot be written: the disk is full; nothing has changed")
    return InputError(f"{path}: cannot be written ({getattr(e, 'strerror', None) or e})")


def _file_target(path: Path) -> Path:
    """Return the file that `path` stands for, through symbolic links, or raise InputError if it cannot be one."""
    resolved = Path(os.path.realpath(path))
    mode = resolved.stat().st_mode if resolved.exists() else None
    if not path.name or (mode is not None and stat.S_ISDIR(mode)):
        raise InputError(f"{path}: must be a file, and is a folder")
    if mode is not None and not stat.S_ISREG(mode):
        raise InputError(f"{path}: must be a file, and is a device or a pipe")
    if mode is not None and not os.access(resolved, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return resolved


def check_file(path: str | Path) -> None:
    """Raise InputError unless :func:`whole_file` can write `path`: before the work whose result goes there."""
    _check(Path(path), lambda: _probe(_file_target(Path(path)).parent))


def check_folder(path: str | Path) -> None:
    """Raise InputError unless :func:`whole_folder` can write `path`, as far as that is seen before it is asked."""
    _check(Path(path), lambda: _probe(_folder_target(Path(path)).parent))


def check_place(path: str | Path) -> None:
    """Raise InputError unless files can be written into the folder `path`, which need not be there yet."""
    _check(Path(path), lambda: _probe(_place(Path(path))))


def _place(path: Path) -> Path:
    resolved = Path(os.path.realpath(path))
    if resolved.exists() and not resolved.is_dir():
        raise InputError(f"{path}: must be a folder, not a file")
    return resolved


def _check(path: Path, probe: Callable[[], None]) -> None:
    try:
        probe()
    except (OSError, ValueError) as e:
        if isinstance(e, InputError):
            raise
        raise cannot_write(path, e) from None


def _probe(folder: Path) -> None:
    """Make a file without a name in `folder` or, if it is not there, in the lowest folder above it that is."""
    while not folder.exists() and folder != folder.parent:
        if len(os.fsencode(folder.name)) > os.pathconf("/", "PC_NAME_MAX"):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        folder = folder.parent
    with tempfile.TemporaryFile(dir=folder):
        pass


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed to `path`, on error it is removed.

    Parameters
    ----------
    path : path
        A symbolic link is followed: its target is replaced.

    Raises
    ------
    InputError
        If the file cannot be written there; `path` is then as it was.
    """
    path = Path(path)
    try:
        target = _file_target(path)
        temporary = temporary_name(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target)
        temporary.touch(exist_ok=False)
    except InputError:
        raise
    except (OSError, ValueError) as e:
        raise cannot_write(path, e) from None
    try:
        yield temporary
        temporary.replace(target)
    except OSError as e:
        if e.errno in UNWRITABLE:
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


def _folder_target(path: Path) -> Path:
    """Return the folder that `path` stands for, through symbolic links, or raise InputError if it cannot be one."""
    resolved = _place(path)
    here = Path.cwd()
    if resolved == here or resolved in here.parents or resolved == Path.home():
        raise InputError(f"{path}: must be a folder of its own, not the one you are in or one above it")
    return resolved


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
        resolved = _folder_target(path)
        is_accepted = force or (resolved / MANIFEST).is_file() or (resolved / marker).is_file()
        if resolved.is_dir() and any(resolved.iterdir()) and not is_accepted:
            advice = "; with `force` it is kept under another name" * (force is False)
            raise InputError(
                f"{path}: must be new, empty or written by this command before, and has other files in it{advice}"
            )
        temporary = temporary_name(resolved)
        resolved.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(resolved)
        temporary.mkdir()
    except InputError:
        raise
    except (OSError, ValueError) as e:
        raise cannot_write(path, e) from None
    try:
        yield temporary
        (temporary / MANIFEST).write_text(json.dumps(sorted(_files(temporary))) + "\n", encoding="utf-8")
        _swap(temporary, resolved)
    except InputError as e:
        # A file in it that could not be written: its user knows it by its name to be.
        raise InputError(e.message.replace(str(temporary), str(path)), parameter=e.parameter) from None
    except OSError as e:
        if e.errno in UNWRITABLE:
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
