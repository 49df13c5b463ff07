"""``oxnor fpga``: bitstreams, boards, and a board that is a simulation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.options import AsJson, Data, FaultInjector, Fold, NetworkName, Programming, load_network, pair
from oxnor.models.base.errors import InputError

if TYPE_CHECKING:
    from oxnor.fpga.boards import BoardSpec
    from oxnor.hw.params.engine import EngineConfig
    from oxnor.models.faults.fault_map import FaultMap
    from oxnor.models.networks.binarized import Network

BoardName = Annotated[str, typer.Option("--board", metavar="NAME", help="icebreaker, ulx3s-85f or colorlight-i5.")]
Interval = Annotated[
    int | None,
    typer.Option(
        "--interval",
        metavar="CYCLES",
        help="Clock cycles from image to image that are enough: the smallest engine of that speed. "
        "Default: the fastest that fits.",
    ),
]
Port = Annotated[
    str,
    typer.Option(
        "--port", metavar="PORT", help="Serial port, for example /dev/ttyUSB1; or SPI, for example spi:/dev/spidev0.0."
    ),
]
Link = Annotated[str, typer.Option("--link", metavar="KIND", help="Serial line to the host: uart or spi.")]
NetworkOnBoard = Annotated[
    str, typer.Argument(metavar="NETWORK", help="The network on the board, shipped or in a file.")
]
Faults = Annotated[
    Path | None, typer.Option("--faults", metavar="FILE", help="Wrong weights of oxnor faults that are on the board.")
]
Baud = Annotated[int | None, typer.Option("--baud", metavar="RATE", help="Bit rate. Default: the board's.")]

fpga = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


def _engine(
    network: Network, board: BoardSpec, fold: list[str] | None, interval: int | None, **extras: Any
) -> tuple[EngineConfig, tuple[str, ...]]:
    """Return the engine for a board, and why."""
    from oxnor.fpga.search import search
    from oxnor.hw.params.engine import EngineConfig
    from oxnor.hw.params.link_protocol import WORD

    if fold:
        if interval is not None:
            raise InputError("--interval and --fold must not be given together: each of them decides the folding")
        folds = [pair("--fold", text, ",", "1,16", 1) for text in fold]
        config = EngineConfig.for_network(
            network, target=board.chip.target, folding=folds, stream_width=WORD, with_scores=False, **extras
        )
        return config, ("the folding is the one that was given",)
    if interval is not None and interval < 1:
        raise InputError(f"--interval must be 1 or more, not {interval}")
    found = search(network, board.chip, interval, **extras)
    return found.config, found.steps


def _check_link(link: str) -> None:
    if link not in ("uart", "spi"):
        raise InputError(f"--link must be uart or spi, not {link!r}")


def _design(
    network: str, board: str, fold: list[str] | None, interval: int | None, **extras: bool
) -> tuple[Network, BoardSpec, EngineConfig, tuple[str, ...]]:
    from oxnor.fpga.boards import board as board_of

    spec = board_of(board)
    loaded = load_network(network)
    config, steps = _engine(loaded, spec, fold, interval, **extras)
    return loaded, spec, config, steps


def _on_port(
    network: str, board: str, fold: list[str] | None, interval: int | None, port: str, baud: int | None
) -> tuple[Network, BoardSpec, EngineConfig, int]:
    """Return the network, its board and engine with the extras that the board at `port` says it has, and the bit rate.

    What else the board is, is for the host to check.
    """
    from oxnor.fpga.boards import board as board_of
    from oxnor.fpga.host import Host

    spec = board_of(board)
    loaded = load_network(network)
    rate = baud or spec.baud
    with Host(port, rate) as host:
        extras = host.identity().extras
    return loaded, spec, _engine(loaded, spec, fold, interval, **extras)[0], rate


@fpga.command()
def build(
    network: NetworkName,
    board: BoardName,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")],
    freq: Annotated[float | None, typer.Option("--freq", metavar="MHZ", help="Clock of the engine.")] = None,
    interval: Interval = None,
    fold: Fold = None,
    link: Link = "uart",
    baud: Baud = None,
    fault_injector: FaultInjector = False,
    programming: Programming = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the placer.")] = 1,
    explain: Annotated[bool, typer.Option("--explain", help="Say why the folding is what it is.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a bitstream with open tools: Verilog, Yosys, nextpnr, packer; and a report of what it takes.

    The folder has the bitstream, report.json, what the host must know (oxnor-board.json), sources and logs. The result
    is cached by the hash of all that goes into it. Exit code 1 if it does not fit or does not reach its clock.

    Example: [bold]oxnor fpga build mnist-tfc --board icebreaker -o board[/]
    """
    from oxnor.fpga.bitstream import build as make

    if freq is not None and not 1 <= freq <= 400:
        raise InputError(f"--freq must be in [1, 400] MHz, not {freq:g}")
    if not 0 <= seed < 1 << 31:
        raise InputError(f"--seed must be in [0, 2**31), not {seed}")
    _check_link(link)
    if link == "spi" and baud is not None:
        raise InputError("--baud must not be given with --link spi: the host makes the clock of SPI")
    extras = {"fault_injector": fault_injector, "programming": programming}
    loaded, spec, config, steps = _design(network, board, fold, interval, **extras)
    if explain:
        for step in steps:
            note(step)
    with progress() as tell:
        what = f"{loaded.name} for {spec.name}"
        found = make(
            loaded, spec, config, output, freq_mhz=freq, baud=baud, link=link, seed=seed,
            progress=lambda step, done, total: tell(f"{what}: {step}", done, total),
        )  # fmt: skip
    if as_json:
        print_json(found | ({"explanation": list(steps)} if explain else {}))
    else:
        print_table(("", ""), _rows(found), left=2)
    if found["advice"]:
        note(f"oxnor: {found['advice']}")
        raise typer.Exit(1)


@fpga.command()
def emulate(
    network: NetworkName,
    board: BoardName = "icebreaker",
    interval: Interval = None,
    fold: Fold = None,
    link: Link = "uart",
    bit_cycles: Annotated[
        int | None,
        typer.Option(
            "--bit-cycles", metavar="N", help="Clock cycles to a bit: 4 or more of the UART, 8 or more of SPI."
        ),
    ] = None,
    fault_injector: FaultInjector = False,
    programming: Programming = False,
    as_json: AsJson = False,
) -> None:
    """Run a board that is a simulation: its whole top level in Verilator, its serial line on a pseudo-terminal.

    Prints the name of the port and serves it until it is interrupted; then, in another terminal,
    oxnor fpga run with that port. A bit on the line is 4 clock cycles (8 of SPI) instead of a board's 30 or more:
    nothing else differs.

    Example: [bold]oxnor fpga emulate mnist-tfc --board icebreaker[/]
    """
    import tempfile

    _check_link(link)
    fewest = 8 if link == "spi" else 4
    if bit_cycles is not None and not fewest <= bit_cycles <= 65535:
        raise InputError(f"--bit-cycles must be in [{fewest}, 65535], not {bit_cycles}")
    extras = {"fault_injector": fault_injector, "programming": programming}
    loaded, spec, config, _ = _design(network, board, fold, interval, **extras)
    from oxnor.fpga.emulate import VirtualBoard

    with tempfile.TemporaryDirectory(prefix="oxnor-board-") as folder:
        with progress() as tell:
            what = f"{loaded.name} on a virtual {spec.name}"
            tell(what, 0, 0)
            virtual = VirtualBoard(loaded, spec, config, Path(folder), bit_cycles=bit_cycles, link=link)
            tell(what, 1, 1)
        with virtual:
            if as_json:
                print_json({"port": virtual.port, "board": spec.name, "network": loaded.name})
            else:
                typer.echo(virtual.port)
                note("serving until interrupted; now: oxnor fpga run --port " + virtual.port)
            while virtual.process.poll() is None:
                time.sleep(0.2)


@fpga.command()
def run(
    port: Port,
    network: NetworkOnBoard = "mnist-tfc",
    board: BoardName = "icebreaker",
    images: Annotated[int, typer.Option("--images", metavar="N", help="Images, 1 to 10000.")] = 1000,
    faults: Faults = None,
    read_ber: Annotated[
        float,
        typer.Option(
            "--read-ber",
            metavar="RATE",
            help="Probability that a single read is wrong, in steps of 1/65536; the board needs its fault injector.",
        ),
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of --read-ber.")] = 0,
    interval: Interval = None,
    fold: Fold = None,
    baud: Baud = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Run images on a board and compare every class with the golden model.

    A board that says it is another one, or has another network or folding, is refused. Exit code 1 if a class differs
    or the board does not answer as it should. With --read-ber the golden model gets the same errors of single reads.

    Example: [bold]oxnor fpga run mnist-tfc --port /dev/ttyUSB1 --images 10000[/]
    """
    from oxnor.models.datasets.options import DataOptions
    from oxnor.models.faults.read_errors import ReadErrors
    from oxnor.sim.verify.inputs import inputs_for

    errors = ReadErrors.from_ber(read_ber, seed) if read_ber else None
    fault_map = _fault_map(faults)
    if fault_map and fault_map.read:
        if errors:
            raise InputError(f"--read-ber and errors of single reads in {faults} must not be given together")
        errors = fault_map.read
    inputs = inputs_for(load_network(network), DataOptions(images, data))
    loaded, spec, config, rate = _on_port(network, board, fold, interval, port, baud)
    held = fault_map.apply(loaded) if fault_map else loaded
    from oxnor.fpga.session import run_images

    with progress() as tell:
        found = run_images(
            held, config, inputs, port, rate, board=spec.name, read_errors=errors,
            progress=lambda done, total: tell(f"{loaded.name} on {port}", done, total),
        )  # fmt: skip
    _show(found, as_json)


def _fault_map(path: Path | None) -> FaultMap | None:
    from oxnor.models.faults.fault_map import FaultMap

    return FaultMap.load(path) if path is not None else None


@fpga.command()
def load(
    port: Port,
    network: NetworkOnBoard = "mnist-tfc",
    faults: Faults = None,
    board: BoardName = "icebreaker",
    interval: Interval = None,
    fold: Fold = None,
    baud: Baud = None,
    as_json: AsJson = False,
) -> None:
    """Load a network into a board that was built with --programming: any of the shape of the one it was built for.

    Weights and coefficients are programmed and verified; --faults programs the wrong weights of a file with them. Then
    oxnor fpga run with the same network and the same faults. Exit code 1 if a weight still reads wrong.

    Example: [bold]oxnor fpga load mine.npz --port /dev/ttyUSB1[/]
    """
    fault_map = _fault_map(faults)
    if fault_map:
        fault_map.check(load_network(network))
    loaded, _, config, rate = _on_port(network, board, fold, interval, port, baud)
    from oxnor.fpga.host import Host
    from oxnor.fpga.load import load as program

    with progress() as tell, Host(port, rate) as host:
        what = f"{loaded.name} into {port}"
        found = program(host, loaded, config, fault_map, progress=lambda done, total: tell(what, done, total))
    _show(found, as_json)
    if found["failing"]:
        note(f"oxnor: {found['failing']:,} weights or coefficients read wrong")
        raise typer.Exit(1)


@fpga.command()
def selftest(
    port: Port,
    network: NetworkOnBoard = "mnist-tfc",
    board: BoardName = "icebreaker",
    interval: Interval = None,
    fold: Fold = None,
    baud: Baud = None,
    as_json: AsJson = False,
) -> None:
    """Find broken pairs, word lines, columns and sense amplifiers of a board that was built with --programming.

    Marches through every macro. The network on the board is lost: load it again. Exit code 1 if anything is broken.

    Example: [bold]oxnor fpga selftest mnist-tfc --port /dev/ttyUSB1[/]
    """
    loaded, _, config, rate = _on_port(network, board, fold, interval, port, baud)
    from oxnor.fpga.host import Host
    from oxnor.fpga.load import self_test

    from .selftest import show

    with progress() as tell, Host(port, rate) as host:
        what = f"self-test of {port}"
        found = self_test(host, config, progress=lambda done, total: tell(what, done, total))
    show(loaded, found, as_json)


@fpga.command()
def check(
    network: NetworkName,
    board: BoardName = "icebreaker",
    images: Annotated[int, typer.Option("--images", metavar="N", help="Images, 1 to 10000.")] = 500,
    interval: Interval = None,
    fold: Fold = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Check the netlist after synthesis: the FPGA's own cells run images behind the same pins.

    Yosys maps the whole board to the cells of its FPGA; Yosys' models of these cells are simulated, and every class is
    compared with the golden model. Exit code 1 if one differs.

    Example: [bold]oxnor fpga check mnist-tfc --board icebreaker --images 500[/]
    """
    from oxnor.models.datasets.options import DataOptions
    from oxnor.sim.verify.inputs import inputs_for

    loaded, spec, config, _ = _design(network, board, fold, interval)
    inputs = inputs_for(loaded, DataOptions(images, data))
    from oxnor.fpga.netlist import check as run_check

    with progress() as tell:
        what = f"{loaded.name} in cells of {spec.chip.name}"
        tell(what, 0, images)
        found = run_check(loaded, spec, config, inputs, progress=lambda done, total: tell(what, done, total))
    _show(found, as_json)


@fpga.command()
def fuzz(
    network: NetworkName,
    board: BoardName = "icebreaker",
    frames: Annotated[int, typer.Option("--frames", metavar="N", help="Damaged frames, at least.")] = 10_000,
    port: Annotated[
        str | None, typer.Option("--port", metavar="PORT", help="Serial port. Default: a virtual board.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Key of the damage.")] = 0,
    interval: Interval = None,
    fold: Fold = None,
    link: Link = "uart",
    baud: Baud = None,
    fault_injector: FaultInjector = False,
    programming: Programming = False,
    as_json: AsJson = False,
) -> None:
    """Send damaged frames to a board: each must be answered and counted, and none may change anything.

    Exit code 1 if one is not.

    Example: [bold]oxnor fpga fuzz mnist-tfc --frames 100000[/]
    """
    import tempfile
    from contextlib import ExitStack

    if frames < 1:
        raise InputError(f"--frames must be 1 or more, not {frames}")
    if not 0 <= seed < 1 << 63:
        raise InputError(f"--seed must be in [0, 2**63), not {seed}")
    _check_link(link)
    if port is not None and (fault_injector or programming):
        raise InputError("--fault-injector and --programming must not be given with --port: the board says what it has")
    if port is not None:
        loaded, spec, config, _ = _on_port(network, board, fold, interval, port, baud)
    else:
        extras = {"fault_injector": fault_injector, "programming": programming}
        loaded, spec, config, _ = _design(network, board, fold, interval, **extras)
    from oxnor.fpga.emulate import VirtualBoard
    from oxnor.fpga.fuzz import fuzz as send
    from oxnor.fpga.host import Host

    with ExitStack() as stack:
        tell = stack.enter_context(progress())
        what = f"damaged frames for {loaded.name}"
        tell(what, 0, frames)
        if port is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="oxnor-board-"))
            port = stack.enter_context(VirtualBoard(loaded, spec, config, Path(folder), link=link)).port
        host = stack.enter_context(Host(port, baud or spec.baud))
        found = send(host, loaded, config, frames, seed=seed, progress=lambda done, total: tell(what, done, total))
    _show(found, as_json)


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_table(("", ""), _rows(found), left=2)
    if found.get("mismatches"):
        note(f"oxnor: the board differs from the golden model in {found['mismatches']:,} of {found['images']:,} images")
        raise typer.Exit(1)


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for key, value in found.items():
        if value is None:
            text = "none"
        elif isinstance(value, bool):
            text = "yes" if value else "no"
        elif key.endswith("accuracy"):
            text = f"{100 * value:.2f} %"
        elif isinstance(value, int):
            text = f"{value:,}"
        elif isinstance(value, float):
            text = f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
        elif isinstance(value, list):
            text = ", ".join(map(str, value)) or "none"
        elif isinstance(value, dict):
            text = ", ".join(f"{k} {v}" for k, v in value.items())
        else:
            text = str(value)
        rows.append((key.replace("_", " "), text))
    return rows
