"""Layers of Keras and Larq as operators."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.graph import Node
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


def _plain(name: Any) -> str:
    """Return the name of a quantiser or activation, whichever way it is written, in small letters without marks."""
    if isinstance(name, Mapping):
        name = name.get("class_name") if name.get("class_name") != "function" else name.get("config")
    return re.sub(r"[^a-z0-9]", "", str(name or "linear").split(">")[-1].lower())


def _snake(name: str) -> str:
    name = re.sub(r"\W+", "", name.split(">")[-1])
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


class Builder:
    """Translates layers into nodes."""

    def __init__(self, weights: KerasWeights, layers: list[dict[str, Any]]):
        self.weights, self.nodes, self.constants = weights, [], {"one": np.ones((), np.float32)}  # type: ignore[var-annotated]
        self.shape: tuple[int | None, ...] | None = None
        self.inputs: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self._count = 0
        self._folder: dict[int, str] = {}
        used: dict[str, int] = {}
        for layer in layers:  # the folders of .keras archives are named by class and number
            name = _snake(str(layer.get("class_name", "")))
            n = used.get(name, 0)
            used[name] = n + 1
            self._folder[id(layer)] = f"{name}_{n}" if n else name

    def node(self, name: str, op: str, inputs: list[str], **attrs: Any) -> str:
        """Add a node and return its output."""
        self._count += 1
        out = f"{name}#{self._count}"
        self.nodes.append(Node(name, op, tuple(inputs), (out,), attrs))
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
        if _plain(kind) in _SIGNS or _plain(kind) == "steheaviside":
            return self._activation(name, kind, x)
        if "Conv" in kind:
            return self._convolution(name, kind, config, x, weights)
        if "Pool" in kind:
            return self.refuse(name, kind, [x], "pooling is not supported: dense layers are")
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
        x = self.node(name, "MatMul", [x, w])
        if config.get("use_bias", True):
            bias = weights.get("bias", weights.get("1"))
            if bias is None or bias.shape != (units,):
                x = self.refuse(f"{name}.bias", "Add", [x], f"must have a bias of shape ({units},) in the file")
            else:
                x = self.node(f"{name}.bias", "Add", [x, self.constant(bias.astype(np.float32))])
        return self._activation(f"{name}.activation", config.get("activation"), x)

    def _convolution(self, name: str, kind: str, config: dict[str, Any], x: str, weights: Mapping[str, NDArray]) -> str:
        """Add a refusal, with what is wrong with the convolution's quantisers and activation besides."""
        inputs = [x]
        if config.get("input_quantizer"):
            inputs = [self._activation(f"{name}.input_quantizer", config["input_quantizer"], x)]
        kernel = weights.get("kernel", weights.get("depthwise_kernel", weights.get("0")))
        if kernel is not None and kernel.ndim > 2 and kernel.size:
            kernel = np.asarray(kernel, np.float32)
            if "Depthwise" in kind:  # a filter of each channel for each multiple
                kernel = kernel.reshape(*kernel.shape[:-2], 1, -1)
            w = self.constant(kernel)
            quantiser = config.get("kernel_quantizer") or config.get("depthwise_quantizer")
            if quantiser:
                w = self._kernel(f"{name}.kernel_quantizer", quantiser, w, kernel)
            last_first = [kernel.ndim - 1, *range(kernel.ndim - 1)]
            inputs.append(self.node(f"{name}.kernel", "Transpose", [w], perm=last_first))
        x = self.refuse(name, kind, inputs, "convolutions are not supported: dense layers are")
        return self._activation(f"{name}.activation", config.get("activation"), x)

    def _kernel(self, name: str, quantiser: Any, w: str, kernel: NDArray[np.float32]) -> str:
        plain = _plain(quantiser)
        if plain in _SIGNS:
            aware = plain == "magnitudeawaresign"
            scale = np.abs(kernel).mean(axis=tuple(range(kernel.ndim - 1))) if aware else np.float32(1)
            return self.node(name, "BipolarQuant", [w, self.constant(np.asarray(scale, np.float32))])
        return self.refuse(name, self._shown(quantiser), [w], self._why(quantiser, "weights"))

    @staticmethod
    def _shown(quantiser: Any) -> str:
        return str(quantiser.get("class_name") if isinstance(quantiser, Mapping) else quantiser)[:80]

    @staticmethod
    def _why(quantiser: Any, what: str) -> str:
        config = quantiser.get("config") if isinstance(quantiser, Mapping) else None
        config = config if isinstance(config, Mapping) else {}
        plain = _plain(quantiser)
        if plain.startswith("dorefa"):
            return f"{config.get('k_bit', 2)} bits: only 1-bit {what} are supported: train with ste_sign"
        if "tern" in plain:
            return f"ternary {what} (2 bits) are not supported: train with ste_sign"
        return f"the quantiser is not supported for {what}: train with ste_sign"

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
        return self.node(name, "BatchNormalization", [x, *names], epsilon=float(config.get("epsilon", 1e-3)))

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
        if plain == "hardtanh":
            return self.node(name, "Clip", [x], min=-1.0, max=1.0)
        if plain in _ACTIVATIONS:
            op = _ACTIVATIONS[plain]
            return self.node(name, op, [x], **({"axis": -1} if "oftmax" in op else {}))
        return self.refuse(name, self._shown(activation), [x], self._why(activation, "activations"))
