"""``oxnor tools soak``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.options.common import AsJson, output, seed

_COLUMNS = ("engine", "frames", "wrong length", "resets", "results", "accesses", "counters compared", "cycles", "s")


def soak(
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NETWORK]...", help="Shipped networks, or network files.", show_default="five different engines"
        ),
    ] = None,
    frames: Annotated[int, typer.Option("--frames", metavar="N", help="Frames for each engine.")] = 200_000,
    seed: Annotated[int, seed("Key of the traffic.")] = 0,
    output: Annotated[
        Path | None,
        output("FILE", "Keep the counts there; an engine that it has does not run again, if it is as it was.", ".json"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send hostile traffic through engines, and compare everything that comes out.

    Pauses on every port, frames too short or too long, resets at any moment, and register accesses all the while.
    Every result must be that of the golden model, in order; every counter must be right; nothing may hang. Exit code 1
    if not.

    Example: [bold]oxnor tools soak mnist-tfc --frames 20000[/]
    """
    from oxnor.sim.verify.soak import Record, engines
    from oxnor.sim.verify.soak import soak as run

    record, names = Record(output, frames, seed), []
    with progress() as tell:
        for name, network, options in engines(networks):
            names.append(name)
            if record.has(name, network, options):
                continue

            def told(done: int, total: int, name: str = name) -> None:
                tell("frames", done, total, name)

            record.add(name, network, options, run(network, frames, seed=seed, engine=options, progress=told))
    rows = [row for row in record.rows if row["engine"] in names]
    if as_json:
        print_json({"frames": frames, "seed": seed, "engines": rows})
    else:
        print_table(_COLUMNS, [_line(row) for row in rows])
    wrong = [row for row in rows if row["difference"]]
    for row in wrong:
        note(f"{row['engine']}: {row['difference']}")
    if wrong:
        raise typer.Exit(1)


def _line(row: dict[str, Any]) -> list[str]:
    counts = row["counts"]
    cells = (
        counts["frames"], counts["too_short"] + counts["too_long"], counts["resets"], counts["results"],
        counts["reads"] + counts["writes"], counts["settled"], counts["cycles"],
    )  # fmt: skip
    return [row["engine"], *(f"{n:,}" for n in cells), f"{row['seconds']:.0f}"]
