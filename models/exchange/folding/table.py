"""Tables of a tensor's values: one row for each popcount, or input level."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.layers.weight_code import ONE_SYNAPSE, WeightCode
from oxnor.models.networks.layers.window import Pool, Window

from .graph import CELLS_MAX

#: Sums of a last layer of float weights that are followed to its outputs; odd, so that one is the middle.
SUMS = 257


@dataclass(frozen=True, eq=False)
class FloatSums:
    """Sums of a last layer of float weights, from the least that can be to the largest.

    Their steps are uneven: between even ones an operator that rounds could hide.

    Parameters
    ----------
    steps : ndarray of float64, shape (m, n)
        What a sum gains where an input goes up by one level.
    middle : ndarray of float64, shape (m,)
        The sums where all inputs are in the middle of their levels.
    top : int
        The highest level of an input.
    """

    steps: NDArray[np.float64]
    middle: NDArray[np.float64]
    top: int

    @property
    def reach(self) -> NDArray[np.float64]:
        """How far a sum can be from its middle, shape (m,)."""
        return np.abs(self.steps).sum(axis=1) * self.top / 2

    def at(self, order: NDArray[np.int64]) -> FloatSums:
        """Return the sums of neurons in another order."""
        return replace(self, steps=self.steps[order], middle=self.middle[order])

    def values(self) -> NDArray[np.float64]:
        """Return the sums, shape (SUMS, m)."""
        return self.middle + self.reach * np.sin(np.linspace(-1, 1, SUMS) * np.pi / 2)[:, None]


@dataclass
class Stage:
    """Where integers are made: the input, or the popcounts of a layer.

    Parameters
    ----------
    label : str
        The node, for messages.
    rows : int
        Number of levels: 256 or 2 for the input, the largest popcount + 1 for a layer.
    size : int
        Elements of the input, or neurons of a layer: its channels, if it is a convolution.
    weights : ndarray of bool, shape (size, n_in * code.bits), or None for the input
        As the source has them.
    code : WeightCode
        The synapses of a weight.
    scaling : str
        Description of what was divided out of the weights.
    ops : list of str
        Operators folded.
    consumer : str
        The layer that takes what comes out.
    planes : int
        Bit planes of its inputs.
    window : Window or None
        Of a convolution.
    pool : Pool or None
        Of a convolution with pooling.
    takes_least : ndarray of bool, shape (size,), or None
        Channels of which the pooling takes the smallest popcount, not the largest.
    floats : FloatSums or None
        Of a last layer whose weights are to be rounded; its `weights` are then their signs, and its rows sums.
    summed : bool
        What comes out are sums over all windows: of a last convolution.
    shortcut : int
        How often a neuron's own channel under the centre of the window counts beside its weights.
    """

    label: str
    rows: int
    size: int
    weights: NDArray[np.bool_] | None = None
    code: WeightCode = ONE_SYNAPSE
    scaling: str = ""
    ops: list[str] = field(default_factory=list)
    consumer: str = ""
    planes: int = 1
    window: Window | None = None
    pool: Pool | None = None
    takes_least: NDArray[np.bool_] | None = None
    floats: FloatSums | None = None
    summed: bool = False
    shortcut: int = 0

    @property
    def reads(self) -> dict[str, Any]:
        """How a layer of the network reads these weights: its parameters."""
        return {"planes": self.planes, "weight_bits": self.code.bits, "weight_max": self.code.largest}

    @property
    def map_size(self) -> tuple[int, int]:
        """Height and width of what comes out."""
        if self.window is None or self.summed:
            return 1, 1
        return self.pool.over(*self.window.out_size) if self.pool else self.window.out_size

    @property
    def elements(self) -> int:
        """Number of elements that come out."""
        return self.map_size[0] * self.map_size[1] * self.size


@dataclass
class Table:
    """A tensor as a function of one popcount (or level) an element.

    Parameters
    ----------
    value : ndarray
        One row for each popcount along `axis`, float32 as the source computes. The pixels of a feature map share their
        values: where it has a height and a width, these are 1.
    low, high : ndarray
        Bounds for any order in which a runtime may round; `value` itself where nothing is rounded.
    wide : ndarray or None
        The same in float64, for small tables.
    index : ndarray of int64
        Which element of its stage each element is, with one row; in the order (y, x, channel) for a feature map.
    axis : int
        The axis of the rows, where the source has its batch.
    stage : Stage
    name : str
        Of the tensor.
    quantiser : str
        The last quantiser with more than one bit, for messages.
    head : str
        The operator that gave the class, if one has.
    before : Table or None
        The table before operators that keep the order of all values.
    by_channel : bool
        `value` has one column a channel, shape (rows, channels), while the index has the shape of the tensor: a
        feature map that was flattened. `axis` is 0 then.
    padding : tuple
        What Pad nodes have added: none, or (elements before and after in each dimension, their value).
    unfolded : tuple
        What Im2Col made of a feature map, which the table still has: none, or (convolution, window).
    is_mean : bool
        The tensor has the means of channels over all pixels, and the table what each pixel adds to them.
    pool : Pool or None
        The pooling of its stage when the tensor was made.
    """

    value: NDArray
    low: NDArray
    high: NDArray
    wide: NDArray | None
    index: NDArray[np.int64]
    axis: int
    stage: Stage
    name: str = ""
    quantiser: str = ""
    head: str = ""
    before: Table | None = None
    by_channel: bool = False
    padding: tuple[Any, ...] = ()
    unfolded: tuple[Any, ...] = ()
    is_mean: bool = False
    pool: Pool | None = None

    @property
    def exact(self) -> bool:
        """Whether no step so far was rounded."""
        return self.low is self.value and self.high is self.value

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor, with one row an image."""
        return tuple(self.stage.rows if k == self.axis else n for k, n in enumerate(self.index.shape))

    @property
    def is_shared(self) -> bool:
        """Whether several pixels have one column of values."""
        return self.index.size * self.value.shape[self.axis] != self.value.size

    def columns(self, array: NDArray) -> NDArray:
        """Return one of the arrays as (rows, elements), or (rows, channels) where pixels share them."""
        return np.moveaxis(array, self.axis, 0).reshape(array.shape[self.axis], -1)

    @property
    def elements(self) -> NDArray[np.int64]:
        """Which element of the stage each element is, in the order of the tensor."""
        return np.moveaxis(self.index, self.axis, 0).reshape(-1)

    @property
    def column_of(self) -> NDArray[np.int64]:
        """Which column of :meth:`columns` each of :attr:`elements` has."""
        return self.elements % self.stage.size if self.is_shared else np.arange(self.index.size)

    def changed(self, **fields: Any) -> Table:
        """Return the table with other fields, and without those that hold for this tensor alone."""
        return replace(self, **({"name": ""} | fields))

    def check_pool(self) -> None:
        """Raise InputError if the stage pools what this tensor has not pooled."""
        if self.pool is not self.stage.pool:
            raise InputError(
                f"{self.stage.label} is taken both pooled and as it is: only chains of layers are supported"
            )

    def expanded(self) -> Table:
        """Return the table with a column of its own for each element.

        Raises
        ------
        InputError
            If it would be too large.
        """
        if not self.is_shared and not self.by_channel:
            return self
        if self.stage.rows * self.index.size > CELLS_MAX:
            raise InputError(
                f"values of {self.index.size:,} elements at {self.stage.rows:,} popcounts must be at most"
                f" {CELLS_MAX:,}: put the sign before the feature map is flattened"
            )
        columns = self.column_of

        shape = np.moveaxis(self.index, self.axis, 0).shape[1:]

        def change(array: NDArray) -> NDArray:
            return np.moveaxis(self.columns(array)[:, columns].reshape(-1, *shape), 0, self.axis)

        return self.mapped(change, by_channel=False)

    def mapped(self, change: Any, **fields: Any) -> Table:
        """Return the table with its arrays changed by the function `change`, and other fields."""
        value = change(self.value)
        low, high = (value, value) if self.exact else (change(self.low), change(self.high))
        wide = None if self.wide is None else change(self.wide)
        return self.changed(value=value, low=low, high=high, wide=wide, **fields)
