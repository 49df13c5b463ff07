"""Spiking networks: layers of integrate-and-fire neurons with signed weights in RRAM cells, and their file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_bytes
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import NpzReader, naming, type_name, write_npz
from oxnor.models.networks.layers.fields import BITS, SIZE_MAX, ArrayField, LayerFields

from .base import Chain, check_fields, check_synapses, read_data_header, read_entry
from .encoders import Encoder
from .neuron import OPTIONAL, Decision, Neuron

FORMAT = "oxnor-spiking-network"
#: Versions that are read; a file is written in the lowest that holds the network: see docs/network-file.md.
FORMAT_VERSIONS = (1, 2, 3)
#: Fields of the header; from version 2 on any other is refused.
_FIELDS = (
    "format", "version", "name", "layers", "info", "decision", "encoder", "view", "data_set", "classes",
)  # fmt: skip
#: Fields of the header that came with version 3.
_FIELDS_3 = ("clock",)


@dataclass(frozen=True, eq=False)
class SpikingLayer:
    """A layer of integrate-and-fire neurons on an array of single-level cells.

    Parameters
    ----------
    cells : ndarray of bool, shape (n_in, n_out * 2 * weight_max)
        The array as it lies: an input event selects a row; neuron n has columns n * 2 * weight_max and on, first its
        positive, then its negative bank. A weight is the number of cells that are on in the positive bank less that
        in the negative one.
    neuron : Neuron
    clock : bool
        Whether the last row is the clock's, of which an event comes at the start of each tick: its weights are biases.

    Raises
    ------
    InputError
        If the shape or dtype is wrong.
    """

    kind: ClassVar[str] = "spiking"
    #: Events are bits.
    planes: ClassVar[int] = 1
    planes_out: ClassVar[int] = 1
    #: What a network file keeps of the layer; the header has its neuron too.
    fields: ClassVar[LayerFields] = LayerFields({
        "cells": ArrayField(BITS, lambda s: (s["n_in"], s["n_out"] * s["cells"])),
    })  # fmt: skip

    cells: NDArray[np.bool_]
    neuron: Neuron = field(default_factory=Neuron)
    clock: bool = False

    def __post_init__(self) -> None:
        cells = np.asarray(self.cells)
        if cells.dtype != bool:
            raise InputError(f"spiking layer: cells must be bool (True is on), not {type_name(cells.dtype)}")
        width = self.neuron.cells
        rows, columns = cells.shape if cells.ndim == 2 else (0, 0)
        if not 1 + self.clock <= rows < SIZE_MAX or not columns or columns % width:
            raise InputError(
                f"spiking layer: cells must have shape (n_in, n_out * {width}), n_in below {SIZE_MAX},"
                f" not {cells.shape}"
            )
        if cells.shape[1] // width > SIZE_MAX:
            raise InputError(f"spiking layer: n_out must be in [1, {SIZE_MAX}], not {cells.shape[1] // width}")
        cells = cells.copy()
        cells.setflags(write=False)
        object.__setattr__(self, "cells", cells)

    def __repr__(self) -> str:
        return f"SpikingLayer({self.n_in} -> {self.n_out}, weights up to {self.neuron.weight_max})"

    @property
    def weights(self) -> NDArray[np.bool_]:
        """What the macros store and faults act on: the cells."""
        return self.cells

    @property
    def n_in(self) -> int:
        """Number of inputs, without the clock."""
        return len(self.cells) - self.clock

    @property
    def n_out(self) -> int:
        """Number of neurons."""
        return int(self.cells.shape[1]) // self.neuron.cells

    @property
    def shape_in(self) -> tuple[int]:
        """Shape of the inputs."""
        return (self.n_in,)

    @property
    def shape_out(self) -> tuple[int]:
        """Shape of what it gives."""
        return (self.n_out,)

    @property
    def label(self) -> str:
        """The layer in a short description of its network."""
        return str(self.n_out)

    @cached_property
    def matrix(self) -> NDArray[np.int8]:
        """The signed weights, shape (n_in, n_out) and with a clock a row more, as the cells read."""
        banks = self.cells.reshape(len(self.cells), self.n_out, 2, self.neuron.weight_max).sum(axis=3, dtype=np.int8)
        return np.ascontiguousarray(banks[:, :, 0] - banks[:, :, 1])

    def with_weights(self, weights: NDArray[np.bool_]) -> SpikingLayer:
        """Return the same layer with other cells of the same shape."""
        return replace(self, cells=weights)

    def to_arrays(self) -> dict[str, NDArray]:
        """Return what is stored beside the cells: nothing but numbers in the header."""
        return {}

    @classmethod
    def from_weights(cls, weights: Any, neuron: Neuron | None = None, *, clock: bool = False) -> SpikingLayer:
        """Return a layer with thermometer-coded weights.

        Parameters
        ----------
        weights : ndarray of int, shape (n_out, n_in)
            Each in [-weight_max, weight_max].
        neuron : Neuron, optional
        clock : bool
            Whether the last column has the biases.
        """
        neuron, array = neuron or Neuron(), np.asarray(weights)
        top = neuron.weight_max
        if array.dtype.kind not in "iu" or array.ndim != 2:
            raise InputError(
                f"spiking layer: weights must be integers of shape (n_out, n_in), not {type_name(array.dtype)}"
                f" {array.shape}"
            )
        wrong = array[(array < -top) | (array > top)]
        if wrong.size:
            raise InputError(f"spiking layer: weights must be in [{-top}, {top}], not {int(wrong[0])}")
        level = np.arange(top)
        signed = array.T.astype(np.int64)[:, :, None]
        cells = np.stack([signed > level, -signed > level], axis=2)
        return cls(cells.reshape(len(signed), -1), neuron, clock)


#: How an image of 28 x 28 becomes the inputs: by name, (pixels cut off at each side, side of the averaged squares).
VIEWS: Mapping[str, tuple[int, int]] = {"whole": (0, 1), "crop24-mean2": (2, 2)}
_SIDE = 28


@dataclass(frozen=True, eq=False, repr=False)
class SpikingNetwork(Chain):
    """Spiking layers in a chain, an encoder before them, and a decision after them.

    Parameters
    ----------
    name : str
        Short name, of letters, digits, ``-``, ``_`` and ``.``.
    layers : tuple of SpikingLayer
    decision : Decision
    encoder : Encoder
    view : str
        A key of :data:`VIEWS`: how a 28 x 28 image becomes the inputs.
    info : mapping
        Anything that JSON can hold.
    data_set, classes
        As those of :class:`oxnor.models.networks.binarized.Network`.

    Raises
    ------
    InputError
        If the layers do not fit each other or a field is out of its range.
    """

    kind: ClassVar[str] = "spiking"

    name: str
    layers: tuple[SpikingLayer, ...]
    decision: Decision = field(default_factory=Decision)
    encoder: Encoder = field(default_factory=Encoder)
    view: str = "whole"
    info: Mapping[str, Any] = field(default_factory=dict)
    data_set: str = ""
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.check_name()
        self.check_layers()
        if self.n_out < 2:
            raise InputError(f"network: the last layer must have at least 2 neurons, not {self.n_out}")
        if len({layer.clock for layer in self.layers}) > 1:
            raise InputError("network: all layers must have a clock, or none")
        if self.clock and self.encoder.kind != "external":
            raise InputError("network: encoder must be external with a clock, whose events come from outside")
        if self.view not in VIEWS:
            raise InputError(f"network: view must be one of {', '.join(VIEWS)}, not {self.view!r}")
        self.check_info()
        self.check_data()

    @property
    def clock(self) -> bool:
        """Whether the layers have biases: rows of a clock, whose address is the number of inputs."""
        return self.layers[0].clock

    @property
    def n_cells(self) -> int:
        """Number of RRAM cells."""
        return sum(layer.cells.size for layer in self.layers)

    @property
    def pixels(self) -> int:
        """Pixels of an image before the view: 784 if the view makes the inputs of that many, else the inputs."""
        cut, square = VIEWS[self.view]
        return _SIDE * _SIDE if self.n_in == ((_SIDE - 2 * cut) // square) ** 2 else self.n_in

    def _settings(self) -> dict[str, Any]:
        return {
            "layers": [{"kind": y.kind, "n_in": len(y.cells), "n_out": y.n_out, "neuron": y.neuron.settings()}
                       for y in self.layers],
            "decision": asdict(self.decision),
            "encoder": asdict(self.encoder),
            "view": self.view,
        } | ({"clock": True} if self.clock else {})  # fmt: skip

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of everything that the network computes with; name and info are left out."""
        h = hashlib.sha256(f"{FORMAT} 1 {json.dumps(self._settings(), sort_keys=True)}".encode())
        for layer in self.layers:
            h.update(pack_bytes(layer.cells).tobytes())
        return h.hexdigest()

    def inputs(self, images: Any) -> NDArray[np.uint8]:
        """Return grey images as the network's inputs, shape (n, n_in).

        Parameters
        ----------
        images : ndarray of uint8, shape (n, 784), (n, 28, 28) or (n, n_in)
            28 x 28 images go through the view: cropped, then averaged in squares, halves rounded up.

        Raises
        ------
        InputError
            If the dtype or the size is another.
        """
        images = np.asarray(images)
        if images.dtype != np.uint8:
            raise InputError(f"images: dtype must be uint8 (grey), not {type_name(images.dtype)}")
        size = int(np.prod(images.shape[1:]))
        if images.ndim < 2 or size not in (self.n_in, _SIDE * _SIDE):
            raise InputError(
                f"images: shape must be (n, {self.n_in}) for network {self.name!r}, not {images.shape}"
            )
        if size == self.n_in:
            return np.ascontiguousarray(images.reshape(len(images), size))
        viewed = through_view(images, self.view)
        if viewed.shape[1] != self.n_in:
            raise InputError(f"network: view must give {self.n_in} inputs, not the {viewed.shape[1]} of {self.view!r}")
        return viewed

    def save(self, path: str | Path) -> None:
        """Write the network to an ``.npz`` file, whole or not at all; equal networks give equal bytes."""
        optional = self.data_header()
        newest = self.clock or any(OPTIONAL.keys() & y.neuron.settings() for y in self.layers)
        version = 3 if newest else 2 if optional else 1
        header = {"format": FORMAT, "version": version, "name": self.name, "info": dict(self.info)}
        text = json.dumps(header | self._settings() | optional, sort_keys=True)
        arrays: dict[str, NDArray] = {"header": np.frombuffer(text.encode(), np.uint8)}
        for i, layer in enumerate(self.layers):
            arrays |= {f"layer{i}.{k}": v for k, v in layer.fields.stored(layer).items()}
        write_npz(path, arrays)

    @classmethod
    def load(cls, path: str | Path) -> SpikingNetwork:
        """Read a network; nothing in the file is trusted.

        Raises
        ------
        InputError
            Naming the file, the field and the rule that it breaks.
        """
        with NpzReader(path) as source, naming(path):
            header = source.json_header(FORMAT, *FORMAT_VERSIONS)
            newest = header["version"] > 2
            check_fields(header, _FIELDS + _FIELDS_3 if newest else _FIELDS)
            for name, kind in {"name": str, "layers": list, "info": dict, "view": str}.items():
                if not isinstance(header.get(name), kind):
                    raise InputError(f"header.{name} must be of type {kind.__name__}, not {header.get(name)!r}")
            clock = header.get("clock", False) if newest else False
            if not isinstance(clock, bool):
                raise InputError(f"header.clock must be true or false, not {clock!r:.80}")
            layers = _read_layers(source, header, clock, OPTIONAL if newest else ())
            decision = read_settings(Decision, header.get("decision"), "header.decision")
            encoder = read_settings(Encoder, header.get("encoder"), "header.encoder")
            about = read_data_header(header, layers[-1].n_out) if layers else {}
            return cls(header["name"], layers, decision, encoder, header["view"], header["info"], **about)


def through_view(images: NDArray[np.uint8], view: str) -> NDArray[np.uint8]:
    """Return 28 x 28 images, shape (n, 784) or (n, 28, 28), as :data:`VIEWS` says, shape (n, k)."""
    cut, square = VIEWS[view]
    grey = images.reshape(len(images), _SIDE, _SIDE)[:, cut : _SIDE - cut, cut : _SIDE - cut].astype(np.uint32)
    side = grey.shape[1] // square
    sums = grey.reshape(len(grey), side, square, side, square).sum(axis=(2, 4))
    area = square * square
    return ((sums + area // 2) // area).astype(np.uint8).reshape(len(grey), -1)


def read_settings(kind: Any, settings: Any, where: str, optional: Collection[str] = ()) -> Any:
    """Return a Neuron, Decision or Encoder from a mapping that is not trusted; `where` names it in errors.

    Of the fields that came later only the `optional` may be there.
    """
    names = {f.name for f in fields(kind) if f.name not in OPTIONAL}
    if not isinstance(settings, dict) or set(settings) - set(optional) != names:
        raise InputError(f"{where} must have exactly the fields {', '.join(sorted(names))}, not {settings!r}")
    return kind(**settings)


def _read_layers(
    source: NpzReader, header: Mapping[str, Any], clock: bool, optional: Collection[str]
) -> tuple[SpikingLayer, ...]:
    fields, entries = SpikingLayer.fields, header["layers"]
    sizes = [read_entry(header, i, {SpikingLayer.kind: fields}, ("neuron",)) for i in range(len(entries))]
    check_synapses(sum(s["n_in"] * s["n_out"] for s in sizes))
    layers = []
    for i, (entry, size) in enumerate(zip(entries, sizes, strict=True)):
        neuron = read_settings(Neuron, entry.get("neuron"), f"header.layers[{i}].neuron", optional)
        arrays = fields.read(source, f"layer{i}", size | {"cells": neuron.cells})
        layers.append(SpikingLayer(**arrays, neuron=neuron, clock=clock))
    return tuple(layers)
