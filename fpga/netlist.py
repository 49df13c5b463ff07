"""The post-synthesis check: the netlist of technology cells runs images behind the same pins as the board."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from oxnor.hw.interface.link_protocol import BIT_CYCLES_MIN
from oxnor.hw.params.engine import EngineConfig
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root, locked, write_text
from oxnor.models.networks.binarized import Network
from oxnor.sim.runner.cache import Lease, is_whole, seal
from oxnor.sim.runner.synthesis import run_tool, yosys_share
from oxnor.sim.verify.inputs import Inputs

from .bitstream import netlist_key, synthesis_script
from .boards.board import Board
from .design import write_design
from .emulate import VirtualBoard, build_program, rest_cycles
from .host import Host
from .options import BuildOptions
from .report import cells
from .session import run_images
from .tools import find_tool

#: Verilog of the vendor's cells: files of the folder that Yosys calls its share, and of ``fpga/rtl`` what it lacks.
MODELS = {
    "ice40": (("ice40/cells_sim.v",), ()),
    "ecp5": (("ecp5/common_sim.vh", "ecp5/ccu2c_sim.vh"), ("dp16kd.v",)),
}


def netlist(network: Network, board: Board, config: EngineConfig, root: Path | None = None) -> Path:
    """Return a folder with ``netlist.v``, ``stat.json`` and ``mem/``: the board after technology mapping.

    It has no PLL, as the vendor's is analog, and the fewest cycles to a bit on its UART; else it is the board.
    """
    cache = build_root(root) / "fpga"
    work = cache / f"netlist-{board.name}-{config.digest[:16]}-{network.digest[:16]}.tmp"
    with locked(work.with_suffix(".lock")):
        shutil.rmtree(work, ignore_errors=True)
        options = BuildOptions(board.oscillator_mhz, bit_cycles=BIT_CYCLES_MIN["uart"])
        design = write_design(network, board, config, work, options)
        sources = sorted(f"rtl/{p.name}" for p in (work / "rtl").iterdir())
        script = synthesis_script(board, sources, config)
        write_text(work / "synth.ys", f"{script}write_verilog -noattr netlist.v\n")
        yosys = find_tool("yosys")
        target = cache / f"netlist-{netlist_key(work, [yosys.name, design.freq_mhz])}"
        if not is_whole(target):
            run_tool(yosys, ["synth.ys"], work, "yosys.log")
            shutil.rmtree(target, ignore_errors=True)
            seal(work)
            work.rename(target)
        Lease(target).close()  # used now
        shutil.rmtree(work, ignore_errors=True)
    return target


class NetlistBoard(VirtualBoard):
    """A virtual board that is the netlist after synthesis, made of the vendor's cells; a context manager.

    Parameters
    ----------
    network, board, config
        What it is.
    root : Path, optional
        Folder for the netlist and the compiled program.
    """

    def __init__(self, network: Network, board: Board, config: EngineConfig, *, root: Path | None = None):
        if board.chip.family not in MODELS:
            raise InputError(
                f"must be of a family with models of its cells ({', '.join(MODELS)}), not {board.chip.family}",
                parameter="board",
            )
        self.directory = netlist(network, board, config, root)
        shipped, own = MODELS[board.chip.family]
        models = [yosys_share(find_tool("yosys")) / name for name in shipped]
        models += [Path(str(files("oxnor.fpga").joinpath("rtl", name))) for name in own]
        missing = [str(p) for p in models if not p.is_file()]
        if missing:
            raise InputError(f"{missing[0]}: Yosys' model of the cells is not there")
        # -O1: a netlist is ten times the code of its RTL, and takes longer to compile than to run.
        self._program = build_program([self.directory / "netlist.v", *models], root=root, cxx_flags="-O1")
        self._bit_cycles = BIT_CYCLES_MIN["uart"]
        self._rest = rest_cycles(config, board)
        self.port = ""


def check(
    network: Network,
    board: Board,
    config: EngineConfig,
    inputs: Inputs,
    *,
    progress: Callable[[int, int], object] | None = None,
    root: Path | None = None,
) -> dict[str, Any]:
    """Run images through the netlist and compare every class with the golden model.

    Returns
    -------
    dict
        JSON-able: that of :class:`oxnor.fpga.session.BoardRun`, and the cells of the netlist.
    """
    # A netlist is simulated a hundred times as slowly as RTL: the host waits longer.
    with NetlistBoard(network, board, config, root=root) as virtual, Host(virtual.port, board.baud, 600) as host:
        # So few images at once that they fit what a pseudo-terminal holds, or nothing is seen of them for minutes.
        batch = max(1, min(20, 4096 * 8 // (config.beats * config.stream_width)))
        result = run_images(host, network, config, inputs, board=board.name, batch=batch, progress=progress)
        return result.to_json() | {"cells": cells(virtual.directory / "stat.json", board.chip.family)}
