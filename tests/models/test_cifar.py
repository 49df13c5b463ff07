"""CIFAR-10 from its authors' files, binary and Python, and from smaller ones."""

import hashlib
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oxnor.models.base.errors import InputError
from oxnor.models.datasets import cifar
from oxnor.models.datasets.known import load_dataset

IMAGES = 3  # in a stand-in for a file of 10,000
LABELS = {name: [k, 9 - k, 7] for k, name in enumerate(("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
                                                        "data_batch_5", "test_batch"))}


def planes(name):
    return np.random.default_rng(LABELS[name]).integers(0, 256, (IMAGES, 3, 32, 32), np.uint8)


def in_bytes(name):
    return b"".join(bytes([label]) + image.tobytes() for label, image in zip(LABELS[name], planes(name), strict=True))


def in_a_pickle(name):
    """Return the pickle as Python 2 wrote it: strings of bytes, and an array out of one of them."""

    def text(of):
        return b"U" + bytes([len(of)]) + of

    labels = b"](" + b"".join(b"K" + bytes([label]) for label in LABELS[name]) + b"e"
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    data = planes(name).tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x03M\x00\x0c\x86" + kind
    array += b"\x89T" + struct.pack("<i", len(data)) + data + b"tb"
    files = b"](" + b"".join(text(b"camion_s_%06d.png" % k) for k in range(IMAGES)) + b"e"
    return (
        b"\x80\x02}(" + text(b"batch_label") + text(b"training batch 1 of 5") + text(b"labels") + labels
        + text(b"data") + array + text(b"filenames") + files + b"u."
    )


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # no other place has the files
    monkeypatch.setattr(cifar, "_IN_A_FILE", IMAGES)
    splits = {"test": LABELS["test_batch"], "train": [n for labels in list(LABELS.values())[:5] for n in labels]}
    sums = {split: hashlib.sha256(bytes(labels)).hexdigest() for split, labels in splits.items()}
    monkeypatch.setattr(cifar, "_LABELS_SHA256", sums)
    return tmp_path


PUBLISHED = {"cifar-10-batches-bin": (".bin", in_bytes), "cifar-10-batches-py": ("", in_a_pickle)}


@pytest.mark.parametrize("folder", PUBLISHED)
def test_published_files_are_read_as_they_are(folder, small):
    end, written = PUBLISHED[folder]
    (small / folder).mkdir()
    for name in LABELS:
        (small / folder / f"{name}{end}").write_bytes(written(name))
    for split, names in (("test", ["test_batch"]), ("train", list(LABELS)[:5])):
        for data in (
            load_dataset("cifar10", split=split, data_dir=small), load_dataset(small, split=split),
            load_dataset(small / folder, split=split),
        ):
            expected = np.concatenate([planes(name) for name in names]).transpose(0, 2, 3, 1)
            np.testing.assert_array_equal(data.images, expected)
            assert data.labels.tolist() == [n for name in names for n in LABELS[name]]
            assert (data.name, data.source) == ("cifar10", f"CIFAR-10 {split} images")
    (small / folder / f"data_batch_4{end}").unlink()
    with pytest.raises(InputError, match=rf"data_batch_4{end}: no such file, and the others of CIFAR-10 are there$"):
        load_dataset("cifar10", split="train", data_dir=small)
    (small / folder / f"test_batch{end}").write_bytes(written("data_batch_1"))
    with pytest.raises(InputError, match=rf"test_batch{end}: labels must be those of CIFAR-10, and their SHA-256 is another$"):
        load_dataset("cifar10", data_dir=small)


def test_a_pickle_is_as_python_writes_it_and_never_run(small, monkeypatch):
    batch = pickle.loads(in_a_pickle("test_batch"), encoding="bytes")
    np.testing.assert_array_equal(batch[b"data"].reshape(-1, 3, 32, 32), planes("test_batch"))
    ran = small / "ran"
    (small / "test_batch").write_bytes(b"cos\nsystem\n(U" + bytes([len(f"touch {ran}")]) + f"touch {ran}".encode() + b"tR.")
    with pytest.raises(InputError, match=r"test_batch: must be a batch of CIFAR-10's Python version$"):
        load_dataset("cifar10", data_dir=small)
    assert not ran.exists()
    # Nor is one looked through that has too many steps.
    monkeypatch.setattr(cifar, "_STEPS_MAX", 1 << 10)
    (small / "test_batch").write_bytes(b"(" * (1 << 10) + in_a_pickle("test_batch"))
    with pytest.raises(InputError, match=r"test_batch: must be a batch of CIFAR-10's Python version$"):
        load_dataset("cifar10", data_dir=small)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_batches_end_in_one_sentence(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("batches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar, "_IN_A_FILE", IMAGES)
        for name, written in (("test_batch", in_a_pickle), ("test_batch.bin", in_bytes)):
            content = bytearray(written("test_batch"))
            for _ in range(data.draw(st.integers(1, 4))):
                # What is around the pixels matters most.
                at = data.draw(st.one_of(st.integers(0, 200), st.integers(0, len(content) - 1)))
                content[at] = data.draw(st.integers(0, 255))
            (folder / name).write_bytes(content[: data.draw(st.one_of(st.none(), st.integers(0, len(content))))])
            with pytest.raises(InputError, match=r"CIFAR-10|must have 9,219 bytes"):
                load_dataset("cifar10", data_dir=folder)
            (folder / name).unlink()


def test_cifar10_begins_with_its_first_half(tmp_path, monkeypatch):
    """Stand-ins of two images a file, in the form of the files: one half is taken alone, the second is not."""
    g = np.random.default_rng(1)
    parts = {name: g.integers(0, 256, (2, 3, 32, 32), np.uint8) for name in ("test", "train-0", "train-1")}
    for name, residuals in parts.items():
        np.savez(tmp_path / f"{name}.npz", residuals=residuals, labels=np.array([1, 7], np.uint8))
    images = {name: cifar._undo_differences(residuals) for name, residuals in parts.items()}
    halves = {"test": [images["test"]], "first half of train": [images["train-0"]],
              "train": [images["train-0"], images["train-1"]]}
    sums = {name: hashlib.sha256(np.concatenate(a).tobytes()).hexdigest() for name, a in halves.items()}
    monkeypatch.setattr(cifar, "_IMAGES_SHA256", sums)
    monkeypatch.chdir(tmp_path)  # no other place has them
    for split, name in (("train", "train"), ("test", "test"), ("train", "first half of train")):
        if "half" in name:
            (tmp_path / "train-1.npz").unlink()
        for data in (load_dataset("cifar10", split=split, data_dir=tmp_path), load_dataset(tmp_path, split=split)):
            np.testing.assert_array_equal(data.images, np.concatenate(halves[name]))
            assert (data.name, data.source) == ("cifar10", f"CIFAR-10 {name} images")
    (tmp_path / "train-0.npz").unlink()
    with pytest.raises(InputError, match=r"^cifar-10-batches-bin/data_batch_1.bin: must be in one of .*cifar-10-binary.tar.gz or cifar-10-python.tar.gz"):
        load_dataset("cifar10", split="train", data_dir=tmp_path)
