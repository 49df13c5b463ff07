"""``oxnor sweep`` and ``oxnor report``."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.options import (
    ERRORS_PANEL,
    AsJson,
    Cluster,
    Data,
    ErrorDevice,
    NetworkName,
    Ones,
    Ratio,
    TileSize,
    kind_options,
    load_any_network,
    pair,
)
from oxnor.models.base.errors import InputError

if TYPE_CHECKING:
    from oxnor.sim.sweeps.params import Classify

_WHERE, _OUTPUT = "Where it runs", "Output"


def _layers(text: str | None, count: int) -> tuple[int, ...]:
    from oxnor.sim.sweeps.store import ALL_LAYERS

    if text is None or text == "all":
        return (ALL_LAYERS,)
    if text == "each":
        return (ALL_LAYERS, *range(count))
    try:
        return (int(text),)
    except ValueError:
        raise InputError(f"--layer must be a layer's number, 'each' or 'all', not {text!r}") from None


def _command(network: str, options: dict[str, Any]) -> str:
    """Return the command line of a sweep, without what is as it always is."""
    parts = ["oxnor", "sweep", network]
    for name, value in options.items():
        if value is not None:
            parts += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(parts)


def sweep(
    network: NetworkName,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Results, in SQLite; default NETWORK.sqlite.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    ber: Annotated[
        str,
        typer.Option(
            "--ber",
            metavar="RATES",
            help="Error rates: LOW:HIGH:COUNT, log-spaced, or numbers with commas.",
            rich_help_panel=ERRORS_PANEL,
        ),
    ] = "1e-5:1e-1:13",
    trials: Annotated[
        int, typer.Option("--trials", metavar="N", help="Draws of errors at each rate.", rich_help_panel=ERRORS_PANEL)
    ] = 20,
    images: Annotated[int, typer.Option("--images", metavar="N", help="Test images, 1 to 10000.")] = 10_000,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="static, read, asymmetric, stuck or cluster; default static.",
            rich_help_panel=ERRORS_PANEL,
        ),
    ] = None,
    device: ErrorDevice = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            metavar="N",
            help="Errors in layer N alone, or 'each': all layers, then each alone.",
            rich_help_panel=ERRORS_PANEL,
        ),
    ] = None,
    ratio: Ratio = None,
    ones: Ones = None,
    cluster: Cluster = None,
    macro: TileSize = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Key of all draws.", rich_help_panel=ERRORS_PANEL)
    ] = 0,
    adaptive: Annotated[
        float | None,
        typer.Option(
            "--adaptive",
            metavar="POINTS",
            rich_help_panel=ERRORS_PANEL,
            help="Go on where the 95 % interval of the mean is wider than plus or minus this many points.",
        ),
    ] = None,
    max_trials: Annotated[
        int, typer.Option("--max-trials", metavar="N", help="Limit of --adaptive.", rich_help_panel=ERRORS_PANEL)
    ] = 200,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", metavar="N", help="Threads; default: every core.", rich_help_panel=_WHERE),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="ADDRESS",
            help="Compute on a Dask cluster, for example tcp://host:8786.",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            "--backend", metavar="NAME", help="cpu, or torch for a GPU: the same integers.", rich_help_panel=_WHERE
        ),
    ] = "cpu",
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="PORT",
            help="Run the trials on the board at this port, which needs its fault injector; --kind read.",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    baud: Annotated[
        int | None,
        typer.Option("--baud", metavar="RATE", help="Bit rate of --on; default 1000000.", rich_help_panel=_WHERE),
    ] = None,
    verify: Annotated[
        int,
        typer.Option("--verify", metavar="K", help="Then run K of the trials through the RTL, and demand equality."),
    ] = 0,
    limit: Annotated[
        float,
        typer.Option("--limit", metavar="POINTS", help="Points of accuracy lost at the knee.", rich_help_panel=_OUTPUT),
    ] = 0.5,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw the curve: .svg, .png or .pdf.", rich_help_panel=_OUTPUT),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="FILE", help="Also write the trials: .csv or .parquet.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Know how many errors it stands: accuracy against error rate, many draws at each rate.

    Every trial is written to a SQLite file as it comes. The same command goes on where it stopped and computes nothing
    twice; more rates, trials or layers extend the file. A trial depends on seed, layer, rate and its number alone, not
    on workers or order. Exit code 1 if --verify finds a difference.

    With --on a board runs the images, or a virtual one, and gives the same integers: what software has computed is in
    the same file, and either goes on where the other stopped.

    Example: [bold]oxnor sweep mnist-mlp --ber 1e-5:1e-1:13 --trials 20 -o mlp.sqlite[/], then
    [bold]oxnor report mlp.sqlite[/]
    """
    from oxnor.models.datasets.options import DataOptions
    from oxnor.models.devices.model import load as load_device
    from oxnor.sim.sweeps.params import SweepParams, WorkerOptions, parse_rates
    from oxnor.sim.sweeps.run import check
    from oxnor.sim.sweeps.run import sweep as run
    from oxnor.sim.sweeps.run import verify as through_rtl
    from oxnor.sim.verify.inputs import inputs_for

    loaded = load_any_network(network)
    if device is not None and kind is not None:
        raise InputError("--device and --kind must not be given together: the device says what is wrong")
    if on is None and baud is not None:
        raise InputError("--baud must come with --on")
    if on is not None:
        others = {"--device": device, "--jobs": jobs, "--scheduler": scheduler, "--backend": backend != "cpu"}
        given = [name for name, value in others.items() if value]
        if given:
            raise InputError(f"{given[0]} and --on must not be given together: the board computes")
    if adaptive is not None and not 0 < adaptive < 100:
        raise InputError(f"--adaptive must be above 0 and below 100 points, not {adaptive}")
    kind = kind or ("device" if device else "read" if on else "static")
    model = load_device(device) if device else None
    tile = pair("--macro", macro, "x", "32x32", 1) if macro else None
    options = kind_options(kind, {"ratio": ratio, "ones": ones, "cluster": cluster, "macro": tile})
    params = SweepParams(
        parse_rates(ber), trials, kind, options, _layers(layer, len(loaded.layers)), seed,
        adaptive / 100 if adaptive else 0.0, max_trials, model,
    )  # fmt: skip
    workers = WorkerOptions(jobs, scheduler, backend)
    check(loaded, params, workers, on_board=on is not None)
    _check_names(plot, export, limit, verify)
    inputs = inputs_for(loaded, DataOptions(images, data, seed))
    path = output or Path(f"{loaded.name}.sqlite")
    again = {
        "ber": ber, "trials": trials, "images": images, "kind": kind if kind not in ("static", "device") else None,
        "device": device, "layer": layer,
        "ratio": ratio, "ones": ones, "cluster": cluster, "macro": macro, "seed": seed or None, "adaptive": adaptive,
        "max_trials": max_trials if adaptive else None, "output": path.name,
    }  # fmt: skip
    command = _command(network, again)
    with ExitStack() as stack:
        tell = stack.enter_context(progress())
        workers = replace(workers, classify=_board(stack, loaded, on, baud))

        def told(done: int, total: int, found: str) -> None:
            tell(f"{loaded.name}: trials", done, total, found)

        result = run(loaded, inputs, params, path, workers=workers, command=command, progress=told)
        checks = []
        if verify:
            rtl = "through the RTL"
            tell(rtl, 0, 0)
            checks = through_rtl(loaded, inputs, params, path, verify, lambda *step: tell(rtl, *step))
    _show(path, limit, plot, export, as_json, {"computed": result.computed})
    if any(c.mismatches for c in checks):
        note(f"The RTL differs in {sum(c.mismatches for c in checks):,} results")
        raise typer.Exit(1)


def _board(stack: ExitStack, network: Any, port: str | None, baud: int | None) -> Classify | None:
    """Return what runs images on the board at a port, if there is one, while the stack is open."""
    if port is None:
        return None
    from oxnor.fpga.session import classifier

    return stack.enter_context(classifier(network, port, baud or 1_000_000))


def _check_names(plot: Path | None, export: Path | None, limit: float, verify: int) -> None:
    """Refuse before hours of work what would be refused after."""
    from oxnor.sim.drawing.picture import check_name

    if plot is not None:
        check_name(plot)
    if export is not None and export.suffix not in (".csv", ".parquet"):
        raise InputError(f"--export must end in .csv or .parquet, not {export.name!r}")
    if not 0 < limit < 100:
        raise InputError(f"--limit must be above 0 and below 100 points, not {limit}")
    if verify < 0:
        raise InputError(f"--verify must be at least 0, not {verify}")


def _show(
    path: Path, limit: float, plot: Path | None, export: Path | None, as_json: bool, more: dict[str, Any]
) -> None:
    from oxnor.sim.sweeps.page import POINT_HEAD, Story, point_row
    from oxnor.sim.sweeps.store import Results

    story = Story.read(path, limit / 100)
    if plot is not None:
        story.plots["accuracy"].save(plot)
    if export is not None:
        with Results(path) as results:
            results.export(export)
    if as_json:
        print_json(story.to_json() | more)
        return
    for curve in story.curves.values():
        title = f"{curve.label}: {100 * curve.clean:.2f} % without errors"
        print_table(POINT_HEAD, [point_row(p) for p in curve.points], title=title)
        note(f"{curve.label}: {limit:g} points are lost at {curve.knee(limit / 100)}")
    if story.checks:
        note(f"{len(story.checks)} trials through the RTL: {sum(story.checks.values()):,} results differ")
    note(f"{more.get('computed', 0):,} trials computed; all are in {path}: oxnor report {path}")


def report(
    results: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Results of oxnor sweep, one to five.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The page.")] = Path("report.html"),
    limit: Annotated[
        float, typer.Option("--limit", metavar="POINTS", help="Points of accuracy lost at the knee.")
    ] = 0.5,
    plots: Annotated[
        Path | None,
        typer.Option("--plots", metavar="DIR", help="Also write the pictures there, as SVG and PNG files."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw results of sweeps: one self-contained page with pictures, tables and the commands that made them.

    Several files come on one axis first: networks, or kinds of error. The page needs no network access.

    Example: [bold]oxnor report mlp.sqlite robust.sqlite -o report.html[/]
    """
    from oxnor.models.base.files import write_text
    from oxnor.sim.sweeps.page import Story, build_page, together

    _check_names(None, None, limit, 0)
    stories = [Story.read(path, limit / 100) for path in results]
    write_text(output, build_page(stories))
    if plots is not None:
        for story in stories:
            for name, plot in story.plots.items():
                plot.save(plots / f"{story.path.stem}-{name}.svg")
                plot.save(plots / f"{story.path.stem}-{name}.png")
        if len(stories) > 1:
            together(stories).save(plots / "together.svg")
            together(stories).save(plots / "together.png")
    if as_json:
        print_json({"page": str(output), "results": [story.to_json() for story in stories]})
        return
    for story in stories:
        note(f"{story.curve.label}: {limit:g} points are lost at {story.curve.knee(limit / 100)}")
    note(f"Open {output}")
