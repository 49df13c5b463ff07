"""``oxnor tools prove``."""

from __future__ import annotations

from typing import Annotated

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.options.common import AsJson


def prove(
    units: Annotated[
        list[str] | None,
        typer.Argument(metavar="[UNIT]...", help="Units, as the table names them.", show_default="all"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove what units of the gateware do, for any inputs and any number of cycles.

    SymbiYosys and z3 prove the emitted Verilog by induction. Each unit is then broken in one place: its proof must
    fail, by a counterexample from the reset. Exit code 1 if a proof fails, or one does not that should; what the prover
    says of the assertions that fail is shown.

    Example: [bold]oxnor tools prove fifo argmax[/]
    """
    from oxnor.sim.verify.proofs.units import NAMES, prove_all

    with progress() as tell:
        rows = prove_all(units or NAMES, lambda done, total, name: tell("proofs", done, total, name))
    good = sum(row.proved and bool(row.breach) for row in rows)
    if as_json:
        print_json({"proved": good, "of": len(rows), "proofs": [vars(row) for row in rows]})
    else:
        lines = [(r.name, r.claim, "yes" if r.proved else "no", r.breach or "no", f"{r.seconds:.1f}") for r in rows]
        print_table(("unit", "what", "proved", "broken: found", "s"), lines, left=2)
        note(f"{good} of {len(rows)} proved, and found to fail when broken")
    for row in rows:
        for text in row.said:
            note(f"{row.name}: {text}")
    if good < len(rows):
        raise typer.Exit(1)
