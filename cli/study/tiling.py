"""``oxnor study tiling``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.cli.console import note, print_json, print_table
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import AsJson, numbers
from oxnor.cli.options.engine import macro
from oxnor.cli.options.source import Source
from oxnor.models.base.errors import InputError

if TYPE_CHECKING:
    from oxnor.hw.cost.tiling import LayerShape
    from oxnor.models.technology.figure import Range
    from oxnor.sim.studies.tiling import PassesInRtl, TilingResult


@dataclass(frozen=True)
class Chip:
    """What the weights are written to."""

    available_macros: Annotated[
        int, typer.Option("--available-macros", metavar="N", help="Macros of the chip, which all layers share.")
    ] = 1024
    macro: Annotated[str, typer.Option("--macro", metavar="ROWSxCOLS", help="Size of a macro.")] = "64x64"
    batch: Annotated[
        str, typer.Option("--batch", metavar="N,...", help="Images that are read each time that macros are written.")
    ] = "1,64,4096"
    endurance: Annotated[
        float | None,
        typer.Option("--endurance", metavar="N", help="How often a device can be written.", show_default="1e9"),
    ] = None
    technology: Annotated[
        str | None,
        typer.Option(
            "--technology", metavar="NAME|FILE.toml", help="Energies: docs/energy.md.", show_default="ihp-sg13g2"
        ),
    ] = None
    rram: Annotated[
        str | None, typer.Option("--rram", metavar="NAME", help="RRAM macro of the technology. Default: its first.")
    ] = None

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a macro."""
        found: dict[str, Any] = macro(self.macro)
        if "macro_size" not in found or len(found) > 1:
            raise InputError(f"must be ROWSxCOLS, as 64x64, not {self.macro!r}", parameter="macro")
        rows, cols = found["macro_size"]
        return rows, cols


@expanded
def tiling(
    source: Source,
    sizes: Annotated[
        str | None,
        typer.Option("--sizes", metavar="N,...", help="Instead: inputs and neurons of dense layers, 9216,4096,1000."),
    ] = None,
    chip: Chip = Chip(),
    rtl: Annotated[
        bool, typer.Option("--rtl", help="Also run a small layer in nine passes through the RTL, and count there.")
    ] = False,
    images: Annotated[
        int | None, typer.Option("--images", metavar="N", help="Random images of --rtl.", show_default="100")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count what layers larger than a chip's macros cost, in passes over weights that are written again and again.

    The layers are those of NETWORK or of --sizes. Default: the dense layers of AlexNet, with binary weights.

    Each layer takes the rectangle of macros with the fewest passes. In a pass its macros are written, and all images of
    a batch are read against them; popcounts of passes over the same neurons are added. The weights come from outside
    each time, so they do move: reads, writes, energy with its sources, and wear are printed. --rtl writes and reads a
    layer of 32 neurons of 72 inputs on 4 macros of 8 x 8 through the engine's registers. Exit code 1 if it differs.

    Example: [bold]oxnor study tiling --available-macros 1024 --rtl[/]
    """
    from oxnor.models.technology.figure import FIGURE_MAX
    from oxnor.models.technology.technology import load
    from oxnor.sim.studies import tiling as task

    if images is not None and not rtl:
        raise InputError("must come with --rtl", parameter="images")
    batches = numbers("batch", chip.batch, int, "whole numbers with commas")
    endurance = task.ENDURANCE
    if chip.endurance is not None:
        if not 1 <= chip.endurance <= FIGURE_MAX:
            raise InputError(f"must be in [1, {FIGURE_MAX:g}], not {chip.endurance:g}", parameter="endurance")
        endurance = replace(endurance, low=chip.endurance, tag="chosen", source="--endurance")
    technology = load() if chip.technology is None else load(chip.technology)
    result = task.study(
        _layers(source, sizes), technology, available=chip.available_macros, macro=chip.size, batches=batches,
        endurance=endurance, rram=chip.rram,
    )  # fmt: skip
    if rtl:
        result = replace(result, rtl=task.in_rtl() if images is None else task.in_rtl(images=images))
    if as_json:
        print_json(result.to_json())
    else:
        _show(result)
    if result.rtl is not None and not result.rtl.ok:
        note("oxnor: the RTL has not counted what was predicted")
        raise typer.Exit(1)


def _layers(source: Source, sizes: str | None) -> tuple[LayerShape, ...]:
    from oxnor.hw.cost.tiling import SIZE_MAX, LayerShape
    from oxnor.sim.studies import tiling as task

    is_given = source.network is not None or source.design is not None
    if is_given and sizes is not None:
        raise InputError("must not be given together with a network", parameter="sizes")
    if is_given:
        from oxnor.models.networks.binarized import Network

        loaded = source.read().loaded
        if not isinstance(loaded, Network):
            raise InputError(f"network {loaded.name!r} must be binarized, and is spiking")
        return task.shapes_of(loaded)
    n = task.ALEXNET if sizes is None else numbers("sizes", sizes, int, "whole numbers with commas")
    if len(n) < 2:
        raise InputError(f"must be 2 numbers or more, not {len(n)}", parameter="sizes")
    if wrong := [k for k in n if not 1 <= k <= SIZE_MAX]:
        raise InputError(f"must be numbers in [1, {SIZE_MAX}], not {wrong[0]}", parameter="sizes")
    return tuple(LayerShape(a, b) for a, b in pairwise(n))


def _show(result: TilingResult) -> None:
    p = result.passes
    what = f"{p.moved:,} bits of weights move to the chip for each batch" if p.writes else "all weights stay in place"
    directions = "neurons x inputs"
    print_table(
        ("layer", "bits of weights", "macros needed", f"used, {directions}", f"passes, {directions}",
         "rows sensed an image", "device writes a batch", "bits moved a batch", "partial sums kept, bits an image"),
        [
            (f"{y.layer.n_in} to {y.layer.n_out}", f"{y.weights:,}", f"{y.needed:,}", f"{y.down} x {y.across}",
             f"{y.passes_down} x {y.passes_across}", f"{y.row_reads:,}", f"{y.operations if p.writes else 0:,}",
             f"{y.weights if p.writes else 0:,}", f"{y.partial_bits:,}")
            for y in p.layers
        ],
        title=f"Macros of the chip: {p.available:,}; macros that hold all weights: {p.needed:,}; {what}",
    )  # fmt: skip
    rows = []
    for e in result.energies:
        images = p.images_of(result.endurance.low, e.batch)
        name = f"{e.batch:,}" if e.batch else f"in place, macros: {p.needed:,}"
        rows.append((name, *(_joules(v) for v in (e.sensing, e.periphery, e.programming, e.moving, e.total)),
                     f"{images:,.0f}" if images else "-"))  # fmt: skip
    print_table(
        ("batch", "sensing", "periphery", "writing", "moving weights", "an image", "images until worn"), rows,
        title=f"Energy of an image, without digital logic, activations and partial sums: {what}",
    )  # fmt: skip
    numbers_used = {**result.figures, "endurance of a device": result.endurance}
    print_table(
        ("number", "value", "tag", "source"),
        [(name, f"{f.low:g}" + (f" to {f.top:g}" if f.top > f.low else "") + f" {f.unit}", f.tag, f.source)
         for name, f in numbers_used.items()],
        left=4,
    )  # fmt: skip
    if result.rtl is not None:
        _show_rtl(result.rtl)


def _show_rtl(rtl: PassesInRtl) -> None:
    y = rtl.layer
    names = {
        "differ": "images that differ from the whole layer", "row_reads": "rows sensed",
        "operations": "SET and RESET at the macros", "pulses": "the same in register PROG_PULSES",
        "devices": "devices written", "most": "writes of one device, at most",
    }  # fmt: skip
    print_table(
        (f"{rtl.images:,} images", "RTL", "predicted"),
        [(text, f"{getattr(rtl, name):,}", f"{rtl.expected[name]:,}") for name, text in names.items()],
        title=f"RTL, {y.layer.n_in} to {y.layer.n_out} on {y.macros} macros of {y.rows} x {y.cols}: {y.passes} passes,"
        " the weights are rewritten for each",
    )


def _joules(energy: Range) -> str:
    """Return an energy in the largest unit of which it has one or more, at its high end."""
    units = {"mJ": 1e3, "uJ": 1e6, "nJ": 1e9, "pJ": 1e12}
    unit = next((name for name, n in units.items() if n * energy.high >= 1), "pJ")
    low, high = units[unit] * energy.low, units[unit] * energy.high
    if not high:
        return "0"
    return f"{low:,.3g} {unit}" if high - low <= 1e-3 * high else f"{low:,.3g} to {high:,.3g} {unit}"
