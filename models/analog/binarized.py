"""Binarized networks on analog arrays: the same layers, whose popcounts are sums of currents through a converter.

A layer reads its synapses through an object with the interface of :class:`oxnor.models.networks.layers.base.Reads`, so
that every type of layer, also a convolution or one with bit planes, works on an array as it does in the engine. The
devices are those that the digital read of :func:`oxnor.models.devices.draws.draw_faults` has for the same seed and
trial.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models import golden
from oxnor.models.base import rng
from oxnor.models.base.bits import pack_words, unpack_words
from oxnor.models.base.errors import InputError
from oxnor.models.devices.draws import log_resistance
from oxnor.models.devices.model import DeviceModel
from oxnor.models.devices.states import Statistics
from oxnor.models.networks.binarized import Network

from . import array, ranges
from .adc import BITS_MAX, AdcMismatch, Converter, UniformAdc
from .mapping import column_sums, converted, recovered, sign_mapping, span
from .trainable import LevelAdc, TrainedAdc

Floats = NDArray[np.float32]
#: Vectors that are multiplied at once.
_VECTORS = 1 << 12
#: Values that a layer's converter is calibrated with, at most.
_PROFILED = 1 << 20
_ROUNDING = 1e-3
#: Relative standard deviation of every number of a trainable converter before its training.
_MISMATCH = 0.5
#: How the converters of a layer are set.
RANGES = {
    "max": "every sum that ideal devices give, equal steps",
    "calibrated": "what training images give, equal steps",
    "lloyd-max": "the thresholds with the least mean square error for what training images give",
    "trained": "a trainable converter of 50 % mismatch, trained to those thresholds",
}


@dataclass(frozen=True)
class ArrayOptions:
    """How a binarized network lies on analog arrays.

    Parameters
    ----------
    rows : int
        Synapses that one conversion adds.
    adc_bits : int
        Of the converter; 0 for an ideal one.
    adc_range : str
        A key of :data:`RANGES`; all but "max" need training images.
    mapping : str
        A key of :data:`oxnor.models.analog.mapping.SIGN_MAPPINGS`.
    device : DeviceModel, optional
        What the cells are. Default: without errors.
    cycles, seconds : float
        Age of the devices.
    compensate : bool
        Whether a layer's sums are scaled by what its one-hot inputs gave right after programming over what they give
        now.
    wire : float
        Resistance between two cells, as a share of the median LRS; 0 for ideal wires.
    columns : int
        Columns of an array; used with a wire alone.
    mismatch : AdcMismatch, optional
        Of the converters, drawn for each group of rows. Default: ideal ones.
    """

    rows: int = 128
    adc_bits: int = 0
    adc_range: str = "max"
    mapping: str = "VI"
    device: DeviceModel | None = None
    cycles: float = 0.0
    seconds: float = 0.0
    compensate: bool = False
    wire: float = 0.0
    columns: int = 128
    mismatch: AdcMismatch | None = None

    def __post_init__(self) -> None:
        sign_mapping(self.mapping)
        if self.adc_bits and not 1 <= self.adc_bits <= BITS_MAX:
            raise InputError(f"must be 0, or an integer in [1, {BITS_MAX}], not {self.adc_bits}", parameter="adc_bits")
        if self.adc_range not in RANGES:
            raise InputError(f"must be one of {', '.join(RANGES)}, not {self.adc_range!r}", parameter="adc_range")
        if self.rows < 1 or self.columns < 1:
            raise InputError(f"must be at least 1, not {min(self.rows, self.columns)}", parameter="rows")
        if self.mismatch and (not self.adc_bits or self.adc_range not in ("max", "calibrated")):
            rule = "must be uniform for an ideal converter, and for thresholds that suit the data"
            raise InputError(f"{rule}, not {self.mismatch.kind}", parameter="converter")
        if self.wire < 0:
            raise InputError(f"must be 0 or more, not {self.wire:g}", parameter="wire")


def mean_conductances(stats: Statistics) -> tuple[float, float]:
    """Return the mean conductances of LRS and HRS in siemens; that of 1 / R exceeds 1 over the median."""
    return (float(np.exp(-stats.lrs_mu + stats.lrs_sigma**2 / 2)),
            float(np.exp(-stats.hrs_mu + stats.hrs_sigma**2 / 2)))  # fmt: skip


def _pairs(weights: NDArray[np.bool_], device: DeviceModel, ages: Sequence[Statistics], key: dict[str, int]) -> Any:
    """Return the conductances of (BL, BLb) of each synapse at each age, shape (n_out, n_in, 2) in siemens."""
    z = rng.stream("device", **key).standard_normal((*weights.shape, 2))
    formed = None
    if device.forming_yield < 1:
        formed = rng.stream("forming", **key).random((*weights.shape, 2)) < device.forming_yield
    states = np.stack([weights, ~weights], axis=-1)
    return [np.exp(-log_resistance(states, formed, z, stats)) for stats in ages]


class LayerArray:
    """The arrays of one layer: takes the place of :mod:`oxnor.models.kernels.packed` where the layer is read.

    Parameters
    ----------
    weights : ndarray of bool, shape (n_out, n_in)
    options : ArrayOptions
    layer, seed, trial : int
        Key of the devices.
    """

    def __init__(
        self, weights: NDArray[np.bool_], options: ArrayOptions, *, layer: int = 0, seed: int = 0, trial: int = 0
    ):
        self.options = options
        self._generator = rng.stream("mismatch", layer=layer, seed=seed, trial=trial)
        signs = np.where(weights.T, 1.0, -1.0)  # (n_in, n_out)
        plus, minus = np.where(signs > 0, 1.0, 0.0), np.where(signs > 0, 0.0, 1.0)
        self.hrs, gain = 0.0, 1.0
        if options.device is not None:
            fresh = options.device.at(options.cycles, 0.0)
            aged = options.device.at(options.cycles, options.seconds)
            key = {"seed": seed, "layer": layer, "trial": trial}
            old, new = _pairs(weights, options.device, (fresh, aged), key)
            low, high = mean_conductances(fresh)[::-1]
            unit = high - low
            self.hrs = low / unit
            plus, minus = new[..., 0].T / unit, new[..., 1].T / unit
            if options.compensate:
                before = np.abs(old[..., 0] - old[..., 1]).mean() / unit
                gain = float(before / np.abs(plus - minus).mean())
            if options.wire:
                wire = options.wire * np.exp(fresh.lrs_mu) * unit
                plus, minus = (self._through_wires(g, wire) for g in (plus, minus))
        elif options.wire:
            plus, minus = (self._through_wires(np.maximum(g, 1e-9), options.wire) for g in (plus, minus))
        self._signs = signs.astype(np.float32)
        self._plus, self._minus = ((gain * g).astype(np.float32) for g in (plus, minus))
        starts = range(0, len(signs), options.rows)
        self._groups = [slice(k, min(k + options.rows, len(signs))) for k in starts]
        self._columns = [column_sums(options.mapping, self._plus[g], self._minus[g]) for g in self._groups]
        self._converters: list[Converter] = []
        if options.adc_bits:
            self._convert_with(self._full_range())

    def _convert_with(self, converter: Converter) -> None:
        """Let each group of rows have a converter, with the mismatch that was asked for."""
        mismatch, columns = self.options.mismatch, self._signs.shape[1]
        self._converters = [converter] * len(self._groups)
        if mismatch is not None:
            assert isinstance(converter, UniformAdc)
            self._converters = [mismatch.draw(converter, columns, self._generator) for _ in self._groups]

    def _full_range(self) -> UniformAdc:
        o = self.options
        low, high = span(o.mapping, o.rows, self.hrs)
        if low == -high:
            return UniformAdc.sign_magnitude(o.adc_bits, high)
        return UniformAdc(o.adc_bits, low, high)

    def _through_wires(self, g: NDArray[np.float64], wire: float) -> NDArray[np.float64]:
        o, seen = self.options, np.empty_like(g)
        for r in range(0, g.shape[0], o.rows):
            for c in range(0, g.shape[1], o.columns):
                part = slice(r, r + o.rows), slice(c, c + o.columns)
                seen[part] = array.effective(g[part], wire)
        return seen

    def sums(self, x: Floats) -> list[list[Floats]]:
        """Return what the converters of each group of rows see of inputs -1 and +1, (n, n_in)."""
        return [
            converted(self.options.mapping, x[:, g], self._plus[g], self._minus[g], columns)
            for g, columns in zip(self._groups, self._columns, strict=True)
        ]

    def _codes(self, x: Floats) -> list[list[Floats]]:
        """Return what those converters give for them."""
        if not self._converters:
            return self.sums(x)
        return [[c.convert(s) for s in sums] for c, sums in zip(self._converters, self.sums(x), strict=True)]

    def calibrate(self, x: NDArray[np.uint64], n_in: int) -> None:
        """Set the converter from packed inputs (n, words), of training images."""
        parts = [s.ravel() for sums in self.sums(_signs(x, n_in)) for s in sums]
        values = np.concatenate(parts)
        values, bits = values[:: -(-len(values) // _PROFILED)], self.options.adc_bits
        if self.options.adc_range == "calibrated":
            self._convert_with(ranges.calibrated(values, bits))
        elif self.options.adc_range == "lloyd-max":
            self._convert_with(LevelAdc.lloyd_max(values, bits))
        else:
            self._convert_with(TrainedAdc.train(values, bits, _MISMATCH, self._generator))

    def popcounts(
        self, x: NDArray[np.uint64], w: NDArray[np.uint64], n_in: int, backend: str = "numba"
    ) -> Any:
        """Return the popcounts that the arrays give, float32 of shape (n, n_out); `w` is in them already."""
        out = np.empty((len(x), self._signs.shape[1]), np.float32)
        for start in range(0, len(x), _VECTORS):
            part = slice(start, start + _VECTORS)
            out[part] = self._products(_signs(x[part], n_in))
        counts = (out + n_in) / 2
        whole = np.rint(counts)  # of float32: what differs by less from an integer is that integer
        return np.where(np.abs(counts - whole) < _ROUNDING, whole, counts)

    def square_error(self, x: NDArray[np.uint64], n_in: int) -> tuple[float, int]:
        """Return the mean square of the errors of partial sums over that of their span, and how many there are.

        A sum of r rows spans -r to r.
        """
        signs, squares, count = _signs(x, n_in), 0.0, 0
        for group, codes in zip(self._groups, self._codes(signs), strict=True):
            got = recovered(self.options.mapping, codes, signs[:, group], self._signs[group], self.hrs)
            error = got - signs[:, group] @ self._signs[group]
            squares += float(np.sum(error**2)) / (2 * (group.stop - group.start)) ** 2
            count += error.size
        return squares / count, count

    def _products(self, x: Floats) -> Floats:
        """Return the sums of w x, shape (n, n_out)."""
        total = np.zeros((len(x), self._signs.shape[1]), np.float32)
        for group, codes in zip(self._groups, self._codes(x), strict=True):
            total += recovered(self.options.mapping, codes, x[:, group], self._signs[group], self.hrs)
        return total

    def fire(
        self, x: NDArray[np.uint64], w: NDArray[np.uint64], thresholds: NDArray[np.int64], n_in: int,
        backend: str = "numba",
    ) -> NDArray[np.uint64]:  # fmt: skip
        """Return packed bits popcount >= threshold."""
        return pack_words(self.popcounts(x, w, n_in, backend) >= thresholds)


def _signs(x: NDArray[np.uint64], n_in: int) -> Floats:
    signs = unpack_words(x, n_in).astype(np.float32)
    signs *= 2
    signs -= 1
    return signs


class AnalogNetwork:
    """A binarized network on analog arrays, programmed once.

    Parameters
    ----------
    network : Network
    options : ArrayOptions
    seed, trial : int
        Key of the devices, as for :func:`oxnor.models.devices.draws.draw_faults`.
    training : ndarray, optional
        Images that calibrate the converters; needed if ``options.adc_range`` is "calibrated".
    """

    def __init__(
        self, network: Network, options: ArrayOptions, *, seed: int = 0, trial: int = 0, training: NDArray | None = None
    ):
        rng.check_key("seed", seed)
        rng.check_key("trial", trial)
        if any(layer.weight_max for layer in network.layers):
            raise InputError(
                f"network {network.name!r}: weights must be of one synapse, or of several that count alike, for arrays"
                " read by converters"
            )
        self.network = network
        self.layers = [
            LayerArray(layer.weights, options, layer=k, seed=seed, trial=trial)
            for k, layer in enumerate(network.layers)
        ]
        if options.adc_bits and options.adc_range != "max":
            if training is None:
                raise InputError("must be images of a training set, for a range that is not max", parameter="training")
            self._calibrate(training)

    def _calibrate(self, training: NDArray) -> None:
        """Set each layer's range in turn, with what the layers before it give through theirs."""
        x: Any = golden.pack_inputs(self.network, training)
        for layer, arrays in zip(self.network.layers, self.layers, strict=True):
            probe: Any = _Probe()
            layer.popcounts(x, "numba", probe)
            arrays.calibrate(probe.vectors(), layer.n_in)
            x = layer.evaluate(x, "numba", arrays)

    def effective_bits(self, images: NDArray) -> float:
        """Return the bits of an ideal converter over the span of a partial sum whose error is as large.

        Each layer gets what it would get without errors; the mean is over all partial sums. inf if none is wrong.
        """
        x: Any = golden.pack_inputs(self.network, images)
        total, count = 0.0, 0
        for layer, arrays in zip(self.network.layers, self.layers, strict=True):
            probe: Any = _Probe()
            layer.popcounts(x, "numba", probe)
            mean, n = arrays.square_error(probe.vectors(), layer.n_in)
            total, count = total + mean * n, count + n
            x = layer.evaluate(x, "numba")
        return -0.5 * math.log2(12 * total / count) if total else math.inf

    def scores(self, images: NDArray) -> NDArray[np.float64]:
        """Return the scores, float of shape (n, n_out)."""
        x: Any = golden.pack_inputs(self.network, images)
        for layer, arrays in zip(self.network.layers, self.layers, strict=True):
            x = layer.evaluate(x, "numba", arrays)
        return x

    def predict(self, images: NDArray) -> NDArray[np.int64]:
        """Return the class of each image, shape (n,)."""
        return np.argmax(self.scores(images), axis=-1)


class _Probe:
    """Keeps the vectors that a layer reads."""

    def __init__(self) -> None:
        self.seen: list[NDArray[np.uint64]] = []

    def popcounts(self, x: NDArray[np.uint64], w: NDArray[np.uint64], n_in: int, backend: str = "numba") -> Any:
        self.seen.append(x)
        return np.zeros((len(x), len(w)), np.int32)

    def vectors(self) -> NDArray[np.uint64]:
        return np.concatenate(self.seen)
