"""``oxnor import`` and ``oxnor export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .console import note, print_json, print_table, progress
from .options import AsJson, NetworkName, load_network


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="ONNX, QONNX, Keras or Larq (.h5, .keras), PyTorch state dict, .npz.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="NET.npz", help="Network file to write.")],
    check: Annotated[
        Path | None,
        typer.Option("--check", metavar="IMAGES.npz", help="Also compare on these images (and their labels)."),
    ] = None,
    coding: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="CODING",
            help="How the source takes a pixel: unit (0 to 1), byte, signed (-1 to 1), MEAN,STD, or as bits: bipolar, "
            "binary. Default: told from the source.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the network. Default: the file's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring your own network: one that Brevitas, Larq, PyTorch or anything that writes ONNX has trained.

    Batch norm, scales and signs become integer thresholds. Each is checked at every popcount against the source's
    float arithmetic, and whole networks on random images, on digits if they fit, and on those given. What cannot be
    imported is refused with every node by name. Exit code 1 if an output differs; then nothing is written.

    Example: [bold]oxnor import tfc.onnx -o tfc.npz[/]
    """
    from oxnor.models.importers.importing import import_network

    with progress() as tell:
        imported = import_network(file, coding=coding, name=name, check=check, tell=tell)
    if imported.ok:
        imported.network.save(output)
    if as_json:
        print_json(imported.report | {"output": str(output) if imported.ok else None})
    else:
        _show(imported.report)
    if not imported.ok:
        note("oxnor: the network differs from its source: nothing is written")
        raise typer.Exit(1)
    note(f"Written to {output}.")


def _show(report: dict[str, Any]) -> None:
    shape, source = "-".join(map(str, report["shape"])), report["source"]
    print_table(
        ("layer", "from", "operators", "inputs", "neurons", "weights", "popcounts checked", "differ", "by rounding"),
        [
            (str(k), y["node"], ", ".join(y["operators"]), str(y["n_in"]), str(y["n_out"]), y["weights"],
             f"{y['checked']:,}", str(y["differ"]), str(y["rounding"]))
            for k, y in enumerate(report["layers"])
        ],
        left=3,
        title=f"{report['name']}: {shape}, {report['weights']:,} weights, from {source['file']} ({source['format']})",
    )  # fmt: skip
    print_table(
        ("outputs compared on", "with the source by", "images", "values", "differ", "by rounding"),
        [
            (c["on"], c["by"], f"{c['images']:,}", f"{c['values']:,}", str(c["differ"]), str(c["rounding"]))
            for c in report["outputs"]
        ],
        left=2,
    )
    rows = [("note", text) for text in report["notes"]]
    if report["accuracy"] is not None:
        rows.append(("accuracy", f"{100 * report['accuracy']:.2f} % of the given images"))
    if rows:
        print_table(("", ""), rows, left=2)


def export(
    network: NetworkName,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.onnx", help="QONNX file to write.")],
    as_json: AsJson = False,
) -> None:
    """Give a network to other tools, as QONNX; importing it again gives the same bits.

    Example: [bold]oxnor export mnist-tfc -o mnist-tfc.onnx[/]
    """
    from oxnor.models.importers.export import export_qonnx

    loaded = load_network(network)
    written = export_qonnx(loaded, output)
    if as_json:
        print_json({"file": str(output)} | written)
    else:
        note(f"Written to {output}: {written['nodes']} nodes, {written['bytes']:,} bytes.")
