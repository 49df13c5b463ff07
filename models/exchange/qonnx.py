"""Export of networks as QONNX; importing the file again gives the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import whole_file
from oxnor.models.exchange.readers.onnx_file import import_onnx
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.scores import ScoreLayer

_DOMAIN = "qonnx.custom_op.general"
_OPSET = 13
#: Sums below this are exact in float32.
_EXACT = 1 << 24


def to_model(network: Network) -> Any:
    """Return a network as an ONNX ModelProto in the QONNX dialect.

    The input is grey, float32 0 to 255, shape (N, n_in), and becomes bits at one threshold or one an input. Each layer
    is a MatMul with weights of -1 and +1 (annotated BIPOLAR), a Sub of its threshold on 2p - n_in, and a BipolarQuant.
    The last gives scale * p + offset, in float64 where float32 would round.

    Raises
    ------
    InputError
        If a score does not fit the 53 bits of float64, or inputs have another rule than thresholds.
    """
    if network.input_rule.kind != "threshold":
        raise InputError(f"network {network.name!r}: input_rule must be one threshold an input for QONNX, not"
                         f" {network.input_rule.kind}")
    onnx = import_onnx()
    from onnx import TensorProto, helper, numpy_helper

    tensors = [numpy_helper.from_array(np.ones((), np.float32), "one")]
    annotations, nodes = [], []

    def constant(name: str, array: Any) -> str:
        tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(op: str, inputs: list[str], output: str, **attrs: Any) -> str:
        domain = _DOMAIN if op == "BipolarQuant" else ""
        nodes.append(helper.make_node(op, inputs, [output], name=output, domain=domain, **attrs))
        return output

    def bipolar(name: str) -> None:
        entry = onnx.StringStringEntryProto(key="finn_datatype", value="BIPOLAR")
        annotations.append(onnx.TensorAnnotation(tensor_name=name, quant_parameter_tensor_names=[entry]))

    cut = constant("input_threshold", network.input_rule.thresholds.astype(np.float32))
    here = node("BipolarQuant", [node("Sub", ["pixels", cut], "input_cut"), "one"], "input_bits")
    for k, layer in enumerate(network.layers):
        n = layer.n_in
        weights = constant(f"weights{k}", np.where(layer.weights, np.float32(1), np.float32(-1)).T)
        bipolar(weights)
        here = node("MatMul", [here, weights], f"sums{k}")
        if isinstance(layer, ScoreLayer):
            continue
        t = constant(f"thresholds{k}", (2 * layer.thresholds - n).astype(np.float32))
        here = node("BipolarQuant", [node("Sub", [here, t], f"cut{k}"), "one"], f"bits{k}")
        bipolar(here)
    last = network.layers[-1]
    assert isinstance(last, ScoreLayer)
    half = last.scales / 2
    start = last.offsets + half * last.n_in
    largest = int((np.abs(last.scales) * last.n_in + np.abs(last.offsets)).max()) * 2
    if largest >= 1 << 53:
        raise InputError(f"network {network.name!r}: scores must be below 2**52 for QONNX")
    kind = TensorProto.FLOAT
    if largest >= _EXACT:
        kind = TensorProto.DOUBLE
        here = node("Cast", [here], "sums_wide", to=kind)
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    here = node("Mul", [here, constant("scales", half.astype(dtype))], "scaled")
    here = node("Add", [here, constant("offsets", start.astype(dtype))], "scores")
    graph = helper.make_graph(
        nodes, network.name,
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", network.n_in])],
        [helper.make_tensor_value_info("scores", kind, ["N", network.n_out])],
        tensors,
    )  # fmt: skip
    graph.quantization_annotation.extend(annotations)
    entry = onnx.TensorAnnotation(
        tensor_name="pixels",
        quant_parameter_tensor_names=[onnx.StringStringEntryProto(key="finn_datatype", value="UINT8")],
    )
    graph.quantization_annotation.append(entry)
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_DOMAIN, 1)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="oxnor", ir_version=7)
    helper.set_model_props(model, {"oxnor.name": network.name, "oxnor.scores": "exact"})
    return model


def export_qonnx(network: Network, path: str | Path) -> dict[str, Any]:
    """Write a network as QONNX, whole or not at all; return the numbers of nodes and bytes."""
    model = to_model(network)
    data = model.SerializeToString(deterministic=True)
    with whole_file(path) as temporary:
        temporary.write_bytes(data)
    return {"nodes": len(model.graph.node), "bytes": len(data), "digest": network.digest}
