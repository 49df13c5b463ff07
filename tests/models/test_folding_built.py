"""What is said of a network that was built, and its comparison with the source: which differences are found."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnx", reason="importing ONNX needs the package onnx: pip install 'oxnor[import]'")

from helpers.folded import F, axes, bits, conv, flat, last, multi, normed, quant, sign, signs, where
from helpers.onnx_networks import QONNX, Maker

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding import check as checking
from oxnor.models.exchange.folding.build import build
from oxnor.models.exchange.folding.elements import elementwise
from oxnor.models.exchange.folding.graph import Graph, Node
from oxnor.models.exchange.folding.inputs import levels
from oxnor.models.exchange.folding.table import Stage, Table
from oxnor.models.exchange.readers.onnx_file import from_model


def dense(make=None, n=7, act=sign, classes=4, more=None):
    """Return the graph of two products, whose input is made by `make`."""
    m, g = Maker(QONNX, 17), np.random.default_rng(2)
    z = m.n("MatMul", [make(m, "x") if make else "x", m.c(signs(g, n, 5))])
    y = last(m, g, act(m, z), 5, classes)
    return from_model(m.model(["N", n], more(m, y) if more else y))


# What is said


@pytest.mark.parametrize(("make", "coding", "thresholds", "note"), [
    (lambda m, x: sign(m, m.n("Sub", [x, m.c(F(0.3))])), "unit", [77] * 7, "pixel >= 77 is 1"),
    (lambda m, x: sign(m, m.n("Sub", [m.c(F(0.3)), x])), "unit", [77] * 7, "pixel >= 77 is 1"),
    (lambda m, x: sign(m, m.n("Sub", [x, m.c(np.linspace(0.1, 0.9, 7, dtype=F))])), "unit", [26, 60, 94, 128, 162, 196, 230], "each pixel has a threshold, 26 to 230"),
    (lambda m, x: sign(m, m.n("Sub", [x, m.c(F([1, 255, 0, 256, 30, 30, 30]))])), "byte", [1, 255, 0, 256, 30, 30, 30], "each pixel has a threshold, 1 to 255; 2 of 7 bits are constant"),
    (lambda m, x: sign(m, m.n("Sub", [x, m.c(F([100, 100, 0, 256, 100, 100, 100]))])), "byte", [100, 100, 0, 256, 100, 100, 100], "pixel >= 100 is 1; 2 of 7 bits are constant"),
    (lambda m, x: sign(m, m.n("Sub", [x, m.c(F([0.5, 2, -1, -1, 0.5, 0.5, 0.5]))])), "binary", [128, 256, 0, 0, 128, 128, 128], "3 of 7 bits are constant"),
    (lambda m, x: x, "bipolar", [128] * 7, None), (sign, "bipolar", [128] * 7, None),
])  # fmt: skip
def test_words_of_the_input(make, coding, thresholds, note):
    built = build(dense(make), coding)
    found = [text for text in built.notes if text.startswith("input: ")]
    assert found == ([f"input: {note}"] if note else [])
    rule = built.network.input_rule
    images = np.random.default_rng(0).integers(0, 256, (300, 7), dtype=np.uint8)
    images[:256] = np.arange(256)[:, None]
    np.testing.assert_array_equal(golden.binarize(built.network, images), images >= np.array(thresholds))
    assert rule.to_json() in (thresholds, thresholds[0])


@pytest.mark.parametrize(("threshold", "coding", "first"), [
    (0.3, "unit", 77), (1.0, "unit", 255), (100.0, "byte", 100), (-0.5, "signed", 64), (256.0, None, None), (0.3, "signed", 166),
])  # fmt: skip
def test_coding_that_is_found(threshold, coding, first):
    """The first under which the input changes at all: unit, byte, signed."""
    graph = dense(lambda m, x: sign(m, m.n("Sub", [x, m.c(F(threshold))])))
    if coding is None:
        with pytest.raises(InputError, match=r"at some grey level, and does not \(unit: pixel / 255; byte: pixel, 0 to 255; signed: 2 \* pixel / 255 - 1\): see `coding`"):
            build(graph)
        with pytest.raises(InputError, match=r"the input must become bits of both values, and never changes: see `coding`"):
            build(graph, "byte")
        return
    given = coding == "signed" and threshold > 0
    built = build(replace(graph, input_kind=coding) if given else graph)
    assert (built.coding, built.assumed) == (coding, not given)
    text = f"input: pixel >= {first} is 1"
    meanings = {"unit": "pixel / 255", "byte": "pixel, 0 to 255", "signed": "2 * pixel / 255 - 1"}
    assert text + (f", taking the source's input to be {meanings[coding]}" if not given else "") in built.notes


def test_coding_under_which_all_inputs_change():
    """Before one under which only some do."""
    graph = dense(lambda m, x: sign(m, m.n("Sub", [x, m.c(F([0.5, 0.5, 0.5, 2, 3, 4, 5]))])))
    assert build(graph).coding == "byte"
    graph = dense(lambda m, x: sign(m, m.n("Sub", [x, m.c(F([0.5, 0.5, 0.5, 900, 3, 4, 5]))])))
    assert build(graph).coding == "unit"


def test_records_of_layers():
    m, g = Maker(QONNX, 17), np.random.default_rng(2)
    z = m.n("MatMul", ["x", m.c(signs(g, 7, 5) * F([1, 1, 0.5, 2, 1]))])
    z = m.n("Add", [m.n("Mul", [z, m.c(F([1, -1, 1, -1, 1]))]), m.c(F([0.5, 0.5, 9, 0.5, 0.25]))])
    y = m.n("Mul", [last(m, g, sign(m, z), 5), m.c(F(0.1))])
    built = build(from_model(m.model(["N", 7], y)), "bipolar")
    names = [n.label for n in from_model(m.model(["N", 7], y)).nodes if n.op == "MatMul"]
    hidden, final = built.layers
    assert [hidden.pop("node"), final.pop("node")] == names
    assert hidden == {"n_in": 7, "n_out": 5, "weights": "scales 0.5 to 2", "operators": ["MatMul", "Mul", "Add", "BipolarQuant"], "checked": 40,
                      "differ": 0, "rounding": 0, "inverted": 2, "constant": 1}  # fmt: skip
    assert final == {"n_in": 5, "n_out": 4, "weights": "-1, +1", "operators": ["MatMul", "Mul"], "checked": 24, "differ": 0, "rounding": final["rounding"]}
    assert built.masks == (None,)
    assert built.source_shape == (7,)
    assert built.input_order is None
    assert built.order.tolist() == [0, 1, 2, 3]


def test_bits_that_hang_on_rounding():
    """A sum of exactly 0 behind a product that rounds: counted, excused, and no other."""
    m, g = Maker(QONNX, 17), np.random.default_rng(2)
    z = m.n("Sub", [m.n("Mul", [m.n("MatMul", ["x", m.c(signs(g, 7, 5))]), m.c(F(0.1))]), m.c(F([0.1, 0.3, 0.25, 0.7, 0.25]))])
    graph = from_model(m.model(["N", 7], last(m, g, sign(m, z), 5)))
    built = build(graph, "bipolar")
    assert built.layers[0]["rounding"] == built.masks[0].sum() == 2
    assert np.flatnonzero(built.masks[0].any(axis=0)).tolist() == [1, 3]
    images, source = bits(7), checking.own_source(built, graph)
    met = checking._rounding(built, images)
    popcounts = (images[:, None] == built.network.layers[0].weights).sum(axis=2)
    np.testing.assert_array_equal(met, built.masks[0][popcounts, np.arange(5)].any(axis=1))
    assert 0 < met.sum() < 128
    assert checking._rounding(built, images[met]).all()
    found = checking.compare(built, graph, images, lambda x: source(x) + F(2))
    assert (found["differ"], found["rounding"]) == (128 - met.sum(), met.sum())
    assert checking.compare(built, graph, images, source)["rounding"] == 0
    # In batches of 64, of any number.
    np.testing.assert_array_equal(checking._rounding(built, images[:70]), met[:70])


def test_pairs_that_hang_on_rounding_are_said():
    built = build(dense(more=lambda m, y: m.n("Mul", [y, m.c(F([0.1, 0.2, 0.3, 0.7]))])), "bipolar")
    count = built.layers[-1]["rounding"]
    assert count > 0
    (note,) = built.notes
    assert note.startswith(f"the order of {count:,} pairs of outputs hangs on how the source rounds its sums, for example class ")


def test_levels_of_a_layer_are_counted():
    """A neuron that reaches two of four levels is not constant, one that reaches one is."""
    graph = dense(act=lambda m, z: quant(m, m.n("Add", [z, m.c(F([0, 4, 9, -9, -4]))]), 2, 0, 2, signed=0, narrow=0))
    built = build(graph, "bipolar")
    assert built.network.layers[0].thresholds.shape == (5, 3)
    assert built.layers[0]["constant"] == 1


def test_notes():
    """A sign of three values, whole weights where rounding was asked for; no word where there is nothing to say."""
    three = "its sign gives 0 for 0, which takes a second bit plane: let it give +1"

    def notes(*args, bits=0, **more):
        return build(replace(dense(*args, **more), last_layer_bits=bits), "bipolar").notes

    def odd(m, z):
        return m.n("Sign", [m.n("Sub", [z, m.c(F(1))])])

    assert [text.split("': ")[1] for text in notes(act=odd)] == [three]
    assert notes() == notes(act=lambda m, z: m.n("Sign", [z])) == notes(act=lambda m, z: multi(m, z, [[-2, 3]], out_scale=1.0, out_bias=-1.0)) == ()
    assert notes(bits=4) == ("the weights of the last layer are integers: nothing is rounded",)
    assert notes(more=lambda m, y: m.n("Softmax", [y], axis=1)) == ("Softmax at the end is left out: the class is the argmax of the scores",)
    assert notes(classes=1) == ("one output: class 1 where it says yes (above 0, or bit 1), else class 0",)


def test_outputs_that_are_not_the_last_layer():
    """One behind another layer, one that leaves neurons out, one of no product."""
    m, g = Maker(QONNX, 17), np.random.default_rng(2)
    model = m.model(["N", 7], sign(m, "x"))
    with pytest.raises(InputError, match=r"the network must have a matrix product \(MatMul or Gemm\) of its input, and has none"):
        build(from_model(model), "bipolar")
    for shape, given in (((None, 0), "any, 0"), ((None, 2, None), "any, 2, any"), ((None,), "any"), ((), "none")):
        with pytest.raises(InputError, match=f"input 'x' must have a batch and fixed sizes, not {given}$"):
            build(Graph((Node("s", "Neg", ("x",), ("y",)),), {}, "x", shape, ("y",)), "bipolar")
    m = Maker(QONNX, 17)
    with pytest.raises(InputError, match=r"output '.*' must depend on the input, and does not"):
        build(from_model(m.model(["N", 7], m.n("Neg", [m.c(F([1, 2]))]))), "bipolar")
    m = Maker(QONNX, 17)
    with pytest.raises(InputError, match="the output must be scores, not one bit a class: leave the last sign out"):
        build(from_model(m.model(["N", 7], sign(m, last(m, g, "x", 7)))), "bipolar")


@pytest.mark.parametrize("offset", [-1.3, 0.0, 0.2, 9, -9])
def test_one_output_of_float_weights(offset):
    """Class 1 where the rounded sum is above 0."""
    g = np.random.default_rng(3)
    graph = Graph((Node("m", "Gemm", ("x", "w", "b"), ("y",)),), {"w": g.normal(size=(7, 1)).astype(F), "b": F([offset])}, "x", (None, 7), ("y",), "bipolar", last_layer_bits=5)
    built, images = build(graph), bits(7)
    assert built.layers[-1]["rounding"] == 0
    assert built.layers[-1]["weights"] == "float, rounded to -15 to +15"
    assert built.layers[-1]["checked"] == 0
    w = graph.constants["w"][:, 0].astype(float)
    step = np.abs(w).max() / 15
    offset = float(graph.constants["b"][0])
    rounded = (2.0 * images - 1) @ np.rint(w / step) * step + offset
    clear = np.abs(rounded) > 1e-9
    np.testing.assert_array_equal(golden.predict(built.network, images)[clear], (rounded > 0)[clear])
    found = checking.compare(built, graph, images, checking.own_source(built, graph))
    assert (found["differ"], found["rounding"], found["images"], found["values"]) == (0, 0, 128, 128)
    y = (2.0 * images - 1) @ w + offset
    assert found["other_class"] == np.count_nonzero((y > 0) != (rounded > 0))
    assert checking.compare(built, graph, images, lambda x: checking.own_source(built, graph)(x) + F(30))["differ"] == 128
    # An output may be as far off as its bound says, and no farther.
    y = np.asarray(checking.own_source(built, graph)(2 * images.astype(F) - 1), np.float64)
    far = np.abs(y - built.rounded.outputs(golden.layer_outputs(built.network, images)[-1][:, 1:] // 2)).max()
    for bound, differ in ((far, 0), (np.nextafter(far, 0), 1)):
        near = replace(built, rounded=replace(built.rounded, bound=np.full(1, bound), slack=np.zeros(1)))
        assert (checking.compare(near, graph, images, lambda _: y)["differ"] > 0) == differ
    with pytest.raises(InputError, match=r"the source must give 1 outputs an image, not shape \(2,\)"):
        checking.compare(built, graph, images, lambda x: np.zeros((128, 2), F))


# Images


def mapped():
    """Return the graph of a convolution of two channels of 4 x 4 bytes."""
    m, g = Maker(QONNX, 17), np.random.default_rng(5)
    y = flat(m, g, normed(m, conv(m, g, where(m, m.n("Greater", ["x", m.c(F(99))])), 2, 3)), 27)
    return from_model(m.model(["N", 2, 4, 4], y))


def test_random_images():
    images = checking.random_images(50, 40)
    assert (images.shape, images.dtype) == ((40, 50), np.uint8)
    assert len(np.unique(images[:20])) > 240
    assert images[:20].min() == 0
    assert set(np.unique(images[20:])) == {0, 255}
    assert 0.4 < (images[20:] == 255).mean() < 0.6
    np.testing.assert_array_equal(images, checking.random_images(50, 40))


def test_images_in_both_orders():
    """As the network takes them, (y, x, channel), or as the source does, (channel, y, x)."""
    graph = mapped()
    built = build(graph, "byte")
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 4, 4), dtype=np.uint8)
    ours = images.transpose(0, 2, 3, 1)
    for given in (images, ours, ours.reshape(3, 32), images.astype(F), images.astype(np.int64), ours.astype(np.float64), images + 0.0025, images - 0.0025):
        found = checking.as_images(built, given)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, ours.reshape(3, 32))
    assert checking.as_images(built, images > 99).dtype == bool
    np.testing.assert_array_equal(checking.source_inputs(built, graph, ours.reshape(3, 32)), images)
    np.testing.assert_array_equal(checking.source_inputs(built, graph, ours > 99), 255 * (images > 99))
    assert built.source_shape == (2, 4, 4)
    # What may be either is as the network takes it.
    cube = Maker(QONNX, 17)
    graph_of_cube = from_model(cube.model(["N", 3, 3, 3], flat(cube, np.random.default_rng(5), normed(cube, conv(cube, np.random.default_rng(5), where(
        cube, cube.n("Greater", ["x", cube.c(F(99))])), 3, 3)), 12)))
    given = images.reshape(-1)[:81].reshape(3, 3, 3, 3)
    np.testing.assert_array_equal(checking.as_images(build(graph_of_cube, "byte"), given), given.reshape(3, 27))
    for wrong, message in (
        (images[:, :1], r"images: shape must be \(n, 4, 4, 2\), not \(3, 1, 4, 4\)"), (images[:0], r"shape must be \(n, 4, 4, 2\), not \(0, 2, 4, 4\)"),
        (images.ravel(), r"shape must be \(n, 4, 4, 2\), not \(96,\)"), (images.astype(complex), "images must be uint8, bool or float, not complex128"),
        (images + 0.0026, "images: values must be those of the input coding 'byte', and some are not"), (images.astype(F) - 300, "values must be those of"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            checking.as_images(built, wrong)


@pytest.mark.parametrize("coding", ["unit", "signed", "0.5,0.25", "bipolar", "binary"])
def test_images_of_values(coding):
    graph = dense(lambda m, x: sign(m, m.n("Sub", [x, m.c(F(0.4))])))
    built = build(graph, coding)
    values = levels(coding)
    rows = np.random.default_rng(1).integers(0, len(values), (20, 7))
    rows[0], rows[1] = 0, len(values) - 1
    found = checking.as_images(built, values[rows])
    assert found.dtype == (np.uint8 if len(values) == 256 else bool)
    np.testing.assert_array_equal(found, rows)
    np.testing.assert_array_equal(checking.source_inputs(built, graph, found), values[rows])
    for off in (0.9, -0.9):
        with pytest.raises(InputError, match="values must be those of the input coding"):
            checking.as_images(built, values[rows] + F(off * abs(values[1] - values[0])))
    spoilt = values[rows].astype(float)
    spoilt[3, 2] += 4e-4
    with pytest.raises(InputError, match="values must be those of the input coding"):
        checking.as_images(built, spoilt)
    if len(values) == 2:
        grey = np.array([[0, 127, 128, 255, 0, 0, 0]], np.uint8)
        np.testing.assert_array_equal(checking.source_inputs(built, graph, grey), values[[[0, 0, 1, 1, 0, 0, 0]]])


# Comparisons


def test_sources_that_depend_on_the_number_of_images():
    graph = dense()
    built = build(graph, "bipolar")
    source = checking.own_source(built, graph)
    x = 2.0 * bits(7).astype(F) - 1
    y = source(x)
    assert y.shape == (128, 4)
    np.testing.assert_array_equal(y[:64], source(x[:64]))
    for make in (lambda m, y: m.n("Reshape", [y, m.c(axes(2, 2))]), lambda m, y: m.n("Reshape", [y, m.c(axes(64, -1))]), lambda m, y: m.n("Reshape", [y, m.c(axes(-1))])):
        m = Maker(QONNX, 17)
        y = make(m, last(m, np.random.default_rng(0), "x", 7))
        other = from_model(m.model(["N", 7], y))
        wrong = checking.own_source(replace(built, output=replace(built.output, name=other.outputs[0])), other)
        with pytest.raises(InputError, match=r"cannot be run on (64|36) images|the source must give the same outputs for any number of images"):
            wrong(x[:100])


def test_differences_that_are_found():
    """A value off by little, a class that is another; outputs too near to tell apart are counted and shown."""
    graph = dense(more=lambda m, y: m.n("Add", [y, m.c(F([0, 0.5, 0.25, 0.75]))]))
    built = build(graph, "bipolar")
    images, source = bits(7), checking.own_source(built, graph)
    found = checking.compare(built, graph, images, source)
    assert found == {"images": 128, "values": 512, "differ": 0, "rounding": 0, "examples": []}

    def off(rows, column, by):
        def run(x):
            y = source(x).copy()
            y[rows, column] += F(by)
            return y

        return checking.compare(built, graph, images, run)["differ"]

    assert [off([5], 0, by) for by in (1e-3, -1e-3, 1e-9)] == [1, 1, 0]
    assert off(slice(0, 40), 3, 0.25) == 40
    scores = built.network.layers[-1]
    wrong = replace(built, network=replace(built.network, layers=(built.network.layers[0], replace(scores, offsets=scores.offsets + np.array([0, 0, 9, 0])))))
    y = source(checking.source_inputs(built, graph, images))
    changed = golden.predict(wrong.network, images) != y.argmax(axis=1)
    found = checking.compare(wrong, graph, images, source)
    assert (found["differ"], found["rounding"]) == (changed.sum(), 0)
    assert 0 < changed.sum() < 128
    with pytest.raises(InputError, match=r"the source must give 4 outputs an image, not shape \(3,\)"):
        checking.compare(built, graph, images, lambda x: source(x)[:, :3])


def test_classes_that_rounding_decides_are_shown():
    """With the source's outputs and the scores, of up to three images; they differ nowhere else."""
    graph = dense(more=lambda m, y: m.n("Mul", [y, m.c(F([0.1, 0.2, 0.3, 0.7]))]))
    built = build(graph, "bipolar")
    images, source = bits(7), checking.own_source(built, graph)
    scores = golden.layer_outputs(built.network, images)[-1]
    y = source(checking.source_inputs(built, graph, images))
    # Off by a rounding where two are as good as equal: the source's class is then the other.
    near = np.sort(y, axis=1)
    tied = np.flatnonzero(near[:, -1] - near[:, -2] < 1e-6)
    assert len(tied) > 3
    turned = y.copy()
    for k in tied:
        other = next(c for c in np.flatnonzero(y[k] > near[k, -1] - 1e-6) if c != scores[k].argmax())
        turned[k, other] = np.nextafter(turned[k].max(), F(99))
    found = checking.compare(built, graph, images, lambda _: turned)
    assert (found["differ"], found["rounding"]) == (0, len(tied))
    assert found["examples"] == [
        {"image": k, "source": [float(f"{v:.9g}") for v in turned[k]], "scores": scores[k].tolist()} for k in tied[:3].tolist()
    ]


def test_types_through_casts():
    """The values in float64 stay what they are under a cast to float32, and are cut by one to integers."""
    x = F([[1.75], [-2.5]])
    t = Table(x, x, x, x.astype(float) + 1e-9, np.zeros((1, 1), int), 0, Stage("L", 2, 1, np.ones((1, 1), bool)))
    same = elementwise(Node("c", "Cast", ("x",), ("y",), {"to": 1}), [t])
    assert same.wide is t.wide
    cut = elementwise(Node("c", "Cast", ("x",), ("y",), {"to": 7}), [t])
    assert (cut.wide.tolist(), cut.wide.dtype, cut.value.tolist()) == ([[1], [-2]], np.int64, [[1], [-2]])
    sum_ = elementwise(Node("c", "Add", ("x", "x"), ("y",)), [t, t])
    np.testing.assert_array_equal(sum_.wide, 2 * t.wide)
    assert t.stage.ops == ["Add"]


def test_levels_and_quantisers_by_name():
    """A product says which quantiser gave it too many levels, also through other operators; a sign takes its place."""
    def wide(m, z):
        return quant(m, m.n("Mul", [z, m.c(F(77.7))]), 1, 0, 9, signed=1, narrow=0)

    for after in (lambda m, q: q, lambda m, q: m.n("Identity", [q]), lambda m, q: m.n("Mul", [q, m.c(F(2))]), lambda m, q: m.n("Unsqueeze", [m.n("Squeeze", [m.n("Unsqueeze", [q, m.c(axes(1))]), m.c(axes(1))]), m.c(axes(1))])):
        with pytest.raises(InputError, match=r"takes \d levels of Quant '\w+', 9 bits: activations of 1 to 8 bits in even steps"):
            build(dense(act=lambda m, z, after=after: after(m, wide(m, z)), more=lambda m, y: m.n("Flatten", [y])), "bipolar")
    assert build(dense(act=lambda m, z: sign(m, wide(m, z))), "bipolar").layers[0]["rounding"] == 0
