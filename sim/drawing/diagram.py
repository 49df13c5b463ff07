"""Block diagram of an engine, drawn from its structure and schedule."""

from __future__ import annotations

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.layer import LayerConfig
from oxnor.hw.params.pixels import rows_kept
from oxnor.hw.params.schedule import schedule
from oxnor.hw.params.widths import bits_for

from .diagrams import Diagram
from .picture import Picture
from .window_walk import window_picture

_LAYER = 248
_GAP = 44
_END = 138
_TOP = 40
_HEIGHT = 352
#: What a frame is higher by in an engine with convolutions: rows of pixels, pooling, reads an image.
_WINDOW, _POOL, _IMAGE = 86, 30, 17
#: Most layers side by side, and the space between two rows of them.
_ROW, _BETWEEN = 5, 36


def _count(n: int, what: str, plural: str = "") -> str:
    return f"{n:,} {what if n == 1 else plural or what + 's'}"


def _stride(steps: tuple[int, int], usual: tuple[int, int]) -> str:
    if steps == usual:
        return ""
    return f", stride {steps[0]}" + (f" × {steps[1]}" if steps[0] != steps[1] else "")


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


def _pixels(diagram: Diagram, x: float, y: float, layer: LayerConfig, gathered: int) -> None:
    """Draw what stands before the synapses: the rows that a window keeps, or the pixels that become a vector."""
    middle = x + _LAYER / 2
    if not layer.window:
        if gathered:
            diagram.text(middle, y + 32, "gather", size=12, bold=True)
            text = f"{_count(gathered, 'pixel')} become a vector of {layer.n_in:,}"
            diagram.text(middle, y + 50, text, size=11, colour="muted")
        return
    w, rows = layer.window, rows_kept(layer.window)
    shown = _shown(rows, 6)
    left, width, height = x + 30, _LAYER - 60, 42 / len(shown)
    for k, row in enumerate(shown):
        top = y + 4 + k * height
        if row is None:
            diagram.text(middle, top + height / 2 + 4, "⋮", size=13, colour="muted")
            continue
        diagram.rect(left, top, width, height - 2, fill="fill", line="purple", r=2, width=0.9)
        # The window lies over the rows but those that come meanwhile.
        if row < w.reach_y and not row % w.spread_y:
            cell = min(width / w.width, 12)
            for j in range(w.kernel_x):
                at = left + width / 2 + (j * w.spread_x - w.reach_x / 2) * cell
                diagram.rect(at, top, cell, height - 2, fill="purple", line="back", r=1, width=0.5)
    diagram.text(middle, y + 60, f"{rows} rows of {w.width} pixels of {_count(layer.pixel_bits, 'bit')}", size=11)
    stride = _stride((w.step_y, w.step_x), (1, 1))
    window = f"windows of {w.kernel_y} × {w.kernel_x} over {w.height} × {w.width}{stride}: {layer.vectors:,}"
    diagram.text(middle, y + 75, window, size=11, colour="muted")


def _pooling(diagram: Diagram, x: float, y: float, layer: LayerConfig) -> None:
    """Draw the pooling after the neurons."""
    if not layer.pool:
        return
    diagram.rect(x + 22, y, _LAYER - 44, 26, fill="fill", line="purple")
    bits = ("OR and AND" if layer.has_lowest else "OR") if layer.levels == 1 else "largest"
    size = layer.pool.height, layer.pool.width
    text = f"pooling {size[0]} × {size[1]}{_stride((layer.pool.step_y, layer.pool.step_x), size)}: {bits}"
    diagram.text(x + _LAYER / 2, y + 17, text, size=11)


def _layer(diagram: Diagram, at: tuple[float, float], k: int, config: EngineConfig, latency: int) -> None:
    """Draw layer k in its frame, whose upper left corner is at (x, y)."""
    x, y = at
    layer = config.layers[k]
    diagram.rect(x, y, _LAYER, _height(config))
    middle = x + _LAYER / 2
    shape = f"{layer.n_in:,} → {layer.n_out:,}"
    diagram.text(middle, y + 22, f"layer {k}: {shape}", size=14, bold=True)
    synapses = f"{layer.n_in * layer.n_out:,} synapses"
    planes = f" · {layer.planes} bit planes" if layer.doubles else ""
    planes += f" · {layer.presentations} presentations" if layer.presentations else ""
    diagram.text(middle, y + 40, synapses + planes, size=11, colour="muted")
    y += 52
    if config.has_windows:
        _pixels(diagram, x, y, layer, config.gathers(k))
        y += _WINDOW
    _macros(diagram, x + 16, y, _LAYER - 32, 116, layer)
    y += 132
    diagram.text(middle, y, f"{_count(layer.macros, 'RRAM macro')} of {layer.rows} × {layer.pairs}", size=12, bold=True)
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
    if k == len(config.layers) - 1:
        summed = f" over {layer.windows_summed:,} windows" if layer.windows_summed > 1 else ""
        diagram.text(middle, y + 87, _count(layer.neurons, "score unit") + summed, size=12)
        diagram.text(middle, y + 103, f"argmax over {_count(layer.n_out, 'class', 'classes')}", size=11)
    else:
        shortcut = f" + {layer.shortcut} u" if layer.shortcut else ""
        diagram.text(middle, y + 87, _count(layer.neurons, "integrate-and-fire neuron"), size=12)
        diagram.text(middle, y + 103, f"{layer.n_out * layer.levels:,} thresholds, p{shortcut} ≥ T", size=11)
    if config.has_windows:
        _pooling(diagram, x, y + 116, layer)
        y += _POOL
    product = f"{_count(layer.slices, 'slice')} × {_count(layer.passes, 'pass', 'passes')}"
    reads = _count(layer.word_lines, "read")
    if layer.sense_latency > 1:
        reads += f" × {layer.sense_latency} cycles"
    diagram.text(middle, y + 140, f"{product} = {reads}", size=12, bold=True)
    if layer.window:
        y += _IMAGE
        planes = f"× {layer.planes} planes " if layer.planes > 1 else ""
        text = f"{planes}× {_count(layer.vectors, 'window')} = {layer.interval:,} an image"
        diagram.text(middle, y + 140, text, size=10)
    # Where the pooling leaves out the last pixels, a layer is ready before it has all its inputs.
    cycles = _count(abs(latency), "cycle")
    text = f"latency {cycles}" if latency >= 0 else f"ends {cycles} before its input"
    diagram.text(middle, y + 157, text, size=11, colour="muted")


def _height(config: EngineConfig) -> int:
    return _HEIGHT + (_WINDOW + _POOL + _IMAGE if config.has_windows else 0)


def _end(diagram: Diagram, x: float, y: float, title: str, lines: list[str]) -> None:
    """Draw a stream port of the engine, at the height of the arrows."""
    diagram.rect(x, y - 30, _END, 34 + 17 * len(lines), fill="back")
    diagram.text(x + _END / 2, y - 9, title, size=13, bold=True)
    for k, line in enumerate(lines):
        diagram.text(x + _END / 2, y + 11 + 17 * k, line, size=11, colour="muted")


def _arrow(diagram: Diagram, x: float, y: float, label: str) -> None:
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
    lines = [f"{config.stream_width} bits a beat", f"{_count(config.beats, 'beat')} an image"]
    lines.append(f"{config.n_in:,} bits in all")
    if config.has_windows:
        lines += ["image buffer:", "2 images, pixel by pixel"]
    # Layers in as few rows as hold them, all of about the same length.
    count = len(config.layers)
    rows = -(-count // _ROW)
    across = -(-count // rows)
    pitch, down = _GAP + _LAYER, _height(config) + _BETWEEN
    left = 4.0 + _END
    middle = _TOP + 140 + (_WINDOW if config.has_windows else 0)  # of the arrows, in the first row
    _end(diagram, 4, middle, "AXI4-Stream in", lines)
    for k, (layer, latency) in enumerate(zip(config.layers, timing.layer_latencies, strict=True)):
        x, y = left + k % across * pitch, k // across * down
        _arrow(diagram, x, middle + y, f"{layer.pixel_bits if config.has_windows else layer.n_in:,}")
        _layer(diagram, (x + _GAP, _TOP + y), k, config, latency)
        if k % across == across - 1 and k < count - 1:
            # On to the next row.
            low = _TOP + y + down - _BETWEEN / 2
            path = f"M{x + pitch + 3:g} {middle + y:g}H{x + pitch + 14:g}V{low:g}H{left - 14:g}V{middle + y + down:g}"
            diagram.path(f"{path}H{left + 3:g}", line="muted")
    last = left + ((count - 1) % across + 1) * pitch
    _arrow(diagram, last, middle + (rows - 1) * down, "")
    result = [f"{config.result_width} bits a result", f"class: {config.class_width} bits"]
    if config.with_scores:
        result.append(f"{config.n_out} scores of {config.score_width}")
    _end(diagram, last + _GAP, middle + (rows - 1) * down, "AXI4-Stream out", result)
    right = left + across * pitch
    total = max(last + _GAP + _END + 4, right + 18)
    y = _TOP + rows * down - _BETWEEN + 16
    diagram.rect(left + _GAP, y, right - left - _GAP, 30, fill="back")
    text = "AXI4-Lite: identity, status, counters of frames, results, stalls and cycles"
    diagram.text((left + _GAP + right) / 2, y + 20, text, size=12)
    ii = f"an image every {_count(timing.initiation_interval, 'cycle')}, latency {_count(timing.latency, 'cycle')}"
    macros = sum(y.macros for y in config.layers)
    diagram.text(total / 2, 22, f"{_count(macros, 'macro')} · {ii} · layers in a pipeline", size=14, bold=True)
    return diagram.sized(total, y + 36)


def engine_pictures(config: EngineConfig, name: str) -> dict[str, Picture]:
    """Return the pictures of the engine of network `name`: ``engine``, and ``window-K`` of each convolution K."""
    drawn: dict[str, Picture] = {"engine": engine_diagram(config, f"Block diagram of the engine of {name}")}
    for k, layer in enumerate(config.layers):
        if layer.window:
            drawn[f"window-{k}"] = window_picture(layer.window, layer.read_cycles, f"Windows of layer {k} of {name}")
    return drawn
