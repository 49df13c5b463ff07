"""``oxnor selftest``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.options import (
    AsJson,
    Dataflow,
    Device,
    Fold,
    Macro,
    NetworkName,
    StreamWidth,
    TargetName,
    engine_config,
    load_device,
    load_network,
)

if TYPE_CHECKING:
    from oxnor.models.faults.march import SelfTestReport
    from oxnor.models.networks.binarized import Network


def selftest(
    network: NetworkName,
    macro_file: Annotated[
        Path | None,
        typer.Option("--macro-file", metavar="FILE", help="SystemVerilog with your own module rram_macro."),
    ] = None,
    memory: Annotated[
        Path | None, typer.Option("--memory", metavar="DIR", help="Files that your macro reads from mem/.")
    ] = None,
    target: TargetName = "sim",
    macro: Macro = None,
    fold: Fold = None,
    dataflow: Dataflow = None,
    stream_width: StreamWidth = None,
    device: Device = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Key of the drawn devices.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Find broken pairs, word lines, columns and sense amplifiers.

    Marches through every macro of the network's engine in Verilator by way of its programming controller, as a host
    does on a chip: writes 0s, 1s and checkerboards, reads each row with all inputs 1 and all 0, and says what the
    answers mean. Exit code 1 if anything is broken. The same class drives a board: docs/programming.md.

    Example: [bold]oxnor selftest mnist-tfc --target asic[/]
    """
    loaded = load_network(network)
    config = engine_config(loaded, target, macro, fold, stream_width, dataflow=dataflow, programming=True)
    model = load_device(device, 0, 0.0)
    from oxnor.hw.placement.drawn_devices import DeviceDraw

    draw = DeviceDraw(model, seed=seed) if model else None

    from oxnor.sim.verify.self_test import self_test

    files = {"macro_file": macro_file, "memory": memory}
    with progress() as tell:
        what = f"self-test of {loaded.name}"
        tell(what, 0, 0)
        report = self_test(
            loaded, config, device=draw, **files, progress=lambda done, total: tell(what, done, total)
        )
    show(loaded, report, as_json)


def show(network: Network, report: SelfTestReport, as_json: bool) -> None:
    """Print the report of a self-test; exit code 1 if anything is broken."""
    if as_json:
        print_json({"network": network.name} | report.to_json())
    else:
        print_table(("layer", "v", "h", "what is broken", "where"), report.table(), left=5)
    if not report.ok:
        counts = ", ".join(f"{n:,} {kind}" for kind, n in report.counts().items())
        note(f"oxnor: broken in {len(report.found)} of {report.macros} macros: {counts}")
        raise typer.Exit(1)
    if not as_json:
        note(f"Nothing is broken in {report.pairs:,} pairs of {report.macros:,} macros.")
