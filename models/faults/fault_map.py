"""Fault maps: which synapses are wrong, and how, for the golden model, the RTL and the board."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError, check_rate
from oxnor.models.base.files import NpzReader, write_npz
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.layers.weight_code import ONE_SYNAPSE
from oxnor.models.networks.spiking import SpikingNetwork

from .error_models import ERROR_MODELS, OF_WEIGHTS
from .read_errors import ReadErrors

FORMAT = "oxnor-faults"
FORMAT_VERSION = 2
_NONE: Mapping[int, NDArray[np.int64]] = MappingProxyType({})

N = TypeVar("N", Network, SpikingNetwork)

#: Kinds of static fault: what a synapse named in the map does at every read.
FIELDS = ("flips", "stuck_0", "stuck_1")
_DESCRIPTIONS = dict(zip(FIELDS, ("flipped", "stuck at 0", "stuck at 1"), strict=True))


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(n) is int and n > 0 for n in value)


def shapes_of(network: Network | SpikingNetwork) -> tuple[tuple[int, int], ...]:
    """Return the shapes of a network's weight arrays: (n_out, n_in), or (rows, columns) of a spiking layer's cells."""
    return tuple(layer.weights.shape for layer in network.layers)


@dataclass(frozen=True, eq=False)
class FaultMap:
    """Errors of a network: synapses that are wrong in the same way at every read, and reads that are wrong by chance.

    Parameters
    ----------
    shapes : tuple of (n_out, n_in)
        The weight arrays that the map is for, one a layer.
    flips : mapping of int to ndarray of int64, shape (k,)
        For a layer index, the flat indices (row-major, neuron * n_in + input) of synapses that hold the inverse of
        what was programmed. A layer that is not named has none. Stored sorted.
    stuck_0, stuck_1 : mapping of int to ndarray of int64, shape (k,)
        Of synapses that read as 0 (-1) or as 1 (+1) whatever was programmed.
    read : ReadErrors, optional
        Errors of single reads, in all layers; they come on top of the others.

    Raises
    ------
    InputError
        If an index lies outside its layer or a synapse is named twice (two flips would undo each other unnoticed).
    """

    shapes: tuple[tuple[int, int], ...]
    flips: Mapping[int, NDArray[np.int64]] = field(default_factory=lambda: _NONE)
    stuck_0: Mapping[int, NDArray[np.int64]] = field(default_factory=lambda: _NONE)
    stuck_1: Mapping[int, NDArray[np.int64]] = field(default_factory=lambda: _NONE)
    read: ReadErrors | None = None

    def __post_init__(self) -> None:
        shapes = tuple((int(a), int(b)) for a, b in self.shapes)
        object.__setattr__(self, "shapes", shapes)
        for name in FIELDS:
            checked = {k: _checked(shapes, k, v) for k, v in sorted(getattr(self, name).items())}
            object.__setattr__(self, name, checked)
        for layer in range(len(shapes)):
            parts = [part for name in FIELDS if (part := getattr(self, name).get(layer, _EMPTY)).size]
            named = parts[0] if len(parts) == 1 else np.sort(np.concatenate([_EMPTY, *parts]))
            if np.any(named[1:] == named[:-1]):
                raise InputError(f"faults: a synapse of layer {layer} must not be named twice")

    @classmethod
    def draw(
        cls,
        network: Network | SpikingNetwork,
        *,
        ber: float,
        kind: str = "static",
        seed: int = 0,
        trial: int = 0,
        layer: int | None = None,
        **options: Any,
    ) -> FaultMap:
        """Draw a map, keyed by (seed, layer, trial, kind): each can be drawn again on its own.

        Parameters
        ----------
        network : Network
        ber : float
            Share of the synapses, or of what else, in [0, 1]: what it is the share of depends on the kind.
        kind : str
            A key of :data:`ERROR_MODELS`.
        seed, trial : int
            Each in [0, 2**63).
        layer : int, optional
            Draw errors only in this layer: the same as in a draw for all layers.
        **options
            Of the kind: see its function in :data:`ERROR_MODELS`.
        """
        if kind not in ERROR_MODELS:
            raise InputError(f"must be one of {', '.join(ERROR_MODELS)}, not {kind!r}", parameter="kind")
        check_rate("ber", ber)
        rng.check_key("seed", seed)
        rng.check_key("trial", trial)
        if layer is not None and not 0 <= layer < len(network.layers):
            raise InputError(f"must be in [0, {len(network.layers) - 1}], not {layer!r}", parameter="layer")
        indices: dict[str, Any] = {name: {} for name in FIELDS}
        for k in range(len(network.layers)) if layer is None else (layer,):
            g = rng.stream(kind, seed=seed, layer=k, trial=trial)
            layer_ = network.layers[k]
            weights, more = layer_.weights, options
            if kind in OF_WEIGHTS:
                code = getattr(layer_, "weight_code", ONE_SYNAPSE)
                weights, more = weights.reshape(len(weights), -1, code.bits), options | {"code": code}
            for name, flat in ERROR_MODELS[kind](g, weights, ber, **more).items():
                indices[name][k] = flat
        return cls(shapes_of(network), **indices)

    def __repr__(self) -> str:
        n, counts = sum(a * b for a, b in self.shapes), self.counts
        parts = [f"{counts[name]:,} {what}" for name, what in _DESCRIPTIONS.items() if counts[name]]
        if self.read:
            parts.append(f"reads wrong at {self.read.ber:.4g}")
        layers = f"{len(self.shapes)} layer{'s' * (len(self.shapes) != 1)}"
        return f"FaultMap({layers}, {n:,} synapses: {', '.join(parts) or 'no errors'})"

    @property
    def count(self) -> int:
        """Number of synapses named."""
        return sum(self.counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """Number of synapses named, by kind of fault."""
        return {name: sum(v.size for v in getattr(self, name).values()) for name in FIELDS}

    def wrong(self, network: Network | SpikingNetwork) -> int:
        """Return how many synapses of `network` read as the inverse of its weights."""
        self.check(network)
        wrong = self.counts["flips"]
        for name, value in (("stuck_0", False), ("stuck_1", True)):
            for k, flat in getattr(self, name).items():
                wrong += int(np.count_nonzero(network.layers[k].weights.reshape(-1)[flat] != value))
        return wrong

    def describe(self, network: Network | SpikingNetwork | None = None) -> str:
        """Return one sentence with the count and the rate.

        A stuck synapse is wrong only if its weight is the other: that takes the network to know.
        """
        n = sum(a * b for a, b in self.shapes)
        stuck = self.count - self.counts["flips"]
        reads = f"; {self.read.describe()}" if self.read else ""
        if network is None:
            what = "are wrong" if not stuck else f"are wrong or stuck ({stuck:,} stuck)"
            return f"of {n:,} synapses {self.count:,} {what}: {100 * self.count / n:.4f} %{reads}"
        wrong = self.wrong(network)
        aside = f" ({stuck:,} are stuck)" if stuck else ""
        return f"of {n:,} synapses {wrong:,} are wrong: {100 * wrong / n:.4f} %{aside}{reads}"

    def check(self, network: Network | SpikingNetwork) -> None:
        """Raise InputError if the map was made for other layer shapes than those of `network`."""
        if shapes_of(network) != self.shapes:
            raise InputError(
                f"faults: the map is for weights of {self.shapes}, not {shapes_of(network)} as in {network.name!r}"
            )

    def apply(self, network: N) -> N:
        """Return `network` as it reads with these faults, but for the errors of single reads.

        Raises
        ------
        InputError
            If the map was made for other layer shapes.
        """
        self.check(network)
        changed = {}
        for k in {*self.flips, *self.stuck_0, *self.stuck_1}:
            weights = network.layers[k].weights.copy()
            flat = weights.reshape(-1)
            flat[self.flips.get(k, _EMPTY)] ^= True
            flat[self.stuck_0.get(k, _EMPTY)] = False
            flat[self.stuck_1.get(k, _EMPTY)] = True
            changed[k] = weights
        return network.with_weights(changed)

    def merge(self, other: FaultMap) -> FaultMap:
        """Return both maps as one.

        Raises
        ------
        InputError
            If the shapes differ, or both name a synapse, or both have errors of single reads.
        """
        if self.read and other.read:
            raise InputError("faults: two maps with errors of single reads cannot be merged")
        if self.shapes != other.shapes:
            raise InputError(f"faults: maps for weights of {self.shapes} and of {other.shapes} cannot be merged")
        merged: dict[str, Any] = {name: {} for name in FIELDS}
        for name in FIELDS:
            mine, its = getattr(self, name), getattr(other, name)
            for k in {*mine, *its}:
                merged[name][k] = np.concatenate([mine.get(k, _EMPTY), its.get(k, _EMPTY)])
        return FaultMap(self.shapes, **merged, read=self.read or other.read)

    def over(self, other: FaultMap) -> FaultMap:
        """Return both maps as one; a synapse that both name does what this one says."""
        if self.shapes != other.shapes:
            raise InputError(f"faults: maps for weights of {self.shapes} and of {other.shapes} cannot be joined")
        named = {
            k: np.concatenate([getattr(self, name).get(k, _EMPTY) for name in FIELDS]) for k in range(len(self.shapes))
        }
        rest = {
            name: {k: v[~np.isin(v, named[k])] for k, v in getattr(other, name).items()} for name in FIELDS
        }
        left = FaultMap(self.shapes, **rest, read=None if self.read else other.read)
        return self.merge(left)

    def only(self, layer: int) -> FaultMap:
        """Return only the static faults of one layer."""
        parts: dict[str, Any] = {
            name: {k: v for k, v in getattr(self, name).items() if k == layer} for name in FIELDS
        }
        return FaultMap(self.shapes, **parts)

    def save(self, path: str | Path) -> None:
        """Write the map to an ``.npz`` file, whole or not at all."""
        header: dict[str, Any] = {"format": FORMAT, "version": FORMAT_VERSION, "shapes": self.shapes}
        if self.read:
            header["read"] = {"rate": self.read.rate, "seed": self.read.seed}
        arrays: dict[str, NDArray] = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
        for name in FIELDS:
            arrays |= {f"layer{k}.{name}": v.astype("<i8") for k, v in getattr(self, name).items()}
        write_npz(path, arrays)

    @classmethod
    def load(cls, path: str | Path) -> FaultMap:
        """Read a map; nothing in the file is trusted.

        Raises
        ------
        InputError
            Naming the file, the field and the rule that it breaks.
        """
        with NpzReader(path) as source:
            header = source.json_header(FORMAT, FORMAT_VERSION)
            shapes = header.get("shapes")
            if not isinstance(shapes, list) or not shapes or not all(_is_shape(s) for s in shapes):
                raise InputError(f"{path}: header.shapes must be a list of [n_out, n_in], not {shapes!r}")
            read = header.get("read")
            if read is not None and (not isinstance(read, dict) or set(read) != {"rate", "seed"}):
                raise InputError(f"{path}: header.read must have rate and seed, not {read!r:.60}")
            indices: dict[str, Any] = {name: {} for name in FIELDS}
            for k in range(len(shapes)):
                for name in FIELDS:
                    if f"layer{k}.{name}" in source.names:
                        indices[name][k] = source.array(f"layer{k}.{name}", "<i8", (None,))
            try:
                return cls(tuple((a, b) for a, b in shapes), **indices, read=ReadErrors(**read) if read else None)
            except InputError as e:
                raise InputError(f"{path}: {e}") from None


_EMPTY = np.zeros(0, np.int64)


def _checked(shapes: tuple[tuple[int, int], ...], layer: int, values: Any) -> NDArray[np.int64]:
    if not 0 <= layer < len(shapes):
        raise InputError(f"faults: layer must be in [0, {len(shapes) - 1}], not {layer}")
    flat = np.sort(np.asarray(values, np.int64).ravel())
    n = shapes[layer][0] * shapes[layer][1]
    if flat.size and (flat[0] < 0 or flat[-1] >= n):
        raise InputError(f"faults: synapses of layer {layer} must be in [0, {n - 1}], not {flat[0]} to {flat[-1]}")
    flat.setflags(write=False)
    return flat
