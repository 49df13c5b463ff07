"""A network on any board as a folder of sources: for open tools, or as a project for the vendor's."""

from __future__ import annotations

import json
from pathlib import Path

from oxnor.hw.params.engine import EngineConfig
from oxnor.models.base.files import write_text
from oxnor.models.base.replace import whole_folder
from oxnor.models.networks.binarized import Network

from .bitstream import DESCRIPTION, commands, synthesis_script
from .boards.board import Board
from .boards.families import FAMILIES
from .design import BoardDesign, write_design
from .options import BuildOptions
from .top import TOP


def generate(
    network: Network,
    board: Board,
    config: EngineConfig,
    directory: str | Path,
    options: BuildOptions | None = None,
    *,
    run: str = "oxnor fpga run NETWORK --board BOARD --port PORT",
) -> BoardDesign:
    """Write link, engine and top level of a board, with what its tools want: no tool is run but the one for the PLL.

    Parameters
    ----------
    network, board, config
        What goes where.
    directory : path
        ``rtl/``, ``mem/``, pins, ``oxnor-board.json`` (for the host), the script or the project of the tools, and
        README.md with their commands go here.
    options : BuildOptions, optional
        Clock and serial line.
    run : str
        The command that runs images on this board, for README.md.

    Raises
    ------
    InputError
        If `directory` holds anything else, or the clock cannot be made.
    """
    options = options or BuildOptions()
    with whole_folder(directory, marker=DESCRIPTION) as folder:
        design = write_design(network, board, config, folder, options)
        sources = sorted(f"rtl/{p.name}" for p in (folder / "rtl").iterdir())
        for log in ("pll.v", "pll.log"):  # what the PLL tool left: its module is in rtl
            (folder / log).unlink(missing_ok=True)
        if FAMILIES[board.chip.family].route:
            write_text(folder / "synth.ys", synthesis_script(board, sources, config))
            steps = ["yosys -s synth.ys", *map(" ".join, commands(design, options.seed))]
        else:
            files, steps = _PROJECTS[board.chip.family](design, sources)
            for name, text in files.items():
                write_text(folder / name, text)
        write_text(folder / DESCRIPTION, json.dumps(design.describe(), indent=2) + "\n")
        write_text(folder / "README.md", _readme(design, steps, run))
    return design


def _vivado(design: BoardDesign, sources: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return a script of Vivado's non-project mode."""
    reads = "\n".join(f"read_verilog -sv {source}" for source in sources)
    text = f"""# Run in this folder, so that $readmemh finds mem/.
set part {design.board.chip.part}
{reads}
read_xdc pins.xdc
synth_design -top {TOP} -part $part
opt_design
place_design
route_design
report_utilization -file utilization.txt
report_timing_summary -file timing.txt
write_bitstream -force oxnor.bit
"""
    return {"vivado.tcl": text}, ["vivado -mode batch -source vivado.tcl"]


def _quartus(design: BoardDesign, sources: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return a project of Quartus: its settings, and the constraint of the clock."""
    files = "\n".join(f"set_global_assignment -name SYSTEMVERILOG_FILE {source}" for source in sources)
    settings = f"""set_global_assignment -name DEVICE {design.board.chip.part}
set_global_assignment -name TOP_LEVEL_ENTITY {TOP}
set_global_assignment -name SDC_FILE oxnor.sdc
{files}
source pins.qsf
"""
    period = 1000 / design.board.oscillator_mhz
    clock = f"create_clock -name clk_pin -period {period:.3f} [get_ports clk_pin]\nderive_clock_uncertainty\n"
    project = f'PROJECT_REVISION = "{PROJECT}"\n'
    texts = {f"{PROJECT}.qsf": settings, f"{PROJECT}.qpf": project, "oxnor.sdc": clock}
    return texts, [f"quartus_sh --flow compile {PROJECT}"]


#: Name of a project.
PROJECT = "oxnor"
_PROJECTS = {"xilinx": _vivado, "intel": _quartus}


def _readme(design: BoardDesign, steps: list[str], run: str) -> str:
    board, family = design.board, FAMILIES[design.board.chip.family]
    commands = "".join(f"    {step}\n" for step in steps)
    line = f"UART of {design.baud:,} bits/s" if design.link == "uart" else "SPI"
    tool = family.vendor_tool
    checked = "" if family.route else f"\nThese files were checked for their syntax alone, not with {tool}.\n"
    return f"""# {design.network.name} on {board.name}

{board.chip.name}, engine at {design.freq_mhz:g} MHz, {line} to the host.

| file | what it is |
|---|---|
| `rtl/{TOP}.v` | top level: clock, reset, pins |
| `rtl/` | serial link and engine |
| `mem/` | weights and thresholds, which `$readmemh` reads relative to this folder |
| `{family.pins_file}` | pins |
| `{DESCRIPTION}` | what the host must know |

Run in this folder:

{commands}{checked}
Then load the bitstream, and let the host drive the board. Where these files were generated:

    {run}

A network or a board of your own is its file, here as there, and `--interval` or `--fold` are the same.
"""
