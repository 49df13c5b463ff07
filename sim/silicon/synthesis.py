"""Synthesis of an engine to standard cells by Yosys, with its hierarchy kept: one unit, one module."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from oxnor.hw.emit.generate import generate
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.macro_kinds import PACKED
from oxnor.models.base.errors import InputError, install
from oxnor.models.base.files import locked, write_text
from oxnor.models.networks.binarized import Network
from oxnor.models.technology import liberty
from oxnor.models.technology.technology import Technology
from oxnor.sim.runner import cache
from oxnor.sim.runner.synthesis import find_yosys, run_tool
from oxnor.sim.verify.engines import generator_hash

#: Delay that mapping aims at, in ps.
PERIOD_PS = 4000
#: Flip-flops with one enable from which on their clock is gated.
GATED_FLOPS = 4
_JSON, _VERILOG, _SCRIPT, _LIBERTY = "netlist.json", "netlist.v", "synthesis.ys", "cells.lib"
#: A register that can be cleared becomes one whose enable also clears it, and that one a register and a gate before
#: it: only plain registers with an enable have their clocks gated.
_LEGALIZE = """dfflegalize -cell $_DFF_P_ 01 -cell $_DFFE_PP_ 01 -cell $_SDFF_PP?_ 01 -cell $_SDFFCE_PP?P_ 01
dfflegalize -cell $_DFF_P_ 01 -cell $_DFFE_PP_ 01
opt_merge
opt_clean
clockgate -pos {gate} {enable}:{clock}:{out} -min_net_size {least}
"""


@dataclass(frozen=True, eq=False)
class Synthesized:
    """An engine in standard cells.

    Parameters
    ----------
    directory : Path
        The generated engine, with the netlist beside it.
    config : EngineConfig
        Its structure, with macros that are ports alone.
    tool : str
        Yosys and its version.
    cached : bool
        Whether it had been made before.
    lease : cache.Lease
        Keeps it in the cache as long as this object lives.
    """

    directory: Path
    config: EngineConfig
    tool: str
    cached: bool
    lease: cache.Lease = field(repr=False, compare=False)

    @property
    def json(self) -> Path:
        """The netlist, as Yosys knows it."""
        return self.directory / _JSON

    @property
    def verilog(self) -> Path:
        """The netlist in Verilog."""
        return self.directory / _VERILOG


def verilog_digest(engine: Path) -> str:
    """Return the SHA-256 of the Verilog in the folder of a generated engine."""
    digest = hashlib.sha256()
    for path in sorted((engine / "rtl").glob("*.sv")):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def with_ports_alone(config: EngineConfig) -> EngineConfig:
    """Return the structure with macros that synthesis leaves as they are.

    Raises
    ------
    InputError
        If macros hold devices, are asked cell by cell or have converters, or the engine has parts that inference does
        not use.
    """
    for layer in config.layers:
        if layer.macro_kind == PACKED:
            raise InputError("must not be asked for gates, whose macros are of devices", parameter="packed")
        if layer.macro_kind not in ("bits", "blackbox"):
            raise InputError(f"must be bits or blackbox for gates, not {layer.macro_kind}", parameter="macro_kind")
        if layer.converter is not None:
            rule = "must be 0 for gates: what a converter takes is in oxnor compare"
            raise InputError(f"{rule}, not {layer.converter.bits}", parameter="converter_bits")
    for option in ("programming", "fault_injector"):
        if getattr(config, option):
            raise InputError("must not be asked of an engine whose energy is computed", parameter=option)
    return replace(config, layers=tuple(replace(layer, macro_kind="blackbox") for layer in config.layers))


def script(technology: Technology, gated: bool) -> str:
    """Return the script, which runs in the folder of a generated engine with the Liberty file beside it."""
    cells, library = technology.cells, technology.library()
    gates = ""
    if gated:
        gate = library.cell(cells.clock_gate).gate
        if gate is None:
            raise InputError(f"{library.path}: cell {cells.clock_gate} must be a clock gate that holds its enable")
        gates = _LEGALIZE.format(
            gate=cells.clock_gate, enable=gate.enable, clock=gate.clock, out=gate.out, least=GATED_FLOPS
        )
    for name in filter(None, (cells.driver,)):
        library.cell(name)
    ties = " ".join(f"-{side}cell {' '.join(text.split('/'))}" for side, text in
                    (("hi", cells.tie_high), ("lo", cells.tie_low)))  # fmt: skip
    constraint = "-constr loads.txt " if cells.driver else ""
    return f"""read_verilog -sv rtl/*.sv
hierarchy -check -top {EngineConfig.top}
synth -top {EngineConfig.top}
{gates}dfflibmap -liberty {_LIBERTY}
abc -liberty {_LIBERTY} {constraint}-D {PERIOD_PS}
hilomap -singleton {ties}
opt_clean -purge
write_json {_JSON}
write_verilog -noattr -norename -noexpr -nohex -nodec {_VERILOG}
"""


def synthesize(
    network: Network, config: EngineConfig, technology: Technology, root: Path, *, gated: bool
) -> Synthesized:
    """Return a network's engine in standard cells, synthesized once and then taken from ``root/sim``.

    Parameters
    ----------
    network : Network
        Its thresholds become gates.
    config : EngineConfig
    technology : Technology
    root : Path
        Folder of the cache.
    gated : bool
        Whether clocks are gated, where the technology has a cell for it.

    Raises
    ------
    InputError
        If Yosys is not installed, or the engine or a cell is not fit for it.
    oxnor.sim.runner.synthesis.ToolError
        If Yosys fails; the text names its log.
    """
    yosys = find_yosys()
    if yosys is None:
        raise InputError(f"Yosys is needed for the energy of gates and was not found: {install('fpga')}")
    config = with_ports_alone(config)
    text = script(technology, gated and bool(technology.cells.clock_gate))
    library = liberty.text_of(technology.cells.typical)
    driver = technology.cells.driver
    loads = f"set_driving_cell {driver}\nset_load 10 [all_outputs]\n" if driver else ""
    described = [network.digest, config.digest, generator_hash(), text, yosys.name, loads,
                 hashlib.sha256(library.encode()).hexdigest()]  # fmt: skip
    key = hashlib.sha256(json.dumps(described).encode()).hexdigest()[:24]
    target = root / "sim" / f"gates-{key}"
    with locked(root / "sim" / f"gates-{key}.lock"):
        cached = cache.is_whole(target)
        if not cached:
            with cache.new_entry(target) as work:
                generate(network, work / "engine", config)
                engine = work / "engine"
                write_text(engine / _LIBERTY, library)
                write_text(engine / _SCRIPT, text)
                write_text(engine / "loads.txt", loads)
                # Not in the entry: it is gone if Yosys fails.
                run_tool(yosys, [_SCRIPT], engine, str((root / "sim" / f"gates-{key}.log").resolve()))
        return Synthesized(target / "engine", config, yosys.name, cached, cache.Lease(target))
