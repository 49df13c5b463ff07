"""From a network to a bitstream and a report."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from oxnor.hw.blocks.spi import DIVISOR_MIN as SPI_DIVISOR_MIN
from oxnor.hw.emit.verilog import emit_component
from oxnor.hw.link.board import Board
from oxnor.hw.params import link_protocol
from oxnor.hw.params.engine import EngineConfig
from oxnor.hw.params.targets import TARGETS
from oxnor.hw.params.widths import bits_for
from oxnor.hw.placement.memory_files import write_images
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root, locked, write_text
from oxnor.models.networks.binarized import Network
from oxnor.sim.runner.cache import Lease, prune

from . import tools
from .boards import BoardSpec, Chip
from .report import report
from .top import PLL, TOP, divisor, pin_file, pll_text, top_text

#: What a build leaves in its folder beside sources and logs.
REPORT, DESCRIPTION = "report.json", "oxnor-board.json"
#: Most macros around which cells are packed.
MACROS_PACKED = 100
Progress = Callable[[str, int, int], object]


@dataclass(frozen=True)
class Design:
    """A board with an engine on it, as Verilog.

    Parameters
    ----------
    board : BoardSpec
    config : EngineConfig
        The engine.
    network : Network
        What its memories hold.
    identity : link_protocol.Identity
        What it says it is.
    freq_mhz : float
        Clock of the engine.
    """

    board: BoardSpec
    config: EngineConfig
    network: Network
    identity: link_protocol.Identity
    freq_mhz: float


def identity_for(
    config: EngineConfig, board: BoardSpec, freq_mhz: float, bit_cycles: int, link: str = "uart"
) -> link_protocol.Identity:
    """Return what a board says it is."""
    return link_protocol.Identity(
        version=link_protocol.VERSION,
        result_bytes=config.result_width // 8,
        image_bytes=config.beats * config.stream_width // 8,
        payload_max=2 * board.chip.buffer_words,
        clock_hz=round(freq_mhz * 1e6),
        divisor=bit_cycles,
        name=board.name,
        features=tuple(name for name in link_protocol.FEATURES if getattr(config, name, name == link)),
    )


def write_design(
    network: Network,
    board: BoardSpec,
    config: EngineConfig,
    directory: Path,
    *,
    freq_mhz: float | None = None,
    baud: int | None = None,
    bit_cycles: int | None = None,
    link: str = "uart",
) -> Design:
    """Write the whole top level of a board: ``rtl/``, ``mem/``, pins.

    Parameters
    ----------
    network, board, config
        What goes where.
    directory : Path
        Where it goes.
    freq_mhz : float, optional
        Clock of the engine. Default: the board's.
    baud : int, optional
        Bit rate of the UART. Default: the board's.
    bit_cycles : int, optional
        Clock cycles to a bit of the UART, instead of `baud`: what the virtual board shortens.
    link : str
        Kind of the serial line, a key of :data:`oxnor.hw.link.board.LINES`.
    """
    (directory / "rtl").mkdir(parents=True, exist_ok=True)
    pll, made = pll_text(board, freq_mhz or board.freq_mhz, directory)
    if link == "spi":
        bit_cycles = bit_cycles or SPI_DIVISOR_MIN
    identity = identity_for(config, board, made, bit_cycles or divisor(made, baud or board.baud), link)
    emit_component(Board(config, identity), directory / "rtl")
    if config.programming and not board.chip.writes_bits:
        text = files("oxnor.fpga").joinpath("rtl", "rram_macro_words.sv").read_text(encoding="utf-8")
        write_text(directory / "rtl" / "rram_macro.sv", text)
    write_images(network, config, directory)
    write_text(directory / "rtl" / f"{TOP}.v", top_text(board, bool(pll), link))
    if pll:
        write_text(directory / "rtl" / f"{PLL}.v", pll)
    name, text = pin_file(board, link)
    write_text(directory / name, text)
    return Design(board, config, network, identity, made)


def synthesis_script(board: BoardSpec, sources: list[str], coefficients: str) -> str:
    """Return the Yosys script.

    Parameters
    ----------
    board : BoardSpec
    sources : list of str
        Verilog files.
    coefficients : str
        Memory for thresholds: "block" or "distributed", the rest of the chip's memory deciding.
    """
    synth = {
        # A full chip: flip-flops are merged, and few of them have enables of their own, which would split logic tiles.
        "ice40": "synth_ice40 -device u -spram -dff -dffe_min_ce_use 9",
        # Wide multiplexers would make popcounts half as large again.
        "ecp5": "synth_ecp5 -nowidelut",
    }[board.chip.family]
    style = {"block": "block", "distributed": "logic"}[coefficients]
    # The new writer of abc9's input joins nets that are not equal (yosys #6237). The check after mapping takes longer
    # than all else together.
    return f"""read_verilog -sv {" ".join(sources)}
scratchpad -set abc9.xaiger 1
scratchpad -set abc9.verify 0
{synth} -top {TOP} -run begin:map_ram
setattr -set ram_style "{style}" c:*coefficient_rom.mem
setattr -set rom_style "{style}" c:*coefficient_rom.mem
{synth} -top {TOP} -run map_ram:
tee -o stat.json stat -json
write_json design.json
"""


def memory_style(config: EngineConfig, chip: Chip) -> str:
    """Return where thresholds go: "block" RAM, or "distributed" in logic if the macros leave none or it is too slow."""
    if chip.family == "ecp5":  # its block RAM takes more than half a cycle, which leaves too little for the comparison
        return "distributed"
    target = TARGETS[chip.target]
    assert target.cols is not None
    # A hidden layer's thresholds are a word a pass.
    needed = sum(
        -(-y.groups * bits_for(y.n_in + 1) // target.cols) * -(-y.passes // target.rows) for y in config.layers[:-1]
    )
    macros = sum(y.macros for y in config.layers)
    return "block" if macros + needed <= chip.block_rams else "distributed"


def netlist_key(directory: Path, described: Any) -> str:
    """Return the hash of all that a run of the tools in `directory` depends on."""
    h = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for path in sorted(p for p in directory.rglob("*") if p.is_file() and p.suffix != ".log"):
        h.update(f"\n{path.relative_to(directory)} ".encode() + hashlib.sha256(path.read_bytes()).digest())
    return h.hexdigest()[:24]


def build(
    network: Network,
    board: BoardSpec,
    config: EngineConfig,
    directory: str | Path,
    *,
    freq_mhz: float | None = None,
    baud: int | None = None,
    link: str = "uart",
    seed: int = 1,
    progress: Progress | None = None,
    root: Path | None = None,
) -> dict[str, Any]:
    """Make a bitstream, or take the one made before from the same bytes with the same tools.

    Parameters
    ----------
    network, board, config
        What goes where.
    directory : path
        The bitstream, ``report.json``, ``oxnor-board.json`` (for the host), sources and logs go here.
    freq_mhz, baud, link : optional
        As for :func:`write_design`.
    seed : int
        Of the placer.
    progress : callable, optional
        Told of (step, steps done, steps).
    root : Path, optional
        Folder of the cache. Default ``build_root()``.

    Returns
    -------
    dict
        The report; ``fits`` says whether there is a bitstream, ``advice`` what to change if not.
    """
    directory = Path(directory)
    if directory.is_dir() and any(directory.iterdir()) and not (directory / DESCRIPTION).is_file():
        raise InputError(f"{directory}: was not written by oxnor fpga build; choose another folder or empty it")
    tell = progress or (lambda *_: None)
    cache = (root or build_root()) / "fpga"
    cache.mkdir(parents=True, exist_ok=True)
    found = {n: tools.find(n) for n in ("yosys", f"nextpnr-{board.chip.family}", _packer(board))}
    work = cache / f"{hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:16]}.tmp"
    with locked(work.with_suffix(".lock")):
        shutil.rmtree(work, ignore_errors=True)
        tell("Verilog", 0, 4)
        design = write_design(network, board, config, work, freq_mhz=freq_mhz, baud=baud, link=link)
        sources = sorted(f"rtl/{p.name}" for p in (work / "rtl").iterdir())
        script = synthesis_script(board, sources, memory_style(config, board.chip))
        write_text(work / "synth.ys", script)
        described = {"tools": {k: t.name for k, t in found.items()}, "seed": seed, "freq": design.freq_mhz}
        described["pnr"] = pnr = _pnr(board.chip, config)
        key = netlist_key(work, described)
        target = cache / key
        with locked(cache / f"{key}.lock"):
            if not (target / REPORT).is_file():
                _run_tools(design, found, work, pnr, seed, tell)
                made = report(design, work, {k: t.name for k, t in found.items()}, seed)
                write_text(work / DESCRIPTION, json.dumps(description(design), indent=2) + "\n")
                write_text(work / REPORT, json.dumps(made, indent=2) + "\n")
                shutil.rmtree(target, ignore_errors=True)
                work.rename(target)
                prune(root=root)
            lease = Lease(target)
    tell("bitstream", 4, 4)
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)
    with lease:
        shutil.copytree(target, directory, ignore=shutil.ignore_patterns("design.json", "routed.*", lease.name))
    return json.loads((directory / REPORT).read_text())


def description(design: Design) -> dict[str, Any]:
    """Return what the host must know of a board, as a JSON-able dict."""
    return {
        "format": "oxnor-board",
        "version": 1,
        "board": design.board.name,
        "network": {"name": design.network.name, "digest": design.network.digest},
        "structure": design.config.digest,
        "baud": round(design.identity.clock_hz / design.identity.divisor),
        "features": list(design.identity.features),
    }


def _packer(board: BoardSpec) -> str:
    return "icepack" if board.chip.family == "ice40" else "ecppack"


def _pnr(chip: Chip, config: EngineConfig) -> list[str]:
    """Return the arguments of nextpnr that depend on the chip and the engine."""
    # The default placer packs cells as close as they go. Around a hundred block RAMs that share inputs no router can
    # then reach them all: the other one spreads them. With fewer the default gives the faster clock.
    spread = chip.family == "ecp5" and sum(y.macros for y in config.layers) > MACROS_PACKED
    return [*chip.pnr, *(("--placer", "static", "--router", "router2") if spread else ())]


def _run_tools(
    design: Design, found: dict[str, tools.FpgaTool], work: Path, pnr: list[str], seed: int, tell: Progress
) -> None:
    chip = design.board.chip
    tell("synthesis", 1, 4)
    tools.run(found["yosys"], ["synth.ys"], work, "yosys.log")
    tell("place and route", 2, 4)
    link = "spi" if "spi" in design.identity.features else "uart"
    name, _ = pin_file(design.board, link)
    arguments = [*pnr, "--json", "design.json", "--freq", f"{design.freq_mhz:g}", "--seed", str(seed)]
    arguments += ["--report", "nextpnr.json", "--timing-allow-fail"]
    if chip.family == "ice40":
        arguments += ["--pcf", name, "--asc", "routed.asc"]
    else:
        arguments += ["--lpf", name, "--textcfg", "routed.config"]
    code = tools.run(found[f"nextpnr-{chip.family}"], arguments, work, "nextpnr.log", check=False)
    if code:
        log = (work / "nextpnr.log").read_text(errors="replace")
        if not re.search(r"ERROR: .*(Unable to (find a )?place|Failed to expand region|too many|not enough)", log):
            path = work / "nextpnr.log"
            raise tools.ToolError(f"nextpnr failed; see {path}, which ends\n{tools.tail(path)}")
        return
    tell("bitstream", 3, 4)
    if chip.family == "ice40":
        tools.run(found["icepack"], ["routed.asc", "oxnor.bin"], work, "pack.log")
    else:
        arguments = ["--compress", "--input", "routed.config", "--bit", "oxnor.bit"]
        tools.run(found["ecppack"], arguments, work, "pack.log")
