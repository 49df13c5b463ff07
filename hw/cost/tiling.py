"""Layers larger than a chip's macros: passes over weights that are written again for each of them, counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from oxnor.hw.params.widths import bits_for
from oxnor.models.base.errors import InputError

#: Most inputs or neurons of a layer, and most macros.
SIZE_MAX, MACROS_MAX = 1 << 20, 1 << 24
#: Devices of a pair.
DEVICES = 2


@dataclass(frozen=True)
class LayerShape:
    """A layer of binary synapses.

    Parameters
    ----------
    n_in, n_out : int
        Synapses of a neuron, and neurons.
    vectors : int
        Vectors of bits that an image is to it: bit planes, windows of a convolution.
    counted : int
        The largest popcount of a vector, where a weight has several synapses that count as digits. 0: `n_in`.
    """

    n_in: int
    n_out: int
    vectors: int = 1
    counted: int = 0

    def __post_init__(self) -> None:
        for name in ("n_in", "n_out", "vectors"):
            if not 1 <= getattr(self, name) <= SIZE_MAX:
                raise InputError(f"must be in [1, {SIZE_MAX}], not {getattr(self, name)}", parameter=name)


@dataclass(frozen=True)
class LayerPasses:
    """A layer on a rectangle of macros, `down` for its neurons and `across` for its inputs, pass by pass.

    In each pass all macros of the rectangle are written, as many rows of each as the neurons of the pass take, and then
    every image is read against them. Popcounts of passes over the same neurons are added outside of the macros.

    Parameters
    ----------
    layer : LayerShape
    rows, cols : int
        Of a macro: neurons, and inputs.
    down, across : int
        Macros.
    """

    layer: LayerShape
    rows: int
    cols: int
    down: int
    across: int

    @property
    def passes_down(self) -> int:
        """Passes over other neurons."""
        return -(-self.layer.n_out // (self.down * self.rows))

    @property
    def passes_across(self) -> int:
        """Passes over other inputs of the same neurons, whose popcounts are added."""
        return -(-self.layer.n_in // (self.across * self.cols))

    @property
    def passes(self) -> int:
        """Times that the macros are written for a batch of images."""
        return self.passes_down * self.passes_across

    @property
    def neurons(self) -> int:
        """Neurons of a pass; the last may have some fewer."""
        return -(-self.layer.n_out // self.passes_down)

    @property
    def rows_used(self) -> int:
        """Rows of each macro in a pass: those of a neuron or, in some macros, of none."""
        return -(-self.neurons // self.down)

    @property
    def in_place(self) -> LayerPasses:
        """The layer on as many macros as hold all weights."""
        return replace(self, down=-(-self.layer.n_out // self.rows), across=-(-self.layer.n_in // self.cols))

    @property
    def macros(self) -> int:
        """Macros that work in a pass."""
        return self.down * self.across

    @property
    def needed(self) -> int:
        """Macros that hold all weights at once."""
        return self.in_place.macros

    @property
    def weights(self) -> int:
        """Bits of weights, all of which come to the chip for a batch if they are rewritten."""
        return self.layer.n_in * self.layer.n_out

    @property
    def row_reads(self) -> int:
        """Rows that all macros sense for an image."""
        return self.passes * self.macros * self.rows_used * self.layer.vectors

    @property
    def operations(self) -> int:
        """SET and RESET of single devices for a batch: one of each device of each row in use, in each pass."""
        return self.passes * self.macros * self.rows_used * self.cols * DEVICES

    @property
    def partial_bits(self) -> int:
        """Bits of the popcounts that are kept between passes, for an image."""
        if self.passes_across == 1:
            return 0
        return self.neurons * bits_for(self.layer.counted or self.layer.n_in) * self.layer.vectors


def plan(layer: LayerShape, rows: int, cols: int, available: int) -> LayerPasses:
    """Return the rectangle of at most `available` macros with the fewest passes, and of those the fewest macros.

    Raises
    ------
    InputError
        If a size is out of its range.
    """
    limits = (("rows", rows, SIZE_MAX), ("cols", cols, SIZE_MAX), ("available_macros", available, MACROS_MAX))
    for name, value, most in limits:
        if not 1 <= value <= most:
            raise InputError(f"must be in [1, {most}], not {value}", parameter=name)
    high, wide = -(-layer.n_out // rows), -(-layer.n_in // cols)
    best = None
    for down in range(1, min(high, available) + 1):
        passes_across = -(-wide // min(wide, available // down))
        across = -(-wide // passes_across)  # no more than these passes need
        found = LayerPasses(layer, rows, cols, -(-high // -(-high // down)), across)
        key = found.passes, found.macros, found.passes_across
        if best is None or key < best[0]:
            best = key, found
    assert best is not None
    return best[1]


@dataclass(frozen=True)
class NetworkPasses:
    """Layers one after the other on the same macros.

    Parameters
    ----------
    layers : tuple of LayerPasses
    available : int
        Macros of the chip.
    """

    layers: tuple[LayerPasses, ...]
    available: int

    @property
    def needed(self) -> int:
        """Macros that hold all weights at once."""
        return sum(y.needed for y in self.layers)

    @property
    def is_resident(self) -> bool:
        """Whether they do: then weights are written once, and none moves."""
        return self.needed <= self.available

    @property
    def writes(self) -> int:
        """How often a device is written for a batch, at most."""
        return 0 if self.is_resident else sum(y.passes for y in self.layers)

    @property
    def operations(self) -> int:
        """SET and RESET of single devices for a batch."""
        return 0 if self.is_resident else sum(y.operations for y in self.layers)

    @property
    def moved(self) -> int:
        """Bits of weights that come to the chip for a batch."""
        return 0 if self.is_resident else sum(y.weights for y in self.layers)

    @property
    def row_reads(self) -> int:
        """Rows that are sensed for an image."""
        return sum(y.row_reads for y in self.layers)

    @property
    def in_place(self) -> NetworkPasses:
        """The layers on as many macros as hold all weights."""
        return NetworkPasses(tuple(y.in_place for y in self.layers), self.needed)

    def images_of(self, endurance: float, batch: int) -> float | None:
        """Return how many images devices last that can be written so often; None if they are not: a batch of 0."""
        return endurance * batch / self.writes if self.writes and batch else None


def network_passes(layers: Sequence[LayerShape], rows: int, cols: int, available: int) -> NetworkPasses:
    """Return the layers of a network in passes; arguments as of :func:`plan`."""
    return NetworkPasses(tuple(plan(y, rows, cols, available) for y in layers), available)
