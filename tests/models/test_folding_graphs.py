"""Small graphs of dense layers, folded, against the reference evaluator of ONNX at every input."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="importing ONNX needs the package onnx: pip install 'oxnor[import]'")

from helpers.folded import (
    MIXED,
    PER,
    SCALES,
    F,
    axes,
    bits,
    check,
    last,
    linear,
    multi,
    norm,
    quant,
    sign,
    signs,
    to_float,
    transposed,
    weights,
    where,
)
from helpers.onnx_networks import QONNX, Maker

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.build import build
from oxnor.models.exchange.folding.graph import DTYPES
from oxnor.models.exchange.readers.onnx_file import from_model

# What may stand between a product and the next: of sums z, odd numbers from -7 to 7, makes levels.

ACTIVATIONS = {
    "BipolarQuant": sign,
    "BipolarQuant of -0.5": lambda m, z: m.n("BipolarQuant", [z, m.c(F(-0.5))], m.domain),
    "BipolarQuant of 0.25": lambda m, z: m.n("BipolarQuant", [z, m.c(F(0.25))], m.domain),
    "Add": lambda m, z: sign(m, m.n("Add", [z, m.c(PER)])),
    "Add, constant first": lambda m, z: sign(m, m.n("Add", [m.c(PER), z])),
    "Sub": lambda m, z: sign(m, m.n("Sub", [z, m.c(PER)])),
    "Sub, constant first": lambda m, z: sign(m, m.n("Sub", [m.c(PER), z])),
    "Mul": lambda m, z: sign(m, m.n("Add", [m.n("Mul", [z, m.c(MIXED)]), m.c(PER)])),
    "Mul, constant first": lambda m, z: sign(m, m.n("Sub", [m.n("Mul", [m.c(MIXED), z]), m.c(PER)])),
    "Div": lambda m, z: sign(m, m.n("Add", [m.n("Div", [z, m.c(MIXED)]), m.c(PER)])),
    "Div, constant first": lambda m, z: sign(
        m, m.n("Sub", [m.n("Div", [m.c(F(1)), m.n("Add", [z, m.c(F(7.5))])]), m.c(F(0.1))])
    ),
    "Sum": lambda m, z: sign(m, m.n("Sum", [z, m.c(PER), m.c(F(-0.25))])),
    "Neg": lambda m, z: sign(m, m.n("Add", [m.n("Neg", [z]), m.c(PER)])),
    "twice": lambda m, z: sign(m, m.n("Add", [z, z])),
    "Pow": lambda m, z: sign(m, m.n("Sub", [m.n("Pow", [m.n("Add", [z, m.c(F(8))]), m.c(F(2))]), m.c(F(50))])),
    "Sqrt": lambda m, z: sign(m, m.n("Sub", [m.n("Sqrt", [m.n("Add", [z, m.c(F(8))])]), m.c(F(2.5))])),
    "Reciprocal": lambda m, z: sign(m, m.n("Sub", [m.n("Reciprocal", [m.n("Add", [z, m.c(F(8))])]), m.c(F(0.15))])),
    "Abs": lambda m, z: sign(m, m.n("Sub", [m.n("Abs", [m.n("Sub", [z, m.c(F(9))])]), m.c(F(8.5))])),
    "Log": lambda m, z: sign(m, m.n("Sub", [m.n("Log", [m.n("Add", [z, m.c(F(8))])]), m.c(F(2))])),
    "Exp": lambda m, z: sign(m, m.n("Sub", [m.n("Exp", [z]), m.c(F(20))])),
    "batch norm": lambda m, z: sign(m, norm(m, z)),
    "batch norm of large epsilon": lambda m, z: sign(m, norm(m, z, epsilon=2.0)),
    "Clip": lambda m, z: sign(m, m.n("Sub", [m.n("Clip", [z, m.c(F(-2)), m.c(F(2))]), m.c(F(1.5))])),
    "Clip from below": lambda m, z: sign(m, m.n("Sub", [m.n("Clip", [z, m.c(F(-2))]), m.c(F(-1.5))])),
    "Clip from above": lambda m, z: sign(m, m.n("Clip", [z, "", m.c(F(2))])),
    "Min": lambda m, z: sign(m, m.n("Sub", [m.n("Min", [z, m.c(PER)]), m.c(F(0.25))])),
    "Min, constant first": lambda m, z: sign(m, m.n("Sub", [m.n("Min", [m.c(F(2)), z]), m.c(F(1.5))])),
    "Max": lambda m, z: sign(m, m.n("Sub", [m.n("Max", [z, m.c(PER)]), m.c(F(0.75))])),
    "Max, constant first": lambda m, z: sign(m, m.n("Sub", [m.n("Max", [m.c(F(-2)), z]), m.c(F(-1.5))])),
    "Relu": lambda m, z: sign(m, m.n("Sub", [m.n("Relu", [z]), m.c(F(1.5))])),
    "LeakyRelu": lambda m, z: sign(m, m.n("Add", [m.n("LeakyRelu", [z], alpha=0.25), m.c(F(1))])),
    "PRelu": lambda m, z: sign(m, m.n("Add", [m.n("PRelu", [z, m.c(SCALES / 2)]), m.c(F(1.2))])),
    "ThresholdedRelu": lambda m, z: sign(m, m.n("Sub", [m.n("ThresholdedRelu", [z], alpha=4.0), m.c(F(0.5))])),
    "HardSigmoid": lambda m, z: sign(m, m.n("Sub", [m.n("HardSigmoid", [z], alpha=0.1, beta=0.4), m.c(F(0.65))])),
    "Tanh": lambda m, z: sign(m, m.n("Sub", [m.n("Tanh", [m.n("Mul", [z, m.c(F(0.1))])]), m.c(F(0.2))])),
    "Sigmoid": lambda m, z: sign(m, m.n("Sub", [m.n("Sigmoid", [z]), m.c(F(0.8))])),
    "Softsign": lambda m, z: sign(m, m.n("Sub", [m.n("Softsign", [z]), m.c(F(-0.8))])),
    "Sign": lambda m, z: m.n("Sign", [m.n("Add", [z, m.c(PER)])]),
    "difference of comparisons": lambda m, z: sign(m, m.n("Sub", [
        to_float(m, m.n("Greater", [z, m.c(F(1))])), to_float(m, m.n("Less", [z, m.c(F(-1))]))])),
    "Floor": lambda m, z: sign(m, m.n("Floor", [m.n("Mul", [z, m.c(F(0.3))])])),
    "Ceil": lambda m, z: sign(m, m.n("Neg", [m.n("Ceil", [m.n("Mul", [z, m.c(F(0.3))])])])),
    "Round": lambda m, z: sign(m, m.n("Sub", [m.n("Round", [m.n("Mul", [z, m.c(F(0.3))])]), m.c(F(1))])),
    "Greater": lambda m, z: where(m, m.n("Greater", [z, m.c(F([1, -1, 3, 0, 5]))])),
    "Greater, constant first": lambda m, z: where(m, m.n("Greater", [m.c(F([1, -1, 3, 0, 5])), z])),
    "GreaterOrEqual": lambda m, z: where(m, m.n("GreaterOrEqual", [z, m.c(F([1, -1, 3, 0, 5]))])),
    "GreaterOrEqual, constant first": lambda m, z: where(m, m.n("GreaterOrEqual", [m.c(F([1, -1, 3, 0, 5])), z])),
    "Less": lambda m, z: where(m, m.n("Less", [z, m.c(F([1, -1, 3, 0, 5]))])),
    "LessOrEqual": lambda m, z: where(m, m.n("LessOrEqual", [z, m.c(F([1, -1, 3, 0, 5]))]), 0.25, 2.25),
    "Equal": lambda m, z: where(m, m.n("Equal", [z, m.c(F(7))])),
    "Not": lambda m, z: to_float(m, m.n("Not", [m.n("Greater", [z, m.c(PER)])])),
    "And": lambda m, z: to_float(m, m.n("And", [m.n("Greater", [z, m.c(PER)]), m.n("Less", [m.c(F(1.5)), z])])),
    "Or": lambda m, z: to_float(m, m.n("Or", [m.n("Greater", [z, m.c(PER)]), m.n("Greater", [z, m.c(F(1.5))])])),
    "Xor": lambda m, z: to_float(m, m.n("Xor", [m.n("Greater", [z, m.c(PER)]), m.n("Greater", [z, m.c(F(-9))])])),
    "Where of sums": lambda m, z: sign(
        m, m.n("Sub", [m.n("Where", [m.n("Greater", [z, m.c(F(2))]), z, m.c(F(-1))]), m.c(F(4))])
    ),
    "Where, sums second": lambda m, z: sign(
        m, m.n("Sub", [m.n("Where", [m.n("Greater", [z, m.c(F(-2))]), m.c(F(1)), z]), m.c(F(-4))])
    ),
    "Cast": lambda m, z: to_float(m, m.n("Cast", [m.n("Add", [m.n("Clip", [z, m.c(F(0)), m.c(F(1))]), m.c(F(0.5))])], to=7)),
    "CastLike": lambda m, z: m.n("CastLike", [m.n("Greater", [z, m.c(PER)]), m.c(F(1))]),
    "Cast of a constant": lambda m, z: where(m, m.n("GreaterOrEqual", [m.n("Mul", [z, to_float(m, m.c(np.float64(0.1)))]), m.c(F(0.3))])),
    "Cast of float64": lambda m, z: where(m, m.n("GreaterOrEqual", [to_float(m, m.n("Mul", [m.n("Cast", [z], to=11), m.c(np.float64(0.1))])), m.c(F(0.1))])),
    "CastLike of float64": lambda m, z: where(m, m.n("GreaterOrEqual", [m.n("CastLike", [m.n("Mul", [m.n("Cast", [z], to=11), m.c(np.float64(0.1))]), m.c(F(0))]), m.c(F(0.1))])),
    "Div of whole numbers": lambda m, z: m.n("Sign", [to_float(m, m.n("Div", [m.n("MatMul", [
        m.n("Cast", [m.n("Sign", [z])], to=6), m.c(np.resize(np.int32([1, -1, 1, 1, -1, -1]), (5, 5)))]), m.c(np.int32(2))]))]),
    "no change": lambda m, z: m.n("Identity", [m.n("Dropout", [sign(m, z)])]),
    "Quant, 1 bit": lambda m, z: quant(m, z, 2, 0, 1, signed=0, narrow=0),
    "Quant, 1 signed bit": lambda m, z: quant(m, z, 2, 0, 1, signed=1, narrow=1),
    "Quant, 2 bits": lambda m, z: quant(m, z, 2, 0, 2, signed=0, narrow=0),
    "Quant, 2 signed bits": lambda m, z: quant(m, z, 2, 0, 2, signed=1, narrow=0),
    "Quant, 2 narrow bits": lambda m, z: quant(m, z, 2, 0, 2, signed=1, narrow=1),
    "Quant, 3 bits and a zero point": lambda m, z: quant(m, z, 1.5, 2, 3, signed=0, narrow=0),
    "Quant, 3 bits, falling": lambda m, z: quant(m, m.n("Neg", [z]), 1.5, 2, 3, signed=0, narrow=1),
    "Quant, 64 bits": lambda m, z: quant(m, z, 2, 0, 64, signed=0, narrow=0),
    "Quant after a batch norm": lambda m, z: quant(m, norm(m, z), 0.75, 1, 3, signed=0, narrow=0),
    "one threshold": lambda m, z: multi(m, z, [[0.5]], out_scale=2.0, out_bias=-1.0),
    "one threshold a neuron": lambda m, z: multi(m, z, PER[:, None], out_scale=2.0, out_bias=-1.0),
    "one threshold, falling": lambda m, z: multi(m, z, PER[:, None], out_scale=-0.5, out_bias=0.25),
    "3 thresholds": lambda m, z: multi(m, z, PER[:, None] + F([-4, 0, 4]), out_scale=1.0, out_bias=0.0),
    "3 thresholds, falling": lambda m, z: multi(m, z, PER[:, None] + F([-4, 0, 4]), out_scale=-2.0, out_bias=3.0),
    "2 thresholds": lambda m, z: multi(m, z, [[-2, 3]], out_scale=1.0, out_bias=-1.0),
    "4 thresholds": lambda m, z: multi(m, z, [[-5, -2, 3, 6]], out_scale=0.5, out_bias=-1.0),
    "QuantizeLinear": lambda m, z: linear(m, z, 4, np.int8(1)),
    "QuantizeLinear of one scale a neuron": lambda m, z: linear(
        m, m.n("Clip", [z, m.c(F(0)), m.c(F(1))]), [1, 1, 1, 1, 1], np.array([0, 0, 0, 0, 0], np.uint8), axis=1
    ),
    "neurons of one level": lambda m, z: sign(m, m.n("Add", [z, m.c(F([-8, 8, 0, -7.5, 0]))])),
    "one step a neuron, few levels": lambda m, z: m.n("Mul", [sign(m, z), m.c(F([1, 3, 1, 3, 1]))]),
}  # fmt: skip


def dense(make, g, between=None, classes=5, n=7, more=None):
    """Return a model of two products of n bits and 5 neurons; the weights of the last are -1 and +1."""
    m = Maker(QONNX, 19)
    z = m.n("MatMul", ["x", m.c(signs(g, n, 5))])
    y = m.n("MatMul", [make(m, z), m.c(signs(g, 5, classes))])
    return m.model(["N", n], more(m, y) if more else y)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    model = dense(ACTIVATIONS[name], np.random.default_rng(len(name)))
    images = bits(7)
    built, *_ = check(model, "bipolar", images, 2 * images - 1.0)
    assert [built.layers[0][key] for key in ("n_in", "n_out", "checked")] == [7, 5, 40]


#: What may follow the last product.
ENDS = {
    "bias": lambda m, y: m.n("Add", [y, m.c(PER)]),
    "scales": lambda m, y: m.n("Mul", [y, m.c(SCALES)]),
    "scales of both signs": lambda m, y: m.n("Add", [m.n("Mul", [y, m.c(MIXED)]), m.c(PER)]),
    "Neg": lambda m, y: m.n("Neg", [y]),
    "Div": lambda m, y: m.n("Div", [y, m.c(SCALES)]),
    "Sub, constant first": lambda m, y: m.n("Sub", [m.c(PER), y]),
    "Sigmoid": lambda m, y: m.n("Sigmoid", [m.n("Mul", [y, m.c(F(0.25))])]),
    "Tanh": lambda m, y: m.n("Tanh", [m.n("Mul", [y, m.c(F(-0.0625))])]),
    "Exp": lambda m, y: m.n("Exp", [m.n("Add", [y, m.c(PER)])]),
    "Softsign": lambda m, y: m.n("Identity", [m.n("Softsign", [y])]),
    "HardSigmoid": lambda m, y: m.n("HardSigmoid", [y], alpha=0.0625),
    "the same for all": lambda m, y: m.n("Pow", [m.n("Add", [y, m.c(F(6))]), m.c(F(2))]),
    "the same for all, falling": lambda m, y: m.n("Reciprocal", [m.n("Add", [y, m.c(F(6))])]),
    "no slope of one": lambda m, y: m.n("Mul", [y, m.c(F([1, 0, 1, 2, 1]))]),
}
CLASSES = {
    "ArgMax": lambda m, y: m.n("ArgMax", [y], axis=1), "ArgMax, last axis": lambda m, y: m.n("ArgMax", [y], axis=-1, keepdims=0),
    "ArgMax of Softmax": lambda m, y: m.n("ArgMax", [m.n("Softmax", [m.n("Mul", [y, m.c(F(0.5))])], axis=-1)], axis=1),
    "ArgMax of Sigmoid": lambda m, y: m.n("ArgMax", [m.n("Identity", [m.n("Sigmoid", [m.n("Add", [y, m.c(PER)])])])], axis=1),
}  # fmt: skip


@pytest.mark.parametrize("name", [*ENDS, *CLASSES])
def test_ends(name):
    images = bits(7)
    model = dense(sign, np.random.default_rng(len(name)), more=(ENDS | CLASSES)[name])
    built, *_ = check(model, "bipolar", images, 2 * images - 1.0, classes=name in CLASSES)
    left_out = "at the end is left out: the class is the argmax of the scores"
    if name in ("Sigmoid", "Tanh", "Exp", "Softsign", "HardSigmoid"):
        assert f"{name} {left_out}" in built.notes
    if name in CLASSES:
        assert built.head == "ArgMax"
        assert f"{built.head} {left_out}" in built.notes


def test_an_end_that_saturates():
    """The source takes the first of the scores that it makes equal, the engine the largest."""
    model = dense(sign, np.random.default_rng(1), more=lambda m, y: m.n("Tanh", [m.n("Mul", [y, m.c(F(9))])]))
    equal = "; it makes some of them equal in float32, and the source's class is then the first of these"
    assert any(note.startswith("Tanh at the end") and note.endswith(equal) for note in build(from_model(model), "bipolar").notes)
    model = dense(sign, np.random.default_rng(1), more=lambda m, y: m.n("Softmax", [m.n("Tanh", [m.n("Mul", [y, m.c(F(9))])])], axis=1))
    assert any(note.startswith("Softmax at the end") and note.endswith(equal) for note in build(from_model(model), "bipolar").notes)
    for most, is_said in ((25, True), (15, False)):  # the largest sum is 5: e ** 125 is too large for float32, and no other
        model = dense(sign, np.random.default_rng(1), more=lambda m, y, n=most: m.n("Exp", [m.n("Mul", [y, m.c(F(n))])]))
        assert any(note.endswith(equal) for note in build(from_model(model), "bipolar").notes) == is_said


#: What may follow a last product of one neuron, and above what its value says yes.
PAIRS = {
    "": (lambda m, y: y, 0), "bias": (lambda m, y: m.n("Add", [y, m.c(F([-1.5]))]), 0), "Neg": (lambda m, y: m.n("Neg", [y]), 0),
    "sign": (sign, 0), "sign of Neg": (lambda m, y: sign(m, m.n("Neg", [y])), 0), "never": (lambda m, y: m.n("Sub", [y, m.c(F(9))]), 0),
    "always": (lambda m, y: m.n("Add", [y, m.c(F(9))]), 0),
    "Greater": (lambda m, y: to_float(m, m.n("Greater", [y, m.c(F(2))])), 0), "Sigmoid": (lambda m, y: m.n("Sigmoid", [y]), 0.5),
    "Less": (lambda m, y: where(m, m.n("Less", [y, m.c(F(2))]), 3, 1), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_one_output(name):
    """Two classes, no and yes."""
    end, above = PAIRS[name]
    images = bits(7)
    model = dense(sign, np.random.default_rng(3), classes=1, more=end)
    built, scores, _ = check(model, "bipolar", images, 2 * images - 1.0, pair=True, above=above)
    assert built.pair
    assert scores.shape == (128, 2)
    assert "one output: class 1 where it says yes (above 0, or bit 1), else class 0" in built.notes


# Shapes

#: Of x, (N, 7) or as it says: (shape of an image, function to 5 sums or scores).
SHAPES = {
    "Reshape": ((7,), lambda m, g, x: last(m, g, m.n("Reshape", [sign(m, x), m.c(axes(-1, 7))]), 7)),
    "Reshape to more": ((6,), lambda m, g, x: last(
        m, g, m.n("Reshape", [m.n("Reshape", [sign(m, x), m.c(axes(-1, 2, 3))]), m.c(axes(0, -1))]), 6)),
    "Flatten, negative axis": ((2, 3), lambda m, g, x: last(m, g, m.n("Flatten", [sign(m, x)], axis=-2), 6)),
    "Transpose and Flatten": ((2, 3), lambda m, g, x: last(
        m, g, m.n("Flatten", [m.n("Transpose", [sign(m, x)], perm=[0, 2, 1])]), 6)),
    "Transpose back": ((2, 4), lambda m, g, x: last(m, g, m.n("Flatten", [m.n("Transpose", [
        m.n("Transpose", [sign(m, x)], perm=[1, 2, 0])], perm=[2, 0, 1])]), 8)),
    "Squeeze": ((1, 7, 1), lambda m, g, x: last(m, g, m.n("Squeeze", [sign(m, x), m.c(axes(1, -1))]), 7)),
    "Squeeze all": ((1, 7), lambda m, g, x: last(m, g, m.n("Squeeze", [sign(m, x)]), 7)),
    "Unsqueeze": ((7,), lambda m, g, x: m.n("Squeeze", [last(
        m, g, m.n("Unsqueeze", [sign(m, x), m.c(axes(1))]), 7), m.c(axes(-2))])),
    "Unsqueeze in front": ((7,), lambda m, g, x: last(
        m, g, m.n("Squeeze", [m.n("Unsqueeze", [sign(m, x), m.c(axes(0, -1))]), m.c(axes(0, 3))]), 7)),
    "a product of one row": ((1, 7), lambda m, g, x: m.n("Flatten", [last(
        m, g, sign(m, m.n("Add", [last(m, g, sign(m, x), 7, 5), m.c(PER)])), 5)])),
    "weights on the left": ((7,), lambda m, g, x: transposed(
        m, m.n("MatMul", [weights(m, g, 4, 7), transposed(m, sign(m, x))]))),
    "weights on the left twice": ((7,), lambda m, g, x: transposed(m, m.n("MatMul", [weights(m, g, 4, 5), sign(
        m, m.n("Add", [m.n("MatMul", [weights(m, g, 5, 7), transposed(m, sign(m, x))]), m.c(PER[:, None])]))]))),
    "Gemm": ((7,), lambda m, g, x: m.n("Gemm", [sign(m, x), weights(m, g, 7, 5), m.c(PER)])),
    "Gemm, transB": ((7,), lambda m, g, x: m.n("Gemm", [sign(m, x), weights(m, g, 5, 7), m.c(PER)], transB=1)),
    "Gemm, transA": ((7,), lambda m, g, x: m.n("Gemm", [transposed(m, sign(m, x)), weights(m, g, 7, 5)], transA=1)),
    "Gemm, weights on the left": ((7,), lambda m, g, x: transposed(
        m, m.n("Gemm", [weights(m, g, 5, 7), sign(m, x)], transB=1))),
    "Gemm, alpha and beta": ((7,), lambda m, g, x: m.n(
        "Gemm", [sign(m, x), weights(m, g, 7, 5), m.c(PER)], alpha=0.5, beta=-2.0)),
    "Gemm, beta and no bias": ((7,), lambda m, g, x: m.n("Gemm", [sign(m, x), weights(m, g, 7, 5)], beta=3.0)),
    "XnorPopcountMatMul": ((7,), lambda m, g, x: m.n("XnorPopcountMatMul", [to_float(
        m, m.n("Greater", [x, m.c(F(0))])), m.c((g.random((7, 5)) < 0.5).astype(F))], m.domain)),
    "weights of 3 axes": ((7,), lambda m, g, x: m.n("Flatten", [m.n("MatMul", [
        m.n("Unsqueeze", [sign(m, x), m.c(axes(1))]), weights(m, g, 1, 7, 4)])])),
    "Shape": ((2, 3), lambda m, g, x: last(m, g, m.n("Reshape", [sign(m, x), m.n("Concat", [
        m.n("Shape", [x], start=0, end=1), m.c(axes(-1))], axis=0)]), 6)),
    "divided by the number of features": ((7,), lambda m, g, x: last(m, g, sign(m, m.n("Div", [x, m.n("Cast", [m.n("Gather", [
        m.n("Shape", [x]), m.c(np.array(1))])], to=1)])), 7)),
    "bits in another order": ((6,), lambda m, g, x: last(m, g, m.n("Flatten", [m.n("Transpose", [
        m.n("Reshape", [sign(m, last(m, g, sign(m, x), 6, 6)), m.c(axes(-1, 2, 3))])], perm=[0, 2, 1])]), 6)),
    "classes in another order": ((7,), lambda m, g, x: m.n("Flatten", [m.n("Transpose", [
        m.n("Reshape", [last(m, g, sign(m, x), 7, 6), m.c(axes(-1, 2, 3))])], perm=[0, 2, 1])])),
    "one hidden neuron": ((7,), lambda m, g, x: last(m, g, sign(m, last(m, g, sign(m, x), 7, 1)), 1)),
    "a batch of 1": ((1, 7), lambda m, g, x: last(m, g, m.n("Reshape", [sign(m, x), m.c(axes(1, 7))]), 7)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    shape, make = SHAPES[name]
    m, g = Maker(QONNX, 17), np.random.default_rng(len(name))
    model = m.model([1 if name == "a batch of 1" else "N", *shape], make(m, g, "x"))
    images = bits(int(np.prod(shape)))
    check(model, "bipolar", images, 2 * images - 1.0)


# Inputs


def levels_of(coding):
    grey = np.arange(256)
    return {
        "unit": grey / F(255), "byte": grey, "signed": 2 * (grey / F(255)) - 1, "0.5,0.25": (grey / F(255) - F(0.5)) / F(0.25),
        "-1,2": (grey / F(255) + F(1)) / F(2),
    }[coding].astype(F)  # fmt: skip


def of_bits(kind):
    return lambda m, x: kind(m, x)


#: How a product's operand is made of grey levels, by a name that begins with their coding.
INPUTS = {
    "unit, threshold": lambda m, x: sign(m, m.n("Sub", [x, m.c(F(0.3))])),
    "unit, falling": lambda m, x: sign(m, m.n("Sub", [m.c(F(0.3)), x])),
    "unit, one threshold each": lambda m, x: sign(m, m.n("Sub", [x, m.c(np.linspace(0.1, 0.9, 9, dtype=F))])),
    "unit, some constant": lambda m, x: sign(m, m.n("Sub", [x, m.c(F([-1, 0.5, 2, 0.5, 0.5, -1, 0.1, 0.9, 2]))])),
    "byte, threshold": lambda m, x: where(m, m.n("GreaterOrEqual", [x, m.c(F(100))])),
    "byte, 0 and 1": lambda m, x: where(m, m.n("Greater", [x, m.c(F(100))]), 1, 0),
    "byte, as they are": lambda m, x: x,
    "byte, in their middle": lambda m, x: m.n("Sub", [x, m.c(F(127.5))]),
    "byte, 4 levels": lambda m, x: m.n("Floor", [m.n("Div", [x, m.c(F(64))])]),
    "byte, 3 levels": lambda m, x: m.n("Floor", [m.n("Div", [x, m.c(F(100))])]),
    "byte, 2 levels of a Clip": lambda m, x: m.n("Clip", [m.n("Sub", [x, m.c(F(99))]), m.c(F(0)), m.c(F(1))]),
    "byte, levels that fall": lambda m, x: m.n("Floor", [m.n("Div", [m.n("Neg", [x]), m.c(F(64))])]),
    "byte, levels that come back": lambda m, x: m.n("Abs", [m.n("Floor", [m.n("Div", [m.n("Sub", [x, m.c(F(96))]), m.c(F(50))])])]),
    "signed, sign": sign,
    "signed, 3 bits": lambda m, x: quant(m, x, 0.25, 0, 3, signed=1, narrow=0),
    "signed, 2 narrow bits": lambda m, x: quant(m, x, 0.5, 0, 2, signed=1, narrow=1),
    "signed, thresholds": lambda m, x: multi(m, x, [[-0.5, 0, 0.25]], out_scale=2.0, out_bias=-3.0),
    "0.5,0.25: mean and deviation": sign,
    "-1,2: mean below 0": lambda m, x: sign(m, m.n("Sub", [x, m.c(F(0.8))])),
}  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
def test_inputs(name):
    g = np.random.default_rng(len(name))
    coding = name.split(":")[0] if ":" in name else name.split(",")[0]
    m = Maker(QONNX, 17)
    z = m.n("MatMul", [INPUTS[name](m, "x"), m.c(signs(g, 9, 5))])
    y = last(m, g, sign(m, m.n("Sub", [z, m.c(F([0.25, 1.25, -2.25, 3.75, 0.5]))])), 5)
    images = g.integers(0, 256, (400, 9), dtype=np.uint8)
    images[::2] = g.choice(np.array([0, 63, 64, 76, 77, 99, 100, 101, 127, 128, 192, 255], np.uint8), (200, 9))
    built, *_ = check(m.model(["N", 9], y), coding, images, levels_of(coding)[images])
    assert built.coding == coding
    assert not built.assumed


@pytest.mark.parametrize(("number", "op", "by"), [(2, "Sub", 100), (2, "Mul", 3), (2, "Div", 40), (7, "Div", 40), (6, "Sub", 100)])
def test_inputs_of_whole_numbers(number, op, by):
    """They wrap, and are divided, as their type does."""
    m, g = Maker(QONNX, 17), np.random.default_rng(number)
    x = m.n(op, ["x", m.c(DTYPES[number](by))])
    z = m.n("MatMul", [sign(m, m.n("Sub", [to_float(m, x), m.c(F(2.5))])), m.c(signs(g, 9, 5))])
    model = m.model(["N", 9], last(m, g, sign(m, z), 5))
    model.graph.input[0].type.tensor_type.elem_type = number
    images = g.integers(0, 256, (400, 9), dtype=np.uint8)
    built, *_ = check(model, None, images, images)
    assert (built.coding, built.assumed) == ("byte", number != 2)
    with pytest.raises(InputError, match=r"the input cannot be 2 . pixel / 255 - 1, as its type is u?int.*: see `coding`"):
        build(from_model(model), "signed")


@pytest.mark.parametrize("coding", ["binary", "bipolar"])
def test_inputs_of_bits(coding):
    """Where they are 0 and 1, and where some of them never reach a product."""
    g, images = np.random.default_rng(4), bits(7)
    values = images if coding == "binary" else 2.0 * images - 1
    for make in (lambda m, x: x, lambda m, x: m.n("Mul", [x, m.c(F(-2))]),
                 lambda m, x: sign(m, m.n("Sub", [x, m.c(F([-2, 0.5, 0.5, 2, 0.5, 0.5, 0.5]))]))):  # fmt: skip
        m = Maker(QONNX, 17)
        model = m.model(["N", 7], last(m, g, sign(m, m.n("Sub", [last(m, g, make(m, "x"), 7, 5), m.c(F(0.25))])), 5))
        check(model, coding, images, values)
