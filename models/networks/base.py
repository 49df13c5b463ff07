"""The base of all network types: a name, a chain of layers, and information about the network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, TypeGuard

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.layers.base import SIZE_MAX

#: Most synapses of a network in a file: packed bits become one byte each.
SYNAPSES_MAX = 1 << 28


class Chain:
    """Layers of which each has as many inputs as the one before has neurons; a base of frozen dataclasses.

    Members
    -------
    name : str
        Short name, of letters, digits, ``-``, ``_`` and ``.``.
    layers : tuple
        Each with ``n_in``, ``n_out`` and ``with_weights``.
    info : mapping
        Anything that JSON can hold.
    """

    name: str
    layers: Sequence[Any]
    info: Mapping[str, Any]

    def check_name(self) -> None:
        """Raise InputError unless the name is one."""
        if not self.name or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in self.name):
            raise InputError(f"network: name must be letters, digits, '-', '_' and '.', not {self.name!r}")

    def check_layers(self) -> None:
        """Make the layers a tuple, and raise InputError unless there are some and they fit each other."""
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise InputError("network: layers must be at least one, not none")
        for i, (before, layer) in enumerate(zip(self.layers, self.layers[1:], strict=False), 1):
            if layer.n_in != before.n_out:
                raise InputError(
                    f"network: layer {i} must have {before.n_out} inputs, as layer {i - 1} has neurons,"
                    f" not {layer.n_in}"
                )

    def check_info(self) -> None:
        """Raise InputError unless JSON can hold the info."""
        try:
            json.dumps(dict(self.info), allow_nan=False)
        except (TypeError, ValueError) as e:
            raise InputError(f"network: info must be what JSON can hold ({e})") from None

    def __repr__(self) -> str:
        accuracy = self.info.get("accuracy")
        known = f", accuracy {100 * accuracy:.2f} %" if isinstance(accuracy, float) else ""
        sizes = "-".join(str(n) for n in self.shape)
        return f"{type(self).__name__}({self.name!r}, {sizes}, {self.n_weights:,} weights{known})"

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self.layers[0].n_in

    @property
    def n_out(self) -> int:
        """Number of classes."""
        return self.layers[-1].n_out

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes from the input to the output, for example (784, 64, 10)."""
        return (self.n_in, *(layer.n_out for layer in self.layers))

    @property
    def n_weights(self) -> int:
        """Number of synapses."""
        return sum(layer.n_in * layer.n_out for layer in self.layers)

    def with_weights(self, weights: Mapping[int, NDArray[np.bool_]]) -> Self:
        """Return the network with the stored bits of the layers named by index replaced."""
        layers = [layer.with_weights(weights[i]) if i in weights else layer for i, layer in enumerate(self.layers)]
        return replace(self, layers=tuple(layers))  # type: ignore[type-var]


def _is_size(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= SIZE_MAX


def check_synapses(layers: Sequence[Any]) -> None:
    """Raise InputError if the layers of a header that is not trusted are too large: before any is unpacked."""
    sizes = [(y.get("n_out"), y.get("n_in")) for y in layers if isinstance(y, dict)]
    synapses = sum(a * b for a, b in sizes if _is_size(a) and _is_size(b))
    if synapses > SYNAPSES_MAX:
        raise InputError(f"header.layers must have at most {SYNAPSES_MAX} synapses, not {synapses}")


def read_sizes(entry: Mapping[str, Any], where: str) -> tuple[int, int]:
    """Return (n_out, n_in) of a layer in a header that is not trusted; `where` names it in errors."""
    for name in ("n_out", "n_in"):
        size = entry.get(name)
        if not _is_size(size):
            raise InputError(f"{where}.{name} must be an integer in [1, {SIZE_MAX}], not {size!r}")
    return entry["n_out"], entry["n_in"]
