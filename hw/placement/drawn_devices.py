"""The devices of an engine: what a device model leaves in each macro, its memory images and its golden results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.macro_kinds import NORMAL_FILE, TABLES_FILE
from oxnor.models import golden
from oxnor.models.base import rng
from oxnor.models.base.bits import hex_lines, pack_words, unpack_words, word_bits
from oxnor.models.base.errors import InputError
from oxnor.models.base.rng import check_key
from oxnor.models.devices.device_macro import (
    TOP,
    DeviceTables,
    count_reads,
    image_words,
    margins,
    normal_table,
    seeds,
    totals,
)
from oxnor.models.devices.model import DeviceModel
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.march import as_states
from oxnor.models.networks.binarized import Network

from .arrange import arrange, gather


@dataclass(frozen=True)
class DeviceDraw:
    """Which devices an engine gets.

    Parameters
    ----------
    device : DeviceModel
    cycles : int
        SET/RESET cycles that every device has done.
    seconds : float
        Time between programming and reading, in seconds.
    seed, trial : int
        Key of the draw, each in [0, 2**63).
    """

    device: DeviceModel
    cycles: int = 0
    seconds: float = 0.0
    seed: int = 0
    trial: int = 0

    def __post_init__(self) -> None:
        check_key("seed", self.seed)
        check_key("trial", self.trial)

    def tables(self, pair_states: int = 2) -> DeviceTables:
        """Return the statistics in fixed point."""
        return DeviceTables.from_device(self.device, self.cycles, self.seconds, pair_states)


@dataclass(frozen=True, eq=False)
class LayerDevices:
    """The devices of a layer's macros; it reads them as :mod:`oxnor.models.kernels.packed` reads ideal synapses.

    Parameters
    ----------
    config : LayerConfig
    tables : DeviceTables
    pairs : ndarray of uint16, shape (2, groups, across, reads, pairs)
        ln R of BL and BLb; where there is no synapse the pair is not formed.
    offsets : ndarray of int64, shape (groups, across, pairs)
    noise : ndarray of uint32, shape (groups, across, pairs)
        States of the noise generators before the first image.
    generators : ndarray of uint32, shape (groups, across)
        States of the generators of programming.
    turning : ndarray of int64, shape (groups, across, pairs)
        Part of the offsets that turns with the input.
    """

    config: LayerConfig
    tables: DeviceTables
    pairs: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    noise: NDArray[np.uint32]
    generators: NDArray[np.uint32]
    turning: NDArray[np.int64]

    @classmethod
    def draw(cls, weights: NDArray[np.bool_], config: LayerConfig, tables: DeviceTables, key: Any) -> LayerDevices:
        """Draw the devices that hold `weights`; `key` is (seed, trial, index of the layer).

        The two devices of a synapse depend on the synapse, wherever it lies; offset and noise belong to a column.
        """
        seed, trial, layer = key
        cols = config.pairs
        if config.pair_states == 3:
            weights = as_states(weights).reshape(len(weights), -1, 2)
        shape = weights.shape[:2]
        numbers = rng.stream("pairs", seed=seed, layer=layer, trial=trial)
        u = numbers.integers(0, 1 << 32, (2, 2, *shape), dtype=np.uint32)
        pairs = np.stack([arrange(side, config, TOP) for side in tables.programmed(weights, u)])
        numbers = rng.stream("columns", seed=seed, layer=layer, trial=trial)
        u = numbers.integers(0, 1 << 32, (config.groups, config.across, 2 * cols + 1), dtype=np.uint32)
        offsets = tables.offsets(np.ascontiguousarray(u[..., : cols]))
        turning = np.zeros(offsets.shape, np.int64)
        if tables.turning_sigma:  # drawn after the others, which stay what they are without it
            turning = tables.turnings(numbers.integers(0, 1 << 32, offsets.shape, dtype=np.uint32))
        return cls(config, tables, pairs, offsets, seeds(u[..., cols:-1]), seeds(u[..., -1]), turning)

    @property
    def margins(self) -> NDArray[np.int32]:
        """Decision of each pair without noise and what turns with x, shape (groups, across, reads, cols)."""
        return margins(self.pairs, self.offsets)

    @property
    def is_ternary(self) -> bool:
        """Whether its pairs hold three states."""
        return self.config.pair_states == 3

    def weights(self, x: int = 1) -> NDArray[np.bool_]:
        """Return what each synapse reads as without noise at input `x`, shape (n_out, n_in)."""
        offsets = self.offsets + (self.turning if x else -self.turning)
        margin = margins(self.pairs, offsets)
        read = margin > 0
        if self.is_ternary:
            above = totals(self.pairs) - abs(margin) > 2 * self.tables.threshold
            read = np.stack([read | above, read & ~above], axis=-1).reshape(*read.shape[:-1], -1)
        return gather(read, self.config)

    def text(self, group: int, across: int) -> str:
        """Return the memory image of one macro."""
        c = self.config
        pairs = np.full((2, c.rows, c.pairs), TOP, np.uint16)
        pairs[:, : c.word_lines] = self.pairs[:, group, across]
        flags = np.zeros(c.pairs, np.uint8)
        generator = np.full(c.pairs, self.generators[group, across], np.uint32)
        columns = (self.offsets[group, across], flags, self.noise[group, across], generator)
        words = image_words(pairs, *columns, self.turning[group, across])
        return hex_lines(word_bits(words, 32), len(words))

    def popcounts(
        self,
        x: NDArray[np.uint64],
        w: NDArray[np.uint64],
        n_in: int,
        backend: str = "numba",
        factors: tuple[int, ...] = (1,),
    ) -> NDArray[np.int32]:
        """Return the popcounts of images read in this order after power-on; `w` is in the devices."""
        c = self.config
        inputs = np.zeros((len(x), c.slices * c.inputs), bool)
        inputs[:, :n_in] = unpack_words(x, n_in)
        if c.is_serial:
            return self._columns(inputs)
        split = inputs[:, :: c.pair_synapses].reshape(-1, c.slices, c.across, c.pairs).swapaxes(1, 2)
        ends = [c.used_columns(h) for h in range(c.across)]
        used = np.array([[first] * (c.slices - 1) + [last] for first, last in ends]) // c.pair_synapses
        flat = (c.groups * c.across, -1, c.pairs)
        counts = count_reads(
            self.tables,
            self.margins.reshape(flat),
            np.zeros((flat[0], c.pairs), np.uint8),
            self.noise.reshape(-1, c.pairs).copy(),
            np.ascontiguousarray(split),
            used,
            self.turning.reshape(-1, c.pairs),
            c.turns,
            totals(self.pairs).reshape(flat) if self.is_ternary else None,
            factors,
        )
        lanes = counts.reshape(c.groups, c.across, len(x), c.passes).sum(axis=1)
        return lanes.transpose(1, 2, 0).reshape(len(x), -1)[:, : c.n_out].astype(np.int32)

    def _columns(self, inputs: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return the popcounts of an input-serial layer: a column counts by itself, like a macro of one column."""
        c = self.config
        split = inputs.reshape(-1, c.slices, c.groups, 1).swapaxes(1, 2)
        number = np.arange(c.slices) * c.groups + np.arange(c.groups)[:, None]  # (groups, reads)
        columns = c.across * c.cols * c.groups
        counts = count_reads(
            self.tables,
            np.ascontiguousarray(self.margins.transpose(1, 3, 0, 2)).reshape(columns, -1, 1),
            np.zeros((columns, 1), np.uint8),
            self.noise.transpose(1, 2, 0).reshape(columns, 1).copy(),
            np.ascontiguousarray(split),
            (number < c.n_in).astype(np.int64),
            np.ascontiguousarray(self.turning.transpose(1, 2, 0)).reshape(columns, 1),
        )
        neurons = counts.reshape(-1, c.groups, len(inputs)).sum(axis=1)
        return neurons.T[:, : c.n_out].astype(np.int32)

    def fire(
        self,
        x: NDArray[np.uint64],
        w: NDArray[np.uint64],
        thresholds: NDArray[np.int64],
        n_in: int,
        backend: str = "numba",
    ) -> NDArray[np.uint64]:
        """Return packed bits popcount >= threshold."""
        return pack_words(self.popcounts(x, w, n_in) >= thresholds)


@dataclass(frozen=True, eq=False)
class EngineDevices:
    """The devices of an engine that holds a network.

    Macros that hold bits have devices too: what these read as is what the bits are.

    Parameters
    ----------
    network : Network
        What was programmed.
    layers : tuple of LayerDevices
    """

    network: Network
    layers: tuple[LayerDevices, ...] = field(repr=False)

    @classmethod
    def draw(cls, network: Network, config: EngineConfig, draw: DeviceDraw) -> EngineDevices:
        """Draw the devices of every synapse and the sense amplifiers of every column."""
        tables = {states: draw.tables(states) for states in {c.pair_states for c in config.layers}}
        layers = [
            LayerDevices.draw(layer.weights, c, tables[c.pair_states], (draw.seed, draw.trial, k))
            for k, (layer, c) in enumerate(zip(network.layers, config.layers, strict=True))
        ]
        return cls(network, tuple(layers))

    @property
    def tables(self) -> DeviceTables:
        """Statistics in fixed point, the same in all layers, with a threshold where any has pairs of three states."""
        return max((y.tables for y in self.layers), key=lambda t: t.threshold)

    def faults(self) -> FaultMap:
        """Return the synapses that read wrong without noise, at one input at least."""
        return self._faults(range(len(self.layers)))

    def _faults(self, layers: Iterable[int]) -> FaultMap:
        weights = [y.weights for y in self.network.layers]
        wrong = {
            k: np.flatnonzero((self.layers[k].weights(1) != weights[k]) | (self.layers[k].weights(0) != weights[k]))
            for k in layers
        }
        return FaultMap(tuple(w.shape for w in weights), wrong)

    def stored(self) -> Network:
        """Return the network with the weights that its macros hold: what devices read as, where these are bits.

        Raises
        ------
        InputError
            If there are macros that hold bits, and reads are noisy or depend on the input.
        """
        of_bits = [k for k, y in enumerate(self.layers) if not y.config.macro.has_devices]
        if not of_bits:
            return self.network
        kind = self.layers[of_bits[0]].config.macro_kind
        for name, sigma in (
            ("read_noise_sigma", self.tables.noise_sigma), ("turning_offset_sigma", self.tables.turning_sigma),
        ):  # fmt: skip
            if sigma:
                raise InputError(
                    f"device: {name} must be 0 for macros of kind {kind}, which read the same every time:"
                    " use macros of kind devices"
                )
        return self._faults(of_bits).apply(self.network)

    def scores(self, images: NDArray) -> NDArray[np.int64]:
        """Return the scores of images that the engine reads in this order after power-on, shape (n, n_out).

        Raises
        ------
        InputError
            As :meth:`stored`.
        """
        network = self.stored()
        x: NDArray = golden.pack_inputs(network, images)
        for layer, reads in zip(network.layers, self.layers, strict=True):
            x = layer.evaluate(x, "numba", reads) if reads.config.macro.has_devices else layer.evaluate(x, "numba")
        return x

    def texts(self) -> dict[str, str]:
        """Return the memory images of all macros that hold devices, and what these have in common, by file name."""
        texts = {
            NORMAL_FILE: hex_lines(word_bits(normal_table(), 16), 1024),
            TABLES_FILE: hex_lines(word_bits(self.tables.words(), 32), 128),
        }
        for k, layer in enumerate(self.layers):
            c = layer.config
            for v, h in np.ndindex(c.groups, c.across) if c.macro.has_devices else ():
                texts[f"layer{k}_v{v}_h{h}.mem"] = layer.text(v, h)
        return texts
