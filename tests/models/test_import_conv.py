"""Import of convolutional networks: every way in which exporters write them."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")
sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers import onnx_convolutions as made
from helpers.convolutions import Conv, random_conv_network
from helpers.imports import keras_files, refused, save
from helpers.onnx_networks import Maker

from oxnor.models import golden
from oxnor.models.base.errors import InputError
from oxnor.models.exchange.import_network import from_graph, import_network
from oxnor.models.exchange.qonnx import to_model
from oxnor.models.exchange.readers.onnx_file import from_model
from oxnor.models.exchange.readers.reference import evaluator
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.conv import ConvLayer
from oxnor.models.networks.layers.conv_scores import ConvScoreLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.window import Window

F = np.float32


def imported(model, **options):
    """Import a model and compare it with the reference evaluator too."""
    graph = from_model(model)
    return from_graph(graph, "ONNX", "n", reference=lambda built: evaluator(model, built.output.name, graph.input), **options)


CASES = {
    **{f"input {k}": {"input": k} for k in made.INPUTS}, **{f"act {k}": {"act": k} for k in made.ACTS},
    **{f"pool {k}": {"pool_at": k, "size": (11, 10)} for k in made.POOLS[1:]},
    **{f"pad {k}": {"pad": k} for k in made.PADS[1:]}, **{f"flatten {k}": {"flatten": k} for k in made.FLATTENS},
    "pool before a batch norm, 2 bits": {"pool_at": "before", "act": "2 bits", "size": (9, 9)},
    "pad zeros, 0 and 1": {"pad": "zeros", "act": "Quant 0/1"}, "pad zeros, 2 bits": {"pad": "zeros", "act": "2 bits"},
    "stride": {"strides": [2, 1]}, "dilation": {"dilations": [1, 2], "size": (9, 12)}, "wide": {"kernel": (1, 3)},
    "groups": {"group": 2, "channels": (3, 4, 6)}, "stride and same": {"strides": [2, 2], "pad": "same"},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_cases(case):
    """Every popcount is proven, and whole images equal the source's, here and by the reference evaluator."""
    result = imported(made.conv_network(seed=sum(case.encode()), **CASES[case]))
    assert result.ok
    assert [c["by"] for c in result.report["outputs"]] == ["float32", "reference evaluator"]
    assert all(c["rounding"] == 0 for c in result.report["outputs"])


@settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.data())
def test_random_cases(data):
    """Any mixture of them; other layouts of the same network give the same integers."""
    case = {name: data.draw(st.sampled_from(values), name) for name, values in (
        ("input", made.INPUTS), ("act", made.ACTS), ("pool_at", made.POOLS), ("flatten", made.FLATTENS),
        ("pad", made.PADS), ("kernel", [(1, 1), (2, 3), (3, 3)]), ("strides", [[1, 1], [2, 1]]),
    )}  # fmt: skip
    if case["kernel"] == (2, 3) and case["pad"] not in ("", "same"):
        case["kernel"] = (3, 3)
    if case["pad"].startswith("Pad") and case["act"] in ("Quant 0/1", "2 bits", "3 thresholds"):
        case["pad"] = "Pad 0"
    model = made.conv_network(seed=data.draw(st.integers(0, 99)), size=(9, 8), **case)
    result = imported(model)
    assert result.ok
    layout = data.draw(st.sampled_from(made.LAYOUTS[1:]))
    if layout == "Im2Col" and case["pad"] == "same":
        return
    other = made.conv_network(seed=data.draw(st.integers(0, 99)), size=(9, 8), layout=layout, **case)
    assert from_graph(from_model(other), "ONNX", "n").ok


@pytest.mark.parametrize("flatten", made.FLATTENS)
def test_layouts_give_one_network(flatten):
    """The digest of a network does not depend on where its file has the channels."""
    case = {"flatten": flatten, "pad": "zeros", "pool_at": "before", "size": (9, 8)}
    digests = {imported(made.conv_network(layout=layout, **case)).network.digest for layout in made.LAYOUTS}
    assert len(digests) == 1


# Export

EXPORTED = {
    "shortcut": ((8, 8, 2), [Conv(4, levels=3, window={"top": 1, "pad": 1}), Conv(4, levels=3, shortcut=6, window={"groups": 2})],
                 {"levels": 3}),
    "shortcut of 200, around 4 bits": (
        (6, 6, 4), [Conv(4, shortcut=200, window={"top": 1, "left": 1}), Conv(4, shortcut=1)], {"bits": 4, "largest": 14, "planes": 8}),
    "8 bits, AND": ((7, 6, 3), [Conv(5), Conv(4, pool=(2, 2), has_lowest=True)], {"planes": 8}),
    "2 bits, AND, padded": ((7, 6, 3), [Conv(5, levels=3, pool=(3, 3, 2, 2, 1, 1, 0, 2), has_lowest=True)], {"levels": 3}),
    "zeros padded": ((8, 8, 1), [Conv(5, window=dict.fromkeys(("top", "left", "bottom", "right"), 1) | {"pad": 0}), Conv(4)], {}),
    "8 bits and 2, zeros padded": (
        (6, 7, 2), [Conv(4, levels=3, window={"top": 1, "right": 1, "pad": 0}),
                    Conv(4, window={"left": 2, "pad": 0, "groups": 2})], {"planes": 8}),
    "ternary, zeros padded": (
        (6, 7, 2), [Conv(4, levels=3, window={"top": 1, "right": 1, "pad": 0}), Conv(4, window={"left": 2, "pad": 0})],
        {"planes": 8, "bits": 2}),
    "2 bits, groups, +1 padded": (
        (8, 8, 2),
        [Conv(6, levels=3, window={"top": 1, "left": 1, "pad": 1}),
         Conv(4, levels=3, pool=(3, 2), has_lowest=True, window={"groups": 2, "step_y": 2, "top": 2, "pad": 1}),
         Conv(4, (1, 1), window={})],
        {"levels": 3},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPORTED)
def test_exported_network_comes_back(name):
    """An export as QONNX gives the same integers when it is imported, and the same scores in the reference evaluator."""
    shape, convolutions, more = EXPORTED[name]
    network = random_conv_network(shape, convolutions, seed=3, **more)
    if network.input_rule.table is not None:
        table = np.minimum(np.arange(256) + (np.arange(256) >= 128), 255).astype(np.uint8)
        network = replace(network, input_rule=InputRule.planes(table))
    model = to_model(network)
    again, images = imported(model).network, np.random.default_rng(1).integers(0, 256, (6, *shape), dtype=np.uint8)
    # Weights of several bits have several forms, and a centre within their range may be of either.
    assert (again.digest == network.digest) == ("bits" not in more)
    assert [y.weight_bits for y in again.layers] == [y.weight_bits for y in network.layers]
    np.testing.assert_array_equal(golden.scores(again, images), golden.scores(network, images))
    scores = evaluator(model, "scores", "pixels")(images.transpose(0, 3, 1, 2).astype(F))
    np.testing.assert_array_equal(scores, golden.scores(network, images))


@pytest.mark.parametrize(("planes", "window"), [(1, {"top": 1, "right": 1, "pad": 1, "groups": 2}), (2, {"step_y": 2, "left": 2})])
def test_exported_scores_of_a_convolution_come_back(planes, window):
    first = random_conv_network((7, 6, 3), [Conv(4, levels=2**planes - 1)], dense=(), seed=4).layers[0]
    g, over = np.random.default_rng(6), Window(5, 4, 4, 3, 3, **window)
    last = ConvScoreLayer(g.random((6, over.n_in)) < 0.5, g.integers(1, 9, 6), g.integers(-99, 99, 6), window=over, planes=planes)
    network = Network("end", (first, last))
    again = imported(to_model(network))
    assert (again.network.digest, again.ok) == (network.digest, True)


def test_exported_sums_over_windows_are_exact():
    """Sums of more than 24 bits are of float64."""
    last = ConvScoreLayer(np.ones((2, 7), bool), window=Window(26, 26, 1, 1, 1), planes=8, weight_bits=7, weight_max=101)
    network = Network("wide", (last,), InputRule.planes())
    x = np.full((1, 26, 26, 1), 255, np.uint8)
    x[0, 0, 0] = 254
    scores = evaluator(to_model(network), "scores", "pixels")(x.reshape(1, 1, 26, 26).astype(np.float32))
    assert np.array_equal(scores, golden.scores(network, x))



def test_export_of_sums_beyond_float32():
    """Where zeros are padded sums go by halves."""
    window = Window(1, 2, 20001, 1, 3, left=1, pad=0)
    first = ConvLayer(np.ones((1, window.n_in), bool), np.zeros(1, int), window, planes=8)
    network = Network("wide", (first, ScoreLayer(np.ones((2, 1), bool))), InputRule.planes())
    with pytest.raises(InputError, match=r"'wide': sums must be below 2\*\*24 for QONNX, and layer 0 has larger ones"):
        to_model(network)


# Keras and Larq


@pytest.mark.parametrize("values", [0.0, 1.0])
def test_larq(values, tmp_path):
    """Both paddings, of convolutions and poolings, and both orders of batch norm and pooling, with the sums that PyTorch gives."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("h5py")
    g = np.random.default_rng(5)
    sign, free = {"kernel_quantizer": "ste_sign", "use_bias": False}, {"scale": False}
    layers = [
        ("Larq>QuantConv2D", "a", {"filters": 6, "kernel_size": [3, 3]} | sign), ("MaxPooling2D", "pa", {"pool_size": [2, 2]}),
        ("BatchNormalization", "na", free),
        ("Larq>QuantConv2D", "b", {"kernel_size": [3, 3], "padding": "same", "strides": [2, 1], "pad_values": values,
                                   "input_quantizer": "ste_sign"} | sign),
        ("BatchNormalization", "nb", {}), ("MaxPooling2D", "pb", {"pool_size": [3, 2], "strides": [2, 2], "padding": "same"}),
        ("Flatten", "flat", {}), ("Larq>QuantDense", "c", {"units": 3, "input_quantizer": "ste_sign"} | sign),
    ]  # fmt: skip
    w = {"a": (3, 3, 2, 6), "b": (3, 3, 6, 5), "c": (2 * 2 * 5, 3)}
    arrays = {f"{name}/kernel": g.normal(size=shape) for name, shape in w.items()}
    for name, n in (("na", 6), ("nb", 5)):
        arrays |= {f"{name}/{f}": g.normal(size=n) for f in ("beta", "moving_mean")}
        arrays[f"{name}/moving_variance"] = g.uniform(1, 9, n)
    arrays["nb/gamma"] = g.normal(size=5)
    result = import_network(keras_files(tmp_path / "m.json", layers, arrays, (12, 10, 2)), coding="signed")
    assert result.ok
    assert result.network.label == "12x10x2-C6-P-C5s2x1p1-P3x2s2p1x0-3"
    images = g.integers(0, 256, (20, 12, 10, 2), dtype=np.uint8)
    x = torch.from_numpy(images.astype(F) / F(127.5) - 1).permute(0, 3, 1, 2)
    f, signs = torch.nn.functional, {k: torch.from_numpy(np.where(arrays[f"{k}/kernel"] >= 0, F(1), F(-1))) for k in w}

    def norm(x, name):
        gamma = arrays.get(f"{name}/gamma", np.ones(x.shape[1]))
        beta, mean, var = (arrays[f"{name}/{k}"] for k in ("beta", "moving_mean", "moving_variance"))
        return f.batch_norm(x, *(torch.from_numpy(v.astype(F)) for v in (mean, var, gamma, beta)), eps=1e-3)

    x = norm(f.max_pool2d(f.conv2d(x, signs["a"].permute(3, 2, 0, 1)), 2), "na")
    x = f.pad(torch.where(x >= 0, 1.0, -1.0), (1, 1, 1, 1), value=values)  # 5 rows, stride 2: one at both ends
    x = f.max_pool2d(norm(f.conv2d(x, signs["b"].permute(3, 2, 0, 1), stride=(2, 1)), "nb"), (3, 2), 2, (1, 0))
    x = torch.where(x >= 0, 1.0, -1.0).permute(0, 2, 3, 1).flatten(1) @ signs["c"]
    np.testing.assert_array_equal(2 * golden.scores(result.network, images) - 20, x.numpy())


# Refusals

REFUSED = {
    "channels of the input": (lambda m: m.n("Conv", ["x", m.c(np.ones((2, 2, 3, 3), F))]),
                              "its group must divide 2 output channels, and 3 input channels into 2 each, not be 1"),
    "groups": (lambda m: m.n("Conv", ["x", m.c(np.ones((4, 1, 3, 3), F))], group=2),
               "its group must divide 4 output channels, and 3 input channels into 1 each, not be 2"),
    "kernel": (lambda m: m.n("Conv", ["x", m.c(np.ones((2, 3, 9, 3), F))]),
               "convolution: kernel must be at most as large as the padded input, 8x8, not 9x3"),
    "pool with pads": (lambda m: m.n("MaxPool", [m.n("Conv", ["x", m.c(np.ones((2, 3, 3, 3), F))])], kernel_shape=[2, 2], pads=[1, 2, 1, 1]),
                       "pool: left must be at least 0 and less than the width of the window, 2, not 2"),
    "pads of one dimension": (lambda m: m.n("Conv", ["x", m.c(np.ones((2, 3, 3, 3), F))], pads=[1, 1]),
                              "its pads must be 4 integers of 0 or more, not [1, 1]"),
    "windows of one dimension": (lambda m: m.n("MaxPool", [m.n("Conv", ["x", m.c(np.ones((2, 3, 3, 3), F))])], kernel_shape=[2]),
                                 "its kernel_shape must be 2 integers of 1 or more, not [2]"),
    "pool of the input": (lambda m: m.n("MaxPool", ["x"], kernel_shape=[2, 2]),
                          "a pooling must follow a convolution: in front of the first it is not supported"),
    "scales a channel": (lambda m: m.n("Conv", [m.n("Mul", ["x", m.c(np.array([1, 2, 3], F)[:, None, None])]),
                                                m.c(np.ones((2, 3, 3, 3), F))]),
                         ("takes inputs of which each channel has its own scale, and these cannot be folded into one integer: give"
                          " the network inputs of one scale for all channels")),
    "zero among the inputs": (lambda m: m.n("Conv", [m.n("Sub", ["x", m.c(F(0.25))]), m.c(np.ones((2, 3, 3, 3), F))], pads=[1] * 4),
                              ("it pads with 0, which must be the lowest or highest of its inputs' levels, -0.25 and 0.75, or their middle: train it"
                               " without padding, or pad with one of them (F.pad(x, ..., value=-0.25) of PyTorch in front of it, pad_values=-0.25 of"
                               " Larq)")),
    "thresholds a pixel": (lambda m: m.n("Add", [m.n("Conv", ["x", m.c(np.ones((2, 3, 3, 3), F))]), m.c(np.arange(36, dtype=F).reshape(1, 1, 6, 6))]),
                           "a constant must have at most one value a channel of a feature map"),
    "pixels of scores": (lambda m: m.n("Conv", ["x", m.c(np.ones((2, 3, 3, 3), F))]), None),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    """One sentence, before anything is built."""
    make, reason = REFUSED[name]
    m = Maker(opset=17)
    text = refused(save(m.model(["N", 3, 8, 8], make(m)), tmp_path / "n.onnx"), coding="unit")
    if reason is None:
        assert text == "the output must have one score a class, and Conv 'n_Conv_0' gives one a class and pixel"
    else:
        first, line = text.split("\n  - ")
        assert first == "1 node cannot be imported"
        assert line.split(": ", 1)[1] == reason


def padded(value, sign):
    """Return a network whose first convolution pads the pixels, or their signs, with a value."""
    m = Maker(opset=17)
    x = m.n("BipolarQuant", [m.n("Sub", ["x", m.c(F(0.4))]), m.c(F(1))], m.domain) if sign else "x"
    x = m.n("Pad", [x, m.c(np.array([0, 0, 1, 1, 0, 0, 1, 1])), m.c(F(value))])
    x = m.n("BipolarQuant", [m.n("Conv", [x, m.c(np.where(np.arange(18).reshape(2, 1, 3, 3) % 2, F(1), F(-1)))]), m.c(F(1))], m.domain)
    return m.model(["N", 1, 4, 4], m.n("MatMul", [m.n("Flatten", [x]), m.c(np.where(np.arange(96).reshape(32, 3) % 5, F(1), F(-1)))]))


@pytest.mark.parametrize(("value", "sign", "coding", "level"), [
    (0, False, None, "lowest level"), (0.5, False, None, "middle of the levels"), (1, False, None, "highest level"),
    (0, False, "unit", ""), (-1, False, "signed", ""), (0, False, "signed", ""), (0, True, None, ""),
])
def test_padding_of_inputs_that_were_guessed(value, sign, coding, level):
    """What pads pixels is one of their levels in one coding alone, so a guess is told; signs are the same in all."""
    notes = [text for text in imported(padded(value, sign), coding=coding).report["notes"] if "padding" in text]
    said = f"Conv 'n_Conv_1': its padding is the {level} only if the source takes pixel / 255, which nothing says: if it was trained on"
    assert notes == [f"{said} others, as after Normalize(0.5, 0.5), give `coding`, as signed"] * bool(level)


@pytest.mark.parametrize(("coding", "end"), [(None, "; or see `coding`, as nothing says what the inputs' levels are"), ("byte", "")])
def test_padding_of_no_level(coding, end, tmp_path):
    text = refused(save(padded(-1, False), tmp_path / "n.onnx"), coding=coding)
    assert text.endswith(" of PyTorch in front of it, pad_values=0 of Larq)" + end)


def test_images_of_another_size(tmp_path):
    path = save(made.conv_network(), tmp_path / "n.onnx")
    np.savez(tmp_path / "images.npz", images=np.zeros((2, 6, 7, 4), np.uint8))
    with pytest.raises(InputError, match=r"images: shape must be \(n, 7, 6, 3\), not \(2, 6, 7, 4\)"):
        import_network(path, check=tmp_path / "images.npz")


# FINN and BNN-PYNQ


def test_finn_nodes():
    """Windows, padding, pooling and thresholds of FINN's hardware are the network of its operators."""
    g = np.random.default_rng(8)
    domain = "finn.custom_op.fpgadataflow"
    signs = [np.where(g.random(shape) < 0.5, F(-1), F(1)) for shape in ((5, 3, 3, 2), (4, 3, 3, 5), (24, 4))]
    t = [g.integers(-9, 9, (n, 1)).astype(F) for n in (5, 4)]
    m = Maker()
    x = m.n("Thresholding_rtl", ["x", m.c(np.full((1, 1), 128, F))], f"{domain}.rtl", outputDataType="BIPOLAR", numInputVectors=[1, 8, 8])
    for k, (w, cut) in enumerate(zip(signs[:2], t, strict=True)):
        if k:
            x = m.n("FMPadding_rtl", [x], f"{domain}.rtl", ImgDim=[6, 6], Padding=[1, 1, 0, 2], NumChannels=5)
        x = m.n("ConvolutionInputGenerator_rtl", [x], f"{domain}.rtl", ConvKernelDim=[3, 3], Stride=[1, 1], Dilation=[1, 1], depthwise=0)
        more = {"noActivation": 0, "outputDataType": "BIPOLAR", "numInputVectors": [1, 6, 6], "weightDataType": "BIPOLAR"}
        matrix = m.c(np.ascontiguousarray(w.reshape(len(w), -1).T))
        x = m.n("MVAU_hls", [x, matrix, m.c(cut)], f"{domain}.hls", inputDataType="INT2", **more)
    x = m.n("StreamingMaxPool_hls", [x], f"{domain}.hls", PoolDim=[2, 2], CeilMode=0)
    x = m.n("MatMul", [m.n("Reshape", [x], domain, out_shape=[1, 24]), m.c(signs[2])])
    network = imported(m.model([1, 8, 8, 2], x), coding="byte").network
    m = Maker()
    x = m.n("Transpose", ["x"], perm=[0, 3, 1, 2])
    x = m.n("BipolarQuant", [m.n("Sub", [x, m.c(F(128))]), m.c(F(1))], m.domain)
    for k, (w, cut) in enumerate(zip(signs[:2], t, strict=True)):
        x = m.n("Conv", [x, m.c(w.transpose(0, 3, 1, 2).copy())], pads=[1, 1, 0, 2] if k else [0] * 4)
        x = m.n("BipolarQuant", [m.n("Sub", [x, m.c(cut[:, :, None])]), m.c(F(1))], m.domain)
    x = m.n("Transpose", [m.n("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])], perm=[0, 2, 3, 1])
    x = m.n("MatMul", [m.n("Flatten", [x]), m.c(signs[2])])
    assert network.digest == imported(m.model([1, 8, 8, 2], x), coding="byte").network.digest


@pytest.mark.parametrize("levels", [1, 2])
def test_pynq_folder_of_cnv(levels, tmp_path):
    """A folder of CNV's shape with few channels: its integers are those of the files."""
    g = np.random.default_rng(levels)
    widths = [4, 4, 6, 6, 6, 6, 8, 8, 16]
    n_in = [27, *(9 * n for n in widths[:5]), *widths[5:8]]
    weights = [g.random((m, n)) < 0.5 for m, n in zip(widths, n_in, strict=True)]
    for w in weights:
        w[0, -1] = True  # the widest bit of a word is used
    scale = [128 * 40, *([5] * 7)]
    thresholds = [np.sort(g.normal(0, s, (m, levels)), axis=1).astype(int) for m, s in zip(widths[:8], scale, strict=True)]
    if levels == 1:
        thresholds = [t if k == 0 else t + n // 2 for k, (t, n) in enumerate(zip(thresholds, n_in[:8], strict=True))]
    for k, w in enumerate(weights):
        simd = 3 if k == 0 else 2
        words = np.packbits(w.reshape(len(w), -1, simd), axis=-1, bitorder="little")[..., 0].astype("<u8")
        for p in range(2):
            words[p::2].tofile(tmp_path / f"{k}-{p}-weights.bin")
            if k < 8:
                thresholds[k][p::2].astype("<i8").tofile(tmp_path / f"{k}-{p}-thres.bin")
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    result = import_network(tmp_path)
    assert result.ok
    network = result.network
    assert network.label == "32x32x3-C4-C4-P-C6-C6-P-C6-C6-8-8-3"
    for layer, w in zip(network.layers, weights, strict=True):
        np.testing.assert_array_equal(layer.weights, w[: layer.n_out])
    if levels == 1:
        for layer, t in zip(network.layers[1:-1], thresholds[1:], strict=True):
            np.testing.assert_array_equal(layer.thresholds, np.clip(t[:, 0] + 1, 0, layer.n_in + 1))
    assert network.input_rule.table[[0, 127, 128, 255]].tolist() == [0, 127, 129, 255]
