"""Compiled kernels of the golden model of spiking networks: event by event, in exact integers.

Arrays travel in named tuples, which Numba passes without a copy.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from oxnor.models.networks.encoders import encoder_start, encoder_tick
from oxnor.models.networks.spiking import SpikingNetwork

#: Less than every count.
_LEAST = np.iinfo(np.int32).min
#: Images that run at once.
_BLOCKS = 64
#: Why an image ended.
WINDOW, DELTA, MAXIMUM = range(3)
# Columns of the integer parameters of a layer.
_LIMIT, _THETA, _BIPOLAR, _ZERO, _REFRACTORY, _HOLDS, _LEAK, _INIT, _LOW, _HIGH, _FACTOR, _FRACTION, _RESET = range(13)


class Net(NamedTuple):
    """A network as arrays.

    Parameters
    ----------
    sizes : ndarray of int64, shape (layers + 1,)
    offsets : ndarray of int64, shape (layers, 2)
        First weight and first neuron of each layer.
    params : ndarray of int64, shape (layers, 13)
    weights : ndarray of int8
        Of all layers, row by row.
    decision : ndarray of int64, shape (4,)
        delta_s, terminate_max, count_max, and 1 if the layers have a clock.
    """

    sizes: NDArray[np.int64]
    offsets: NDArray[np.int64]
    params: NDArray[np.int64]
    weights: NDArray[np.int8]
    decision: NDArray[np.int64]


class State(NamedTuple):
    """Membranes, ends of refractory periods and spikes of all neurons; last tick and queue of each layer."""

    v: NDArray[np.int64]
    until: NDArray[np.int64]
    fired: NDArray[np.int8]
    last: NDArray[np.int64]
    queue: NDArray[np.int32]
    head: NDArray[np.int64]
    tail: NDArray[np.int64]


class Record(NamedTuple):
    """What one image leaves behind: counts, events of each layer, and as many spikes and log rows as there is room for.

    `made` counts the output spikes and the events.
    """

    counts: NDArray[np.int32]
    used: NDArray[np.int32]
    spikes: NDArray[np.int32]
    log: NDArray[np.int32]
    made: NDArray[np.int64]


class Records(NamedTuple):
    """The records of many images, one a row; `starts` are the first rows of each in `spikes` and `log`."""

    counts: NDArray[np.int32]
    used: NDArray[np.int32]
    spikes: NDArray[np.int32]
    log: NDArray[np.int32]
    made: NDArray[np.int64]
    starts: NDArray[np.int64]
    reasons: NDArray[np.int8]
    ticks: NDArray[np.int32]


class EncoderArrays(NamedTuple):
    """An encoder: number of its kind, bits of the rate, ticks of an image, first states of the lanes."""

    kind: int
    rate_bits: int
    window: int
    seeds: NDArray[np.uint32]


class EventArrays(NamedTuple):
    """Input events of one image."""

    ticks: NDArray[np.int32]
    addresses: NDArray[np.int32]
    negative: NDArray[np.bool_]


@numba.njit(cache=True)
def _decay(v, leak, factor, steps):
    for _ in range(steps):
        lost = abs(v) * factor >> leak
        if not lost:
            return v
        v -= np.sign(v) * lost
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
            now = _decay(now, p[_LEAK], p[_FACTOR], steps)
        weight = np.int64(weights[j]) << p[_FRACTION]
        now += -weight if negative else weight
        now = min(max(now, low), high)
        fired[j] = 0
        if tick >= until[j]:
            if now >= limit:
                fired[j] = 1
                now = p[_RESET] if p[_ZERO] else now - theta
            elif bipolar and -now >= limit:
                fired[j] = -1
                now = p[_RESET] if p[_ZERO] else now + theta
            if fired[j]:
                some += 1
                until[j] = tick + p[_REFRACTORY]
        elif not holds:
            now = 0
        v[j] = now
    return some


@numba.njit(cache=True)
def _stops(counts, delta_s, terminate_max):
    first, second = counts[0], _LEAST
    for count in counts[1:]:
        first, second = max(first, count), max(second, min(first, count))
    if delta_s and np.int64(first) - np.int64(second) >= delta_s:
        return DELTA
    if terminate_max and first >= terminate_max:
        return MAXIMUM
    return WINDOW


@numba.njit(cache=True, boundscheck=False)
def _input_event(net, address, negative, tick, state, record):
    """Take one input event through all layers; return why it stops, or that it does not: WINDOW."""
    sizes, offsets, params, weights, decision = net
    v, until, fired, last, queue, head, tail = state
    counts, used, spikes, log, made = record
    layers = len(params)
    queue[0, 0] = -address - 1 if negative else address
    head[0], tail[0] = 0, 1
    k = 0
    while True:
        while head[k] == tail[k]:
            if k == 0:
                return WINDOW
            k -= 1
        code = queue[k, head[k]]
        head[k] += 1
        n, start = sizes[k + 1], offsets[k, 1]
        out = fired[start : start + n]
        minus = code < 0
        at = -code - 1 if minus else code
        first = offsets[k, 0] + at * n
        used[k] += 1
        some = _layer_event(
            params[k],
            weights[first : first + n],
            minus,
            tick,
            tick - last[k],
            v[start : start + n],
            until[start : start + n],
            out,
        )
        last[k] = tick
        # The clock goes on to the next layer, behind the spikes.
        clock = k < layers - 1 and at == sizes[k]
        some += clock
        if made[1] < len(log):
            log[made[1], 0], log[made[1], 1], log[made[1], 2], log[made[1], 3] = k, tick, at, some
        made[1] += 1
        if some and k < layers - 1:
            new = 0
            for j in range(n):
                if out[j]:
                    queue[k + 1, new] = j if out[j] == 1 else -j - 1
                    new += 1
            if clock:
                queue[k + 1, new] = n
                new += 1
            k += 1
            head[k], tail[k] = 0, new
        elif some:
            for j in range(n):
                if out[j]:
                    counts[j] = min(max(counts[j] + out[j], -decision[2]), decision[2])
                    if made[0] < len(spikes):
                        spikes[made[0], 0], spikes[made[0], 1] = used[k], tick
                        spikes[made[0], 2] = j if out[j] == 1 else -j - 1
                    made[0] += 1
            why = _stops(counts, decision[0], decision[1])
            if why:
                return why


@numba.njit(cache=True)
def _state(net):
    layers, v = len(net.params), np.repeat(net.params[:, _INIT], net.sizes[1:])
    # No layer but the last has as many neurons as all of them: there is room for the clock.
    return State(
        v, np.zeros_like(v), np.empty(v.shape, np.int8), np.zeros(layers, np.int64),
        np.empty((layers, len(v)), np.int32), np.empty(layers, np.int64), np.empty(layers, np.int64),
    )  # fmt: skip


@numba.njit(cache=True)
def _run_image(net, encoder, image, record):
    """Run one image; return why and at which tick it stops."""
    kind, rate_bits, window, seeds = encoder
    state, lfsr = _state(net), np.empty_like(seeds)
    acc, buffer = np.empty(len(image), np.int32), np.empty(len(image), np.int32)
    encoder_start(kind, rate_bits, window, image, seeds, lfsr, acc)
    for tick in range(window):
        for e in range(encoder_tick(kind, rate_bits, tick, image, lfsr, acc, buffer)):
            why = _input_event(net, buffer[e], False, tick, state, record)
            if why:
                return why, tick
    return WINDOW, window


@numba.njit(cache=True, parallel=True, boundscheck=False)
def run_images(net, encoder, values, records):
    """Run images of uint8, shape (n, n_in); fills `records`."""
    counts, used, spikes, log, made, starts, reasons, ticks = records
    for block in numba.prange(_BLOCKS):
        for i in range(block, len(values), _BLOCKS):
            record = Record(
                counts[i],
                used[i],
                spikes[starts[i, 0] : starts[i + 1, 0]],
                log[starts[i, 1] : starts[i + 1, 1]],
                made[i],
            )
            reasons[i], ticks[i] = _run_image(net, encoder, values[i], record)


@numba.njit(cache=True)
def run_events(net, window, events, record):
    """Run one image of given events; return why and at which tick it stops."""
    state = _state(net)
    for e in range(len(events.ticks)):
        tick, address = events.ticks[e], events.addresses[e]
        if tick >= window:
            break
        if address < 0 or address >= net.sizes[0] + net.decision[3]:
            continue
        why = _input_event(net, address, events.negative[e], tick, state, record)
        if why:
            return why, tick
    return WINDOW, window


def packed(network: SpikingNetwork) -> Net:
    """Return a network as arrays for the kernels."""
    sizes = np.array(network.shape, np.int64)
    params = np.array([
        (y.neuron.limit, y.neuron.theta, y.neuron.bipolar, y.neuron.reset == "zero", y.neuron.refractory,
         y.neuron.refractory_integrate, y.neuron.leak, y.neuron.v_init, y.neuron.v_min, y.neuron.v_max,
         y.neuron.leak_factor, y.neuron.fraction, y.neuron.v_reset)
        for y in network.layers
    ], np.int64)  # fmt: skip
    weights = np.concatenate([y.matrix.reshape(-1) for y in network.layers])
    at = np.cumsum([0] + [y.matrix.size for y in network.layers])[:-1]
    neuron_at = np.cumsum([0, *network.shape[1:]])[:-1]
    d = network.decision
    decision = np.array([d.delta_s, d.terminate_max, d.count_max, network.clock], np.int64)
    return Net(sizes, np.stack([at, neuron_at], axis=1).astype(np.int64), params, weights, decision)
