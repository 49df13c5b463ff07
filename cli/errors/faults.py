"""``oxnor device faults``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.cli.console import note, print_json, say
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import ERRORS, AsJson, output
from oxnor.cli.options.errors import ErrorKind, Key, ReadBer
from oxnor.cli.options.source import Source
from oxnor.models.base.errors import InputError

if TYPE_CHECKING:
    from oxnor.design import Design
    from oxnor.models.faults.fault_map import FaultMap


@dataclass(frozen=True)
class Draw:
    """What is drawn or read from files."""

    ber: Annotated[
        float | None,
        typer.Option("--ber", metavar="RATE", help="Draw errors at this rate, 0 to 1.", rich_help_panel=ERRORS),
    ] = None
    read_ber: ReadBer = None
    cycles: Annotated[
        float,
        typer.Option("--cycles", metavar="N", help="SET/RESET cycles of the device.", rich_help_panel=ERRORS),
    ] = 0.0
    layer: Annotated[
        int | None,
        typer.Option("--layer", metavar="N", help="Errors in this layer alone.", rich_help_panel=ERRORS),
    ] = None
    merge: Annotated[
        list[Path] | None,
        typer.Option("--merge", metavar="FILE", help="Take in this map too; can be given again."),
    ] = None


@expanded
def faults(
    source: Source,
    draw: Draw,
    kind: ErrorKind,
    key: Key,
    output: Annotated[Path | None, output("FILE", "Write the map there, an .npz file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw, merge and describe maps of wrong weights, for simulate --faults.

    One file drives the golden model and the RTL in simulation. Without --ber, --read-ber and --device it describes the
    maps given with --merge. Maps that name the same synapse are refused: two flips would undo each other unnoticed.

    Example: [bold]oxnor device faults mnist-mlp --kind stuck --ber 0.001 -o stuck.npz[/], then
    [bold]oxnor simulate mnist-mlp --faults stuck.npz[/]
    """
    from oxnor.models.faults.fault_map import FaultMap
    from oxnor.models.faults.read_errors import ReadErrors

    design = source.read(key)
    network = design.loaded
    fault_map = _drawn(design, draw, kind)
    if draw.read_ber is not None:
        fault_map = replace(fault_map, read=ReadErrors.from_ber(draw.read_ber, design.errors.seed))
    for path in draw.merge or []:
        fault_map = fault_map.merge(FaultMap.load(path))
    fault_map.check(network)
    if output is not None:
        fault_map.save(output)
    if as_json:
        print_json(_described(fault_map, network) | {"file": str(output) if output else None})
        return
    say(fault_map.describe(network))
    if output is not None:
        note(f"{output}: oxnor simulate {source.network or f'--design {source.design}'} --faults {output}")


def _drawn(design: Design, draw: Draw, kind: ErrorKind) -> FaultMap:
    """Return the map that is drawn, or an empty one to merge others into."""
    from oxnor.models.faults.error_models import MACRO
    from oxnor.models.faults.fault_map import FaultMap, shapes_of
    from oxnor.results import kind_options

    network = design.loaded
    key: dict[str, Any] = {"seed": design.errors.seed, "trial": design.errors.trial}
    if draw.cycles and kind.device is None:
        raise InputError("--cycles is of a device: give --device too")
    if draw.ber is not None and kind.device is not None:
        raise InputError("--device and --ber must not be given together: the device says how often it is wrong")
    if draw.layer is not None and not 0 <= draw.layer < len(network.layers):
        raise InputError(f"must be in [0, {len(network.layers) - 1}], not {draw.layer}", parameter="layer")
    name = "device" if kind.device else kind.kind or "static"
    options: dict[str, Any] = kind_options(name, kind.arguments())
    if kind.device is not None:
        from oxnor.models.devices.draws import draw_faults
        from oxnor.models.devices.model import load
        from oxnor.models.golden.registry import only
        from oxnor.models.networks.binarized import Network

        rows, cols = options.get("macro", MACRO)
        held = only(network, Network, "for --device")
        key |= {"macro": (rows, cols), "pair_states": options.get("pair_states", 2)}
        fault_map = draw_faults(held, load(kind.device), **key, cycles=draw.cycles)
        return fault_map if draw.layer is None else fault_map.only(draw.layer)
    if draw.ber is not None:
        return FaultMap.draw(network, ber=draw.ber, kind=name, layer=draw.layer, **key, **options)
    if draw.merge or draw.read_ber is not None:
        return FaultMap(shapes_of(network))
    raise InputError("faults must be drawn (--ber, --read-ber or --device) or taken from files (--merge)")


def _described(faults: FaultMap, network: Any) -> dict[str, Any]:
    """Return a map as a JSON-able dict."""
    layers = [
        {name: len(getattr(faults, name).get(k, ())) for name in faults.counts} for k in range(len(network.layers))
    ]
    counts = {"network": network.name, "synapses": network.n_synapses, "wrong": faults.wrong(network), **faults.counts}
    reads = {"read_ber": faults.read.ber, "read_seed": faults.read.seed} if faults.read else {}
    return counts | reads | {"layers": layers}
