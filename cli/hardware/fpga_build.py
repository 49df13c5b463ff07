"""``oxnor fpga generate``, ``build`` and ``check``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.cli.console import in_options, note, print_json, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.board import Board, Line, change, run_command
from oxnor.cli.options.common import AsJson, in_range, output, seed
from oxnor.cli.options.engine import Features
from oxnor.cli.options.source import Data, Source
from oxnor.cli.text import value_text
from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import check_folder

if TYPE_CHECKING:
    from oxnor.design import Design


@dataclass(frozen=True)
class Tools:
    """What the tools are asked for."""

    freq: Annotated[float | None, typer.Option("--freq", metavar="MHZ", help="Clock of the engine.")] = None
    seed: Annotated[int | None, seed("Key of the placer.", show_default="1")] = None

    def apply(self, design: Design) -> Design:
        """Return the design with what was given."""
        in_range("seed", self.seed, 1 << 31, "2**31")
        return change(design, freq_mhz=self.freq, seed=self.seed)


@expanded
def generate(
    source: Source,
    board: Board,
    output: Annotated[Path, output("DIR", "Folder to write.", check=check_folder)],
    line: Line,
    features: Features,
    tools: Tools,
    as_json: AsJson = False,
) -> None:
    """Write the sources of a board without place and route: link, engine, top level, pins, and a script of its tools.

    For iCE40, ECP5 and Gowin the script is one of Yosys and nextpnr. For Xilinx and Intel chips, which a board of your
    own may have, it is a project of Vivado or Quartus.

    Example: [bold]oxnor fpga generate mnist-tfc --board my_board.toml -o board[/]
    """
    if board.board is None and source.design is None:
        raise InputError("must be given", parameter="board")
    design = source.read(board, line, tools, features)
    spec, config, _ = design.board_config()
    from oxnor.boards import board_of
    from oxnor.fpga.project import generate as write

    run = run_command(source, board, baud=line.baud)
    made = write(design.binarized, spec, config, output, board_of(design).options(), run=run)
    files = sorted(str(p.relative_to(output)) for p in output.iterdir())
    if as_json:
        print_json(made.describe() | {"freq_mhz": made.freq_mhz, "files": files})
    else:
        note(f"Written to {output}; README.md there has the commands.")


@expanded
def build(
    source: Source,
    board: Board,
    output: Annotated[Path, output("DIR", "Folder to write.", check=check_folder)],
    line: Line,
    features: Features,
    tools: Tools,
    explain: Annotated[bool, typer.Option("--explain", help="Say why the folding is what it is.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build a bitstream with open tools: Verilog, Yosys, nextpnr, packer; and a report of what it takes.

    The folder has the bitstream, report.json, what the host must know (oxnor-board.json), sources and logs. The result
    is cached by the hash of all that goes into it. Exit code 1 if it does not fit or does not reach its clock.

    Example: [bold]oxnor fpga build mnist-tfc --board icebreaker --seed 2 -o board[/]
    """
    if board.board is None and source.design is None:
        raise InputError("must be given", parameter="board")
    design = source.read(board, line, tools, features)
    spec, _, steps = design.board_config()
    if explain:
        for step in steps:
            note(step)
    with progress() as tell:
        what = f"{design.loaded.name} for {spec.name}"
        result = design.build(output, progress=lambda step, done, total: tell(f"{what}: {step}", done, total))
    if as_json:
        print_json(result.to_json() | ({"explanation": list(steps)} if explain else {}))
    else:
        print_table(("", ""), rows(result.to_json()), left=2)
    if result.advice:
        note(f"oxnor: {in_options(result.advice)}")
        raise typer.Exit(1)


@dataclass(frozen=True)
class CheckData(Data):
    """Images for a netlist, whose simulation is slow."""

    images: Annotated[
        int | None, typer.Option("--images", metavar="N", help="Images to run.", show_default="500, or all")
    ] = None


@expanded
def check(source: Source, board: Board, data: CheckData, as_json: AsJson = False) -> None:
    """Check the netlist after synthesis: simulate the FPGA's own cells behind the same pins.

    Yosys maps the whole board to the cells of its FPGA; Yosys' models of these cells are simulated, and every class is
    compared with the golden model. Exit code 1 if one differs.

    Example: [bold]oxnor fpga check mnist-tfc --board icebreaker --images 500[/]
    """
    from oxnor.models.datasets.options import DataOptions

    design = source.read(board, data, data=DataOptions(at_most=500))
    spec, config, _ = design.board_config()
    inputs = design.inputs()
    from oxnor.fpga.netlist import check as run_check

    with progress() as tell:
        what = f"{design.loaded.name} in cells of {spec.chip.name}"
        tell(what, 0, len(inputs.images))
        result = run_check(
            design.binarized, spec, config, inputs, progress=lambda done, total: tell(what, done, total)
        )
    show(result, as_json)


def show(result: dict[str, Any], as_json: bool) -> None:
    """Print what a run gave; exit code 1 if a class differs."""
    if as_json:
        print_json(result)
    else:
        print_table(("", ""), rows(result), left=2)
    if result.get("mismatches"):
        count, images = result["mismatches"], result["images"]
        note(f"oxnor: the board differs from the golden model in {count:,} of {images:,} images")
        raise typer.Exit(1)


def rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a JSON-able result as a table for people."""
    return [
        (key.replace("_", " "), _memories_text(value) if key == "memories" else value_text(key, value))
        for key, value in result.items()
    ]


def _memories_text(memories: dict[str, dict[str, int]]) -> str:
    """Return the line buffers of an engine as text."""
    return "; ".join(
        f"{name}: {memory['words']:,} words of {memory['width']} bits, {memory['block_ram']} block RAM"
        for name, memory in memories.items()
    )
