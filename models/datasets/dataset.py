"""A data set: pictures or features, labels and class names, checked once and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

#: What a file may hold in place of numbers, in words: by ``dtype.kind``.
_IN_WORDS = {"U": "text", "S": "text", "O": "Python objects", "c": "complex numbers", "M": "dates", "m": "durations"}


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images or features, and what is right for each.

    Parameters
    ----------
    name : str
        Of the set, for reports.
    images : ndarray of uint8 or bool, shape (n, ...)
        Grey or colour values 0 to 255, or bits. The order of the elements of an image is that of the file.
    labels : ndarray of int64, shape (n,), or None
        The right class of each image, counted from 0.
    classes : tuple of str
        Names of the classes; empty where there are none.
    source : str
        Where the set comes from and how its numbers were read, in words.

    Raises
    ------
    InputError
        If there are no images, or not one label an image.
    """

    name: str
    images: NDArray
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if self.images.ndim < 2 or not self.images.size:
            raise InputError(f"{self.name}: images must be a table with one row an image, not {self.images.shape}")
        if self.labels is not None and len(self.labels) != len(self.images):
            raise InputError(f"{self.name}: labels must be {len(self.images)}, one an image, not {len(self.labels)}")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.images.shape[1:]))
        labelled = "no labels" if self.labels is None else f"{self.n_classes} classes"
        return f"<Dataset {self.name}: {len(self)} images of {size}, {labelled}>"

    @property
    def n_pixels(self) -> int:
        """Number of elements of an image."""
        return int(np.prod(self.images.shape[1:]))

    @property
    def n_classes(self) -> int:
        """Number of classes that the labels or the names speak of; 0 without labels."""
        if self.labels is None:
            return 0
        return max(len(self.classes), int(self.labels.max()) + 1)

    @property
    def gaps(self) -> str:
        """Which classes have no image, in words that begin with a comma; empty if each has one."""
        if self.labels is None:
            return ""
        missing = np.setdiff1d(np.arange(self.n_classes), self.labels)
        if self.n_classes > 1 and not missing.size:
            return ""
        if len(np.unique(self.labels)) == 1:
            return f", all images of one class, {int(self.labels[0])}"
        names = [self.classes[k] if self.classes else str(k) for k in missing[:8]]
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        return f", no image of class {', '.join(names)}{more}"

    @property
    def flat(self) -> NDArray:
        """The images as rows, shape (n, n_pixels)."""
        return self.images.reshape(len(self), self.n_pixels)

    def some(self, indices: NDArray[np.integer], which: str) -> Dataset:
        """Return the images of these indices; `which` says in words which they are."""
        labels = None if self.labels is None else self.labels[indices]
        return Dataset(self.name, self.images[indices], labels, self.classes, f"{self.source}: {which}")

    def first(self, count: int) -> Dataset:
        """Return the first `count` images, or raise InputError if there are fewer."""
        if not 1 <= count <= len(self):
            rule = f"must be in [1, {len(self)}], as {self.name} has no more, not {count}"
            raise InputError(rule, parameter="images")
        labels = None if self.labels is None else self.labels[:count]
        return Dataset(self.name, self.images[:count], labels, self.classes, self.source)

    def in_classes(self, names: tuple[str, ...], network: str) -> Dataset:
        """Return the set with its labels counted as a network counts its classes, by their names.

        A folder may hold some of the classes only, or hold them in another order. Where the set or the network has no
        names, or they have none in common, the labels stay as they are.

        Raises
        ------
        InputError
            If some of the classes are the network's and others are not.
        """
        if not names or self.labels is None or names == self.classes or not set(names) & set(self.classes):
            return self
        places = {name: k for k, name in enumerate(names)}
        if strange := [self.classes[k] for k in np.unique(self.labels) if self.classes[k] not in places]:
            raise InputError(
                f"{self.name}: classes must be those of network {network!r}, {', '.join(names)}, not {strange[0]}"
            )
        index = np.array([places.get(name, 0) for name in self.classes])
        return Dataset(self.name, self.images, index[self.labels], names, f"{self.source}: classes by name")

    def check_fit(self, n_pixels: int, n_classes: int, what: str, shape: Sequence[int] = ()) -> None:
        """Raise InputError unless the set has images of so many elements, and labels of so many classes, as `what`.

        A network of convolutions has images of a `shape`, (height, width, channels): rows of as many elements are taken
        to be in this order, and of other shapes those that differ by dimensions of 1 alone.
        """
        given = self.images.shape[1:]
        size = "x".join(map(str, given))
        if self.n_pixels != n_pixels:
            raise InputError(
                f"{self.name}: images must have {n_pixels} elements for {what},"
                f" not {self.n_pixels} ({size})"
            )
        given_sizes, sizes, first = ([n for n in s if n > 1] for s in (given, shape, (*shape[2:], *shape[:2])))
        if shape and len(given) > 1 and given_sizes != sizes:
            hint = ""
            if given_sizes == first:
                hint = "; the channels come first: put them last, with numpy images.transpose(0, 2, 3, 1)"
            raise InputError(f"{self.name}: images must be {'x'.join(map(str, shape))} for {what}, not {size}{hint}")
        if self.labels is None:
            return
        low, high = int(self.labels.min()), int(self.labels.max())
        if high >= n_classes:
            hint = "; they seem to count from 1: subtract 1" if low == 1 and high == n_classes else ""
            raise InputError(
                f"{self.name}: labels must be in [0, {n_classes - 1}] for {what},"
                f" not {low} to {high}{hint}"
            )


def check_images(values: Any, where: str, signs: bool = False) -> tuple[NDArray, str]:
    """Return pixel values as uint8 (0 to 255) or bool (bits), and what was done with them, in words.

    Numbers in [0, 1] are scaled by 255 and rounded half to even; 0 and 1 alone, and -1 and +1, are bits.

    Parameters
    ----------
    values : array_like, shape (n, ...)
    where : str
        Name of the file or field for messages.
    signs : bool
        Take the signs of signed numbers, any that are finite: at least 0 is 1.

    Raises
    ------
    InputError
        In words: what the numbers must be, and what they are.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise InputError(f"{where}: images must be numbers, not {_IN_WORDS.get(array.dtype.kind, 'something else')}")
    if array.ndim < 2 or not array.size:
        raise InputError(f"{where}: images must be a table with one row an image, not of shape {array.shape}")
    if array.dtype == bool:
        return array, "bits"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise InputError(f"{where}: images must be finite numbers; image {row} has one that is not")
    low, high = array.min(), array.max()
    if low == -1 and high == 1 and np.isin(array, (-1, 1)).all():
        return array > 0, "-1 and +1 as bits"
    if signs and low < 0:
        return array >= 0, "signs of numbers"
    if signs and not np.isin(array, (0, 1)).all():
        raise InputError(f"{where}: images must be signed numbers, whose signs are taken, not {low:g} to {high:g}")
    if low < 0 or high > 255:
        raise InputError(
            f"{where}: images must be 0 to 255, 0 to 1, or -1 and +1 as bits, not {low:g} to {high:g}: scale them first"
        )
    if high <= 1 and np.isin(array, (0, 1)).all():
        return array > 0, "0 and 1 as bits"
    if array.dtype.kind != "f":
        return array.astype(np.uint8), "0 to 255"
    if high <= 1:
        return np.rint(array * 255).astype(np.uint8), "0 to 1, scaled to 255"
    rounded = np.rint(array)
    return rounded.astype(np.uint8), "0 to 255" if np.array_equal(rounded, array) else "0 to 255, rounded"


def check_labels(values: Any, where: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels as classes counted from 0, and their names if they are text.

    Parameters
    ----------
    values : array_like, shape (n,), (n, 1) or one-hot (n, classes)
        Integers, floats without a fraction, or text.

    Raises
    ------
    InputError
        In words: what labels must be, and what they are.
    """
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind in "US" and array.ndim == 1:
        names, index = np.unique(array.astype(str), return_inverse=True)
        return index.astype(np.int64), tuple(map(str, names))
    if array.dtype.kind not in "buif":
        raise InputError(f"{where}: labels must be numbers or text, not {_IN_WORDS.get(array.dtype.kind, 'else')}")
    if array.ndim == 2:
        return _one_hot(array, where), ()
    if array.ndim != 1 or not array.size:
        raise InputError(f"{where}: labels must be one number an image, not of shape {array.shape}")
    if array.dtype.kind == "f":
        wrong = np.flatnonzero(~np.isfinite(array) | (array != np.rint(array)))
        if wrong.size:
            raise InputError(f"{where}: labels must be whole numbers, not {array[wrong[0]]:g} (image {wrong[0]})")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= 1 << 16:
        raise InputError(f"{where}: labels must be in [0, 65535], not {low} to {high}")
    return array.astype(np.int64), ()


def _one_hot(array: NDArray, where: str) -> NDArray[np.int64]:
    is_one = array == 1
    wrong = np.flatnonzero((is_one.sum(axis=1) != 1) | (is_one | (array == 0)).sum(axis=1) != array.shape[1])
    if wrong.size:
        raise InputError(
            f"{where}: labels of shape {array.shape} must be one-hot, a single 1 among 0 in each row;"
            f" row {wrong[0]} is not"
        )
    return np.argmax(is_one, axis=1).astype(np.int64)


def named(labels: NDArray[np.int64], names: Sequence[str], where: str) -> tuple[str, ...]:
    """Return class names, or raise InputError unless every label has one."""
    if names and int(labels.max()) >= len(names):
        raise InputError(f"{where}: class names must be at least {int(labels.max()) + 1}, not {len(names)}")
    return tuple(names)
