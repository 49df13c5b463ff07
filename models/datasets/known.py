"""Data sets known by name, in one table; :func:`load_dataset` takes a name, a file or a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oxnor.models.base.errors import InputError, install, near_names

from .cifar import is_cifar10, load_cifar10
from .dataset import Dataset
from .files import read_dataset
from .formants import load_formants
from .mnist import FASHION_MNIST, MNIST, DownloadProgress, IdxSet, load_idx_set, recognised
from .names import KNOWN_NAMES, SPLITS


@dataclass(frozen=True)
class Where:
    """Where and how a known set is looked for; see :func:`load_dataset`."""

    split: str = "test"
    data_dir: str | Path | None = None
    download: bool = False
    progress: DownloadProgress | None = None


DIGITS_TEST = 450
_FASHION = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


def _idx(files: IdxSet, classes: tuple[str, ...]) -> Callable[[Where], Dataset]:
    def load(where: Where) -> Dataset:
        images, labels = load_idx_set(
            files, where.split, where.data_dir, download=where.download, progress=where.progress
        )
        images = images.reshape(-1, 28, 28)
        return Dataset(files.name, images, labels.astype(np.int64), classes, f"{files.title} {where.split} images")

    return load


def _digits(where: Where) -> Dataset:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise InputError("data set digits comes with scikit-learn: " + install("data")) from None
    bunch = load_digits()
    # Grey values 0 to 16. The set has no split of its own: the last quarter is the test set here.
    images = np.minimum(bunch.images * 16, 255).astype(np.uint8)
    part = slice(len(images) - DIGITS_TEST, None) if where.split == "test" else slice(0, len(images) - DIGITS_TEST)
    labels = bunch.target[part].astype(np.int64)
    return Dataset("digits", images[part], labels, tuple("0123456789"), f"digits {where.split} images (scikit-learn)")


def _cifar10(where: Where) -> Dataset:
    return load_cifar10(where.split, where.data_dir)


def _formants(name: str) -> Callable[[Where], Dataset]:
    def load(where: Where) -> Dataset:
        return load_formants(name, where.data_dir).dataset(where.split)

    return load


def _spoken_digits(where: Where) -> Dataset:
    from .recordings import spoken_digits  # the cochlea loads numba

    return spoken_digits(where.split, where.data_dir)


#: Every set that is known by name.
KNOWN_SETS: Mapping[str, Callable[[Where], Dataset]] = dict(
    zip(
        KNOWN_NAMES,
        (
            _idx(MNIST, tuple("0123456789")), _idx(FASHION_MNIST, _FASHION), _digits, _cifar10, _formants("vowels"),
            _formants("hillenbrand"), _spoken_digits,
        ),
        strict=True,
    )
)


def load_dataset(
    what: str | Path,
    *,
    labels: str | Path | None = None,
    split: str = "test",
    data_dir: str | Path | None = None,
    signs: bool = False,
    download: bool = False,
    progress: DownloadProgress | None = None,
) -> Dataset:
    """Return a known data set, or one from a file or folder.

    Parameters
    ----------
    what : str or path
        A key of :data:`KNOWN_SETS`, or a file or folder as :func:`oxnor.models.datasets.files.read_dataset` takes it.
        A known name wins; write ``./mnist`` for a folder of that name.
    labels : path, optional
        File with the labels, for files that have none.
    split : str
        "test" or "train".
    data_dir : path, optional
        Folder in which known sets are looked for first.
    signs : bool
        Take the signs of signed numbers as bits; known sets have none.
    download : bool
        Whether a known set that is found nowhere may be downloaded.
    progress : callable, optional
        Told of a download's progress.

    Raises
    ------
    InputError
        If nothing is known by that name, or a file breaks a rule: which file, field and rule.
    """
    if split not in SPLITS:
        raise InputError(f"must be one of {', '.join(SPLITS)}, not {split!r}", parameter="split")
    text = str(what)
    if text in KNOWN_SETS:
        if labels is not None:
            raise InputError(f"must not be given for {text}, which has its own", parameter="labels")
        if signs:
            raise InputError(f"{text}: images must be signed numbers, whose signs are taken, not 0 to 255")
        return KNOWN_SETS[text](Where(split, data_dir, download, progress))
    path = Path(what)
    if not path.exists() and (path.suffix or len(path.parts) > 1):
        raise InputError(f"{path}: no such file or folder")
    if not path.exists():
        hint = near_names(text, KNOWN_SETS)
        raise InputError(
            f"must be one of {', '.join(KNOWN_SETS)}, a file or a folder, not {text!r}{hint}", parameter="data"
        )
    if path.is_dir() and labels is None and not signs:
        if files := recognised(path, split):
            return KNOWN_SETS[files.name](Where(split, path))
        if is_cifar10(path, split):
            return load_cifar10(split, path)
    return read_dataset(path, labels=labels, split=split, signs=signs)
