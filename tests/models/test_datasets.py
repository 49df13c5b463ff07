"""The IDX reader, the shipped images, and where training data is looked for."""

import gzip
import hashlib
import re
import socket
import struct

import numpy as np
import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.datasets import idx as idx_file
from oxnor.models.datasets import mnist as datasets
from oxnor.models.datasets import places


def idx(array, *, magic=None, dims=None):
    head = magic or bytes((0, 0, 8, array.ndim))
    return head + struct.pack(f">{array.ndim}I", *(dims or array.shape)) + array.tobytes()


IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)

BAD = {
    "empty": (b"", "FILE: length must be at least 4 bytes, not 0"),
    "another type": (idx(IMAGES, magic=b"\0\0\x0d\3"),
                     "FILE: magic must be 00000803 (unsigned bytes, 3 dimensions), not 00000d03"),
    "labels": (idx(IMAGES[:, 0, 0]), "FILE: magic must be 00000803 (unsigned bytes, 3 dimensions), not 00000801"),
    "text": (b"<!DOCTYPE html>", "FILE: magic must be 00000803 (unsigned bytes, 3 dimensions), not 3c21444f"),
    "short head": (idx(IMAGES)[:15], "FILE: length must be at least 16 bytes, not 15"),
    "huge dimension": (idx(IMAGES, dims=(2**32 - 1, 4, 5)),
                       "FILE: length must be 85899345916 bytes, as its dimensions say, not 76"),
    "another size": (idx(IMAGES, dims=(3, 5, 4)), "FILE: dimension 1 must be 4, not 5"),
    "cut short": (idx(IMAGES)[:-1], "FILE: length must be 76 bytes, as its dimensions say, not 75"),
    "too long": (idx(IMAGES) + b"\0", "FILE: length must be 76 bytes, as its dimensions say, not 77"),
    "gzip cut short": (gzip.compress(idx(IMAGES))[:-9], "FILE: gzip data must be whole, not cut short or damaged"),
    "gzip damaged": (gzip.compress(idx(IMAGES))[:-8] + bytes(8),
                     "FILE: gzip data must be whole, not cut short or damaged"),
    "gzip head alone": (b"\x1f\x8b\x08", "FILE: gzip data must be whole, not cut short or damaged"),
}


@pytest.mark.parametrize("case", BAD)
def test_idx_errors(case, tmp_path):
    data, message = BAD[case]
    path = tmp_path / "images"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        idx_file.read_idx(path, (None, 4, 5))
    assert str(caught.value) == message.replace("FILE", str(path))


def test_idx_missing_file(tmp_path):
    with pytest.raises(InputError) as caught:
        idx_file.read_idx(tmp_path / "none", (1,))
    assert str(caught.value) == f"{tmp_path / 'none'}: cannot be read (No such file or directory)"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_reads(pack, tmp_path):
    path = tmp_path / "images"
    path.write_bytes(pack(idx(IMAGES)))
    md5 = hashlib.md5(idx(IMAGES)).hexdigest()
    np.testing.assert_array_equal(idx_file.read_idx(path, (None, 4, 5), md5=md5), IMAGES)
    with pytest.raises(InputError) as caught:
        idx_file.read_idx(path, (3, 4, 5), md5="0" * 32)
    assert str(caught.value) == f"{path}: MD5 of the uncompressed file must be {'0' * 32}, not {md5}"


def test_gzip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(idx(IMAGES) + bytes(50 << 20)))
    with pytest.raises(InputError, match=re.escape("length must be 76 bytes, as its dimensions say, not 77")):
        idx_file.read_idx(path, (3, 4, 5))


@pytest.mark.parametrize(("files", "first", "counts", "share"), [
    (datasets.MNIST, [7, 2, 1, 0, 4, 1, 4, 9, 5, 9], [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009], 0.134),
    (datasets.FASHION_MNIST, [9, 2, 1, 1, 6, 1, 4, 6, 5, 7], [1000] * 10, 0.315),
], ids=["mnist", "fashion-mnist"])  # fmt: skip
def test_shipped_test_images(files, first, counts, share):
    images, labels = datasets.load_idx_set(files)
    assert images.shape == (10_000, 784)
    assert images.dtype == labels.dtype == np.uint8
    assert labels[:10].tolist() == first
    assert np.bincount(labels).tolist() == counts
    assert abs(np.mean(images >= 128) - share) < 0.01


def test_unknown_split():
    with pytest.raises(InputError, match=r"^split must be one of train, test, not 'validation'$"):
        datasets.load_mnist("validation")


@pytest.fixture
def empty_world(monkeypatch, tmp_path):
    """A working folder, a cache and a network that have nothing."""
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")
    monkeypatch.setenv("OXNOR_DATA", str(tmp_path / "variable"))
    monkeypatch.setattr(places, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr(datasets, "cache_dir", lambda: tmp_path / "cache")

    def refuse(*_args, **_kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_nowhere_names_every_place(empty_world):
    with pytest.raises(InputError) as caught:
        datasets.load_mnist("train", empty_world / "given")
    assert str(caught.value) == (
        f"train-images-idx3-ubyte: must be in one of `data_dir` ({empty_world}/given), $OXNOR_DATA ({empty_world}/variable),"
        f" ../shared/data ({empty_world}/shared/data), user cache ({empty_world}/cache), and is not; put the four files"
        " in a folder and name it as `data_dir` or in $OXNOR_DATA, or allow the `download`"
    )


def test_failed_download_names_every_mirror(empty_world):
    with pytest.raises(InputError) as caught:
        datasets.load_mnist("train", download=True)
    text = str(caught.value)
    assert text.startswith("train-images-idx3-ubyte: downloads failed from ")
    assert all(mirror in text for mirror in datasets.MNIST.mirrors)
    assert "\n" not in text
    left = empty_world / "cache" / "mnist"
    assert not left.exists() or not list(left.iterdir())


@pytest.fixture
def small_mnist(monkeypatch):
    """MNIST with three training images: file name to its bytes."""
    images = np.arange(3 * 784, dtype=np.int64).astype(np.uint8).reshape(3, 28, 28)
    files = {"train-images-idx3-ubyte": idx(images), "train-labels-idx1-ubyte": idx(np.array([1, 2, 3], np.uint8))}
    monkeypatch.setitem(datasets.MNIST_SIZE, "train", 3)
    for name, data in files.items():
        monkeypatch.setitem(datasets.MNIST.md5, name, hashlib.md5(data).hexdigest())
    return files


@pytest.mark.parametrize("place", ["given", "given/mnist", "variable", "shared/data/mnist", "cache/mnist"])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_every_place_is_looked_in(empty_world, small_mnist, place, end):
    folder = empty_world / place
    folder.mkdir(parents=True)
    for name, data in small_mnist.items():
        (folder / f"{name}{end}").write_bytes(gzip.compress(data) if end else data)
    images, labels = datasets.load_mnist("train", empty_world / "given")
    assert images.shape == (3, 784)
    assert labels.tolist() == [1, 2, 3]


def test_order_of_places(empty_world, small_mnist):
    for place in ("given", "variable"):
        (empty_world / place).mkdir()
        for name, data in small_mnist.items():
            (empty_world / place / name).write_bytes(data if place == "given" else b"not this one")
    assert datasets.load_mnist("train", empty_world / "given")[1].tolist() == [1, 2, 3]
    with pytest.raises(InputError, match=re.escape(f"{empty_world}/variable/train-images-idx3-ubyte: magic must be")):
        datasets.load_mnist("train")


def test_damaged_file_is_an_error_not_a_download(empty_world, small_mnist):
    folder = empty_world / "variable"
    folder.mkdir()
    for name, data in small_mnist.items():
        (folder / name).write_bytes(data[:-1] + b"\xff")
    with pytest.raises(InputError, match="MD5 of the uncompressed file must be"):
        datasets.load_mnist("train")


class Reply:
    """What urlopen gives, from memory."""

    def __init__(self, data):
        self.headers = {"Content-Length": str(len(data))}
        self._data = data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def read(self, size):
        block, self._data = self._data[:size], self._data[size:]
        return block


def test_download(empty_world, small_mnist, monkeypatch):
    asked, told = [], []

    def open_(url, timeout):
        assert timeout <= 10
        asked.append(url)
        name = url.rsplit("/", 1)[1].removesuffix(".gz")
        data = gzip.compress(small_mnist[name])
        return Reply(data[:-1] if url.startswith(datasets.MNIST.mirrors[0]) else data)

    monkeypatch.setattr(datasets.urllib.request, "urlopen", open_)
    _, labels = datasets.load_mnist("train", progress=lambda *a: told.append(a), download=True)
    assert labels.tolist() == [1, 2, 3]
    assert len(asked) == 4, "the first mirror's files are cut short, so the second is asked too"
    assert told[-1][1] == told[-1][2]
    assert sorted(p.name for p in (empty_world / "cache" / "mnist").iterdir()) == [f"{n}.gz" for n in sorted(small_mnist)]
    datasets.load_mnist("train")
    assert len(asked) == 4, "the second time comes from the cache"
