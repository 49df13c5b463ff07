"""``oxnor vectors``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oxnor.cli.console import note, print_json
from oxnor.cli.options import AsJson, Data, NetworkName, load_network


def vectors(
    network: NetworkName,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")],
    images: Annotated[int, typer.Option("--images", metavar="N", help="Images, 1 to 10000.")] = 100,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Key of drawn images.")] = 0,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Get golden vectors for any testbench: images, every layer's bits, scores and classes.

    Writes vectors.npz, and the same as text for $readmemh. Networks with 784 inputs get MNIST test images, others
    random bits.

    Example: [bold]oxnor vectors mnist-tfc -o vectors --images 100[/]
    """
    from oxnor.models.datasets.options import DataOptions
    from oxnor.models.golden.vectors import write_vectors
    from oxnor.sim.verify.inputs import inputs_for

    loaded = load_network(network)
    inputs = inputs_for(loaded, DataOptions(images, data, seed))
    found = write_vectors(loaded, inputs.images, output, labels=inputs.labels)
    if as_json:
        print_json({"directory": str(output), "inputs": inputs.source} | found)
    else:
        note(f"Written to {output}: {', '.join(found['files'])} ({inputs.source}).")
