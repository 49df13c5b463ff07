"""``oxnor networks`` and ``oxnor info``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.cli.console import in_options, note, print_json, print_table
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import AsJson, pictures
from oxnor.cli.options.engine import Engine
from oxnor.cli.options.pictures import Kinds
from oxnor.cli.options.source import Source
from oxnor.cli.text import cycles_text

if TYPE_CHECKING:
    from oxnor.hw.params.explain import Explanation

#: Columns of the explanation of a folding: fields of a layer's load.
_LOADS = {
    "windows": "windows",
    "planes": "bit planes",
    "word_lines": "word lines",
    "reads": "reads an image",
    "macros": "macros",
    "shortest": "on any number of macros",
}


def networks(as_json: AsJson = False) -> None:
    """List the shipped networks, their sizes and their accuracy.

    Example: [bold]oxnor networks --json[/]
    """
    from oxnor.models import zoo

    entries = zoo.entries()
    if as_json:
        print_json(entries)
        return
    rows = [
        (
            e["name"],
            e["kind"],
            e["label"],
            f"{e['weights']:,}",
            "none" if e["accuracy"] is None else f"{100 * e['accuracy']:.2f} %",
            e["licence"] or "none",
        )
        for e in entries
    ]
    print_table(("name", "kind", "shape", "weights", "accuracy", "licence"), rows, left=3)


@expanded
def info(
    source: Source,
    engine: Engine,
    explain: Annotated[bool, typer.Option("--explain", help="Say why the folding is what it is.")] = False,
    pictures: Annotated[Path | None, pictures()] = None,
    *,
    kinds: Kinds,
    as_json: AsJson = False,
) -> None:
    """Describe a network: its layers, its card, and the engine generated from it.

    Example: [bold]oxnor info mnist-mlp --target ice40 --macro 4096x16 --pictures out[/]
    """
    from oxnor.sim.drawing.html import facts

    design = source.read(engine)
    description = design.describe()
    if explain:
        description["explanation"] = design.explain()
    if pictures is not None:
        kinds.save(design.pictures(), pictures)
    if as_json:
        print_json(description)
        return
    title = f"{description['name']}: {description['label']}, {description['weights']:,} weights"
    print_table(*_layer_rows(description), title=title)
    structure = description["engine"]
    beats = structure["stream"]["beats"]
    rows = [
        ("stream in", f"{structure['stream']['width']} bits a beat, {beats or 'any number of'} beats an image"),
        ("result", f"{structure['result']['width']} bits"),
        *((key.replace("_", " "), cycles_text(structure, key)) for key in ("latency", "initiation_interval")
          if key in structure),
        *_silicon_rows(description.get("silicon")),
        ("digest", description["digest"]),
        *((key.replace("_", " "), _short(description[key]))
          for key in ("input_threshold", "input_rule", "view", "data_set", "classes") if key in description),
        *((key, ", ".join(f"{k} {v}" for k, v in structure[key].items())) for key in ("decision", "encoder")
          if key in structure),
    ]  # fmt: skip
    print_table(("", ""), rows + [(name, in_options(text)) for name, text in facts(description["info"])], left=2)
    if explain:
        _print_explanation(description["explanation"])


def _silicon_rows(silicon: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return energy, area and clock, if they are shipped for this engine; `oxnor energy` explains them."""
    if silicon is None:
        return []
    low, high = silicon["rram_nj"]
    digital, area = 1e-3 * silicon["digital_pj"], silicon["digital_mm2"]
    sram = silicon["sram_nj"][0]
    energy = f"{digital:.2f} nJ digital; with macros {low:.1f} to {high:.1f} of RRAM, {sram:.1f} of SRAM"
    areas = f"{area:.3f} mm2 digital; with macros {silicon['rram_mm2']:.2f} of RRAM, {silicon['sram_mm2']:.2f} of SRAM"
    return [
        ("energy an image", energy),
        ("area", areas),
        ("clock", f"{silicon['clock_mhz']:.0f} MHz in {silicon['technology']}: see oxnor energy"),
    ]


def _print_explanation(found: Explanation) -> None:
    layers = found["layers"]
    most = max(layer["reads"] for layer in layers)
    rows = [
        (str(k), *(f"{y[name]:,}" for name in _LOADS), f"{100 * y['reads'] / most:.0f} %")  # type: ignore[literal-required]
        for k, y in enumerate(layers)
    ]
    print_table(("layer", *_LOADS.values(), "of the slowest"), rows, title="Why it is folded so")
    for sentence in found["sentences"]:
        note(f"{sentence[0].upper()}{sentence[1:]}.")


def _short(value: Any) -> str:
    """Return a number, a text, some texts, the range of a list of numbers, or the kind of a rule."""
    if isinstance(value, list) and isinstance(value[0], str):
        return ", ".join(value[:12]) + (f" and {len(value) - 12} more" if len(value) > 12 else "")
    if isinstance(value, dict):
        rows = value.get("thresholds")
        return value["kind"] + (f", {len(rows[0])} bits a feature" if rows else "")
    return f"{min(value)} to {max(value)}, one an input" if isinstance(value, list) else str(value)


def _layer_rows(description: dict[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the table of a network's layers: columns that all layers have, then those of its kind of engine."""
    extra = ["dataflow", "H x V", "slices", "reads", "latency"]
    windows = {"vectors": "windows", "interval": "reads an image"}
    if "vectors" in description["engine"]["layers"][0]:
        extra += windows.values()
    else:
        windows = {}
    spiking = {"theta": "theta", "v_bits": "bits of V", "refractory": "refractory"}
    rows = []
    for k, (y, e) in enumerate(zip(description["layers"], description["engine"]["layers"], strict=True)):
        ranges = ", ".join(f"{name} {low} to {high}" for name, (low, high) in y["ranges"].items())
        ranges += f", shortcut {y['shortcut']}" if "shortcut" in y else ""
        bits = y.get("weight_bits", 1)
        inputs = f"{y['n_in'] // bits}{f' x {bits}' * (bits > 1)}"
        size = f"{e['rows']}x{e.get('pairs', e['cols'])}"
        row = (str(k), y["kind"], inputs, str(y["n_out"]), ranges, f"{e['macros']} of {size}")
        if "neuron" in y:
            rows.append((*row, *(str(y["neuron"][name]) for name in spiking)))
        else:
            numbers = (*(e[name] for name in extra[2:5]), *(e[name] for name in windows))
            values = (e["dataflow"], f"{e['across']} x {e['groups']}", *map(str, numbers))
            rows.append((*row, *values))
    head = ("layer", "kind", "inputs", "neurons", "coefficients", "macros")
    return head + tuple(spiking.values() if "neuron" in description["layers"][0] else extra), rows
