"""When each thing happens in a spiking engine: the clock cycles of every image, from the events of the golden model.

The length of a spiking image depends on its spikes, so there is no number for an engine, as
:func:`oxnor.hw.params.schedule.schedule` gives for binarized ones, but one for each image. Every rule below is a
maximum or a sum of earlier cycles: an event is worked off knowing those before it, and none after it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.golden.spiking import Readout
from oxnor.models.networks.spiking import SpikingNetwork

from .spiking import SpikingConfig

#: Images whose events are kept at once.
_BLOCK = 500
#: Of the last standstills of a layer, those that can still concern an event: two for each of three events before it.
_STANDSTILLS = 6
_NEVER = np.int64(1) << 60
# Rows of the numbers of a layer: cycle in which its next event is offered, cycle in which its answer came, spikes of
# that answer not yet taken, tick of its last event.
_OFFERED, _ANSWERED, _LEFT, _TICK = range(4)
# What is known of the read-out: cycle in which it took an answer, events of the last layer, cycle of the result.
_TAKEN, _EVENTS, _RESULT = range(3)


@dataclass(frozen=True, eq=False)
class SpikingSchedule:
    """Predicted timing of images one after the other, without pauses on the streams.

    Parameters
    ----------
    results : ndarray of int64, shape (n,)
        Clock edges from the first transfer of all to the transfer of each result.
    latencies : ndarray of int64, shape (n,)
        Clock edges from an image's first transfer to its result's, had it found the engine free.
    """

    results: NDArray[np.int64]
    latencies: NDArray[np.int64]


def spiking_schedule(config: SpikingConfig, network: SpikingNetwork, images: Any) -> SpikingSchedule:
    """Return the timing of images in an engine that holds `network`.

    Parameters
    ----------
    config : SpikingConfig
    network : SpikingNetwork
        With the wrong cells that it has.
    images : ndarray of uint8, or sequence of Events
        Images as for :meth:`SpikingNetwork.inputs`; event streams if the engine takes events.
    """
    leaks = np.array([y.neuron.leak > 0 for y in config.layers])
    senses = np.array([y.sense_latency for y in config.layers])
    if config.external:
        return _of_streams(config, network, images, leaks, senses)
    inputs, spans = network.inputs(images), []
    for first in range(0, len(inputs), _BLOCK):
        outcome = spiking_golden.run(network, inputs[first : first + _BLOCK], with_log=True)
        rows, starts = _rows(outcome)
        spans.append(_images(
            rows, starts, _stops(outcome), leaks, senses, config.words, config.encoder.lanes, config.decision.window
        ))  # fmt: skip
    span = np.concatenate(spans)
    results, accepted = np.empty(len(span), np.int64), config.beats
    for i, cycles in enumerate(span):
        # An image is collected while the one ahead is worked off, and leaves when the encoder has forgotten that.
        results[i] = accepted + cycles
        accepted = max(accepted + config.beats, results[i] + 1)
    return SpikingSchedule(results, span + config.beats)


def _of_streams(
    config: SpikingConfig,
    network: SpikingNetwork,
    streams: Any,
    leaks: NDArray[np.bool_],
    senses: NDArray[np.int64],
) -> SpikingSchedule:
    # Words go on being taken until the result is there, so what follows the decision counts too.
    unstopped = replace(network, decision=replace(network.decision, delta_s=0, terminate_max=0))
    stops = _stops(spiking_golden.run_events(network, streams))
    rows, starts = _rows(spiking_golden.run_events(unstopped, streams))
    results, latencies, start = np.empty(len(streams), np.int64), np.empty(len(streams), np.int64), 0
    for i, s in enumerate(streams):
        # A stream without events is sent as a word that is none.
        known = (s.addresses < network.n_in + network.clock) if len(s.ticks) else np.zeros(1, bool)
        late = s.ticks >= config.decision.window if len(s.ticks) else np.zeros(1, bool)
        latencies[i], taken = _stream(rows[starts[i] : starts[i + 1]], known, late, stops[i], leaks, senses)
        results[i] = start + latencies[i]
        start = results[i] + 1 + len(known) - taken
    return SpikingSchedule(results, latencies)


def _rows(outcome: Readout) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    assert outcome.log is not None
    return outcome.log, np.concatenate([[0], np.cumsum(outcome.used.sum(axis=1, dtype=np.int64))])


def _stops(outcome: Readout) -> NDArray[np.int64]:
    """Return which event of the last layer decides each image; 0: none does."""
    return np.where(outcome.undecided, 0, outcome.used[:, -1]).astype(np.int64)


@numba.njit(cache=True)
def _moves(still, at):
    """Return the first cycle from `at` on in which a layer moves."""
    again = True
    while again:
        again = False
        for s in range(_STANDSTILLS):
            if still[s, 0] <= at <= still[s, 1]:
                at, again = still[s, 1] + 1, True
    return at


@numba.njit(cache=True)
def _stand(still, first, last):
    """Add a standstill, which begins no earlier than those before it; the oldest is forgotten."""
    if first <= last:
        still[:-1] = still[1:].copy()
        still[-1, 0], still[-1, 1] = first, last


@numba.njit(cache=True)
def _event(rows, at, offered, stop, leaks, senses, layers, still, readout):
    """Take an event of the first layer and all that follows from it.

    Returns the number of the next row and the cycle in which the first layer took the event. A layer moves as a whole,
    event behind event: read for as many moves as its macros take to sense, into stage 1, stage 2, where it leaks, and
    the output register, where it stands until the answer is taken.
    """
    last, taken = len(layers) - 1, np.int64(0)
    while True:
        k, tick, fired = rows[at, 0], rows[at, 1], rows[at, 3]
        here = layers[k]
        now = _moves(still[k], here[_OFFERED] if k else offered)
        for _ in range(senses[k] - 1):
            now = _moves(still[k], now + 1)
        if k:
            here[_OFFERED] = now + 1
            before = layers[k - 1]
            before[_LEFT] -= 1
            if before[_LEFT] == 0:
                _stand(still[k - 1], before[_ANSWERED] + 1, now - 1)
        else:
            taken = now
        second = _moves(still[k], now + 1)
        if leaks[k]:
            _stand(still[k], second + 1, second + tick - here[_TICK])
            here[_TICK] = tick
        answered = _moves(still[k], second + 1)
        if k == last:
            readout[_EVENTS] += 1
        if fired and k == last:
            read = max(answered + 1, readout[_TAKEN] + 2)  # an answer is judged for a cycle
            if readout[_RESULT] != _NEVER:
                read = _NEVER
            readout[_TAKEN] = read
            _stand(still[k], answered + 1, read - 1)
            if readout[_EVENTS] == stop:
                readout[_RESULT] = read + 2
        elif fired:
            here[_ANSWERED], here[_LEFT] = answered, fired
            layers[k + 1, _OFFERED] = answered + 1
        at += 1
        if at == len(rows) or rows[at, 0] == 0:
            return at, taken


@numba.njit(cache=True)
def _end(offered, still, readout):
    """Take the end of an image through all layers and return the cycle of its result."""
    for k in range(len(still)):
        for _ in range(3):
            offered = _moves(still[k], offered) + 1
    return max(offered, readout[_TAKEN] + 2) + 2


@numba.njit(cache=True)
def _fresh(layers, still, readout):
    layers[:] = 0
    still[:, :, 0], still[:, :, 1] = 0, -1
    readout[_TAKEN], readout[_EVENTS], readout[_RESULT] = -2, 0, _NEVER


@numba.njit(cache=True)
def _state(count):
    return (np.zeros((count, 4), np.int64), np.zeros((count, _STANDSTILLS, 2), np.int64), np.zeros(3, np.int64))


@numba.njit(cache=True)
def _images(rows, starts, stops, leaks, senses, words, lanes, window):
    """Return the cycles from an image's transfer into the encoder to its result, of each image.

    The encoder looks at a group of pixels a cycle, first once to begin, then in every tick; a group with spikes waits
    until they are all taken.
    """
    layers, still, readout = _state(len(leaks))
    spans = np.empty(len(stops), np.int64)
    for i in range(len(stops)):
        _fresh(layers, still, readout)
        mine, at, taken, group = rows[starts[i] : starts[i + 1]], 0, np.int64(words), -1
        while at < len(mine):
            here = mine[at, 1] * words + mine[at, 2] // lanes
            at, taken = _event(mine, at, taken + 1 + here - group, stops[i], leaks, senses, layers, still, readout)
            group = here
        if stops[i]:
            spans[i] = readout[_RESULT]
        else:
            spans[i] = _end(taken + window * words - group, still, readout)
    return spans


@numba.njit(cache=True)
def _stream(rows, known, late, stop, leaks, senses):
    """Return the cycles from the first word of a stream to its result, and how many words were taken before it.

    A word is taken when the event ahead of it has left the input register, into which its own goes.
    """
    layers, still, readout = _state(len(leaks))
    _fresh(layers, still, readout)
    now, left, at, words = np.int64(-1), np.int64(0), 0, 0
    while words < len(known):
        here = max(now + 1, left)
        if here >= readout[_RESULT]:
            break
        now = here
        words += 1
        if late[words - 1]:
            break
        if known[words - 1]:
            at, left = _event(rows, at, now + 1, stop, leaks, senses, layers, still, readout)
    if not stop:
        readout[_RESULT] = _end(max(now + 1, left) + 1, still, readout)
    return readout[_RESULT], words
