"""Deep belief networks of Y-Flash synapses: learnt layer by layer, tuned by wake-sleep, read frozen or sampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError

from .machine import Floats, Machine, currents, fire, step
from .synapses import CounterParams, FloatSynapses, Synapses
from .y_flash import DeviceSpread

#: Called with (images done, images) of an epoch.
Progress = Callable[[int, int], object]
#: Most layers, and units of one.
LAYERS_MAX, UNITS_MAX = 5, 1 << 14
SYNAPSES = ("y-flash", "float")
#: Images that are read at a time.
_CHUNK = 1000


@dataclass(frozen=True)
class BeliefParams:
    """A deep belief network and how it learns.

    Parameters
    ----------
    hidden : tuple of int
        Units of each layer above the inputs; the labels are beside those of the last layer but one.
    inputs, classes : int
    counter : CounterParams
    spread : DeviceSpread
    batch : int
        Images that count before a counter is looked at.
    synapses : str
        "y-flash", or "float": numbers that learn at once, by a step of 0.1 for a count of the threshold.
    seed : int

    Raises
    ------
    InputError
        If a number is out of its range.
    """

    hidden: tuple[int, ...] = (500, 500, 2000)
    inputs: int = 784
    classes: int = 10
    counter: CounterParams = field(default_factory=CounterParams)
    spread: DeviceSpread = field(default_factory=DeviceSpread)
    batch: int = 100
    synapses: str = "y-flash"
    seed: int = 0

    def __post_init__(self) -> None:
        rng.check_key("seed", self.seed)
        if not 1 <= len(self.hidden) <= LAYERS_MAX or not all(1 <= n <= UNITS_MAX for n in self.hidden):
            rule = f"must be 1 to {LAYERS_MAX} numbers in [1, {UNITS_MAX}], not {','.join(map(str, self.hidden))}"
            raise InputError(rule, parameter="hidden")
        if not 1 <= self.batch <= 1 << 16:
            raise InputError(f"must be in [1, {1 << 16}], not {self.batch}", parameter="batch")
        if self.synapses not in SYNAPSES:
            raise InputError(f"must be one of {', '.join(SYNAPSES)}, not {self.synapses!r}", parameter="synapses")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of each layer, inputs first."""
        return (self.inputs, *self.hidden)

    @property
    def stages(self) -> int:
        """RBMs that are learnt one after the other; wake-sleep is the stage after these."""
        return len(self.hidden)


Array = Synapses | FloatSynapses


@dataclass(eq=False)
class Layer:
    """Synapses between two layers: an RBM's, or what is left of one direction of it.

    Parameters
    ----------
    weights : Synapses or FloatSynapses, shape (lower, upper)
    lower, upper : Synapses or FloatSynapses
        Biases.
    """

    weights: Array
    lower: Array
    upper: Array

    @property
    def arrays(self) -> dict[str, Array]:
        """The three by name."""
        return {"weights": self.weights, "lower": self.lower, "upper": self.upper}

    def machine(self, classes: int = 0) -> Machine:
        """Return the RBM of the weights as they are."""
        return Machine(self.weights.weights, self.lower.weights, self.upper.weights, classes)

    def up(self, states: Floats) -> Floats:
        """Return the currents of the upper units."""
        return currents(states, self.weights.weights, self.upper.weights)

    def down(self, states: Floats) -> Floats:
        """Return the currents of the lower units."""
        return currents(states, self.weights.weights.T, self.lower.weights)


class DeepBelief:
    """A deep belief network that learns.

    Parameters
    ----------
    params : BeliefParams

    Attributes
    ----------
    layers : list of Layer
        Lower ones first; the last is the RBM with the labels. After :meth:`untie` those below it recognise.
    generative : list of Layer
        Of the lower ones, for the way down; empty before :meth:`untie`.
    """

    def __init__(self, params: BeliefParams) -> None:
        self.params = params
        self.layers = [self._layer(k) for k in range(params.stages)]
        self.generative: list[Layer] = []

    def _stream(self, part: int, trial: int) -> np.random.Generator:
        return rng.stream("belief", seed=self.params.seed, layer=part, trial=trial)

    def _layer(self, k: int) -> Layer:
        p, g = self.params, rng.stream("y-flash", seed=self.params.seed, layer=k, trial=0)
        lower = p.sizes[k] + p.classes * (k == p.stages - 1)
        return Layer(*(self._fresh(shape, g) for shape in ((lower, p.sizes[k + 1]), (lower,), (p.sizes[k + 1],))))

    def _fresh(self, shape: tuple[int, ...], g: np.random.Generator) -> Array:
        p = self.params
        if p.synapses == "float":
            return FloatSynapses(np.zeros(shape, np.float32), 0.1 / p.counter.threshold)
        return Synapses.draw(shape, p.counter, p.spread, g)

    @property
    def top(self) -> Layer:
        """The RBM with the labels."""
        return self.layers[-1]

    def untie(self) -> None:
        """Give each lower layer a copy for the way down, in devices of its own."""
        p = self.params
        for k, layer in enumerate(self.layers[:-1]):
            g = rng.stream("y-flash", seed=p.seed, layer=k, trial=1)
            self.generative.append(Layer(*(a.copy(p.spread, g) for a in layer.arrays.values())))

    def hidden_states(self, bits: NDArray[np.bool_], layers: int) -> NDArray[np.bool_]:
        """Return the likelier states of some layers up, (n, units)."""
        out = np.empty((len(bits), self.params.sizes[layers]), bool)
        for k in range(0, len(bits), _CHUNK):
            states = bits[k : k + _CHUNK].astype(np.float32)
            for layer in self.layers[:layers]:
                states = step(layer.up(states))
            out[k : k + _CHUNK] = states
        return out

    def learn(
        self,
        stage: int,
        epoch: int,
        bits: NDArray[np.bool_],
        labels: NDArray[np.integer],
        progress: Progress | None = None,
    ) -> float:
        """Learn from all images once.

        Parameters
        ----------
        stage : int
            Which RBM; the number of them: wake-sleep, before which :meth:`untie` is called.
        epoch : int
            Number of the epoch in the stage, which keys what is drawn.
        bits : ndarray of bool, shape (n, inputs)
        labels : ndarray of int, shape (n,)
        progress : callable, optional

        Returns
        -------
        error : float
            Mean share of visible units, or of inputs, that a step of sampling changed.
        """
        p, g = self.params, self._stream(stage, epoch)
        states = bits if stage >= p.stages else self.hidden_states(bits, stage)
        wanted = np.eye(p.classes, dtype=np.float32)[labels]
        order, total = g.permutation(len(bits)), 0.0
        for k in range(0, len(bits), p.batch):
            chosen = order[k : k + p.batch]
            v = states[chosen].astype(np.float32)
            if stage >= p.stages:
                total += self._wake_sleep(v, wanted[chosen], g)
            else:
                is_top = stage == p.stages - 1
                v = np.hstack([v, wanted[chosen]]) if is_top else v
                total += self._contrast(self.layers[stage], v, g, is_top)[0]
            if progress:
                progress(min(k + p.batch, len(bits)), len(bits))
        return total / len(bits)

    def _contrast(self, layer: Layer, v: Floats, g: np.random.Generator, is_top: bool) -> tuple[float, Floats]:
        found = layer.machine(self.params.classes * is_top).contrast(v, g)
        layer.weights.learn(found.weights)
        layer.lower.learn(found.visible)
        layer.upper.learn(found.hidden)
        drawn = found.negative[0]
        return float(np.abs(v - drawn).mean() * len(v)), drawn

    def _wake_sleep(self, v: Floats, labels: Floats, g: np.random.Generator) -> float:
        """Learn both directions from a batch; return the sum of the shares of inputs that the way down gets wrong."""
        awake = [v]
        for layer in self.layers[:-1]:
            awake.append(fire(layer.up(awake[-1]), g))
        error = 0.0
        for k, layer in reversed(list(enumerate(self.generative))):
            missing = awake[k] - fire(layer.down(awake[k + 1]), g)
            layer.weights.learn(missing.T @ awake[k + 1])
            layer.lower.learn(missing.sum(axis=0))
            error = float(np.abs(missing).mean() * len(v))
        pen = self._contrast(self.top, np.hstack([awake[-1], labels]), g, True)[1]
        asleep = [np.ascontiguousarray(pen[:, : -self.params.classes])]
        for layer in reversed(self.generative):
            asleep.insert(0, fire(layer.down(asleep[0]), g))
        for k, layer in enumerate(self.layers[:-1]):
            missing = asleep[k + 1] - fire(layer.up(asleep[k]), g)
            layer.weights.learn(asleep[k].T @ missing)
            layer.upper.learn(missing.sum(axis=0))
        return error

    def read(
        self, bits: NDArray[np.bool_], draws: int = 0, seed: int = 0, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Return the currents into the labels, (n, classes); those of the right ones should be the largest.

        Parameters
        ----------
        bits : ndarray of bool, shape (n, inputs)
        draws : int
            Samples of all hidden units whose currents are added; 0: frozen, every threshold is 1/2.
        seed : int
            Of the draws.
        progress : callable, optional
        """
        out = np.empty((len(bits), self.params.classes), np.float32)
        for k in range(0, len(bits), _CHUNK):
            chosen = slice(k, k + _CHUNK)
            g = rng.stream("belief-read", seed=seed, layer=k, trial=0)
            v = bits[chosen].astype(np.float32)
            if draws:
                fired = partial(fire, generator=g)
                out[chosen] = np.sum([self._label_currents(v, fired) for _ in range(draws)], axis=0)
            else:
                out[chosen] = self._label_currents(v, step)
            if progress:
                progress(min(k + _CHUNK, len(bits)), len(bits))
        return out

    def _label_currents(self, v: Floats, state: Callable[[Floats], Floats]) -> Floats:
        """Return the currents into the labels, which are 0 themselves, from one state of the hidden units."""
        for layer in self.layers[:-1]:
            v = state(layer.up(v))
        n, top = self.params.classes, self.top
        h = state(currents(v, top.weights.weights[:-n], top.upper.weights))
        return currents(h, top.weights.weights[-n:].T, top.lower.weights[-n:])

    def free_energies(self, bits: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the free energy of each class over the likelier states below, (n, classes): the lowest is the best.

        It is what a computer would read; the arrays do not give it.
        """
        parts = [bits[k : k + _CHUNK] for k in range(0, len(bits), _CHUNK)]
        machine = self.top.machine(self.params.classes)
        pens = (self.hidden_states(part, self.params.stages - 1).astype(np.float32) for part in parts)
        return np.concatenate([machine.free_energies(pen) for pen in pens])

    def reconstructed(self, bits: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the probabilities of inputs after the way up to the last layer but one and down, (n, inputs)."""
        v: Floats = bits.astype(np.float32)
        for layer in self.layers[:-1]:
            v = step(layer.up(v))
        downs = self.generative or self.layers[:-1]
        for k, layer in reversed(list(enumerate(downs))):
            x = layer.down(v)
            v = step(x) if k else 1 / (1 + np.exp(-x))
        return v.astype(np.float32, copy=False)

    def writes(self) -> dict[str, NDArray[np.int32]]:
        """Return the pulses of each device by the name of its array."""
        return {name: array.devices.writes for name, array in self._arrays().items() if isinstance(array, Synapses)}

    def _arrays(self) -> dict[str, Array]:
        layers = {f"up{k}": layer for k, layer in enumerate(self.layers)}
        layers |= {f"down{k}": layer for k, layer in enumerate(self.generative)}
        return {f"{name}.{part}": a for name, layer in layers.items() for part, a in layer.arrays.items()}

    def state(self) -> dict[str, NDArray]:
        """Return what a checkpoint keeps, by name."""
        return {f"{name}.{part}": a for name, array in self._arrays().items() for part, a in array.state().items()}

    def restore(self, array: Callable[[str, str, tuple[int, ...]], NDArray]) -> None:
        """Go back to what :meth:`state` gave: `array` returns what is kept by (name, dtype, shape)."""
        for name, ours in self._arrays().items():
            for part, values in ours.state().items():
                values[...] = array(f"{name}.{part}", values.dtype.str, values.shape)
            if isinstance(ours, Synapses):
                ours.set_weights()


def accuracy(scores: Floats, labels: NDArray[np.integer]) -> float:
    """Return the share of images whose largest score is that of the right class."""
    return float((scores.argmax(axis=1) == labels).mean())


def binarized(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the inputs of grey images, (n, pixels): brighter than half."""
    return images.reshape(len(images), -1) > 127
