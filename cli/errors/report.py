"""``oxnor report``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from oxnor.cli.console import note, print_json
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import PAGES, AsJson, output, pictures
from oxnor.cli.options.pictures import Axes, Kinds, Panels
from oxnor.models.base.errors import InputError


@expanded
def report(
    results: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Results of oxnor sweep, one to five.")],
    output: Annotated[Path, output("FILE", "The page.", *PAGES)] = Path("report.html"),
    limit: Annotated[
        float, typer.Option("--limit", metavar="POINTS", help="Points of accuracy lost at the knee.")
    ] = 0.5,
    *,
    plots: Annotated[Path | None, pictures("--plots")] = None,
    kinds: Kinds,
    axes: Axes,
    panels: Panels = False,
    as_json: AsJson = False,
) -> None:
    """Draw results of sweeps: one self-contained page with pictures, tables and the commands that made them.

    Several files come on one axis first: networks, or kinds of error. The page needs no network access.

    Example: [bold]oxnor report mlp.sqlite robust.sqlite -o report.html[/]
    """
    from oxnor.models.base.files import write_text
    from oxnor.sim.sweeps.export import export_curves
    from oxnor.sim.sweeps.page import Story, build_page, together

    if not 0 < limit < 100:
        raise InputError(f"must be above 0 and below 100 points, not {limit}", parameter="limit")
    if twice := [path for k, path in enumerate(results) if path.resolve() in {p.resolve() for p in results[:k]}]:
        raise InputError(f"{twice[0]}: must be given once, not twice")
    ends = axes.limits
    stories = [replace(Story.read(path, limit / 100), limits=ends) for path in results]
    if axes.curves is not None:
        export_curves({story.path.name: story.curves for story in stories}, axes.curves)
    write_text(output, build_page(stories))
    if plots is not None:
        pictures = {f"{s.path.stem}-{name}": plot for s in stories for name, plot in s.plots.items()}
        if len(stories) > 1:
            pictures["together"] = together(stories)
        kinds.save(pictures, plots, panels=panels)
    if as_json:
        print_json({"page": str(output), "results": [story.to_json() for story in stories]})
        return
    for story in stories:
        note(story.curve.verdict(limit / 100))
    note(f"Open {output}")
