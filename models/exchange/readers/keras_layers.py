"""Layers of Keras and Larq as operators."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.graph import Node
from oxnor.models.exchange.folding.maps import CHANNELS_LAST, PAD_VALUE
from oxnor.models.exchange.folding.refusals import REFUSED, WHY

from .keras_weights import KerasWeights

#: Larq's quantisers with two values of equal size: all give +1 for 0.
_SIGNS = frozenset({"stesign", "approxsign", "swishsign", "magnitudeawaresign"})
_NOTHING = frozenset({
    "Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout", "SpatialDropout1D", "ActivityRegularization",
    "Identity",
})  # fmt: skip
_ACTIVATIONS = {
    "relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "softmax": "Softmax", "logsoftmax": "LogSoftmax",
    "softsign": "Softsign", "exponential": "Exp",
}  # fmt: skip


_CHANNELS_FIRST = "data_format must be channels_last"
_OF_QKERAS = (
    'give the network as QONNX, as qonnx.converters.from_keras(model, output_path="mine.onnx") of the package qonnx 0.4'
    " writes it"
)
#: By how much float32 may miss the mean of all weights, as a share of it.
_MEAN_ROUNDED = 2.0**-20


def _plain(name: Any) -> str:
    """Return the name of a quantiser or activation, whichever way it is written, in small letters without marks."""
    if isinstance(name, Mapping):
        name = name.get("class_name") if name.get("class_name") != "function" else name.get("config")
    return re.sub(r"[^a-z0-9]", "", str(name or "linear").split(">")[-1].lower())


def _snake(name: str) -> str:
    name = re.sub(r"\W+", "", name.split(">")[-1])
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def _sizes(value: Any, kind: str) -> list[int]:
    """Return a setting of one size or two as a list."""
    values = list(value) if isinstance(value, list | tuple) else [value] * (1 if "1D" in kind else 2)
    if not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        raise InputError(f"sizes of windows must be integers, not {value!r:.80}")
    return values


def _edges(value: Any) -> Sequence[Sequence[int]]:
    """Return what a padding layer adds before and after rows, and columns."""
    values = list(value) if isinstance(value, list | tuple) else [value, value]
    edges = [list(v) if isinstance(v, list | tuple) else [v, v] for v in values]
    if len(edges) != 2 or not all(len(e) == 2 and all(isinstance(n, int) and n >= 0 for n in e) for e in edges):
        raise InputError(f"padding must be numbers of rows and columns, not {value!r:.80}")
    return edges


def _auto_pad(config: Mapping[str, Any]) -> str:
    return {"valid": "VALID", "same": "SAME_UPPER"}.get(str(config.get("padding", "valid")).lower(), "none")


def _window(config: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return stride, dilation and padding of a convolution as attributes of ONNX."""
    return {
        "strides": _sizes(config.get("strides", 1), kind), "dilations": _sizes(config.get("dilation_rate", 1), kind),
        "auto_pad": _auto_pad(config),
    }  # fmt: skip


def _unlike_conv(kind: str, config: Mapping[str, Any], kernel: NDArray | None) -> str:
    """Return why a convolution cannot be one of ONNX; empty if it can."""
    if kind.removeprefix("Quant") not in ("Conv2D", "Conv1D", "DepthwiseConv2D"):
        return WHY["ConvTranspose"]
    if config.get("data_format") == "channels_first":
        return _CHANNELS_FIRST
    if kernel is None or kernel.ndim != (3 if "1D" in kind else 4) or not kernel.size:
        return "must have a kernel in the file"
    return ""


def _config(quantiser: Any) -> Mapping[str, Any]:
    config = quantiser.get("config") if isinstance(quantiser, Mapping) else None
    return config if isinstance(config, Mapping) else {}


def _dorefa_bits(quantiser: Any) -> int:
    """Return the bits of a DoReFa quantiser of activations; 0 if it is none."""
    if _plain(quantiser) not in ("dorefa", "dorefaquantizer"):
        return 0
    config = _config(quantiser)
    bits, mode = config.get("k_bit", 2), config.get("mode", "activations")
    return bits if isinstance(bits, int) and 1 <= bits <= 8 and mode == "activations" else 0


class Builder:
    """Translates layers into nodes."""

    def __init__(self, weights: KerasWeights, layers: list[dict[str, Any]]):
        self.weights, self.nodes, self.constants = weights, [], {"one": np.ones((), np.float32)}  # type: ignore[var-annotated]
        self.shape: tuple[int | None, ...] | None = None
        self.inputs: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self.notes: list[str] = []
        self._count = 0
        self._folder: dict[int, str] = {}
        used: dict[str, int] = {}
        for layer in layers:  # the folders of .keras archives are named by class and number
            name = _snake(str(layer.get("class_name", "")))
            n = used.get(name, 0)
            used[name] = n + 1
            self._folder[id(layer)] = f"{name}_{n}" if n else name

    def node(self, name: str, op: str, inputs: list[str], domain: str = "", **attrs: Any) -> str:
        """Add a node and return its output."""
        self._count += 1
        out = f"{name}#{self._count}"
        self.nodes.append(Node(name, op, tuple(inputs), (out,), attrs, domain))
        return out

    def refuse(self, name: str, op: str, inputs: list[str], why: str) -> str:
        """Add a node that the interpreter refuses by name."""
        self._count += 1
        out = f"{name}#{self._count}"
        self.nodes.append(Node(name, op, tuple(inputs), (out,), {"why": why}, REFUSED))
        return out

    def constant(self, array: Any) -> str:
        """Add a constant and return its name."""
        name = f"constant#{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def add(self, layer: dict[str, Any], inputs: list[str]) -> str:
        """Add a layer and return its output."""
        kind, config = str(layer.get("class_name", "")).split(">")[-1][:80], layer["config"]
        name = str(layer.get("name") or config.get("name") or kind)[:200]
        first = config.get("batch_input_shape") or config.get("batch_shape")
        if not inputs:
            built = layer.get("build_config")
            first = first or (built.get("input_shape") if isinstance(built, dict) else None)
            if isinstance(first, list) and len(first) == 1 and isinstance(first[0], list):
                first = first[0]
            if self.shape is None:
                if not isinstance(first, list) or not all(n is None or isinstance(n, int) for n in first):
                    raise InputError(f"layer {name!r}: must give the shape of its input")
                self.shape = tuple(first)
            inputs = [f"x#{len(self.inputs)}" if self.inputs else "x"]
            self.inputs[inputs[0]] = name
        if len(inputs) != 1:
            out = self.refuse(name, kind, inputs, "it joins layers: only chains of layers are supported")
        else:
            out = self._layer(name, kind, config, inputs[0], self._weights_of(layer, name))
        self.outputs[name] = out
        return out

    def _weights_of(self, layer: dict[str, Any], name: str) -> Mapping[str, NDArray]:
        return self.weights.arrays.get(self._folder[id(layer)] if self.weights.by_folder else name, {})

    def _layer(self, name: str, kind: str, config: dict[str, Any], x: str, weights: Mapping[str, NDArray]) -> str:
        if kind == "InputLayer" or kind in _NOTHING:
            return x
        if kind == "Flatten":
            return self.node(name, "Flatten", [x], axis=1)
        if kind == "Reshape":
            target = [0, *(int(n) for n in config.get("target_shape", ()))]
            return self.node(name, "Reshape", [x, self.constant(np.array(target, np.int64))])
        if kind == "Rescaling":
            x = self.node(name, "Mul", [x, self.constant(np.float32(config.get("scale", 1)))])
            return self.node(name, "Add", [x, self.constant(np.float32(config.get("offset", 0)))])
        if re.match("Q[A-Z]", kind):
            raise InputError(f"layer {name!r} is a {kind} of QKeras: {_OF_QKERAS}")
        if kind in ("Dense", "QuantDense"):
            return self._dense(name, config, x, weights)
        if kind == "BatchNormalization":
            return self._batch_norm(name, config, x, weights)
        if kind == "Activation":
            return self._activation(name, config.get("activation"), x)
        if kind == "ReLU" and not config.get("negative_slope") and not config.get("threshold"):
            x = self.node(name, "Relu", [x])
            top = config.get("max_value")
            return x if top is None else self.node(name, "Min", [x, self.constant(np.float32(top))])
        if kind == "Softmax":
            return self.node(name, "Softmax", [x], axis=-1)
        if _plain(kind) in _SIGNS or _plain(kind) in ("steheaviside", "stetern"):
            return self._activation(name, {"class_name": kind, "config": config}, x)
        if "Conv" in kind:
            return self._convolution(name, kind, config, x, weights)
        if kind in ("MaxPooling2D", "MaxPooling1D", "GlobalMaxPooling2D"):
            return self._pooling(name, kind, config, x)
        if kind == "ZeroPadding2D":
            (top, bottom), (left, right) = _edges(config.get("padding", 1))
            pads = self.constant(np.array([0, top, left, 0, 0, bottom, right, 0], np.int64))
            return self.node(name, "Pad", [x, pads])
        if kind == "GlobalAveragePooling2D" and config.get("data_format") != "channels_first":
            x = self.node(name, "GlobalAveragePool", [x], domain=CHANNELS_LAST)
            return x if config.get("keepdims") else self.node(name, "Flatten", [x], axis=1)
        if "Pool" in kind:
            return self.refuse(name, kind, [x], WHY["LpPool"])
        recurrent = kind == "Bidirectional" or kind.endswith(("LSTM", "GRU", "RNN"))
        return self.refuse(name, kind, [x], WHY["RNN"] if recurrent else WHY.get(kind, "the layer is not supported"))

    def _dense(self, name: str, config: dict[str, Any], x: str, weights: Mapping[str, NDArray]) -> str:
        kernel = weights.get("kernel", weights.get("0"))
        units = config.get("units")
        if config.get("input_quantizer"):
            x = self._activation(f"{name}.input_quantizer", config["input_quantizer"], x)
        if kernel is None or kernel.ndim != 2 or kernel.shape[1] != units:
            x = self.refuse(name, "MatMul", [x], f"must have a kernel of shape (inputs, {units}) in the file")
            return self._activation(f"{name}.activation", config.get("activation"), x)
        kernel = kernel.astype(np.float32)
        w = self.constant(kernel)
        if config.get("kernel_quantizer"):
            w = self._kernel(f"{name}.kernel_quantizer", config["kernel_quantizer"], w, kernel)
        x = self._bias(name, config, self.node(name, "MatMul", [x, w]), weights, units)
        return self._activation(f"{name}.activation", config.get("activation"), x)

    def _convolution(self, name: str, kind: str, config: dict[str, Any], x: str, weights: Mapping[str, NDArray]) -> str:
        """Add a convolution: kernels are (height, width, inputs, outputs) in Keras, and images have channels last."""
        if config.get("input_quantizer"):
            x = self._activation(f"{name}.input_quantizer", config["input_quantizer"], x)
        inputs = [x]
        kernel = weights.get("kernel", weights.get("depthwise_kernel", weights.get("0")))
        depthwise = "Depthwise" in kind
        if kernel is not None and kernel.ndim in (3, 4) and kernel.size:
            kernel = np.asarray(kernel, np.float32)
            w = self.constant(kernel)
            quantiser = config.get("kernel_quantizer") or config.get("depthwise_quantizer")
            if quantiser:
                w = self._kernel(f"{name}.kernel_quantizer", quantiser, w, kernel)
            order = [kernel.ndim - 2, kernel.ndim - 1] if depthwise else [kernel.ndim - 1, kernel.ndim - 2]
            w = self.node(f"{name}.kernel", "Transpose", [w], perm=[*order, *range(kernel.ndim - 2)])
            if depthwise:  # a filter of each channel for each multiple
                shape = np.array([-1, 1, *kernel.shape[:-2]], np.int64)
                w = self.node(f"{name}.kernel", "Reshape", [w, self.constant(shape)])
            inputs.append(w)
        if why := _unlike_conv(kind, config, kernel):
            x = self.refuse(name, kind, inputs, why)
        else:
            assert kernel is not None
            depth, n_out = kernel.shape[-2:]
            attrs = {"group": depth if depthwise else config.get("groups", 1)} | _window(config, kind)
            if config.get("pad_values"):
                attrs[PAD_VALUE] = float(config["pad_values"])
            x = self.node(name, "Conv", inputs, domain=CHANNELS_LAST, **attrs)
            x = self._bias(name, config, x, weights, depth * n_out if depthwise else n_out)
        return self._activation(f"{name}.activation", config.get("activation"), x)

    def _bias(self, name: str, config: dict[str, Any], x: str, weights: Mapping[str, NDArray], units: Any) -> str:
        if not config.get("use_bias", True):
            return x
        bias = weights.get("bias", weights.get("1"))
        if bias is None or bias.shape != (units,):
            return self.refuse(f"{name}.bias", "Add", [x], f"must have a bias of shape ({units},) in the file")
        return self.node(f"{name}.bias", "Add", [x, self.constant(bias.astype(np.float32))])

    def _pooling(self, name: str, kind: str, config: dict[str, Any], x: str) -> str:
        if config.get("data_format") == "channels_first":
            return self.refuse(name, kind, [x], _CHANNELS_FIRST)
        if kind.startswith("Global"):
            x = self.node(name, "GlobalMaxPool", [x], domain=CHANNELS_LAST)
            return x if config.get("keepdims") else self.node(name, "Flatten", [x], axis=1)
        size = _sizes(config.get("pool_size", 2), kind)
        steps = config.get("strides")
        attrs = {"kernel_shape": size, "strides": size if steps is None else _sizes(steps, kind)}
        return self.node(name, "MaxPool", [x], domain=CHANNELS_LAST, auto_pad=_auto_pad(config), **attrs)

    def _kernel(self, name: str, quantiser: Any, w: str, kernel: NDArray[np.float32]) -> str:
        plain = _plain(quantiser)
        if plain in _SIGNS:
            aware = plain == "magnitudeawaresign"
            scale = np.abs(kernel).mean(axis=tuple(range(kernel.ndim - 1))) if aware else np.float32(1)
            return self.node(name, "BipolarQuant", [w, self.constant(np.asarray(scale, np.float32))])
        if plain == "stetern":
            return self._ternary(name, _config(quantiser), w, kernel)
        return self.refuse(name, self._shown(quantiser), [w], self._why(quantiser, "weights"))

    def _ternary(self, name: str, config: Mapping[str, Any], x: str, kernel: NDArray[np.float32] | None = None) -> str:
        """Add Larq's SteTern, sign(sign(x + t) + sign(x - t)), of weights or, without a kernel, of activations."""
        t = config.get("threshold_value", 0.05)
        if config.get("ternary_weight_networks"):
            if kernel is None:
                why = "its threshold depends on the activations: give it a threshold_value"
                return self.refuse(name, "SteTern", [x], why)
            size = np.abs(kernel)
            t = np.float32(0.7) * size.sum(dtype=np.float64).astype(np.float32) / np.float32(size.size)
            if near := np.count_nonzero(np.abs(size - t) <= _MEAN_ROUNDED * t):
                self.notes.append(
                    f"{name}: whether {near:,} of {size.size:,} weights are 0 depends on how the source rounds the mean"
                    " of all, 0.7 of which is their threshold"
                )
        if isinstance(t, bool) or not isinstance(t, int | float | np.float32) or not np.isfinite(np.float32(t)):
            return self.refuse(name, "SteTern", [x], "its threshold_value must be a finite number")
        limit = self.constant(np.float32(t))
        ends = [self.node(name, "Sign", [self.node(name, op, [x, limit])]) for op in ("Add", "Sub")]
        return self.node(name, "Sign", [self.node(name, "Add", ends)])

    @staticmethod
    def _shown(quantiser: Any) -> str:
        return str(quantiser.get("class_name") if isinstance(quantiser, Mapping) else quantiser)[:80]

    @staticmethod
    def _why(quantiser: Any, what: str) -> str:
        plain = _plain(quantiser)
        if plain.startswith("quantized"):
            return f"it is a quantiser of QKeras: {_OF_QKERAS}"
        if plain.startswith("dorefa"):
            bits = _config(quantiser).get("k_bit", 2)
            return f"{bits} bits: of {what}, 1 to 8 are read of activations alone: train with ste_sign or ste_tern"
        return f"the quantiser is not supported for {what}: train with ste_sign or ste_tern"

    def _batch_norm(self, name: str, config: dict[str, Any], x: str, weights: Mapping[str, NDArray]) -> str:
        wanted = [f for f, on in (("gamma", config.get("scale", True)), ("beta", config.get("center", True)),
                                  ("moving_mean", True), ("moving_variance", True)) if on]  # fmt: skip
        stored = {f: weights.get(f, weights.get(str(k))) for k, f in enumerate(wanted)}
        mean = stored.get("moving_mean")
        if any(v is None for v in stored.values()) or mean is None or mean.ndim != 1:
            return self.refuse(name, "BatchNormalization", [x], f"must have {', '.join(wanted)} in the file")
        n = len(mean)
        values = {"gamma": np.ones(n), "beta": np.zeros(n)} | stored
        if any(v is None or v.shape != (n,) for v in values.values()):
            return self.refuse(name, "BatchNormalization", [x], f"{', '.join(wanted)} must have one shape")
        names = [
            self.constant(np.asarray(values[f], np.float32))
            for f in ("gamma", "beta", "moving_mean", "moving_variance")
        ]
        return self.node(name, "BatchNormalization", [x, *names], epsilon=float(config.get("epsilon", 1e-3)), axis=-1)

    def _activation(self, name: str, activation: Any, x: str) -> str:
        plain = _plain(activation)
        if plain in ("linear", "none"):
            return x
        if plain == "magnitudeawaresign":
            return self.refuse(name, "MagnitudeAwareSign", [x], "its scale depends on the activations: use ste_sign")
        if plain in _SIGNS:
            return self.node(name, "BipolarQuant", [x, "one"])
        if plain == "steheaviside":
            x = self.node(name, "Greater", [x, self.constant(np.float32(0))])
            return self.node(name, "Cast", [x], to=1)
        if plain == "stetern":
            return self._ternary(name, _config(activation), x)
        bits = _dorefa_bits(activation)
        if bits:
            top = self.constant(np.float32(2**bits - 1))
            x = self.node(name, "Mul", [self.node(name, "Clip", [x], min=0.0, max=1.0), top])
            return self.node(name, "Div", [self.node(name, "Round", [x]), top])
        if plain == "hardtanh":
            return self.node(name, "Clip", [x], min=-1.0, max=1.0)
        if plain in _ACTIVATIONS:
            op = _ACTIVATIONS[plain]
            return self.node(name, op, [x], axis=-1) if "oftmax" in op else self.node(name, op, [x])
        return self.refuse(name, self._shown(activation), [x], self._why(activation, "activations"))
