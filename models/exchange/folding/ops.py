"""The operators: each as numpy arithmetic in the type of its inputs, every step rounded as the ONNX text has it.

The same functions run the source network on images and, row by row, on the table of all popcounts of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError

from .graph import DTYPES, check_elements, element_type

Inputs = Sequence[Any]
Attrs = Mapping[str, Any]


def optional(x: Inputs, k: int, default: Any = None) -> Any:
    """Return input `k` of a node, or `default` if it is left out."""
    return x[k] if len(x) > k and x[k] is not None else default


def _divide(x: Inputs, a: Attrs) -> Any:
    if np.asarray(x[0]).dtype.kind in "iu":
        return (np.fix(np.asarray(x[0], np.float64) / x[1])).astype(x[0].dtype)  # towards zero, as C does
    return x[0] / x[1]


def _power(x: Inputs, a: Attrs) -> Any:
    exponent = np.asarray(x[1])
    if x[0].dtype.kind == "f":
        exponent = exponent.astype(x[0].dtype)
    return np.power(x[0], exponent).astype(x[0].dtype)


def _clip(x: Inputs, a: Attrs) -> Any:
    low = optional(x, 1, a.get("min"))
    high = optional(x, 2, a.get("max"))
    y = x[0]
    if low is not None:
        y = np.maximum(y, np.asarray(low, y.dtype))
    if high is not None:
        y = np.minimum(y, np.asarray(high, y.dtype))
    return y


def text(value: Any) -> str:
    """Return an attribute that is a text."""
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def _rounded(x: Any, mode: str) -> Any:
    modes: dict[str, Callable[[Any], Any]] = {
        "ROUND": np.rint, "HALF_EVEN": np.rint, "CEIL": np.ceil, "FLOOR": np.floor,
        "ROUND_TO_ZERO": np.trunc, "DOWN": np.trunc, "UP": lambda v: np.sign(v) * np.ceil(np.abs(v)),
        "HALF_UP": lambda v: np.sign(v) * np.floor(np.abs(v) + 0.5),
        "HALF_DOWN": lambda v: np.sign(v) * np.ceil(np.abs(v) - 0.5),
    }  # fmt: skip
    if mode.upper() not in modes:
        raise InputError(f"rounding_mode must be one of {', '.join(modes)}, not {mode!r}")
    return modes[mode.upper()](x)


def quant_range(bits: float, signed: bool, narrow: bool) -> tuple[float, float]:
    """Return the smallest and largest integer of a quantiser."""
    if signed:
        return -(2.0 ** (bits - 1)) + narrow, 2.0 ** (bits - 1) - 1
    return 0.0, 2.0**bits - 1 - narrow


def _flag(a: Attrs, name: str, default: int) -> bool:
    if (value := a.get(name, default)) not in (0, 1):
        raise InputError(f"{name} must be 0 or 1, not {value}")
    return bool(value)


def _quant(x: Inputs, a: Attrs) -> Any:
    v, scale, zero, bits = x[0], np.asarray(x[1], x[0].dtype), np.asarray(x[2], x[0].dtype), float(np.ravel(x[3])[0])
    signed, narrow = (_flag(a, name, default) for name, default in (("signed", 1), ("narrow", 0)))
    y = v / scale + zero
    if signed and bits == 1:  # one signed bit is bipolar, as in QONNX
        y = np.where(y >= 0, v.dtype.type(1), v.dtype.type(-1))
    else:
        low, high = quant_range(bits, signed, narrow)
        y = np.clip(y, v.dtype.type(low), v.dtype.type(high))
        y = _rounded(y, text(a.get("rounding_mode", "ROUND")))
    return (y - zero) * scale


def _multithreshold(x: Inputs, a: Attrs) -> Any:
    v, t = x[0], np.asarray(x[1])
    if t.ndim != 2:
        raise InputError(f"thresholds must have 2 dimensions, not {t.ndim}")
    layout = text(a.get("data_layout", "")) or {3: "NWC"}.get(v.ndim, "NC")
    axis = layout.index("C") if "C" in layout and len(t) > 1 else 1
    if axis >= v.ndim:
        raise InputError(f"data_layout must fit {v.ndim} dimensions, not {layout!r}")
    if t.shape[0] not in (1, v.shape[axis]):
        raise InputError(f"thresholds must have 1 or {v.shape[axis]} rows, not {t.shape[0]}")
    shape = [1] * v.ndim
    shape[axis] = t.shape[0]
    count = np.zeros(v.shape, v.dtype)
    for k in range(t.shape[1]):
        count += v >= t[:, k].reshape(shape)
    return count * v.dtype.type(a.get("out_scale", 1.0)) + v.dtype.type(a.get("out_bias", 0.0))


def channels(value: Any, x: NDArray, axis: int = 1) -> NDArray:
    """Return a constant a channel, shaped for the dimension `axis` of `x`."""
    value = np.asarray(value, x.dtype)
    if x.ndim < 2 or value.size not in (1, x.shape[axis]):
        raise InputError(f"parameters must have {x.shape[axis] if x.ndim > 1 else 1} values, not {value.size}")
    return value.reshape([-1 if k == axis % x.ndim else 1 for k in range(x.ndim)] if value.size > 1 else ())


def batch_norm_parts(x: Inputs, a: Attrs) -> tuple[NDArray, NDArray, NDArray]:
    """Return mean, factor and beta of a BatchNormalization node, shaped for its input."""
    axis = -1 if a.get("axis", 1) == -1 else 1  # -1 in the domain of operators whose channels come last
    gamma, beta, mean, variance = (channels(v, x[0], axis) for v in x[1:5])
    if (variance < 0).any():
        raise InputError("variance must be at least 0")
    return mean, gamma / np.sqrt(variance + x[0].dtype.type(a.get("epsilon", 1e-5))), beta


def _batch_norm(x: Inputs, a: Attrs) -> Any:
    mean, factor, beta = batch_norm_parts(x, a)
    return (x[0] - mean) * factor + beta


def _cast(x: Inputs, a: Attrs) -> Any:
    to = a.get("to", 1)
    if isinstance(to, bytes):  # before opset 6
        name, numbers = text(to).lower(), {"float": 1, "double": 11} | {element_type(k): k for k in DTYPES}
        to = numbers.get(name, 0)
    else:
        name = element_type(int(to))
    if to not in DTYPES:
        raise InputError(f"a cast to {name} is not supported")
    return np.asarray(x[0]).astype(DTYPES[to])


def _where(x: Inputs, a: Attrs) -> Any:
    return np.where(x[0], x[1], x[2])


def _along_axis(scale: NDArray, zero: NDArray, ndim: int, a: Attrs) -> tuple[NDArray, NDArray]:
    """Return scales and zero points of one axis, shaped for a tensor of `ndim` dimensions."""
    if scale.ndim != 1:
        return scale, zero
    axis = int(a.get("axis", 1)) % ndim
    shape = [-1 if k == axis else 1 for k in range(ndim)]
    return scale.reshape(shape), zero.reshape(shape)


def _quantize_linear(x: Inputs, a: Attrs) -> Any:
    zero = np.asarray(optional(x, 2, np.zeros((), DTYPES.get(a.get("output_dtype", 0) or 2, np.uint8))))
    scale, zero = _along_axis(np.asarray(x[1], x[0].dtype), zero, np.ndim(x[0]), a)
    info = np.iinfo(zero.dtype)
    return np.clip(np.rint(x[0] / scale) + zero, info.min, info.max).astype(zero.dtype)


def _dequantize_linear(x: Inputs, a: Attrs) -> Any:
    zero = np.asarray(optional(x, 2, 0))
    scale, zero = _along_axis(np.asarray(x[1]), zero, np.ndim(x[0]), a)
    return (np.asarray(x[0]).astype(np.int64) - zero.astype(np.int64)).astype(scale.dtype) * scale


def _hard_sigmoid(x: Inputs, a: Attrs) -> Any:
    (v,) = x
    t = v.dtype.type
    return np.clip(t(a.get("alpha", 0.2)) * v + t(a.get("beta", 0.5)), t(0), t(1))


def _prelu(x: Inputs, a: Attrs) -> Any:
    return np.where(x[0] >= 0, x[0], x[0] * np.asarray(x[1], x[0].dtype))


def _leaky(x: Inputs, a: Attrs) -> Any:
    (v,) = x
    return np.where(v >= 0, v, v * v.dtype.type(a.get("alpha", 0.01)))


def _thresholded_relu(x: Inputs, a: Attrs) -> Any:
    (v,) = x
    return np.where(v > v.dtype.type(a.get("alpha", 1.0)), v, v.dtype.type(0))


def _of_one(function: Callable[[Any], Any]) -> Callable[[Inputs, Attrs], Any]:
    return lambda x, a: function(x[0])


#: Of one operand, of which nothing is given besides.
_UNARY: dict[str, Callable[[Any], Any]] = {
    "Sqrt": np.sqrt,
    "Reciprocal": lambda v: 1 / v,
    "Neg": lambda v: -v,
    "Abs": np.abs,
    "Exp": np.exp,
    "Log": np.log,
    "Relu": lambda v: np.maximum(v, v.dtype.type(0)),
    "Tanh": np.tanh,
    "Sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "Softsign": lambda v: v / (1 + np.abs(v)),
    "Sign": np.sign,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.rint,
    "Not": lambda v: ~np.asarray(v, bool),
    "Identity": lambda v: v,
    "Dropout": lambda v: v,
    "StopGradient": lambda v: v,
}
#: Operators that act on each element, and keep the order of images and neurons.
ELEMENTWISE: dict[str, Callable[[Inputs, Attrs], Any]] = {
    **{name: _of_one(function) for name, function in _UNARY.items()},
    "Add": lambda x, a: x[0] + x[1],
    "Sub": lambda x, a: x[0] - x[1],
    "Mul": lambda x, a: x[0] * x[1],
    "Div": _divide,
    "Sum": lambda x, a: reduce(np.add, x),
    "Pow": _power,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Min": lambda x, a: reduce(np.minimum, x),
    "Max": lambda x, a: reduce(np.maximum, x),
    "LeakyRelu": _leaky,
    "PRelu": _prelu,
    "ThresholdedRelu": _thresholded_relu,
    "HardSigmoid": _hard_sigmoid,
    "Greater": lambda x, a: x[0] > x[1],
    "GreaterOrEqual": lambda x, a: x[0] >= x[1],
    "Less": lambda x, a: x[0] < x[1],
    "LessOrEqual": lambda x, a: x[0] <= x[1],
    "Equal": lambda x, a: x[0] == x[1],
    "And": lambda x, a: np.logical_and(x[0], x[1]),
    "Or": lambda x, a: np.logical_or(x[0], x[1]),
    "Xor": lambda x, a: np.logical_xor(x[0], x[1]),
    "Where": _where,
    "Cast": _cast,
    "CastLike": lambda x, a: np.asarray(x[0]).astype(np.asarray(x[1]).dtype),
    "BipolarQuant": lambda x, a: np.where(x[0] >= 0, np.asarray(x[1], x[0].dtype), -np.asarray(x[1], x[0].dtype)),
    "Quant": _quant,
    "IntQuant": _quant,
    "MultiThreshold": _multithreshold,
    "QuantizeLinear": _quantize_linear,
    "DequantizeLinear": _dequantize_linear,
}

#: Elementwise operators whose result is rounded, and so depends on the order in which a runtime computes.
ROUNDED = frozenset({
    "Add", "Sub", "Mul", "Div", "Sum", "Pow", "Sqrt", "Reciprocal", "Exp", "Log", "BatchNormalization", "LeakyRelu",
    "PRelu", "HardSigmoid", "Tanh", "Sigmoid", "Softsign",
})  # fmt: skip
#: What keeps the class: left out of the scores when it comes last.
HEADS = frozenset({"Softmax", "LogSoftmax", "ArgMax", "TopK"})
#: Products with weights.
PRODUCTS = frozenset({"MatMul", "Gemm", "XnorPopcountMatMul", "Conv"})
#: What changes the height and width of feature maps, or gathers their windows.
MAPS = frozenset({
    "MaxPool", "MaxPoolNHWC", "GlobalMaxPool", "AveragePool", "GlobalAveragePool", "Pad", "Im2Col",
})  # fmt: skip
#: Shapes.
SHAPES = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Shape"})


def _gather(x: Inputs, a: Attrs) -> Any:
    return np.take(x[0], np.asarray(x[1], np.int64), axis=int(a.get("axis", 0)))


def _slice(x: Inputs, a: Attrs) -> Any:
    data = np.asarray(x[0])
    starts = list(np.ravel(optional(x, 1, a.get("starts"))))
    ends = list(np.ravel(optional(x, 2, a.get("ends"))))
    axes = optional(x, 3, a.get("axes"))
    axes = list(range(len(starts))) if axes is None else list(np.ravel(axes))
    steps = list(np.ravel(optional(x, 4, [1] * len(starts))))
    index: list[Any] = [slice(None)] * data.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if int(step) == 0:
            raise InputError("a slice must have a step that is not 0")
        index[int(axis)] = slice(int(start), int(end), int(step))
    return data[tuple(index)]


def _constant_of_shape(x: Inputs, a: Attrs) -> Any:
    shape = [int(n) for n in np.ravel(x)]
    check_elements(shape, "ConstantOfShape")
    value = np.asarray(a.get("value", np.float32(0)))
    return np.full(shape, value.item(), value.dtype)


def _expand(x: Inputs, a: Attrs) -> Any:
    shape = np.broadcast_shapes(np.shape(x[0]), tuple(int(n) for n in np.ravel(x[1])))
    check_elements(shape, "Expand")
    return np.broadcast_to(x[0], shape)


def _reduction(function: Callable[..., Any]) -> Callable[[Inputs, Attrs], Any]:
    def over(x: Inputs, a: Attrs) -> Any:
        axes = axes_of(x, a)
        if not axes and a.get("noop_with_empty_axes", 0):
            return x[0]
        axis = tuple(axes) if axes else None
        return function(x[0], axis=axis, keepdims=a.get("keepdims") != 0)

    return over


def _range(x: Inputs, a: Attrs) -> Any:
    scalars: list[Any] = [np.asarray(v).reshape(())[()] for v in x]
    start, limit, delta = scalars
    if delta == 0:
        raise InputError("a range must have a step that is not 0")
    check_elements([max(0, int((float(limit) - float(start)) / float(delta)) + 1)], "Range")
    return np.arange(start, limit, delta).astype(start.dtype)


#: Operators supported only on constants: they compute weights, scales and shapes.
CONSTANT_ONLY: dict[str, Callable[[Inputs, Attrs], Any]] = {
    "Gather": _gather,
    "Slice": _slice,
    "Concat": lambda x, a: np.concatenate([np.asarray(v) for v in x], axis=int(a["axis"])),
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "ReduceMean": _reduction(np.mean),
    "ReduceSum": _reduction(np.sum),
    "ReduceProd": _reduction(np.prod),
    "ReduceMax": _reduction(np.max),
    "ReduceMin": _reduction(np.min),
    "Size": lambda x, a: np.int64(np.size(*x)),
    "Range": _range,
}


def constant_value(attrs: Attrs) -> NDArray:
    """Return the tensor of a Constant node."""
    for key, dtype in (("value", None), ("value_float", np.float32), ("value_floats", np.float32),
                       ("value_int", np.int64), ("value_ints", np.int64)):  # fmt: skip
        if key in attrs:
            return np.asarray(attrs[key], dtype)
    raise InputError("a Constant must have a value of numbers")


def axes_of(x: Inputs, a: Attrs) -> list[int] | None:
    """Return the axes of a Squeeze, Unsqueeze or reduction: an input in new opsets, an attribute in old ones."""
    axes = optional(x, 1, a.get("axes"))
    return None if axes is None else [int(n) for n in np.ravel(axes)]


def target_shape(
    current: Sequence[int], wanted: Sequence[int], batch: int | None, allowzero: bool = False
) -> list[int]:
    """Return the shape that a Reshape asks for, with a batch that was fixed at export replaced by the actual one."""
    shape = [current[k] if n == 0 and not allowzero and k < len(current) else int(n) for k, n in enumerate(wanted)]
    if len(shape) > 1 and batch is not None and shape[0] == batch and current and current[0] != batch:
        shape[0] = int(current[0])
    return shape


def run_shape(op: str, x: Inputs, a: Attrs, batch: int | None) -> NDArray:
    """Return the result of one of :data:`SHAPES` on plain arrays.

    Parameters
    ----------
    batch : int or None
        The batch that the source has fixed, usually 1; any other number of images may be given.
    """
    v = np.asarray(x[0])
    if op == "Reshape":
        shape = optional(x, 1, a.get("shape"))
        return v.reshape(target_shape(v.shape, [int(n) for n in np.ravel(shape)], batch, bool(a.get("allowzero", 0))))
    if op == "Flatten":
        axis = int(a.get("axis", 1))
        axis += v.ndim if axis < 0 else 0
        return v.reshape(int(np.prod(v.shape[:axis], dtype=np.int64)), -1)
    if op == "Squeeze":
        axes = axes_of(x, a)
        return np.squeeze(v, None if axes is None else tuple(axes))
    if op == "Unsqueeze":
        axes = axes_of(x, a) or []
        return np.expand_dims(v, tuple(axes))
    if op == "Transpose":
        return np.transpose(v, a.get("perm"))
    shape = list(v.shape)
    start, end = a.get("start"), a.get("end")
    return np.array(shape[slice(start, end)], np.int64)
