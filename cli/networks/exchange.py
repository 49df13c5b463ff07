"""``oxnor import`` and ``oxnor export``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from oxnor.cli.console import in_options, note, print_json, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import AsJson, output
from oxnor.cli.options.source import Source

from .fields import parse_fields

_SPIKING = "Spiking networks (NIR)"


@dataclass(frozen=True)
class Reading:
    """How the file is read."""

    check: Annotated[
        Path | None,
        typer.Option("--check", metavar="IMAGES.npz", help="Also compare on these images (and their labels)."),
    ] = None
    coding: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="CODING",
            help="How the source takes a pixel: unit (0 to 1), byte, signed (-1 to 1), MEAN,STD, or as bits: bipolar, "
            "binary. Default: read from the source.",
        ),
    ] = None
    name: Annotated[str | None, typer.Option("--name", help="Name of the network. Default: the file's.")] = None
    binarize: Annotated[
        bool,
        typer.Option(
            "--binarize",
            help="State dict: take weights that are not binary by their signs. Nothing is then called equal to the"
            " source; --check shows the accuracy.",
        ),
    ] = False
    input_threshold: Annotated[
        str | None,
        typer.Option(
            "--input-threshold",
            metavar="VALUE|FILE.npy",
            help="State dict: an input, as --input gives it, is bit 1 if it reaches this; a file has one an input.",
        ),
    ] = None
    last_layer_bits: Annotated[
        int | None,
        typer.Option(
            "--last-layer-bits",
            metavar="N",
            help="Round float weights of the last layer to N bits, 2 to 8, with a bound on every score. Default: refuse"
            " them.",
        ),
    ] = None
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="FILE.h5", help="Keras .json: its weights. Default: the file beside it."),
    ] = None


@dataclass(frozen=True)
class SpikingSource:
    """What a NIR file does not say."""

    neuron: Annotated[
        str | None,
        typer.Option(
            "--neuron",
            metavar="FIELD=VALUE,...",
            help="What neurons do otherwise than the file says: reset=subtract,compare=ge,bipolar=true and others.",
            rich_help_panel=_SPIKING,
        ),
    ] = None
    decision: Annotated[
        str | None,
        typer.Option("--decision", metavar="FIELD=VALUE,...", help="window, delta_s ...", rich_help_panel=_SPIKING),
    ] = None
    encoder: Annotated[
        str | None,
        typer.Option("--encoder", metavar="FIELD=VALUE,...", help="kind, rate_bits ...", rich_help_panel=_SPIKING),
    ] = None
    rounding: Annotated[
        bool,
        typer.Option(
            "--round", help="Take the nearest weights if they lie on no grid of integers.", rich_help_panel=_SPIKING
        ),
    ] = False
    tick: Annotated[
        float | None,
        typer.Option(
            "--tick", metavar="SECONDS", help="Length of a tick, for the time constants of LIF neurons.",
            show_default="1e-4", rich_help_panel=_SPIKING,
        ),
    ] = None  # fmt: skip
    leak_bits: Annotated[
        int | None,
        typer.Option(
            "--leak-bits", metavar="N", help="Bits of the multiplier of a leak; 1 is a power of two.",
            show_default="1", rich_help_panel=_SPIKING,
        ),
    ] = None  # fmt: skip
    events: Annotated[
        Path | None,
        typer.Option(
            "--events", metavar="FILE", help="Also compare with the source on these events (.csv or .npz).",
            rich_help_panel=_SPIKING,
        ),
    ] = None  # fmt: skip


@expanded
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="ONNX, QONNX, Keras or Larq (.h5, .keras, .json), PyTorch state dict, .npz, folder of BNN-PYNQ, NIR.",
        ),
    ],
    output: Annotated[Path, output("NET.npz", "Network file to write.", ".npz")],
    reading: Reading,
    spiking: SpikingSource,
    as_json: AsJson = False,
) -> None:
    """Import a network that Brevitas, Larq, PyTorch or FINN wrote, or a spiking one from NIR.

    Batch norm, scales and signs become integer thresholds. Each is checked at every popcount against the source's
    float arithmetic, and whole networks on random images, on digits if they fit, and on those given. What cannot be
    imported is refused with every node by name. Exit code 1 if an output differs; then nothing is written.

    NIR files give spiking networks: IF and LIF neurons behind Linear, Affine, Conv2d and pooling nodes, with weights on
    a grid of integers and the nearest leak. What that does to output spikes is measured on events, and printed.

    Example: [bold]oxnor import tfc.onnx -o tfc.npz[/]
    """
    from oxnor.models.exchange.import_network import import_network
    from oxnor.models.exchange.nir.options import SpikingOptions
    from oxnor.models.networks.encoders import Encoder
    from oxnor.models.networks.neuron import OPTIONAL, Decision, Neuron

    options = SpikingOptions(
        parse_fields(Neuron, spiking.neuron, "--neuron", without=("theta", "v_init", *OPTIONAL)),
        parse_fields(Decision, spiking.decision, "--decision"),
        parse_fields(Encoder, spiking.encoder, "--encoder"),
        spiking.rounding, spiking.tick, spiking.leak_bits, spiking.events,
    )  # fmt: skip
    reading_options = asdict(reading) | {"input_threshold": _threshold(reading.input_threshold)}
    with progress() as tell:
        imported = import_network(file, spiking=options, tell=tell, **reading_options)
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


def _threshold(text: str | None) -> Any:
    """Return the number in an option, or the array in the file that it names."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        from oxnor.models.datasets.files import read_npy

        return read_npy(Path(text))


def _show(report: dict[str, Any]) -> None:
    shape, source = report["label"], report["source"]
    title = f"{report['name']}: {shape}, {report['weights']:,} weights, from {source['file']} ({source['format']})"
    if report.get("kind") == "spiking":
        _show_spiking(report, title)
        return
    compared = 0 if report["binarized"] else 3  # columns that say what is equal to the source
    print_table(
        ("layer", "from", "operators", "inputs", "neurons", "constant", "dead", "weights",
         *("popcounts checked", "differ", "by rounding")[:compared]),
        [
            (str(k), y["node"], ", ".join(y["operators"]), str(y["n_in"]), str(y["n_out"]),
             str(y["always_0"] + y["always_1"]), str(y["dead"]), y["weights"],
             *(_checked(y) if compared else ()))
            for k, y in enumerate(report["layers"])
        ],
        left=3,
        title=title,
    )  # fmt: skip
    columns = {"differ": "differ", "rounding": "by rounding"}
    if report["rounded"]:
        columns = {"differ": "out of bound", "rounding": "by rounding"}
        columns |= {"other_class": "other class", "proved": "class proved"}
    if report["outputs"]:
        print_table(
            ("outputs compared on", "with the source by", "images", "values", *columns.values()),
            [
                (c["on"], c["by"], f"{c['images']:,}", f"{c['values']:,}", *(f"{c[k]:,}" for k in columns))
                for c in report["outputs"]
            ],
            left=2,
        )
    rows = [("note", in_options(text)) for text in report["notes"]]
    examples = {(c["on"], e["image"]): e for c in report["outputs"] for e in c["examples"]}
    rows += [("rounding", f"image {image} of {on}: outputs {e['source']} of the source, scores {e['scores']}")
             for (on, image), e in examples.items()]  # fmt: skip
    if report["accuracy"] is not None:
        rows.append(("accuracy", f"{100 * report['accuracy']:.2f} % of the given images"))
    if report["agreement"] is not None:
        rows.append(("agreement", f"{100 * report['agreement']:.2f} % of the given images have the source's class"))
    if rows:
        print_table(("", ""), rows, left=2)


def _checked(layer: dict[str, Any]) -> tuple[str, ...]:
    """Return what its popcounts have shown; of rounded weights the outputs are compared alone."""
    counts = tuple(f"{layer[name]:,}" for name in ("checked", "differ", "rounding"))
    return counts if layer["checked"] else ("-",) * len(counts)


def _show_spiking(report: dict[str, Any], title: str) -> None:
    print_table(
        ("layer", "from", "operators", "says", "inputs", "neurons", "weights up to", "theta", "error", "rounded"),
        [
            (str(k), y["node"], ", ".join(y["operators"]), y["from"], str(y["n_in"]), str(y["n_out"]),
             str(y["neuron"]["weight_max"]), str(y["neuron"]["theta"]), f"{y['error']:.2g} steps", str(y["rounded"]))
            for k, y in enumerate(report["layers"])
        ],
        left=4,
        title=title,
    )  # fmt: skip
    if report["disagreement"]:
        print_table(
            ("compared on", "with the source", "samples", "other winner", "output spikes", "of the source",
             "counts that differ", "by up to"),
            [
                (d["on"], d["source"], f"{d['samples']:,}", f"{d['winners']:,}", f"{d['spikes']:,}",
                 f"{d['spikes_source']:,}", *_differing(d))
                for d in report["disagreement"]
            ],
            left=2,
        )  # fmt: skip
    if report["notes"]:
        print_table(("", ""), [("note", in_options(text)) for text in report["notes"]], left=2)


def _differing(row: dict[str, Any]) -> tuple[str, str]:
    """Return how many counts of spikes differ and by how much, if there was a spike at all."""
    if not (row["spikes"] or row["spikes_source"]):
        return "no spikes to compare", ""
    return f"{row['counts']:,} of {row['values']:,}", f"{row['most']:,}"


@expanded
def export(
    source: Source,
    output: Annotated[Path, output("FILE", "QONNX file to write; NIR of a spiking network.")],
    as_json: AsJson = False,
) -> None:
    """Export a network as QONNX or, a spiking one, as NIR.

    Importing the file again gives the same bits.

    Example: [bold]oxnor export mnist-tfc -o mnist-tfc.onnx[/], [bold]oxnor export mnist-spirit -o mnist-spirit.nir[/]
    """
    from oxnor.models.exchange.export_network import export_network

    written = export_network(source.read().loaded, output)
    if as_json:
        print_json({"file": str(output)} | written)
    else:
        for warning in written.get("warnings", ()):
            note(f"warning: {warning}")
        note(f"Written to {output}: {written['nodes']} nodes, {written['bytes']:,} bytes.")
