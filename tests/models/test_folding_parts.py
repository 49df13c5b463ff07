"""Parts of the folding by hand: codings, graphs, sums and their rounding, tables through shapes."""

import itertools

import numpy as np
import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding import (
    check,
    elements,
    ends,
    graph,
    inputs,
    maps,
    ops,
    products,
    results,
    rounding,
    shapes,
)
from oxnor.models.exchange.folding.execute import execute, prepared
from oxnor.models.exchange.folding.graph import Graph, Node, Unsupported
from oxnor.models.exchange.folding.layers import too_large
from oxnor.models.exchange.folding.levels import Levels
from oxnor.models.exchange.folding.table import FloatSums, Stage, Table
from oxnor.models.exchange.folding.walk import Walk
from oxnor.models.networks.layers.window import Pool, Window

F = np.float32
U = 2.0**-24


def node(op, names=("x",), domain="", **attrs):
    return Node("n", op, names, ("y",), attrs, domain)


def table(value, axis=0, low=None, high=None, stage=None, index=None, **fields):
    """Return a table of a layer, of all its elements in order."""
    value = np.asarray(value)
    m = value.size // value.shape[axis]
    stage = stage or Stage("L", value.shape[axis], m, np.ones((m, 4), bool))
    if index is None:
        index = np.arange(m).reshape([1 if k == axis else n for k, n in enumerate(value.shape)])
    return Table(value, value if low is None else low, value if high is None else high, None, index, axis, stage, **fields)


# Inputs


@pytest.mark.parametrize(("coding", "first", "last", "rows"), [
    ("unit", 0, 1, 256), ("byte", 0, 255, 256), ("signed", -1, 1, 256), ("bipolar", -1, 1, 2), ("binary", 0, 1, 2),
    ("0.5,0.25", -2, 2, 256), ("0,2", 0, 0.5, 256), ("-1,0.5", 2, 4, 256), ("0.1307,0.3081", -0.1307 / 0.3081, 0.8693 / 0.3081, 256),
])  # fmt: skip
def test_codings(coding, first, last, rows):
    for dtype in (F, np.float64):
        values = inputs.levels(coding, dtype)
        assert (len(values), values.dtype) == (rows, dtype)
        np.testing.assert_allclose(values, np.linspace(first, last, rows), atol=1e-6)
    assert inputs.levels(coding).dtype == F


def test_codings_in_words():
    assert inputs.meaning("signed") == "2 * pixel / 255 - 1"
    assert inputs.meaning("0.5,0.25") == "(pixel / 255 - 0.5) / 0.25"
    for wrong in ("other", "0.5,0", "0.5", "1,-2", "0.5,0.25,1", "x0.5,0.25"):
        with pytest.raises(InputError, match="input coding must be one of unit, byte, signed, bipolar, binary, or MEAN,STD as"):
            inputs.levels(wrong)


# Graphs


def test_types_of_elements():
    """The numbers that ONNX has for them."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper

    names = {number: name.lower() for name, number in onnx.TensorProto.DataType.items() if 1 <= number <= 23 and name not in ("UINT4", "INT4")}
    for number, name in names.items():
        found = graph.element_type(number)
        assert found == {"float": "float32", "double": "float64"}.get(name, name)
        if number in graph.DTYPES:
            assert helper.tensor_dtype_to_np_dtype(number) == graph.DTYPES[number]
    assert set(graph.DTYPES) == {k for k, v in names.items() if not v.startswith(("float8", "float4", "complex", "string", "bfloat"))}
    assert [graph.element_type(k) for k in (0, 21, 22, 24)] == ["an unknown type", "uint4", "int4", "an unknown type"]
    assert graph.element_type(graph.BFLOAT16) == "bfloat16"


def test_sizes_that_are_refused(tmp_path):
    graph.check_elements([1 << 13, 1 << 12], "t")
    graph.check_elements([1 << 30, 0], "t")
    with pytest.raises(InputError, match=r"^t: a tensor must have at most 33,554,432 elements, not 33,554,433$"):
        graph.check_elements([(1 << 25) + 1], "t")
    assert too_large(17_000_000, 1) == too_large(1000, 17_000) == []
    assert too_large(17_000_001, 1) == ["a layer must have at most 17,000,000 pairs of neuron and popcount, not 17,000,001"]
    with open(tmp_path / "n.onnx", "wb") as file:
        file.truncate((1 << 28) + 1)
    from oxnor.models.exchange.import_network import import_network

    with pytest.raises(InputError, match="must have at most 268,435,456 bytes, not 268,435,457"):
        import_network(tmp_path / "n.onnx")
    for n, said in ((1 << 16, []), ((1 << 16) + 1, ["input 'x' must have at most 65536 elements, not 65537"])):
        assert Walk(Graph((), {}, "x", (None, n), ("x",)), None).others == said
    values = np.array([1, np.inf])
    assert graph.finite(values[:1], "t") is not values
    graph.finite(np.array(["x"]), "t")
    with pytest.raises(InputError, match=r"^t: every value must be finite$"):
        graph.finite(values, "t")


@pytest.mark.parametrize(("op", "attrs", "halves"), [
    ("Cast", {"to": 10}, True), ("Cast", {"to": 11}, False), ("Cast", {"to": 1}, False), ("Add", {}, True), ("Neg", {}, False),
])
def test_networks_of_halves(op, attrs, halves):
    """A cast to them, or a constant of them that a node takes."""
    names = ("x", "h") if op == "Add" else ("x",)
    assert Graph((node(op, names, **attrs),), {"h": np.ones(2, np.float16), "f": np.ones(2, F)}, "x", (None, 2), ("y",)).has_halves == halves


@pytest.mark.parametrize(("problems", "others", "first", "lines"), [
    (["a"], [], "1 node cannot be imported", 2), (["a", "b", "a"], [], "2 nodes cannot be imported", 3),
    (["a"], ["o"], "2 reasons why the network cannot be imported", 3), ([], ["o"], "o", 1), (["o"], ["o"], "o", 1),
    ([f"{k}" for k in range(40)], [], "40 nodes cannot be imported", 41), ([f"{k}" for k in range(43)], [], "43 nodes cannot be imported", 42),
])  # fmt: skip
def test_reasons_in_one_message(problems, others, first, lines):
    found = str(Unsupported(problems, others)).split("\n  - ")
    assert (found[0], len(found)) == (first, lines)
    assert found[1:41] == [*others, *dict.fromkeys(problems)][:40] * (lines > 1)
    assert found[41:] == (["and 3 more"] if len(problems) == 43 else [])


def test_order_of_nodes():
    """Only those that are needed, each after those it depends on."""
    a, b, c, d = (Node(n, "Op", i, o) for n, i, o in (("a", ("x",), ("p", "q")), ("b", ("p", ""), ("r",)), ("c", ("q", "r"), ("s",)), ("d", ("x",), ("t",))))
    assert graph.needed_nodes([c, d, b, a], ["s"], {"x"}) == (a, b, c)
    assert graph.needed_nodes([c, b, a, d], ["t", "x"], {"x"}) == (d,)
    assert graph.needed_nodes([a, b, c, d], ["r", "t"], {"x"}) in ((a, b, d), (d, a, b))
    loop = [Node("e", "Op", ("g",), ("f",)), Node("h", "Op", ("f",), ("g",))]
    for nodes, outputs, known, message in (
        ([a, a], ["p"], {"x"}, "tensor 'p' must have one source, not two"), ([a], ["p"], {"x", "p"}, "tensor 'p' must have one source"),
        ([a], ["z"], {"x"}, "output 'z' must be made by a node"), ([b], ["r"], {"x"}, "Op 'b': input 'p' must be given or made by a node"),
        (loop, ["g"], set(), "Op '[eh]' must not depend on itself"), ([Node("e", "Op", ("f",), ("f",))], ["f"], set(), "Op 'e' must not depend on itself"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            graph.needed_nodes(nodes, outputs, known)


# Sums


@pytest.mark.parametrize("pad", [-1, 0])
@pytest.mark.parametrize("most", [3, 600])
def test_sums_at_every_popcount(pad, most, monkeypatch):
    """As large a step a popcount as the slope says, half of it where zeros are padded."""
    start, alpha, inexact = np.array([0.5, -1]), np.array([2.0, 0.25]), np.array([0, 0.125])
    stage = Stage("L", most + 1, 2, np.ones((2, most), bool), window=Window(1, most, 1, 1, most, pad=pad))
    found = products.popcount_table(stage, start, alpha, inexact, np.float64)
    for p in {0, 1, most // 2, 511, 512, most} & set(range(most + 1)):
        expected = start + alpha * (2 * p - most) / (2 if pad == 0 else 1)
        np.testing.assert_array_equal(found.value[p], expected)
        np.testing.assert_array_equal([found.low[p], found.high[p], found.wide[p]], [expected - inexact, expected + inexact, expected])
    assert found.value.shape == (most + 1, 2)
    assert (found.axis, found.index.tolist(), found.value.dtype) == (0, [[0, 1]], np.float64)
    exact = products.popcount_table(stage, np.array([1, -1]), np.array([2.0, 4]), np.zeros(2), np.int64)
    assert exact.exact
    assert (exact.value.dtype, exact.wide) == (np.int64, None)
    np.testing.assert_array_equal(exact.value, np.array([1, -1]) + (2 * np.arange(most + 1)[:, None] - most) * [2, 4] // (2 if pad == 0 else 1))
    monkeypatch.setattr(products, "_WIDE_MAX", 2 * most + 2)
    assert products.popcount_table(stage, start, alpha, inexact, F).wide is not None
    monkeypatch.setattr(products, "_WIDE_MAX", 2 * most + 1)
    assert products.popcount_table(stage, start, alpha, inexact, F).wide is None


def test_types_of_sums():
    """Integers of integers alone; else float64 as the weights have it."""
    found = [
        products.type_of_sums(Table(v, v, v, None, np.arange(2)[None], 0, Stage("L", 2, 2)), np.ones((2, 1), w))
        for v in (np.zeros((2, 2), np.int32), np.zeros((2, 2), F)) for w in (np.int32, np.float64, F)
    ]
    assert found == [np.int32, np.float64, F, F, np.float64, F]


def test_sums_of_columns():
    g = np.random.default_rng(0)
    weights, middle = g.integers(-9, 9, (600, 3)), g.integers(-9, 9, 600)
    np.testing.assert_array_equal(products.column_sums(weights, middle), middle @ weights)


def test_weights_of_one_unit(monkeypatch):
    """Whole numbers of it, up to 128; where a neuron has no weights but 0, of the others' code."""
    found = products.integers(F([[0.5, 0], [-1.5, 0], [1.0, 0]]), "")
    assert (found.values / 2 * found.unit / 0.5 * 1).shape == (3, 2)
    np.testing.assert_array_equal(found.values * found.unit, [[0.5, 0], [-1.5, 0], [1, 0]])
    assert found.unit.tolist() == [0.25, 0.5]
    odd = products.integers(F([[0.5, 3], [-1.5, -3]]), "")
    assert (odd.unit.tolist(), odd.values.tolist(), odd.miss.tolist()) == ([0.5, 3], [[1, 1], [-3, -1]], [0, 0])
    thirds = products.integers(np.array([[1 / 3, 1], [2 / 3, 0.5]], F), "")
    np.testing.assert_allclose(thirds.values * thirds.unit, [[1 / 3, 1], [2 / 3, 0.5]], rtol=1e-7)
    assert products.integers(np.array([[1.0], [128.0]]), "").values.ravel().tolist() == [2, 256]
    # Of 7 and 9 the unit is a seventh of the least.
    assert products.integers(np.array([[7.0], [9.0]]), "").values.ravel().tolist() == [7, 9]
    assert products.integers(np.array([[127.0], [128.0]]), "").values.ravel().tolist() == [254, 256]
    assert products.integers(np.array([[1, -1], [1, 1]]), "").unit.tolist() == [1, 1]
    for wrong, message in (
        (np.zeros((0, 2)), "weights must not be empty"), (F([[np.nan, 1]]), "weights must be finite"), (np.zeros((2, 2), int), "weights must not all be 0"),
        (np.array([[1.0], [129.0]]), "at most 128, times one unit a neuron, and have 2 values: export them"),
        (F([[1, 2, 3], [np.pi, 5, 6]]), "and have 6 values: export"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            products.integers(wrong, "")
    with pytest.raises(InputError, match=r"^weights of Quant 'q' must be whole numbers, at most 128, .* and have 2 values: train with"):
        products.integers(F([[1], [np.pi]]), "Quant 'q'")


def test_words_of_scales():
    few, many = (products.integers(np.array([[1.0, *range(-n, 0)]]).T, "") for n in (7, 8))
    assert few.scaling(few.unit) == "-7, -6, -5, -4, -3, -2, -1, +1, scale 1"[:-9]
    assert many.scaling(many.unit) == "-8 to +1"
    assert [products.scaling(np.array(v)) for v in ([1, 1], [0.5, 0.5], [0.5, 2])] == ["", "scale 0.5", "scales 0.5 to 2"]


@pytest.mark.parametrize(("alpha", "lowest", "step", "top", "n", "exact"), [
    (1, -1, 2, 1, (1 << 24) - 1, True), (1, -1, 2, 1, 1 << 24, False), (0.75, -1, 2, 1, 5592405, True), (0.75, -1, 2, 1, 5592406, False),
    (1, 0, 2, 1, (1 << 24) - 1, True), (1, 0, 2, 1, 1 << 24, False), (1, 0, 2, 3, 5592405, True), (1, 0, 2, 3, 5592406, False),
    (1, 1, 2, 1, 5592405, True), (1, 1, 2, 1, 5592406, False), (1, -3, 2, 3, 5592405, True), (1, -3, 2, 3, 5592406, False),
    (1, 1, 1, 1, 8388607, True), (1, 1, 1, 1, 8388608, False), (1 + 2.0**-52, -1, 2, 1, 2, False), (1, 0.5, 2, 1, 2, False), (0.1, -1, 2, 1, 2, False), (F(0.1), -1, 2, 1, 1, True),
])  # fmt: skip
def test_sums_that_are_exact(alpha, lowest, step, top, n, exact):
    """While they stay below 2**24 of the odd part of a term."""
    levels = Levels(np.zeros((top, 1), int), np.array([float(lowest)]), np.array([float(step)]), np.zeros(1, bool), 0, 0)
    middle = np.array([lowest + step * top / 2])
    found = rounding.inexact_sums(np.array([float(alpha)]), middle, levels, n)
    far = (n / 8 + 8) * U * n * alpha * (top + abs(middle[0]) / (step / 2))
    assert found.tolist() == pytest.approx([0.0 if exact else far])
    uneven = Levels(np.zeros((top, 1), int), np.array([float(lowest)]), np.array([float(step)]), np.zeros(1, bool), 0, 0, 0.001)
    found = rounding.inexact_sums(np.array([float(alpha)]), middle, uneven, n)
    assert found.tolist() == pytest.approx([far + n * 0.001 * alpha * 2 / step])


@pytest.mark.parametrize(("lowest", "exact"), [
    ([2.0, 4.0], True), ([2.0, 3.0], False), ([3.0, 2.0], False), ([0.0, 8.0], False), ([0.0, 0.5], False), ([-8.0, 0.0], False),
])  # fmt: skip
def test_sums_are_exact_for_longer_where_all_levels_are_even(lowest, exact):
    levels = Levels(np.zeros((1, 2), int), np.array(lowest), np.full(2, 2.0), np.zeros(2, bool), 0, 0)
    n = 1 << 22
    found = rounding.inexact_sums(np.ones(1), np.array(lowest), levels, n)
    assert found.tolist() == pytest.approx([0 if exact else (n / 8 + 8) * U * n * (1 + max(np.abs(lowest)))])


def test_the_middle_lies_between_even_levels():
    """Where it is padded, sums have terms that are odd."""
    levels = Levels(np.zeros((1, 1), int), np.array([2.0]), np.array([2.0]), np.zeros(1, bool), 0, 0)
    found = [rounding.inexact_sums(np.ones(1), np.array([3.0]), levels, 1 << 22, pads_middle=pads)[0] for pads in (False, True)]
    assert found == [0, pytest.approx(((1 << 22) / 8 + 8) * U * (1 << 22) * 4)]


def test_sums_of_weights_that_are_not_quite_whole():
    """Each may be another number than its integer times the unit, and so may their sum be."""
    factors = products.Factors(np.array([0.5, 2.0]), np.array([[1, -1], [3, 1], [-1, 1]], np.int16), products.WeightCode.of(3), np.array([0.001, 0]))
    levels = Levels(np.zeros((3, 1), int), np.full(3, -5.0), np.full(3, 2.0), np.zeros(3, bool), 0, 0)
    weights = F([[0.5, -2], [1.5, 2], [-0.5, 2]])
    for middle, start in ((np.array([-2.0, 1, 4]), [-1.5, 14]), (np.full((3, 2), 2.0), [3, 4]), (np.zeros(3), [0, 0])):
        found, alpha, inexact = products.sums(weights, factors, levels, middle, 3)
        assert found.tolist() == start
        assert alpha.tolist() == [0.5, 2]
        rounded = rounding.inexact_sums(alpha, middle, levels, 3 * factors.code.top)
        np.testing.assert_allclose(inexact - rounded, [3 * 0.001 * 5, 0])
    higher = Levels(levels.reach, np.full(3, 1.0), levels.step, levels.falling, 0, 0)
    np.testing.assert_allclose(products.sums(weights, factors, higher, np.zeros(3), 3)[2], [3 * 0.001 * 7, 0])


def test_bounds_of_rounding():
    """Of float32 operators: by hand."""
    x = F([[1.5, -3.25], [7, 0.3]])
    t, c = table(x), F([0.1, -5])
    cases = [
        ("Add", [t, c], 2 * U * np.maximum(abs(x), abs(x + c))), ("Sub", [c, t], 2 * U * np.maximum(abs(c), abs(c - x))),
        ("Sum", [t, c, c], 2 * U * np.maximum(abs(x), abs(x + c + c))), ("Mul", [t, c], 4 * U * abs(x * c)), ("Exp", [t], 4 * U * np.exp(x)),
    ]  # fmt: skip
    for op, given, expected in cases:
        value = ops.ELEMENTWISE[op]([v.value if isinstance(v, Table) else v for v in given], {})
        np.testing.assert_allclose(rounding.slack(node(op), given, value), expected, rtol=1e-6)
    gamma, beta, mean, variance = F([2, -1]), F([1, 3]), F([-4, 2]), F([1, 0.25])
    factor = gamma / np.sqrt(variance + F(1e-5))
    found = rounding.slack(node("BatchNormalization"), [t, gamma, beta, mean, variance], x)
    np.testing.assert_allclose(found, 4 * U * ((abs(x) + abs(mean)) * abs(factor) + abs(beta)), rtol=1e-6)
    weights, size = F([[1, -2], [3, 4], [-5, 6]]), np.array([1.0, 2, 0.5])
    np.testing.assert_allclose(rounding.float_sums(weights, size), (3 / 8 + 8) * U * np.array([9.5, 13]))


def test_cells_that_round(monkeypatch):
    """Where float64 has another result: a few rows at a time, or all where the rows are no first dimension."""
    x = F([[1, 0.1], [2, 0.2], [0.3, 0.7]])
    f, c = ops.ELEMENTWISE["Mul"], F([0.5, 3])
    expected = (x.astype(float) * c.astype(float)) != x * c
    assert 0 < expected.sum() < 6
    assert expected[:, 0].sum() == 0
    for chunk in (1, 3, 4, 1 << 22):
        monkeypatch.setattr(rounding, "_CHUNK", chunk)
        for given in ([table(x), c], [c, table(x)]):
            np.testing.assert_array_equal(rounding.rounds(node("Mul"), f, given, x * c), expected)
        deeper = [table(x), c[None, None]]
        np.testing.assert_array_equal(rounding.rounds(node("Mul"), f, deeper, (x * c)[None]), expected[None])
        turned = [table(x.T.copy(), axis=1), c[:, None]]
        np.testing.assert_array_equal(rounding.rounds(node("Mul"), f, turned, x.T * c[:, None]), expected.T)
    assert not rounding.rounds(node("Mul"), f, [table(x.astype(float)), c], x.astype(float) * c).any()
    assert rounding.rounds(node("BatchNormalization"), f, [table(x), c], x * c).all()


def test_bounds_through_operators():
    """They hold what was rounded before, and grow only where this one rounds."""
    x = F([[1, 0.1], [2, 0.2]])
    exact = elements.elementwise(node("Mul", ("x", "c")), [table(x), F([0.5, 2])])
    assert exact.exact
    y = elements.elementwise(node("Mul", ("x", "c")), [table(x), F([0.5, 3])])
    rounds = (x.astype(float) * 3 != x * F(3)) & [False, True]
    far = np.where(rounds, 4 * U * abs(y.value), 0)
    np.testing.assert_array_equal([y.low, y.high], [(y.value - far).astype(F), (y.value + far).astype(F)])
    assert rounds.any()
    loose = table(x, low=x - F(0.25), high=x + F(0.5))
    for op, c, low, high in (("Mul", F(2), x * 2 - 0.5, x * 2 + 1), ("Mul", F(-2), x * -2 - 1, x * -2 + 0.5), ("Neg", None, -x - 0.5, -x + 0.25)):
        y = elements.elementwise(node(op, ("x", "c")), [loose] if c is None else [loose, c])
        assert (y.low[:, 0] <= low[:, 0]).all()
        assert (y.high - y.low > high - low + F(1e-7)).any() == (op == "Mul")
        np.testing.assert_allclose(y.low, low, atol=1e-6)
        np.testing.assert_allclose(y.high, high, atol=1e-6)
    # Bounds that a sign closes again are none.
    assert elements.elementwise(node("Sign"), [table(F([[3], [-3]]), low=F([[2], [-4]]), high=F([[4], [-2]]))]).exact
    sign = elements.elementwise(node("Sign"), [table(F([[3], [-1]]), low=F([[2], [-4]]), high=F([[4], [2]]))])
    assert (sign.low.tolist(), sign.high.tolist(), sign.exact) == ([[1], [-1]], [[1], [1]], False)


# Tables


def test_columns_and_elements():
    value = np.arange(24).reshape(2, 3, 4)
    t = table(value, axis=1)
    assert t.exact
    assert t.shape == (2, 3, 4)
    assert not t.is_shared
    np.testing.assert_array_equal(t.columns(value), value.transpose(1, 0, 2).reshape(3, 8))
    assert t.elements.tolist() == t.column_of.tolist() == [*range(8)]
    assert t.expanded() is t
    for low, high in ((value, value.copy()), (value.copy(), value)):
        assert not table(value, low=low, high=high).exact
    stage = Stage("L", 3, 2, np.ones((2, 4), bool), window=Window(2, 2, 1, 1, 1))
    index = np.arange(8).reshape(1, 2, 2, 2).transpose(0, 3, 1, 2)
    shared = Table(*[np.arange(6).reshape(3, 2, 1, 1)] * 3, None, index, 0, stage, name="t", quantiser="q")
    assert shared.is_shared
    assert shared.shape == (3, 2, 2, 2)
    assert shared.column_of.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    whole = shared.expanded()
    np.testing.assert_array_equal(whole.value, np.broadcast_to(shared.value, (3, 2, 2, 2)))
    assert (whole.by_channel, whole.name, whole.quantiser) == (False, "", "q")
    last = Table(*[np.arange(6).reshape(2, 1, 1, 3)] * 3, None, np.moveaxis(index, 0, 3), 3, stage)
    np.testing.assert_array_equal(last.expanded().value, np.broadcast_to(last.value, (2, 2, 2, 3)))
    flat = Table(*[np.arange(6).reshape(3, 2)] * 3, None, np.arange(8)[None], 0, stage, by_channel=True)
    np.testing.assert_array_equal(flat.expanded().value, np.tile(flat.value, 4))
    large = Stage("L", 2_200_000, 2, np.ones((2, 4), bool), window=Window(2, 2, 1, 1, 1))
    with pytest.raises(InputError, match="values of 8 elements at 2,200,000 popcounts must be at most 17,000,000: put the sign"):
        Table(*[np.arange(6).reshape(3, 2)] * 3, None, np.arange(8)[None], 0, large, by_channel=True).expanded()


def test_sizes_of_what_comes_out():
    window = Window(5, 6, 3, 2, 2)
    plain = Stage("L", 13, 4)
    assert (plain.map_size, plain.elements, plain.reads) == ((1, 1), 4, {"planes": 1, "weight_bits": 1, "weight_max": 0})
    conv = Stage("L", 13, 4, planes=2, window=window)
    assert (conv.map_size, conv.elements, conv.reads["planes"]) == ((4, 5), 80, 2)
    pooled = Stage("L", 13, 4, window=window, pool=Pool(2, 2, 2, 2))
    assert (pooled.map_size, pooled.elements) == ((2, 2), 16)
    sums = FloatSums(np.array([[1.0, -2], [0.5, 0]]), np.array([3.0, -1]), 3)
    assert sums.reach.tolist() == [4.5, 0.75]
    values = sums.values()
    assert values.shape == (257, 2)
    assert values[[0, 128, 256]].tolist() == [[-1.5, -1.75], [3, -1], [7.5, -0.25]]
    other = sums.at(np.array([1]))
    assert (other.steps.tolist(), other.middle.tolist(), other.top) == ([[0.5, 0]], [-1.0], 3)


#: Nodes that change shapes, with their other inputs; of 5 rows and 2 x 3 or 1 x 6 x 1 elements.
SHAPES = [
    ("Flatten", [], {}), ("Flatten", [], {"axis": -2}), ("Reshape", [[0, -1]], {}), ("Reshape", [[-1, 3, 2]], {}), ("Reshape", [[5, 6]], {}),
    ("Transpose", [], {}), ("Transpose", [], {"perm": [1, 0, 2]}), ("Transpose", [], {"perm": [0, 2, 1]}), ("Transpose", [], {"perm": [-2, -3, -1]}),
    ("Unsqueeze", [[1]], {}), ("Unsqueeze", [[0, -1]], {}), ("Unsqueeze", [], {"axes": [0]}), ("Identity", [], {}),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "axis"), [((5, 2, 3), 0), ((2, 5, 3), 1), ((2, 3, 5), 2)])
def test_tables_through_shapes(shape, axis):
    """As the operator does to all images at once, and to which element each is."""
    g = np.random.default_rng(1)
    value = g.normal(size=shape)
    for (op, more, attrs), (then, *given) in itertools.product(SHAPES, (("Identity",), ("Transpose",), ("Squeeze",), ("Squeeze", [0]), ("Squeeze", [-1]))):
        t, array = table(value, axis), value
        elements_of = np.broadcast_to(t.index, t.shape)
        for name, others, a in ((op, more, attrs), (then, given, {})):
            if name == "Identity":
                continue
            x = [np.array(v) for v in others]
            try:
                expected = [ops.run_shape(name, [v, *x], a, None) for v in (array, elements_of)]
            except (ValueError, IndexError):
                with pytest.raises((InputError, ValueError, IndexError)):
                    shapes.reshaped(node(name, **a), [t, *x], t, None)
                break
            if name in ("Flatten", "Reshape") and t.axis:
                with pytest.raises(InputError, match="the images must be the first dimension"):
                    shapes.reshaped(node(name, **a), [t, *x], t, None)
                break
            t = shapes.reshaped(node(name, **a), [t, *x], t, None)
            array, elements_of = expected
            np.testing.assert_array_equal(t.value, array)
            np.testing.assert_array_equal(np.broadcast_to(t.index, t.shape), elements_of)
            assert (t.value.shape[t.axis], t.index.shape[t.axis]) == (5, 1)


def test_flattened_maps_are_maps_again():
    """With a value a channel where they have the layer's pixels and channels, in either order; else as they were."""
    stage = Stage("L", 4, 3, np.ones((3, 3), bool), window=Window(2, 5, 1, 1, 1))
    value = np.arange(12).reshape(4, 3)
    for perm, back in (((0, 3, 1, 2), (3, 1, 1)), ((0, 1, 2, 3), (1, 1, 3))):
        index = np.arange(30).reshape(1, 2, 5, 3).transpose(perm)
        flat = Table(value, value, value, None, index.reshape(1, -1), 0, stage, by_channel=True)
        again = shapes.reshaped(node("Reshape"), [flat, np.array([0, *index.shape[1:]])], flat, None)
        assert (again.by_channel, again.value.shape) == (False, (4, *back))
        np.testing.assert_array_equal(again.value.reshape(4, 3), value)
        np.testing.assert_array_equal(again.index, index)
        for shape in ([0, 5, 3, 2], [0, 3, 5, 2], [0, 10, 3], [0, 1, 3, 10], [0, 2, 5, 3, 1]):
            other = shapes.reshaped(node("Reshape"), [flat, np.array(shape)], flat, None)
            assert (other.by_channel, other.value.shape) == (True, (4, 3))
            np.testing.assert_array_equal(other.index, index.reshape(1, *shape[1:]))


def test_flattened_maps_have_a_value_a_channel_as_long_as_all_pixels_have():
    stage = Stage("L", 4, 1, np.ones((1, 3), bool), window=Window(1, 3, 1, 1, 2))
    value = np.arange(4, dtype=F).reshape(4, 1)
    flat = Table(value, value, value, None, np.arange(2)[None], 0, stage, by_channel=True)
    for op, c, stays in (("MultiThreshold", [[0.5, 2]], True), ("MultiThreshold", [[0.5], [2]], False), ("Add", 2, True), ("Add", [2], True), ("Add", [2, 3], False)):
        y = elements.elementwise(node(op, ("x", "c")), [flat, F(c)])
        assert y.by_channel == stays
        np.testing.assert_array_equal(y.expanded().value, ops.ELEMENTWISE[op]([np.repeat(value, 2, axis=1), F(c)], {}))


def test_means_are_of_all_pixels():
    """A product takes them as the map that they are of: one column of values a channel, one weight a pixel."""
    stage = Stage("L", 4, 2, np.ones((2, 3), bool), window=Window(1, 3, 1, 1, 1))
    t, weights = maps.summed(table(np.arange(8).reshape(4, 2), stage=stage, is_mean=True), np.array([[1, 2], [3, 4]]))
    assert (t.by_channel, t.is_mean, t.index.tolist(), t.value.tolist()) == (True, False, [[*range(6)]], [[0, 1], [2, 3], [4, 5], [6, 7]])
    assert weights.tolist() == [[1, 2], [3, 4]] * 3


@pytest.mark.parametrize(("value", "uneven", "pad"), [
    (0, 0, -1), (3, 0, 1), (1.5, 0, 0), (1e-9, 0, -1), (1.1e-9, 0, None), (-1e-9, 0, -1), (3.25, 0.25, 1), (3.26, 0.25, None), (2.8, 0.25, 1), (1, 0, None),
])  # fmt: skip
def test_values_that_are_padded(value, uneven, pad):
    """The lowest level, the highest or their middle, as near as levels are to even steps and float64 to numbers."""
    levels = Levels(np.ones((3, 1), int), np.zeros(1), np.ones(1), np.zeros(1, bool), 0, 0, uneven)
    if pad is None:
        with pytest.raises(InputError, match="which must be the lowest or highest of its inputs' levels, 0 and 3, or their middle"):
            maps.pad_value(value, np.zeros(1), np.ones(1), levels)
    else:
        assert maps.pad_value(value, np.zeros(1), np.ones(1), levels) == pad


def test_logarithms_of_large_outputs():
    x = np.array([[1000.0, 0, 1000]])
    np.testing.assert_allclose(results.run_head("LogSoftmax", [x], {}), [x - 1000 - np.log(2)])
    np.testing.assert_allclose(results.run_head("Softmax", [x], {}), [[[0.5, 0, 0.5]]])


@pytest.mark.parametrize("is_wide", [False, True])
def test_outputs_over_pixels_are_summed_if_they_are_lines(is_wide):
    """Up to the rounding of their type, beside the largest; a value of 0 is no measure of it, and what is no number is none."""
    most = 1e-9 if is_wide else 2.0**-20
    for off, is_line in ((0, True), (0.9, True), (-0.9, True), (1.1, False), (-1.1, False), (np.nan, False)):
        stage = Stage("L", 9, 2, np.ones((2, 8), bool), window=Window(2, 3, 1, 1, 1))
        each = np.arange(-4.0, 5)[:, None] * [0.5, -1]
        each[3, 1] += off * most * 4
        index = np.arange(12).reshape(1, 2, 3, 2).transpose(0, 3, 1, 2)
        value = each.reshape(9, 2, 1, 1)
        near = np.rint(value) if is_wide else value
        low = near - np.array([0, 0.25]).reshape(2, 1, 1)
        t = Table(near, low, near, value if is_wide else None, index, 0, stage)
        y = ends.summed_up(node("GlobalAveragePool"), t, True)
        assert (stage.summed, y.is_mean) == (is_line, not is_line)
        if is_line:
            assert (stage.rows, y.value.shape, y.index.tolist()) == (49, (49, 2, 1, 1), [[[[0]], [[1]]]])
            np.testing.assert_allclose(y.wide[:, :, 0, 0], np.arange(-24.0, 25)[:, None] * [0.5, -1] / 6, atol=1e-12)
            far = rounding.pixel_sums(each, 6, True, 0.25)
            np.testing.assert_allclose([y.high - y.wide, y.wide - y.low], far, rtol=1e-6)


@pytest.mark.parametrize(("op", "more", "attrs", "message"), [
    ("Reshape", [[-1]], {}, "it must keep the images apart"), ("Reshape", [[3, 10]], {}, "it must keep the images apart"),
    ("Transpose", [], {"perm": [0, 1, 1]}, r"perm must order 3 dimensions, not \[0, 1, 1\]"), ("Flatten", [], {"axis": 2}, "it must keep the images apart"),
    ("Transpose", [], {"perm": [0, 1]}, r"perm must order 3 dimensions, not \[0, 1\]"), ("Flatten", [], {"axis": 0}, "it must keep the images apart"),
    ("Squeeze", [[0]], {}, "it must not remove the dimension of the images"), ("Squeeze", [[-3]], {}, "it must not remove the dimension of the images"),
])  # fmt: skip
def test_shapes_that_mix_images(op, more, attrs, message):
    t = table(np.zeros((5, 2, 3)))
    with pytest.raises(InputError, match=message):
        shapes.reshaped(node(op, **attrs), [t, *(np.array(v) for v in more)], t, None)
    with pytest.raises(InputError, match="its shape must not depend on the images"):
        shapes.reshaped(node("Reshape"), [t, t], t, None)


def test_one_image_that_is_squeezed():
    """All that follow take a vector alike; of a matrix the dimensions have other numbers."""
    for shape, batch, is_right in (((5, 1, 3), 1, True), ((5, 2, 1, 3), 1, False), ((5, 2, 1, 3), None, True)):
        t = table(np.zeros(shape))
        if is_right:
            assert shapes.reshaped(node("Squeeze"), [t], t, batch).value.shape == tuple(n for n in shape if n > 1)
            continue
        with pytest.raises(InputError, match="it must name its axes: without, it removes the dimension of the one image, too"):
            shapes.reshaped(node("Squeeze"), [t], t, batch)
        assert shapes.reshaped(node("Squeeze"), [t, np.array([2])], t, batch).value.shape == (5, 2, 3)


def test_transposed_operands():
    t = table(np.arange(15).reshape(5, 3))
    y = shapes.transposed(t)
    np.testing.assert_array_equal(y.value, t.value.T)
    assert (y.axis, y.index.tolist()) == (1, [[0], [1], [2]])
    back = shapes.transposed(y)
    assert back.axis == 0
    np.testing.assert_array_equal(back.value, t.value)
    assert shapes.transposed(np.ones((2, 3))).shape == (3, 2)
    with pytest.raises(InputError, match="a transposed operand must be a matrix"):
        shapes.transposed(table(np.zeros((5, 2, 3))))
    assert shapes.reshaped(node("Shape"), [t], t, None).tolist() == [5, 3]


def test_graph_of_no_images_is_one_of_constants():
    g = Graph((Node("c", "Constant", (), ("w",), {"value_floats": [1.0, 2.0]}), Node("a", "Add", ("x", "w"), ("y",))), {}, "x", (None, 2), ("y",))
    ready = prepared(g)
    assert [n.op for n in ready.nodes] == ["Add"]
    assert ready.constants["w"].tolist() == [1, 2]
    assert execute(ready, np.ones((3, 2), F)).tolist() == [[2, 3]] * 3
    with pytest.raises(InputError, match=r"^Add 'a': cannot be run on 3 images \(operands could not be broadcast"):
        execute(ready, np.ones((3, 5), F))
    long = Graph((Node("m", "MatMul", ("x", "w"), ("y",)),), {"w": np.ones((3, 2))}, "x", (None, 2), ("y",))
    with pytest.raises(InputError) as caught:
        execute(long, np.ones((3, 5), F))
    head, text = str(caught.value)[:-1].split("(", 1)
    assert (head, len(text)) == ("MatMul 'm': cannot be run on 3 images ", 120)


def test_batch_norm_in_float64():
    x, parameters = np.array([[1.0, 2]]), [F([1, 3]), F([0, 1]), F([0, 1]), F([1, 4])]
    expected = (x - [0, 1]) * [1, 3] / np.sqrt([1 + 1e-5, 4 + 1e-5]) + [0, 1]
    np.testing.assert_allclose(ops.ELEMENTWISE["BatchNormalization"]([x, *parameters], {}), expected, rtol=1e-15)


def test_random_images_are_the_same_everywhere():
    from oxnor.models.exchange.folding.check import random_images

    assert random_images(6, 2).tolist() == [[249, 174, 16, 159, 246, 235], [0, 0, 255, 255, 255, 0]]


def test_images_of_a_check_are_of_all_levels_and_of_two():
    images = check.random_images(64, 41)
    assert images.shape == (41, 64)
    assert set(images[20:].reshape(-1).tolist()) == {0, 255}
    assert 0.4 < (images[20:] > 0).mean() < 0.6
    assert len(np.unique(images[:20])) > 200
