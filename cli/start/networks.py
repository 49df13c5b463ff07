"""``oxnor networks`` and ``oxnor info``."""

from __future__ import annotations

from typing import Any

from oxnor.cli.console import print_json, print_table
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import AsJson
from oxnor.cli.options.engine import Engine
from oxnor.cli.options.source import Source


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
            "-".join(map(str, e["shape"])),
            f"{e['weights']:,}",
            "none" if e["accuracy"] is None else f"{100 * e['accuracy']:.2f} %",
            e["licence"] or "none",
        )
        for e in entries
    ]
    print_table(("name", "kind", "shape", "weights", "accuracy", "licence"), rows, left=3)


@expanded
def info(source: Source, engine: Engine, as_json: AsJson = False) -> None:
    """Describe a network: its layers, its card, and the engine generated from it.

    Example: [bold]oxnor info mnist-mlp --target ice40 --macro 4096x16[/]
    """
    from oxnor.sim.drawing.html import facts

    description = source.read(engine).describe()
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
        *((key.replace("_", " "), f"{structure[key]:,} cycles") for key in ("latency", "initiation_interval")
          if key in structure),
        ("digest", description["digest"]),
        *((key.replace("_", " "), _short(description[key]))
          for key in ("input_threshold", "input_rule", "view", "data_set", "classes") if key in description),
        *((key, ", ".join(f"{k} {v}" for k, v in structure[key].items())) for key in ("decision", "encoder")
          if key in structure),
    ]  # fmt: skip
    print_table(("", ""), rows + facts(description["info"]), left=2)


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
        row = (str(k), y["kind"], str(y["n_in"]), str(y["n_out"]), ranges, f"{e['macros']} of {e['rows']}x{e['cols']}")
        if "neuron" in y:
            rows.append((*row, *(str(y["neuron"][name]) for name in spiking)))
        else:
            numbers = (*(e[name] for name in extra[2:5]), *(e[name] for name in windows))
            values = (e["dataflow"], f"{e['across']} x {e['groups']}", *map(str, numbers))
            rows.append((*row, *values))
    head = ("layer", "kind", "inputs", "neurons", "coefficients", "macros")
    return head + tuple(spiking.values() if "neuron" in description["layers"][0] else extra), rows
