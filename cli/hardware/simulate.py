"""``oxnor simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oxnor.cli.console import note, print_json, print_table, progress
from oxnor.cli.options import (
    AsJson,
    Data,
    Dataflow,
    Device,
    DeviceCycles,
    DeviceSeconds,
    FaultInjector,
    Fold,
    Macro,
    NetworkName,
    NoScores,
    Programming,
    StreamWidth,
    TargetName,
    engine_config,
    load_any_network,
    load_device,
)
from oxnor.models.base.errors import InputError

_ERRORS = "Errors"


def simulate(
    network: NetworkName,
    images: Annotated[int, typer.Option("--images", metavar="N", help="Images, 1 to 10000.")] = 1000,
    ber: Annotated[
        float,
        typer.Option(
            "--ber", metavar="RATE", help="Share of weights that are wrong, 0 to 0.5.", rich_help_panel=_ERRORS
        ),
    ] = 0.0,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Key of the drawn errors and images.", rich_help_panel=_ERRORS)
    ] = 0,
    trial: Annotated[
        int, typer.Option("--trial", metavar="N", help="Which draw of that seed.", rich_help_panel=_ERRORS)
    ] = 0,
    faults: Annotated[
        Path | None,
        typer.Option(
            "--faults", metavar="FILE", help="Take the wrong weights from this file instead.", rich_help_panel=_ERRORS
        ),
    ] = None,
    read_ber: Annotated[
        float,
        typer.Option(
            "--read-ber",
            metavar="RATE",
            help="Probability that a single read is wrong, in steps of 1/65536; generates the fault injector.",
            rich_help_panel=_ERRORS,
        ),
    ] = 0.0,
    corrupt_rtl: Annotated[
        int,
        typer.Option(
            "--corrupt-rtl",
            metavar="K",
            help="Flip K weights of the output layer in the RTL alone, to see the check fail (exit code 1).",
            rich_help_panel=_ERRORS,
        ),
    ] = 0,
    device: Device = None,
    cycles: DeviceCycles = 0,
    seconds: DeviceSeconds = 0.0,
    data: Data = None,
    target: TargetName = "sim",
    macro: Macro = None,
    fold: Fold = None,
    dataflow: Dataflow = None,
    stream_width: StreamWidth = None,
    no_scores: NoScores = False,
    fault_injector: FaultInjector = False,
    programming: Programming = False,
    waves: Annotated[
        str | None,
        typer.Option("--waves", metavar="KIND", help="Record vcd or fst waves of the first 4 images."),
    ] = None,
    adder_tree: Annotated[
        bool, typer.Option("--adder-tree", help="Simulate the popcounts as they are synthesised; slower.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.csv", help="Also write a row for each image there."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Trust it: the emitted Verilog in Verilator against the golden model, bit for bit.

    Streams images through the engine's AXI ports by cocotb and compares every class and score, and the number of
    cycles with the schedule. Networks with 784 inputs get MNIST test images, others random bits. The build is cached:
    other images or errors do not build again. Exit code 1 if a single bit or cycle differs. Of a spiking network every
    output spike and its tick are compared, with the decision on each image and the cycle in which it came.

    With --device both devices of every synapse are drawn, and --macro twin puts them behind every read of the RTL:
    fixed-point ln R, sense offsets, read noise. Macros of kind bits hold what such devices read without noise.

    Example: [bold]oxnor simulate mnist-mlp --images 10000 --ber 0.01 --seed 7[/]
    """
    _check(ber, seed, trial, corrupt_rtl, waves)
    from oxnor.models.datasets.options import DataOptions
    from oxnor.models.devices.options import DeviceOptions
    from oxnor.models.faults.fault_map import FaultMap
    from oxnor.models.faults.options import ErrorOptions
    from oxnor.models.faults.read_errors import ReadErrors
    from oxnor.sim.verify.inputs import inputs_for

    loaded = load_any_network(network)
    extras = {"fault_injector": fault_injector, "programming": programming}
    config = engine_config(loaded, target, macro, fold, stream_width, no_scores, dataflow, **extras)
    read_errors = ReadErrors.from_ber(read_ber, seed) if read_ber else None
    inputs = inputs_for(loaded, DataOptions(images, data, seed))
    fault_map = FaultMap.load(faults) if faults is not None else None
    errors = ErrorOptions(ber, seed, trial, fault_map, read_errors)
    model = load_device(device, cycles, seconds)

    # After the checks: it loads the simulator's side, which bad input need not wait for.
    from oxnor.sim.verify.options import RunOptions
    from oxnor.sim.verify.simulate import simulate as run

    with progress() as tell:
        what = f"{loaded.name} through RTL"
        tell(what, 0, 0)
        result = run(
            loaded,
            inputs.images,
            labels=inputs.labels,
            errors=errors,
            device=DeviceOptions(model, cycles, seconds) if model else None,
            engine=config,
            run=RunOptions(waves=waves, corrupt_rtl=corrupt_rtl, adder_tree=adder_tree),
            progress=lambda done, total: tell(what, done, total),
        )
    if output is not None:
        from oxnor.sim.verify.per_image import write_csv

        write_csv(output, result, inputs.labels)
    found = result.to_json() | {"inputs": inputs.source}
    if as_json:
        print_json(found)
    else:
        print_table(("", ""), _rows(found), left=2)
    if not result.ok:
        note(f"oxnor: the RTL differs: {result.difference}")
        raise typer.Exit(1)


def _check(ber: float, seed: int, trial: int, corrupt_rtl: int, waves: str | None) -> None:
    if not 0 <= ber <= 0.5:
        raise InputError(f"--ber must be in [0, 0.5], not {ber:g}")
    for name, value in {"--seed": seed, "--trial": trial}.items():
        if not 0 <= value < 1 << 63:
            raise InputError(f"{name} must be in [0, 2**63), not {value}")
    if corrupt_rtl < 0:
        raise InputError(f"--corrupt-rtl must be 0 or more, not {corrupt_rtl}")
    if waves not in (None, "vcd", "fst"):
        raise InputError(f"--waves must be vcd or fst, not {waves!r}")


def _rows(found: dict) -> list[tuple[str, str]]:
    """Return the result as a table for people: the fields of the JSON in the same order."""
    rows = []
    for key, value in found.items():
        if value is None:
            text = "none"
        elif key.endswith("accuracy"):
            text = f"{100 * value:.2f} %"
        elif key == "energy_j":
            text = f"{1e9 * value:.2f} nJ"
        elif isinstance(value, float):
            text = f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
        elif isinstance(value, int) and not isinstance(value, bool):
            text = f"{value:,}"
        else:
            text = str(value)
        rows.append((key.removesuffix("_j").replace("_", " "), text))
    return rows
