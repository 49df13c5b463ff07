"""How far a spiking network is from the NIR file that it was made of: both on the same events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.networks.encoders import Encoder, Events, draw_events
from oxnor.models.networks.spiking import SpikingNetwork

#: The most that a drawn input spikes in a tick, tried until the source answers; samples, and events of them all.
RATES, SAMPLES, EVENTS_MAX = (1 / 16, 1 / 4, 1.0), (10, 100), 50_000
_CLOCK = -1


@dataclass(frozen=True, eq=False)
class SourceLayer:
    """A layer as its file has it, in float64.

    Parameters
    ----------
    weights : ndarray, shape (n_out, n_in)
        What a spike adds to the potential.
    drive, decay, threshold, reset : ndarray, shape (n_out,)
        What a tick adds, and the part that it takes; the potential above which a neuron fires, and behind it.
    subtract, inclusive : bool
        Whether a spike takes the threshold away instead, and whether a neuron fires at the threshold itself.
    """

    weights: NDArray[np.float64]
    drive: NDArray[np.float64]
    decay: NDArray[np.float64]
    threshold: NDArray[np.float64]
    reset: NDArray[np.float64]
    subtract: bool = False
    inclusive: bool = False

    def fire(self, v: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which neurons fire, and reset them in `v`."""
        fired = v >= self.threshold if self.inclusive else v > self.threshold
        v[fired] = (v - self.threshold)[fired] if self.subtract else self.reset[fired]
        return fired


def by_events(layers: Sequence[SourceLayer], events: Events, window: int) -> NDArray[np.int64]:
    """Return the output spikes of a source that compares after every event, as oxnor does, shape (n_out,)."""
    v, last = [np.zeros(len(y.decay)) for y in layers], [0] * len(layers)
    counts, clock = np.zeros(len(layers[-1].decay), np.int64), any(y.drive.any() for y in layers)

    def event(k: int, tick: int, address: int, sign: int) -> None:
        layer = layers[k]
        if tick != last[k]:
            v[k] *= (1 - layer.decay) ** (tick - last[k])
            last[k] = tick
        v[k] += layer.drive if address == _CLOCK else sign * layer.weights[:, address]
        fired = np.flatnonzero(layer.fire(v[k]))
        if k + 1 == len(layers):
            counts[fired] += 1
            return
        for n in fired.tolist():
            event(k + 1, tick, n, 1)
        if address == _CLOCK:
            event(k + 1, tick, _CLOCK, 1)

    columns = (events.ticks.tolist(), events.addresses.tolist(), (1 - 2 * events.negative.astype(int)).tolist())
    given = list(zip(*columns, strict=True))
    if clock:
        given = sorted([(t, _CLOCK, 1) for t in range(window)] + given, key=lambda e: e[0])
    for tick, address, sign in given:
        if tick < window:
            event(0, tick, address, sign)
    return counts


def by_ticks(layers: Sequence[SourceLayer], events: Events, window: int) -> NDArray[np.int64]:
    """Return the output spikes of a source that compares once a tick, as simulators with a clock do."""
    given = np.zeros((window, layers[0].weights.shape[1]))
    here = events.ticks < window
    np.add.at(given, (events.ticks[here], events.addresses[here]), 1 - 2.0 * events.negative[here])
    v, counts = [np.zeros(len(y.decay)) for y in layers], np.zeros(len(layers[-1].decay), np.int64)
    for x in given:
        for k, layer in enumerate(layers):
            v[k] += layer.weights @ x + layer.drive - layer.decay * v[k]
            x = layer.fire(v[k]).astype(float)
        counts += x.astype(np.int64)
    return counts


#: By what the source is stepped with, in words.
STEPS = {"event by event": by_events, "tick by tick": by_ticks}


def drawn(layers: Sequence[SourceLayer], window: int) -> tuple[tuple[Events, ...], str]:
    """Return drawn events at which the source answers, if it does at all, and what they are in words."""
    n_in = layers[0].weights.shape[1]
    for rate in RATES:
        streams = draw_events(n_in, window, SAMPLES[1], 0, rate)
        if np.mean([by_ticks(layers, s, window).sum() for s in streams[: SAMPLES[0]]]) >= 1:
            break
    mean = max(1.0, float(np.mean([len(s.ticks) for s in streams])))
    streams = streams[: int(np.clip(EVENTS_MAX / mean, *SAMPLES))]
    return streams, f"random events, up to {rate:g} a tick at an input"


def disagreement(
    network: SpikingNetwork, layers: Sequence[SourceLayer], streams: Sequence[Events], on: str
) -> list[dict[str, Any]]:
    """Return how a network and its source differ on events: a dict for each of :data:`STEPS`.

    ``winners`` counts samples with another winner, ``spikes_source`` and ``spikes`` all output spikes, ``counts`` the
    counts that differ, of samples x outputs, and ``most`` by how much at most.
    """
    decision = replace(network.decision, delta_s=0, terminate_max=0)
    free = replace(network, decision=decision, encoder=Encoder(kind="external"))
    outputs = len(layers[-1].decay)
    ours = spiking_golden.respond(free, streams).counts[:, :outputs].astype(np.int64)
    report = []
    for name, run in STEPS.items():
        theirs = np.stack([run(layers, s, decision.window) for s in streams])
        report.append({
            "on": on, "source": name, "samples": len(streams),
            "winners": int((spiking_golden.winners(free, ours) != spiking_golden.winners(free, theirs)).sum()),
            "spikes_source": int(theirs.sum()), "spikes": int(ours.sum()),
            "values": int(theirs.size), "counts": int((ours != theirs).sum()), "most": int(np.abs(ours - theirs).max()),
        })  # fmt: skip
    return report
