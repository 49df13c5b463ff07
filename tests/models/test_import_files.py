"""Files of other tools: real Larq models, Brevitas, pickles, plain arrays, and folders of BNN-PYNQ."""

import gzip
import json
import os
import pickle
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason='importing ONNX needs the package onnx: pip install -e ".[import]"')
pytest.importorskip("h5py", reason='importing Keras files needs the package h5py: pip install -e ".[import]"')

from helpers.imports import refused

from oxnor.models import golden
from oxnor.models.exchange.import_network import import_network
from oxnor.models.networks.binarized import Network

F = np.float32
FIXTURES = Path(__file__).parents[1] / "fixtures"


# Larq


@pytest.mark.parametrize("kind", ["h5", "keras"])
@pytest.mark.parametrize("name", ["larq_sequential", "larq_functional"])
def test_larq_as_tensorflow_ran_it(name, kind):
    """The fixtures hold what Larq itself gave for 200 images."""
    imported = import_network(FIXTURES / f"{name}.{kind}")
    assert imported.ok
    with np.load(FIXTURES / f"{name}.npz") as made:
        images, outputs = made["images"].reshape(200, -1), made["outputs"]
    assert imported.network.input_rule.to_json() == 128
    np.testing.assert_array_equal(golden.predict(imported.network, images), outputs.argmax(axis=1))
    assert len(np.unique(outputs.argmax(axis=1))) > 4


def rewritten(path, to, rename):
    """Copy an HDF5 file with every name of a dataset changed; separators that `rename` gives are kept as they are."""
    import h5py

    with h5py.File(path) as old, h5py.File(to, "w") as new:
        names = []
        old.visit(names.append)
        for name in names:
            if isinstance(old[name], h5py.Dataset) and (wanted := rename(name)):
                group, _, last = wanted.rpartition("/")
                (new.require_group(group) if group else new).create_dataset(last, data=old[name][()])
        for key, value in old.attrs.items():
            new.attrs[key] = value


def windows(name):
    r"""Return a name as Keras writes it on Windows: ``layers\\dense/vars/0``, ``model_weights/dense/dense\\kernel:0``."""
    head, _, tail = name.rpartition("/vars/")
    if head:
        return head.replace("/", "\\") + "/vars/" + tail
    parts = name.split("/")
    return "/".join(parts[:2]) + "/" + "\\".join(parts[2:])


def repacked(path, to, change=lambda config: config, rename=lambda name: name):
    """Copy a .keras archive with its config and the names in its weights changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        (to.parent / "w.h5").write_bytes(old.read("model.weights.h5"))
        rewritten(to.parent / "w.h5", to.parent / "v.h5", rename)
        new.writestr("config.json", json.dumps(change(json.loads(old.read("config.json")))))
        new.write(to.parent / "v.h5", "model.weights.h5")


@pytest.mark.parametrize("name", ["larq_sequential", "larq_functional"])
def test_names_of_windows(name, tmp_path):
    r"""HDF5 knows "/" alone: the backslashes are in the names."""
    digest = import_network(FIXTURES / f"{name}.keras").network.digest
    rewritten(FIXTURES / f"{name}.h5", tmp_path / "n.h5", windows)
    assert import_network(tmp_path / "n.h5").network.digest == digest
    repacked(FIXTURES / f"{name}.keras", tmp_path / "n.keras", rename=windows)
    assert import_network(tmp_path / "n.keras").network.digest == digest


def test_names_of_windows_twice(tmp_path):
    import h5py

    with h5py.File(tmp_path / "n.h5", "w") as f:
        f["a/b"], f["a\\b"] = 1, 2
        f.attrs["model_config"] = "{}"
    assert refused(tmp_path / "n.h5") == "entry 'a/b' must be there once"


def test_layers_named_as_the_folders_of_others(tmp_path):
    """Folders in .keras files are named by class and number: the first layer's is quant_dense, whatever the second is called."""
    def change(config):
        layers = [y for y in config["config"]["layers"] if y["class_name"].endswith("QuantDense")]
        assert len(layers) > 2
        for k, layer in enumerate(layers):
            layer["config"]["name"] = f"quant_dense_{len(layers) - 1 - k}".removesuffix("_0")
        return config

    repacked(FIXTURES / "larq_sequential.keras", tmp_path / "n.keras", change)
    digest = import_network(FIXTURES / "larq_sequential.keras").network.digest
    assert import_network(tmp_path / "n.keras").network.digest == digest


@pytest.mark.parametrize("kind", ["by folder", "by name", "whole model"])
def test_architecture_and_weights_apart(kind, tmp_path):
    """model.to_json() and model.save_weights(), as Keras 3 and 2 write them."""
    import h5py

    digest = import_network(FIXTURES / "larq_sequential.keras").network.digest
    with zipfile.ZipFile(FIXTURES / "larq_sequential.keras") as archive:
        (tmp_path / "n.json").write_bytes(archive.read("config.json"))
        folder_weights = archive.read("model.weights.h5")
    assert refused(tmp_path / "n.json") == (
        "describes a Keras model without its weights: give `weights`, or put n.weights.h5 beside it"
    )
    if kind == "by folder":
        (tmp_path / "n.weights.h5").write_bytes(folder_weights)
        options = {}
    else:
        cut = "model_weights/" if kind == "by name" else ""
        rewritten(FIXTURES / "larq_sequential.h5", tmp_path / "w.h5", lambda n: n.removeprefix(cut))
        with h5py.File(FIXTURES / "larq_sequential.h5") as f:
            (tmp_path / "n.json").write_text("  " + f.attrs["model_config"])
        options = {"weights": tmp_path / "w.h5"}
    imported = import_network(tmp_path / "n.json", **options)
    assert imported.network.digest == digest
    assert imported.report["source"]["format"] == "Keras .json and weights"


def test_architecture_and_weights_wrong(tmp_path):
    (tmp_path / "n.json").write_text('{"class_name": "Sequential", "config": {"layers": [{"config": {}}]}}')
    (tmp_path / "w.h5").write_text("hello")
    weights = tmp_path / "w.h5"
    assert refused(tmp_path / "n.json", weights=weights) == (
        f"{weights}: must be an HDF5 file, as model.save_weights() writes, and is none"
    )
    assert refused(tmp_path / "n.json", weights=tmp_path / "x.h5") == f"{tmp_path / 'x.h5'}: no such file"
    (tmp_path / "n.json").write_text("{]")
    assert refused(tmp_path / "n.json") == "its model config must be JSON"
    rewritten(FIXTURES / "larq_sequential.h5", tmp_path / "a.h5", lambda n: n)
    import h5py

    with h5py.File(tmp_path / "a.h5", "r+") as f:
        del f.attrs["model_config"]
    assert refused(tmp_path / "a.h5") == (
        "must be a whole model, saved with model.save(), and holds weights alone: give the .json file of model.to_json(), with this"
        " one as `weights`"
    )


def test_keras_refused_with_all_reasons(tmp_path):
    """Two inputs that are joined, a convolution of float weights, recurrence, and arrays that are not in the file."""
    import h5py

    def layer(kind, name, inputs=(), **config):
        inbound = [[[n, 0, 0, {}] for n in inputs]] if inputs else []
        return {"class_name": kind, "name": name, "config": {"name": name} | config, "inbound_nodes": inbound}

    image = {"batch_input_shape": [None, 4, 4, 1]}
    layers = [
        layer("InputLayer", "picture", **image), layer("InputLayer", "depth", **image), layer("Add", "sum", ["picture", "depth"]),
        layer("Larq>QuantConv2D", "conv", ["sum"], input_quantizer="ste_sign"), layer("GlobalAveragePooling2D", "pool", ["conv"]),
        layer("LSTM", "memory", ["pool"]), layer("QuantDense", "dense", ["memory"], units=3, kernel_quantizer="ste_sign"),
        layer("BatchNormalization", "norm", ["dense"]), layer("Dense", "last", ["norm"], units=2, activation="softmax"),
    ]
    config = {"layers": layers, "input_layers": [["picture", 0, 0], ["depth", 0, 0]], "output_layers": [["last", 0, 0]]}
    (tmp_path / "n.json").write_text(json.dumps({"class_name": "Functional", "config": config}))
    with h5py.File(tmp_path / "n.h5", "w") as f:
        f["conv/kernel:0"], f["dense/kernel:0"] = np.sqrt(np.arange(18, dtype=F)).reshape(3, 3, 1, 2), np.ones((2, 3), F)
        f["norm/gamma:0"], f["last/bias:0"] = np.ones(3, F), np.zeros(2, F)
    assert refused(tmp_path / "n.json").split("\n") == [
        "9 reasons why the network cannot be imported",
        "  - the model must have one input, not 2 ('picture', 'depth')",
        "  - Add 'sum': it joins layers: only chains of layers are supported",
        ("  - Conv 'conv': weights must be whole numbers, at most 128, times one unit a neuron, and have 18 values: export them through their quantiser"
         " (Quant), or train with weights of 1 to 8 bits"),
        "  - Add 'conv.bias': must have a bias of shape (2,) in the file",
        "  - LSTM 'memory': recurrent layers are not supported",
        ("  - MatMul 'dense': takes activations of LSTM 'memory', which are more than two values: activations of 1 to 8 bits in even"
         " steps are supported: train with such a quantiser"),
        "  - Add 'dense.bias': must have a bias of shape (3,) in the file",
        "  - BatchNormalization 'norm': must have gamma, beta, moving_mean, moving_variance in the file",
        ("  - MatMul 'last': must have a kernel of shape (inputs, 2) in the file; takes sums of MatMul 'dense' that no sign has made bits: put"
         " a sign (BipolarQuant) between them"),
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
    """The file is the export of bnn_pynq's TFC_1W2A, its weights as signs: activations, and inputs, of two bit planes."""
    (tmp_path / "n.onnx").write_bytes(gzip.decompress((FIXTURES / "brevitas_tfc_1w2a.onnx.gz").read_bytes()))
    imported = import_network(tmp_path / "n.onnx")
    assert imported.ok
    assert [layer.planes for layer in imported.network.layers] == [2, 2, 2, 2]


class Evil:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("pwned",)


def test_pickles_never_run(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    torch.save({"w": Evil()}, "m.pt")
    assert refused(Path("m.pt")) == (
        "must be a state dict saved with torch.save(model.state_dict(), ...), and holds Python objects (posix.mkdir), which could run"
        " any program and are never loaded"
    )
    Path("m.pkl").write_bytes(pickle.dumps(Evil()))
    assert refused(Path("m.pkl")) == (
        "is a pickle, which could run any program and is never loaded: save a state dict with torch.save"
    )
    np.savez("m.npz", w0=np.array([Evil()], dtype=object))
    assert "array 'w0' must be numbers, not Python objects" in refused(Path("m.npz"))
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
    # Statistics of other images, or of other bits of them, would be those of another network.
    windowed = replace(params, layers="C2k5s4-P")
    for name, changed, pixels in (
        ("t", replace(params, input_threshold=90), images), ("i", params, images[::-1]), ("w", windowed, images)
    ):
        train(changed, pixels, labels, checkpoint=tmp_path / f"{name}.pt")
        assert refused(tmp_path / f"{name}.pt").startswith("must be a checkpoint of oxnor train on MNIST at threshold 128")


# Plain arrays


def test_arrays(random_network, tmp_path):
    network = replace(random_network((37, 13, 9, 5), affine=True), input_rule=99)
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
    "values": ({"w0": np.full((3, 4), 0.5)}, "w0 must hold 0 and 1, or -1 and +1, and has other values: let `last_layer_bits` round them, as this is the last layer"),
    "no weights": ({"a": W0}, "must hold arrays w0, t0, w1, t1, ..., and has a"),
    "no thresholds": ({"w0": W0, "w1": np.ones((2, 3))}, "layer 0 must have t0, or all of gamma0, beta0, mean0, variance0, and not both"),
    "thresholds too many": ({"w0": W0, "t0": T0}, "t0 must not be there: the last layer gives scores"),
    "shape": ({"w0": W0, "t0": T0, "w1": np.ones((2, 5))}, "w1 must have 3 inputs, as w0 has neurons, not 5"),
    "range": ({"w0": W0, "t0": T0 * 9, "w1": np.ones((2, 3))}, "t0 must be whole numbers in [0, 5]"),
    "fraction": ({"w0": W0, "scales": np.full(3, 0.5)}, "scales must be whole numbers in (-2**31, 2**31)"),
    "unknown": ({"w0": W0, "bias": T0}, "must hold nothing but w, t, gamma, beta, mean, variance, eps by layer, scales, offsets and input_threshold, not bias"),
    "our own": ({"header": np.zeros(2, np.uint8)}, "is a network of oxnor already: use it as it is"),
    "all": (
        {"w0": W0 / 2, "t0": T0[:2], "w1": np.ones((2, 5)), "scales": np.array([0.5, np.inf]), "offsets": np.full(2, 2**40), "input_threshold": 300},
        ("6 reasons why the network cannot be imported\n  - input_threshold must be one number in [0, 256], or 4, one an input\n"
         "  - w0 must hold 0 and 1, or -1 and +1, and has other values\n  - t0 must have shape (3,), not (2,)\n"
         "  - w1 must have 3 inputs, as w0 has neurons, not 5\n  - scales must be finite\n  - offsets must be whole numbers in (-2**31, 2**31)"),
    ),
    "text": ({"w0": np.array(["a"])}, "array 'w0' must be numbers, not text"),
}


@pytest.mark.parametrize(("arrays", "text"), ARRAYS.values(), ids=ARRAYS)
def test_arrays_refused(arrays, text, tmp_path):
    np.savez(tmp_path / "n.npz", **arrays)
    assert refused(tmp_path / "n.npz") == text


# BNN-PYNQ


def write_pynq(folder, weights, thresholds, folds):
    """Write layers as BNN-PYNQ's finnthesizer.py does; `folds` are (PE, SIMD) by layer."""
    for k, (w, t, (pe, simd)) in enumerate(zip(weights, thresholds, folds, strict=True)):
        n = -(-len(w) // pe) * pe
        width = -(-w.shape[1] // simd) * simd
        padded = np.pad(w.astype(np.uint64), ((0, n - len(w)), (0, width - w.shape[1])), constant_values=1)
        t = np.pad(t, (0, n - len(t)), constant_values=32767)
        words = (padded.reshape(n, -1, simd) << np.arange(simd, dtype=np.uint64)).sum(axis=-1).astype("<u8")
        for p in range(pe):
            words[p::pe].tofile(folder / f"{k}-{p}-weights.bin")
            t[p::pe].astype("<i8").tofile(folder / f"{k}-{p}-thres.bin")


@pytest.fixture
def pynq(tmp_path):
    """A folder of a 30-16-16-5 network, the input padded to 64 and the classes to 8, and what defines it."""
    g = np.random.default_rng(3)
    weights = [g.random(s) < 0.5 for s in ((16, 30), (16, 16), (5, 16))]
    thresholds = [g.integers(11, 19, 16), g.integers(6, 10, 16), g.integers(7, 11, 5)]
    (tmp_path / "classes.txt").write_text("a\nb\nc\nd\ne\n")
    write_pynq(tmp_path, weights, thresholds, [(8, 64), (4, 8), (8, 4)])
    return tmp_path, weights, thresholds


def test_pynq_folder(pynq):
    """The class is the highest whose bit is 1, or 0, as BNN-PYNQ's driver has it; a neuron fires above its threshold."""
    folder, weights, thresholds = pynq
    imported = import_network(folder)
    assert imported.ok
    assert imported.network.shape == (30, 16, 16, 10, 5)
    x = bits = np.random.default_rng(0).random((400, 30)) < 0.5
    for w, t in zip(weights, thresholds, strict=True):
        x = (x[:, None, :] == w).sum(axis=-1) > t
    expected = np.where(x.any(axis=1), 4 - x[:, ::-1].argmax(axis=1), 0)
    assert set(x.sum(axis=1)) >= {0, 1, 2, 3}
    np.testing.assert_array_equal(golden.predict(imported.network, bits), expected)
    assert imported.report["source"]["format"] == "BNN-PYNQ parameters"
    assert len(imported.report["source"]["sha256"]) == 64


def test_pynq_folder_wrong(pynq):
    folder, weights, thresholds = pynq
    advice = (
        "only LFC-W1A1 (dense layers of 1 bit), CNV-W1A1 and CNV-W1A2 are supported: export the trained network to ONNX"
    )
    (folder / "classes.txt").write_text("a\n" * 9)
    assert refused(folder) == "classes.txt must name 1 to 8 classes, one a line, not 9"
    (folder / "classes.txt").unlink()
    assert import_network(folder).network.n_out == 5
    write_pynq(folder, [weights[0][:, :16]], thresholds[:1], [(8, 16)])
    write_pynq(folder, [weights[0], weights[1][:, :8]], thresholds[:2], [(8, 64), (4, 8)])
    assert refused(folder) == f"layer 1 is no dense layer of 1-bit inputs: {advice}"
    (folder / "1-0-weights.bin").write_bytes(b"12345")
    assert refused(folder) == "1-0-weights.bin: must hold 64-bit words, as many as the first of its layer"
    write_pynq(folder, weights, thresholds, [(8, 64), (4, 8), (8, 4)])
    (folder / "0-0-thres.bin").unlink()
    assert refused(folder) == f"0-0-thres.bin is not there: {advice}"
    (folder / "0-0-weights.bin").unlink()
    assert refused(folder) == (
        "must be a file, or a folder of BNN-PYNQ's parameters; save a Keras model as .keras or .h5, not as a folder"
    )


def test_pynq_folder_of_another_kind(tmp_path):
    """8-bit inputs, a convolution, 2-bit weights and activations, as CNV has them; the last layer has no thresholds."""
    g = np.random.default_rng(3)
    fields = g.choice([0, 1, 3], (3, 8, 54)).astype(np.uint8)  # weights 0, +1, -1 of 2 bits
    two_bits = [np.unpackbits(w[..., None], axis=-1, bitorder="little")[..., :2].reshape(8, -1) for w in fields]
    weights = [two_bits[0][:, :54], np.tile(two_bits[1], 2)[:, :144], two_bits[2][:, :16]]
    thresholds = [np.sort(g.integers(-900, 900, (8, 2))), np.sort(g.integers(-9, 9, (8, 2))), None]
    for k, (w, t) in enumerate(zip(weights, thresholds, strict=True)):
        folder = tmp_path / str(k)
        folder.mkdir()
        write_pynq(folder, [w], [np.zeros(8, int)], [(4, 2)])
        for file in folder.glob("*-weights.bin"):
            file.rename(tmp_path / f"{k}{file.name[1:]}")
        for p in range(4 if t is not None else 0):
            t[p::4].reshape(-1).astype("<i8").tofile(tmp_path / f"{k}-{p}-thres.bin")
    assert refused(tmp_path).split("\n") == [
        "only LFC-W1A1 (dense layers of 1 bit), CNV-W1A1 and CNV-W1A2 are supported: 3 layers cannot be imported",
        "  - layer 0: weights of 2 bits, 2 thresholds a neuron, for activations of 2 bits, inputs of more than 1 bit",
        "  - layer 1: a convolution of 3 x 3, weights of 2 bits, 2 thresholds a neuron, for activations of 2 bits",
        "  - layer 2: weights of 2 bits",
    ]


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("OXNOR_BNN_PYNQ"), reason="OXNOR_BNN_PYNQ names no checkout of Xilinx/BNN-PYNQ")
def test_pynq_network_of_digits():
    """LFC-W1A1 of the repository: 98.40 % of the MNIST test images."""
    from oxnor.models.datasets.mnist import load_mnist

    folder = Path(os.environ["OXNOR_BNN_PYNQ"])
    network = import_network(folder / "bnn/params/mnist/lfcW1A1").network
    images, labels = load_mnist("test")
    assert np.count_nonzero(golden.predict(network, images) == labels) == 9840
    assert "2 thresholds a neuron" in refused(folder / "bnn/params/mnist/lfcW1A2")
    for name in ("cnvW1A1", "cnvW1A2"):
        assert import_network(folder / "bnn/params/cifar10" / name).ok
