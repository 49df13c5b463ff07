"""An ONNX model run by the reference evaluator of the package ``onnx``: another implementation of every operator.

QONNX operators, which it does not know, are given here once more, after their documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.files import in_type_names
from oxnor.models.exchange.folding.graph import DTYPES

#: Largest fixed batch that is run.
_BATCH_MAX = 256


class CannotRun(Exception):
    """The evaluator does not run this model."""


def _operators() -> list[type]:
    from onnx.reference.op_run import OpRun

    class BipolarQuant(OpRun):
        def _run(self, x: Any, scale: Any) -> tuple[Any]:
            return (np.where(x >= 0, 1, -1).astype(x.dtype) * scale,)

    class Quant(OpRun):
        def _run(self, x: Any, scale: Any, zero: Any, bits: Any, signed: Any = 1, narrow: Any = 0,
                 rounding_mode: Any = "ROUND") -> tuple[Any]:  # fmt: skip
            y = x / scale + zero
            bits = float(np.ravel(bits)[0])
            if signed and bits == 1:
                y = np.where(y >= 0, 1, -1).astype(x.dtype)
            else:
                low = -(2 ** (bits - 1)) + narrow if signed else 0
                high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
                y = np.clip(y, x.dtype.type(low), x.dtype.type(high))
                if str(rounding_mode).upper() not in ("ROUND", "HALF_EVEN"):
                    raise NotImplementedError(rounding_mode)
                y = np.round(y)
            return ((y - zero) * scale,)

    class MultiThreshold(OpRun):
        def _run(self, x: Any, t: Any, out_dtype: Any = "", out_scale: Any = 1.0, out_bias: Any = 0.0,
                 data_layout: Any = "") -> tuple[Any]:  # fmt: skip
            last = str(data_layout) in ("NHWC", "NWC")
            x = x if last else np.moveaxis(x, 1, -1)
            count = (x[..., None] >= t).sum(axis=-1).astype(x.dtype)
            count = count if last else np.moveaxis(count, -1, 1)
            return ((out_scale * count + out_bias).astype(x.dtype),)

    class XnorPopcountMatMul(OpRun):
        def _run(self, x: Any, w: Any) -> tuple[Any]:
            return ((np.matmul(2 * x - 1, 2 * w - 1) + x.shape[-1]) * x.dtype.type(0.5),)

    class BatchNormalization(OpRun):
        # The evaluator's own takes the statistics of the batch in opsets 9 to 13.
        def _run(self, x: Any, scale: Any, bias: Any, mean: Any, var: Any, **attrs: Any) -> tuple[Any]:
            shape = [1, -1] + [1] * (x.ndim - 2)
            eps = x.dtype.type(attrs.get("epsilon") or 1e-5)
            y = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + eps)
            return ((y * scale.reshape(shape) + bias.reshape(shape)).astype(x.dtype),)

    bases = {"BipolarQuant": BipolarQuant, "Quant": Quant, "IntQuant": Quant, "MultiThreshold": MultiThreshold,
             "XnorPopcountMatMul": XnorPopcountMatMul}  # fmt: skip
    BatchNormalization.op_domain = ""
    operators: list[type] = [BatchNormalization]
    for domain in ("finn", "onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general"):
        for name, base in bases.items():
            operators.append(type(name, (base,), {"op_domain": domain}))
    return operators


def evaluator(model: Any, output: str, input_name: str) -> Callable[[NDArray], NDArray] | None:
    """Return a function that gives tensor `output` for inputs of shape (n, ...), or None if the model cannot be run so.

    A model with a fixed batch runs image by image.
    """
    import onnx
    from onnx.reference import ReferenceEvaluator

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.append(onnx.ValueInfoProto(name=output))
    del copy.graph.value_info[:]
    try:
        run = ReferenceEvaluator(copy, new_ops=_operators())
    except Exception:  # it fails in many ways on unknown operators; the report then says that the check was left out
        return None
    value = next(v for v in model.graph.input if v.name == input_name)
    first = value.type.tensor_type.shape.dim[0]
    fixed = first.dim_value if first.HasField("dim_value") and first.dim_value > 0 else 0
    if fixed > _BATCH_MAX:
        return None
    dtype = DTYPES.get(value.type.tensor_type.elem_type, np.float32)

    def source(x: NDArray) -> NDArray:
        x = x.astype(dtype)
        size = fixed or len(x)
        rows = np.resize(np.arange(len(x)), -(-len(x) // size) * size)  # the last batch is filled up
        try:
            with np.errstate(all="ignore"):
                parts = [run.run(None, {input_name: x[rows[k : k + size]]})[0] for k in range(0, len(rows), size)]
            return np.concatenate([np.asarray(p).reshape(size, -1) for p in parts])[: len(x)]
        except Exception as e:  # it has many ways to say that a model is not to its taste
            raise CannotRun(in_type_names(str(e).splitlines()[0])[:100] if str(e) else type(e).__name__) from None

    return source
