"""Files of other tools: real Larq models, PyTorch state dicts, plain arrays, and files that are not what they seem."""

import gzip
import json
import os
import pickle
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason='importing ONNX needs the package onnx: pip install -e ".[import]"')
pytest.importorskip("h5py", reason='importing Keras files needs the package h5py: pip install -e ".[import]"')

import itertools

from helpers import onnx_networks
from onnx import TensorProto, helper, numpy_helper

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import write_npz
from oxnor.models.exchange import import_network as importing
from oxnor.models.exchange.import_network import import_network
from oxnor.models.exchange.readers import onnx_file
from oxnor.models.networks.binarized import Network

F = np.float32
FIXTURES = Path(__file__).parents[1] / "fixtures"


def refused(path, **options):
    with pytest.raises(InputError) as caught:
        import_network(path, **options)
    return str(caught.value).removeprefix(f"{path}: ")


# Larq


@pytest.mark.parametrize("kind", ["h5", "keras"])
@pytest.mark.parametrize("name", ["larq_sequential", "larq_functional"])
def test_larq_as_tensorflow_ran_it(name, kind):
    """The fixtures hold what Larq itself gave for 200 images."""
    imported = import_network(FIXTURES / f"{name}.{kind}")
    assert imported.ok
    with np.load(FIXTURES / f"{name}.npz") as made:
        images, outputs = made["images"].reshape(200, -1), made["outputs"]
    assert imported.network.input_threshold == 128
    np.testing.assert_array_equal(golden.predict(imported.network, images), outputs.argmax(axis=1))
    assert len(np.unique(outputs.argmax(axis=1))) > 4


def test_larq_refused_with_every_layer():
    assert refused(FIXTURES / "larq_refused.h5").split("\n") == [
        "4 nodes cannot be imported",
        "  - SteTern 'ternary.kernel_quantizer': ternary weights (2 bits) are not supported: train with ste_sign",
        "  - QuantConv2D 'conv': convolutions are not supported: dense layers are",
        "  - MaxPooling2D 'pool': pooling is not supported: dense layers are",
        "  - DoReFa 'two_bits.input_quantizer': 2 bits: only 1-bit activations are supported: train with ste_sign",
    ]


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("OXNOR_LARQ_PYTHON"), reason="OXNOR_LARQ_PYTHON names no Python that has larq")
def test_larq_trained_on_digits(tmp_path):
    """A network that Larq trains here, against TensorFlow on 20,000 images."""
    from oxnor.models.datasets.mnist import load_mnist

    images, labels = load_mnist("train")
    np.savez(tmp_path / "train.npz", images=images[:20_000], labels=labels[:20_000])
    command = [os.environ["OXNOR_LARQ_PYTHON"], FIXTURES / "make_larq.py", tmp_path, "--digits", tmp_path / "train.npz"]
    subprocess.run(command, check=True, timeout=900, env=os.environ | {"TF_USE_LEGACY_KERAS": "1"}, capture_output=True)
    with np.load(tmp_path / "larq_digits.npz") as made:
        outputs = made["outputs"]
    for kind in ("h5", "keras"):
        imported = import_network(tmp_path / f"larq_digits.{kind}", coding="signed")
        assert imported.ok
        found = golden.predict(imported.network, images[:20_000].reshape(-1, 784))
        np.testing.assert_array_equal(found, outputs.argmax(axis=1))


# Brevitas and PyTorch


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["tfc_1w1a", "sfc_1w1a", "lfc_1w1a"])
def test_brevitas_model(name):
    """Brevitas' own definitions, through its own export, against its own forward pass."""
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("brevitas_examples.bnn_pynq.models", reason="needs the package brevitas")
    pytest.importorskip("onnxoptimizer")
    from oxnor.models.exchange.torch_model import import_brevitas

    torch.manual_seed(3)
    model, _ = models.model_with_cfg(name, False)
    with torch.no_grad():
        for _ in range(3):  # statistics of the batch norms
            model(torch.rand(64, 1, 28, 28))
    imported = import_brevitas(model, torch.rand(1, 1, 28, 28), name)
    assert imported.ok
    assert [(c["by"], c["differ"]) for c in imported.report["outputs"]] == [
        ("float32", 0), ("the model itself", 0), ("float32", 0),
    ]


def test_brevitas_model_of_two_bits(tmp_path):
    """The file is the export of bnn_pynq's TFC_1W2A, its weights as signs."""
    (tmp_path / "n.onnx").write_bytes(gzip.decompress((FIXTURES / "brevitas_tfc_1w2a.onnx.gz").read_bytes()))
    lines = refused(tmp_path / "n.onnx").split("\n")
    assert lines[0] == "4 nodes cannot be imported"
    assert lines[1].startswith("  - Gemm 'node_linear': takes grey levels of the input (Quant 'node__symbolic', 2 bits, 3 levels of 256)")
    assert lines[2:] == [
        f"  - Quant 'node__symbolic_{k}': 2 bits: only 1-bit activations are supported: train with 1 bit" for k in (2, 4, 6)
    ]


def sequential(torch, sizes=(20, 16, 12, 5), seed=1):
    torch.manual_seed(seed)
    modules = []
    for k, (a, b) in enumerate(itertools.pairwise(sizes)):
        modules.append(torch.nn.Linear(a, b, bias=k != 1))
        if k < len(sizes) - 2:
            modules.append(torch.nn.BatchNorm1d(b))
    model = torch.nn.Sequential(*modules)
    with torch.no_grad():
        for m in model:
            if isinstance(m, torch.nn.BatchNorm1d):
                for v in (m.weight, m.bias, m.running_mean):
                    v.normal_()
                m.running_var.uniform_(0.5, 9)
    return model.eval()


def test_torch_state_dict(tmp_path):
    torch = pytest.importorskip("torch")
    model = sequential(torch)
    torch.save(model.state_dict(), tmp_path / "m.pt")
    imported = import_network(tmp_path / "m.pt", binarize=True)
    assert imported.ok
    assert imported.network.shape == (20, 16, 12, 5)
    bits = np.random.default_rng(0).random((300, 20)) < 0.5
    x = torch.from_numpy(np.where(bits, F(1), F(-1)))
    with torch.no_grad():
        for m in model:
            if isinstance(m, torch.nn.Linear):
                x = torch.nn.functional.linear(x, torch.where(m.weight >= 0, 1.0, -1.0), m.bias)
            else:
                x = torch.where(m(x) >= 0, 1.0, -1.0)
    np.testing.assert_array_equal(golden.predict(imported.network, bits), x.argmax(dim=1).numpy())
    assert imported.report["notes"][0] == (
        "a state dict holds no operators, so these are assumed: weights are taken by their signs (0 is +1), layers are joined by signs"
        " (0 is +1), batch norm has eps 1e-5, and pixel >= 128 is input bit 1; no agreement with the source is claimed"
    )


def test_torch_file_before_archives(tmp_path):
    torch = pytest.importorskip("torch")
    state = sequential(torch).state_dict()
    torch.save(state, tmp_path / "a.pt")
    torch.save(state, tmp_path / "b.pt", _use_new_zipfile_serialization=False)
    a, b = (import_network(tmp_path / f"{name}.pt", binarize=True) for name in "ab")
    assert b.network.digest == a.network.digest


def test_torch_state_dict_refused(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"conv.weight": torch.zeros(2, 1, 3, 3), "emb.table": torch.zeros(3)}, tmp_path / "m.pt")
    assert refused(tmp_path / "m.pt").split("\n") == [
        "2 nodes cannot be imported",
        "  - 'conv' (weight (2, 1, 3, 3)): convolutions are not supported: export the model to ONNX, which holds its operators",
        "  - 'emb' (table (3,)): neither a linear layer nor a batch norm: export the model to ONNX, which holds its operators",
    ]


class Evil:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("pwned",)


def test_pickles_never_run(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    torch.save({"w": Evil()}, "m.pt")
    assert refused(Path("m.pt")) == (
        "must be a state dict saved with torch.save(model.state_dict(), ...), and holds something else"
    )
    Path("m.pkl").write_bytes(pickle.dumps(Evil()))
    assert refused(Path("m.pkl")) == (
        "is a pickle, which could run any program and is never loaded: save a state dict with torch.save"
    )
    np.savez("m.npz", w0=np.array([Evil()], dtype=object))
    assert "array 'w0' must have dtype" in refused(Path("m.npz"))
    assert not Path("pwned").exists()


def test_checkpoint_of_our_own_trainer(tmp_path, monkeypatch):
    """Its batch statistics are taken over the training images; here the test images, which are always there."""
    pytest.importorskip("torch")
    from oxnor.models.datasets import mnist as datasets
    from oxnor.models.training.binarized import TrainParams, train
    from oxnor.models.training.teacher import TeacherParams

    images, labels = datasets.load_mnist("test")
    monkeypatch.setattr(datasets, "load_mnist", lambda split: (images, labels))
    params = TrainParams(hidden=(24, 16), epochs=1, batch=512, views=0, distill=0, teacher=TeacherParams(epochs=0), validation=2000)
    network = train(params, images, labels, checkpoint=tmp_path / "c.pt")
    imported = import_network(tmp_path / "c.pt")
    assert imported.ok
    assert imported.network.digest == network.digest


# Plain arrays


def test_arrays(random_network, tmp_path):
    network = replace(random_network((37, 13, 9, 5), affine=True), input_threshold=99)
    layers, last = network.layers, network.layers[-1]
    np.savez(tmp_path / "n.npz", w0=layers[0].weights, w1=np.where(layers[1].weights, 1, -1), w2=layers[2].weights.astype(F).copy("F"),
             t0=layers[0].thresholds, t1=layers[1].thresholds.astype(F), scales=last.scales, offsets=last.offsets, input_threshold=99)
    imported = import_network(tmp_path / "n.npz")
    assert imported.ok
    assert imported.network.digest == network.digest
    assert imported.report["source"]["format"] == "arrays .npz"


def test_arrays_with_batch_norm(tmp_path):
    g = np.random.default_rng(4)
    w = [g.random((16, 20)) < 0.5, g.random((5, 16)) < 0.5]
    norm = {"gamma0": g.normal(size=16), "beta0": g.normal(size=16), "mean0": g.normal(size=16), "variance0": g.uniform(1, 9, 16)}
    np.savez(tmp_path / "n.npz", w0=w[0], w1=w[1], **norm)
    from oxnor.models.training.fold import BatchNorm, fold

    weights, thresholds = fold(w[0], BatchNorm(*(norm[f"{k}0"].astype(F) for k in ("gamma", "beta", "mean", "variance"))))
    imported = import_network(tmp_path / "n.npz").network
    # A neuron that never changes may have its weights either way: what counts is what it gives.
    other = Network.from_arrays([weights, w[1]], [thresholds, None])
    bits = g.random((500, 20)) < 0.5
    for a, b in zip(golden.layer_outputs(imported, bits), golden.layer_outputs(other, bits), strict=True):
        np.testing.assert_array_equal(a, b)


W0, T0 = np.ones((3, 4)), np.ones(3, int)
ARRAYS = {
    "values": ({"w0": np.full((3, 4), 0.5)}, "w0 must hold 0 and 1, or -1 and +1, and has other values"),
    "no weights": ({"a": W0}, "must hold arrays w0, t0, w1, t1, ..., and has a"),
    "no thresholds": ({"w0": W0, "w1": np.ones((2, 3))}, "layer 0 must have t0, or all of gamma0, beta0, mean0, variance0, and not both"),
    "thresholds too many": ({"w0": W0, "t0": T0}, "t0 must not be there: the last layer gives scores"),
    "shape": ({"w0": W0, "t0": T0, "w1": np.ones((2, 5))}, "w1 must have 3 inputs, as w0 has neurons, not 5"),
    "range": ({"w0": W0, "t0": T0 * 9, "w1": np.ones((2, 3))}, "t0 must be whole numbers in [0, 5]"),
    "fraction": ({"w0": W0, "scales": np.full(3, 0.5)}, "scales must be whole numbers in (-2**31, 2**31)"),
    "unknown": ({"w0": W0, "bias": T0}, "must hold nothing but w, t, gamma, beta, mean, variance, eps by layer, scales, offsets and input_threshold, not bias"),
    "our own": ({"header": np.zeros(2, np.uint8)}, "is a network of oxnor already: use it as it is"),
    "text": ({"w0": np.array(["a"])}, "array 'w0' must have dtype |b1 or |u1 or |i1 or <i2 or <i4 or <i8 or <f2 or <f4 or <f8 or <u2 or <u4 or <u8, not <U1"),
}


@pytest.mark.parametrize(("arrays", "text"), ARRAYS.values(), ids=ARRAYS)
def test_arrays_refused(arrays, text, tmp_path):
    np.savez(tmp_path / "n.npz", **arrays)
    assert refused(tmp_path / "n.npz") == text


# What is not what it seems


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
    assert import_network(tmp_path / "n.onnx").network.digest == import_network(tmp_path / "m.onnx").network.digest


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
    "type": (lambda m: tensor(m, data_type=17), "tensor 'c0': element type 17 is not supported"),
    "two inputs": (lambda m: _with(m, lambda g: g.input.append(helper.make_tensor_value_info("y", 1, [1]))), "the graph must have one input, not 2 ('x', 'y')"),
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
    "empty": (b"", "is not an ONNX file: it holds no graph"),
    "text": (b"hello, world\n" * 9, "is not an ONNX file, or is cut short"),
    "zip": (b"PK\x03\x04 and no more", "is no archive that can be read, or is cut short"),
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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("data", [b"\x80\x02\x8a\x0a\x00", b"\x80\x02", b"\x80\x02.", b"\x80\x02}."], ids=repr)
def test_beginnings_of_pickles_are_refused(tmp_path, data):
    """Found by atheris: the reader's error had no text, and making the sentence failed."""
    pytest.importorskip("torch", reason="state dicts need PyTorch")
    path = tmp_path / "x.onnx"
    path.write_bytes(data)
    with pytest.raises(InputError):
        import_network(path)
