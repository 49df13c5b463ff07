"""A timing diagram of real reads, cut from the waveform file of a simulation."""

from __future__ import annotations

import bisect
import re
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from oxnor.models.base.errors import InputError

from .diagrams import Diagram

_LABEL = 190
_CYCLE = 96
_ROW = 34


def _vcd_reader() -> Any:
    """Return the class that reads VCD files.

    Its module lets a broken pipe kill the whole process from the import on: that is taken back.
    """
    before = signal.getsignal(signal.SIGPIPE)
    from vcdvcd import VCDVCD

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGPIPE, before)
    return VCDVCD


@dataclass(frozen=True)
class Source:
    """Which signal of an engine a row of the diagram shows.

    Parameters
    ----------
    label : str
        What the reader sees.
    pattern : str
        End of the signal's path in the file, after the path of its unit; a regular expression.
    delay : int
        Cycles after the row was selected in which the signal belongs to that read; -1: after all sums.
    base : str
        "bit", "decimal" or "hex".
    """

    label: str
    pattern: str
    delay: int
    base: str


#: Lane 0 of a layer: the macro, its popcount, and its neuron. What is not in the file is left out.
SOURCES = (
    Source("row", r"array\.tile_v0_h0\.macro\.row", 0, "decimal"),
    Source("sense", r"array\.tile_v0_h0\.macro\.sense", 0, "bit"),
    Source("x (inputs)", r"array\.tile_v0_h0\.macro\.x", 0, "hex"),
    Source("q = XNOR(w, x)", r"array\.tile_v0_h0\.macro\.q", 1, "hex"),
    Source("popcount", r"array\.tile_v0_h0\.count", 2, "decimal"),
    Source("sum p", r"neuron0\.total", -1, "decimal"),
    Source("threshold T", r"neuron0\.threshold", -1, "decimal"),
    Source("fire = p ≥ T", r"neuron0\.fire", -1, "bit"),
)

#: A unit that makes windows: pixels that come, the one that is fetched for the next window, and windows that leave.
WINDOW_SOURCES = (
    Source("pixel comes", "i__valid", 0, "bit"),
    Source("and is taken", "i__ready", 0, "bit"),
    Source("its place", "write_address", 0, "decimal"),
    Source("fetched: row", "i", 0, "decimal"),
    Source("fetched: column", "j", 0, "decimal"),
    Source("window offered", "o__valid", 0, "bit"),
    Source("macros are free", "o__ready", 0, "bit"),
    Source("window", "o__payload", 0, "hex"),
)


@dataclass(frozen=True)
class Track:
    """One row: the value in each clock cycle.

    Parameters
    ----------
    source : Source
    width : int
        Bits.
    values : tuple of int or None
        One a cycle; None is unknown (X).
    """

    source: Source
    width: int
    values: tuple[int | None, ...]


@dataclass(frozen=True)
class Waveform:
    """Clock cycles of one lane of one layer, or of another unit.

    Parameters
    ----------
    layer : int
        Which layer, or the layer before which the unit lies.
    tracks : tuple of Track
        All of the same length.
    marked : int
        Cycle in which the row of the marked read is selected, or the marked window is taken.
    count_latency : int
        Cycles from there to the sum and the decision; 0 of another unit.
    """

    layer: int
    tracks: tuple[Track, ...]
    marked: int
    count_latency: int

    def value(self, label: str) -> int | None:
        """Return what the marked read shows on the track called `label`, None if it is not there."""
        for track in self.tracks:
            if track.source.label == label:
                return track.values[self.marked + self._delay(track)]
        return None

    def _delay(self, track: Track) -> int:
        return self.count_latency if track.source.delay < 0 else track.source.delay


def _number(text: str) -> int | None:
    return int(text, 2) if set(text) <= {"0", "1"} else None


def _find(names: list[str], unit: str, pattern: str) -> str | None:
    wanted = re.compile(rf"(?:^|\.){unit}\.(?:.*\.)?{pattern}(?:\[\d+:\d+\])?$")
    return next((n for n in names if wanted.search(n.replace("\\", "").replace(" ", ""))), None)


def read_vcd(
    path: str | Path, layer: int, count_latency: int, sources: Sequence[Source] = SOURCES
) -> Waveform:
    """Return all clock cycles in a VCD file, as lane 0 of `layer` sees them.

    Parameters
    ----------
    path : path
        Waves of an engine: ``simulate(..., waves="vcd")``.
    layer : int
        Index of a hidden layer.
    count_latency : int
        ``EngineConfig.layers[layer].count_latency``.
    sources : sequence of Source
        Which signals; the first must be there.

    Raises
    ------
    InputError
        If the file does not show the reads of that layer.
    """
    tracks = _tracks(path, f"layer{layer}", sources, f"macros of layer {layer}")
    return Waveform(layer, tracks, 0, count_latency)


def _tracks(path: str | Path, unit: str, sources: Sequence[Source], what: str) -> tuple[Track, ...]:
    """Return all clock cycles of signals of a unit that are in a VCD file; the first one must be."""
    VCDVCD = _vcd_reader()
    names = VCDVCD(str(path), only_sigs=True).signals
    signals = {s: _find(names, unit, s.pattern) for s in sources}
    clock = next((n for n in names if n.endswith(".clk")), None)
    if clock is None or signals[sources[0]] is None:
        raise InputError(f"{path}: must show the {what}, and does not")
    vcd = VCDVCD(str(path), signals=[clock, *(n for n in signals.values() if n)])
    edges = _edges(vcd[clock].tv)
    tracks = []
    for source, name in signals.items():
        if name is not None:
            times = [t for t, _ in vcd[name].tv]
            texts = [v for _, v in vcd[name].tv]
            # The settled value of a cycle is the last one before the edge that ends it.
            at = [bisect.bisect_left(times, edge) - 1 for edge in edges[1:]]
            values = tuple(_number(texts[k]) if k >= 0 else None for k in at)
            tracks.append(Track(source, int(vcd[name].size), values))
    return tuple(tracks)


def one_window(path: str | Path, layer: int, number: int, cycles: int = 12) -> Waveform:
    """Return some cycles around the one in which a window is taken, from a VCD file.

    Parameters
    ----------
    path : path
        Waves of an engine: ``simulate(..., waves="vcd")``.
    layer : int
        Index of a convolution.
    number : int
        Which window of those that are taken, from 0.
    cycles : int
        How many: a third of them before it.

    Raises
    ------
    InputError
        If the file does not show the windows of that layer, or not so many.
    """
    tracks = _tracks(path, f"window{layer}", WINDOW_SOURCES, f"windows of layer {layer}")
    values = {t.source.pattern: t.values for t in tracks}
    offered, free = values["o__valid"], values["o__ready"]
    taken = [k for k, both in enumerate(zip(offered, free, strict=True)) if both == (1, 1)]
    if not 0 <= number < len(taken):
        raise InputError(f"{path}: must show window {number} of layer {layer}, and shows {len(taken)} windows")
    start = max(0, taken[number] - cycles // 3)
    cut = tuple(replace(t, values=t.values[start : start + cycles]) for t in tracks)
    return Waveform(layer, cut, taken[number] - start, 0)


def _edges(changes: list[tuple[int, str]]) -> list[int]:
    """Return the times of the rising edges."""
    return [t for (_, before), (t, now) in pairwise(changes) if before == "0" and now == "1"]


def one_read(waveform: Waveform, cycles: int = 9) -> Waveform:
    """Return the first stretch of `cycles` cycles in which rows follow each other and the decisions differ.

    Reads of an image follow each other row by row, so the marked read, two cycles into the stretch, is one of many
    in the pipeline; its neighbours have another outcome, where such a stretch exists.
    """
    rows = next(t for t in waveform.tracks if t.source.label == "row").values
    fires = next((t.values for t in waveform.tracks if t.source.label.startswith("fire")), rows)
    latency = waveform.count_latency
    stretches = [
        k
        for k in range(len(rows) - cycles - latency)
        if None not in rows[k : k + cycles] and all(rows[j + 1] == rows[j] + 1 for j in range(k, k + cycles - 1))  # type: ignore[operator]
    ]
    if not stretches:
        raise InputError(f"the waveform of layer {waveform.layer} must show {cycles} reads in a row, and does not")

    def rank(k: int) -> int:
        window = fires[k + 1 + latency : k + 4 + latency]
        return len(set(window)) + (window[1:2] == (1,))

    start = max(stretches, key=rank)
    tracks = tuple(replace(t, values=t.values[start : start + cycles]) for t in waveform.tracks)
    return replace(waveform, tracks=tracks, marked=2)


def _text(value: int | None, track: Track) -> str:
    if value is None:
        return "X"
    if track.source.base == "decimal":
        return str(value)
    digits = f"{value:0{-(-track.width // 4)}x}"
    return digits if len(digits) <= 11 else f"{digits[:5]}…{digits[-5:]}"


def _bus(diagram: Diagram, track: Track, y: float, marked: int) -> None:
    """Draw a bus: one cell for each stretch of equal values."""
    top, middle, bottom = y + 5, y + _ROW / 2, y + _ROW - 5
    k = 0
    while k < len(track.values):
        end = k + 1
        while end < len(track.values) and track.values[end] == track.values[k]:
            end += 1
        left, right = _LABEL + k * _CYCLE, _LABEL + end * _CYCLE
        alone = marked == k == end - 1
        d = (
            f"M{left:g} {middle:g}L{left + 5:g} {top:g}H{right - 5:g}L{right:g} {middle:g}"
            f"L{right - 5:g} {bottom:g}H{left + 5:g}Z"
        )
        diagram.path(d, line="none" if not alone else "orange", fill="orange-fill" if alone else "fill", width=1.3)
        if k <= marked < end and not alone:
            inset = (5 * (marked == k), 5 * (marked == end - 1))
            x = _LABEL + marked * _CYCLE + inset[0]
            diagram.rect(x, top, _CYCLE - sum(inset), bottom - top, fill="orange-fill", line="none", r=0)
        if not alone:
            diagram.path(d, width=1.3)
        diagram.text((left + right) / 2, middle + 4, _text(track.values[k], track), size=12, mono=True, bold=alone)
        k = end


def _bit(diagram: Diagram, values: tuple[int | None, ...], y: float, marked: int) -> None:
    """Draw a bit: high, low, or grey where it is unknown."""
    top, bottom = y + 7, y + _ROW - 7
    if 0 <= marked < len(values):
        diagram.rect(_LABEL + marked * _CYCLE, y + 3, _CYCLE, _ROW - 6, fill="orange-fill", line="none", r=3)
    level = bottom if not values[0] else top
    d = f"M{_LABEL} {level:g}"
    for k, value in enumerate(values):
        level = top if value else bottom
        d += f"L{_LABEL + k * _CYCLE + (3 if k else 0):g} {level:g}H{_LABEL + (k + 1) * _CYCLE:g}"
    diagram.path(d, line="blue", width=2)
    if 0 <= marked < len(values):
        middle = _LABEL + (marked + 0.5) * _CYCLE
        diagram.text(middle, y + _ROW / 2 + 4, str(values[marked]), size=12, mono=True, bold=True)


def timing_diagram(waveform: Waveform, title: str) -> Diagram:
    """Return the timing diagram; the marked read is followed through the pipeline."""
    diagram = Diagram(title)
    cycles = len(waveform.tracks[0].values)
    right = _LABEL + cycles * _CYCLE
    height = 30 + (len(waveform.tracks) + 1) * _ROW
    for k in range(cycles + 1):
        x = _LABEL + k * _CYCLE
        diagram.path(f"M{x} 22V{height - 4}", line="line", width=0.6, dash="2 4")
        if k < cycles:
            offset = k - waveform.marked
            diagram.text(x + _CYCLE / 2, 15, "t" if not offset else f"t{offset:+d}", size=11, colour="muted")
    low = 30 + _ROW - 12
    d = f"M{_LABEL} {low}" + f"V34h{_CYCLE / 2:g}V{low}h{_CYCLE / 2:g}" * cycles
    diagram.text(_LABEL - 12, 30 + _ROW / 2, "clk", size=13, anchor="end", mono=True)
    diagram.path(d, line="muted", width=1.4)
    for k, track in enumerate(waveform.tracks):
        y = 30.0 + (k + 1) * _ROW
        diagram.text(_LABEL - 12, y + _ROW / 2 + 4, track.source.label, size=13, anchor="end", mono=True)
        marked = waveform.marked + waveform._delay(track)
        if track.source.base == "bit":
            _bit(diagram, track.values, y, marked)
        else:
            _bus(diagram, track, y, marked)
    return diagram.sized(right + 10, height + 4)
