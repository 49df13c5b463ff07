"""``oxnor faults``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from oxnor.cli.console import note, print_json
from oxnor.cli.options import (
    ERRORS_PANEL,
    AsJson,
    Cluster,
    ErrorDevice,
    NetworkName,
    Ones,
    Ratio,
    TileSize,
    kind_options,
    load_any_network,
    pair,
)
from oxnor.models.base.errors import InputError


def faults(
    network: NetworkName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the map there, an .npz file.")
    ] = None,
    ber: Annotated[
        float | None,
        typer.Option("--ber", metavar="RATE", help="Draw errors at this rate, 0 to 1.", rich_help_panel=ERRORS_PANEL),
    ] = None,
    read_ber: Annotated[
        float | None,
        typer.Option(
            "--read-ber",
            metavar="RATE",
            help="Each read is wrong with this probability, drawn anew each time.",
            rich_help_panel=ERRORS_PANEL,
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            "--kind", metavar="KIND", help="static, asymmetric, stuck or cluster.", rich_help_panel=ERRORS_PANEL
        ),
    ] = "static",
    ratio: Ratio = None,
    ones: Ones = None,
    cluster: Cluster = None,
    macro: TileSize = None,
    device: ErrorDevice = None,
    cycles: Annotated[
        float,
        typer.Option("--cycles", metavar="N", help="SET/RESET cycles of that device.", rich_help_panel=ERRORS_PANEL),
    ] = 0.0,
    layer: Annotated[
        int | None,
        typer.Option("--layer", metavar="N", help="Errors in this layer alone.", rich_help_panel=ERRORS_PANEL),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Key of the draw.", rich_help_panel=ERRORS_PANEL)
    ] = 0,
    trial: Annotated[
        int, typer.Option("--trial", metavar="N", help="Which draw of that seed.", rich_help_panel=ERRORS_PANEL)
    ] = 0,
    merge: Annotated[
        list[Path] | None,
        typer.Option("--merge", metavar="FILE", help="Take in this map too; can be given again."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw, merge and describe maps of wrong synapses, for simulate --faults.

    One file drives the golden model and the RTL in simulation. Without --ber, --read-ber and --device it describes the
    maps given with --merge. Maps that name the same synapse are refused: two flips would undo each other unnoticed.

    Example: [bold]oxnor faults mnist-mlp --kind stuck --ber 0.001 -o stuck.npz[/], then
    [bold]oxnor simulate mnist-mlp --faults stuck.npz[/]
    """
    from oxnor.models.faults.error_models import MACRO
    from oxnor.models.faults.fault_map import FaultMap, shapes_of
    from oxnor.models.faults.read_errors import ReadErrors

    loaded = load_any_network(network)
    tile = pair("--macro", macro, "x", "32x32", 1) if macro else None
    if ber is not None and device is not None:
        raise InputError("--device and --ber must not be given together: the device says how often it is wrong")
    if layer is not None and not 0 <= layer < len(loaded.layers):
        raise InputError(f"--layer must be in [0, {len(loaded.layers) - 1}], not {layer}")
    given = {"ratio": ratio, "ones": ones, "cluster": cluster, "macro": tile}
    options = kind_options("device" if device else kind, given)
    if device is not None:
        from oxnor.models.devices.draws import draw_faults
        from oxnor.models.devices.model import load
        from oxnor.models.golden.registry import only
        from oxnor.models.networks.binarized import Network

        loaded = only(loaded, Network, "for --device")

        size = tile or MACRO
        found = draw_faults(loaded, load(device), seed=seed, trial=trial, cycles=cycles, macro=size)
        found = found if layer is None else found.only(layer)
    elif ber is not None:
        found = FaultMap.draw(loaded, ber=ber, kind=kind, seed=seed, trial=trial, layer=layer, **options)
    elif merge or read_ber is not None:
        found = FaultMap(shapes_of(loaded))
    else:
        raise InputError("faults must be drawn (--ber, --read-ber or --device) or taken from files (--merge)")
    if read_ber is not None:
        found = replace(found, read=ReadErrors.from_ber(read_ber, seed))
    for path in merge or []:
        found = found.merge(FaultMap.load(path))
    found.check(loaded)
    if output is not None:
        found.save(output)
    if as_json:
        layers = [
            {name: len(getattr(found, name).get(k, ())) for name in found.counts} for k in range(len(loaded.layers))
        ]
        told = {"network": loaded.name, "synapses": loaded.n_weights, "wrong": found.wrong(loaded), **found.counts}
        reads = {"read_ber": found.read.ber, "read_seed": found.read.seed} if found.read else {}
        print_json(told | reads | {"layers": layers, "file": str(output) if output else None})
        return
    typer.echo(found.describe(loaded))
    if output is not None:
        note(f"{output}: oxnor simulate {network} --faults {output}")
