"""Binarized networks and their file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_bytes
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import NpzReader, naming, write_npz
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.table import LAYER_TYPES

from .base import Chain, check_fields, check_synapses, read_data_header, read_entry

FORMAT = "oxnor-network"
#: Versions that are read. A file is written in the lowest that holds the network: see docs/network-file.md.
FORMAT_VERSIONS = (1, 2)
#: Fields of the header; in version 2 any other is refused.
_FIELDS = ("format", "version", "name", "layers", "info", "input_threshold", "data_set", "classes")


@dataclass(frozen=True, eq=False, repr=False)
class Network(Chain):
    """A binarized network: hidden layers that give bits, then one layer that gives scores.

    Parameters
    ----------
    name : str
        Short name, of letters, digits, ``-``, ``_`` and ``.``.
    layers : tuple of DenseLayer and ScoreLayer
        In order; each has as many inputs as the one before has neurons. Only the last gives scores.
    input_threshold : int or ndarray of int64, shape (n_in,)
        A grey pixel becomes 1 iff pixel >= input_threshold. Range [0, 256]. One for all inputs, or one an input; equal
        ones become one.
    info : mapping
        Anything that JSON can hold: origin, licence, accuracy as measured, how it was trained.
    data_set : str
        The set that the network was made for: a known name, or what the user called it; "" if nobody said.
    classes : tuple of str
        Names of the classes, n_out of them, or none.

    Raises
    ------
    InputError
        If the layers do not fit each other or a field is out of its range.
    """

    name: str
    layers: tuple[DenseLayer | ScoreLayer, ...]
    input_threshold: int | NDArray[np.int64] = 128
    info: Mapping[str, Any] = field(default_factory=dict)
    data_set: str = ""
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.check_name()
        self.check_layers()
        object.__setattr__(self, "input_threshold", _input_threshold(self.input_threshold, self.n_in))
        for i, layer in enumerate(self.layers):
            if layer.gives_scores != (i == len(self.layers) - 1):
                raise InputError(f"network: the last layer and no other must give scores, not layer {i} ({layer.kind})")
        self.check_info()
        self.check_data()

    @property
    def input_rule(self) -> int | list[int]:
        """``input_threshold`` as JSON has it."""
        return self.input_threshold if isinstance(self.input_threshold, int) else self.input_threshold.tolist()

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of everything that the network computes with; name and info are left out."""
        if isinstance(self.input_threshold, int):
            h = hashlib.sha256(f"{FORMAT} 1 {self.input_threshold}".encode())
        else:
            h = hashlib.sha256(f"{FORMAT} 2 ".encode() + self.input_threshold.astype("<i2").tobytes())
        for layer in self.layers:
            own = {name: size for name, size in layer.sizes.items() if name not in ("n_in", "n_out")}
            h.update(f"{layer.kind} {layer.weights.shape}{own or ''}".encode())
            h.update(pack_bytes(layer.weights).tobytes())
            for name, array in layer.to_arrays().items():
                h.update(name.encode() + array.tobytes())
        return h.hexdigest()

    @classmethod
    def from_arrays(
        cls,
        weights: Sequence[Any],
        thresholds: Sequence[Any],
        offsets: Any = None,
        scales: Any = None,
        *,
        name: str = "network",
        input_threshold: int | NDArray[np.int64] = 128,
        info: Mapping[str, Any] | None = None,
    ) -> Network:
        """Make a network from anybody's weights.

        Parameters
        ----------
        weights : sequence of ndarray of bool, shape (n_out, n_in)
            One array a layer; True is +1.
        thresholds : sequence of ndarray of int, shape (n_out,), the last one None
            A hidden neuron fires iff its popcount >= threshold; range [0, n_in + 1].
        offsets, scales : ndarray of int, shape (n_out of the last layer,), optional
            score = scale * popcount + offset. Default 0 and 1.

        Raises
        ------
        InputError
            If anything does not fit.
        """
        if len(weights) != len(thresholds):
            raise InputError(f"network: thresholds must be {len(weights)} arrays, one a layer, not {len(thresholds)}")
        if not len(weights) or thresholds[-1] is not None:
            raise InputError("network: the last of thresholds must be None: the output layer gives scores")
        layers: list[DenseLayer | ScoreLayer] = []
        for i, (w, t) in enumerate(zip(weights, thresholds, strict=True)):
            try:
                if t is None and i < len(weights) - 1:
                    raise InputError("thresholds must be given for every layer but the last")
                layers.append(ScoreLayer(w, scales, offsets) if t is None else DenseLayer(w, t))
            except InputError as e:
                raise InputError(f"layer {i}: {e}") from None
        return cls(name, tuple(layers), input_threshold, info or {})

    def save(self, path: str | Path) -> None:
        """Write the network to an ``.npz`` file, whole or not at all; equal networks give equal bytes."""
        optional = self.data_header()
        arrays: dict[str, NDArray] = {}
        if isinstance(self.input_threshold, int):
            threshold = {"input_threshold": self.input_threshold}
        else:
            threshold, arrays = {}, {"input_thresholds": self.input_threshold.astype("<i2")}
        header = {
            "format": FORMAT,
            "version": max(2 if optional or arrays else 1, *(y.fields.version for y in self.layers)),
            "name": self.name,
            "layers": [{"kind": y.kind, **y.sizes} for y in self.layers],
            "info": dict(self.info),
        } | threshold | optional  # fmt: skip
        text = np.frombuffer(json.dumps(header, sort_keys=True).encode(), np.uint8)
        arrays = {"header": text, **arrays}
        for i, layer in enumerate(self.layers):
            arrays |= {f"layer{i}.{k}": v for k, v in layer.fields.stored(layer).items()}
        write_npz(path, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """Read a network; nothing in the file is trusted.

        Raises
        ------
        InputError
            Naming the file, the field and the rule that it breaks.
        """
        with NpzReader(path) as source, naming(path):
            header = _read_header(source)
            layers = _read_layers(source, header["layers"])
            threshold = header.get("input_threshold")
            if threshold is None:
                threshold = source.array("input_thresholds", "<i2", (layers[0].n_in,)) if layers else 128
            about = read_data_header(header, layers[-1].n_out) if layers else {}
            return cls(header["name"], layers, threshold, header["info"], **about)


def _input_threshold(value: Any, n_in: int) -> int | NDArray[np.int64]:
    """Return the threshold of a network with `n_in` inputs as an int, or as an array if they differ."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or isinstance(value, bool):
        what = "an integer" if array.ndim == 0 else "integers"
        raise InputError(f"network: input_threshold must be {what}, not {value!r}")
    if array.shape not in ((), (n_in,)):
        raise InputError(f"network: input_threshold must be one, or {n_in}, one an input, not of shape {array.shape}")
    outside = array[(array < 0) | (array > 256)]
    if outside.size:
        raise InputError(f"network: input_threshold must be in [0, 256], not {outside[0]}")
    first = int(array.flat[0])
    return first if (array == first).all() else array.astype(np.int64)


def _read_header(source: NpzReader) -> dict[str, Any]:
    header = source.json_header(FORMAT, *FORMAT_VERSIONS)
    fields: dict[str, type] = {"name": str, "layers": list, "info": dict}
    if header["version"] == 1 or "input_threshold" in header:
        fields["input_threshold"] = int
    check_fields(header, _FIELDS)
    for name, kind in fields.items():
        if not isinstance(header.get(name), kind):
            raise InputError(f"{source.path}: header.{name} must be of type {kind.__name__}, not {header.get(name)!r}")
    return header


def _read_layers(source: NpzReader, entries: list[Any]) -> tuple[DenseLayer | ScoreLayer, ...]:
    types = {kind: layer.fields for kind, layer in LAYER_TYPES.items()}
    sizes = [read_entry(entry, types, f"header.layers[{i}]") for i, entry in enumerate(entries)]
    check_synapses(sum(types[e["kind"]].synapses(s) for e, s in zip(entries, sizes, strict=True)))
    layers = []
    for i, (entry, size) in enumerate(zip(entries, sizes, strict=True)):
        layer = LAYER_TYPES[entry["kind"]]
        arrays = layer.fields.read(source, f"layer{i}", size)
        try:
            layers.append(layer.from_fields(size, arrays))
        except InputError as e:
            raise InputError(f"layer {i}: {e}") from None
    return tuple(layers)
