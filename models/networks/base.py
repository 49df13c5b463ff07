"""The base of all network types: a name, a chain of layers, and information about the network."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, TypeGuard

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.layers.fields import LayerFields

#: Longest name of a class or a data set in a file.
NAME_MAX = 200
#: Most synapses of a network in a file: packed bits become one byte each.
SYNAPSES_MAX = 1 << 28


def check_name(name: str) -> None:
    """Raise InputError unless a network can have this name."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise InputError(f"network: name must be letters, digits, '-', '_' and '.', not {name!r}")


class Chain:
    """Layers of which each has as many inputs as the one before has neurons; a base of frozen dataclasses.

    Members
    -------
    name : str
        Short name, of letters, digits, ``-``, ``_`` and ``.``.
    layers : tuple
        Each with ``n_in``, ``n_out``, ``shape_in``, ``shape_out``, ``planes``, ``planes_out``, ``label`` and
        ``with_weights``.
    info : mapping
        Anything that JSON can hold.
    data_set : str
        The set that the network was made for: a known name, or what the user called it; "" if nobody said.
    classes : tuple of str
        Names of the classes, n_out of them, or none.
    """

    name: str
    layers: Sequence[Any]
    info: Mapping[str, Any]
    data_set: str
    classes: tuple[str, ...]

    def check_name(self) -> None:
        """Raise InputError unless the name is one."""
        check_name(self.name)

    def check_layers(self) -> None:
        """Make the layers a tuple, and raise InputError unless there are some and they fit each other."""
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise InputError("network: layers must be at least one, not none")
        for i, (before, layer) in enumerate(zip(self.layers, self.layers[1:], strict=False), 1):
            sizes = math.prod(before.shape_out), math.prod(layer.shape_in)
            if sizes[0] != sizes[1]:
                raise InputError(
                    f"network: layer {i} must have {sizes[0]} inputs, as layer {i - 1} has neurons, not {sizes[1]}"
                )
            maps = before.shape_out, layer.shape_in
            if len(maps[0]) == len(maps[1]) and maps[0] != maps[1]:
                raise InputError(
                    f"network: layer {i} must take a feature map of {_times(maps[0])}, as layer {i - 1} gives one,"
                    f" not of {_times(maps[1])}"
                )
            if layer.planes != before.planes_out:
                raise InputError(
                    f"network: layer {i} must take {before.planes_out} bit planes, as layer {i - 1} gives them,"
                    f" not {layer.planes}"
                )

    def check_info(self) -> None:
        """Raise InputError unless JSON can hold the info."""
        try:
            json.dumps(dict(self.info), allow_nan=False)
        except (TypeError, ValueError) as e:
            raise InputError(f"network: info must be what JSON can hold ({e})") from None

    def check_data(self) -> None:
        """Make the class names a tuple, and raise InputError unless they and the name of the data set can be shown."""
        object.__setattr__(self, "classes", tuple(self.classes))
        for what, name in (("data_set", self.data_set or "-"), *(("classes", c) for c in self.classes)):
            if not _is_name(name):
                raise InputError(f"network: {what} must be text of 1 to {NAME_MAX} characters, not {name!r:.80}")
        if self.classes and len(self.classes) != self.n_out:
            raise InputError(f"network: classes must be {self.n_out} names, one an output, not {len(self.classes)}")

    def data_header(self) -> dict[str, Any]:
        """Return the optional fields of a file's header, those that say something; they need version 2."""
        header: dict[str, Any] = {"data_set": self.data_set} if self.data_set else {}
        return header | ({"classes": list(self.classes)} if self.classes else {})

    def __repr__(self) -> str:
        accuracy = self.info.get("accuracy")
        known = f", accuracy {100 * accuracy:.2f} %" if isinstance(accuracy, float) else ""
        return f"{type(self).__name__}({self.name!r}, {self.label}, {self.n_weights:,} weights{known})"

    @property
    def label(self) -> str:
        """The network in a line: ``784-64-10``, or ``32x32x3-C64-C64-P-512-10``."""
        return "-".join([_times(self.layers[0].shape_in), *(layer.label for layer in self.layers)])

    @property
    def n_in(self) -> int:
        """Number of input bits."""
        return math.prod(self.layers[0].shape_in) * self.layers[0].planes

    @property
    def n_out(self) -> int:
        """Number of classes."""
        return self.layers[-1].n_out

    @property
    def shape(self) -> tuple[int, ...]:
        """Inputs, and neurons (channels of a convolution) of each layer, for example (784, 64, 10)."""
        return (self.n_in, *(layer.n_out for layer in self.layers))

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return sum(layer.n_in * layer.n_out for layer in self.layers)

    @property
    def n_weights(self) -> int:
        """Number of weights: of synapses, unless several are a weight."""
        return self.n_synapses

    def with_weights(self, weights: Mapping[int, NDArray[np.bool_]]) -> Self:
        """Return the network with the stored bits of the layers named by index replaced."""
        layers = [layer.with_weights(weights[i]) if i in weights else layer for i, layer in enumerate(self.layers)]
        return replace(self, layers=tuple(layers))  # type: ignore[type-var]


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _is_name(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 1 <= len(value) <= NAME_MAX and value.isprintable()


def read_data_header(header: Mapping[str, Any], n_out: int) -> dict[str, Any]:
    """Undo :meth:`Chain.data_header`; older files have the names in the card, where they could be anything."""
    if header["version"] > 1:
        for field, kind in {"data_set": str, "classes": list}.items():
            if field in header and not isinstance(header[field], kind):
                raise InputError(f"header.{field} must be of type {kind.__name__}, not {header[field]!r:.80}")
    name, classes = (header["info"].get(field) for field in ("data_set", "classes"))
    fits = isinstance(classes, list) and len(classes) == n_out and all(_is_name(c) for c in classes)
    card = {"data_set": name if _is_name(name) else "", "classes": classes if fits else ()}
    return {field: header.get(field, value) if header["version"] > 1 else value for field, value in card.items()}


def check_fields(header: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise InputError if a header of version 2 has a field that nobody here knows: it could mean anything."""
    if header["version"] > 1 and (strange := sorted(set(header) - set(known))):
        raise InputError(f"header.{strange[0]:.80} is not known here: the file is from a later release")


def read_entry(
    header: Mapping[str, Any], i: int, types: Mapping[str, LayerFields], more: Collection[str] = ()
) -> dict[str, int]:
    """Return the sizes of layer `i` in a header that is not trusted.

    Parameters
    ----------
    header : mapping
    i : int
    types : mapping of str to LayerFields
        By kind.
    more : collection of str
        What an entry has besides its kind and its sizes.
    """
    entry, where = header["layers"][i], f"header.layers[{i}]"
    kind = entry.get("kind") if isinstance(entry, dict) else entry
    if not isinstance(kind, str) or kind not in types:
        raise InputError(f"{where}.kind must be one of {', '.join(types)}, not {kind!r:.80}")
    strange = sorted(set(entry) - {"kind", *types[kind].names, *more})
    if strange and header["version"] > 1:
        raise InputError(f"{where}.{strange[0]:.80} is not known here: the file is from a later release")
    return types[kind].read_sizes(entry, where)


def check_synapses(synapses: int) -> None:
    """Raise InputError if the layers of a header that is not trusted are too large: before any is unpacked."""
    if synapses > SYNAPSES_MAX:
        raise InputError(f"header.layers must have at most {SYNAPSES_MAX} synapses, not {synapses}")
