"""The commands of ``oxnor fpga`` that talk to a board, or to one that is a simulation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.cli.console import note, print_json, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.board import Board, Line, Link, Port, Speed, change, run_command
from oxnor.cli.options.common import AsJson, in_range, seed
from oxnor.cli.options.engine import Features
from oxnor.cli.options.errors import BoardErrors
from oxnor.cli.options.source import BoardSource, Data, Source
from oxnor.hw.params.options import OPTIONAL_PARTS
from oxnor.models.base.errors import InputError

from .fpga_build import show

if TYPE_CHECKING:
    from oxnor.design import Design
    from oxnor.fpga.boards.board import Board as FpgaBoard
    from oxnor.hw.params.engine import EngineConfig


def on_port(design: Design, port: str) -> tuple[FpgaBoard, EngineConfig, int]:
    """Return the board, the engine with the features that the board at `port` says it has, and the bit rate.

    What else the board is, is for the host to check.
    """
    from oxnor.boards import board_config, board_of
    from oxnor.fpga.boards.table import board as spec_of
    from oxnor.fpga.host import Host

    board = board_of(design)
    spec, _ = spec_of(board.name), design.binarized
    rate = board.baud or spec.baud
    with Host(port, rate) as host:
        features = host.identity().engine_options
    _, config, _ = board_config(design, **features)
    return spec, config, rate


@expanded
def emulate(
    source: Source,
    board: Board,
    features: Features,
    link: Link = None,
    bit_cycles: Annotated[
        int | None,
        typer.Option(
            "--bit-cycles", metavar="N", help="Clock cycles to a bit: 4 or more of the UART, 8 or more of SPI."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a board that is a simulation: its whole top level in Verilator, its serial line on a pseudo-terminal.

    Prints the name of the port and serves it until it is interrupted; then, in another terminal,
    the oxnor fpga run that it prints. A bit on the line is 4 clock cycles (8 of SPI) instead of a board's 30 or more:
    nothing else differs.

    Example: [bold]oxnor fpga emulate mnist-tfc --board icebreaker[/]
    """
    import tempfile

    from oxnor.boards import board_of

    design = change(source.read(board, features), link=link)
    line = board_of(design).link
    spec, config, _ = design.board_config()
    network = design.binarized
    from oxnor.fpga.emulate import VirtualBoard

    with tempfile.TemporaryDirectory(prefix="oxnor-board-") as folder:
        with progress() as tell:
            what = f"{network.name} on a virtual {spec.name}"
            tell(what, 0, 0)
            virtual = VirtualBoard(network, spec, config, Path(folder), bit_cycles=bit_cycles, link=line)
            tell(what, 1, 1)
        with virtual:
            if as_json:
                print_json({"port": virtual.port, "board": spec.name, "network": network.name})
            else:
                typer.echo(virtual.port)
                note(f"serving until interrupted; now: {run_command(source, board, virtual.port)}")
            while virtual.process.poll() is None:
                time.sleep(0.2)


@expanded
def run(
    port: Port,
    source: BoardSource,
    board: Board,
    data: Data,
    errors: BoardErrors,
    speed: Speed,
    min_margin: Annotated[
        int | None,
        typer.Option(
            "--min-margin", metavar="N",
            help="Call results unsure whose best score leads the second by less than N; of boards built with --margin.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run images on a board and compare every class with the golden model.

    A board that says it is another one, or has another network or folding, is refused. Exit code 1 if a class differs
    or the board does not answer as it should. With --read-ber the golden model gets the same errors of single reads.

    Example: [bold]oxnor fpga run mnist-tfc --port /dev/ttyUSB1 --images 10000[/]
    """
    design = source.read(board, data, errors, speed)
    held = design.error_options
    network = design.binarized
    inputs = design.inputs()
    faulty = held.fault_map(network).apply(network)
    spec, config, rate = on_port(design, port)
    from oxnor.fpga.host import Host
    from oxnor.fpga.session import run_images

    with progress() as tell, Host(port, rate) as host:
        what = f"{network.name} on {port}"
        host.set_min_margin(min_margin, host.identity())
        result = run_images(
            host, faulty, config, inputs, board=spec.name, read_errors=held.reads,
            progress=lambda done, total: tell(what, done, total),
        )  # fmt: skip
    if result.cycles > result.predicted_cycles:
        more = result.cycles - result.predicted_cycles
        note(f"{more:,} cycles more than predicted: a result that is stored takes a cycle of the link's buffer")
    show(result.to_json(), as_json)


@expanded
def load(
    port: Port, source: BoardSource, errors: BoardErrors, board: Board, speed: Speed, as_json: AsJson = False
) -> None:
    """Load a network into a board that was built with --programming: any of the shape of the one it was built for.

    Weights and coefficients are programmed and verified; --faults programs the wrong weights of a file with them. Then
    oxnor fpga run with the same network and the same faults. Exit code 1 if a weight still reads wrong.

    Example: [bold]oxnor fpga load mine.npz --port /dev/ttyUSB1[/]
    """
    design = source.read(board, errors, speed)
    faults = design.error_options.faults
    if faults:
        faults.check(design.binarized)
    _, config, rate = on_port(design, port)
    from oxnor.fpga.host import Host
    from oxnor.fpga.load import load as program

    with progress() as tell, Host(port, rate) as host:
        what = f"{design.loaded.name} into {port}"
        result = program(host, design.binarized, config, faults, progress=lambda done, total: tell(what, done, total))
    show(result, as_json)
    if result["failing"]:
        note(f"oxnor: {result['failing']:,} weights or coefficients read wrong")
        raise typer.Exit(1)


@expanded
def selftest(port: Port, source: BoardSource, board: Board, speed: Speed, as_json: AsJson = False) -> None:
    """Find broken pairs, word lines, columns and sense amplifiers of a board that was built with --programming.

    Marches through every macro. The network on the board is lost: load it again. Exit code 1 if anything is broken.

    Example: [bold]oxnor fpga selftest mnist-tfc --port /dev/ttyUSB1[/]
    """
    design = source.read(board, speed)
    _, config, rate = on_port(design, port)
    from oxnor.fpga.host import Host
    from oxnor.fpga.load import self_test

    from .selftest import show as show_report

    with progress() as tell, Host(port, rate) as host:
        what = f"self-test of {port}"
        result = self_test(host, config, progress=lambda done, total: tell(what, done, total))
    show_report(design.binarized, result, as_json)


@expanded
def fuzz(
    source: Source,
    board: Board,
    line: Line,
    features: Features,
    frames: Annotated[int, typer.Option("--frames", metavar="N", help="Damaged frames, at least.")] = 10_000,
    port: Annotated[
        str | None, typer.Option("--port", metavar="PORT", help="Serial port. Default: a virtual board.")
    ] = None,
    seed: Annotated[int, seed("Key of the damage.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Send damaged frames to a board: each must be answered and counted, and none may change anything.

    Exit code 1 if one is not.

    Example: [bold]oxnor fpga fuzz mnist-tfc --frames 100000[/]
    """
    if frames < 1:
        raise InputError(f"must be 1 or more, not {frames}", parameter="frames")
    in_range("seed", seed)
    design = source.read(board, line)
    if port is not None and (given := [name for name in OPTIONAL_PARTS if getattr(features, name)]):
        raise InputError("must not be given with --port: the board says what it has", parameter=given[0])
    design = features.apply(design)
    with progress() as tell:
        what = f"damaged frames for {design.loaded.name}"
        tell(what, 0, frames)
        result = _damage(design, port, frames, seed, lambda done, total: tell(what, done, total))
    show(result, as_json)


def _damage(design: Design, port: str | None, frames: int, seed: int, progress: Any) -> dict[str, Any]:
    """Return what a board, or a virtual one, does with damaged frames."""
    import tempfile
    from contextlib import ExitStack

    from oxnor.boards import board_of
    from oxnor.fpga.emulate import VirtualBoard
    from oxnor.fpga.fuzz import fuzz as send
    from oxnor.fpga.host import Host

    board, network = board_of(design), design.binarized
    with ExitStack() as stack:
        if port is None:
            spec, config, _ = design.board_config()
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="oxnor-board-"))
            virtual = VirtualBoard(network, spec, config, Path(folder), link=board.link)
            port = stack.enter_context(virtual).port
        else:
            spec, config, _ = on_port(design, port)
        host = stack.enter_context(Host(port, board.baud or spec.baud))
        return send(host, network, config, frames, seed=seed, progress=progress)
