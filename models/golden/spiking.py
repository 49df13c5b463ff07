"""The golden model of spiking networks: event by event, in exact integers.

An input event goes through the first layer. Each spike of that layer is an event for the next one, in rising order of
neurons and at the same tick, and is processed before the next input event. All neurons of a layer receive an event
before anything else happens. The decision is tested after each event of the last layer at which an output fired.

:mod:`oxnor.models.golden.spiking_reference` is a second, plain implementation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oxnor.models.base.errors import InputError
from oxnor.models.networks.encoders import ENCODER_TYPES, Events
from oxnor.models.networks.spiking import SpikingNetwork

from . import spiking_kernels as kernels

#: Why an image ended, by number.
REASONS = ("window", "delta", "maximum")
#: Energy of a synaptic event, in joules, as published for the SPIRIT chip (130 nm): synapse and neuron (reference 14).
ENERGY_J = 3.6e-12
#: Inputs and outputs of that chip.
ENERGY_SHAPE = (144, 10)
#: Room for no spike and no event.
_NONE = np.empty((0, 4), np.int32)


def energy_text(shape: tuple[int, ...]) -> str:
    """Return where the energy of a network of this shape comes from, in words."""
    published = f"synaptic events x the {ENERGY_J * 1e12:g} pJ published for the SPIRIT chip"
    other = "" if tuple(shape) == ENERGY_SHAPE else f", whose shape is {'-'.join(map(str, ENERGY_SHAPE))}, not this one"
    return f"{published} (130 nm){other}: computed, not measured"


@dataclass(frozen=True, eq=False)
class Spikes:
    """Output spikes in order.

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

    def __repr__(self) -> str:
        return f"Spikes({len(self.image):,} output spikes)"


@dataclass(frozen=True, eq=False)
class Readout:
    """The answers of a spiking network.

    Parameters
    ----------
    winners : ndarray of int64, shape (n,)
        Class with the highest signed count.
    counts : ndarray of int32, shape (n, n_out)
        Positive less negative output spikes.
    used : ndarray of int32, shape (n, layers)
        Events that each layer received until the stop; the first column holds the input spikes.
    reasons : ndarray of int8, shape (n,)
        Index into :data:`REASONS`; an image that ran to the end of its window is undecided.
    ticks : ndarray of int32, shape (n,)
        Tick of the event at which it stopped; the window if it ran to its end.
    spikes : Spikes or None
        Output spikes, if requested.
    log : ndarray of int32, shape (k, 4), or None
        Every event of every layer, image by image in the order in which they are processed, if requested: layer, tick,
        address, and how many neurons fired. An image has as many rows as `used` counts.
    """

    winners: NDArray[np.int64]
    counts: NDArray[np.int32]
    used: NDArray[np.int32]
    reasons: NDArray[np.int8]
    ticks: NDArray[np.int32]
    spikes: Spikes | None
    log: NDArray[np.int32] | None = None

    def __repr__(self) -> str:
        n, classes = self.counts.shape
        events = self.used[:, 0].mean() if n else 0.0
        return (
            f"Readout({n:,} images, {classes} classes, {np.count_nonzero(self.undecided):,} undecided,"
            f" {events:.4g} input spikes an image)"
        )

    @property
    def undecided(self) -> NDArray[np.bool_]:
        """Images whose window ended before the decision, shape (n,)."""
        return self.reasons == kernels.WINDOW

    def synaptic_events(self, network: SpikingNetwork) -> NDArray[np.int64]:
        """Return how many synapses were read for each image, shape (n,): each event reads one of every neuron."""
        return self.used.astype(np.int64) @ np.array([y.n_out for y in network.layers])


def inputs(network: SpikingNetwork, images: Any) -> Any:
    """Return what :func:`respond` takes, checked: grey values, or event streams if the encoder is external."""
    if network.encoder.kind != "external":
        return network.inputs(images)
    if isinstance(images, np.ndarray) or not all(isinstance(stream, Events) for stream in images):
        raise InputError(f"images must be event streams for network {network.name!r}, which has no encoder")
    return tuple(with_clock(stream, network) for stream in images)


def with_clock(stream: Events, network: SpikingNetwork) -> Events:
    """Return a stream with an event of the clock at the start of each tick, if the network has one.

    The clock's address is the number of inputs. A stream that has such events stays as it is.
    """
    clock, window = network.n_in, network.decision.window
    if not network.clock or (stream.addresses == clock).any():
        return stream
    ticks = np.concatenate([np.arange(window, dtype=np.int32), stream.ticks])
    order = np.argsort(ticks, kind="stable")
    addresses = np.concatenate([np.full(window, clock, np.int32), stream.addresses])
    negative = np.concatenate([np.zeros(window, bool), stream.negative])
    return Events(ticks[order], addresses[order], negative[order])


def respond(network: SpikingNetwork, given: Any, *, with_spikes: bool = False) -> Readout:
    """Return the answers of a network to images, or to event streams if its encoder is external."""
    if network.encoder.kind == "external":
        return run_events(network, inputs(network, given))
    return run(network, given, with_spikes=with_spikes)


def winners(network: SpikingNetwork, counts: NDArray) -> NDArray[np.int64]:
    """Return the index of the largest count along the last axis; ties are broken by the network's decision."""
    if network.decision.tie == "lowest":
        return np.argmax(counts, axis=-1)
    return counts.shape[-1] - 1 - np.argmax(counts[..., ::-1], axis=-1)


def run(network: SpikingNetwork, images: Any, *, with_spikes: bool = False, with_log: bool = False) -> Readout:
    """Return the answers of a network with an encoder.

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
        If the network has an external encoder.
    """
    if network.encoder.kind == "external":
        raise InputError(f"network {network.name!r}: encoder must not be external to run images")
    values = network.inputs(images)
    net, n, e = kernels.packed(network), len(values), network.encoder
    encoder = kernels.EncoderArrays(ENCODER_TYPES[e.kind], e.rate_bits, network.decision.window, e.lane_seeds())
    starts = np.zeros((n + 1, 2), np.int64)
    records = kernels.Records(
        np.zeros((n, network.n_out), np.int32),
        np.zeros((n, len(network.layers)), np.int32),
        _NONE,
        _NONE,
        np.zeros_like(starts[1:]),
        starts,
        np.zeros(n, np.int8),
        np.zeros(n, np.int32),
    )
    kernels.run_images(net, encoder, values, records)
    spikes, log = None, None
    if with_spikes or with_log:
        # The first run has counted; the second one has the room.
        made = records.made.copy()
        starts[1:] = np.cumsum(made, axis=0) * (with_spikes, with_log)
        raw, kept = (np.empty((int(size), 4), np.int32) for size in starts[-1])
        records.counts[:], records.used[:], records.made[:] = 0, 0, 0
        kernels.run_images(net, encoder, values, records._replace(spikes=raw, log=kept))
        spikes = _spikes(raw, np.repeat(np.arange(n, dtype=np.int32), made[:, 0])) if with_spikes else None
        log = kept if with_log else None
    counts = records.counts
    return Readout(winners(network, counts), counts, records.used, records.reasons, records.ticks, spikes, log)


def _spikes(raw: NDArray[np.int32], image: NDArray[np.int32]) -> Spikes:
    negative = raw[:, 2] < 0
    neuron = np.where(negative, -raw[:, 2] - 1, raw[:, 2]).astype(np.int32)
    return Spikes(image, raw[:, 0].copy(), raw[:, 1].copy(), neuron, negative)


def run_events(network: SpikingNetwork, streams: Sequence[Events]) -> Readout:
    """Return the answers of a network to given events, one stream an image; keeps every output spike and every event.

    Events at addresses that the network does not have are ignored, and so are those after the window. Those of a clock
    must be among them: see :func:`with_clock`.
    """
    net, n, window = kernels.packed(network), len(streams), network.decision.window
    counts, used = np.zeros((n, network.n_out), np.int32), np.zeros((n, len(network.layers)), np.int32)
    reasons, ticks = np.zeros(n, np.int8), np.zeros(n, np.int32)
    spikes, logs = [_NONE], [_NONE]
    for i, stream in enumerate(streams):
        events = kernels.EventArrays(stream.ticks, stream.addresses, stream.negative)
        made = np.zeros(2, np.int64)
        kernels.run_events(net, window, events, kernels.Record(counts[i].copy(), used[i].copy(), _NONE, _NONE, made))
        raw, log = (np.empty((int(size), 4), np.int32) for size in made)
        record = kernels.Record(counts[i], used[i], raw, log, np.zeros_like(made))
        reasons[i], ticks[i] = kernels.run_events(net, window, events, record)
        spikes.append(raw)
        logs.append(log)
    image = np.repeat(np.arange(n, dtype=np.int32), [len(raw) for raw in spikes[1:]])
    emitted = _spikes(np.concatenate(spikes), image)
    return Readout(winners(network, counts), counts, used, reasons, ticks, emitted, np.concatenate(logs))
