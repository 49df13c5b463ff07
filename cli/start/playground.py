"""``oxnor playground``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from oxnor.cli.console import note, print_json, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import AsJson, output
from oxnor.cli.options.source import Source
from oxnor.models.base.replace import check_file


@expanded
def playground(
    source: Source,
    *,
    output: Annotated[Path, output("PAGE.html", "Page to write.", check=check_file)],
    as_json: AsJson = False,
) -> None:
    """Write a page in which the engine of a network runs, in any browser.

    The emitted Verilog, compiled to WebAssembly, in one file that needs no server: draw a digit or choose an image,
    turn the bit error rate, and see the scores, every layer's bits and every clock. The wrong bits of a seed and a
    trial are those of [bold]oxnor simulate[/]. Engines of shipped networks are there; others take a minute to compile.

    Example: [bold]oxnor playground mnist-tfc -o page.html[/]
    """
    from oxnor.sim.playground.playground import write_page

    design = source.read()
    network = design.loaded
    with progress() as tell:
        page = write_page(network, output, design.config(), progress=tell)
    size = page.stat().st_size
    if as_json:
        print_json({"network": network.name, "page": str(page), "bytes": size})
    else:
        note(f"Written to {page}, {size / 1e3:,.0f} kB: open it in a browser")
