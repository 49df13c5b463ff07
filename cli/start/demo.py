"""``oxnor demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import AsJson, output, pictures
from oxnor.cli.options.pictures import Kinds
from oxnor.cli.options.source import NetworkOption
from oxnor.models.base.replace import check_place


@expanded
def demo(
    source: NetworkOption,
    *,
    images: Annotated[int, typer.Option("--images", metavar="N", help="Test images, 1 to 10000.")] = 10_000,
    output: Annotated[Path, output("DIR", "Folder of the page.", check=check_place)] = Path("build/demo"),
    pictures: Annotated[Path | None, pictures()] = None,
    kinds: Kinds,
    as_json: AsJson = False,
) -> None:
    """Run a trained network on real digits through RTL, clean and with bit errors.

    Generates the engine, builds it with Verilator, streams the MNIST test images through its AXI ports and compares
    every class and score with the golden model; then once more at bit error rates 1e-3, 1e-2 and 5e-2. Writes one
    page with pictures. Exit code 1 if a single bit or cycle differs.

    Example: [bold]oxnor demo --images 1000[/]
    """
    from oxnor.sim.demo.demo import run_demo, write_page
    from oxnor.sim.demo.page import RUN_HEAD, run_row
    from oxnor.sim.demo.page import pictures as pictures_of

    loaded = source.read().binarized
    with progress() as tell:
        result = run_demo(loaded, count=images, progress=tell)
    page = write_page(result, output)
    if pictures is not None:
        kinds.save(pictures_of(result), pictures)
    if as_json:
        print_json(result.to_json() | {"page": str(page)})
    else:
        print_table(RUN_HEAD, [run_row(run) for run in result.runs])
    verdict = "agrees with the golden model on every bit" if result.ok else "does NOT agree with the golden model"
    note(f"The RTL {verdict}: {result.seconds:.0f} s. Open {page}")
    if not result.ok:
        raise typer.Exit(1)
