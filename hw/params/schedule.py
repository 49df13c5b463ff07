"""When each thing happens: the engine's latency and initiation interval, to the cycle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from .engine import EngineConfig
from .layer_kinds import LAYER_KINDS

if TYPE_CHECKING:
    from .pipeline import Flow


@dataclass(frozen=True)
class Schedule:
    """Predicted timing of an engine without pauses on its streams.

    Parameters
    ----------
    latency : int
        Clock edges from the transfer of an image's first beat to the transfer of its result.
    initiation_interval : int
        Clock edges from image to image; rounded up if they differ, as they may with convolutions.
    layer_latencies : tuple of int
        Clock edges from a layer's input transfer, the last one if there are several, to its last output transfer;
        below 0 where the pooling leaves out the last pixels.
    places : int
        Images that must be allowed inside the layers at once, so that none waits for the place of a result.
    flow : Flow, optional
        Times of single images, where there is no rule for them.
    """

    latency: int
    initiation_interval: int
    layer_latencies: tuple[int, ...]
    places: int
    flow: Flow | None = None

    def cycles(self, images: int) -> int:
        """Return the clock edges from the first beat's transfer to the last result's, for `images` in a row."""
        if self.flow is not None:
            return self.flow.cycles(images)
        return self.latency + (images - 1) * self.initiation_interval


def schedule(config: EngineConfig) -> Schedule:
    """Return the timing of an engine.

    A layer takes its reads, ``sense_latency`` cycles each, then ``count_latency`` cycles to the last partial count,
    then its output stages. The reads of a layer that takes the groups of the one before as they come lie within the
    reads of that one, but for the last, and a layer that hands its neurons over as they come has no output stages.
    Layers are pipelined, so the slowest one, or the beats of an image if they are more, sets the initiation interval.

    Macros that answer when they are ready make it the least: it is exact where each access takes ``sense_latency``.

    Convolutions and poolings give pixels in bursts: see :mod:`oxnor.hw.params.pipeline`.
    """
    if config.has_windows:
        return _of_pixels(config)
    # The result is held in a register too.
    has_register = [*(config.stream_into(k).from_register for k in range(1, len(config.layers))), True]
    layers = tuple(
        (y.read_cycles if config.stream_into(k).into_register else y.read_length - 1)
        + y.count_latency
        + (LAYER_KINDS[y.kind].output_stages if has_register[k] else 0)
        for k, y in enumerate(config.layers)
    )
    interval = max(config.beats, *(y.read_cycles for y in config.layers))
    return Schedule(config.beats + sum(layers), interval, layers, sum(layers) // interval + 1)


@lru_cache(maxsize=64)
def _of_pixels(config: EngineConfig) -> Schedule:
    from .pipeline import flow

    times = flow(config)
    # An image is inside from its first pixel on.
    places = times.results[0] // times.interval + 2
    if config.admits_at_intervals:
        times = flow(config, (times.interval, places))
    return Schedule(times.results[0], times.interval, times.latencies, places, times)
