"""The page of the demonstration."""

from __future__ import annotations

from html import escape

import numpy as np

from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.golden.feature_maps import feature_maps
from oxnor.sim.drawing.diagram import engine_diagram
from oxnor.sim.drawing.feature_maps import feature_maps_plot
from oxnor.sim.drawing.html import digit_card, facts, figure, page, table, tiles
from oxnor.sim.drawing.picture import Picture
from oxnor.sim.drawing.plots import accuracy_plot, image_png
from oxnor.sim.drawing.waveform import timing_diagram
from oxnor.sim.drawing.window_walk import window_picture
from oxnor.sim.runner.machine import machine
from oxnor.sim.verify.results import SimulationResult

from .result import KNEE_LIMIT, Demo

_CARDS = 6


def percent(value: float | None) -> str:
    """Return an accuracy in [0, 1] as text."""
    return "none" if value is None else f"{100 * value:.2f} %"


def run_row(run: SimulationResult) -> tuple[str, ...]:
    """Return what the table on screen and the one in the page say of one run; the columns are :data:`RUN_HEAD`."""
    same = "=" if run.cycles == run.predicted_cycles else "≠"
    return (
        f"{run.ber:g}",
        f"{run.bit_errors:,}",
        percent(run.accuracy),
        percent(run.golden_accuracy),
        f"{run.mismatches:,}",
        f"{run.cycles:,} {same} {run.predicted_cycles:,}",
        f"{run.images_per_s:,.0f}",
    )


RUN_HEAD = (
    "bit error rate",
    "wrong weights",
    "accuracy, RTL",
    "accuracy, golden",
    "mismatches",
    "cycles, measured and predicted",
    "images/s simulated",
)


def pictures(demo: Demo) -> dict[str, Picture]:
    """Return the pictures by name: engine, waveform, accuracy; with convolutions also a window and feature maps."""
    points = [(run.ber, run.accuracy) for run in demo.runs if run.accuracy is not None]
    drawn: dict[str, Picture] = {
        "engine": engine_diagram(demo.config, f"Block diagram of the engine of {demo.network.name}"),
        "waveform": timing_diagram(demo.waveform, f"Timing diagram of reads in layer {demo.waveform.layer}"),
        "accuracy": accuracy_plot([demo.curve], "Accuracy against bit error rate", points=points, limit=KNEE_LIMIT),
    }
    first = demo.config.layers[0]
    if first.window:
        name, image = demo.network.name, demo.inputs.images[0]
        drawn["window"] = window_picture(first.window, first.read_cycles, f"Windows of the first layer of {name}")
        runs = [run for run in demo.runs if run.ber]
        errors = [FaultMap.draw(demo.network, ber=run.ber, seed=run.seed) for run in runs]
        maps = feature_maps(demo.network, image, errors)
        side = int(np.sqrt(image.size))
        title, rates = f"Feature maps of {name}", [run.ber for run in runs]
        drawn["feature-maps"] = feature_maps_plot(maps, rates, title, image.reshape(side, side))
    return drawn


def _convolutions(drawn: dict[str, Picture]) -> list[str]:
    if "window" not in drawn:
        return []
    return [
        "<h2>A window walks over the rows</h2>",
        figure(
            drawn["window"],
            "The first layer keeps a few rows in a ring. A window is gathered column by column while the synapses are"
            " read for the one before; when a row of windows is done, the rows that no window needs make place.",
        ),
        "<h2>Feature maps</h2>",
        figure(
            drawn["feature-maps"],
            "The first image, layer by layer, after thresholds and pooling: without errors, and with the wrong weights"
            " of the runs above.",
        ),
    ]


def _state(run: SimulationResult, k: int, live: str) -> str:
    """Return the address at which the page of the engine shows an image of a run."""
    return f"{live}#image={k}&rate={run.ber:g}&seed={run.seed}&trial={run.trial}" if live else ""


def _every(run: SimulationResult, chosen: np.ndarray, live: str) -> str:
    """Return a link to each of the images, for those that have no card."""
    if not live or len(chosen) <= _CARDS:
        return ""
    links = [f'<a href="{escape(_state(run, k, live))}">{k}</a>' for k in chosen.tolist()]
    return f"<details><summary>All {len(links):,}, by their number</summary><p>{' '.join(links)}</p></details>"


def _cards(demo: Demo, run: SimulationResult, chosen: np.ndarray, live: str) -> str:
    assert demo.inputs.labels is not None
    assert run.scores is not None
    cards = []
    for k in chosen[:_CARDS]:
        side = int(np.sqrt(demo.inputs.images.shape[1]))
        png = image_png(demo.inputs.images[k].reshape(side, side))
        link = _state(run, k, live)
        chosen_class, right = int(run.classes[k]), int(demo.inputs.labels[k])
        cards.append(digit_card(png, run.scores[k], chosen_class, right, f"image {k}", link))
    return f'<div class="digits">{"".join(cards)}</div>' if cards else '<p class="muted">There are none.</p>'


def _digits(demo: Demo, live: str) -> str:
    labels = demo.inputs.labels
    assert labels is not None
    clean, worst = demo.runs[0], demo.runs[-1]
    right = np.flatnonzero(clean.classes == labels)
    # One of each class, as far as there are some, so that the row does not repeat itself.
    _, first = np.unique(labels[right], return_index=True)
    lost = np.flatnonzero((clean.classes == labels) & (worst.classes != labels))
    mistaken = np.flatnonzero(clean.classes != labels)
    kept = np.setdiff1d(right, lost)
    _, still = np.unique(labels[kept], return_index=True)
    rate = f"{worst.ber:g}"
    parts = [
        "<h2>Digits and their classes</h2>",
        "<p>Beside each digit, the scores of the RTL. Filled bar: the class it chose; line: the right one.",
        "A link opens it in the engine, with the same wrong weights.</p>" if live else "</p>",
        "<h3>Right, without errors</h3>",
        _cards(demo, clean, right[first], live),
        "<h3>Wrong, without errors: the network's own mistakes</h3>",
        _cards(demo, clean, mistaken, live),
        _every(clean, mistaken, live),
        f"<h3>Still right with a bit error rate of {rate} ({worst.bit_errors:,} wrong weights)</h3>",
        _cards(demo, worst, kept[still][-_CARDS:], live),
        f"<h3>Lost to that bit error rate: right before, wrong now ({len(lost):,} of {len(labels):,})</h3>",
        _cards(demo, worst, lost, live),
        _every(worst, lost, live),
    ]
    return "\n".join(parts)


def _read_sentence(demo: Demo) -> str:
    """Return in words what the marked read did."""
    w = demo.waveform
    row, p, t = w.value("row"), w.value("sum p"), w.value("threshold T")
    text = (
        f"Layer {w.layer} of {demo.wave_network}, lane 0, as Verilator wrote it. Word line {row} is selected at t;"
        " after the next edge its sense amplifiers show the XNOR of its weights with the inputs; then come the popcount"
        " and the decision."
    )
    if p is not None and t is not None:
        text += f" Here p = {p} and T = {t}: the neuron {'fires' if p >= t else 'stays silent'}."
    return text + " A new row is read in every cycle."


def _commands(demo: Demo) -> str:
    name, n = demo.network.name, len(demo.inputs.images)
    lines = ["make demo                                     # this page again"]
    lines += [
        f"oxnor simulate {name} --images {n}{f' --ber {run.ber:g} --seed {run.seed}' if run.ber else ''}"
        for run in demo.runs
    ]
    lines += [
        f"oxnor simulate {demo.wave_network} --images 4 --waves vcd   # waves, to look at in GTKWave or Surfer",
        f"oxnor simulate {name} --images {n} --corrupt-rtl 1   # the check can fail: one weight wrong in the RTL alone",
        f"oxnor generate {name} -o build/{name}          # the Verilog",
        f"oxnor info {name}                              # its layers, card and engine",
    ]
    return f"<pre><code>{escape(chr(10).join(lines))}</code></pre>"


def build_page(demo: Demo, live: str = "") -> str:
    """Return the whole page; `live` is the file, beside it, in which the engine runs."""
    clean, drawn = demo.runs[0], pictures(demo)
    n = len(demo.inputs.images)
    bad = sum(run.mismatches for run in demo.runs)
    late = sum(run.cycles != run.predicted_cycles for run in demo.runs)
    verdict = (
        '<span class="good">✓ Every class and score agrees with the golden model, every cycle with the schedule.</span>'
        if demo.ok
        else f'<span class="bad">✗ {bad:,} results differ from the golden model, {late} runs from the schedule.</span>'
    )
    outputs = n * len(demo.runs)
    knee = demo.curve.knee(KNEE_LIMIT)
    intro = (
        f"A binarized network, {demo.network.label}, {demo.network.n_weights:,} weights, compiled into a"
        " differential-RRAM XNOR engine. Its Verilog ran in Verilator, driven by cocotb over the engine's own AXI"
        f" ports, on {n:,} test images."
    )
    versions = machine() | {"simulator": clean.simulator}
    body = [
        f"<h1>{escape(demo.network.name)} through RTL</h1>",
        f'<p class="muted">{escape(intro)}</p>',
        f"<p>{verdict}</p>",
        f'<p><a href="{live}">Run this engine in your browser</a>: draw a digit, break the memory.</p>' if live else "",
        tiles(
            {
                "accuracy of the RTL, no errors": percent(clean.accuracy),
                f"mismatches in {outputs:,} results": f"{bad:,}",
                "images/s in simulation": f"{clean.images_per_s:,.0f}",
                "cycles from image to image": f"{clean.predicted_initiation_interval:,}",
                "bit error rate that costs 1 point": f"{knee.rate:.2g}" if knee.rate else str(knee),
            }
        ),
        "<h2>RTL against golden model</h2>",
        "<p>The same map of wrong weights went to the golden model and into the RRAM macros of the RTL.</p>",
        table(RUN_HEAD, [run_row(run) for run in demo.runs]),
        "<h2>Error tolerance</h2>",
        figure(
            drawn["accuracy"],
            f"Accuracy on {n:,} test images against the share of weights that are wrong. Line: golden model,"
            f" {demo.curve.points[0].trials} draws of errors a rate. Diamonds: the RTL, one draw each.",
        ),
        "<h2>The engine</h2>",
        figure(
            drawn["engine"],
            "Each blue box is an RRAM macro with its word lines: one is sensed in a cycle, and XNOR happens in the"
            " sense amplifiers. Weights never move.",
        ),
        *_convolutions(drawn),
        "<h2>One read</h2>",
        figure(drawn["waveform"], _read_sentence(demo)),
        _digits(demo, live),
        "<h2>The network's card</h2>",
        table((), facts(demo.network.info), plain=True) if demo.network.info else "<p>It has none.</p>",
        "<h2>Repeat this</h2>",
        _commands(demo),
        f'<p class="muted">All of it took {demo.seconds:.0f} s on the machine below.</p>',
        table((), list(versions.items()), plain=True),
    ]
    return page(f"oxnor: {demo.network.name} through RTL", body)
