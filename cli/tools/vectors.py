"""``oxnor tools vectors``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from oxnor.cli.console import note, print_json
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import AsJson, output, seed
from oxnor.cli.options.source import Data, Source
from oxnor.models.base.replace import check_folder


@dataclass(frozen=True)
class VectorData(Data):
    """Images of vectors, which other testbenches read as text."""

    images: Annotated[
        int | None, typer.Option("--images", metavar="N", help="Images to run.", show_default="100, or all")
    ] = None


@expanded
def vectors(
    source: Source,
    output: Annotated[Path, output("DIR", "Folder to write.", check=check_folder)],
    data: VectorData,
    seed: Annotated[int | None, seed("Key of drawn images.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write golden vectors for any testbench: images, every layer's bits, scores and classes.

    Writes vectors.npz, and the same as text for $readmemh. Images are those of --data, or of the network's own
    set, or random bits.

    Example: [bold]oxnor tools vectors mnist-tfc -o vectors --images 100[/]
    """
    from oxnor.models.datasets.options import DataOptions
    from oxnor.models.golden.vectors import write_vectors

    design = source.read(data, data=DataOptions(at_most=100)).with_data(seed=seed)
    network, inputs = design.binarized, design.inputs()
    written = write_vectors(network, inputs.images, output, labels=inputs.labels)
    if as_json:
        print_json({"directory": str(output), "inputs": inputs.source} | written)
    else:
        note(f"Written to {output}: {', '.join(written['files'])} ({inputs.source}).")
