"""Circuits as tables for people."""

from __future__ import annotations

from typing import Any

from oxnor.cli.console import print_table, say

_PARTS = {
    "x1": "offset at x = 1", "x0": "offset at x = 0", "stays": "stays with the bit lines",
    "turns": "turns with the input", "single": "offset against the reference",
}  # fmt: skip


def print_circuit(report: dict[str, Any]) -> None:
    """Print reads and offsets of a circuit and of what changes with its conditions."""
    say(report["description"])
    say(f"{report['simulator']}; {report['cell']}. Bit-line capacitance is assumed: nothing was laid out.")
    reads = report["reads"]
    rows = [(_name(r), _g(r["delay_ns"]), f"{r['energy_fj']:.1f}", _g(r["precharged_v"])) for r in reads]
    head = ("changed", "delay (ns)", "energy (fJ a bit)", "bit line precharged to (V)")
    print_table(head, rows, title="Reads, in the second cycle after the same read")
    right = sum(r["right"] for r in reads)
    all_of_it = "Every combination of weight and input is" if len(reads[0]["outputs"]) == 4 else "Both bits are"
    say(f"{all_of_it} right in {right} of {len(reads)} circuits.")
    for r in reads:
        if r["problems"]:
            say(f"{_name(r)}: {'; '.join(r['problems'])}.")
    offsets = report["offsets"]
    if len(offsets) == 1:
        _print_offset(offsets[0])
    else:
        _print_offsets(offsets)
    if len(report["clock"]) > 1:
        _print_clock(report["clock"], report["device"])
    for n in report["noises"]:
        parts = ", ".join(f"{node} {part:.1e}" for node, part in n["parts"].items())
        say(f"Thermal noise of a read, {_name(n)}: at most {n['sigma']:.1e} in ln R ({parts}).")
    for o in offsets:
        for why, count in o.get("problems", {}).items():
            say(f"{_name(o)}: {count} of {o['draws']} amplifiers: {why}.")


def _print_clock(clock: list[dict[str, float]], device: str) -> None:
    head = ("precharge (ns)", "decision (ns)", "clock (MHz)", "offset (ln R)", "2T2R error rate", "fJ a bit")
    keys = ("precharge_ns", "delay_ns", "clock_mhz", "offset", "ber_2t2r", "energy_fj")
    rows = [[f"{row[key]:.3g}" for key in keys] for row in clock]
    print_table(head, rows, left=0, title=f"One read a cycle, of {device}; no periphery, no logic")


def _name(result: dict[str, Any]) -> str:
    return result["changed"] or "as above"


def _g(value: float | None) -> str:
    return "not settled" if value is None else f"{value:.3g}"


def _print_offset(o: dict[str, Any]) -> None:
    title = f"Offset in ln R of {o['known']} of {o['draws']} amplifiers, from {o['starts_from']}; 99 % intervals"
    rows = [
        (words, f"{o[k]['sigma']:.4f}", _span(o[k]), f"{o[k]['mean']:+.4f}", _span(o[k], "mean_"))
        for k, words in _PARTS.items() if k in o
    ]  # fmt: skip
    print_table(("part", "sd", "interval", "mean", "interval"), rows, title=title)
    if "correlation" in o:
        c = o["correlation"]
        say(f"Correlation between x = 1 and x = 0: {c['value']:.2f} ({c['low']:.2f} to {c['high']:.2f}).")


def _print_offsets(offsets: list[dict[str, Any]]) -> None:
    keys = [k for k in _PARTS if any(k in o for o in offsets)]
    rows = []
    for o in offsets:
        cells = [f"{o[k]['sigma']:.4f} ({_span(o[k])})" if k in o else "" for k in keys]
        rows.append((_name(o), f"{o['known']} of {o['draws']}", *cells))
    title = f"Standard deviation of the offset in ln R, from {offsets[0]['starts_from']}; 99 % intervals"
    print_table(("changed", "amplifiers", *(_PARTS[k] for k in keys)), rows, title=title)


def _span(spread: dict[str, float], prefix: str = "") -> str:
    return f"{spread[f'{prefix}low']:.4f} to {spread[f'{prefix}high']:.4f}"
