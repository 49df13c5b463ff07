"""``oxnor simulate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import ENGINE, ERRORS, OUTPUT, PICTURES, WHERE, AsJson, Scheduler, output, writes
from oxnor.cli.options.engine import Engine
from oxnor.cli.options.errors import Devices, Errors
from oxnor.cli.options.source import Data, Source
from oxnor.cli.text import value_text
from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import check_file

if TYPE_CHECKING:
    from oxnor.design import Design
    from oxnor.sim.verify.options import RunOptions


@dataclass(frozen=True)
class Run:
    """How the simulation runs."""

    corrupt_rtl: Annotated[
        int,
        typer.Option(
            "--corrupt-rtl",
            metavar="K",
            help="Flip K weights of the output layer in the RTL alone, to see the check fail (exit code 1).",
            rich_help_panel=ERRORS,
        ),
    ] = 0
    min_margin: Annotated[
        int | None,
        typer.Option(
            "--min-margin", metavar="N", help="Call results unsure whose best score leads the second by less than N.",
            rich_help_panel=ENGINE,
        ),
    ] = None  # fmt: skip
    waves: Annotated[
        str | None,
        typer.Option(
            "--waves", metavar="KIND", help="Record vcd or fst waves of the first 4 images.", rich_help_panel=OUTPUT
        ),
    ] = None
    adder_tree: Annotated[
        bool, typer.Option("--adder-tree", help="Simulate the popcounts as they are synthesised; slower.")
    ] = False
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", metavar="N", help="Share out the images among N simulators. Default: every core.",
            rich_help_panel=WHERE,
        ),
    ] = None  # fmt: skip
    scheduler: Scheduler = None

    def check(self) -> None:
        """Raise InputError if a value is out of its range."""
        if self.corrupt_rtl < 0:
            raise InputError(f"must be 0 or more, not {self.corrupt_rtl}", parameter="corrupt_rtl")
        if self.waves not in (None, "vcd", "fst"):
            raise InputError(f"must be vcd or fst, not {self.waves!r}", parameter="waves")

    def options(self) -> RunOptions:
        """Return them as the library takes them."""
        from oxnor.sim.verify.options import RunOptions

        return RunOptions(
            waves=self.waves, corrupt_rtl=self.corrupt_rtl, adder_tree=self.adder_tree, jobs=self.jobs,
            scheduler=self.scheduler, min_margin=self.min_margin,
        )  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """Which sample of a spiking network is drawn."""

    raster: Annotated[
        Path | None,
        typer.Option(
            "--raster", metavar="FILE", help="Spiking network: draw spikes and membranes of an image there.",
            rich_help_panel=OUTPUT, callback=writes(check_file, *PICTURES),
        ),
    ] = None  # fmt: skip
    raster_image: Annotated[
        int | None,
        typer.Option(
            "--raster-image", metavar="K", help="Which image --raster draws.", show_default="0", rich_help_panel=OUTPUT
        ),
    ] = None

    def check(self, network: Any, images: int) -> None:
        """Raise InputError if there is nothing to draw."""
        if self.raster is None:
            if self.raster_image is not None:
                raise InputError("must come with --raster", parameter="raster_image")
            return
        from oxnor.models.golden.registry import only
        from oxnor.models.networks.spiking import SpikingNetwork

        only(network, SpikingNetwork, "for --raster")
        if not 0 <= (self.raster_image or 0) < images:
            raise InputError(f"must be in [0, {images - 1}], not {self.raster_image}", parameter="raster_image")

    def save(self, result: Any, design: Design, inputs: Any) -> None:
        """Draw the image, if one was asked for."""
        if self.raster is None:
            return
        from oxnor.models.golden.registry import only
        from oxnor.models.networks.spiking import SpikingNetwork
        from oxnor.sim.drawing.raster import Raster

        network = only(design.loaded, SpikingNetwork, "for --raster")
        k, labels = self.raster_image or 0, inputs.labels
        network = design.error_options.fault_map(network).apply(network)
        label = "" if labels is None else inputs.classes[labels[k]] if inputs.classes else str(labels[k])
        Raster.of(network, inputs.images[k], label, result.readout, k).plot().save(self.raster)


@expanded
def simulate(
    source: Source,
    data: Data,
    errors: Errors,
    devices: Devices,
    engine: Engine,
    run: Run,
    output: Annotated[
        Path | None, output("FILE.csv", "Also write a row for each image there.", ".csv", rich_help_panel=OUTPUT)
    ] = None,
    *,
    drawn: Drawn,
    as_json: AsJson = False,
) -> None:
    """Simulate the Verilog in Verilator and compare every bit with the golden model.

    Streams images through the engine's AXI ports by cocotb and compares every class and score, and the number of
    cycles with the schedule. Images are those of --data, or of the network's own set, or random bits. The build is
    cached: other images or errors do not build again. Exit code 1 if a bit or a cycle differs. Of a spiking network
    every output spike and its tick are compared, with the decision on each image and the cycle in which it came.

    --jobs shares out the images among simulators of one build, --scheduler among the workers of a Dask cluster, which
    build for themselves. The results are those of one simulator; each must take the cycles predicted for its images.

    With --min-margin the engine gives the margin of each result and whether that is below N: class, or unsure.

    With --device both devices of every synapse are drawn, and --macro devices puts them behind every read of the RTL:
    fixed-point ln R, sense offsets, read noise. Macros of kind bits hold what such devices read without noise.

    Example: [bold]oxnor simulate mnist-mlp --images 10000 --ber 0.01 --seed 7[/]
    """
    run.check()
    design = source.read(errors, data, devices, engine)
    inputs = design.inputs()
    drawn.check(design.loaded, len(inputs.images))
    with progress() as tell:
        what = f"{design.loaded.name} through RTL"
        tell(what, 0, 0)
        options = run.options()
        result = design.simulate(options, inputs=inputs, progress=lambda done, total: tell(what, done, total))
    if output is not None:
        from oxnor.sim.verify.per_image import write_csv

        write_csv(output, result, inputs)
    drawn.save(result, design, inputs)
    report = result.to_json() | {"inputs": inputs.source}
    if as_json:
        print_json(report)
    else:
        print_table(("", ""), _rows(report), left=2)
    if not result.ok:
        note(f"oxnor: the RTL differs: {result.difference}")
        raise typer.Exit(1)


#: Fields with a value for each layer, shown once where all are equal.
_OF_LAYERS = ("macro_kind", "macro", "folding", "dataflow")


def _rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the result as a table for people: the fields of the JSON in the same order."""
    once = {k: v[:1] for k, v in report.items() if k in _OF_LAYERS and v and all(x == v[0] for x in v)}
    return [
        ("energy", f"{1e9 * value:.2f} nJ")
        if key == "energy_j" and value is not None
        else (key.removesuffix("_j").replace("_", " "), value_text(key, value))
        for key, value in (report | once).items()
        if key != "shards"
    ]
