"""Which synapse lies where, by macro, row and column; which coefficient, by pass and neuron."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.layer_kinds import LAYER_KINDS
from oxnor.models.base.bits import word_bits
from oxnor.models.base.errors import InputError
from oxnor.models.faults.march import as_states
from oxnor.models.networks.binarized import Network


def arrange(values: NDArray, config: LayerConfig, fill: Any) -> NDArray:
    """Return values of synapses, shape (n_out, n_in), by macro: (groups, across, rows, cols), `fill` elsewhere.

    Values of pairs that hold several synapses are as many fewer, and so are the columns.
    """
    c = config
    cols = c.cols * values.shape[1] // c.n_in
    if c.is_serial:
        padded = np.full((c.across * c.cols, c.slices * c.groups), fill, values.dtype)
    else:
        padded = np.full((c.passes * c.groups, c.slices * c.across * cols), fill, values.dtype)
    padded[: c.n_out, : values.shape[1]] = values
    if c.is_serial:
        stored = padded.reshape(c.across, c.cols, c.slices, c.groups).transpose(3, 0, 2, 1)
    else:
        stored = padded.reshape(c.passes, c.groups, c.slices, c.across, cols).transpose(1, 3, 0, 2, 4)
    return np.ascontiguousarray(stored).reshape(c.groups, c.across, c.word_lines, cols)


def gather(stored: NDArray, config: LayerConfig) -> NDArray:
    """Undo :func:`arrange`: return the values of the synapses, shape (n_out, n_in)."""
    c = config
    if c.is_serial:
        values = stored.transpose(1, 3, 2, 0).reshape(c.across * c.cols, c.slices * c.groups)
    else:
        split = stored.reshape(c.groups, c.across, c.passes, c.slices, c.cols).transpose(2, 0, 3, 1, 4)
        values = split.reshape(c.passes * c.groups, c.slices * c.across * c.cols)
    return values[: c.n_out, : c.n_in]


def synapse_at(config: LayerConfig, macro: int, row: int, column: int) -> tuple[int, int] | None:
    """Return the neuron and the input of the synapse that a pair holds, None if it holds none."""
    c = config
    if row >= c.word_lines:
        return None
    group, across = divmod(macro, c.across)
    pass_, slice_ = divmod(row, c.slices)
    if c.is_serial:
        neuron, number = across * c.cols + column, slice_ * c.groups + group
    else:
        neuron, number = pass_ * c.groups + group, (slice_ * c.across + across) * c.cols + column
    return (neuron, number) if neuron < c.n_out and number < c.n_in else None


def macro_bits(weights: NDArray[np.bool_], config: LayerConfig) -> NDArray[np.bool_]:
    """Return what each macro of a layer stores.

    Parameters
    ----------
    weights : ndarray of bool, shape (n_out, n_in)
    config : LayerConfig

    Returns
    -------
    ndarray of bool, shape (groups, across, word lines, cols)
        Pairs that hold no synapse are 0.
    """
    return arrange(as_states(weights) if config.pair_states == 3 else weights, config, False)


def placed(network: Network, config: EngineConfig) -> Network:
    """Return the network as the macros of an engine hold it.

    A pair of three states has one state for the weight 0, which two synapses have in two ways: the errors of a read
    invert the devices that are there.
    """
    of_states = [k for k, y in enumerate(config.layers) if y.pair_states == 3]
    held = {k: as_states(network.layers[k].weights) for k in of_states}
    return network.with_weights({k: w for k, w in held.items() if (w != network.layers[k].weights).any()})


def coefficient_rows(network: Network, index: int, config: LayerConfig) -> NDArray[np.bool_]:
    """Return what the coefficient memory of a layer holds: a row a pass, neuron after neuron.

    Returns
    -------
    ndarray of bool, shape (passes, neurons * coefficient width)
        (0, 0) if the layer has no coefficients.

    Raises
    ------
    InputError
        If a coefficient needs more bits than the engine has for it.
    """
    layer = network.layers[index]
    fields = [(c.width(config), c.values) for c in LAYER_KINDS[layer.kind].coefficients]
    if not config.is_affine and getattr(layer, "is_affine", False):
        raise InputError(f"network {network.name!r}: scores must be popcounts in this engine, not scaled ones")
    if not any(width for width, _ in fields):
        return np.zeros((0, 0), bool)
    bits = []
    for width, values_of in fields:
        values = values_of(layer).reshape(len(layer.weights), -1)
        low, high = (0, (1 << width) - 1) if config.scale_width == 0 else (-(1 << width - 1), (1 << width - 1) - 1)
        wrong = np.flatnonzero((values < low) | (values > high))
        if wrong.size:
            neuron = wrong[0] // values.shape[1]
            raise InputError(
                f"network {network.name!r}: coefficients of layer {index} must be in [{low}, {high}] in this engine,"
                f" not {int(values.flat[wrong[0]])} (neuron {int(neuron)})"
            )
        padded = np.zeros((config.passes * config.neurons, values.shape[1]), np.int64)
        padded[: config.n_out] = values
        bits.append(word_bits(padded, width))
    return np.concatenate(bits, axis=1).reshape(config.passes, -1)


#: What a layer and its structure have in common beside sizes, and what it is where a layer has none.
_STRUCTURE = {
    "planes": 1, "levels": 1, "weight_bits": 1, "weight_max": 0, "presentations": 0, "shortcut": 0, "window": None,
    "pool": None,
}  # fmt: skip


def check_shape(network: Network, config: EngineConfig) -> None:
    """Raise InputError if the engine was made for another structure than the network's."""
    shape = (config.n_in, *(y.n_out for y in config.layers))
    kinds = tuple(y.kind for y in config.layers)
    if network.shape != shape or tuple(y.kind for y in network.layers) != kinds:
        raise InputError(f"network {network.name!r}: shape must be {shape} for this engine, not {network.shape}")
    for k, (layer, y) in enumerate(zip(network.layers, config.layers, strict=True)):
        sizes = [getattr(layer, name, default) for name, default in _STRUCTURE.items()]
        if sizes != [getattr(y, name) for name in _STRUCTURE]:
            raise InputError(
                f"network {network.name!r}: layer {k} must have the windows, shortcut, pooling and bit planes of this"
                " engine's"
            )
        if getattr(layer, "lowest", np.False_).any() and not y.has_lowest:
            raise InputError(f"network {network.name!r}: layer {k} must pool largest values in this engine")
