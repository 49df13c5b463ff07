"""Attributes of convolutions and poolings as windows, and what stands at their edges."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("onnx")

from helpers import onnx_convolutions as made
from helpers.onnx_networks import Maker

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding import maps
from oxnor.models.exchange.folding.graph import Node
from oxnor.models.exchange.folding.levels import Levels
from oxnor.models.exchange.folding.results import run_map
from oxnor.models.exchange.import_network import from_graph
from oxnor.models.exchange.readers.onnx_file import from_model
from oxnor.models.networks.layers.window import Pool, Window


def node(op="Conv", domain="", **attrs):
    return Node("n", op, (), (), attrs, domain)


def test_channels_come_first_or_last():
    """One row of pixels where a tensor has no height; back and forth gives the tensor."""
    x = np.arange(120).reshape(2, 3, 4, 5)
    for last in (node(domain=maps.CHANNELS_LAST), node("MaxPoolNHWC"), node("Im2Col")):
        assert maps.has_channels_last(last)
        np.testing.assert_array_equal(maps.to_map(last, x), x)
        np.testing.assert_array_equal(maps.to_map(last, x[:, 0]), x[:, :1])
        assert [maps.channel_axis(last, ndim) for ndim in (2, 3, 4)] == [1, 2, 3]
    first = node()
    assert not maps.has_channels_last(first)
    assert [maps.channel_axis(first, ndim) for ndim in (2, 3, 4)] == [1, 1, 1]
    assert maps.to_map(first, x).shape == (2, 4, 5, 3)
    assert maps.to_map(first, x)[1, 2, 3, 0] == x[1, 0, 2, 3]
    np.testing.assert_array_equal(maps.to_map(first, x[:, :, 0]), x[:, :, 0].transpose(0, 2, 1)[:, None])
    for one in (first, node("Im2Col")):
        for v in (x, x[:, 0]):
            np.testing.assert_array_equal(maps.from_map(one, maps.to_map(one, v), v.ndim), v)
        for v in (x[0, 0], x[None]):
            with pytest.raises(InputError, match=f"feature maps, with 3 or 4 dimensions, not {v.ndim}"):
                maps.to_map(one, v)


@pytest.mark.parametrize(("value", "flat", "expected"), [
    (3, False, (3, 3)), ([2, 5], False, (2, 5)), ([1, 65536], False, (1, 65536)), ([7], True, (1, 7)), ([2, 5], True, (2, 5)),
    ([7], False, None), ([0, 1], False, None), ([1, 0], False, None), ([1, 65537], False, None), ([1, 2, 3], False, None),
    ([1.0, 2], False, None), ("ab", False, None), (0, False, None), ([], True, None), ([7, 1, 1], True, None),
])  # fmt: skip
def test_pairs_of_sizes(value, flat, expected):
    if expected:
        assert maps.pair(node(strides=value), "strides", None, flat=flat) == expected
        return
    with pytest.raises(InputError, match="its strides must be 2 integers of 1 or more, not"):
        maps.pair(node(strides=value), "strides", None, flat=flat)


def test_pairs_by_default():
    assert maps.pair(node(), "strides", 1) == (1, 1)
    with pytest.raises(InputError, match="its strides must be given"):
        maps.pair(node(), "strides", None)


def window(size, kernel, more=None, groups=1, **attrs):
    w = maps.conv_window(node(**attrs), kernel, groups, (*size, 4), more)
    return (w.step_y, w.step_x), (w.spread_y, w.spread_x), (w.top, w.left, w.bottom, w.right), w.out_size, w.groups


@pytest.mark.parametrize(("size", "kernel", "attrs", "expected"), [
    ((5, 7), (2, 3), {}, ((1, 1), (1, 1), (0, 0, 0, 0), (4, 5), 1)),
    ((5, 7), (2, 3), {"strides": [2, 1], "dilations": [1, 2], "groups": 2}, ((2, 1), (1, 2), (0, 0, 0, 0), (2, 3), 2)),
    ((5, 7), (2, 3), {"pads": [1, 2, 0, 1]}, ((1, 1), (1, 1), (1, 2, 0, 1), (5, 8), 1)),
    ((5, 7), (2, 3), {"pads": [1, 1, 0, 1], "more": (0, 1, 1, 0)}, ((1, 1), (1, 1), (1, 2, 1, 1), (6, 8), 1)),
    ((5, 7), (2, 3), {"auto_pad": b"SAME_UPPER"}, ((1, 1), (1, 1), (0, 1, 1, 1), (5, 7), 1)),
    ((5, 7), (2, 4), {"auto_pad": "SAME_LOWER"}, ((1, 1), (1, 1), (1, 2, 0, 1), (5, 7), 1)),
    ((5, 7), (2, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 3]}, ((2, 3), (1, 1), (0, 1, 1, 1), (3, 3), 1)),
    ((6, 8), (1, 1), {"auto_pad": "SAME_UPPER", "strides": [2, 3]}, ((2, 3), (1, 1), (0, 0, 0, 0), (3, 3), 1)),
    ((5, 7), (3, 3), {"auto_pad": "SAME_UPPER", "dilations": [2, 2]}, ((1, 1), (2, 2), (2, 2, 2, 2), (5, 7), 1)),
    ((5, 7), (2, 3), {"auto_pad": "VALID", "pads": [1, 1, 1, 1]}, ((1, 1), (1, 1), (0, 0, 0, 0), (4, 5), 1)),
    ((5, 7), (2, 3), {"auto_pad": "", "kernel_shape": [2, 3]}, ((1, 1), (1, 1), (0, 0, 0, 0), (4, 5), 1)),
    ((1, 7), (1, 3), {"kernel_shape": [3], "strides": [2], "dilations": [1], "pads": [1, 2]},
     ((1, 2), (1, 1), (0, 1, 0, 2), (1, 4), 1)),
])  # fmt: skip
def test_windows_of_convolutions(size, kernel, attrs, expected):
    assert window(size, kernel, **attrs) == expected


@pytest.mark.parametrize(("attrs", "message"), [
    ({"kernel_shape": [3, 2]}, r"its kernel_shape must be that of its weights, \[2, 3\], not \[3, 2\]"),
    ({"pads": [1, 1]}, r"its pads must be 4 integers of 0 or more, not \[1, 1\]"),
    ({"pads": [1, 1, 1, -1]}, "its pads must be 4 integers of 0 or more"),
    ({"pads": [65537, 1, 1, 1]}, "its pads must be 4 integers of 0 or more"),
    ({"pads": [0, 0, 0, 0.0]}, "its pads must be 4 integers of 0 or more"),
    ({"pads": 1}, "its pads must be 4 integers of 0 or more, not 1"),
    ({"auto_pad": b"SAME"}, "its auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not 'SAME'"),
])  # fmt: skip
def test_windows_wrong(attrs, message):
    with pytest.raises(InputError, match=message):
        window((5, 7), (2, 3), **attrs)


@pytest.mark.parametrize(("size", "op", "attrs", "expected"), [
    ((6, 9), "MaxPool", {"kernel_shape": [2, 3], "strides": [2, 3]}, (2, 3, 2, 3)),
    ((6, 9), "MaxPool", {"kernel_shape": [2, 3]}, (2, 3, 1, 1)),
    ((6, 9), "GlobalMaxPool", {}, (6, 9, 6, 9)), ((6, 9), "GlobalAveragePool", {}, (6, 9, 6, 9)),
    ((1, 9), "MaxPool", {"kernel_shape": [3], "strides": [2]}, (1, 3, 1, 2)),
    ((6, 9), "MaxPool", {"kernel_shape": [2, 3], "strides": [2, 3], "ceil_mode": 1}, (2, 3, 2, 3)),
    ((7, 9), "MaxPool", {"kernel_shape": [2, 3], "strides": [2, 3], "ceil_mode": 1}, (2, 3, 2, 3, 0, 0, 1, 0)),
    ((6, 8), "MaxPool", {"kernel_shape": [2, 3], "strides": [2, 3], "ceil_mode": 1}, (2, 3, 2, 3, 0, 0, 0, 1)),
    ((5, 7), "MaxPool", {"kernel_shape": [1, 2], "strides": [3, 5], "ceil_mode": 1}, (1, 2, 3, 5)),  # the next would see nothing
    ((6, 4), "MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]}, (3, 3, 2, 2, 1, 1, 2, 2)),
    ((2, 4), "MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 0, 1, 0]}, (2, 2, 2, 2, 1, 0, 1, 0)),
    ((7, 9), "MaxPool", {"kernel_shape": [2, 3], "strides": [2, 3]}, (2, 3, 2, 3)),
    ((6, 9), "MaxPool", {"kernel_shape": [2, 2], "pads": [0, 0, 0, 1]}, (2, 2, 1, 1, 0, 0, 0, 1)),
    ((6, 9), "MaxPool", {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}, (2, 2, 1, 1, 0, 0, 1, 1)),
    ((6, 9), "MaxPool", {"kernel_shape": [2, 4], "auto_pad": "SAME_LOWER"}, (2, 4, 1, 1, 1, 2, 0, 1)),
    ((1, 9), "MaxPool", {"kernel_shape": [3], "strides": [2], "pads": [1, 0]}, (1, 3, 1, 2, 0, 1, 0, 0)),
    ((6, 9), "MaxPool", {"kernel_shape": [2, 2], "pads": [0, 0, 0, 2]}, r"pool: right must be at least 0 and less than the width of the window, 2, not 2"),
    ((6, 9), "MaxPool", {"kernel_shape": [2, 2], "dilations": [1, 2]}, r"its dilations must be 1, not \[1, 2\]"),
    ((6, 9), "MaxPool", {"kernel_shape": [7, 2]}, "pool"), ((6, 9), "MaxPool", {}, "its kernel_shape must be given"),
])  # fmt: skip
def test_windows_of_poolings(size, op, attrs, expected):
    if isinstance(expected, tuple):
        assert maps.pool_of(node(op, **attrs), size) == Pool(*expected)
        return
    with pytest.raises(InputError, match=expected):
        maps.pool_of(node(op, **attrs), size)


def test_what_is_padded_before_counts_for_auto_pad():
    same = node("MaxPool", kernel_shape=[3, 3], strides=[3, 3], auto_pad="SAME_UPPER")
    assert maps.pool_of(same, (5, 6), (1, 0, 0, 0)) == Pool(3, 3, 3, 3, 1, 0, 0, 0)
    assert maps.pool_of(same, (6, 4), (0, 0, 0, 2)) == Pool(3, 3, 3, 3, 0, 0, 0, 2)


def test_windows_of_poolings_are_those_of_onnxruntime():
    runtime = pytest.importorskip("onnxruntime", reason="compares with the package onnxruntime")
    runtime.set_default_logger_severity(4)
    g = np.random.default_rng(1)
    for k in range(60):
        kernel, x = g.integers(1, 5, 2).tolist(), g.normal(size=(2, 3, *g.integers(4, 10, 2))).astype(np.float32)
        steps = [int(g.integers(1, n + 1)) for n in kernel]
        edges = ({"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}, {}, {"ceil_mode": 1})[k % 4]
        if k % 4 > 1:
            edges = edges | {"pads": [int(g.integers(0, n)) for n in kernel * 2]}
        attrs = {"kernel_shape": kernel, "strides": steps} | edges
        m = Maker(opset=17)
        model = m.model(x.shape, m.n("MaxPool", ["x"], **attrs))
        session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        for given in ([x], [x, None]):  # an input that is left out is none
            np.testing.assert_array_equal(run_map(node("MaxPool", **attrs), given), session.run(None, {"x": x})[0], str(attrs))


def test_what_pads_of_its_own():
    w = Window(5, 5, 1, 4, 5, top=1, left=2, bottom=3, right=4)
    assert not maps.pads_itself(node(), w, (1, 2, 3, 4))
    assert all(maps.pads_itself(node(), w, pads) for pads in ((0, 2, 3, 4), (1, 0, 3, 4), (1, 2, 0, 4), (1, 2, 3, 0)))


def test_values_of_groups_of_channels():
    """A kernel of the first half of the outputs sees the first half of the channels."""
    kernels = np.zeros((4, 2, 3, 2))
    seen = maps.by_group(np.array([1, 2, 3, 4]), kernels, 2)
    assert seen.shape == kernels.shape
    assert [seen[k, 1, 2].tolist() for k in range(4)] == [[1, 2], [1, 2], [3, 4], [3, 4]]
    assert maps.by_group(np.array([5, 6]), kernels, 1)[3, 0, 0].tolist() == [5, 6]


def levels(rows, lowest, step):
    n = len(lowest)
    return Levels(np.zeros((rows, n), int), np.array(lowest, float), np.array(step, float), np.zeros(n, bool), 0, 0)


@pytest.mark.parametrize(("rows", "lowest", "step", "value", "expected"), [
    (1, [-1, -1], [2, 2], -1, -1), (1, [-1, -1], [2, 2], 1, 1), (1, [-1, -1], [2, 2], 0, 0), (1, [0, 0], [1, 1], 0.5, 0),
    (3, [0, 0], [1, 1], 0, -1), (3, [0, 0], [1, 1], 3, 1), (1, [-1, 0], [2, 1], 1, 1),
    (3, [0, 0], [1, 1], 1.5, 0), (255, [-1, -1], [2 / 255, 2 / 255], 0, 0), (3, [-4, -4], [2, 2], -1, 0),
    (3, [0, 0], [1, 1], 1, "lowest or highest of its inputs' levels, 0 and 3, or their middle: train"),
    (1, [-1, -1], [2, 2], 0.5, "0.5, which must be the lowest or highest of its inputs' levels, -1 and 1, or their middle: train"),
    (1, [-1, 0], [2, 1], -1, "levels, -1 and 1, or their middle: train"),
])  # fmt: skip
def test_what_stands_in_the_padding(rows, lowest, step, value, expected):
    given = levels(rows, lowest, step)
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            maps.pad_value(value, given.lowest, given.step, given)
    else:
        assert maps.pad_value(value, given.lowest, given.step, given) == expected


def twice(*pools):
    """Return a network with a convolution and poolings, (kernel, steps, perhaps pads) each, one after the other."""
    g = np.random.default_rng(2)
    m = Maker(opset=17)
    x, size = made.activation(m, "x", "BipolarQuant", ""), 8
    x = made.norm(m, made.convolution(m, x, g, 1, 3, kernel=(2, 2)), g, 3, "NCHW")
    x = made.activation(m, x, "BipolarQuant", "")
    sizes = size, size
    for kernel, steps, *padding in pools:
        pads = padding[0] if padding else [0, 0, 0, 0]
        x = m.n("MaxPool", [x], kernel_shape=list(kernel), strides=list(steps), pads=pads)
        sizes = Pool(*kernel, *steps, *pads).over(*sizes)
    heights, widths = sizes
    w = np.where(g.random((3 * heights * widths, 4)) < 0.5, np.float32(-1), np.float32(1))
    return from_model(m.model(["N", 1, 9, 9], m.n("MatMul", [m.n("Flatten", [x]), m.c(w)])))


def test_poolings_one_after_the_other():
    """They are one of larger windows and steps; where the first leaves pixels out there is none."""
    result = from_graph(twice(((3, 2), (2, 1)), ((2, 3), (1, 2))), "ONNX", "n")
    assert result.ok
    assert result.network.layers[0].pool == Pool(5, 4, 2, 2)
    assert from_graph(twice(((1, 1), (2, 2)), ((1, 1), (2, 2))), "ONNX", "n").network.layers[0].pool == Pool(1, 1, 4, 4)
    padded = from_graph(twice(((3, 2), (2, 1), [1, 1, 1, 0]), ((2, 3), (1, 2), [1, 2, 0, 1])), "ONNX", "n")
    assert padded.ok
    assert padded.network.layers[0].pool == Pool(5, 4, 2, 2, 3, 3, 1, 1)
    for pools in (
        [((1, 1), (2, 2)), ((2, 1), (1, 1))], [((1, 1), (2, 2)), ((1, 2), (1, 1))],
        # 8 pixels are not 2 windows of 3: the second would take the last two as padding
        [((3, 2), (3, 2)), ((2, 1), (1, 1), [0, 0, 1, 0])], [((2, 3), (2, 3)), ((1, 2), (1, 1), [0, 0, 0, 1])],
    ):  # fmt: skip
        with pytest.raises(InputError, match="a pooling that leaves pixels out must not be followed by another"):
            from_graph(twice(*pools), "ONNX", "n")
    assert from_graph(twice(((3, 2), (3, 2)), ((2, 1), (1, 1), [1, 0, 0, 0])), "ONNX", "n").ok


def largest(x, pool):
    """Return the largest pixels of a map (height, width) in the windows of a pooling: what is beyond its edges is none."""
    x = np.pad(x, ((pool.top, pool.bottom), (pool.left, pool.right)), constant_values=-np.inf)
    seen = np.lib.stride_tricks.sliding_window_view(x, (pool.height, pool.width))
    return seen[:: pool.step_y, :: pool.step_x].max((2, 3))


def test_two_poolings_are_one():
    """Any two after one another give what they give as one, at every edge, or are refused."""
    g, joined, reach = np.random.default_rng(3), 0, set()
    for _ in range(3000):
        size = g.integers(3, 12, 2).tolist()
        pools, shape = [], size
        for _ in range(2):
            kernel = [int(g.integers(1, min(4, n) + 1)) for n in shape]
            edges = [int(g.integers(0, n)) if g.random() < 0.4 else 0 for n in kernel * 2]
            pools.append(Pool(*kernel, *g.integers(1, 4, 2).tolist(), *edges))
            shape = list(pools[-1].over(*shape))
        first, second = pools
        at = SimpleNamespace(pool=first, window=SimpleNamespace(out_size=tuple(size)), map_size=first.over(*size))
        try:
            one = maps._joined(at, second)
        except InputError:
            continue
        x = g.permutation(np.prod(size)).reshape(size).astype(float)
        np.testing.assert_array_equal(largest(x, one), largest(largest(x, first), second), str((size, pools)))
        joined += 1
        reach |= {name for name in ("top", "left", "bottom", "right") if getattr(first, name) and getattr(second, name)}
    assert joined > 500
    assert reach == {"top", "left", "bottom", "right"}
