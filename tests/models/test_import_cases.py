"""What users brought: files that were imported wrongly, and what is right."""

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="importing ONNX needs the package onnx: pip install 'oxnor[import]'")

from helpers import onnx_networks  # noqa: E402
from helpers.imports import refused, save  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

from oxnor.models import golden  # noqa: E402
from oxnor.models.base.errors import InputError  # noqa: E402
from oxnor.models.base.files import write_npz  # noqa: E402
from oxnor.models.exchange.import_network import import_network  # noqa: E402

F = np.float32
FIXTURES = Path(__file__).parents[1] / "fixtures"


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
