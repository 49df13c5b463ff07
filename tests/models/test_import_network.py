"""Other people's networks: every way to write one, against other implementations of the source."""

import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason='importing ONNX needs the package onnx: pip install -e ".[import]"')

from helpers import onnx_networks  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

from oxnor.models import golden  # noqa: E402
from oxnor.models.base.errors import InputError  # noqa: E402
from oxnor.models.exchange.folding import check as checking  # noqa: E402
from oxnor.models.exchange.folding.build import build  # noqa: E402
from oxnor.models.exchange.folding.inputs import levels  # noqa: E402
from oxnor.models.exchange.import_network import import_network  # noqa: E402
from oxnor.models.exchange.qonnx import export_qonnx, to_model  # noqa: E402
from oxnor.models.exchange.readers.onnx_file import from_model  # noqa: E402
from oxnor.models.networks.input_rule import InputRule  # noqa: E402

F = np.float32
FIXTURES = Path(__file__).parents[1] / "fixtures"
CASES = onnx_networks.cases()


def save(model, path):
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_way_to_write_it(case, tmp_path):
    imported = import_network(save(onnx_networks.network(seed=len(str(case)), **case), tmp_path / "n.onnx"))
    assert imported.ok
    assert imported.report["thresholds"]["differ"] == 0
    shape = imported.network.shape
    pairs = sum((a + 1) * b for a, b in zip(case.get("sizes", shape)[:-1], case.get("sizes", shape)[1:], strict=True))
    assert imported.report["thresholds"]["checked"] == pairs
    assert [c["by"] for c in imported.report["outputs"]] == ["float32", "reference evaluator"]
    assert [c["images"] for c in imported.report["outputs"]] == [1000, 16]


QONNX_CASES = {
    name: CASES[name]
    for name in (
        "domain onnx.brevitas", "domain finn.custom_op.general", "domain qonnx.custom_op.general", "act Quant", "act IntQuant",
        "act Quant 0/1", "act MultiThreshold", "weights one scale a neuron", "input 8 bits", "out bias",
    )
}


@pytest.mark.filterwarnings("ignore:Some old-style domain")
@pytest.mark.parametrize("case", QONNX_CASES.values(), ids=QONNX_CASES)
def test_against_qonnx(case, tmp_path):
    """The executor of the package qonnx, which runs ONNX operators in onnxruntime."""
    execution = pytest.importorskip("qonnx.core.onnx_exec", reason="needs the package qonnx")
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    model = onnx_networks.network(seed=5, batch=1, **case)
    built = build(from_model(model))
    images = checking.random_images(20, 12)
    x = checking.source_inputs(built, from_model(model), images)
    classes = golden.predict(built.network, images)
    wrapped = ModelWrapper(model).transform(InferShapes())
    for row, expected in zip(x, classes, strict=True):
        feed = {wrapped.graph.input[0].name: row[None].astype(F)}
        (y,) = execution.execute_onnx(wrapped, feed).values()
        assert np.argmax(y) == expected


def test_mutation_is_found():
    """A weight, a threshold or an offset that is wrong is seen in the comparison; so is a wrong source."""
    graph = from_model(onnx_networks.network(seed=3, out="bias"))
    built = build(graph)
    source, images = checking.own_source(built, graph), checking.random_images(20, 400)
    assert checking.compare(built, graph, images, source)["differ"] == 0
    weights = built.network.layers[0].weights.copy()
    weights[2, 3] ^= True
    thresholds = built.network.layers[1].thresholds + 1
    layers = built.network.layers
    for wrong in (
        built.network.with_weights({0: weights}),
        replace(built.network, layers=(layers[0], replace(layers[1], thresholds=np.minimum(thresholds, 17)), layers[2])),
        replace(built.network, layers=(*layers[:2], replace(layers[2], offsets=layers[2].offsets[::-1].copy()))),
    ):
        assert checking.compare(replace(built, network=wrong), graph, images, source)["differ"] > 0
    assert checking.compare(built, graph, images, lambda x: source(x) + F(0.01))["differ"] == 400


def test_wrong_threshold_is_found(monkeypatch):
    """The proof at every popcount, seen failing."""
    from oxnor.models.exchange.folding.levels import Levels

    right = Levels.thresholds
    monkeypatch.setattr(Levels, "thresholds", lambda self: right(self) + (np.arange(len(self.step)) == 3))
    with pytest.raises(InputError) as caught:
        build(from_model(onnx_networks.network(seed=3)))
    assert str(caught.value).startswith("1 node cannot be imported\n  - MatMul 'n_MatMul_")
    assert str(caught.value).endswith(": 1 of 336 popcounts must give the source's level, and do not")


@pytest.mark.parametrize("where", ["Div", "MatMul"])
def test_number_of_images_is_no_number_of_the_network(where):
    """A batch size that leaks from Shape into arithmetic would be another number in every run."""
    m = onnx_networks.Maker(opset=17)
    batch = m.n("Cast", [m.n("Gather", [m.n("Shape", ["x"]), m.c(np.array(0))], axis=0)], to=1)
    x, scale = (m.n("Div", ["x", batch]), m.c(F(1))) if where == "Div" else ("x", batch)
    w = m.n("BipolarQuant", [m.c(W), scale], m.domain)
    model = m.model(["N", 4], m.n("MatMul", [m.n("BipolarQuant", [x, m.c(F(1))], m.domain), w]))
    with pytest.raises(InputError, match=rf"{where} 'n_{where}_\d+': it computes with the number of images"):
        build(from_model(model))


@pytest.mark.parametrize("flag", ["signed", "narrow"])
def test_flags_of_a_quantiser_are_0_or_1(flag):
    m = onnx_networks.Maker()
    x = m.n("Quant", ["x", m.c(F(1)), m.c(F(0)), m.c(F(1))], m.domain, **{flag: 255})
    model = m.model(["N", 4], m.n("MatMul", [x, m.c(W)]))
    with pytest.raises(InputError, match=rf"Quant 'n_Quant_\d+': {flag} must be 0 or 1, not 255"):
        build(from_model(model))


@pytest.mark.parametrize("n_in", [4, 5])
@pytest.mark.parametrize(("op", "at_zero"), [("BipolarQuant", 1), ("Greater", 0), ("GreaterOrEqual", 1), ("Sign", None)])
def test_equality_is_the_operators_own(n_in, op, at_zero):
    """z = 0 exists for even n_in only; Sign gives 0 there, which is no bit."""
    m = onnx_networks.Maker()
    x = m.n("BipolarQuant", ["x", m.c(F(1))], m.domain)
    z = m.n("MatMul", [x, m.c(np.ones((n_in, 1), F))])
    one, zero = m.c(F(1)), m.c(F(0))
    if op == "BipolarQuant":
        y = m.n(op, [z, one], m.domain)
    elif op == "Sign":
        y = m.n(op, [z])
    else:
        y = m.n("Where", [m.n(op, [z, zero]), one, m.c(F(-1))])
    graph = from_model(m.model(["N", n_in], m.n("MatMul", [y, m.c(np.array([[1, -1]], F))])))
    if n_in % 2 == 0 and at_zero is None:
        built = build(graph, "bipolar")  # three levels are two bit planes, of which one threshold is never reached
        assert built.network.layers[0].thresholds.tolist() == [[n_in // 2, n_in // 2 + 1, n_in + 1]]
        assert any("gives 0 for 0" in note for note in built.notes)
        return
    threshold = build(graph, "bipolar").network.layers[0].thresholds[0]
    assert threshold == n_in // 2 + (n_in % 2 == 1 or not at_zero)


@pytest.mark.parametrize(("coding", "threshold"), [
    ({"input": "2x-1"}, 128), ({"input": "/255"}, 128), ({"input": "mean and std"}, 34), ({"input": "plain"}, 128),
    ({"input": "MultiThreshold"}, 128),
])
def test_input_threshold(coding, threshold):
    built = build(from_model(onnx_networks.network(**coding)))
    assert built.network.input_rule.to_json() == threshold
    assert built.assumed


def test_given_coding_decides():
    graph = from_model(onnx_networks.network(input="plain"))
    assert build(graph, "0.25,0.5").network.input_rule.to_json() == 64
    assert build(graph, "bipolar").network.input_rule.to_json() == 128
    with pytest.raises(InputError) as caught:
        build(graph, "unit")
    assert str(caught.value) == (
        "1 node cannot be imported\n  - MatMul 'n_MatMul_2': the input must become bits of both values, and never changes: see `coding`"
    )
    with pytest.raises(InputError, match="input coding must be one of unit, byte, signed, bipolar, binary, or MEAN,STD"):
        levels("grey")


REFUSED = {
    "ten bits": (lambda: _ten_bits(), [
        ("MatMul 'm0': weights of Quant 'w0', 10 bits must be whole numbers, at most 128, times one unit a neuron, and have"
         " 31 values: train with weights of 1 to 8 bits"),
        ("MatMul 'm1': weights of Quant 'w1', 10 bits must be whole numbers, at most 128, times one unit a neuron, and have"
         " 87 values: train with weights of 1 to 8 bits, or let `last_layer_bits` round them, as this is the last layer"),
    ]),
    "convolution": (lambda: _convolution(), [
        "Conv 'conv': its input must be feature maps, with 3 or 4 dimensions, not 2",
        "LayerNormalization 'ln': it mixes neurons, so no threshold can stand for it: use batch normalisation",
        "Gelu 'act': the operator is not supported",
        ("MatMul 'm': takes activations of Gelu 'act', which are more than two values: activations of 1 to 8 bits in even steps are"
         " supported: train with such a quantiser"),
    ]),
    "float weights": (lambda: _float_weights(), [
        ("MatMul 'm': weights must be whole numbers, at most 128, times one unit a neuron, and have 12 values: export them through their quantiser"
        " (Quant), or train with weights of 1 to 8 bits, or let `last_layer_bits` round them, as this is the last layer"),
    ]),
    "no sign between": (lambda: _linear(), [
        "MatMul 'm1': takes sums of MatMul 'm0' that no sign has made bits: put a sign (BipolarQuant) between them",
    ]),
    "skip connection": (lambda: _skip(), [
        "Add 'add': it joins MatMul 'm0' and MatMul 'm1': only chains of layers are supported",
    ]),
    "training mode": (lambda: _training(), [
        "BatchNormalization 'bn': it is in training mode: export the network in evaluation mode (model.eval())",
    ]),
    "foreign domain": (lambda: _chain(["x", "y", {"op_type": "FusedMatMul", "domain": "com.example", "name": "f"}]), [
        ("FusedMatMul 'f': operator domain must be one of ai.onnx, finn, finn.custom_op.general, onnx.brevitas,"
         " qonnx.custom_op.channels_last, qonnx.custom_op.general, not 'com.example'"),
    ]),
    "bits at the end": (lambda: _bits_at_the_end(), None),
}


def _graph(nodes, init, n_in=4):
    inits = [numpy_helper.from_array(np.asarray(v), k) for k, v in init.items()]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", 1, ["N", n_in])],
                              [helper.make_tensor_value_info(nodes[-1].output[0], 1, None)], inits)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("qonnx.custom_op.general", 1)])


def _node(op, inputs, output, name, **attrs):
    domain = "qonnx.custom_op.general" if op in ("BipolarQuant", "Quant") else ""
    return helper.make_node(op, inputs, [output], name=name, domain=domain, **attrs)


W = np.where(np.arange(12).reshape(4, 3) % 2, F(1), F(-1))
ONE = {"one": F(1)}


def _ten_bits():
    g = np.random.default_rng(1)
    q = {"zero": F(0), "four": F(4), "ten": F(10), "small": F(0.005)}
    quant = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}
    return _graph([
        _node("BipolarQuant", ["x", "one"], "b", "b"), _node("Quant", ["W0", "small", "zero", "ten"], "w0", "w0", **quant),
        _node("MatMul", ["b", "w0"], "z0", "m0"), _node("Quant", ["z0", "one", "zero", "four"], "a0", "q0", **quant),
        _node("Quant", ["W1", "small", "zero", "ten"], "w1", "w1", **quant), _node("MatMul", ["a0", "w1"], "y", "m1"),
    ], ONE | q | {"W0": g.normal(size=(4, 8)).astype(F), "W1": g.normal(size=(8, 12)).astype(F)})


def _convolution():
    nodes = [_node("Conv", ["x", "k"], "a", "conv"), _node("MaxPool", ["a"], "b", "pool", kernel_shape=[2]),
             _node("LayerNormalization", ["b", "one"], "c", "ln"), _node("Gelu", ["c"], "d", "act"), _node("MatMul", ["d", "W"], "y", "m")]
    return _graph(nodes, ONE | {"k": np.ones((1, 1, 1), F), "W": W})


def _float_weights():
    w = np.cbrt(np.linspace(-1, 1.2, 12, dtype=F)).reshape(4, 3)
    return _graph([_node("BipolarQuant", ["x", "one"], "b", "b"), _node("MatMul", ["b", "W"], "y", "m")], ONE | {"W": w})


def _linear():
    w = np.ones((12, 2), F)
    return _graph([_node("BipolarQuant", ["x", "one"], "b", "b"), _node("MatMul", ["b", "V"], "z", "m0"), _node("MatMul", ["z", "W"], "y", "m1")],
                  ONE | {"V": np.ones((12, 12), F), "W": w}, n_in=12)


def _skip():
    nodes = [_node("BipolarQuant", ["x", "one"], "b", "b"), _node("MatMul", ["b", "V"], "z0", "m0"),
             _node("BipolarQuant", ["z0", "one"], "a0", "s0"), _node("MatMul", ["a0", "V"], "z1", "m1"),
             _node("BipolarQuant", ["z1", "one"], "a1", "s1"), _node("Add", ["a1", "a0"], "s", "add"), _node("MatMul", ["s", "V"], "y", "m2")]
    return _graph(nodes, ONE | {"V": np.ones((4, 4), F)})


def _training():
    nodes = [_node("BipolarQuant", ["x", "one"], "b", "b"), _node("MatMul", ["b", "W"], "z", "m"),
             _node("BatchNormalization", ["z", "o", "o", "o", "o"], "y", "bn", training_mode=1)]
    return _graph(nodes, ONE | {"W": W, "o": np.ones(3, F)})


def _chain(what):
    _, output, node = what
    return _graph([helper.make_node(node["op_type"], ["x"], [output], name=node["name"], domain=node["domain"])], {})


def _bits_at_the_end():
    nodes = [_node("BipolarQuant", ["x", "one"], "b", "b"), _node("MatMul", ["b", "W"], "z", "m"), _node("BipolarQuant", ["z", "one"], "y", "s")]
    return _graph(nodes, ONE | {"W": W})


@pytest.mark.parametrize(("make", "problems"), REFUSED.values(), ids=REFUSED)
def test_refused_with_every_node(make, problems, tmp_path):
    path = save(make(), tmp_path / "n.onnx")
    with pytest.raises(InputError) as caught:
        import_network(path)
    if problems is None:
        assert str(caught.value) == f"{path}: the output must be scores, not one bit a class: leave the last sign out"
        return
    head = f"{path}: {len(problems)} node{'s' * (len(problems) != 1)} cannot be imported"
    assert sorted(str(caught.value).split("\n")) == sorted([head, *(f"  - {p}" for p in problems)])


def test_multi_bit_quantisers_are_kept_where_a_sign_follows():
    """Eight bits of the input, then a sign: the network is binary, and is taken."""
    assert build(from_model(onnx_networks.network(input="8 bits"))).network.input_rule.to_json() == 128


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("shape", [(37, 13, 5), (64, 1, 2), (9, 3)])
def test_round_trip(shape, affine, random_network, tmp_path):
    network = replace(random_network(shape, affine=affine), input_rule=77)
    written = export_qonnx(network, tmp_path / "n.onnx")
    assert written["bytes"] == (tmp_path / "n.onnx").stat().st_size
    imported = import_network(tmp_path / "n.onnx")
    assert imported.ok
    assert imported.network.digest == network.digest == written["digest"]
    onnx.checker.check_model(onnx.load(tmp_path / "n.onnx"))


def test_round_trip_of_large_scores(random_network, tmp_path):
    network = random_network((37, 13, 5), affine=True)
    last = replace(network.layers[-1], scales=network.layers[-1].scales * (1 << 26), offsets=network.layers[-1].offsets * (1 << 40))
    network = replace(network, layers=(*network.layers[:-1], last))
    export_qonnx(network, tmp_path / "n.onnx")
    assert import_network(tmp_path / "n.onnx").network.digest == network.digest


def test_exported_model_in_onnxruntime(random_network):
    """Our export gives the golden scores in another tool (qonnx and onnxruntime)."""
    execution = pytest.importorskip("qonnx.core.onnx_exec", reason="needs the package qonnx")
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    network = random_network((37, 13, 5), affine=True)
    model = to_model(network)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    model = ModelWrapper(model).transform(InferShapes())
    images = checking.random_images(37, 8)
    y = np.concatenate([execution.execute_onnx(model, {"pixels": row[None].astype(F)})["scores"] for row in images])
    np.testing.assert_array_equal(y, golden.scores(network, images))


def test_provenance_is_in_the_header(tmp_path):
    path = tmp_path / "theirs.onnx"
    with gzip.open(FIXTURES / "brevitas_tfc_1w1a.onnx.gz") as source, path.open("wb") as to:
        shutil.copyfileobj(source, to)
    imported = import_network(path)
    assert imported.ok
    assert imported.network.shape == (784, 64, 64, 64, 10)
    assert imported.network.name == "theirs"
    info = imported.network.info["imported"]
    assert info["source"]["file"] == "theirs.onnx"
    assert len(info["source"]["sha256"]) == 64
    assert info["layers"]["0"] == (
        "Gemm 'node_linear': Gemm, BatchNormalization, BipolarQuant; weights -1, +1; 50,240 popcounts checked"
    )
    assert [c["on"] for c in imported.report["outputs"]] == ["random images", "random images", "MNIST test images"]


def test_rounding_is_reported_not_hidden():
    """Sums of +-0.1 are not exact in float32: where their sign decides at 0, the source's order of adding does."""
    g = np.random.default_rng(2)
    w = np.where(g.normal(size=(20, 8)) > 0, F(0.1), F(-0.1))
    nodes = [_node("BipolarQuant", ["x", "one"], "b", "b"), _node("MatMul", ["b", "V"], "z", "m0"),
             _node("BipolarQuant", ["z", "one"], "a", "s"), _node("MatMul", ["a", "W"], "y", "m1")]
    graph = from_model(_graph(nodes, ONE | {"V": w, "W": np.where(g.normal(size=(8, 3)) > 0, F(1), F(-1))}, n_in=20))
    built = build(graph)
    assert built.layers[0]["rounding"] == 8  # popcount 10 of 20, of each neuron
    assert (built.network.layers[0].thresholds == 10).all()  # as exact arithmetic has it
    images = checking.random_images(20, 1000)
    found = checking.compare(built, graph, images, checking.own_source(built, graph))
    assert found["differ"] == 0
    assert found["images"] == 1000


@pytest.mark.parametrize("domain", ["finn", "finn.custom_op.general", "qonnx.custom_op.general"])
def test_xnor_popcount_matmul(domain):
    """Operands of 0 and 1, result the number of agreeing bits, as FINN writes binary layers."""
    g = np.random.default_rng(6)
    m = onnx_networks.Maker(domain)
    x = m.n("MultiThreshold", ["x", m.c(np.full((1, 1), 0.5, F))], domain, out_dtype="BINARY")
    w = [g.integers(0, 2, s).astype(F) for s in ((20, 12), (12, 4))]
    p = m.n("XnorPopcountMatMul", [x, m.c(w[0])], domain)
    t = g.integers(7, 14, 12)
    b = m.n("MultiThreshold", [p, m.c(t[:, None].astype(F))], domain, out_dtype="BINARY")
    graph = from_model(m.model(["N", 20], m.n("XnorPopcountMatMul", [b, m.c(w[1])], domain)))
    network = build(graph).network
    np.testing.assert_array_equal(network.layers[0].thresholds, t)
    for layer, weights in zip(network.layers, w, strict=True):
        np.testing.assert_array_equal(layer.weights, weights.T == 1)


def test_weights_of_0_and_1_are_ternary_elsewhere():
    """A product by 0 and 1 leaves inputs out: it is no XNOR."""
    nodes = [_node("BipolarQuant", ["x", "one"], "b", "b"), _node("Less", ["V", "one"], "w", "w"), _node("Cast", ["w"], "W", "c", to=1),
             _node("MatMul", ["b", "W"], "y", "m")]
    weights = np.arange(12, dtype=F).reshape(4, 3) % 2
    (layer,) = build(from_model(_graph(nodes, ONE | {"V": weights}))).network.layers
    assert np.array_equal(layer.weight_values, 2 * (weights < 1).T)


@pytest.mark.parametrize("rule", [InputRule([[9, 99]]), InputRule.bipolar()], ids=lambda rule: rule.kind)
def test_qonnx_has_thresholds_alone(random_network, rule):
    network = replace(random_network((2, 3, 2)), input_rule=rule)
    with pytest.raises(InputError) as caught:
        to_model(network)
    wanted = f"input_rule must be one threshold an input, or bit planes, for QONNX, not {rule.kind}"
    assert str(caught.value) == f"network 'random': {wanted}"
