"""Tables as levels, and levels as scores: by hand, and against every popcount."""

import itertools

import numpy as np
import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding import build, rounding, scores
from oxnor.models.exchange.folding import levels as of
from oxnor.models.exchange.folding.graph import Node
from oxnor.models.exchange.folding.layers import InputLevels, Layers
from oxnor.models.exchange.folding.levels import Levels, NoLevels
from oxnor.models.exchange.folding.table import FloatSums, Stage, Table
from oxnor.models.exchange.folding.walk import Walk

F = np.float32


def table(*columns, is_input=False, low=None, high=None, **fields):
    """Return a table of a layer, or of the input, of neurons with these values at the popcounts from 0 on."""
    value = np.array(columns, F).T if not isinstance(columns[0][0], bool) else np.array(columns).T
    rows, m = value.shape
    stage = Stage("L", rows, m, None if is_input else np.ones((m, rows - 1), bool))
    low, high = (value if v is None else np.array(v, F).T for v in (low, high))
    return Table(value, low, high, None, np.arange(m)[None], 0, stage, **fields)


def given(levels, rows):
    """Return the values that levels stand for, at all popcounts."""
    p = np.arange(rows)[:, None]
    p = np.where(levels.falling, rows - 1 - p, p)
    reached = np.stack([p >= reach for reach in levels.reach]).sum(axis=0)
    return levels.lowest + levels.step * (reached if levels.codes is None else levels.codes)


@pytest.mark.parametrize(("columns", "reach", "lowest", "step", "falling", "constant"), [
    ([[-1, 1, 1], [-1, -1, 1]], [1, 2], [-1, -1], [2, 2], [0, 0], 0),
    ([[1, 1, -1], [1, -1, -1], [-1, 1, 1]], [1, 2, 1], [-1] * 3, [2] * 3, [1, 1, 0], 0),
    ([[0, 0, 5], [0, 0, 0], [5, 5, 5]], [2, 3, 0], [0] * 3, [5] * 3, [0] * 3, 2),
    ([[5, 0, 0], [3, 3, 3], [0, 0, 0]], [2, 0, 3], [0, -2, 0], [5] * 3, [1, 0, 0], 2),
    ([[-2, -2, -2], [1, 1, 1]], [3, 0], [-2, -3], [4, 4], [0, 0], 2), ([[0, 0, 0]], [0], [-2], [2], [0], 1),
    ([[-1, -1, -1]], [3], [-1], [2], [0], 1), ([[False, True, True], [True, True, False]], [1, 1], [0, 0], [1, 1], [0, 1], 0),
])  # fmt: skip
def test_bits(columns, reach, lowest, step, falling, constant):
    """A neuron that never switches has the pair of another's values; if none switches, plus and minus the largest."""
    t = table(*columns)
    found = of.to_bits(t)
    assert found.reach.tolist() == [reach]
    assert (found.lowest.tolist(), found.step.tolist()) == (lowest, step)
    assert (found.falling.tolist(), found.constant) == ([bool(v) for v in falling], constant)
    assert (found.planes, found.top, found.sensitive) == (1, 1, 0)
    np.testing.assert_array_equal(given(found, 3), t.value)
    assert found.thresholds().tolist() == reach
    of.check_thresholds(t.stage, t, found)


@pytest.mark.parametrize(("columns", "levels", "element", "message"), [
    ([[0, 1, 1, 1], [0, 1, 2, 2]], 3, 1, "element 1 has 3 levels"), ([[0, 1, 0, 0]], 2, 0, "element 0 has a level that comes back"),
    ([[0, 1, 1, 1], [1, 0, 1, 1], [0, 1, 2, 3]], 4, 1, "element 1 has 4 levels"), ([[0, 1, 1, 0]], 2, 0, "a level that comes back"),
    ([[5, 5, 5, 5], [0, 1, 0, 1]], 2, 1, "element 1 has a level that comes back"),
])  # fmt: skip
def test_no_bits(columns, levels, element, message):
    with pytest.raises(NoLevels, match=message) as caught:
        of.to_bits(table(*columns))
    assert (caught.value.levels, caught.value.element) == (levels, element)


def test_no_numbers():
    for f in (of.to_bits, of.to_levels):
        with pytest.raises(InputError, match="a value must be a number, and is not"):
            f(table([0, np.nan, 1]))
        for value in ([-np.inf, 1, 1], [0, 0, np.inf]):
            with pytest.raises(InputError, match="a value must be finite"):
                f(table(value))


@pytest.mark.parametrize(("columns", "lowest", "step", "reach"), [
    ([[0, 1, 2, 3], [0, 0, 1, 1]], [0, 0], 1, [[1, 2], [2, 4], [3, 4]]),
    ([[3, 2, 0, 0], [0, 1, 1, 3]], [0, 0], 1, [[2, 1], [2, 3], [3, 3]]),
    ([[-1, -1, 1, 1], [-3, -3, -3, 3]], [-3, -3], 2, [[0, 3], [2, 3], [4, 3]]),
    ([[0, 0, 2, 5]], [0], 1, [[2], [2], [3], [3], [3], [4], [4]]), ([[0.5, 2.5, 2.5, 3.0]], [0.5], 0.5, None),
    ([[0, 1, 1, 2], [F(10 + np.pi), F(11 + np.pi), F(11 + np.pi), F(12 + np.pi)]], [0, F(10 + np.pi)], 1, [[1, 1], [3, 3], [4, 4]]), ([[0, 16, 16, 33]], [0], 1, None),
    ([[0, 1, 1, 255]], [0], 1, None), ([[7, 7, 7, 7], [0, 1, 2, 2]], [0, 0], 1, None),
    ([[1, 1, 1, 1], [0, 1, 1, 2]], [0, 0], 1, None), ([[2, 2, 2, 2], [0, 1, 1, 2]], [0, 0], 1, None),
])  # fmt: skip
def test_several_levels(columns, lowest, step, reach):
    t = table(*columns, quantiser="q")
    found = of.to_levels(t)
    assert (found.lowest.tolist(), found.step.tolist()) == (lowest, [step] * len(columns))
    assert found.top == (1 << found.planes) - 1 == len(found.reach) >= len(np.unique(t.value[:, 0])) - 1
    np.testing.assert_array_equal(given(found, 4), t.value)
    assert found.constant == sum(len(set(c)) == 1 for c in columns)
    assert (found.uneven, found.sensitive, found.codes) == (0, 0, None)
    np.testing.assert_array_equal(found.falling, [c[0] > c[-1] for c in columns])
    if reach:
        assert found.reach.tolist() == reach
        np.testing.assert_array_equal(found.thresholds(), np.transpose(reach))
    of.check_thresholds(t.stage, t, found)
    order = np.arange(len(columns))[::-1]
    np.testing.assert_array_equal(given(found.at(order), 4), t.value[:, order])


@pytest.mark.parametrize(("columns", "levels", "fields"), [
    ([[0, 17, 17, 35]], 3, {"quantiser": "q"}), ([[0, 1, 1, 256]], 3, {"quantiser": "q"}), ([[0, 1, 2, 1]], 2, {"quantiser": "q"}),
    ([[0, 1, 2, 3]], 4, {}), ([[0, 0, 1, 2], [0, 1, 2, 3]], 4, {}), ([[0, 1, 2, 2 + 0.004]], 4, {"quantiser": "q"}),
    ([[3, 2, 3, 1], [0, 1, 2, 3]], 2, {"quantiser": "q"}), ([[*range(300)]], 300, {"quantiser": "q"}),
    ([[0, 1, np.inf, 3]], 4, {"quantiser": "q"}), ([[0, 1, 2, 2], [0, 0.5, np.pi, np.pi]], 3, {"quantiser": "q"}),
    ([[*range(256)], [0.5, *range(1, 256)]], 256, {"quantiser": "q"}), ([[0, 1, 3, 2]], 2, {"quantiser": "q"}), ([[0, 2, 3, 2]], 2, {"quantiser": "q"}),
    ([*[[0, 1, np.pi, np.pi, np.pi]] * 63, [0, 1, np.pi, 4, 4], [0, 1, np.pi, 4, 5]], 4, {"quantiser": "q"}), ([[0, 1, 1, 3], [0, 1, 2, 3]] * 63, 4, {}),
])  # fmt: skip
def test_no_levels(columns, levels, fields):
    """Uneven steps, too many of them, levels that come back, and sums that no quantiser has made levels."""
    with pytest.raises(NoLevels) as caught:
        of.to_levels(table(*columns, **fields))
    assert (caught.value.levels, caught.value.element) == (levels, 0)


def test_few_popcounts_and_rows_are_no_sums():
    """Of three popcounts, or where a step is left out, no quantiser is needed; of many neurons some 64 are looked at."""
    for columns in ([[0, 1, 2]], [[0, 0, 1, 2]], [[0, 1, 1, 2], [0, 0, 1, 2]], [[0, 1, 1, 3], [0, 1, 2, 3]] * 64):
        t = table(*columns)
        np.testing.assert_array_equal(given(of.to_levels(t), len(columns[0])), t.value)


def test_pairs_of_other_steps_stay_bits():
    t = table([-1, 1, 1], [np.pi, np.pi, -np.pi])
    found = of.to_levels(t)
    assert (found.planes, found.step.tolist()) == (1, [2, float(F(np.pi)) * 2])


def test_levels_near_even_steps():
    """Up to a thousandth of a step, which is kept."""
    found = of.to_levels(table([0, 1, 2, 3.001, 3.001], [0, 0, 1, 1, 2], quantiser="q"))
    assert found.step[0] == pytest.approx(3.001 / 3)
    assert found.uneven == pytest.approx(2 * (3.001 / 3 - 1), rel=1e-2)
    with pytest.raises(NoLevels):
        of.to_levels(table([0, 1, 2, 3.01], quantiser="q"))


def test_levels_of_the_input():
    """They may come back, and never fall; how many levels each value is follows from the value alone."""
    found = of.to_levels(table([3, 0, 1, 3], [0, 1, 2, 2], is_input=True))
    assert found.codes.T.tolist() == [[3, 0, 1, 3], [0, 1, 2, 2]]
    assert not found.falling.any()
    assert found.at(np.array([1])).codes.T.tolist() == [[0, 1, 2, 2]]
    assert of.to_levels(table([1, 1, 1], [0, 1, 2], is_input=True)).constant == 1


def test_cells_that_hang_on_rounding():
    """They are counted, and known by the popcount of the folded weights."""
    t = table([-1, -1, 1], [1, -1, -1], low=[[-1, -1, -1], [-1, -1, -1]], high=[[-1, -1, 1], [1, -1, 1]])
    found = of.to_levels(t)
    assert found.sensitive == 3
    assert of.rounding_mask(t, found).T.tolist() == [[False, False, True], [True, False, True]]
    many = table([0, 1, 2, 2], low=[[0, 1, 1, 2]], high=[[0, 1, 2, 2]], quantiser="q")
    assert of.to_levels(many).sensitive == 1
    near = table([0, 1, 1, 2], low=[[0, 1 - 2e-7, 1, 2]], high=[[0, 1, 1, 2 + 2e-7]], quantiser="q")
    assert of.to_levels(near).sensitive == 0
    falls = table([1, 1, -1, -1], low=[[1, -1, -1, -1]], high=[[1, 1, -1, -1]])
    assert of.rounding_mask(falls, of.to_levels(falls)).T.tolist() == [[False, False, True, False]]


def test_wrong_thresholds_are_found_at_every_popcount():
    """Of bits and of levels, in the first rows and in those behind 512."""
    values = [[int(p >= 3) for p in range(1100)], [int(p < 1050) for p in range(1100)], [int(p >= 600) for p in range(1100)]]
    two = [[(p >= 3) + (p >= 700) for p in range(1100)], [2 - (p >= 513) for p in range(1100)]]
    for t in (table(*values), table(*two, quantiser="q")):
        found = of.to_levels(t)
        of.check_thresholds(t.stage, t, found)
        for neuron, off in itertools.product(range(len(t.value[0])), (-1, 2)):
            reach = found.reach.copy()
            reach[min(neuron, len(reach) - 1), neuron] += off
            wrong = Levels(reach, found.lowest, found.step, found.falling, 0, 0)
            with pytest.raises(InputError) as caught:
                of.check_thresholds(t.stage, t, wrong)
            text = f"{abs(off)} of {t.value.size:,} popcounts must give the source's level, and do not"
            assert str(caught.value) == text


def test_neurons_of_a_feature_map():
    """Each has the levels of its pixels, which must be the same, in whatever order the elements come."""
    from oxnor.models.networks.layers.window import Window

    stage = Stage("L", 5, 2, np.ones((2, 4), bool), window=Window(2, 3, 1, 1, 2))  # 2 x 2 pixels
    order = np.array([3, 0, 6, 5, 2, 7, 4, 1])
    reach, falls = np.array([1, 4])[order % 2], np.array([False, True])[order % 2]
    found = Levels(reach[None], 1.0 * order, np.ones(8), falls, 0, 0)
    neurons, columns = of.of_neurons(stage, found, order, False)
    assert (neurons.reach.tolist(), neurons.falling.tolist(), order[columns].tolist()) == ([[1, 4]], [False, True], [0, 1])
    shared, columns = of.of_neurons(stage, found, order, True)
    assert shared is found
    assert columns.tolist() == [0, 1]
    for k in range(8):
        for key, value in (("reach", reach + (np.arange(8) == k)), ("falling", falls ^ (np.arange(8) == k))):
            parts = {"reach": reach, "falling": falls} | {key: value}
            wrong = Levels(parts["reach"][None], found.lowest, found.step, parts["falling"], 0, 0)
            with pytest.raises(InputError, match="each channel must have the same thresholds at all pixels, and has others"):
                of.of_neurons(stage, wrong, order, False)
    dense = Stage("L", 5, 2, np.ones((2, 4), bool))
    neurons, columns = of.of_neurons(dense, found.at(np.array([0, 1])), np.array([1, 0]), False)
    assert (neurons.lowest.tolist(), columns.tolist()) == ([0.0, 3.0], [1, 0])
    neurons, columns = of.of_neurons(Stage("x", 256, 8), found, order, False)
    assert neurons.lowest.tolist() == [*range(8)]


@pytest.mark.parametrize(("columns", "expected"), [
    ([[-1, 1]], False), ([[-1, 1, 1]], True), ([[-1, 1, 1], [1, -1, -1]], True), ([[2, 2, 2]], False), ([[0, 1, 2]], False), ([[0, 1, 0]], False),
])  # fmt: skip
def test_outputs_that_are_bits(columns, expected):
    """Of more than two popcounts: those of two are one bit, whatever gives them."""
    t = table(*columns)
    assert build._is_bits(t) is expected
    yes = build._decides(t)
    assert yes is None if not expected else yes.tolist() == (t.value[:, 0] > 0).tolist()


@pytest.mark.parametrize(("columns", "fields", "message"), [
    ([[0, 1, 2, 3, 5, 6, 7, np.pi]], {}, "takes activations of 8 levels from L: activations of 1 to 8 bits"),
    ([[0, 1, 2, 3, 5, 6, 7, np.pi, 8]], {}, "takes sums of L that no sign has made bits: put a sign"),
    ([[0, 1, 2, 2 + 0.004]], {"quantiser": "Quant 'q', 2 bits"}, "takes 4 levels of Quant 'q', 2 bits: activations"),
])  # fmt: skip
def test_what_no_product_takes(columns, fields, message):
    with pytest.raises(InputError, match=message):
        Layers(False, False, {}, []).levels_of(table(*columns, **fields))


def test_inputs_that_are_not_quantised_alike():
    layers = Layers(False, False, {}, [])
    assert layers.levels_of(table(*[[0, 1, 2, 3]] * 3, is_input=True)).planes == 2
    with pytest.raises(InputError, match="takes inputs that are not all quantised alike"):
        layers.levels_of(table([0, 1, 2, 3], [0, 1, 3, 2], [0, 1, 2, 3], is_input=True))


@pytest.mark.parametrize(("guess", "constant_inputs", "columns", "expected"), [
    (True, False, [[0, 1], [1, 1]], InputLevels), (True, True, [[0, 1], [1, 1]], None), (True, False, [[0, 1], [1, 0]], None),
    (True, True, [[0, 0], [1, 1]], InputLevels), (True, False, [[0, 0], [1, 1]], InputLevels), (False, False, [[0, 1], [1, 1]], None),
    (False, False, [[0, 0], [1, 1]], InputError), (False, True, [[0, 0], [1, 1]], InputError),
])  # fmt: skip
def test_inputs_that_never_change(guess, constant_inputs, columns, expected):
    """Another coding is tried where any is constant, and then where all are; where none is left it is refused."""
    layers, t = Layers(guess, constant_inputs, {}, []), table(*columns, is_input=True)
    if expected is None:
        assert layers.levels_of(t).reach.shape == (1, 2)
    else:
        with pytest.raises(InputError) as caught:
            layers.levels_of(t)
        assert type(caught.value) is expected
    # Of a layer this is no reason.
    assert layers.levels_of(table(*columns)).reach.shape == (1, 2)


@pytest.mark.parametrize(("op", "others", "expected"), [
    ("Quant", [1, 0, 3], 3), ("IntQuant", [1, 0, 1], 1), ("Quant", [1, 0, 64], 64), ("Quant", [1, 0, 64.5], None), ("Quant", [1, 0, 0.5], None),
    ("Quant", [1, 0, [2, 5]], 5), ("Quant", [1, 0, []], 0), ("Quant", [1, 0], 0), ("MultiThreshold", [[[1, 2, 3]]], 2), ("MultiThreshold", [[[1, 2, 3, 4]]], 3),
    ("MultiThreshold", [[1, 2, 3]], 0), ("MultiThreshold", [], 0), ("QuantizeLinear", [1, 0], 8), ("Add", [1, 0, 3], 0),
])  # fmt: skip
def test_bits_of_quantisers(op, others, expected):
    node, x = Node("n", op, ("x",), ("y",)), [table([0, 1]), *(np.array(v, F) for v in others)]
    if expected is None:
        with pytest.raises(InputError, match=r"bit width must be in \[1, 64\], not "):
            Walk._bits_of(node, x)
    else:
        assert Walk._bits_of(node, x) == expected


@pytest.mark.parametrize(("each", "pixels", "is_mean", "apart", "exact"), [
    ([1, -3], 4, False, 0, True), ([1, -3], 4, True, 0, False), ([1, -3.5], 4, False, 0, False), ([1, -3], 4, False, 0.25, False),
    ([(1 << 24) - 1], 1, False, 0, True), ([1 << 24], 1, False, 0, False), ([-(1 << 22)], 4, False, 0, False), ([-(1 << 22) + 1], 4, False, 0, True),
    ([1, -3.5], 16, True, 0.5, False), ([0.5, 0.5], 2, False, 0, False),
])  # fmt: skip
def test_sums_over_pixels(each, pixels, is_mean, apart, exact):
    """They are exact while they are whole numbers below 2**24."""
    each = np.array([each], float)
    far = pixels * apart + (pixels / 8 + 10) * 2.0**-24 * pixels * abs(each).max()
    found = rounding.pixel_sums(each, pixels, is_mean, apart)
    assert found == pytest.approx(0 if exact else far / (pixels if is_mean else 1), rel=1e-12)


# Scores


def outputs(weights, slope, start, slack=0.0):
    """Return outputs of classes: start + slope * popcount, off by up to `slack` (of each class)."""
    weights = np.asarray(weights, bool)
    n = weights.shape[1]
    wide = np.asarray(start) + np.asarray(slope) * np.arange(n + 1.0)[:, None]
    value = wide.astype(F)
    far = np.broadcast_to(slack, wide.shape).astype(F)
    return scores.Outputs(value, value - far, value + far, wide, weights)


def test_pairs_that_hang_on_rounding():
    """All that two classes can have at once, of all inputs: those whose bounds meet, unless both are exact."""
    g = np.random.default_rng(2)
    inputs = np.array(list(itertools.product((False, True), repeat=7)))
    for slack in ([0.3, 0.0, 0.0], [0.5, 0.5, 0.1], [0.0, 0.0, 1.0], [0, 0, 0]):
        y = outputs(g.random((3, 7)) < 0.5, [1, -0.5, 2], [0, 3, 0.25], slack)
        popcounts = (inputs[:, None] == y.weights).sum(axis=2)
        found = set()
        for p in popcounts:
            for a, b in itertools.combinations(range(3), 2):
                (la, ha), (lb, hb) = ((y.low[p[c], c], y.high[p[c], c]) for c in (a, b))
                if la <= hb and lb <= ha and (la < ha or lb < hb):
                    found.add((a, b, p[a], p[b]))
        integers = np.arange(24).reshape(8, 3)
        count, example = scores._rounded_pairs(y, integers)
        assert count == len(found)
        assert bool(example) == bool(found)
        if found:
            assert example in {
                f"class {a} with {y.value[pa, a]:.9g} and class {b} with {y.value[pb, b]:.9g} have the scores"
                f" {integers[pa, a]} and {integers[pb, b]}" for a, b, pa, pb in found
            }  # fmt: skip


def test_pairs_are_counted_among_neighbours_where_they_are_many(monkeypatch):
    pairs, none = 3 * (4 / 2 + 1) ** 2, np.zeros((5, 3), int)
    # Of 15 cells in order, which class 1 meets on both sides; or class 2 alone meets class 1.
    for slack, expected in (([0, 0.25, 0], 10), ([0, 0.125, 0.125], 5), ([0.0, 0.0, 0.0], 0), ([0.5, 0.0, 0.0], 9)):
        y = outputs(np.ones((3, 4)), [1, 1, 1], [0, 0.25, 0.5], slack)
        monkeypatch.setattr(scores, "_PAIRS_MAX", pairs)
        count, example = scores._rounded_pairs(y, none)
        assert bool(count) == bool(example) == bool(expected)
        monkeypatch.setattr(scores, "_PAIRS_MAX", pairs - 0.5)
        assert scores._rounded_pairs(y, none) == (expected, "")
    y = outputs(np.ones((2, 4)), [1, 1], [0, 0.125], [0.0, 0.0])
    assert scores._rounded_pairs(y, np.zeros((5, 2), int)) == (0, "")


def test_scales_that_are_tried():
    powers = [*(1 << k for k in range(9)), *(1 << k for k in range(10, 31, 2))]

    def tried(slope, start):
        return [(a.tolist(), b.tolist()) for a, b in scores._candidates(np.array(slope), np.array(start))]

    assert tried([1.0], [5.0]) == [([k], [0]) for k in (1, 2, 3, 4, *powers)]
    assert [a[0] for a, _ in tried([1.0, *(np.sqrt([2, 3, 5, 7]) - [1, 1, 2, 2])], [0.0] * 5)] == powers
    for largest, first in ((4096, [4096, 3001, 2003, 1001, 777]), (4097, [1, 1, 0, 0, 0])):
        assert tried([largest, 3001.0, 2003, 1001, 777], [0.0] * 5)[0] == (first, [0] * 5)
    assert tried([0.3, 0.1], [0.2, 0.0])[:2] == [([3, 1], [2, 0]), ([6, 2], [4, 0])]
    assert tried([0.5, 0.5], [-1.25, 0.0])[0] == ([2, 2], [0, 5])
    # Up to a millionth of 1 and the largest scale.
    for off, first in ((1.3e-6, ([3, 1], [0, 0])), (1.4e-6, ([1, 0], [0, 0]))):
        assert tried([1.0, 1 / 3 + off], [0.0, 0.0])[0] == first
    for off, first in ((1.3e-6, ([3, 3], [0, 1])), (1.4e-6, ([1, 1], [0, 0]))):
        assert tried([1.0, 1.0], [0.0, 1 / 3 + off])[0] == first
    assert len(tried([1.0, 1.0], [2.0**42, 0.0])) == 13
    # Products with scores of 2**51 and more are no integers that float64 tells apart.
    assert [a[0] for a, _ in tried([1.0], [2.0**42])] == [1, 2, 3, 4, *powers[:9]]
    assert [a[0] for a, _ in tried([1.0], [2.0**41])] == [1, 2, 3, 4, *powers[:9]]
    assert [a[0] for a, _ in tried([1.0], [2.0**40])] == [1, 2, 3, 4, *powers[:10]]


def test_order_that_is_certain():
    """Against all pairs of cells, of random small tables."""
    g = np.random.default_rng(5)
    results = set()
    for _ in range(300):
        value = g.integers(0, 5, (3, 2)).astype(F)
        far = g.choice([0, 0.4, 0.6], (3, 2)).astype(F)
        integers = np.where(g.random() < 0.7, np.rint(value * 2), g.integers(0, 9, (3, 2))) + (g.random((3, 2)) < 0.1)
        y = scores.Outputs(value, value - far, value + far, value, np.ones((2, 2), bool))
        cells = [*zip(y.low.ravel(), y.high.ravel(), integers.ravel(), strict=True)]
        kept = all(i < j for (_, b, i), (a, _, j) in itertools.permutations(cells, 2) if b < a)
        ties = all(i == j for (a, b, i), (c, d, j) in itertools.combinations(cells, 2) if a == b == c == d)
        assert scores._same_order(y, integers) == (kept and ties)
        results.add((kept, ties))
        agree = all(np.sign(u - v) == np.sign(i - j) for (u, i), (v, j) in itertools.combinations(
            zip(value.ravel(), integers.ravel(), strict=True), 2))  # fmt: skip
        assert (scores._undecided(value, integers) == 0) == agree
    assert len(results) == 4
    assert scores._undecided(np.array([0, 1, 2, 2]), np.array([0, 0, 5, 6])) == 2


def test_scores_that_are_kept():
    y = outputs(np.ones((2, 3)), [2, -3], [5, 1])
    kept = scores.fit_scores(y, True)
    assert (kept.scales.tolist(), kept.offsets.tolist(), kept.inverted.tolist()) == ([2, -3], [5, 1], [False, False])
    made = scores.fit_scores(y, False)
    assert (made.scales.tolist(), made.offsets.tolist(), made.inverted.tolist()) == ([2, 3], [13, 0], [False, True])
    for slope, start in (([1, 0.5], [0, 0]), ([1, 2], [0.5, 0])):
        other = scores.fit_scores(outputs(np.ones((2, 3)), slope, start), True)
        assert other.scales.tolist() == [2 * v for v in slope]
    assert scores.fit_scores(outputs(np.ones((2, 3)), [1, 1], [0, 0]), False).scales.tolist() == [1, 1]
    # Finer ones than the first where these decide more pairs as the source's values do.
    near = scores.fit_scores(outputs(np.ones((5, 3)), [1.0, *(np.sqrt([2, 3, 5, 7]) - [1, 1, 2, 2])], [0] * 5, 0.5), False)
    assert near.scales.tolist() == [64, 27, 47, 15, 41]


@pytest.mark.parametrize("falls", [False, True])
def test_scores_of_one_curve(falls):
    """The same for all classes, and no line."""
    curve = np.array([0, 1, 4, 9.0])[:: -1 if falls else 1, None] * np.ones(3)
    y = scores.Outputs(curve.astype(F), curve.astype(F), curve.astype(F), curve, np.ones((3, 3), bool))
    found = scores.fit_scores(y, False)
    assert (found.scales.tolist(), found.offsets.tolist(), found.inverted.tolist()) == ([1] * 3, [0] * 3, [falls] * 3)
    assert found.sensitive == 0
    bent = curve.copy()
    bent[1] = bent[0]
    for wrong in (bent, curve * [1, 1, 2]):
        y = scores.Outputs(wrong.astype(F), wrong.astype(F), wrong.astype(F), wrong, np.ones((3, 3), bool))
        with pytest.raises(InputError, match="must be affine in its popcounts, with one scale and offset a class: leave out the activation behind it, as a ReLU"):
            scores.fit_scores(y, False)
    low, high = curve.astype(F) - F(0.5), curve.astype(F) + F(0.5)
    y = scores.Outputs(curve.astype(F), low, high, curve, np.array([[1, 1, 1], [1, 1, 0], [0, 0, 0]], bool))
    found = scores.fit_scores(y, False)
    # Popcounts of 0 and 1 come at once of classes that differ in one weight, equal ones of those that differ in two.
    assert found.sensitive == 4
    assert found.example.endswith(f"have the scores {'1 and 0' if falls else '0 and 1'}")


@pytest.mark.parametrize(("slope", "start", "message"), [
    ([np.inf, 1], [0, 0], "the outputs must be finite"), ([0, 0], [1, 2], "must depend on its inputs"),
    ([1, 1], [0, 2.0**60], "must need scales of at most 31 bits"),
])
def test_scores_that_are_none(slope, start, message):
    with np.errstate(all="ignore"), pytest.raises(InputError, match=message):
        scores.fit_scores(outputs(np.ones((2, 3)), slope, start), False)
    y = outputs(np.ones((2, 3)), [1, 1], [0, 0])
    with pytest.raises(InputError, match="must be numbers, not true or false"):
        scores.fit_scores(scores.Outputs(*[y.wide > 1] * 4, y.weights), False)


@pytest.mark.parametrize(("wide", "bits", "expected"), [
    ([-2, -1, 0, 1, 2], None, (3, False)), ([2, 1, 0, -1, -2], None, (3, True)), ([1, 1, 1], None, (0, False)),
    ([-1, -1, 0], None, (3, False)), ([1, 1, 1], [False, False, True], (2, False)), ([1, 1, 1], [True, False, False], (2, True)),
    ([1, 1, -1], None, (1, True)), ([0, 1, 2], [True, True, True], (0, False)), ([-1, 1], None, (1, False)),
])  # fmt: skip
def test_threshold_of_one_output(wide, bits, expected):
    assert scores.decision_threshold(np.array(wide), None if bits is None else np.array(bits)) == expected


def test_sums_of_float_weights_hang_on_the_largest_inputs():
    weights, lowest, step = F([[0.5, -3], [2, 0.25]]), np.array([-5.0, 2]), np.array([2.0, -1.5])
    levels = Levels(np.ones((3, 2), int), lowest, np.abs(step), step < 0, 0, 0)
    y = Layers(False, False, {}, [])._float_sums(Node("n", "MatMul", ("x", "w"), ("y",)), weights, levels, (np.arange(2), step, lowest + 1.5 * step))
    far = rounding.float_sums(weights, np.array([5, 2.5]))
    np.testing.assert_allclose([y.high - y.value, y.value - y.low], [np.broadcast_to(far, y.value.shape)] * 2, rtol=1e-6)


@pytest.mark.parametrize("middle", [[0.0, 0.0], [8.0, -1.0]])
@pytest.mark.parametrize("apart", [0.0, 0.5])
def test_outputs_that_rounding_may_change(middle, apart):
    """As far as the source's bounds are apart, and eight roundings of float64 of the largest number on the way."""
    floats = FloatSums(np.array([[1.0, -1.0, 0.5, 1.5], [0.25, 0.25, 0.5, 1]]), np.array(middle), 3)
    wide = floats.values()
    rounded = scores.round_scores(scores.Outputs(wide, wide, wide + apart, wide, np.ones((2, 4), bool)), floats, 4)
    lowest, largest = min(middle), np.abs(wide).max(axis=0)
    np.testing.assert_allclose(rounded.slack - apart, 2.0**-50 * (largest + abs(lowest) + rounded.unit * rounded.offsets), rtol=0.3, atol=apart * 2.0**-52)


def test_classes_that_no_error_changes():
    from oxnor.models.networks.layers.weight_code import WeightCode

    def proved(y, bound, slack):
        y = np.array(y, float)
        made = scores.RoundedScores(np.ones((1, 1), bool), WeightCode.narrow(2), np.zeros(1, int), 1.0, 0.5, 0, np.array(bound), np.array(slack))
        np.testing.assert_array_equal(made.outputs(np.array([0, 4])), [1, 3])
        return made.proved(y).tolist()

    assert proved([[0.4], [0.6], [-0.6], [-0.4], [0.5], [0]], [0.25], [0.25]) == [False, True, True, False, False, False]
    assert proved([[0, 1.1, -9], [0, 1, -9], [0.9, 0, 0], [-1, -1, 5]], [0.25, 0.25, 0.5], [0.25, 0.25, 0]) == [True, False, False, True]
