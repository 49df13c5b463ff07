"""``oxnor sweep``."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.cli.console import in_options, note, print_json, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import OUTPUT, PICTURES, WHERE, AsJson, Scheduler, output, writes
from oxnor.cli.options.errors import ErrorKind, Trials
from oxnor.cli.options.pictures import Axes
from oxnor.cli.options.source import Source, TestSet
from oxnor.cli.text import command_line
from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import check_file
from oxnor.models.base.words import counted

if TYPE_CHECKING:
    from oxnor.design import Design
    from oxnor.sim.drawing.plots import Limits
    from oxnor.sim.sweeps.params import Classify
    from oxnor.sim.sweeps.result import SweepResult


@dataclass(frozen=True)
class Where:
    """Where the trials are computed."""

    jobs: Annotated[
        int | None,
        typer.Option("--jobs", metavar="N", help="Threads. Default: every core.", rich_help_panel=WHERE),
    ] = None
    scheduler: Scheduler = None
    backend: Annotated[
        str,
        typer.Option("--backend", metavar="NAME", help="cpu, or torch for a GPU.", rich_help_panel=WHERE),
    ] = "cpu"
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="PORT",
            help="Run the trials on the board at this port, which needs its fault injector; --kind read.",
            rich_help_panel=WHERE,
        ),
    ] = None
    baud: Annotated[
        int | None,
        typer.Option("--baud", metavar="RATE", help="Bit rate of --on.", show_default="1000000", rich_help_panel=WHERE),
    ] = None

    def check(self, device: str | None) -> None:
        """Refuse what does not go together."""
        if self.on is None and self.baud is not None:
            raise InputError("--baud must come with --on")
        if self.baud is not None and self.baud < 1:
            raise InputError(f"must be 1 or more, not {self.baud}", parameter="baud")
        others = {
            "--device": device, "--jobs": self.jobs, "--scheduler": self.scheduler, "--backend": self.backend != "cpu",
        }  # fmt: skip
        conflicting = [name for name, value in others.items() if value]
        if self.on is not None and conflicting:
            raise InputError(f"{conflicting[0]} and --on must not be given together: the board computes")

    def board(self, stack: ExitStack, network: Any) -> Classify | None:
        """Return what runs images on the board at a port, if there is one, while the stack is open."""
        if self.on is None:
            return None
        from oxnor.fpga.session import classifier

        return stack.enter_context(classifier(network, self.on, self.baud or 1_000_000))


@dataclass(frozen=True)
class Outputs:
    """Files of a sweep."""

    output: Annotated[
        Path | None,
        output("FILE", "Results, in SQLite. Default: NETWORK.sqlite.", rich_help_panel=OUTPUT),
    ] = None
    verify: Annotated[
        int,
        typer.Option("--verify", metavar="K", help="Then run K of the trials through the RTL, and demand equality."),
    ] = 0
    limit: Annotated[
        float | None,
        typer.Option(
            "--limit", metavar="POINTS", help="Points of accuracy lost at the knee.", show_default="0.5",
            rich_help_panel=OUTPUT,
        ),
    ] = None  # fmt: skip
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE", help="Draw the curve: .svg, .png or .pdf.", rich_help_panel=OUTPUT,
            callback=writes(check_file, *PICTURES),
        ),
    ] = None
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="FILE", help="Also write the trials: .csv or .parquet.", rich_help_panel=OUTPUT,
            callback=writes(check_file, ".csv", ".parquet"),
        ),
    ] = None

    def apply(self, design: Design) -> Design:
        """Return the design with what was given; refuse before hours of work what would be refused after."""
        if self.verify < 0:
            raise InputError(f"must be at least 0, not {self.verify}", parameter="verify")
        return design if self.limit is None else design.with_tolerance(limit=self.limit)


@expanded
def sweep(
    ctx: typer.Context,
    source: Source,
    trials: Trials,
    kind: ErrorKind,
    data: TestSet,
    where: Where,
    outputs: Outputs,
    axes: Axes,
    as_json: AsJson = False,
) -> None:
    """Measure accuracy against bit error rate, with many draws of errors at each rate.

    Every trial is written to a SQLite file as it comes. The same command goes on where it stopped and computes nothing
    twice; more rates, trials or layers extend the file. A trial depends on seed, layer, rate and its number alone, not
    on workers or order. Exit code 1 if --verify finds a difference.

    With --on a board runs the images, or a virtual one, and gives the same integers: what software has computed is in
    the same file, and either goes on where the other stopped.

    --against cycles measures accuracy against the age of a --device, or against its sigma or ratio; --against vdd
    accuracy and energy against the supply of its amplifiers, those of [bold]oxnor device circuit[/].

    Example: [bold]oxnor sweep mnist-mlp --ber 1e-5:1e-1:13 --trials 20 -o mlp.sqlite[/], then
    [bold]oxnor report mlp.sqlite[/]
    """
    from oxnor.models.datasets.options import DataOptions
    from oxnor.sim.sweeps.params import WorkerOptions
    from oxnor.sim.sweeps.run import check, verify

    where.check(kind.device)
    limits = axes.limits
    if limits[0] is not None and limits[0][0] <= 0:
        raise InputError(f"must begin above 0, not at {limits[0][0]:g}", parameter="x_limits")
    if where.on is not None and kind.kind is None:
        kind = replace(kind, kind="read")
    design = source.read(kind, trials, data, outputs, data=DataOptions(at_most=10_000))
    params = design.sweep_params()
    workers = WorkerOptions(where.jobs, where.scheduler, where.backend)
    check(design.loaded, params, workers, on_board=where.on is not None)
    path = outputs.output or Path(f"{design.loaded.name}.sqlite")
    with ExitStack() as stack:
        tell = stack.enter_context(progress())
        name = f"{design.loaded.name}: trials"
        result = design.sweep(
            path, workers=replace(workers, classify=where.board(stack, design.loaded)),
            command=command_line(ctx, without=("jobs", "scheduler", "backend", "on", "baud", "as_json")),
            progress=lambda done, total, latest: tell(name, done, total, latest),
        )  # fmt: skip
        checks = []
        if outputs.verify:
            rtl = "through the RTL"
            tell(rtl, 0, 0)
            inputs = design.inputs()
            checks = verify(design.loaded, inputs, params, path, outputs.verify, lambda *step: tell(rtl, *step))
    if len(checks) < outputs.verify:
        note(f"--verify {outputs.verify:,}: the file has {counted(len(checks), 'trial')} with errors, and all were run")
    _show(result, outputs, axes.curves, limits, as_json)
    if any(c.mismatches for c in checks):
        note(f"The RTL differs in {sum(c.mismatches for c in checks):,} results")
        raise typer.Exit(1)


def _show(
    result: SweepResult, outputs: Outputs, curves: Path | None, limits: tuple[Limits, Limits], as_json: bool
) -> None:
    from oxnor.sim.sweeps.export import export, export_curves
    from oxnor.sim.sweeps.page import point_table
    from oxnor.sim.sweeps.store import Results

    story = result.story
    if outputs.plot is not None:
        result.plot().with_limits(*limits).save(outputs.plot)
    if curves is not None:
        export_curves({result.path.name: story.curves}, curves)
    if outputs.export is not None:
        with Results(result.path) as results:
            export(results, outputs.export)
    if as_json:
        print_json(result.to_json())
        return
    for curve in story.curves.values():
        head, rows = point_table(curve, story.supply)
        print_table(head, rows, title=f"{curve.label}: {curve.measure}")
        note(story.verdict() if curve is story.curve else curve.verdict(result.limit))
    if result.saving is not None:
        note(in_options(str(result.saving)))
    if story.checks:
        note(f"{counted(len(story.checks), 'trial')} through the RTL: {sum(story.checks.values()):,} results differ")
    speed = ""
    if result.computed and result.seconds:
        speed = f", {result.computed / result.seconds:.3g} a second of {story.curve.images:,} images"
    note(f"{counted(result.computed, 'trial')} computed{speed}; all are in {result.path}: oxnor report {result.path}")
