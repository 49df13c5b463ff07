"""``oxnor run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.options.common import AsJson, output
from oxnor.cli.text import command_line
from oxnor.models.base.replace import check_place

if TYPE_CHECKING:
    from oxnor.run import Record


def run(
    ctx: typer.Context,
    design: Annotated[Path, typer.Argument(metavar="FILE.toml", help="The design; oxnor new writes an example.")],
    output: Annotated[
        Path | None, output("DIR", "Folder of the results. Default: FILE-run beside the design.", check=check_place)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run every step of a design that is stale, and write one page of all figures.

    Imports the network, measures accuracy, generates the Verilog, simulates it, sweeps error rates and builds
    bitstreams, as the design asks. A step whose inputs and code are as they were is not done again; a run that was
    ended goes on where it stopped. Exit code 1 if the Verilog differs or a bitstream does not fit.

    Example: [bold]oxnor run my.toml[/]
    """
    from oxnor import Design

    folder = output or design.with_name(f"{design.stem}-run")
    with progress() as tell:
        report = Design.load(design).run(folder, command=command_line(ctx, without=("as_json",)), tell=tell)
    if as_json:
        print_json(report.to_json())
    else:
        rows = [
            (r.step, "done" if r.step in report.done else "up to date", _verdict(r), f"{r.seconds:.1f} s")
            for r in report.records
        ]
        print_table(("step", "", "", "took"), rows, left=3)
    if not report.done:
        note("Nothing to do: every step is up to date.")
    note(f"Open {report.page}")
    if not report.ok:
        raise typer.Exit(1)


def _verdict(record: Record) -> str:
    return ("passed" if record.ok else "FAILED") if record.is_check else ""
