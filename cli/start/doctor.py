"""``oxnor doctor``."""

from __future__ import annotations

import typer

from oxnor.cli.console import print_json, print_table
from oxnor.cli.options.common import AsJson


def doctor(as_json: AsJson = False) -> None:
    """Check the tools and say how to install what is missing.

    Exit code 1 if something that is required is missing or too old.

    Example: [bold]oxnor doctor[/]
    """
    from dataclasses import asdict

    from oxnor.sim.doctor import checks

    results = checks()
    ok = all(c.ok for c in results if c.required)
    if as_json:
        print_json({"ok": ok, "checks": [asdict(c) for c in results]})
    else:
        rows = [
            (
                "✓" if c.ok else "✗" if c.required else "–",
                c.name,
                "required" if c.required else "optional",
                str(c.found or "not found"),
                str(c.needed or ""),
                "" if c.ok else str(c.fix or ""),
            )
            for c in results
        ]
        print_table(("", "tool", "", "found", "needed", "how to get it"), rows, left=6)
    if not ok:
        raise typer.Exit(1)
