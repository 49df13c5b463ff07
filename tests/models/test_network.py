"""Networks: what is refused, and that files hold all of one."""

import dataclasses
import io
import itertools
import json
import zipfile

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.networks import binarized as network_module
from oxnor.models.networks.binarized import Network

W = np.zeros((2, 3), bool)
T = np.zeros(2, np.int64)
LAST = np.zeros((2, 2), bool)


def rewrite(path, changes, drop=()):
    """Replace arrays of an ``.npz`` file; header fields are given as a dict under "header"."""
    with np.load(path) as old:
        arrays = {k: old[k] for k in old.files if k not in drop}
    if isinstance(changes.get("header"), dict):
        header = json.loads(arrays["header"].tobytes()) | changes["header"]
        changes = changes | {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    np.savez(path, **(arrays | changes))


@settings(max_examples=20, deadline=None)
@given(shape=st.lists(st.integers(1, 40), min_size=2, max_size=4), affine=st.booleans(), level=st.integers(0, 256))
def test_save_and_load_keep_everything(tmp_path_factory, shape, affine, level):
    g = np.random.default_rng(shape)
    weights = [g.random((b, a)) < 0.5 for a, b in itertools.pairwise(shape)]
    thresholds = [g.integers(0, w.shape[1] + 2, len(w)) for w in weights[:-1]]
    extra = {"scales": g.integers(-5, 5, shape[-1]), "offsets": g.integers(-5, 5, shape[-1])} if affine else {}
    info = {"licence": "MIT", "n": 1}
    a = Network.from_arrays(weights, [*thresholds, None], name="a", input_threshold=level, info=info, **extra)
    path = tmp_path_factory.mktemp("network") / "a.npz"
    a.save(path)
    b = Network.load(path)
    assert (b.name, b.input_threshold, b.info, b.shape, b.digest) == ("a", level, info, tuple(shape), a.digest)
    first = path.read_bytes()
    b.save(path)
    assert path.read_bytes() == first


def test_digest_is_of_what_is_computed_alone(random_network):
    a = random_network((9, 4, 3))
    assert a.digest == random_network((9, 4, 3), name="other").digest
    w = a.layers[0].weights.copy()
    w[0, 0] ^= True
    assert a.with_weights({0: w}).digest != a.digest


def test_arrays_cannot_be_changed_behind_a_network():
    w = W.copy()
    network = Network.from_arrays([w, LAST], [T, None])
    w[:] = True
    assert not network.layers[0].weights.any()
    with pytest.raises(ValueError, match="read-only"):
        network.layers[0].weights[0, 0] = True


@pytest.mark.parametrize(
    ("weights", "thresholds", "extra", "message"),
    [
        ([W.astype(int), LAST], [T, None], {}, "layer 0: dense layer: weights must be bool (True is +1), not int64"),
        ([W[0], LAST], [T, None], {}, "layer 0: dense layer: weights must have shape (n_out, n_in), each 1 to 65536, not (3,)"),
        ([W, LAST], [T + 5, None], {}, "layer 0: dense layer: thresholds must be in [0, 4], not 5 (neuron 0)"),
        ([W, LAST], [T - 1, None], {}, "layer 0: dense layer: thresholds must be in [0, 4], not -1 (neuron 0)"),
        ([W, LAST], [T[:1], None], {}, "layer 0: dense layer: thresholds must have shape (2,), not (1,)"),
        ([W, LAST], [T + 0.5, None], {}, "layer 0: dense layer: thresholds must be integers, not float64"),
        ([W, LAST], [T], {}, "network: thresholds must be 2 arrays, one a layer, not 1"),
        ([W, LAST], [T, T], {}, "network: the last of thresholds must be None: the output layer gives scores"),
        ([], [], {}, "network: the last of thresholds must be None: the output layer gives scores"),
        ([W, LAST], [None, None], {}, "layer 0: thresholds must be given for every layer but the last"),
        ([W, W], [T, None], {}, "network: layer 1 must have 2 inputs, as layer 0 has neurons, not 3"),
        ([W, LAST], [T, None], {"offsets": [1]}, "layer 1: scores layer: offsets must have shape (2,), not (1,)"),
        ([W, LAST], [T, None], {"scales": [1, 2**31]}, "layer 1: scores layer: scales must be in [-2147483647, 2147483647], not 2147483648 (neuron 1)"),
        ([W, LAST], [T, None], {"name": "a b"}, "network: name must be letters, digits, '-', '_' and '.', not 'a b'"),
        ([W, LAST], [T, None], {"input_threshold": 257}, "network: input_threshold must be in [0, 256], not 257"),
        ([W, LAST], [T, None], {"input_threshold": 1.5}, "network: input_threshold must be an integer, not 1.5"),
    ],
)  # fmt: skip
def test_arrays_wrong(weights, thresholds, extra, message):
    with pytest.raises(InputError) as e:
        Network.from_arrays(weights, thresholds, **extra)
    assert str(e.value) == message


@pytest.mark.parametrize(
    ("changes", "drop", "message"),
    [
        ({}, ["header"], "is not an oxnor-network file: it has no array 'header'"),
        ({"header": {"format": "x"}}, [], "header.format must be 'oxnor-network': this is some other file"),
        ({"header": {"version": 3}}, [], "header.version must be 1 or 2, not 3: the file is from another release"),
        ({"header": {"version": True}}, [], "header.version must be 1 or 2, not True: the file is from another release"),
        ({"header": {"layers": 3}}, [], "header.layers must be of type list, not 3"),
        ({"header": {"layers": [{"kind": "conv"}]}}, [], "header.layers[0].kind must be one of dense, scores, not 'conv'"),
        ({"header": {"layers": [{"kind": "dense", "n_out": 1 << 40, "n_in": 3}]}}, [],
         "header.layers[0].n_out must be an integer in [1, 65536], not 1099511627776"),
        ({}, ["layer0.weights"], "array 'layer0.weights' is missing"),
        ({"layer0.weights": np.zeros((2, 2), np.uint8)}, [], "array 'layer0.weights' must have shape (4, 2), not (2, 2)"),
        ({"layer0.weights": np.zeros((4, 2), np.int8)}, [], "array 'layer0.weights' must be uint8, not int8"),
        ({"layer0.weights": np.full((4, 2), 255, np.uint8)}, [],
         "array 'layer0.weights' must have 0 in the unused high bits of each row"),
        ({"layer0.thresholds": np.full(4, 11, "<i4")}, [],
         "layer 0: dense layer: thresholds must be in [0, 10], not 11 (neuron 0)"),
        ({"layer0.thresholds": np.zeros(4, ">i4")}, [], "array 'layer0.thresholds' must be int32, not int32 (most significant byte first)"),
        ({"layer0.thresholds": np.array([None] * 4, object)}, [], "array 'layer0.thresholds' must be int32, not Python objects"),
        ({"header": {"input_threshold": 300}}, [], "network: input_threshold must be in [0, 256], not 300"),
    ],
)  # fmt: skip
def test_file_wrong(tmp_path, random_network, changes, drop, message):
    path = tmp_path / "n.npz"
    random_network((9, 4, 3)).save(path)
    rewrite(path, changes, drop)
    with pytest.raises(InputError) as e:
        Network.load(path)
    assert str(e.value) == f"{path}: {message}"


def test_missing_file_and_other_files(tmp_path):
    with pytest.raises(InputError, match=r"none\.npz: no such file"):
        Network.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InputError, match=r"text\.npz: is not an \.npz file, or is cut short"):
        Network.load(tmp_path / "text.npz")
    with pytest.raises(InputError, match="is a folder, not a file"):
        Network.load(tmp_path)


@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, 1 << 16), bit=st.integers(0, 7), truncate=st.booleans())
def test_damaged_files_are_refused_or_equal(tmp_path_factory, cut, bit, truncate):
    """Any one damage gives InputError, or was in a byte that means nothing."""
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    g = np.random.default_rng(1)
    original = Network.from_arrays([g.random((5, 30)) < 0.5, g.random((3, 5)) < 0.5], [g.integers(0, 31, 5), None])
    original.save(path)
    content = bytearray(path.read_bytes())
    where = cut % len(content)
    if truncate:
        content = content[:where]
    else:
        content[where] ^= 1 << bit
    path.write_bytes(content)
    try:
        loaded = Network.load(path)
    except InputError as e:
        event(f"refused: {str(e).removeprefix(str(path))[:20]}")
    else:
        assert loaded.digest == original.digest


def test_declared_size_is_not_allocated(tmp_path, random_network):
    """A small file whose array header claims 2**40 elements is refused by shape."""
    path = tmp_path / "n.npz"
    random_network((9, 4, 3)).save(path)
    with np.load(path) as old:
        arrays = {k: old[k] for k in old.files}
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40,)})
    with zipfile.ZipFile(path, "w") as z:
        for k, v in arrays.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, v)
            z.writestr(f"{k}.npy", buffer.getvalue() if k == "header" else data.getvalue())
    with pytest.raises(InputError, match="array 'header' must have at most 1048576 bytes, not 1099511627776"):
        Network.load(path)


def test_nothing_is_left_when_saving_fails(tmp_path, random_network, monkeypatch):
    path = tmp_path / "n.npz"
    random_network((9, 4, 3)).save(path)
    before = path.read_bytes()
    monkeypatch.setattr(np.lib.format, "write_array", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        random_network((9, 4, 3), seed=2).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["n.npz"]


def test_format_constants():
    assert (network_module.FORMAT, network_module.FORMAT_VERSIONS) == ("oxnor-network", (1, 2))


def test_threshold_for_each_input(tmp_path, random_network):
    """Version 2 of the file, where it is needed and nowhere else."""
    plain = random_network((9, 4, 3))
    t = np.array([0, 1, 128, 200, 255, 256, 3, 3, 77])
    network = dataclasses.replace(plain, input_threshold=t)
    network.save(tmp_path / "n.npz")
    loaded = Network.load(tmp_path / "n.npz")
    np.testing.assert_array_equal(loaded.input_threshold, t)
    assert loaded.digest == network.digest != plain.digest
    assert loaded.input_rule == t.tolist()
    with np.load(tmp_path / "n.npz") as z:
        assert json.loads(z["header"].tobytes())["version"] == 2
    images = np.random.default_rng(0).integers(0, 256, (50, 9), dtype=np.uint8)
    np.testing.assert_array_equal(golden.binarize(network, images), images >= t)
    bits = images >= 128
    np.testing.assert_array_equal(golden.binarize(network, bits), np.where(t == 0, True, np.where(t == 256, False, bits)))
    # Equal ones are one threshold, in a file of version 1.
    same = dataclasses.replace(plain, input_threshold=np.full(9, 128))
    assert (same.input_threshold, same.digest) == (128, plain.digest)
    plain.save(tmp_path / "a.npz")
    same.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as z:
        header = json.loads(z["header"].tobytes())
    assert (header["version"], header["input_threshold"]) == (1, 128)
    for wrong, text in (
        (t[:4], "must be one, or 9, one an input, not of shape (4,)"), (t + 1, "must be in [0, 256], not 257"),
        (t / 2, f"must be integers, not {t / 2!r}"),
    ):
        with pytest.raises(InputError) as e:
            dataclasses.replace(plain, input_threshold=wrong)
        assert str(e.value) == f"network: input_threshold {text}"


@pytest.mark.parametrize(("drop", "message"), [
    (["input_thresholds"], "array 'input_thresholds' is missing"),
    ([], "array 'input_thresholds' must have shape (9), not (8,)"),
])
def test_threshold_for_each_input_wrong(tmp_path, random_network, drop, message):
    path = tmp_path / "n.npz"
    dataclasses.replace(random_network((9, 4, 3)), input_threshold=np.arange(9)).save(path)
    rewrite(path, {} if drop else {"input_thresholds": np.arange(8, dtype="<i2")}, drop)
    with pytest.raises(InputError) as e:
        Network.load(path)
    assert str(e.value) == f"{path}: {message}"
