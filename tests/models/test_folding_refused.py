"""What is known, and what is said, of nodes behind one that is refused."""

import re
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnx", reason="importing ONNX needs the package onnx: pip install 'oxnor[import]'")

from helpers.folded import axes, conv, flat, last, norm, normed, pad, pool, quant, sign, signs, weights
from helpers.onnx_networks import Maker

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding import layers, unknown
from oxnor.models.exchange.folding.build import build
from oxnor.models.exchange.folding.graph import Node
from oxnor.models.exchange.folding.layers import Layers, too_large
from oxnor.models.exchange.folding.levels import to_levels
from oxnor.models.exchange.folding.products import integers
from oxnor.models.exchange.folding.refusals import NO_SCORES
from oxnor.models.exchange.folding.table import Stage, Table
from oxnor.models.exchange.folding.unknown import Unknown
from oxnor.models.exchange.readers.onnx_file import from_model

F = np.float32


def node(op, names=("x",), domain="", **attrs):
    return Node("n", op, names, ("y",), attrs, domain)


def table(value, stage):
    return Table(value, value, value, None, np.arange(value.shape[1])[None], 0, stage)


A, B = Stage("A", 0, 3), Stage("B", 0, 4)
SUM = "takes sums of A that no sign has made bits: put a sign (BipolarQuant) between them"
#: Operator, its inputs, bits, and (stage, sign, bits, begin of what is wrong).
KNOWN = [
    ("MatMul", [Unknown("", A), np.zeros((3, 5))], 0, (5, False, 0, "takes sums of MatMul 'n'")),
    ("Gemm", [Unknown("", A), np.zeros((5, 3))], 0, (5, False, 0, "takes sums of Gemm 'n'")),
    ("MatMul", [Unknown("", A)], 0, (0, False, 0, "takes sums of MatMul 'n'")), ("QuantConv", [Unknown("", A)], 0, (0, False, 0, "takes sums of QuantConv 'n'")),
    ("Shape", [Unknown("", A)], 0, (None, False, 0, "")), ("Sign", [Unknown(SUM, A)], 0, (A, True, 1, "")),
    ("Where", [Unknown("", A), F(1), F(-1)], 0, (A, True, 1, "")), ("Where", [Unknown("", A), Unknown("", A), F(1)], 0, (A, False, 0, "")),
    ("Quant", [Unknown(SUM, A)], 4, (A, False, 4, "")), ("Quant", [Unknown(SUM, A)], 1, (A, True, 1, "")), ("Relu", [Unknown("", A)], 0, (A, False, 0, "takes activations of Relu 'n'")),
    ("Relu", [np.zeros(3)], 0, (None, False, 0, "")), ("Erf", [Unknown(SUM, A)], 0, (A, False, 0, "")), ("Add", [Unknown(SUM, A), np.zeros(3)], 0, (A, False, 0, SUM)),
    ("Add", [np.zeros(3), Unknown("", A, True, 1)], 0, (A, True, 1, "")), ("Reshape", [Unknown("", A, False, 3)], 0, (A, False, 3, "")),
    ("MaxPool", [Unknown("", A, True, 1)], 0, (A, True, 1, "")), ("AveragePool", [Unknown("", A, True, 1)], 0, (A, False, 0, "")), ("LpPool", [Unknown(SUM, A)], 0, (A, False, 0, SUM)),
    ("InstanceNormalization", [Unknown(SUM, A)], 0, (A, False, 0, SUM)), ("Add", [Unknown("", A), Unknown("", B)], 0, ("n", False, 0, "")), ("MVAU_rtl", [Unknown("", A)], 0, ("n", False, 0, "")),
    ("Neg", [table(F([[1, 2], [2, 1], [3, 5]]), Stage("A", 3, 2, np.ones((2, 2), bool)))], 0, ("A", False, 0, SUM)),
    ("Neg", [table(F([[1, 2], [1, 1], [3, 1]]), Stage("A", 3, 2, np.ones((2, 2), bool)))], 0, ("A", False, 0, "")),
    ("Neg", [table(F([[1, 2], [1, 1], [3, 5]]), Stage("A", 3, 2, np.ones((2, 2), bool)))], 0, ("A", False, 0, SUM)),
    ("Neg", [table(F([[1, 2], [2, 1]]), Stage("A", 2, 2, np.ones((2, 1), bool)))], 0, ("A", False, 0, "")),
    ("Neg", [table(F([[1, 2], [2, 1], [3, 5]]), Stage("A", 3, 2))], 0, ("A", False, 0, "")),
]  # fmt: skip


@pytest.mark.parametrize(("op", "given", "bits", "expected"), KNOWN)
def test_what_is_known_of_a_result(op, given, bits, expected):
    found = unknown.result(node(op, transB=int(op == "Gemm")) if op == "Gemm" else node(op), given, bits)
    stage, sign, width, what = expected
    assert (found.sign, found.bits) == (sign, width)
    assert found.what.startswith(what)
    assert bool(found.what) == bool(what)
    if isinstance(stage, int):
        assert (found.stage.size, found.stage.elements, found.stage.rows) == (stage, stage, 0)
    elif isinstance(stage, str):
        assert found.stage.label == ("A" if stage == "A" else f"{op} 'n'")
        assert stage == "A" or (found.stage.rows, found.stage.size) == (0, 0)
    else:
        assert found.stage is stage


def test_what_is_wrong_in_any_case():
    layers = Layers(False, True, {}, [])

    def trouble(op, given, bits=0.0, **attrs):
        return unknown.trouble(node(op, tuple(f"x{k}" for k in range(len(given))), **attrs), given, bits, layers)

    few = "activations of 1 to 8 bits in even steps are supported: train with such a quantiser"
    assert trouble("Quant", [Unknown("", A), F(1)], 9) == [f"9 bits: {few}"]
    assert trouble("Quant", [Unknown("", A), F(1)], 8) == trouble("Quant", [F(1), Unknown("", A)], 9) == trouble("Round", [Unknown("", A)], 9) == []
    assert trouble("Gather", [Unknown("", A)]) == ["it picks or joins activations: only chains of layers are supported"]
    assert trouble("Gather", [Unknown()]) == []
    assert trouble("Concat", [Unknown("", A), Unknown("", B)]) == ["it joins A and B: only chains of layers are supported"]
    assert trouble("Add", [Unknown("", A), Unknown("", A)]) == []
    assert trouble("Cast", [Unknown("", A)], to=16) == ["a cast to bfloat16 is not supported"]
    assert trouble("Cast", [Unknown("", A)], to=1) == []
    assert trouble("Dropout", [Unknown("", A)], training_mode=1) == ["it is in training mode: export the network in evaluation mode (model.eval())"]
    assert trouble("Dropout", [Unknown("", A)], training_mode=0) == []


def test_what_is_wrong_with_operands():
    ones, pi = np.ones((3, 5), F), np.array([[1.0, 1], [np.pi, 1]], F)

    def trouble(op, given, quantised=None, **attrs):
        layers = Layers(False, True, quantised or {}, [])
        names = tuple(f"x{k}" for k in range(len(given)))
        return unknown.product_trouble(node(op, names, **attrs), given, layers)

    few = "weights must be whole numbers, at most 128, times one unit a neuron, and have"
    assert trouble("MatMul", [Unknown("", Stage("A", 0, 3)), Unknown("", Stage("B", 0, 3))]) == ["it multiplies activations by activations"]
    assert trouble("MatMul", [Unknown(SUM, Stage("A", 0, 3)), ones]) == [SUM]
    taken = Stage("A", 0, 3, consumer="MatMul 'm'")
    assert trouble("MatMul", [Unknown("", taken), ones]) == ["A is taken by MatMul 'm' too: only chains of layers are supported"]
    free = Stage("A", 0, 3)
    assert trouble("MatMul", [Unknown("", free), ones]) == []
    assert free.consumer == "MatMul 'n'"
    # One column a neuron, wherever the weights are.
    found = trouble("MatMul", [Unknown("", Stage("A", 0, 2)), pi])
    assert [text[: len(few) + 2] for text in found] == [f"{few} 2"]
    assert trouble("MatMul", [Unknown("", Stage("A", 0, 2)), pi.T]) != []
    for given, attrs in (([Unknown("", Stage("A", 0, 2)), F([[1, 2], [1, np.pi]])], {}), ([F([[1, np.pi], [1, 2]]), Unknown("", Stage("A", 0, 2))], {}),
                         ([Unknown("", Stage("A", 0, 2)), F([[1, np.pi], [2, 4]])], {"transB": 1})):  # fmt: skip
        assert len(trouble("Gemm", given, **attrs)) == 1
    for given, attrs in (([Unknown("", Stage("A", 0, 2)), F([[1, np.pi], [2, np.pi]])], {}), ([F([[1, 2], [np.pi, np.pi]]), Unknown("", Stage("A", 0, 2))], {}),
                         ([Unknown("", Stage("A", 0, 2)), F([[1, 2], [np.pi, np.pi]])], {"transB": 1})):  # fmt: skip
        assert trouble("Gemm", given, **attrs) == []
    assert trouble("MatMul", [Unknown("", Stage("A", 0, 2)), F([[1, np.nan]])]) == trouble("MatMul", [Unknown("", Stage("A", 0, 2)), ones[0]]) == []
    assert trouble("MatMul", [Unknown("", Stage("A", 0, 2)), pi], {"x1": "Quant 'q', 9 bits"})[0].startswith("weights of Quant 'q', 9 bits must be")
    final = node("MatMul", ("x0", "x1"))
    with pytest.raises(InputError, match=f"{few} 2 values.*, or let `last_layer_bits` round them, as this is the last layer$"):
        Layers(False, True, {}, [], last=final).factors_of(final, pi, "")
    kernels = np.ones((2, 1, 2), F)
    kernels[1] = np.pi
    assert trouble("Conv", [Unknown("", Stage("A", 0, 2)), kernels]) == []
    assert trouble("ConvTranspose", [Unknown("", Stage("A", 0, 2)), kernels.swapaxes(0, 1)]) == []
    assert len(trouble("Conv", [Unknown("", Stage("A", 0, 2)), kernels.swapaxes(0, 1)])) == 1
    assert trouble("Conv", [Unknown("", Stage("A", 0, 2)), kernels[0]]) == []
    # Of levels that are known there are too many pairs of neuron and popcount; of none, or too many bits, it is not said.
    large = np.where(np.arange(70)[:, None] % 2, F(127), F(1)) * np.ones(2000, F)
    for bits, said in ((0, False), (1, True), (8, True), (9, False)):
        assert bool(trouble("MatMul", [Unknown("", Stage("A", 0, 70), bits <= 1, bits), large])) == said
    assert trouble("MatMul", [Unknown("", Stage("A", 0, 70), False, 2), large]) == too_large(70 * 127 * 3 + 1, 2000)
    wide = np.broadcast_to(F(1), (1, 17_000_001))
    assert unknown._too_large(integers(ones, ""), wide, [Unknown(), wide]) == []


# Refusals of small graphs: of bits x, (N, 7) or (N, 2, 4, 4)


def hidden(m, g, x="x", n=7, k=5):
    return m.n("MatMul", [x, weights(m, g, n, k)])


def turned(m, x, *perm):
    return m.n("Transpose", [x], perm=list(perm))


FEW = "activations of 1 to 8 bits in even steps are supported: train with such a quantiser"
DENSE = {
    "sums": (lambda m, g: last(m, g, hidden(m, g), 5), f"takes activations of 8 levels from MatMul '0': {FEW}"),
    "a quantiser of 9 bits": (lambda m, g: last(m, g, quant(m, m.n("Mul", [hidden(m, g), m.c(F(77.7))]), 1, 0, 9, signed=1, narrow=0), 5),
                              f"takes 6 levels of Quant '0', 9 bits: {FEW}"),
    "levels that come back": (lambda m, g: last(m, g, m.n("Clip", [m.n("Abs", [hidden(m, g)]), m.c(F(1)), m.c(F(3))]), 5), f"takes activations of 2 levels from MatMul '0': {FEW}"),
    "bits that come back": (lambda m, g: last(m, g, quant(m, m.n("Abs", [hidden(m, g)]), 4, 0, 1, signed=0, narrow=0), 5), f"takes activations of 2 levels from MatMul '0': {FEW}"),
    "many levels": (lambda m, g: last(m, g, m.n("Sqrt", [m.n("Relu", [m.n("MatMul", [sign(m, m.n("Add", [hidden(m, g, k=19), m.c(F(0.5))])), weights(m, g, 19, 5)])])]), 5),
                    "takes sums of MatMul '1' that no sign has made bits: put a sign (BipolarQuant) between them"),
    "another step a neuron": (lambda m, g: last(m, g, m.n("Mul", [sign(m, hidden(m, g)), m.c(F([1, np.pi, 1, 1, 1]))]), 5), "its activations must have one step between their two values, not one a channel"),
    "two layers joined": (lambda m, g: m.n("Add", [last(m, g, sign(m, hidden(m, g)), 5), m.n("MatMul", ["x", weights(m, g, 7, 4)])]), "input 'x' is taken by MatMul '2' too: only chains of layers are supported"),
    "a layer and the next": (lambda m, g: (lambda h: m.n("Add", [h, last(m, g, h, 5, 5)]))(sign(m, hidden(m, g))), "it joins MatMul '1' and MatMul '0': only chains of layers are supported"),
    "activations in another order": (lambda m, g: (lambda h: last(m, g, m.n("Mul", [m.n("Reshape", [h, m.c(axes(-1, 2, 3))]), m.n("Transpose", [m.n("Reshape", [h, m.c(axes(-1, 3, 2))])], perm=[0, 2, 1])]), 3))(sign(m, hidden(m, g, k=6))),
                                     "it joins activations in another order"),
    "activations by activations": (lambda m, g: m.n("MatMul", [sign(m, hidden(m, g)), turned(m, sign(m, hidden(m, g)), 1, 0)]), "it multiplies activations by activations"),
    "by themselves": (lambda m, g: (lambda h: m.n("MatMul", [h, turned(m, h, 1, 0)]))(sign(m, hidden(m, g))), "it multiplies activations by activations"),
    "picked": (lambda m, g: last(m, g, m.n("Gather", [sign(m, hidden(m, g)), m.c(axes(1, 0))], axis=1), 2), "it picks or joins activations: only chains of layers are supported"),
    "joined": (lambda m, g: (lambda h: last(m, g, m.n("Concat", [h, h], axis=1), 10))(sign(m, hidden(m, g))), "it picks or joins activations: only chains of layers are supported"),
    "a wrong size": (lambda m, g: last(m, g, sign(m, hidden(m, g)), 6), "activations of shape (5,) by weights of shape (6, 4) are no dense layer"),
    "rows of weights": (lambda m, g: last(m, g, m.n("Reshape", [sign(m, hidden(m, g, k=6)), m.c(axes(-1, 2, 3))]), 3), "activations of shape (2, 3) by weights of shape (3, 4) are no dense layer"),
    "images last": (lambda m, g: m.n("MatMul", [turned(m, sign(m, hidden(m, g)), 1, 0), m.c(np.ones((5, 2), F))]), "activations of shape (8,) by weights of shape (5, 2) are no dense layer"),
    "a constant of more": (lambda m, g: last(m, g, sign(m, m.n("Add", [m.n("Unsqueeze", [hidden(m, g), m.c(axes(2))]), m.c(np.ones(3, F))])), 3), "a constant must not have more elements than the activations"),
    "a constant of the images": (lambda m, g: last(m, g, sign(m, m.n("Add", [hidden(m, g), m.c(np.ones((8, 5), F))])), 5), "a constant must be the same for all images"),
    "a constant of the images, turned": (lambda m, g: m.n("MatMul", [weights(m, g, 4, 5), sign(m, m.n("Add", [turned(m, hidden(m, g), 1, 0), m.c(np.ones(8, F))]))]), "a constant must be the same for all images"),
    "training": (lambda m, g: last(m, g, sign(m, norm(m, hidden(m, g), training_mode=1)), 5), "it is in training mode: export the network in evaluation mode (model.eval())"),
    "dropout with a share": (lambda m, g: last(m, g, m.n("Dropout", [hidden(m, g), m.c(F(0.5))]), 5), f"takes activations of 8 levels from MatMul '0': {FEW}"),
    "dropout in training": (lambda m, g: last(m, g, sign(m, m.n("Dropout", [hidden(m, g), m.c(F(0.5)), m.c(np.array(True))])), 5), "it is in training mode: export the network in evaluation mode (model.eval())"),
    "batch norm of turned images": (lambda m, g: last(m, g, sign(m, norm(m, turned(m, hidden(m, g), 1, 0))), 5), "the images must be the first dimension"),
    "softmax over images": (lambda m, g: m.n("Softmax", [hidden(m, g)], axis=0), "it must be taken over the classes of the last layer"),
    "argmax over images": (lambda m, g: m.n("ArgMax", [hidden(m, g)]), "it must be taken over the classes of the last layer"),
    "softmax over some": (lambda m, g: m.n("Softmax", [m.n("Reshape", [hidden(m, g, k=6), m.c(axes(-1, 2, 3))])], axis=-1), "it must be taken over the classes of the last layer"),
    "an end that makes scores equal": (lambda m, g: m.n("HardSigmoid", [last(m, g, "x", 7)]), "the outputs of the last layer must be affine in its popcounts, with one scale and offset a class: leave out the activation behind it, as a ReLU, which makes scores equal that are not"),
    "an end that falls and rises": (lambda m, g: m.n("LeakyRelu", [last(m, g, "x", 7)], alpha=-0.5), "the outputs of the last layer must be affine in its popcounts, with one scale and offset a class: leave out the activation behind it, as a ReLU, which makes scores equal that are not"),
    "the last index": (lambda m, g: m.n("ArgMax", [hidden(m, g)], axis=1, select_last_index=1), "select_last_index must be 0: the lowest index wins a tie"),
    "the smallest": (lambda m, g: m.n("TopK", [hidden(m, g), m.c(axes(1))], axis=1, largest=0), "largest must be 1"),
    "something behind a class": (lambda m, g: m.n("Add", [m.n("ArgMax", [hidden(m, g)], axis=1), m.c(np.array(1))]), "nothing may follow ArgMax, which ends the network"),
    "the smallest of a softmax": (lambda m, g: m.n("TopK", [m.n("Softmax", [hidden(m, g)], axis=1), m.c(axes(1))], axis=1, largest=0), "largest must be 1"),
    "argmax of a softmax over images": (lambda m, g: m.n("ArgMax", [m.n("Log", [m.n("Softmax", [hidden(m, g)], axis=1)])]), "it must be taken over the classes of the last layer"),
    "argmax of a softmax, turned": (lambda m, g: m.n("ArgMax", [turned(m, m.n("Softmax", [hidden(m, g)], axis=1), 1, 0)], axis=1), "it must be taken over the classes of the last layer"),
    "the last index of a softmax": (lambda m, g: m.n("ArgMax", [m.n("Softmax", [hidden(m, g)], axis=1)], axis=1, select_last_index=1), "select_last_index must be 0: the lowest index wins a tie"),
    "a softmax of whole numbers": (lambda m, g: m.n("Cast", [m.n("Softmax", [hidden(m, g)], axis=1)], to=7), "nothing may follow Softmax, which ends the network"),
    "a sigmoid of whole numbers": (lambda m, g: m.n("Cast", [m.n("Sigmoid", [hidden(m, g)])], to=7), "the outputs of the last layer must depend on its inputs"),
    "whether a class is not 0": (lambda m, g: m.n("Cast", [m.n("ArgMax", [hidden(m, g)], axis=1)], to=9), "nothing may follow ArgMax, which ends the network"),
    "a class of a class": (lambda m, g: m.n("ArgMax", [m.n("TopK", [hidden(m, g), m.c(axes(2))], axis=1)], axis=1), "nothing may follow TopK, which ends the network"),
    "a class of one": (lambda m, g: m.n("ArgMax", [hidden(m, g, k=1)], axis=1), "it must be taken over two classes or more: of one output, its sign is the class"),
    "weights of more dimensions": (lambda m, g: m.n("ArgMax", [m.n("MatMul", ["x", m.c(signs(g, 1, 7, 4))])], axis=1), "activations of shape (7,) by weights of shape (1, 7, 4) are no dense layer"),
    "a layer behind a class": (lambda m, g: last(m, g, m.n("Softmax", [sign(m, hidden(m, g))], axis=1), 5), "nothing may follow Softmax, which ends the network"),
    "logarithms": (lambda m, g: last(m, g, sign(m, m.n("Log", [hidden(m, g)])), 5), "its result must be finite, and 20 of 40 values are not (0 / 0, the root of a negative number, or too large)"),
    "a wrong reshape": (lambda m, g: last(m, g, m.n("Reshape", [sign(m, hidden(m, g)), m.c(axes(-1, 10))]), 10), "it must keep the images apart"),
    "an output of another layer": (lambda m, g: (lambda y: m.n("Reshape", [y, m.n("Shape", [last(m, g, sign(m, y), 7, 7)])]))(last(m, g, "x", 7, 7)), "the output must come from the last product, MatMul '1', not from MatMul '0'"),
    "weights of 9 bits": (lambda m, g: m.n("MatMul", ["x", quant(m, m.c((200 * g.normal(size=(7, 4))).astype(F)), 1, 0, 9, signed=1, narrow=0)]),
                          "weights of Quant '0', 9 bits must be whole numbers, at most 128, times one unit a neuron, and have 26 values: train with weights of 1 to 8 bits, or let `last_layer_bits` round them, as this is the last layer"),
    "an input of uneven steps": (lambda m, g: last(m, g, m.n("Exp", [m.n("Mul", ["x", m.c(np.linspace(1, 2, 7, dtype=F))])]), 7),
                                 "takes levels of the input in uneven steps, or more than 256 (256 levels of 256), and the engine takes bits, or integers of 1 to 8 bits: quantise the input in even steps"),
    "a constant that is too large": (lambda m, g: m.n("Add", ["x", m.n("Add", [m.c(np.ones((1 << 13, 1), F)), m.c(np.ones((1, (1 << 12) + 1), F))])]), "a tensor must have at most 33,554,432 elements"),
    "a sign of two unknown scores": (lambda m, g: sign(m, m.n("MatMul", ["x", m.c(g.normal(size=(7, 2)).astype(F))])), "the output must be scores, not one bit a class: leave the last sign out"),
    "mean of a dense layer": (lambda m, g: m.n("GlobalAveragePool", [m.n("Reshape", [sign(m, hidden(m, g)), m.c(axes(-1, 5, 1, 1))])]), "a mean over pixels must follow a convolution"),
    "pooling of a dense layer": (lambda m, g: pool(m, m.n("Reshape", [sign(m, hidden(m, g)), m.c(axes(-1, 5, 1, 1))]), 1, 1), "a pooling must follow a convolution: in front of the first it is not supported"),
    "no XNOR": (lambda m, g: m.n("XnorPopcountMatMul", ["x", weights(m, g, 7, 4)], m.domain), "its operands must be 0 and 1"),
    "width of 0": (lambda m, g: last(m, g, quant(m, hidden(m, g), 1, 0, 0, signed=0, narrow=0), 5), "bit width must be in [1, 64], not 0"),
    "width of 65": (lambda m, g: last(m, g, quant(m, hidden(m, g), 1, 0, 65, signed=0, narrow=0), 5), "bit width must be in [1, 64], not 65"),
    "weights on the left of more": (lambda m, g: m.n("MatMul", [m.c(np.ones((2, 4, 7), F)), turned(m, "x", 1, 0)]), "weights on the left must be a matrix"),
    "weights on the left of a cube": (lambda m, g: m.n("MatMul", [weights(m, g, 4, 1), m.n("Unsqueeze", ["x", m.c(axes(1))])]), "weights on the left must be a matrix"),
    "no convolution of rows": (lambda m, g: m.n("Conv", [sign(m, hidden(m, g)), m.c(np.ones((2, 1, 1), F))]), "its input must be feature maps, with 3 or 4 dimensions, not 2"),
    "weights that are images": (lambda m, g: m.n("Conv", [m.c(np.ones((1, 1, 7), F)), m.n("Unsqueeze", ["x", m.c(axes(1))])]), "its weights must not depend on the images"),
    "zeros replaced in place": (lambda m, g: last(m, g, m.n("ScatterND", [sign(m, "x"), m.n("NonZero", ["x"]), "x"]), 7), "it takes or sets values by a mask: choose with torch.where, as torch.where(x >= 0, 1.0, -1.0)"),
    "another domain": (lambda m, g: m.n("Relu", ["x"], m.domain), "the operator is not known in domain 'qonnx.custom_op.general'"),
}  # fmt: skip


def said(model, coding="bipolar", **fields):
    """Return what is said of a model, with the nodes of each operator counted."""
    with pytest.raises(InputError) as caught:
        build(replace(from_model(model), **fields), coding)
    names = {}
    for n in model.graph.node:
        names[n.name] = sum(k.split("_")[1] == n.op_type for k in names)
    return re.sub(r"'(n_\w+)'", lambda found: f"'{names[found[1]]}'", str(caught.value))


@pytest.mark.parametrize("name", DENSE)
def test_dense_layers_refused(name):
    make, reason = DENSE[name]
    m = Maker(opset=17)
    text = said(m.model(["N", 7], make(m, np.random.default_rng(1))), "unit" if "input of" in name else "bipolar")
    assert reason in [line.split("': ", 1)[-1] for line in text.split("\n  - ")]


def convolved(m, g, x="x", kernel=(2, 2)):
    return conv(m, g, x, 2, 3, kernel)


BOTH = "Conv '0' is taken both pooled and as it is: only chains of layers are supported"


def of_one_name(m, y):
    """Give both convolutions the same name."""
    for n in m.nodes:
        n.name = "n_Conv" if n.op_type == "Conv" else n.name
    return y


ORDER = "it must take the feature map of Conv '0' as it is, in its order"
MAPS = {
    "a mean of the first of two of one name": (lambda m, g: of_one_name(m, conv(m, g, sign(m, m.n("GlobalAveragePool", [convolved(m, g)])), 3, 5, (1, 1))), "a mean over pixels must be followed by a product"),
    "what it pools, less the largest": (lambda m, g: (lambda z: m.n("Sub", [z, pool(m, z, 3, 3, pads=[1] * 4)]))(convolved(m, g)), BOTH),
    "sums of what is pooled for its shape": (lambda m, g: (lambda z: sign(m, m.n("Reshape", [z, m.n("Shape", [pool(m, z, 3, 3, pads=[1] * 4)])])))(convolved(m, g)), BOTH),
    "pooling of what is pooled for its shape": (lambda m, g: (lambda z: pool(m, m.n("Reshape", [z, m.n("Shape", [pool(m, z, 3, 3, pads=[1] * 4)])])))(convolved(m, g)), BOTH),
    "a layer of what is pooled for its shape": (lambda m, g: (lambda z: flat(m, g, m.n("Reshape", [z, m.n("Shape", [pool(m, z, 3, 3, pads=[1] * 4)])]), 27))(normed(m, convolved(m, g))), BOTH),
    "mean of what is pooled for its shape": (lambda m, g: (lambda z: m.n("GlobalAveragePool", [m.n("Reshape", [z, m.n("Shape", [pool(m, z, 3, 3, pads=[1] * 4)])])]))(normed(m, convolved(m, g))), BOTH),
    "pooling of the input": (lambda m, g: pool(m, "x"), "a pooling must follow a convolution: in front of the first it is not supported"),
    "pooling of a padded map": (lambda m, g: pool(m, pad(m, normed(m, convolved(m, g)), [0, 0, 1, 0, 0, 0, 0, 0], 1)), "it pools what is padded with 1, which must be no larger than any value there"),
    "pooling of what rises and falls": (lambda m, g: pool(m, m.n("Abs", [convolved(m, g)])), "what it pools must rise or fall with the popcount of a channel, and does both"),
    "pooling of turned pixels": (lambda m, g: pool(m, turned(m, normed(m, convolved(m, g)), 0, 1, 3, 2)), ORDER),
    "pooling of turned images": (lambda m, g: pool(m, turned(m, normed(m, convolved(m, g)), 1, 0, 2, 3)), "the images must be the first dimension"),
    "poolings of both ends": (lambda m, g: pool(m, normed(m, pool(m, convolved(m, g))), 1, 1), "a second pooling must take the same of the first: the largest or the smallest"),
    "a pooling of other dilations": (lambda m, g: pool(m, normed(m, convolved(m, g)), dilations=[1, 2]), "its dilations must be 1, not [1, 2]"),
    "mean of the input": (lambda m, g: m.n("GlobalAveragePool", ["x"]), "a mean over pixels must follow a convolution"),
    "mean of a mean": (lambda m, g: m.n("GlobalAveragePool", [m.n("GlobalAveragePool", [normed(m, convolved(m, g))])]), "a mean over pixels must follow a convolution"),
    "mean of a padded map": (lambda m, g: m.n("GlobalAveragePool", [pad(m, normed(m, convolved(m, g)), [0, 0, 1, 0, 0, 0, 0, 0], -1)]), "a mean over pixels must follow a convolution"),
    "mean of turned pixels": (lambda m, g: m.n("GlobalAveragePool", [turned(m, normed(m, convolved(m, g)), 0, 1, 3, 2)]), ORDER),
    "mean of a part": (lambda m, g: pool(m, normed(m, convolved(m, g)), op="AveragePool"), "a mean must be over all pixels of a feature map: use MaxPool between convolutions"),
    "mean over an edge": (lambda m, g: pool(m, normed(m, convolved(m, g)), 3, 3, "AveragePool", pads=[1] * 4), "a mean must be over all pixels of a feature map: use MaxPool between convolutions"),
    "a mean and its map": (lambda m, g: (lambda h: m.n("Add", [h, m.n("GlobalAveragePool", [h])]))(normed(m, convolved(m, g))), "a mean over pixels must be followed by a product"),
    "windows and their map": (lambda m, g: (lambda h: m.n("Add", [h, windows(m, h)]))(turned(m, normed(m, convolved(m, g)), 0, 2, 3, 1)), "Im2Col must be followed by a matrix product"),
    "mean over channels": (lambda m, g: m.n("ReduceMean", [normed(m, convolved(m, g))], axes=[1, 3]), "it must be taken over height and width"),
    "mean over all": (lambda m, g: m.n("ReduceMean", [normed(m, convolved(m, g))]), "it must be taken over height and width"),
    "a sign of a mean": (lambda m, g: sign(m, m.n("GlobalAveragePool", [convolved(m, g)])), NO_SCORES),
    "a mean of signs": (lambda m, g: m.n("GlobalAveragePool", [normed(m, convolved(m, g))]), "a mean over pixels at the end must be of sums, with one scale and offset a channel"),
    "a mean of pooled sums": (lambda m, g: m.n("GlobalAveragePool", [pool(m, convolved(m, g))]), "a convolution whose outputs are summed over all pixels at the end must not pool"),
    "a mean of windows over zeros": (lambda m, g: m.n("GlobalAveragePool", [conv(m, g, "x", 2, 3, pads=[1, 0, 0, 0])]),
                                     "a convolution whose outputs are summed over all pixels at the end must not pad with zeros"),
    "a convolution of a mean": (lambda m, g: conv(m, g, m.n("GlobalAveragePool", [normed(m, convolved(m, g))]), 3, 4, (1, 1)), "means over pixels must be flattened in front of a product"),
    "means in another order": (lambda m, g: last(m, g, m.n("Flatten", [turned(m, m.n("Reshape", [m.n("GlobalAveragePool", [normed(m, conv(m, g, "x", 2, 4), 4)]), m.c(axes(-1, 2, 2))]), 0, 2, 1)]), 4),
                               "the means of all channels must come in their order"),
    "means and other weights": (lambda m, g: flat(m, g, m.n("GlobalAveragePool", [normed(m, convolved(m, g))]), 4), "the means of all channels must come in their order"),
    "pads that reflect": (lambda m, g: m.n("Pad", ["x", m.c(axes(0, 0, 1, 0, 0, 0, 0, 0))], mode="reflect"), "its mode must be constant, not 'reflect'"),
    "pads below 0": (lambda m, g: pad(m, "x", [0, 0, -1, 0, 0, 0, 0, 1]), "its pads must be 8 integers of 0 or more, not [0, 0, -1, 0, 0, 0, 0, 1]"),
    "pads of too few": (lambda m, g: pad(m, "x", [0, 0, 1, 0]), "its pads must be 8 integers of 0 or more, not [0, 0, 1, 0]"),
    "pads of too many": (lambda m, g: pad(m, "x", [0, 0, 65537, 0, 0, 0, 0, 0]), "its pads must be 8 integers of 0 or more, not [0, 0, 65537, 0, 0, 0, 0, 0]"),
    "pads of images": (lambda m, g: pad(m, "x", [1, 0, 1, 0, 0, 0, 0, 0]), "it must pad the height and width of feature maps"),
    "pads of a row": (lambda m, g: pad(m, m.n("Flatten", ["x"]), [0, 1, 0, 0]), "it must pad the height and width of feature maps"),
    "pads of turned images": (lambda m, g: pad(m, turned(m, "x", 1, 0, 2, 3), [0, 0, 1, 0, 0, 0, 0, 0]), "it must pad the height and width of feature maps"),
    "pads that depend on the images": (lambda m, g: m.n("Pad", ["x", m.n("Cast", ["x"], to=7)]), "its pads must be constants"),
    "pads of channels": (lambda m, g: conv(m, g, pad(m, "x", [0, 1, 0, 0, 0, 0, 0, 0], 1), 2, 3), "padding must add no channels"),
    "pads of two values": (lambda m, g: pad(m, pad(m, "x", [0, 0, 1, 0, 0, 0, 0, 0], 1), [0, 0, 1, 0, 0, 0, 0, 0], -1), "it pads with -1 what is padded with 1: pad with one value"),
    "pads and zeros": (lambda m, g: conv(m, g, pad(m, "x", [0, 0, 1, 0, 0, 0, 0, 0], 1), 2, 3, pads=[0, 1, 0, 0]), "it pads with 0 what is padded with 1: pad with one value"),
    "pads of another value": (lambda m, g: conv(m, g, pad(m, "x", [0, 0, 1, 0, 0, 0, 0, 0], 3), 2, 3), "it pads with 3, which must be the lowest or highest of its inputs' levels, -1 and 1, or their middle: train it without padding, or pad with one of them (F.pad(x, ..., value=-1) of PyTorch in front of it, pad_values=-1 of Larq)"),
    "zeros among three levels": (lambda m, g: conv(m, g, m.n("Sign", [convolved(m, g)]), 3, 2, pads=[1, 0, 0, 0]), "it pads with 0, which must be the lowest or highest of its inputs' levels, -1 and 2 (those of 2 bit planes, of which 3 occur: let a sign give +1 for 0), or their middle: train it without padding, or pad with one of them (F.pad(x, ..., value=-1) of PyTorch in front of it, pad_values=-1 of Larq)"),
    "pads beside signs that never change": (lambda m, g: conv(m, g, pad(m, sign(m, m.n("Sub", [convolved(m, g), m.c(F(99))])), [0, 0, 1, 0, 0, 0, 0, 0], 3), 3, 2), "it pads with 3, which must be the lowest or highest of its inputs' levels, -1 and 1, or their middle: train it without padding, or pad with one of them (F.pad(x, ..., value=-1) of PyTorch in front of it, pad_values=-1 of Larq)"),
    "zeros among levels": (lambda m, g: conv(m, g, quant(m, convolved(m, g), 2, 0, 2, signed=1, narrow=0), 3, 2, pads=[1, 0, 0, 0]), "it pads with 0, which must be the lowest or highest of its inputs' levels, -4 and 2, or their middle: train it without padding, or pad with one of them (F.pad(x, ..., value=-4) of PyTorch in front of it, pad_values=-4 of Larq)"),
    "pads and a flattening": (lambda m, g: flat(m, g, pad(m, "x", [0, 0, 1, 0, 0, 0, 0, 0]), 40), "padding must be followed by a convolution"),
    "pads of several values behind": (lambda m, g: conv(m, g, m.n("Mul", [pad(m, "x", [0, 0, 1, 0, 0, 0, 0, 0], 1), m.c(F([1, 2]).reshape(2, 1, 1))]), 2, 3), "padding must have one value for all channels: pad after this, with one value"),
    "what is padded and what is not": (lambda m, g: conv(m, g, m.n("Add", ["x", pad(m, "x", [0, 0, 1, 0, 0, 0, 0, 0], 1)]), 2, 3), "it joins what is padded with what is not"),
    "thresholds a pixel": (lambda m, g: sign(m, m.n("Add", [convolved(m, g), m.c(np.arange(27, dtype=F).reshape(1, 3, 3, 3))])), "a constant must have at most one value a channel of a feature map"),
    "thresholds a flattened pixel": (lambda m, g: flat(m, g, sign(m, m.n("Add", [m.n("Flatten", [convolved(m, g)]), m.c(np.arange(27, dtype=F))])), 27), "each channel must have the same thresholds at all pixels, and has others: normalise feature maps by channel, before they are flattened"),
    "a product of a padded map": (lambda m, g: m.n("MatMul", [pad(m, turned(m, normed(m, convolved(m, g)), 0, 2, 3, 1), [0, 1, 0, 0, 0, 0, 0, 0], -1), weights(m, g, 3, 2)]), "convolution: top must be at least 0 and less than the height of the window, 1, not 1"),
    "a sign a flattened pixel": (lambda m, g: pool(m, m.n("Reshape", [m.n("Mul", [m.n("Flatten", [convolved(m, g)]), m.c(1 + np.arange(27, dtype=F))]), m.c(axes(-1, 3, 3, 3))])),
                                 "all pixels of a channel must have the same values at a popcount, and have others"),
    "a step a flattened pixel": (lambda m, g: conv(m, g, m.n("Reshape", [m.n("Mul", [m.n("Flatten", [normed(m, convolved(m, g))]), m.c(F([1] * 20 + [np.pi] * 7))]), m.c(axes(-1, 3, 3, 3))]), 3, 2),
                                 "its activations must have the same two values at all pixels of a channel"),
    "a padded end": (lambda m, g: pad(m, conv(m, g, "x", 2, 3, (4, 4)), [0, 0, 1, 0, 0, 0, 0, 0]), "the output must be scores, and is padded or has their windows"),
    "windows at the end": (lambda m, g: windows(m, turned(m, normed(m, convolved(m, g)), 0, 2, 3, 1)), "the output must have one score a class, and Conv '0' gives one a class and pixel"),
    "some pixels": (lambda m, g: flat(m, g, m.n("Slice", [normed(m, convolved(m, g)), m.c(axes(0)), m.c(axes(2)), m.c(axes(3))]), 18), "it picks or joins activations: only chains of layers are supported"),
    "Im2Col of Im2Col": (lambda m, g: windows(m, windows(m, turned(m, "x", 0, 2, 3, 1))), "it must not follow another Im2Col"),
    "Im2Col and a sign": (lambda m, g: sign(m, windows(m, turned(m, "x", 0, 2, 3, 1))), "Im2Col must be followed by a matrix product"),
    "Im2Col and a flattening": (lambda m, g: flat(m, g, windows(m, turned(m, "x", 0, 2, 3, 1)), 72), "Im2Col must be followed by a matrix product"),
    "Im2Col and a convolution": (lambda m, g: conv(m, g, windows(m, turned(m, "x", 0, 2, 3, 1)), 8, 2, (1, 1)), "it must not follow Im2Col"),
    "Im2Col and a pooling": (lambda m, g: pool(m, windows(m, turned(m, normed(m, convolved(m, g)), 0, 2, 3, 1), 3)), "a pooling of windows is not supported"),
    "Im2Col of groups": (lambda m, g: windows(m, turned(m, "x", 0, 2, 3, 1), depthwise=1), "depthwise must be 0: groups of channels are not supported here"),
    "Im2Col by other weights": (lambda m, g: m.n("MatMul", [windows(m, turned(m, "x", 0, 2, 3, 1)), weights(m, g, 9, 3)]), "windows of 2x2x2 by weights of shape (9, 3) are no convolution"),
    "Im2Col in a Gemm": (lambda m, g: m.n("Gemm", [windows(m, turned(m, "x", 0, 2, 3, 1)), weights(m, g, 8, 3)]), "windows of 2x2x2 by weights of shape (8, 3) are no convolution"),
    "pixels by other weights": (lambda m, g: m.n("MatMul", [turned(m, normed(m, convolved(m, g)), 0, 2, 3, 1), weights(m, g, 2, 3)]), "windows of 1x1x3 by weights of shape (2, 3) are no convolution"),
    "kernels of another size": (lambda m, g: conv(m, g, "x", 2, 3, kernel_shape=[2, 3]), "its kernel_shape must be that of its weights, [2, 2], not [2, 3]"),
    "another padding": (lambda m, g: conv(m, g, "x", 2, 3, auto_pad="SAME"), "its auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not 'SAME'"),
    "turned pixels": (lambda m, g: conv(m, g, turned(m, normed(m, convolved(m, g)), 0, 1, 3, 2), 3, 2), ORDER),
    "turned images": (lambda m, g: conv(m, g, turned(m, "x", 1, 0, 2, 3), 2, 2), "the images must be the first dimension"),
    "pixels of two steps": (lambda m, g: conv(m, g, m.n("Mul", [normed(m, convolved(m, g)), m.c(F([1, np.pi, 1]).reshape(3, 1, 1))]), 3, 2), "its activations must have one step between their two values, not one a channel"),
    "float weights": (lambda m, g: m.n("Conv", ["x", m.c(g.normal(size=(3, 2, 4, 4)).astype(F))]),
                      "weights must be whole numbers, at most 128, times one unit a neuron, and have 96 values: export them through their quantiser (Quant), or train with weights of 1 to 8 bits"),
    "weights of no channels": (lambda m, g: m.n("Conv", ["x", m.c(np.ones((3, 0, 2, 2), F))]), "weights of a convolution must have 3 or 4 dimensions, each 1 or more, not (3, 0, 2, 2)"),
    "one score a pixel": (lambda m, g: convolved(m, g), "the output must have one score a class, and Conv '0' gives one a class and pixel"),
    "one score for each of two pixels": (lambda m, g: convolved(m, g, kernel=(4, 3)), "the output must have one score a class, and Conv '0' gives one a class and pixel"),
    "scores of a pooling": (lambda m, g: m.n("GlobalMaxPool", [convolved(m, g)]), "the output must have one score a class, and Conv '0' gives one a class and pixel"),
    "scores of zeros": (lambda m, g: conv(m, g, normed(m, convolved(m, g, kernel=(4, 4))), 3, 4, (3, 3), pads=[1, 1, 1, 1]),
                        "Conv '1' gives the scores, and must not pad with zeros"),
}  # fmt: skip


def windows(m, x, channels=2, **attrs):
    return m.n("Im2Col", [x], m.domain, kernel_size=[2, 2], **attrs)


@pytest.mark.parametrize("name", MAPS)
def test_maps_refused(name):
    make, reason = MAPS[name]
    m = Maker(opset=17)
    text = said(m.model(["N", 2, 4, 4], make(m, np.random.default_rng(1))))
    assert reason in [line.split("': ", 1)[-1] for line in text.split("\n  - ")]


def test_a_convolution_of_float_weights_is_not_rounded():
    """Nor one that is written as a product of pixels; a layer that is not the last is not either."""
    m, g = Maker(opset=17), np.random.default_rng(1)
    floats = m.c(g.normal(size=(3, 4)).astype(F))
    y = m.n("MatMul", [turned(m, normed(m, convolved(m, g)), 0, 2, 3, 1), floats])
    text = said(m.model(["N", 2, 4, 4], m.n("ReduceMean", [y], axes=[1, 2])), last_layer_bits=4)
    assert "MatMul '0': weights must be whole numbers" in text
    assert "last_layer_bits" not in text
    assert "ReduceMean" not in text
    m = Maker(opset=17)
    z = sign(m, m.n("MatMul", ["x", m.c(g.normal(size=(7, 5)).astype(F))]))
    text = said(m.model(["N", 7], last(m, g, z, 5)), last_layer_bits=4)
    assert "MatMul '0': weights must be whole numbers" in text
    assert "last_layer_bits" not in text


def test_long_reasons_of_numpy_are_cut():
    m = Maker(opset=17)
    y = m.n("Add", ["x", m.n("MatMul", [m.c(np.ones((3, 5))), m.c(np.ones((4, 6)))])])
    text = said(m.model(["N", 7], y)).split("its inputs or attributes do not fit (")[1]
    assert len(text) == 121
    # One unknown output is a decision, of which a sign may be the last.
    m = Maker(opset=17)
    text = said(m.model(["N", 7], sign(m, m.n("MatMul", ["x", m.c(np.sqrt(np.arange(1, 8, dtype=F))[:, None])]))))
    assert "leave the last sign out" not in text


def test_thresholds_are_compared_with_the_source(monkeypatch):
    """Should they ever be others than the source's, the import ends."""

    def wrong(t):
        found = to_levels(t)
        return found if t.stage.weights is None else replace(found, reach=found.reach + 1)

    monkeypatch.setattr(layers, "to_levels", wrong)
    m, g = Maker(), np.random.default_rng(0)
    assert re.search(r"of \d+ popcounts must give the source's level, and do not", said(m.model(["N", 7], last(m, g, sign(m, hidden(m, g)), 5))))
