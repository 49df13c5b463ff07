"""Folding of a chain of NIR nodes into layers: what lies between two populations of neurons is one matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.exchange.folding.graph import Unsupported, check_elements, finite
from oxnor.models.networks.neuron import OPTIONAL
from oxnor.models.networks.spiking import Neuron, SpikingLayer, read_settings

from .disagreement import SourceLayer
from .leaky import TICK, Leaky, fit_leaky
from .maps import Map, conv_matrix, pool_matrix
from .neuron import ROUNDING, Fitted, fit, to_nir
from .options import SpikingOptions
from .reader import NODE_TYPES, NirNode

#: Most cells of a layer: 8 of each of 4,096 x 4,096 weights.
CELLS_MAX = 1 << 27
_WEIGHTS_MAX = CELLS_MAX // Neuron().cells
#: Changes to neurons that a source can be stepped with as well.
_STEPPED = {"reset", "compare", "weight_max", "v_bits"}


def numbers_of(node: NirNode, name: str, ndim: int | None = None) -> NDArray[np.float64]:
    """Return an array of a node, or raise InputError unless it has such numbers, all finite."""
    array = node.arrays.get(name)
    if array is None or array.dtype.kind not in "fiu" or (ndim is not None and array.ndim != ndim):
        shape = "" if ndim is None else f" of {ndim} dimension{'s' * (ndim != 1)}"
        raise InputError(f"{node.label}: must have numbers{shape} in {name!r}")
    check_elements(array.shape, node.label)
    return finite(array.astype(np.float64), f"{node.label} {name}")


@dataclass
class _Fold:
    """A layer on integers, before it is known whether the network needs a clock."""

    fitted: Fitted
    clock: bool
    record: dict[str, Any]
    source: SourceLayer | None


@dataclass
class Folder:
    """Folds the nodes, one after the other, into layers.

    Parameters
    ----------
    options : SpikingOptions
    window : int
        Ticks of an image.
    """

    options: SpikingOptions
    window: int
    size: int = 0
    maps: Map | None = None
    events: int = 0
    matrix: NDArray[np.float64] | None = None
    bias: Any = 0.0
    factors: Any = 1.0
    via: list[NirNode] = field(default_factory=list)
    folds: list[_Fold] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def fold(self, nodes: tuple[NirNode, ...]) -> None:
        """Fold all nodes; what is wrong with them is raised as one error."""
        for node in nodes:
            try:
                self._add(node)
            except InputError as e:
                text = str(e)
                self.problems.append(text if text.startswith(node.label) else f"{node.label}: {text}")
                if not self._go_on(node):
                    break
        if len(self.problems) > 1:
            raise Unsupported(self.problems)
        if self.problems:
            raise InputError(self.problems[0])

    def _go_on(self, node: NirNode) -> bool:
        """Leave out a node that is wrong; return whether the sizes behind it are known all the same."""
        weight = node.arrays.get("weight")
        if node.kind in ("Linear", "Affine") and weight is not None and weight.ndim == 2 and 0 < len(weight) < 1 << 20:
            # Weights that are right for anything.
            self.size, self.maps, self.bias = len(weight), None, 0.0
            self.matrix = np.zeros((self.size, 1))
            return True
        if node.kind in ("IF", "LIF"):
            self._begin()
        return node.kind in ("IF", "LIF", "Scale")

    def _begin(self) -> None:
        self.matrix, self.bias, self.factors, self.via = None, 0.0, 1.0, []
        self.events *= self.size

    def _add(self, node: NirNode) -> None:
        if node.kind == "Input":
            self._input(node)
        elif node.kind in ("Linear", "Affine"):
            self._linear(node)
        elif node.kind == "Conv2d":
            self._conv(node)
        elif node.kind in ("SumPool2d", "AvgPool2d"):
            kernel, stride, padding = (numbers_of(node, name) for name in NODE_TYPES[node.kind])
            mean = node.kind == "AvgPool2d"
            made, maps = pool_matrix(self._map(), kernel, stride, padding, _WEIGHTS_MAX, mean=mean)
            self._through(made, 0.0, maps)
        elif node.kind == "Scale":
            scale = numbers_of(node, "scale").reshape(-1)
            if len(scale) not in (1, self.size):
                raise InputError(f"scale must have {self.size} values, not {len(scale)}")
            if self.matrix is None:
                self.factors = self.factors * scale
            else:
                self.matrix, self.bias = scale[:, None] * self.matrix, scale * self.bias
        elif node.kind in ("IF", "LIF"):
            self._neurons(node)
            return
        if node.kind not in ("Input", "Output", "Flatten"):
            self.via.append(node)

    def _input(self, node: NirNode) -> None:
        sizes = numbers_of(node, "shape").reshape(-1)
        if (sizes != np.rint(sizes)).any() or (sizes < 1).any() or np.prod(sizes) > 1 << 20:
            raise InputError("shape must be whole numbers from 1, of at most 1,048,576 values")
        self.size = int(np.prod(sizes))
        # Axes of one before a feature map are batches.
        outer, inner = sizes[:-3], sizes[-3:].astype(int).tolist()
        self.maps = (inner[0], inner[1], inner[2]) if len(inner) == 3 and (outer == 1).all() else None
        self.events = self.size * self.window

    def _map(self) -> Map:
        if self.maps is None:
            raise InputError("must come behind a feature map of channels, height and width")
        return self.maps

    def _through(self, made: NDArray[np.float64], bias: Any, maps: Map | None) -> None:
        """Put a matrix and biases behind what there is."""
        if self.matrix is None:
            self.matrix = made * self.factors
        else:
            bias = bias + made @ np.broadcast_to(self.bias, len(self.matrix))
            self.matrix = made @ self.matrix
        self.bias, self.size, self.maps = bias, len(made), maps

    def _linear(self, node: NirNode) -> None:
        weight = numbers_of(node, "weight", 2)
        if weight.shape[1] != self.size or not len(weight):
            raise InputError(f"weight must have shape (n, {self.size}), not {weight.shape}")
        if weight.size > _WEIGHTS_MAX:
            raise InputError(f"must have at most {_WEIGHTS_MAX:,} weights")
        bias: Any = 0.0
        if node.kind == "Affine":
            bias = numbers_of(node, "bias").reshape(-1)
            if len(bias) != len(weight):
                raise InputError(f"bias must have {len(weight)} values, not {len(bias)}")
        self._through(weight, bias, None)

    def _conv(self, node: NirNode) -> None:
        weight, bias = numbers_of(node, "weight", 4), numbers_of(node, "bias").reshape(-1)
        stride, padding, dilation = (numbers_of(node, name) for name in ("stride", "padding", "dilation"))
        if len(bias) != len(weight):
            raise InputError(f"bias must have {len(weight)} values, not {len(bias)}")
        groups = numbers_of(node, "groups").reshape(-1)
        made, maps = conv_matrix(self._map(), weight, stride, padding, dilation, int(groups[0]), _WEIGHTS_MAX)
        self._through(made, np.repeat(bias, maps[1] * maps[2]), maps)

    def _neurons(self, node: NirNode) -> None:
        if self.matrix is None:  # each input is a neuron's
            self._through(np.eye(self.size), 0.0, self.maps)
        assert self.matrix is not None
        present = [n for n in ("r", "v_threshold", "v_reset", "tau", "v_leak") if n in node.arrays]
        numbers = {n: numbers_of(node, n).reshape(-1) for n in present}
        for name in ("v_reset", *NODE_TYPES[node.kind]):
            if name == "v_reset":
                numbers.setdefault(name, np.zeros(self.size))
            if name not in numbers or len(numbers[name]) not in (1, self.size):
                raise InputError(f"{name} must have {self.size} values")
            numbers[name] = np.broadcast_to(numbers[name], self.size)
        bias = np.broadcast_to(np.asarray(self.bias, float), self.size)
        self.folds.append(self._fitted(node, numbers, self.matrix, bias))
        self._begin()

    def _fitted(self, node: NirNode, numbers: dict[str, NDArray], matrix: NDArray, bias: NDArray) -> _Fold:
        options, source = self.options, None
        leak: dict[str, Any] = {}
        if node.metadata is not None:
            clock = bool(bias.any())
            fitted = self._exported(node.metadata, numbers, np.column_stack([matrix, bias]) if clock else matrix)
        else:
            if node.kind == "LIF":
                leaky = Leaky.of(matrix, bias, numbers, options.tick or TICK)
            else:
                drive = numbers["r"] * bias
                weights = numbers["r"][:, None] * matrix
                leaky = Leaky(
                    np.column_stack([weights, drive]) if drive.any() else weights, np.zeros(len(bias)),
                    numbers["v_threshold"], numbers["v_reset"],
                )  # fmt: skip
            clock = leaky.weights.shape[1] > matrix.shape[1]
            if node.kind == "LIF":
                fitted, leak = fit_leaky(leaky, options.neuron, self.events, bits=options.leak_bits or 1,
                                         rounding=options.rounding)  # fmt: skip
            else:
                fitted = fit(leaky.weights, leaky.threshold, leaky.reset, options.neuron, self.events,
                             rounding=options.rounding)  # fmt: skip
            if set(options.neuron) <= _STEPPED:
                source = _source(leaky, matrix.shape[1], fitted, options.neuron)
        cells = fitted.weights.size * fitted.neuron.cells
        if cells > CELLS_MAX:
            raise InputError(f"its layer must have at most {CELLS_MAX:,} cells, not {cells:,}")
        record = {
            "node": node.name, "operators": [n.kind for n in (*self.via, node)],
            "n_in": matrix.shape[1], "n_out": len(matrix), "biases": clock,
            "neuron": fitted.neuron.settings(), "from": "NIR" if node.metadata is None else "metadata",
            "step": fitted.step, "error": fitted.error, "checked": fitted.weights.size, "rounded": fitted.rounded,
        } | ({"leak": leak} if leak else {})  # fmt: skip
        return _Fold(fitted, clock, record, source)

    def _exported(self, metadata: Mapping[str, Any], numbers: Mapping[str, NDArray], matrix: NDArray) -> Fitted:
        """Return a layer that oxnor exported: the metadata has its neuron, and its weights are integers."""
        neuron = read_settings(Neuron, metadata.get("neuron"), "metadata.neuron", OPTIONAL)
        for name, value in to_nir(neuron)[1].items():
            if np.abs(numbers.get(name, np.zeros(1)) - value).max() > ROUNDING * max(1, abs(value)):
                raise InputError(f"{name} must be {value:g}, as its metadata says: remove the metadata if not")
        error = float(np.abs(matrix - np.rint(matrix)).max(initial=0))
        if error > ROUNDING and not self.options.rounding:
            raise InputError(
                f"weights must be integers, as its metadata says: the largest error is {error:.2g}"
                " (`rounding` takes the nearest)"
            )
        neuron = replace(neuron, **self.options.neuron)
        rounded = int((np.abs(matrix - np.rint(matrix)) > ROUNDING).sum())
        return Fitted(np.rint(matrix).astype(np.int64), neuron, 1 / neuron.theta, error, rounded)

    def layers(self, clock: bool) -> tuple[SpikingLayer, ...]:
        """Return the layers, all with a clock if one has biases; a single output gets one beside it that is silent."""
        clock = clock or any(f.clock for f in self.folds)
        layers = []
        for k, fold in enumerate(self.folds):
            weights = fold.fitted.weights
            if clock and not fold.clock:
                weights = np.column_stack([weights, np.zeros(len(weights), np.int64)])
            if k + 1 == len(self.folds) and len(weights) == 1:
                weights = np.concatenate([weights, np.zeros_like(weights)])
            try:
                layers.append(SpikingLayer.from_weights(weights, fold.fitted.neuron, clock=clock))
            except InputError as e:
                raise InputError(f"{fold.record['operators'][-1]} '{fold.record['node']}': {e}") from None
        return tuple(layers)


def _source(leaky: Leaky, n_in: int, fitted: Fitted, changes: Mapping[str, Any]) -> SourceLayer:
    drive = leaky.weights[:, n_in] if leaky.weights.shape[1] > n_in else np.zeros(len(leaky.decay))
    return SourceLayer(
        leaky.weights[:, :n_in], drive, leaky.decay, leaky.threshold, leaky.reset, changes.get("reset") == "subtract",
        changes.get("compare") == "ge",
    )  # fmt: skip
