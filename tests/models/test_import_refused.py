"""Refusals with all reasons, and FINN's hardware nodes."""

import gzip
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="importing ONNX needs the package onnx: pip install 'oxnor[import]'")

from helpers import onnx_networks  # noqa: E402
from helpers.imports import refused, save  # noqa: E402
from onnx import helper  # noqa: E402

from oxnor.models import golden  # noqa: E402
from oxnor.models.exchange.import_network import import_network  # noqa: E402

F = np.float32
FIXTURES = Path(__file__).parents[1] / "fixtures"


# Refusals


def test_sums_of_a_convolution():
    """A convolution of 8-bit inputs is read; the ReLU after it leaves too many values."""
    assert refused(FIXTURES / "conv_8bit_input_relu.onnx") == (
        "1 node cannot be imported\n  - MatMul 'y': takes sums of Conv 'c' that no sign has made bits: put a sign (BipolarQuant) between"
        " them"
    )


@pytest.mark.parametrize(("between", "reason"), [
    (["Relu"], "takes activations of Relu 'n_Relu_2', which are more than two values"), (["Relu", "Sign"], ""), (["Sign"], ""),
    ([], "takes sums of ConvTranspose 'n_ConvTranspose_1' that no sign has made bits"), (["Sign", "LpPool"], ""),
    (["LpPool"], "takes sums of ConvTranspose 'n_ConvTranspose_1' that no sign has made bits"), (["Erf"], ""), (["Clip"], ""),
    (["Gelu"], "takes activations of Gelu 'n_Gelu_2', which are more than two values"), (["Sign", "AveragePool"], ""),
])
def test_reasons_after_a_refused_node(between, reason, tmp_path):
    """Only what is wrong in any case is said of what comes after."""
    m = onnx_networks.Maker(opset=20)
    x = m.n("ConvTranspose", [m.n("Sign", ["x"]), m.c(np.ones((1, 2, 1), F))])
    for op in between:
        x = m.n(op, [x])
    model = m.model(["N", 1, 4], m.n("MatMul", [m.n("Flatten", [x]), m.c(np.ones((8, 2), F))]))
    text = refused(save(model, tmp_path / "n.onnx"), coding="bipolar")
    assert (f"  - MatMul '{model.graph.node[-1].name}': {reason}" in text) if reason else ("  - MatMul" not in text)


def reasons(m, output, path, inputs=("x",), **options):
    """Return the reasons against a network with these inputs of 4 channels."""
    model = m.model(["N", 4], output)
    model.graph.input.extend(helper.make_tensor_value_info(name, 1, ["N", 4]) for name in inputs[1:])
    path.write_bytes(model.SerializeToString())
    first, *rest = refused(path, **options).split("\n")
    return [first, *(line.removeprefix("  - ").replace("'n_", "'") for line in rest)]


W, V = (np.where(np.arange(n).reshape(shape) % 3, F(1), F(-1)) for n, shape in ((32, (4, 8)), (64, (8, 8))))
FEW_BITS = "activations of 1 to 8 bits in even steps are supported: train with such a quantiser"


def test_all_reasons_with_several_inputs(tmp_path):
    """Not only that there are several: what they make is followed, and everything else is judged as it would be."""
    m = onnx_networks.Maker(opset=20)
    x = m.n("Relu", [m.n("MatMul", [m.n("Sign", ["x"]), m.c(W)])])
    y = m.n("MatMul", [m.n("Sign", ["y"]), m.c(np.sqrt(np.arange(32, dtype=F)).reshape(4, 8))])
    z = m.n("MatMul", [m.n("Add", [x, y]), m.c(V * np.sqrt(np.linspace(1, 2, 64, dtype=F)).reshape(8, 8))])
    assert reasons(m, m.n("Cast", [z], to=17), tmp_path / "n.onnx", ("x", "y"), coding="signed") == [
        "5 reasons why the network cannot be imported",
        "the graph must have one input, not 2 ('x', 'y')",
        ("MatMul 'MatMul_4': weights must be whole numbers, at most 128, times one unit a neuron, and have 32 values: export them through their quantiser"
         " (Quant), or train with weights of 1 to 8 bits"),
        "Add 'Add_5': it joins MatMul 'MatMul_1' and MatMul 'MatMul_4': only chains of layers are supported",
        ("MatMul 'MatMul_6': takes sums of MatMul 'MatMul_4' that no sign has made bits: put a sign (BipolarQuant) between them; weights"
         " must be whole numbers, at most 128, times one unit a neuron, and have 64 values: export them through their quantiser (Quant), or train with"
         " weights of 1 to 8 bits, or let `last_layer_bits` round them, as this is the last layer"),
        "Cast 'Cast_7': a cast to float8e4m3fn is not supported",
    ]


def test_all_reasons_of_one_product(tmp_path):
    """Weights of 5 values, inputs in uneven steps and parameters that are not finite, in one node."""
    m = onnx_networks.Maker(opset=20)
    w = m.c(np.sqrt(np.arange(32, dtype=F).reshape(4, 8) % 5 + 1))
    x = m.n("Gemm", [m.n("Exp", ["x"]), w, m.c(np.full(8, np.nan, F))])
    assert reasons(m, x, tmp_path / "n.onnx", coding="unit") == [
        "1 node cannot be imported",
        ("Gemm 'Gemm_1': its bias must be finite, and 8 of 8 values are not; weights must be whole numbers, at most 128, times one unit a neuron, and have 5"
         " values: export them through their quantiser (Quant), or train with weights of 1 to 8 bits, or let `last_layer_bits` round them, as this is the last layer; takes levels of the input in uneven"
         " steps, or more than 256 (256 levels of 256), and the engine takes bits, or integers of 1 to 8 bits: quantise the input in even"
         " steps"),
    ]


def test_all_reasons_after_a_refused_layer(tmp_path):
    """A residual block, picked activations, a batch norm in training mode and signs at the end, all of unknown values."""
    m = onnx_networks.Maker(opset=13)
    norm = [m.c(np.ones(8, F)) for _ in range(4)]
    x = m.n("Sign", [m.n("MatMul", [m.n("Sign", ["x"]), m.c(np.zeros((4, 8), F))])])
    y = m.n("Sign", [m.n("BatchNormalization", [m.n("MatMul", [x, m.c(V)]), *norm], training_mode=1)])
    z = m.n("MatMul", [m.n("Concat", [m.n("Add", [x, y]), y], axis=1), m.c(V)])
    z = m.n("MatMul", [m.n("Sign", [z]), m.c(V)])
    assert reasons(m, m.n("BipolarQuant", [z, m.c(F(1))], m.domain), tmp_path / "n.onnx", coding="bipolar") == [
        "5 reasons why the network cannot be imported",
        "the output must be scores, not one bit a class: leave the last sign out",
        "MatMul 'MatMul_1': weights must not all be 0",
        "BatchNormalization 'BatchNormalization_4': it is in training mode: export the network in evaluation mode (model.eval())",
        "Add 'Add_6': it joins MatMul 'MatMul_1' and MatMul 'MatMul_3': only chains of layers are supported",
        "Concat 'Concat_7': it joins Add 'Add_6' and MatMul 'MatMul_3': only chains of layers are supported",
    ]


def test_all_reasons_with_tensors_that_are_not_read(tmp_path):
    """Types of 8 bits and less, sparse tensors, and nodes with too few inputs."""
    m = onnx_networks.Maker(opset=20)
    strange = helper.make_tensor("f8", 17, [1], [1.0])
    m.init.append(strange)
    x = m.n("MatMul", [m.n("Sign", ["x"]), "f8"])
    y = m.n("Sign", [m.n("Where", [x])])
    weights = m.n("Constant", [], value=helper.make_tensor("f8", 22, [2], [1, 1]))
    types = "elements must be bool, int8 to int64, uint8 to uint64, float16 to float64 or bfloat16, not"
    assert reasons(m, m.n("MatMul", [y, weights]), tmp_path / "n.onnx", coding="bipolar") == [
        "3 reasons why the network cannot be imported",
        f"tensor 'f8': {types} float8e4m3fn",
        f"Constant 'Constant_4': tensor 'f8': {types} int4",
        "Where 'Where_2': must have 3 inputs, not 1",
    ]


@pytest.mark.parametrize("size", [None, 0])
def test_all_reasons_with_an_input_of_any_size(size, tmp_path):
    m = onnx_networks.Maker(opset=20)
    x = m.n("Split", [m.n("MatMul", [m.n("Sign", ["x"]), m.c(np.sqrt(np.arange(32, dtype=F)).reshape(4, 8))])])
    model = m.model(["N", size], x)
    assert refused(save(model, tmp_path / "n.onnx")).split("\n") == [
        "3 reasons why the network cannot be imported",
        "  - input 'x' must have a batch and fixed sizes, not any, any",
        ("  - MatMul 'n_MatMul_1': weights must be whole numbers, at most 128, times one unit a neuron, and have 32 values: export them through their quantiser"
         " (Quant), or train with weights of 1 to 8 bits, or let `last_layer_bits` round them, as this is the last layer"),
        "  - Split 'n_Split_2': the operator is not supported",
    ]


def test_all_reasons_with_an_input_that_never_changes(tmp_path):
    m = onnx_networks.Maker(opset=20)
    x = m.n("MatMul", [m.n("Sign", [m.n("Add", ["x", m.c(F(9e9))])]), m.c(W)])
    lines = reasons(m, m.n("MatMul", [m.n("Relu", [x]), m.c(V)]), tmp_path / "n.onnx")
    assert lines[0] == "2 reasons why the network cannot be imported"
    assert lines[1].startswith("the input must become bits of both values at some grey level, and does not (unit: pixel / 255; byte: ")
    assert lines[2:] == [f"MatMul 'MatMul_4': takes activations of Relu 'Relu_3', which are more than two values: {FEW_BITS}"]


def test_attention_is_refused_with_its_reasons(tmp_path):
    m = onnx_networks.Maker(opset=20)
    q, k = (m.n("MatMul", [m.n("Sign", ["x"]), m.c(np.zeros((4, 8), F))]) for _ in range(2))
    y = m.n("Softmax", [m.n("MatMul", [q, m.n("Transpose", [k])])])
    lines = reasons(m, m.n("MatMul", [y, m.c(V)]), tmp_path / "n.onnx", coding="bipolar")
    assert lines[0] == "4 nodes cannot be imported"
    assert "input 'x' is taken by MatMul 'MatMul_3' too: only chains of layers are supported" in lines[2]
    assert "it multiplies activations by activations; takes sums of MatMul 'MatMul_1' that no sign has made bits" in lines[3]
    assert lines[4] == f"MatMul 'MatMul_7': takes activations of Softmax 'Softmax_6', which are more than two values: {FEW_BITS}"


def test_every_node_of_a_convolutional_network(tmp_path):
    """Padding, pooling, layouts and quantisers of 2 bits, as exporters write them; what follows them is judged too."""
    m = onnx_networks.Maker(opset=13)
    layouts = "qonnx.custom_op.channels_last"
    k, q = m.c(np.where(np.arange(36).reshape(4, 1, 3, 3) % 2, F(1), F(-1))), [m.c(F(v)) for v in (1, 0, 2)]
    x = m.n("Pad", [m.n("Sign", ["x"]), m.c(np.array([0, 0, 1, 1, 0, 0, 1, 1]))])
    x = m.n("MaxPool", [m.n("Quant", [m.n("Conv", [x, k]), *q], m.domain, signed=0, narrow=0)], kernel_shape=[2, 2])
    x = m.n("Transpose", [x], perm=[0, 2, 3, 1])
    x = m.n("MaxPool", [m.n("BipolarQuant", [m.n("Conv", [x, m.c(np.zeros((2, 4, 1, 1), F))], layouts), q[0]], m.domain)], layouts)
    x = m.n("MatMul", [m.n("Flatten", [m.n("Transpose", [x], perm=[0, 3, 1, 2])]), m.c(V)])
    model = m.model(["N", 1, 6, 6], m.n("MultiThreshold", [x, m.c(np.zeros((8, 300), F))], m.domain))
    assert refused(save(model, tmp_path / "n.onnx"), coding="bipolar").replace("'n_", "'").split("\n  - ") == [
        "2 nodes cannot be imported",
        "Conv 'Conv_6': weights must not all be 0",
        f"MultiThreshold 'MultiThreshold_12': 9 bits: {FEW_BITS}",
    ]


def test_convolution_of_float_weights(tmp_path):
    m = onnx_networks.Maker(opset=20)
    x = m.n("Conv", [m.n("Sign", ["x"]), m.c(np.sqrt(np.array([[[1, 2]], [[3, 5]]], F)))])
    text = refused(save(m.model(["N", 1, 4], x), tmp_path / "n.onnx"), coding="bipolar")
    assert "weights must be whole numbers, at most 128, times one unit a neuron, and have 4 values" in text


# FINN


def test_finn_hardware_model(tmp_path):
    """Made by FINN's own conversion, with the classes that its nodes give: MVAU, MultiThreshold, LabelSelect."""
    path = tmp_path / "n.onnx"
    path.write_bytes(gzip.decompress((FIXTURES / "finn_tfc_1w1a_hw.onnx.gz").read_bytes()))
    imported = import_network(path)
    assert imported.ok
    assert imported.network.shape == (784, 64, 64, 64, 10)
    images = np.random.default_rng(0).integers(0, 256, (200, 784), dtype=np.uint8)
    with np.load(FIXTURES / "finn_tfc_1w1a_hw.npz") as z:
        np.testing.assert_array_equal(golden.predict(imported.network, images), z["classes"])


FINN = "finn.custom_op.fpgadataflow"


@pytest.mark.parametrize("names", [("MVAU_rtl", "Thresholding_hls", "StreamingFIFO_rtl"),
                                   ("StreamingFCLayer_Batch", "Thresholding_Batch", "StreamingFIFO")])
@pytest.mark.parametrize("kind", ["BIPOLAR", "BINARY", "BINARY bipolar"])
def test_finn_nodes(names, kind, tmp_path):
    """Counts of agreeing bits, whichever way bits are written, and thresholds of integers on them."""
    g = np.random.default_rng(4)
    product, thresholds, fifo = names
    bipolar = kind == "BIPOLAR"
    low, out = (-1, "BIPOLAR") if bipolar else (0, "BINARY")
    bits = [g.random(s) < 0.5 for s in ((20, 12), (12, 4))]
    t = g.integers(7, 14, 12)
    m = onnx_networks.Maker()
    domain = f"{FINN}.rtl" if "rtl" in product else FINN
    x = m.n(thresholds, ["x", m.c(np.full((20, 1), 128, F))], FINN, NumChannels=20, outputDataType=out, ActVal=0, numInputVectors=[1])
    x = m.n(fifo, [x], domain)
    weights = [m.c(np.where(b, F(1), F(low if kind != "BINARY bipolar" else -1))) for b in bits]
    types = {"inputDataType": out, "weightDataType": "BIPOLAR" if kind != "BINARY" else out}
    xnor = {"binaryXnorMode": int(kind == "BINARY")}
    # A plain product of 0 and 1 by -1 and +1 is the count of agreeing bits less the number of weights -1.
    start = (~bits[0]).sum(axis=0) if kind == "BINARY bipolar" else 0
    limits = m.c((t - start).astype(F)[:, None])
    h = m.n(product, [x, weights[0], limits], domain, MW=20, MH=12, noActivation=0, outputDataType=out, ActVal=0, **types, **xnor)
    y = m.n(product, [h, weights[1]], domain, MW=12, MH=4, noActivation=1, outputDataType="UINT8", **types, **xnor)
    model = m.model(["N", 20], m.n("LabelSelect_Batch", [y], FINN, Labels=4, K=1), onnx.TensorProto.INT64)
    network = import_network(save(model, tmp_path / "n.onnx"), coding="byte").network
    images = g.integers(0, 256, (200, 20), dtype=np.uint8)
    hidden = ((images >= 128)[:, :, None] == bits[0]).sum(axis=1) >= t
    np.testing.assert_array_equal(golden.layer_outputs(network, images)[0], hidden)
    counts = (hidden[:, :, None] == bits[1]).sum(axis=1)
    if kind == "BINARY bipolar":
        counts = counts - (~bits[1]).sum(axis=0)  # 0 * -1 counts nothing
    np.testing.assert_array_equal(golden.predict(network, images), counts.argmax(axis=1))


def test_finn_nodes_around_the_layers(tmp_path):
    """Reshape with its shape as an attribute, streams that are repeated, and a number a class added and multiplied."""
    g = np.random.default_rng(4)
    bits = [g.random(s) < 0.5 for s in ((20, 12), (12, 4))]
    scale, offset = g.uniform(1, 2, 4).astype(F), g.integers(-9, 9, 4).astype(F)
    m = onnx_networks.Maker()
    x = m.n("Reshape", ["x"], FINN, inp_shape=[1, 4, 5], out_shape=[1, 20], backend="fpgadataflow")
    x = m.n("Thresholding", [x, m.c(np.full((20, 1), 128, F))], FINN, outputDataType="BIPOLAR", numInputVectors=[1])
    for k, w in enumerate(bits):
        x = m.n("MVAU", [x, m.c(np.where(w, F(1), F(-1)))], FINN, noActivation=1)
        x = m.n("DuplicateStreams_hls", [x], f"{FINN}.hls")
        if not k:
            x = m.n("Thresholding_rtl", [x, m.c(np.zeros((12, 1), F))], f"{FINN}.rtl", outputDataType="BIPOLAR", numInputVectors=[1])
    x = m.n("ChannelwiseOp_hls", [x, m.c(scale[:, None])], f"{FINN}.hls", Func="mul")
    x = m.n("ChannelwiseOp", [x, m.c(offset[:, None])], FINN, Func="add")
    network = import_network(save(m.model([1, 4, 5], x), tmp_path / "n.onnx"), coding="byte").network
    images = g.integers(0, 256, (300, 20), dtype=np.uint8)
    z = np.where(images >= 128, 1, -1)
    for w in bits:
        z = np.where(z >= 0, 1, -1) @ np.where(w, 1, -1)
    np.testing.assert_array_equal(golden.predict(network, images), (z * scale + offset).argmax(axis=1))


def test_finn_nodes_refused(tmp_path):
    m = onnx_networks.Maker()
    x = m.n("VVAU_hls", ["x", m.c(np.ones((4, 1), F))], f"{FINN}.hls")
    x = m.n("StreamingDataflowPartition", [x], FINN, model="/tmp/build/partition_2.onnx")
    x = m.n("MVAU", [x], FINN, noActivation=1)
    x = m.n("ChannelwiseOp", [x, m.c(np.ones((4, 1), F))], FINN, Func="cmp_le")
    x = m.n("AddStreams_hls", [x, "x"], f"{FINN}.hls")
    lines = refused(save(m.model(["N", 4], x), tmp_path / "n.onnx")).split("\n")
    assert lines == [
        "5 nodes cannot be imported",
        ("  - VVAU_hls 'n_VVAU_hls_0': this hardware node of FINN is no part of a plain network of thresholds: give the model from before"
        " FINN's conversion to hardware, or the export of Brevitas"),
        "  - StreamingDataflowPartition 'n_StreamingDataflowPartition_1': it holds its network in a file of its own, 'partition_2.onnx': give that",
        "  - MVAU 'n_MVAU_2': it must have 2 inputs, not 1",
        "  - ChannelwiseOp 'n_ChannelwiseOp_3': its Func must be add or mul, not cmp_le",
        "  - Add 'n_AddStreams_hls_4': it joins MVAU 'n_MVAU_2' and input 'x': only chains of layers are supported",
    ]


def test_product_with_one_input():
    """A product that is refused for it is judged like any other, whatever its one input is."""
    from oxnor.models.exchange.folding.graph import Node
    from oxnor.models.exchange.folding.layers import Layers
    from oxnor.models.exchange.folding.unknown import product_trouble

    node = Node("m", "MatMul", ("w",), ("y",))
    assert product_trouble(node, [np.zeros((4, 8), F)], Layers(False, True, {}, [])) == ["weights must not all be 0"]
