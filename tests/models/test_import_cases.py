"""What users brought: files that were imported wrongly, or refused for a false reason, and what is right."""

import builtins
import gzip
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="importing ONNX needs the package onnx: pip install 'oxnor[import]'")

from helpers import onnx_networks  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

from oxnor.models import golden  # noqa: E402
from oxnor.models.base.errors import InputError  # noqa: E402
from oxnor.models.base.files import write_npz  # noqa: E402
from oxnor.models.exchange.import_network import import_network  # noqa: E402

F = np.float32
FIXTURES = Path(__file__).parents[1] / "fixtures"


def refused(path, **options):
    with pytest.raises(InputError) as caught:
        import_network(path, **options)
    return str(caught.value).removeprefix(f"{path}: ")


def save(model, path):
    path.write_bytes(model.SerializeToString())
    return path


# Ties


@pytest.fixture
def ties(tmp_path):
    """Images with the outputs and classes of onnxruntime: 20-8-3, scales 0.1, 0.2 and 0.3."""
    with np.load(FIXTURES / "ties_images.npz") as z:
        write_npz(tmp_path / "i.npz", {"images": z["images"], "outputs": z["outputs"], "labels": z["classes"]})
        return tmp_path / "i.npz", z["images"], z["outputs"], z["classes"]


def test_integers_tie_where_the_source_ties(ties):
    check, images, outputs, classes = ties
    imported = import_network(FIXTURES / "ties.onnx", check=check)
    assert imported.ok
    assert imported.network.layers[-1].scales.tolist() == [1, 2, 3]
    scores = golden.scores(imported.network, images)
    best = np.sort(outputs, axis=1)
    tied = best[:, -1] == best[:, -2]
    assert np.count_nonzero(tied) > 20
    np.testing.assert_array_equal(scores[tied].argmax(axis=1), classes[tied])
    # What is left hangs on the order in which a runtime adds 0.1 eight times, and is counted and shown.
    differ = np.flatnonzero(scores.argmax(axis=1) != classes)
    given = imported.report["outputs"][-1]
    assert (given["by"], given["differ"], given["rounding"]) == ("outputs given", 0, len(differ))
    assert 0 < len(differ) < 10
    assert (np.diff(best[differ], axis=1)[:, -1] < 1e-6).all()
    assert [e["image"] for e in given["examples"]] == differ[:3].tolist()
    assert given["examples"][0]["source"] == pytest.approx(outputs[differ[0]].tolist())
    assert imported.report["layers"][-1]["rounding"] == 3
    assert "the order of 3 pairs of outputs hangs on how the source rounds its sums" in imported.report["notes"][0]


def test_exact_ratios_have_no_rounding(tmp_path):
    """Scales of 0.25, 0.5 and 0.75 are exact in float32, so every class is that of the source."""
    model = onnx.load(FIXTURES / "ties.onnx")
    for t in model.graph.initializer:
        if t.name == "w1":
            t.CopyFrom(numpy_helper.from_array(np.sign(numpy_helper.to_array(t)) * np.array([0.25, 0.5, 0.75], F), "w1"))
    imported = import_network(save(model, tmp_path / "n.onnx"))
    assert imported.network.layers[-1].scales.tolist() == [1, 2, 3]
    assert imported.report["thresholds"]["rounding"] == 0
    assert [c["rounding"] for c in imported.report["outputs"]] == [0, 0]


# Parameters that are not finite


def test_nan_batch_norm_is_refused_by_node():
    assert refused(FIXTURES / "nan_batch_norm.onnx") == (
        "1 node cannot be imported\n  - BatchNormalization 'bn0': its scale must be finite, and 8 of 8 values are not"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["BatchNormalization", "Sub Div Sqrt", "bias"])
def test_parameters_that_are_not_finite(kind, value, tmp_path):
    """A parameter of each way to write a batch norm."""
    model = onnx_networks.network(batchnorm=kind)
    vectors = [t for t in model.graph.initializer if list(t.dims) == [16]]
    for t in vectors:
        spoilt = numpy_helper.to_array(t).copy()
        spoilt[3] = value
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        next(u for u in copy.graph.initializer if u.name == t.name).CopyFrom(numpy_helper.from_array(spoilt, t.name))
        text = refused(save(copy, tmp_path / "n.onnx"))
        assert text.startswith("1 node cannot be imported\n  - ")
        assert "must be finite, and 1 of 16 values are not" in text


def test_attribute_that_is_not_finite(tmp_path):
    model = onnx_networks.network()
    for node in model.graph.node:
        for a in node.attribute:
            if a.name == "epsilon":
                a.f = np.nan
    assert "its epsilon must be finite, and 1 of 1 values are not" in refused(save(model, tmp_path / "n.onnx"))


def test_result_that_is_not_finite(tmp_path):
    """A variance of 0 and no epsilon: 0 / 0 at some popcount."""
    m = onnx_networks.Maker()
    x = m.n("BipolarQuant", ["x", m.c(F(1))], m.domain)
    y = m.n("MatMul", [x, m.c(np.ones((4, 2), F))])
    y = m.n("Where", [m.n("Greater", [m.n("Div", [y, y]), m.c(F(0))]), m.c(F(1)), m.c(F(-1))])
    model = m.model(["N", 4], m.n("MatMul", [y, m.c(np.ones((2, 2), F))]))
    assert "its result must be finite, and 2 of 10 values are not" in refused(save(model, tmp_path / "n.onnx"))


def test_bound_that_is_not_there(tmp_path):
    """Clip with an infinite bound is a common way to write a maximum."""
    plain = onnx_networks.network(act="Clip")
    model = onnx.ModelProto()
    model.CopyFrom(plain)
    clips = {name for node in model.graph.node if node.op_type == "Clip" for name in node.input[2:]}
    for t in model.graph.initializer:
        if t.name in clips:
            t.CopyFrom(numpy_helper.from_array(np.array(np.inf, F), t.name))
    # The constant is shared with the sign: give it one of its own.
    ones = numpy_helper.from_array(np.array(1, F), "own")
    model.graph.initializer.append(ones)
    for node in model.graph.node:
        if node.op_type == "BipolarQuant":
            node.input[1] = "own"
    imported = import_network(save(model, tmp_path / "n.onnx"))
    assert imported.network.digest == import_network(save(plain, tmp_path / "m.onnx")).network.digest


def test_dead_and_constant_neurons_are_reported(tmp_path):
    """Of 8 neurons two never fire, one always does, and one changes for no image given."""
    g = np.random.default_rng(3)
    w = [g.random((8, 20)) < 0.5, g.random((3, 8)) < 0.5]
    w[0][3] = True
    t = np.full(8, 10)
    t[:4] = [21, 21, 0, 20]
    np.savez(tmp_path / "n.npz", w0=w[0], w1=w[1], t0=t)
    images = g.integers(0, 256, (400, 20), dtype=np.uint8)
    images[:, 0] = 0
    write_npz(tmp_path / "i.npz", {"images": images})
    report = import_network(tmp_path / "n.npz", check=tmp_path / "i.npz").report
    assert [{k: y[k] for k in ("always_0", "always_1", "dead")} for y in report["layers"]] == [
        {"always_0": 2, "always_1": 1, "dead": 4}, {"always_0": 0, "always_1": 0, "dead": 0},
    ]
    assert report["neurons_on"] == {"on": "i.npz", "images": 400}
    assert report["notes"][-2:] == [
        "layer 0: 3 of 8 neurons are constant for every input", "layer 0: 4 of 8 neurons never change on i.npz",
    ]


# State dicts


def test_float_network_is_no_binarized_one(tmp_path):
    pytest.importorskip("torch", reason="state dicts need PyTorch")
    path = FIXTURES / "float_relu_mlp.pt"
    why = "`binarize` takes them by their signs, which is another network unless it was trained so"
    assert refused(path).split("\n") == [
        "2 nodes cannot be imported",
        f"  - '0': weights must be -1 and +1, or have one magnitude a neuron, and have 12 values: {why}",
        f"  - '2': weights must be -1 and +1, or have one magnitude a neuron, and have 8 values: {why}",
    ]
    bits = np.random.default_rng(0).random((40, 3)) < 0.5
    write_npz(tmp_path / "i.npz", {"images": bits, "labels": np.zeros(40, np.uint8), "outputs": np.eye(2, dtype=F)[[1] * 40]})
    imported = import_network(path, binarize=True, check=tmp_path / "i.npz")
    assert imported.ok
    report = imported.report
    assert (report["binarized"], report["outputs"]) == (True, [])  # nothing is called equal to the source
    assert report["accuracy"] == 1 - report["agreement"]
    assert report["notes"][0].endswith("; no agreement with the source is claimed")


@pytest.mark.parametrize("scale", ["one", "a neuron"])
def test_binary_weights_keep_their_scale(scale, tmp_path):
    """Weights of one magnitude a neuron are what they are: the bias after them is not scaled."""
    torch = pytest.importorskip("torch", reason="state dicts need PyTorch")
    g = np.random.default_rng(1)
    w = np.where(g.random((16, 20)) < 0.5, F(1), F(-1)) * (F(1) if scale == "one" else g.uniform(0.05, 0.2, (16, 1)).astype(F))
    v, b = np.where(g.random((5, 16)) < 0.5, F(1), F(-1)), g.normal(size=16).astype(F)
    torch.save({k: torch.from_numpy(a) for k, a in {"a.weight": w, "a.bias": b, "b.weight": v}.items()}, tmp_path / "m.pt")
    imported = import_network(tmp_path / "m.pt")
    assert imported.ok
    assert imported.report["outputs"][0]["by"] == "float32 of the operators assumed"
    assert not imported.report["binarized"]
    bits = g.random((300, 20)) < 0.5
    y = np.where(np.where(bits, F(1), F(-1)) @ w.T + b >= 0, F(1), F(-1)) @ v.T
    np.testing.assert_array_equal(golden.predict(imported.network, bits), y.argmax(axis=1))


def test_state_dict_with_nan(tmp_path):
    torch = pytest.importorskip("torch", reason="state dicts need PyTorch")
    state = {"a.weight": torch.ones(4, 3), "a.bias": torch.tensor([1, 2, float("inf"), 0]), "b.weight": torch.ones(2, 4)}
    state["b.weight"][1, 2] = float("nan")
    torch.save(state, tmp_path / "m.pt")
    for binarize in (False, True):
        assert refused(tmp_path / "m.pt", binarize=binarize).split("\n")[1:] == [
            "  - 'a': bias must be finite", "  - 'b': weight must be finite",
        ]


@pytest.fixture(scope="module")
def state():
    """A state dict of 20-8-3 with binary weights."""
    torch = pytest.importorskip("torch", reason="state dicts need PyTorch")
    g = torch.Generator().manual_seed(0)
    weights = [torch.where(torch.rand(shape, generator=g) < 0.5, 1.0, -1.0) for shape in ((8, 20), (3, 8))]
    norm = {"bias": torch.randn(8, generator=g), "running_mean": torch.randn(8, generator=g), "running_var": torch.ones(8)}
    return {"a.weight": weights[0], "bn.weight": torch.randn(8, generator=g)} | {f"bn.{k}": v for k, v in norm.items()} | {"b.weight": weights[1]}


@pytest.mark.parametrize("device", ["mps", "cuda:3", "xpu:0"])
def test_state_dict_saved_on_any_device(device, state, tmp_path):
    """The name of the device is in the pickle, beside each tensor."""
    import torch

    torch.save(state, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as old, zipfile.ZipFile(tmp_path / "b.pt", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("data.pkl"):
                assert data.count(b"X\3\0\0\0cpu") == 1  # a string of 3 letters, which the other tensors refer to
                data = data.replace(b"X\3\0\0\0cpu", b"X" + bytes([len(device), 0, 0, 0]) + device.encode())
            new.writestr(name, data)
    assert import_network(tmp_path / "b.pt").network.digest == import_network(tmp_path / "a.pt").network.digest


def test_state_dict_of_any_precision(state, tmp_path):
    import torch

    digests = set()
    for name in ("float32", "float64", "bfloat16"):
        kind = getattr(torch, name)
        torch.save({k: v.bfloat16().to(kind) for k, v in state.items()}, tmp_path / "a.pt")
        digests.add(import_network(tmp_path / "a.pt").network.digest)
    assert len(digests) == 1


def test_state_dict_in_a_checkpoint(state, tmp_path):
    """Under any name, beside an optimizer's and plain values; of two the one under a usual name."""
    import torch

    torch.save(state, tmp_path / "a.pt")
    digest = import_network(tmp_path / "a.pt").network.digest
    optimizer = {"state": {0: {"step": torch.ones(1)}}, "param_groups": [{"lr": 0.1}]}
    other = {"b.weight": torch.ones(3, 8)}
    for checkpoint in ({"net": state, "epoch": 3, "optimizer": optimizer}, {"ema": other, "model": state}):
        torch.save(checkpoint, tmp_path / "b.pt")
        assert import_network(tmp_path / "b.pt").network.digest == digest
    torch.save({"generator": state, "critic": other}, tmp_path / "b.pt")
    assert refused(tmp_path / "b.pt") == "must be the state dict of one network, and holds 2 ('generator', 'critic')"


def test_state_dict_refused_with_all_reasons(state, tmp_path):
    import torch

    strange = {
        "c.weight": torch.zeros(4, 20, 3), "a.weight": state["a.weight"][:, :5], "bn.weight": torch.ones(7), "bn.bias": torch.ones(8),
        "bn.running_mean": torch.zeros(7), "bn.running_var": -torch.ones(7), "b.weight": torch.full((3, 9), 0.5), "b.bias": torch.ones(4),
        "epoch": 3, "mask": torch.ones(4).to_sparse(),
    }
    torch.save(strange, tmp_path / "m.pt")
    assert refused(tmp_path / "m.pt").split("\n") == [
        "8 reasons why the network cannot be imported",
        "  - entry 'epoch' must be a tensor, not int",
        "  - entry 'mask' must be a plain tensor of numbers",
        "  - 'c' (weight (4, 20, 3)): convolutions are not supported: export the model to ONNX, which holds its operators",
        "  - 'bn': bias must have 7 elements, as running_mean has",
        "  - 'bn': must have 1 or 8 elements, one a neuron before it, not 7",
        "  - 'bn': running_var must be 0 or more",
        "  - 'b': must have 8 inputs, as the layer before has neurons, not 9",
        "  - 'b': bias must have shape (3,), one a neuron, not (4,)",
    ]


def test_torch_files_that_are_no_state_dicts(tmp_path):
    torch = pytest.importorskip("torch", reason="state dicts need PyTorch")
    rule = "must be a state dict saved with torch.save(model.state_dict(), ...), and"
    torch.save(torch.nn.Linear(3, 2), tmp_path / "m.pt")
    never = "which could run any program and are never loaded"
    assert refused(tmp_path / "m.pt") == f"{rule} holds Python objects (torch.nn.modules.linear.Linear), {never}"
    torch.save([torch.ones(3)], tmp_path / "m.pt")
    assert refused(tmp_path / "m.pt") == f"{rule} holds a list"
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02}q\0.")
        archive.writestr("m/constants.pkl", b"\x80\x02)."), archive.writestr("m/version", b"3")
    assert refused(tmp_path / "m.pt") == f"{rule} is a TorchScript program"


def test_state_dict_saved_on_a_gpu():
    pytest.importorskip("torch", reason="state dicts need PyTorch")
    path = FIXTURES / "linear_saved_on_cuda.pt"
    assert refused(path).split("\n")[1].startswith("  - '0': weights must be -1 and +1")
    imported = import_network(path, binarize=True)
    np.testing.assert_array_equal(imported.network.layers[0].weights, [[True, False, False], [False, False, True]])


def test_without_pytorch(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    assert refused(FIXTURES / "linear_saved_on_cuda.pt").startswith("reading a PyTorch file needs PyTorch, which is not installed")


def test_input_rule_of_a_state_dict(tmp_path):
    """The threshold is in the values of the input coding, and one for all or one an input."""
    torch = pytest.importorskip("torch", reason="state dicts need PyTorch")
    torch.save({"a.weight": torch.ones(2, 3)}, tmp_path / "m.pt")
    path = tmp_path / "m.pt"
    assert import_network(path).network.input_rule.to_json() == 128
    assert import_network(path, input_threshold=77).network.input_rule.to_json() == 77
    assert import_network(path, input_threshold=0.4, coding="unit").network.input_rule.to_json() == 102
    assert import_network(path, input_threshold=0, coding="0.1307,0.3081").network.input_rule.to_json() == 34
    assert refused(path, input_threshold=[1, 2]) == "`input_threshold` must be one finite number, or 3, one an input"
    assert refused(path, input_threshold=1, coding="binary") == (
        "`input_threshold` must not be given with `coding` binary, whose inputs are bits"
    )
    assert refused(FIXTURES / "ties.onnx", input_threshold=1, binarize=True) == (
        "`binarize`, `input_threshold` must not be given for ONNX"
    )


# Labels


@pytest.mark.parametrize("labels", [np.array([0, 1, 3]), np.array([-1, 0, 1])])
def test_labels_outside_the_classes(labels, tmp_path):
    write_npz(tmp_path / "i.npz", {"images": np.zeros((3, 20), np.uint8), "labels": labels})
    with pytest.raises(InputError) as caught:
        import_network(FIXTURES / "ties.onnx", check=tmp_path / "i.npz")
    assert str(caught.value) == (
        f"{tmp_path / 'i.npz'}: labels must be classes of the network, 0 to 2, not {labels.min()} to {labels.max()}"
    )


# Inputs


def onnx_bits(name, images):
    """Return what onnxruntime gives for pixels / 255, with the file's fixed batch of 1."""
    runtime = pytest.importorskip("onnxruntime", reason="compares with the package onnxruntime")
    model = onnx.load(FIXTURES / name)
    # Its quantiser is BipolarQuant: as operators that onnxruntime has.
    (quant,) = (n for n in model.graph.node if n.op_type == "BipolarQuant")
    k = list(model.graph.node).index(quant)
    zero, minus = (numpy_helper.from_array(np.array(v, F), n) for v, n in ((0, "zero_"), (-1, "minus_")))
    model.graph.initializer.extend([zero, minus])
    nodes = list(model.graph.node)
    nodes[k : k + 1] = [
        helper.make_node("GreaterOrEqual", [quant.input[0], "zero_"], ["yes_"]),
        helper.make_node("Where", ["yes_", quant.input[1], "minus_"], [quant.output[0]]),
    ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    session = runtime.InferenceSession(model.SerializeToString())
    x = images.astype(F) / F(255)
    return np.concatenate([session.run(None, {session.get_inputs()[0].name: row[None]})[0] for row in x])


@pytest.mark.parametrize(("name", "thresholds", "note"), [
    ("input_threshold_per_pixel.onnx", [51, 102, 153, 204], "input: each pixel has a threshold, 51 to 204"),
    ("input_constant_pixel.onnx", [128, 128, 128, 0], "input: pixel >= 128 is 1; 1 of 4 bits are constant"),
])
def test_input_rule_of_each_pixel(name, thresholds, note, tmp_path):
    imported = import_network(FIXTURES / name)
    assert imported.ok
    assert imported.network.input_rule.to_json() == imported.report["input"]["threshold"] == thresholds
    assert f"{note}, taking the source's input to be pixel / 255" in imported.report["notes"]
    images = np.random.default_rng(0).integers(0, 256, (300, 4), dtype=np.uint8)
    outputs = onnx_bits(name, images)
    scores = golden.scores(imported.network, images)
    np.testing.assert_array_equal(np.diff(scores), np.diff(outputs) / 2)
    imported.network.save(tmp_path / "n.npz")
    from oxnor.models.exchange.qonnx import export_qonnx
    from oxnor.models.networks.binarized import Network

    assert Network.load(tmp_path / "n.npz").digest == imported.network.digest
    export_qonnx(imported.network, tmp_path / "n.onnx")
    again = import_network(tmp_path / "n.onnx").network
    assert again.input_rule.to_json() == thresholds
    np.testing.assert_array_equal(golden.scores(again, images), scores)


def test_constant_bits_where_images_are_bits(tmp_path):
    imported = import_network(FIXTURES / "input_constant_pixel.onnx", coding="binary")
    assert imported.network.input_rule.to_json() == [128, 128, 128, 0]
    bits = np.random.default_rng(0).random((50, 4)) < 0.5
    outputs = onnx_bits("input_constant_pixel.onnx", bits.astype(np.uint8) * 255)
    np.testing.assert_array_equal(np.diff(golden.scores(imported.network, bits)), np.diff(outputs) / 2)


def test_input_that_never_changes(tmp_path):
    model = onnx.load(FIXTURES / "input_constant_pixel.onnx")
    for t in model.graph.initializer:
        if t.name == "th":
            t.CopyFrom(numpy_helper.from_array(np.full(4, -9, F), "th"))
    assert refused(save(model, tmp_path / "n.onnx")).startswith("the input must become bits of both values at some grey level, and does not")


def test_arrays_with_a_threshold_an_input(tmp_path):
    np.savez(tmp_path / "n.npz", w0=np.ones((2, 3)), input_threshold=[0, 40, 256])
    assert import_network(tmp_path / "n.npz").network.input_rule.to_json() == [0, 40, 256]
    np.savez(tmp_path / "n.npz", w0=np.ones((2, 3)), input_threshold=[0, 40])
    assert refused(tmp_path / "n.npz") == "input_threshold must be one number in [0, 256], or 3, one an input"


def test_state_dict_with_a_threshold_an_input(tmp_path):
    torch = pytest.importorskip("torch", reason="state dicts need PyTorch")
    torch.save({"a.weight": torch.ones(2, 3)}, tmp_path / "m.pt")
    assert import_network(tmp_path / "m.pt", input_threshold=[10, 20, 30.5]).network.input_rule.to_json() == [10, 20, 31]


# Refusals


def test_every_reason_is_listed():
    """A convolution, its 8-bit input, and a ReLU."""
    lines = refused(FIXTURES / "conv_8bit_input_relu.onnx").split("\n")
    assert lines[0] == "2 nodes cannot be imported"
    assert lines[1].startswith(
        "  - Conv 'c': convolutions are not supported: dense layers (MatMul, Gemm) are; takes grey levels of the input"
        " (Quant 'q', 8 bits, 128 levels of 256), and the engine takes bits: "
    )
    assert lines[2:] == [
        "  - MatMul 'y': takes activations of Relu 'r', which are more than two values: only 1-bit activations are supported: train with 1 bit"
    ]


@pytest.mark.parametrize(("between", "reason"), [
    (["Relu"], "takes activations of Relu 'n_Relu_2', which are more than two values"), (["Relu", "Sign"], ""), (["Sign"], ""),
    ([], "takes sums of Conv 'n_Conv_1' that no sign has made bits"), (["Sign", "MaxPool"], ""),
    (["MaxPool"], "takes sums of Conv 'n_Conv_1' that no sign has made bits"), (["Erf"], ""), (["Clip"], ""),
    (["Gelu"], "takes activations of Gelu 'n_Gelu_2', which are more than two values"), (["Sign", "AveragePool"], ""),
])
def test_reasons_after_a_refused_node(between, reason, tmp_path):
    """Only what is wrong in any case is said of what comes after."""
    m = onnx_networks.Maker(opset=20)
    x = m.n("Conv", [m.n("Sign", ["x"]), m.c(np.ones((2, 1, 1), F))])
    for op in between:
        x = m.n(op, [x])
    model = m.model(["N", 1, 4], m.n("MatMul", [m.n("Flatten", [x]), m.c(np.ones((8, 2), F))]))
    text = refused(save(model, tmp_path / "n.onnx"), coding="bipolar")
    assert (f"  - MatMul '{model.graph.node[-1].name}': {reason}" in text) if reason else ("  - MatMul" not in text)


def reasons(m, output, path, inputs=("x",), **options):
    """Return the reasons against a network with these inputs of 4 channels."""
    model = m.model(["N", 4], output)
    model.graph.input.extend(helper.make_tensor_value_info(name, 1, ["N", 4]) for name in inputs[1:])
    path.write_bytes(model.SerializeToString())
    first, *rest = refused(path, **options).split("\n")
    return [first, *(line.removeprefix("  - ").replace("'n_", "'") for line in rest)]


W, V = (np.where(np.arange(n).reshape(shape) % 3, F(1), F(-1)) for n, shape in ((32, (4, 8)), (64, (8, 8))))
ONE_BIT = "only 1-bit activations are supported: train with 1 bit"


def test_all_reasons_with_several_inputs(tmp_path):
    """Not only that there are several: what they make is followed, and everything else is judged as it would be."""
    m = onnx_networks.Maker(opset=20)
    x = m.n("Relu", [m.n("MatMul", [m.n("Sign", ["x"]), m.c(W)])])
    y = m.n("MatMul", [m.n("Sign", ["y"]), m.c(np.arange(32, dtype=F).reshape(4, 8))])
    z = m.n("MatMul", [m.n("Add", [x, y]), m.c(V * np.linspace(1, 2, 64, dtype=F).reshape(8, 8))])
    assert reasons(m, m.n("Cast", [z], to=17), tmp_path / "n.onnx", ("x", "y"), coding="signed") == [
        "5 reasons why the network cannot be imported",
        "the graph must have one input, not 2 ('x', 'y')",
        ("MatMul 'MatMul_4': weights must be binary (one magnitude a neuron), and have 32 values: export them through their quantiser"
         " (BipolarQuant), or train with 1-bit weights"),
        "Add 'Add_5': it joins MatMul 'MatMul_1' and MatMul 'MatMul_4': only chains of layers are supported",
        ("MatMul 'MatMul_6': takes sums of MatMul 'MatMul_4' that no sign has made bits: put a sign (BipolarQuant) between them; weights"
         " must be binary (one magnitude a neuron), and have 64 values: export them through their quantiser (BipolarQuant), or train with"
         " 1-bit weights"),
        "Cast 'Cast_7': a cast to float8e4m3fn is not supported",
    ]


def test_all_reasons_of_one_product(tmp_path):
    """Weights of 5 values, grey inputs and parameters that are not finite, in one node."""
    m = onnx_networks.Maker(opset=20)
    w = m.c(np.arange(32, dtype=F).reshape(4, 8) % 5 + 1)
    x = m.n("Gemm", ["x", w, m.c(np.full(8, np.nan, F))])
    assert reasons(m, x, tmp_path / "n.onnx", coding="unit") == [
        "1 node cannot be imported",
        ("Gemm 'Gemm_0': its bias must be finite, and 8 of 8 values are not; weights must be binary (one magnitude a neuron), and have 5"
         " values: export them through their quantiser (BipolarQuant), or train with 1-bit weights; takes grey levels of the input (256"
         " levels of 256), and the engine takes bits: binarise the input in the network (2x - 1, then BipolarQuant or a sign), or use"
         " `coding` bipolar or `coding` binary if its images are bits already"),
    ]


def test_all_reasons_after_a_refused_layer(tmp_path):
    """A residual block, picked activations, a batch norm in training mode and signs at the end, all of unknown values."""
    m = onnx_networks.Maker(opset=13)
    norm = [m.c(np.ones(8, F)) for _ in range(4)]
    x = m.n("Sign", [m.n("MatMul", [m.n("Sign", ["x"]), m.c(np.zeros((4, 8), F))])])
    y = m.n("Sign", [m.n("BatchNormalization", [m.n("MatMul", [x, m.c(V)]), *norm], training_mode=1)])
    z = m.n("MatMul", [m.n("Concat", [m.n("Add", [x, y]), y], axis=1), m.c(V)])
    z = m.n("MatMul", [m.n("Sign", [z]), m.c(V)])
    assert reasons(m, m.n("BipolarQuant", [z, m.c(F(1))], m.domain), tmp_path / "n.onnx", coding="bipolar") == [
        "5 reasons why the network cannot be imported",
        "the output must be scores, not one bit a class: leave the last sign out",
        "MatMul 'MatMul_1': weights must be binary, and all are 0",
        "BatchNormalization 'BatchNormalization_4': it is in training mode: export the network in evaluation mode (model.eval())",
        "Add 'Add_6': it joins MatMul 'MatMul_1' and MatMul 'MatMul_3': only chains of layers are supported",
        "Concat 'Concat_7': it joins Add 'Add_6' and MatMul 'MatMul_3': only chains of layers are supported",
    ]


def test_all_reasons_with_tensors_that_are_not_read(tmp_path):
    """Types of 8 bits and less, sparse tensors, and nodes with too few inputs."""
    m = onnx_networks.Maker(opset=20)
    strange = helper.make_tensor("f8", 17, [1], [1.0])
    m.init.append(strange)
    x = m.n("MatMul", [m.n("Sign", ["x"]), "f8"])
    y = m.n("Sign", [m.n("Where", [x])])
    weights = m.n("Constant", [], value=helper.make_tensor("f8", 22, [2], [1, 1]))
    types = "elements must be bool, int8 to int64, uint8 to uint64, float16 to float64 or bfloat16, not"
    assert reasons(m, m.n("MatMul", [y, weights]), tmp_path / "n.onnx", coding="bipolar") == [
        "3 reasons why the network cannot be imported",
        f"tensor 'f8': {types} float8e4m3fn",
        f"Constant 'Constant_4': tensor 'f8': {types} int4",
        "Where 'Where_2': must have 3 inputs, not 1",
    ]


def test_all_reasons_with_an_input_of_any_size(tmp_path):
    m = onnx_networks.Maker(opset=20)
    x = m.n("Split", [m.n("MatMul", [m.n("Sign", ["x"]), m.c(np.arange(32, dtype=F).reshape(4, 8))])])
    model = m.model(["N", None], x)
    assert refused(save(model, tmp_path / "n.onnx")).split("\n") == [
        "3 reasons why the network cannot be imported",
        "  - input 'x' must have a batch and fixed sizes, not any, any",
        ("  - MatMul 'n_MatMul_1': weights must be binary (one magnitude a neuron), and have 32 values: export them through their quantiser"
         " (BipolarQuant), or train with 1-bit weights"),
        "  - Split 'n_Split_2': the operator is not supported",
    ]


def test_all_reasons_with_an_input_that_never_changes(tmp_path):
    m = onnx_networks.Maker(opset=20)
    x = m.n("MatMul", [m.n("Sign", [m.n("Add", ["x", m.c(F(9e9))])]), m.c(W)])
    lines = reasons(m, m.n("MatMul", [m.n("Relu", [x]), m.c(V)]), tmp_path / "n.onnx")
    assert lines[0] == "2 reasons why the network cannot be imported"
    assert lines[1].startswith("the input must become bits of both values at some grey level, and does not (unit: pixel / 255; byte: ")
    assert lines[2:] == [f"MatMul 'MatMul_4': takes activations of Relu 'Relu_3', which are more than two values: {ONE_BIT}"]


def test_attention_is_refused_with_its_reasons(tmp_path):
    m = onnx_networks.Maker(opset=20)
    q, k = (m.n("MatMul", [m.n("Sign", ["x"]), m.c(np.zeros((4, 8), F))]) for _ in range(2))
    y = m.n("Softmax", [m.n("MatMul", [q, m.n("Transpose", [k])])])
    lines = reasons(m, m.n("MatMul", [y, m.c(V)]), tmp_path / "n.onnx", coding="bipolar")
    assert lines[0] == "4 nodes cannot be imported"
    assert "input 'x' is taken by MatMul 'MatMul_3' too: only chains of layers are supported" in lines[2]
    assert "it multiplies activations by activations; takes sums of MatMul 'MatMul_1' that no sign has made bits" in lines[3]
    assert lines[4] == f"MatMul 'MatMul_7': takes activations of Softmax 'Softmax_6', which are more than two values: {ONE_BIT}"


def test_convolution_of_float_weights(tmp_path):
    m = onnx_networks.Maker(opset=20)
    x = m.n("Conv", [m.n("Sign", ["x"]), m.c(np.array([[[1, 2]], [[3, 4]]], F))])
    text = refused(save(m.model(["N", 1, 4], x), tmp_path / "n.onnx"), coding="bipolar")
    assert "are; weights must be binary (one magnitude a neuron), and have 4 values" in text


# FINN


def test_finn_hardware_model(tmp_path):
    """Made by FINN's own conversion, with the classes that its nodes give: MVAU, MultiThreshold, LabelSelect."""
    path = tmp_path / "n.onnx"
    path.write_bytes(gzip.decompress((FIXTURES / "finn_tfc_1w1a_hw.onnx.gz").read_bytes()))
    imported = import_network(path)
    assert imported.ok
    assert imported.network.shape == (784, 64, 64, 64, 10)
    images = np.random.default_rng(0).integers(0, 256, (200, 784), dtype=np.uint8)
    with np.load(FIXTURES / "finn_tfc_1w1a_hw.npz") as z:
        np.testing.assert_array_equal(golden.predict(imported.network, images), z["classes"])


FINN = "finn.custom_op.fpgadataflow"


@pytest.mark.parametrize("names", [("MVAU_rtl", "Thresholding_hls", "StreamingFIFO_rtl"),
                                   ("StreamingFCLayer_Batch", "Thresholding_Batch", "StreamingFIFO")])
@pytest.mark.parametrize("kind", ["BIPOLAR", "BINARY", "BINARY bipolar"])
def test_finn_nodes(names, kind, tmp_path):
    """Counts of agreeing bits, whichever way bits are written, and thresholds of integers on them."""
    g = np.random.default_rng(4)
    product, thresholds, fifo = names
    bipolar = kind == "BIPOLAR"
    low, out = (-1, "BIPOLAR") if bipolar else (0, "BINARY")
    bits = [g.random(s) < 0.5 for s in ((20, 12), (12, 4))]
    t = g.integers(7, 14, 12)
    m = onnx_networks.Maker()
    domain = f"{FINN}.rtl" if "rtl" in product else FINN
    x = m.n(thresholds, ["x", m.c(np.full((20, 1), 128, F))], FINN, NumChannels=20, outputDataType=out, ActVal=0, numInputVectors=[1])
    x = m.n(fifo, [x], domain)
    weights = [m.c(np.where(b, F(1), F(low if kind != "BINARY bipolar" else -1))) for b in bits]
    types = {"inputDataType": out, "weightDataType": "BIPOLAR" if kind != "BINARY" else out}
    xnor = {"binaryXnorMode": int(kind == "BINARY")}
    # A plain product of 0 and 1 by -1 and +1 is the count of agreeing bits less the number of weights -1.
    start = (~bits[0]).sum(axis=0) if kind == "BINARY bipolar" else 0
    limits = m.c((t - start).astype(F)[:, None])
    h = m.n(product, [x, weights[0], limits], domain, MW=20, MH=12, noActivation=0, outputDataType=out, ActVal=0, **types, **xnor)
    y = m.n(product, [h, weights[1]], domain, MW=12, MH=4, noActivation=1, outputDataType="UINT8", **types, **xnor)
    model = m.model(["N", 20], m.n("LabelSelect_Batch", [y], FINN, Labels=4, K=1), onnx.TensorProto.INT64)
    network = import_network(save(model, tmp_path / "n.onnx"), coding="byte").network
    images = g.integers(0, 256, (200, 20), dtype=np.uint8)
    hidden = ((images >= 128)[:, :, None] == bits[0]).sum(axis=1) >= t
    np.testing.assert_array_equal(golden.layer_outputs(network, images)[0], hidden)
    counts = (hidden[:, :, None] == bits[1]).sum(axis=1)
    if kind == "BINARY bipolar":
        counts = counts - (~bits[1]).sum(axis=0)  # 0 * -1 counts nothing
    np.testing.assert_array_equal(golden.predict(network, images), counts.argmax(axis=1))


def test_finn_nodes_around_the_layers(tmp_path):
    """Reshape with its shape as an attribute, streams that are repeated, and a number a class added and multiplied."""
    g = np.random.default_rng(4)
    bits = [g.random(s) < 0.5 for s in ((20, 12), (12, 4))]
    scale, offset = g.uniform(1, 2, 4).astype(F), g.integers(-9, 9, 4).astype(F)
    m = onnx_networks.Maker()
    x = m.n("Reshape", ["x"], FINN, inp_shape=[1, 4, 5], out_shape=[1, 20], backend="fpgadataflow")
    x = m.n("Thresholding", [x, m.c(np.full((20, 1), 128, F))], FINN, outputDataType="BIPOLAR", numInputVectors=[1])
    for k, w in enumerate(bits):
        x = m.n("MVAU", [x, m.c(np.where(w, F(1), F(-1)))], FINN, noActivation=1)
        x = m.n("DuplicateStreams_hls", [x], f"{FINN}.hls")
        if not k:
            x = m.n("Thresholding_rtl", [x, m.c(np.zeros((12, 1), F))], f"{FINN}.rtl", outputDataType="BIPOLAR", numInputVectors=[1])
    x = m.n("ChannelwiseOp_hls", [x, m.c(scale[:, None])], f"{FINN}.hls", Func="mul")
    x = m.n("ChannelwiseOp", [x, m.c(offset[:, None])], FINN, Func="add")
    network = import_network(save(m.model([1, 4, 5], x), tmp_path / "n.onnx"), coding="byte").network
    images = g.integers(0, 256, (300, 20), dtype=np.uint8)
    z = np.where(images >= 128, 1, -1)
    for w in bits:
        z = np.where(z >= 0, 1, -1) @ np.where(w, 1, -1)
    np.testing.assert_array_equal(golden.predict(network, images), (z * scale + offset).argmax(axis=1))


def test_finn_nodes_refused(tmp_path):
    m = onnx_networks.Maker()
    x = m.n("VVAU_hls", ["x", m.c(np.ones((4, 1), F))], f"{FINN}.hls")
    x = m.n("StreamingDataflowPartition", [x], FINN, model="/tmp/build/partition_2.onnx")
    x = m.n("MVAU", [x], FINN, noActivation=1)
    x = m.n("ChannelwiseOp", [x, m.c(np.ones((4, 1), F))], FINN, Func="cmp_le")
    x = m.n("AddStreams_hls", [x, "x"], f"{FINN}.hls")
    lines = refused(save(m.model(["N", 4], x), tmp_path / "n.onnx")).split("\n")
    assert lines == [
        "5 nodes cannot be imported",
        ("  - VVAU_hls 'n_VVAU_hls_0': this hardware node of FINN is no part of a plain network of thresholds: give the model from before"
        " FINN's conversion to hardware, or the export of Brevitas"),
        "  - StreamingDataflowPartition 'n_StreamingDataflowPartition_1': it holds its network in a file of its own, 'partition_2.onnx': give that",
        "  - MVAU 'n_MVAU_2': it must have 2 inputs, not 1",
        "  - ChannelwiseOp 'n_ChannelwiseOp_3': its Func must be add or mul, not cmp_le",
        "  - Add 'n_AddStreams_hls_4': it joins MVAU 'n_MVAU_2' and input 'x': only chains of layers are supported",
    ]
