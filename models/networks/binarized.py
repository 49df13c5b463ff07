"""Binarized networks and their file."""

from __future__ import annotations

import hashlib
import json
import math
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
from oxnor.models.networks.layers.hidden import HiddenLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.table import LAYER_TYPES
from oxnor.models.networks.layers.weight_code import WEIGHT_MAX, WeightCode

from .base import Chain, check_fields, check_synapses, read_data_header, read_entry
from .input_rule import InputRule

FORMAT = "oxnor-network"
#: Versions that are read. A file is written in the lowest that holds the network: see docs/network-file.md.
FORMAT_VERSIONS = (1, 2, 3, 4, 5, 6, 7, 8)
#: Fields of the header; in version 2 any other is refused.
_FIELDS = ("format", "version", "name", "layers", "info", "input_threshold", "input_rule", "data_set", "classes")


@dataclass(frozen=True, eq=False, repr=False)
class Network(Chain):
    """A binarized network: hidden layers that give bits, then one layer that gives scores.

    Parameters
    ----------
    name : str
        Short name, of letters, digits, ``-``, ``_`` and ``.``.
    layers : tuple of DenseLayer, ConvLayer, ScoreLayer and ConvScoreLayer
        In order; each takes what the one before gives. Only the last gives scores.
    input_rule : InputRule
        How images become bits. An int or an array of ints stands for thresholds: a pixel becomes 1 iff it is at least
        the threshold.
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
    layers: tuple[HiddenLayer | ScoreLayer, ...]
    input_rule: InputRule = InputRule.of(128)  # noqa: RUF009  # frozen
    info: Mapping[str, Any] = field(default_factory=dict)
    data_set: str = ""
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.check_name()
        self.check_layers()
        try:
            object.__setattr__(self, "input_rule", InputRule.of(self.input_rule))
        except InputError as e:
            raise InputError(f"network: {e}") from None
        self.input_rule.check(self.n_in)
        planes = self.input_rule.bits if self.input_rule.kind == "planes" else 1
        if planes != self.layers[0].planes:
            raise InputError(f"network: input_rule must give {self.layers[0].planes} bit planes, not {planes}")
        for i, layer in enumerate(self.layers):
            if layer.gives_scores != (i == len(self.layers) - 1):
                raise InputError(f"network: the last layer and no other must give scores, not layer {i} ({layer.kind})")
        self.check_info()
        self.check_data()

    @property
    def n_weights(self) -> int:  # noqa: D102
        return sum(layer.inputs * layer.n_out for layer in self.layers)

    @property
    def n_reads(self) -> int:
        """Number of reads of single synapses for an image."""
        return sum(layer.vectors * layer.n_in * layer.n_out for layer in self.layers)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of everything that the network computes with; name and info are left out."""
        h = hashlib.sha256()
        self.input_rule.update(h, FORMAT)
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
        input_rule: InputRule | int | NDArray[np.integer] = 128,
        info: Mapping[str, Any] | None = None,
    ) -> Network:
        """Make a network from anybody's weights.

        Parameters
        ----------
        weights : sequence of ndarray, shape (n_out, n_in)
            One array a layer: bool, where True is +1, or integers of at most 128: those that are all -1 and +1 take
            one synapse each, with a 0 among them two, others what :meth:`WeightCode.of` says.
        thresholds : sequence of ndarray of int, shape (n_out,), the last one None
            A hidden neuron fires iff its popcount >= threshold; range [0, full + 1]. The popcount is the sum of the
            products of weights and inputs, as -1 and +1, plus full / 2: full is the sum of the largest weights. (Of
            weights that are all odd the sum counts half.)
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
        layers: list[HiddenLayer | ScoreLayer] = []
        for i, (w, t) in enumerate(zip(weights, thresholds, strict=True)):
            try:
                w, code = _as_synapses(w)
                more = {"weight_bits": code.bits, "weight_max": code.largest}
                if t is None and i < len(weights) - 1:
                    raise InputError("thresholds must be given for every layer but the last")
                if t is None:
                    layers.append(ScoreLayer(w, scales, offsets, **more))
                else:
                    layers.append(DenseLayer(w, t, **more))
            except InputError as e:
                raise InputError(f"layer {i}: {e}") from None
        return cls(name, tuple(layers), InputRule.of(input_rule), info or {})

    def save(self, path: str | Path) -> None:
        """Write the network to an ``.npz`` file, whole or not at all; equal networks give equal bytes."""
        optional = self.data_header()
        rule, arrays = self.input_rule.to_file()
        lowest = 2 if optional or "input_threshold" not in rule else 1
        header = {
            "format": FORMAT,
            "version": max(lowest, *(y.fields.version_for(y.sizes) for y in self.layers)),
            "name": self.name,
            "layers": [{"kind": y.kind, **y.sizes} for y in self.layers],
            "info": dict(self.info),
        } | rule | optional  # fmt: skip
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
        if not Path(path).suffix and not Path(path).exists():
            raise InputError(f"{path}: no such file; `oxnor.load` reads shipped networks by their names")
        with NpzReader(path) as source, naming(path):
            header = _read_header(source)
            layers = _read_layers(source, header)
            if not layers:
                raise InputError("network: layers must be at least one, not none")
            inputs = math.prod(layers[0].shape_in) * layers[0].planes
            rule = InputRule.from_file(header, source, inputs)
            about = read_data_header(header, layers[-1].n_out)
            return cls(header["name"], layers, rule, header["info"], **about)


def _as_synapses(weights: Any) -> tuple[NDArray, WeightCode]:
    """Return weights that are integers as bool, and what their synapses stand for; others as they are."""
    array = np.asarray(weights)
    if array.dtype.kind not in "iuf" or array.ndim != 2:
        return array, WeightCode(1)
    values = np.rint(array)
    if (values != array).any() or not np.abs(values).max(initial=0) <= WEIGHT_MAX // 2:
        raise InputError(f"weights must be bool (True is +1), or integers from {-WEIGHT_MAX // 2} to {WEIGHT_MAX // 2}")
    values = values.astype(np.int64)
    if not (values % 2).all():  # half of what two synapses are
        values = 2 * values
    code = WeightCode.of(max(1, int(np.abs(values).max(initial=0))))
    return code.encode(values).reshape(len(values), -1), code


def _read_header(source: NpzReader) -> dict[str, Any]:
    header = source.json_header(FORMAT, *FORMAT_VERSIONS)
    fields: dict[str, type] = {"name": str, "layers": list, "info": dict}
    check_fields(header, _FIELDS)
    for name, kind in fields.items():
        if not isinstance(header.get(name), kind):
            raise InputError(f"{source.path}: header.{name} must be of type {kind.__name__}, not {header.get(name)!r}")
    return header


def _read_layers(source: NpzReader, header: dict[str, Any]) -> tuple[HiddenLayer | ScoreLayer, ...]:
    types, entries = {kind: layer.fields for kind, layer in LAYER_TYPES.items()}, header["layers"]
    sizes = [read_entry(header, i, types) for i in range(len(entries))]
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
