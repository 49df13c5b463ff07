"""What a build says of itself: resources, clock, speed, and the bound that block RAM sets."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import schedule

from .boards.board import Chip
from .boards.families import route_of
from .design import BoardDesign
from .memories import pixel_memories

#: Bits on the line to a byte: a start bit, eight, a stop bit.
UART_BITS = 10
#: Fields that reports have not had from the beginning; left out where they say nothing.
LATER = ("line_images_per_s", "memories")


def bound_cycles(config: EngineConfig, chip: Chip) -> float:
    """Return the fewest cycles to an image if every block RAM of the chip read synapses in every cycle."""
    # Bits of single synapses, which packed ones have fewer of.
    reads = sum(y.n_in * y.n_out * y.turns * y.vectors * y.word_bits / y.cols for y in config.layers)
    return reads / (chip.block_rams * chip.block_ram_bits)


def cells(path: Path, family: str) -> dict[str, int]:
    """Return how many cells of each kind a netlist has, from Yosys' statistics."""
    counts = json.loads(path.read_text())["design"]["num_cells_by_type"]
    return {
        name: sum(n for kind, n in counts.items() if any(fnmatchcase(kind, pattern) for pattern in patterns))
        for name, patterns in route_of(family).cells.items()
    }


@dataclass(frozen=True, eq=False, repr=False)
class BuildReport:
    """What a build takes and how fast it is: ``report.json``.

    Parameters
    ----------
    network, network_digest : str
        Name and hash of the network.
    board, chip : str
        Names.
    structure : str
        Hash of the structure of the engine.
    folding : tuple of (H, V)
        Of each layer.
    macro : (rows, cols)
        Size of the macros of the first layer.
    fits : bool
        Whether there is a bitstream.
    resources : dict of str to int
        Cells after synthesis; with ``_placed`` and ``_available`` those that the placer counts, and the chip has.
    freq_mhz : float
        Clock of the engine, in MHz.
    fmax_mhz : float or None
        The fastest that static timing analysis allows; None without a bitstream.
    meets_freq : bool
        Whether that is enough.
    cycles_per_image, latency_cycles : int
        Clock cycles.
    images_per_s, images_per_s_at_fmax : int, int or None
        Of the engine, not of the serial line.
    bound_cycles : float
        Clock cycles to an image if every block RAM of the chip read synapses in every cycle.
    cycles_over_bound : float
        How many times as many it has.
    baud : int
        Bit rate of the UART.
    seed : int
        Of the placer.
    tools : dict of str to str
        Names and versions.
    advice : str or None
        What to change if the design does not fit or is too slow; None if all is well.
    line_images_per_s : float or None
        Images that the UART carries; None in reports from before it was said.
    memories : dict of str to dict
        Image buffer and line buffers of an engine with convolutions: words, bits of a word, block RAMs.
    """

    network: str
    network_digest: str
    board: str
    chip: str
    structure: str
    folding: tuple[tuple[int, int], ...]
    macro: tuple[int, int]
    fits: bool
    resources: dict[str, int]
    freq_mhz: float
    fmax_mhz: float | None
    meets_freq: bool
    cycles_per_image: int
    latency_cycles: int
    images_per_s: int
    images_per_s_at_fmax: int | None
    bound_cycles: float
    cycles_over_bound: float
    baud: int
    seed: int
    tools: dict[str, str]
    advice: str | None
    line_images_per_s: float | None = None
    memories: dict[str, dict[str, int]] = field(default_factory=dict)

    def __repr__(self) -> str:
        speed = f"{self.images_per_s:,} images/s at {self.freq_mhz:g} MHz"
        return f"BuildReport({self.network!r} on {self.board}: {self.advice or speed})"

    @property
    def ok(self) -> bool:
        """Whether it fits and reaches its clock."""
        return self.advice is None

    def to_json(self) -> dict[str, Any]:
        """Return the report as it stands in ``report.json``: the resources among the other fields."""
        values: dict[str, Any] = {}
        for f in fields(self):
            values |= self.resources if f.name == "resources" else {f.name: getattr(self, f.name)}
        return {name: value for name, value in values.items() if name not in LATER or value}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> BuildReport:
        """Undo :meth:`to_json`."""
        names = [f.name for f in fields(cls) if f.name != "resources" and (f.name not in LATER or f.name in values)]
        known = {name: values[name] for name in names}
        known |= {"folding": tuple(map(tuple, values["folding"])), "macro": tuple(values["macro"])}
        return cls(resources={name: n for name, n in values.items() if name not in names}, **known)


def report(design: BoardDesign, work: Path, tools: dict[str, str], seed: int) -> BuildReport:
    """Return the report of a build from what the tools left in `work`."""
    chip = design.board.chip
    s = schedule(design.config)
    log = (work / "nextpnr.log").read_text(errors="replace")
    route = route_of(chip.family)
    placed = {
        name: {"used": int(m[1]), "of": int(m[2])}
        for name, cell in route.placed.items()
        if (m := re.search(rf"{cell}:\s+(\d+)/\s*(\d+)", log))
    }
    fits = (work / route.bitstream).is_file()
    fmax = _fmax(work / "nextpnr.json") if fits else None
    counted = cells(work / "stat.json", chip.family)
    bound = bound_cycles(design.config, chip)
    resources = {
        **counted,
        **{f"{name}_placed": value["used"] for name, value in placed.items()},
        **{f"{name}_available": value["of"] for name, value in placed.items()},
    }
    return BuildReport(
        network=design.network.name,
        network_digest=design.network.digest,
        board=design.board.name,
        chip=chip.name,
        structure=design.config.digest,
        folding=tuple((y.across, y.groups) for y in design.config.layers),
        macro=(design.config.layers[0].rows, design.config.layers[0].cols),
        fits=fits,
        resources=resources,
        freq_mhz=design.freq_mhz,
        fmax_mhz=fmax,
        meets_freq=fmax is not None and fmax >= design.freq_mhz,
        cycles_per_image=s.initiation_interval,
        latency_cycles=s.latency,
        images_per_s=round(design.freq_mhz * 1e6 / s.initiation_interval),
        images_per_s_at_fmax=round(fmax * 1e6 / s.initiation_interval) if fmax else None,
        bound_cycles=round(bound, 1),
        cycles_over_bound=round(s.initiation_interval / bound, 3),
        baud=design.baud,
        seed=seed,
        tools=tools,
        advice=advice(fits, fmax, design.freq_mhz, placed),
        line_images_per_s=_line_images_per_s(design),
        memories={
            memory.name: {"words": memory.words, "width": memory.width, "block_ram": memory.block_rams}
            for memory in pixel_memories(design.config, chip)
        },
    )


def _line_images_per_s(design: BoardDesign) -> float | None:
    """Return how many images the UART carries; None where the host makes the clock of the line."""
    if design.link != "uart":
        return None
    return round(design.baud / (UART_BITS * design.identity.image_bytes), 1)


def _fmax(path: Path) -> float | None:
    clocks = json.loads(path.read_text())["fmax"]
    # The engine's clock is the one with the most logic: all others are the pin.
    achieved = [c["achieved"] for name, c in clocks.items() if "clk_pin" not in name] or [
        c["achieved"] for c in clocks.values()
    ]
    return round(min(achieved), 2) if achieved else None


def advice(fits: bool, fmax_mhz: float | None, freq_mhz: float, placed: dict[str, dict[str, int]]) -> str | None:
    """Return what to change if the design does not fit or is too slow, None if all is well."""
    over = [f"{v['used'] - v['of']:,} {k.replace('_', ' ')} too many ({v['used']:,} of {v['of']:,})"
            for k, v in placed.items() if v["used"] > v["of"]]  # fmt: skip
    if over or not fits:
        what = " and ".join(over) or "the placer found no room"
        fold = "fold it more (a larger `interval`, or a `folding` with fewer macros), or take a larger board"
        return f"does not fit: {what}; {fold}"
    if fmax_mhz is None or fmax_mhz < freq_mhz:
        speed = f"{fmax_mhz or 0:g} MHz of {freq_mhz:g}"
        return f"too slow: {speed}; ask for a lower `freq_mhz`, or try another `seed`"
    return None
