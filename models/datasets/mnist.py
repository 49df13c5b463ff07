"""MNIST: an IDX reader that trusts nothing, and the places where the files are looked for."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import math
import os
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import whole_file

#: MD5 of each uncompressed file, as published with the data set.
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
#: Number of images of each split.
MNIST_SIZE = {"train": 60_000, "test": 10_000}
#: Copies of the four files, tried in this order.
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
#: Environment variable that names a folder with the data.
DATA_VARIABLE = "OXNOR_DATA"

_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_TIMEOUT_S = 5.0
_DOWNLOAD_MAX = 16 << 20

#: Called with (file name, bytes so far, bytes in all or 0 if not known) while a file is downloaded.
DownloadProgress = Callable[[str, int, int], None]


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
    found = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, head, 4))
    for i, (size, rule) in enumerate(zip(found, shape, strict=True)):
        if rule not in (None, size):
            raise InputError(f"{where}: dimension {i} must be {rule}, not {size}")
    length = head + math.prod(found)
    if len(data) != length:
        raise InputError(f"{where}: length must be {length} bytes, as its dimensions say, not {len(data)}")
    return np.frombuffer(data, np.uint8, offset=head).reshape(found)


def _read_bytes(path: Path, limit: int) -> bytes:
    """Return at most `limit` + 1 bytes of a file, decompressed if it is gzip."""
    try:
        with path.open("rb") as raw:
            if raw.read(2) != b"\x1f\x8b":
                raw.seek(0)
                return raw.read(limit + 1)
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) as stream:
                return stream.read(limit + 1)
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
    limit = known if None not in shape else 1 << 30
    data = _read_bytes(path, limit)
    array = parse_idx(data, shape, str(path))
    if md5 is not None:
        found = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if found != md5:
            raise InputError(f"{path}: MD5 of the uncompressed file must be {md5}, not {found}")
    return array


def _cache_dir() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("oxnor"))


def search_places(data_dir: str | Path | None = None) -> list[tuple[str, Path]]:
    """Return where training data is looked for, in order, as (what it is, folder)."""
    places = [("`data_dir`", Path(data_dir))] if data_dir is not None else []
    if os.environ.get(DATA_VARIABLE):
        places.append((f"${DATA_VARIABLE}", Path(os.environ[DATA_VARIABLE])))
    places.append(("../shared/data", Path.cwd().parent / "shared" / "data"))
    places.append(("user cache", _cache_dir()))
    return places


def _find(folder: Path, name: str) -> Path | None:
    candidates = (sub / f"{name}{end}" for sub in (folder / "mnist", folder) for end in (".gz", ""))
    return next((path for path in candidates if path.is_file()), None)


def _shipped(name: str) -> Path:
    return Path(str(resources.files("oxnor.models"))) / "data" / "mnist" / f"{name}.gz"


def _load(path: Path, name: str, split: str) -> NDArray[np.uint8]:
    n = MNIST_SIZE[split]
    array = read_idx(path, (n, 28, 28) if "images" in name else (n,), md5=MNIST_MD5[name])
    return array.reshape(n, 784) if "images" in name else array


def _fetch(url: str, path: Path, name: str, progress: DownloadProgress | None) -> None:
    """Download one gzipped file to `path`, whole or not at all, after a check of its MD5."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as reply, whole_file(path) as temporary:
        total = int(reply.headers.get("Content-Length") or 0)
        done = 0
        with temporary.open("wb") as out:
            while block := reply.read(1 << 16):
                done += len(block)
                if done > _DOWNLOAD_MAX:
                    raise InputError(f"length must be at most {_DOWNLOAD_MAX} bytes")
                out.write(block)
                if progress:
                    progress(name, done, total)
        _load(temporary, name, "train" if name.startswith("train") else "test")


def _download(name: str, progress: DownloadProgress | None) -> tuple[Path | None, list[str]]:
    """Return the downloaded file in the user cache, or None and why each mirror failed."""
    path = _cache_dir() / "mnist" / f"{name}.gz"
    failures = []
    for mirror in MIRRORS:
        try:
            _fetch(f"{mirror}{name}.gz", path, name, progress)
            return path, []
        except urllib.error.URLError as e:
            failures.append(f"{mirror} ({e.reason})")
        except (OSError, http.client.HTTPException, ValueError) as e:
            failures.append(f"{mirror} ({e})")
    return None, failures


def load_mnist(
    split: str = "test", data_dir: str | Path | None = None, progress: DownloadProgress | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the images and labels of MNIST; checksums are always verified.

    The test images come with the package. The training images are taken from the first of `data_dir`,
    ``$OXNOR_DATA``, ``../shared/data`` and the user cache that has them, or else downloaded into the
    user cache; in each folder ``mnist/FILE`` and ``FILE`` are accepted, with or without ``.gz``. With `data_dir`,
    the test images are taken from there too.

    Parameters
    ----------
    split : str
        "test" (10,000 images) or "train" (60,000 images).
    data_dir : path, optional
        Folder to look in first.
    progress : callable, optional
        Told of a download's progress.

    Returns
    -------
    images : ndarray of uint8, shape (n, 784), grey, 0 is background
    labels : ndarray of uint8, shape (n,), range [0, 9]

    Raises
    ------
    InputError
        If a file is damaged, or is found nowhere: then every place that was looked in is named.
    """
    if split not in _FILES:
        raise InputError(f"split must be one of {', '.join(_FILES)}, not {split!r}")
    images, labels = (_load(_locate(name, split, data_dir, progress), name, split) for name in _FILES[split])
    return images, labels


def _locate(name: str, split: str, data_dir: str | Path | None, progress: DownloadProgress | None) -> Path:
    if split == "test" and data_dir is None:
        return _shipped(name)
    places = search_places(data_dir)
    for _, folder in places:
        if path := _find(folder, name):
            return path
    if split == "test":
        return _shipped(name)
    path, failures = _download(name, progress)
    if path is None:
        looked = ", ".join(f"{what} ({folder})" for what, folder in places)
        raise InputError(
            f"{name}: must be in one of {looked}, and is not; downloads failed from {', '.join(failures)};"
            f" put the MNIST files in a folder and name it with `data_dir` or ${DATA_VARIABLE}"
        )
    return path
