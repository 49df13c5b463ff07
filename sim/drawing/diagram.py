"""Block diagram of an engine, drawn from its structure and schedule."""

from __future__ import annotations

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.schedule import schedule
from oxnor.hw.params.widths import bits_for

from .diagrams import Diagram

_LAYER = 248
_GAP = 44
_END = 138
_TOP = 40
_HEIGHT = 352


def _count(n: int, what: str, plural: str = "") -> str:
    return f"{n:,} {what if n == 1 else plural or what + 's'}"


def _shown(n: int, most: int) -> list[int | None]:
    """Return which of n things to draw: all, or the first ones, a gap (None) and the last."""
    return list(range(n)) if n <= most else [*range(most - 2), None, n - 1]


def _macros(diagram: Diagram, x: float, y: float, width: float, height: float, layer: LayerConfig) -> None:
    """Draw the macros of a layer: H from left to right, V from top to bottom."""
    columns, rows = _shown(layer.across, 6), _shown(layer.groups, 5)
    w, h = width / len(columns), height / len(rows)
    for r, row in enumerate(rows):
        for c, column in enumerate(columns):
            cx, cy = x + c * w, y + r * h
            if row is None or column is None:
                diagram.text(cx + w / 2, cy + h / 2 + 4, "⋮" if column is not None else "…", size=13, colour="muted")
                continue
            diagram.rect(cx + 2, cy + 2, w - 4, h - 4, fill="blue-fill", line="blue", r=3)
            for k in range(1, 4):  # word lines; the one that is being sensed is thick
                line = cy + 2 + k * (h - 4) / 4
                diagram.path(f"M{cx + 5:g} {line:g}H{cx + w - 5:g}", line="blue", width=1.8 if k == 2 else 0.5)


def _layer(diagram: Diagram, x: float, k: int, layer: LayerConfig, latency: int, last: bool) -> None:
    """Draw one layer in its frame."""
    diagram.rect(x, _TOP, _LAYER, _HEIGHT)
    middle = x + _LAYER / 2
    diagram.text(middle, _TOP + 22, f"layer {k}: {layer.n_in:,} → {layer.n_out:,}", size=14, bold=True)
    diagram.text(middle, _TOP + 40, f"{layer.n_in * layer.n_out:,} synapses", size=11, colour="muted")
    _macros(diagram, x + 16, _TOP + 52, _LAYER - 32, 116, layer)
    y = _TOP + 184
    diagram.text(middle, y, f"{_count(layer.macros, 'RRAM macro')} of {layer.rows} × {layer.cols}", size=12, bold=True)
    folding = f"H = {layer.across} side by side · V = {_count(layer.groups, 'input' if layer.is_serial else 'group')}"
    diagram.text(middle, y + 16, folding, size=11, colour="muted")
    # Popcount: a trapezium that gets narrower as bits become a number.
    top, bottom = y + 26, y + 60
    outline = f"M{x + 22:g} {top:g}H{x + _LAYER - 22:g}L{x + _LAYER - 62:g} {bottom:g}H{x + 62:g}Z"
    diagram.path(outline, line="green", fill="green-fill")
    width = min(layer.inputs, layer.n_in)
    diagram.text(middle, top + 15, f"popcount of {width:,} XNOR bits", size=11)
    diagram.text(middle, top + 28, f"0 … {width:,} in {bits_for(width)} bits, × {layer.neurons}", size=10)
    diagram.rect(x + 22, y + 70, _LAYER - 44, 42, fill="orange-fill", line="orange")
    if last:
        diagram.text(middle, y + 87, _count(layer.neurons, "score unit"), size=12)
        diagram.text(middle, y + 103, f"argmax over {_count(layer.n_out, 'class', 'classes')}", size=11)
    else:
        diagram.text(middle, y + 87, _count(layer.neurons, "integrate-and-fire neuron"), size=12)
        diagram.text(middle, y + 103, f"{layer.n_out:,} thresholds, p ≥ T", size=11)
    product = f"{_count(layer.slices, 'slice')} × {_count(layer.passes, 'pass', 'passes')}"
    diagram.text(middle, y + 140, f"{product} = {_count(layer.reads, 'read')}", size=12, bold=True)
    diagram.text(middle, y + 157, f"latency {_count(latency, 'cycle')}", size=11, colour="muted")


def _end(diagram: Diagram, x: float, title: str, lines: list[str]) -> None:
    """Draw a stream port of the engine."""
    y = _TOP + 110
    diagram.rect(x, y, _END, 34 + 17 * len(lines), fill="back")
    diagram.text(x + _END / 2, y + 21, title, size=13, bold=True)
    for k, line in enumerate(lines):
        diagram.text(x + _END / 2, y + 41 + 17 * k, line, size=11, colour="muted")


def _arrow(diagram: Diagram, x: float, label: str) -> None:
    y = _TOP + 140
    diagram.path(f"M{x + 3:g} {y:g}H{x + _GAP - 3:g}", line="muted", arrow=True)
    diagram.text(x + _GAP / 2, y - 8, label, size=10, colour="muted")


def engine_diagram(config: EngineConfig, title: str) -> Diagram:
    """Return the block diagram of an engine.

    Parameters
    ----------
    config : EngineConfig
        The engine; every number in the picture comes from it or from its schedule.
    title : str
        What the picture shows, in one sentence.
    """
    diagram = Diagram(title)
    timing = schedule(config)
    beats = f"{_count(config.beats, 'beat')} an image"
    _end(diagram, 4, "AXI4-Stream in", [f"{config.stream_width} bits a beat", beats, f"{config.n_in:,} bits in all"])
    x = 4.0 + _END
    for k, (layer, latency) in enumerate(zip(config.layers, timing.layer_latencies, strict=True)):
        _arrow(diagram, x, f"{layer.n_in:,}")
        _layer(diagram, x + _GAP, k, layer, latency, last=k == len(config.layers) - 1)
        x += _GAP + _LAYER
    _arrow(diagram, x, "")
    result = [f"{config.result_width} bits a result", f"class: {config.class_width} bits"]
    if config.with_scores:
        result.append(f"{config.n_out} scores of {config.score_width}")
    _end(diagram, x + _GAP, "AXI4-Stream out", result)
    total = x + _GAP + _END + 4
    y = _TOP + _HEIGHT + 16
    diagram.rect(4 + _END + _GAP, y, x - 4 - _END - _GAP, 30, fill="back")
    middle = (4 + _END + _GAP + x) / 2
    diagram.text(middle, y + 20, "AXI4-Lite: identity, status, counters of frames, results, stalls and cycles", size=12)
    ii = f"an image every {_count(timing.initiation_interval, 'cycle')}, latency {_count(timing.latency, 'cycle')}"
    macros = sum(y.macros for y in config.layers)
    diagram.text(total / 2, 22, f"{_count(macros, 'macro')} · {ii} · layers in a pipeline", size=14, bold=True)
    return diagram.sized(total, y + 36)
