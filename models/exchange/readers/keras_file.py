"""Keras models in ``.h5`` and ``.keras`` files, also with Larq's layers and quantisers; TensorFlow is not needed."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import naming
from oxnor.models.exchange.folding.graph import FILE_MAX, NODES_MAX, Graph, needed_nodes

from .h5_child import read_h5_file
from .keras_layers import Builder
from .keras_weights import KerasWeights

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


def _graph(model: dict[str, Any], weights: KerasWeights) -> Graph:
    kind, config = model.get("class_name"), model["config"]
    layers = config if isinstance(config, list) else config.get("layers")
    if kind not in ("Sequential", "Functional", "Model") or not isinstance(layers, list) or not layers:
        raise InputError(f"must be a Sequential or Functional model, not {str(kind)[:60]!r}")
    if len(layers) > 1000 or not all(isinstance(y, dict) and isinstance(y.get("config"), dict) for y in layers):
        raise InputError("its model config must list at most 1,000 layers")
    builder = Builder(weights, layers)
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
    first, *others = builder.inputs
    names = ", ".join(map(repr, builder.inputs.values()))
    problems = (f"the model must have one input, not {len(builder.inputs)} ({names})",) if others else ()
    nodes = needed_nodes(builder.nodes, [output], {*builder.constants, *builder.inputs})
    return Graph(
        nodes, builder.constants, first, builder.shape, (output,), problems=problems,
        other_inputs=tuple(others), notes=tuple(builder.notes),
    )  # fmt: skip


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
