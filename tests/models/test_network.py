"""Networks: what is refused, and that files hold all of one."""

import dataclasses
import io
import itertools
import json
import zipfile
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from oxnor.models import golden, zoo
from oxnor.models.base.errors import InputError
from oxnor.models.networks import binarized as network_module
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.fields import ArrayField, LayerFields

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
    a = Network.from_arrays(weights, [*thresholds, None], name="a", input_rule=level, info=info, **extra)
    path = tmp_path_factory.mktemp("network") / "a.npz"
    a.save(path)
    b = Network.load(path)
    assert (b.name, b.input_rule.to_json(), b.info, b.shape, b.digest) == ("a", level, info, tuple(shape), a.digest)
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
        ([129 + W.astype(int), LAST], [T, None], {}, "layer 0: weights must be bool (True is +1), or integers from -128 to 128"),
        ([0.5 + W, LAST], [T, None], {}, "layer 0: weights must be bool (True is +1), or integers from -128 to 128"),
        ([W[0], LAST], [T, None], {}, "layer 0: dense layer: weights must have shape (n_out, n_in), each 1 to 65536, not (3,)"),
        ([W, LAST], [T + 5, None], {}, "layer 0: dense layer: thresholds must be in [0, 4], not 5 (neuron 0)"),
        ([W, LAST], [T - 1, None], {}, "layer 0: dense layer: thresholds must be in [0, 4], not -1 (neuron 0)"),
        ([W, LAST], [T[:1], None], {}, "layer 0: dense layer: thresholds must have shape (2,), not (1,)"),
        ([W, LAST], [T + 0.5, None], {}, "layer 0: dense layer: thresholds must be integers, not float64"),
        ([W.astype("U1"), LAST], [T, None], {}, "layer 0: dense layer: weights must be bool (True is +1), not text"),
        ([W, LAST], [T], {}, "network: thresholds must be 2 arrays, one a layer, not 1"),
        ([W, LAST], [T, T], {}, "network: the last of thresholds must be None: the output layer gives scores"),
        ([], [], {}, "network: the last of thresholds must be None: the output layer gives scores"),
        ([W, LAST], [None, None], {}, "layer 0: thresholds must be given for every layer but the last"),
        ([W, W], [T, None], {}, "network: layer 1 must have 2 inputs, as layer 0 has neurons, not 3"),
        ([W, LAST], [T, None], {"offsets": [1]}, "layer 1: scores layer: offsets must have shape (2,), not (1,)"),
        ([W, LAST], [T, None], {"scales": [1, 2**31]}, "layer 1: scores layer: scales must be in [-2147483647, 2147483647], not 2147483648 (neuron 1)"),
        ([W, LAST], [T, None], {"name": "a b"}, "network: name must be letters, digits, '-', '_' and '.', not 'a b'"),
        ([W, LAST], [T, None], {"input_rule": 257}, "input_rule: thresholds must be in [0, 256], not 257"),
        ([W, LAST], [T, None], {"input_rule": 1.5}, "input_rule: thresholds must be an integer, not 1.5"),
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
        ({"header": {"version": 9}}, [], "header.version must be 1 or 2 or 3 or 4 or 5 or 6 or 7 or 8, not 9: the file is from another release"),
        ({"header": {"version": True}}, [], "header.version must be 1 or 2 or 3 or 4 or 5 or 6 or 7 or 8, not True: the file is from another release"),
        ({"header": {"layers": 3}}, [], "header.layers must be of type list, not 3"),
        ({"header": {"layers": [{"kind": "recurrent"}]}}, [], "header.layers[0].kind must be one of dense, conv, scores, conv-scores, not 'recurrent'"),
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
        ({"header": {"input_threshold": 300}}, [], "input_rule: thresholds must be in [0, 256], not 300"),
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
    assert (network_module.FORMAT, network_module.FORMAT_VERSIONS) == ("oxnor-network", (1, 2, 3, 4, 5, 6, 7, 8))


def test_threshold_for_each_input(tmp_path, random_network):
    """Version 2 of the file, where it is needed and nowhere else."""
    plain = random_network((9, 4, 3))
    t = np.array([0, 1, 128, 200, 255, 256, 3, 3, 77])
    network = dataclasses.replace(plain, input_rule=t)
    network.save(tmp_path / "n.npz")
    loaded = Network.load(tmp_path / "n.npz")
    np.testing.assert_array_equal(loaded.input_rule.thresholds, t)
    assert loaded.digest == network.digest != plain.digest
    assert loaded.input_rule.to_json() == t.tolist()
    with np.load(tmp_path / "n.npz") as z:
        assert json.loads(z["header"].tobytes())["version"] == 2
    images = np.random.default_rng(0).integers(0, 256, (50, 9), dtype=np.uint8)
    np.testing.assert_array_equal(golden.binarize(network, images), images >= t)
    bits = images >= 128
    np.testing.assert_array_equal(golden.binarize(network, bits), np.where(t == 0, True, np.where(t == 256, False, bits)))
    # Equal ones are one threshold, in a file of version 1.
    same = dataclasses.replace(plain, input_rule=np.full(9, 128))
    assert (same.input_rule.to_json(), same.digest) == (128, plain.digest)
    plain.save(tmp_path / "a.npz")
    same.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as z:
        header = json.loads(z["header"].tobytes())
    assert (header["version"], header["input_threshold"]) == (1, 128)
    for wrong, text in (
        (t[:4], "input_rule must have one threshold, or 9, one an input, not 4"),
        (t + 1, "input_rule: thresholds must be in [0, 256], not 257"),
        (t / 2, f"input_rule: thresholds must be integers, not {t / 2!r:.80}"),
    ):
        with pytest.raises(InputError) as e:
            dataclasses.replace(plain, input_rule=wrong)
        assert str(e.value) == f"network: {text}"


@pytest.mark.parametrize(("drop", "message"), [
    (["input_thresholds"], "array 'input_thresholds' is missing"),
    ([], "array 'input_thresholds' must have shape (9), not (8,)"),
])
def test_threshold_for_each_input_wrong(tmp_path, random_network, drop, message):
    path = tmp_path / "n.npz"
    dataclasses.replace(random_network((9, 4, 3)), input_rule=np.arange(9)).save(path)
    rewrite(path, {} if drop else {"input_thresholds": np.arange(8, dtype="<i2")}, drop)
    with pytest.raises(InputError) as e:
        Network.load(path)
    assert str(e.value) == f"{path}: {message}"


FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.mark.parametrize(("name", "digest", "sums", "about"), [
    ("network_version1", "02a66be0acea86f64f35201e309fa2299f6aab4db7734ce3fa2d85b433e41c53", [610, 2492, 550, 1300],
     ("digits", ())),
    ("network_version2", "2028d9a5b1234e679eee4de47d3a511dae79b57dc7587a7fc6fa4c763ced0e33", [545, 2580, 543, 1715],
     ("", tuple("abcd"))),
    ("spiking_version1", "02dfbc97ea50f7903739c31e2a986c7db5cfbaad6d1fd8acc94204ac9150f751", None, ("", ())),
])  # fmt: skip
def test_files_of_earlier_releases(name, digest, sums, about, tmp_path):
    """Written once and never again: they are read, compute what they computed, and are written as they were."""
    network = zoo.load(FIXTURES / f"{name}.npz")
    assert (network.digest, network.data_set, network.classes) == (digest, *about)
    if sums:
        images = np.random.default_rng(1).integers(0, 256, (50, 20), dtype=np.uint8)
        assert golden.scores(network, images).sum(0).tolist() == sums
    dataclasses.replace(network, data_set="", classes=()).save(tmp_path / "again.npz")
    with np.load(FIXTURES / f"{name}.npz") as old, np.load(tmp_path / "again.npz") as new:
        assert old.files == new.files
        assert all(np.array_equal(old[key], new[key]) for key in old.files)


def header_of(path):
    with np.load(path) as z:
        return json.loads(z["header"].tobytes())


@pytest.mark.parametrize("about", [{"data_set": "digits"}, {"classes": ("one", "two ö", "3")}])
def test_data_set_and_classes(tmp_path, random_network, about):
    plain = random_network((9, 4, 3))
    network = dataclasses.replace(plain, **about)
    network.save(tmp_path / "n.npz")
    loaded = zoo.load(tmp_path / "n.npz")
    assert (loaded.data_set, loaded.classes) == (about.get("data_set", ""), about.get("classes", ()))
    assert loaded.digest == plain.digest
    header = header_of(tmp_path / "n.npz")
    assert header["version"] == 2
    assert {"data_set", "classes"} & set(header) == set(about)
    plain.save(tmp_path / "n.npz")
    assert header_of(tmp_path / "n.npz")["version"] == 1


@pytest.mark.parametrize(("changes", "message"), [
    ({"data_set": 3}, "header.data_set must be of type str, not 3"),
    ({"data_set": "a\nb"}, r"network: data_set must be text of 1 to 200 characters, not 'a\nb'"),
    ({"classes": "ab"}, "header.classes must be of type list, not 'ab'"),
    ({"classes": ["a", "b"]}, "network: classes must be 3 names, one an output, not 2"),
    ({"classes": ["a", "", "c"]}, "network: classes must be text of 1 to 200 characters, not ''"),
    ({"colour": 1}, "header.colour is not known here: the file is from a later release"),
    ({"layers": [{"kind": "dense", "n_in": 7, "n_out": 5, "colour": 1}]},
     "header.layers[0].colour is not known here: the file is from a later release"),
])  # fmt: skip
def test_data_set_and_classes_wrong(tmp_path, random_network, changes, message):
    path = tmp_path / "n.npz"
    dataclasses.replace(random_network((9, 4, 3)), data_set="x").save(path)
    rewrite(path, {"header": changes})
    with pytest.raises(InputError) as e:
        zoo.load(path)
    assert str(e.value) == f"{path}: {message}"


def test_a_new_kind_of_layer_is_an_entry(tmp_path, random_network, monkeypatch):
    """Sizes, arrays, reader and writer follow from what the kind says of itself."""

    @dataclasses.dataclass(frozen=True, eq=False, repr=False)
    class Strided(DenseLayer):
        kind: ClassVar[str] = "strided"
        fields: ClassVar[LayerFields] = LayerFields(
            {**DenseLayer.fields.arrays, "taps": ArrayField("<i2", lambda s: (s["stride"], s["n_out"]))},
            {**DenseLayer.fields.sizes, "stride": (0, 5)}, version=2,
        )  # fmt: skip
        taps: np.ndarray = None

        @property
        def stride(self):
            return len(self.taps)

    plain = random_network((9, 4, 3))
    first = plain.layers[0]
    layers = [Strided(first.weights, first.thresholds, np.arange(4 * n).reshape(n, 4)) for n in (2, 3)]
    network, other = (dataclasses.replace(plain, layers=(layer, plain.layers[1])) for layer in layers)
    path = tmp_path / "n.npz"
    network.save(path)
    assert header_of(path)["version"] == 2
    with pytest.raises(InputError) as e:
        Network.load(path)
    assert str(e.value) == f"{path}: header.layers[0].kind must be one of dense, conv, scores, conv-scores, not 'strided'"
    monkeypatch.setattr(network_module, "LAYER_TYPES", {**network_module.LAYER_TYPES, "strided": Strided})
    loaded = Network.load(path)
    assert loaded.layers[0].sizes == {"n_out": 4, "n_in": 9, "stride": 2}
    np.testing.assert_array_equal(loaded.layers[0].taps, layers[0].taps)
    assert len({loaded.digest, network.digest, other.digest, plain.digest}) == 3
    header = header_of(path)
    rewrite(path, {"header": {"layers": [header["layers"][0] | {"stride": 6}, header["layers"][1]]}})
    with pytest.raises(InputError, match=r"header.layers\[0\].stride must be an integer in \[0, 5\], not 6"):
        Network.load(path)


RULES = [
    InputRule(77), InputRule([0, 256, 3, 200, 128, 1]), InputRule([[10, 20, 30], [0, 5, 256]]), InputRule.bipolar(),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_input_rules(rule, random_network, tmp_path):
    """Each against a plain loop; kept by the file; another rule is another network."""
    network = dataclasses.replace(random_network((6, 4, 3)), input_rule=rule)
    network.save(tmp_path / "n.npz")
    loaded = Network.load(tmp_path / "n.npz")
    assert (loaded.digest, loaded.input_rule.kind) == (network.digest, rule.kind)
    assert loaded.input_rule.to_json() == rule.to_json()
    assert len({dataclasses.replace(network, input_rule=other).digest for other in RULES}) == len(RULES)
    n = rule.features(6)
    t = np.broadcast_to(rule.thresholds, (6,) if rule.bits == 1 else (2, 3)).reshape(n, rule.bits)
    g = np.random.default_rng(3)
    values = g.integers(-99, 100, (40, n)) if rule.signs else g.integers(0, 256, (40, n), dtype=np.uint8)
    wanted = [[int(x[f]) >= t[f, k] for f in range(n) for k in range(rule.bits)] for x in values]
    np.testing.assert_array_equal(golden.binarize(loaded, values), wanted)
    bits = g.random((40, n)) < 0.5
    if (not rule.signs and t.shape != (6, 1)) or rule.thresholds.ndim:  # one threshold leaves bits alone
        np.testing.assert_array_equal(golden.binarize(loaded, bits), golden.binarize(loaded, bits.astype(np.uint8) * 255))
    coded = g.random((40, 6)) < 0.5
    if rule.thresholds.ndim != 1:
        np.testing.assert_array_equal(golden.binarize(loaded, coded), coded)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: InputRule([[3, 2]]), "input_rule: thresholds must not fall along the bits of a feature, as they do in 0"),
    (lambda: InputRule(np.zeros((1, 1, 1), int)), "input_rule: thresholds must be one, one a feature or rows of them, not (1, 1, 1)"),
    (lambda: InputRule.of(True), "input_rule: thresholds must be an integer, not True"),
    (lambda: InputRule([[1, 2]]).check(6), "network: input_rule must give 6 bits, not 1 features of 2 bits each"),
    (lambda: InputRule.bipolar().check_dtype(np.zeros(1, np.uint8)),
     "images: dtype must be bool (bits) or signed numbers, whose signs the network takes, not uint8"),
    (lambda: InputRule.thermometer(np.zeros((2, 2), np.uint8), 0), "input_bits must be in [1, 255], not 0"),
])  # fmt: skip
def test_input_rules_wrong(make, message):
    with pytest.raises(InputError) as e:
        make()
    assert str(e.value) == message


def test_thermometer_of_a_training_set():
    images = np.array([[0, 10], [0, 20], [0, 30], [9, 40]], np.uint8)
    rule = InputRule.thermometer(images, 3)
    assert rule.thresholds.tolist() == [[1, 1, 1], [11, 21, 31]]
    assert InputRule.thermometer(images, 1).thresholds.tolist() == [1, 21]
    assert InputRule.thermometer(np.full((3, 1), 255, np.uint8), 2).thresholds.tolist() == [[255, 255]]


@pytest.mark.parametrize(("changes", "message"), [
    ({"header": {"input_rule": "colour"}}, "header.input_rule must be one of threshold, thermometer, bipolar, planes, not 'colour'"),
    ({"header": {"input_threshold": "x"}}, "header.input_threshold must be of type int, not 'x'"),
    ({"input_thresholds": np.zeros((9, 9), "<i2")}, "array 'input_thresholds' must have at most 12 bytes, not 162"),
    ({"input_thresholds": np.zeros((1, 4), "<i2")}, "network: input_rule must give 6 bits, not 1 features of 4 bits each"),
])  # fmt: skip
def test_input_rule_in_a_file_wrong(tmp_path, random_network, changes, message):
    path = tmp_path / "n.npz"
    dataclasses.replace(random_network((6, 4, 3)), input_rule=RULES[2]).save(path)
    rewrite(path, changes)
    with pytest.raises(InputError) as e:
        Network.load(path)
    assert str(e.value) == f"{path}: {message}"
