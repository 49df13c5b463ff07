"""Atomic, reproducible file writing; the build folder; locks."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from .bits import unpack_bytes
from .errors import InputError
from .replace import whole_file

_HEADER_MAX = 1 << 20
#: What a damaged archive or array raises.
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, tokenize.TokenError, ValueError, TypeError, EOFError, OSError, NotImplementedError,
    RuntimeError, SyntaxError, OverflowError, MemoryError, struct.error, KeyError, IndexError, AttributeError,
)
#: Bytes of the record at the end of an archive.
_ZIP_END = 22
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say in one sentence, as an InputError, why the system does not let a file be read."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, not a file") from None
    except OSError as e:
        raise InputError(f"{path}: cannot be read ({e.strerror})") from None


def build_place(folder: str | Path | None = None) -> Path:
    """Return the folder for everything that is built, whether it is there or not; parameters as :func:`build_root`."""
    return Path(os.path.realpath(_build_place(folder)))


def _build_place(folder: str | Path | None) -> str | Path:
    return folder or os.environ.get("OXNOR_BUILD") or platformdirs.user_cache_path("oxnor") / "build"


def build_root(folder: str | Path | None = None) -> Path:
    """Return the folder for everything that is built, which is there and can be written.

    Parameters
    ----------
    folder : path, optional
        Default: ``$OXNOR_BUILD``, else one in the user's cache.

    Raises
    ------
    InputError
        If it cannot be made, or nothing can be written there.
    """
    root = build_place(folder)
    try:
        if root.exists() and not root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        root.mkdir(parents=True, exist_ok=True)
        if not os.access(root, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as e:
        why = f"cannot be the folder of builds ({e.strerror}): set OXNOR_BUILD to another"
        raise InputError(f"{_build_place(folder)}: {why}") from None
    return root


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold a lock between processes; the system releases it even if the process dies."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_npz(path: str | Path, arrays: Mapping[str, NDArray]) -> None:
    """Write a compressed ``.npz`` whose bytes depend only on `arrays` (no time stamps)."""
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _ZIP_EPOCH), buffer.getvalue(), zipfile.ZIP_DEFLATED)


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Put the name of a file before an InputError that does not begin with it."""
    try:
        yield
    except InputError as e:
        text = str(e)
        raise InputError(text if text.startswith(str(path)) else f"{path}: {text}") from None


def type_name(dtype: Any) -> str:
    """Return the type of an array's elements in words, as ``int32`` or ``text``, without numpy's codes."""
    dtype = np.dtype(dtype)
    words = {"U": "text", "S": "text", "O": "Python objects", "V": "records", "M": "dates", "m": "durations"}
    swapped = " (most significant byte first)" if dtype.byteorder == ">" else ""
    return words.get(dtype.kind, dtype.name) + swapped


def in_type_names(text: str) -> str:
    """Return a message of numpy with its codes of types replaced by their names."""
    return re.sub(r"dtype\('([<>|=]?[a-zA-Z]\d*|[a-z]+\d+|bool)'\)", lambda match: type_name(match[1]), text)


def _types(dtypes: Sequence[str]) -> str:
    """Return types of which one must be met, in words."""
    if len(dtypes) > 4:
        return "numbers or text" if any("U" in t for t in dtypes) else "numbers"
    *others, last = dict.fromkeys(type_name(t) for t in dtypes)
    return f"{', '.join(others)} or {last}" if others else last


class NpzReader:
    """An ``.npz`` file that is not trusted: nothing is allocated before its size is known to be right.

    Parameters
    ----------
    path : path
        The file. Use as a context manager.

    Raises
    ------
    InputError
        If the file is missing, is not an ``.npz`` file, is truncated, or holds an array of another
        dtype or shape than the caller asks for.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        with reading(self.path):
            try:
                self._zip = zipfile.ZipFile(self.path)
                self._check_directory()
            except OSError:
                raise
            except UNREADABLE:
                raise InputError(f"{self.path}: is not an .npz file, or is cut short") from None

    def _check_directory(self) -> None:
        """Raise BadZipFile if an array may have got lost: no checksum is over the names of arrays, and their number."""
        names = self._zip.namelist()
        for name in names:  # it is in the file twice
            self._zip.open(name).close()
        with self.path.open("rb") as file:
            file.seek(-_ZIP_END, os.SEEK_END)
            end = file.read()
        if end.startswith(b"PK\5\6") and int.from_bytes(end[10:12], "little") not in (len(names), 0xFFFF):
            raise zipfile.BadZipFile

    def __enter__(self) -> NpzReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @property
    def names(self) -> set[str]:
        """Names of the arrays in the file."""
        return {n.removesuffix(".npy") for n in self._zip.namelist() if n.endswith(".npy")}

    def json_header(self, kind: str, *versions: int) -> dict[str, Any]:
        """Return the JSON object in array ``header``, after a check of its format name and version."""
        if "header" not in self.names:
            raise InputError(f"{self.path}: is not an {kind} file: it has no array 'header'")
        data = self.array("header", "|u1", (None,), limit=_HEADER_MAX).tobytes()
        try:
            header = json.loads(data)
        except (ValueError, RecursionError):
            raise InputError(f"{self.path}: header must be JSON") from None
        if not isinstance(header, dict) or header.get("format") != kind:
            raise InputError(f"{self.path}: header.format must be {kind!r}: this is some other file")
        version = header.get("version")
        if isinstance(version, bool) or version not in versions:
            raise InputError(
                f"{self.path}: header.version must be {' or '.join(map(str, versions))},"
                f" not {header.get('version')!r}: the file is from another release"
            )
        return header

    def any_array(self, name: str, dtypes: Sequence[str], ndim_max: int, limit: int) -> NDArray:
        """Return one array of any shape.

        Parameters
        ----------
        name : str
        dtypes : sequence of str
            Those that it may have.
        ndim_max : int
            Most dimensions.
        limit : int
            Largest size in bytes that is accepted.
        """
        try:
            with self._zip.open(f"{name}.npy") as member:
                version = np.lib.format.read_magic(member)
                if version != (1, 0):
                    raise InputError(f"{self.path}: array {name!r} must be in .npy format 1.0, not {version}")
                stored, _, kind = np.lib.format.read_array_header_1_0(member)
        except InputError:
            raise
        except UNREADABLE as e:
            raise self._unreadable(name, e) from None
        if kind.str not in dtypes:
            raise InputError(f"{self.path}: array {name!r} must be {_types(dtypes)}, not {type_name(kind)}")
        if len(stored) > ndim_max:
            raise InputError(f"{self.path}: array {name!r} must have at most {ndim_max} dimensions, not {len(stored)}")
        return self.array(name, kind.str, stored, limit, any_order=True)

    def _unreadable(self, name: str, e: Exception) -> InputError:
        if name not in self.names:
            return InputError(f"{self.path}: array {name!r} is missing")
        return InputError(f"{self.path}: array {name!r} cannot be read ({' '.join(str(e).split())})")

    def bits(self, name: str, rows: int, width: int) -> NDArray[np.bool_]:
        """Return packed bits (bit i of a row is bit i % 8 of byte i // 8) as bool, shape (rows, width)."""
        packed = self.array(name, "|u1", (rows, -(-width // 8)))
        if width % 8 and (packed[:, -1] >> (width % 8)).any():
            raise InputError(f"{self.path}: array {name!r} must have 0 in the unused high bits of each row")
        return unpack_bytes(packed, width)

    def array(self, name: str, dtype: str, shape: tuple[int | None, ...], limit: int = 1 << 31, *,
              any_order: bool = False) -> NDArray:  # fmt: skip
        """Return one array.

        Parameters
        ----------
        name : str
            Name of the array.
        dtype : str
            The dtype that it must have, for example ``"<i4"``.
        shape : tuple of int or None
            The shape that it must have; None accepts any length.
        limit : int
            Largest size in bytes that is accepted.
        any_order : bool
            Also take an array whose first index runs fastest.
        """
        try:
            with self._zip.open(f"{name}.npy") as member:
                version = np.lib.format.read_magic(member)
                if version != (1, 0):
                    raise InputError(f"{self.path}: array {name!r} must be in .npy format 1.0, not {version}")
                stored, fortran, kind = np.lib.format.read_array_header_1_0(member)
                if kind != np.dtype(dtype):
                    raise InputError(f"{self.path}: array {name!r} must be {type_name(dtype)}, not {type_name(kind)}")
                same = len(stored) == len(shape) and all(s in (None, f) for s, f in zip(shape, stored, strict=True))
                if not same or (fortran and not any_order):
                    wanted = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
                    raise InputError(f"{self.path}: array {name!r} must have shape {wanted}, not {stored}")
                size = int(np.prod([int(s) for s in stored], dtype=object)) * kind.itemsize
                if size > limit:
                    raise InputError(f"{self.path}: array {name!r} must have at most {limit} bytes, not {size}")
                data = member.read(size + 1)
        except InputError:
            raise
        except UNREADABLE as e:
            raise self._unreadable(name, e) from None
        if len(data) != size:
            raise InputError(f"{self.path}: array {name!r} must have {size} bytes of data, not {len(data)}")
        return np.frombuffer(data, dtype=kind).reshape(stored, order="F" if fortran else "C")


def json_format(source: NpzReader) -> str:
    """Return the format that a file's header names, or "" if it has none; the file is checked no further."""
    try:
        header = json.loads(source.array("header", "|u1", (None,), limit=_HEADER_MAX).tobytes())
    except (ValueError, RecursionError):
        return ""
    name = header.get("format") if isinstance(header, dict) else None
    return name if isinstance(name, str) else ""
