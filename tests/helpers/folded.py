"""Small graphs, folded, against the reference evaluator of ONNX: ties and the order of all scores."""

import itertools
from functools import cache

import numpy as np
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from oxnor.models import golden
from oxnor.models.exchange.folding.build import build
from oxnor.models.exchange.folding.execute import execute, prepared
from oxnor.models.exchange.readers.onnx_file import from_model
from oxnor.models.exchange.readers.reference import _operators

from .onnx_convolutions import LAST
from .onnx_networks import QONNX

F = np.float32
#: One a neuron.
PER, SCALES, MIXED = (F([-2.5, -0.5, 0.5, 1.5, 2.5]), F([0.5, 1, 2, 0.25, 3]), F([1, -2, 0.5, -0.25, 3]))
NORM = [F([1, -1, 0, 2, -0.5]), F([0.3, -0.7, 0.2, -1.1, 0.4]), F([1, -2, 0, 2, -1]), F([0.5, 4, 9, 1, 0.25])]


class _Windows(OpRun):
    """Im2Col by hand."""

    op_domain = QONNX

    def _run(self, x, kernel_size=None, stride=None, pad_amount=None, dilations=None, pad_value=None):
        top, left, bottom, right = pad_amount or (0, 0, 0, 0)
        x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=pad_value or 0)
        (height, width), (down, over), (step_y, step_x) = kernel_size, dilations or (1, 1), stride or (1, 1)
        ys, zs = (range(0, n - (k - 1) * d, step) for n, k, d, step in (
            (x.shape[1], height, down, step_y), (x.shape[2], width, over, step_x)))  # fmt: skip
        parts = [[x[:, y + dy * down, z + dx * over] for dy in range(height) for dx in range(width)] for y in ys for z in zs]
        return (np.stack([np.concatenate(p, axis=-1) for p in parts], axis=1).reshape(len(x), len(ys), len(zs), -1),)


def _channels_last(name, domain=LAST):
    """Return an operator whose maps have their channels last: the one of ONNX between two transpositions."""

    def run(self, *x, **attrs):
        op, attrs = name.removesuffix("NHWC"), {k: v for k, v in attrs.items() if v is not None}
        names = [f"x{k}" for k in range(len(x))]
        node = helper.make_node(op, names, ["y"], **attrs)
        given = [helper.make_tensor_value_info(n, 1, None) for n in names]
        graph = helper.make_graph([node], "g", given, [helper.make_tensor_value_info("y", 1, None)])
        x = dict(zip(names, (x[0].transpose(0, 3, 1, 2), *x[1:]), strict=True))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return (ReferenceEvaluator(model).run(None, x)[0].transpose(0, 2, 3, 1),)

    return type(name, (OpRun,), {"op_domain": domain, "_run": run})


OPERATORS = [
    *_operators(), type("Im2Col", (_Windows,), {}), _channels_last("MaxPoolNHWC", QONNX),
    *(_channels_last(name) for name in ("Conv", "MaxPool", "GlobalAveragePool", "BatchNormalization")),
]  # fmt: skip


def signs(g, *shape):
    return np.where(g.random(shape) < 0.5, F(-1), F(1))


@cache
def bits(n, most=512):
    """Return all images of n bits, or `most` random ones."""
    if 1 << n <= most:
        return np.array(list(itertools.product((False, True), repeat=n)))
    return np.random.default_rng(n).random((most, n)) < 0.5


def check(model, coding, images, values, order=None, **ends):
    """Fold a model; compare the classes, or the order of the scores of all pairs of classes, with the evaluator's.

    `values` are what the source takes for `images`; `order` brings the elements of one image to those of the network.
    """
    graph = from_model(model)
    built = build(graph, coding)
    shape = [d.dim_value or len(images) for d in model.graph.input[0].type.tensor_type.shape.dim]
    x = values.astype(graph.input_type).reshape(len(images), *shape[1:])
    run, step = ReferenceEvaluator(model, new_ops=OPERATORS).run, shape[0]
    y = np.concatenate([run(None, {graph.input: x[k : k + step]})[0].reshape(step, -1) for k in range(0, len(x), step)])
    # The package's own run of the source, which an import compares with.
    np.testing.assert_allclose(execute(prepared(graph), x).reshape(len(x), -1), y, rtol=1e-5, atol=1e-5)
    flat = images.reshape(len(images), -1)
    flat = flat if order is None else flat[:, order]
    scores = golden.layer_outputs(built.network, flat)[-1]
    if ends.get("classes"):
        np.testing.assert_array_equal(golden.argmax(scores), y[:, 0])
    elif ends.get("pair"):
        np.testing.assert_array_equal(golden.argmax(scores), y[:, 0] > ends.get("above", 0))
    else:
        assert y.shape == scores.shape
        for a, b in itertools.combinations(range(y.shape[1]), 2):
            np.testing.assert_array_equal(np.sign(scores[:, a] - scores[:, b]), np.sign(y[:, a] - y[:, b]))
    return built, scores, y


# Parts of graphs


def norm(m, z, **attrs):
    return m.n("BatchNormalization", [z, *(m.c(v) for v in NORM)], **attrs)


def sign(m, z):
    return m.n("BipolarQuant", [z, m.c(F(1))], m.domain)


def where(m, condition, yes=1.0, no=-1.0):
    return m.n("Where", [condition, m.c(F(yes)), m.c(F(no))])


def quant(m, z, scale, zero, width, **attrs):
    return m.n("Quant", [z, m.c(F(scale)), m.c(F(zero)), m.c(F(width))], m.domain, **attrs)


def multi(m, z, thresholds, **attrs):
    return m.n("MultiThreshold", [z, m.c(F(thresholds))], m.domain, **attrs)


def linear(m, z, scale, zero, back=None, **attrs):
    """Quantise, and back."""
    names = [m.c(F(scale)), m.c(zero)]
    y = m.n("QuantizeLinear", [z, *names], **attrs)
    return m.n("DequantizeLinear", [y, *([m.c(F(back)), names[1]] if back else names)], **attrs)


def to_float(m, b):
    return m.n("Cast", [b], to=1)


def axes(*numbers):
    return np.array(numbers, np.int64)


def weights(m, g, *shape):
    return m.c(signs(g, *shape))


def last(m, g, h, n, classes=4):
    return m.n("MatMul", [h, weights(m, g, n, classes)])


def transposed(m, x):
    return m.n("Transpose", [x], perm=[1, 0])


def conv(m, g, x, n_in, n_out, kernel=(2, 2), bias=False, **attrs):
    """A convolution of -1 and +1."""
    w = m.c(signs(g, n_out, n_in // attrs.get("group", 1), *kernel))
    return m.n("Conv", [x, w, m.c(np.linspace(-2.5, 2.5, n_out, dtype=F))] if bias else [x, w], **attrs)


def bent(m, x, n, last_axis=False):
    """A batch norm of factors of both signs, as its parts, and a sign."""
    a, b = np.resize(F([1, -1, 0.5]), n), np.resize(F([0.5, 1.5, -0.25]), n)
    shape = (n,) if last_axis else (1, n, 1, 1)
    return sign(m, m.n("Add", [m.n("Mul", [x, m.c(a.reshape(shape))]), m.c(b.reshape(shape))]))


def normed(m, x, n=3, **attrs):
    values = [F([1, -1, 0.5]), F([0.5, 1.5, -0.25]), F([1, -1, 2]), F([1, 2, 0.5])]
    return sign(m, m.n("BatchNormalization", [x, *(m.c(np.resize(v, n)) for v in values)], **attrs))


def flat(m, g, x, n):
    return last(m, g, m.n("Flatten", [x]), n)


def pool(m, x, height=2, width=2, op="MaxPool", domain="", **attrs):
    return m.n(op, [x], domain, kernel_shape=[height, width], **attrs)


def pad(m, x, ends, value=None, over=None):
    names = [x, m.c(axes(*ends)), *([m.c(F(value))] if value is not None or over else [])]
    return m.n("Pad", [*names, m.c(axes(*over))] if over else names)


def to_last(m, x):
    return m.n("Transpose", [x], perm=[0, 2, 3, 1])


def im2col(m, g, x, n_in, n_out, kernel=(2, 2), **attrs):
    y = m.n("Im2Col", [x], m.domain, kernel_size=list(kernel), **attrs)
    return m.n("MatMul", [y, m.c(signs(g, kernel[0] * kernel[1] * n_in, n_out))])
