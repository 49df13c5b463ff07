"""Makes ONNX networks in the many ways in which exporters write the same thing."""

import itertools

import numpy as np
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
F = np.float32


class Maker:
    """Collects nodes and constants."""

    def __init__(self, domain=QONNX, opset=13, const_nodes=False):
        self.domain, self.opset, self.const_nodes = domain, opset, const_nodes
        self.nodes, self.init = [], []

    def c(self, array):
        """Add a constant and return its name."""
        name = f"c{len(self.nodes) + len(self.init)}"
        tensor = numpy_helper.from_array(np.asarray(array), name)
        if self.const_nodes:
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.init.append(tensor)
        return name

    def n(self, op, inputs, domain="", **attrs):
        """Add a node and return its output."""
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"n_{name}", domain=domain, **attrs))
        return name

    def model(self, shape, output, kind=TensorProto.FLOAT):
        """Return the model that gives `output`."""
        graph = helper.make_graph(
            self.nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(output, kind, None)], self.init,
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(self.domain, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def sign(m, x, kind):
    """Add one of the ways to write a sign."""
    one, zero, minus = m.c(F(1)), m.c(F(0)), m.c(F(-1))
    if kind in ("BipolarQuant", "BipolarQuant scaled"):
        return m.n("BipolarQuant", [x, m.c(F(0.5)) if "scaled" in kind else one], m.domain)
    if kind in ("Quant", "IntQuant"):
        return m.n(kind, [x, one, zero, one], m.domain, signed=1, narrow=int(kind == "Quant"), rounding_mode="ROUND")
    if kind == "Quant 0/1":
        return m.n("Quant", [x, one, zero, one], m.domain, signed=0, narrow=0, rounding_mode="ROUND")
    if kind == "MultiThreshold":
        t = m.c(np.zeros((1, 1), F))
        return m.n("MultiThreshold", [x, t], m.domain, out_dtype="BIPOLAR", out_scale=2.0, out_bias=-1.0)
    if kind == "Where GreaterOrEqual":
        return m.n("Where", [m.n("GreaterOrEqual", [x, zero]), one, minus])
    if kind == "Where Less":
        return m.n("Where", [m.n("Less", [x, zero]), minus, one])
    if kind == "Sign Add Sign":
        return m.n("Sign", [m.n("Add", [m.n("Sign", [x]), m.c(F(0.1))])])
    if kind == "Cast":
        y = m.n("Cast", [m.n("Greater", [x, m.c(F(-0.01))])], to=1)
        return m.n("Sub", [m.n("Mul", [y, m.c(F(2))]), one])
    if kind == "Clip":
        y = m.n("Clip", [x, minus, one]) if m.opset >= 11 else m.n("Clip", [x], min=-1.0, max=1.0)
        return m.n("BipolarQuant", [y, one], m.domain)
    if kind == "Sign":
        return m.n("Sign", [m.n("Add", [x, m.c(F(1e-3))])])
    if kind == "Heaviside":
        return m.n("Cast", [m.n("Greater", [x, zero])], to=1)
    if kind == "HardSigmoid":
        return m.n("Sign", [m.n("Add", [m.n("HardSigmoid", [x], alpha=1.0, beta=0.01), m.c(F(-0.003))])])
    raise KeyError(kind)


def flat(m, x, kind, batch, n_in):
    """Add one of the ways to flatten."""
    if kind == "Reshape":
        return m.n("Reshape", [x, m.c(np.array([1 if batch == 1 else -1, n_in]))])
    if kind == "Reshape 0":
        return m.n("Reshape", [x, m.c(np.array([0, -1]))])
    if kind == "Flatten":
        return m.n("Flatten", [x])
    if kind == "Shape":
        b = m.n("Gather", [m.n("Shape", [x]), m.c(np.array(0))], axis=0)
        u = m.n("Unsqueeze", [b], axes=[0]) if m.opset < 13 else m.n("Unsqueeze", [b, m.c(np.array([0]))])
        return m.n("Reshape", [x, m.n("Concat", [u, m.c(np.array([-1]))], axis=0)])
    if kind == "Transpose":
        return m.n("Flatten", [m.n("Transpose", [x], perm=[0, 2, 3, 1])], axis=1)
    if kind == "Squeeze":
        y = m.n("Squeeze", [x], axes=[1]) if m.opset < 13 else m.n("Squeeze", [x, m.c(np.array([1]))])
        return m.n("Flatten", [y])
    raise KeyError(kind)


def scaled(m, x, kind):
    """Add one of the ways to bring a pixel to a bit."""
    if kind == "MultiThreshold":
        t = m.c(np.full((1, 1), 0.5, F))
        return m.n("MultiThreshold", [x, t], m.domain, out_dtype="BIPOLAR", out_scale=2.0, out_bias=-1.0)
    if kind == "2x-1":
        x = m.n("Sub", [m.n("Mul", [x, m.c(F(2))]), m.c(F(1))])
    elif kind == "/255":
        x = m.n("Sub", [m.n("Div", [x, m.c(F(255))]), m.c(F(0.5))])
    elif kind == "mean and std":
        x = m.n("Div", [m.n("Sub", [x, m.c(F(0.1307))]), m.c(F(0.3081))])
    elif kind == "1-2x":
        x = m.n("Sub", [m.c(F(1)), m.n("Mul", [x, m.c(F(2))])])
    elif kind == "8 bits":
        q = [x, m.c(F(1 / 255)), m.c(F(0)), m.c(F(8))]
        x = m.n("Quant", q, m.domain, signed=0, narrow=0, rounding_mode="ROUND")
        x = m.n("Sub", [m.n("Mul", [x, m.c(F(2))]), m.c(F(1))])
    elif kind != "plain":
        raise KeyError(kind)
    return sign(m, x, "BipolarQuant")


def norm(m, x, kind, g, n):
    """Add one of the ways to write a batch norm."""
    gamma, beta, mean = g.normal(size=n).astype(F), g.normal(size=n).astype(F), (3 * g.normal(size=n)).astype(F)
    var = g.uniform(0.5, 20, n).astype(F)
    if kind == "BatchNormalization":
        return m.n("BatchNormalization", [x, *(m.c(v) for v in (gamma, beta, mean, var))], epsilon=1e-5)
    if kind == "Sub Div Sqrt":
        root = m.n("Sqrt", [m.n("Add", [m.c(var), m.c(F(1e-5))])])
        y = m.n("Div", [m.n("Sub", [x, m.c(mean)]), root])
        return m.n("Add", [m.n("Mul", [y, m.c(gamma)]), m.c(beta)])
    if kind == "Pow Reciprocal":
        root = m.n("Reciprocal", [m.n("Pow", [m.n("Add", [m.c(var), m.c(F(1e-5))]), m.c(F(0.5))])])
        return m.n("Add", [m.n("Mul", [m.c(gamma), m.n("Mul", [m.n("Sub", [x, m.c(mean)]), root])]), m.c(beta)])
    if kind == "bias":
        return m.n("Add", [x, m.c(beta)])
    raise KeyError(kind)


def end(m, x, kind, g, n):
    """Add one of the ways in which networks end."""
    if kind == "TensorNorm":
        y = m.n("Div", [m.n("Sub", [x, m.c(np.array([0.3], F))]), m.c(np.array([5], F))])
        return m.n("Add", [m.n("Mul", [y, m.c(np.array([1.7], F))]), m.c(np.array([0.2], F))])
    if kind == "negative":
        return m.n("Mul", [x, m.c(np.array([-1.7], F))])
    if kind in ("BatchNormalization", "bias"):
        return norm(m, x, kind, g, n)
    if kind == "Softmax":
        return m.n("Softmax", [x], axis=1)
    if kind == "Softmax, Log":
        return m.n("Log", [m.n("Softmax", [norm(m, x, "bias", g, n)], axis=1)])
    if kind in ("LogSoftmax", "LeakyRelu"):
        return m.n(kind, [norm(m, x, "bias", g, n)], **{"axis": 1} if kind == "LogSoftmax" else {})
    if kind == "ArgMax":
        return m.n("ArgMax", [x], axis=1)
    if kind == "TopK":
        return m.n("TopK", [x, m.c(np.array([1]))], axis=1)
    return m.n(kind, [x]) if kind else x


def network(
    seed=0, sizes=(20, 16, 12, 5), domain=QONNX, opset=13, input="2x-1", weights="quantised", batchnorm="BatchNormalization",
    act="BipolarQuant", out="", gemm=False, flatten="", const_nodes=False, scale=1.0, batch="N", bias=False,
):
    """Return a random network; every parameter names one way to write a part of it."""
    g = np.random.default_rng([seed, *sizes])
    m = Maker(domain, opset, const_nodes)
    n_in = sizes[0]
    shape = [batch, 1, 4, n_in // 4] if flatten else [batch, n_in]
    x = scaled(m, flat(m, "x", flatten, batch, n_in) if flatten else "x", input)
    for k, (a, b) in enumerate(itertools.pairwise(sizes)):
        w = g.normal(size=(a, b)).astype(F)
        signs = np.where(w >= 0, F(1), F(-1))
        if gemm:
            w, signs = w.T.copy(), signs.T.copy()
        if weights == "quantised":
            w = m.n("BipolarQuant", [m.c(w), m.c(F(scale))], domain)
        elif weights == "constant":
            w = m.c(signs * F(scale))
        elif weights == "one scale a neuron":
            alpha = g.uniform(0.05, 0.2, b).astype(F)
            w = m.c(signs * (alpha[:, None] if gemm else alpha))
        elif weights == "negative scale":
            w = m.n("Mul", [m.n("Sign", [m.c(w)]), m.c(F(-scale))])
        elif weights == "transposed":
            w = m.n("Transpose", [m.n("BipolarQuant", [m.c(w.T.copy()), m.c(F(scale))], domain)], perm=[1, 0])
        offset = [m.c(g.normal(size=b).astype(F))] if bias else []
        if gemm:
            x = m.n("Gemm", [x, w, *offset], transB=1, alpha=1.0, beta=1.0)
        else:
            x = m.n("MatMul", [x, w])
            x = m.n("Add", [x, *offset]) if bias else x
        if k < len(sizes) - 2:
            x = sign(m, norm(m, x, batchnorm, g, b), act)
        if k == 0:
            x = m.n("Identity", [m.n("Dropout", [x])])
    return m.model(shape, end(m, x, out, g, sizes[-1]), TensorProto.INT64 if out == "ArgMax" else TensorProto.FLOAT)


def cases():
    """Return the parameters of many networks by name."""
    found = [{"domain": d} for d in ("onnx.brevitas", "finn.custom_op.general", QONNX)]
    found += [{"opset": o, "flatten": "Shape"} for o in (9, 11, 12, 13, 17, 20)]
    found += [{"input": k} for k in ("MultiThreshold", "2x-1", "/255", "mean and std", "1-2x", "8 bits", "plain")]
    for k in ("quantised", "constant", "one scale a neuron", "negative scale", "transposed"):
        found += [{"weights": k}, {"weights": k, "scale": 0.1}, {"weights": k, "gemm": k != "transposed", "bias": True}]
    found += [{"batchnorm": k} for k in ("BatchNormalization", "Sub Div Sqrt", "Pow Reciprocal", "bias")]
    for k in ("BipolarQuant", "BipolarQuant scaled", "Quant", "IntQuant", "Quant 0/1", "MultiThreshold", "Sign",
              "Where GreaterOrEqual", "Where Less", "Sign Add Sign", "Cast", "Clip", "Heaviside", "HardSigmoid"):
        found += [{"act": k}, {"act": k, "batchnorm": "bias", "weights": "one scale a neuron"}]
    found += [{"out": k} for k in ("TensorNorm", "negative", "BatchNormalization", "bias", "Softmax", "LogSoftmax", "ArgMax",
                                   "TopK", "Sigmoid", "Softmax, Log", "LeakyRelu")]
    for k in ("Reshape", "Reshape 0", "Flatten", "Shape", "Transpose", "Squeeze"):
        found += [{"flatten": k}, {"flatten": k, "batch": 1}, {"flatten": k, "const_nodes": True}]
    found += [{"sizes": (20, 16, 1), "out": "Sigmoid"}, {"sizes": (20, 16, 1)}, {"sizes": (20, 5)}, {"sizes": (7, 3, 1, 2)},
              {"opset": 9, "act": "Clip"}]
    return {", ".join(f"{k} {v}" for k, v in case.items()) or "plain": case for case in found}
