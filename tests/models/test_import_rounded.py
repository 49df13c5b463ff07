"""Float weights of the last layer, rounded to integers: every output within its bound, which is reached."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding import check as checking
from oxnor.models.exchange.folding.build import build
from oxnor.models.exchange.folding.graph import Graph, Node
from oxnor.models.exchange.import_network import import_network

F = np.float32
NORM = ("gamma", "beta", "mean", "variance")


def network(g, n=10, classes=4, planes=0, norm=True, bits=8, after=()):
    """Return a network whose last layer takes n inputs: the bits that come, or levels of a hidden layer."""
    nodes = [Node("s", "BipolarQuant", ("x", "one"), ("h",))]
    constants = {"one": F(1), "w": g.normal(0, 0.3, (n, classes)).astype(F), "bias": g.normal(0, 1, classes).astype(F)}
    if planes:
        constants |= {"w0": np.where(g.random((20, n)) < 0.5, F(1), F(-1)), "t": np.sort(g.normal(0, 4, (n, 2**planes - 1)), axis=1)}
        nodes += [Node("m0", "MatMul", ("h", "w0"), ("z0",)), Node("q", "MultiThreshold", ("z0", "t"), ("h1",), {"out_scale": 0.5})]
    nodes.append(Node("m1", "Gemm", (nodes[-1].outputs[0], "w", "bias"), ("y0",)))
    if norm:
        constants |= {name: g.uniform(0.5, 2, classes).astype(F) * g.choice([-1, 1]) ** (name != "variance") for name in NORM}
        nodes.append(Node("n", "BatchNormalization", ("y0", *NORM), ("y1",)))
    for k, op in enumerate(after):
        nodes.append(Node(f"a{k}", op, nodes[-1].outputs[:1], (f"a{k}",)))
    return Graph(tuple(nodes), constants, "x", (None, 20 if planes else n), nodes[-1].outputs, "bipolar", last_layer_bits=bits)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("bits", [2, 3, 8])
def test_the_bound_is_the_largest_error(bits, norm):
    """Of all 1,024 inputs: no more than the bound, which is reached by one of them at each class."""
    graph = network(np.random.default_rng(bits), norm=norm, bits=bits)
    built = build(graph)
    images = np.array(list(itertools.product((0, 255), repeat=10)), np.uint8)
    found = checking.compare(built, graph, images, checking.own_source(built, graph))
    y = checking.own_source(built, graph)(checking.source_inputs(built, graph, images)).astype(float)
    error = np.abs(built.rounded.outputs(golden.layer_outputs(built.network, images)[-1]) - y)
    unit = built.rounded.unit
    assert (error <= built.rounded.bound + built.rounded.slack).all()
    # Biases are rounded too, whichever way the largest error of the sums then goes.
    assert (error.max(axis=0) >= built.rounded.bound - unit * 1.01).all()
    assert built.rounded.slack.max() < 0.01 * unit
    same = y.argmax(axis=1) == golden.predict(built.network, images)
    assert (found["differ"], found["other_class"]) == (0, np.count_nonzero(~same))
    assert 0 < found["proved"] < np.count_nonzero(same) if bits == 8 else found["other_class"] > 0
    last = built.network.layers[-1]
    assert (last.weight_code.top, set(last.scales)) == (2**bits - 2, {1})
    np.testing.assert_array_equal(built.output.stage.weights, graph.constants["w"].T > 0)


@pytest.mark.parametrize("options", [
    {"planes": 1}, {"planes": 3}, {"planes": 2, "classes": 1}, {"classes": 1, "norm": False}, {"after": ("Sigmoid", "Softmax")},
    {"classes": 2, "after": ("Neg",)},
], ids=str)  # fmt: skip
def test_networks(options):
    graph = network(np.random.default_rng(5), **options)
    built = build(graph)
    images = checking.random_images(graph.input_shape[1], 400)
    found = checking.compare(built, graph, images, checking.own_source(built, graph))
    assert (found["differ"], found["rounding"]) == (0, 0)
    assert found["other_class"] <= 400 - found["proved"] < 200
    assert (built.layers[-1]["weights"], built.layers[-1]["rounding"]) == ("float, rounded to -127 to +127", 0)
    (note,) = (text for text in built.notes if "float weights rounded" in text)
    assert ("(class " in note) == (options.get("classes", 4) > 1)


def test_a_score_out_of_its_bound_is_found():
    graph = network(np.random.default_rng(5), planes=1)
    built = build(graph)
    images = checking.random_images(20, 400)
    last = built.network.layers[-1]
    wrong = last.weights.copy()
    wrong[0, :8] = ~wrong[0, :8]  # one weight of 80
    damaged = replace(built, network=replace(built.network, layers=(*built.network.layers[:-1], last.with_weights(wrong))))
    assert checking.compare(damaged, graph, images, checking.own_source(built, graph))["differ"] > 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("is_rounded", [False, True])
def test_outputs_that_are_no_numbers_are_out_of_bounds(is_rounded, value):
    """Also where the class of the image stays the same, or is not proved."""
    graph = network(np.random.default_rng(5), norm=False, bits=2)
    graph.constants["w"][:] = graph.constants["w"] if is_rounded else np.sign(graph.constants["w"])
    built, images = build(graph), checking.random_images(10, 50)
    y = checking.own_source(built, graph)(checking.source_inputs(built, graph, images))
    for k, row in enumerate(y):
        row[row.argmax() if k % 2 else row.argmin()] = value
    assert checking.compare(built, graph, images, lambda _: y)["differ"] == 50


@pytest.mark.parametrize("change", [
    {}, {"w": {0: 3e38}}, {"w": dict.fromkeys(range(0, 24, 4), 0), "bias": {0: 8e4 / 3}}, {"bias": {0: -1e13}}, {"bias": {2: 1e12}},
], ids=str)  # fmt: skip
def test_the_bound_holds_in_exact_arithmetic(change):
    """Of all 64 inputs, in fractions: the error of every output, and the class where it is proved; also of values far apart."""
    graph = network(np.random.default_rng(2), n=6, norm=False, bits=6)
    for name, values in change.items():
        for k, v in values.items():
            graph.constants[name].flat[k] = v
    built = build(graph)
    images = np.array(list(itertools.product((0, 255), repeat=6)), np.uint8)
    scores, rounded = golden.layer_outputs(built.network, images)[-1], built.rounded
    weights, bias = ([[Fraction(float(v)) for v in row] for row in np.atleast_2d(graph.constants[k].T)] for k in ("w", "bias"))
    lowest, unit = Fraction(rounded.lowest), Fraction(rounded.unit)
    same = rounded.proved(rounded.outputs(scores))
    for image, given, is_proved in zip(images, scores, same, strict=True):
        y = [b + sum(v if x else -v for v, x in zip(row, image, strict=True)) for row, b in zip(weights, bias[0], strict=True)]
        assert all(abs(v - lowest - unit * (int(p) - rounded.half)) <= Fraction(far) for v, p, far in zip(y, given, rounded.far, strict=True))
        assert not is_proved or y.index(max(y)) == given.argmax()
    assert same.any()
    assert checking.compare(built, graph, images, checking.own_source(built, graph))["differ"] == 0


def test_the_threshold_of_one_output_is_a_popcount():
    """However large its bias: no wider than one more than the largest."""
    graph = network(np.random.default_rng(5), classes=1, norm=False)
    for bias, limit in ((-1e9, 10 * 254 + 1), (1e9, 0)):
        graph.constants["bias"][:] = bias
        built = build(graph)
        assert built.network.layers[-1].offsets.tolist() == [2 * limit - 1, 0]
        assert "(class" not in built.notes[0]
        assert golden.predict(built.network, np.zeros((1, 10), np.uint8)).tolist() == [bias > 0]


def stepped(w, op):
    """Return a network of the weights (n, m), whose outputs an operator takes."""
    graph = network(np.random.default_rng(5), n=len(w), classes=w.shape[1], norm=False, bits=2, after=(op,))
    graph.constants.update(w=w.astype(F), bias=np.zeros(w.shape[1], F))
    return graph


def scaled(name, factor, **options):
    """Return a network with one of its constants multiplied."""
    graph = network(np.random.default_rng(5), **options)
    graph.constants[name] *= F(factor)
    return graph


AFFINE = "must be affine in its sums, with one scale and offset a class, to be rounded: leave out the activation behind it"
DEPEND, SCORES = "must depend on its inputs", "the output must be scores, not one bit a class"


@pytest.mark.parametrize(("graph", "reason"), [
    (network(np.random.default_rng(5), after=("Relu",)), AFFINE),
    (network(np.random.default_rng(5), after=("Sign",)), SCORES),
    (network(np.random.default_rng(5), classes=1, after=("Sign",)), SCORES),
    (scaled("gamma", 0, classes=1), DEPEND),
    (scaled("gamma", 0), DEPEND),
    (scaled("bias", 1e30, norm=False), DEPEND),
    (scaled("w", 1e-14, norm=False), "the biases of the last layer must be smaller beside its weights"),
    # A sum of 128 at most: whole where 257 even steps look.
    (stepped(np.array([[100.25, 27.75], [27.75, 100.25]]), "Floor"), AFFINE),
    (network(np.random.default_rng(5), n=8193, classes=1), "weights of a class must be at most 65,536 bits, not 65,544"),
], ids=["relu", "sign", "one sign", "one constant", "constant", "large bias", "small weights", "floor", "wide"])  # fmt: skip
def test_what_is_no_score_of_its_sum(graph, reason):
    with pytest.raises(InputError, match=reason):
        build(graph)


def test_one_class_that_is_no_score_of_its_sum():
    """Beside a large class too: Relu cuts off what is 1e-9 of the largest output."""
    graph = network(np.random.default_rng(5), norm=False, after=("Relu",))
    graph.constants["w"] *= F(1e-3)
    graph.constants["bias"][:] = [1e9, 1, 1, 0]
    with pytest.raises(InputError, match=AFFINE):
        build(graph)


def test_convolutions_are_not_rounded():
    g = np.random.default_rng(5)
    nodes = (Node("s", "BipolarQuant", ("x", "one"), ("h",)), Node("c", "Conv", ("h", "w"), ("y",)))
    graph = Graph(nodes, {"one": F(1), "w": g.normal(0, 1, (3, 1, 4, 4)).astype(F)}, "x", (None, 1, 4, 4), ("y",), "bipolar", last_layer_bits=8)
    with pytest.raises(InputError, match=r"; `last_layer_bits` rounds dense layers only$"):
        build(graph)


def test_integers_stay_as_they_are():
    graph = network(np.random.default_rng(5), norm=False)
    graph.constants["w"][:] = np.rint(graph.constants["w"] * 9)
    built = build(graph)
    assert built.rounded is None
    assert built.layers[-1]["n_in"] == 10
    assert "the weights of the last layer are integers: nothing is rounded" in built.notes


def test_files(tmp_path):
    """Arrays and a state dict of the same network: the same integers; refused unless asked for, and of NIR and 9 bits."""
    torch = pytest.importorskip("torch")
    g = np.random.default_rng(6)
    w0, w1, bias = np.where(g.random((12, 20)) < 0.5, F(1), F(-1)), g.normal(0, 1, (3, 12)).astype(F), g.normal(0, 3, 3).astype(F)
    np.savez(tmp_path / "n.npz", w0=w0, t0=np.full(12, 10), w1=w1, offsets=bias)
    torch.save({name: torch.tensor(v) for name, v in {"0.weight": w0, "1.weight": w1, "1.bias": bias}.items()}, tmp_path / "n.pt")
    results = [import_network(tmp_path / f"n.{k}", last_layer_bits=np.int64(6), coding="bipolar" if k == "pt" else None) for k in ("npz", "pt")]
    assert results[0].network.digest == results[1].network.digest
    for result in results:
        rounded = result.report["rounded"]
        assert (rounded["bits"], len(rounded["bounds"])) == (6, 3)
        kept = result.network.info["imported"]
        assert kept["rounded"] == {"bits": 6, "unit": rounded["unit"], "bound": max(rounded["bounds"])}
        assert f"an output is off by at most {max(rounded['bounds']):.4g}" in kept["layers"]["1"]
        assert result.report["outputs"][0]["proved"] > 500
        assert result.ok
    for options, reason in (({}, "`last_layer_bits` round"), ({"last_layer_bits": 9}, r"^last_layer_bits must be an integer in \[2, 8\], not 9$")):
        for k in ("npz", "pt"):
            with pytest.raises(InputError, match=reason):
                import_network(tmp_path / f"n.{k}", **options)


def test_all_layers_that_are_too_large_are_named():
    """Not only the first: what a quantiser's bits and the weights say is known of those behind it too."""
    g = np.random.default_rng(7)
    quant, nodes, here = ("step", "zero", "four"), [], "x"
    constants = {name: np.array(v, F) for name, v in {"step": 1, "zero": 0, "four": 4, "eight": 8}.items()}
    for k, (n, m) in enumerate(((80, 80), (80, 60), (60, 10), (10, 900))):
        constants[f"w{k}"] = g.integers(-127, 128, (n, m)).astype(F)
        nodes += [Node(f"q{k}", "Quant", (here, *(quant if k else ("step", "zero", "eight"))), (f"b{k}",), {"signed": 0}),
                  Node(f"m{k}", "MatMul", (f"b{k}", f"w{k}"), (f"z{k}",))]
        here = f"z{k}"
    with pytest.raises(InputError) as caught:
        build(Graph(tuple(nodes), constants, "x", (None, 80), (here,), "byte"))
    sentence = "a layer must have at most 17,000,000 pairs of neuron and popcount, not"
    assert str(caught.value).split("\n  - ") == [
        "3 nodes cannot be imported", f"MatMul 'm0': {sentence} {80 * (80 * 254 * 255 + 1):,}",
        f"MatMul 'm1': {sentence} {60 * (80 * 254 * 15 + 1):,}", f"MatMul 'm3': {sentence} {900 * (10 * 254 * 15 + 1):,}",
    ]
