"""The golden model of spiking networks: event by event, in exact integers, and a plain twin of it.

An input event goes through the first layer; each spike that it makes there is an event for the next layer, by rising
neuron and at the same tick, and is worked off before the next input event. All neurons of a layer see an event before
anything else happens. The decision is tested after each event of the last layer at which an output fired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.encoders import KINDS, Events, encoder_start, encoder_tick
from oxnor.models.networks.spiking import SpikingNetwork

#: Why an image ended, by number.
REASONS = ("window", "delta", "maximum")
_WINDOW, _DELTA, _MAXIMUM = range(3)
#: Energy of a synaptic event, in joules, as published for the SPIRIT chip (130 nm): synapse and neuron (reference 14).
ENERGY_J = 3.6e-12
ENERGY_TEXT = f"synaptic events x the published {ENERGY_J * 1e12:g} pJ: computed, not measured"
# Columns of the integer parameters of a layer.
_LIMIT, _THETA, _BIPOLAR, _ZERO, _REFRACTORY, _HOLDS, _LEAK, _INIT, _LOW, _HIGH = range(10)


@dataclass(frozen=True, eq=False)
class Spikes:
    """Output spikes, one after the other.

    Parameters
    ----------
    image, event, tick, neuron : ndarray of int32, shape (k,)
        Image; number of the event of the last layer, from 1; its tick; neuron.
    negative : ndarray of bool, shape (k,)
        Sign.
    """

    image: NDArray[np.int32]
    event: NDArray[np.int32]
    tick: NDArray[np.int32]
    neuron: NDArray[np.int32]
    negative: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Readout:
    """What a spiking network says of images.

    Parameters
    ----------
    winners : ndarray of int64, shape (n,)
        Class with the highest signed count.
    counts : ndarray of int32, shape (n, n_out)
        Positive less negative output spikes.
    used : ndarray of int32, shape (n, layers)
        Events that each layer took until the stop: the first column are the input spikes.
    reasons : ndarray of int8, shape (n,)
        Index into :data:`REASONS`; an image that ran to the end of its window is undecided.
    ticks : ndarray of int32, shape (n,)
        Tick of the event at which it stopped; the window if it ran to its end.
    spikes : Spikes or None
        Output spikes, if asked for.
    log : ndarray of int32, shape (k, 4), or None
        Every event of every layer, image by image in the order in which they are worked off, if asked for: layer, tick,
        address, and how many neurons fired. An image has as many rows as `used` says.
    """

    winners: NDArray[np.int64]
    counts: NDArray[np.int32]
    used: NDArray[np.int32]
    reasons: NDArray[np.int8]
    ticks: NDArray[np.int32]
    spikes: Spikes | None
    log: NDArray[np.int32] | None = None

    @property
    def undecided(self) -> NDArray[np.bool_]:
        """Images whose window ended before the decision, shape (n,)."""
        return self.reasons == _WINDOW

    def synaptic_events(self, network: SpikingNetwork) -> NDArray[np.int64]:
        """Return how many synapses were read for each image, shape (n,): each event reads one of every neuron."""
        return self.used.astype(np.int64) @ np.array([y.n_out for y in network.layers])


@numba.njit(cache=True)
def _decay(v, leak, steps):
    for _ in range(steps):
        lost = v >> leak if v >= 0 else -((-v) >> leak)
        if lost == 0:
            break
        v -= lost
    return v


@numba.njit(cache=True, boundscheck=False)
def _layer_event(p, weights, negative, tick, steps, v, until, fired):
    """One event on all neurons of a layer; `fired` gets 1, -1 or 0 each. Returns how many fired."""
    some = 0
    limit, theta, bipolar, holds = p[_LIMIT], p[_THETA], p[_BIPOLAR], p[_HOLDS]
    low, high = p[_LOW], p[_HIGH]
    for j in range(len(v)):
        now = v[j]
        if p[_LEAK] and steps:
            now = _decay(now, p[_LEAK], steps)
        now += -weights[j] if negative else weights[j]
        now = min(max(now, low), high)
        fired[j] = 0
        if tick >= until[j]:
            if now >= limit:
                fired[j] = 1
                now = 0 if p[_ZERO] else now - theta
            elif bipolar and -now >= limit:
                fired[j] = -1
                now = 0 if p[_ZERO] else now + theta
            if fired[j]:
                some += 1
                until[j] = tick + p[_REFRACTORY]
        elif not holds:
            now = 0
        v[j] = now
    return some


@numba.njit(cache=True)
def _stops(counts, delta_s, terminate_max):
    first, second = counts[0], np.int32(-(1 << 31) + 1)
    for k in range(1, len(counts)):
        if counts[k] > first:
            first, second = counts[k], first
        elif counts[k] > second:
            second = counts[k]
    if delta_s and np.int64(first) - np.int64(second) >= delta_s:
        return _DELTA
    if terminate_max and first >= terminate_max:
        return _MAXIMUM
    return _WINDOW


@numba.njit(cache=True, boundscheck=False)
def _input_event(net, address, negative, tick, state, counts, used, spikes, log, made):
    """Take one input event through all layers; returns why it stops, or 0.

    `made` counts output spikes and events; those for which `spikes` and `log` have room are written there.
    """
    sizes, offsets, params, weights, decision = net
    v, until, fired, last, queue, head, tail = state
    layers = len(sizes) - 1
    queue[0, 0] = -address - 1 if negative else address
    head[0], tail[0] = 0, 1
    k = 0
    while k >= 0:
        if head[k] == tail[k]:
            k -= 1
            continue
        code = queue[k, head[k]]
        head[k] += 1
        n, start = sizes[k + 1], offsets[k, 1]
        out = fired[start : start + n]
        minus = code < 0
        first = offsets[k, 0] + (-code - 1 if minus else code) * n
        used[k] += 1
        some = _layer_event(
            params[k], weights[first : first + n], minus, tick, tick - last[k],
            v[start : start + n], until[start : start + n], out,
        )
        last[k] = tick
        if made[1] < len(log):
            log[made[1], 0], log[made[1], 1] = k, tick
            log[made[1], 2], log[made[1], 3] = (-code - 1 if minus else code), some
        made[1] += 1
        if not some:
            continue
        if k < layers - 1:
            new = 0
            for j in range(n):
                if out[j]:
                    queue[k + 1, new] = j if out[j] > 0 else -j - 1
                    new += 1
            k += 1
            head[k], tail[k] = 0, new
            continue
        for j in range(n):
            if out[j]:
                counts[j] = min(max(counts[j] + out[j], -decision[2]), decision[2])
                if made[0] < len(spikes):
                    spikes[made[0], 0], spikes[made[0], 1] = used[k], tick
                    spikes[made[0], 2] = j if out[j] > 0 else -j - 1
                made[0] += 1
        why = _stops(counts, decision[0], decision[1])
        if why:
            return why
    return 0


@numba.njit(cache=True)
def _fresh(net, state):
    sizes, offsets, params, _, _ = net
    v, until, last = state[0], state[1], state[3]
    until[:] = 0
    last[:] = 0
    for k in range(len(sizes) - 1):
        v[offsets[k, 1] : offsets[k, 1] + sizes[k + 1]] = params[k, _INIT]


@numba.njit(cache=True)
def _state(net):
    sizes, _offsets, _, _, _ = net
    layers = len(sizes) - 1
    neurons = sizes[1:].sum()
    return (np.zeros(neurons, np.int64), np.zeros(neurons, np.int64), np.zeros(neurons, np.int8),
            np.zeros(layers, np.int64), np.zeros((layers, sizes[1:].max()), np.int32),
            np.zeros(layers, np.int64), np.zeros(layers, np.int64))  # fmt: skip


@numba.njit(cache=True, parallel=True, boundscheck=False)
def _run_images(net, kind, rate_bits, window, values, seeds, counts, used, reasons, ticks, made, starts, spikes, log):
    n = len(values)
    blocks = min(n, 64)
    for block in numba.prange(blocks):
        state = _state(net)
        acc, lfsr = np.empty(values.shape[1], np.int32), np.empty(len(seeds), np.uint32)
        buffer = np.empty(values.shape[1], np.int32)
        for i in range(block, n, blocks):
            _fresh(net, state)
            encoder_start(kind, rate_bits, window, values[i], seeds, lfsr, acc)
            why, tick = 0, 0
            mine, my_log = spikes[starts[i, 0] : starts[i + 1, 0]], log[starts[i, 1] : starts[i + 1, 1]]
            while tick < window and not why:
                found = encoder_tick(kind, rate_bits, tick, values[i], lfsr, acc, buffer)
                for e in range(found):
                    why = _input_event(
                        net, buffer[e], False, tick, state, counts[i], used[i], mine, my_log, made[i]
                    )
                    if why:
                        break
                if not why:
                    tick += 1
            reasons[i], ticks[i] = why, tick


@numba.njit(cache=True)
def _run_events(net, window, event_ticks, addresses, negative, counts, used, spikes, log, made):
    state = _state(net)
    _fresh(net, state)
    for e in range(len(event_ticks)):
        if event_ticks[e] >= window:
            break
        if addresses[e] < 0 or addresses[e] >= net[0][0]:
            continue
        why = _input_event(net, addresses[e], negative[e], event_ticks[e], state, counts, used, spikes, log, made)
        if why:
            return why, event_ticks[e]
    return 0, window


def _packed(network: SpikingNetwork) -> tuple:
    """Return a network as arrays for the kernels."""
    sizes = np.array(network.shape, np.int64)
    params = np.array([
        (y.neuron.limit, y.neuron.theta, y.neuron.bipolar, y.neuron.reset == "zero", y.neuron.refractory,
         y.neuron.refractory_integrate, y.neuron.leak, y.neuron.v_init, y.neuron.v_min, y.neuron.v_max)
        for y in network.layers
    ], np.int64)  # fmt: skip
    weights = np.concatenate([y.matrix.reshape(-1) for y in network.layers])
    at = np.cumsum([0] + [y.matrix.size for y in network.layers])[:-1]
    neuron_at = np.cumsum([0, *network.shape[1:]])[:-1]
    d = network.decision
    decision = np.array([d.delta_s, d.terminate_max, d.count_max], np.int64)
    return sizes, np.stack([at, neuron_at], axis=1).astype(np.int64), params, weights, decision


def winners(network: SpikingNetwork, counts: NDArray) -> NDArray[np.int64]:
    """Return the index of the largest count along the last axis; ties as the network's decision says."""
    if network.decision.tie == "lowest":
        return np.argmax(counts, axis=-1)
    return counts.shape[-1] - 1 - np.argmax(counts[..., ::-1], axis=-1)


def run(network: SpikingNetwork, images: Any, *, with_spikes: bool = False, with_log: bool = False) -> Readout:
    """Return what a network with an encoder says of images.

    Parameters
    ----------
    network : SpikingNetwork
    images : ndarray of uint8
        As for :meth:`SpikingNetwork.inputs`.
    with_spikes : bool
        Keep every output spike.
    with_log : bool
        Keep every event of every layer: 16 bytes each.

    Raises
    ------
    InputError
        If the network takes events from outside.
    """
    if network.encoder.kind == "external":
        raise InputError(f"network {network.name!r}: encoder must not be external to run images")
    values = network.inputs(images)
    net, n, e = _packed(network), len(values), network.encoder
    counts, used = np.zeros((n, network.n_out), np.int32), np.zeros((n, len(network.layers)), np.int32)
    reasons, ticks, made = np.zeros(n, np.int8), np.zeros(n, np.int32), np.zeros((n, 2), np.int64)
    fixed = (net, KINDS[e.kind], e.rate_bits, network.decision.window, values, e.lane_seeds())
    none, spikes, log = np.empty((0, 4), np.int32), None, None
    _run_images(*fixed, counts, used, reasons, ticks, made, np.zeros((n + 1, 2), np.int64), none, none)
    if with_spikes or with_log:
        starts = np.concatenate([np.zeros((1, 2), np.int64), np.cumsum(made, axis=0)]) * (with_spikes, with_log)
        raw, kept = (np.empty((int(size), 4), np.int32) for size in starts[-1])
        spiked = made[:, 0].copy()
        counts[:], used[:], made[:] = 0, 0, 0
        _run_images(*fixed, counts, used, reasons, ticks, made, starts, raw, kept)
        spikes = _spikes(raw, np.repeat(np.arange(n, dtype=np.int32), spiked)) if with_spikes else None
        log = kept if with_log else None
    return Readout(winners(network, counts), counts, used, reasons, ticks, spikes, log)


def _spikes(raw: NDArray[np.int32], image: NDArray[np.int32]) -> Spikes:
    negative = raw[:, 2] < 0
    neuron = np.where(negative, -raw[:, 2] - 1, raw[:, 2]).astype(np.int32)
    return Spikes(image, raw[:, 0].copy(), raw[:, 1].copy(), neuron, negative)


def run_events(network: SpikingNetwork, streams: Sequence[Events]) -> Readout:
    """Return what a network says of given events, one stream an image; every output spike and every event is kept.

    Events at addresses that the network does not have are passed over; those from the window on are not looked at.
    """
    net, n = _packed(network), len(streams)
    counts, used = np.zeros((n, network.n_out), np.int32), np.zeros((n, len(network.layers)), np.int32)
    reasons, ticks = np.zeros(n, np.int8), np.zeros(n, np.int32)
    found, logs = [np.empty((0, 4), np.int32)], [np.empty((0, 4), np.int32)]
    for i, s in enumerate(streams):
        given = (net, network.decision.window, s.ticks, s.addresses, s.negative)
        none, made = np.empty((0, 4), np.int32), np.zeros(2, np.int64)
        _run_events(*given, counts[i].copy(), used[i].copy(), none, none, made)
        raw, log = (np.empty((int(size), 4), np.int32) for size in made)
        reasons[i], ticks[i] = _run_events(*given, counts[i], used[i], raw, log, np.zeros(2, np.int64))
        found.append(raw)
        logs.append(log)
    image = np.repeat(np.arange(n, dtype=np.int32), [len(f) for f in found[1:]])
    spikes = _spikes(np.concatenate(found), image)
    return Readout(winners(network, counts), counts, used, reasons, ticks, spikes, np.concatenate(logs))


@dataclass
class PlainLayer:
    """One layer in plain Python, after the text of :class:`oxnor.models.networks.spiking.Neuron`: the kernels' twin.

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
        """Take one event and return the spikes: (neuron, negative), by rising neuron."""
        p, spikes = self.layer.neuron, []
        for j, w in enumerate(self.weights[address]):
            v = self.v[j]
            for _ in range(tick - self.tick if p.leak else 0):
                v -= (abs(v) >> p.leak) * (1 if v >= 0 else -1)
            v = max(p.v_min, min(p.v_max, v + (-w if negative else w)))
            up = v > p.theta if p.compare == "gt" else v >= p.theta
            down = p.bipolar and (-v > p.theta if p.compare == "gt" else -v >= p.theta)
            if tick < self.until[j]:
                v = v if p.refractory_integrate else 0
            elif up or down:
                self.until[j] = tick + p.refractory
                spikes.append((j, not up))
                v = 0 if p.reset == "zero" else v - p.theta if up else v + p.theta
            self.v[j] = v
        self.tick = tick
        return spikes


@dataclass
class PlainRun:
    """One image in plain Python, with everything that happens kept: for tests and pictures.

    Parameters
    ----------
    network : SpikingNetwork
    events : Events

    Members
    -------
    counts, used : list of int
        As in :class:`Readout`.
    reason, tick : int
        Likewise.
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
        self.layers = [PlainLayer(y) for y in self.network.layers]
        self.counts, self.used = [0] * self.network.n_out, [0] * len(self.layers)
        self.reason, self.tick = _WINDOW, self.network.decision.window
        self.spikes: list[tuple[int, int, int, bool]] = []
        self.membranes: list[list[int]] = []
        self.inputs: list[tuple[int, int]] = []
        for tick, address, negative in zip(
            self.events.ticks.tolist(), self.events.addresses.tolist(), self.events.negative.tolist(), strict=True
        ):
            if tick >= self.network.decision.window or self.reason:
                break
            if 0 <= address < self.network.n_in:
                self._event(0, tick, address, negative)

    def _event(self, k: int, tick: int, address: int, negative: bool) -> None:
        self.used[k] += 1
        spikes = self.layers[k].event(tick, address, negative)
        if k + 1 < len(self.layers):
            for j, minus in spikes:
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
                self.reason, self.tick = _DELTA, tick
            elif d.terminate_max and first >= d.terminate_max:
                self.reason, self.tick = _MAXIMUM, tick
