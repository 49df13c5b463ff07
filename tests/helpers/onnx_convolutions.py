"""Makes ONNX networks with convolutions in the ways in which exporters write them."""

import itertools

import numpy as np

from .onnx_networks import Maker, sign

F = np.float32
LAST = "qonnx.custom_op.channels_last"
ACTS = ("BipolarQuant", "Quant 0/1", "Where Less", "2 bits", "3 thresholds", "Sign")
INPUTS = ("8 bits", "raw", "sign", "thresholds")
POOLS = ("", "after", "before", "3x3", "global", "mean", "3x3 padded", "same", "ceil")
PADS = ("", "zeros", "same", "Pad -1", "Pad 1")
LAYOUTS = ("NCHW", "channels last", "Im2Col")
FLATTENS = ("Flatten", "Reshape", "NHWC")


def activation(m, x, kind, layout):
    """Add a quantiser of activations."""
    if kind == "2 bits":
        q = [m.c(F(v)) for v in (0.5, 0, 2)]
        return m.n("Quant", [x, *q], m.domain, signed=0, narrow=0, rounding_mode="ROUND")
    if kind == "3 thresholds":
        t = m.c(np.array([[-1.5, 0.25, 2]], F))
        attrs = {"data_layout": layout} if layout == "NHWC" else {}
        return m.n("MultiThreshold", [x, t], m.domain, out_dtype="UINT2", **attrs)
    return sign(m, x, kind)


def convolution(m, x, g, n_in, n_out, *, kernel=(3, 3), pad="", layout="NCHW", group=1, **attrs):
    """Add a convolution of +1 and -1."""
    w = np.where(g.random((n_out, n_in // group, *kernel)) < 0.5, F(-1), F(1))
    pads = [kernel[0] // 2, kernel[1] // 2] * 2
    last = layout != "NCHW"
    if pad.startswith("Pad"):
        ends = [0, *pads[:2], 0, 0, *pads[2:], 0] if last else [0, 0, *pads[:2], 0, 0, *pads[2:]]
        x = m.n("Pad", [x, m.c(np.array(ends)), m.c(F(float(pad[4:])))])
    own = {"zeros": {"pads": pads}, "same": {"auto_pad": "SAME_UPPER"}}.get(pad, {})
    if layout == "Im2Col":
        amount = pads if pad == "zeros" else [0] * 4
        x = m.n("Im2Col", [x], m.domain, kernel_size=list(kernel), stride=attrs.get("strides", [1, 1]), pad_amount=amount)
        return m.n("MatMul", [x, m.c(np.ascontiguousarray(w.transpose(2, 3, 1, 0).reshape(-1, n_out)))])
    return m.n("Conv", [x, m.c(w)], LAST if last else "", kernel_shape=list(kernel), group=group, **own, **attrs)


def norm(m, x, g, n, layout):
    """Add a batch norm, with factors of both signs."""
    values = [g.normal(size=n), g.normal(size=n), 3 * g.normal(size=n), g.uniform(0.5, 20, n)]
    names = [m.c(v.astype(F)) for v in values]
    return m.n("BatchNormalization", [x, *names], "" if layout == "NCHW" else LAST)


def pool(m, x, kind, layout):
    """Add a pooling."""
    domain = "" if layout == "NCHW" else LAST
    if kind in ("global", "mean"):
        return m.n("GlobalMaxPool" if kind == "global" else "GlobalAveragePool", [x], domain)
    size, step = (2, 2) if kind in ("after", "before", "ceil") else (3, 2)
    edges = {"3x3 padded": {"pads": [1] * 4}, "same": {"auto_pad": "SAME_UPPER"}, "ceil": {"ceil_mode": 1}}.get(kind, {})
    return m.n("MaxPool", [x], domain, kernel_shape=[size] * 2, strides=[step] * 2, **edges)


def conv_network(
    seed=0, size=(7, 6), channels=(3, 5, 4), input="8 bits", act="BipolarQuant", pool_at="", pad="", layout="NCHW",
    flatten="Flatten", kernel=(3, 3), group=1, **attrs,
):
    """Return a random network of two convolutions and a dense layer; every parameter names one way to write a part of it."""
    g = np.random.default_rng(seed)
    m, shape, x = Maker(opset=17), size, "x"
    if input in ("8 bits", "sign", "thresholds"):
        x = m.n("Sub", [m.n("Mul", [x, m.c(F(2))]), m.c(F(1))])
    if input == "8 bits":
        q = [m.c(F(v)) for v in (1 / 128, 0, 8)]
        x = m.n("Quant", [x, *q], m.domain, signed=1, narrow=0, rounding_mode="ROUND")
    elif input == "sign":
        x = sign(m, x, "BipolarQuant")
    elif input == "thresholds":
        x = m.n("MultiThreshold", [x, m.c(np.array([[-0.5, 0, 0.25]], F))], m.domain, out_scale=2.0, out_bias=-3.0)
    if layout != "NCHW":
        x = m.n("Transpose", [x], perm=[0, 2, 3, 1])
    for k, (n_in, n_out) in enumerate(itertools.pairwise(channels)):
        more = {"kernel": kernel, "pad": pad if k else "", "group": group if k else 1, **(attrs if k else {})}
        x = convolution(m, x, g, n_in, n_out, layout=layout, **more)
        size = [_size(n, axis, more) for axis, n in enumerate(size)]
        if k and pool_at == "before":
            x, size = pool(m, x, pool_at, layout), [n // 2 for n in size]
        x = activation(m, norm(m, x, g, n_out, layout), act, "NCHW" if layout == "NCHW" else "NHWC")
        if k and pool_at not in ("", "before"):
            x = pool(m, x, pool_at, layout)
            of = {"global": lambda n: 1, "mean": lambda n: 1, "3x3": lambda n: (n - 1) // 2, "after": lambda n: n // 2}
            size = [of.get(pool_at, lambda n: -(-n // 2))(n) for n in size]
    if (flatten == "NHWC") == (layout == "NCHW"):
        x = m.n("Transpose", [x], perm=[0, 2, 3, 1] if layout == "NCHW" else [0, 3, 1, 2])
    x = m.n("Flatten", [x]) if flatten != "Reshape" else m.n("Reshape", [x, m.c(np.array([0, -1]))])
    w = np.where(g.random((channels[-1], *size, 4)) < 0.5, F(-1), F(1))
    w = w.transpose(1, 2, 0, 3) if flatten == "NHWC" else w
    model = m.model(["N", channels[0], *shape], m.n("MatMul", [x, m.c(np.ascontiguousarray(w.reshape(-1, 4)))]))
    model.opset_import.add(domain=LAST, version=1)
    return model


def _size(n, axis, conv):
    """Return the size of a convolution's output."""
    step, spread = (conv.get(name, [1, 1])[axis] for name in ("strides", "dilations"))
    if conv["pad"] == "same":
        return -(-n // step)
    k = conv["kernel"][axis]
    padding = k // 2 * 2 if conv["pad"] else 0
    return (n + padding - (k - 1) * spread - 1) // step + 1
