"""The content of ``oxnor device circuit`` as a JSON object."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from oxnor.models.devices.error_rates import ber_2t2r
from oxnor.models.devices.model import DeviceModel

from .circuit import CELLS, ReadCircuit
from .conditions import Plan, difference
from .offsets import OffsetStatistics, statistics
from .results import Read, Results


def describe(plan: Plan, results: Results, device: DeviceModel) -> dict[str, Any]:
    """Return what a study has found; what is not known yet is left out. `device` is what errors are computed for."""
    base = plan.circuit
    return {
        "circuit": base.to_json(),
        "description": base.describe(),
        "cell": CELLS[base.cell],
        "simulator": results.simulator,
        "reads": [
            {"changed": difference(c, base), "circuit": c.to_json(), **_read(results.reads[c])}
            for c in plan.reads if c in results.reads
        ],
        "offsets": [
            {"changed": difference(c, base), "circuit": c.to_json(), "seed": plan.seed, **_offsets(c, results)}
            for c in plan.offsets if c in results.offsets
        ],
        "device": device.name,
        "clock": clock(plan, results, device),
        "noises": [
            {"changed": difference(c, base), "circuit": c.to_json(), "sigma": n.sigma, "parts": dict(n.parts)}
            for c in plan.noises if (n := results.noises.get(c))
        ],
    }  # fmt: skip


def clock(plan: Plan, results: Results, device: DeviceModel) -> list[dict[str, float]]:
    """Return what each precharge that was simulated allows: the clock of one read a cycle, and what it costs in errors.

    The cycle is that of the column alone, precharge and decision; an engine adds its periphery, and has its own logic.
    """
    stats, rows = device.at(device.valid_cycles[0], device.valid_seconds[0]), []
    for c, offsets in results.offsets.items():
        found = statistics(offsets)
        read = results.reads.get(c)
        alike = c == plan.circuit.turned(precharge_ns=c.precharge)
        if not alike or read is None or read.delay_ns is None or found is None or found.sigma is None:
            continue
        rows.append({
            "precharge_ns": c.precharge, "delay_ns": read.delay_ns, "clock_mhz": 1e3 / (c.precharge + read.delay_ns),
            "offset": found.sigma, "ber_2t2r": ber_2t2r(stats, found.sigma, 0.0, device.forming_yield),
            "energy_fj": read.total_fj,
        })  # fmt: skip
    return sorted(rows, key=lambda row: row["precharge_ns"])


def _read(read: Read) -> dict[str, Any]:
    return {
        "starts_from": "second cycle, after the same read",
        "outputs": list(read.outputs), "right": read.right, "delay_ns": read.delay_ns,
        "energy_fj": round(read.total_fj, 3), "energy_parts_fj": dict(read.energy_fj), "sense_ns": read.sense_ns,
        "precharged_v": read.precharged_v, "left_mv": read.left_mv, "problems": read.problems(),
    }  # fmt: skip


def _offsets(circuit: ReadCircuit, results: Results) -> dict[str, Any]:
    offsets = results.offsets[circuit]
    found: OffsetStatistics | None = statistics(offsets)
    start = "0 V, one precharge and one read"
    if found is None:
        return {"starts_from": start, "draws": len(offsets.flips), "known": 0}
    inputs = ("x1", "x0") if found.stays else ("single",)
    value = {"starts_from": start, "draws": found.draws, "known": found.known, "problems": found.problems}
    value["nominal"] = [f if isinstance(f, str) else -f for f in offsets.nominal]
    value |= {name: asdict(s) for name, s in zip(inputs, found.by_input, strict=True)}
    if found.stays and found.turns:
        value |= {"stays": asdict(found.stays), "turns": asdict(found.turns)}
    if found.correlation:
        value["correlation"] = dict(zip(("value", "low", "high"), found.correlation, strict=True))
    return value
