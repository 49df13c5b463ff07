"""The page of a run: every figure, the hash of its inputs, versions, and the command that repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oxnor.design import Design
    from oxnor.run import Record
    from oxnor.sim.drawing.plots import Plot

_TITLES = {
    "import": "Import",
    "accuracy": "Accuracy of the golden model",
    "devices": "Devices",
    "generate": "Hardware",
    "simulate": "Verilog in simulation",
    "sweep": "Accuracy against error rate",
    "board": "Board",
}


def page_text(design: Design, directory: Path, records: tuple[Record, ...], command: str) -> str:
    """Return the page."""
    from oxnor.sim.drawing.html import page, table, tiles
    from oxnor.sim.runner.machine import machine

    name = design.loaded.name
    body = [
        f"<h1>{escape(name)}</h1>",
        f'<p class="muted">{escape(str(design))}</p>',
        tiles(_large(records)),
    ]
    for record in records:
        body += _section(directory, record)
    body += ["<h2>Do it again</h2>", f"<pre><code>{escape(command)}</code></pre>"]
    body.append('<p class="muted">Steps whose inputs are as they were are not done again. Made with:</p>')
    body.append(table((), list((machine() | {"sources of oxnor": _code(records)}).items()), plain=True))
    return page(f"oxnor: {name}", body)


def _code(records: tuple[Record, ...]) -> str:
    return ", ".join(sorted({str(r.inputs["code"]) for r in records}))


def _large(records: tuple[Record, ...]) -> dict[str, str]:
    """Return the figures that a reader looks for first."""
    figures = {r.step: r.figures for r in records}
    large: dict[str, str] = {}
    accuracy = figures.get("accuracy", {})
    if accuracy.get("accuracy") is not None:
        large["accuracy of the golden model"] = f"{100 * accuracy['accuracy']:.2f} %"
    if "generate" in figures:
        large["RRAM macros"] = f"{figures['generate']['macros']:,}"
    if "simulate" in figures:
        large["results of the Verilog that differ"] = f"{figures['simulate']['mismatches']:,}"
    if "sweep" in figures:
        s = figures["sweep"]
        if s["knee"] is not None:
            large[f"error rate that costs {100 * s['limit']:g} points"] = str(s["knee"]).split(" (")[0]
    if "board" in figures:
        large["clock of the board"] = f"{figures['board'].get('fmax_mhz') or 0:.4g} MHz"
    return large


def _section(directory: Path, record: Record) -> list[str]:
    from oxnor.sim.drawing.html import figure, table

    parts = [f"<h2>{_TITLES[record.step]}</h2>"]
    if record.is_check:
        style, verdict = ("good", "passed") if record.ok else ("bad", "FAILED")
        parts.append(f'<p class="{style}">{verdict}</p>')
    if record.step == "sweep":
        parts += [figure(plot, caption) for plot, caption in _curves(directory / "sweep", record)]
        points = [(f"{p['rate']:.3g}", str(p["trials"]), f"{100 * p['mean']:.2f} %") for p in record.figures["points"]]
        parts.append(table(("error rate", "trials", "mean accuracy"), points))
    if record.step == "devices":
        picture = _svg(directory / "devices" / "device.svg")
        parts.append(f"<figure>{picture}<figcaption>Bit error rates of the device.</figcaption></figure>")
    parts.append(table((), _rows(record.figures), plain=True))
    where = f"files in {record.step}/; {record.seconds:.1f} s"
    parts.append(f'<p class="muted">Inputs <code>{record.key}</code>; {escape(where)}</p>')
    return parts


def _rows(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return figures as a table; what is within a figure comes behind a colon."""
    rows = []
    for key, value in figures.items():
        name = key.replace("_", " ")
        if isinstance(value, dict):
            rows += [(f"{name}: {inner}", text) for inner, text in _rows(value)]
        elif key != "ok" and not (isinstance(value, list) and value and isinstance(value[0], dict)):
            rows.append((name, _text(key, value)))
    return rows


def _text(key: str, value: Any) -> str:
    """Return one figure as text."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, list):
        return ", ".join(" x ".join(map(str, v)) if isinstance(v, list) else str(v) for v in value) or "none"
    if isinstance(value, float):
        return f"{100 * value:.2f} %" if key.endswith(("accuracy", "agreement")) else f"{value:,.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _curves(folder: Path, record: Record) -> list[tuple[Plot, str]]:
    from oxnor.sim.sweeps.page import Story

    story = Story.read(folder / "results.sqlite", record.figures["limit"])
    captions = {
        "accuracy": "Line: mean over the trials. Band: where 95 % of trials fall. Dotted: the knee.",
        "layers": "Errors in one layer alone: the rate that costs the same accuracy.",
        "confusion": "Percent of the images of each class, mean over the trials.",
    }
    return [(plot, captions.get(name, name)) for name, plot in story.plots.items()]


def _svg(path: Path) -> str:
    """Return a picture's element, to stand in a page."""
    text = path.read_text(encoding="utf-8")
    return text[text.index("<svg") :]
