"""``oxnor selftest``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import AsJson
from oxnor.cli.options.engine import Engine
from oxnor.cli.options.errors import Devices, Key
from oxnor.cli.options.source import Source

if TYPE_CHECKING:
    from oxnor.models.faults.march import SelfTestReport
    from oxnor.models.networks.binarized import Network


@dataclass(frozen=True)
class OwnMacro:
    """A macro of the user's own."""

    macro_file: Annotated[
        Path | None,
        typer.Option("--macro-file", metavar="FILE", help="SystemVerilog with your own module rram_macro."),
    ] = None
    memory: Annotated[
        Path | None, typer.Option("--memory", metavar="DIR", help="Files that your macro reads from mem/.")
    ] = None


@expanded
def selftest(
    source: Source, own: OwnMacro, engine: Engine, devices: Devices, key: Key, as_json: AsJson = False
) -> None:
    """Find broken pairs, word lines, columns and sense amplifiers.

    Marches through every macro of the network's engine in Verilator by way of its programming controller, as a host
    does on a chip: writes 0s, 1s and checkerboards, reads each row with all inputs 1 and all 0, and says what the
    answers mean. Exit code 1 if anything is broken. The same class drives a board: docs/programming.md.

    Example: [bold]oxnor selftest mnist-tfc --target asic[/]
    """
    from oxnor.hw.placement.drawn_devices import DeviceDraw

    design = source.read(engine, devices, key).with_engine(programming=True)
    network, config, held = design.binarized, design.config(), design.device_options
    e = design.errors
    draw = DeviceDraw(held.model, held.cycles, held.seconds, e.seed, e.trial) if held else None

    from oxnor.sim.verify.self_test import self_test

    with progress() as tell:
        what = f"self-test of {network.name}"
        tell(what, 0, 0)
        report = self_test(
            network, config, device=draw, macro_file=own.macro_file, memory=own.memory,
            progress=lambda done, total: tell(what, done, total),
        )  # fmt: skip
    show(network, report, as_json)


def show(network: Network, report: SelfTestReport, as_json: bool) -> None:
    """Print the report of a self-test; exit code 1 if anything is broken."""
    if as_json:
        print_json({"network": network.name} | report.to_json())
    else:
        print_table(("layer", "v", "h", "what is broken", "where"), report.table(), left=5)
    if not report.ok:
        counts = ", ".join(f"{n:,} {kind}" for kind, n in report.counts().items())
        note(f"oxnor: broken in {len(report.faulty)} of {report.macros} macros: {counts}")
        raise typer.Exit(1)
    if not as_json:
        note(f"Nothing is broken in {report.pairs:,} pairs of {report.macros:,} macros.")
