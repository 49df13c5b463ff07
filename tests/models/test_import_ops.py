"""Operators of a source network, one by one: against the reference implementation of ONNX, and by hand where it has none."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="importing ONNX needs the package onnx: pip install 'oxnor[import]'")

from onnx import helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from oxnor.models.base.errors import InputError  # noqa: E402
from oxnor.models.exchange.folding import ops, results  # noqa: E402
from oxnor.models.exchange.folding.execute import _run  # noqa: E402
from oxnor.models.exchange.folding.graph import Node  # noqa: E402
from oxnor.models.networks.layers.window import Window  # noqa: E402

F = np.float32
X = np.array([[-3.0, -0.75, -0.5, 0.0, 0.5, 1.0, 2.5, 7.0], [1.5, -1.5, 0.25, 3.5, -2.5, 4.5, -7.0, 9.0]], F)
Y = np.array([[1.0, 2.0, -0.5, 4.0, 0.5, -3.0, 2.0, 8.0]], F)
I = np.arange(24).reshape(2, 3, 4)  # noqa: E741
B = X > 0
#: Constants of a batch norm of 8 channels: gamma, beta, mean, variance.
NORM = [
    np.linspace(-2, 2, 8, dtype=F),
    np.arange(8, dtype=F),
    np.arange(8, dtype=F) / 4,
    np.linspace(0.1, 3, 8, dtype=F),
]
SCALES = np.array([0.5, 1, 2, 0.25, 1, 1, 4, 0.1], F)
#: Maps of 3 channels, kernels, and values of which some are equal.
R = np.random.default_rng(3)
M, K = R.normal(size=(2, 3, 4, 5)).astype(F), R.normal(size=(6, 3, 2, 2)).astype(F)
T = np.array([[1, 3, 3, 0], [2, 3, 1, 2]], F)


def a(*numbers):
    return np.array(numbers, np.int64)


#: (operator, inputs, attributes, version of the operators).
CASES = [
    *[(op, [X, Y], {}, 17) for op in ("Add", "Sub", "Mul", "Div", "Min", "Max", "Greater", "GreaterOrEqual", "Less",
                                      "LessOrEqual", "Equal", "PRelu")],
    *[(op, [X], {}, 17) for op in ("Neg", "Abs", "Exp", "Relu", "LeakyRelu", "HardSigmoid", "Tanh", "Sigmoid",
                                   "Softsign", "Sign", "Floor", "Ceil", "Round", "Identity", "ThresholdedRelu", "Min", "Max")],
    *[(op, [abs(X) + 1], {}, 17) for op in ("Sqrt", "Reciprocal", "Log")],
    *[(op, [B, ~B[::-1]], {}, 17) for op in ("And", "Or", "Xor")],
    ("Not", [B], {}, 17), ("Where", [B, X, Y], {}, 17), ("Pow", [abs(X), Y], {}, 17), ("Equal", [X, X], {}, 17),
    ("Sum", [X, Y, X], {}, 17), ("Sum", [X], {}, 17), ("Dropout", [X], {}, 17), ("Greater", [X, X], {}, 17),
    ("GreaterOrEqual", [X, X], {}, 17), ("Less", [X, X], {}, 17), ("LessOrEqual", [X, X], {}, 17),
    ("LeakyRelu", [X], {"alpha": 0.5}, 17), ("HardSigmoid", [X], {"alpha": 0.5, "beta": 0.25}, 17),
    ("ThresholdedRelu", [X], {"alpha": 0.5}, 17), ("Clip", [X, F(-1), F(2)], {}, 17), ("Clip", [X], {}, 17),
    ("Clip", [X, F(-1)], {}, 17), ("Clip", [X, None, F(2)], {}, 17), ("Clip", [X], {"min": -1.0, "max": 2.0}, 6),
    ("BatchNormalization", [X, *NORM], {}, 15), ("BatchNormalization", [X, *NORM], {"epsilon": 0.5}, 15),
    ("BatchNormalization", [np.stack([X, X[::-1]], 2), *NORM], {}, 15),
    ("Cast", [X], {"to": 7}, 17), ("Cast", [X > 0], {"to": 1}, 17), ("Cast", [X], {"to": 9}, 17), ("Cast", [I], {"to": 11}, 17),
    ("CastLike", [X, I], {}, 17),
    ("QuantizeLinear", [X * 9, F(0.5)], {}, 19), ("QuantizeLinear", [X * 9, F(0.5), np.int8(-3)], {}, 19),
    ("QuantizeLinear", [X * 90, SCALES, np.arange(8, dtype=np.uint8)], {}, 19),
    ("QuantizeLinear", [X.T * 9, SCALES, np.arange(8, dtype=np.uint8)], {"axis": 0}, 19),
    ("DequantizeLinear", [np.arange(16, dtype=np.uint8).reshape(2, 8), F(0.5), np.uint8(3)], {}, 19),
    ("DequantizeLinear", [np.arange(16, dtype=np.uint8).reshape(2, 8), F(0.5)], {}, 19),
    ("DequantizeLinear", [np.arange(16, dtype=np.int8).reshape(2, 8), SCALES, np.arange(8, dtype=np.int8)], {}, 19),
    ("DequantizeLinear", [np.arange(16, dtype=np.int8).reshape(8, 2), SCALES, np.arange(8, dtype=np.int8)], {"axis": -2}, 19),
    ("Gather", [I, a(2, 0)], {"axis": 1}, 17), ("Gather", [I, a(1)], {}, 17), ("Gather", [I, np.array(0)], {}, 17),
    ("Slice", [I, a(1), a(3)], {}, 17), ("Slice", [I, a(0, 1), a(1, 3)], {}, 17), ("Slice", [I, a(1), a(4), a(2), a(2)], {}, 17),
    ("Slice", [I, a(3, 1), a(0, 2), a(-1, 0), a(-2, 1)], {}, 17), ("Slice", [I, a(1), a(3), a(1)], {}, 17),
    ("Slice", [I], {"starts": [1], "ends": [3], "axes": [2]}, 9), ("Slice", [I], {"starts": [0, 1], "ends": [1, 3]}, 9),
    ("Concat", [I, I], {"axis": 1}, 17), ("Concat", [I, I], {"axis": 0}, 17),
    ("ConstantOfShape", [a(2, 3)], {"value": np.array([7], np.int64)}, 17), ("ConstantOfShape", [a(4)], {}, 17),
    ("Expand", [X[:1], a(3, 8)], {}, 17), ("Expand", [X, a(1)], {}, 17), ("Size", [I], {}, 17),
    *[(f"Reduce{kind}", [I.astype(F)], {"axes": [0, 2]}, 11) for kind in ("Mean", "Sum", "Prod", "Max", "Min")],
    ("ReduceMean", [I.astype(F)], {"axes": [1], "keepdims": 0}, 11), ("ReduceMax", [I.astype(F)], {}, 11),
    ("ReduceSum", [X, None], {"noop_with_empty_axes": 1}, 13), ("ReduceSum", [X, a()], {"noop_with_empty_axes": 1}, 13), ("ReduceSum", [X, a()], {}, 13),
    ("Pow", [a(1, 4, 9), F(0.5)], {}, 17), ("QuantizeLinear", [X * 99, F(0.5)], {"output_dtype": 3}, 21), ("QuantizeLinear", [X * 99, F(0.5)], {}, 21),
    ("ReduceSum", [I.astype(F), a(1)], {}, 13), ("ReduceSum", [I.astype(F), a(0, 1)], {"keepdims": 0}, 13),
    ("Range", [a(1)[0], a(9)[0], a(3)[0]], {}, 17), ("Range", [F(3), F(0), F(-0.5)], {}, 17), ("Range", [a(0)[0], a(1 << 25)[0], a(1 << 15)[0]], {}, 17), ("Range", [a(1)[0], a(1)[0], a(3)[0]], {}, 17),
    ("Reshape", [I, a(0, -1)], {}, 17), ("Reshape", [I, a(6, 4)], {}, 17), ("Reshape", [I, a(2, 0, 2, 2)], {}, 17),
    ("Reshape", [I[:0], a(0, 5)], {"allowzero": 1}, 17), ("Flatten", [I], {}, 17), ("Flatten", [I], {"axis": 0}, 17),
    ("Flatten", [I], {"axis": 2}, 17), ("Flatten", [I], {"axis": 3}, 17), ("Flatten", [I], {"axis": -1}, 17),
    ("Squeeze", [I[:1, :, :1]], {}, 17), ("Squeeze", [I[:1, :, :1], a(2)], {}, 17), ("Squeeze", [I[:1, :, :1]], {"axes": [0]}, 11),
    ("Unsqueeze", [I, a(0, 3)], {}, 17), ("Unsqueeze", [I], {"axes": [1]}, 11), ("Transpose", [I], {}, 17),
    ("Transpose", [I], {"perm": [2, 0, 1]}, 17), ("Shape", [I], {}, 17), ("Shape", [I], {"start": 1}, 17),
    ("Shape", [I], {"start": -2, "end": -1}, 17), ("Sum", [X, Y, X, Y], {}, 17), ("Min", [X, Y, F(0.75)], {}, 17), ("Max", [X, Y, F(0.75)], {}, 17), ("Slice", [I, a(1), a(3), a(1), None], {}, 17),
    ("QuantizeLinear", [X * 9, SCALES[:1], np.arange(1, dtype=np.uint8)], {"axis": 0}, 19), ("DequantizeLinear", [np.arange(8, dtype=np.uint8).reshape(1, 8), SCALES[:1]], {"axis": 0}, 19), ("Slice", [I, a(1), a(3), None, a(1)], {}, 17),
    ("Constant", [], {"value": I}, 17), ("Constant", [], {"value_ints": [1, 2]}, 17),
    ("MatMul", [X, Y.T], {}, 17), ("MatMul", [M, R.normal(size=(5, 2)).astype(F)], {}, 17), ("MatMul", [M, M.swapaxes(2, 3)], {}, 17),
    ("Gemm", [X, Y.T], {}, 17), ("Gemm", [X, Y], {"transB": 1}, 17), ("Gemm", [X.T, Y.T], {"transA": 1}, 17),
    ("Gemm", [X, Y.T, F(3)], {"alpha": 0.5}, 17), ("Gemm", [X, Y, X[:, :1]], {"transB": 1, "beta": 0.25, "alpha": 2.0}, 17),
    ("Conv", [M, K], {}, 17), ("Conv", [M, K, None], {}, 17), ("Conv", [M, K, R.normal(size=6).astype(F)], {"pads": [1, 0, 0, 1], "strides": [2, 1]}, 17),
    ("Conv", [M, K[:, :1]], {"group": 3, "dilations": [1, 2], "kernel_shape": [2, 2]}, 17), ("Conv", [M[:, :, 0], K[:, :, 0]], {}, 17),
    ("Conv", [M, K], {"auto_pad": "SAME_UPPER"}, 17), ("Conv", [M[:, :, 0], K[:, :, 0]], {"pads": [1, 1], "strides": [2]}, 17),
    ("MaxPool", [M], {"kernel_shape": [2, 3]}, 17), ("MaxPool", [M], {"kernel_shape": [1, 2], "strides": [2, 2]}, 17),
    ("MaxPool", [M[:, :, 0]], {"kernel_shape": [2], "strides": [2]}, 17), ("GlobalMaxPool", [M], {}, 17),
    ("AveragePool", [M], {"kernel_shape": [2, 3], "strides": [1, 2]}, 17), ("GlobalAveragePool", [M], {}, 17),
    ("Pad", [M, a(0, 0, 1, 0, 0, 1, 2, 3)], {}, 17), ("Pad", [M, a(0, 0, 1, 0, 0, 1, 2, 3), F(5)], {}, 17),
    ("Pad", [X, a(1, 2), F(-1), a(-1)], {}, 18), ("Pad", [M, a(1, 2, 3, 0), None, a(3, 0)], {}, 18), ("Pad", [X, a(1, 0, 0, 2), None], {}, 13),
    *[(op, [X], attrs, 17) for op in ("Softmax", "LogSoftmax") for attrs in ({}, {"axis": 0})],
    *[("ArgMax", [T], attrs, 17) for attrs in ({}, {"axis": 1}, {"axis": -1, "keepdims": 0}, {"axis": 0, "keepdims": 0})],
    ("TopK", [X, a(2)], {}, 17), ("TopK", [X, a(1)], {"axis": 0}, 17), ("TopK", [X, a(8)], {"axis": 1, "largest": 1}, 17), ("ReduceMax", [I.astype(F)], {"keepdims": 1, "axes": [0]}, 11), ("ArgMax", [T], {"keepdims": 1}, 17),
]  # fmt: skip


def of_onnx(op, inputs, attrs, version):
    """Return what the reference implementation gives."""
    names = ["" if v is None else f"x{k}" for k, v in enumerate(inputs)]
    attrs = {k: numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v for k, v in attrs.items()}
    outputs = ["y", "i"][: 1 + (op == "TopK")]
    given = {name: np.asarray(v) for name, v in zip(names, inputs, strict=True) if name}
    node = helper.make_node(op, names, outputs, **attrs)
    types = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), None) for n, v in given.items()]
    graph = helper.make_graph([node], "g", types, [helper.make_tensor_value_info(name, 1, None) for name in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)
    return ReferenceEvaluator(model).run(None, given)


def of_ours(op, inputs, attrs):
    return _run(Node("n", op, (), (), attrs), [None if v is None else np.asarray(v) for v in inputs], None)


def test_operators_are_those_of_onnx():
    for case in CASES:
        for found, expected in zip(of_ours(*case[:3]), of_onnx(*case), strict=True):
            found, expected = np.asarray(found), np.asarray(expected)
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype), case
            np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6, err_msg=str(case))
    tried = {case[0] for case in CASES}
    own = {"StopGradient", "BipolarQuant", "Quant", "IntQuant", "MultiThreshold", "XnorPopcountMatMul", "MaxPoolNHWC", "Im2Col"}
    every = {*ops.ELEMENTWISE, *ops.CONSTANT_ONLY, *ops.SHAPES, *ops.PRODUCTS, *ops.MAPS, *ops.HEADS, "Constant"}
    assert tried == every - own


V = np.array([[-2.5, -1.5, -0.6, -0.5, 0.0, 0.4, 0.5, 1.5, 2.5, 9.0]], F)


def quant(values, scale=1, zero=0, bits=4, **attrs):
    return ops.ELEMENTWISE["Quant"]([values, F(scale), F(zero), F(bits)], attrs).ravel().tolist()


#: Rounding modes, and what they make of V.
ROUNDINGS = {
    "ROUND": [-2, -2, -1, 0, 0, 0, 0, 2, 2, 7], "HALF_EVEN": [-2, -2, -1, 0, 0, 0, 0, 2, 2, 7],
    "CEIL": [-2, -1, 0, 0, 0, 1, 1, 2, 3, 7], "FLOOR": [-3, -2, -1, -1, 0, 0, 0, 1, 2, 7],
    "ROUND_TO_ZERO": [-2, -1, 0, 0, 0, 0, 0, 1, 2, 7], "down": [-2, -1, 0, 0, 0, 0, 0, 1, 2, 7],
    "UP": [-3, -2, -1, -1, 0, 1, 1, 2, 3, 7], "HALF_UP": [-3, -2, -1, -1, 0, 0, 1, 2, 3, 7],
    "HALF_DOWN": [-2, -1, -1, 0, 0, 0, 0, 1, 2, 7],
}  # fmt: skip


def test_quantisers_by_hand():
    for mode, expected in ROUNDINGS.items():
        assert quant(V, rounding_mode=mode.encode()) == expected, mode
    assert quant(V) == ROUNDINGS["ROUND"]
    with pytest.raises(InputError, match=r"rounding_mode must be one of ROUND, HALF_EVEN, .*, not 'odd'"):
        quant(V, rounding_mode=b"odd")
    ends = np.array([-99, 99], F)
    ranges = [
        ((4, 1, 0), [-8, 7]), ((4, 1, 1), [-7, 7]), ((4, 0, 0), [0, 15]), ((4, 0, 1), [0, 14]), ((2, 1, 0), [-2, 1]),
        ((1, 0, 0), [0, 1]), ((1, 1, 0), [-1, 1]),
    ]  # fmt: skip
    for (bits, signed, narrow), expected in ranges:
        assert quant(ends, bits=bits, signed=signed, narrow=narrow) == expected
        low, high = ops.quant_range(bits, bool(signed), bool(narrow))
        assert [low, high] == expected or (bits, signed) == (1, 1)
    assert quant(np.array([-1, 0, 1], F), bits=1) == [-1, 1, 1]  # one signed bit is bipolar
    assert quant(np.array([1.0, 3.2, 99], F), scale=0.5, zero=2, bits=4, signed=0) == [1, 3, 6.5]
    half = F(0.5)
    assert ops.ELEMENTWISE["BipolarQuant"]([np.array([-1, 0, 2], F), half], {}).tolist() == [-0.5, 0.5, 0.5]
    assert ops.ELEMENTWISE["StopGradient"]([V], {}) is V
    assert ops.ELEMENTWISE["Div"]([a(-7, 7, 6), a(2, -2, 3)], {}).tolist() == [-3, -3, 2]
    assert ops.ELEMENTWISE["Cast"]([V], {"to": b"FLOAT"}).dtype == F
    wide = V.astype(np.float64)
    assert ops.ELEMENTWISE["Cast"]([wide], {}).dtype == F
    assert ops.ELEMENTWISE["Cast"]([wide], {"to": 7}).dtype == np.int64
    assert ops.ELEMENTWISE["CastLike"]([wide, V], {}).dtype == F
    assert ops.ELEMENTWISE["CastLike"]([V, wide], {}).dtype == ops.ELEMENTWISE["Cast"]([V], {"to": b"DOUBLE"}).dtype == np.float64
    fine = ops.ELEMENTWISE["Quant"]([np.array([0.34]), np.array(0.1), np.array(0.3), F(4)], {})
    assert fine.dtype == np.float64
    assert fine.item() == (np.rint(0.34 / 0.1 + 0.3) - 0.3) * 0.1


def test_thresholds_by_hand():
    """How many each value reaches, with the channels where the layout has them."""
    multi = ops.ELEMENTWISE["MultiThreshold"]
    x, t = np.array([[0, 1, 2], [2, 3, -1]], F), np.array([[0, 2], [1, 3], [-1, 2]], F)
    assert multi([x, t], {}).tolist() == [[1, 1, 2], [2, 2, 1]]
    assert multi([x, t[:1]], {"out_scale": 2.0, "out_bias": -1.0}).tolist() == [[1, 1, 3], [3, 3, -1]]
    maps = np.stack([x, x + 1], axis=1)  # (2, 2, 3)
    assert multi([maps, t], {}).tolist() == multi([maps, t], {"data_layout": b"NWC"}).tolist()
    by_channel = multi([maps.transpose(0, 2, 1), t], {"data_layout": b"NCW"})
    assert (
        by_channel.transpose(0, 2, 1).tolist()
        == multi([maps, t], {}).tolist()
        == [[[1, 1, 2], [1, 1, 2]], [[2, 2, 1], [2, 2, 1]]]
    )
    with pytest.raises(InputError, match="thresholds must have 2 dimensions, not 1"):
        multi([x, t[0]], {})
    with pytest.raises(InputError, match="thresholds must have 1 or 3 rows, not 2"):
        multi([x, t[:2]], {})
    assert multi([x, t[:1]], {"data_layout": b"NHWC"}).tolist() == [[1, 1, 2], [2, 2, 0]]
    with pytest.raises(InputError, match="data_layout must fit 3 dimensions, not 'NHWC'"):
        multi([x[:, None], t], {"data_layout": b"NHWC"})
    with pytest.raises(InputError, match="data_layout must fit 2 dimensions, not 'NHWC'"):
        multi([x, t], {"data_layout": b"NHWC"})


@pytest.mark.parametrize(("op", "inputs", "attrs", "message"), [
    ("Cast", [V], {"to": 16}, "a cast to bfloat16 is not supported"),
    ("Cast", [V], {"to": b"STRING"}, "a cast to string is not supported"),
    ("BatchNormalization", [X, *NORM[:3], -NORM[3]], {}, "variance must be at least 0"),
    ("BatchNormalization", [X, *[v[:3] for v in NORM]], {}, "parameters must have 8 values, not 3"),
    ("BatchNormalization", [X[0], *NORM], {}, "parameters must have 1 values, not 8"),
    ("Slice", [I, a(0), a(1), a(0), a(0)], {}, "a slice must have a step that is not 0"),
    ("Range", [a(0), a(1), a(0)], {}, "a range must have a step that is not 0"),
    ("TopK", [X, a(1)], {"largest": 0}, "largest must be 1"), ("Pad", [X, a(0, 0, 1, 1)], {"mode": b"edge"}, "its mode must be constant, not 'edge'"),
    ("TopK", [X, a(9)], {}, "TopK: k must be in [1, 8], not 9"), ("TopK", [X, a(0)], {}, "TopK: k must be in [1, 8], not 0"),
    ("Conv", [M, K], {"group": 2}, "it must have 3 input channels a group, not 3 in 2"),
    ("Conv", [M, K[:4, :1]], {"group": 3}, "it must have 1 input channels a group, not 3 in 3"),
    ("Conv", [M, K[:, :, :, :0]], {}, "weights of a convolution must have 3 or 4 dimensions, each 1 or more, not (6, 3, 2, 0)"),
    ("Conv", [M, K[0, 0]], {}, "weights of a convolution must have 3 or 4 dimensions, each 1 or more, not (2, 2)"),
    ("ConstantOfShape", [a(1 << 13, (1 << 12) + 1)], {}, "ConstantOfShape: a tensor must have at most 33,554,432 elements, not 33,562,624"),
    ("Range", [a(0)[0], a((1 << 25) + 5)[0], a(1)[0]], {}, "Range: a tensor must have at most 33,554,432 elements, not 33,554,438"),
    ("Expand", [X[:1], a(1 << 23, 8)], {}, "Expand: a tensor must have at most 33,554,432 elements, not 67,108,864"),
])  # fmt: skip
def test_operators_refuse(op, inputs, attrs, message):
    with pytest.raises(InputError) as e:
        of_ours(op, inputs, attrs)
    assert str(e.value) == message


def test_shapes_with_another_batch():
    """A batch of 1 that was fixed at export is the number of images; elsewhere a 1 is a 1."""
    x = np.zeros((5, 12))
    assert ops.run_shape("Reshape", [x, a(1, 3, 4)], {}, 1).shape == (5, 3, 4)
    assert ops.run_shape("Reshape", [x, a(5, 12)], {}, 1).shape == (5, 12)
    assert ops.run_shape("Reshape", [np.zeros((1, 12)), a(1, 3, 4)], {}, 1).shape == (1, 3, 4)
    assert ops.run_shape("Reshape", [x, a(1, 60)], {}, None).shape == (1, 60)
    assert ops.run_shape("Reshape", [x], {"shape": [60]}, 1).shape == (60,)
    assert ops.target_shape([5, 12], [1], 1) == [1]
    assert ops.target_shape([5, 1], [1, 5], 1) == [5, 5]
    assert ops.target_shape([1, 5], [1, 5], 1) == ops.target_shape([], [1, 5], 1) == [1, 5]
    assert ops.target_shape([5, 12], [0, 0, 0], None) == [5, 12, 0]
    assert ops.target_shape([5, 12], [0, 3], None, True) == [0, 3]
    assert ops.axes_of([x], {}) is None
    assert ops.axes_of([x, None], {"axes": [1]}) == [1]
    for attrs, expected in (({"value_int": 3}, 3), ({"value_floats": [1.0, 2.0]}, [1, 2]), ({"value": a(4)}, [4])):
        assert ops.constant_value(attrs).tolist() == expected
    assert (ops.constant_value({"value_float": 1}).dtype, ops.constant_value({"value_ints": [1]}).dtype) == (
        F,
        np.int64,
    )
    with pytest.raises(InputError, match="a Constant must have a value of numbers"):
        ops.constant_value({"value_string": b"x"})


def test_channels_of_parameters():
    value = np.arange(8)
    assert ops.channels(value, X).shape == (1, 8)
    assert ops.channels(value, X[:, :, None]).shape == (1, 8, 1)
    assert ops.channels(value, X[:, None], -1).shape == (1, 1, 8)
    assert ops.channels(np.array([3]), X).shape == ()
    parts = ops.batch_norm_parts([X[:, None], *NORM], {"axis": -1, "epsilon": 0.0})
    np.testing.assert_allclose([v.ravel() for v in parts], [NORM[2], NORM[0] / np.sqrt(NORM[3]), NORM[1]], rtol=1e-6)
    assert {v.shape for v in parts} == {(1, 1, 8)}


def test_products_and_windows_by_hand(monkeypatch):
    """Of operators that ONNX does not have; and of images a few at a time."""
    bits, w = (X > 0).astype(F), (Y.T > 0).astype(F)
    (y,) = of_ours("XnorPopcountMatMul", [bits, w], {})
    np.testing.assert_array_equal(y, (bits[:, None] == w.T).sum(axis=2))
    x = M.transpose(0, 2, 3, 1)
    (y,) = of_ours("Im2Col", [x], {"kernel_size": [2, 3], "stride": [1, 2], "pad_amount": [0, 1, 0, 1], "pad_value": 4})
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)), constant_values=4)
    windows = [[padded[:, r : r + 2, c : c + 3].reshape(2, -1) for c in (0, 2, 4)] for r in range(3)]
    np.testing.assert_array_equal(y, np.array(windows).transpose(2, 0, 1, 3))
    (y,) = of_ours("Im2Col", [x], {"kernel_size": [2, 2], "dilations": [3, 1]})
    np.testing.assert_array_equal(y[:, 0, 1], np.concatenate([x[:, r, c] for r in (0, 3) for c in (1, 2)], axis=1))
    (y,) = of_ours("MaxPoolNHWC", [x], {"kernel_shape": [4, 2]})
    np.testing.assert_array_equal(y[:, 0, 2], x[:, :, 2:4].max(axis=(1, 2)))
    window = Window(4, 5, 3, 2, 2)
    whole = of_ours("Conv", [M, K], {})[0]
    for gathered, steps in ((0, [1, 1]), (12 * 12 * 2 - 1, [1, 1]), (12 * 12 * 2, [2])):
        monkeypatch.setattr(results, "_GATHERED", gathered)
        assert [len(part) for part in results._chunks(x, window)] == steps
        np.testing.assert_allclose(of_ours("Conv", [M, K], {})[0], whole, rtol=1e-6)
    monkeypatch.setattr(results, "_GATHERED", 12 * 4 * 3 * 2)
    assert [len(part) for part in results._chunks(x, Window(4, 5, 3, 2, 2, groups=3))] == [2]
    (y,) = of_ours("Pad", [X], {"paddings": [0, 1, 0, 0], "value": 3.0})
    assert y.shape == (2, 9)
    assert (y[:, 0] == 3).all()
    assert [v.tolist() for v in of_ours("TopK", [T], {"k": 2})] == [[[3, 3], [3, 2]], [[1, 2], [1, 0]]]
