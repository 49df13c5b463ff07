"""One sample of a spiking network: its input events, the spikes of every layer, and the membranes of two outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oxnor.models.base.errors import InputError
from oxnor.models.golden.spiking import REASONS, Readout
from oxnor.models.golden.spiking_reference import ReferenceRun
from oxnor.models.networks.encoders import Events, encode
from oxnor.models.networks.spiking import SpikingNetwork

from .plots import Plot

#: Lines of a raster up to which a spike is a stroke, above it is a dot.
_STROKES_MAX = 40
#: Spikes above which dots are small.
_DOTS = 500


@dataclass(frozen=True, eq=False, repr=False)
class Raster:
    """What is drawn of one sample.

    Parameters
    ----------
    run : ReferenceRun
        The golden model on the sample, event by event.
    label : str
        Its class, or empty.
    rtl : sequence of (tick, neuron, negative), or None
        Output spikes of the RTL, to be drawn beside those of the golden model.
    """

    run: ReferenceRun
    label: str = ""
    rtl: Sequence[tuple[int, int, bool]] | None = None

    def __repr__(self) -> str:
        return f"Raster({self.run.network.name!r}, {self.run.used[0]:,} events, {len(self.run.spikes):,} output spikes)"

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
        beside = None
        if rtl is not None:
            assert rtl.spikes is not None
            here = rtl.spikes.image == k
            parts = (getattr(rtl.spikes, name)[here].tolist() for name in ("tick", "neuron", "negative"))
            beside = list(zip(*parts, strict=True))
        return cls(ReferenceRun(network, given), label, beside)

    @property
    def decided(self) -> str:
        """What the sample ended with, in words."""
        run = self.run
        winner = int(np.argmax(run.counts))
        text = f"{REASONS[run.reason]}: {winner} after {run.used[0]:,} input spikes"
        return text + (f" (class {self.label})" if self.label else "")

    def plot(self) -> Plot:
        """Return the picture."""
        layers = len(self.run.layers)
        heights = (2.2, *[1.6] * (layers - 1), 1.6, 1.8)

        def draw(figure: Any, colours: Mapping[str, str]) -> None:
            axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
            events, end = self.run.events, self.run.tick
            seen = events.ticks <= min(end, self.run.network.decision.window - 1)
            columns = (events.ticks[seen].tolist(), events.addresses[seen].tolist(), events.negative[seen].tolist())
            _spikes(axes[0], list(zip(*columns, strict=True)), self.run.network.n_in, "input", colours)
            for k, spikes in enumerate(self.run.fired):
                name = "output" if k + 1 == layers else f"layer {k}"
                _spikes(axes[1 + k], spikes, self.run.network.layers[k].n_out, name, colours)
            if self.rtl is not None:
                ticks, neurons = [s[0] for s in self.rtl], [s[1] for s in self.rtl]
                axes[layers].plot(ticks, neurons, ls="", marker="o", ms=7, mfc="none", mew=1, color=colours["green"],
                                  label="output spikes of the RTL")  # fmt: skip
                axes[layers].legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
            self._membranes(axes[-1], colours)
            for panel in axes:
                panel.axvline(end, color=colours["muted"], ls=":", lw=1.5)
            axes[-1].set(xlabel="tick", xlim=(-0.01 * end - 0.5, 1.02 * end + 0.5))
            axes[0].set_title(self.decided, loc="left", fontsize=11)

        return Plot(f"One sample through {self.run.network.name}: {self.decided}", (10.5, 1.1 * sum(heights)), draw)

    def _membranes(self, axes: Any, colours: Mapping[str, str]) -> None:
        """Draw V of the two outputs with the highest counts, after each event of the last layer."""
        run, neuron = self.run, self.run.network.layers[-1].neuron
        highest = np.argsort(-np.array(run.counts), kind="stable")[:2]
        ticks, values = np.array([tick for tick, _ in run.inputs]), np.array(run.membranes).reshape(-1, len(run.counts))
        # Events of one tick, one after the other, between it and the next.
        starts = np.searchsorted(ticks, ticks)
        ticks = ticks + (np.arange(len(ticks)) - starts) / (np.searchsorted(ticks, ticks, "right") - starts)
        for n, colour in zip(highest.tolist(), ("blue", "orange"), strict=False):
            axes.step(ticks, values[:, n], where="post", color=colours[colour], lw=1.3, label=f"output {n}")
        for limit in (neuron.limit, -neuron.limit) if neuron.bipolar else (neuron.limit,):
            axes.axhline(limit, color=colours["line"], ls="--", lw=1)
        axes.set(ylabel="membrane V")
        axes.legend(loc="lower left", ncols=2, bbox_to_anchor=(0, 1), borderaxespad=0.2)


def _spikes(
    axes: Any, spikes: Sequence[tuple[int, int, bool]], lines: int, name: str, colours: Mapping[str, str]
) -> None:
    """Draw spikes as (tick, line, negative)."""
    few = lines <= _STROKES_MAX
    size = 6 if few else 2.5 if len(spikes) > _DOTS else 4
    for sign, colour in ((False, "blue"), (True, "orange")):
        shown = [(tick, line) for tick, line, negative in spikes if bool(negative) == sign]
        x, y = zip(*shown, strict=True) if shown else ((), ())
        axes.plot(x, y, ls="", marker="|" if few else ".", ms=size, mew=1.2 if few else 0.5,
                  color=colours[colour])  # fmt: skip
    axes.set(ylabel=name)
    axes.set_ylim(-0.7, lines - 0.3)
    if lines <= 12:
        axes.set_yticks(range(lines))
        axes.tick_params(axis="y", labelsize=8)
