"""Keras models in ``.h5`` and ``.keras`` files, also with Larq's layers and quantisers; TensorFlow is not needed."""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import naming
from oxnor.models.exchange.folding.graph import FILE_MAX, NODES_MAX, Graph, Node, needed_nodes
from oxnor.models.exchange.folding.refusals import REFUSED

from .h5_child import read_h5_file
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
_CONFIG_MAX = 1 << 24
#: How the weights are named that lie beside a .json file.
_WEIGHTS_ENDS = (".weights.h5", ".h5", ".hdf5", "_weights.h5")


def from_h5(config: str, arrays: Mapping[str, NDArray]) -> Graph:
    """Return the graph of a Keras model in one HDF5 file, of which :func:`read_h5_file` gave these."""
    if not config:
        raise InputError(
            "must be a whole model, saved with model.save(), and holds weights alone: give the .json file of"
            " model.to_json(), with this one as `weights`"
        )
    return _graph(_json(config), KerasWeights.of(arrays))


def read_keras(path: Path) -> Graph:
    """Return the graph of a Keras model in a ``.keras`` archive."""
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        config = _member(archive, "config.json", _CONFIG_MAX)
        inner = Path(folder) / "model.weights.h5"
        inner.write_bytes(_member(archive, "model.weights.h5", FILE_MAX))
        _, arrays, _ = read_h5_file(inner)
    return _graph(_json(config.decode("utf-8", "replace")), KerasWeights.of(arrays))


def read_json(path: Path, weights: str | Path | None) -> Graph:
    """Return the graph of a Keras model whose architecture is in a ``.json`` file, and its weights in an HDF5 file.

    Parameters
    ----------
    path : path
        What ``model.to_json()`` gives.
    weights : path, optional
        What ``model.save_weights()`` or ``model.save()`` wrote; default: the file of the same name beside it.
    """
    if path.stat().st_size > _CONFIG_MAX:
        raise InputError(f"must have at most {_CONFIG_MAX:,} bytes, not {path.stat().st_size:,}")
    model = _json(path.read_bytes().decode("utf-8", "replace"))
    if weights is None:
        beside = [path.with_name(path.stem + end) for end in _WEIGHTS_ENDS]
        weights = next((p for p in beside if p.is_file()), None)
        if weights is None:
            raise InputError(
                f"describes a Keras model without its weights: give `weights`, or put {beside[0].name} beside it"
            )
    weights = Path(weights)
    with naming(weights):
        if not weights.is_file():
            raise InputError("no such file")
        if weights.stat().st_size > FILE_MAX:
            raise InputError(f"must have at most {FILE_MAX:,} bytes, not {weights.stat().st_size:,}")
        with weights.open("rb") as source:
            if source.read(8) != b"\x89HDF\r\n\x1a\n":
                raise InputError("must be an HDF5 file, as model.save_weights() writes, and is none")
        _, arrays, _ = read_h5_file(weights)
        held = KerasWeights.of(arrays)
        if not held.arrays:
            raise InputError("must hold the weights of Keras layers, and has none")
    return _graph(model, held)


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    try:
        with archive.open(name) as member:
            data = member.read(limit + 1)
    except (zipfile.BadZipFile, KeyError, OSError, NotImplementedError, RuntimeError, ValueError, EOFError,
            zipfile.zlib.error) as e:  # type: ignore[attr-defined]  # fmt: skip
        raise InputError(f"{name} in it cannot be read ({str(e)[:80]})") from None
    if len(data) > limit:
        raise InputError(f"{name} in it must have at most {limit:,} bytes")
    return data


def _json(config: str) -> dict[str, Any]:
    try:
        model = json.loads(config)
    except (ValueError, RecursionError):
        raise InputError("its model config must be JSON") from None
    if not isinstance(model, dict) or not isinstance(model.get("config"), dict | list):
        raise InputError("its model config must describe a model, and does not")
    return model


def _plain(name: Any) -> str:
    """Return the name of a quantiser or activation, whichever way it is written, in small letters without marks."""
    if isinstance(name, Mapping):
        name = name.get("class_name") if name.get("class_name") != "function" else name.get("config")
    return re.sub(r"[^a-z0-9]", "", str(name or "linear").split(">")[-1].lower())


def _snake(name: str) -> str:
    name = re.sub(r"\W+", "", name.split(">")[-1])
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def _graph(model: dict[str, Any], weights: KerasWeights) -> Graph:
    kind, config = model.get("class_name"), model["config"]
    layers = config if isinstance(config, list) else config.get("layers")
    if kind not in ("Sequential", "Functional", "Model") or not isinstance(layers, list) or not layers:
        raise InputError(f"must be a Sequential or Functional model, not {str(kind)[:60]!r}")
    if len(layers) > 1000 or not all(isinstance(y, dict) and isinstance(y.get("config"), dict) for y in layers):
        raise InputError("its model config must list at most 1,000 layers")
    builder = _Builder(weights, layers)
    if kind == "Sequential":
        here = ""
        for layer in layers:
            here = builder.add(layer, [here] if here else [])
        output = here
    else:
        for layer in _sorted(layers):
            builder.add(layer, [builder.outputs.get(n, n) for n in _inbound(layer)])
        ends = config.get("output_layers")
        while isinstance(ends, list) and ends and isinstance(ends[0], list):
            ends = ends[0]
        end = ends[0] if isinstance(ends, list) and ends else None
        if end not in builder.outputs:
            raise InputError("its model config must name its output layer")
        output = builder.outputs[end]
    if builder.shape is None:
        raise InputError("its model config must give the shape of the input")
    if len(builder.nodes) > NODES_MAX:
        raise InputError("its model config must list at most 1,000 layers")
    nodes = needed_nodes(builder.nodes, [output], {*builder.constants, "x"})
    return Graph(nodes, builder.constants, "x", builder.shape, (output,), opset=13)


def _inbound(layer: dict[str, Any]) -> list[str]:
    """Return the names of the layers whose outputs a layer of a functional model takes."""
    names: list[str] = []
    waiting = [layer.get("inbound_nodes") or []]
    steps = 0
    while waiting and steps < 1000:
        steps += 1
        item = waiting.pop(0)
        if isinstance(item, dict):
            if isinstance(item.get("keras_history"), list) and item["keras_history"]:
                names.append(str(item["keras_history"][0]))
            else:
                waiting += [v for v in item.values() if isinstance(v, dict | list)]
        elif isinstance(item, list):
            if len(item) >= 3 and isinstance(item[0], str) and isinstance(item[1], int):
                names.append(item[0])
            else:
                waiting += [v for v in item if isinstance(v, dict | list)]
    return names


def _sorted(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return layers each after those that it takes."""
    waiting, done, order = list(layers), set(), []
    while waiting:
        ready = [y for y in waiting if all(n in done for n in _inbound(y))]
        if not ready:
            raise InputError("the layers of its model config must not depend on themselves")
        order += ready
        done |= {str(y.get("name") or y["config"].get("name")) for y in ready}
        waiting = [y for y in waiting if not any(y is r for r in ready)]
    return order


class _Builder:
    """Translates layers into nodes."""

    def __init__(self, weights: KerasWeights, layers: list[dict[str, Any]]):
        self.weights, self.nodes, self.constants = weights, [], {"one": np.ones((), np.float32)}  # type: ignore[var-annotated]
        self.shape: tuple[int | None, ...] | None = None
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
            if self.shape is not None:
                raise InputError("the model must have one input, not several")
            if not isinstance(first, list) or not all(n is None or isinstance(n, int) for n in first):
                raise InputError(f"layer {name!r}: must give the shape of its input")
            self.shape = tuple(first)
            inputs = ["x"]
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
        return self.refuse(name, kind, [x], "the layer is not supported")

    def _dense(self, name: str, config: dict[str, Any], x: str, weights: Mapping[str, NDArray]) -> str:
        kernel = weights.get("kernel", weights.get("0"))
        units = config.get("units")
        if kernel is None or kernel.ndim != 2 or kernel.shape[1] != units:
            raise InputError(f"layer {name!r}: must have a kernel of shape (inputs, {units}) in the file")
        kernel = kernel.astype(np.float32)
        if config.get("input_quantizer"):
            x = self._activation(f"{name}.input_quantizer", config["input_quantizer"], x)
        w = self.constant(kernel)
        if config.get("kernel_quantizer"):
            w = self._kernel(f"{name}.kernel_quantizer", config["kernel_quantizer"], w, kernel)
        x = self.node(name, "MatMul", [x, w])
        if config.get("use_bias", True):
            bias = weights.get("bias", weights.get("1"))
            if bias is None or bias.shape != (units,):
                raise InputError(f"layer {name!r}: must have a bias of shape ({units},) in the file")
            x = self.node(f"{name}.bias", "Add", [x, self.constant(bias.astype(np.float32))])
        return self._activation(f"{name}.activation", config.get("activation"), x)

    def _convolution(self, name: str, kind: str, config: dict[str, Any], x: str, weights: Mapping[str, NDArray]) -> str:
        """Add a refusal, with what is wrong with the convolution's quantisers and activation besides."""
        inputs = [x]
        if config.get("input_quantizer"):
            inputs = [self._activation(f"{name}.input_quantizer", config["input_quantizer"], x)]
        kernel = weights.get("kernel", weights.get("0"))
        if config.get("kernel_quantizer") and kernel is not None:
            inputs.append(self._kernel(f"{name}.kernel_quantizer", config["kernel_quantizer"], self.constant(kernel),
                                       np.asarray(kernel, np.float32)))  # fmt: skip
        x = self.refuse(name, kind, inputs, "convolutions are not supported: dense layers are")
        return self._activation(f"{name}.activation", config.get("activation"), x)

    def _kernel(self, name: str, quantiser: Any, w: str, kernel: NDArray[np.float32]) -> str:
        plain = _plain(quantiser)
        if plain in _SIGNS:
            scale = np.abs(kernel).mean(axis=0) if plain == "magnitudeawaresign" else np.float32(1)
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
            raise InputError(f"layer {name!r}: must have {', '.join(wanted)} in the file")
        n = len(mean)
        values = {"gamma": np.ones(n), "beta": np.zeros(n)} | stored
        if any(v is None or v.shape != (n,) for v in values.values()):
            raise InputError(f"layer {name!r}: {', '.join(wanted)} must have one shape")
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
