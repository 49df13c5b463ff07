"""The energy of an engine: synthesized, run on images, measured by the tables of its cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from oxnor.hw.cost.counts import LayerCounts, count
from oxnor.hw.host.beats import unpack_results
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.schedule import Schedule, schedule
from oxnor.models import golden
from oxnor.models.base.bits import pack_bytes
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root
from oxnor.models.devices import model as device_model
from oxnor.models.networks.binarized import Network
from oxnor.models.technology.figure import Range
from oxnor.models.technology.library import Library
from oxnor.models.technology.rram import Rram
from oxnor.models.technology.sram import sram_for
from oxnor.models.technology.technology import Technology
from oxnor.sim.verify.inputs import Inputs

from .gate_netlist import Netlist, read_netlist
from .gates import LANES, GateRun, run_gates
from .power import SLEW_NS, UnitPower, unit_powers
from .program import Program, build_program
from .report import EnergyReport, Excluded, Gates
from .sta import find_sta, longest_paths
from .synthesis import synthesize, verilog_digest
from .timing import longest_path

#: Cells up to which OpenSTA, where it is installed, is asked too.
STA_CELLS = 50_000
#: Flip-flops to a buffer of a clock tree, for its estimate.
CLOCK_FANOUT = 16


@dataclass(frozen=True)
class EnergyOptions:
    """How the energy of an engine is computed.

    Parameters
    ----------
    rram : str, optional
        RRAM macro of the technology. Default: its first.
    periphery_pj : float, optional
        Energy of a row's periphery instead of the technology's range, in pJ.
    clock_gating : bool
        Whether clocks are gated.
    device : str
        Preset or file of the devices that error rates are of.

    Raises
    ------
    InputError
        If a number is out of its range.
    """

    rram: str | None = None
    periphery_pj: float | None = None
    clock_gating: bool = True
    device: str = "calibrated-1e-4"

    def __post_init__(self) -> None:
        if self.periphery_pj is not None and not 0 <= self.periphery_pj < float("inf"):
            raise InputError(f"must be 0 pJ or more, not {self.periphery_pj:g}", parameter="periphery")

    def macro(self, technology: Technology) -> Rram:
        """Return the RRAM macro."""
        macro = technology.macro(self.rram)
        if self.periphery_pj is None:
            return macro
        given = replace(macro.periphery, low=self.periphery_pj, high=None, source="given")
        return replace(macro, periphery=given)


@dataclass(frozen=True, eq=False)
class Executed:
    """An engine's gates after a run that gave the golden model's results.

    Parameters
    ----------
    config : EngineConfig
    netlist : Netlist
    program : Program
    run : GateRun
    tool : str
    differ : int
        Results that are not those of the golden model.
    verilog : str
        Digest of the engine's Verilog.
    """

    config: EngineConfig
    netlist: Netlist
    program: Program
    run: GateRun
    tool: str
    differ: int
    verilog: str


def images_of_a_stream(timing: Schedule, images: int) -> tuple[int, int]:
    """Return how many images each stream has, and for how many intervals of them the pipeline is full."""
    interval = timing.initiation_interval
    least = -(-timing.latency // interval) + 3
    each = max(least, -(-images // LANES))
    return each, max(1, ((each - 2) * interval - timing.latency) // interval)


def execute(
    network: Network, config: EngineConfig, inputs: Inputs, technology: Technology, options: EnergyOptions, root: Path
) -> Executed:
    """Synthesize an engine, and stream images through its gates; parameters as for :func:`energy`."""
    gated = options.clock_gating and bool(technology.cells.clock_gate)
    made = synthesize(network, config, technology, root, gated=gated)
    library = technology.library()
    netlist = read_netlist(made.json, config.top, library.cells)
    latency = max(layer.sense_latency for layer in config.layers)
    program = build_program(netlist, library, made.directory, latency)
    timing = schedule(config)
    each, intervals = images_of_a_stream(timing, len(inputs.images))
    bits = golden.binarize(network, np.resize(inputs.images, (LANES * each, inputs.images.shape[1])))
    beats = pack_bytes(bits, config.stream_width).reshape(-1, config.stream_width // 8)
    interval = timing.initiation_interval
    window = timing.latency, timing.latency + intervals * interval
    run = run_gates(netlist, program, beats, each, window, timing.cycles(each) + 1000, interval)
    run = replace(run, activity=replace(run.activity, images=float(LANES * intervals)))
    return Executed(made.config, netlist, program, run, made.tool, _differences(network, config, bits, run),
                    verilog_digest(made.directory))  # fmt: skip


def _differences(network: Network, config: EngineConfig, bits: np.ndarray, run: GateRun) -> int:
    layout = {
        "class_width": config.class_width, "score_width": config.score_width, "margin_bits": config.margin_bits,
        "scores": config.n_out if config.with_scores else 0,
    }  # fmt: skip
    results = unpack_results(run.words, layout)
    expected = golden.scores(network, bits, converters=config.converters)
    differs = results.classes != golden.argmax(expected)
    if results.scores is not None:
        differs |= np.any(results.scores != expected, axis=1)
    if results.margins is not None:
        # The register of the least margin is not written.
        differs |= (results.margins != np.minimum(golden.margins(expected), config.margin_max)) | (results.unsure != 0)
    return int(np.count_nonzero(differs))


def energy(
    network: Network,
    inputs: Inputs,
    config: EngineConfig,
    technology: Technology,
    options: EnergyOptions | None = None,
    *,
    root: Path | None = None,
    progress: Callable[[str], object] = lambda what: None,
) -> EnergyReport:
    """Return energy, area and clock of a network's engine.

    Parameters
    ----------
    network : Network
    inputs : Inputs
        Images whose changes are counted. There are 64 streams of equal length, which fill the pipeline: if that takes
        more, they begin again.
    config : EngineConfig
    technology : Technology
    options : EnergyOptions, optional
    root : Path, optional
        Folder of the cache.
    progress : callable, optional
        Told of what is done.

    Raises
    ------
    InputError
        If something is not fit for it, or a tool is missing.
    """
    options = options or EnergyOptions()
    device, rram, layers = device_model.load(options.device), options.macro(technology), count(config)
    columns = [rram.at(y.rows) for y in layers]
    progress("synthesis, and images through the gates")
    done = execute(network, config, inputs, technology, options, root or build_root())
    library = technology.library()
    units = unit_powers(done.netlist, done.program, done.run.activity, library)
    arrays = tuple(sram_for(technology, y.rows, y.cols) for y in layers)
    timing = schedule(config)
    progress("the longest paths")
    access = max(array.macro.access_ns for array in arrays)
    outputs: dict[str, float | None] = {"digital": None, "rram": max(c.sense.top for c in columns), "sram": access}
    images = len(done.run.words)
    gates = Gates(
        done.tool, options.clock_gating and bool(technology.cells.clock_gate), images, done.differ,
        done.run.activity.images, inputs.source, done.verilog,
    )  # fmt: skip
    return EnergyReport(
        network.name, technology, library.voltage, library.temperature, rram, device, gates, tuple(units),
        layers,
        _reads(done, layers), timing.initiation_interval, timing.latency,
        min(layer.sense_latency for layer in config.layers),
        {name: longest_path(done.netlist, library, ns) for name, ns in outputs.items()},
        f"delay tables of {library.name}, no wires", _second(done, library, outputs), arrays,
        (*_excluded(done, units, library, technology), *_shifters(rram, layers, library, technology)),
    )  # fmt: skip


def _second(
    done: Executed, library: Library, outputs: dict[str, float | None]
) -> tuple[str, dict[str, float]] | None:
    """Return OpenSTA's name and its longest paths in ns; None if it is not installed or the netlist is large."""
    sta = find_sta() if len(done.netlist.cells) <= STA_CELLS else None
    return None if sta is None else (sta.name, longest_paths(sta, done.netlist, library, outputs))


def _reads(done: Executed, layers: tuple[LayerCounts, ...]) -> tuple[float, ...]:
    """Return the rows that the macros of each layer sensed for an image, counted in the simulation of all images."""
    sums = [0] * len(layers)
    for macro, reads in zip(done.netlist.macros, done.run.total_reads, strict=True):
        sums[int(macro.path.split(".")[0].removeprefix("layer"))] += int(reads)
    return tuple(n / len(done.run.words) for n in sums)


def _excluded(
    done: Executed, units: list[UnitPower], library: Library, technology: Technology
) -> tuple[Excluded, ...]:
    """Return estimates of what the totals leave out."""
    wire, glitches = technology.estimates.wire, technology.estimates.glitches
    activity = done.run.activity
    bare = sum(u.data_j + u.clock_j for u in units)
    ends = []
    for pf in (wire.low * 1e-3, wire.top * 1e-3):
        wired = unit_powers(done.netlist, done.program, activity, library, pf)
        ends.append((sum(u.data_j + u.clock_j for u in wired) - bare) * 1e12)
    trees = sum(u.data_j for u in units if "popcount" in u.unit) * 1e12
    rows = [
        Excluded("wires, those of the clock too", Range(*ends), wire.tag, wire.source),
        Excluded("glitches in popcount trees", glitches.range(trees) + -trees, glitches.tag, glitches.source),
    ]
    buffer = _buffer_pj(library)
    if buffer is not None:
        edges = (int(activity.flop_rises.sum()) + len(done.program.gates) * activity.cycles) / activity.images
        rows.append(
            Excluded("buffers of the clock tree", Range(*2 * (edges / CLOCK_FANOUT * buffer,)), "chosen",
                     f"a buffer to {CLOCK_FANOUT} clock pins"))  # fmt: skip
    return tuple(rows)


def _shifters(
    rram: Rram, layers: tuple[LayerCounts, ...], library: Library, technology: Technology
) -> tuple[Excluded, ...]:
    """Return the estimate of level shifters, where the macros have another supply than the logic."""
    shift = technology.estimates.shift
    if shift is None or rram.supply_v == library.voltage:
        return ()
    bits = sum(layer.row_reads * layer.pairs for layer in layers)
    what = f"level shifters between {library.voltage:g} and {rram.supply_v:g} V"
    return (Excluded(what, shift.range(bits * 1e-3), shift.tag, shift.source),)


def _buffer_pj(library: Library) -> float | None:
    """Return the energy of the strongest buffer for both edges of a clock cycle, in pJ."""
    buffers = [
        c for c in library.cells.values()
        if len(c.inputs) == len(c.outputs) == 1 and c.outputs[0].function is not None
        and c.outputs[0].function.kind == "pin" and not c.flop and not c.gate
    ]  # fmt: skip
    if not buffers:
        return None
    cell = max(buffers, key=lambda c: c.inputs[0].capacitance)
    out = cell.outputs[0]
    inside = sum(p.at(rises, SLEW_NS, out_load) for p in out.powers for rises in (True, False)
                 for out_load in (0.05,)) / max(1, len(out.powers))  # fmt: skip
    return cell.inputs[0].capacitance * library.voltage**2 + inside
