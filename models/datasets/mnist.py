"""MNIST and Fashion-MNIST: four IDX files each, found in the usual places, always checked."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import whole_file

from .idx import SIZE_MAX, read_bytes, read_idx
from .places import DATA_VARIABLE, cache_dir, find, not_found

#: Number of images of each split.
MNIST_SIZE = {"train": 60_000, "test": 10_000}

_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_TIMEOUT_S = 5.0
_DOWNLOAD_MAX = 32 << 20

#: Called with (file name, bytes so far, bytes in all or 0 if not known) while a file is downloaded.
DownloadProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class IdxSet:
    """A data set of four IDX files with the names and sizes of MNIST's.

    Parameters
    ----------
    name : str
        Of the set, and of its folder in a place.
    title : str
        For people.
    md5 : mapping
        MD5 of each uncompressed file.
    mirrors : tuple of str
        Addresses of copies, tried in this order.
    shipped : bool
        Whether the package has the test files.
    folders : tuple of str
        Where a Debian package puts the files.
    advice : str
        How to get it, for the error that it is nowhere.
    """

    name: str
    title: str
    md5: Mapping[str, str]
    mirrors: tuple[str, ...] = ()
    shipped: bool = False
    folders: tuple[str, ...] = ()
    advice: str = ""


MNIST = IdxSet(
    "mnist",
    "MNIST",
    {  # as published with the data set
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    shipped=True,
    advice=f"put the four files in a folder and name it as `data_dir` or in ${DATA_VARIABLE}, or allow the `download`",
)
FASHION_MNIST = IdxSet(
    "fashion-mnist",
    "Fashion-MNIST",
    {  # of Debian's dataset-fashion-mnist
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
    shipped=True,
    folders=("/usr/share/datasets/fashion-mnist",),
    advice="apt-get install dataset-fashion-mnist, or put the four files in a folder fashion-mnist of one of these",
)


def _load(path: Path, files: IdxSet, name: str, split: str) -> NDArray[np.uint8]:
    n = MNIST_SIZE[split]
    array = read_idx(path, (n, 28, 28) if "images" in name else (n,), md5=files.md5[name])
    return array.reshape(n, 784) if "images" in name else array


def _fetch(url: str, path: Path, files: IdxSet, name: str, progress: DownloadProgress | None) -> None:
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
        _load(temporary, files, name, "train" if name.startswith("train") else "test")


def _download(files: IdxSet, name: str, progress: DownloadProgress | None) -> Path:
    """Return the downloaded file in the user cache, or raise InputError saying why each mirror failed."""
    path = cache_dir() / files.name / f"{name}.gz"
    failures = []
    for mirror in files.mirrors:
        try:
            _fetch(f"{mirror}{name}.gz", path, files, name, progress)
            return path
        except urllib.error.URLError as e:
            failures.append(f"{mirror} ({e.reason})")
        except (OSError, http.client.HTTPException, ValueError) as e:
            failures.append(f"{mirror} ({e})")
    why = f"downloads failed from {', '.join(failures)}" if failures else "there is no copy to download"
    raise InputError(f"{name}: {why}; {files.advice}")


def _locate(
    files: IdxSet, name: str, split: str, data_dir: str | Path | None, download: bool, progress: DownloadProgress | None
) -> Path:
    with_package = files.shipped and split == "test"
    shipped = Path(str(resources.files("oxnor.models"))) / "data" / files.name / f"{name}.gz"
    if with_package and data_dir is None:
        return shipped
    # Files right in the folder only if it is the user's own, or MNIST's: a place may hold several sets.
    folders = [f"{files.name}/"] + ([""] if files is MNIST or data_dir is not None else [])
    candidates = [f"{folder}{name}{end}" for folder in folders for end in (".gz", "")]
    path = find(candidates, data_dir) or find((f"{name}.gz", name), extra=[Path(f) for f in files.folders])
    if path is None and with_package:
        return shipped
    if path is None and download:
        return _download(files, name, progress)
    if path is None:
        raise not_found(name, files.advice, data_dir)
    return path


def recognised(folder: Path, split: str) -> IdxSet | None:
    """Return the known set whose images a folder holds, by their checksum, whatever the folder is called; or None."""
    name = _FILES[split][0]
    for files in (MNIST, FASHION_MNIST):
        for place in (folder, folder / files.name):
            path = next((p for p in (place / f"{name}.gz", place / name) if p.is_file()), None)
            if path and hashlib.md5(read_bytes(path, SIZE_MAX), usedforsecurity=False).hexdigest() == files.md5[name]:
                return files
    return None


def load_idx_set(
    files: IdxSet,
    split: str = "test",
    data_dir: str | Path | None = None,
    *,
    download: bool = False,
    progress: DownloadProgress | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the images and labels of one split; checksums are always verified.

    The test images of MNIST and Fashion-MNIST come with the package. Others are taken from the first of `data_dir`,
    ``$OXNOR_DATA``, ``../shared/data``, the user cache and the folder of the Debian package that has them; in each
    ``NAME/FILE`` is accepted, with or without ``.gz``, and FILE itself in `data_dir`. With `data_dir`, test images are
    taken from there too.

    Parameters
    ----------
    files : IdxSet
    split : str
        "test" (10,000 images) or "train" (60,000 images).
    data_dir : path, optional
        Folder to look in first.
    download : bool
        Whether what is found nowhere may be downloaded into the user cache.
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
        raise InputError(f"must be one of {', '.join(_FILES)}, not {split!r}", parameter="split")
    images, labels = (
        _load(_locate(files, name, split, data_dir, download, progress), files, name, split) for name in _FILES[split]
    )
    return images, labels


def load_mnist(
    split: str = "test",
    data_dir: str | Path | None = None,
    progress: DownloadProgress | None = None,
    *,
    download: bool = False,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the images and labels of MNIST; as :func:`load_idx_set`."""
    return load_idx_set(MNIST, split, data_dir, download=download, progress=progress)
