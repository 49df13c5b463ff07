"""Export of networks as QONNX; importing the file again gives the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import whole_file
from oxnor.models.exchange.readers.onnx_file import import_onnx
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.base import Layer
from oxnor.models.networks.layers.conv import ConvLayer
from oxnor.models.networks.layers.conv_scores import ConvScoreLayer
from oxnor.models.networks.layers.hidden import HiddenLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.windowed import Windowed

_DOMAIN = "qonnx.custom_op.general"
_OPSET = 13
#: Sums below this are exact in float32.
_EXACT = 1 << 24


def to_model(network: Network) -> Any:
    """Return a network as an ONNX ModelProto in the QONNX dialect.

    The input is grey, float32 0 to 255, shape (N, n_in), or (N, channels, height, width) in front of a convolution. It
    becomes bits at one threshold or one an input, or integers by a table that does not fall. Each layer is a MatMul or
    Conv with weights of -1 and +1 (annotated BIPOLAR), a MaxPool if it pools, a ReduceSum over all pixels if it is a
    convolution that gives scores, and a Sub of its threshold and a
    BipolarQuant, or a MultiThreshold for several bit planes. The last gives scale * p + offset, in float64 where
    float32 would round.

    Raises
    ------
    InputError
        If a score does not fit the 53 bits of float64, or a sum the 24 of float32, or the inputs have another rule.
    """
    last, maker = network.layers[-1], _Maker(network)
    assert isinstance(last, ScoreLayer)
    here = maker.input()
    for k, layer in enumerate(network.layers[:-1]):
        assert isinstance(layer, HiddenLayer)
        here = maker.hidden(k, layer, here)
    here, kind = maker.scores(len(network.layers) - 1, last, here)
    return maker.model(here, kind)


class _Maker:
    """Makes the nodes of a model, layer by layer."""

    def __init__(self, network: Network):
        self.network = network
        self.onnx = import_onnx()
        self.tensors: list[Any] = []
        self.annotations: list[Any] = []
        self.nodes: list[Any] = []
        self.constant("one", np.ones((), np.float32))
        first = network.layers[0]
        #: Shape of the feature map that comes, (height, width, channels), until it is flattened.
        self.map = first.shape_in if isinstance(first, Windowed) else None
        self.shape = [self.map[2], *self.map[:2]] if self.map else [first.inputs]

    def constant(self, name: str, array: Any) -> str:
        """Add a tensor and return its name."""
        self.tensors.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attrs: Any) -> str:
        """Add a node and return its output."""
        domain = _DOMAIN if op in ("BipolarQuant", "MultiThreshold") else ""
        self.nodes.append(self.onnx.helper.make_node(op, inputs, [output], name=output, domain=domain, **attrs))
        return output

    def annotate(self, name: str, kind: str) -> None:
        """Note the type of a tensor's elements, as FINN does."""
        entry = self.onnx.StringStringEntryProto(key="finn_datatype", value=kind)
        self.annotations.append(self.onnx.TensorAnnotation(tensor_name=name, quant_parameter_tensor_names=[entry]))

    def input(self) -> str:
        """Add what makes bits or integers of pixels."""
        rule, name = self.network.input_rule, self.network.name
        if rule.table is not None:
            table = rule.table.astype(np.int64)
            if np.array_equal(table, np.arange(256)):
                return "pixels"
            if (np.diff(table) < 0).any():
                raise InputError(f"network {name!r}: the table of input_rule must not fall for QONNX")
            cuts = np.searchsorted(table, np.arange(1, table[-1] + 1)).astype(np.float32)
            t = self.constant("input_thresholds", cuts[None])
            return self.node("MultiThreshold", ["pixels", t], "input_levels", out_dtype=f"UINT{rule.bits}")
        if rule.kind != "threshold":
            raise InputError(
                f"network {name!r}: input_rule must be one threshold an input, or bit planes, for QONNX, not"
                f" {rule.kind}"
            )
        cut = rule.thresholds.astype(np.float32)
        if self.map and cut.ndim:
            cut = cut.reshape(self.map).transpose(2, 0, 1)
        below = self.node("Sub", ["pixels", self.constant("input_threshold", cut)], "input_cut")
        return self.node("BipolarQuant", [below, "one"], "input_bits")

    def product(self, k: int, layer: Layer, here: str) -> str:
        """Add a convolution or a matrix product."""
        signs = layer.factors.astype(np.float32)
        largest = layer.weight_code.top + layer.counted - layer.full
        kind = "BIPOLAR" if largest == 1 else f"INT{largest.bit_length() + 1}"
        if not isinstance(layer, Windowed):
            if self.map:
                here = self.node("Transpose", [here], f"pixels{k}", perm=[0, 2, 3, 1])
                here = self.node("Flatten", [here], f"vector{k}", axis=1)
                self.map = None
            weights = self.constant(f"weights{k}", signs.T)
            self.annotate(weights, kind)
            return self.node("MatMul", [here, weights], f"sums{k}")
        w = layer.window
        kernels = signs.reshape(layer.n_out, w.kernel_y, w.kernel_x, -1).transpose(0, 3, 1, 2)
        weights = self.constant(f"weights{k}", kernels)
        self.annotate(weights, kind)
        pads = [w.top, w.left, w.bottom, w.right]
        pad = w.pad if layer.planes == 1 else (w.pad + 1) / 2 * (2**layer.planes - 1)
        if w.is_padded and pad:
            ends = self.constant(f"pads{k}", np.array([0, 0, *pads[:2], 0, 0, *pads[2:]], np.int64))
            here = self.node("Pad", [here, ends, self.constant(f"pad{k}", np.float32(pad))], f"padded{k}")
            pads = [0] * 4
        here = self.node(
            "Conv", [here, weights], f"sums{k}", kernel_shape=[w.kernel_y, w.kernel_x], pads=pads, group=w.groups,
            strides=[w.step_y, w.step_x], dilations=[w.spread_y, w.spread_x],
        )  # fmt: skip
        if isinstance(layer, ConvScoreLayer):
            if _most(layer) >= _EXACT:  # before the sum, which is as wide as what it takes
                here = self.node("Cast", [here], f"wide{k}", to=self.onnx.TensorProto.DOUBLE)
            axes = self.constant(f"axes{k}", np.array([2, 3], np.int64))
            return self.node("ReduceSum", [here, axes], f"summed{k}", keepdims=0)
        assert isinstance(layer, ConvLayer)
        if layer.pool:
            here = self.pooled(k, layer, here)
        self.map = layer.shape_out
        return here

    def pooled(self, k: int, layer: ConvLayer, here: str) -> str:
        """Add a pooling of sums: of channels of which it takes the least, the negative ones."""
        assert layer.pool
        least = layer.lowest.any()
        if least:
            signs = self.constant(f"slopes{k}", np.where(layer.lowest, np.float32(-1), np.float32(1))[:, None, None])
            here = self.node("Mul", [here, signs], f"slope{k}")
        pool = layer.pool
        kernel, steps = [pool.height, pool.width], [pool.step_y, pool.step_x]
        pads = {"pads": [pool.top, pool.left, pool.bottom, pool.right]} if pool.is_padded else {}
        here = self.node("MaxPool", [here], f"pool{k}", kernel_shape=kernel, strides=steps, **pads)
        return self.node("Mul", [here, signs], f"pooled{k}") if least else here

    def hidden(self, k: int, layer: HiddenLayer, here: str) -> str:
        """Add a layer with its thresholds, which must be float32."""
        if layer.most >= _EXACT:
            name = self.network.name
            raise InputError(f"network {name!r}: sums must be below 2**24 for QONNX, and layer {k} has larger ones")
        here = self.product(k, layer, here)
        twice = 2 * layer.thresholds.reshape(layer.n_out, -1) // (2 if layer.most > _most(layer) else 1)
        t = ((twice - _offset(layer)[:, None]) / (1 if layer.planes == 1 else 2)).astype(np.float32)
        if layer.levels > 1:
            kind = {"out_dtype": f"UINT{layer.planes_out}"}
            return self.node("MultiThreshold", [here, self.constant(f"thresholds{k}", t)], f"levels{k}", **kind)
        cuts = self.constant(f"thresholds{k}", t[:, 0].reshape(-1, *[1] * (2 if self.map else 0)))
        here = self.node("BipolarQuant", [self.node("Sub", [here, cuts], f"cut{k}"), "one"], f"bits{k}")
        self.annotate(here, "BIPOLAR")
        return here

    def scores(self, k: int, layer: ScoreLayer, here: str) -> tuple[str, int]:
        """Add the last layer; return its output and the type of its elements."""
        here, kind = self.product(k, layer, here), self.onnx.TensorProto.FLOAT
        # p = (sum + offset) / 2 of bits, and sum + offset / 2 of levels
        scales = layer.scales / (2 if layer.planes == 1 else 1)
        start = layer.offsets + layer.scales * _offset(layer) / 2
        largest = int((np.abs(layer.scales) * _most(layer) + np.abs(layer.offsets)).max()) * 2
        if largest >= 1 << 53:
            raise InputError(f"network {self.network.name!r}: scores must be below 2**52 for QONNX")
        if largest >= _EXACT:
            kind = self.onnx.TensorProto.DOUBLE
            here = self.node("Cast", [here], "sums_wide", to=kind)
        dtype = self.onnx.helper.tensor_dtype_to_np_dtype(kind)
        here = self.node("Mul", [here, self.constant("scales", scales.astype(dtype))], "scaled")
        return self.node("Add", [here, self.constant("offsets", start.astype(dtype))], "scores"), kind

    def model(self, output: str, kind: int) -> Any:
        """Return the model."""
        helper, network = self.onnx.helper, self.network
        graph = helper.make_graph(
            self.nodes, network.name,
            [helper.make_tensor_value_info("pixels", self.onnx.TensorProto.FLOAT, ["N", *self.shape])],
            [helper.make_tensor_value_info(output, kind, ["N", network.n_out])],
            self.tensors,
        )  # fmt: skip
        self.annotate("pixels", "UINT8")
        graph.quantization_annotation.extend(self.annotations)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_DOMAIN, 1)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="oxnor", ir_version=7)
        helper.set_model_props(model, {"oxnor.name": network.name, "oxnor.scores": "exact"})
        return model


def _most(layer: Layer) -> int:
    """Return the largest popcount of a layer."""
    return layer.counted * (2**layer.planes - 1) * _summed(layer)


def _summed(layer: Layer) -> int:
    """Return how many windows a popcount is of."""
    return layer.window.pixels if isinstance(layer, ConvScoreLayer) else 1


def _offset(layer: Layer) -> NDArray[np.int64]:
    """Return 2 * popcount less the sum of bits, or less twice the sum of levels, of each neuron."""
    top = 2**layer.planes - 1
    signs = layer.factors.sum(axis=1, dtype=np.int64)
    return _summed(layer) * (np.full(layer.n_out, layer.counted) if top == 1 else top * (layer.counted - signs))


def export_qonnx(network: Network, path: str | Path) -> dict[str, Any]:
    """Write a network as QONNX, whole or not at all; return the numbers of nodes and bytes."""
    model = to_model(network)
    data = model.SerializeToString(deterministic=True)
    with whole_file(path) as temporary:
        temporary.write_bytes(data)
    return {"nodes": len(model.graph.node), "bytes": len(data), "digest": network.digest}
