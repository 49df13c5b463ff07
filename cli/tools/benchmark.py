"""``oxnor tools benchmark``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from oxnor.cli.console import print_json, print_table, progress
from oxnor.cli.options.common import AsJson

_COLUMNS = ("what", "measured", "unit", "baseline", "ratio", "reach", "reached", "note")


def benchmark(
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NETWORK]...",
            help="Networks to measure the simulation of, and nothing else.",
            show_default="everything, of shipped networks",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small network, fewer images; rougher figures.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure speed and size, each against its baseline in the same run.

    Seconds depend on the machine, so nothing here fails for being slow: read the ratios. The bound for a simulation is
    the same engine in a plain C++ loop; every result and cycle of both is compared.

    Example: [bold]oxnor tools benchmark mnist-tfc[/]
    """
    from oxnor.sim.studies.benchmark import run

    with progress() as tell:
        rows = run(quick, lambda what: tell(what, 0, 0), networks)
    if as_json:
        print_json({"quick": quick, "rows": rows})
        return
    print_table(_COLUMNS, [[_text(row.get(k)) for k in _COLUMNS] for row in rows])


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)
