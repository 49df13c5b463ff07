"""IDX, the format of MNIST's files: a reader that trusts nothing."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

#: Most bytes of an uncompressed file.
SIZE_MAX = 1 << 30
#: Bytes of a file that are read at once.
_PIECE = 1 << 20


def parse_idx(data: bytes, shape: tuple[int | None, ...], where: str) -> NDArray[np.uint8]:
    """Return the array of an uncompressed IDX file of unsigned bytes.

    The format is two zero bytes, a type byte (0x08: unsigned byte), the number of dimensions, each
    dimension as a big-endian 32-bit number, then the elements, the last dimension fastest.

    Parameters
    ----------
    data : bytes
        The whole file.
    shape : tuple of int or None
        The shape that it must have; None stands for any length.
    where : str
        Name of the file for error messages.

    Returns
    -------
    ndarray of uint8, read-only

    Raises
    ------
    InputError
        Naming the file, the field and the rule that it breaks.
    """
    magic = bytes((0, 0, 8, len(shape)))
    if len(data) < 4:
        raise InputError(f"{where}: length must be at least 4 bytes, not {len(data)}")
    if data[:4] != magic:
        raise InputError(f"{where}: magic must be {magic.hex()} (unsigned bytes, {len(shape)} dimensions), not "
                         f"{data[:4].hex()}")
    head = 4 + 4 * len(shape)
    if len(data) < head:
        raise InputError(f"{where}: length must be at least {head} bytes, not {len(data)}")
    sizes = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, head, 4))
    for i, (size, rule) in enumerate(zip(sizes, shape, strict=True)):
        if rule not in (None, size):
            raise InputError(f"{where}: dimension {i} must be {rule}, not {size}")
    length = head + math.prod(sizes)
    if len(data) != length:
        raise InputError(f"{where}: length must be {length} bytes, as its dimensions say, not {len(data)}")
    return np.frombuffer(data, np.uint8, offset=head).reshape(sizes)


def read_bytes(path: Path, limit: int) -> bytes:
    """Return at most `limit` + 1 bytes of a file, decompressed if it is gzip."""
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) if is_gzip else raw as stream:
                found = bytearray()  # in pieces: a read takes memory for all that it asks for
                while len(found) <= limit and (piece := stream.read(min(limit + 1 - len(found), _PIECE))):
                    found += piece
                return bytes(found)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(f"{path}: gzip data must be whole, not cut short or damaged") from None
    except OSError as e:
        raise InputError(f"{path}: cannot be read ({e.strerror or e})") from None


def read_idx(path: str | Path, shape: tuple[int | None, ...], *, md5: str | None = None) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, gzipped or not; nothing in the file is trusted.

    Parameters
    ----------
    path : path
    shape : tuple of int or None
        As for :func:`parse_idx`.
    md5 : str, optional
        MD5 (hex) that the uncompressed file must have.

    Raises
    ------
    InputError
        Naming the file, the field and the rule that it breaks.
    """
    path = Path(path)
    known = 4 + 4 * len(shape) + math.prod(n for n in shape if n is not None)
    limit = known if None not in shape else SIZE_MAX
    data = read_bytes(path, limit)
    array = parse_idx(data, shape, str(path))
    if md5 is not None:
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if digest != md5:
            raise InputError(f"{path}: MD5 of the uncompressed file must be {md5}, not {digest}")
    return array


def read_any_idx(path: str | Path) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes of any shape with 1 to 4 dimensions; otherwise as :func:`read_idx`."""
    data = read_bytes(Path(path), SIZE_MAX)
    dimensions = data[3] if len(data) > 3 else 0
    if not 1 <= dimensions <= 4:
        raise InputError(f"{path}: dimensions must be 1 to 4, not {dimensions}")
    return parse_idx(data, (None,) * dimensions, str(path))
