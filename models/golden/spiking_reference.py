"""The reference implementation of spiking networks in plain Python, which the golden model is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from oxnor.models.networks.encoders import Events
from oxnor.models.networks.spiking import SpikingNetwork

from .spiking_kernels import DELTA, MAXIMUM, WINDOW


@dataclass
class ReferenceLayer:
    """One layer in plain Python, written from the text of :class:`oxnor.models.networks.spiking.Neuron`.

    Parameters
    ----------
    layer : SpikingLayer
    """

    layer: Any
    v: list[int] = field(init=False)
    until: list[int] = field(init=False)
    tick: int = 0

    def __post_init__(self) -> None:
        self.v = [self.layer.neuron.v_init] * self.layer.n_out
        self.until = [0] * self.layer.n_out
        self.weights = self.layer.matrix.tolist()

    def event(self, tick: int, address: int, negative: bool) -> list[tuple[int, bool]]:
        """Process one event and return the spikes: (neuron, negative), in rising order of neurons."""
        p, spikes = self.layer.neuron, []
        for j, w in enumerate(self.weights[address]):
            v = self.v[j]
            for _ in range(tick - self.tick if p.leak else 0):
                v -= (abs(v) * p.leak_factor >> p.leak) * (1 if v >= 0 else -1)
            v = max(p.v_min, min(p.v_max, v + ((-w if negative else w) << p.fraction)))
            up = v > p.theta if p.compare == "gt" else v >= p.theta
            down = p.bipolar and (-v > p.theta if p.compare == "gt" else -v >= p.theta)
            if tick < self.until[j]:
                v = v if p.refractory_integrate else 0
            elif up or down:
                self.until[j] = tick + p.refractory
                spikes.append((j, not up))
                v = p.v_reset if p.reset == "zero" else v - p.theta if up else v + p.theta
            self.v[j] = v
        self.tick = tick
        return spikes


@dataclass
class ReferenceRun:
    """One image in plain Python, with a record of everything that happens: for tests and pictures.

    Parameters
    ----------
    network : SpikingNetwork
    events : Events

    Members
    -------
    counts, used : list of int
        As in :class:`oxnor.models.golden.spiking.Readout`.
    reason, tick : int
        Likewise.
    fired : list of list of (tick, neuron, negative)
        Spikes of each layer.
    spikes : list of (event, tick, neuron, negative)
        Of the last layer.
    membranes : list of list of int
        V of the last layer after each of its events.
    inputs : list of (tick, address)
        The events of the last layer.
    """

    network: SpikingNetwork
    events: Events

    def __post_init__(self) -> None:
        self.layers = [ReferenceLayer(y) for y in self.network.layers]
        self.counts, self.used = [0] * self.network.n_out, [0] * len(self.layers)
        self.reason, self.tick = WINDOW, self.network.decision.window
        self.fired: list[list[tuple[int, int, bool]]] = [[] for _ in self.layers]
        self.spikes: list[tuple[int, int, int, bool]] = []
        self.membranes: list[list[int]] = []
        self.inputs: list[tuple[int, int]] = []
        for tick, address, negative in zip(
            self.events.ticks.tolist(), self.events.addresses.tolist(), self.events.negative.tolist(), strict=True
        ):
            if tick >= self.network.decision.window or self.reason:
                break
            if 0 <= address < self.network.n_in + self.network.clock:
                self._event(0, tick, address, negative)

    def _event(self, k: int, tick: int, address: int, negative: bool) -> None:
        self.used[k] += 1
        spikes = self.layers[k].event(tick, address, negative)
        self.fired[k] += [(tick, j, minus) for j, minus in spikes]
        if k + 1 < len(self.layers):
            clock = self.network.clock and address == self.network.layers[k].n_in
            for j, minus in [*spikes, (self.network.layers[k].n_out, False)] if clock else spikes:
                if not self.reason:
                    self._event(k + 1, tick, j, minus)
            return
        d = self.network.decision
        self.inputs.append((tick, address))
        self.membranes.append(list(self.layers[k].v))
        for j, minus in spikes:
            self.spikes.append((self.used[k], tick, j, minus))
            self.counts[j] = max(-d.count_max, min(d.count_max, self.counts[j] + (-1 if minus else 1)))
        if spikes:
            first, second = sorted(self.counts, reverse=True)[:2]
            if d.delta_s and first - second >= d.delta_s:
                self.reason, self.tick = DELTA, tick
            elif d.terminate_max and first >= d.terminate_max:
                self.reason, self.tick = MAXIMUM, tick
