"""The energy of an engine in numbers: by unit, with RRAM and with SRAM macros, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from oxnor.hw.cost.counts import LayerCounts
from oxnor.models.devices.error_rates import ber_2t2r
from oxnor.models.devices.model import DeviceModel
from oxnor.models.technology.figure import Figure, Range
from oxnor.models.technology.published import published
from oxnor.models.technology.rram import Rram
from oxnor.models.technology.sram import SramArray
from oxnor.models.technology.technology import Technology

from .power import UnitPower
from .timing import Path

#: Operations of a synapse: an XNOR and an addition.
OPERATIONS = 2
#: Decimals of an energy in pJ: totals are sums of what is printed.
DECIMALS = 6


def _pj(joules: float) -> float:
    return round(joules * 1e12, DECIMALS)


def total(parts: Sequence[float]) -> float:
    """Return the sum of energies in pJ, to the last decimal that they have."""
    return round(sum(parts), DECIMALS)


@dataclass(frozen=True)
class Gates:
    """What was simulated.

    Parameters
    ----------
    tool : str
        Yosys and its version.
    clock_gating : bool
    images, differ : int
        Images through the gates, and results that were not those of the golden model.
    counted : float
        Images during which changes were counted.
    source : str
        Where the images are from.
    verilog : str
        Digest of the engine's Verilog.
    """

    tool: str
    clock_gating: bool
    images: int
    differ: int
    counted: float
    source: str
    verilog: str


@dataclass(frozen=True)
class Excluded:
    """What the totals leave out.

    Parameters
    ----------
    what : str
    pj : Range
        Estimate for an image.
    tag, source : str
        As of a :class:`Figure`.
    """

    what: str
    pj: Range
    tag: str
    source: str

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON-able dict."""
        return {"what": self.what, "pj": self.pj.to_json(), "tag": self.tag, "source": self.source}


@dataclass(frozen=True)
class Macros:
    """The macros of one kind.

    Parameters
    ----------
    parts_pj : dict of str to Range
        Energies for an image.
    area_um2 : float
    standby_w : float
        What holding the weights takes.
    output_ns : float
        From the clock edge to the output.
    cycle_ns : float
        Least time from one read to the next.
    """

    parts_pj: dict[str, Range]
    area_um2: float
    standby_w: float
    output_ns: float
    cycle_ns: float


@dataclass(frozen=True, eq=False)
class EnergyReport:
    """Energy, area and clock of an engine in a technology.

    Parameters
    ----------
    network : str
    technology : Technology
    voltage, temperature : float
        Of the standard cells, V and C.
    rram : Rram
        As the technology has it.
    device : DeviceModel
        What error rates are of.
    gates : Gates
    units : tuple of UnitPower
    layers : tuple of LayerCounts
    reads : tuple of float
        Rows that all macros of each layer sensed in the simulation, for an image.
    interval : int
        Cycles from image to image.
    latency : int
        Cycles of one image.
    read_cycles : int
        Cycles that a macro has for a read.
    paths : dict of str to Path
        Longest path of the digital part, and with macros of each kind.
    timing_tool : str
        What found them.
    second : (str, dict of str to float) or None
        What OpenSTA finds, in ns, if it was asked: its name, and the same paths.
    arrays : tuple of SramArray
        That take the place of each layer's macros.
    excluded : tuple of Excluded
    """

    network: str
    technology: Technology
    voltage: float
    temperature: float
    rram: Rram
    device: DeviceModel = field(repr=False)
    gates: Gates
    units: tuple[UnitPower, ...] = field(repr=False)
    layers: tuple[LayerCounts, ...] = field(repr=False)
    reads: tuple[float, ...] = field(repr=False)
    interval: int
    latency: int
    read_cycles: int
    paths: dict[str, Path] = field(repr=False)
    timing_tool: str
    second: tuple[str, dict[str, float]] | None
    arrays: tuple[SramArray, ...] = field(repr=False)
    excluded: tuple[Excluded, ...] = field(repr=False)

    # Macros

    @property
    def row_reads(self) -> int:
        """Rows that are sensed for an image."""
        return sum(layer.row_reads for layer in self.layers)

    @property
    def xnors(self) -> int:
        """Synapses that are read for an image."""
        return sum(layer.xnors for layer in self.layers)

    @property
    def bits(self) -> int:
        """Weights."""
        return sum(layer.bits for layer in self.layers)

    @property
    def pairs(self) -> int:
        """Pairs that hold weights."""
        return sum(layer.bits * layer.pairs // layer.cols for layer in self.layers)

    @cached_property
    def columns(self) -> tuple[Rram, ...]:
        """The RRAM macro of each layer, with its rows."""
        return tuple(self.rram.at(layer.rows) for layer in self.layers)

    @cached_property
    def slowest(self) -> Rram:
        """The RRAM macro whose reads take longest."""
        return max(self.columns, key=lambda column: column.cycle_ns)

    @cached_property
    def with_rram(self) -> Macros:
        """The RRAM macros."""
        capacity = sum(layer.macros * layer.rows * layer.pairs for layer in self.layers)
        parts = {
            "sense amplifiers": self._sensing(self.columns),
            "periphery": self.rram.periphery.range(self.row_reads),
        }
        sense = max(column.sense.top for column in self.columns)
        return Macros(parts, capacity * self.rram.area.low, 0.0, sense, self.slowest.cycle_ns)

    def _sensing(self, columns: Sequence[Rram]) -> Range:
        """Return the energy of all reads of an image, in pJ."""
        reads = [c.read.range(y.row_reads * y.pairs * 1e-3) for c, y in zip(columns, self.layers, strict=True)]
        return sum(reads, Range(0.0, 0.0))

    @cached_property
    def with_sram(self) -> Macros:
        """SRAM macros of the same process in their place."""
        pairs = list(zip(self.layers, self.arrays, strict=True))
        read = sum(layer.row_reads * array.read_j for layer, array in pairs) * 1e12
        leakage = sum(layer.macros * array.leakage_w for layer, array in pairs)
        access = max(array.macro.access_ns for array in self.arrays)
        period = self._period(self.paths["sram"].ns, access)
        standby = leakage * self.interval * period * 1e-9 * 1e12
        parts = {"reads": Range(read, read), "leakage of the macros": Range(standby, standby)}
        area = sum(layer.macros * array.area_um2 for layer, array in pairs)
        return Macros(parts, area, leakage, access, access)

    # Clock

    def clock_mhz(self, kind: str) -> float:
        """Return the engine's clock with macros of kind "rram" or "sram"."""
        macros = self.with_rram if kind == "rram" else self.with_sram
        return 1e3 / self._period(self.paths[kind].ns, macros.cycle_ns)

    def _period(self, path_ns: float, cycle_ns: float) -> float:
        """Return the least period: a read, and the path that begins with it, have `read_cycles` of them."""
        return max(self.paths["digital"].ns, path_ns / self.read_cycles, cycle_ns / self.read_cycles)

    @cached_property
    def clocks(self) -> list[dict[str, Any]]:
        """The engine's clock at each precharge whose offsets were simulated for the rows of the slowest macros.

        The path from a macro's output is as much longer as the macro takes longer.
        """
        stats = self.device.at(self.device.valid_cycles[0], self.device.valid_seconds[0])
        rows = []
        for at in self.slowest.precharges():
            path = self.paths["rram"].ns + at.sense.top - self.with_rram.output_ns
            period = self._period(path, at.cycle_ns)
            sigma = at.offsets.sigma if at.offsets else None
            assert sigma is not None
            rows.append({
                "precharge_ns": at.precharge_ns, "sense_ns": at.sense.top, "clock_mhz": 1e3 / period,
                "limit": "read" if period > self._period(path, 0.0) else "logic", "offset": sigma,
                "ber_2t2r": ber_2t2r(stats, sigma, 0.0, self.device.forming_yield), "read_fj": at.read.top,
                "used": at.precharge_ns == self.slowest.precharge_ns,
            })  # fmt: skip
        return rows

    # Energy

    @cached_property
    def unit_rows(self) -> list[dict[str, Any]]:
        """Each unit with its energies in pJ an image."""
        seconds = self._seconds("rram")
        rows = []
        for u in self.units:
            parts = {"data_pj": _pj(u.data_j), "clock_pj": _pj(u.clock_j), "leakage_pj": _pj(u.leakage_w * seconds)}
            counts = {"unit": u.unit, "cells": u.cells, "flops": u.flops, "clock_gates": u.gates}
            sums = {"area_um2": round(u.area_um2, 1), "total_pj": total(list(parts.values()))}
            rows.append(counts | parts | sums)
        return rows

    def _seconds(self, kind: str) -> float:
        """Return the time from image to image."""
        return self.interval / (self.clock_mhz(kind) * 1e6)

    def digital_pj(self, kind: str) -> float:
        """Return the energy of the digital part beside "rram" or "sram" macros, with its leakage at their clock."""
        if kind == "rram":
            return self.digital["total_pj"]
        leakage = _pj(sum(u.leakage_w for u in self.units) * self._seconds(kind))
        return total([self.digital["data_pj"], self.digital["clock_pj"], leakage])

    @cached_property
    def digital(self) -> dict[str, float]:
        """The sums over all units at the clock with RRAM, in pJ an image."""
        kinds = ("data_pj", "clock_pj", "leakage_pj", "total_pj")
        return {kind: total([row[kind] for row in self.unit_rows]) for kind in kinds}

    @property
    def area_um2(self) -> float:
        """Of the standard cells."""
        return sum(u.area_um2 for u in self.units)

    def energy_pj(self, kind: str) -> Range:
        """Return the energy of an image with macros of kind "rram" or "sram"."""
        macros = self.with_rram if kind == "rram" else self.with_sram
        return sum(macros.parts_pj.values(), Range(0.0, 0.0)) + self.digital_pj(kind)

    def figures(self, kind: str) -> dict[str, Any]:
        """Return energy, area, clock and rates with macros of one kind."""
        macros = self.with_rram if kind == "rram" else self.with_sram
        pj, mhz = self.energy_pj(kind), self.clock_mhz(kind)
        area = self.area_um2 + macros.area_um2
        operations = OPERATIONS * self.xnors
        rate = mhz * 1e6 / self.interval
        return {
            "digital_pj": self.digital_pj(kind),
            "parts_pj": {name: part.to_json() for name, part in macros.parts_pj.items()},
            "nj_per_image": [pj.low * 1e-3, pj.high * 1e-3],
            "fj_per_xnor": [1e3 * pj.low / self.xnors, 1e3 * pj.high / self.xnors],
            "tops_per_w": [operations / pj.high, operations / pj.low],
            "clock_mhz": mhz,
            "images_per_s": rate,
            "latency_us": self.latency / mhz,
            "area_mm2": area * 1e-6,
            "tops_per_mm2": operations * rate * 1e-12 / (area * 1e-6),
            "standby_w": macros.standby_w,
        }

    # What follows

    def comparison(self) -> str:
        """Return which macros take less energy, if that can be said, and at which clocks."""
        ours, theirs = self.energy_pj("rram"), self.energy_pj("sram")
        if ours.overlaps(theirs):
            return "no ranking: the ranges overlap"
        clocks = f", at {self.clock_mhz('rram'):.3g} MHz against {self.clock_mhz('sram'):.3g}"
        if ours.high < theirs.low:
            least, most = theirs.low / ours.high, theirs.high / ours.low
            return f"RRAM takes {_between(least, most)} times less energy an image than SRAM{clocks}"
        times = _between(ours.low / theirs.high, ours.high / theirs.low)
        return f"RRAM takes {times} times the energy of SRAM an image{clocks}"

    def standby(self) -> dict[str, Any]:
        """Return standby, reload and programming, and the rate below which RRAM takes less energy."""
        estimates = self.technology.estimates
        retention = self.with_sram.standby_w
        writes = sum(layer.bits / array.macro.cols * array.macro.write_j for layer, array in
                     zip(self.layers, self.arrays, strict=True))  # fmt: skip
        reload_j = self.bits * estimates.reload.low * 1e-12 + writes
        program = estimates.program.range(2 * self.pairs * 1e-12)
        ours, theirs = self.energy_pj("rram"), self.energy_pj("sram")
        extra = Range((ours.low - theirs.high) * 1e-12, (ours.high - theirs.low) * 1e-12)
        break_even = [retention / e if e > 0 else None for e in (extra.high, extra.low)]
        return {
            "sram_retention_w": retention,
            "sram_reload_j": reload_j,
            "sram_off_longer_than_s": reload_j / retention if retention else None,
            "rram_retention_w": 0.0,
            "rram_wake_us": estimates.wake.range().to_json(),
            "rram_program_j": program.to_json(),
            "rram_program_images": [program.low / (ours.high * 1e-12), program.high / (ours.low * 1e-12)],
            "break_even_images_per_s": break_even,
            "break_even": _break_even(break_even),
        }

    def numbers(self) -> dict[str, Figure]:
        """Return every number that was put in, with its source."""
        e = self.technology.estimates
        found: dict[str, Figure] = {}
        for column in dict.fromkeys(self.columns):
            rows = "" if column.circuit is None else f", {column.circuit.rows} rows"
            found[f"read of an RRAM macro ({column.name}, {column.supply_v:g} V{rows})"] = column.read
            found[f"delay of an RRAM macro{rows}"] = column.sense
        return found | {
            "periphery of an RRAM macro": self.rram.periphery,
            "area of an RRAM macro": self.rram.area,
            "wires": e.wire,
            "glitches": e.glitches,
            "programming": e.program,
            "reload": e.reload,
            "wake-up": e.wake,
        }

    def _column(self) -> dict[str, Any]:
        """Return what the slowest RRAM macros are."""
        column = self.slowest
        offsets = column.offsets
        return {
            "name": column.name, "supply_v": column.supply_v, "precharge_ns": column.precharge_ns,
            "rows": None if column.circuit is None else column.circuit.rows,
            "offset_sd": None if offsets is None else [spread.sigma for spread in offsets.by_input],
        }  # fmt: skip

    def _second(self) -> dict[str, Any] | None:
        if self.second is None:
            return None
        return {"tool": self.second[0]} | {f"{name}_ns": ns for name, ns in self.second[1].items()}

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON-able dict."""
        g = self.gates
        return {
            "network": self.network,
            "technology": self.technology.label,
            "node_nm": self.technology.node_nm,
            "supply_v": self.voltage,
            "temperature_c": self.temperature,
            "precision": "1-bit weights and activations",
            "operations_per_xnor": OPERATIONS,
            "xnors": self.xnors,
            "gates": vars(g) | {"cells": sum(u.cells for u in self.units), "flops": sum(u.flops for u in self.units),
                                "area_mm2": self.area_um2 * 1e-6},
            "digital": self.digital,
            "units": self.unit_rows,
            "reads": [
                {"layer": k, "macros": y.macros, "rows": y.rows, "cols": y.pairs, "row_reads": y.row_reads,
                 "simulated": r}
                for k, (y, r) in enumerate(zip(self.layers, self.reads, strict=True))
            ],
            "timing": {"tool": self.timing_tool, "second": self._second()}
            | {name: p.to_json() for name, p in self.paths.items()},
            "interval": self.interval,
            "rram": self.figures("rram") | self._column(),
            "clocks": {"device": self.device.name, "rows": self.clocks},
            "sram": self.figures("sram") | {"macros": [array.macro.name for array in self.arrays]},
            "comparison": self.comparison(),
            "standby": self.standby(),
            "excluded": [e.to_json() for e in self.excluded],
            "numbers": {name: f.to_json() for name, f in self.numbers().items()},
            "published": [p.to_json() for p in published()],
        }  # fmt: skip


def _between(low: float, high: float) -> str:
    a, b = f"{low:.3g}", f"{high:.3g}"
    return a if a == b else f"{a} to {b}"


def _break_even(rates: list[float | None]) -> str:
    first, last = rates
    if first is None:
        return "RRAM takes less energy at every rate"
    if last is None:
        return f"RRAM takes less energy below {first:.3g} images/s, and above that it depends on its periphery"
    return f"RRAM takes less energy below {_between(first, last)} images/s"
