"""``oxnor tools cache``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from oxnor.cli.console import note, print_json, print_table
from oxnor.cli.options.common import AsJson


def cache(
    prune: Annotated[bool, typer.Option("--prune", help="Remove what is not in use.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the builds in the cache, or remove those that are not in use.

    Simulators and bitstreams are kept in one folder a user ($OXNOR_BUILD moves it) and made again if they are gone.
    The least recently used ones go when the folder grows beyond 4 GiB ($OXNOR_BUILD_LIMIT, in GiB).

    Example: [bold]oxnor tools cache --prune[/]
    """
    from oxnor.models.base.files import build_place
    from oxnor.sim.runner.cache import entries, limit
    from oxnor.sim.runner.cache import prune as remove

    builds = remove(0, grace_s=0) if prune else entries()
    size = sum(e.size for e in builds)
    if as_json:
        rows = [{"kind": e.kind, "path": str(e.path), "bytes": e.size, "used": e.used} for e in builds]
        print_json({"folder": str(build_place()), "limit": limit(), "removed" if prune else "entries": rows})
        return
    if not prune:
        lines = [(e.kind, e.path.name, f"{e.size / 2**20:,.1f}", _ago(time.time() - e.used)) for e in reversed(builds)]
        print_table(("what", "name", "MiB", "used"), lines, left=2)
    what = f"{len(builds):,} entries, {size / 2**20:,.1f} MiB"
    note(f"Removed {what}." if prune else f"{build_place()}: {what} of {limit() / 2**20:,.0f} MiB")


def _ago(seconds: float) -> str:
    """Return how long ago something was, in words."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"
