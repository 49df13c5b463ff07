"""CIFAR-10 (Krizhevsky 2009), from the files that its authors publish or from smaller ones."""

from __future__ import annotations

import hashlib
import pickletools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import NpzReader

from .dataset import Dataset
from .places import find, not_found

Part = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""(n, 32, 32, 3) images, and their n labels."""

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_PIXELS, _IN_A_FILE = 32 * 32 * 3, 10_000
#: Steps of a pickle that are looked at: a batch has some 30,000, of its labels and the names of its files.
_STEPS_MAX = 1 << 17
#: SHA-256 of the labels of each split, one byte each, in the order of the files.
_LABELS_SHA256 = {
    "train": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
    "test": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
}
#: SHA-256 of the images that the smaller files hold, as (n, 32, 32, 3) bytes; 121 of the 60,000 are near copies.
_IMAGES_SHA256 = {
    "train": "1ac08e800b30298d475546ea6748e49bd123fba3e32daf6a5924354945c2f2a0",
    "first half of train": "44f4ef0ebf7c1446355ba4a9a6fba1c55f866bc7c4b28a4d3668a30091c23a95",
    "test": "ca999a174ec711bbad89d5cc53d425e155595742a396a5ba95d0a218eac0704a",
}


def _undo_differences(residuals: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (n, 32, 32, 3) R G B of planes G, R - G, B - G, each differenced along x and then y, modulo 256."""
    a = np.cumsum(np.cumsum(residuals, -1, dtype=np.uint8), -2, dtype=np.uint8)
    return np.stack([a[:, 1] + a[:, 0], a[:, 0], a[:, 2] + a[:, 0]], -1)


def _of_differences(path: Path) -> Part:
    with NpzReader(path) as source:
        images = _undo_differences(source.array("residuals", "|u1", (None, 3, 32, 32)))
        return images, source.array("labels", "|u1", (None,))


def _of_planes(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _of_bytes(path: Path) -> Part:
    """Return what a file of the binary version holds: of each image its label, then its red, green and blue plane."""
    size = _IN_A_FILE * (1 + _PIXELS)
    if path.stat().st_size != size:
        raise InputError(f"{path}: must have {size:,} bytes, not {path.stat().st_size:,}")
    rows = np.fromfile(path, np.uint8).reshape(_IN_A_FILE, 1 + _PIXELS)
    return _of_planes(rows[:, 1:]), rows[:, 0].copy()


def _of_pickle(path: Path) -> Part:
    """Return what a file of the Python version holds: a pickle, which is looked through and never run."""
    rule = f"{path}: must be a batch of CIFAR-10's Python version"
    if path.stat().st_size > 2 * _IN_A_FILE * _PIXELS:
        raise InputError(rule)
    planes, labels, key = b"", bytearray(), b""
    try:
        for code, value, _ in islice(pickletools.genops(path.read_bytes()), _STEPS_MAX):
            if isinstance(value, (str, bytes)):
                text = value if isinstance(value, bytes) else value.encode("latin-1")
                planes, key = (text if len(text) == _IN_A_FILE * _PIXELS else planes), text[:9]
            elif key == b"labels" and isinstance(value, int) and code.name.startswith("BININT"):
                labels.append(value)
    except (ValueError, LookupError, OverflowError):
        raise InputError(rule) from None
    if not planes or len(labels) != _IN_A_FILE:
        raise InputError(rule)
    return _of_planes(np.frombuffer(planes, np.uint8)), np.frombuffer(labels, np.uint8)


@dataclass(frozen=True)
class _Version:
    """Files of one kind: their folder, their names by split, and a function to what is in one."""

    folder: str
    test: tuple[str, ...]
    train: tuple[str, ...]
    read: Callable[[Path], Part]

    def names(self, split: str) -> tuple[str, ...]:
        return self.test if split == "test" else self.train


def _published(folder: str, end: str, read: Callable[[Path], Part]) -> _Version:
    return _Version(folder, (f"test_batch{end}",), tuple(f"data_batch_{k}{end}" for k in range(1, 6)), read)


_SMALLER = _Version("cifar10", ("test.npz",), ("train-0.npz", "train-1.npz"), _of_differences)
_VERSIONS = (
    _published("cifar-10-batches-bin", ".bin", _of_bytes), _published("cifar-10-batches-py", "", _of_pickle), _SMALLER,
)  # fmt: skip


def _first_names(split: str, versions: Iterable[_Version] = _VERSIONS) -> list[str]:
    firsts = [(version.folder, version.names(split)[0]) for version in versions]
    return [name for folder, first in firsts for name in (f"{folder}/{first}", first)]


def load_cifar10(split: str, data_dir: str | Path | None = None) -> Dataset:
    """Return a split of CIFAR-10: (n, 32, 32, 3) uint8 images R G B and int64 labels 0 to 9.

    Raises
    ------
    InputError
        If its files are nowhere, or not those of CIFAR-10.
    """
    first = find(_first_names(split), data_dir)
    if first is None:
        advice = "put there the folder in cifar-10-binary.tar.gz or cifar-10-python.tar.gz, which its authors publish"
        raise not_found(f"{_VERSIONS[0].folder}/{_VERSIONS[0].names(split)[0]}", advice, data_dir)
    version = next(v for v in _VERSIONS if first.name == v.names(split)[0])
    paths = [first.with_name(name) for name in version.names(split)]
    part = split
    if version is _SMALLER and not paths[-1].is_file():
        # Training may begin with the first half.
        part, paths = "first half of train", paths[:1]
    if missing := [path for path in paths if not path.is_file()]:
        raise InputError(f"{missing[0]}: no such file, and the others of CIFAR-10 are there")
    images, labels = (np.concatenate(arrays) for arrays in zip(*map(version.read, paths), strict=True))
    what, known = ("images", _IMAGES_SHA256) if version is _SMALLER else ("labels", _LABELS_SHA256)
    checked = images if version is _SMALLER else labels
    if hashlib.sha256(checked.tobytes()).hexdigest() != known[part]:
        raise InputError(f"{first}: {what} must be those of CIFAR-10, and their SHA-256 is another")
    return Dataset("cifar10", images, labels.astype(np.int64), CLASSES, f"CIFAR-10 {part} images")


def is_cifar10(folder: Path, split: str) -> bool:
    """Return whether a folder has the files of a split."""
    published = _VERSIONS[:2]
    if any((folder / name).is_file() for name in _first_names(split, published)):
        return True
    path = next((p for name in _first_names(split, (_SMALLER,)) if (p := folder / name).is_file()), None)
    if path is None:
        return False
    with NpzReader(path) as source:
        return {"residuals", "labels"} <= set(source.names)
