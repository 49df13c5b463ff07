"""A user's own data set, from a file or a folder; nothing in it is trusted."""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError, install
from oxnor.models.base.files import UNREADABLE, NpzReader

from .dataset import Dataset, check_images, check_labels, named
from .idx import read_any_idx
from .names import KNOWN_NAMES

#: Most elements of all images together, and most pictures in a folder.
ELEMENTS_MAX, PICTURES_MAX = 1 << 31, 1 << 20
#: Most pixels of a picture, which may say in a few bytes that it has many more.
PIXELS_MAX = 1 << 24
#: The other half of a set.
_OTHER = {"test": "train", "train": "test"}
#: Names of arrays and of columns, in order of preference; {} is the split.
IMAGE_NAMES = ("x_{}", "X_{}", "{}_images", "images", "x", "X", "features", "data", "inputs")
LABEL_NAMES = ("y_{}", "Y_{}", "{}_labels", "labels", "y", "Y", "targets", "target", "label", "class")
CLASS_NAMES = ("classes", "class_names", "names", "target_names")
LABEL_COLUMNS = ("label", "labels", "class", "target")
#: A column of labels if no other is: beside one it is a feature.
_Y = "y"
PICTURE_ENDS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".webp")
_KINDS = ("b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
_DTYPES = tuple(np.dtype(order + kind).str for kind in _KINDS for order in "<>")
_TEXT = tuple(f"<U{n}" for n in range(1, 257)) + tuple(f"|S{n}" for n in range(1, 257))

_ORDER_KEY = int.from_bytes(b"order", "little")

#: Called with (pictures read, pictures in all).
Progress = Callable[[int, int], object]


class NoSuchHalfError(InputError):
    """A set of which only the other half, test or train, is there."""


def labels_advice(name: str) -> str:
    """Return where the labels of a file of this name can be."""
    place = {".npz": "an array labels or y_train", ".csv": "a column label", ".tsv": "a column label"}
    own = place.get(Path(name).suffix.lower())
    return f"in {own}, or in a file given as `labels`" if own else "in a file given as `labels`"


def _first(names: Iterable[str], among: Iterable[str], split: str) -> str | None:
    known = set(among)
    return next((n for n in (name.format(split) for name in names) if n in known), None)


def _npz(path: Path, split: str) -> tuple[NDArray, Any, tuple[str, ...]]:
    with NpzReader(path) as source:
        names = sorted(source.names)
        x, y = _first(IMAGE_NAMES, names, split), _first(LABEL_NAMES, names, split)
        if x is None and (other := _first(IMAGE_NAMES[:3], names, _OTHER[split])):
            raise NoSuchHalfError(f"{path}: must have an array of {split} images, as x_{split}, and has only {other}")
        if x is None:
            wanted = ", ".join(name.format(split) for name in IMAGE_NAMES)
            raise InputError(f"{path}: one array must be named {wanted}; there are {', '.join(names) or 'none'}")
        images = source.any_array(x, _DTYPES, 8, ELEMENTS_MAX)
        labels = source.any_array(y, _DTYPES + _TEXT, 2, ELEMENTS_MAX) if y else None
        c = _first(CLASS_NAMES, names, split)
        classes = tuple(map(str, source.any_array(c, _TEXT, 1, 1 << 24).astype(str))) if c else ()
    return images, labels, classes


def read_npy(path: Path, text: bool = False) -> NDArray:
    """Return the array of numbers, or of texts if `text` allows them, in an ``.npy`` file, which is not trusted."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Mapped, so that nothing is allocated for a size that the file does not have.
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except UNREADABLE as e:
        why = e.strerror if isinstance(e, OSError) and e.strerror else "it is damaged, or holds Python objects"
        raise InputError(f"{path}: cannot be read as an array of numbers ({why})") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in ("buifU" if text else "buif"):
        raise InputError(f"{path}: must be an array of numbers")
    if array.size > ELEMENTS_MAX:
        raise InputError(f"{path}: must have at most {ELEMENTS_MAX} elements, not {array.size}")
    return np.asarray(array)


def csv_head(path: Path) -> tuple[list[str], str, bool]:
    """Return the cells of the first line of a CSV file, its delimiter, and whether that line is a header."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            line = file.readline(1 << 20)
    except UnicodeDecodeError:
        raise InputError(f"{path}: must be text in UTF-8") from None
    except OSError as e:
        raise InputError(f"{path}: cannot be read ({e.strerror})") from None
    delimiter = max(",;\t", key=line.count)
    cells = [c.strip() for c in next(csv.reader([line], delimiter=delimiter), [])]
    if not any(cells):
        what = "is empty" if not line else "has an empty first line"
        raise InputError(f"{path} {what}: the first line must name the columns")
    return cells, delimiter, not all(_is_number(c) for c in cells)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def csv_columns(path: Path, delimiter: str, skip: int, columns: list[int], dtype: Any) -> NDArray:
    """Return some columns of a CSV file below `skip` lines, or raise InputError with the row that breaks a rule."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty file is found below
            return np.loadtxt(
                path, dtype=dtype, delimiter=delimiter, skiprows=skip, usecols=columns, ndmin=2, encoding="utf-8-sig",
                comments=None, quotechar='"',
            )
    except UnicodeDecodeError:
        raise InputError(f"{path}: must be text in UTF-8") from None
    except (ValueError, IndexError, OverflowError):
        try:
            why = _wrong_row(path, delimiter, skip, columns, dtype is np.float64)
        except (csv.Error, UnicodeDecodeError):
            why = "every row must be text in UTF-8, with cells of which none is endless"
        raise InputError(f"{path}: {why}") from None


def _wrong_row(path: Path, delimiter: str, skip: int, columns: list[int], numbers: bool) -> str:
    """Return which row of a CSV file breaks which rule."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file, delimiter=delimiter)
        names = next(rows) if skip else []
        for row in rows:
            if row and len(row) <= max(columns):
                return f"line {rows.line_num} must have {max(columns) + 1} cells, not {len(row)}"
            for k in columns if row and numbers else ():
                if not _is_number(row[k]):
                    column = f"column {names[k].strip()!r}" if k < len(names) else f"column {k + 1}"
                    return f"line {rows.line_num}, {column}, must be a number, not {row[k]!r:.80}"
    return f"every row must have {max(columns) + 1} cells"


def _label_column(cells: list[str], path: Path) -> int | None:
    """Return which column has the labels, by the names in the first line."""
    columns = [k for k, c in enumerate(cells) if c.lower() in LABEL_COLUMNS]
    if len(columns) > 1:
        names = ", ".join(cells[k] for k in columns)
        raise InputError(f"{path}: one column must have the labels, not {len(columns)} ({names}): rename the others")
    return columns[0] if columns else next((k for k, c in enumerate(cells) if c.lower() == _Y), None)


def _csv(path: Path, split: str) -> tuple[NDArray, Any, tuple[str, ...]]:
    cells, delimiter, has_header = csv_head(path)
    label = _label_column(cells, path) if has_header else None
    if not has_header and len(cells) > 1:
        raise InputError(
            f"{path}: the first line must name the columns, and the column of labels, if there is one,"
            f" {' or '.join(LABEL_COLUMNS[:3])}"
        )
    features = [k for k in range(len(cells)) if k != label]
    if not features:
        raise InputError(f"{path}: must have columns of features beside {cells[label or 0]!r}")
    skip = int(has_header)
    images = csv_columns(path, delimiter, skip, features, np.float64)
    if not len(images):
        raise InputError(f"{path}: must have rows below the names of the columns, and has none")
    labels: Any = None
    if label is not None:
        labels = np.char.strip(csv_columns(path, delimiter, skip, [label], str)[:, 0])
        if all(_is_number(v) for v in np.unique(labels)):
            labels = labels.astype(np.float64)
    return images, labels, ()


def _unknown(path: Path, split: str) -> tuple[NDArray, Any, tuple[str, ...]]:
    try:
        return _idx(path, split)
    except InputError as e:
        known = ", ".join(_READERS)
        why = str(e).removeprefix(f"{path}: ")
        raise InputError(f"{path}: is none of {known} by its name, and no IDX file: {why}") from None


def _idx(path: Path, split: str) -> tuple[NDArray, Any, tuple[str, ...]]:
    partner = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    labels = read_any_idx(partner) if partner != path and partner.is_file() else None
    return read_any_idx(path), labels, ()


def _array(path: Path, split: str) -> tuple[NDArray, Any, tuple[str, ...]]:
    return read_npy(path), None, ()


#: How each ending is read; anything else is tried as IDX, whose files have none.
_READERS: Mapping[str, Callable[[Path, str], tuple[NDArray, Any, tuple[str, ...]]]] = {
    ".npz": _npz, ".npy": _array, ".csv": _csv, ".tsv": _csv, ".txt": _csv,
}  # fmt: skip


def read_labels(path: str | Path, split: str = "test") -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Read a file of labels: ``.npy``, ``.npz``, IDX, or text with one label a line.

    Returns
    -------
    labels : ndarray of int64, shape (n,)
    classes : tuple of str
        Names, if the labels are text.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    values: Any
    if path.suffix == ".npy":
        values = read_npy(path, text=True)
    elif path.suffix == ".npz":
        with NpzReader(path) as source:
            name = _first(LABEL_NAMES, source.names, split)
            if name is None:
                raise InputError(f"{path}: one array must be named labels; there are {', '.join(sorted(source.names))}")
            values = source.any_array(name, _DTYPES + _TEXT, 2, ELEMENTS_MAX)
    elif path.suffix in (".csv", ".tsv", ".txt"):
        cells, delimiter, _ = csv_head(path)
        column = _label_column(cells, path)
        if column is None and len(cells) > 1:
            raise InputError(f"{path}: one column must be named {' or '.join(LABEL_COLUMNS[:3])}")
        skip = int(column is not None)
        values = np.char.strip(csv_columns(path, delimiter, skip, [column or 0], str)[:, 0])
        if all(_is_number(v) for v in np.unique(values)):
            values = values.astype(np.float64)
    else:
        values = read_any_idx(path)
    return check_labels(values, str(path))


def _pixels(picture: Any, path: Path) -> NDArray[np.uint8]:
    """Return a picture of Pillow as grey, shape (height, width), or colour, shape (height, width, 3)."""
    if picture.mode.startswith(("I", "F")):
        raise InputError(f"{path}: pictures must have 8 bits a value, not 16 or more: convert them first")
    if picture.has_transparency_data:
        picture = picture.convert("LA" if picture.mode == "LA" else "RGBA")
        if picture.getextrema()[-1][0] < 255:
            raise InputError(f"{path}: pictures must have no transparent pixels: put them on a background first")
    if picture.mode in ("1", "L", "LA"):
        return np.asarray(picture.convert("L"))
    pixels = np.asarray(picture.convert("RGB"))
    # A palette says nothing of whether the picture is in colour.
    return pixels[..., 0] if picture.mode == "P" and (pixels == pixels[..., :1]).all() else pixels


def _pictures(folder: Path, progress: Progress | None) -> tuple[NDArray, Any, tuple[str, ...]]:
    """Read a folder of class folders with pictures; classes in the order of their names."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise InputError(f"{folder}: pictures need Pillow, which is not installed: {install('data')}") from None
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    entries = [(k, p) for k, c in enumerate(classes) for p in sorted((folder / c).iterdir())]
    files = [(k, p) for k, p in entries if p.suffix.lower() in PICTURE_ENDS]
    if not files:
        raise InputError(
            f"{folder}: must hold one folder a class with pictures ({', '.join(PICTURE_ENDS)}),"
            " or the IDX files of a data set"
        )
    if len(files) > PICTURES_MAX:
        raise InputError(f"{folder}: must hold at most {PICTURES_MAX} pictures, not {len(files)}")
    arrays: list[NDArray] = []
    for done, (_, path) in enumerate(files, 1):
        try:
            with Image.open(path) as picture:
                if math.prod(picture.size) > PIXELS_MAX:
                    rule = f"must have at most {PIXELS_MAX} pixels, not {math.prod(picture.size)}"
                    raise InputError(f"{path}: pictures {rule}")
                arrays.append(_pixels(picture, path))
        except InputError:
            raise
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError):
            raise InputError(f"{path}: cannot be read as a picture") from None
        if arrays[-1].shape != arrays[0].shape:
            first, this = (
                f"{a.shape[1]}x{a.shape[0]} {'in colour' if a.ndim == 3 else 'grey'}" for a in (arrays[0], arrays[-1])
            )
            raise InputError(f"{path}: pictures must all be {first} as the first is, not {this}")
        if progress:
            progress(done, len(files))
    return np.stack(arrays), np.array([k for k, _ in files]), tuple(classes)


def _folder(folder: Path, split: str, progress: Progress | None) -> tuple[NDArray, Any, tuple[str, ...]]:
    prefix = "t10k" if split == "test" else "train"
    for place in (folder, folder / "mnist"):
        for end in (".gz", ""):
            if (path := place / f"{prefix}-images-idx3-ubyte{end}").is_file():
                return _idx(path, split)
    if (folder / split).is_dir():
        folder = folder / split
    elif (half := folder / _OTHER[split]).is_dir():
        raise NoSuchHalfError(f"{folder}: must have a folder {split} beside {half.name}; name {half} to take that")
    return _pictures(folder, progress)


def read_dataset(
    path: str | Path,
    *,
    labels: str | Path | None = None,
    split: str = "test",
    signs: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Read a data set from a file or a folder.

    Parameters
    ----------
    path : path
        ``.npz`` with arrays such as ``images`` and ``labels`` (or ``x_test`` and ``y_test``); ``.npy``; ``.csv`` whose
        first line names the columns, one of them ``label``; IDX as MNIST's; a folder with one folder of pictures a
        class, below ``train`` and ``test`` if it has these.
    labels : path, optional
        File with the labels, if `path` has none: see :func:`read_labels`.
    split : str
        "test" or "train", where the file or folder has both.
    signs : bool
        Take the signs of signed numbers as bits.
    progress : callable, optional
        Called with (pictures read, pictures in all).

    Raises
    ------
    InputError
        Naming the file, the field and the rule that it breaks.
    """
    path = Path(path)
    values: Any
    if path.is_dir():
        images, values, classes = _folder(path, split, progress)
    elif path.is_file():
        images, values, classes = _READERS.get(path.suffix.lower(), _unknown)(path, split)
    else:
        raise InputError(f"{path}: no such file or folder")
    pixels, meaning = check_images(images, str(path), signs)
    numbers: NDArray[np.int64] | None = None
    if labels is not None:
        if values is not None:
            raise InputError(f"must not be given for {path}, which has its own", parameter="labels")
        numbers, classes = read_labels(labels, split)
    elif values is not None:
        numbers, names = check_labels(values, str(path))
        classes = names or named(numbers, classes, str(path))
    # Not the name of a known set, for the file of a network keeps it.
    name = path.resolve().name if path.name in ("", "..") else path.name
    name = f"./{name}" if name in KNOWN_NAMES else name
    data = Dataset(name, pixels, numbers, classes, f"{name.removeprefix('./')} ({meaning})")
    data = replace(data, source=data.source + data.gaps)
    if numbers is not None and numbers[0] != numbers[-1] and np.all(np.diff(numbers) >= 0):
        # Sorted by class, as folders are: the first images of it would be of one class.
        order = np.random.Generator(np.random.Philox(key=_ORDER_KEY)).permutation(len(data))
        data = data.some(order, "in a drawn order")
    return data
