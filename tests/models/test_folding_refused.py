"""What is known, and what is said, of nodes behind one that is refused."""

import numpy as np
import pytest

from oxnor.models.exchange.folding import unknown
from oxnor.models.exchange.folding.graph import Node
from oxnor.models.exchange.folding.layers import Layers, too_large
from oxnor.models.exchange.folding.table import Stage, Table
from oxnor.models.exchange.folding.unknown import Unknown

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
