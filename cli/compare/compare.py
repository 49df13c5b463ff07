"""``oxnor compare``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.expand import expanded
from oxnor.cli.options.common import DEVICES, OUTPUT, PAGES, PICTURES, AsJson, numbers, output, seed, words, writes
from oxnor.cli.options.source import Source, TestSet
from oxnor.cli.text import command_line
from oxnor.models.base.errors import InputError
from oxnor.models.base.replace import check_file

if TYPE_CHECKING:
    from oxnor.models.analog.adc import AdcMismatch

_ARRAYS = "Analog arrays"


@dataclass(frozen=True)
class Devices:
    """The devices that every row reads."""

    device: Annotated[
        str,
        typer.Option("--device", metavar="PRESET", help="Preset or .json file (oxnor device show --list).",
                     rich_help_panel=DEVICES),
    ] = "calibrated-1e-4"  # fmt: skip
    cycles: Annotated[
        float,
        typer.Option("--cycles", metavar="N", help="SET/RESET cycles that they have done.", rich_help_panel=DEVICES),
    ] = 0.0
    seconds: Annotated[
        str,
        typer.Option("--seconds", metavar="LIST", help="Seconds since programming: rows for each.",
                     rich_help_panel=DEVICES),
    ] = "0"  # fmt: skip
    draws: Annotated[
        int, typer.Option("--draws", metavar="N", help="Sets of devices, at least 2.", rich_help_panel=DEVICES)
    ] = 10
    spreads: Annotated[
        str,
        typer.Option("--spreads", metavar="LIST", help="Standard deviations of ln R for the picture, or none.",
                     rich_help_panel=DEVICES),
    ] = "0.1,0.3,0.5,0.8"  # fmt: skip
    ratio: Annotated[
        float | None,
        typer.Option("--ratio", metavar="N", help="HRS over LRS of the medians in the picture.",
                     show_default="those of the device", rich_help_panel=DEVICES),
    ] = None  # fmt: skip
    seed: Annotated[int, seed("Key of the devices.", rich_help_panel=DEVICES)] = 0


@dataclass(frozen=True)
class Arrays:
    """The analog rows: one for each combination."""

    adc_bits: Annotated[
        str,
        typer.Option("--adc-bits", metavar="LIST", help="Bits of the converters; 0 for an ideal one.",
                     rich_help_panel=_ARRAYS),
    ] = "4,5,6"  # fmt: skip
    rows: Annotated[
        str, typer.Option("--rows", metavar="LIST", help="Synapses that one conversion adds.", rich_help_panel=_ARRAYS)
    ] = "128"
    mapping: Annotated[
        str,
        typer.Option("--mapping", metavar="LIST", help="I to VI: how -1 and +1 become conductances (docs/analog.md).",
                     rich_help_panel=_ARRAYS),
    ] = "VI,I"  # fmt: skip
    converter: Annotated[
        str,
        typer.Option("--converter", metavar="LIST", help="uniform, sar or ramp, the latter two with mismatch.",
                     rich_help_panel=_ARRAYS),
    ] = "uniform"  # fmt: skip
    capacitor_sd: Annotated[
        float,
        typer.Option("--capacitor-sd", metavar="SHARE", help="Of a unit capacitor of their DAC: standard deviation.",
                     rich_help_panel=_ARRAYS),
    ] = 0.02  # fmt: skip
    comparator_sd: Annotated[
        float,
        typer.Option("--comparator-sd", metavar="SHARE", help="Of the offset of a comparator, as a share of the range.",
                     rich_help_panel=_ARRAYS),
    ] = 0.0  # fmt: skip

    def mismatches(self) -> tuple[AdcMismatch | None, ...]:
        """Return the mismatch of each kind of converter."""
        from oxnor.models.analog.adc import KINDS, AdcMismatch

        found: list[AdcMismatch | None] = []
        for kind in words(self.converter):
            if kind not in ("uniform", *KINDS):
                rule = f"must be uniform, {' or '.join(KINDS)}, with commas between them"
                raise InputError(f"{rule}, not {kind!r}", parameter="converter")
            found.append(None if kind == "uniform" else AdcMismatch(kind, self.capacitor_sd, self.comparator_sd))
        return tuple(found)


@dataclass(frozen=True)
class Outputs:
    """Files of a comparison."""

    output: Annotated[
        Path | None,
        output("FILE", "Trials: .json. Default: NETWORK-compare.json.", ".json", rich_help_panel=OUTPUT),
    ] = None
    energy: Annotated[
        Path | None,
        typer.Option("--energy", metavar="FILE", help="Costs of the engine: what oxnor energy NETWORK --json printed."),
    ] = None
    page: Annotated[
        Path | None,
        typer.Option("--page", metavar="FILE", help="Write a page with the picture: .html.", rich_help_panel=OUTPUT,
                     callback=writes(check_file, *PAGES)),
    ] = None  # fmt: skip
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Write the picture: .svg, .png or .pdf.", rich_help_panel=OUTPUT,
                     callback=writes(check_file, *PICTURES)),
    ] = None  # fmt: skip


def _numbers(parameter: str, text: str) -> tuple[float, ...]:
    return numbers(parameter, text, float, "numbers with commas between them", blanks=True)


def _integers(parameter: str, text: str) -> tuple[int, ...]:
    found = _numbers(parameter, text)
    if not found or any(v != int(v) for v in found):
        raise InputError(f"must be integers with commas between them, not {text!r}", parameter=parameter)
    return tuple(int(v) for v in found)


@expanded
def compare(
    ctx: typer.Context,
    source: Source,
    devices: Devices,
    arrays: Arrays,
    data: TestSet,
    outputs: Outputs,
    as_json: AsJson = False,
) -> None:
    """Compare digital and analog reads of one network on the same images and the same devices.

    Rows: digital 2T2R, 1T1R, 1T1R with codes, analog arrays (mapping x rows x converter bits x age), digital with
    SRAM. Accuracy has an interval over devices and images; energy, latency and area are ranges with their sources, and
    each row says what it leaves out. Analog sums of aged devices are scaled back by one factor a layer.

    Every trial is written to a file as it comes, and the same command goes on where it stopped.

    Example: [bold]oxnor compare mnist-mlp --page mlp.html[/]
    """
    from oxnor.models.base.files import write_text
    from oxnor.models.datasets.options import DataOptions
    from oxnor.models.devices.model import load
    from oxnor.sim.studies import compare as study
    from oxnor.sim.studies import compare_costs
    from oxnor.sim.studies import compare_page as shown

    spreads = () if devices.spreads == "none" else _numbers("spreads", devices.spreads)
    params = study.CompareParams(
        load(devices.device), devices.cycles, _numbers("seconds", devices.seconds), devices.draws,
        words(arrays.mapping), _integers("adc_bits", arrays.adc_bits),
        _integers("rows", arrays.rows), spreads, devices.seed, devices.ratio, arrays.mismatches(),
    )  # fmt: skip
    design = source.read(data, data=DataOptions(at_most=10_000))
    network, inputs = design.binarized, design.inputs()
    if inputs.labels is None:
        raise InputError("NETWORK and --data must have labels: what is compared is accuracy")
    costs = {} if outputs.energy is None else compare_costs.synthesized(network, outputs.energy)
    path = outputs.output or Path(f"{network.name}-compare.json")
    with progress() as tell:
        result = study.compare(network, inputs.images, inputs.labels, params, path, progress=tell)
    result = replace(result, synthesized=costs)
    if outputs.page is not None:
        write_text(outputs.page, shown.html(result, command_line(ctx, without=("as_json",))))
    if outputs.plot is not None:
        shown.spread_plot(result).save(outputs.plot)
    if as_json:
        print_json(result.to_json())
        return
    print_table(shown.HEAD, shown.cells(result.rows), title=f"{network.name}: the same devices, read in every way")
    if result.spread:
        print_table(*shown.spread_table(result))
    for text in (*shown.notes(result), study.WARNING):
        note(text)
    note(f"{result.computed:,} trials computed; all are in {path}")
