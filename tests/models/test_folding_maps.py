"""Small graphs of convolutions, folded, against the reference evaluator of ONNX."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="importing ONNX needs the package onnx: pip install 'oxnor[import]'")

from helpers.folded import (
    LAST,
    PER,
    F,
    axes,
    bent,
    bits,
    check,
    conv,
    flat,
    im2col,
    last,
    multi,
    normed,
    pad,
    pool,
    quant,
    sign,
    signs,
    to_float,
    to_last,
    weights,
    where,
)
from helpers.onnx_networks import QONNX, Maker
from onnx import helper

from oxnor.models.exchange.folding.build import build
from oxnor.models.exchange.readers.onnx_file import from_model
from oxnor.models.networks.layers.conv import ConvLayer

# Feature maps: two channels of 4 x 4 bits, (channels, height, width) unless they are channels last.


def past(m, g, x, scales=(1, 1), shortcut=4):
    """A convolution of two channels, to whose sums the pixels under the centres of the windows are added."""
    w = signs(g, 2, 2, 3, 3)
    w[[0, 1], [0, 1], 1, 1] += shortcut
    return m.n("Conv", [x, m.c(w * F(scales).reshape(2, 1, 1, 1))])


def rows(m, g, x, n_in, n_out, biased=False):
    """A convolution of one dimension."""
    return m.n("Conv", [x, m.c(signs(g, n_out, n_in, 2)), *([m.c(np.linspace(-1.5, 1.5, n_out, dtype=F))] if biased else [])])


#: Of the bits x, (N, 2, 4, 4): a function to the scores.
MAPS = {
    "convolution": lambda m, g, x: flat(m, g, bent(m, conv(m, g, x, 2, 3), 3), 27),
    "batch norm": lambda m, g, x: flat(m, g, normed(m, conv(m, g, x, 2, 3)), 27),
    "bias": lambda m, g, x: flat(m, g, sign(m, conv(m, g, x, 2, 3, bias=True)), 27),
    "bias as large as the map": lambda m, g, x: flat(m, g, sign(m, m.n("Add", [conv(
        m, g, x, 2, 3), m.c(np.repeat(F([0.5, 2.5, -1.5]), 9).reshape(1, 3, 3, 3))])), 27),
    "bias made as large as the sums": lambda m, g, x: flat(m, g, sign(m, (lambda y: m.n("Add", [y, m.n(
        "Expand", [m.c(F([0.5, 2.5, -1.5]).reshape(1, 3, 1, 1)), m.n("Shape", [y])])]))(conv(m, g, x, 2, 3))), 27),
    "ones in place of zeros": lambda m, g, x: flat(m, g, (lambda y: m.n("Where", [m.n("Equal", [y, m.c(F(0))]), m.n(
        "ConstantOfShape", [m.n("Shape", [y])], value=helper.make_tensor("one", 1, [1], [1.0])), y]))(m.n("Sign", [conv(m, g, x, 2, 3)])), 27),
    "kernel of 3 x 1": lambda m, g, x: flat(m, g, normed(m, conv(m, g, x, 2, 3, (3, 1), kernel_shape=[3, 1])), 24),
    "kernel of 1 x 1": lambda m, g, x: flat(m, g, normed(m, conv(m, g, x, 2, 3, (1, 1))), 48),
    "kernel of all": lambda m, g, x: flat(m, g, normed(m, conv(m, g, x, 2, 3, (4, 4))), 3),
    "strides": lambda m, g, x: flat(m, g, normed(m, conv(m, g, x, 2, 3, strides=[2, 1])), 18),
    "dilations": lambda m, g, x: flat(m, g, normed(m, conv(m, g, x, 2, 3, dilations=[1, 3])), 9),
    "groups": lambda m, g, x: flat(m, g, normed(m, conv(m, g, x, 2, 4, group=2), 4), 36),
    "groups behind a layer": lambda m, g, x: flat(m, g, normed(m, conv(
        m, g, m.n("Mul", [normed(m, conv(m, g, x, 2, 4), 4), m.c(F([1, -1, -1, 1]).reshape(4, 1, 1))]), 4, 6, group=2), 6), 24),
    "pads": lambda m, g, x: flat(m, g, normed(m, conv(m, g, x, 2, 3, pads=[1, 0, 0, 1])), 48),
    "pads and strides": lambda m, g, x: flat(m, g, normed(m, conv(m, g, x, 2, 3, pads=[1, 1, 1, 1], strides=[2, 3])), 18),
    "SAME_UPPER": lambda m, g, x: flat(m, g, normed(m, conv(m, g, x, 2, 3, auto_pad="SAME_UPPER")), 48),
    "SAME_LOWER": lambda m, g, x: flat(m, g, normed(m, conv(m, g, x, 2, 3, auto_pad="SAME_LOWER")), 48),
    "VALID": lambda m, g, x: flat(m, g, normed(m, conv(m, g, x, 2, 3, auto_pad="VALID")), 27),
    "pads of 0 and 1": lambda m, g, x: flat(m, g, normed(m, conv(
        m, g, to_float(m, m.n("Greater", [x, m.c(F(0))])), 2, 3, pads=[1, 0, 0, 1])), 48),
    "pads of the highest": lambda m, g, x: flat(m, g, normed(m, conv(m, g, pad(m, x, [0, 0, 1, 0, 0, 0, 0, 1], 1), 2, 3)), 48),
    "pads of the lowest": lambda m, g, x: flat(m, g, normed(m, conv(m, g, pad(m, x, [0, 0, 0, 1, 0, 0, 1, 0], -1), 2, 3)), 48),
    "pads of the middle": lambda m, g, x: flat(m, g, normed(m, conv(m, g, pad(m, x, [0, 0, 0, 1, 0, 0, 0, 0]), 2, 3)), 36),
    "pads of some axes": lambda m, g, x: flat(m, g, normed(m, conv(m, g, pad(m, x, [1, 0, 0, 1], 1, (2, -1)), 2, 3)), 48),
    "pads twice": lambda m, g, x: flat(m, g, normed(m, conv(
        m, g, pad(m, pad(m, x, [0, 0, 1, 0, 0, 0, 0, 0], -1), [0, 0, 0, 1, 0, 0, 0, 1], -1), 2, 3)), 60),
    "pads, and zeros": lambda m, g, x: flat(m, g, normed(m, conv(
        m, g, pad(m, x, [0, 0, 1, 0, 0, 0, 0, 0], 0), 2, 3, pads=[0, 1, 0, 0])), 48),
    "pads that become others": lambda m, g, x: flat(m, g, normed(m, conv(
        m, g, m.n("Neg", [pad(m, x, [0, 0, 1, 0, 0, 0, 0, 0], -1)]), 2, 3)), 36),
    "pads, and SAME": lambda m, g, x: flat(m, g, normed(m, conv(
        m, g, pad(m, x, [0, 0, 0, 0, 0, 0, 1, 1], 0), 2, 3, (4, 4), strides=[3, 2], auto_pad="SAME_UPPER")), 18),
    "rows": lambda m, g, x: flat(m, g, m.n("MaxPool", [where(m, m.n("Greater", [rows(
        m, g, sign(m, rows(m, g, m.n("Reshape", [x, m.c(axes(-1, 2, 16))]), 2, 3, True)), 3, 2), m.c(F(1))]))], kernel_shape=[2]), 26),
    "rows, padded": lambda m, g, x: flat(m, g, normed(m, rows(m, g, pad(
        m, normed(m, rows(m, g, m.n("Reshape", [x, m.c(axes(-1, 2, 16))]), 2, 3), 3), [0, 0, 1, 0, 0, 1], -1), 3, 2, True), 2), 32),
    "pooling of what was flattened": lambda m, g, x: flat(m, g, pool(m, sign(m, m.n("Reshape", [m.n("Add", [m.n(
        "Flatten", [conv(m, g, x, 2, 3)]), m.c(np.repeat(F([0.5, 2.5, -1.5]), 9))]), m.c(axes(-1, 3, 3, 3))]))), 12),
    "mean of what was flattened": lambda m, g, x: flat(m, g, m.n("GlobalAveragePool", [sign(m, m.n("Reshape", [m.n("Add", [m.n(
        "Flatten", [conv(m, g, x, 2, 3, (3, 3))]), m.c(np.repeat(F([0.5, 2.5, -1.5]), 4))]), m.c(axes(-1, 3, 2, 2))]))]), 3),
    "pads of an input that falls": lambda m, g, x: flat(m, g, normed(m, conv(
        m, g, pad(m, m.n("Neg", [x]), [0, 0, 1, 0, 0, 0, 0, 1], 1), 2, 3)), 48),
    "pads of nothing": lambda m, g, x: flat(m, g, normed(m, conv(m, g, pad(m, x, [0] * 8, 5), 2, 3)), 27),
    "pads before a Transpose": lambda m, g, x: last(m, g, m.n("Flatten", [sign(m, m.n(
        "Conv", [to_last(m, pad(m, x, [0, 0, 1, 0, 0, 0, 0, 1], 1)), m.c(signs(g, 3, 2, 2, 2))], LAST))]), 48),
    "pads behind a layer": lambda m, g, x: flat(m, g, normed(m, conv(
        m, g, pad(m, normed(m, conv(m, g, x, 2, 3)), [0, 0, 1, 0, 0, 0, 0, 1], -1), 3, 2), 2), 18),
    "zeros amid signed levels": lambda m, g, x: flat(m, g, normed(m, conv(m, g, m.n("Sub", [
        quant(m, conv(m, g, x, 2, 3), 2, 0, 2, signed=0, narrow=0), m.c(F(3))]), 3, 2, pads=[1, 0, 0, 1]), 2), 18),
    "the middle of levels from 0": lambda m, g, x: flat(m, g, normed(m, conv(m, g, pad(m, quant(
        m, conv(m, g, x, 2, 3), 2, 0, 2, signed=0, narrow=0), [0, 0, 1, 0, 0, 0, 0, 1], 3), 3, 2), 2), 18),
    "zeros behind a layer": lambda m, g, x: flat(m, g, normed(m, conv(m, g, normed(m, conv(m, g, x, 2, 3)), 3, 2, pads=[1, 0, 0, 1]), 2), 18),
    "two layers": lambda m, g, x: flat(m, g, normed(m, conv(m, g, bent(m, conv(m, g, x, 2, 3), 3), 3, 2), 2), 8),
    "pooling before a batch norm": lambda m, g, x: flat(m, g, normed(m, pool(m, conv(m, g, x, 2, 3))), 12),
    "pooling after a batch norm": lambda m, g, x: flat(m, g, pool(m, normed(m, conv(m, g, x, 2, 3))), 12),
    "pooling between parts": lambda m, g, x: flat(m, g, sign(m, m.n("Add", [pool(m, m.n(
        "Mul", [conv(m, g, x, 2, 3), m.c(F([1, -1, 2]).reshape(3, 1, 1))])), m.c(F(0.5))])), 12),
    "pooling in steps": lambda m, g, x: flat(m, g, pool(m, bent(m, conv(m, g, x, 2, 3), 3), 2, 1, strides=[1, 2]), 12),
    "pooling of truth": lambda m, g, x: flat(m, g, to_float(m, m.n("Not", [m.n("Greater", [pool(m, conv(m, g, x, 2, 3)), m.c(F(1))])])), 12),
    "pooling of levels": lambda m, g, x: flat(m, g, pool(m, quant(m, conv(m, g, x, 2, 3), 2, 0, 2, signed=0, narrow=0)), 12),
    "pooling with ceil_mode": lambda m, g, x: flat(m, g, pool(m, normed(m, conv(m, g, x, 2, 3, (1, 1))), strides=[2, 2], ceil_mode=1), 12),
    "pooling over edges": lambda m, g, x: flat(m, g, normed(m, pool(m, conv(m, g, x, 2, 3), 3, 3, pads=[1] * 4, strides=[2, 1])), 18),
    "pooling over edges with ceil_mode": lambda m, g, x: flat(m, g, pool(m, normed(m, conv(m, g, x, 2, 3)), strides=[2, 2], ceil_mode=1), 12),
    "pooling of a padded map": lambda m, g, x: flat(m, g, pool(m, pad(m, normed(m, conv(m, g, x, 2, 3)), [0, 0, 1, 0, 0, 0, 0, 1], -1)), 27),
    "pooling of levels over edges": lambda m, g, x: flat(m, g, pool(m, pad(m, quant(
        m, conv(m, g, x, 2, 3), 2, 0, 2, signed=0, narrow=0), [0, 0, 1, 0, 0, 0, 0, 0], 0), 3, 3, pads=[1] * 4), 36),
    "poolings one after the other": lambda m, g, x: flat(m, g, normed(m, pool(m, pool(m, conv(m, g, x, 2, 3, (1, 1)), 2, 1), 1, 2, strides=[2, 1])), 18),
    "poolings around a batch norm": lambda m, g, x: flat(m, g, pool(m, sign(m, m.n("Sub", [pool(m, conv(m, g, x, 2, 3, (1, 1))), m.c(F([0.5, -0.5, 1.5]).reshape(3, 1, 1))]))), 12),
    "GlobalMaxPool": lambda m, g, x: flat(m, g, m.n("GlobalMaxPool", [normed(m, conv(m, g, x, 2, 6), 6)]), 6),
    "GlobalMaxPool of sums": lambda m, g, x: flat(m, g, normed(m, m.n("GlobalMaxPool", [conv(m, g, x, 2, 6)]), 6), 6),
    "GlobalAveragePool": lambda m, g, x: flat(m, g, m.n("GlobalAveragePool", [normed(m, conv(m, g, x, 2, 3, (3, 3)))]), 3),
    "GlobalAveragePool of levels": lambda m, g, x: flat(
        m, g, m.n("GlobalAveragePool", [quant(m, conv(m, g, x, 2, 3, (3, 3)), 4, 0, 2, signed=0, narrow=0)]), 3),
    "AveragePool": lambda m, g, x: flat(m, g, pool(m, normed(m, conv(m, g, x, 2, 3, (3, 3))), 2, 2, "AveragePool"), 3),
    "AveragePool of one pixel": lambda m, g, x: flat(m, g, normed(m, m.n("GlobalAveragePool", [conv(m, g, x, 2, 3, (4, 4))])), 3),
    "ReduceMean": lambda m, g, x: flat(m, g, m.n("ReduceMean", [normed(m, conv(m, g, x, 2, 3, (3, 3)))], axes=[2, 3]), 3),
    "ReduceMean, no dimensions": lambda m, g, x: last(m, g, m.n(
        "ReduceMean", [normed(m, conv(m, g, x, 2, 3, (3, 3)))], axes=[-1, -2], keepdims=0), 3),
    "ReduceMax": lambda m, g, x: flat(m, g, m.n("ReduceMax", [normed(m, conv(m, g, x, 2, 6), 6)], axes=[2, 3]), 6),
    "mean with its channels last": lambda m, g, x: last(m, g, m.n("ReduceMean", [to_last(m, normed(
        m, conv(m, g, x, 2, 3, (3, 3))))], axes=[1, 2], keepdims=0), 3),
    "Transpose": lambda m, g, x: flat(m, g, to_last(m, normed(m, conv(m, g, x, 2, 3))), 27),
    "sums that are flattened": lambda m, g, x: last(m, g, sign(m, m.n("Add", [m.n(
        "Flatten", [conv(m, g, x, 2, 3, (3, 3))]), m.c(np.repeat(F([0.5, 2.5, -1.5]), 4))])), 12),
    "signs that are flattened, last": lambda m, g, x: last(m, g, sign(m, m.n("Sub", [m.n(
        "Flatten", [to_last(m, conv(m, g, x, 2, 3, (3, 3)))]), m.c(np.tile(F([0.5, 2.5, -1.5]), 4))])), 12),
    "flattened and back": lambda m, g, x: flat(m, g, normed(m, m.n("Reshape", [m.n(
        "Flatten", [conv(m, g, x, 2, 3)]), m.c(axes(-1, 3, 3, 3))])), 27),
    "channels last, flattened and back": lambda m, g, x: last(m, g, m.n("Flatten", [pool(m, sign(m, m.n("Reshape", [m.n("Add", [m.n("Flatten", [m.n(
        "Conv", [to_last(m, x), m.c(signs(g, 3, 2, 2, 2))], LAST)]), m.c(np.tile(F([0.5, 2.5, -1.5]), 9))]), m.c(axes(-1, 3, 3, 3))])), op="MaxPoolNHWC", domain=QONNX)]), 12),
    # As many channels as popcounts: no shape gives away which are which.
    "flattened, the images last": lambda m, g, x: m.n("Transpose", [m.n("MatMul", [weights(m, g, 4, 81), m.n(
        "Transpose", [m.n("Flatten", [normed(m, conv(m, g, x, 2, 9), 9)])], perm=[1, 0])])], perm=[1, 0]),
    "flattened, a dimension before the images": lambda m, g, x: last(m, g, m.n("Squeeze", [sign(m, m.n("Add", [m.n(
        "Unsqueeze", [m.n("Flatten", [conv(m, g, x, 2, 9)]), m.c(axes(0))]), m.c(np.repeat(np.linspace(-3, 4, 9, dtype=F), 9))])), m.c(axes(0))]), 81),
    "a dimension before the images": lambda m, g, x: flat(m, g, m.n("Squeeze", [sign(m, m.n("Add", [
        conv(m, g, x, 2, 3), m.c(F([0.5, 2.5, -1.5]).reshape(1, 1, 3, 1, 1))])), m.c(axes(0))]), 27),
    "flattened and of another shape": lambda m, g, x: last(m, g, m.n("Flatten", [sign(m, m.n("Add", [m.n("Reshape", [m.n(
        "Flatten", [conv(m, g, x, 2, 3)]), m.c(axes(-1, 3, 9, 1))]), m.c(F([0.5, 2.5, -1.5]).reshape(3, 1, 1))]))]), 27),
    "flattened and of another shape, one value": lambda m, g, x: last(m, g, m.n("Flatten", [sign(m, m.n("Add", [m.n("Reshape", [m.n(
        "Flatten", [conv(m, g, x, 2, 3)]), m.c(axes(-1, 3, 9))]), m.c(F([[[0.5]]]))]))]), 27),
    "flattened and of another shape, as it is": lambda m, g, x: last(m, g, m.n("Flatten", [sign(m, m.n("Neg", [m.n("Reshape", [conv(
        m, g, x, 2, 3), m.c(axes(-1, 3, 9, 1))])]))]), 27),
    "channels last": lambda m, g, x: last(m, g, m.n("Flatten", [bent(m, m.n(
        "Conv", [to_last(m, x), m.c(signs(g, 3, 2, 2, 2))], LAST, pads=[1, 0, 0, 1]), 3, True)]), 48),
    "channels last, pooled": lambda m, g, x: last(m, g, m.n("Flatten", [pool(m, normed(m, m.n(
        "Conv", [to_last(m, x), m.c(signs(g, 3, 2, 2, 2))], LAST), domain=LAST), domain=LAST)]), 12),
    "channels last, MaxPoolNHWC": lambda m, g, x: last(m, g, m.n("Flatten", [pool(m, bent(m, m.n(
        "Conv", [to_last(m, x), m.c(signs(g, 3, 2, 2, 2))], LAST), 3, True), op="MaxPoolNHWC", domain=QONNX)]), 12),
    "channels last, mean": lambda m, g, x: last(m, g, m.n("Flatten", [m.n("GlobalAveragePool", [bent(m, m.n(
        "Conv", [to_last(m, x), m.c(signs(g, 3, 2, 3, 3))], LAST), 3, True)], LAST)]), 3),
    "Im2Col": lambda m, g, x: last(m, g, m.n("Flatten", [bent(m, im2col(m, g, to_last(m, x), 2, 3), 3, True)]), 27),
    "counts of equal bits": lambda m, g, x: last(m, g, m.n("Flatten", [sign(m, m.n("Sub", [m.n("XnorPopcountMatMul", [m.n(
        "Im2Col", [to_last(m, to_float(m, m.n("Greater", [x, m.c(F(0))])))], QONNX, kernel_size=[2, 2]),
        m.c((g.random((8, 3)) < 0.5).astype(F))], QONNX), m.c(F([3.5, 4.5, 2.5]))]))]), 27),
    "a mean, and signs of two of its map": lambda m, g, x: flat(m, g, m.n("GlobalAveragePool", [bent(m, conv(m, g, x, 2, 3, (3, 3)), 3)]), 3),
    "Im2Col of 3 x 2": lambda m, g, x: last(m, g, m.n("Flatten", [bent(m, im2col(m, g, to_last(m, x), 2, 3, (3, 2)), 3, True)]), 18),
    "small steps": lambda m, g, x: flat(m, g, normed(m, conv(m, g, m.n("Mul", [normed(m, conv(m, g, x, 2, 3)), m.c(F(0.25))]), 3, 2, pads=[1, 0, 0, 1]), 2), 18),
    "small steps that fall": lambda m, g, x: flat(m, g, normed(m, conv(m, g, m.n("Mul", [normed(m, conv(m, g, x, 2, 3)), m.c(F(-0.25))]), 3, 2, pads=[1, 0, 0, 1]), 2), 18),
    "small steps of pixels": lambda m, g, x: flat(m, g, m.n("Mul", [normed(m, conv(m, g, x, 2, 3)), m.c(F([0.25, -0.25, 0.25]).reshape(3, 1, 1))]), 27),
    "mean of two pixels": lambda m, g, x: flat(m, g, m.n("GlobalAveragePool", [normed(m, conv(m, g, x, 2, 3, (4, 3)))]), 3),
    "products of one pixel": lambda m, g, x: last(m, g, m.n("Flatten", [bent(m, last(
        m, g, to_last(m, normed(m, conv(m, g, x, 2, 3, (4, 4)))), 3, 5), 5, True)]), 5),
    "products of two pixels": lambda m, g, x: last(m, g, m.n("Flatten", [bent(m, last(
        m, g, to_last(m, normed(m, conv(m, g, x, 2, 3, (4, 3)))), 3, 5), 5, True)]), 10),
    "products of two pixels, one above the other": lambda m, g, x: last(m, g, m.n("Flatten", [bent(m, last(
        m, g, to_last(m, normed(m, conv(m, g, x, 2, 3, (3, 4)))), 3, 5), 5, True)]), 10),
    "product of one pixel": lambda m, g, x: m.n("Flatten", [last(m, g, to_last(m, normed(m, conv(m, g, x, 2, 3, (4, 4)))), 3)]),
    "Im2Col in steps": lambda m, g, x: last(m, g, m.n("Flatten", [bent(
        m, im2col(m, g, to_last(m, x), 2, 3, stride=[2, 1], dilations=[1, 2]), 3, True)]), 12),
    "Im2Col, pads": lambda m, g, x: last(m, g, m.n("Flatten", [bent(
        m, im2col(m, g, to_last(m, x), 2, 3, pad_amount=[1, 0, 0, 1]), 3, True)]), 48),
    "Im2Col, pads of 1": lambda m, g, x: last(m, g, m.n("Flatten", [bent(
        m, im2col(m, g, to_last(m, x), 2, 3, pad_amount=[1, 0, 0, 1], pad_value=1), 3, True)]), 48),
    "products of pixels": lambda m, g, x: last(m, g, m.n("Flatten", [bent(m, last(
        m, g, to_last(m, normed(m, conv(m, g, x, 2, 4), 4)), 4, 3), 3, True)]), 27),
    "thresholds a channel": lambda m, g, x: flat(m, g, multi(m, conv(m, g, x, 2, 3), F([[0.5], [2.5], [-1]]), out_scale=2.0, out_bias=-1.0), 27),
    "2 thresholds for all": lambda m, g, x: flat(m, g, multi(m, conv(m, g, x, 2, 3), [[-2, 0.5]], out_scale=1.0, out_bias=-1.0), 27),
    "levels by a convolution": lambda m, g, x: flat(m, g, normed(m, conv(
        m, g, quant(m, conv(m, g, x, 2, 3), 2, 0, 2, signed=0, narrow=0), 3, 2, pads=[0, 1, 0, 0]), 2), 12),
    "a shortcut": lambda m, g, x: flat(m, g, sign(m, m.n("Add", [past(m, g, x), m.c(F(0.5))])), 8),
    "a shortcut of sums that fall": lambda m, g, x: flat(m, g, sign(m, m.n("Sub", [m.c(F(0.5)), past(m, g, x)])), 8),
    "a shortcut of other scales": lambda m, g, x: flat(m, g, sign(m, past(m, g, x, (0.5, 2))), 8),
    "a shortcut of small scales": lambda m, g, x: flat(m, g, sign(m, past(m, g, x, (0.125, 0.0625))), 8),
    "no shortcut, as it is no odd number": lambda m, g, x: flat(m, g, sign(m, past(m, g, x, shortcut=4.125)), 8),
    "classes of windows, meant": lambda m, g, x: m.n("Flatten", [m.n("GlobalAveragePool", [m.n("Mul", [conv(
        m, g, normed(m, conv(m, g, x, 2, 3)), 3, 5, bias=True), m.c(F(0.37))])])]),
    "classes of windows, summed": lambda m, g, x: m.n("Add", [m.n("ReduceSum", [conv(
        m, g, quant(m, conv(m, g, x, 2, 3), 2, 0, 2, signed=0, narrow=0), 3, 5), m.c(axes(2, 3))], keepdims=0), m.c(PER)]),
    "classes of windows, other scales": lambda m, g, x: m.n("ReduceMean", [m.n("Mul", [conv(
        m, g, normed(m, conv(m, g, x, 2, 3)), 3, 5, pads=[0, 0, 0, 0]), m.c(np.abs(PER).reshape(5, 1, 1) + F(0.5))])], axes=[2, 3], keepdims=0),
    "classes of windows, meant in one dimension": lambda m, g, x: m.n("ReduceMean", [m.n("Reshape", [conv(
        m, g, normed(m, conv(m, g, x, 2, 3)), 3, 5), m.c(axes(0, 5, -1))])], axes=[-1], keepdims=0),
    "classes of windows of rows": lambda m, g, x: m.n("ReduceMean", [rows(m, g, normed(m, rows(
        m, g, m.n("Reshape", [x, m.c(axes(-1, 2, 16))]), 2, 3)), 3, 5)], axes=[2], keepdims=0),
    "classes of windows, one that pads": lambda m, g, x: m.n("Flatten", [conv(m, g, pad(
        m, normed(m, conv(m, g, x, 2, 3, (4, 4))), [0, 0, 0, 0, 0, 0, 1, 1], -1), 3, 5)]),
    "classes of windows, one that leaves pixels out": lambda m, g, x: m.n("Flatten", [m.n("GlobalAveragePool", [conv(
        m, g, normed(m, conv(m, g, x, 2, 3)), 3, 5, strides=[2, 2])])]),
    "classes of a map of one pixel": lambda m, g, x: m.n("Flatten", [conv(m, g, normed(m, conv(m, g, x, 2, 3, (4, 4))), 3, 5, (1, 1))]),
    "classes of all pixels": lambda m, g, x: m.n("Flatten", [m.n("Add", [conv(
        m, g, normed(m, conv(m, g, x, 2, 3)), 3, 5, (3, 3)), m.c(PER.reshape(5, 1, 1))])]),
}  # fmt: skip


@pytest.mark.parametrize("name", MAPS)
def test_maps(name):
    m, g = Maker(QONNX, 18 if "axes" in name else 17), np.random.default_rng(len(name))
    model = m.model(["N", 2, 4, 4], MAPS[name](m, g, "x"))
    model.opset_import.add(domain=LAST, version=1)
    images = bits(32, 200)
    order = np.arange(32).reshape(2, 4, 4).transpose(1, 2, 0).ravel()
    built, *_ = check(model, "bipolar", images, 2 * images - 1.0, order)
    windows = [layer.window for layer in built.network.layers if isinstance(layer, ConvLayer)]
    assert all(window.is_padded or window.pad == -1 for window in windows)
    assert (built.output.low <= built.output.value).all()
    assert (built.output.value <= built.output.high).all()
    assert name != "products of one pixel" or built.network.layers[1].kind == "dense"
    shortcuts = [y.shortcut for y in built.network.layers if isinstance(y, ConvLayer) and y.shortcut]
    assert shortcuts == [4] * (name in ("a shortcut", "a shortcut of other scales", "a shortcut of small scales"))
    assert (built.network.layers[-1].kind == "conv-scores") == name.startswith("classes of windows")


def test_zeros_in_the_middle_of_even_levels():
    """Their sums are exact for longer where nothing, or one of the levels, is padded than where the middle is, which is odd."""
    most, w = 3 << 19, np.resize(F([1, -1]), (2, 3, 2, 2))

    def counted(value):
        m, g = Maker(QONNX, 17), np.random.default_rng(1)
        h = m.n("Add", [normed(m, conv(m, g, "x", 2, 3)), m.c(F(most + 1))])
        h = m.n("Conv", [h if value is None else pad(m, h, [0, 0, 1, 0, 0, 0, 0, 0], most + value), m.c(w)])
        model = m.model(["N", 2, 4, 4], flat(m, g, sign(m, h), 8 if value is None else 12))
        return build(from_model(model), "bipolar").layers[1]["rounding"]

    assert [counted(value) > 0 for value in (None, 0, 2, 1)] == [False, False, False, True]
