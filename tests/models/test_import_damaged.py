"""Files that are not what they seem: damaged, endless, or of another kind."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason='importing ONNX needs the package onnx: pip install -e ".[import]"')
pytest.importorskip("h5py", reason='importing Keras files needs the package h5py: pip install -e ".[import]"')


from helpers import onnx_networks
from helpers.imports import refused
from onnx import TensorProto, helper, numpy_helper

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import write_npz
from oxnor.models.exchange import import_network as importing
from oxnor.models.exchange.import_network import import_network
from oxnor.models.exchange.readers import onnx_file

F = np.float32
FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_external_data_beside_the_file(tmp_path):
    model = onnx_networks.network(seed=1)
    import onnx

    onnx.save(model, tmp_path / "a.onnx")
    onnx.save(model, tmp_path / "b.onnx", save_as_external_data=True, location="b.data", size_threshold=0)
    assert (tmp_path / "b.data").stat().st_size > 1000
    a, b = import_network(tmp_path / "a.onnx"), import_network(tmp_path / "b.onnx")
    assert a.network.digest == b.network.digest
    (tmp_path / "b.data").write_bytes((tmp_path / "b.data").read_bytes()[:100])
    assert "bytes of data in 'b.data', not" in refused(tmp_path / "b.onnx")


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float16 by number"])
def test_narrow_weights(kind, tmp_path):
    """Signs are signs in any type."""
    model = onnx_networks.network(seed=1, weights="constant")
    for t in model.graph.initializer:
        a = numpy_helper.to_array(t)
        if a.ndim != 2:
            continue
        bits = a.astype(np.float16).view(np.uint16) if kind.startswith("float16") else (a.view(np.uint32) >> 16).astype(np.uint16)
        t.ClearField("raw_data")
        t.data_type = TensorProto.FLOAT16 if kind.startswith("float16") else TensorProto.BFLOAT16
        if kind == "float16 by number":
            t.int32_data.extend(bits.ravel().tolist())
        else:
            t.raw_data = bits.tobytes()
    (tmp_path / "n.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "m.onnx").write_bytes(onnx_networks.network(seed=1, weights="constant").SerializeToString())
    narrow, plain = import_network(tmp_path / "n.onnx"), import_network(tmp_path / "m.onnx")
    assert narrow.network.digest == plain.network.digest
    assert [len([v for v in i.report["notes"] if v.startswith("the source computes in float16")]) for i in (narrow, plain)] == [kind.startswith("float16"), 0]


def tensor(model, **changes):
    t = model.graph.initializer[0]
    for name, value in changes.items():
        if name == "location":
            t.ClearField("raw_data")
            t.data_location = TensorProto.EXTERNAL
            t.external_data.add(key="location", value=value)
        elif name == "dims":
            del t.dims[:]
            t.dims.extend(value)
        else:
            setattr(t, name, value)
    return model


SPOILT = {
    "outside": (lambda m: tensor(m, location="../secret"), "tensor 'c0': its data must be in the file or in a file beside it, not in '../secret'"),
    "absolute": (lambda m: tensor(m, location="/etc/passwd"), "tensor 'c0': its data must be in the file or in a file beside it, not in '/etc/passwd'"),
    "not there": (lambda m: tensor(m, location="w.data"), "tensor 'c0': its data must be in 'w.data' beside the file, and that file is not there"),
    "huge": (lambda m: tensor(m, dims=[1 << 40, 1 << 20]), "tensor 'c0': must have at most 33,554,432 elements, not 1,152,921,504,606,846,976"),
    "negative": (lambda m: tensor(m, dims=[-4]), "tensor 'c0': dimensions must be 0 or more, not [-4]"),
    "short": (lambda m: tensor(m, dims=[3]), "tensor 'c0': must have 12 bytes of data, not 4"),
    "type": (lambda m: tensor(m, data_type=17), "tensor 'c0': elements must be bool, int8 to int64, uint8 to uint64, float16 to float64 or bfloat16, not float8e4m3fn"),
    "two inputs": (lambda m: _with(m, lambda g: g.input.append(helper.make_tensor_value_info("y", 1, [1]))), "the graph must have one input, not 2 ('x', 'y')"),
    "attribute": (lambda m: _with(m, lambda g: next(n for n in g.node if n.attribute).attribute[0].__setattr__("type", 9)), "1 node cannot be imported\n  - BatchNormalization 'n_BatchNormalization_3': attribute 'epsilon' must be a number, a text, a tensor or a list of numbers"),
    "no output": (lambda m: _with(m, lambda g: g.ClearField("output")), "the graph must have an output"),
    "unknown tensor": (lambda m: _with(m, lambda g: g.node[0].input.__setitem__(0, "nobody")), "BipolarQuant 'n_BipolarQuant_0': input 'nobody' must be given or made by a node, and is not"),
    "cycle": (lambda m: _with(m, lambda g: g.node[0].input.__setitem__(0, g.output[0].name)), None),
    "huge shape": (lambda m: _huge(m), "1 node cannot be imported\n  - ConstantOfShape 'bomb': ConstantOfShape: a tensor must have at most 33,554,432 elements, not 1,099,511,627,776"),
    "input sizes": (lambda m: _with(m, lambda g: g.input[0].type.tensor_type.shape.dim[1].__setattr__("dim_value", 1 << 40)), f"input 'x' must have at most 65536 elements, not {1 << 40}"),
}


def _with(model, change):
    change(model.graph)
    return model


def _huge(model):
    g = model.graph
    g.initializer.append(numpy_helper.from_array(np.array([1 << 20, 1 << 20]), "big"))
    g.node.insert(0, helper.make_node("ConstantOfShape", ["big"], ["bombed"], name="bomb"))
    g.node[1].input[1] = "bombed"
    return model


@pytest.mark.parametrize(("spoil", "text"), SPOILT.values(), ids=SPOILT)
def test_spoilt_onnx(spoil, text, tmp_path):
    model = spoil(onnx_networks.network(seed=1, input="plain"))
    path = tmp_path / "n.onnx"
    path.write_bytes(model.SerializeToString())
    (tmp_path / "secret").write_bytes(bytes(64))
    found = refused(path)
    assert found == text if text else "must not depend on itself" in found


FILES = {
    "empty": (b"", "must hold a network, and is empty"),
    "text": (b"hello, world\n" * 9, "is not an ONNX file, or is cut short"),
    "zip": (b"PK\x03\x04 and no more", "is no archive that can be read, or is cut short"),
    "npy": (b"\x93NUMPY\1\0" + bytes(99), "is one array (.npy): give the arrays of all layers in an .npz file"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(99), "is a TensorFlow Lite file: save the Keras model itself, as .keras or .h5"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "cannot be read by the HDF5 library: is damaged or cut short"),
}


@pytest.mark.parametrize(("data", "text"), FILES.values(), ids=FILES)
def test_files_that_are_none(data, text, tmp_path):
    (tmp_path / "n").write_bytes(data)
    assert refused(tmp_path / "n") == text


def test_large_file_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "n.onnx"
    path.write_bytes(bytes(100))
    for module in (importing, onnx_file):
        monkeypatch.setattr(module, "FILE_MAX", 99)
    assert refused(path) == "must have at most 99 bytes, not 100"


def test_zip_bomb_in_a_keras_file(tmp_path, monkeypatch):
    from oxnor.models.exchange.readers import keras_file

    monkeypatch.setattr(keras_file, "FILE_MAX", 1 << 20)
    with zipfile.ZipFile(tmp_path / "n.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": [{"config": {}}]}}))
        archive.writestr("model.weights.h5", bytes(8 << 20))
    assert refused(tmp_path / "n.keras") == "model.weights.h5 in it must have at most 1,048,576 bytes"


def test_functions_that_call_functions(tmp_path):
    """A chain of functions, each calling the one before twice, would be 2**30 nodes."""
    model = onnx_networks.network(seed=1)
    for k in range(30):
        inner = "Identity" if k == 0 else f"f{k - 1}"
        nodes = [helper.make_node(inner, ["a"], ["t"], domain="" if k == 0 else "f"), helper.make_node(inner, ["t"], ["b"], domain="" if k == 0 else "f")]
        model.functions.append(helper.make_function("f", f"f{k}", ["a"], ["b"], nodes, [helper.make_opsetid("", 13)]))
    model.opset_import.append(helper.make_opsetid("f", 1))
    name = model.graph.node[0].input[0]
    model.graph.node.insert(0, helper.make_node("f29", [name], ["called"], domain="f"))
    model.graph.node[1].input[0] = "called"
    path = tmp_path / "n.onnx"
    path.write_bytes(model.SerializeToString())
    assert refused(path) == "functions must call each other at most 8 levels deep"
    model.graph.node[0].op_type = "f2"
    path.write_bytes(model.SerializeToString())
    assert import_network(path).ok


def test_images_to_check_on(tmp_path):
    path = tmp_path / "n.onnx"
    path.write_bytes(onnx_networks.network(seed=1).SerializeToString())
    g = np.random.default_rng(1)
    images = g.integers(0, 256, (50, 20), dtype=np.uint8)
    write_npz(tmp_path / "i.npz", {"images": images, "labels": np.zeros(50, np.uint8)})
    report = import_network(path, check=tmp_path / "i.npz").report
    assert report["outputs"][-1] == {
        "on": "i.npz", "by": "float32", "images": 50, "values": 250, "differ": 0, "rounding": 0, "examples": [],
    }
    assert 0 <= report["accuracy"] <= 1
    write_npz(tmp_path / "i.npz", {"images": (images / F(255)).astype(F)})
    assert import_network(path, check=tmp_path / "i.npz").report["outputs"][-1]["images"] == 50
    for arrays, text in (
        ({"images": images[:, :9]}, "images: shape must be (n, 20), not (50, 9)"),
        ({"images": images.astype(F)}, "images: values must be those of the input coding 'unit', and some are not"),
        ({"x": images}, "must hold an array 'images'"),
        ({"images": images, "labels": np.zeros(3, np.uint8)}, "labels must be 50, one an image, not 3"),
    ):
        write_npz(tmp_path / "i.npz", arrays)
        assert refused(path, check=tmp_path / "i.npz").removeprefix(f"{tmp_path / 'i.npz'}: ") == text


def test_start_needs_no_reader(tmp_path):
    """Neither onnx nor h5py is loaded for a file that needs it not."""
    np.savez(tmp_path / "n.npz", w0=np.ones((3, 4)))
    code = (
        "import sys; from oxnor.models.exchange.import_network import import_network;"
        f"import_network({str(tmp_path / 'n.npz')!r}); print([m for m in ('onnx', 'h5py', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("data", [b"\x80\x02\x8a\x0a\x00", b"\x80\x02", b"\x80\x02.", b"\x80\x02}."], ids=repr)
def test_beginnings_of_pickles_are_refused(tmp_path, data):
    """Found by atheris: the reader's error had no text, and making the sentence failed."""
    pytest.importorskip("torch", reason="state dicts need PyTorch")
    path = tmp_path / "x.onnx"
    path.write_bytes(data)
    with pytest.raises(InputError):
        import_network(path)


def test_outputs_that_are_true_or_false():
    from oxnor.models.exchange.folding.scores import Outputs, fit_scores

    wide = np.zeros((5, 3), bool)
    with pytest.raises(InputError, match=r"^the outputs must be numbers, not true or false$"):
        fit_scores(Outputs(wide, wide, wide, wide, np.ones((3, 4), bool)), False)
