"""One sample of a spiking network: its input events, the spikes of every layer, and the membranes of two outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from oxnor.models.base.errors import InputError
from oxnor.models.golden.spiking import REASONS, Readout
from oxnor.models.golden.spiking_reference import ReferenceRun
from oxnor.models.networks.encoders import Events, encode
from oxnor.models.networks.spiking import SpikingNetwork

from .plots import Plot

#: Lines of a raster up to which a spike is a stroke, above it is a dot; spikes above which dots are small.
_STROKES_MAX, _DOTS = 40, 500
#: Most spikes, events and layers of a raster in a file.
_KEPT_MAX, _LAYERS_MAX = 1 << 17, 64

#: Ticks, lines, and 1 for each that is negative.
Spikes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, repr=False)
class Raster:
    """What is drawn of one sample.

    Parameters
    ----------
    network : str
        Name.
    decided : str
        What the sample ended with, in words.
    end : int
        Tick of the decision, or the window.
    lines : tuple of int
        Inputs, and neurons of each layer.
    spikes : tuple of Spikes
        The events of the inputs, and the spikes of each layer, by the golden model.
    outputs : tuple of int
        The two outputs with the highest counts.
    ticks : tuple of int
        Of each event of the last layer.
    membranes : tuple of tuple of int
        V of these outputs after each of those events.
    limits : tuple of int
        Where the outputs fire.
    rtl : Spikes, optional
        Output spikes of the RTL, to be drawn beside those of the golden model.
    """

    network: str
    decided: str
    end: int
    lines: tuple[int, ...]
    spikes: tuple[Spikes, ...]
    outputs: tuple[int, ...]
    ticks: tuple[int, ...]
    membranes: tuple[tuple[int, ...], ...]
    limits: tuple[int, ...]
    rtl: Spikes | None = None

    def __repr__(self) -> str:
        events, spikes = len(self.spikes[0][0]), len(self.spikes[-1][0])
        return f"Raster({self.network!r}, {events:,} events, {spikes:,} output spikes)"

    @classmethod
    def of(cls, network: SpikingNetwork, given: Any, label: str = "", rtl: Readout | None = None, k: int = 0) -> Raster:
        """Return the raster of an image or an event stream, with the spikes of a readout's image `k` beside it.

        Raises
        ------
        InputError
            If it is neither, as the network's encoder demands.
        """
        if isinstance(given, Events) != (network.encoder.kind == "external"):
            kind = "events" if network.encoder.kind == "external" else "an image"
            raise InputError(f"must be {kind} for network {network.name!r}, not {type(given).__name__}")
        if not isinstance(given, Events):
            given = encode(network.encoder, network.inputs(given[None])[0], network.decision.window)
        raster = cls.of_run(ReferenceRun(network, given), label)
        if rtl is None:
            return raster
        assert rtl.spikes is not None
        here = rtl.spikes.image == k
        parts = [getattr(rtl.spikes, name)[here].astype(int).tolist() for name in ("tick", "neuron", "negative")]
        return replace(raster, rtl=(tuple(parts[0]), tuple(parts[1]), tuple(parts[2])))

    @classmethod
    def of_run(cls, run: ReferenceRun, label: str = "") -> Raster:
        """Return the raster of a run of the golden model; `label` is the class of its sample, if it is known."""
        network, events = run.network, run.events
        # The clock is no input.
        seen = (events.ticks <= min(run.tick, network.decision.window - 1)) & (events.addresses < network.n_in)
        parts = [a[seen].astype(int).tolist() for a in (events.ticks, events.addresses, events.negative)]
        inputs = (tuple(parts[0]), tuple(parts[1]), tuple(parts[2]))
        highest = np.argsort(-np.array(run.counts), kind="stable")[:2].tolist()
        membranes = np.array(run.membranes, int).reshape(-1, len(run.counts))
        neuron = network.layers[-1].neuron
        decided = f"{REASONS[run.reason]}: {highest[0]} after {len(parts[0]):,} input spikes"
        return cls(
            network.name, decided + (f" (class {label})" if label else ""), run.tick, tuple(network.shape),
            (inputs, *(_columns(fired) for fired in run.fired)), tuple(highest), tuple(t for t, _ in run.inputs),
            tuple(tuple(membranes[:, n].tolist()) for n in highest),
            (neuron.limit, -neuron.limit) if neuron.bipolar else (neuron.limit,),
        )  # fmt: skip

    def to_json(self) -> dict[str, Any] | None:
        """Return the raster as a JSON-able dict; None if it is too large for a file."""
        if sum(len(s[0]) for s in self.spikes) + len(self.ticks) > _KEPT_MAX:
            return None
        return {k: v for k, v in asdict(self).items() if k != "rtl"}

    @classmethod
    def from_json(cls, found: Mapping[str, Any], where: str) -> Raster:
        """Return the raster that a file holds.

        Raises
        ------
        InputError
            If it cannot be right.
        """
        try:
            network, decided, end = found["network"], found["decided"], _whole(found["end"])
            lines, outputs = _wholes(found["lines"]), _wholes(found["outputs"])
            spikes = tuple(_spikes_of(s, n) for s, n in zip(found["spikes"], lines, strict=True))
            ticks, limits = _wholes(found["ticks"]), _wholes(found["limits"])
            membranes = tuple(_wholes(v) for v in found["membranes"])
            texts = isinstance(network, str) and isinstance(decided, str)
            fit = len(outputs) == len(membranes) == 2 and all(len(v) == len(ticks) for v in membranes)
            if not texts or not fit or not 2 <= len(lines) <= _LAYERS_MAX or min(lines) < 1 or end < 0:
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{where}: header.raster must hold the spikes and membranes of a sample") from None
        return cls(network, decided, end, lines, spikes, outputs, ticks, membranes, limits)

    def plot(self) -> Plot:
        """Return the picture."""
        heights = (2.2, *[1.6] * (len(self.lines) - 1), 1.8)

        def draw(figure: Any, colours: Mapping[str, str]) -> None:
            axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
            names = ["input", *(f"layer {k}" for k in range(len(self.lines) - 2)), "output"]
            for panel, name, lines, spikes in zip(axes, names, self.lines, self.spikes, strict=False):
                _draw_spikes(panel, spikes, lines, name, colours)
            if self.rtl is not None:
                axes[-2].plot(*self.rtl[:2], ls="", marker="o", ms=7, mfc="none", mew=1, color=colours["green"],
                              label="output spikes of the RTL")  # fmt: skip
                axes[-2].legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
            self._draw_membranes(axes[-1], colours)
            for panel in axes:
                panel.axvline(self.end, color=colours["muted"], ls=":", lw=1.5)
            axes[-1].set(xlabel="tick", xlim=(-0.01 * self.end - 0.5, 1.02 * self.end + 0.5))
            axes[0].set_title(self.decided, loc="left", fontsize=11)

        return Plot(f"One sample through {self.network}: {self.decided}", (10.5, 1.1 * sum(heights)), draw)

    def _draw_membranes(self, axes: Any, colours: Mapping[str, str]) -> None:
        # Events of one tick, one after the other, between it and the next.
        ticks = np.array(self.ticks)
        starts = np.searchsorted(ticks, ticks)
        x = ticks + (np.arange(len(ticks)) - starts) / (np.searchsorted(ticks, ticks, "right") - starts)
        for n, values, colour in zip(self.outputs, self.membranes, ("blue", "orange"), strict=True):
            axes.step(x, values, where="post", color=colours[colour], lw=1.3, label=f"output {n}")
        for limit in self.limits:
            axes.axhline(limit, color=colours["line"], ls="--", lw=1)
        axes.set(ylabel="membrane V")
        axes.legend(loc="lower left", ncols=2, bbox_to_anchor=(0, 1), borderaxespad=0.2)


def _columns(spikes: Sequence[tuple[int, int, bool]]) -> Spikes:
    return tuple(s[0] for s in spikes), tuple(s[1] for s in spikes), tuple(int(s[2]) for s in spikes)


def _whole(value: Any) -> int:
    if type(value) is not int or abs(value) >= 1 << 31:
        raise ValueError
    return value


def _wholes(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or len(values) > _KEPT_MAX:
        raise ValueError
    return tuple(_whole(v) for v in values)


def _spikes_of(found: Any, lines: int) -> Spikes:
    ticks, places, negative = (_wholes(column) for column in found)
    if not len(ticks) == len(places) == len(negative) or not all(0 <= n < lines for n in places):
        raise ValueError
    return ticks, places, negative


def _draw_spikes(axes: Any, spikes: Spikes, lines: int, name: str, colours: Mapping[str, str]) -> None:
    few = lines <= _STROKES_MAX
    size = 6 if few else 2.5 if len(spikes[0]) > _DOTS else 4
    for sign, colour in ((0, "blue"), (1, "orange")):
        x = [tick for tick, negative in zip(spikes[0], spikes[2], strict=True) if bool(negative) == sign]
        y = [line for line, negative in zip(spikes[1], spikes[2], strict=True) if bool(negative) == sign]
        axes.plot(x, y, ls="", marker="|" if few else ".", ms=size, mew=1.2 if few else 0.5, color=colours[colour])
    axes.set(ylabel=name)
    axes.set_ylim(-0.7, lines - 0.3)
    if lines <= 12:
        axes.set_yticks(range(lines))
        axes.tick_params(axis="y", labelsize=8)
