"""From a network to a bitstream and a report."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from oxnor.hw.params.engine import EngineConfig
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root, locked, write_text
from oxnor.models.base.replace import whole_folder
from oxnor.models.networks.binarized import Network
from oxnor.sim.runner.cache import OWN_FILES, Lease, is_whole, prune, seal
from oxnor.sim.runner.process import failure
from oxnor.sim.runner.synthesis import Tool, ToolError, run_tool

from .boards.board import Board, Chip
from .boards.families import route_of
from .design import BoardDesign, write_design
from .memories import layers_in_logic, macro_rams, memory_style
from .options import BuildOptions
from .report import BuildReport, report
from .tools import find_tool
from .top import TOP

#: What a build leaves in its folder beside sources and logs.
REPORT, DESCRIPTION = "report.json", "oxnor-board.json"
#: Steps of a build, for its progress.
STEPS = 4
#: Most macros around which cells are packed.
MACROS_PACKED = 100
Progress = Callable[[str, int, int], object]


def synthesis_script(board: Board, sources: list[str], config: EngineConfig) -> str:
    """Return the Yosys script.

    Parameters
    ----------
    board : Board
    sources : list of str
        Verilog files.
    config : EngineConfig
        The engine: it says which memories are block RAM.
    """
    synth = route_of(board.chip.family).synthesis.format(device=board.chip.device)
    styles = {"coefficient_rom.mem": {"block": "block", "distributed": "logic"}[memory_style(config, board.chip)]}
    styles |= {f"layer{k}.array.tile_*.macro.mem": "logic" for k in layers_in_logic(config, board.chip)}
    attributes = "".join(
        f'setattr -set {kind}_style "{style}" c:*{name}\n' for name, style in styles.items() for kind in ("ram", "rom")
    )
    # The new writer of abc9's input joins nets that are not equal (yosys #6237). The check after mapping takes longer
    # than all else together.
    return f"""read_verilog -sv {" ".join(sources)}
scratchpad -set abc9.xaiger 1
scratchpad -set abc9.verify 0
{synth} -top {TOP} -run begin:map_ram
{attributes}{synth} -top {TOP} -run map_ram:
tee -o stat.json stat -json
write_json design.json
"""


def netlist_key(directory: Path, described: object) -> str:
    """Return the hash of all that a run of the tools in `directory` depends on."""
    h = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for path in sorted(p for p in directory.rglob("*") if p.is_file() and p.suffix != ".log"):
        h.update(f"\n{path.relative_to(directory)} ".encode() + hashlib.sha256(path.read_bytes()).digest())
    return h.hexdigest()[:24]


def build(
    network: Network,
    board: Board,
    config: EngineConfig,
    directory: str | Path,
    options: BuildOptions | None = None,
    *,
    progress: Progress | None = None,
    root: Path | None = None,
) -> BuildReport:
    """Build a bitstream, or take the one built before from the same bytes with the same tools.

    Parameters
    ----------
    network, board, config
        What goes where.
    directory : path
        The bitstream, ``report.json``, ``oxnor-board.json`` (for the host), sources and logs go here.
    options : BuildOptions, optional
        Clock, serial line and the placer's seed.
    progress : callable, optional
        Called with (step, steps done, steps).
    root : Path, optional
        Folder of the cache. Default ``build_root()``.

    Returns
    -------
    BuildReport
        ``fits`` says whether there is a bitstream, ``advice`` what to change if not.

    Raises
    ------
    InputError
        If `directory` holds anything else, or a tool is not installed.
    ToolError
        If a tool fails.
    """
    options, step = options or BuildOptions(), progress or (lambda *_: None)
    with whole_folder(directory, marker=DESCRIPTION) as folder:
        builds = build_root(root) / "fpga"
        work = builds / f"{hashlib.sha256(str(Path(directory).resolve()).encode()).hexdigest()[:16]}.tmp"
        builds.mkdir(parents=True, exist_ok=True)
        with locked(work.with_suffix(".lock")):
            try:
                target, lease = _built(network, board, config, options, step, work)
            except (OSError, InputError):  # on a full disk it would be in the way; of a tool that fails it stays
                shutil.rmtree(work, ignore_errors=True)
                raise
            prune(root=root)
        step("bitstream", STEPS, STEPS)
        shutil.rmtree(work, ignore_errors=True)
        with lease:
            ignored = shutil.ignore_patterns("design.json", "routed.*", *OWN_FILES)
            shutil.copytree(target, folder, ignore=ignored, dirs_exist_ok=True)
        return BuildReport.from_json(json.loads((folder / REPORT).read_text()))


def _built(
    network: Network, board: Board, config: EngineConfig, options: BuildOptions, step: Progress, work: Path
) -> tuple[Path, Lease]:
    """Return the entry of the cache with the build, made in `work` unless it is there and whole."""
    route = route_of(board.chip.family)
    used = {name: find_tool(name) for name in ("yosys", route.nextpnr, route.packer[0])}
    names = {name: tool.name for name, tool in used.items()}
    shutil.rmtree(work, ignore_errors=True)
    step("Verilog", 0, STEPS)
    design = write_design(network, board, config, work, options)
    sources = sorted(f"rtl/{p.name}" for p in (work / "rtl").iterdir())
    write_text(work / "synth.ys", synthesis_script(board, sources, config))
    inputs = {"tools": names, "seed": options.seed, "freq": design.freq_mhz, "pnr": _placement(board.chip, config)}
    key = netlist_key(work, inputs)
    target = work.parent / key
    with locked(work.parent / f"{key}.lock"):
        if not is_whole(target):
            _run_tools(design, used, work, options.seed, step)
            text = json.dumps(report(design, work, names, options.seed).to_json(), indent=2) + "\n"
            write_text(work / DESCRIPTION, json.dumps(design.describe(), indent=2) + "\n")
            write_text(work / REPORT, text)
            shutil.rmtree(target, ignore_errors=True)
            seal(work)
            work.rename(target)
        return target, Lease(target)


def _placement(chip: Chip, config: EngineConfig) -> list[str]:
    """Return the arguments of nextpnr that depend on the chip and the engine."""
    # The default placer packs cells as close as they go. Around a hundred block RAMs that share inputs no router can
    # then reach them all: the other one spreads them. With fewer the default gives the faster clock.
    spread = chip.family == "ecp5" and macro_rams(config, chip) > MACROS_PACKED
    return [*chip.pnr, *(("--placer", "static", "--router", "router2") if spread else ())]


def commands(design: BoardDesign, seed: int) -> tuple[list[str], list[str]]:
    """Return the programs that place, route and pack, each with its arguments."""
    chip, route = design.board.chip, route_of(design.board.chip.family)
    place = [route.nextpnr, *_placement(chip, design.config), "--json", "design.json"]
    place += ["--freq", f"{design.freq_mhz:g}", "--seed", str(seed), *route.arguments]
    return place, [word.format(chip=chip.die) for word in route.packer]


def _run_tools(design: BoardDesign, used: dict[str, Tool], work: Path, seed: int, step: Progress) -> None:
    """Synthesise, place, route and pack; without a bitstream if the design does not fit."""
    (nextpnr, *arguments), (packer, *pack) = commands(design, seed)
    step("synthesis", 1, STEPS)
    run_tool(used["yosys"], ["synth.ys"], work, "yosys.log")
    step("place and route", 2, STEPS)
    arguments += ["--report", "nextpnr.json", "--timing-allow-fail"]
    code = run_tool(used[nextpnr], arguments, work, "nextpnr.log", check=False)
    if code:
        log = (work / "nextpnr.log").read_text(errors="replace")
        if not re.search(r"ERROR: .*(Unable to (find a )?place|Failed to expand region|too many|not enough)", log):
            raise failure(ToolError, "nextpnr failed", work / "nextpnr.log")
        return
    step("bitstream", 3, STEPS)
    run_tool(used[packer], pack, work, "pack.log")
