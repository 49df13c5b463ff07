"""Which synapses are wrong: one map for the golden model, the RTL and the board."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import rng
from .errors import InputError
from .files import NpzReader, write_npz
from .network import Network

FORMAT = "oxnor-faults"
FORMAT_VERSION = 1
_KEY_MAX = (1 << 63) - 1


def check_key(name: str, value: Any) -> int:
    """Return `value` if it can key a random stream (an integer in [0, 2**63)), or raise InputError."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value <= _KEY_MAX:
        raise InputError(f"{name} must be an integer in [0, 2**63), not {value!r}")
    return int(value)


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(n) is int and n > 0 for n in value)


@dataclass(frozen=True, eq=False)
class FaultMap:
    """Static bit errors of a network: synapses that hold the wrong bit at every read.

    Parameters
    ----------
    shapes : tuple of (n_out, n_in)
        The weight arrays that the map is for, one a layer.
    flips : mapping of int to ndarray of int64, shape (k,)
        For a layer index, the flat indices (row-major, neuron * n_in + input) of its wrong synapses. A layer
        that is not named has none. Stored sorted.

    Raises
    ------
    InputError
        If an index lies outside its layer or is named twice (two flips would undo each other unnoticed).
    """

    shapes: tuple[tuple[int, int], ...]
    flips: Mapping[int, NDArray[np.int64]]

    def __post_init__(self) -> None:
        shapes = tuple((int(a), int(b)) for a, b in self.shapes)
        flips = {}
        for layer, values in sorted(self.flips.items()):
            if not 0 <= layer < len(shapes):
                raise InputError(f"faults: layer must be in [0, {len(shapes) - 1}], not {layer}")
            flat = np.sort(np.asarray(values, np.int64).ravel())
            n = shapes[layer][0] * shapes[layer][1]
            if flat.size and (flat[0] < 0 or flat[-1] >= n):
                raise InputError(
                    f"faults: synapses of layer {layer} must be in [0, {n - 1}], not {flat[0]} to {flat[-1]}"
                )
            if np.any(flat[1:] == flat[:-1]):
                raise InputError(f"faults: a synapse of layer {layer} must not be named twice")
            flat.setflags(write=False)
            flips[layer] = flat
        object.__setattr__(self, "shapes", shapes)
        object.__setattr__(self, "flips", flips)

    @classmethod
    def draw(cls, network: Network, *, ber: float, seed: int = 0, trial: int = 0) -> FaultMap:
        """Draw each synapse wrong with probability `ber`, keyed by (seed, layer, trial).

        A binomial count and then that many distinct positions: the same distribution as one Bernoulli draw a
        synapse, without touching every synapse.

        Parameters
        ----------
        network : Network
        ber : float
            Bit error rate, in [0, 1].
        seed, trial : int
            Each in [0, 2**63).
        """
        if not 0 <= ber <= 1:
            raise InputError(f"ber must be in [0, 1], not {ber!r}")
        check_key("seed", seed)
        check_key("trial", trial)
        flips = {}
        for i, layer in enumerate(network.layers):
            g = rng.stream("static", seed=seed, layer=i, trial=trial)
            n = layer.weights.size
            flips[i] = g.choice(n, size=g.binomial(n, ber), replace=False, shuffle=False)
        return cls(tuple(layer.weights.shape for layer in network.layers), flips)

    @property
    def count(self) -> int:
        """Number of wrong synapses."""
        return sum(f.size for f in self.flips.values())

    def describe(self) -> str:
        """Return one sentence with the count and the rate."""
        n = sum(a * b for a, b in self.shapes)
        return f"of {n:,} synapses {self.count:,} are wrong: {100 * self.count / n:.4f} %"

    def apply(self, network: Network) -> Network:
        """Return `network` with the wrong synapses inverted.

        Raises
        ------
        InputError
            If the map was made for other layer shapes.
        """
        shapes = tuple(layer.weights.shape for layer in network.layers)
        if shapes != self.shapes:
            raise InputError(f"faults: the map is for weights of {self.shapes}, not {shapes} as in {network.name!r}")
        changed = {}
        for i, flat in self.flips.items():
            if flat.size:
                weights = network.layers[i].weights.copy()
                weights.reshape(-1)[flat] ^= True
                changed[i] = weights
        return network.with_weights(changed)

    def save(self, path: str | Path) -> None:
        """Write the map to an ``.npz`` file, whole or not at all."""
        header = {"format": FORMAT, "version": FORMAT_VERSION, "shapes": self.shapes}
        arrays: dict[str, NDArray] = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
        write_npz(path, arrays | {f"layer{i}.flips": f.astype("<i8") for i, f in self.flips.items()})

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
            names = {f"layer{i}.flips": i for i in range(len(shapes))}
            flips = {i: source.array(name, "<i8", (None,)) for name, i in names.items() if name in source.names}
            try:
                return cls(tuple((a, b) for a, b in shapes), flips)
            except InputError as e:
                raise InputError(f"{path}: {e}") from None
