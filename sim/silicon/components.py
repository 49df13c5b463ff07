"""The components of an engine as a table for other tools: unit energies, areas and counts of an image, with citations.

The structure is that of component tables as Accelergy, CiMLoop and hwcomponents have them: components with actions, and
how often an image takes each. Counts times energies are the totals of the report.
"""

from __future__ import annotations

import json
from typing import Any

from oxnor.models.technology.figure import Range

from .report import EnergyReport

FORMAT, VERSION = "oxnor-components", 1


def components(report: EnergyReport) -> dict[str, Any]:
    """Return the table: energies in pJ as [low, high], areas in um2, leakage in W, times in ns."""
    return {
        "format": FORMAT, "version": VERSION, "network": report.network, "technology": report.technology.label,
        "node_nm": report.technology.node_nm, "supply_v": report.voltage, "temperature_c": report.temperature,
        "interval_cycles": report.interval,
        "clock_mhz": {kind: report.clock_mhz(kind) for kind in ("rram", "sram")},
        "components": [*_units(report), *_rram(report), *_sram(report)],
    }  # fmt: skip


def _action(name: str, count: float, energy: Range, tag: str, source: str) -> dict[str, Any]:
    return {"name": name, "count": count, "energy_pj": energy.to_json(), "tag": tag, "source": source}


def _units(report: EnergyReport) -> list[dict[str, Any]]:
    """Return the digital units, all instances of one together: an action is what an image takes."""
    source = f"{report.gates.tool}, {report.gates.source} through the gates, {report.timing_tool}"
    return [
        {
            "name": row["unit"], "class": "digital", "engine": ["rram", "sram"], "cells": row["cells"],
            "area_um2": row["area_um2"], "leakage_w": unit.leakage_w,
            "actions": [_action(kind, 1, Range(*2 * (row[f"{kind}_pj"],)), "simulated", source)
                        for kind in ("data", "clock")],
        }
        for row, unit in zip(report.unit_rows, report.units, strict=True)
    ]  # fmt: skip


def _rram(report: EnergyReport) -> list[dict[str, Any]]:
    found = []
    for k, (layer, column) in enumerate(zip(report.layers, report.columns, strict=True)):
        bits = layer.row_reads * layer.pairs
        found.append({
            "name": f"layer{k}.{column.name}", "class": "rram_macro", "engine": ["rram"], "macros": layer.macros,
            "rows": layer.rows, "cols": layer.pairs, "supply_v": column.supply_v,
            "area_um2": layer.macros * layer.rows * layer.pairs * column.area.low, "area_source": column.area.source,
            "area_tag": column.area.tag, "leakage_w": 0.0, "read_ns": column.cycle_ns,
            "actions": [
                _action("sense a bit", bits, column.read.range(1e-3), column.read.tag, column.read.source),
                _action("address a row", layer.row_reads, column.periphery.range(), column.periphery.tag,
                        column.periphery.source),
            ],
        })  # fmt: skip
    return found


def _sram(report: EnergyReport) -> list[dict[str, Any]]:
    found = []
    for k, (layer, array) in enumerate(zip(report.layers, report.arrays, strict=True)):
        macro = array.macro
        source = f"Liberty file of {macro.name}, {report.technology.label}"
        energies = {"read a row": array.read_j * 1e12, "write a row": macro.write_j * array.across * 1e12}
        counts = {"read a row": layer.row_reads, "write a row": 0}
        found.append({
            "name": f"layer{k}.{macro.name}", "class": "sram_macro", "engine": ["sram"],
            "macros": layer.macros * array.across * array.down, "rows": macro.rows, "cols": macro.cols,
            "area_um2": layer.macros * array.area_um2, "area_source": source, "area_tag": "published",
            "leakage_w": layer.macros * array.leakage_w, "read_ns": macro.access_ns,
            "actions": [_action(name, counts[name], Range(pj, pj), "published", source)
                        for name, pj in energies.items()],
        })  # fmt: skip
    return found


def yaml_text(value: dict[str, Any], comment: str = "") -> str:
    """Return a value as YAML: dictionaries and lists of them in blocks, everything else as in JSON."""
    return "".join(f"# {line}\n" for line in comment.splitlines()) + "\n".join(_lines(value, "")) + "\n"


def _lines(value: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for key, entry in value.items():
        if isinstance(entry, list) and entry and all(isinstance(e, dict) for e in entry):
            lines.append(f"{indent}{key}:")
            for e in entry:
                block = _lines(e, f"{indent}  ")
                lines += [f"{indent}- {block[0].lstrip()}", *block[1:]]
        elif isinstance(entry, dict):
            lines += [f"{indent}{key}:", *_lines(entry, f"{indent}  ")]
        else:
            lines.append(f"{indent}{key}: {json.dumps(entry, allow_nan=False)}")
    return lines
