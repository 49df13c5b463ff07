"""A user's own data set: every form it may have, and every sentence that refuses one."""

import gzip
import io
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from oxnor.models.base.errors import InputError
from oxnor.models.datasets.dataset import Dataset, check_images, check_labels
from oxnor.models.datasets.files import read_dataset, read_labels
from oxnor.models.datasets.known import load_dataset

GREY = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4) * 2
LABELS = np.array([0, 1, 2, 0, 1, 2])


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


def csv_text(features, labels, delimiter=","):
    head = delimiter.join(["label", *(f"pixel{k}" for k in range(features.shape[1]))])
    rows = [delimiter.join(map(str, [label, *row])) for label, row in zip(labels, features.tolist(), strict=True)]
    return "\n".join([head, *rows]) + "\n"


def write_npz(place):
    np.savez(place / "set.npz", images=GREY, labels=LABELS)
    return place / "set.npz", None


def write_keras_npz(place):
    np.savez(place / "set.npz", x_train=GREY[:2], y_train=LABELS[:2], x_test=GREY, y_test=LABELS)
    return place / "set.npz", None


def write_npy(place):
    np.save(place / "set.npy", GREY)
    np.save(place / "classes.npy", LABELS)
    return place / "set.npy", place / "classes.npy"


def write_one_hot(place):
    np.savez(place / "set.npz", images=GREY, labels=np.eye(3)[LABELS])
    return place / "set.npz", None


def write_floats(place):
    np.savez(place / "set.npz", x=GREY.astype(np.float32) / 255, y=LABELS.astype(np.float32))
    return place / "set.npz", None


def write_fortran(place):
    np.savez(place / "set.npz", x=np.asfortranarray(GREY.astype(np.int64)), y=LABELS[:, None])
    return place / "set.npz", None


def write_idx(place):
    (place / "my-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(GREY)))
    (place / "my-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    return place / "my-images-idx3-ubyte.gz", None


def write_mnist_folder(place):
    (place / "t10k-images-idx3-ubyte").write_bytes(idx(GREY))
    (place / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS))
    return place, None


def write_csv(place):
    (place / "set.csv").write_text(csv_text(GREY.reshape(6, 16), LABELS))
    return place / "set.csv", None


def write_semicolons(place):
    (place / "set.csv").write_text("\ufeff" + csv_text(GREY.reshape(6, 16), LABELS, ";"))
    return place / "set.csv", None


def write_text_labels(place):
    np.save(place / "set.npy", GREY)
    (place / "classes.txt").write_text("\n".join(["cat", "dog", "owl"] * 2))
    return place / "set.npy", place / "classes.txt"


def write_pictures(place):
    for k, (label, picture) in enumerate(zip(LABELS, GREY, strict=True)):
        folder = place / "test" / "abc"[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{k}.png")
    return place, None


FORMS = [
    write_npz, write_keras_npz, write_npy, write_one_hot, write_floats, write_fortran, write_idx, write_mnist_folder,
    write_csv, write_semicolons, write_text_labels, write_pictures,
]


@pytest.mark.parametrize("write", FORMS, ids=lambda f: f.__name__.removeprefix("write_"))
def test_every_form_reads_the_same(write, tmp_path):
    path, labels = write(tmp_path)
    found = load_dataset(path, labels=labels)
    order = np.arange(6)
    if write is write_pictures:  # sorted by class, and so shuffled
        order = np.array([int(np.flatnonzero((GREY.reshape(6, 16) == row).all(1))[0]) for row in found.flat])
        assert sorted(order) == list(range(6))
        assert not np.all(np.diff(found.labels) >= 0)
    np.testing.assert_array_equal(found.flat, GREY.reshape(6, 16)[order])
    np.testing.assert_array_equal(found.labels, LABELS[order])
    assert found.images.dtype == np.uint8
    assert found.labels.dtype == np.int64
    assert (found.n_pixels, found.n_classes, len(found)) == (16, 3, 6)
    names = {write_text_labels: ("cat", "dog", "owl"), write_pictures: ("a", "b", "c")}
    assert found.classes == names.get(write, ())


def test_split_of_keras_arrays(tmp_path):
    path, _ = write_keras_npz(tmp_path)
    assert len(load_dataset(path, split="train")) == 2


IMAGES = {
    "text": (np.array([["a"]]), "F: images must be numbers, not text"),
    "objects": (np.array([[None]]), "F: images must be numbers, not Python objects"),
    "complex": (np.ones((2, 2), complex), "F: images must be numbers, not complex numbers"),
    "flat": (np.arange(4), "F: images must be a table with one row an image, not of shape (4,)"),
    "none": (np.zeros((0, 4)), "F: images must be a table with one row an image, not of shape (0, 4)"),
    "nan": (np.array([[0.5], [np.nan]]), "F: images must be finite numbers; image 1 has one that is not"),
    "standardised": (
        np.array([[-1.5, 2.0]]),
        "F: images must be 0 to 255, 0 to 1, or -1 and +1 as bits, not -1.5 to 2: scale them first",
    ),
    "16 bits": (
        np.array([[0, 65535]], np.uint16),
        "F: images must be 0 to 255, 0 to 1, or -1 and +1 as bits, not 0 to 65535: scale them first",
    ),
}


@pytest.mark.parametrize("case", IMAGES)
def test_images_refused(case):
    values, message = IMAGES[case]
    with pytest.raises(InputError) as caught:
        check_images(values, "F")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("values", "expected", "meaning"),
    [
        (np.array([[True, False]]), [[True, False]], "bits"),
        (np.array([[-1, 1]]), [[False, True]], "-1 and +1 as bits"),
        (np.array([[1.0, 0.0]]), [[True, False]], "0 and 1 as bits"),
        (np.array([[0.5, 1.0]]), [[128, 255]], "0 to 1, scaled to 255"),
        (np.array([[7, 255]]), [[7, 255]], "0 to 255"),
        (np.array([[7.0, 254.5]]), [[7, 254]], "0 to 255, rounded"),
    ],
)
def test_images_in_words(values, expected, meaning):
    found, said = check_images(values, "F")
    assert found.tolist() == expected
    assert said == meaning


LABEL_CASES = {
    "fraction": (np.array([0.0, 1.5]), "F: labels must be whole numbers, not 1.5 (image 1)"),
    "nan": (np.array([0.0, np.nan]), "F: labels must be whole numbers, not nan (image 1)"),
    "negative": (np.array([-1, 1]), "F: labels must be in [0, 65535], not -1 to 1"),
    "two ones": (
        np.array([[1, 0], [1, 1]]),
        "F: labels of shape (2, 2) must be one-hot, a single 1 among 0 in each row; row 1 is not",
    ),
    "soft": (
        np.array([[1, 0], [0.4, 0.6]]),
        "F: labels of shape (2, 2) must be one-hot, a single 1 among 0 in each row; row 1 is not",
    ),
    "objects": (np.array([None, 1]), "F: labels must be numbers or text, not Python objects"),
    "cube": (np.zeros((2, 2, 2)), "F: labels must be one number an image, not of shape (2, 2, 2)"),
}


@pytest.mark.parametrize("case", LABEL_CASES)
def test_labels_refused(case):
    values, message = LABEL_CASES[case]
    with pytest.raises(InputError) as caught:
        check_labels(values, "F")
    assert str(caught.value) == message


def test_labels_that_count_from_one_are_named():
    data = Dataset("mine", GREY, LABELS + 1)
    with pytest.raises(InputError) as caught:
        data.check_fit(16, 3, "network 'net'")
    assert str(caught.value) == (
        "mine: labels must be in [0, 2] for network 'net', not 1 to 3; they seem to count from 1: subtract 1"
    )
    with pytest.raises(InputError, match=r"images must have 784 elements for network 'net', not 16 .4x4.$"):
        data.check_fit(784, 10, "network 'net'")


@pytest.mark.parametrize(("given", "message"), [
    ((12, 10, 3), None),
    ((1, 12, 10, 3), None),
    ((360,), None),
    ((10, 12, 3), "images must be 12x10x3 for network 'net', not 10x12x3"),
    ((120, 3), "images must be 12x10x3 for network 'net', not 120x3"),
    ((3, 12, 10), ("images must be 12x10x3 for network 'net', not 3x12x10; the channels come first: put them last,"
                   " with numpy images.transpose(0, 2, 3, 1)")),
])  # fmt: skip
def test_images_of_another_shape_with_as_many_elements(given, message):
    """A convolution would read the wrong pixels, and nothing else would tell."""
    data = Dataset("mine", np.zeros((2, *given), np.uint8), np.zeros(2, int))
    if message is None:
        data.check_fit(360, 3, "network 'net'", (12, 10, 3))
    else:
        with pytest.raises(InputError) as caught:
            data.check_fit(360, 3, "network 'net'", (12, 10, 3))
        assert str(caught.value) == f"mine: {message}"
    data.check_fit(360, 3, "a dense network")


def test_files_refused(tmp_path):
    def refused(path, **options):
        with pytest.raises(InputError) as caught:
            load_dataset(path, **options)
        return str(caught.value).replace(str(tmp_path), "")

    assert refused("mnits") == (
        "data must be one of mnist, fashion-mnist, digits, cifar10, vowels, hillenbrand, spoken-digits, a file or a folder, not 'mnits' (did you mean mnist or digits or spoken-digits?)"
    )
    assert refused("mnist", labels="x") == "labels must not be given for mnist, which has its own"
    np.savez(tmp_path / "a.npz", foo=GREY)
    assert refused(tmp_path / "a.npz").endswith("there are foo")
    np.savez(tmp_path / "b.npz", images=GREY, labels=LABELS[:5])
    assert refused(tmp_path / "b.npz") == "b.npz: labels must be 6, one an image, not 5"
    (tmp_path / "c.csv").write_text("1,2\n3,4\n")
    assert "the first line must name the columns" in refused(tmp_path / "c.csv")
    (tmp_path / "d.csv").write_text("label,a\n1,2\n1\n")
    assert "line 3 must have 2 cells, not 1" in refused(tmp_path / "d.csv")
    (tmp_path / "empty").mkdir()
    assert "must hold one folder a class with pictures" in refused(tmp_path / "empty")
    for k, size in enumerate((4, 5)):
        (tmp_path / "pictures" / "c").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((size, size), np.uint8)).save(tmp_path / "pictures" / "c" / f"{k}.png")
    assert refused(tmp_path / "pictures") == "/pictures/c/1.png: pictures must all be 4x4 grey as the first is, not 5x5 grey"
    (tmp_path / "pictures" / "c" / "0.png").write_bytes(b"no picture")
    assert refused(tmp_path / "pictures") == "/pictures/c/0.png: cannot be read as a picture"


def archive(compressed=True):
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, images=GREY, labels=LABELS)
    return buffer.getvalue()


def npy():
    buffer = io.BytesIO()
    np.save(buffer, GREY)
    return buffer.getvalue()


def png():
    buffer = io.BytesIO()
    Image.fromarray(GREY[0]).save(buffer, "png")
    return buffer.getvalue()


SEEDS = {
    "set.npz": archive(), "plain.npz": archive(compressed=False), "set.npy": npy(), "images-idx3-ubyte": idx(GREY),
    "packed-idx3-ubyte.gz": gzip.compress(idx(GREY)), "set.csv": csv_text(GREY.reshape(6, 16), LABELS).encode(),
    "c/picture.png": png(),
}  # fmt: skip


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_end_in_one_sentence(name, data, tmp_path):
    spoilt = bytearray(SEEDS[name])
    for _ in range(data.draw(st.integers(1, 4))):
        if not spoilt:
            break
        at = data.draw(st.integers(0, len(spoilt) - 1))
        action = data.draw(st.sampled_from(["set", "cut", "insert", "repeat"]))
        if action == "set":
            spoilt[at] = data.draw(st.integers(0, 255))
        elif action == "cut":
            del spoilt[at : at + data.draw(st.integers(1, 40))]
        elif action == "insert":
            spoilt[at:at] = data.draw(st.binary(max_size=8))
        else:
            spoilt[at:at] = spoilt[at : at + 30]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(spoilt))
    place = tmp_path if name.startswith("c/") else path
    if name.startswith("c/"):
        for other in tmp_path.iterdir():
            if other.name != "c":
                other.unlink()
    for read in (read_dataset, read_labels) if place == path else (read_dataset,):
        said = "read"
        try:
            read(place)
        except InputError as e:
            said = str(e)
        assert said
        assert "\n" not in said


def test_sixteen_bit_pictures_are_refused(tmp_path):
    for k in range(2):
        (tmp_path / f"c{k}").mkdir()
        Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / f"c{k}" / "a.png")
    with pytest.raises(InputError, match="pictures must have 8 bits a value, not 16 or more: convert them first"):
        read_dataset(tmp_path)


def pictures(folder, half, mode="L", classes="ab", grey=True):
    g = np.random.default_rng(1)
    for name in classes:
        place = folder / half / name
        place.mkdir(parents=True)
        for k in range(3):
            pixels = np.repeat(g.integers(0, 256, (4, 4, 1), dtype=np.uint8), 3, 2) if grey else g.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            picture = Image.fromarray(pixels)
            (picture.convert("L") if mode == "P" and grey else picture).convert(mode).save(place / f"{k}.png")
    return folder


@pytest.mark.parametrize(("mode", "grey", "shape"), [
    ("L", True, (4, 4)), ("LA", True, (4, 4)), ("P", True, (4, 4)), ("RGB", True, (4, 4, 3)), ("RGBA", False, (4, 4, 3)),
    ("P", False, (4, 4, 3)),
])  # fmt: skip
def test_modes_of_pictures(tmp_path, mode, grey, shape):
    found = read_dataset(pictures(tmp_path / "set", "test", mode, grey=grey))
    assert found.images.shape[1:] == shape
    if mode == "L":
        assert not np.array_equal(found.images[0], found.images[1])


def test_a_picture_of_a_few_bytes_does_not_take_much_memory(tmp_path):
    Image.new("1", (8192, 2049)).save(tmp_path / "x.png")
    (tmp_path / "a").mkdir()
    (tmp_path / "x.png").rename(tmp_path / "a/x.png")
    with pytest.raises(InputError, match=r"x\.png: pictures must have at most 16777216 pixels, not 16785408$"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pictures_are_refused(tmp_path, mode):
    place = pictures(tmp_path / "set", "test")
    picture = Image.new("RGBA", (4, 4), (9, 9, 9, 100)).convert(mode)
    picture.save(place / "test" / "a" / "x.png", **({"transparency": 0} if mode == "P" else {}))
    with pytest.raises(InputError, match=r"x.png: pictures must have no transparent pixels: put them on a background first$"):
        read_dataset(place)


CSV = {
    "": "is empty: the first line must name the columns",
    "\n1\n": "has an empty first line: the first line must name the columns",
    "label,a,b\n": ": must have rows below the names of the columns, and has none",
    "label,a,b\n0,1,2\n\n1,x,3\n": ": line 4, column 'a', must be a number, not 'x'",
    "label,a,b\n0,1,2\n1,3\n": ": line 3 must have 3 cells, not 2",
    "label,Class,a\n0,0,1\n": ": one column must have the labels, not 2 (label, Class): rename the others",
}


@pytest.mark.parametrize("text", CSV)
def test_csv_refused_by_line(tmp_path, text):
    path = tmp_path / "set.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_dataset(path)
    assert str(caught.value).removeprefix(str(path)).lstrip() == CSV[text].lstrip()


def test_csv_with_a_byte_that_is_no_text_after_a_wrong_row(tmp_path):
    path = tmp_path / "set.csv"
    path.write_bytes(b"label,a\n0,1\n1,x\n1,\xff\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_dataset(path)


def test_y_is_a_feature_beside_a_label(tmp_path):
    path = tmp_path / "set.csv"
    path.write_text("label,x,y\n1,20,30\n0,40,50\n")
    np.testing.assert_array_equal(read_dataset(path).images, [[20, 30], [40, 50]])
    path.write_text("x,y\n20,1\n40,0\n")
    np.testing.assert_array_equal(read_dataset(path).labels, [1, 0])


def test_half_a_set(tmp_path):
    folder = pictures(tmp_path / "set", "train")
    with pytest.raises(InputError) as caught:
        read_dataset(folder)
    assert str(caught.value) == f"{folder}: must have a folder test beside train; name {folder / 'train'} to take that"
    assert len(read_dataset(folder, split="train")) == len(read_dataset(folder / "train")) == 6
    np.savez(tmp_path / "set.npz", x_train=GREY, y_train=LABELS)
    with pytest.raises(InputError, match=r"must have an array of test images, as x_test, and has only x_train$"):
        read_dataset(tmp_path / "set.npz")


@pytest.mark.parametrize(("labels", "classes", "text"), [
    ([0, 3, 3], (), ", no image of class 1, 2"), ([0, 0, 0], (), ", all images of one class, 0"),
    ([0, 1, 0], ("a", "b", "c"), ", no image of class c"), ([1, 0, 2], (), ""), (None, (), ""),
    ([20, 0, 1], (), ", no image of class 2, 3, 4, 5, 6, 7, 8, 9 and 10 more"),
])  # fmt: skip
def test_classes_without_images_are_said(labels, classes, text):
    held = None if labels is None else np.array(labels)
    assert Dataset("x", GREY[:3], held, classes).gaps == text


def test_labels_are_counted_as_the_network_counts_them(tmp_path):
    """A folder with some of a network's classes has other numbers for them."""
    found = read_dataset(pictures(tmp_path / "set", "test", classes="ac"))
    counted = found.in_classes(("a", "b", "c"), "net")
    np.testing.assert_array_equal(counted.labels, found.labels * 2)
    assert counted.classes == ("a", "b", "c")
    assert found.in_classes((), "net") is found.in_classes(("x", "y"), "net") is found
    with pytest.raises(InputError, match="set: classes must be those of network 'net', a, b, not c"):
        found.in_classes(("a", "b"), "net")


@pytest.mark.parametrize(("name", "message"), [
    ("missing.npz", "missing.npz: no such file or folder"), ("a/b", "a/b: no such file or folder"),
    ("mnits", ("data must be one of mnist, fashion-mnist, digits, cifar10, vowels, hillenbrand, spoken-digits, a file or a"
               " folder, not 'mnits' (did you mean mnist or digits or spoken-digits?)")),
])  # fmt: skip
def test_no_such_data(name, message):
    with pytest.raises(InputError) as caught:
        load_dataset(name)
    assert str(caught.value) == message


def test_a_file_that_is_no_known_kind(tmp_path):
    (tmp_path / "thing.dat").write_text("hello world")
    with pytest.raises(InputError) as caught:
        read_dataset(tmp_path / "thing.dat")
    assert str(caught.value) == (
        f"{tmp_path}/thing.dat: is none of .npz, .npy, .csv, .tsv, .txt by its name, and no IDX file:"
        " dimensions must be 1 to 4, not 108"
    )


def test_signs():
    values, what = check_images(np.array([[-1.5, 2.0], [0.0, -3.0]]), "F", signs=True)
    assert (values.tolist(), what) == ([[False, True], [True, False]], "signs of numbers")
    assert check_images(np.array([[0, 1]]), "F", signs=True)[1] == "0 and 1 as bits"
    with pytest.raises(InputError, match="F: images must be signed numbers, whose signs are taken, not 3 to 200"):
        check_images(np.array([[3, 200]]), "F", signs=True)


def test_a_folder_with_the_files_of_a_known_set_is_that_set(tmp_path):
    """Old commands name MNIST's folder, and a network that was trained from it was trained on MNIST."""
    shipped = Path(str(resources.files("oxnor.models"))) / "data" / "mnist"
    (tmp_path / "anything").mkdir()
    for path in shipped.glob("*.gz"):
        (tmp_path / "anything" / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    found = load_dataset(tmp_path / "anything")
    assert (found.name, found.classes, len(found)) == ("mnist", tuple("0123456789"), 10_000)
    other = next((tmp_path / "anything").glob("t10k-images*"))
    other.write_bytes(other.read_bytes()[:-1] + b"\x01")
    assert load_dataset(tmp_path / "anything").name == "anything"
