"""What a type of layer keeps in a network file: sizes in the header, and arrays beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.bits import pack_bytes
from oxnor.models.base.errors import InputError

#: Largest number of inputs or neurons of a layer.
SIZE_MAX = 1 << 16
#: The dtype of arrays of bool that lie packed: element i of a row is bit i % 8 of byte i // 8.
BITS = "bits"

#: Sizes of a layer by name.
Sizes = Mapping[str, int]
#: The sizes of a fully connected layer.
DENSE_SIZES = {"n_out": (1, SIZE_MAX), "n_in": (1, SIZE_MAX)}
#: Bit planes of an input: least, largest, default.
PLANES = {"planes": (1, 8, 1)}
#: Thresholds of a neuron.
LEVELS = {"levels": (1, 255, 1)}
#: Synapses of a weight, and the largest weight if they count as digits.
WEIGHT_BITS = {"weight_bits": (1, 9, 1), "weight_max": (0, 256, 0)}
#: Presentations of an input as random bits.
PRESENTATIONS = {"presentations": (0, 256, 0)}
#: What the value of a neuron's own channel counts beside its synapses.
SHORTCUT = {"shortcut": (0, 256, 0)}
#: Versions of the file in which a size came that is not in the first one with optional sizes.
_LATER = {"weight_bits": 3, "presentations": 4, "weight_max": 5, "shortcut": 6} | dict.fromkeys(
    ("pool_top", "pool_left", "pool_bottom", "pool_right"), 8
)


class ArraySource(Protocol):
    """Where a layer's arrays are read (see :class:`oxnor.models.base.files.NpzReader`)."""

    def array(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> NDArray: ...  # noqa: D102

    def bits(self, name: str, rows: int, width: int) -> NDArray[np.bool_]: ...  # noqa: D102


def per_synapse(sizes: Sizes) -> tuple[int, ...]:
    """Return the shape of an array with an element a synapse of a fully connected layer."""
    return sizes["n_out"], sizes["n_in"]


def per_neuron(sizes: Sizes) -> tuple[int, ...]:
    """Return the shape of an array with an element a neuron."""
    return (sizes["n_out"],)


def per_level(sizes: Sizes) -> tuple[int, ...]:
    """Return the shape of an array with an element a threshold."""
    levels = sizes.get("levels", 1)
    return (sizes["n_out"],) if levels == 1 else (sizes["n_out"], levels)


@dataclass(frozen=True)
class ArrayField:
    """One array.

    Parameters
    ----------
    dtype : str
        A dtype of numpy, such as ``"<i4"``, or :data:`BITS`, which has two dimensions.
    shape : callable
        (sizes) to the shape.
    """

    dtype: str
    shape: Callable[[Sizes], tuple[int, ...]]


@dataclass(frozen=True)
class LayerFields:
    """All that a type of layer keeps: each name is that of an attribute of the layer.

    Parameters
    ----------
    arrays : mapping of str to ArrayField
        In the order in which they are written.
    sizes : mapping of str to (int, int)
        Integers in the layer's entry of the header, with the least and the largest value of each. A shape of an array
        follows from them, so that nothing is unpacked before its size is known.
    optional : mapping of str to (int, int, int)
        More such integers, which version 2 of the file has or a later one: the least and the largest value, and the
        one that stands for a size that is not there.
    version : int
        The first version of the file that has the type.
    """

    arrays: Mapping[str, ArrayField]
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=lambda: DENSE_SIZES)
    optional: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    version: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all sizes."""
        return (*self.sizes, *self.optional)

    def without_defaults(self, sizes: Sizes) -> dict[str, int]:
        """Return `sizes` without those that are left out of a file."""
        return {k: v for k, v in sizes.items() if k not in self.optional or v != self.optional[k][2]}

    def version_for(self, sizes: Sizes) -> int:
        """Return the first version of the file that holds a layer of `sizes`, without those left out."""
        return max(self.version, *(_LATER.get(name, 2) for name in self.optional.keys() & sizes), 1)

    def read_sizes(self, entry: Mapping[str, Any], where: str) -> dict[str, int]:
        """Return the sizes in an entry that is not trusted; `where` names it in errors."""
        ranges = {name: (*bounds, None) for name, bounds in self.sizes.items()} | dict(self.optional)
        read = {}
        for name, (low, high, default) in ranges.items():
            size = entry.get(name, default)
            if isinstance(size, bool) or not isinstance(size, int) or not low <= size <= high:
                raise InputError(f"{where}.{name} must be an integer in [{low}, {high}], not {size!r}")
            read[name] = size
        return read

    def synapses(self, sizes: Sizes) -> int:
        """Return the number of bits that unpack to a byte each."""
        return sum(math.prod(a.shape(sizes)) for a in self.arrays.values() if a.dtype == BITS)

    def read(self, source: ArraySource, prefix: str, sizes: Sizes) -> dict[str, NDArray]:
        """Return the arrays of a layer whose names in the file begin with `prefix`."""
        arrays = {}
        for name, array in self.arrays.items():
            shape = array.shape(sizes)
            if array.dtype == BITS:
                arrays[name] = source.bits(f"{prefix}.{name}", *shape)
            else:
                arrays[name] = source.array(f"{prefix}.{name}", array.dtype, shape)
        return arrays

    def stored(self, layer: Any) -> dict[str, NDArray]:
        """Return the arrays of a layer as they lie in the file."""
        arrays = {}
        for name, array in self.arrays.items():
            value = getattr(layer, name)
            arrays[name] = pack_bytes(value) if array.dtype == BITS else value.astype(array.dtype)
        return arrays
